//! The invariants of the simulation, checked after every operation.

use std::collections::BTreeSet;

use domain::Severity;
use domain::alert::state::{Cause, Dead, Entry, Phase, State, Status, Step, Work};

use super::{Alert, World};

impl Alert {
    /// Checks that a step changed nothing but what people tell each other: a note, or who looks after the alert.
    pub(super) fn is_only_told(before: &State, step: &Step) {
        let after = &step.state;
        assert_eq!((after.phase(), after.due(), after.climb()), (before.phase(), before.due(), before.climb()));
        assert_eq!((after.deliveries(), after.opening()), (before.deliveries(), before.opening()));
        assert!(
            step.due.is_empty() && step.effects.is_empty() && step.entry.as_ref().is_some_and(|it| it.told.is_empty())
        );
    }
}

impl World {
    pub(crate) fn check(&self) {
        for (id, alert) in &self.alerts {
            self.check_alert(id, alert);
        }
    }

    fn check_alert(&self, id: &str, alert: &Alert) {
        let state = &alert.state;
        let due = state.due();
        let climbs = due.iter().any(|due| matches!(due.work, Work::Escalate { .. }));
        let delivers = due.iter().any(|due| matches!(due.work, Work::Deliver { .. }));
        let critical = state.severity() == Severity::Critical;
        // The record of receivers that accepted it since it was opened is never lost.
        if !matches!(state.phase(), Phase::Acknowledged | Phase::Resolved) {
            assert_eq!(state.delivered_at().is_some(), *state.phase() == Phase::Delivered, "{state:?}");
        }
        match state.phase() {
            Phase::Open => assert!(delivers && climbs == critical, "{state:?}"),
            Phase::Delivered | Phase::Dead(_) => assert!(climbs == critical, "{state:?}"),
            Phase::Suppressed(_) | Phase::Grouped { .. } => {
                assert!(due.is_empty() && !critical, "{state:?}");
                assert!(alert.history.first().is_some_and(|it| it.what == "raised"));
            }
            Phase::Acknowledged | Phase::Resolved => assert!(!climbs, "{state:?}"),
        }
        for due in &due {
            let timer = self.timers.iter().any(|(timer, of)| of == id && timer.work == due.work);
            let call = self.calls.iter().any(|call| call.alert == id && call.work == due.work);
            assert!(timer || call, "{due:?} was lost");
        }
        let receivers: BTreeSet<&str> = state.deliveries().iter().map(|it| it.receiver.as_str()).collect();
        assert_eq!(receivers.len(), state.deliveries().len());
        for delivery in state.deliveries() {
            let closed = matches!(state.phase(), Phase::Acknowledged | Phase::Resolved);
            match delivery.status {
                Status::Waiting { .. } => assert!(!closed || delivery.cause == Cause::Route),
                Status::GivenUp(reason) => {
                    let dead = (Some(delivery.receiver.clone()), Dead::GivenUp(reason));
                    assert!(alert.dead.contains(&dead), "{delivery:?}");
                    let gone = reason.as_str() == "receiver-gone";
                    assert!(!gone || self.said_gone.contains(&delivery.receiver));
                }
                Status::Delivered { .. } => {
                    let ids = self.taken.get(&(id.to_owned(), delivery.receiver.clone())).unwrap();
                    assert!(ids.contains(&delivery.message_id(&id.into())), "{delivery:?}: {ids:?}");
                }
                Status::Withdrawn { .. } => {}
            }
        }
        for (receiver, ids) in self.ids(id) {
            // The first id is the alert's own, and no number is skipped: a message that was never accepted is not sent
            // under another id.
            let number = |n: usize| if n == 0 { id.to_owned() } else { format!("{id}.{n}") };
            let numbered: BTreeSet<String> = (0..ids.len()).map(number).collect();
            assert!(ids.iter().copied().eq(numbered.iter().map(String::as_str)), "{ids:?}");
            let reminds = |it: &&Entry| {
                matches!(it.what, "escalated" | "reopened" | "given-up" | "passed-on")
                    && it.told.iter().any(|it| it == receiver)
            };
            let told = alert.history.iter().filter(reminds).count();
            assert!(ids.len() <= 1 + told, "{receiver} took {ids:?}, reminded {told} times");
        }
        let written = serde_json::from_str(&state.write().to_string()).unwrap();
        assert_eq!(State::read(&written).as_ref(), Some(state));
    }
}
