//! Pins: decisions that Redis keeps before they are stored.
//!
//! Guarantee: some outcomes depend on the time of the work: on earlier submissions, a risk service's answer, the rules
//! of a study. For such an entry every worker stores the outcome that was decided first, until the entry is ended. A
//! worker that was stopped after its last call to Redis and goes on writes the same bytes as the store has by then.
//!
//! Mechanism: the decision goes into Redis before the store is written, unless a decision is there already. A worker
//! that was declared dead can pin nothing. The script that ends the entry deletes the pin
//! ([`super::FollowUps::unpin`]).

use std::time::Duration;

use platform::Error;
use platform::redis::{Redis, Seconds, flat, string, unexpected};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::queue::holder::{Holder, LEASE, declared_dead};

/// The time for which a decision is kept if nobody ends its entry: longer than a worker may be stopped.
const KEPT: Duration = Duration::from_hours(24);
/// The most decisions in one script.
const MOST: usize = 1024;

/// Pins decisions, each under the id of its submission, subject or entry. Returns for each the decision that stands, if it is
/// another one.
///
/// # Errors
/// [`platform::Kind::Unavailable`], also when the worker was declared dead.
pub async fn pin(redis: &Redis, holder: &Holder, decisions: &[(String, String)]) -> Result<Vec<Option<String>>, Error> {
    let mut standing = Vec::with_capacity(decisions.len());
    for some in decisions.chunks(MOST) {
        holder.told();
        let script = PinScript {
            pinned: some.iter().map(|(id, _)| names::pinned(id)).collect(),
            holder: holder.name(),
            lease: LEASE,
            kept: Seconds(KEPT),
            decisions: some.iter().map(|(_, decision)| decision.as_str()).collect(),
        };
        standing.extend(read(&script.run(redis).await?, some.len())?);
    }
    Ok(standing)
}

script! {
    PinScript<'a> = after flows "queue/pin.lua",
    keys { pinned: Vec<String> }
    args { holder: &'a str, lease: Duration, kept: Seconds, decisions: Vec<&'a str> }
    reply Vec<RedisResult>, by flat
}

fn read(reply: &[RedisResult], count: usize) -> Result<Vec<Option<String>>, Error> {
    let (lives, first) = reply.split_first().ok_or_else(|| unexpected("pin"))?;
    if string(lives).as_deref() == Some("0") {
        return Err(declared_dead());
    }
    let first: Option<Vec<String>> = first.iter().map(string).collect();
    let first = first.filter(|first| first.len() == count).ok_or_else(|| unexpected("pin"))?;
    Ok(first.into_iter().map(|first| Some(first).filter(|first| !first.is_empty())).collect())
}
