//! Retry decisions: the next step after one attempt to deliver an alert.
//!
//! Guarantee: every outcome leads to exactly one of three verdicts: delivered, try again at a stated time, or give up
//! with a reason. Nothing is dropped silently: a delivery that is given up becomes a dead letter. Every failure that
//! may be temporary is tried again.
//!
//! Mechanism: some failures only the receiver can end in its own time (no answer, 408, 429, 5xx). They follow the
//! schedule of the alert's urgency. A refusal that may be temporary (`Failure::own_delays`) has a short schedule of its
//! own, within the schedule of the urgency. `Outcome::class` is the table.
//!
//! Time and chance are arguments: the caller passes the outcome of the attempt and one random number for the jitter.

use alloc::vec::Vec;

/// The outcome of an attempt, as the caller sees it.
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
    /// No connection, or it broke before the answer was complete.
    Unreachable,
    /// The host name does not resolve.
    UnknownHost,
    /// The certificate of the receiver was not accepted.
    NotTrusted,
    /// The host refuses to make the call: it does not grant the address, or cannot parse it.
    Refused,
    /// Not called: the receiver answered 410 before and is disabled.
    Disabled,
    /// Not called: the configuration has no receiver with this id.
    NotConfigured,
}

/// The reason why an attempt failed and is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An answer of 500 to 599.
    ServerError,
    /// 429.
    Throttled,
    /// No answer in time, or 408.
    TimedOut,
    /// No connection, a broken connection, or an answer that is not valid HTTP.
    Unreachable,
    /// The host name does not resolve.
    UnknownHost,
    /// The certificate was not accepted.
    NotTrusted,
    /// The host refuses to make the call.
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

    /// The failure's name in records and metrics.
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

    /// The failure with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Seconds to wait after the first, second, ... failure of this kind in a row. The failure after the last delay is
    /// final. None if only the schedule of the urgency decides.
    fn own_delays(self) -> Option<&'static [u64]> {
        match self {
            // The connection is the cause, not the message: another connection may succeed (RFC 9110, 15.5.20; RFC
            // 8470, 5.2).
            Failure::Misdirected | Failure::TooEarly => Some(&[1, 2, 5, 10, 30, 60]),
            // Probably a release is being rolled out, or a route is being set up: this takes minutes, an hour at most.
            Failure::NotFound => Some(&[1, 2, 5, 10, 30, 60, 300, 300, 900, 1800]),
            // Probably a secret is being rotated, or an account is not paid: a person has to act, and more calls do not
            // help.
            Failure::NotAuthorized => Some(&[5, 30, 120, 300, 600, 1800]),
            // Another request holds a resource that this request needs.
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

    /// Whether another receiver is notified at once: the receiver refused, or cannot be called at all.
    fn is_refusal(self) -> bool {
        matches!(self, Failure::NotCallable | Failure::NotFound | Failure::NotAuthorized | Failure::Conflict)
    }
}

/// Attempts in a row that failed in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The kind of failure.
    pub because: Failure,
    /// The number of such attempts, at least 1.
    pub times: u32,
}

impl Failing {
    /// Adds one more failure to the failures before it.
    pub fn after(before: Option<Failing>, because: Failure) -> Self {
        let same = before.filter(|before| before.because == because);
        Failing { because, times: same.map_or(0, |same| same.times).saturating_add(1) }
    }
}

/// The reason why a delivery is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The receiver refused the message; a retry would not change that.
    Rejected,
    /// Every attempt of a schedule failed.
    Exhausted,
    /// The receiver answered 410: it wants no more messages, now or later. It must be disabled.
    Gone,
    /// The receiver is disabled because it answered 410 before.
    Disabled,
    /// The configuration no longer has this receiver.
    NotConfigured,
}

impl GiveUp {
    const ALL: [GiveUp; 5] =
        [GiveUp::Rejected, GiveUp::Exhausted, GiveUp::Gone, GiveUp::Disabled, GiveUp::NotConfigured];

    /// The reason's name in dead letters and records.
    pub fn as_str(self) -> &'static str {
        match self {
            GiveUp::Rejected => "rejected-by-receiver",
            GiveUp::Exhausted => "attempts-exhausted",
            GiveUp::Gone => "receiver-gone",
            GiveUp::Disabled => "receiver-disabled",
            GiveUp::NotConfigured => "receiver-not-configured",
        }
    }

    /// The reason with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// The verdict after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver accepted the message.
    Delivered,
    /// Try again after a delay.
    Retry {
        /// The delay from now, milliseconds.
        after_ms: u64,
        /// The reason for the retry.
        because: Failure,
    },
    /// Do not try again.
    GiveUp(GiveUp),
}

impl Outcome {
    /// Classifies the outcome by itself: accepted, worth a retry, or final. The class is the same for every urgency.
    fn class(self) -> Result<Option<Failure>, GiveUp> {
        let status = match self {
            Outcome::Answered { status, .. } => status,
            Outcome::TimedOut => return Ok(Some(Failure::TimedOut)),
            Outcome::Unreachable => return Ok(Some(Failure::Unreachable)),
            Outcome::UnknownHost => return Ok(Some(Failure::UnknownHost)),
            Outcome::NotTrusted => return Ok(Some(Failure::NotTrusted)),
            // The operator of the host can fix this, and until then the attempts disturb nobody.
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
            // Not a valid HTTP status (RFC 9110, 15): a proxy or gateway on the way failed.
            0..=199 | 600.. => Ok(Some(Failure::Unreachable)),
            // Redirects are not followed: an alert goes to the configured address or nowhere. All other codes refuse
            // the message, and the message will not change: 400, 405, 406, 411 to 418, 422, 426, 428, 431, 451.
            300..=400 | 405 | 406 | 411..=420 | 422 | 424 | 426..=428 | 430..=499 => Err(GiveUp::Rejected),
        }
    }

