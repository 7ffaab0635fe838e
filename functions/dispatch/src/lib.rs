//! The messenger: from an alert to every receiver its severity is routed to, again and again until it is there or has
//! been given up aloud.
//!
//! Guarantee: at least once, always under the same `webhook-id`. An alert is delivered, or visibly waits with the time
//! of its next attempt, or is a dead letter with its reason; nothing is dropped silently.
//!
//! An alert for several receivers is split into one entry for each, so that no receiver waits for the answer of
//! another and a crash repeats only the calls that were under way. Calls run concurrently, each under its own deadline; whichever
//! ends first is stored and finished first.
//!
//! Not for: exactly-once. A host that dies between a receiver's answer and the script that finishes the entry makes the
//! receiver hear it twice; the `webhook-id` tells that it is the same.

mod call;
mod config;
mod erased;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use domain::alert::retry::Verdict;
use futures::StreamExt;
use futures::future::{Either, FutureExt, select};
use futures::stream::FuturesUnordered;
use platform::deadline::Deadline;
use platform::entry::{Alert, Delivery, Dispatch, Receivers};
use platform::kv::{self, Batch};
use platform::names::{self, Queue};
use platform::queue::{self, Claim, Claimed, Finished, FollowUp};
use platform::{Error, clock, log};

use config::{Config, Receiver};

/// How long a drain goes on before it looks for a moment to leave.
pub const BUDGET: Duration = Duration::from_secs(5);
/// While calls are under way no bell is heard: look for new work this often.
const LOOK: Duration = Duration::from_millis(20);

#[cfg(feature = "trigger")]
#[expect(unsafe_code, reason = "the component's export, which the attribute generates")]
mod trigger {
    use platform::{Error, log};

    #[spin_sdk::redis_subscriber]
    async fn ring(_message: Vec<u8>) -> Result<(), Error> {
        super::drain(super::Until::Quiet)
            .await
            .map(|_| ())
            .inspect_err(|error| log::error("drain-failed").cause(error).write())
    }
}

/// A call that has ended, or an entry that needs none.
struct Done {
    finished: Finished,
    batch: Batch,
}

/// When a drain ends, if there is always more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A worker goes on as long as calls are under way, however long a receiver hangs: no other worker would hear of
    /// new alerts before this one leaves. It leaves at the first quiet moment after [`BUDGET`].
    Quiet,
    /// An operator's round takes no new work on after [`BUDGET`], and ends with the calls under way.
    Budget,
}

/// Sends what waits. Gives how many entries were finished.
///
/// # Errors
/// When Redis or the store is away; what was claimed comes back after its lease.
pub async fn drain(until: Until) -> Result<usize, Error> {
    let mut config = Rc::new(Config::read().await?);
    let mut deadline = Deadline::after(BUDGET);
    let mut calls = FuturesUnordered::new();
    let (mut total, mut reclaim) = (0, true);
    loop {
        let mut open = !deadline.left().is_zero();
        if !open && until == Until::Quiet && !calls.is_empty() {
            // Staying longer than planned must not mean working with an old configuration.
            config = Rc::new(Config::read().await?);
            (deadline, open, reclaim) = (Deadline::after(BUDGET), true, true);
        }
        let mut done = Vec::new();
        let room = config.concurrency.saturating_sub(calls.len());
        let look = open && room > 0;
        if look {
            let how = Claim { count: room, lease: config.lease, reclaim, leave: calls.is_empty() };
            let (_, entries) = queue::claim(&config.redis, Queue::Dispatch, how).await?;
            reclaim = entries.first().is_some_and(|entry| entry.attempt > 1);
            if entries.is_empty() && calls.is_empty() {
                return Ok(total);
            }
            let (entries, dropped) = erased::split(&config.redis, entries).await?;
            done.extend(dropped);
            for entry in entries {
                match plan(&config, entry)? {
                    Plan::Done(without_call) => done.push(without_call),
                    Plan::Call(entry, receiver) => calls.push(deliver(Rc::clone(&config), entry, receiver)),
                }
            }
        } else if calls.is_empty() {
            queue::ring(&config.redis, Queue::Dispatch).await?;
            return Ok(total);
        }
        if done.is_empty() && !calls.is_empty() {
            // With no room or no time left there is nothing to look for.
            let pause = if look { LOOK } else { config.deadline };
            if let Either::Left((Some(first), _)) = select(calls.next(), pin!(clock::sleep(pause))).await {
                done.push(first?);
            }
        }
        while let Some(Some(next)) = calls.next().now_or_never() {
            done.push(next?);
        }
        total += store_and_finish(&config, done).await?;
    }
}

