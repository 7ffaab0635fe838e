//! Whether Vigil works: variables, the self-check, what should have moved.

pub mod check;
pub mod self_check;
pub mod watch;
