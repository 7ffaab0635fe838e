//! `cargo run`: provides the prerequisites, and asks whether the application is ready.

pub mod probe;
pub mod setup;
