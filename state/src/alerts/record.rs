//! The stored and written forms of a step.

use domain::Timestamp;
use domain::alert::state::{self, Due as DueAt, Effect, Entry, Phase, State, Status, Step, Wait, Work as Owed};
use domain::ids::{AlertId, SubmissionId};
use platform::Error;
use platform::kv::{Batch, Store};
use platform::redis::Redis;
use serde_json::{Value, json};

use super::change::{self, Change};
use super::{Loaded, figures, list, receivers};
use crate::journal::{self, Kind};
use crate::names;
use crate::queue::holder::Holder;
use crate::wire::entry::{Alert, Attempts, DeadAlert, Delivery, DeliveryState, Due, Happened, Work};
use crate::wire::queued::DispatchEntry;

/// The time for which Redis keeps a final state, seconds.
const KEPT_SECONDS: &str = "2592000";

/// The deliveries due at once that the caller makes itself.
#[derive(Debug, Clone, Copy)]
pub enum Reserve<'a> {
    /// None: they go onto the queue.
    Nothing,
    /// All: they are reserved for this worker.
    By(&'a Holder),
}

/// An entry of the history as it is stored.
pub(super) fn entry(entry: &Entry) -> Happened {
    Happened {
        n: entry.number,
        at: entry.at.rfc3339(),
        what: entry.what.to_owned(),
        state: entry.phase.to_owned(),
        told: entry.told.clone(),
        receiver: entry.receiver.clone(),
        reason: entry.reason.map(str::to_owned),
        by: entry.by.clone(),
        by_name: None,
        note: entry.note.clone(),
        meaning: entry.meaning.clone(),
        to: entry.to.clone(),
    }
}

/// The entries of an alert's history.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn history(store: &Store, found: &Loaded) -> Result<Vec<Happened>, Error> {
    let (state, mut entries) = (&found.state, Vec::new());
    for n in 0..state.entries() {
        match found.last.iter().chain(&found.own).find(|entry| entry.n == n) {
            Some(entry) => entries.push(entry.clone()),
            None => entries.extend(store.get::<Happened>(&names::alert_history(state.alert(), n)).await?),
        }
    }
    Ok(entries)
}

/// A state as it rests, with the latest entries of its history.
pub(super) fn value_of(state: &State, last: &[Happened]) -> Value {
    let mut value = state.write();
    if let Some(object) = value.as_object_mut() {
        object.insert("last".to_owned(), json!(last));
    }
    value
}

/// Restores the state from Redis in the store: a caller that lost a race may have overwritten it.
pub(super) fn heal(found: &Loaded, batch: &mut Batch) -> Result<(), Error> {
    batch.put(names::stored_alert_state(found.state.alert()), &value_of(&found.state, &found.last))
}

/// Whether nothing more happens to it without a person's action.
fn rests(state: &State) -> bool {
    state.due().is_empty() && !matches!(state.phase(), Phase::Grouped { .. })
}

/// Adds a step from a state to the change and the batch.
pub(super) fn stepped(
    alert: &Alert,
    found: &Loaded,
    step: &Step,
    taken: Reserve<'_>,
    now: Timestamp,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), Error> {
    change.only_if(names::alert_state(&alert.alert_id), found.expected.clone());
    let mut last: Vec<Happened> = found.own.iter().cloned().chain(step.entry.iter().map(entry)).collect();
    if last.is_empty() {
        last.clone_from(&found.last);
    } else {
        // These entries are known to be written, and the next state carries newer ones.
        for entry in &found.last {
            batch.put(names::alert_history(&alert.alert_id, entry.n), entry)?;
        }
    }
    written(alert, Some(found), step, &last, taken, now, change, batch)
}

/// Adds the first state of an alert.
pub(super) fn raised(
    alert: &Alert,
    step: &Step,
    taken: Reserve<'_>,
    now: Timestamp,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), Error> {
    change.only_if(names::alert_state(&alert.alert_id), "");
    let last: Vec<Happened> = step.entry.iter().map(entry).collect();
    written(alert, None, step, &last, taken, now, change, batch)
}

