//! The queue protocol against a real Redis: the replies of each script, and the invariants under random histories.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "this is a test")]

mod backwards;
mod erasing;
mod hour;
mod keys;
mod model;
mod redis;
mod simulation;
mod steps;
mod studies;
