//! Shared by all requests: their bodies, the reason of a change, refusals.

use domain::ids::StudyId;
use domain::{Code, Finding, scrub};
use platform::http::Incoming;
use platform::redis::Redis;
use platform::{Error, log};

use crate::edge::problem::{Problem, ProblemType};
use crate::settings::{self, Changed, Version};

/// The header with the reason of a change; it goes into the audit chain.
const REASON: &str = "x-change-reason";
/// The longest reason, characters.
pub const LONGEST_REASON: usize = 500;

/// A header that changes what a request does, if it is there. One that cannot be read is not taken for none.
///
/// # Errors
/// 422 when it is no text, or is there with several values.
pub fn header<'a>(incoming: &'a Incoming, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = incoming.values(name);
    let Some(first) = values.next() else { return Ok(None) };
    if let (Ok(text), true) = (str::from_utf8(first), values.all(|other| other == first)) {
        return Ok(Some(text));
    }
    let rule = format!("the header {name} must be readable text, once");
    Err(Problem::invalid(vec![Finding::new("", Code::Format, rule)]))
}

/// The reason of a change, if the request gives one, without the identities that are found in it: an audit chain forgets
/// nothing.
///
/// # Errors
/// 422 when it is empty, too long, or not one line.
pub fn reason(incoming: &Incoming) -> Result<Option<String>, Problem> {
    line(incoming, REASON)
}

/// A header with a reason in words, if it is there, without the identities that are found in it.
///
/// # Errors
/// 422 when it is empty, too long, or not one line.
pub fn line(incoming: &Incoming, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(reason) = header(incoming, name)? else { return Ok(None) };
    let reason = reason.trim();
    if (1..=LONGEST_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control) {
        return Ok(Some(scrub::free_text(reason.to_owned())));
    }
    let rule = format!("the header {name} must be 1 to {LONGEST_REASON} characters");
    Err(Problem::invalid(vec![Finding::new("", Code::Format, rule)]))
}

/// Whether the client knows the answer with this tag (`if-none-match`).
pub fn is_known(incoming: &Incoming, tag: &str) -> bool {
    let known = incoming.header("if-none-match").unwrap_or_default();
    known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// The body of a request that sends JSON, unparsed.
///
/// # Errors
/// 415 for another type, 413 when it is longer than `limit` bytes, 400 when it breaks off.
pub async fn body(incoming: Incoming, limit: usize) -> Result<Vec<u8>, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    bytes(incoming, limit).await
}

/// A body of any type.
///
/// # Errors
/// 413 when it is longer than `limit` bytes, 400 when it breaks off.
pub async fn bytes(incoming: Incoming, limit: usize) -> Result<Vec<u8>, Problem> {
    incoming.body(limit).await.map_err(|error| Problem::unread(error, limit))
}

/// The result of a change of the settings.
///
/// # Errors
/// The reason of a refusal; 503 when somebody else is changing the settings.
pub fn made<T>(changed: Changed<T, Problem>) -> Result<T, Problem> {
    match changed {
        Changed::Made(made) => Ok(made),
        Changed::Refused(problem) => Err(problem),
        Changed::Busy => Err(Problem::new(ProblemType::Busy, "somebody else is changing the settings, send it again")),
    }
}

/// Refuses the erasure of something of a study under a legal hold.
///
/// # Errors
/// 409; 503 when it cannot be known.
pub async fn not_held(redis: &Redis, study: &StudyId) -> Result<(), Problem> {
    match settings::is_held(redis, study).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(Problem::study_held()),
        Err(error) => Err(unavailable(&error)),
    }
}

/// The entity tag of a version.
pub fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Checks that the version in force is the one that the sender saw last, by `If-Match` or `If-None-Match: *`.
///
/// # Errors
/// 412 when it is another one, 428 when the sender named none.
pub fn replaces(current: Option<&Version>, expected: Option<&str>, unseen: bool) -> Result<(), Problem> {
    let failed = |detail: &str| Err(Problem::new(ProblemType::PreconditionFailed, detail));
    match (current, expected) {
        (None, None) => Ok(()),
        (None, Some(_)) => failed("there is no such document yet"),
        (Some(_), None) if unseen => failed("there is such a document already"),
        (Some(_), None) => {
            let detail = "send If-Match with the ETag of the version that is replaced";
            Err(Problem::new(ProblemType::PreconditionRequired, detail))
        }
        (Some(current), Some(expected)) => {
            let own = tag(current.version);
            let matches = expected.split(',').map(str::trim).any(|given| given == own || given == "*");
            if matches { Ok(()) } else { failed("another version is in force, read it first") }
        }
    }
}

/// The problem for a client when a service that the reply needs is unavailable. The cause is only logged.
pub fn unavailable(error: &Error) -> Problem {
    log::error("operation-failed").cause(error).write();
    Problem::new(ProblemType::Unavailable, "a service that this needs is unavailable")
}

/// The problem for a client when a component's variables have faults.
pub fn misconfigured(faults: &impl std::fmt::Display) -> Problem {
    log::error("misconfigured").cause(faults).write();
    Problem::new(ProblemType::Unavailable, "the service is not configured")
}
