//! The host, driven over its own doors: HTTP, Redis, the key-value file, and a receiver of outgoing calls.
//!
//! Every test has its own Redis server, application and folder, so they run in parallel. Nothing waits a fixed time for
//! something to happen: a test asks until it has, or a deadline has passed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test, and its helpers fail it"
)]

mod app;
mod grants;
mod http;
mod key_value;
mod lifecycle;
mod limits;
mod outbound;
mod redis;
