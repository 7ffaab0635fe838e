//! What the messenger needs to know, read once per bell.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use domain::Severity;
use domain::alert::retry::Schedule;
use platform::Error;
use platform::config::Reader;
use platform::entry::Routes;
use platform::http::Url;
use platform::identity::{digest, hex};
use platform::redis::{PATIENCE, Redis};

use crate::call::Secret;

/// A receiver of alerts.
pub(crate) struct Receiver {
    /// Stands for the URL wherever the URL must not be shown: the start of its SHA-256.
    pub(crate) id: String,
    pub(crate) url: Url,
    pub(crate) secret: Secret,
}

/// Receivers by severity.
type Routing = BTreeMap<String, Vec<Rc<Receiver>>>;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) lease: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) deadline: Duration,
    pub(crate) concurrency: usize,
    pub(crate) schedule: Schedule,
    routing: Routing,
}

impl Config {
    pub(crate) async fn read() -> Result<Self, Error> {
        let mut reader = Reader::new();
        let config = Config {
            redis: Redis::patient(&reader.text("redis_url").await, PATIENCE),
            lease: reader.seconds("lease_seconds", 1..=86_400).await,
            max_attempts: reader.number("max_attempts", 1..=1000).await,
            deadline: Duration::from_millis(reader.number("delivery_deadline_ms", 10..=600_000).await),
            concurrency: reader.number("delivery_concurrency", 1..=1024).await,
            schedule: Schedule::of(reader.parsed("retry_schedule", delays).await),
            routing: reader.parsed("alert_routes", routing).await,
        };
        // A lease that ends before a call does would let two workers call at the same time.
        let fault =
            (config.lease <= config.deadline).then_some("lease_seconds must be longer than delivery_deadline_ms");
        reader.finish_unless(fault, config)
    }

    /// Who is told about alerts of this severity.
    pub(crate) fn receivers(&self, severity: &str) -> &[Rc<Receiver>] {
        self.routing.get(severity).map_or(&[], Vec::as_slice)
    }

    /// The receiver of this id, whichever severity it is for.
    pub(crate) fn receiver(&self, id: &str) -> Option<Rc<Receiver>> {
        self.routing.values().flatten().find(|receiver| receiver.id == id).cloned()
    }
}

fn delays(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let rule = || vec!["must be a JSON array of at most 100 delays, in seconds from 0 to 604800".to_owned()];
    let seconds: Vec<f64> = serde_json::from_str(text).map_err(|_| rule())?;
    if seconds.len() > 100 || seconds.iter().any(|delay| !(0.0..=604_800.0).contains(delay)) {
        return Err(rule());
    }
    Ok(seconds.into_iter().map(|delay| (delay * 1000.0) as u64).collect())
}

fn routing(text: &str) -> Result<Routing, Vec<String>> {
    let rule = r#"must be a JSON object: severity to a list of {"url","secret"}"#;
    let routes: Routes = serde_json::from_str(text).map_err(|_| vec![rule.to_owned()])?;
    let (mut routing, mut faults) = (Routing::new(), Vec::new());
    for (severity, routes) in routes {
        if Severity::parse(&severity).is_none() {
            faults.push("knows the severities critical, high, moderate and info".to_owned());
            continue;
        }
        let receivers: &mut Vec<Rc<Receiver>> = routing.entry(severity.clone()).or_default();
        for (index, route) in routes.into_iter().enumerate() {
            let (url, secret) = (Url::parse(&route.url), Secret::parse(&route.secret));
            if url.is_none() {
                faults.push(format!("{severity}/{index}: url must be http or https, without credentials"));
            }
            if secret.is_none() {
                faults.push(format!("{severity}/{index}: secret must be whsec_ and at least 24 bytes as base64"));
            }
            let id = hex(digest(route.url.as_bytes()).first_chunk::<8>().unwrap_or(&[0; 8]));
            if receivers.iter().any(|receiver| receiver.id == id) {
                faults.push(format!("{severity}/{index}: the url stands there twice"));
            }
            if let (Some(url), Some(secret)) = (url, secret) {
                receivers.push(Rc::new(Receiver { id, url, secret }));
            }
        }
    }
    if faults.is_empty() { Ok(routing) } else { Err(faults) }
}
