//! The clock's duties beside the queues: overdue alerts and dead letters.
//!
//! Guarantee: an alert that is overdue by more than a grace period is reported and counted once per period. A worker
//! checks it and puts lost work onto the stream again. Dead letters are bounded by count and age; those cut off are
//! counted.
//!
//! Not for: repair of states. The store and Redis define them.

use domain::ids::SubmissionId;
use std::time::Duration;

use platform::Error;
use platform::redis::{Redis, integer, string, text, unexpected};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};
use crate::queue::BELL;
use crate::wire::entry::{Due, Work};
use crate::wire::queued::DispatchEntry;

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
    /// The longest delay of an alert.
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
    let look = Due { alert_id: HOLE.into(), submission_id: SubmissionId::default(), work: Work::Look };
    let look = DispatchEntry::Due(&look).line()?;
    let (before, after) = look.split_once(HOLE).ok_or_else(|| unexpected("watch"))?;
    let script = WatchScript {
        next: names::ALERTS_NEXT,
        dead: names::DEAD,
        counts: names::WATCH,
        bell: queue.bell(),
        now_ms,
        grace: bounds.grace,
        most: MOST,
        most_dead: bounds.dead_letters,
        oldest_dead_ms: now_ms.saturating_sub(kept_ms).max(0),
        before,
        after,
        channel: queue.channel(),
        bell_lasts: BELL,
    };
    script.run(redis).await
}

script! {
    WatchScript<'a> = after flows "health/watch.lua",
    keys { next: &'static str, dead: &'static str, counts: &'static str, bell: &'static str }
    args {
        now_ms: i64,
        grace: Duration,
        most: i64,
        most_dead: u32,
        oldest_dead_ms: i64,
        before: &'a str,
        after: &'a str,
        channel: &'static str,
        bell_lasts: Duration,
    }
    reply Watched, by |reply| watched(&reply)
}

fn watched(reply: &[RedisResult]) -> Option<Watched> {
    let [trimmed, overdue @ ..] = reply else { return None };
    let trimmed = usize::try_from(integer(trimmed)?).ok()?;
    Some(Watched { overdue: overdue.iter().filter_map(string).collect(), trimmed })
}

const HOLE: &str = "@";

/// The numbers of alerts that were found overdue and of dead letters that were cut off, in total.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn counts(redis: &Redis) -> Result<(u64, u64), Error> {
    let reply = redis.command("HMGET", vec![text(names::WATCH), text("overdue"), text("dead-trimmed")]).await?;
    let count = |at: usize| reply.get(at).and_then(integer).and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    Ok((count(0), count(1)))
}
