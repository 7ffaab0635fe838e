//! The refusals of the API, each with a sentence and the detail of an example.

use crate::edge::problem::ProblemType;

/// A refusal, as the description names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The body is not JSON.
    Malformed,
    /// No key.
    Unauthenticated,
    /// The key does not cover it.
    Forbidden,
    /// The key does not cover it, or the person must sign it.
    Unsigned,
    /// The key does not cover it, or the study does not take it in.
    NotTaken,
    /// No such thing.
    NotFound,
    /// The body came too slowly.
    RequestTimedOut,
    /// Another content under the id.
    Conflict,
    /// Not in a state for this.
    AlertConflict,
    /// The study is under a legal hold.
    Held,
    /// It was erased.
    Gone,
    /// Another version is in force.
    PreconditionFailed,
    /// No version was named.
    PreconditionRequired,
    /// The body is too long.
    TooLarge,
    /// A wrong media type.
    UnsupportedMediaType,
    /// Rules are broken.
    Invalid,
    /// A rate limit.
    TooManyRequests,
    /// Required parts failed.
    BadGateway,
    /// The service failed.
    ServiceFailed,
    /// The queue is full, or a service is away.
    Unavailable,
    /// The deadline passed.
    DeadlinePassed,
}

/// Kind, sentence and the detail of the example of a refusal.
type Facts = (ProblemType, &'static str, &'static str);

impl Refusal {
    fn facts(self) -> Facts {
        match self {
            Refusal::Malformed => (ProblemType::Malformed, "The body is not JSON.", "not JSON at line 1, column 1"),
            Refusal::Unauthenticated => {
                (ProblemType::Unauthenticated, "No key, or an unknown one.", "the key is not known")
            }
            Refusal::Forbidden => (
                ProblemType::Forbidden,
                "The key's role, study or site does not cover this.",
                "the role of this key does not cover this",
            ),
            Refusal::Unsigned => (
                ProblemType::SignatureRequired,
                "The role, study or site does not cover this (`forbidden`), or the person who signs it must authenticate \
                 again (`signature-required`).",
                "sign in again: you must have authenticated within the last 300 seconds",
            ),
            Refusal::NotTaken => (
                ProblemType::NotTaken,
                "The key's role, study or site does not cover this (`forbidden`), or the study or the site does not take it \
                 in (`not-taken`): there is no such study or site, it is not live yet, or it was closed before this was \
                 written.",
                "the study is not live yet",
            ),
            Refusal::NotFound => {
                (ProblemType::NotFound, "There is no such thing, or not for this key.", "no such resource")
            }
            Refusal::RequestTimedOut => {
                (ProblemType::RequestTimedOut, "The body did not arrive in time.", "the body did not arrive in time")
            }
            Refusal::Conflict => (
                ProblemType::Conflict,
                "Other content was received under this id, what is amended is not the current version, or the study is being \
                 erased.",
                "another content was received under this id at 2026-03-01T00:00:01.000Z",
            ),
            Refusal::AlertConflict => (
                ProblemType::Conflict,
                "The alert is not in a state for this, or the link was used, has expired, or is of an earlier opening.",
                "link-used: it acknowledges once",
            ),
            Refusal::Held => (
                ProblemType::Conflict,
                "The study is under a legal hold (document `retention`): nothing of it may be erased.",
                "the study is under a legal hold (document retention): nothing of it may be erased",
            ),
            Refusal::Gone => (ProblemType::Gone, "It was erased, or what it amends was.", "it was erased"),
            Refusal::PreconditionFailed => (
                ProblemType::PreconditionFailed,
                "Another version is in force than the one that was to be replaced.",
                "another version is in force, read it first",
            ),
            Refusal::PreconditionRequired => (
                ProblemType::PreconditionRequired,
                "It must be said which version is replaced.",
                "send If-Match with the ETag of the version that is replaced",
            ),
            Refusal::TooLarge => (ProblemType::TooLarge, "The body is too long.", "the limit is 262144 bytes"),
            Refusal::UnsupportedMediaType => {
                (ProblemType::UnsupportedMediaType, "The body is of another type.", "send application/json")
            }
            Refusal::Invalid => {
                (ProblemType::Invalid, "The document breaks rules; all of them are listed, up to 1,000.", "1 finding")
            }
            Refusal::TooManyRequests => (
                ProblemType::TooManyRequests,
                "The key, or its site, sends or asks faster than agreed, or too many wrong keys came before; nothing was done.",
                "this was sent too fast, nothing was stored",
            ),
            Refusal::BadGateway => (
                ProblemType::BadGateway,
                "A required service behind failed; the others were given up.",
                "required parts failed: orders (refused)",
            ),
            Refusal::ServiceFailed => (
                ProblemType::BadGateway,
                "A service behind gave no answer that could be used.",
                "the service answered 500",
            ),
            Refusal::Unavailable => (
                ProblemType::Unavailable,
                "The queue is full or a service is unavailable; nothing was promised.",
                "the queue cannot be reached, send it again",
            ),
            Refusal::DeadlinePassed => (
                ProblemType::DeadlinePassed,
                "The services behind did not answer in time.",
                "the services behind did not answer in time",
            ),
        }
    }

    /// Its name in the description.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Its status.
    pub fn status(self) -> u16 {
        self.facts().0.status()
    }

    /// The case in which it is given.
    pub fn about(self) -> &'static str {
        self.facts().1
    }

    /// The problem that an example shows: its kind and detail.
    pub fn example(self) -> (ProblemType, &'static str) {
        let (kind, _, detail) = self.facts();
        (kind, detail)
    }

    /// Its name in the description below `/fhir/`, where refusals are `OperationOutcome`s.
    pub fn fhir(self) -> &'static str {
        match self {
            Refusal::Unauthenticated => "FhirUnauthenticated",
            Refusal::TooManyRequests | Refusal::Unavailable => "FhirLater",
            _ => "FhirRefused",
        }
    }
}
