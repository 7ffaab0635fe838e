//! An alert's state as JSON, as it is stored in Redis and in the store.
//!
//! Guarantee: a written state is read back unchanged. Times are milliseconds since the epoch, so that the Redis scripts
//! can compare them. Invalid text gives no state, never a partial one.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::{Cause, Climb, Dead, Delivery, Hold, LastNote, Phase, State, Status, Taken, Wait};
use crate::alert::admission::Suppressed;
use crate::alert::retry::{Failing, Failure, GiveUp};
use crate::{Severity, Timestamp};

impl State {
    /// The state as JSON.
    pub fn write(&self) -> Value {
        let mut state = json!({
            "alert": self.alert,
            "severity": self.severity.as_str(),
            "phase": self.phase.as_str(),
            "opening": self.opening,
            "openedAt": self.opened_at.millis(),
            "deliveries": self.deliveries.iter().map(write_delivery).collect::<Vec<_>>(),
            "series": self.series,
            "revision": self.revision,
            "entries": self.entries,
        });
        let because = match &self.phase {
            Phase::Suppressed(why) => why.because_of(),
            Phase::Grouped { leader } => Some(leader.as_str()),
            _ => None,
        };
        let members = [
            ("reason", self.phase.reason().map(Value::from)),
            ("because", because.map(Value::from)),
            ("deliveredAt", self.delivered_at.map(|at| at.millis().into())),
            ("climb", self.climb.as_ref().map(write_climb)),
            ("assignee", self.assignee.as_deref().map(Value::from)),
            ("noted", self.noted.as_ref().map(|note| json!({"at": note.at.millis(), "digest": note.digest}))),
            ("acknowledged", self.acknowledged.as_ref().map(write_taken)),
            ("resolved", self.resolved.as_ref().map(write_taken)),
        ];
        if let Some(object) = state.as_object_mut() {
            object.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))));
        }
        state
    }

    /// Reads what [`State::write`] wrote.
    pub fn read(state: &Value) -> Option<State> {
        let state = state.as_object()?;
        Some(State {
            alert: text(state, "alert")?.into(),
            severity: Severity::parse(text(state, "severity")?)?,
            phase: read_phase(state)?,
            opening: number(state, "opening")?,
            opened_at: time(state, "openedAt")?,
            delivered_at: optional(state, "deliveredAt", time)?,
            deliveries: state.get("deliveries")?.as_array()?.iter().map(read_delivery).collect::<Option<_>>()?,
            climb: optional(state, "climb", |state, name| read_climb(state.get(name)?.as_object()?))?,
            series: number(state, "series")?,
            revision: number(state, "revision")?,
            entries: number(state, "entries")?,
            assignee: optional(state, "assignee", |state, name| text(state, name).map(String::from))?,
            noted: optional(state, "noted", read_note)?,
            acknowledged: optional(state, "acknowledged", read_taken)?,
            resolved: optional(state, "resolved", read_taken)?,
        })
    }
}

type Members = Map<String, Value>;

fn text<'a>(object: &'a Members, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn number(object: &Members, name: &str) -> Option<u32> {
    object.get(name)?.as_u64()?.try_into().ok()
}

fn time(object: &Members, name: &str) -> Option<Timestamp> {
    object.get(name)?.as_i64().map(Timestamp::from_millis)
}

/// A member that may be absent. If it is present, it must be valid.
fn optional<T>(object: &Members, name: &str, read: impl Fn(&Members, &str) -> Option<T>) -> Option<Option<T>> {
    match object.contains_key(name) {
        true => read(object, name).map(Some),
        false => Some(None),
    }
}

fn read_phase(state: &Members) -> Option<Phase> {
    let because = || text(state, "because").map(String::from);
    match text(state, "phase")? {
        "suppressed" => match text(state, "reason")? {
            "not-routed" => Some(Phase::Suppressed(Suppressed::NotRouted)),
            "silenced" => Some(Phase::Suppressed(Suppressed::Silenced { by: because()? })),
            "repeated" => Some(Phase::Suppressed(Suppressed::Repeated { of: because()? })),
            _ => None,
        },
        "grouped" => Some(Phase::Grouped { leader: because()?.into() }),
        "open" => Some(Phase::Open),
        "delivered" => Some(Phase::Delivered),
        "dead" => Dead::parse(text(state, "reason")?).map(Phase::Dead),
        "acknowledged" => Some(Phase::Acknowledged),
        "resolved" => Some(Phase::Resolved),
        _ => None,
    }
}

