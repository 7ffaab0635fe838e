//! The scorer: from a queued submission to a stored record and the alerts it demands.
//!
//! Guarantee: a submission is scored by its instrument's published rule and stored before it leaves the queue, and the
//! script that takes it off the queue is the one that hands its alerts over. A crash anywhere in between repeats the
//! work with the same bytes and the same ids.
//!
//! One bell, one instance, many batches: claim, score, store in one transaction, finish in one script, until nothing is
//! left or the time is up; then ring for the rest.

mod amend;
mod decide;
mod filed;
mod gather;
mod history;
mod record;
mod risk;
mod rules;
mod work;

use std::time::Duration;

use platform::Error;
use platform::config::Reader;
use platform::deadline::Deadline;
use platform::names::Queue;
use platform::queue::{self, Claim};
use platform::redis::{PATIENCE, Redis};
use platform::settings::Settings;

use record::Scorer;

/// The most that is claimed, stored and finished together.
const BATCH: usize = 2048;
/// When the store is away, what was claimed is tried again after this.
const PAUSE: Duration = Duration::from_secs(5);
/// How long one bell drains.
pub const BUDGET: Duration = Duration::from_secs(5);

#[cfg(feature = "trigger")]
#[expect(unsafe_code, reason = "the component's export, which the attribute generates")]
mod trigger {
    use platform::{Error, log};

    #[spin_sdk::redis_subscriber]
    async fn ring(_message: Vec<u8>) -> Result<(), Error> {
        super::drain(super::BUDGET)
            .await
            .map(|_| ())
            .inspect_err(|error| log::error("drain-failed").cause(error).write())
    }
}

/// Scores what waits, for at most `budget`. Gives how many submissions were finished.
///
/// # Errors
/// When Redis or the store is away; what was claimed comes back after its lease.
pub async fn drain(budget: Duration) -> Result<usize, Error> {
    let mut reader = Reader::new();
    let redis = Redis::patient(&reader.text("redis_url").await, PATIENCE);
    let lease = reader.seconds("lease_seconds", 1..=86_400).await;
    let max_attempts = reader.number("max_attempts", 1..=1000).await;
    let risk = risk::Config::read(&mut reader).await;
    let (redis, risk) = reader.finish((redis, risk))?;

    let deadline = Deadline::after(budget);
    let (mut scorer, mut total, mut reclaim) = (Scorer::default(), 0, true);
    while !deadline.left().is_zero() {
        let how = Claim { count: BATCH, lease, reclaim, leave: true };
        let (revision, entries) = queue::claim(&redis, Queue::Score, how).await?;
        // A stalled entry is rare: look for the next one when there is one, else once a drain.
        reclaim = entries.first().is_some_and(|entry| entry.attempt > 1);
        if entries.is_empty() {
            return Ok(total);
        }
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        let stored = async {
            let settings = Settings::at(&redis, &revision).await?;
            scorer.rules.meet(&redis, &settings).await?;
            work::store(&redis, &settings, &mut scorer, &risk, max_attempts, lease, entries).await
        };
        let finished = match stored.await {
            Ok(finished) => finished,
            Err(away) => {
                queue::release(&redis, Queue::Score, ids, lease, PAUSE).await?;
                return Err(away);
            }
        };
        total += queue::finish(&redis, Queue::Score, finished).await?;
    }
    queue::ring(&redis, Queue::Score).await?;
    Ok(total)
}
