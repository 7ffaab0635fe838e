//! Errors for FHIR clients: the same [`Problem`] as an `OperationOutcome`.

use domain::fhir::outcome::operation_outcome;
use platform::http::Reply;
use platform::trace::Trace;

use crate::edge::problem::{Problem, ProblemType};

/// The content type of FHIR's JSON.
pub const FHIR_JSON: &str = "application/fhir+json";

/// A problem as an `OperationOutcome`. The pointers of its findings point into `resource`, the resource's type.
pub fn outcome(problem: Problem, resource: &str) -> Reply {
    let code = issue_code(problem.kind());
    let trace = Trace::current();
    let trace = trace.as_ref().map(Trace::as_str);
    let document = operation_outcome(resource, code, problem.detail(), problem.findings(), trace);
    let mut reply = Reply::new(problem.status(), FHIR_JSON, document.to_string());
    if let Some((name, value)) = problem.into_header() {
        reply = reply.header(name, value);
    }
    reply
}

/// The code of an issue, from FHIR's list.
fn issue_code(kind: ProblemType) -> &'static str {
    match kind {
        ProblemType::Malformed => "structure",
        ProblemType::Unauthenticated => "login",
        ProblemType::Forbidden => "forbidden",
        ProblemType::NotFound => "not-found",
        ProblemType::MethodNotAllowed | ProblemType::UnsupportedMediaType => "not-supported",
        ProblemType::RequestTimedOut | ProblemType::DeadlinePassed => "timeout",
        ProblemType::Conflict | ProblemType::PreconditionFailed | ProblemType::PreconditionRequired => "conflict",
        ProblemType::Gone => "deleted",
        ProblemType::TooLarge => "too-long",
        ProblemType::Invalid => "invalid",
        ProblemType::TooManyRequests | ProblemType::Busy => "throttled",
        ProblemType::BadGateway | ProblemType::Unavailable => "transient",
    }
}