fn write_climb(climb: &Climb) -> Value {
    json!({
        "round": climb.round, "rung": climb.rung, "roundAt": climb.round_at.millis(), "due": climb.due.millis(),
    })
}

fn read_climb(climb: &Members) -> Option<Climb> {
    Some(Climb {
        round: number(climb, "round")?,
        rung: number(climb, "rung")?,
        round_at: time(climb, "roundAt")?,
        due: time(climb, "due")?,
    })
}

fn read_note(state: &Members, name: &str) -> Option<LastNote> {
    let note = state.get(name)?.as_object()?;
    Some(LastNote { at: time(note, "at")?, digest: text(note, "digest")?.into() })
}

fn write_taken(taken: &Taken) -> Value {
    json!({"by": taken.by, "at": taken.at.millis()})
}

fn read_taken(state: &Members, name: &str) -> Option<Taken> {
    let taken = state.get(name)?.as_object()?;
    Some(Taken { by: text(taken, "by")?.into(), at: time(taken, "at")? })
}

fn write_delivery(delivery: &Delivery) -> Value {
    let (status, at, why) = match delivery.status {
        Status::Waiting { at, why: Wait::First } => ("first", Some(at), None),
        Status::Waiting { at, why: Wait::Retry(failure) } => ("retry", Some(at), Some(failure.as_str())),
        Status::Waiting { at, why: Wait::Held(hold) } => ("held", Some(at), Some(hold.as_str())),
        Status::Delivered { at } => ("delivered", Some(at), None),
        Status::GivenUp(reason) => ("given-up", None, Some(reason.as_str())),
        Status::Withdrawn { until } => ("withdrawn", Some(until), None),
    };
    let mut written = json!({
        "receiver": delivery.receiver,
        "telling": delivery.telling,
        "series": delivery.series,
        "cause": delivery.cause.as_str(),
        "since": delivery.since.millis(),
        "attempts": delivery.attempts,
        "passedOn": delivery.passed_on,
        "status": status,
        "at": at.map(Timestamp::millis),
        "why": why,
    });
    if let (Some(Failing { because, times }), Some(members)) = (delivery.failing, written.as_object_mut()) {
        members.insert("failing".into(), json!({"because": because.as_str(), "times": times}));
    }
    written
}

fn read_failing(delivery: &Members, name: &str) -> Option<Failing> {
    let failing = delivery.get(name)?.as_object()?;
    Some(Failing { because: Failure::parse(text(failing, "because")?)?, times: number(failing, "times")? })
}

fn read_delivery(delivery: &Value) -> Option<Delivery> {
    let delivery = delivery.as_object()?;
    let (at, why) = (|| time(delivery, "at"), || text(delivery, "why"));
    let status = match text(delivery, "status")? {
        "first" => Status::Waiting { at: at()?, why: Wait::First },
        "retry" => Status::Waiting { at: at()?, why: Wait::Retry(Failure::parse(why()?)?) },
        "held" => {
            let hold = Hold::ALL.into_iter().find(|it| Some(it.as_str()) == why())?;
            Status::Waiting { at: at()?, why: Wait::Held(hold) }
        }
        "delivered" => Status::Delivered { at: at()? },
        "given-up" => Status::GivenUp(GiveUp::parse(why()?)?),
        "withdrawn" => Status::Withdrawn { until: at()? },
        _ => return None,
    };
    let cause = text(delivery, "cause")?;
    Some(Delivery {
        receiver: text(delivery, "receiver")?.into(),
        telling: number(delivery, "telling")?,
        series: number(delivery, "series")?,
        cause: Cause::ALL.into_iter().find(|it| it.as_str() == cause)?,
        since: time(delivery, "since")?,
        attempts: number(delivery, "attempts")?,
        failing: optional(delivery, "failing", read_failing)?,
        passed_on: delivery.get("passedOn")?.as_bool()?,
        status,
    })
}
