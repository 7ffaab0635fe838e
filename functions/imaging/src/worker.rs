//! The worker: takes a waiting analysis to its result.
//!
//! Guarantee: an analysis ends once: done, failed or cancelled. The script that ends its entry also hands over its
//! alerts and notifications. When an analysis is cancelled, its call is dropped. Of the calls that a worker may run at
//! the same time, one is reserved for urgent analyses and one for the others, and urgent ones are claimed first:
//! neither starves.

use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use domain::ids::{AnalysisId, Pseudonym};
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, FutureExt, select};
use futures::stream::FuturesUnordered;
use platform::deadline::Deadline;
use platform::kv::{self, Batch};
use platform::trace::Trace;
use platform::{Error, clock, log};
use state::edge::serve::Component as _;
use state::imaging::{erasure, jobs};
use state::names::Queue;
use state::queue::holder::Holder;
use state::queue::subject_keys::{self, Destructions};
use state::queue::{self, Claim, Claimed, Finished, FollowUps};
use state::wire::analysis::QueuedAnalysis;
use state::wire::queued::ImagingEntry;

use crate::call;
use crate::config::Config;

/// The time that a drain runs before it waits for a moment to leave.
const BUDGET: Duration = Duration::from_secs(5);
/// While calls run, the component hears no bell: it polls for new work and for cancellations this often.
const LOOK: Duration = Duration::from_millis(100);
/// If the store is unavailable, claimed work is retried after this pause.
const PAUSE: Duration = Duration::from_secs(5);

#[cfg_attr(
    target_family = "wasm",
    expect(unsafe_code, reason = "the component's export, which the attribute generates")
)]
mod trigger {
    use platform::{Error, log};
    use state::health::check;

    #[cfg_attr(target_family = "wasm", spin_sdk::redis_subscriber)]
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "it is an export"))]
    async fn ring(message: Vec<u8>) -> Result<(), Error> {
        if let Some(id) = check::question(&message) {
            return check::answer(id, "imaging", crate::config::read).await;
        }
        super::drain().await.inspect_err(|error| log::error("drain-failed").cause(error).write())
    }
}

/// A processed entry.
pub(crate) struct Done {
    pub(crate) queue: Queue,
    pub(crate) entry: String,
    /// The analysis, if the entry names one.
    pub(crate) analysis: Option<AnalysisId>,
    pub(crate) end: End,
}

/// The end of an entry.
pub(crate) enum End {
    /// Finished: the records to store, the follow-ups, and the keys to delete.
    Finished(Batch, FollowUps, Vec<String>),
    /// As finished, with an identity that is sealed with the keys of the subject as of a destruction.
    Sealed { since: Destructions, subject: Pseudonym, batch: Batch, follow_ups: FollowUps, keys: Vec<String> },
    /// Not finished: the entry is handed out again.
    Released,
}

impl End {
    /// This end, with an identity that is sealed with the keys of a subject.
    pub(crate) fn sealed(self, since: Destructions, subject: &Pseudonym) -> Self {
        match self {
            End::Finished(batch, follow_ups, keys) => {
                End::Sealed { since, subject: subject.clone(), batch, follow_ups, keys }
            }
            end => end,
        }
    }
}

