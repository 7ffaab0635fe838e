//! The state machine of an alert: its states, and the transition for each event.
//!
//! Guarantee: [`raise`] and [`State::step`] are the only ways to create a state. Each gives the next state, the entry
//! of the history and the due work. All due work can always be derived from the state ([`State::due`]), so a lost timer
//! can be restored from it. In every state
//! - an open critical alert (not acknowledged, not resolved, not suppressed) has a next step with a time;
//! - a receiver has at most one delivery under way. It gets an alert always under one id; a reminder is a message of
//!   its own with its own id ([`Delivery::message_id`]);
//! - a delivery is due, accepted, withdrawn because somebody acknowledged, or given up with its reason. A delivery that
//!   was given up is a dead letter.
//!
//! An event that comes twice, late or out of order changes nothing: the result is [`Ignored`], with the reason.
//! Therefore a step that is repeated after a crash is harmless, on the old state and on the new state.
//!
//! Not for: deciding whether an alert is sent at all ([`super::admission`]), and making the calls.

mod climb;
mod event;
mod step;
mod wire;

use crate::ids::{AlertId, ReceiverId};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

pub use event::{Act, Due, Effect, Entry, Event, Ignored, Step, Work};
pub use step::raise;

use super::admission::Suppressed;
use super::message::Kind;
use super::retry::{Failing, Failure, GiveUp};
use crate::{Severity, Timestamp, hex};

/// The phase of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Recorded, not sent.
    Suppressed(Suppressed),
    /// It is part of another alert's message.
    Grouped {
        /// The id of that alert.
        leader: AlertId,
    },
    /// No receiver has accepted it yet; a delivery is under way.
    Open,
    /// At least one receiver has accepted it since it was opened.
    Delivered,
    /// No receiver has accepted it and no delivery is left. A critical alert continues with its chain.
    Dead(Dead),
    /// Somebody has acknowledged it.
    Acknowledged,
    /// Somebody has resolved it.
    Resolved,
}

impl Phase {
    /// Every name that [`Phase::as_str`] gives.
    pub const WORDS: [&'static str; 7] =
        ["suppressed", "grouped", "open", "delivered", "dead", "acknowledged", "resolved"];

    /// The phase's name in records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Phase::Suppressed(_) => "suppressed",
            Phase::Grouped { .. } => "grouped",
            Phase::Open => "open",
            Phase::Delivered => "delivered",
            Phase::Dead(_) => "dead",
            Phase::Acknowledged => "acknowledged",
            Phase::Resolved => "resolved",
        }
    }

    /// The reason for the phase, if the phase has one.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Phase::Suppressed(why) => Some(why.as_str()),
            Phase::Dead(why) => Some(why.as_str()),
            _ => None,
        }
    }

    /// Whether somebody still has to acknowledge the alert.
    fn is_open(&self) -> bool {
        matches!(self, Phase::Open | Phase::Delivered | Phase::Dead(_))
    }
}

/// The reason why no receiver was notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// No route has a receiver for its severity.
    NoReceiver,
    /// Every delivery was given up, the last one for this reason.
    GivenUp(GiveUp),
}

impl Dead {
    /// The reason's name in dead letters and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Dead::NoReceiver => "no-receiver",
            Dead::GivenUp(reason) => reason.as_str(),
        }
    }

    /// The reason with this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "no-receiver" => Some(Dead::NoReceiver),
            _ => GiveUp::parse(text).map(Dead::GivenUp),
        }
    }
}

/// The cause of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The route names the receiver. Acknowledging does not withdraw this delivery: every receiver of the route gets
    /// the alert.
    Route,
    /// Another receiver failed.
    Failover,
    /// Nobody acknowledged.
    Escalation,
}

impl Cause {
    const ALL: [Cause; 3] = [Cause::Route, Cause::Failover, Cause::Escalation];

    /// The cause's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Route => "route",
            Cause::Failover => "failover",
            Cause::Escalation => "escalation",
        }
    }
}

/// The reason why a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It waits for its first attempt.
    First,
    /// It waits for its next attempt, after this failure.
    Retry(Failure),
    /// No attempt took place: the receiver could not be called.
    Held(Hold),
}

/// The reason why a receiver was not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its breaker is open.
    Breaker,
    /// Its limit of calls per minute is reached.
    Rate,
    /// Its limit of concurrent calls is reached.
    Concurrency,
    /// The receiver has quiet hours.
    Quiet,
}

impl Hold {
    const ALL: [Hold; 4] = [Hold::Breaker, Hold::Rate, Hold::Concurrency, Hold::Quiet];

    /// The reason's name in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Breaker => "breaker-open",
            Hold::Rate => "rate-limit",
            Hold::Concurrency => "concurrency-limit",
            Hold::Quiet => "quiet-hours",
        }
    }
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is due, or under way.
    Waiting {
        /// The time when it is due.
        at: Timestamp,
        /// The reason why it waits.
        why: Wait,
    },
    /// The receiver accepted it.
    Delivered {
        /// The time when it was accepted.
        at: Timestamp,
    },
    /// It is a dead letter.
    GivenUp(GiveUp),
    /// Somebody acknowledged before it was accepted, or it belonged to an earlier opening.
    Withdrawn {
        /// A call that was under way has ended at this time at the latest.
        until: Timestamp,
    },
}

/// The longest call, milliseconds: the maximum of a receiver's `deadlineMs`.
pub const LONGEST_CALL_MS: u64 = 60_000;

