//! `GET /v1/stats/hour`: the figures of the last 60 minutes.
//!
//! Guarantee: the figures are of all studies together, so they are for keys that cover all of them.

#[cfg(feature = "schema")]
use domain::schema::Time;
use platform::clock;
use platform::http::Reply;
use serde::Serialize;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::Call;
use state::figures::hour;

use crate::config::Config;

/// The minutes of the last hour that have figures.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Hour {
    /// The oldest first. A minute in which the clock did not tick is missing.
    minutes: Vec<Minute>,
}

/// The figures of a minute.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Minute {
    /// Its start.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    at: String,
    /// Submissions that were taken in.
    accepted: u64,
    /// Submissions that were scored.
    scored: u64,
    /// Calls to receivers that took what they were told: alerts, events and notifications.
    delivered: u64,
    /// The entries of each queue that were not finished at its end.
    waiting: OfQueues,
    /// The age of the oldest of them, milliseconds; 0 if there was none.
    oldest_ms: OfQueues,
}

/// A number for each queue.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct OfQueues {
    /// Submissions.
    score: u64,
    /// Alerts, deliveries and messages.
    dispatch: u64,
}

impl From<[u64; hour::QUEUES.len()]> for OfQueues {
    fn from([score, dispatch]: [u64; hour::QUEUES.len()]) -> Self {
        OfQueues { score, dispatch }
    }
}

/// Shows the last hour.
pub(crate) async fn show(call: &Call<Config>) -> Result<Reply, Problem> {
    call.principal.must_cover_all()?;
    Query::none(&call.incoming.query)?;
    let minutes = hour::read(&call.config.redis, clock::now().millis()).await.map_err(|error| unavailable(&error))?;
    let minutes = minutes.into_iter().map(|one| Minute {
        at: one.at.to_string(),
        accepted: one.accepted,
        scored: one.scored,
        delivered: one.delivered,
        waiting: one.waiting.into(),
        oldest_ms: one.oldest_ms.into(),
    });
    Ok(Reply::json(200, &Hour { minutes: minutes.collect() }).header("cache-control", "no-store"))
}
