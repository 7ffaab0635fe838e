//! The variable `alert_routes`: webhooks by severity. It applies unless a document says otherwise.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::read::{endpoint, link, secret};
use super::{Channel, Receiver, Resource, Routes};
use crate::alert::retry::Schedule;
use crate::alert::template::{Escape, Template};
use crate::alert::zone::Clock;
use crate::ids::ReceiverId;
use crate::reading::{At, Faults};
use crate::{Code, Finding, Severity, hex};

/// The id of a receiver that is known only by its URL: 16 hex digits, the start of the URL's SHA-256. A URL may hold a
/// secret, but its hash may be shown.
pub fn receiver_id(url: &str) -> ReceiverId {
    let mut id = hex(&Sha256::digest(url.as_bytes()));
    id.truncate(16);
    id.into()
}

impl Routes {
    /// Parses the variable: `{"critical": [{"url", "secret"}], ..., "link": as in the document}`.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read_variable(document: &Value) -> Result<Routes, Vec<Finding>> {
        let (at, mut faults) = (At::root(document), Faults::new());
        let mut receivers: BTreeMap<ReceiverId, Receiver> = BTreeMap::new();
        let mut routes = Routes::empty();
        let members: Vec<&str> = Severity::ALL.map(Severity::as_str).into_iter().chain(["link"]).collect();
        at.object(&mut faults, &members);
        if let Some(at) = at.get("link") {
            link(at, &mut routes, &mut faults);
        }
        for (severity, slot) in Severity::ALL.into_iter().zip(&mut routes.defaults.routes) {
            let Some(list) = at.get(severity.as_str()) else { continue };
            let mut ids: Vec<ReceiverId> = Vec::new();
            for at in list.list(&mut faults) {
                if !at.object(&mut faults, &["url", "secret"]) {
                    continue;
                }
                let url = at.need("url", &mut faults).and_then(|at| endpoint(at, &mut faults));
                let secret = at.need("secret", &mut faults).and_then(|at| secret(at, &mut faults));
                let (Some(url), Some(secret)) = (url, secret) else { continue };
                let id = receiver_id(url.as_str());
                if ids.contains(&id) {
                    at.fault(&mut faults, Code::Conflict, "a url is there once");
                    continue;
                }
                ids.push(id.clone());
                let receiver = receivers.entry(id.clone()).or_insert_with(|| webhook(id, url));
                // Two severities may name one receiver with different secrets. Then both secrets sign.
                if !receiver.secrets.contains(&secret) {
                    receiver.secrets.push(secret);
                }
            }
            // An empty list means the same as no list: this severity has no route.
            *slot = (!ids.is_empty()).then_some(ids);
        }
        routes.receivers = receivers;
        if faults.is_empty() { Ok(routes) } else { Err(faults) }
    }

    /// Sets this deadline for every receiver, milliseconds, and these delays in place of the schedules by urgency.
    #[must_use]
    pub fn paced(mut self, deadline_ms: u64, delays_ms: Option<Vec<u64>>) -> Routes {
        for receiver in self.receivers.values_mut() {
            receiver.deadline_ms = deadline_ms;
        }
        if let Some(delays_ms) = delays_ms {
            self.critical = Schedule { pass_on_from: self.critical.pass_on_from, ..Schedule::of(delays_ms) };
            self.routine = Schedule { pass_on_from: None, ..self.critical.clone() };
        }
        self
    }
}

fn webhook(id: ReceiverId, url: crate::alert::endpoint::Endpoint) -> Receiver {
    Receiver {
        id,
        channel: Channel::Webhook,
        resource: Resource::default(),
        url,
        secrets: Vec::new(),
        authorization: None,
        deadline_ms: 10_000,
        per_minute: None,
        concurrency: 8,
        clock: Clock::default(),
        quiet: None,
        to: String::new(),
        format: Escape::Json,
        bodies: [Template::NOTHING, Template::NOTHING],
    }
}
