use super::*;
use crate::alert::admission::Admission;
use crate::alert::retry::Outcome;
use crate::alert::routes::{Facts, Plan, Routes};
use serde_json::json;

fn routes() -> Routes {
    let receiver = |id: &str| json!({"channel": "sms", "url": alloc::format!("https://example.org/{id}")});
    Routes::read(&json!({
        "receivers": {"a": receiver("a"), "b": receiver("b"), "c": receiver("c"), "f": receiver("f")},
        "defaults": {
            "routes": {"critical": ["a"], "high": ["a", "b"]},
            "chain": {"steps": [{"afterSeconds": 300, "receivers": ["b"]}, {"afterSeconds": 900, "receivers": ["c"]}],
                "repeats": 0, "fallback": "f"},
            "retry": {"routine": {"delaysSeconds": [10]}},
        },
    }))
    .unwrap()
}

fn plan(routes: &Routes, severity: Severity) -> Plan<'_> {
    routes.plan(&Facts { study: "S", site: "01", subject: "p", instrument: "i", rule: "r", severity })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };
const ACT: Act<'static> = Act { by: "clinician-1", note: Some("on my way"), meaning: None };

/// An alert and its events.
struct Story {
    routes: Routes,
    state: State,
    last: Option<Entry>,
    effects: Vec<Effect>,
}

impl Story {
    fn of(severity: Severity) -> Self {
        let routes = routes();
        let step = raise(&"x".into(), severity, &Admission::Send, &plan(&routes, severity), at(0));
        Story { state: step.state, last: step.entry, effects: step.effects, routes }
    }

    fn event(&mut self, second: i64, event: Event<'_>) -> Result<Vec<Due>, Ignored> {
        let step = self.state.step(&plan(&self.routes, self.state.severity), &event, at(second))?;
        (self.state, self.last, self.effects) = (step.state, step.entry, step.effects);
        Ok(step.due)
    }

    /// Calls a receiver and returns the status of its delivery.
    fn call(&mut self, second: i64, receiver: &str, outcome: Outcome) -> Status {
        let receiver = &receiver.into();
        let delivery = self.state.delivery(receiver).unwrap();
        let (series, attempt) = (delivery.series, delivery.attempts + 1);
        self.event(second, Event::Attempted { receiver, series, attempt, outcome, chance: 0.5 }).unwrap();
        self.state.delivery(receiver).unwrap().status
    }

    /// Takes the next step of the chain, when it is due.
    fn climb(&mut self) -> (i64, String) {
        let climb = *self.state.climb().unwrap();
        let event = Event::Escalate { opening: self.state.opening(), round: climb.round, rung: climb.rung };
        self.event(climb.due.seconds(), event).unwrap();
        (climb.due.seconds(), self.told())
    }

    fn told(&self) -> String {
        self.last.as_ref().map(|entry| entry.told.join(",")).unwrap_or_default()
    }

    fn phase(&self) -> &'static str {
        self.state.phase().as_str()
    }
}

#[test]
fn a_critical_alert_is_raised_delivered_escalated_and_acknowledged() {
    let mut story = Story::of(Severity::Critical);
    assert_eq!((story.phase(), story.told().as_str(), story.state.due().len()), ("open", "a", 2));
    assert_eq!(story.call(1, "a", OK), Status::Delivered { at: at(1) });
    assert_eq!((story.phase(), story.state.delivered_at()), ("delivered", Some(at(1))));
    assert_eq!(story.climb(), (300, "b".into()));
    assert_eq!(story.state.delivery(&"b".into()).unwrap().kind(), Kind::Escalated);
    let due = story.event(400, Event::Acknowledged(ACT)).unwrap();
    assert_eq!((story.phase(), due, story.state.due()), ("acknowledged", Vec::new(), Vec::new()));
    let entry = story.last.clone().unwrap();
    assert_eq!((entry.what, entry.by.as_deref(), entry.note.as_deref()), ("acknowledged", Some(ACT.by), ACT.note));
    assert_eq!(story.event(500, Event::Acknowledged(ACT)), Err(Ignored::AlreadyAcknowledged));
    let late = Event::Escalate { opening: 0, round: 0, rung: 2 };
    assert_eq!(story.event(900, late), Err(Ignored::Stale));
    assert_eq!(story.event(901, Event::Resolved(ACT)).map(|_| story.phase()), Ok("resolved"));
    assert_eq!(story.event(902, Event::Acknowledged(ACT)), Err(Ignored::AlreadyResolved));
    let by = |state: &State| [state.acknowledged(), state.resolved()].map(|it| it.map(|it| (it.at, it.by.clone())));
    assert_eq!(by(&story.state), [Some((at(400), ACT.by.into())), Some((at(901), ACT.by.into()))]);
    assert_eq!(State::read(&story.state.write()).as_ref(), Some(&story.state));
    story.event(903, Event::Reopened(ACT)).unwrap();
    assert_eq!(by(&story.state), [None, None]);
}

