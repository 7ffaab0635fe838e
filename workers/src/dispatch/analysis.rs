//! The message that tells the requester of an analysis that it ended.

use domain::Timestamp;
use domain::alert::retry::Outcome;
use platform::Error;
use platform::http::Url;
use platform::kv::Store;
use serde::Deserialize;
use state::alerts::webhook;
use state::names;
use state::wire::analysis::{AnalysisState, Notified};
use state::wire::entry::Attempts;
use state::wire::queued::QueuedEnd;

use crate::dispatch::call::Request;
use crate::dispatch::config::Config;
use crate::dispatch::lanes::LaneId;

/// The lane of its address; the outcome if it has none.
pub(crate) fn lane(config: &Config, end: &QueuedEnd) -> Result<LaneId, Outcome> {
    let url = Url::parse(&end.webhook).ok();
    let webhook = url.and_then(|url| config.webhooks.find(&url)).ok_or(Outcome::NotConfigured)?;
    Ok(LaneId::Analyses(webhook.id.clone()))
}

/// The attempts so far.
pub(crate) async fn attempts(store: &Store, end: &QueuedEnd) -> Result<Attempts, Error> {
    let notified: Option<Notified> = store.get(&names::analysis_webhook(&end.analysis_id)).await?;
    Ok(notified.map(|notified| notified.attempts).unwrap_or_default())
}

/// The part of an analysis' record that decides about its message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    state: AnalysisState,
    #[serde(borrow)]
    ended_at: &'a str,
}

/// The body: the record of the analysis, the same at every attempt. None if it was erased.
pub(crate) async fn body(store: &Store, end: &QueuedEnd) -> Result<Option<String>, Error> {
    let record = store.bytes(&names::analysis(&end.analysis_id)).await?.unwrap_or_default();
    let record = String::from_utf8(record).unwrap_or_default();
    let ended: Option<Ended<'_>> = serde_json::from_str(&record).ok();
    let ended = ended.filter(|ended| ended.state != AnalysisState::Erased);
    Ok(ended.map(|it| format!(r#"{{"data":{record},"timestamp":"{}","type":"analysis.ended"}}"#, it.ended_at)))
}

/// The request; the outcome if there can be none.
pub(crate) fn request(
    config: &Config,
    end: &QueuedEnd,
    at: Timestamp,
    body: String,
    trace: &str,
) -> Result<Request, Outcome> {
    let url = Url::parse(&end.webhook).map_err(|_| Outcome::NotConfigured)?;
    let secret = &config.webhooks.find(&url).ok_or(Outcome::NotConfigured)?.secret;
    let secrets = std::slice::from_ref(secret);
    let headers = webhook::headers(secrets, end.analysis_id.as_str(), at, ("application/json", &body), trace);
    Ok(Request { url, headers, body: body.into_bytes() })
}
