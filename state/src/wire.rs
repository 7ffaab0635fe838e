//! The formats of queue entries and stored records.

pub mod analysis;
pub mod delivery;
pub mod encoder;
pub mod entry;
pub mod evaluation;
pub mod idempotency;
pub mod queued;
pub mod resource;
pub mod row;
pub mod sealed;
pub mod table;

#[cfg(test)]
mod tests;
