//! The description of this component's routes.

#![expect(dead_code, reason = "the types of requests only describe them")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, json_schema};
use state::edge::describe::*;

use crate::Accepted;
use crate::batch::BatchOutcome;
use crate::validate::Validation;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The address of a submission.
const LOCATION: Header =
    Header::location("Where to follow the submission.", |_| matching("^/v1/submissions/[0-9a-f-]{36}$"));

/// The preference that an answer without a body obeys.
const PREFERENCE_APPLIED: Header = Header::sometimes(
    "Preference-Applied",
    "With a header-only answer.",
    |_| json_schema!({"const": "return=minimal"}),
);

/// The time to wait before a batch is sent again.
const RETRY_AFTER: Header = Header::sometimes(
    "Retry-After",
    "Seconds after which to send again what was not processed.",
    |_| json_schema!({"type": "integer", "minimum": 1}),
);

/// The answers to an instrument.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    /// The sender's own id; it makes a resend safe.
    #[schemars(with = "Nullable<Identifier>")]
    response_id: Option<String>,
    #[serde(flatten)]
    origin: Origin,
    /// Answers by item, as the instrument defines them: a weight or a code. One that is left out or null is missing.
    #[schemars(with = "BTreeMap<String, ScoreForm>")]
    answers: (),
    /// The version of the instrument that is answered. Without it the one in force.
    #[schemars(with = "Nullable<String>", example = "1.0.0")]
    instrument_version: Option<String>,
    /// The instrument's parameters, such as a value set, age or sex. A score that needs one without a default is not scored
    /// without it.
    #[schemars(with = "Nullable<Parameters>", extend("examples" = [{"valueSet": "Germany"}, {"age": 54, "sex": "F"}]))]
    parameters: Option<()>,
    #[schemars(with = "Nullable<Amends>")]
    amends: Option<Amends>,
}

/// Study, site, patient and time of a document.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Origin {
    /// The study.
    #[schemars(with = "Name")]
    study_id: String,
    /// The site.
    #[schemars(with = "Name")]
    site_id: String,
    /// The patient as the site knows them. It leaves the door only as a pseudonym and sealed.
    #[schemars(with = "Identifier")]
    patient_id: String,
    /// The time of writing, with an offset.
    #[schemars(with = "Time")]
    authored_at: String,
}

/// A report.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Report {
    /// The sender's own id; it makes a resend safe.
    #[schemars(with = "Nullable<Identifier>")]
    report_id: Option<String>,
    #[serde(flatten)]
    origin: Origin,
    #[schemars(extend("enum" = ["diary", "adverse-event", "lab", "generic"]))]
    kind: String,
    /// The report itself, by kind. The door removes whatever would identify the patient.
    #[schemars(with = "Object")]
    data: (),
    #[schemars(with = "Nullable<Amends>")]
    amends: Option<Amends>,
}

/// The earlier submission whose place this one takes; it must be of the same patient, of the same instrument or kind of
/// report, and current.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Amends {
    #[schemars(with = "Uuid")]
    submission_id: String,
    /// A word of the study's own list.
    #[schemars(with = "Nullable<Name>")]
    reason: Option<String>,
}

/// Rows of a batch.
fn rows(most: usize) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "object"},
        "description": "Each a Report, or a Response with the id of its `instrument`; a row has no `amends`.",
        "maxItems": most,
    })
}

/// A request that sends one document.
fn document(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new("POST", path, id, Tag::Intake, summary)
        .timeout(Some(Timeout::Request))
        .header(&IDEMPOTENCY_KEY)
        .header(&PREFER)
        .header(&TRACEPARENT)
        .gives::<Accepted<'_>>(202, "It is on disk and will be scored. No body with `Prefer: return=minimal`.")
        .with(LOCATION)
        .with(PREFERENCE_APPLIED)
        .refuses(&[
            Refusal::RequestTimedOut,
            Refusal::Conflict,
            Refusal::Gone,
            Refusal::TooManyRequests,
            Refusal::NotTaken,
        ])
}

