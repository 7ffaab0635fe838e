//! The call to an external risk service, for the instruments that an operator chose. Off by default.
//!
//! Guarantee: scoring never waits for the service longer than its deadline, nor a batch longer than its budget, and no
//! failure of the service fails scoring. The record says how the call ended: `ok` with the answer, `late`, or `failed`
//! and why.
//!
//! The service may answer differently the next time. The record that was stored first stands (see `super::context`), so
//! its hash in the audit chain matches the record that is shown. If a worker dies between the answer and the store, the
//! service is called twice for one submission.

use std::time::Duration;

use domain::ids::InstrumentId;
use domain::reading::{Json, Limits};
use futures::stream::{self, StreamExt as _};
use platform::clock;
use platform::deadline::Deadline;
use platform::http::{self, CallError, Url};
use platform::trace::Trace;
use platform::variables::Reader;
use serde_json::json;
use state::variables;
use state::wire::evaluation::{Risk, RiskStatus};

use crate::score::context::Wanting;

/// The longest answer, bytes.
const LONGEST_ANSWER: usize = 16 * 1024;
/// The most values and levels of a parsed answer. The answers of a whole batch are in memory together.
const ANSWER: Limits = Limits { levels: 16, values: 200 };

/// The service to call, and the instruments that it covers.
#[derive(Default)]
pub(crate) struct Config {
    /// None: no service.
    url: Option<Url>,
    instruments: Vec<InstrumentId>,
    deadline: Duration,
    concurrency: usize,
}

impl Config {
    /// Reads the variables.
    pub(crate) async fn read(reader: &mut Reader) -> Self {
        let url = |text: &str| match text.trim() {
            "" => Ok(None),
            text => Url::parse(text).map(Some).map_err(|rule| vec![format!("must be empty, or {rule}")]),
        };
        let instruments = |text: &str| {
            let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(InstrumentId::parse);
            let ids: Option<Vec<InstrumentId>> = ids.collect();
            ids.ok_or_else(|| vec!["must be ids of instruments, with commas between".to_owned()])
        };
        Config {
            url: reader.parsed(&variables::RISK_URL, url).await,
            instruments: reader.parsed(&variables::RISK_INSTRUMENTS, instruments).await,
            deadline: reader.read(&variables::RISK_DEADLINE_MS).await,
            concurrency: reader.read(&variables::RISK_CONCURRENCY).await,
        }
    }

    /// Whether it is called for responses to this instrument.
    pub(crate) fn covers(&self, instrument: &InstrumentId) -> bool {
        self.url.is_some() && self.instruments.iter().any(|id| id == instrument)
    }
}

/// Calls the service for those that want it. Returns the results in their order. `budget` bounds all calls together.
pub(crate) async fn ask(config: &Config, wanting: &[Wanting<'_>], budget: Duration) -> Vec<Option<Risk>> {
    let Some(url) = &config.url else { return wanting.iter().map(|_| None).collect() };
    let until = Deadline::after(budget);
    let calls = wanting.iter().map(async |wanting| {
        if wanting.needs.risk { Some(call(url, wanting, until.cap(config.deadline)).await) } else { None }
    });
    stream::iter(calls).buffered(config.concurrency).collect().await
}

async fn call(url: &Url, wanting: &Wanting<'_>, deadline: Deadline) -> Risk {
    let submission = &wanting.entry.submission;
    let body = json!({
        "pseudonym": submission.subject,
        "instrument": submission.instrument,
        "scores": wanting.scores,
        "answers": submission.content,
    });
    let headers = [
        ("accept", "application/json".to_owned()),
        ("traceparent", Trace::accept(Some(&wanting.entry.trace), clock::random_bits()).as_str().to_owned()),
        ("user-agent", concat!("vigil/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    let failed = |reason: &str| Risk { status: RiskStatus::Failed, reason: Some(reason.to_owned()), answer: None };
    match http::post(url, &headers, (http::JSON, body.to_string().into_bytes()), LONGEST_ANSWER, deadline).await {
        Ok(answer) if !(200..300).contains(&answer.status) => failed("answered"),
        // An answer that is too long comes empty.
        Ok(answer) => match Json::sound(&answer.body, ANSWER) {
            Ok(answer) => Risk { status: RiskStatus::Ok, reason: None, answer: Some(answer) },
            Err(_) => failed("unreadable"),
        },
        Err(CallError::TimedOut) => Risk { status: RiskStatus::Late, reason: None, answer: None },
        Err(CallError::Unreachable | CallError::UnknownHost | CallError::NotTrusted) => failed("unreachable"),
        Err(CallError::Refused) => failed("refused"),
    }
}
