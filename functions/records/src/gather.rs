//! Fetches several parts at the same time, under one deadline.
//!
//! Guarantee: there is an answer at the deadline, good or bad. If a required part fails, the other calls are dropped,
//! which closes their connections. With `partial` no call is dropped, and the answer has every part that arrived.

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use platform::deadline::{Deadline, TimedOut};
use platform::log;
use platform::redis::Redis;
use serde::{Deserialize, Serialize};
use state::edge::parts::{self, Parts};
use state::edge::problem::{Problem, ProblemType};
use state::figures::refusals;

use state::edge::services::Outcome;

/// A part that is being fetched.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) required: bool,
    pub(crate) work: LocalBoxFuture<'a, Outcome>,
}

/// Why there is no answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// True if a required part missed the deadline; false if one failed.
    late: bool,
    detail: String,
    parts: Parts,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        let kind = if failure.late { ProblemType::DeadlinePassed } else { ProblemType::BadGateway };
        Problem::new(kind, failure.detail).parts(failure.parts)
    }
}

/// Fetches all parts.
///
/// # Errors
/// Unless `partial`: 504 if a required part missed the deadline, 502 if one failed. Both name every part.
pub(crate) async fn gather(
    redis: &Redis,
    parts: Vec<Part<'_>>,
    deadline: Deadline,
    partial: bool,
) -> Result<Parts, Failure> {
    let mut ended: Vec<(&str, bool, Option<Outcome>)> = Vec::with_capacity(parts.len());
    let mut running = FuturesUnordered::new();
    for (index, Part { name, required, work }) in parts.into_iter().enumerate() {
        ended.push((name, required, None));
        running.push(async move { (index, work.await) });
    }
    loop {
        let (index, outcome) = match deadline.run(running.next()).await {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(TimedOut) => break,
        };
        let failed = !matches!(outcome, Outcome::Ok(_));
        let Some((_, required, slot)) = ended.get_mut(index) else { break };
        *slot = Some(outcome);
        if failed && *required && !partial {
            break;
        }
    }
    drop(running);
    let late = deadline.left().is_zero();
    let ended: Vec<(&str, bool, Outcome)> = ended
        .into_iter()
        .map(|(name, required, outcome)| {
            (name, required, outcome.unwrap_or(if late { Outcome::TimedOut } else { Outcome::Cancelled }))
        })
        .collect();
    for (name, _, outcome) in &ended {
        refusals::called(redis, name, outcome.status().as_str());
    }
    let failed = |(_, required, outcome): &&(&str, bool, Outcome)| {
        *required && !matches!(outcome, Outcome::Ok(_) | Outcome::Cancelled)
    };
    if !partial && ended.iter().any(|part| failed(&part)) {
        return Err(failure(&ended, ended.iter().filter(failed)));
    }
    let shown = ended.into_iter().map(|(name, _, outcome)| {
        let part = outcome.shown();
        let data = if let Outcome::Ok(data) = outcome { Some(data) } else { None };
        (name.to_owned(), parts::Part { data, ..part })
    });
    Ok(Parts(shown.collect()))
}

/// Names the failed parts, and the outcome of every part.
fn failure<'a>(ended: &[(&str, bool, Outcome)], failed: impl Iterator<Item = &'a (&'a str, bool, Outcome)>) -> Failure {
    let (mut late, mut names) = (true, Vec::new());
    for (name, _, outcome) in failed {
        late &= matches!(outcome, Outcome::TimedOut);
        names.push(format!("{name} ({})", outcome.status().as_str()));
    }
    log::warn("part-failed").outcome(if late { "timed-out" } else { "failed" }).count(names.len()).write();
    let parts = Parts(ended.iter().map(|(name, _, outcome)| ((*name).to_owned(), outcome.shown())).collect());
    Failure { late, detail: format!("required parts failed: {}", names.join(", ")), parts }
}
