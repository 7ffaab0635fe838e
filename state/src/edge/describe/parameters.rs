//! The parameters that several operations have: segments of paths, headers, and the query of a page.

use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;

use super::{Name, Pseudonym, Shape, Text, Uuid, matching, of};

/// A parameter with a name of its own in the description.
pub struct Parameter {
    /// Its name in the description.
    pub id: &'static str,
    /// Its name in the request.
    pub name: &'static str,
    /// Its description.
    pub about: &'static str,
    /// Its form.
    pub shape: Shape,
    /// An example; every segment of a path has one.
    pub example: Option<&'static str>,
}

/// The segments of paths. Of several with one name, an operation means the first unless it says otherwise.
const PATH: &[Parameter] = &[
    segment("AlertId", "alert", "The alert.", of::<Name>, "6f2c1a52-5a52-5b7e-9f0a-1d2c3b4a5f61"),
    segment(
        "LinkToken",
        "token",
        "The last part of the link in a message.",
        |_| json_schema!({"type": "string", "maxLength": 512}),
        "1~6f2c1a52-5a52-5b7e-9f0a-1d2c3b4a5f61~0~desk~1772438400000~0000000000000000000000000000000000000000000000000000000000000000",
    ),
    segment("SilenceId", "silence", "The silence.", of::<Name>, "0123456789abcdef0123456789abcdef"),
    segment("ReceiverId", "receiver", "The receiver, by the id that its document gives it.", of::<Name>, "desk"),
    segment(
        "SubscriptionId",
        "subscription",
        "The subscription, by the id that the document gives it.",
        of::<Name>,
        "scores-to-edc",
    ),
    segment("Instrument", "instrument", "The instrument.", of::<Name>, "phq-9"),
    segment("OwnInstrument", "instrument", "The instrument.", of::<Name>, "sleep-check"),
    segment(
        "Analysis",
        "analysis",
        "The analysis, as `Location` named it.",
        |_| json_schema!({"type": "string", "format": "uuid"}),
        "619837ff-cdd2-88aa-b283-316d86ad1f00",
    ),
    segment(
        "SubmissionId",
        "id",
        "The submission, as `Location` named it.",
        of::<Uuid>,
        "6f2c1a52-5a52-5b7e-9f0a-1d2c3b4a5f60",
    ),
    segment(
        "EntityId",
        "id",
        "Its name: the id of a submission or an analysis, the pseudonym of a subject.",
        of::<Name>,
        "6f2c1a52-5a52-5b7e-9f0a-1d2c3b4a5f60",
    ),
    segment("EntityKind", "kind", "What kind of entity.", of::<Name>, "submission"),
    segment(
        "Document",
        "document",
        "The document.",
        |_| json_schema!({"enum": ["alert-routes", "alert-rules", "deidentification", "patient-systems", "subscriptions", "access"]}),
        "deidentification",
    ),
    segment(
        "Pseudonym",
        "pseudonym",
        "The subject, as submissions name it.",
        of::<Pseudonym>,
        "0123456789abcdef0123456789abcdef",
    ),
    segment(
        "LinkedSubject",
        "to",
        "The other subject, as the link names it.",
        of::<Pseudonym>,
        "fedcba9876543210fedcba9876543210",
    ),
    segment("Key", "key", "The id of a key.", of::<Name>, "k-5a1d0c2b9e8f7a60"),
    segment(
        "SessionId",
        "session",
        "The id of a session, or `current` for the own one.",
        of::<Name>,
        "s-5a1d0c2b9e8f7a60",
    ),
    segment("Study", "study", "The study.", of::<Name>, "A"),
    segment(
        "StudyVersion",
        "version",
        "The number of a version, or `current` for the one in force.",
        |_| matching("^([1-9][0-9]*|current)$"),
        "current",
    ),
    segment(
        "PatientId",
        "patientId",
        "The patient as the site knows them, percent-encoded.",
        of::<super::Identifier>,
        "P-001",
    ),
];

const fn segment(
    id: &'static str,
    name: &'static str,
    about: &'static str,
    shape: Shape,
    example: &'static str,
) -> Parameter {
    Parameter { id, name, about, shape, example: Some(example) }
}

/// The parameter of this name in a path; `chosen` is its name in the description, where several are possible.
pub fn path_parameter(name: &str, chosen: Option<&str>) -> Option<&'static Parameter> {
    let named = || PATH.iter().filter(|parameter| parameter.name == name);
    named().find(|parameter| Some(parameter.id) == chosen).or_else(|| named().next())
}

