//! The world of the simulation: it plays Redis, the workers, the receivers and the people.

mod invariants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use domain::alert::admission::{self, Admission, Group, Last};
use domain::alert::breaker::{self, Gauge, PROBE, Write};
use domain::alert::retry::Outcome;
use domain::alert::routes::{Facts, Plan, Routes};
use domain::alert::state::{
    self, Act, Dead, Due, Effect, Entry, Event, Hold, Ignored, LONGEST_CALL_MS, Phase, State, Step, Work,
};
use domain::ids::ReceiverId;
use domain::{Severity, Timestamp};
use proptest::sample::Index;
use serde_json::json;

#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Raise an alert with this severity, rule and subject.
    Raise(usize, usize, usize),
    Wait(u64),
    /// Wait until work is due.
    WaitForNext,
    /// Set the clock.
    Jump(i64),
    /// A worker takes due work.
    Start(Index),
    /// A call ends.
    End(Index, Outcome, f64),
    /// The worker dies after the receiver's answer and before the answer is written.
    Crash(Index, Outcome),
    /// A worker takes due work, but the receiver must not be called.
    Hold(Index, Hold),
    /// Repeat the script of an earlier event.
    Again(Index),
    /// Lose all timers and rebuild them from the states.
    LoseTimers,
    Configure(usize),
    /// Somebody enables the receivers that answered 410.
    Enable,
    Acknowledge(Index),
    Resolve(Index),
    Reopen(Index),
    Replay(Index),
    /// Somebody adds a note.
    Note(Index),
    /// Somebody assigns the alert to a team, or gives it back.
    Assign(Index, bool),
}

pub(super) struct Alert {
    pub(super) state: State,
    facts: Facts<'static>,
    history: Vec<Entry>,
    pub(super) dead: Vec<(Option<ReceiverId>, Dead)>,
}

struct Call {
    alert: String,
    work: Work,
    since: Timestamp,
    probe: bool,
}