async fn store_and_finish(config: &Config, done: Vec<Done>) -> Result<usize, Error> {
    let (mut batch, mut finished) = (Batch::default(), Vec::with_capacity(done.len()));
    for one in done {
        batch.append(one.batch);
        finished.push(one.finished);
    }
    if let Err(away) = kv::put_all(&mut batch) {
        // The receivers have been called; how it went could not be kept. After a whole lease they are called again.
        let ids = finished.into_iter().map(|entry| entry.id);
        queue::release(&config.redis, Queue::Dispatch, ids, config.lease, config.lease).await?;
        return Err(away);
    }
    erased::forget(&config.redis, &mut finished).await?;
    queue::finish(&config.redis, Queue::Dispatch, finished).await
}

/// What to do with an entry.
enum Plan {
    Done(Done),
    Call(Box<Pending>, Rc<Receiver>),
}

/// An entry that is about to be sent to its receiver.
struct Pending {
    id: String,
    dispatch: Dispatch,
    batch: Batch,
}

fn plan(config: &Config, claimed: Claimed) -> Result<Plan, Error> {
    let Ok(dispatch) = serde_json::from_slice::<Dispatch>(&claimed.payload) else {
        log::error("alert-dead").outcome("unreadable-entry").write();
        return Ok(Plan::Done(dead(claimed, "unreadable-entry", Batch::default())));
    };
    let alert_id = &dispatch.alert.alert_id;
    let mut batch = Batch::default();
    if claimed.attempt > config.max_attempts {
        log::error("alert-dead").trace(&dispatch.alert.trace).alert(alert_id).outcome("attempts-exhausted").write();
        match &dispatch.receiver {
            Some(receiver) => record_dead(&mut batch, &dispatch, receiver, "attempts-exhausted")?,
            None => record_unrouted(&mut batch, alert_id, "attempts-exhausted")?,
        }
        return Ok(Plan::Done(dead(claimed, "attempts-exhausted", batch)));
    }
    if let Some(id) = &dispatch.receiver {
        return match config.receiver(id) {
            Some(receiver) => Ok(Plan::Call(Box::new(Pending { id: claimed.id, dispatch, batch }), receiver)),
            None => {
                log::error("alert-dead")
                    .trace(&dispatch.alert.trace)
                    .alert(alert_id)
                    .receiver(id)
                    .outcome("receiver-not-configured")
                    .write();
                record_dead(&mut batch, &dispatch, id, "receiver-not-configured")?;
                Ok(Plan::Done(dead(claimed, "receiver-not-configured", batch)))
            }
        };
    }

    let receivers = config.receivers(&dispatch.alert.severity);
    if !receivers.is_empty() {
        let ids = receivers.iter().map(|receiver| receiver.id.clone()).collect();
        batch.put(names::alert_receivers(alert_id), &Receivers { receivers: ids, reason: None })?;
    }
    match receivers {
        [] => {
            record_unrouted(&mut batch, alert_id, "no-receiver")?;
            log::error("alert-dead").trace(&dispatch.alert.trace).alert(alert_id).outcome("no-receiver").write();
            Ok(Plan::Done(dead(claimed, "no-receiver", batch)))
        }
        [receiver] => Ok(Plan::Call(Box::new(Pending { id: claimed.id, dispatch, batch }), Rc::clone(receiver))),
        several => {
            let mut follow_ups = Vec::with_capacity(several.len());
            for receiver in several {
                let one = Dispatch { receiver: Some(receiver.id.clone()), ..dispatch.clone() };
                follow_ups.push(FollowUp::Push(kv::json(&one)?));
            }
            Ok(Plan::Done(Done { finished: Finished { id: claimed.id, follow_ups }, batch }))
        }
    }
}