    /// The reason for the failure, as records name it.
    pub fn reason(self) -> Option<&'static str> {
        match self.class() {
            Ok(failure) => failure.map(Failure::as_str),
            Err(reason) => Some(reason.as_str()),
        }
    }

    /// The health of the receiver, for its [`super::breaker`]. `Some(true)`: it works, even if it refuses the message.
    /// `Some(false)`: it does not work. `None`: it was not called. A quick refusal such as 401 or 404 blocks nobody,
    /// and may concern one message only: it does not open a breaker.
    pub fn healthy(self) -> Option<bool> {
        match self {
            Outcome::Answered { status, .. } => Some((200..=499).contains(&status)),
            Outcome::TimedOut | Outcome::Unreachable | Outcome::UnknownHost | Outcome::NotTrusted => Some(false),
            Outcome::Refused | Outcome::Disabled | Outcome::NotConfigured => None,
        }
    }
}

/// A retry schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Milliseconds to wait after the first, second, ... failed attempt.
    pub delays_ms: Vec<u64>,
    /// The pace after these delays. Without it, the attempt after the last delay is final.
    pub then: Option<Then>,
    /// The upper bound for `Retry-After`, milliseconds.
    pub longest_retry_after_ms: u64,
    /// From this failed attempt on, the next receiver is notified too. None: never.
    pub pass_on_from: Option<u32>,
}

/// Retries at a constant interval for a limited time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Then {
    /// Milliseconds between two attempts.
    pub every_ms: u64,
    /// The last attempt begins at most this long after the delivery was first due, milliseconds (plus jitter).
    pub for_ms: u64,
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The default upper bound for `Retry-After`, milliseconds: a receiver may ask for more time than the schedule gives.
pub const LONGEST_RETRY_AFTER_MS: u64 = HOUR;

/// Jitter: each delay grows or shrinks by up to this fraction.
const JITTER: f64 = 0.2;

impl Schedule {
    /// A schedule of these delays and nothing else.
    pub fn of(delays_ms: Vec<u64>) -> Self {
        Schedule { delays_ms, then: None, longest_retry_after_ms: LONGEST_RETRY_AFTER_MS, pass_on_from: None }
    }

    /// The schedule of critical alerts: 1, 2, 5, 10, 30, 60 s, then every 5 min for 24 h. From the third failure on,
    /// the next receiver is notified too. No receiver can delay the next attempt by more than 5 min.
    pub fn critical() -> Self {
        Schedule {
            delays_ms: [1, 2, 5, 10, 30, 60].map(|seconds| seconds * SECOND).into(),
            then: Some(Then { every_ms: 5 * MINUTE, for_ms: 24 * HOUR }),
            longest_retry_after_ms: 5 * MINUTE,
            pass_on_from: Some(3),
        }
    }

    /// The schedule of all other alerts. It is the example schedule of Standard Webhooks, "Deliverability and
    /// reliability": 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; ten attempts in a little more than three
    /// days. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    pub fn routine() -> Self {
        let hours = [2, 5, 10, 14, 20, 24].map(|hours| hours * HOUR);
        Schedule::of([5 * SECOND, 5 * MINUTE, 30 * MINUTE].into_iter().chain(hours).collect())
    }

    /// Decides the next step after an attempt that ended with `outcome`.
    ///
    /// `chance` is a random number in `0.0..1.0`. It spreads retries over ±20%, so that receivers that failed together
    /// are not called together. `Retry-After` is honoured if it is longer than the delay of the schedule, up to
    /// `longest_retry_after_ms`; the jitter does not shorten it. A failure with its own delays never waits longer than
    /// the longest delay of this schedule. It ends with the schedule that ends first.
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

    /// The delay after a failed attempt; none if it was the last attempt.
    fn delay_ms(&self, attempt: Attempt) -> Option<u64> {
        let steady = || self.then.filter(|then| attempt.elapsed_ms.saturating_add(then.every_ms) <= then.for_ms);
        self.delays_ms.get(index(attempt.number)).copied().or_else(|| steady().map(|then| then.every_ms))
    }

    fn longest_delay_ms(&self) -> u64 {
        self.delays_ms.iter().copied().chain(self.then.map(|then| then.every_ms)).max().unwrap_or(0)
    }

    /// Whether the next receiver is notified too after `failed` attempts, the last of which failed for this reason.
    pub fn passes_on(&self, failed: u32, because: Failure) -> bool {
        self.pass_on_from.is_some_and(|from| failed >= from || because.is_refusal())
    }
}

/// The list index of a number that counts from 1.
fn index(number: u32) -> usize {
    usize::try_from(number.max(1) - 1).unwrap_or(usize::MAX)
}

/// An attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its number; the first is 1.
    pub number: u32,
    /// The time from when the delivery was first due to the end of the attempt, milliseconds.
    pub elapsed_ms: u64,
    /// The failures directly before this attempt.
    pub failing: Option<Failing>,
}

#[cfg(test)]
mod tests;