/// The longest time of an operation. A sender may ask for less by `X-Request-Timeout-Ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// 2 seconds: a submission.
    Request,
    /// 3 seconds: what the edge of most components allows; it is over with a 504.
    Read,
    /// 10 seconds: a batch.
    Batch,
    /// As long as a service takes.
    Long,
}

impl Timeout {
    /// Its header.
    pub fn header(self) -> &'static Parameter {
        match self {
            Timeout::Request => &REQUEST_TIMEOUT,
            Timeout::Read => &READ_TIMEOUT,
            Timeout::Batch => &BATCH_TIMEOUT,
            Timeout::Long => &LONG_TIMEOUT,
        }
    }
}

const fn header(id: &'static str, name: &'static str, about: &'static str, shape: Shape) -> Parameter {
    Parameter { id, name, about, shape, example: None }
}

const TIMEOUT: &str = "X-Request-Timeout-Ms";

static REQUEST_TIMEOUT: Parameter =
    header("RequestTimeout", TIMEOUT, "How long the sender waits, if that is less than 2 seconds.", |_| upto(2000));
static READ_TIMEOUT: Parameter =
    header("ReadTimeout", TIMEOUT, "How long the sender waits, if that is less than 3 seconds.", |_| upto(3000));
static BATCH_TIMEOUT: Parameter =
    header("BatchTimeout", TIMEOUT, "How long the sender waits, if that is less than 10 seconds.", |_| upto(10_000));
static LONG_TIMEOUT: Parameter = header(
    "LongTimeout",
    TIMEOUT,
    "How long the sender waits, if that is less than the service takes.",
    |_| json_schema!({"type": "integer", "minimum": 100}),
);

fn upto(ms: u32) -> Schema {
    json_schema!({"type": "integer", "minimum": 100, "maximum": ms})
}

/// Printable ASCII without spaces at its ends, of so many characters at most.
fn visible(most: u32) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": most, "pattern": "^[!-~]([ -~]*[!-~])?$"})
}

/// The sender's id of a document.
pub static IDEMPOTENCY_KEY: Parameter =
    header("IdempotencyKey", "Idempotency-Key", "Names the document, if it has no id of its own.", |_| visible(128));
/// Whether the sender wants a body.
pub static PREFER: Parameter = header(
    "Prefer",
    "Prefer",
    "`return=minimal` asks for an answer without a body.",
    |_| json_schema!({"type": "string", "enum": ["return=minimal", "return=representation"]}),
);
/// The trace of a request.
pub static TRACEPARENT: Parameter =
    header("Traceparent", "Traceparent", "W3C trace context; it goes along to the receivers of alerts.", |_| {
        matching("^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
    });
/// Why something is changed.
pub static CHANGE_REASON: Parameter =
    header("ChangeReason", "X-Change-Reason", "Why; it is kept in the audit chain.", |_| visible(500));
/// The reason of a look at an identity.
pub static LOOK_REASON: Parameter = header(
    "LookReason",
    "X-Look-Reason",
    "Why an identity is looked at; it is kept in the audit chain and in the record of the look. Persons need it, keys do not.",
    |_| visible(500),
);
/// The meaning of a signature.
pub static SIGNATURE_MEANING: Parameter = header(
    "SignatureMeaning",
    "X-Signature-Meaning",
    "What a person declares by their signature. Persons need it, keys do not.",
    |_| visible(200),
);
/// The version that is replaced.
pub static IF_MATCH: Parameter =
    header("IfMatch", "If-Match", "The ETag of the version that is replaced. Needed unless there is none.", |_| {
        matching("^(\"[0-9]+\"|\\*)$")
    });
/// The version that the sender has.
pub static IF_NONE_MATCH: Parameter =
    header("IfNoneMatch", "If-None-Match", "The tag of an answer that is known.", of::<Text>);

/// The query of a list.
#[derive(Serialize, JsonSchema)]
pub struct Page {
    /// The cursor of the page before.
    cursor: Option<String>,
    /// The most that a page holds.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default = "fifty")]
    limit: u8,
}

/// The query of a page of a FHIR search.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub struct FhirPage {
    /// The most that a page holds.
    #[serde(rename = "_count")]
    #[schemars(range(min = 1, max = 200))]
    count: Option<u8>,
    /// The cursor of the link `next`.
    cursor: Option<String>,
    /// JSON; it is the only one.
    #[serde(rename = "_format")]
    #[schemars(extend("enum" = ["json", "application/json", "application/fhir+json"]))]
    format: Option<String>,
}

fn fifty() -> u8 {
    50
}