fn dead(claimed: Claimed, reason: &'static str, batch: Batch) -> Done {
    let follow_ups = vec![FollowUp::Dead(reason, claimed.payload)];
    Done { finished: Finished { id: claimed.id, follow_ups }, batch }
}

fn record_unrouted(batch: &mut Batch, alert_id: &str, reason: &str) -> Result<(), Error> {
    let none = Receivers { receivers: Vec::new(), reason: Some(reason.to_owned()) };
    batch.put(names::alert_receivers(alert_id), &none)
}

fn record_dead(batch: &mut Batch, dispatch: &Dispatch, receiver: &str, reason: &str) -> Result<(), Error> {
    let delivery = Delivery {
        receiver: receiver.to_owned(),
        state: "dead".to_owned(),
        reason: Some(reason.to_owned()),
        next_at: None,
        attempts: dispatch.attempts.clone(),
    };
    batch.put(names::delivery(&dispatch.alert.alert_id, receiver), &delivery)
}

/// Calls the receiver and decides what follows.
async fn deliver(config: Rc<Config>, pending: Box<Pending>, receiver: Rc<Receiver>) -> Result<Done, Error> {
    let Pending { id, mut dispatch, mut batch } = *pending;
    let (attempt, outcome) = call::attempt(&dispatch.alert, &receiver, Deadline::after(config.deadline)).await;
    dispatch.attempts.push(attempt);
    let number = u32::try_from(dispatch.attempts.len()).unwrap_or(u32::MAX);
    let verdict = config.schedule.decide(outcome, number, 0, clock::chance());
    note(&dispatch.alert, &receiver, number, &dispatch, verdict);

    let mut delivery = Delivery {
        receiver: receiver.id.clone(),
        state: "delivered".to_owned(),
        reason: None,
        next_at: None,
        attempts: dispatch.attempts.clone(),
    };
    dispatch.receiver = Some(receiver.id.clone());
    let alert_id = dispatch.alert.alert_id.clone();
    let follow_ups = match verdict {
        Verdict::Delivered => Vec::new(),
        Verdict::Retry { after_ms, .. } => {
            let at = clock::now().millis().saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
            delivery.state = "pending".to_owned();
            delivery.next_at = Some(domain::Timestamp::from_millis(at).rfc3339());
            vec![FollowUp::Delay(at, kv::json(&dispatch)?)]
        }
        Verdict::GiveUp(reason) => {
            delivery.state = "dead".to_owned();
            delivery.reason = Some(reason.as_str().to_owned());
            vec![FollowUp::Dead(reason.as_str(), kv::json(&dispatch)?.into_bytes())]
        }
    };
    batch.put(names::delivery(alert_id, &receiver.id), &delivery)?;
    Ok(Done { finished: Finished { id, follow_ups }, batch })
}

fn note(alert: &Alert, receiver: &Receiver, number: u32, dispatch: &Dispatch, verdict: Verdict) {
    let (line, word) = match verdict {
        Verdict::Delivered => (log::info("alert-delivered"), "delivered"),
        Verdict::Retry { .. } => (log::warn("alert-not-delivered"), "retry"),
        Verdict::GiveUp(reason) => (log::error("alert-dead"), reason.as_str()),
    };
    let line = line.alert(&alert.alert_id).receiver(&receiver.id).attempt(number).trace(&alert.trace).outcome(word);
    match dispatch.attempts.last().and_then(|attempt| attempt.status) {
        Some(status) => line.status(status).write(),
        None => line.write(),
    }
}