pub(super) struct World {
    now: Timestamp,
    routes: Vec<Routes>,
    configured: usize,
    alerts: BTreeMap<String, Alert>,
    timers: BTreeSet<(Due, String)>,
    calls: Vec<Call>,
    gauges: BTreeMap<ReceiverId, Gauge>,
    disabled: BTreeSet<ReceiverId>,
    said_gone: BTreeSet<ReceiverId>,
    /// The messages that receivers accepted: alert, receiver, ids in order.
    taken: BTreeMap<(String, ReceiverId), Vec<String>>,
    last: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
    /// The recorded events of calls and escalations.
    events: Vec<(String, Event<'static>)>,
}

const ACT: Act<'static> = Act { by: "clinician-1", note: None, meaning: None };

fn routes(receivers: &[&str], defaults: serde_json::Value) -> Routes {
    let receiver = |id: &&str| (id.to_string(), json!({"channel": "sms", "url": format!("https://example.org/{id}")}));
    let receivers: serde_json::Map<_, _> = receivers.iter().map(receiver).collect();
    Routes::read(&json!({"receivers": receivers, "defaults": defaults})).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let usual = routes(
            &["a", "b", "c", "d", "f"],
            json!({
                "routes": {"critical": ["a", "b"], "high": ["a"], "moderate": ["a", "b"], "info": []},
                "chain": {
                    "steps": [{"afterSeconds": 300, "receivers": ["c"]}, {"afterSeconds": 900, "receivers": ["d", "a"]}],
                    "fallback": "f",
                },
            }),
        );
        let fewer = routes(
            &["b", "c"],
            json!({
                "routes": {"critical": ["b"], "high": ["c"]}, "groupSeconds": 0, "chain": {"repeats": 3},
            }),
        );
        World {
            now: Timestamp::from_millis(1_772_323_200_000),
            routes: vec![usual, fewer, routes(&[], json!({}))],
            configured: 0,
            alerts: BTreeMap::new(),
            timers: BTreeSet::new(),
            calls: Vec::new(),
            gauges: BTreeMap::new(),
            disabled: BTreeSet::new(),
            said_gone: BTreeSet::new(),
            taken: BTreeMap::new(),
            last: BTreeMap::new(),
            groups: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// The different ids under which each receiver accepted an alert.
    pub(super) fn ids(&self, alert: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let theirs = self.taken.iter().filter(|((it, _), _)| it == alert);
        theirs.map(|((_, receiver), ids)| (receiver.as_str(), ids.iter().map(String::as_str).collect())).collect()
    }

    fn config(&self) -> &Routes {
        self.routes.get(self.configured).unwrap()
    }

    pub(super) fn run(&mut self, op: Op) {
        match op {
            Op::Raise(severity, rule, subject) => self.raise(severity, rule, subject),
            Op::Wait(ms) => self.wait(self.now.plus_ms(ms)),
            Op::WaitForNext => {
                if let Some((due, _)) = self.timers.first() {
                    self.wait(due.at.max(self.now));
                }
            }
            Op::Jump(ms) => {
                self.time_out(|_| true);
                self.now = Timestamp::from_millis(self.now.millis() + ms);
            }
            Op::Start(pick) => {
                if let Some(taken) = self.take(pick) {
                    self.start(taken);
                }
            }
            Op::End(pick, outcome, chance) => {
                if !self.calls.is_empty() {
                    let call = self.calls.remove(pick.index(self.calls.len()));
                    self.end(call, outcome, chance);
                }
            }
            Op::Crash(pick, outcome) => {
                if !self.calls.is_empty() {
                    let call = self.calls.remove(pick.index(self.calls.len()));
                    self.receive(&call, outcome);
                    // The entry returns to the queue after its lease.
                    self.timers.insert((Due { at: self.now.plus_ms(LONGEST_CALL_MS), work: call.work }, call.alert));
                }
            }
            Op::Hold(pick, why) => {
                if let Some((alert, work)) = self.take(pick) {
                    self.hold(alert, work, self.now.plus_ms(30_000), why);
                }
            }
            Op::Again(pick) => {
                if !self.events.is_empty() {
                    let (alert, event) = pick.get(self.events.as_slice());
                    let stored = self.alerts.get(alert).unwrap();
                    let again = stored.state.step(&self.config().plan(&stored.facts), event, self.now);
                    assert_eq!(again, Err(Ignored::Stale), "{event:?} again, {:?}", stored.state);
                }
            }
            Op::LoseTimers => {
                let all = |(id, it): (&String, &Alert)| {
                    it.state.due().into_iter().map(|due| (due, id.clone())).collect::<Vec<_>>()
                };
                // Work that a worker has claimed is not in the timers.
                let claimed = |(due, alert): &(Due, String)| {
                    self.calls.iter().any(|it| it.alert == *alert && it.work == due.work)
                };
                self.timers = self.alerts.iter().flat_map(all).filter(|it| !claimed(it)).collect();
            }
            Op::Configure(which) => self.configured = which,
            Op::Enable => self.disabled.clear(),
            Op::Acknowledge(pick) => self.act(pick, Event::Acknowledged(ACT)),
            Op::Resolve(pick) => self.act(pick, Event::Resolved(ACT)),
            Op::Reopen(pick) => self.act(pick, Event::Reopened(ACT)),
            Op::Replay(pick) => self.act(pick, Event::Replayed(ACT)),
            Op::Note(pick) => self.act(pick, Event::Noted(Act { note: Some("no answer"), ..ACT })),
            Op::Assign(pick, team) => {
                self.act(pick, Event::Assigned { to: team.then_some("night team"), act: ACT });
            }
        }
    }

    fn raise(&mut self, severity: usize, rule: usize, subject: usize) {
        let severity = *Severity::ALL.get(severity).unwrap();
        let (rule, subject) = (["r0", "r1"].get(rule).unwrap(), ["p0", "p1"].get(subject).unwrap());
        let facts = Facts { study: "S", site: "01", subject, instrument: "phq-9", rule, severity };
        let plan = self.routes.get(self.configured).unwrap().plan(&facts);
        let (repeat_key, group_key) = (admission::repeat_key(&facts), admission::group_key(&facts, &plan));
        let last = self.last.get(&repeat_key).map(|text| Last::parse(text).unwrap());
        let group = self.groups.get(&group_key).map(|text| Group::parse(text).unwrap());
        let admitted = admission::admit(&facts, &plan, &[], last.as_ref(), group.as_ref(), self.now);
        assert!(severity != Severity::Critical || matches!(admitted, Admission::Send));
        let id = format!("alert-{}", self.alerts.len());
        if matches!(admitted, Admission::Send | Admission::Lead { .. }) {
            self.last.insert(repeat_key, Last { at: self.now, severity, alert: id.clone().into() }.write());
        }
        match &admitted {
            Admission::Lead { closes_at } => {
                self.groups.insert(group_key, Group { closes_at: *closes_at, leader: id.clone().into() }.write());
            }
            Admission::Join { leader } => {
                let first = self.alerts.get(leader.as_str()).unwrap();
                assert!(first.facts.subject == *subject, "a group is of one subject");
            }
            _ => {}
        }
        let step = state::raise(&id.as_str().into(), severity, &admitted, &plan, self.now);
        let alert = Alert { state: step.state.clone(), facts, history: Vec::new(), dead: Vec::new() };
        self.alerts.insert(id.clone(), alert);
        self.write(&id, step);
    }

    fn wait(&mut self, until: Timestamp) {
        self.time_out(|call| until.ms_since(call.since) >= LONGEST_CALL_MS);
        self.now = until;
    }

    /// Calls end at their deadline at the latest.
    fn time_out(&mut self, ends: impl Fn(&Call) -> bool) {
        let (over, left) = std::mem::take(&mut self.calls).into_iter().partition(ends);
        self.calls = left;
        for call in over {
            self.end(call, Outcome::TimedOut, 0.5);
        }
    }

    /// Takes due work.
    fn take(&mut self, pick: Index) -> Option<(String, Work)> {
        let due: Vec<_> = self.timers.iter().filter(|(due, _)| due.at <= self.now).cloned().collect();
        let taken = if due.is_empty() { return None } else { due.get(pick.index(due.len())).unwrap() };
        self.timers.remove(taken);
        let (Due { work, .. }, alert) = taken.clone();
        self.alerts.get(&alert).unwrap().state.owes(&work).then_some((alert, work))
    }

    fn start(&mut self, (alert, work): (String, Work)) {
        let receiver = match &work {
            Work::Deliver { receiver, .. } => receiver.clone(),
            Work::Escalate { opening, round, rung } => {
                let event = Event::Escalate { opening: *opening, round: *round, rung: *rung };
                return self.event(&alert, event);
            }
        };
        let mut call = Call { alert, work, since: self.now, probe: false };
        if self.disabled.contains(&receiver) {
            return self.end(call, Outcome::Disabled, 0.5);
        }
        if self.config().receiver(&receiver).is_none() {
            return self.end(call, Outcome::NotConfigured, 0.5);
        }
        let limits = self.config().breaker;
        let gauge = self.gauges.entry(receiver.clone()).or_default();
        match gauge.admit(&limits, LONGEST_CALL_MS, self.now) {
            breaker::Admission::Pass => {}
            breaker::Admission::Wait(until) => return self.hold(call.alert, call.work, until, Hold::Breaker),
            breaker::Admission::Probe(until) => {
                gauge.apply(&[Write::Set(PROBE, until.millis().to_string())]);
                call.probe = true;
                let other = |it: &Call| it.probe && target(&it.work) == Some(&receiver);
                assert!(!self.calls.iter().any(other), "one call at a time tries {receiver}");
            }
        }
        let twice = |it: &Call| it.alert == call.alert && target(&it.work) == Some(&receiver);
        assert!(!self.calls.iter().any(twice), "two calls to {receiver} for {}", call.alert);
        self.calls.push(call);
    }

    /// Records the receiver's view of a call.
    fn receive(&mut self, call: &Call, outcome: Outcome) {
        let receiver = target(&call.work).unwrap();
        if !matches!(outcome, Outcome::Answered { status: 200..=299, .. }) {
            return;
        }
        let state = &self.alerts.get(&call.alert).unwrap().state;
        if !state.owes(&call.work) {
            // The delivery was withdrawn during the call. Its id can no longer be determined, and it does not count.
            return;
        }
        let id = state.delivery(receiver).unwrap().message_id(&call.alert.as_str().into());
        self.taken.entry((call.alert.clone(), receiver.clone())).or_default().push(id);
    }

    fn end(&mut self, call: Call, outcome: Outcome, chance: f64) {
        self.receive(&call, outcome);
        let Work::Deliver { receiver, series, attempt } = &call.work else { panic!("no call") };
        if let Some(healthy) = outcome.healthy() {
            let limits = self.config().breaker;
            let gauge = self.gauges.entry(receiver.clone()).or_default();
            gauge.apply(&gauge.after(&limits, healthy, self.now));
        }
        let receiver = name(receiver);
        let (series, attempt) = (*series, *attempt);
        self.event(&call.alert, Event::Attempted { receiver, series, attempt, outcome, chance });
    }

    fn hold(&mut self, alert: String, work: Work, until: Timestamp, why: Hold) {
        match work {
            Work::Deliver { receiver, series, attempt } => {
                let receiver = name(&receiver);
                self.event(&alert, Event::Held { receiver, series, attempt, until, why });
            }
            // Only calls can be held back.
            escalate => self.start((alert, escalate)),
        }
    }

    fn act(&mut self, pick: Index, event: Event<'static>) {
        let ids: Vec<String> = self.alerts.keys().cloned().collect();
        if !ids.is_empty() {
            self.event(ids.get(pick.index(ids.len())).unwrap(), event);
        }
    }

    fn event(&mut self, alert: &str, event: Event<'static>) {
        let stored = self.alerts.get(alert).unwrap();
        let plan: Plan<'_> = self.config().plan(&stored.facts);
        let Ok(step) = stored.state.step(&plan, &event, self.now) else { return };
        assert_eq!(step.state.revision(), stored.state.revision() + 1);
        if matches!(event, Event::Noted(_) | Event::Assigned { .. }) {
            Alert::is_only_told(&stored.state, &step);
            assert!(step.state.step(&plan, &event, self.now).is_err());
        }
        if matches!(event, Event::Attempted { .. } | Event::Escalate { .. }) {
            self.events.push((alert.to_owned(), event));
        }
        self.write(alert, step);
        self.carry(alert);
    }

    /// The alerts that are part of an alert's message share its result.
    fn carry(&mut self, leader: &str) {
        let outcome = match self.alerts.get(leader).unwrap().state.phase() {
            Phase::Delivered => Ok(()),
            Phase::Dead(Dead::GivenUp(reason)) => Err(*reason),
            _ => return,
        };
        let with = |it: &Alert| matches!(it.state.phase(), Phase::Grouped { leader: its } if its == leader);
        let members: Vec<String> = self.alerts.iter().filter(|(_, it)| with(it)).map(|(id, _)| id.clone()).collect();
        for member in members {
            let stored = self.alerts.get(&member).unwrap();
            let plan = self.config().plan(&stored.facts);
            let step = stored.state.step(&plan, &Event::Carried(outcome), self.now).unwrap();
            self.write(&member, step);
        }
    }

    /// Plays one script: writes state, history, effects and timers.
    fn write(&mut self, alert: &str, step: Step) {
        let stored = self.alerts.get_mut(alert).unwrap();
        stored.state = step.state;
        if let Some(entry) = step.entry {
            assert_eq!(usize::try_from(entry.number).unwrap(), stored.history.len());
            assert_eq!(entry.phase, stored.state.phase().as_str());
            stored.history.push(entry);
        }
        for effect in step.effects {
            match effect {
                Effect::DeadLetter { receiver, reason } => stored.dead.push((receiver, reason)),
                Effect::Disable { receiver } => {
                    self.said_gone.insert(receiver.clone());
                    self.disabled.insert(receiver);
                }
            }
        }
        self.timers.extend(step.due.into_iter().map(|due| (due, alert.to_owned())));
    }

    /// Does the next due work, at whatever time it is due. The result of a call may depend on the attempt's number.
    /// None if no work is left.
    pub(super) fn work_off(&mut self, mut answer: impl FnMut(u32) -> (Outcome, f64)) -> Option<()> {
        let (due, alert) = self.timers.pop_first()?;
        self.now = self.now.max(due.at);
        if self.alerts.get(&alert).unwrap().state.owes(&due.work) {
            self.start((alert, due.work));
            while let Some(call) = self.calls.pop() {
                let Work::Deliver { attempt, .. } = call.work else { panic!("no call") };
                let (outcome, chance) = answer(attempt);
                self.end(call, outcome, chance);
            }
        }
        Some(())
    }

    /// All receivers answer, and somebody acknowledges every alert.
    pub(super) fn settle(&mut self) {
        self.time_out(|_| true);
        self.run(Op::Configure(0));
        self.run(Op::Enable);
        let ids: Vec<String> = self.alerts.keys().cloned().collect();
        for id in &ids {
            self.event(id, Event::Acknowledged(ACT));
        }
        for n in 0.. {
            assert!(n < 10_000, "it does not end");
            let answer = Outcome::Answered { status: 200, retry_after: None };
            if self.work_off(|_| (answer, 0.5)).is_none() {
                break;
            }
            self.check();
        }
    }
}

/// A receiver's id with a static lifetime, to store with an event.
fn name(id: &ReceiverId) -> &'static ReceiverId {
    static ALL: LazyLock<[ReceiverId; 5]> = LazyLock::new(|| ["a", "b", "c", "d", "f"].map(ReceiverId::from));
    ALL.iter().find(|it| *it == id).unwrap()
}

fn target(work: &Work) -> Option<&ReceiverId> {
    match work {
        Work::Deliver { receiver, .. } => Some(receiver),
        Work::Escalate { .. } => None,
    }
}
