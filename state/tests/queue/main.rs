//! The protocol of the queues, against a real Redis: what each script says, and what holds whatever happens.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "this is a test")]

mod model;
mod redis;
mod simulation;
mod steps;
