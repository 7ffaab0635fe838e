//! Counters and histograms, and what is read from them.

pub mod alerts;
pub mod counters;
pub mod monthly;
pub mod refusals;