#[test]
fn unacknowledged_it_ends_at_the_fallback_and_reminds_under_another_id() {
    let mut story = Story::of(Severity::Critical);
    story.call(1, "a", OK);
    let way: Vec<(i64, String)> = (0..5)
        .map(|_| {
            let step = story.climb();
            story.call(step.0, &step.1, OK);
            step
        })
        .collect();
    let expected = [(300, "b"), (900, "c"), (2700, "f"), (4500, "f"), (6300, "f")];
    assert_eq!(way, expected.map(|(at, told)| (at, told.into())));
    let ids = ["a", "f"].map(|id| story.state.delivery(&id.into()).unwrap().message_id(&"x".into()));
    assert_eq!(ids, ["x", "x.2"]);
    assert_eq!(story.state.delivery(&"f".into()).unwrap().kind(), Kind::Reminder);
}

#[test]
fn the_third_failure_and_an_open_breaker_tell_the_next_receiver() {
    let mut story = Story::of(Severity::Critical);
    story.call(0, "a", Outcome::TimedOut);
    story.call(1, "a", Outcome::TimedOut);
    assert!(story.state.delivery(&"b".into()).is_none());
    assert_eq!(
        story.call(3, "a", Outcome::TimedOut),
        Status::Waiting { at: at(8), why: Wait::Retry(Failure::TimedOut) }
    );
    assert_eq!((story.told().as_str(), story.state.delivery(&"b".into()).unwrap().cause), ("b", Cause::Failover));
    story.call(8, "a", Outcome::TimedOut);
    assert!(story.state.delivery(&"c".into()).is_none(), "one fails, one comes in");
    let series = story.state.delivery(&"b".into()).unwrap().series;
    let held = Event::Held { receiver: &"b".into(), series, attempt: 1, until: at(40), why: Hold::Breaker };
    story.event(9, held).unwrap();
    assert_eq!((story.told().as_str(), story.state.delivery(&"b".into()).unwrap().attempts), ("c", 0));

    let mut routine = Story::of(Severity::High);
    let series = routine.state.delivery(&"a".into()).unwrap().series;
    let held = Event::Held { receiver: &"a".into(), series, attempt: 1, until: at(40), why: Hold::Breaker };
    let due = routine.event(9, held).unwrap();
    let waits = Due { at: at(40), work: Work::Deliver { receiver: "a".into(), series, attempt: 1 } };
    assert_eq!((due, routine.state.deliveries().len()), (Vec::from([waits]), 2));
}

#[test]
fn a_receiver_that_is_gone_is_disabled_and_a_dead_letter() {
    let mut story = Story::of(Severity::High);
    let gone = Outcome::Answered { status: 410, retry_after: None };
    assert_eq!(story.call(1, "a", gone), Status::GivenUp(GiveUp::Gone));
    let dead = Effect::DeadLetter { receiver: Some("a".into()), reason: Dead::GivenUp(GiveUp::Gone) };
    assert_eq!((story.phase(), &story.effects), ("open", &Vec::from([dead, Effect::Disable { receiver: "a".into() }])));
    story.call(1, "b", Outcome::NotConfigured);
    assert_eq!((story.phase(), story.state.phase().reason()), ("dead", Some("receiver-not-configured")));
    assert_eq!(story.state.due(), []);
    story.event(5, Event::Replayed(ACT)).unwrap();
    assert_eq!((story.phase(), story.told().as_str()), ("open", "a,b"));
    story.call(6, "b", OK);
    assert_eq!(story.state.delivery(&"b".into()).unwrap().message_id(&"x".into()), "x", "a replay is the same message");
    story.call(6, "a", OK);
    assert_eq!(story.event(7, Event::Replayed(ACT)), Err(Ignored::NothingToReplay));
}

