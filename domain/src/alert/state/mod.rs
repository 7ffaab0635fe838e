//! The life of an alert: its states, and what each event makes of them.
//!
//! Guarantee: [`raise`] and [`State::step`] are the only ways to a state, and each gives the next state, the entry of
//! the history, and what is due. What is due can always be read off the state ([`State::due`]): whoever loses a timer
//! finds it there again. In every state
//! - an open critical alert (not acknowledged, not resolved, not suppressed) has a next step with a time;
//! - a receiver has at most one delivery under way, and hears of an alert under one id until it is told again as a
//!   reminder, which is a message of its own ([`Delivery::message_id`]);
//! - a delivery is due, taken, withdrawn because somebody acknowledged, or given up with its reason, which is a dead
//!   letter.
//!
//! An event that comes twice, late or out of turn changes nothing: it is [`Ignored`], with the reason. So a step that a
//! crash repeats is harmless, on the old state or on the new.
//!
//! Not for: deciding whether an alert is sent at all ([`super::admission`]), nor the calls.

mod climb;
mod event;
mod step;
mod wire;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use event::{Act, Due, Effect, Entry, Event, Ignored, Step, Work};
pub use step::raise;

use super::admission::Suppressed;
use super::message::Kind;
use super::retry::{Failing, Failure, GiveUp};
use crate::{Severity, Timestamp};

/// Where an alert stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Recorded, not sent.
    Suppressed(Suppressed),
    /// It goes with the message of another alert.
    Grouped {
        /// The id of that alert.
        leader: String,
    },
    /// Nobody has taken it yet; a delivery is under way.
    Open,
    /// At least one receiver has taken it since it was opened.
    Delivered,
    /// Nobody has taken it and no delivery is left. A critical alert goes on with its chain.
    Dead(Dead),
    /// Somebody has seen it.
    Acknowledged,
    /// Somebody has dealt with it.
    Resolved,
}

impl Phase {
    /// Every word of [`Phase::as_str`].
    pub const WORDS: [&'static str; 7] =
        ["suppressed", "grouped", "open", "delivered", "dead", "acknowledged", "resolved"];

    /// The phase as it is written.
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

    /// Why it stands there, where there is something to say.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Phase::Suppressed(why) => Some(why.as_str()),
            Phase::Dead(why) => Some(why.as_str()),
            _ => None,
        }
    }

    /// Whether somebody still has to see it.
    fn is_open(&self) -> bool {
        matches!(self, Phase::Open | Phase::Delivered | Phase::Dead(_))
    }
}

/// Why nobody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// No route takes its severity.
    NoReceiver,
    /// Every delivery was given up, the last one for this reason.
    GivenUp(GiveUp),
}

impl Dead {
    /// The reason as dead letters and records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Dead::NoReceiver => "no-receiver",
            Dead::GivenUp(reason) => reason.as_str(),
        }
    }

    /// The reason of this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "no-receiver" => Some(Dead::NoReceiver),
            _ => GiveUp::parse(text).map(Dead::GivenUp),
        }
    }
}

/// Why a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The route names it. Acknowledging does not take this back: every receiver of the route hears of the alert.
    Route,
    /// Another receiver failed.
    Failover,
    /// Nobody acknowledged.
    Escalation,
}

impl Cause {
    const ALL: [Cause; 3] = [Cause::Route, Cause::Failover, Cause::Escalation];

    /// The cause as records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Route => "route",
            Cause::Failover => "failover",
            Cause::Escalation => "escalation",
        }
    }
}

/// Why a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For its first attempt.
    First,
    /// For its next attempt, after this failure.
    Retry(Failure),
    /// Nothing was tried: the receiver was not to be called.
    Held(Hold),
}

/// Why a receiver was not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its breaker is open.
    Breaker,
    /// It has as many calls a minute as it may.
    Rate,
    /// It has as many calls at the same time as it may.
    Concurrency,
    /// Its quiet hours.
    Quiet,
}

impl Hold {
    const ALL: [Hold; 4] = [Hold::Breaker, Hold::Rate, Hold::Concurrency, Hold::Quiet];

