//! Tests the host from outside: HTTP, Redis, the key-value file, and a receiver of outgoing calls.
//!
//! Every test has its own Redis server, application and folder, so they run in parallel. No test waits a fixed time: it
//! polls until the event has happened or a deadline has passed.

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
