//! Errors for clients: RFC 9457 problem documents, with every finding.

use domain::Finding;
use domain::reading::{Json, Limits, Unreadable};
use platform::http::{BodyError, Reply};
use platform::trace::Trace;
use serde_json::{Map, Value, json};

/// The kinds of problem, each with its status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    /// The body is not JSON.
    Malformed,
    /// No key, or an unknown one.
    Unauthenticated,
    /// The key does not cover this.
    Forbidden,
    /// It does not exist, or this key may not see it.
    NotFound,
    /// The path supports other methods only.
    MethodNotAllowed,
    /// The request did not arrive completely in time.
    RequestTimedOut,
    /// The id belongs to other content, or the amended submission is not the current version.
    Conflict,
    /// It was erased, and stays so.
    Gone,
    /// The version to be replaced is not the one that the sender saw last.
    PreconditionFailed,
    /// The sender must name the version to be replaced.
    PreconditionRequired,
    /// The body is too long.
    TooLarge,
    /// This path does not accept the body's media type.
    UnsupportedMediaType,
    /// The document breaks rules; `errors` lists them.
    Invalid,
    /// The key, or its site, exceeded a rate limit.
    TooManyRequests,
    /// The queue is full.
    Busy,
    /// A service behind Vigil gave no usable reply.
    BadGateway,
    /// A service that Vigil needs is unavailable.
    Unavailable,
    /// The deadline passed before there was an answer.
    DeadlinePassed,
}

impl ProblemType {
    /// Last part of `type`, HTTP status and title.
    fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            ProblemType::Malformed => ("malformed", 400, "The body is not well-formed"),
            ProblemType::Unauthenticated => ("unauthenticated", 401, "A valid key is needed"),
            ProblemType::Forbidden => ("forbidden", 403, "The key does not allow this"),
            ProblemType::NotFound => ("not-found", 404, "There is nothing here"),
            ProblemType::MethodNotAllowed => ("method-not-allowed", 405, "The path does not take this method"),
            ProblemType::RequestTimedOut => ("request-timed-out", 408, "The request did not arrive in time"),
            ProblemType::Conflict => ("conflict", 409, "It contradicts what is there"),
            ProblemType::Gone => ("gone", 410, "It was erased"),
            ProblemType::PreconditionFailed => ("precondition-failed", 412, "It was changed by somebody else"),
            ProblemType::PreconditionRequired => ("precondition-required", 428, "It must be said what is replaced"),
            ProblemType::TooLarge => ("too-large", 413, "The body is too long"),
            ProblemType::UnsupportedMediaType => ("unsupported-media-type", 415, "The body has the wrong type"),
            ProblemType::Invalid => ("invalid", 422, "The document breaks rules"),
            ProblemType::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            ProblemType::Busy => ("busy", 503, "Too much is waiting already"),
            ProblemType::BadGateway => ("bad-gateway", 502, "A service behind did not do its part"),
            ProblemType::Unavailable => ("unavailable", 503, "A service is unavailable"),
            ProblemType::DeadlinePassed => ("deadline-passed", 504, "There was no answer in time"),
        }
    }

    /// A word for logs.
    pub fn as_str(self) -> &'static str {
        self.facts().0
    }
}

/// A problem: everything that the client is told.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemType,
    detail: String,
    findings: Vec<Finding>,
    parts: Map<String, Value>,
    header: Option<(&'static str, String)>,
}

/// After how many seconds a client may try again if the queue is full or a service is unavailable.
const RETRY_AFTER: u32 = 2;
/// The most findings of one problem, so that a reply stays small for any document.
const MOST_FINDINGS: usize = 1000;

