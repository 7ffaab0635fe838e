//! Figures of the last 60 minutes, minute by minute: what came in, was scored and delivered, and what waited.
//!
//! Guarantee: what happens while the clock ticks, or wakes it, is counted once, in the minute in which it happened or,
//! near its end, in the next. Counters that were lost with Redis never make a figure negative.
//!
//! Mechanism: the clock takes a sample at its first tick in a minute, and one before it rests. A sample is the difference
//! of totals that others raise, so neither the door nor a worker does anything for it, except that the script that ends
//! a batch of entries also counts how many of them were scored.
//!
//! Not for: accounting. A minute in which the clock did not tick has no figures.

use domain::Timestamp;
use platform::Error;
use platform::redis::{Redis, nothing, string, text};

use crate::names::{self, Queue};

/// The most minutes that are kept.
const MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// The queues whose entries are counted.
pub const QUEUES: [Queue; 2] = [Queue::Score, Queue::Dispatch];

/// The figures of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// Its start.
    pub at: Timestamp,
    /// Submissions that were taken in.
    pub accepted: u64,
    /// Submissions that were scored.
    pub scored: u64,
    /// Calls to receivers that took what they were told.
    pub delivered: u64,
    /// For each of [`QUEUES`]: the entries that waited at its end.
    pub waiting: [u64; 2],
    /// For each of [`QUEUES`]: how old the oldest of them was, milliseconds.
    pub oldest_ms: [u64; 2],
}

script! {
    MinuteScript = "figures/minute.lua",
    keys {
        minutes: &'static str,
        stats: &'static str,
        attempts: &'static str,
        more: &'static str,
        streams: [&'static str; QUEUES.len()],
    }
    args { now_ms: i64, rests: bool, most: i64 }
    reply (), by nothing
}

/// Takes a sample, if one is due; `rests` says that the clock is about to rest.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn sample(redis: &Redis, now_ms: i64, rests: bool) -> Result<(), Error> {
    let (minutes, stats, attempts, more) = (names::MINUTES, names::STATS, names::ATTEMPTS, names::MORE);
    let streams = QUEUES.map(Queue::stream);
    MinuteScript { minutes, stats, attempts, more, streams, now_ms, rests, most: MINUTES }.run(redis).await
}

/// The minutes of the last hour that have figures, the oldest first.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn read(redis: &Redis, now_ms: i64) -> Result<Vec<Minute>, Error> {
    let reply = redis.command("HGETALL", vec![text(names::MINUTES)]).await?;
    let (pairs, _) = reply.as_chunks::<2>();
    let after = now_ms.div_euclid(MINUTE_MS) - MINUTES;
    // Beside the minutes there are the last sample and a total, whose names are no numbers.
    let mut minutes: Vec<Minute> = pairs
        .iter()
        .filter_map(|[field, value]| {
            Some((string(field)?.parse().ok().filter(|at: &i64| *at > after)?, string(value)?))
        })
        .filter_map(|(at, value)| minute(at, &value))
        .collect();
    minutes.sort_by_key(|minute| minute.at);
    Ok(minutes)
}

fn minute(at: i64, value: &str) -> Option<Minute> {
    let numbers: Vec<u64> = value.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [accepted, scored, delivered, score, score_ms, dispatch, dispatch_ms] = *numbers.as_slice() else {
        return None;
    };
    let at = Timestamp::from_millis(at.checked_mul(MINUTE_MS)?);
    let (waiting, oldest_ms) = ([score, dispatch], [score_ms, dispatch_ms]);
    Some(Minute { at, accepted, scored, delivered, waiting, oldest_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_seven_numbers() {
        let read = minute(29_000_000, "5 4 3 2 100 1 50").unwrap();
        assert_eq!((read.at.to_string().as_str(), read.accepted), ("2025-02-19T21:20:00.000Z", 5));
        assert_eq!((read.waiting, read.oldest_ms), ([2, 1], [100, 50]));
        for other in ["", "1 2 3", "1 2 3 4 5 6 x", "1 2 3 4 5 6 7 8"] {
            assert_eq!(minute(1, other), None, "{other}");
        }
    }
}
