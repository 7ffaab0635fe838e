//! `POST /v1/ops/drain`: one round of all workers over HTTP, for hosts without Redis triggers and for a watchdog.
//!
//! Guarantee: the round runs the code of the workers itself: it moves due entries, recovers stuck ones, scores what
//! waits and sends what waits. The workers' components need not run. A self-check that is due goes the whole way. The
//! round links all workers, so it is in a component of its own.

use platform::Error;
use platform::http::Reply;
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use workers::{clock, dispatch, score};

/// The result of a round.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Round {
    /// Entries that were moved because they were due.
    due: usize,
    /// Alerts that should have moved and did not.
    overdue: usize,
    /// Submissions that were scored.
    scored: usize,
    /// Deliveries that were attempted.
    dispatched: usize,
}

/// One round, for a key that covers everything: it works for all studies, and its answer counts for all of them.
pub(crate) async fn answer(principal: &Principal) -> Result<Reply, Problem> {
    principal.must_cover_all()?;
    round().await.map_err(|error| unavailable(&error))
}

async fn round() -> Result<Reply, Error> {
    let round = clock::Clock::load().await?.round(None).await?;
    let scored = score::drain(score::BUDGET).await?;
    let dispatched = dispatch::drain(dispatch::Until::Budget).await?;
    Ok(Reply::json(200, &Round { due: round.moved, overdue: round.overdue, scored, dispatched }))
}
