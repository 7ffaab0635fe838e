//! What becomes of one attempt to deliver an alert.
//!
//! Guarantee: every outcome leads to exactly one of three verdicts, delivered, again at a stated time, or given up with
//! a reason. Nothing is dropped silently: who is given up becomes a dead letter.
//!
//! Time and chance are arguments: the caller says how the attempt ended and gives one random number for the jitter.

use alloc::vec::Vec;

/// How an attempt ended, seen from the caller's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered with this HTTP status, and with `Retry-After` in seconds if it gave one.
    Answered {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
    },
    /// No answer before the deadline.
    TimedOut,
    /// No connection, or it broke before the answer was whole.
    Unreachable,
    /// The name of its host is not known.
    UnknownHost,
    /// Its certificate was not accepted.
    NotTrusted,
    /// The host forbids the address or cannot make sense of it: no later attempt can go better.
    Refused,
    /// Not called: the receiver said 410 before and is disabled.
    Disabled,
    /// Not called: the configuration knows no receiver of this id.
    NotConfigured,
}

/// Why an attempt failed that is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An answer of 500 to 599.
    ServerError,
    /// 429.
    Throttled,
    /// No answer in time, or 408.
    TimedOut,
    /// No connection, or a broken one.
    Unreachable,
    /// The name is not known.
    UnknownHost,
    /// The certificate was not accepted.
    NotTrusted,
}

impl Failure {
    const ALL: [Failure; 6] = [
        Failure::ServerError,
        Failure::Throttled,
        Failure::TimedOut,
        Failure::Unreachable,
        Failure::UnknownHost,
        Failure::NotTrusted,
    ];

    /// The failure as records and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::ServerError => "server-error",
            Failure::Throttled => "throttled",
            Failure::TimedOut => "timed-out",
            Failure::Unreachable => "unreachable",
            Failure::UnknownHost => "unknown-host",
            Failure::NotTrusted => "not-trusted",
        }
    }

    /// The failure of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Why a delivery is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The receiver refused the message; asking again would not change that.
    Rejected,
    /// The receiver's address cannot be called.
    Refused,
    /// Every attempt of the schedule failed.
    Exhausted,
    /// The receiver answered 410: it wants no message any more, now or later, and is to be disabled.
    Gone,
    /// The receiver is disabled since it said so.
    Disabled,
    /// The configuration knows the receiver no more.
    NotConfigured,
}

impl GiveUp {
    const ALL: [GiveUp; 6] =
        [GiveUp::Rejected, GiveUp::Refused, GiveUp::Exhausted, GiveUp::Gone, GiveUp::Disabled, GiveUp::NotConfigured];

    /// The reason as dead letters and records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            GiveUp::Rejected => "rejected-by-receiver",
            GiveUp::Refused => "receiver-not-callable",
            GiveUp::Exhausted => "attempts-exhausted",
            GiveUp::Gone => "receiver-gone",
            GiveUp::Disabled => "receiver-disabled",
            GiveUp::NotConfigured => "receiver-not-configured",
        }
    }

    /// The reason of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took it.
    Delivered,
    /// Try again after so many milliseconds.
    Retry {
        /// Milliseconds from now.
        after_ms: u64,
        /// Why it must be tried again.
        because: Failure,
    },
    /// Do not try again.
    GiveUp(GiveUp),
}

impl Outcome {
    /// What the outcome means by itself: taken, worth another attempt, or final. The same for every urgency.
    fn class(self) -> Result<Option<Failure>, GiveUp> {
        match self {
            Outcome::Answered { status: 200..=299, .. } => Ok(None),
            Outcome::Answered { status: 408, .. } | Outcome::TimedOut => Ok(Some(Failure::TimedOut)),
            Outcome::Answered { status: 429, .. } => Ok(Some(Failure::Throttled)),
            Outcome::Answered { status: 500..=599, .. } => Ok(Some(Failure::ServerError)),
            Outcome::Answered { status: 410, .. } => Err(GiveUp::Gone),
            // Redirects are not followed: an alert goes to the address that was configured or nowhere.
            Outcome::Answered { .. } => Err(GiveUp::Rejected),
            Outcome::Unreachable => Ok(Some(Failure::Unreachable)),
            Outcome::UnknownHost => Ok(Some(Failure::UnknownHost)),
            Outcome::NotTrusted => Ok(Some(Failure::NotTrusted)),
            Outcome::Refused => Err(GiveUp::Refused),
            Outcome::Disabled => Err(GiveUp::Disabled),
            Outcome::NotConfigured => Err(GiveUp::NotConfigured),
        }
    }

