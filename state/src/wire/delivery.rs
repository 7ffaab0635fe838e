//! The deliveries of an alert, and its history, as they are stored and shown.

use domain::alert::retry::{Failing, Failure};
use domain::ids::ReceiverId;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use domain::schema::Time;

/// One attempt to deliver an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(inline))]
pub struct Attempt {
    /// The time of its beginning, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: String,
    /// Its duration, milliseconds.
    pub took_ms: u64,
    /// `delivered`, `answered`, or why there was no answer.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = OUTCOMES)))]
    pub outcome: String,
    /// Why it was no success: server-error, throttled, timed-out, unreachable, unknown-host, not-trusted, not-callable,
    /// not-found, not-authorized, conflict, misdirected and too-early may pass; rejected-by-receiver and receiver-gone are
    /// final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of the answer, at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// The time for which the next attempt was planned, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
}

/// The attempts to deliver an alert to one receiver, at `alert/<id>/delivery/<receiver>`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(inline))]
pub struct Attempts {
    /// The number of attempts before the ones that are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier: usize,
    /// The last of them.
    pub attempts: Vec<Attempt>,
}

/// The outcomes of attempts.
#[cfg(feature = "schema")]
const OUTCOMES: [&str; 7] =
    ["delivered", "answered", "timed-out", "unreachable", "unknown-host", "not-trusted", "refused"];
/// The kinds of entries of a history.
#[cfg(feature = "schema")]
const KINDS: [&str; 12] = [
    "raised",
    "delivered",
    "given-up",
    "passed-on",
    "escalated",
    "carried",
    "acknowledged",
    "resolved",
    "reopened",
    "replayed",
    "noted",
    "assigned",
];

/// The most attempts kept per delivery: more than any schedule has.
const MOST_ATTEMPTS: usize = 500;

/// The failure of the last attempts, if all failed in the same way.
pub fn failing(attempts: &[Attempt]) -> Option<Failing> {
    let reasons = attempts.iter().rev().map(|attempt| attempt.reason.as_deref().and_then(Failure::parse));
    let because = reasons.clone().next()??;
    let times = reasons.take_while(|reason| *reason == Some(because)).count();
    Some(Failing { because, times: u32::try_from(times).unwrap_or(u32::MAX) })
}

impl Attempts {
    /// Adds an attempt.
    pub fn push(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
        if self.attempts.len() > MOST_ATTEMPTS {
            self.attempts.remove(0);
            self.earlier += 1;
        }
    }
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// It waits.
    #[default]
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up; see `reason`.
    Dead,
    /// Somebody acted before the receiver was told.
    Withdrawn,
}

/// The delivery of an alert to one receiver, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Delivery {
    /// The receiver's id.
    pub receiver: ReceiverId,
    /// Why this receiver gets it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["route", "failover", "escalation"])))]
    pub cause: String,
    /// Its state.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("enum" = ["pending", "delivered", "dead", "withdrawn"]))
    )]
    pub state: DeliveryState,
    /// Why it waits, or was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time of the next attempt, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
    /// The number of times that the receiver took the alert before. Above 0, this is a reminder.
    pub told: u32,
    /// The attempts.
    #[serde(flatten)]
    pub attempts: Attempts,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One entry of an alert's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(inline))]
pub struct Happened {
    /// Its number, from 0.
    pub n: u32,
    /// The time of the event, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: String,
    /// The event.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = KINDS)))]
    pub what: String,
    /// The state afterwards.
    pub state: String,
    /// The receivers that are told because of it.
    pub told: Vec<ReceiverId>,
    /// The receiver that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<ReceiverId>,
    /// Why it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The key or the person that did it, or `link:` and the receiver whose link it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The person's name. It is shown, and not stored: their session has it.
    #[serde(default, rename = "byName", skip_serializing_if = "Option::is_none")]
    pub by_name: Option<String>,
    /// The person's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The meaning of the person's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The person or team that the alert is assigned to by this event; none if it is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
