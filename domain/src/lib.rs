//! Vigil's rules: what a report means, what it scores, whom it alarms and when to try again.
//!
//! Guarantee: every function here is a pure function of its arguments. There is no IO, no clock, no randomness and no
//! async; time, random numbers and earlier results come in as values, and a decision comes out with its reason.
#![no_std]

extern crate alloc;

pub mod delivery;
mod finding;
pub mod intake;
mod time;

pub use finding::{Code, Finding};
pub use time::Timestamp;