    /// What this tells about the receiver's health, for its [`super::breaker`]: `Some(true)` it works, whatever it
    /// thinks of the message; `Some(false)` it does not; `None` it was not called.
    pub fn healthy(self) -> Option<bool> {
        match self {
            Outcome::Answered { status, .. } => Some(!(500..=599).contains(&status)),
            Outcome::TimedOut | Outcome::Unreachable | Outcome::UnknownHost | Outcome::NotTrusted => Some(false),
            Outcome::Refused | Outcome::Disabled | Outcome::NotConfigured => None,
        }
    }
}

/// When to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Milliseconds to wait after the first, second, ... failed attempt.
    pub delays_ms: Vec<u64>,
    /// What follows these delays; without it the attempt after the last delay is the last.
    pub then: Option<Then>,
    /// The most that `Retry-After` can ask for, milliseconds.
    pub longest_retry_after_ms: u64,
    /// From this failed attempt on, the next receiver is told as well; never, if none.
    pub pass_on_from: Option<u32>,
}

/// A steady pace for as long as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Then {
    /// Milliseconds between two attempts.
    pub every_ms: u64,
    /// The last attempt begins no later than this after the delivery was due first, milliseconds (plus jitter).
    pub for_ms: u64,
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A receiver may ask for more patience than the schedule has, within this bound, milliseconds.
pub const LONGEST_RETRY_AFTER_MS: u64 = HOUR;

/// Jitter: a delay is stretched or cut by up to this fraction.
const JITTER: f64 = 0.2;

impl Schedule {
    /// Delays without more.
    pub fn of(delays_ms: Vec<u64>) -> Self {
        Schedule { delays_ms, then: None, longest_retry_after_ms: LONGEST_RETRY_AFTER_MS, pass_on_from: None }
    }

    /// What a critical alert keeps to: 1, 2, 5, 10, 30, 60 s, then every 5 min for 24 h; the next receiver as well from
    /// the third failure on. No receiver can put it off for more than the 5 min.
    pub fn critical() -> Self {
        Schedule {
            delays_ms: [1, 2, 5, 10, 30, 60].map(|seconds| seconds * SECOND).into(),
            then: Some(Then { every_ms: 5 * MINUTE, for_ms: 24 * HOUR }),
            longest_retry_after_ms: 5 * MINUTE,
            pass_on_from: Some(3),
        }
    }

    /// What all others keep to: the example schedule of Standard Webhooks, "Deliverability and reliability": 5 s, 5 min,
    /// 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, ten attempts in somewhat more than three days.
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    pub fn routine() -> Self {
        let hours = [2, 5, 10, 14, 20, 24].map(|hours| hours * HOUR);
        Schedule::of([5 * SECOND, 5 * MINUTE, 30 * MINUTE].into_iter().chain(hours).collect())
    }