#[expect(clippy::too_many_arguments, reason = "what a step is made of")]
fn written(
    alert: &Alert,
    before: Option<&Loaded>,
    step: &Step,
    last: &[Happened],
    taken: Reserve<'_>,
    now: Timestamp,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), Error> {
    let state = &step.state;
    let hash = batch.put_hashed(names::stored_alert_state(state.alert()), &value_of(state, last))?;
    if let Some(entry) = &step.entry {
        journaled(alert, entry.what, hash, change);
    }
    keep(state, last, change);
    // Redis had lost this alert, so its indexes and due work are missing there.
    let lost = before.is_some_and(|before| before.expected.is_empty());
    let before = before.map(|before| &before.state);
    if lost || before.is_none_or(|before| place(before) != place(state)) {
        index(alert, state, change);
    } else {
        change.command(["TOUCH", alert.study_id.as_str(), alert.site_id.as_str()]);
    }
    let due_at = if lost { &state.due() } else { &step.due };
    for DueAt { at, work } in due_at {
        let deliver = matches!(work, Owed::Deliver { .. });
        let due = due(alert, work);
        match taken {
            _ if *at > now => change.delay(at.millis(), alert, &due)?,
            Reserve::By(holder) if deliver => change.reserve(holder, alert, &due)?,
            _ => change.push(alert, &due)?,
        }
    }
    for effect in &step.effects {
        match effect {
            Effect::DeadLetter { receiver, reason } => {
                let (alert_id, submission_id) = (alert.alert_id.clone(), alert.submission_id.clone());
                let letter = DeadAlert { alert_id, submission_id, receiver: receiver.clone() };
                change.dead(reason.as_str(), &DispatchEntry::GivenUp(&letter).line()?);
            }
            Effect::Disable { receiver } => {
                receivers::disable(change, receiver, now);
            }
        }
    }
    figures::count(change, alert, before, state, now);
    Ok(())
}

/// Adds an event to the journal, if it is one that the journal has. The hash is that of the state as it is stored.
pub(super) fn journaled(alert: &Alert, what: &str, hash: String, change: &mut Change) {
    let Some(kind) = Kind::parse(what).filter(|kind| kind.is_of_alert()) else { return };
    let (site, what, submission) = (alert.site_id.clone(), alert.alert_id.to_string(), alert.submission_id.clone());
    change.journal(&alert.study_id, &journal::Event { kind, site, what, submission, hash, alerts: String::new() });
}

/// Work as a queue entry.
pub(super) fn due(alert: &Alert, work: &Owed) -> Due {
    Due { alert_id: alert.alert_id.clone(), submission_id: alert.submission_id.clone(), work: work.clone().into() }
}

fn keep(state: &State, last: &[Happened], change: &mut Change) {
    let (key, value) = (names::alert_state(state.alert()), format!("{} {}", state.revision(), value_of(state, last)));
    match rests(state) {
        true => change.command(["SET", &key, &value, "EX", KEPT_SECONDS]),
        false => change.command(["SET", &key, &value]),
    }
    match state.due().iter().map(|due| due.at).min() {
        Some(at) => change.command(["ZADD", names::ALERTS_NEXT, &at.millis().to_string(), state.alert().as_str()]),
        None => change.command(["ZREM", names::ALERTS_NEXT, state.alert().as_str()]),
    }
}

/// The facts that lists need, of those that change.
fn place(state: &State) -> (&'static str, Option<&str>) {
    (state.phase().as_str(), state.assignee())
}

/// The facts that lists need.
pub(super) fn facts(alert: &Alert, state: &State) -> String {
    let (severity, (phase, assignee)) = (state.severity().as_str(), place(state));
    format!("{severity} {} {} {} {phase}", alert.study_id, alert.site_id, list::assignee(assignee))
}

