//! One attempt: the message, its signature by the Standard Webhooks scheme, the call.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::alert::retry::Outcome;
use hmac::{Hmac, KeyInit, Mac};
use platform::clock;
use platform::deadline::Deadline;
use platform::entry::{Alert, Attempt};
use platform::http::{self, CallError};
use platform::trace::Trace;
use serde_json::json;
use sha2::Sha256;

use crate::config::Receiver;

/// The most that is read of a receiver's answer: it is of no interest beyond its status.
const LONGEST_ANSWER: usize = 1024;

/// A receiver's signing secret.
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and base64 of at least 24 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (key.len() >= 24).then_some(Secret(key))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        // HMAC takes keys of any length; there is no key that it refuses.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Calls the receiver once.
pub(crate) async fn attempt(alert: &Alert, receiver: &Receiver, deadline: Deadline) -> (Attempt, Outcome) {
    let (began, at) = (Instant::now(), clock::now());
    let body = message(alert);
    let headers = [
        ("webhook-id", alert.alert_id.clone()),
        ("webhook-timestamp", at.seconds().to_string()),
        ("webhook-signature", receiver.secret.sign(&alert.alert_id, at.seconds(), &body)),
        ("traceparent", Trace::accept(Some(&alert.trace), clock::random_bits()).as_str().to_owned()),
        ("user-agent", concat!("vigil/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    let answer = http::post(&receiver.url, &headers, body.into_bytes(), LONGEST_ANSWER, deadline).await;
    let (outcome, word, status) = match answer {
        Ok(answer) => {
            let outcome = Outcome::Answered { status: answer.status, retry_after: answer.retry_after };
            let word = if (200..300).contains(&answer.status) { "delivered" } else { "answered" };
            (outcome, word, Some(answer.status))
        }
        Err(CallError::TimedOut) => (Outcome::TimedOut, "timed-out", None),
        Err(CallError::Unreachable) => (Outcome::Unreachable, "unreachable", None),
        Err(CallError::Refused) => (Outcome::Refused, "refused", None),
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    (Attempt { at: at.rfc3339(), took_ms, outcome: word.to_owned(), status }, outcome)
}

/// The same bytes at every attempt.
fn message(alert: &Alert) -> String {
    json!({
        "type": "alert.raised",
        "timestamp": alert.received_at,
        "data": {
            "alertId": alert.alert_id,
            "severity": alert.severity,
            "rule": alert.rule,
            "textKey": alert.text_key,
            "reason": alert.reason,
            "instrument": alert.instrument,
            "submissionId": alert.submission_id,
            "studyId": alert.study_id,
            "siteId": alert.site_id,
            "subject": alert.subject,
        }
    })
    .to_string()
}
