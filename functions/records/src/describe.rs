//! The description of this component's routes.

#![expect(dead_code, reason = "the types of queries and requests only describe them")]

use schemars::JsonSchema;
use state::edge::describe::*;
use state::erasure::subject::Certificate;

use crate::erase::Erased;
use crate::erase_subject::Erasing;
use crate::hour::Hour;
use crate::identity::Identity;
use crate::list::StudyPage;
use crate::patient::PatientRecord;
use crate::report::MonthlyReport;
use crate::subject::{Series, SubmissionPage};
use crate::submission::Submission;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The query of a patient's record.
#[derive(JsonSchema)]
struct RecordQuery {
    /// The study, if the key covers several.
    #[schemars(with = "Option<Name>")]
    study: Option<String>,
    /// The site, if the key covers several.
    #[schemars(with = "Option<Name>")]
    site: Option<String>,
    /// Within which system the id names the patient, where that is not the site's own.
    #[schemars(length(max = 255))]
    system: Option<String>,
    /// Whether what came is given when a required part failed.
    partial: Option<bool>,
}

/// The query of a report.
#[derive(JsonSchema)]
struct ReportQuery {
    /// The month.
    #[schemars(regex(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$"), example = "2026-03")]
    month: String,
    /// In which form.
    #[schemars(extend("enum" = ["json", "csv", "html"]))]
    format: Option<String>,
    /// Whether what came is given when a required part failed.
    partial: Option<bool>,
}

/// The query of a study's submissions.
#[derive(JsonSchema)]
struct ListQuery {
    /// `response`, or a kind of report.
    kind: Option<String>,
    /// Only responses to this instrument.
    instrument: Option<String>,
    /// Only those of this site.
    #[schemars(with = "Option<Name>")]
    site: Option<String>,
    /// Only those of this subject.
    subject: Option<String>,
    /// Only those in this state.
    #[schemars(extend("enum" = ["scored", "failed", "superseded", "erased"]))]
    state: Option<String>,
    /// Only those that came in at this time or later.
    #[schemars(with = "Option<Time>")]
    since: Option<String>,
    /// Only those that came in before this time.
    #[schemars(with = "Option<Time>")]
    until: Option<String>,
    /// Some of `content`, `scores` and `alerts`, with commas between them.
    #[schemars(regex(pattern = "^(content|scores|alerts)(,(content|scores|alerts))*$"))]
    include: Option<String>,
    /// The most rows: 50 of a page if it is left out, and all of a stream.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
    /// The cursor of an earlier answer or row.
    cursor: Option<String>,
    /// The layout of CSV: `wide` needs an instrument.
    #[schemars(extend("enum" = ["wide", "long"]))]
    layout: Option<String>,
    /// Whether CSV begins with a byte order mark.
    bom: Option<bool>,
}

/// The query of a series.
#[derive(JsonSchema)]
struct SeriesQuery {
    /// The instrument and its score.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]+\\.[A-Za-z0-9._-]+$"), example = "phq-9.total")]
    score: String,
    #[serde(flatten)]
    page: Page,
}

/// The query of an export.
#[derive(JsonSchema)]
struct ExportQuery {
    /// In which form.
    #[schemars(extend("enum" = ["fhir", "html"]))]
    format: Option<String>,
    /// The language of the page.
    #[schemars(extend("enum" = ["en", "zh"]))]
    lang: Option<String>,
}