async fn drain() -> Result<(), Error> {
    let config = Config::config().await?;
    let holder = Rc::new(Holder::new());
    let mut deadline = Deadline::after(BUDGET);
    let mut calls = FuturesUnordered::new();
    let mut running: BTreeMap<AnalysisId, oneshot::Sender<()>> = BTreeMap::new();
    let mut count = [0usize; 2];
    loop {
        // While calls run, nobody else would hear of new work.
        if deadline.left().is_zero() && !calls.is_empty() {
            deadline = Deadline::after(BUDGET);
        }
        if deadline.left().is_zero() {
            for queue in QUEUES {
                queue::ring(&config.redis, queue).await?;
            }
            return holder.leave(&config.redis).await;
        }
        let mut found = false;
        for (class, queue) in QUEUES.into_iter().enumerate() {
            let own = count.get(class).copied().unwrap_or(0);
            let room = (config.concurrency - 1).saturating_sub(own).min(config.concurrency.saturating_sub(calls.len()));
            if room == 0 {
                continue;
            }
            let how = Claim { count: room, holder: &holder, leave: calls.is_empty() };
            let (_, entries) = queue::claim(&config.redis, queue, how).await?;
            for entry in entries {
                found = true;
                if let Some(own) = count.get_mut(class) {
                    *own += 1;
                }
                let (cancel, cancelled) = oneshot::channel();
                let work =
                    platform::json::read::<ImagingEntry>(&entry.payload).ok().map(|ImagingEntry::Analysis(work)| work);
                if let Some(work) = &work {
                    running.insert(work.job.analysis_id.clone(), cancel);
                }
                calls.push(one(Rc::clone(&config), Rc::clone(&holder), queue, entry, work, cancelled));
            }
        }
        if !found && calls.is_empty() {
            return holder.leave(&config.redis).await;
        }
        if holder.is_stale() {
            holder.renew(&config.redis).await?;
        }
        let mut done = Vec::new();
        if let Either::Left((Some(first), _)) = select(calls.next(), pin!(clock::sleep(LOOK))).await {
            done.push(first?);
        }
        while let Some(Some(next)) = calls.next().now_or_never() {
            done.push(next?);
        }
        for one in done {
            let class = QUEUES.iter().position(|queue| *queue == one.queue).unwrap_or(0);
            if let Some(own) = count.get_mut(class) {
                *own = own.saturating_sub(1);
            }
            if let Some(id) = &one.analysis {
                running.remove(id);
            }
            end(&config, &holder, one).await?;
        }
        drop_cancelled(&config, &mut running).await?;
    }
}

/// Urgent analyses come first.
const QUEUES: [Queue; 2] = [Queue::ImagingStat, Queue::Imaging];

/// Signals the calls whose analyses were cancelled.
async fn drop_cancelled(config: &Config, running: &mut BTreeMap<AnalysisId, oneshot::Sender<()>>) -> Result<(), Error> {
    let ids: Vec<AnalysisId> = running.keys().cloned().collect();
    let cancelled = jobs::cancelled(&config.redis, &ids).await?;
    for (id, _) in ids.iter().zip(cancelled).filter(|(_, cancelled)| *cancelled) {
        if let Some(cancel) = running.remove(id) {
            // A call that no longer listens has ended.
            let _ = cancel.send(());
        }
    }
    Ok(())
}

/// Works on one entry.
async fn one(
    config: Rc<Config>,
    holder: Rc<Holder>,
    queue: Queue,
    claimed: Claimed,
    work: Option<QueuedAnalysis>,
    cancelled: oneshot::Receiver<()>,
) -> Result<Done, Error> {
    let entry = claimed.id.clone();
    let Some(work) = work else {
        log::error("analysis-dead").outcome("unreadable-entry").write();
        let mut follow_ups = FollowUps::default();
        follow_ups.dead("unreadable-entry", &claimed.payload);
        let end = End::Finished(Batch::default(), follow_ups, Vec::new());
        return Ok(Done { queue, entry, analysis: None, end });
    };
    let (analysis, trace) = (Some(work.job.analysis_id.clone()), Trace::known(&work.job.trace));
    let end = trace.around(call::analyse(&config, &holder, work, claimed.attempt, cancelled)).await?;
    Ok(Done { queue, entry, analysis, end })
}

async fn end(config: &Config, holder: &Holder, done: Done) -> Result<(), Error> {
    let Done { queue, entry, analysis, end } = done;
    let (mut batch, mut follow_ups, keys) = match end {
        End::Finished(batch, follow_ups, keys) => (batch, follow_ups, keys),
        End::Sealed { since, subject, mut batch, follow_ups, keys } => {
            if subject_keys::drop_destroyed(&config.redis, since, &[subject].into(), &mut batch).await? {
                return queue::release(&config.redis, queue, holder, [entry], LOOK).await;
            }
            (batch, follow_ups, keys)
        }
        End::Released => return queue::release(&config.redis, queue, holder, [entry], LOOK).await,
    };
    if let Err(unavailable) = kv::put_all(&mut batch) {
        queue::release(&config.redis, queue, holder, [entry], PAUSE).await?;
        return Err(unavailable);
    }
    if let Some(id) = &analysis
        && erasure::after(&config.redis, id, &batch).await?
    {
        follow_ups = FollowUps::default();
    }
    let finished = [Finished { id: entry, submission: None, follow_ups }];
    queue::finish(&config.redis, queue, holder, &finished).await?;
    kv::remove_all(&keys)
}
