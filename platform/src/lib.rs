//! The only code of Vigil that calls Spin: Redis, the key-value store, HTTP both ways, time, variables, logs.
//!
//! Nothing here knows Vigil: the crate `state` keeps Vigil's state by it, and the functions answer by it.
//!
//! Redis, the key-value store, time and chance also run natively, without Spin: for the operator's program, and for tests
//! against a real Redis. The rest compiles natively and does not run there.

pub mod clock;
pub mod deadline;
pub mod digest;
mod error;
pub mod http;
pub mod json;
pub mod kv;
pub mod log;
pub mod memory;
pub mod percent;
pub mod prefetch;
pub mod redis;
pub mod trace;
pub mod variables;

pub use error::{Error, Kind};

/// Components make many small allocations; this allocator is faster at them than the target's own, and smaller.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
