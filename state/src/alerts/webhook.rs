//! Webhooks, signed by the Standard Webhooks scheme.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use domain::alert::endpoint::Secret;
use domain::alert::retry::Outcome;
use hmac::{Hmac, KeyInit, Mac};
use platform::clock;
use platform::http::{Answer, CallError};
use platform::trace::Trace;
use sha2::Sha256;

/// The signature of a message: of its id, its time in seconds since the epoch, and its body.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.key()) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The headers of a message: its type, its id (the same at every attempt), the time, the trace, and a signature for each
/// secret.
pub fn headers(
    secrets: &[Secret],
    id: &str,
    at: Timestamp,
    (content_type, body): (&str, &str),
    trace: &str,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", content_type.to_owned()),
        ("content-length", body.len().to_string()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.seconds().to_string()),
        ("traceparent", Trace::accept(Some(trace), clock::random_bits()).as_str().to_owned()),
        ("user-agent", concat!("vigil/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    if !secrets.is_empty() {
        let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, id, at.seconds(), body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}

/// The result of a call: for the schedule of attempts, as a word for records, and the status if there was an answer.
pub fn outcome(answer: &Result<Answer, CallError>) -> (Outcome, &'static str, Option<u16>) {
    match answer {
        Ok(answer) => {
            let outcome = Outcome::Answered { status: answer.status, retry_after: answer.retry_after };
            let word = if (200..300).contains(&answer.status) { "delivered" } else { "answered" };
            (outcome, word, Some(answer.status))
        }
        Err(CallError::TimedOut) => (Outcome::TimedOut, "timed-out", None),
        Err(CallError::Unreachable) => (Outcome::Unreachable, "unreachable", None),
        Err(CallError::UnknownHost) => (Outcome::UnknownHost, "unknown-host", None),
        Err(CallError::NotTrusted) => (Outcome::NotTrusted, "not-trusted", None),
        Err(CallError::Refused) => (Outcome::Refused, "refused", None),
    }
}
