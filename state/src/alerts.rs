//! Alerts: their states in Redis and in the store, and the only way to change them.
//!
//! Guarantee: a state is written over the one it was made from or not at all, together with its indexes, what is due,
//! its dead letters and figures, by one script. What the script does is in the store before: whoever loses a race brings
//! the store back to what Redis has. An entry of the history comes into the store only once it is known to stand: a state
//! carries those that were made with it, and whoever makes the next one stores them.
//!
//! Mechanism: `domain::alert` decides; [`change`] is the script. Redis holds a state while it may still move and 30 days
//! longer, the store holds it for ever: what is not in Redis is read from there. Work that is due is never taken back:
//! a worker asks [`State::owes`] before it does anything.
//!
//! Not for: calls. `dispatch` makes them, and tells what happened.

pub mod acknowledgement_link;
pub mod change;
mod figures;
mod list;
mod raise;
pub mod rebuild;
pub mod receivers;
mod record;
pub mod silences;
pub mod webhook;

use domain::alert::routes::{Facts, Plan, Routes};
use domain::alert::state::{Event, Ignored, State, Step};
use domain::{Severity, Timestamp};
use serde_json::Value;
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::wire::entry::{Alert, Dispatch};
use change::Change;
pub use figures::{BUCKETS_MS, attempted};
pub use list::{Filter, Listed, counts, list};
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, string, text, unexpected};
use platform::{Error, Kind};
pub use raise::{Raised, Raising, close_groups, raise, raise_all};
pub(crate) use record::forget;
pub use record::{Taken, deliveries, history, restore};

/// How often a change is made again that somebody else was quicker with.
const TRIES: usize = 20;

/// What routes and silences see of an alert. One whose severity nobody knows is taken for critical.
pub fn facts_of(alert: &Alert) -> Facts<'_> {
    Facts {
        study: &alert.study_id,
        site: &alert.site_id,
        subject: &alert.subject,
        instrument: &alert.instrument,
        rule: &alert.rule,
        severity: Severity::parse(&alert.severity).unwrap_or(Severity::Critical),
    }
}

/// What is to be done about an alert.
pub fn plan_of<'a>(routes: &'a Routes, alert: &Alert) -> Plan<'a> {
    routes.plan(&facts_of(alert))
}

/// A state as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The state.
    pub state: State,
    /// How its value in Redis begins; empty if it is not there.
    expected: String,
    /// The last entries of its history, as Redis has them; the store may not.
    last: Vec<Value>,
    /// Those after them, of steps that may not have been written.
    own: Vec<Value>,
}

impl Found {
    fn read(value: &Value, in_redis: bool) -> Option<Self> {
        let state = State::read(value)?;
        let expected = if in_redis { format!("{} ", state.revision()) } else { String::new() };
        let last = value.get("last").and_then(Value::as_array).cloned().unwrap_or_default();
        Some(Found { state, expected, last, own: Vec::new() })
    }

    /// What an alert is that is raised by a step.
    fn raised(step: &Step) -> Self {
        let own = step.entry.iter().map(record::entry).collect();
        Found { state: step.state.clone(), expected: format!("{} ", step.state.revision()), last: Vec::new(), own }
    }

    /// What it is once a step was made from it.
    #[must_use]
    pub fn after(&self, step: &Step) -> Self {
        let raised = Found::raised(step);
        let own = self.own.iter().cloned().chain(raised.own).collect();
        Found { last: self.last.clone(), own, ..raised }
    }

    /// Takes note that all its steps were written.
    pub fn written(&mut self) {
        if !self.own.is_empty() {
            self.last = std::mem::take(&mut self.own);
        }
    }
}

