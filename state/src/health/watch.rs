//! The clock's duties beside the queues: overdue alerts and dead letters.
//!
//! Guarantee: an alert that is overdue by more than a grace period is reported and counted once per period. A worker
//! checks it and puts lost work onto the stream again. Dead letters are bounded by count and age; those cut off are
//! counted.
//!
//! Not for: repair of states. The store and Redis define them.

use std::time::Duration;

use platform::redis::{Redis, integer, millis, number, string, text, unexpected};
use platform::{Error, kv};

use crate::names::{self, Queue};
use crate::queue::{BELL, flows};
use crate::wire::entry::{Due, Work};

/// The most alerts that one round reports.
const MOST: i64 = 100;

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Overdue alerts.
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
    /// The longest time that a dead letter is kept.
    pub dead_letters_kept: Duration,
}

/// Runs one round.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn round(redis: &Redis, now_ms: i64, bounds: Bounds) -> Result<Watched, Error> {
    let queue = Queue::Dispatch;
    let kept_ms = i64::try_from(bounds.dead_letters_kept.as_millis()).unwrap_or(i64::MAX);
    // The script inserts each alert's id at this placeholder.
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

/// How many alerts were found overdue, and how many dead letters were cut off, in total.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn counts(redis: &Redis) -> Result<(u64, u64), Error> {
    let reply = redis.command("HMGET", vec![text(names::WATCH), text("overdue"), text("dead-trimmed")]).await?;
    let count = |at: usize| reply.get(at).and_then(integer).and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    Ok((count(0), count(1)))
}
