//! `POST /v1/ops/drain`: one round of all workers over HTTP, for hosts without Redis triggers and for a watchdog.
//!
//! Guarantee: the round runs the code of the workers itself: it moves due entries, recovers stuck ones, scores what
//! waits and sends what waits. The workers' components need not run. A self-check that is due goes the whole way. The
//! round links all workers, so it is in a component of its own.

use platform::Error;
use platform::http::Reply;
use serde_json::json;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use workers::{clock, dispatch, score};

/// One round.
pub(crate) async fn answer() -> Result<Reply, Problem> {
    round().await.map_err(|error| unavailable(&error))
}

async fn round() -> Result<Reply, Error> {
    let round = clock::Clock::load().await?.round(None).await?;
    let scored = score::drain(score::BUDGET).await?;
    let dispatched = dispatch::drain(dispatch::Until::Budget).await?;
    let (due, overdue) = (round.moved, round.overdue);
    Ok(Reply::json(200, &json!({"due": due, "overdue": overdue, "scored": scored, "dispatched": dispatched})))
}