    /// Decides what follows attempt number `attempt` (the first is 1) that ended with `outcome`, `elapsed_ms` after the
    /// delivery was due first.
    ///
    /// `chance` is a random number in `0.0..1.0`; it spreads retries over ±20% so that receivers that failed together
    /// are not called together. `Retry-After` is honoured when it is longer than the schedule's delay, up to
    /// `longest_retry_after_ms`, and is not cut by the jitter.
    pub fn decide(&self, outcome: Outcome, attempt: u32, elapsed_ms: u64, chance: f64) -> Verdict {
        let because = match outcome.class() {
            Ok(None) => return Verdict::Delivered,
            Ok(Some(failure)) => failure,
            Err(final_reason) => return Verdict::GiveUp(final_reason),
        };
        let asked_ms = match outcome {
            Outcome::Answered { retry_after: Some(seconds), .. } => {
                (u64::from(seconds) * SECOND).min(self.longest_retry_after_ms)
            }
            _ => 0,
        };
        let index = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
        let steady = || self.then.filter(|then| elapsed_ms.saturating_add(then.every_ms) <= then.for_ms);
        let delay_ms = self.delays_ms.get(index).copied().or_else(|| steady().map(|then| then.every_ms));
        match delay_ms {
            Some(delay_ms) => {
                let spread = 1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0);
                Verdict::Retry { after_ms: ((delay_ms as f64 * spread) as u64).max(asked_ms), because }
            }
            None => Verdict::GiveUp(GiveUp::Exhausted),
        }
    }

    /// Whether the next receiver is told as well after this many failed attempts.
    pub fn passes_on(&self, failed: u32) -> bool {
        self.pass_on_from.is_some_and(|from| failed >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::of(Vec::from([5_000, 300_000]))
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, retry_after: None }
    }

    /// Again after so many milliseconds, or the end.
    fn check(outcome: Outcome, attempt: u32, expected: Result<(u64, Failure), Verdict>) {
        let expected = match expected {
            Ok((after_ms, because)) => Verdict::Retry { after_ms, because },
            Err(end) => end,
        };
        assert_eq!(schedule().decide(outcome, attempt, 0, 0.5), expected, "{outcome:?} at attempt {attempt}");
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
        for status in [301, 400, 401, 404, 422, 100, 600] {
            check(answered(status), 1, gone(GiveUp::Rejected));
        }
        check(answered(410), 1, gone(GiveUp::Gone));
        check(Outcome::TimedOut, 1, Ok((5_000, Failure::TimedOut)));
        check(Outcome::Unreachable, 2, Ok((300_000, Failure::Unreachable)));
        check(Outcome::UnknownHost, 1, Ok((5_000, Failure::UnknownHost)));
        check(Outcome::NotTrusted, 1, Ok((5_000, Failure::NotTrusted)));
        check(Outcome::Refused, 1, gone(GiveUp::Refused));
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
        let critical = Schedule::critical().decide(asked(3600), 1, 0, 0.5);
        assert_eq!(critical, Verdict::Retry { after_ms: 300_000, because: Failure::ServerError });
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (chance, expected) in [(0.0, 4_000), (0.25, 4_500), (1.0, 6_000), (7.0, 6_000), (f64::NAN, 0)] {
            let Verdict::Retry { after_ms, .. } = schedule().decide(Outcome::TimedOut, 1, 0, chance) else {
                panic!("not retried")
            };
            assert!(chance.is_nan() || after_ms.abs_diff(expected) <= 1, "{chance}: {after_ms}");
        }
    }

    /// The seconds at which a receiver is called that never answers.
    fn calls(schedule: &Schedule) -> Vec<u64> {
        let (mut calls, mut now) = (Vec::new(), 0);
        loop {
            calls.push(now / SECOND);
            let attempt = u32::try_from(calls.len()).unwrap();
            match schedule.decide(Outcome::TimedOut, attempt, now, 0.5) {
                Verdict::Retry { after_ms, .. } => now += after_ms,
                end => {
                    assert_eq!(end, Verdict::GiveUp(GiveUp::Exhausted));
                    return calls;
                }
            }
        }
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
        // "Time since start" of the specification's table.
        let minutes = |hours: u64, minutes: u64| 60 * (60 * hours + minutes) + 5;
        let mut expected = Vec::from([0, 5, minutes(0, 5), minutes(0, 35)]);
        expected.extend([2, 7, 17, 31, 51, 75].map(|hours| minutes(hours, 35)));
        assert_eq!(calls(&Schedule::routine()), expected);
    }

    #[test]
    fn the_next_receiver_comes_in_with_the_third_failure() {
        let critical = Schedule::critical();
        assert_eq!([1, 2, 3, 4].map(|failed| critical.passes_on(failed)), [false, false, true, true]);
        assert!(!Schedule::routine().passes_on(100));
    }

    #[test]
    fn health_is_not_a_matter_of_taste() {
        for (outcome, healthy) in [
            (answered(200), Some(true)),
            (answered(404), Some(true)),
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
}
