//! The formats of queue entries and stored records.

pub mod analysis;
pub mod delivery;
pub mod encoder;
pub mod entry;
pub mod evaluation;
pub mod idempotency;
pub mod queued;

#[cfg(test)]
mod tests;
