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
use platform::redis::{Redis, millis, number, string, text, unexpected};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::queue::flows;
use crate::queue::holder::{Holder, LEASE, declared_dead};

/// How long a decision is kept if nobody ends its entry: longer than a worker may be stopped.
const KEPT: Duration = Duration::from_hours(24);
/// The most decisions in one script.
const MOST: usize = 256;

/// Pins decisions, each under the id of its submission or entry. Returns for each the decision that stands, if it is
/// another one.
///
/// # Errors
/// [`platform::Kind::Unavailable`], also when the worker was declared dead.
pub async fn pin(redis: &Redis, holder: &Holder, decisions: &[(String, String)]) -> Result<Vec<Option<String>>, Error> {
    let mut standing = Vec::with_capacity(decisions.len());
    for some in decisions.chunks(MOST) {
        let keys: Vec<String> = some.iter().map(|(id, _)| names::pinned(id)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        holder.told();
        let kept = number(i64::try_from(KEPT.as_secs()).unwrap_or(i64::MAX));
        let mut arguments = vec![text(holder.name()), millis(LEASE), kept];
        arguments.extend(some.iter().map(|(_, decision)| text(decision)));
        let reply = flows::eval(redis, lua!("queue/pin.lua"), &keys, arguments).await?;
        standing.extend(read(&reply, some.len())?);
    }
    Ok(standing)
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
