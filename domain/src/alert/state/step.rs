//! The transitions of an alert.

use crate::ids::{AlertId, ReceiverId};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{
    Act, Cause, Climb, Dead, Delivery, Due, Effect, Entry, Event, Hold, Ignored, LONGEST_CALL_MS, LastNote, Phase,
    SAME_NOTE_MS, State, Status, Step, Taken, Wait,
};
use crate::alert::admission::Admission;
use crate::alert::retry::{Attempt, Failing, GiveUp, Verdict};
use crate::alert::routes::{Chain, Plan};
use crate::{Severity, Timestamp};

/// The first state of an alert. It records the admission decision, whether the alert is sent or not.
pub fn raise(alert: &AlertId, severity: Severity, admission: &Admission, plan: &Plan<'_>, now: Timestamp) -> Step {
    let state = State {
        alert: alert.clone(),
        severity,
        phase: Phase::Open,
        opening: 0,
        opened_at: now,
        delivered_at: None,
        deliveries: Vec::new(),
        climb: None,
        series: 0,
        revision: 0,
        entries: 0,
        assignee: None,
        noted: None,
        acknowledged: None,
        resolved: None,
    };
    let mut change = Change { state, plan, now, told: Vec::new(), effects: Vec::new(), entry: None };
    match admission {
        Admission::Send => change.open(now),
        Admission::Lead { closes_at } => change.open(*closes_at),
        Admission::Join { leader } => change.state.phase = Phase::Grouped { leader: leader.clone() },
        Admission::Suppress(why) => change.state.phase = Phase::Suppressed(why.clone()),
    }
    let reason = change.state.phase.reason();
    change.note("raised", None, reason, None);
    change.finish(Vec::new())
}

impl State {
    /// The result of an event in this state.
    ///
    /// # Errors
    /// The reason why the event changes nothing.
    pub fn step(&self, plan: &Plan<'_>, event: &Event<'_>, now: Timestamp) -> Result<Step, Ignored> {
        let state = self.clone();
        let mut change = Change { state, plan, now, told: Vec::new(), effects: Vec::new(), entry: None };
        change.apply(event)?;
        change.state.revision = self.revision.saturating_add(1);
        Ok(change.finish(self.due()))
    }
}

/// A state that is being changed.
struct Change<'a> {
    state: State,
    plan: &'a Plan<'a>,
    now: Timestamp,
    told: Vec<ReceiverId>,
    effects: Vec<Effect>,
    entry: Option<Entry>,
}

