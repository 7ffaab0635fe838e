//! What the clock looks after beside the queues: alerts that should have moved and did not, and dead letters.
//!
//! Guarantee: an alert whose time passed longer than a grace ago is reported once in every such grace, counted, and looked at
//! by a worker, which puts what was lost onto the stream again. Dead letters are bounded by count and age; what is cut
//! off is counted. Not for: repair of states. They are what the store and Redis say they are.

use crate::names::{self, Queue};
use crate::queue::{BELL, flows};
use crate::wire::entry::{Due, Work};
use platform::redis::{Redis, integer, millis, number, string, text, unexpected};
use platform::{Error, kv};
use std::time::Duration;

/// The most alerts that one round reports.
const MOST: i64 = 100;

/// What a round found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Alerts that did not move.
    pub overdue: Vec<String>,
    /// Dead letters that were cut off.
    pub trimmed: usize,
}

/// Bounds.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How late an alert may be.
    pub grace: Duration,
    /// The most dead letters.
    pub dead_letters: u32,
    /// The longest that a dead letter is kept.
    pub dead_letters_kept: Duration,
}

/// Looks once.
///
/// # Errors
/// [`platform::Kind::Away`].
pub async fn round(redis: &Redis, now_ms: i64, bounds: Bounds) -> Result<Watched, Error> {
    let queue = Queue::Dispatch;
    let kept_ms = i64::try_from(bounds.dead_letters_kept.as_millis()).unwrap_or(i64::MAX);
    // The script puts the id of each alert where this has a hole.
    let look = Due { alert_id: HOLE.to_owned(), submission_id: String::new(), work: Work::Look };
    let look = kv::json(&look)?;
    let (before, after) = look.split_once(HOLE).ok_or_else(|| unexpected("watch"))?;
    let arguments = vec![
        number(now_ms),
        millis(bounds.grace),
        number(MOST),
        number(bounds.dead_letters.into()),
        number(now_ms.saturating_sub(kept_ms).max(0)),
        text(before),
        text(after),
        text(queue.channel()),
        millis(BELL),
    ];
    let keys = [names::ALERTS_NEXT, names::DEAD, names::WATCH, queue.bell()];
    let reply = flows::eval(redis, lua!("health/watch.lua"), &keys, arguments).await?;
    let [trimmed, overdue @ ..] = reply.as_slice() else { return Err(unexpected("watch")) };
    let trimmed = integer(trimmed).and_then(|count| usize::try_from(count).ok()).ok_or_else(|| unexpected("watch"))?;
    Ok(Watched { overdue: overdue.iter().filter_map(string).collect(), trimmed })
}

const HOLE: &str = "@";

/// How many alerts were found late, and how many dead letters were cut off, ever.
///
/// # Errors
/// [`platform::Kind::Away`].
pub async fn counts(redis: &Redis) -> Result<(u64, u64), Error> {
    let reply = redis.command("HMGET", vec![text(names::WATCH), text("overdue"), text("dead-trimmed")]).await?;
    let count = |at: usize| reply.get(at).and_then(integer).and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    Ok((count(0), count(1)))
}
