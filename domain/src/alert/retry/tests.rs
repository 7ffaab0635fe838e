//! Verdicts for every answer, alone and in a row.

use super::*;

fn schedule() -> Schedule {
    Schedule::of(Vec::from([5_000, 300_000]))
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

/// Checks the verdict: a retry after so many milliseconds, or the end.
fn check(outcome: Outcome, attempt: u32, expected: Result<(u64, Failure), Verdict>) {
    let expected = match expected {
        Ok((after_ms, because)) => Verdict::Retry { after_ms, because },
        Err(end) => end,
    };
    assert_eq!(schedule().decide(outcome, first_of(attempt), 0.5), expected, "{outcome:?} at attempt {attempt}");
}

/// An attempt with this number, at once, after attempts that failed in other ways.
fn first_of(number: u32) -> Attempt {
    Attempt { number, elapsed_ms: 0, failing: None }
}

#[test]
fn an_outcome_leads_to_its_verdict() {
    let gone = |reason| Err(Verdict::GiveUp(reason));
    check(answered(200), 1, Err(Verdict::Delivered));
    check(answered(204), 3, Err(Verdict::Delivered));
    for (status, because) in [
        (408, Failure::TimedOut),
        (429, Failure::Throttled),
        (500, Failure::ServerError),
        (503, Failure::ServerError),
        (599, Failure::ServerError),
    ] {
        check(answered(status), 1, Ok((5_000, because)));
        check(answered(status), 2, Ok((300_000, because)));
        check(answered(status), 3, gone(GiveUp::Exhausted));
    }
    // Redirects are never followed, and a refused message will not be accepted later: final.
    for status in (300..=399).chain([400, 405, 406]).chain(411..=418).chain([422, 424, 426, 428, 431, 451, 499]) {
        check(answered(status), 1, gone(GiveUp::Rejected));
    }
    for (status, because) in [
        (404, Failure::NotFound),
        (421, Failure::Misdirected),
        (425, Failure::TooEarly),
        (409, Failure::Conflict),
        (423, Failure::Conflict),
    ] {
        check(answered(status), 1, Ok((1_000, because)));
        check(answered(status), 3, gone(GiveUp::Exhausted));
    }
    for status in [401, 402, 403, 407] {
        check(answered(status), 1, Ok((5_000, Failure::NotAuthorized)));
    }
    for status in [0, 100, 101, 199, 600, 999] {
        check(answered(status), 1, Ok((5_000, Failure::Unreachable)));
    }
    check(answered(410), 1, gone(GiveUp::Gone));
    check(Outcome::TimedOut, 1, Ok((5_000, Failure::TimedOut)));
    check(Outcome::Unreachable, 2, Ok((300_000, Failure::Unreachable)));
    check(Outcome::UnknownHost, 1, Ok((5_000, Failure::UnknownHost)));
    check(Outcome::NotTrusted, 1, Ok((5_000, Failure::NotTrusted)));
    check(Outcome::Refused, 1, Ok((5_000, Failure::NotCallable)));
    check(Outcome::Disabled, 1, gone(GiveUp::Disabled));
    check(Outcome::NotConfigured, 1, gone(GiveUp::NotConfigured));
}

#[test]
fn retry_after_is_honoured_and_clamped() {
    let asked = |seconds| Outcome::Answered { status: 503, retry_after: Some(seconds) };
    check(asked(1), 1, Ok((5_000, Failure::ServerError)));
    check(asked(60), 1, Ok((60_000, Failure::ServerError)));
    check(asked(u32::MAX), 1, Ok((LONGEST_RETRY_AFTER_MS, Failure::ServerError)));
    check(asked(60), 3, Err(Verdict::GiveUp(GiveUp::Exhausted)));
    let critical = Schedule::critical().decide(asked(3600), first_of(1), 0.5);
    assert_eq!(critical, Verdict::Retry { after_ms: 300_000, because: Failure::ServerError });
}

#[test]
fn jitter_stays_within_a_fifth() {
    for (chance, expected) in [(0.0, 4_000), (0.25, 4_500), (1.0, 6_000), (7.0, 6_000), (f64::NAN, 0)] {
        let Verdict::Retry { after_ms, .. } = schedule().decide(Outcome::TimedOut, first_of(1), chance) else {
            panic!("not retried")
        };
        assert!(chance.is_nan() || after_ms.abs_diff(expected) <= 1, "{chance}: {after_ms}");
    }
}

/// The seconds at which a receiver is called if every call fails in this way.
fn calls_of(schedule: &Schedule, outcome: Outcome) -> Vec<u64> {
    let (mut calls, mut now, mut failing) = (Vec::new(), 0, None);
    loop {
        calls.push(now / SECOND);
        let number = u32::try_from(calls.len()).unwrap();
        match schedule.decide(outcome, Attempt { number, elapsed_ms: now, failing }, 0.5) {
            Verdict::Retry { after_ms, because } => {
                failing = Some(Failing::after(failing, because));
                now += after_ms;
            }
            end => {
                assert_eq!(end, Verdict::GiveUp(GiveUp::Exhausted));
                return calls;
            }
        }
    }
}

/// A receiver that never answers.
fn calls(schedule: &Schedule) -> Vec<u64> {
    calls_of(schedule, Outcome::TimedOut)
}

#[test]
fn a_refusal_that_may_pass_has_a_short_schedule_within_that_of_the_urgency() {
    let (critical, routine) = (Schedule::critical(), Schedule::routine());
    for (status, urgent, other) in [
        (404, &[0, 1, 3, 8, 18, 48, 108, 408, 708, 1008, 1308][..], &[0, 1, 3, 8, 18, 48, 108, 408, 708, 1608][..]),
        (401, &[0, 5, 35, 155, 455, 755, 1055], &[0, 5, 35, 155, 455, 1055, 2855]),
        (421, &[0, 1, 3, 8, 18, 48, 108], &[0, 1, 3, 8, 18, 48, 108]),
        (425, &[0, 1, 3, 8, 18, 48, 108], &[0, 1, 3, 8, 18, 48, 108]),
        (409, &[0, 1, 6, 36, 156], &[0, 1, 6, 36, 156]),
    ] {
        assert_eq!(calls_of(&critical, answered(status)), urgent, "{status}, critical");
        assert_eq!(calls_of(&routine, answered(status)), other, "{status}, others");
    }
    // An operator's own schedule bounds them, in number and in time.
    assert_eq!(calls_of(&Schedule::of(Vec::from([200, 200])), answered(404)).len(), 3);
    assert_eq!(calls_of(&Schedule::of(Vec::new()), answered(404)), [0]);
    // If the host does not grant the address, retries last as long as for a receiver that never answers.
    assert_eq!(calls_of(&critical, Outcome::Refused), calls(&critical));
}

#[test]
fn only_failures_in_a_row_count_against_a_short_schedule() {
    let mut failing = None;
    for because in [Failure::NotFound, Failure::NotFound, Failure::ServerError, Failure::NotFound] {
        failing = Some(Failing::after(failing, because));
    }
    assert_eq!(failing, Some(Failing { because: Failure::NotFound, times: 1 }));
    let after_an_outage =
        Attempt { number: 50, elapsed_ms: 3 * HOUR, failing: Some(Failing { because: Failure::TimedOut, times: 49 }) };
    let verdict = Schedule::critical().decide(answered(404), after_an_outage, 0.5);
    assert_eq!(verdict, Verdict::Retry { after_ms: 1_000, because: Failure::NotFound });
    let at_the_end = Attempt { elapsed_ms: 24 * HOUR, ..after_an_outage };
    assert_eq!(Schedule::critical().decide(answered(404), at_the_end, 0.5), Verdict::GiveUp(GiveUp::Exhausted));
}

#[test]
fn a_critical_alert_is_tried_for_a_day() {
    let calls = calls(&Schedule::critical());
    assert_eq!(calls[..8], [0, 1, 3, 8, 18, 48, 108, 408]);
    assert!(calls[6..].windows(2).all(|pair| pair[1] - pair[0] == 300));
    let last = calls.last().unwrap();
    assert!((86_100..=86_400).contains(last), "{last}");
}

#[test]
fn others_keep_to_the_schedule_of_standard_webhooks() {
    // The column "Time since start" of the specification's table.
    let minutes = |hours: u64, minutes: u64| 60 * (60 * hours + minutes) + 5;
    let mut expected = Vec::from([0, 5, minutes(0, 5), minutes(0, 35)]);
    expected.extend([2, 7, 17, 31, 51, 75].map(|hours| minutes(hours, 35)));
    assert_eq!(calls(&Schedule::routine()), expected);
}

#[test]
fn the_next_receiver_comes_in_with_the_third_failure_or_the_first_refusal() {
    let critical = Schedule::critical();
    let passes_on = |because| [1, 2, 3, 4].map(|failed| critical.passes_on(failed, because));
    for because in
        [Failure::TimedOut, Failure::ServerError, Failure::Throttled, Failure::Misdirected, Failure::TooEarly]
    {
        assert_eq!(passes_on(because), [false, false, true, true], "{because:?}");
    }
    for because in [Failure::NotFound, Failure::NotAuthorized, Failure::Conflict, Failure::NotCallable] {
        assert_eq!(passes_on(because), [true; 4], "{because:?}");
    }
    assert!(!Schedule::routine().passes_on(100, Failure::NotFound));
}

#[test]
fn health_is_not_a_matter_of_taste() {
    for (outcome, healthy) in [
        (answered(200), Some(true)),
        (answered(401), Some(true)),
        (answered(404), Some(true)),
        (answered(101), Some(false)),
        (answered(600), Some(false)),
        (answered(429), Some(true)),
        (answered(500), Some(false)),
        (Outcome::TimedOut, Some(false)),
        (Outcome::Unreachable, Some(false)),
        (Outcome::Refused, None),
        (Outcome::Disabled, None),
    ] {
        assert_eq!(outcome.healthy(), healthy, "{outcome:?}");
    }
}

#[test]
fn names_are_read_back() {
    assert!(Failure::ALL.iter().all(|it| Failure::parse(it.as_str()) == Some(*it)));
    assert!(GiveUp::ALL.iter().all(|it| GiveUp::parse(it.as_str()) == Some(*it)));
}

#[test]
fn every_failure_has_its_word() {
    for (outcome, reason) in [
        (answered(200), None),
        (answered(404), Some("not-found")),
        (answered(403), Some("not-authorized")),
        (answered(421), Some("misdirected")),
        (answered(425), Some("too-early")),
        (answered(503), Some("server-error")),
        (answered(302), Some("rejected-by-receiver")),
        (answered(410), Some("receiver-gone")),
        (Outcome::Refused, Some("not-callable")),
    ] {
        assert_eq!(outcome.reason(), reason, "{outcome:?}");
    }
}
