//! What Vigil does, seen from outside: real components in the host, a real Redis, real HTTP receivers.
//!
//! Every test has a Redis, a port, a folder and a receiver of its own, so all run in parallel. No test sleeps for luck:
//! it waits on a condition with a deadline. With the variable `SPIN` naming a `spin` binary, the same tests run on it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod app;
mod client;
mod clock;
mod delivery;
mod errors;
mod faults;
mod hosts;
mod journey;
mod limits;
mod names;
mod once;
mod openapi;
mod ops;
mod receiver;
mod stats;
