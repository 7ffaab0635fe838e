//! Vigil's health: variables, the key of the pseudonyms, the self-check, overdue alerts.

pub mod check;
pub mod same_key;
pub mod self_check;
pub mod watch;
