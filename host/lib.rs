//! A small Spin for developing and testing Vigil's components, and what brings a bare machine up to it.

pub mod setup;