    /// The reason as records and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Breaker => "breaker-open",
            Hold::Rate => "rate-limit",
            Hold::Concurrency => "concurrency-limit",
            Hold::Quiet => "quiet-hours",
        }
    }
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is due, or under way.
    Waiting {
        /// When it is due.
        at: Timestamp,
        /// What it waits for.
        why: Wait,
    },
    /// The receiver took it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It is a dead letter.
    GivenUp(GiveUp),
    /// Somebody acknowledged before it was taken, or it was of an earlier opening.
    Withdrawn {
        /// A call that was under way has ended by then.
        until: Timestamp,
    },
}

/// No call takes longer, milliseconds: the most that a receiver's `deadlineMs` can be.
pub const LONGEST_CALL_MS: u64 = 60_000;

/// An alert on its way to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver's id.
    pub receiver: String,
    /// How often the receiver took it before: 0 the first time, 1 for the first reminder.
    pub telling: u32,
    /// The number of this run of attempts; no other run of this alert, to any receiver, has the same.
    pub series: u32,
    /// Why it is told.
    pub cause: Cause,
    /// When this run was due first.
    pub since: Timestamp,
    /// Attempts of this run so far.
    pub attempts: u32,
    /// How the last of them failed, and how often in a row.
    pub failing: Option<Failing>,
    /// Whether another receiver was told because this one failed.
    pub passed_on: bool,
    /// How it stands.
    pub status: Status,
}

impl Delivery {
    /// The `webhook-id`: the alert's id, the same at every attempt. A reminder is a message of its own, `<alert>.1`,
    /// `<alert>.2`: a receiver that knows an id it has taken would rightly leave it aside, and nobody would be reminded.
    pub fn message_id(&self, alert: &str) -> String {
        match self.telling {
            0 => alert.into(),
            telling => format!("{alert}.{telling}"),
        }
    }

    /// What kind of message it is.
    pub fn kind(&self) -> Kind {
        match (self.telling, self.cause) {
            (0, Cause::Route) => Kind::Raised,
            (0, _) => Kind::Escalated,
            _ => Kind::Reminder,
        }
    }

    /// How often the receiver took it until now.
    fn taken(&self) -> u32 {
        self.telling.saturating_add(u32::from(matches!(self.status, Status::Delivered { .. })))
    }

    fn is_waiting(&self) -> bool {
        matches!(self.status, Status::Waiting { .. })
    }
}

/// How far an alert has climbed its chain: the step that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Climb {
    /// The round; the first is 0.
    pub round: u32,
    /// The step of the round: 0 begins it, 1 is the first rung. After the last round, how often the fallback was told.
    pub rung: u32,
    /// When the round began.
    pub round_at: Timestamp,
    /// When the step is due.
    pub due: Timestamp,
}

/// An alert's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(crate) alert: String,
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
}

impl State {
    /// The alert's id.
    pub fn alert(&self) -> &str {
        &self.alert
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How often it was opened again. Above 0, an open alert is a reopened one.
    pub fn opening(&self) -> u32 {
        self.opening
    }

    /// When it was opened last.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// When somebody first took it since then.
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.delivered_at
    }

    /// Its deliveries; one for each receiver.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// The delivery to a receiver.
    pub fn delivery(&self, receiver: &str) -> Option<&Delivery> {
        self.deliveries.iter().find(|it| it.receiver == receiver)
    }

    /// The next step of its chain.
    pub fn climb(&self) -> Option<&Climb> {
        self.climb.as_ref()
    }

    /// Rises by one with each change: a state is only written over the one it was made from.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// How many entries its history has.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Everything that is to be done, and when.
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

    /// Whether this work is still to be done: what came from a queue may be over. A worker asks before it calls.
    pub fn owes(&self, work: &Work) -> bool {
        self.due().iter().any(|due| due.work == *work)
    }

    /// What should have been done longer than `grace_ms` ago: what the clock reports.
    pub fn overdue(&self, grace_ms: u64, now: Timestamp) -> Vec<Due> {
        self.due().into_iter().filter(|due| now.ms_since(due.at) > grace_ms).collect()
    }
}

#[cfg(test)]
mod tests;