impl Problem {
    /// A problem with a sentence for the client. The sentence never repeats the client's data.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let header = match kind {
            ProblemType::Unauthenticated => Some(("www-authenticate", "Bearer".to_owned())),
            ProblemType::Busy | ProblemType::Unavailable => Some(("retry-after", RETRY_AFTER.to_string())),
            _ => None,
        };
        Problem { kind, detail: detail.into(), findings: Vec::new(), parts: Map::new(), header }
    }

    /// A body of at most `limit` bytes that could not be read.
    pub fn unread(error: BodyError, limit: impl std::fmt::Display) -> Self {
        match error {
            BodyError::TooLong => Problem::new(ProblemType::TooLarge, format!("the limit is {limit} bytes")),
            BodyError::Broken => Problem::new(ProblemType::Malformed, "the body broke off"),
        }
    }

    /// Reads a body as JSON. Duplicate names are kept as faults: the check of the document reports them with all other
    /// faults.
    ///
    /// # Errors
    /// 400 with the position where the JSON is wrong, 422 when it is larger than the limits allow.
    pub fn json(body: &[u8], limits: Limits) -> Result<Json, Self> {
        Json::read(body, limits).map_err(|unreadable| match unreadable {
            Unreadable::NotJson { line, column } => {
                Problem::new(ProblemType::Malformed, format!("not JSON at line {line}, column {column}"))
            }
            Unreadable::Refused(findings) => Problem::invalid(findings),
        })
    }

    /// A document that breaks these rules. The first thousand findings are listed.
    pub fn invalid(mut findings: Vec<Finding>) -> Self {
        let detail = match findings.len() {
            1 => "1 finding".to_owned(),
            count if count > MOST_FINDINGS => {
                format!("{count} findings, of which the first {MOST_FINDINGS} are listed")
            }
            count => format!("{count} findings"),
        };
        findings.truncate(MOST_FINDINGS);
        Problem { findings, ..Problem::new(ProblemType::Invalid, detail) }
    }

    /// The sender exceeded a rate limit and may send again after so many seconds.
    pub fn rate_limited(seconds: u32) -> Self {
        let problem = Problem::new(ProblemType::TooManyRequests, "this was sent too fast, nothing was stored");
        Problem { header: Some(("retry-after", seconds.to_string())), ..problem }
    }

    /// The key has reached its quota of waiting submissions: the remaining room is for others.
    pub fn over_quota() -> Self {
        let detail = "too many submissions of this key wait to be scored, nothing was stored";
        let problem = Problem::new(ProblemType::TooManyRequests, detail);
        Problem { header: Some(("retry-after", RETRY_AFTER.to_string())), ..problem }
    }

    /// Adds the outcome of each part of the request.
    #[must_use]
    pub fn parts(self, parts: Map<String, Value>) -> Self {
        Problem { parts, ..self }
    }

    /// This path allows only these methods, and `HEAD` if `GET` is one of them.
    pub fn method_not_allowed(allowed: &str) -> Self {
        let problem = Problem::new(ProblemType::MethodNotAllowed, format!("use {allowed}"));
        let allowed = allowed.replacen("GET", "GET, HEAD", 1);
        Problem { header: Some(("allow", allowed)), ..problem }
    }

    /// The key exceeded a rate limit and may send again after this time.
    pub fn too_many_requests(wait: std::time::Duration) -> Self {
        let problem = Problem::new(ProblemType::TooManyRequests, "wait before the next one");
        Problem { header: Some(("retry-after", wait.as_millis().div_ceil(1000).to_string())), ..problem }
    }

    /// It does not exist, or this key may not see it: the client cannot tell which.
    pub fn not_found() -> Self {
        Problem::new(ProblemType::NotFound, "no such resource")
    }

    /// The kind.
    pub fn kind(&self) -> ProblemType {
        self.kind
    }

    /// The outcome under which a refused submission is counted; none if it was not a submission.
    pub fn outcome(&self) -> Option<&'static str> {
        match self.kind {
            ProblemType::Unauthenticated => Some("unauthenticated"),
            ProblemType::Forbidden => Some("forbidden"),
            ProblemType::TooManyRequests => Some("limited"),
            ProblemType::Malformed | ProblemType::UnsupportedMediaType | ProblemType::Invalid => Some("rejected"),
            ProblemType::TooLarge => Some("oversized"),
            ProblemType::Busy => Some("busy"),
            ProblemType::NotFound
            | ProblemType::MethodNotAllowed
            | ProblemType::RequestTimedOut
            | ProblemType::Conflict
            | ProblemType::Gone
            | ProblemType::PreconditionFailed
            | ProblemType::PreconditionRequired
            | ProblemType::BadGateway
            | ProblemType::Unavailable
            | ProblemType::DeadlinePassed => None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.facts().1
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The header that goes with this problem.
    pub fn into_header(self) -> Option<(&'static str, String)> {
        self.header
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Reply {
        let (slug, status, title) = problem.kind.facts();
        let mut document = Map::from_iter([
            ("type".to_owned(), Value::from(format!("urn:vigil:problem:{slug}"))),
            ("title".to_owned(), title.into()),
            ("status".to_owned(), status.into()),
            ("detail".to_owned(), problem.detail.into()),
        ]);
        if !problem.findings.is_empty() {
            let errors = problem.findings.iter().map(
                |finding| json!({"pointer": finding.pointer, "code": finding.code.as_str(), "detail": finding.detail}),
            );
            document.insert("errors".to_owned(), errors.collect());
        }
        if let Some(trace) = Trace::current() {
            document.insert("traceparent".to_owned(), trace.as_str().into());
        }
        if !problem.parts.is_empty() {
            document.insert("parts".to_owned(), problem.parts.into());
        }
        let mut reply = Reply::new(status, "application/problem+json", Value::Object(document).to_string());
        if let Some((name, value)) = problem.header {
            reply = reply.header(name, value);
        }
        reply
    }
}