impl Change<'_> {
    fn apply(&mut self, event: &Event<'_>) -> Result<(), Ignored> {
        match *event {
            Event::Attempted { receiver, series, attempt, outcome, chance } => {
                let delivery = self.waiting(receiver, series, attempt)?;
                delivery.attempts = attempt;
                let (since, failing) = (delivery.since, delivery.failing);
                let ended = Attempt { number: attempt, elapsed_ms: self.now.ms_since(since), failing };
                let verdict = self.plan.schedule.decide(outcome, ended, chance);
                self.attempted(receiver, attempt, verdict);
            }
            Event::Held { receiver, series, attempt, until, why } => {
                let at = until.max(self.now);
                self.waiting(receiver, series, attempt)?.status = Status::Waiting { at, why: Wait::Held(why) };
                if why == Hold::Breaker && self.pass_on(receiver) {
                    self.note("passed-on", Some(receiver), Some(why.as_str()), None);
                }
            }
            Event::Escalate { opening, round, rung } => self.escalate(opening, round, rung)?,
            Event::Carried(outcome) => {
                let was_carried = matches!(self.state.phase, Phase::Grouped { .. });
                // The message was given up, was then replayed, and succeeded: the alerts that it carried are delivered
                // too.
                let again = matches!(self.state.phase, Phase::Dead(_)) && self.state.deliveries.is_empty();
                self.state.phase = match outcome {
                    Ok(()) if was_carried || again => {
                        self.state.delivered_at = Some(self.now);
                        Phase::Delivered
                    }
                    Err(reason) if was_carried => Phase::Dead(Dead::GivenUp(reason)),
                    _ => return Err(Ignored::Stale),
                };
                let reason = self.state.phase.reason();
                self.note("carried", None, reason, None);
            }
            Event::Acknowledged(act) => {
                match self.state.phase {
                    Phase::Acknowledged => return Err(Ignored::AlreadyAcknowledged),
                    Phase::Resolved => return Err(Ignored::AlreadyResolved),
                    _ => self.close(Phase::Acknowledged),
                }
                self.state.acknowledged = Some(self.taken(act));
                self.note("acknowledged", None, None, Some(act));
            }
            Event::Resolved(act) => {
                if self.state.phase == Phase::Resolved {
                    return Err(Ignored::AlreadyResolved);
                }
                self.close(Phase::Resolved);
                self.state.resolved = Some(self.taken(act));
                self.note("resolved", None, None, Some(act));
            }
            Event::Reopened(act) => {
                if !matches!(self.state.phase, Phase::Acknowledged | Phase::Resolved | Phase::Suppressed(_)) {
                    return Err(Ignored::NotClosed);
                }
                self.state.opening = self.state.opening.saturating_add(1);
                (self.state.acknowledged, self.state.resolved) = (None, None);
                self.open(self.now);
                self.note("reopened", None, None, Some(act));
            }
            Event::Replayed(act) => {
                self.replay()?;
                self.note("replayed", None, None, Some(act));
            }
            Event::Noted(act) => {
                let note = LastNote { at: self.now, digest: LastNote::digest(act) };
                let last = self.state.noted.as_ref();
                if last.is_some_and(|last| last.digest == note.digest && self.now.ms_since(last.at) < SAME_NOTE_MS) {
                    return Err(Ignored::AlreadyNoted);
                }
                self.state.noted = Some(note);
                self.note("noted", None, None, Some(act));
            }
            Event::Assigned { to, act } => {
                if self.state.phase == Phase::Resolved {
                    return Err(Ignored::AlreadyResolved);
                }
                if self.state.assignee.as_deref() == to {
                    return Err(Ignored::AlreadyAssigned);
                }
                self.state.assignee = to.map(String::from);
                self.note("assigned", None, None, Some(act));
                if let Some(entry) = &mut self.entry {
                    entry.to.clone_from(&self.state.assignee);
                }
            }
        }
        Ok(())
    }

    fn taken(&self, act: Act<'_>) -> Taken {
        Taken { by: act.by.to_string(), at: self.now }
    }

    /// The delivery to a receiver, if it waits for this attempt.
    fn waiting(&mut self, receiver: &ReceiverId, series: u32, attempt: u32) -> Result<&mut Delivery, Ignored> {
        let mut all = self.state.deliveries.iter_mut();
        let found = all.find(|it| it.receiver == *receiver && it.series == series && it.is_waiting());
        found.filter(|it| it.attempts.checked_add(1) == Some(attempt)).ok_or(Ignored::Stale)
    }

    fn set(&mut self, receiver: &ReceiverId, status: Status) {
        for delivery in self.state.deliveries.iter_mut().filter(|it| it.receiver == *receiver) {
            delivery.status = status;
        }
    }

    fn attempted(&mut self, receiver: &ReceiverId, attempt: u32, verdict: Verdict) {
        match verdict {
            Verdict::Delivered => {
                self.set(receiver, Status::Delivered { at: self.now });
                self.state.delivered_at.get_or_insert(self.now);
                self.settle();
                self.note("delivered", Some(receiver), None, None);
            }
            Verdict::Retry { after_ms, because } => {
                let at = self.now.plus_ms(after_ms);
                self.set(receiver, Status::Waiting { at, why: Wait::Retry(because) });
                if let Some(delivery) = self.state.deliveries.iter_mut().find(|it| it.receiver == *receiver) {
                    delivery.failing = Some(Failing::after(delivery.failing, because));
                }
                if self.plan.schedule.passes_on(attempt, because) && self.pass_on(receiver) {
                    self.note("passed-on", Some(receiver), Some(because.as_str()), None);
                }
            }
            Verdict::GiveUp(reason) => {
                self.set(receiver, Status::GivenUp(reason));
                let dead = Effect::DeadLetter { receiver: Some(receiver.clone()), reason: Dead::GivenUp(reason) };
                self.effects.push(dead);
                if reason == GiveUp::Gone {
                    self.effects.push(Effect::Disable { receiver: receiver.clone() });
                }
                self.pass_on(receiver);
                self.settle();
                self.note("given-up", Some(receiver), Some(reason.as_str()), None);
            }
        }
    }

    /// Notifies a receiver, unless a delivery to it is already waiting. If the receiver accepted the alert before, it
    /// gets a reminder with another id. If it never accepted the alert, it gets the message with the same id.
    fn tell(&mut self, receiver: &ReceiverId, cause: Cause, at: Timestamp) {
        let known = self.state.deliveries.iter().position(|it| it.receiver == *receiver);
        let before = known.and_then(|known| self.state.deliveries.get(known));
        if before.is_some_and(Delivery::is_waiting) {
            return;
        }
        let at = match before.map(|it| it.status) {
            // A call that began before the acknowledgement may still be under way.
            Some(Status::Withdrawn { until }) => at.max(until.min(self.now.plus_ms(LONGEST_CALL_MS))),
            _ => at,
        };
        let delivery = Delivery {
            receiver: receiver.clone(),
            telling: before.map_or(0, Delivery::taken),
            series: self.state.series,
            cause,
            since: at,
            attempts: 0,
            failing: None,
            passed_on: false,
            status: Status::Waiting { at, why: Wait::First },
        };
        self.state.series = self.state.series.saturating_add(1);
        match known.and_then(|known| self.state.deliveries.get_mut(known)) {
            Some(known) => *known = delivery,
            None => self.state.deliveries.push(delivery),
        }
        self.told.push(receiver.clone());
    }

    /// Notifies the next receiver because this one fails: at most one, and only while the alert still needs an
    /// acknowledgement. Only critical alerts have a chain.
    fn pass_on(&mut self, receiver: &ReceiverId) -> bool {
        let Some(chain) = self.plan.chain.filter(|_| self.state.phase.is_open()) else { return false };
        let Some(delivery) = self.state.deliveries.iter_mut().find(|it| it.receiver == *receiver) else { return false };
        if core::mem::replace(&mut delivery.passed_on, true) {
            return false;
        }
        let untold = |id: &&ReceiverId| {
            let mut all = self.state.deliveries.iter();
            !all.any(|it| it.receiver == **id && !matches!(it.status, Status::Withdrawn { .. }))
        };
        let Some(next) = chain.succession().find(untold).cloned() else { return false };
        self.tell(&next, Cause::Failover, self.now);
        true
    }

    /// Opens the alert: schedules the deliveries to the route's receivers and starts the chain.
    fn open(&mut self, at: Timestamp) {
        self.state.opened_at = self.now;
        self.state.delivered_at = None;
        self.state.phase = Phase::Open;
        for delivery in &mut self.state.deliveries {
            // A delivery in an earlier opening does not count for this opening, but the receiver did accept it.
            if matches!(delivery.status, Status::Delivered { .. } | Status::GivenUp(_)) {
                delivery.telling = delivery.taken();
                delivery.status = Status::Withdrawn { until: self.now };
            }
        }
        for receiver in self.plan.receivers {
            self.tell(receiver, Cause::Route, at);
        }
        if self.state.severity == Severity::Critical {
            let default = Chain::default();
            let chain = self.plan.chain.unwrap_or(&default);
            self.state.climb = Some(Climb::begin(chain, self.now));
            if self.plan.receivers.is_empty()
                && let Some(first) = chain.succession().next().cloned()
            {
                self.tell(&first, Cause::Failover, at);
            }
        }
        self.settle();
        if matches!(self.state.phase, Phase::Dead(_)) {
            self.effects.push(Effect::DeadLetter { receiver: None, reason: Dead::NoReceiver });
        }
    }

    fn escalate(&mut self, opening: u32, round: u32, rung: u32) -> Result<(), Ignored> {
        let climb = self.state.climb.ok_or(Ignored::Stale)?;
        if (self.state.opening, climb.round, climb.rung) != (opening, round, rung) {
            return Err(Ignored::Stale);
        }
        if self.now < climb.due {
            return Err(Ignored::NotDue);
        }
        let default = Chain::default();
        let (plan, chain) = (self.plan, self.plan.chain.unwrap_or(&default));
        let told = match climb.told(chain) {
            [] => plan.receivers,
            told => told,
        };
        for receiver in told {
            self.tell(receiver, Cause::Escalation, self.now);
        }
        self.state.climb = Some(climb.next(chain, self.now));
        self.settle();
        self.note(
            "escalated",
            None,
            Some(if climb.round > chain.repeats { "fallback" } else { "not-acknowledged" }),
            None,
        );
        Ok(())
    }

    /// Closes the alert after somebody has acknowledged or resolved it. Further receivers are not notified; the route's
    /// own receivers still are.
    fn close(&mut self, phase: Phase) {
        self.state.phase = phase;
        self.state.climb = None;
        for delivery in self.state.deliveries.iter_mut().filter(|it| it.cause != Cause::Route) {
            if let Status::Waiting { at, .. } = delivery.status {
                let call_ms = if at <= self.now { LONGEST_CALL_MS } else { 0 };
                delivery.status = Status::Withdrawn { until: self.now.plus_ms(call_ms) };
            }
        }
    }

    /// Retries the deliveries that were given up. After an acknowledgement, only the route's own receivers still get
    /// the alert.
    fn replay(&mut self) -> Result<(), Ignored> {
        let (now, open) = (self.now, self.state.phase.is_open());
        for delivery in &mut self.state.deliveries {
            if matches!(delivery.status, Status::GivenUp(_)) && (open || delivery.cause == Cause::Route) {
                (delivery.attempts, delivery.failing, delivery.since, delivery.passed_on) = (0, None, now, false);
                delivery.series = self.state.series;
                self.state.series = self.state.series.saturating_add(1);
                delivery.status = Status::Waiting { at: now, why: Wait::First };
                self.told.push(delivery.receiver.clone());
            }
        }
        // A dead alert without deliveries had no receiver, or was part of another alert's message. It now gets the
        // route's receivers.
        if matches!(self.state.phase, Phase::Dead(_)) && self.state.deliveries.is_empty() {
            for receiver in self.plan.receivers {
                self.tell(receiver, Cause::Route, now);
            }
        }
        self.settle();
        if self.told.is_empty() { Err(Ignored::NothingToReplay) } else { Ok(()) }
    }

    /// Derives from the deliveries whether the alert is open, delivered or dead.
    fn settle(&mut self) {
        if !self.state.phase.is_open() {
            return;
        }
        let given_up = self.state.deliveries.iter().rev().find_map(|it| match it.status {
            Status::GivenUp(reason) => Some(reason),
            _ => None,
        });
        self.state.phase = match given_up {
            _ if self.state.delivered_at.is_some() => Phase::Delivered,
            _ if self.state.deliveries.iter().any(Delivery::is_waiting) => Phase::Open,
            Some(reason) => Phase::Dead(Dead::GivenUp(reason)),
            None => Phase::Dead(Dead::NoReceiver),
        };
    }

    fn note(
        &mut self,
        what: &'static str,
        receiver: Option<&ReceiverId>,
        reason: Option<&'static str>,
        act: Option<Act<'_>>,
    ) {
        let number = self.state.entries;
        self.state.entries = number.saturating_add(1);
        self.entry = Some(Entry {
            number,
            at: self.now,
            what,
            phase: self.state.phase.as_str(),
            receiver: receiver.cloned(),
            reason,
            told: core::mem::take(&mut self.told),
            by: act.map(|act| act.by.to_string()),
            note: act.and_then(|act| act.note).map(String::from),
            meaning: act.and_then(|act| act.meaning).map(String::from),
            to: None,
        });
    }

    fn finish(self, before: Vec<Due>) -> Step {
        let mut due = self.state.due();
        due.retain(|due| !before.contains(due));
        Step { state: self.state, entry: self.entry, effects: self.effects, due }
    }
}
