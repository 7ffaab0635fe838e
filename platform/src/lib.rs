//! The only code of Vigil that calls Spin: queues, the key-value store, HTTP both ways, time, configuration, logs.
//!
//! Functions are written in terms of this and of `domain`; nothing here knows an instrument, a score or an alert rule.

/// A Lua script by its place below `src/`, without its comments.
macro_rules! lua {
    ($path:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $path))
    };
}

pub mod ahead;
pub mod alert_stats;
pub mod alerts;
pub mod audit;
pub mod auth;
pub mod awaited;
pub mod cache;
pub mod check;
pub mod clock;
pub mod config;
pub mod dead;
pub mod deadline;
pub mod entry;
pub mod erasure;
mod error;
pub mod fhir;
pub mod filed;
pub mod fresh;
pub mod history;
pub mod holder;
pub mod http;
pub mod identity;
pub mod index;
pub mod jobs;
mod json;
pub mod judged;
pub mod kv;
pub mod limit;
pub mod link;
pub mod linked;
pub mod lock;
pub mod log;
pub mod mark;
pub mod memory;
pub mod month;
pub mod names;
pub mod percent;
pub mod place;
pub mod problem;
pub mod query;
pub mod queue;
pub mod rate;
pub mod receivers;
pub mod redis;
pub mod self_check;
pub mod settings;
pub mod stats;
pub mod tally;
pub mod trace;
pub mod watch;
pub mod webhook;

pub use error::{Error, Kind};

/// What a component does is mostly small allocations; this allocator is faster at them than the target's own, and smaller.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