#[test]
fn a_receiver_that_is_not_called_makes_the_next_one_hear_and_the_alert_waits_visibly() {
    let mut story = Story::of(Severity::Critical);
    let refused = story.call(0, "a", Outcome::Refused);
    assert_eq!(refused, Status::Waiting { at: at(1), why: Wait::Retry(Failure::NotCallable) });
    assert_eq!((story.phase(), story.told().as_str()), ("open", "b"), "the chain's first receiver hears at once");
    let not_found = Outcome::Answered { status: 404, retry_after: None };
    for (second, next, times) in [(1, 2, 1), (2, 4, 2), (4, 9, 3)] {
        let waits = Status::Waiting { at: at(next), why: Wait::Retry(Failure::NotFound) };
        assert_eq!(story.call(second, "a", not_found), waits);
        assert_eq!(story.state.delivery(&"a".into()).unwrap().failing.map(|it| it.times), Some(times));
    }
    assert_eq!(State::read(&story.state.write()).as_ref(), Some(&story.state));
    story.call(9, "a", Outcome::TimedOut);
    assert_eq!(story.state.delivery(&"a".into()).unwrap().failing.map(|it| it.times), Some(1));
}

#[test]
fn a_critical_alert_without_receiver_is_dead_aloud_and_still_climbs() {
    let nobody = Routes::read(&json!({})).unwrap();
    let step = raise(&"x".into(), Severity::Critical, &Admission::Send, &plan(&nobody, Severity::Critical), at(0));
    assert_eq!(step.state.phase(), &Phase::Dead(Dead::NoReceiver));
    assert_eq!(step.effects, [Effect::DeadLetter { receiver: None, reason: Dead::NoReceiver }]);
    let mut story = Story { routes: routes(), state: step.state, last: None, effects: Vec::new() };
    assert_eq!(story.climb(), (300, "b".into()), "a configuration that came later");
    assert_eq!(story.phase(), "open");
}

#[test]
fn every_receiver_of_the_route_hears_of_it_even_if_somebody_was_quicker() {
    let mut story = Story::of(Severity::Critical);
    story.climb();
    story.event(301, Event::Acknowledged(ACT)).unwrap();
    let left: Vec<Work> = story.state.due().into_iter().map(|due| due.work).collect();
    let series = story.state.delivery(&"a".into()).unwrap().series;
    assert_eq!(left, [Work::Deliver { receiver: "a".into(), series, attempt: 1 }]);
    assert!(matches!(story.state.delivery(&"b".into()).unwrap().status, Status::Withdrawn { .. }));
}

#[test]
fn reopened_it_begins_anew_as_a_message_of_its_own() {
    let mut story = Story::of(Severity::Critical);
    assert_eq!(story.event(0, Event::Reopened(ACT)), Err(Ignored::NotClosed));
    story.call(1, "a", OK);
    story.event(2, Event::Resolved(ACT)).unwrap();
    story.event(100, Event::Reopened(ACT)).unwrap();
    assert_eq!((story.phase(), story.state.opening(), story.state.delivered_at()), ("open", 1, None));
    assert_eq!(story.state.delivery(&"a".into()).unwrap().message_id(&"x".into()), "x.1");
    assert_eq!(story.climb(), (400, "b".into()));
}

#[test]
fn no_two_calls_meet_when_an_alert_is_reopened_during_one() {
    let mut story = Story::of(Severity::Critical);
    story.call(1, "a", OK);
    story.climb();
    let old = story.state.due().into_iter().find(|due| matches!(due.work, Work::Deliver { .. })).unwrap().work;
    story.event(301, Event::Acknowledged(ACT)).unwrap();
    story.event(302, Event::Reopened(ACT)).unwrap();
    let series = story.state.delivery(&"a".into()).unwrap().series;
    let held = Event::Held { receiver: &"a".into(), series, attempt: 1, until: at(400), why: Hold::Breaker };
    story.event(303, held).unwrap();
    assert_eq!(story.told(), "b");
    assert_eq!(
        story.state.delivery(&"b".into()).unwrap().since,
        at(361),
        "by then a call that began before 301 has ended"
    );
    assert!(!story.state.owes(&old));
}

#[test]
fn a_grouped_alert_shares_the_fate_of_its_message() {
    let routes = routes();
    let plan = plan(&routes, Severity::High);
    let joined = raise(&"y".into(), Severity::High, &Admission::Join { leader: "x".into() }, &plan, at(0));
    assert_eq!((joined.state.phase().as_str(), joined.due.len()), ("grouped", 0));
    let dead = joined.state.step(&plan, &Event::Carried(Err(GiveUp::Exhausted)), at(1)).unwrap().state;
    assert_eq!(dead.phase(), &Phase::Dead(Dead::GivenUp(GiveUp::Exhausted)));
    let told = dead.step(&plan, &Event::Carried(Ok(())), at(2)).unwrap().state;
    assert_eq!((told.phase(), told.delivered_at()), (&Phase::Delivered, Some(at(2))));
    assert_eq!(told.step(&plan, &Event::Carried(Ok(())), at(3)), Err(Ignored::Stale));
    let lead = raise(&"x".into(), Severity::High, &Admission::Lead { closes_at: at(30) }, &plan, at(0));
    assert!(lead.due.iter().all(|due| due.at == at(30)) && lead.due.len() == 2);
}

