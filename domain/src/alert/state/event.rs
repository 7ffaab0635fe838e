//! The events of an alert, and their results.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Dead, Hold, State};
use crate::Timestamp;
use crate::alert::retry::{GiveUp, Outcome};
use crate::ids::ReceiverId;

/// An event of an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A receiver was called, or could not be.
    Attempted {
        /// The receiver.
        receiver: &'a ReceiverId,
        /// The run of attempts, from [`Work::Deliver`].
        series: u32,
        /// The attempt, from [`Work::Deliver`].
        attempt: u32,
        /// The outcome of the call.
        outcome: Outcome,
        /// A random number in `0.0..1.0`.
        chance: f64,
    },
    /// A receiver could not be called now.
    Held {
        /// The receiver.
        receiver: &'a ReceiverId,
        /// The run of attempts.
        series: u32,
        /// The attempt that did not take place.
        attempt: u32,
        /// The time of the next check.
        until: Timestamp,
        /// The reason.
        why: Hold,
    },
    /// A step of the chain is due, from [`Work::Escalate`].
    Escalate {
        /// The opening.
        opening: u32,
        /// The round.
        round: u32,
        /// The step of the round.
        rung: u32,
    },
    /// The message that carried this alert was accepted or given up.
    Carried(Result<(), GiveUp>),
    /// Somebody has acknowledged the alert.
    Acknowledged(Act<'a>),
    /// Somebody has resolved the alert.
    Resolved(Act<'a>),
    /// Somebody reopens the alert, so that it is seen again, or is sent although it was suppressed.
    Reopened(Act<'a>),
    /// Somebody asks for a retry of the deliveries that were given up.
    Replayed(Act<'a>),
    /// Somebody adds a note, and nothing else.
    Noted(Act<'a>),
    /// Somebody takes the alert over, hands it over, or gives it back.
    Assigned {
        /// The person or team that looks after it from now on; none: nobody.
        to: Option<&'a str>,
        /// The actor.
        act: Act<'a>,
    },
}

/// The actor of an event, and their note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// The id of a key, or of the receiver whose link was used.
    pub by: &'a str,
    /// Their note.
    pub note: Option<&'a str>,
    /// The meaning of their signature.
    pub meaning: Option<&'a str>,
}

/// Work that is due at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The time.
    pub at: Timestamp,
    /// The work.
    pub work: Work,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Call a receiver; then report [`Event::Attempted`] or [`Event::Held`] with the same numbers.
    Deliver {
        /// The receiver.
        receiver: ReceiverId,
        /// The run of attempts.
        series: u32,
        /// The attempt in this run; the first is 1.
        attempt: u32,
    },
    /// Report [`Event::Escalate`] with the same numbers; nothing else.
    Escalate {
        /// The opening.
        opening: u32,
        /// The round.
        round: u32,
        /// The step of the round.
        rung: u32,
    },
}

/// The result of an event. State, entry, effects and due work are written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The next state.
    pub state: State,
    /// The entry in the history; none if the deliveries alone show the change.
    pub entry: Option<Entry>,
    /// Further effects.
    pub effects: Vec<Effect>,
    /// The work that has become due with this event. [`State::due`] lists all work.
    pub due: Vec<Due>,
}

/// An entry of an alert's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the first is 0.
    pub number: u32,
    /// The time.
    pub at: Timestamp,
    /// The kind of event: `raised`, `delivered`, `given-up`, `passed-on`, `escalated`, `carried`, `acknowledged`,
    /// `resolved`, `reopened`, `replayed`, `noted`, `assigned`.
    pub what: &'static str,
    /// The phase after the event.
    pub phase: &'static str,
    /// The receiver that the event concerns.
    pub receiver: Option<ReceiverId>,
    /// The reason.
    pub reason: Option<&'static str>,
    /// The receivers that are notified because of the event.
    pub told: Vec<ReceiverId>,
    /// The actor.
    pub by: Option<String>,
    /// The actor's note.
    pub note: Option<String>,
    /// The meaning of the actor's signature.
    pub meaning: Option<String>,
    /// The person or team that the alert is assigned to by this event.
    pub to: Option<String>,
}

/// An effect besides writing the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A dead letter: one delivery, or the alert itself if it has no receiver.
    DeadLetter {
        /// The receiver.
        receiver: Option<ReceiverId>,
        /// The reason.
        reason: Dead,
    },
    /// The receiver answered 410: it gets no more alerts until somebody enables it, and an operator must be informed.
    Disable {
        /// The receiver.
        receiver: ReceiverId,
    },
}

/// The reason why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// The event concerns something that is over or was never due: a repeated step, a withdrawn delivery.
    Stale,
    /// The step is not due yet.
    NotDue,
    /// The alert is already acknowledged; the first acknowledgement stands.
    AlreadyAcknowledged,
    /// The alert is already resolved.
    AlreadyResolved,
    /// Only an alert that is acknowledged, resolved or suppressed can be reopened.
    NotClosed,
    /// No delivery was given up.
    NothingToReplay,
    /// The last note is this one, and was added a moment ago.
    AlreadyNoted,
    /// It is assigned to this person or team already.
    AlreadyAssigned,
}

impl Ignored {
    /// The reason's name in responses and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::Stale => "stale",
            Ignored::NotDue => "not-due",
            Ignored::AlreadyAcknowledged => "already-acknowledged",
            Ignored::AlreadyResolved => "already-resolved",
            Ignored::NotClosed => "not-closed",
            Ignored::NothingToReplay => "nothing-to-replay",
            Ignored::AlreadyNoted => "already-noted",
            Ignored::AlreadyAssigned => "already-assigned",
        }
    }
}
