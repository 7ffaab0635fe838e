//! A simulation of alerts in which everything fails: receivers fail in every way, workers die before or after their
//! call, timers are lost, clocks jump, the configuration changes, and people acknowledge, resolve, reopen, replay,
//! add notes and assign.
//!
//! Invariants after every operation:
//! 1. an open critical alert has a next step of its chain, with a time; an open alert has a delivery that is due;
//! 2. for all due work in a state, a timer exists;
//! 3. at most one call is under way for each receiver and alert, and one probe call for each open breaker;
//! 4. a receiver accepts an alert under one id; another id is a reminder, caused by an escalation or a reopening;
//! 5. every delivery that was given up is a dead letter, and its receiver is disabled if it answered 410;
//! 6. an alert that is only recorded, grouped, acknowledged or resolved has this state on record, and no chain runs for
//!    it;
//! 7. an event that comes twice changes nothing; a state is unchanged after it is written and read;
//! 8. a critical alert never waits for a group;
//! 9. a note or an assignment changes nothing else, and the same one again changes nothing.
//!
//! At the end, with receivers that answer and a person who acknowledges, no work is left. With receivers that never
//! answer, a routine alert ends as a dead letter, and a critical alert reaches its fallback again and again.
//!
//! The world has its own time. A jump of the clock ends the calls under way, as a suspended host does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not count as tests")]

mod world;

use domain::Severity;
use domain::alert::retry::Outcome;
use domain::alert::state::{Hold, Phase, Work};
use proptest::prelude::*;

use world::{Op, World};

fn outcome() -> impl Strategy<Value = Outcome> {
    let answered = |status| Outcome::Answered { status, retry_after: None };
    prop_oneof![
        4 => Just(answered(200)),
        4 => Just(answered(503)),
        1 => any::<u32>().prop_map(|after| Outcome::Answered { status: 429, retry_after: Some(after) }),
        1 => prop::sample::select(vec![answered(400), answered(410), answered(302), answered(401), answered(404), answered(425)]),
        4 => prop::sample::select(vec![
            Outcome::TimedOut, Outcome::Unreachable, Outcome::UnknownHost, Outcome::NotTrusted, Outcome::Refused,
        ]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        3 => (0..4usize, 0..2usize, 0..2usize).prop_map(|(severity, rule, subject)| Op::Raise(severity, rule, subject)),
        4 => (0..600_000u64).prop_map(Op::Wait),
        8 => Just(Op::WaitForNext),
        1 => (-200_000_000..200_000_000i64).prop_map(Op::Jump),
        12 => pick().prop_map(Op::Start),
        12 => (pick(), outcome(), 0.0..1.0f64).prop_map(|(pick, outcome, chance)| Op::End(pick, outcome, chance)),
        3 => (pick(), outcome()).prop_map(|(pick, outcome)| Op::Crash(pick, outcome)),
        2 => (pick(), prop::sample::select(vec![Hold::Rate, Hold::Concurrency, Hold::Quiet]))
            .prop_map(|(pick, hold)| Op::Hold(pick, hold)),
        2 => pick().prop_map(Op::Again),
        1 => Just(Op::LoseTimers),
        1 => (0..3usize).prop_map(Op::Configure),
        1 => Just(Op::Enable),
        2 => pick().prop_map(Op::Acknowledge),
        1 => pick().prop_map(Op::Resolve),
        1 => pick().prop_map(Op::Reopen),
        1 => pick().prop_map(Op::Replay),
        1 => pick().prop_map(Op::Note),
        1 => (pick(), any::<bool>()).prop_map(|(pick, team)| Op::Assign(pick, team)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_forgotten(ops in prop::collection::vec(op(), 1..200)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
            world.check();
        }
        world.settle();
        world.check();
        for alert in world.alerts() {
            prop_assert!(alert.state.due().is_empty(), "{:?}", alert.state);
            let over = matches!(alert.state.phase(), Phase::Acknowledged | Phase::Resolved);
            prop_assert!(over, "{:?}", alert.state.phase());
        }
    }

    #[test]
    fn with_receivers_that_fail_at_random_all_are_told_at_last_and_under_one_id(
        chances in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 64..128),
    ) {
        let mut world = World::new();
        for n in 0..20 {
            world.run(Op::Raise(1 + n % 3, n % 2, n % 2));
        }
        let mut chances = chances.iter().cycle();
        // Nobody acknowledges, so the chains of critical alerts run all the time.
        let waits = |world: &World| world.alerts().any(|it| matches!(it.state.phase(), Phase::Open | Phase::Grouped { .. }));
        for n in 0.. {
            if !waits(&world) {
                break;
            }
            prop_assert!(n < 5000, "not all are told");
            // Three in ten calls fail, but no delivery fails every time: ten failures would correctly make it a dead
            // letter.
            world.work_off(|attempt| {
                let (fails, chance) = *chances.next().unwrap();
                (if fails < 0.3 && attempt < 9 { Outcome::TimedOut } else { Outcome::Answered { status: 200, retry_after: None } }, chance)
            });
        }
        world.check();
        for alert in world.alerts() {
            match alert.state.phase() {
                Phase::Suppressed(_) => {}
                Phase::Delivered => {}
                other => prop_assert!(false, "{:?}", other),
            }
            if alert.state.severity() != Severity::Critical {
                prop_assert!(world.ids(alert.state.alert().as_str()).values().all(|ids| ids.len() == 1));
            }
        }
    }
}

#[test]
fn a_receiver_that_never_answers_makes_a_dead_letter_of_what_is_routine() {
    let mut world = World::new();
    world.run(Op::Raise(2, 0, 0));
    let mut calls = 0;
    while world.work_off(|_| (Outcome::TimedOut, 0.5)).is_some() {
        calls += 1;
        assert!(calls < 1000, "it goes on for ever");
    }
    let alert = world.alerts().next().unwrap();
    assert_eq!(alert.state.phase().reason(), Some("attempts-exhausted"));
    assert_eq!(alert.dead.len(), alert.state.deliveries().len());
}

#[test]
fn a_critical_alert_that_nobody_takes_comes_to_everybody_and_does_not_end() {
    let mut world = World::new();
    world.run(Op::Raise(3, 0, 0));
    for _ in 0..3000 {
        assert!(world.work_off(|_| (Outcome::Unreachable, 0.5)).is_some(), "silence");
        world.check();
    }
    let alert = world.alerts().next().unwrap();
    let told: Vec<&str> = alert.state.deliveries().iter().map(|it| it.receiver.as_str()).collect();
    assert_eq!(told, ["a", "b", "c", "d", "f"], "the failing ones and the chain, in order");
    let climbs = |due: &domain::alert::state::Due| matches!(due.work, Work::Escalate { .. });
    assert!(alert.state.due().iter().any(climbs));
}
