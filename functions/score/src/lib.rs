//! The scorer: from a queued submission to a stored record and the alerts it demands.
//!
//! Guarantee: a submission is scored by its instrument's published rule and stored before it leaves the queue, and the
//! script that takes it off the queue is the one that hands its alerts over. A crash anywhere in between repeats the
//! work with the same bytes and the same ids.
//!
//! One bell, one instance, many batches: claim, score, store in one transaction, finish in one script, until nothing is
//! left or the time is up; then ring for the rest.

mod amend;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use platform::Error;
use platform::config::Reader;
use platform::deadline::Deadline;
use platform::erasure::{self, Erasure};
use platform::kv::{self, Batch};
use platform::names::Queue;
use platform::queue::{self, Claim, Finished};
use platform::redis::Redis;

use amend::Supersede;
use record::{Scorer, Work};

/// The most that is claimed, stored and finished together.
const BATCH: usize = 256;
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
    let redis = Redis::new(&reader.text("redis_url").await);
    let lease = reader.seconds("lease_seconds", 1..=86_400).await;
    let max_attempts = reader.number("max_attempts", 1..=1000).await;
    let redis = reader.finish(redis)?;

    let deadline = Deadline::after(budget);
    let (mut scorer, mut total, mut reclaim) = (Scorer::default(), 0, true);
    while !deadline.left().is_zero() {
        let how = Claim { count: BATCH, lease, reclaim, leave: true };
        let entries = queue::claim(&redis, Queue::Score, how).await?;
        // A stalled entry is rare: look for the next one when there is one, else once a drain.
        reclaim = entries.first().is_some_and(|entry| entry.attempt > 1);
        if entries.is_empty() {
            return Ok(total);
        }
        let work: Vec<Work> = entries.into_iter().map(Work::read).collect();
        let ids: Vec<String> = work.iter().filter_map(Work::submission).map(|it| it.submission_id.clone()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let erased = erasure::find(&redis, &ids).await?;
        let mut batch = Batch::default();
        let mut finished = Vec::with_capacity(work.len());
        let mut dropped = Vec::new();
        for work in work {
            if let Work::Score(_, entry) = &work
                && erased.contains_key(&entry.submission.submission_id)
            {
                dropped.extend(scorer.alert_ids(entry));
            }
            let id = work.submission().map(|it| it.submission_id.clone()).unwrap_or_default();
            finished.push((id, one(work, &redis, &mut scorer, max_attempts, &erased, &mut batch).await?));
        }
        erasure::clear(&redis, &erased, dropped).await?;
        kv::put_all(&batch)?;
        // An erasure that began in the meantime has not seen what was stored just now.
        let mut late = erasure::find(&redis, &ids).await?;
        late.retain(|id, _| !erased.contains_key(id));
        let raised = late.keys().flat_map(|id| erasure::alerts_in(&batch, id)).collect();
        erasure::clear(&redis, &late, raised).await?;
        let finished = finished.into_iter().map(|(id, mut finished)| {
            if late.contains_key(&id) {
                finished.follow_ups.clear();
            }
            finished
        });
        let finished = finished.collect();
        total += queue::finish(&redis, Queue::Score, finished).await?;
    }
    queue::ring(&redis, Queue::Score).await?;
    Ok(total)
}

/// What becomes of one entry: what is to be stored goes into the batch.
async fn one(
    work: Work,
    redis: &Redis,
    scorer: &mut Scorer,
    max_attempts: u32,
    erased: &BTreeMap<String, Erasure>,
    batch: &mut Batch,
) -> Result<Finished, Error> {
    match work {
        Work::Score(claimed, entry) if erased.contains_key(&entry.submission.submission_id) => {
            Ok(Finished { id: claimed.id, follow_ups: Vec::new() })
        }
        Work::Score(claimed, entry) => {
            let supersede = Supersede::of(&entry.submission);
            let mut finished = scorer.finish(claimed, *entry, max_attempts, batch)?;
            if let Some(supersede) = supersede {
                finished.follow_ups.extend(supersede.apply(redis, batch).await?);
            }
            Ok(finished)
        }
        Work::Supersede(claimed, supersede) => {
            let follow_ups = supersede.apply(redis, batch).await?.into_iter().collect();
            Ok(Finished { id: claimed.id, follow_ups })
        }
        Work::Unreadable(claimed) => Ok(record::give_up("unreadable-entry", "", claimed)),
    }
}
