//! Vigil's health: variables, the self-check, overdue alerts.

pub mod check;
pub mod self_check;
pub mod watch;