/// The query of a search for responses.
#[derive(JsonSchema)]
struct ResponseSearch {
    /// Only responses to this instrument: its id, or a canonical, which may end in `|<version>`.
    #[schemars(example = "urn:vigil:questionnaire:phq-9")]
    questionnaire: Option<String>,
    /// Only those of this subject: `Patient/{pseudonym}`, or the pseudonym.
    #[schemars(example = "Patient/0123456789abcdef0123456789abcdef")]
    subject: Option<String>,
    /// Only those of this time of answering: a date or a time with an offset, after `eq`, `ge`, `gt`, `le` or `lt`. It may be
    /// repeated.
    authored: Option<String>,
    /// Only those of this time of arrival. It may be repeated.
    #[serde(rename = "_lastUpdated")]
    last_updated: Option<String>,
    #[serde(flatten)]
    page: FhirPage,
}

fn operations() -> Vec<Operation> {
    vec![
        document("submitResponse", "/v1/surveys/{instrument}/responses", "Send the answers to an instrument")
            .about(
                "Sending the same response again is safe: with a responseId or an Idempotency-Key it is recognised \
                and answered with the same id.",
            )
            .takes::<Response>("At most 256 KiB."),
        document("submitReport", "/v1/reports", "Send a report")
            .about(
                "Sending the same report again is safe: with a reportId or an Idempotency-Key it is recognised and \
                answered with the same id.",
            )
            .takes::<Report>("At most 256 KiB."),
        Operation::new(
            "POST",
            "/v1/reports/batch",
            "submitBatch",
            Tag::Intake,
            "Send many reports and responses at once",
        )
        .about(
            "Every row has an outcome of its own; sending the whole batch again is safe. A batch that ends \
                early is refused as a whole only if nothing of it was accepted. Rows meet the limits of their key \
                and their site; one that is there already takes nothing from them.",
        )
        .timeout(Some(Timeout::Batch))
        .header(&PREFER)
        .header(&TRACEPARENT)
        .takes_media(
            "At most 8 MiB and 5,000 rows of at most 256 KiB.",
            &[("application/json", |_| rows(5000)), ("application/x-ndjson", of::<Text>)],
        )
        .gives::<BatchOutcome<'_>>(202, "What became of every row.")
        .with(PREFERENCE_APPLIED)
        .with(RETRY_AFTER)
        .refuses(&[Refusal::TooManyRequests]),
        Operation::new("POST", "/v1/validate", "validate", Tag::Intake, "Check rows without storing them")
            .about("Every finding of every row, as a batch would be checked.")
            .timeout(Some(Timeout::Batch))
            .takes_media(
                "At most 8 MiB and 1,000 rows of at most 256 KiB.",
                &[("application/json", |_| rows(1000)), ("application/x-ndjson", of::<Text>)],
            )
            .gives::<Validation>(200, "The findings."),
        document("submitFhirResponse", "/fhir/QuestionnaireResponse", "Send a FHIR R4 QuestionnaireResponse")
            .about(
                "The same door as for a survey's response. Study and site come from the extensions \
                `urn:vigil:study` and `urn:vigil:site`, or from the key. The address of the patient's reference, \
                and the `system` of an identifier, belong to the id, unless the site names the system as its own \
                in the document `patient-systems`. With the status `amended`, the extension `urn:vigil:amends` \
                (`valueReference` to `QuestionnaireResponse/{id}`, or the id as `valueString`; the id is the one \
                Vigil gave) names what it takes the place of, and `urn:vigil:amends-reason` says why in a word; \
                where the resource keeps its id, a new `meta.versionId` tells the versions apart. Refusals are \
                OperationOutcomes.",
            )
            .takes_media("At most 256 KiB.", &[("application/fhir+json", of::<FhirResource>)]),
        Operation::new(
            "GET",
            "/fhir/QuestionnaireResponse",
            "searchFhirResponses",
            Tag::Results,
            "Stored responses as FHIR R4 QuestionnaireResponses",
        )
        .about(
            "Those of the key's study in the order in which they were stored, or those of a subject in the order in \
                which the person wrote, with those of linked subjects whose sites the key covers. The Bundle's link \
                `next` leads to the next page. The last page, asked for again later, also has what is new. A key for \
                several studies must name a subject. Erased ones are not found; an amended one stays beside the one \
                that took its place.",
        )
        .query::<ResponseSearch>()
        .gives_media(200, "A Bundle of QuestionnaireResponses.", &[("application/fhir+json", of::<FhirResource>)])
        .with(NO_STORE),
    ]
}