/// The query of scores.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct ObservationQuery {
    /// The subject whose scores are asked for: `Patient/{pseudonym}`, or the pseudonym. This or `derived-from`.
    #[schemars(example = "Patient/0123456789abcdef0123456789abcdef")]
    subject: Option<String>,
    /// The response whose scores are asked for.
    derived_from: Option<String>,
    /// Only scores of these codes: `<code>` or `<system>|<code>`, with commas between them.
    code: Option<String>,
    /// Only scores of this time of answering: a date or a time with an offset, after `eq`, `ge`, `gt`, `le` or `lt`. It may be
    /// repeated.
    date: Option<String>,
    #[serde(flatten)]
    page: FhirPage,
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/v1/patients/{patientId}/record",
            "showRecord",
            Tag::Results,
            "What several services know of a patient",
        )
        .about(
            "All parts at once, under one deadline. Which parts there are, and which are required, is \
                configuration. When a required part fails the others are given up. For the clinicians of the \
                patient's site, of patients who sent something there. It counts as a look at an identity, and is in \
                the subject's audit chain.",
        )
        .header(&LOOK_REASON)
        .header(&TRACEPARENT)
        .query::<RecordQuery>()
        .gives::<PatientRecord<'_>>(200, "The record.")
        .with(NO_STORE)
        .refuses(&[Refusal::BadGateway, Refusal::TooManyRequests]),
        Operation::new(
            "GET",
            "/v1/studies/{study}/submissions",
            "listStudySubmissions",
            Tag::Results,
            "The submissions of a study, in the order in which they were stored",
        )
        .about(
            "As a page, as a stream of JSON lines, or as CSV, by `Accept`. Whoever follows the cursor sees every \
                submission. Every row carries its cursor, so a list that broke off goes on after its last row. The last \
                line of a stream counts and hashes the rows: `{\"end\":{\"rows\",\"sha256\",\"cursor\"}}`. A key of \
                one site gets that site's. CSV has the content and scores always.",
        )
        .query::<ListQuery>()
        .gives::<StudyPage>(200, "A page, a stream or a table.")
        .or::<Text>("application/x-ndjson")
        .or::<Text>("text/csv; charset=utf-8")
        .with(NO_STORE),
        Operation::new("GET", "/v1/studies/{study}/report", "showReport", Tag::Results, "A month of a study")
            .about(
                "From several services and Vigil's own counts, as JSON, as CSV or as a page with charts, by \
                `format` or `Accept`. What was gathered is kept for a minute. For keys that cover all sites of the \
                study.",
            )
            .header(&IF_NONE_MATCH)
            .header(&TRACEPARENT)
            .query::<ReportQuery>()
            .gives::<MonthlyReport<'_>>(200, "The report.")
            .or::<Text>("text/csv; charset=utf-8")
            .or::<Text>("text/html; charset=utf-8")
            .with(ETAG)
            .gives_media(304, "It is what the sender knows.", &[])
            .with(ETAG)
            .refuses(&[Refusal::BadGateway]),
        Operation::new(
            "GET",
            "/v1/subjects/{pseudonym}/submissions",
            "listSubmissions",
            Tag::Results,
            "What a subject sent",
        )
        .about(
            "The latest first, by when it was written; with those of linked subjects whose sites the key \
                covers. Whatever comes in between two pages, what was there for the first is shown once.",
        )
        .query::<Page>()
        .gives::<SubmissionPage<'_>>(200, "A page."),
        Operation::new(
            "GET",
            "/v1/subjects/{pseudonym}/scores",
            "showSeries",
            Tag::Results,
            "How a score of a subject went",
        )
        .about(
            "The oldest first, with those of linked subjects whose sites the key covers; superseded submissions \
                are left out. With `Accept: image/svg+xml` a small picture of the latest ones.",
        )
        .query::<SeriesQuery>()
        .gives::<Series<'_>>(200, "A page of the series, or its picture.")
        .or::<Text>("image/svg+xml"),
        Operation::new("GET", "/v1/subjects/{pseudonym}/identity", "openIdentity", Tag::Results, "Who a subject is")
            .about(
                "For the clinicians of the subject's site alone; every look is audited, with the reason that a person \
                 gives, and they are limited.",
            )
            .header(&LOOK_REASON)
            .gives::<Identity<'_>>(200, "The identity.")
            .with(NO_STORE)
            .refuses(&[Refusal::Invalid, Refusal::Gone, Refusal::TooManyRequests]),
        Operation::new(
            "GET",
            "/v1/subjects/{pseudonym}/export",
            "exportSubject",
            Tag::Results,
            "Everything that is held about a subject",
        )
        .about(
            "For a person's right of access: a FHIR R4 Bundle, or a page to print, by `format` or `Accept`. It has the                 subject and its linked subjects whose sites the key covers, with all submissions, scores, alerts,                 histories and analyses, also what was superseded or failed; what was erased is named. For clinicians it                 has the identities: then it counts as a look at an identity, a person gives a reason, and it is in the audit                 chain of each subject.                 It is made while it is sent, and an answer that breaks off is not whole.",
        )
        .header(&LOOK_REASON)
        .query::<ExportQuery>()
        .gives_media(200, "The export.", &[("application/fhir+json", of::<FhirResource>)])
        .or::<Text>("text/html; charset=utf-8")
        .with(NO_STORE)
        .refuses(&[Refusal::TooManyRequests]),
        Operation::new("DELETE", "/v1/subjects/{pseudonym}", "eraseSubject", Tag::Operations, "Erase a subject")
            .about(
                "Removes its submissions, analyses, links and identity, everywhere, for good, also what waits. 202 says \
                that something is left: ask again until it is 200. The certificate is kept, and is the answer to later \
                requests. Audit chains stay. What the patient sends afterwards makes the subject anew.",
            )
            .takes::<WithReason>("At most 4 KiB.")
            .gives::<Certificate>(200, "It is erased: the certificate.")
            .gives::<Erasing<'_>>(202, "Something is left.")
            .refuses(&[Refusal::Held]),
        Operation::new("GET", "/v1/submissions/{id}", "showSubmission", Tag::Results, "How far a submission is")
            .about("Scores and alerts are shown to read, clinician and admin.")
            .gives::<Submission<'_>>(200, "The submission.")
            .refuses(&[Refusal::Gone]),
        Operation::new("DELETE", "/v1/submissions/{id}", "eraseSubmission", Tag::Operations, "Erase a submission")
            .about(
                "Removes what it said, everywhere, for good. A resend is answered with 410. That it was there, and \
                its audit chain, stay. Asking again is safe.",
            )
            .takes::<WithReason>("At most 4 KiB.")
            .gives::<Erased<'_>>(200, "It is erased.")
            .refuses(&[Refusal::Held]),
        Operation::new("GET", "/v1/stats/hour", "showHour", Tag::Operations, "The last 60 minutes, minute by minute")
            .about(
                "What came in, was scored and delivered in each minute, and what waited at its end. The clock takes a \
                sample once a minute and before it rests; a minute in which it did not tick is missing, and the running \
                minute, if it is there, may still grow. For keys that cover all studies and sites.",
            )
            .gives::<Hour>(200, "The minutes, the oldest first.")
            .with(NO_STORE)
            .refuses(&[Refusal::Invalid]),
        Operation::new(
            "GET",
            "/fhir/Questionnaire/{instrument}",
            "showFhirQuestionnaire",
            Tag::Results,
            "An instrument as a FHIR R4 Questionnaire with weights",
        )
        .timeout(None)
        .gives_media(200, "The instrument.", &[("application/fhir+json", of::<FhirResource>)]),
        Operation::new("GET", "/fhir/metadata", "showFhirMetadata", Tag::Results, "What FHIR clients can do here")
            .timeout(None)
            .gives_media(200, "A CapabilityStatement.", &[("application/fhir+json", of::<FhirResource>)]),
        Operation::new(
            "GET",
            "/fhir/QuestionnaireResponse/{id}",
            "showFhirResponse",
            Tag::Results,
            "A stored response as a FHIR R4 QuestionnaireResponse",
        )
        .about("The subject is a pseudonym of the system `urn:vigil:subject`.")
        .gives_media(200, "The response.", &[("application/fhir+json", of::<FhirResource>)])
        .refuses(&[Refusal::Gone]),
        Operation::new(
            "GET",
            "/fhir/Observation",
            "listFhirObservations",
            Tag::Results,
            "The scores of a subject or a response as FHIR R4 Observations",
        )
        .about(
            "Of a subject in the order in which the person wrote, with those of linked subjects whose sites the key \
                covers, and without superseded submissions. What is not there, not scored, erased or not for this \
                key gives an empty Bundle.",
        )
        .query::<ObservationQuery>()
        .gives_media(200, "A Bundle of Observations.", &[("application/fhir+json", of::<FhirResource>)])
        .with(NO_STORE),
    ]
}