/// The states of alerts, in their order; none where there is none.
///
/// # Errors
/// [`Kind::Away`].
pub async fn find(redis: &Redis, store: &Store, ids: &[&str]) -> Result<Vec<Option<Found>>, Error> {
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

/// A state from its value in Redis, or from the store if there is none.
async fn in_redis_or_stored(store: &Store, id: &str, value: &RedisResult) -> Result<Option<Found>, Error> {
    let unreadable = || Error::new("alerts", Kind::Away, "a state cannot be read");
    if let RedisResult::Nil = value {
        let Some(value) = store.get::<Value>(&names::stored_alert_state(id)).await? else { return Ok(None) };
        return Found::read(&value, false).ok_or_else(unreadable).map(Some);
    }
    let value = string(value).ok_or_else(unreadable)?;
    let json = value.split_once(' ').and_then(|(_, json)| serde_json::from_str(json).ok());
    Found::read(&json.ok_or_else(unreadable)?, true).ok_or_else(unreadable).map(Some)
}

/// The state of an alert.
///
/// # Errors
/// [`Kind::Away`].
pub async fn load(redis: &Redis, store: &Store, id: &str) -> Result<Option<Found>, Error> {
    Ok(find(redis, store, &[id]).await?.pop().flatten())
}

/// Something that happens to an alert.
pub struct Happening<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// What happens.
    pub event: &'a Event<'a>,
    /// When.
    pub now: Timestamp,
    /// Somebody made a step of it already that is in the store and was not written.
    pub lost: bool,
}

/// Makes of an alert what an event makes of it: stores that, then writes it; again when somebody else was quicker. An
/// alert that was never raised or was erased ignores everything. `more` is what else is to be done if it is not ignored.
///
/// # Errors
/// [`Kind::Away`]; doing it again is safe.
pub async fn apply(
    redis: &Redis,
    store: &Store,
    routes: &Routes,
    happening: Happening<'_>,
    more: impl Fn() -> Result<Change, Error>,
) -> Result<Result<Found, Ignored>, Error> {
    let Happening { alert, event, now, mut lost } = happening;
    let plan = plan_of(routes, alert);
    for _ in 0..TRIES {
        let Some(found) = load(redis, store, &alert.alert_id).await? else {
            return Ok(Err(Ignored::Stale));
        };
        let mut batch = Batch::default();
        let step = match found.state.step(&plan, event, now) {
            Ok(step) => step,
            Err(ignored) if !lost => return Ok(Err(ignored)),
            Err(ignored) => {
                // What was stored over somebody else's state is put right, and nobody wrote meanwhile.
                record::heal(&found, &mut batch)?;
                store.put_each(&batch).await?;
                match load(redis, store, &alert.alert_id).await? {
                    Some(now) if now.state.revision() != found.state.revision() => continue,
                    _ => return Ok(Err(ignored)),
                }
            }
        };
        let mut change = more()?;
        record::stepped(alert, &found, &step, Taken::Nothing, now, &mut change, &mut batch)?;
        store.put_each(&batch).await?;
        if change::make(redis, &[change]).await?.first() == Some(&true) {
            let mut after = found.after(&step);
            after.written();
            return Ok(Ok(after));
        }
        lost = true;
    }
    Err(Error::new("alerts", Kind::Away, "others change the alert all the time"))
}

/// A step that was made of a state in a worker's hands.
pub struct Stepped<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The state it was made from.
    pub found: &'a Found,
    /// The step.
    pub step: &'a Step,
    /// What else is to be done with it.
    pub change: Change,
}

/// Stores and writes steps in their order, all of them in one transaction and one script, and makes other changes before
/// them. Gives for each step whether it was written; if not, somebody else was quicker, and [`apply`] starts from
/// what they made of it. For workers: it blocks the instance.
///
/// # Errors
/// [`Kind::Away`].
pub async fn write(
    redis: &Redis,
    others: Vec<Change>,
    steps: Vec<Stepped<'_>>,
    mut batch: Batch,
    now: Timestamp,
) -> Result<Vec<bool>, Error> {
    let (mut changes, first) = (others, steps.len());
    for Stepped { alert, found, step, mut change } in steps {
        record::stepped(alert, found, step, Taken::Nothing, now, &mut change, &mut batch)?;
        changes.push(change);
    }
    kv::put_all(&mut batch)?;
    let mut made = change::make(redis, &changes).await?;
    Ok(made.split_off(made.len().saturating_sub(first)))
}

/// Lets an alert be raised again as if it were new: it went with the message of one that is gone.
///
/// # Errors
/// [`Kind::Away`]; doing it again is safe.
pub async fn raise_again(redis: &Redis, alert: &Alert) -> Result<(), Error> {
    let id = alert.alert_id.clone();
    kv::remove_all(&[names::stored_alert_state(&id), names::alert_history(&id, 0)])?;
    forget(redis, &[id], &[String::new()]).await?;
    let mut change = Change::default();
    change.push_text(alert, &kv::json(&Dispatch { alert: alert.clone() })?);
    change::make(redis, &[change]).await.map(|_| ())
}
