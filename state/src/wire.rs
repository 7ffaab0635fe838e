//! What travels on the queues and rests in the store.

pub mod encoder;
pub mod entry;
pub mod evaluation;
pub mod idempotency;

#[cfg(test)]
mod tests;
