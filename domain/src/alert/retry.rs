//! What becomes of one attempt to deliver an alert.
//!
//! Guarantee: every outcome leads to exactly one of three verdicts, delivered, again at a stated time, or given up with
//! a reason. Nothing is dropped silently: who is given up becomes a dead letter. What may pass is tried again.
//!
//! Mechanism: a failure that only the receiver can mend in its own time (no answer, 408, 429, 5xx) is tried again by the
//! schedule of the alert's urgency. A refusal that may pass (`Failure::own_delays`) has a short schedule of its own,
//! within that of the urgency. `Outcome::class` is the table.
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
    /// The host does not make the call: it does not grant the address, or cannot make sense of it.
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
    /// No connection, a broken one, or an answer that is none by HTTP.
    Unreachable,
    /// The name is not known.
    UnknownHost,
    /// The certificate was not accepted.
    NotTrusted,
    /// The host does not make the call.
    NotCallable,
    /// 404.
    NotFound,
    /// 401, 402, 403 or 407.
    NotAuthorized,
    /// 409 or 423.
    Conflict,
    /// 421.
    Misdirected,
    /// 425.
    TooEarly,
}

impl Failure {
    const ALL: [Failure; 12] = [
        Failure::ServerError,
        Failure::Throttled,
        Failure::TimedOut,
        Failure::Unreachable,
        Failure::UnknownHost,
        Failure::NotTrusted,
        Failure::NotCallable,
        Failure::NotFound,
        Failure::NotAuthorized,
        Failure::Conflict,
        Failure::Misdirected,
        Failure::TooEarly,
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
            Failure::NotCallable => "not-callable",
            Failure::NotFound => "not-found",
            Failure::NotAuthorized => "not-authorized",
            Failure::Conflict => "conflict",
            Failure::Misdirected => "misdirected",
            Failure::TooEarly => "too-early",
        }
    }

    /// The failure of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Seconds to wait after the first, second, ... such failure in a row; the one after the last is final. None where
    /// the schedule of the urgency alone decides.
    fn own_delays(self) -> Option<&'static [u64]> {
        match self {
            // The connection is to blame, not the message: another one may do (RFC 9110, 15.5.20; RFC 8470, 5.2).
            Failure::Misdirected | Failure::TooEarly => Some(&[1, 2, 5, 10, 30, 60]),
            // A release is being rolled out, or a route being set up: minutes, an hour at most.
            Failure::NotFound => Some(&[1, 2, 5, 10, 30, 60, 300, 300, 900, 1800]),
            // A secret is being rotated, or an account to be paid for: somebody has to act, and more calls do not help.
            Failure::NotAuthorized => Some(&[5, 30, 120, 300, 600, 1800]),
            // Another request has what this one needs.
            Failure::Conflict => Some(&[1, 5, 30, 120]),
            Failure::ServerError
            | Failure::Throttled
            | Failure::TimedOut
            | Failure::Unreachable
            | Failure::UnknownHost
            | Failure::NotTrusted
            | Failure::NotCallable => None,
        }
    }

    /// Whether somebody else should hear at once: the receiver said no, or is not called at all.
    fn is_refusal(self) -> bool {
        matches!(self, Failure::NotCallable | Failure::NotFound | Failure::NotAuthorized | Failure::Conflict)
    }
}

/// Attempts that failed in the same way, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// In which way.
    pub because: Failure,
    /// How many, at least 1.
    pub times: u32,
}

impl Failing {
    /// With one more failure after those before it.
    pub fn after(before: Option<Failing>, because: Failure) -> Self {
        let same = before.filter(|before| before.because == because);
        Failing { because, times: same.map_or(0, |same| same.times).saturating_add(1) }
    }
}

/// Why a delivery is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The receiver refused the message; asking again would not change that.
    Rejected,
    /// Every attempt of a schedule failed.
    Exhausted,
    /// The receiver answered 410: it wants no message any more, now or later, and is to be disabled.
    Gone,
    /// The receiver is disabled since it said so.
    Disabled,
    /// The configuration knows the receiver no more.
    NotConfigured,
}

impl GiveUp {
    const ALL: [GiveUp; 5] =
        [GiveUp::Rejected, GiveUp::Exhausted, GiveUp::Gone, GiveUp::Disabled, GiveUp::NotConfigured];

