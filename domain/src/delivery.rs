//! What becomes of one attempt to deliver an alert.
//!
//! Guarantee: every outcome leads to exactly one of three verdicts, delivered, again at a stated time, or given up with
//! a reason. Nothing is dropped silently: who is given up becomes a dead letter.
//!
//! Time and chance are arguments: the caller says how the attempt ended and gives one random number for the jitter.

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
    /// The host forbids the address or cannot make sense of it: no later attempt can go better.
    Refused,
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
}

impl GiveUp {
    /// The reason as dead letters and records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            GiveUp::Rejected => "rejected-by-receiver",
            GiveUp::Refused => "receiver-not-callable",
            GiveUp::Exhausted => "attempts-exhausted",
        }
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
    },
    /// Do not try again.
    GiveUp(GiveUp),
}

/// When to try again: the delays between attempts, in milliseconds. `n` delays make at most `n + 1` attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule<'a> {
    /// Milliseconds to wait after the first, second, ... failed attempt.
    pub delays_ms: &'a [u64],
}

/// A receiver may ask for more patience than the schedule has, within this bound, milliseconds.
pub const LONGEST_RETRY_AFTER_MS: u64 = 3_600_000;

/// Jitter: a delay is stretched or cut by up to this fraction.
const JITTER: f64 = 0.2;

impl Schedule<'_> {
    /// Decides what follows attempt number `attempt` (the first is 1) that ended with `outcome`.
    ///
    /// `chance` is a random number in `0.0..1.0`; it spreads retries over ±20% so that receivers that failed together
    /// are not called together. `Retry-After` is honoured when it is longer than the schedule's delay, up to one hour,
    /// and is not cut by the jitter.
    pub fn decide(&self, outcome: Outcome, attempt: u32, chance: f64) -> Verdict {
        let asked_ms = match outcome {
            Outcome::Answered { status: 200..=299, .. } => return Verdict::Delivered,
            Outcome::Answered { status: 408 | 429 | 500..=599, retry_after } => {
                u64::from(retry_after.unwrap_or(0)).saturating_mul(1000).min(LONGEST_RETRY_AFTER_MS)
            }
            // Redirects are not followed: an alert goes to the address that was configured or nowhere.
            Outcome::Answered { .. } => return Verdict::GiveUp(GiveUp::Rejected),
            Outcome::Refused => return Verdict::GiveUp(GiveUp::Refused),
            Outcome::TimedOut | Outcome::Unreachable => 0,
        };
        let index = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
        match self.delays_ms.get(index) {
            Some(&delay_ms) => {
                let spread = 1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0);
                Verdict::Retry { after_ms: ((delay_ms as f64 * spread) as u64).max(asked_ms) }
            }
            None => Verdict::GiveUp(GiveUp::Exhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule<'static> = Schedule { delays_ms: &[5_000, 300_000] };

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, retry_after: None }
    }

    fn check(outcome: Outcome, attempt: u32, expected: Verdict) {
        assert_eq!(SCHEDULE.decide(outcome, attempt, 0.5), expected, "{outcome:?} at attempt {attempt}");
    }

    #[test]
    fn an_outcome_leads_to_its_verdict() {
        check(answered(200), 1, Verdict::Delivered);
        check(answered(204), 3, Verdict::Delivered);
        for status in [408, 429, 500, 503, 599] {
            check(answered(status), 1, Verdict::Retry { after_ms: 5_000 });
            check(answered(status), 2, Verdict::Retry { after_ms: 300_000 });
            check(answered(status), 3, Verdict::GiveUp(GiveUp::Exhausted));
        }
        for status in [301, 400, 401, 404, 410, 422, 100, 600] {
            check(answered(status), 1, Verdict::GiveUp(GiveUp::Rejected));
        }
        check(Outcome::TimedOut, 1, Verdict::Retry { after_ms: 5_000 });
        check(Outcome::Unreachable, 2, Verdict::Retry { after_ms: 300_000 });
        check(Outcome::Refused, 1, Verdict::GiveUp(GiveUp::Refused));
    }

    #[test]
    fn retry_after_is_honoured_and_clamped() {
        let asked = |seconds| Outcome::Answered { status: 503, retry_after: Some(seconds) };
        check(asked(1), 1, Verdict::Retry { after_ms: 5_000 });
        check(asked(60), 1, Verdict::Retry { after_ms: 60_000 });
        check(asked(u32::MAX), 1, Verdict::Retry { after_ms: LONGEST_RETRY_AFTER_MS });
        check(asked(60), 3, Verdict::GiveUp(GiveUp::Exhausted));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (chance, expected) in [(0.0, 4_000), (0.25, 4_500), (1.0, 6_000), (7.0, 6_000), (f64::NAN, 0)] {
            let Verdict::Retry { after_ms } = SCHEDULE.decide(Outcome::TimedOut, 1, chance) else {
                panic!("not retried")
            };
            assert!(chance.is_nan() || after_ms.abs_diff(expected) <= 1, "{chance}: {after_ms}");
        }
    }
}
