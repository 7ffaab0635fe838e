//! Vigil's state on a Spin host: queues and alerts in Redis, records and settings in the key-value store.
//!
//! Functions and workers use this crate, `platform` and `domain`.

/// The text of a Lua file below `src/`, without its comments, for a script that is put together while the program runs.
macro_rules! lua {
    ($path:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $path))
    };
}

#[macro_use]
mod script;

pub mod alerts;
pub mod audit;
pub mod cache;
pub mod dead_letters;
pub mod edge;
pub mod erasure;
pub mod events;
pub mod figures;
pub mod health;
pub mod identity;
pub mod imaging;
pub mod journal;
pub mod lock;
pub mod names;
pub mod queue;
pub mod settings;
pub mod subjects;
pub mod variables;
pub mod wire;

pub use platform::Error;