#[test]
fn what_comes_late_twice_or_early_changes_nothing() {
    let mut story = Story::of(Severity::Critical);
    let early = Event::Escalate { opening: 0, round: 0, rung: 1 };
    assert_eq!(story.event(299, early), Err(Ignored::NotDue));
    let series = story.state.delivery(&"a".into()).unwrap().series;
    let first = Event::Attempted { receiver: &"a".into(), series, attempt: 1, outcome: Outcome::TimedOut, chance: 0.5 };
    assert!(story.event(0, first.clone()).is_ok());
    assert_eq!(story.event(0, first), Err(Ignored::Stale));
    let unknown = Event::Attempted { receiver: &"z".into(), series, attempt: 2, outcome: OK, chance: 0.5 };
    assert_eq!(story.event(0, unknown), Err(Ignored::Stale));
    assert_eq!(story.state.overdue(1_000, at(3)).len(), 1);
    assert_eq!(story.state.overdue(1_000, at(2)).len(), 0);
}

#[test]
fn a_note_is_an_entry_and_changes_nothing_else_and_the_same_one_again_is_none() {
    let mut story = Story::of(Severity::Critical);
    let due = story.state.due();
    let no_answer = Event::Noted(Act { note: Some("no answer"), ..ACT });
    assert_eq!(story.event(10, no_answer.clone()), Ok(Vec::new()));
    let entry = story.last.clone().unwrap();
    assert_eq!((entry.what, entry.phase, entry.note.as_deref()), ("noted", "open", Some("no answer")));
    assert_eq!((entry.by.as_deref(), story.state.due()), (Some("clinician-1"), due));
    assert_eq!(story.event(609, no_answer.clone()), Err(Ignored::AlreadyNoted), "sent again");
    assert!(story.event(610, no_answer.clone()).is_ok(), "somebody called again");
    for (by, note) in [("clinician-2", "no answer"), ("clinician-1", "no answer"), ("clinician-1", "spoke to her")] {
        assert!(story.event(611, Event::Noted(Act { by, note: Some(note), meaning: None })).is_ok(), "{by} {note}");
    }
    story.event(620, Event::Resolved(ACT)).unwrap();
    assert!(story.event(621, no_answer).is_ok(), "what came out later");
    assert_eq!(story.phase(), "resolved");
    assert_eq!(State::read(&story.state.write()).as_ref(), Some(&story.state));
}

#[test]
fn an_assignment_stays_until_somebody_changes_it_and_stops_no_chain() {
    let mut story = Story::of(Severity::Critical);
    let assign = |to| Event::Assigned { to, act: ACT };
    assert_eq!(story.event(1, assign(None)), Err(Ignored::AlreadyAssigned));
    assert_eq!(story.event(2, assign(Some("Dr. Weber"))), Ok(Vec::new()));
    let entry = story.last.clone().unwrap();
    assert_eq!((entry.what, entry.to.as_deref(), entry.by.as_deref()), ("assigned", Some("Dr. Weber"), Some(ACT.by)));
    assert_eq!(story.event(3, assign(Some("Dr. Weber"))), Err(Ignored::AlreadyAssigned));
    assert_eq!(story.climb(), (300, "b".into()), "nobody has acknowledged");
    story.event(301, assign(Some("night team"))).unwrap();
    story.event(302, Event::Acknowledged(ACT)).unwrap();
    story.event(303, Event::Resolved(ACT)).unwrap();
    assert_eq!(story.event(304, assign(None)), Err(Ignored::AlreadyResolved));
    story.event(305, Event::Reopened(ACT)).unwrap();
    assert_eq!(story.state.assignee(), Some("night team"));
    assert_eq!(State::read(&story.state.write()).as_ref(), Some(&story.state));
    story.event(306, assign(None)).unwrap();
    assert_eq!((story.state.assignee(), story.last.clone().unwrap().to), (None, None));
}

#[test]
fn half_a_state_is_none() {
    let mut story = Story::of(Severity::Critical);
    story.event(1, Event::Noted(ACT)).unwrap();
    story.event(1, Event::Assigned { to: Some("night team"), act: ACT }).unwrap();
    let whole = story.state.write();
    assert!(State::read(&whole).is_some());
    for member in whole.as_object().unwrap().keys() {
        let mut half = whole.clone();
        half[member] = json!({"no": "sense"});
        assert_eq!(State::read(&half), None, "{member}");
    }
}
