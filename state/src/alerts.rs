//! Alerts: their states in Redis and in the store, and the only way to change them.
//!
//! Guarantee: one script writes a state over the state it was made from, or not at all, together with its indexes, due
//! work, dead letters and figures. The store has the data before the script runs. A caller that loses a race restores
//! the store to the state in Redis. A history entry goes into the store only when its step is known to have been
//! written: each state carries its latest entries, and the next step stores them.
//!
//! Mechanism: `domain::alert` decides; [`change`] is the script. Redis holds a state while it may still change and 30
//! days longer. The store holds it for ever: a state that is not in Redis is read from there. Due work is never
//! cancelled: a worker asks [`State::owes`] before it does anything.
//!
//! Not for: calls. `dispatch` makes them, and reports the results.

pub mod acknowledgement_link;
pub mod change;
mod figures;
mod list;
mod raise;
pub mod rebuild;
pub mod receivers;
mod record;
pub mod routes;
pub mod silences;
pub mod webhook;

use change::Change;
use domain::alert::routes::{Facts, Plan, Routes};
use domain::alert::state::{Event, Ignored, State, Step};
use domain::ids::AlertId;
use domain::{Severity, Timestamp};
use serde_json::Value;
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::wire::entry::{Alert, Happened};
use crate::wire::queued::DispatchEntry;
pub use figures::{BUCKETS_MS, attempted};
pub use list::{Filter, Listed, Order, counts, list, places, revision};
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, string, text, unexpected};
use platform::{Error, Kind, json};
pub use raise::{Raised, Raising, close_groups, raise, raise_all};
pub(crate) use record::forget;
pub use record::{Reserve, deliveries, history, restore, shown};

/// The number of times that a change is retried after somebody else was faster.
const TRIES: usize = 20;

/// The facts of an alert for routes and silences. An unknown severity counts as critical.
pub fn facts_of(alert: &Alert) -> Facts<'_> {
    Facts {
        study: alert.study_id.as_str(),
        site: alert.site_id.as_str(),
        subject: alert.subject.as_str(),
        instrument: &alert.instrument,
        rule: &alert.rule,
        severity: Severity::parse(&alert.severity).unwrap_or(Severity::Critical),
    }
}

/// The plan for an alert.
pub fn plan_of<'a>(routes: &'a Routes, alert: &Alert) -> Plan<'a> {
    routes.plan(&facts_of(alert))
}

/// A state as it was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The state.
    pub state: State,
    /// The beginning of its value in Redis; empty if it is not in Redis.
    expected: String,
    /// The latest entries of its history, from Redis; the store may lack them.
    last: Vec<Happened>,
    /// The entries after these, of steps that may not be written.
    own: Vec<Happened>,
}

impl Loaded {
    fn read(value: &Value, in_redis: bool) -> Option<Self> {
        let state = State::read(value)?;
        let expected = if in_redis { format!("{} ", state.revision()) } else { String::new() };
        let last = value.get("last").and_then(|last| json::read(last.to_string().as_bytes()).ok()).unwrap_or_default();
        Some(Loaded { state, expected, last, own: Vec::new() })
    }

    /// The state of an alert that a step raises.
    fn raised(step: &Step) -> Self {
        let own = step.entry.iter().map(record::entry).collect();
        Loaded { state: step.state.clone(), expected: format!("{} ", step.state.revision()), last: Vec::new(), own }
    }

    /// The state after a step was made from it.
    #[must_use]
    pub fn after(&self, step: &Step) -> Self {
        let raised = Loaded::raised(step);
        let own = self.own.iter().cloned().chain(raised.own).collect();
        Loaded { last: self.last.clone(), own, ..raised }
    }

    /// Notes that all its steps were written.
    pub fn written(&mut self) {
        if !self.own.is_empty() {
            self.last = std::mem::take(&mut self.own);
        }
    }
}

/// Finds the states of alerts, in their order; none for an alert without a state.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn find(redis: &Redis, store: &Store, ids: &[&AlertId]) -> Result<Vec<Option<Loaded>>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let reply = redis.command("MGET", ids.iter().map(|id| text(names::alert_state(id))).collect()).await?;
    if reply.len() != ids.len() {
        return Err(unexpected("MGET"));
    }
    let mut found = Vec::with_capacity(ids.len());
    for (id, value) in ids.iter().zip(&reply) {
        found.push(in_redis_or_stored(store, id, value).await?);
    }
    Ok(found)
}

/// Reads a state from its value in Redis, or from the store if there is no value.
async fn in_redis_or_stored(store: &Store, id: &AlertId, value: &RedisResult) -> Result<Option<Loaded>, Error> {
    let unreadable = || Error::new("alerts", Kind::Unavailable, "a state cannot be read");
    if let RedisResult::Nil = value {
        let Some(value) = store.get::<Value>(&names::stored_alert_state(id)).await? else { return Ok(None) };
        return Loaded::read(&value, false).ok_or_else(unreadable).map(Some);
    }
    let value = string(value).ok_or_else(unreadable)?;
    let json = value.split_once(' ').and_then(|(_, json)| serde_json::from_str(json).ok());
    Loaded::read(&json.ok_or_else(unreadable)?, true).ok_or_else(unreadable).map(Some)
}

