//! The errors of calls to the host, in one type: the operation, the kind, the cause.
//!
//! The kind tells whether trying again can help. The cause is for the log; clients never see it.

use std::fmt;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The service cannot be reached or answers nonsense: later may go better.
    Unavailable,
    /// No answer before the deadline.
    TimedOut,
    /// The host forbids it, or the configuration is wrong: later goes no better.
    Refused,
}

/// A failed call to the host.
#[derive(Debug, Clone)]
pub struct Error {
    /// The operation: `redis`, `key-value`, `variable`.
    pub operation: &'static str,
    /// The kind of the failure.
    pub kind: Kind,
    cause: String,
}

impl Error {
    /// A failed call, with its cause: what the host or a server said, never what a client sent.
    pub fn new(operation: &'static str, kind: Kind, cause: impl fmt::Display) -> Self {
        Error { operation, kind, cause: cause.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.cause)
    }
}

impl std::error::Error for Error {}
