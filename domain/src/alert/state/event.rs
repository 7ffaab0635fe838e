//! What happens to an alert, and what follows from it.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Dead, Hold, State};
use crate::Timestamp;
use crate::alert::retry::{GiveUp, Outcome};

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A receiver was called, or could not be.
    Attempted {
        /// The receiver.
        receiver: &'a str,
        /// Which run of attempts, as [`Work::Deliver`] had it.
        series: u32,
        /// Which attempt, as [`Work::Deliver`] had it.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
        /// A random number in `0.0..1.0`.
        chance: f64,
    },
    /// A receiver was not to be called now.
    Held {
        /// The receiver.
        receiver: &'a str,
        /// Which run of attempts.
        series: u32,
        /// Which attempt, the one that did not take place.
        attempt: u32,
        /// When to look again.
        until: Timestamp,
        /// Why.
        why: Hold,
    },
    /// The time of a step of the chain has come, as [`Work::Escalate`] had it.
    Escalate {
        /// Which opening.
        opening: u32,
        /// Which round.
        round: u32,
        /// Which step of it.
        rung: u32,
    },
    /// The message that this alert was part of was taken, or given up.
    Carried(Result<(), GiveUp>),
    /// Somebody has seen it.
    Acknowledged(Act<'a>),
    /// Somebody has dealt with it.
    Resolved(Act<'a>),
    /// Somebody wants it to be seen again, or sent although it was suppressed.
    Reopened(Act<'a>),
    /// Somebody wants what was given up to be tried again.
    Replayed(Act<'a>),
}

/// Who did it, and what they said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// The id of a key, or of the receiver whose link it was.
    pub by: &'a str,
    /// Their note.
    pub note: Option<&'a str>,
}

/// Something to do at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// What.
    pub work: Work,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Call a receiver; then [`Event::Attempted`] or [`Event::Held`] with the same numbers.
    Deliver {
        /// The receiver.
        receiver: String,
        /// Which run of attempts.
        series: u32,
        /// Which attempt of it; the first is 1.
        attempt: u32,
    },
    /// Nothing but [`Event::Escalate`] with the same numbers.
    Escalate {
        /// Which opening.
        opening: u32,
        /// Which round.
        round: u32,
        /// Which step of it.
        rung: u32,
    },
}

/// What an event leads to. State, entry, effects and what is due are written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The next state.
    pub state: State,
    /// What the history says; none for what is told by the deliveries alone.
    pub entry: Option<Entry>,
    /// What else must be done.
    pub effects: Vec<Effect>,
    /// What is due now that was not before; the whole is [`State::due`].
    pub due: Vec<Due>,
}

/// An entry of an alert's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the first is 0.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// What happened: `raised`, `delivered`, `given-up`, `passed-on`, `escalated`, `carried`, `acknowledged`,
    /// `resolved`, `reopened`, `replayed`.
    pub what: &'static str,
    /// The phase after it.
    pub phase: &'static str,
    /// The receiver it is about.
    pub receiver: Option<String>,
    /// Why.
    pub reason: Option<&'static str>,
    /// Who is told because of it.
    pub told: Vec<String>,
    /// Who did it.
    pub by: Option<String>,
    /// What they said.
    pub note: Option<String>,
}

/// What must be done beside writing the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A dead letter: one delivery, or the alert itself if it has no receiver.
    DeadLetter {
        /// The receiver.
        receiver: Option<String>,
        /// Why.
        reason: Dead,
    },
    /// The receiver answered 410: no alert goes to it any more until somebody enables it, and somebody must hear of that.
    Disable {
        /// The receiver.
        receiver: String,
    },
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It is about something that is over, or was never due: a repeated step, a withdrawn delivery.
    Stale,
    /// The step's time has not come.
    NotDue,
    /// It is acknowledged: the first one stands.
    AlreadyAcknowledged,
    /// It is resolved.
    AlreadyResolved,
    /// Only what is acknowledged, resolved or suppressed can be opened again.
    NotClosed,
    /// No delivery was given up.
    NothingToReplay,
}

impl Ignored {
    /// The reason as answers and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::Stale => "stale",
            Ignored::NotDue => "not-due",
            Ignored::AlreadyAcknowledged => "already-acknowledged",
            Ignored::AlreadyResolved => "already-resolved",
            Ignored::NotClosed => "not-closed",
            Ignored::NothingToReplay => "nothing-to-replay",
        }
    }
}
