//! The behaviour of each service, and the calls that it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

/// The reaction of a service to a call.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    /// Answers with the status.
    #[default]
    Answer,
    /// Answers 200 with a body that is not JSON.
    Garbage,
    /// Answers 200 with a body that never ends.
    Flood,
    /// Closes the connection without an answer.
    Cut,
    /// Never answers.
    Hang,
}

/// The behaviour of a service.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Script {
    latency_ms: u64,
    pub(crate) status: u16,
    pub(crate) act: Act,
}

impl Default for Script {
    fn default() -> Self {
        Script { latency_ms: 0, status: 200, act: Act::Answer }
    }
}

impl Script {
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }
}

#[derive(Default)]
struct Service {
    script: Script,
    calls: u64,
    closed_early: u64,
    at_once: u64,
    most_at_once: u64,
    last: Value,
}

/// All services, by name.
#[derive(Clone, Default)]
pub(crate) struct Services(Arc<Mutex<BTreeMap<String, Service>>>);

impl Services {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Service>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the service follows this script.
    pub(crate) fn follow(&self, name: &str, script: Script) {
        self.all().entry(name.to_owned()).or_default().script = script;
    }

    /// The calls that the service saw: how many, how many the caller left before the answer, how many at the same time,
    /// and path, query and headers of the last one.
    pub(crate) fn seen(&self, name: &str) -> Value {
        let mut all = self.all();
        let service = all.entry(name.to_owned()).or_default();
        json!({
            "calls": service.calls,
            "closedEarly": service.closed_early,
            "atOnce": service.at_once,
            "mostAtOnce": service.most_at_once,
            "last": service.last,
        })
    }

    /// A call begins.
    pub(crate) fn begin(&self, name: &str, parts: &Parts) -> Call {
        let text = |value: &hyper::header::HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
        let headers: BTreeMap<&str, Value> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let mut all = self.all();
        let service = all.entry(name.to_owned()).or_default();
        service.calls += 1;
        service.at_once += 1;
        service.most_at_once = service.most_at_once.max(service.at_once);
        service.last = json!({"path": parts.uri.path(), "query": parts.uri.query(), "headers": headers});
        Call { services: self.clone(), name: name.to_owned(), script: service.script, ended: false }
    }
}

/// A call that is being answered. If it is dropped before its end, the caller has left.
pub(crate) struct Call {
    services: Services,
    name: String,
    script: Script,
    ended: bool,
}

impl Call {
    pub(crate) fn script(&self) -> Script {
        self.script
    }

    pub(crate) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(service) = self.services.all().get_mut(&self.name) {
            service.at_once -= 1;
            service.closed_early += u64::from(!self.ended);
        }
    }
}