/// The delivery of an alert to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver's id.
    pub receiver: ReceiverId,
    /// The number of times that the receiver accepted the alert before: 0 the first time, 1 for the first reminder.
    pub telling: u32,
    /// The number of this run of attempts. It is unique among all runs of this alert, for all receivers.
    pub series: u32,
    /// The cause of the delivery.
    pub cause: Cause,
    /// The time when this run was first due.
    pub since: Timestamp,
    /// Attempts of this run so far.
    pub attempts: u32,
    /// The kind of its latest failures, and how often they occurred in a row.
    pub failing: Option<Failing>,
    /// Whether another receiver was notified because this one failed.
    pub passed_on: bool,
    /// The status.
    pub status: Status,
}

impl Delivery {
    /// The `webhook-id`: the alert's id, the same at every attempt. A reminder is a message with an id of its own,
    /// `<alert>.1`, `<alert>.2`. With the same id, a receiver would rightly drop it as a duplicate, and nobody would be
    /// reminded.
    pub fn message_id(&self, alert: &AlertId) -> String {
        match self.telling {
            0 => alert.as_str().into(),
            telling => format!("{alert}.{telling}"),
        }
    }

    /// The kind of message.
    pub fn kind(&self) -> Kind {
        match (self.telling, self.cause) {
            (0, Cause::Route) => Kind::Raised,
            (0, _) => Kind::Escalated,
            _ => Kind::Reminder,
        }
    }

    /// The number of times that the receiver has accepted the alert so far.
    fn taken(&self) -> u32 {
        self.telling.saturating_add(u32::from(matches!(self.status, Status::Delivered { .. })))
    }

    fn is_waiting(&self) -> bool {
        matches!(self.status, Status::Waiting { .. })
    }
}

/// The position of an alert in its chain: the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Climb {
    /// The round; the first is 0.
    pub round: u32,
    /// The step of the round: 0 begins it, 1 is the first rung. After the last round, the number of times that the
    /// fallback was notified.
    pub rung: u32,
    /// The time when the round began.
    pub round_at: Timestamp,
    /// The time when the step is due.
    pub due: Timestamp,
}

/// An alert's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(crate) alert: AlertId,
    pub(crate) severity: Severity,
    pub(crate) phase: Phase,
    pub(crate) opening: u32,
    pub(crate) opened_at: Timestamp,
    pub(crate) delivered_at: Option<Timestamp>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) climb: Option<Climb>,
    pub(crate) series: u32,
    pub(crate) revision: u32,
    pub(crate) entries: u32,
    pub(crate) assignee: Option<String>,
    pub(crate) noted: Option<LastNote>,
    pub(crate) acknowledged: Option<Taken>,
    pub(crate) resolved: Option<Taken>,
}

/// The actor who acknowledged or resolved an alert, and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// A key, a person, or the receiver whose link was used.
    pub by: String,
    /// The time.
    pub at: Timestamp,
}

/// The time within which the same note of the same author is one that is sent again, milliseconds.
const SAME_NOTE_MS: u64 = 600_000;

/// The last note, as far as it is needed to recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastNote {
    at: Timestamp,
    digest: String,
}

impl LastNote {
    /// The start of the SHA-256 of author and note.
    fn digest(act: Act<'_>) -> String {
        let mut hash = Sha256::new();
        // No author has a line break.
        for part in [act.by, "\n", act.note.unwrap_or_default()] {
            hash.update(part);
        }
        hex(hash.finalize().get(..8).unwrap_or_default())
    }
}

impl State {
    /// The alert's id.
    pub fn alert(&self) -> &AlertId {
        &self.alert
    }

    /// Its severity.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Its phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The number of times that it was reopened. Above 0, an open alert is a reopened alert.
    pub fn opening(&self) -> u32 {
        self.opening
    }

    /// The time when it was last opened or reopened.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The time when a receiver first accepted it since then.
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.delivered_at
    }

    /// Its deliveries, one per receiver.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// The delivery to a receiver.
    pub fn delivery(&self, receiver: &ReceiverId) -> Option<&Delivery> {
        self.deliveries.iter().find(|it| it.receiver == *receiver)
    }

    /// The next step of its chain.
    pub fn climb(&self) -> Option<&Climb> {
        self.climb.as_ref()
    }

    /// A counter that rises by one with each change. A state is written only if the stored revision is the one it was
    /// made from (optimistic locking).
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// The person or team that looks after it.
    pub fn assignee(&self) -> Option<&str> {
        self.assignee.as_deref()
    }

    /// Its acknowledgement since it was last opened.
    pub fn acknowledged(&self) -> Option<&Taken> {
        self.acknowledged.as_ref()
    }

    /// Its resolution since it was last opened.
    pub fn resolved(&self) -> Option<&Taken> {
        self.resolved.as_ref()
    }

    /// The number of entries in its history.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// All work that is to be done, with its time.
    pub fn due(&self) -> Vec<Due> {
        let deliver = |it: &Delivery| match it.status {
            Status::Waiting { at, .. } => {
                let attempt = it.attempts.saturating_add(1);
                Some(Due { at, work: Work::Deliver { receiver: it.receiver.clone(), series: it.series, attempt } })
            }
            _ => None,
        };
        let escalate = |it: &Climb| Due {
            at: it.due,
            work: Work::Escalate { opening: self.opening, round: it.round, rung: it.rung },
        };
        self.deliveries.iter().filter_map(deliver).chain(self.climb.iter().map(escalate)).collect()
    }

    /// Whether this work is still to be done. Work from a queue may be obsolete, so a worker asks before it calls.
    pub fn owes(&self, work: &Work) -> bool {
        self.due().iter().any(|due| due.work == *work)
    }

    /// The work that is overdue by more than `grace_ms`. The clock reports it.
    pub fn overdue(&self, grace_ms: u64, now: Timestamp) -> Vec<Due> {
        self.due().into_iter().filter(|due| now.ms_since(due.at) > grace_ms).collect()
    }
}

#[cfg(test)]
mod tests;