/// Finds the state of an alert.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn load(redis: &Redis, store: &Store, id: &AlertId) -> Result<Option<Loaded>, Error> {
    Ok(find(redis, store, &[id]).await?.pop().flatten())
}

/// Something that happens to an alert.
pub struct Happening<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The event.
    pub event: &'a Event<'a>,
    /// When.
    pub now: Timestamp,
    /// Whether a step was made and stored already, but lost the race and was not written.
    pub lost: bool,
}

/// Applies an event to an alert: stores the next state, then writes it; retries if somebody else was faster. An alert
/// that was never raised or was erased ignores every event. `more` makes further changes, unless the event is ignored.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn apply(
    redis: &Redis,
    store: &Store,
    routes: &Routes,
    happening: Happening<'_>,
    more: impl Fn() -> Result<Change, Error>,
) -> Result<Result<Loaded, Ignored>, Error> {
    let Happening { alert, event, now, mut lost } = happening;
    let plan = plan_of(routes, alert);
    for _ in 0..TRIES {
        let Some(found) = load(redis, store, &alert.alert_id).await? else {
            return Ok(Err(Ignored::Stale));
        };
        let mut batch = Batch::default();
        let step = match found.state.step(&plan, event, now) {
            Ok(step) => step,
            Err(ignored) if !lost && !is_overwritten(store, &found).await? => return Ok(Err(ignored)),
            Err(ignored) => {
                // Restores the store, which a lost race had overwritten. If nobody changed the state meanwhile, the
                // event is ignored.
                record::heal(&found, &mut batch)?;
                store.put_each(&batch).await?;
                match load(redis, store, &alert.alert_id).await? {
                    Some(now) if now.state.revision() != found.state.revision() => continue,
                    _ => return Ok(Err(ignored)),
                }
            }
        };
        let mut change = more()?;
        record::stepped(alert, &found, &step, Reserve::Nothing, now, &mut change, &mut batch)?;
        store.put_each(&batch).await?;
        if change::make(redis, &[change]).await?.first() == Some(&true) {
            let mut after = found.after(&step);
            after.written();
            return Ok(Ok(after));
        }
        lost = true;
    }
    Err(Error::new("alerts", Kind::Unavailable, "others change the alert all the time"))
}

/// Whether the store has something else than Redis of the same revision: somebody who lost a race wrote it, and died before it
/// was restored. What is on its way has a later revision.
async fn is_overwritten(store: &Store, found: &Loaded) -> Result<bool, Error> {
    if found.expected.is_empty() {
        return Ok(false);
    }
    let stored = store.bytes(&names::stored_alert_state(found.state.alert())).await?;
    let stored: Option<Value> = stored.and_then(|stored| json::read(&stored).ok());
    let Some(state) = stored.as_ref().and_then(State::read) else { return Ok(false) };
    Ok(state.revision() == found.state.revision() && stored != Some(record::value_of(&found.state, &found.last)))
}

/// A step from a state that a worker holds.
pub struct Stepped<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The state it was made from.
    pub found: &'a Loaded,
    /// The step.
    pub step: &'a Step,
    /// Other changes to be made with it.
    pub change: Change,
}

/// Stores and writes steps in their order, all in one transaction and one script; other changes come before them.
/// Returns for each step whether it was written. If not, somebody else was faster, and [`apply`] starts from the new
/// state. For workers: it blocks the instance.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn write(
    redis: &Redis,
    others: Vec<Change>,
    steps: Vec<Stepped<'_>>,
    mut batch: Batch,
    now: Timestamp,
) -> Result<Vec<bool>, Error> {
    let (mut changes, first) = (others, steps.len());
    for Stepped { alert, found, step, mut change } in steps {
        record::stepped(alert, found, step, Reserve::Nothing, now, &mut change, &mut batch)?;
        changes.push(change);
    }
    kv::put_all(&mut batch)?;
    let mut made = change::make(redis, &changes).await?;
    Ok(made.split_off(made.len().saturating_sub(first)))
}

/// Lets an alert be raised again as if it were new: it was grouped with the message of an alert that is gone.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn raise_again(redis: &Redis, alert: &Alert) -> Result<(), Error> {
    let id = alert.alert_id.clone();
    kv::remove_all(&[names::stored_alert_state(&id), names::alert_history(&id, 0)])?;
    forget(redis, &[id], &[String::new()]).await?;
    let mut change = Change::default();
    change.push_text(alert, &DispatchEntry::Alert(alert).line()?);
    change::make(redis, &[change]).await.map(|_| ())
}
