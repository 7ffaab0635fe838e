//! How this component's routes are described.

use schemars::json_schema;
use state::edge::describe::*;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: &[include_str!("../openapi/examples.json")],
        written: &[include_str!("../openapi/schemas.json")],
    }
}

state::written! { Accepted BatchOutcome FewRows Report Response Rows Validation }

/// Where to follow the submission.
const LOCATION: Header = Header {
    name: "Location",
    about: "Where to follow the submission.",
    required: true,
    shape: |_| json_schema!({"type": "string", "pattern": "^/v1/submissions/[0-9a-f-]{36}$"}),
};

/// With a header-only answer.
const PREFERENCE_APPLIED: Header = Header {
    name: "Preference-Applied",
    about: "With a header-only answer.",
    required: false,
    shape: |_| json_schema!({"const": "return=minimal"}),
};

/// Seconds after which to send again what was not processed.
const RETRY_AFTER: Header = Header {
    name: "Retry-After",
    about: "Seconds after which to send again what was not processed.",
    required: false,
    shape: |_| json_schema!({"type": "integer", "minimum": 1}),
};

fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/v1/surveys/{instrument}/responses",
            "submitResponse",
            Tag::Intake,
            "Send the answers to an instrument",
        )
        .about(
            "Sending the same response again is safe: with a responseId or an Idempotency-Key it is recognised \
                and answered with the same id.",
        )
        .timeout(Some(Timeout::Request))
        .header(&IDEMPOTENCY_KEY)
        .header(&PREFER)
        .header(&TRACEPARENT)
        .takes::<Response>("At most 256 KiB.")
        .gives::<Accepted>(202, "It is on disk and will be scored. No body with `Prefer: return=minimal`.")
        .with(LOCATION)
        .with(PREFERENCE_APPLIED)
        .refuses(&[Refusal::RequestTimedOut, Refusal::Conflict, Refusal::Gone, Refusal::TooManyRequests]),
        Operation::new("POST", "/v1/reports", "submitReport", Tag::Intake, "Send a report")
            .about(
                "Sending the same report again is safe: with a reportId or an Idempotency-Key it is recognised and \
                answered with the same id.",
            )
            .timeout(Some(Timeout::Request))
            .header(&IDEMPOTENCY_KEY)
            .header(&PREFER)
            .header(&TRACEPARENT)
            .takes::<Report>("At most 256 KiB.")
            .gives::<Accepted>(202, "It is on disk and will be scored. No body with `Prefer: return=minimal`.")
            .with(LOCATION)
            .with(PREFERENCE_APPLIED)
            .refuses(&[Refusal::RequestTimedOut, Refusal::Conflict, Refusal::Gone, Refusal::TooManyRequests]),
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
            &[("application/json", of::<Rows>), ("application/x-ndjson", of::<Text>)],
        )
        .gives::<BatchOutcome>(202, "What became of every row.")
        .with(PREFERENCE_APPLIED)
        .with(RETRY_AFTER)
        .refuses(&[Refusal::TooManyRequests]),
        Operation::new("POST", "/v1/validate", "validate", Tag::Intake, "Check rows without storing them")
            .about("Every finding of every row, as a batch would be checked.")
            .timeout(Some(Timeout::Batch))
            .takes_media(
                "At most 8 MiB and 1,000 rows of at most 256 KiB.",
                &[("application/json", of::<FewRows>), ("application/x-ndjson", of::<Text>)],
            )
            .gives::<Validation>(200, "The findings."),
        Operation::new(
            "POST",
            "/fhir/QuestionnaireResponse",
            "submitFhirResponse",
            Tag::Intake,
            "Send a FHIR R4 QuestionnaireResponse",
        )
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
        .timeout(Some(Timeout::Request))
        .header(&IDEMPOTENCY_KEY)
        .header(&PREFER)
        .header(&TRACEPARENT)
        .takes_media("At most 256 KiB.", &[("application/fhir+json", of::<FhirResource>)])
        .gives::<Accepted>(202, "It is on disk and will be scored. No body with `Prefer: return=minimal`.")
        .with(LOCATION)
        .with(PREFERENCE_APPLIED)
        .refuses(&[Refusal::RequestTimedOut, Refusal::Conflict, Refusal::Gone, Refusal::TooManyRequests]),
    ]
}
