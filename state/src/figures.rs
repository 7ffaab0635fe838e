//! Counters and histograms, and their readings.

pub mod alerts;
pub mod counters;
pub mod hour;
pub mod monthly;
pub mod refusals;