    /// The reason as dead letters and records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            GiveUp::Rejected => "rejected-by-receiver",
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
        let status = match self {
            Outcome::Answered { status, .. } => status,
            Outcome::TimedOut => return Ok(Some(Failure::TimedOut)),
            Outcome::Unreachable => return Ok(Some(Failure::Unreachable)),
            Outcome::UnknownHost => return Ok(Some(Failure::UnknownHost)),
            Outcome::NotTrusted => return Ok(Some(Failure::NotTrusted)),
            // Whoever runs the host can mend it, and until then nobody is bothered by the attempts.
            Outcome::Refused => return Ok(Some(Failure::NotCallable)),
            Outcome::Disabled => return Err(GiveUp::Disabled),
            Outcome::NotConfigured => return Err(GiveUp::NotConfigured),
        };
        match status {
            200..=299 => Ok(None),
            401 | 402 | 403 | 407 => Ok(Some(Failure::NotAuthorized)),
            404 => Ok(Some(Failure::NotFound)),
            408 => Ok(Some(Failure::TimedOut)),
            409 | 423 => Ok(Some(Failure::Conflict)),
            410 => Err(GiveUp::Gone),
            421 => Ok(Some(Failure::Misdirected)),
            425 => Ok(Some(Failure::TooEarly)),
            429 => Ok(Some(Failure::Throttled)),
            500..=599 => Ok(Some(Failure::ServerError)),
            // No answer by HTTP (RFC 9110, 15): whatever stands between did not understand.
            0..=199 | 600.. => Ok(Some(Failure::Unreachable)),
            // Redirects are not followed: an alert goes to the address that was configured or nowhere. All others refuse
            // the message, which will be the same: 400, 405, 406, 411 to 418, 422, 426, 428, 431, 451.
            300..=400 | 405 | 406 | 411..=420 | 422 | 424 | 426..=428 | 430..=499 => Err(GiveUp::Rejected),
        }
    }

    /// Why it was no success, as records name it.
    pub fn reason(self) -> Option<&'static str> {
        match self.class() {
            Ok(failure) => failure.map(Failure::as_str),
            Err(reason) => Some(reason.as_str()),
        }
    }

    /// What this tells about the receiver's health, for its [`super::breaker`]: `Some(true)` it works, whatever it
    /// thinks of the message; `Some(false)` it does not; `None` it was not called. A quick refusal such as 401 or 404 holds
    /// up nobody, and may be about one message only: it opens no breaker.
    pub fn healthy(self) -> Option<bool> {
        match self {
            Outcome::Answered { status, .. } => Some((200..=499).contains(&status)),
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

    /// Decides what follows an attempt that ended with `outcome`.
    ///
    /// `chance` is a random number in `0.0..1.0`; it spreads retries over ±20% so that receivers that failed together
    /// are not called together. `Retry-After` is honoured when it is longer than the schedule's delay, up to
    /// `longest_retry_after_ms`, and is not cut by the jitter. A failure with delays of its own waits no longer than this
    /// schedule's longest delay, and ends with whichever schedule ends first.
    pub fn decide(&self, outcome: Outcome, attempt: Attempt, chance: f64) -> Verdict {
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
        let times = Failing::after(attempt.failing, because).times;
        let delay_ms = self.delay_ms(attempt).and_then(|delay_ms| match because.own_delays() {
            None => Some(delay_ms),
            Some(delays) => delays.get(index(times)).map(|seconds| (seconds * SECOND).min(self.longest_delay_ms())),
        });
        match delay_ms {
            Some(delay_ms) => {
                let spread = 1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0);
                Verdict::Retry { after_ms: ((delay_ms as f64 * spread) as u64).max(asked_ms), because }
            }
            None => Verdict::GiveUp(GiveUp::Exhausted),
        }
    }

    /// The delay after a failed attempt; none if it was the last.
    fn delay_ms(&self, attempt: Attempt) -> Option<u64> {
        let steady = || self.then.filter(|then| attempt.elapsed_ms.saturating_add(then.every_ms) <= then.for_ms);
        self.delays_ms.get(index(attempt.number)).copied().or_else(|| steady().map(|then| then.every_ms))
    }

    fn longest_delay_ms(&self) -> u64 {
        self.delays_ms.iter().copied().chain(self.then.map(|then| then.every_ms)).max().unwrap_or(0)
    }

    /// Whether the next receiver is told as well after this many failed attempts, of which the last failed so.
    pub fn passes_on(&self, failed: u32, because: Failure) -> bool {
        self.pass_on_from.is_some_and(|from| failed >= from || because.is_refusal())
    }
}

/// The place in a list of the one with this number, the first being 1.
fn index(number: u32) -> usize {
    usize::try_from(number.max(1) - 1).unwrap_or(usize::MAX)
}

/// An attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its number; the first is 1.
    pub number: u32,
    /// How long after the delivery was due first it ended, milliseconds.
    pub elapsed_ms: u64,
    /// How those just before it failed.
    pub failing: Option<Failing>,
}

#[cfg(test)]
mod tests;
