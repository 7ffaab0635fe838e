//! Tasks: the pieces of work that a worker holds, and their results.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use domain::alert::retry::Outcome;
use domain::alert::routes::Receiver;
use domain::alert::state::{Delivery, Event, Hold};
use domain::ids::ReceiverId;
use domain::{Severity, Timestamp};
use platform::{Error, clock};
use state::alerts::change::Change;
use state::alerts::{Loaded, facts_of};
use state::queue::holder::Holder;
use state::wire::entry::{Alert, Attempt, Attempts, Due, Work};

use crate::dispatch::config::Rules;
use crate::dispatch::lanes::LaneId;
use crate::dispatch::notification;

/// An alert, with its state as this worker knows it.
pub(crate) struct Case {
    pub(crate) alert: Alert,
    pub(crate) found: RefCell<Loaded>,
}

/// Ensures that work comes back if this worker dies.
pub(crate) enum Lease {
    /// A claimed entry of the stream.
    Entry(String),
    /// Work reserved for this worker: it is due at once if the worker dies.
    Reserved(Rc<Holder>, Due),
}

impl Lease {
    /// Adds to a change that the work is done.
    pub(crate) fn end(&self, alert: &Alert, change: &mut Change) -> Result<(), Error> {
        match self {
            Lease::Entry(id) => {
                change.end(id);
                Ok(())
            }
            Lease::Reserved(holder, due) => change.done(holder, alert, due),
        }
    }
}

/// One piece of work on an alert. One state of the settings decides it.
pub(crate) struct Job {
    pub(crate) case: Rc<Case>,
    pub(crate) rules: Rc<Rules>,
    pub(crate) lease: Lease,
    pub(crate) work: Work,
    /// The attempts at this receiver so far.
    pub(crate) attempts: Attempts,
    /// The alerts that go with the message.
    pub(crate) members: Vec<Alert>,
    /// The time when this worker got it.
    pub(crate) since: Instant,
}

impl Job {
    /// The receiver, if the work has one.
    pub(crate) fn receiver(&self) -> Option<&ReceiverId> {
        match &self.work {
            Work::Deliver { receiver, .. } => Some(receiver),
            Work::Escalate { .. } | Work::Carry | Work::Look => None,
        }
    }

    /// The receiver as the settings of this job define it.
    pub(crate) fn route(&self) -> Option<&Receiver> {
        self.rules.routes.receiver(self.receiver()?)
    }

    /// The entry of the stream that ends with this job.
    pub(crate) fn entry(&self) -> Option<&str> {
        match &self.lease {
            Lease::Entry(id) => Some(id),
            Lease::Reserved(..) => None,
        }
    }

    pub(crate) fn severity(&self) -> Severity {
        facts_of(&self.case.alert).severity
    }

    /// The delivery that this attempt belongs to.
    pub(crate) fn delivery(&self) -> Option<Delivery> {
        self.case.found.borrow().state.delivery(self.receiver()?).cloned()
    }

    /// The event that this job's result causes.
    pub(crate) fn event(&self, what: &What) -> Option<Event<'_>> {
        match (&self.work, what) {
            (Work::Deliver { receiver, series, attempt }, What::Held { until, why }) => {
                let (series, attempt, until, why) = (*series, *attempt, *until, *why);
                Some(Event::Held { receiver, series, attempt, until, why })
            }
            (Work::Deliver { receiver, series, attempt }, What::Called { outcome, .. } | What::NotCalled(outcome)) => {
                let (series, attempt, outcome) = (*series, *attempt, *outcome);
                Some(Event::Attempted { receiver, series, attempt, outcome, chance: clock::chance() })
            }
            (Work::Escalate { opening, round, rung }, _) => {
                Some(Event::Escalate { opening: *opening, round: *round, rung: *rung })
            }
            _ => None,
        }
    }
}

/// One call that is owed: the job of an alert, or a notification.
pub(crate) enum Task {
    Alert(Job),
    Notification(Box<notification::Job>),
}

impl Task {
    /// The lane in which it waits.
    pub(crate) fn lane(&self) -> LaneId {
        match self {
            Task::Alert(job) => LaneId::Receiver(job.receiver().cloned().unwrap_or_default()),
            Task::Notification(job) => job.lane.clone(),
        }
    }

    /// The sender, for turns within its lane.
    pub(crate) fn flow(&self) -> String {
        match self {
            Task::Alert(job) => job.case.alert.flow(),
            Task::Notification(job) => job.flow(),
        }
    }

    pub(crate) fn is_critical(&self) -> bool {
        matches!(self, Task::Alert(job) if job.severity() == Severity::Critical)
    }

    /// The entry of the stream that ends with it.
    pub(crate) fn entry(&self) -> Option<&str> {
        match self {
            Task::Alert(job) => job.entry(),
            Task::Notification(job) => Some(&job.claimed.entry),
        }
    }

    /// The time when this worker got it.
    pub(crate) fn since(&self) -> Instant {
        match self {
            Task::Alert(job) => job.since,
            Task::Notification(job) => job.since,
        }
    }

    /// The state of the settings that decides it.
    pub(crate) fn rules(&mut self) -> &mut Rc<Rules> {
        match self {
            Task::Alert(job) => &mut job.rules,
            Task::Notification(job) => &mut job.rules,
        }
    }

    /// The channel, as metrics name it.
    pub(crate) fn channel(&self) -> &'static str {
        match self {
            Task::Alert(job) => job.route().map_or("unknown", |it| it.channel.as_str()),
            Task::Notification(job) => job.channel(),
        }
    }
}

/// The result of a task.
pub(crate) enum What {
    /// The receiver was called.
    Called {
        outcome: Outcome,
        attempt: Attempt,
        /// Its semaphore slot at the receiver.
        place: String,
    },
    /// It could not be called.
    NotCalled(Outcome),
    /// It must not be called now.
    Held { until: Timestamp, why: Hold },
    /// The time of a step of the chain has come.
    Escalated,
}

pub(crate) struct Happened {
    pub(crate) task: Task,
    pub(crate) what: What,
}
