//! The scorer: from a queued submission to a stored record and the alerts it demands.
//!
//! Guarantee: a submission is scored by its instrument's published rule and stored before it leaves the queue. The
//! script that takes it off the queue also hands its alerts over. After a crash anywhere in between, the work is
//! repeated with the same bytes and the same ids.
//!
//! Mechanism: one bell starts one instance, which works on many batches: claim, score, store in one transaction, finish
//! in one script, until the queue is empty or the time is up. Then it rings for the rest. It is a pipeline: while one
//! batch is scored and stored, Redis finishes the batch before and claims the batch after it.

mod amend;
mod context;
mod decide;
mod history;
mod index_updates;
mod overdue;
mod probe;
mod record;
mod risk;
mod rules;
mod work;

use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use platform::Error;
use platform::deadline::Deadline;
use platform::prefetch::Prefetch;
use platform::redis::Redis;
use platform::variables::{Reader, load};
use state::names::Queue;
use state::queue::holder::Holder;
use state::queue::subject_keys::HeldKeys;
use state::queue::{self, Claim};
use state::variables;
use state::wire::sealed::KeyRing;

use record::Scorer;
use work::Batches;

/// The most submissions of one claim, one transaction and one finish.
const BATCH: usize = 4096;
/// If the store is unavailable, claimed entries are tried again after this.
const PAUSE: Duration = Duration::from_secs(5);
/// The time for which one bell drains the queue.
pub const BUDGET: Duration = Duration::from_secs(5);

struct Config {
    redis: Redis,
    max_attempts: u32,
    risk: risk::Config,
    ring: Rc<KeyRing>,
}

impl Config {
    async fn read(reader: &mut Reader) -> Self {
        Config {
            redis: variables::redis(reader).await,
            max_attempts: reader.read(&variables::MAX_ATTEMPTS).await,
            risk: risk::Config::read(reader).await,
            ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        }
    }
}

/// Reads the variables, to find their faults.
pub async fn read(reader: &mut Reader) {
    Config::read(reader).await;
}

/// Scores waiting submissions, for at most `budget`. Returns how many were finished.
///
/// # Errors
/// When Redis or the store is unavailable; claimed entries come back.
pub fn drain(budget: Duration) -> LocalBoxFuture<'static, Result<usize, Error>> {
    Box::pin(score_for(budget))
}

async fn score_for(budget: Duration) -> Result<usize, Error> {
    let Config { redis, max_attempts, risk, ring } = load(Config::read).await?;
    let holder = Holder::new();
    let bench = Batches { redis: &redis, risk: &risk, holder: &holder, max_attempts };

    let deadline = Deadline::after(budget);
    let claim = || queue::claim(&redis, Queue::Score, Claim { count: BATCH, holder: &holder, leave: true });
    let (mut scorer, mut total, mut ending) = (Scorer::new(HeldKeys::new(ring)), 0, Prefetch::done(Ok(0)));
    let (mut revision, mut entries) = claim().await?;
    while !entries.is_empty() {
        let scored = bench.score(&mut scorer, &revision, &entries, &mut ending).await;
        // Prefetch: the next batch is claimed while this one is stored, and this one is ended while the next one is
        // scored.
        let next = match scored.is_ok() && !deadline.left().is_zero() {
            true => Prefetch::begin(claim()).await,
            false => Prefetch::done(Ok((String::new(), Vec::new()))),
        };
        // Frees the memory of the stored batch before the next one needs it.
        let stored = match scored {
            Ok(mut scored) => bench.store(&mut scored).await.map(|()| scored),
            Err(unavailable) => Err(unavailable),
        };
        let (ended, next) = (ending.await, next.await);
        let scored = match stored {
            Ok(scored) => scored,
            Err(unavailable) => {
                let claimed = entries.into_iter().chain(next.into_iter().flat_map(|(_, next)| next));
                let ids = claimed.map(|entry| entry.id);
                queue::release(&redis, Queue::Score, &holder, ids, PAUSE).await?;
                return Err(unavailable);
            }
        };
        total += ended?;
        ending = Prefetch::begin(bench.end(scored)).await;
        (revision, entries) = match next {
            Ok(next) => next,
            Err(unavailable) => {
                ending.await?;
                return Err(unavailable);
            }
        };
    }
    total += ending.await?;
    holder.leave(&redis).await?;
    if deadline.left().is_zero() {
        queue::ring(&redis, Queue::Score).await?;
    }
    Ok(total)
}
