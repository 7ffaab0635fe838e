//! One JSON line per event, from a closed set of fields.
//!
//! Guarantee: no field can carry answers, scores, free text, names, contact data, tokens or bodies. A line is made of
//! ids that Vigil gave itself, fixed words and numbers; the one free field, `cause`, takes our own errors, whose texts
//! come from the host and never from a client.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::clock;
use crate::trace::Trace;

/// The severity of an event.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Somebody should look at it some day.
    Warn,
    /// Somebody should look at it now.
    Error,
}

/// A line that is being put together. [`Line::write`] ends it.
#[must_use = "a line is written by `write`"]
pub struct Line {
    fields: Map<String, Value>,
}

/// Starts a line: `event` is a fixed word such as `delivery-failed`.
pub fn line(level: Level, event: &'static str) -> Line {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut line = Line { fields: Map::new() };
    line.put("time", clock::now().rfc3339());
    line.put("level", level);
    line.put("event", event);
    match Trace::current() {
        Some(trace) => line.trace(trace.as_str()),
        None => line,
    }
}

/// Starts a line at [`Level::Info`].
pub fn info(event: &'static str) -> Line {
    line(Level::Info, event)
}

/// Starts a line at [`Level::Warn`].
pub fn warn(event: &'static str) -> Line {
    line(Level::Warn, event)
}

/// Starts a line at [`Level::Error`].
pub fn error(event: &'static str) -> Line {
    line(Level::Error, event)
}

impl Line {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    /// The id of a submission.
    pub fn submission(mut self, id: impl AsRef<str>) -> Self {
        self.put("submission", id.as_ref());
        self
    }

    /// The id of an alert.
    pub fn alert(mut self, id: impl AsRef<str>) -> Self {
        self.put("alert", id.as_ref());
        self
    }

    /// The id of a receiver, never its URL.
    pub fn receiver(mut self, id: impl AsRef<str>) -> Self {
        self.put("receiver", id.as_ref());
        self
    }

    /// The id of an API key, never the key.
    pub fn key(mut self, id: impl AsRef<str>) -> Self {
        self.put("key", id.as_ref());
        self
    }

    /// A fixed word: an outcome, a reason.
    pub fn outcome(mut self, word: &'static str) -> Self {
        self.put("outcome", word);
        self
    }

    /// A number of things.
    pub fn count(mut self, count: usize) -> Self {
        self.put("count", count);
        self
    }

    /// The memory of the instance, bytes.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.put("memory", bytes);
        self
    }

    /// The number of the attempt.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.put("attempt", attempt);
        self
    }

    /// An HTTP status.
    pub fn status(mut self, status: u16) -> Self {
        self.put("status", status);
        self
    }

    /// The trace this event belongs to, if it is not that of the work at hand.
    pub fn trace(mut self, traceparent: &str) -> Self {
        self.put("traceparent", traceparent);
        self
    }

    /// One of our own errors.
    pub fn cause(mut self, error: &dyn Display) -> Self {
        self.put("cause", error.to_string());
        self
    }

    /// Writes the line to the component's standard error.
    pub fn write(self) {
        eprintln!("{}", Value::Object(self.fields));
    }
}
