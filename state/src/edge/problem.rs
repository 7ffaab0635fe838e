//! Errors for clients: RFC 9457 problem documents, with every finding.

use domain::Finding;
use domain::reading::{Json, Limits, Unreadable};
use platform::http::{BodyError, Reply};
use platform::trace::Trace;
use serde::Serialize;

use crate::edge::parts::Parts;

/// The kinds of problem, each with its status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    /// The body is not JSON.
    Malformed,
    /// No key, or an unknown one.
    Unauthenticated,
    /// The key does not cover this.
    Forbidden,
    /// The person must authenticate again to sign this.
    SignatureRequired,
    /// The study or the site does not take this in.
    NotTaken,
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
    /// The key, its site, or a sender of wrong keys exceeded a rate limit.
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
            ProblemType::SignatureRequired => ("signature-required", 403, "It must be signed"),
            ProblemType::NotTaken => ("not-taken", 403, "The study does not take it in"),
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

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.facts().1
    }

    /// A few words for people.
    pub fn title(self) -> &'static str {
        self.facts().2
    }

    /// The kind as problem documents name it.
    pub fn uri(self) -> String {
        format!("urn:vigil:problem:{}", self.as_str())
    }
}

/// A problem: everything that the client is told.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemType,
    detail: String,
    findings: Vec<Finding>,
    parts: Parts,
    header: Option<(&'static str, String)>,
}

/// After how many seconds a client may try again if the queue is full or a service is unavailable.
const RETRY_AFTER: u32 = 2;
/// The most findings of one problem, so that a reply stays small for any document.
const MOST_FINDINGS: usize = 1000;

/// The fault of a text in another encoding.
const FOREIGN: &str = "send it in UTF-8";

/// Why nothing is taken in for a study.
pub const STUDY_ERASING: &str = "the study is being erased, send nothing for it until that has ended";
/// Why nothing of a study is erased.
const STUDY_HELD: &str = "the study is under a legal hold (document retention): nothing of it may be erased";

impl Problem {
    /// A problem with a sentence for the client. The sentence never repeats the client's data.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let header = match kind {
            ProblemType::Unauthenticated => Some(("www-authenticate", "Bearer".to_owned())),
            ProblemType::Busy | ProblemType::Unavailable => Some(("retry-after", RETRY_AFTER.to_string())),
            _ => None,
        };
        Problem { kind, detail: detail.into(), findings: Vec::new(), parts: Parts::default(), header }
    }

    /// A body of at most `limit` bytes that could not be read.
    pub fn unread(error: BodyError, limit: impl std::fmt::Display) -> Self {
        match error {
            BodyError::TooLong => Problem::new(ProblemType::TooLarge, format!("the limit is {limit} bytes")),
            BodyError::Encoded => Problem::new(ProblemType::UnsupportedMediaType, "send it without content-encoding"),
            BodyError::Charset => Problem::new(ProblemType::UnsupportedMediaType, FOREIGN),
            BodyError::Broken => Problem::new(ProblemType::Malformed, "the body broke off"),
        }
    }

    /// Reads a body as JSON. Duplicate names are kept as faults: the check of the document reports them with all other
    /// faults.
    ///
    /// # Errors
    /// 400 with the position where the JSON is wrong, 415 when it is not in UTF-8, 422 when it is larger than the limits allow.
    pub fn json(body: &[u8], limits: Limits) -> Result<Json, Self> {
        Json::read(body, limits).map_err(|unreadable| match unreadable {
            Unreadable::NotJson { line, column } => {
                Problem::new(ProblemType::Malformed, format!("not JSON at line {line}, column {column}"))
            }
            Unreadable::Foreign => Problem::new(ProblemType::UnsupportedMediaType, FOREIGN),
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

    /// Nothing is taken in for a study while it is being erased.
    pub fn study_erasing() -> Self {
        Problem::new(ProblemType::Conflict, STUDY_ERASING)
    }

    /// Nothing of a study is erased while it is under a legal hold.
    pub fn study_held() -> Self {
        Problem::new(ProblemType::Conflict, STUDY_HELD)
    }

    /// Adds the outcome of each part of the request.
    #[must_use]
    pub fn parts(self, parts: Parts) -> Self {
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

    /// Too many wrong secrets came from this sender, or with these first characters; after this time one is looked up again.
    pub fn too_many_wrong(wait: std::time::Duration) -> Self {
        let problem = Problem::too_many_requests(wait);
        Problem { detail: "too many wrong keys came before, this one was not looked up".to_owned(), ..problem }
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
            ProblemType::Forbidden | ProblemType::NotTaken => Some("forbidden"),
            ProblemType::TooManyRequests => Some("limited"),
            ProblemType::Malformed | ProblemType::UnsupportedMediaType | ProblemType::Invalid => Some("rejected"),
            ProblemType::TooLarge => Some("oversized"),
            ProblemType::Busy => Some("busy"),
            ProblemType::SignatureRequired
            | ProblemType::NotFound
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
        self.kind.status()
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

/// A problem as clients see it (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub struct ProblemShape<'a> {
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^urn:vigil:problem:[a-z-]+$")))]
    kind: String,
    title: &'a str,
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    errors: Vec<FindingShape<'a>>,
    /// The trace of the request (W3C trace context), as log lines name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a Parts>,
}

/// A finding as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Finding"))]
pub struct FindingShape<'a> {
    /// JSON pointer from the root of the document.
    pointer: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Code"))]
    code: &'static str,
    /// The rule, without the value.
    detail: &'a str,
}

impl<'a> FindingShape<'a> {
    /// Findings as clients see them.
    pub fn all(findings: &'a [Finding]) -> Vec<Self> {
        let one = |finding: &'a Finding| FindingShape {
            pointer: &finding.pointer,
            code: finding.code.as_str(),
            detail: &finding.detail,
        };
        findings.iter().map(one).collect()
    }
}

/// Findings in an answer.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, transparent))]
pub struct Findings(#[cfg_attr(feature = "schema", schemars(with = "Vec<FindingShape<'_>>"))] pub Vec<Finding>);

impl Serialize for Findings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(FindingShape::all(&self.0))
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Reply {
        let trace = Trace::current();
        let document = ProblemShape {
            kind: problem.kind.uri(),
            title: problem.kind.title(),
            status: problem.kind.status(),
            detail: &problem.detail,
            errors: FindingShape::all(&problem.findings),
            traceparent: trace.as_ref().map(Trace::as_str),
            parts: (!problem.parts.0.is_empty()).then_some(&problem.parts),
        };
        let body = platform::json::document(&document);
        let mut reply = Reply::new(document.status, "application/problem+json", body);
        if let Some((name, value)) = problem.header {
            reply = reply.header(name, value);
        }
        reply
    }
}
