//! Counters and histograms, and their readings.

pub mod alerts;
pub mod counters;
pub mod monthly;
pub mod refusals;