/// Adds an alert to the indexes, and removes it from its earlier ones.
pub(super) fn index(alert: &Alert, state: &State, change: &mut Change) {
    let at = Timestamp::parse(&alert.received_at).map_or(0, Timestamp::millis).to_string();
    let facts = facts(alert, state);
    change.command(["INDEX", alert.alert_id.as_str(), &at, &facts]);
}

/// Restores an alert in Redis from the store: its state, its indexes, and all due work. Does nothing if Redis has it,
/// or if `stored` is not a state.
///
/// # Errors
/// [`platform::Kind::Refused`] when it cannot be written as JSON.
pub fn restore(alert: &Alert, stored: &Value, now: Timestamp) -> Result<Change, Error> {
    let mut change = Change::default();
    if let Some(found) = Loaded::read(stored, false) {
        restored(alert, &found, now, &mut change)?;
    }
    Ok(change)
}

/// Adds the restoration of a state that only the store has.
pub(super) fn restored(alert: &Alert, found: &Loaded, now: Timestamp, change: &mut Change) -> Result<(), Error> {
    change.only_if(names::alert_state(&alert.alert_id), "");
    keep(&found.state, &found.last, change);
    index(alert, &found.state, change);
    for DueAt { at, work } in found.state.due() {
        change.delay(at.max(now).millis(), alert, &due(alert, &work))?;
    }
    Ok(())
}

/// Removes alerts from Redis: states, indexes, and the marks of these rules if they are the alerts' own (one for each
/// alert, empty if it is not known). Alerts grouped with the message of one of them are raised again.
pub(crate) async fn forget(redis: &Redis, ids: &[AlertId], marks: &[String]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut change = Change::default();
    for (id, mark) in ids.iter().zip(marks) {
        let work = Due { alert_id: id.clone(), submission_id: SubmissionId::default(), work: Work::Carry };
        let work = DispatchEntry::Due(&work).line()?;
        let mark = if mark.is_empty() { String::new() } else { names::repeat(mark) };
        change.command(["FORGET", id.as_str(), &work, &names::alert_state(id), &names::group_members(id), &mark]);
    }
    change::make(redis, &[change]).await.map(drop)
}

/// The deliveries of an alert, one for each receiver, with the stored attempts.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn deliveries(store: &Store, state: &State) -> Result<Vec<Delivery>, Error> {
    let mut all = Vec::with_capacity(state.deliveries().len());
    for delivery in state.deliveries() {
        let attempts: Option<Attempts> = store.get(&names::delivery(state.alert(), &delivery.receiver)).await?;
        all.push(Delivery { attempts: attempts.unwrap_or_default(), ..shown(delivery) });
    }
    Ok(all)
}

/// A delivery as it is shown, without its attempts.
pub fn shown(delivery: &state::Delivery) -> Delivery {
    let (state, reason, at) = match delivery.status {
        Status::Waiting { at, why: Wait::First } => (DeliveryState::Pending, None, Some(at)),
        Status::Waiting { at, why: Wait::Retry(failure) } => (DeliveryState::Pending, Some(failure.as_str()), Some(at)),
        Status::Waiting { at, why: Wait::Held(hold) } => (DeliveryState::Pending, Some(hold.as_str()), Some(at)),
        Status::Delivered { .. } => (DeliveryState::Delivered, None, None),
        Status::GivenUp(reason) => (DeliveryState::Dead, Some(reason.as_str()), None),
        Status::Withdrawn { .. } => (DeliveryState::Withdrawn, None, None),
    };
    Delivery {
        receiver: delivery.receiver.clone(),
        cause: delivery.cause.as_str().to_owned(),
        state,
        reason: reason.map(str::to_owned),
        next_at: at.map(Timestamp::rfc3339),
        told: delivery.telling,
        attempts: Attempts::default(),
    }
}
