//! The parts of an export, as FHIR R4 resources.
//!
//! Guarantee: every reference leads to a resource of the same export. An answer, a score or a text is as it is stored.
//!
//! A response is a `QuestionnaireResponse` and its scores are `Observation`s, as everywhere in Vigil. An alert is a
//! `Communication`, whose notes are its history. FHIR has no form for reports, analyses and erased submissions as Vigil has
//! them: they are `Basic`, with the content as JSON in an extension.

use std::collections::BTreeMap;

use domain::Instrument;
use domain::alert::state::State as AlertState;
use domain::fhir::{AMENDS, AMENDS_REASON, SITE, STUDY};
use domain::ids::{AnalysisId, Pseudonym, SubmissionId};
use serde::Serialize;
use serde_json::{Value, json};
use state::erasure::subject::Certificate;
use state::identity::system_and_id;
use state::wire::entry::{Alert, Happened, Record, Rescore, Rescored, State, Subject, Submission, Superseded};
use state::wire::evaluation::Evaluation;
use state::wire::resource;

/// Extension: the state of what the resource stands for.
pub(super) const STATE: &str = "urn:vigil:state";
/// Extension of a `Basic`: what it says, as JSON.
pub(super) const CONTENT: &str = "urn:vigil:content";
/// Extension: what is stored beside content and scores, as JSON.
pub(super) const DETAILS: &str = "urn:vigil:details";
/// Extension: when it came in, or was raised.
pub(super) const RECEIVED: &str = "urn:vigil:received";
/// Extension of a `Basic`: when it was written.
pub(super) const AUTHORED: &str = "urn:vigil:authored";
/// Extension of a `Patient`: when it was erased.
pub(super) const ERASED: &str = "urn:vigil:erased";
/// Extension of a `Communication`: the severity of the alert.
pub(super) const SEVERITY: &str = "urn:vigil:severity";
/// The system of pseudonyms.
pub(super) const SUBJECTS: &str = "urn:vigil:subject";
/// The type of a resource that says what FHIR has no form for.
const BASIC: &str = "Basic";

/// A reference within an export: type and id of a resource.
pub(super) struct Reference(pub(super) String);

impl Reference {
    fn new(kind: &str, id: &str) -> Self {
        Reference([kind, "/", id].concat())
    }

    /// To this resource.
    pub(super) fn to(resource: &Value) -> Self {
        let member = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        Reference::new(member("resourceType"), member("id"))
    }

    /// To the resource of this submission.
    pub(super) fn of<C>(submission: &Submission<C>) -> Self {
        let kind = if submission.instrument.is_some() { "QuestionnaireResponse" } else { BASIC };
        Reference::new(kind, submission.submission_id.as_str())
    }

    /// To the tombstone of this submission.
    pub(super) fn basic(id: &SubmissionId) -> Self {
        Reference::new(BASIC, id.as_str())
    }
}

/// The submission whose place another took.
pub(super) struct Amended {
    pub(super) id: SubmissionId,
    /// Its resource; none if the export does not have it.
    pub(super) reference: Option<Reference>,
}

fn extension(url: &str, form: &str, value: &str) -> Value {
    json!({"url": url, form: value})
}

fn extend(resource: &mut Value, more: Vec<Value>) {
    let Some(members) = resource.as_object_mut() else { return };
    let extensions = members.entry("extension").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(extensions) = extensions.as_array_mut() {
        extensions.extend(more);
    }
}

fn put(resource: &mut Value, name: &str, value: Value) {
    if let Some(members) = resource.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The reference to a patient.
fn subject(pseudonym: &Pseudonym) -> Value {
    json!({
        "reference": Reference::new("Patient", pseudonym.as_str()).0,
        "type": "Patient",
        "identifier": {"system": SUBJECTS, "value": pseudonym},
    })
}

/// A subject. `patient` is its opened identity, `certificate` that of its erasure, `person` all subjects of the person.
pub(super) fn patient(
    it: &Subject,
    patient: Option<&str>,
    certificate: Option<&Certificate>,
    person: &[Pseudonym],
) -> Value {
    let mut identifiers = vec![json!({"system": SUBJECTS, "value": it.subject})];
    if let Some(patient) = patient {
        let (system, id) = system_and_id(patient);
        let mut identifier = json!({"use": "usual", "value": id, "assigner": {"display": it.site_id}});
        if let Some(system) = system {
            put(&mut identifier, "system", system.into());
        }
        identifiers.push(identifier);
    }
    let mut resource = json!({"resourceType": "Patient", "id": it.subject, "identifier": identifiers});
    let mut extensions = vec![
        extension(STUDY, "valueString", it.study_id.as_str()),
        extension(SITE, "valueString", it.site_id.as_str()),
    ];
    if let Some(certificate) = certificate {
        extensions.push(extension(STATE, "valueCode", "erased"));
        extensions.push(extension(ERASED, "valueDateTime", &certificate.erased_at));
    }
    extend(&mut resource, extensions);
    let others = person.iter().filter(|other| **other != it.subject);
    let links: Vec<Value> = others
        .map(|other| json!({"other": {"reference": Reference::new("Patient", other.as_str()).0}, "type": "seealso"}))
        .collect();
    if !links.is_empty() {
        put(&mut resource, "link", links.into());
    }
    resource
}

/// A `Basic` of this kind.
fn basic(id: &str, kind: &str, extensions: Vec<Value>) -> Value {
    let code = json!({"coding": [{"system": "urn:vigil:kind", "code": kind}], "text": kind});
    json!({"resourceType": BASIC, "id": id, "code": code, "extension": extensions})
}

/// A submission of which only the fact is left that it was there.
pub(super) fn erased(id: &SubmissionId, received_at: &str) -> Value {
    let extensions = vec![extension(STATE, "valueCode", "erased"), extension(RECEIVED, "valueDateTime", received_at)];
    basic(id.as_str(), "submission", extensions)
}

/// An analysis of an image. Without a record it has not ended.
pub(super) fn analysis(id: &AnalysisId, pseudonym: &Pseudonym, record: Option<&Value>) -> Value {
    let state = record.and_then(|record| record.get("state")).and_then(Value::as_str).unwrap_or("queued");
    let mut extensions = vec![extension(STATE, "valueCode", state)];
    extensions.extend(record.map(|record| extension(CONTENT, "valueString", &record.to_string())));
    let mut resource = basic(id.as_str(), "analysis", extensions);
    put(&mut resource, "subject", subject(pseudonym));
    resource
}

/// A submission as it is stored.
pub(super) struct Stored<'a> {
    pub(super) record: &'a Record,
    pub(super) superseded: Option<&'a Superseded>,
    pub(super) rescored: Option<&'a Rescored>,
    pub(super) amended: Option<Amended>,
}

/// The stored members beside content and scores.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<&'a SubmissionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    flags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    removed: &'a BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Evaluation::is_nothing")]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rescored: &'a [Rescore],
}

impl Stored<'_> {
    /// The submission and its scores. `definition` is the version that its answers were checked by, if it is still there.
    pub(super) fn resources(&self, definition: Option<&Instrument>) -> Vec<Value> {
        let submission = &self.record.submission;
        let mut resource = match (&submission.instrument, definition) {
            (Some(_), Some(definition)) => resource::response(submission, definition),
            (Some(instrument), None) => plain(submission, instrument.as_str()),
            (None, _) => report(submission),
        };
        self.refer(&mut resource);
        let state = match self.record.state {
            _ if self.superseded.is_some() => "superseded",
            State::Failed => "failed",
            State::Queued | State::Scored | State::Erased => "scored",
        };
        let mut extensions =
            vec![extension(STATE, "valueCode", state), extension(RECEIVED, "valueDateTime", &submission.received_at)];
        let details = Details {
            superseded_by: self.superseded.map(|later| &later.by),
            reason: self.record.reason.as_deref(),
            flags: &submission.flags,
            removed: &submission.removed,
            parameters: &submission.parameters,
            evaluation: &self.record.evaluation,
            rescored: self.rescored.map_or(&[], |rescored| &rescored.rescored),
        };
        let details = platform::kv::json(&details).unwrap_or_default();
        if details.len() > "{}".len() {
            extensions.push(extension(DETAILS, "valueString", &details));
        }
        extend(&mut resource, extensions);
        let scores = resource::observations(self.record, definition);
        let mut group: Vec<Value> = std::iter::once(resource).chain(scores).collect();
        for resource in &mut group {
            put(resource, "subject", subject(&submission.subject));
        }
        group
    }

    /// Lets the extension about the amended submission lead to the resource that the export has of it, if it has one.
    fn refer(&self, resource: &mut Value) {
        let Some(amended) = &self.amended else { return };
        let extensions = resource.get_mut("extension").and_then(Value::as_array_mut).into_iter().flatten();
        for own in extensions.filter(|own| own.get("url").is_some_and(|url| url == AMENDS)) {
            *own = match &amended.reference {
                Some(Reference(reference)) => json!({"url": AMENDS, "valueReference": {"reference": reference}}),
                None => extension(AMENDS, "valueString", amended.id.as_str()),
            };
        }
    }
}

/// A response by a definition that is not there any more: its answers as they are stored.
fn plain(submission: &Submission, instrument: &str) -> Value {
    let version = submission.instrument_version.as_deref().unwrap_or_default();
    let canonical = ["urn:vigil:questionnaire:", instrument, "|", version].concat();
    let mut resource = json!({
        "resourceType": "QuestionnaireResponse",
        "id": submission.submission_id,
        "questionnaire": canonical.trim_end_matches('|'),
        "status": if submission.amends.is_some() { "amended" } else { "completed" },
        "authored": submission.authored_at,
        "extension": places(submission),
    });
    let answer = |(item, value): (&String, &Value)| {
        let form = match value {
            Value::String(_) => "valueString",
            Value::Number(_) => "valueDecimal",
            Value::Bool(_) => "valueBoolean",
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(json!({"linkId": item, "answer": [{form: value}]}))
    };
    let items: Vec<Value> = submission.content.iter().filter_map(answer).collect();
    if !items.is_empty() {
        put(&mut resource, "item", items.into());
    }
    resource
}

/// The extensions that every submission has.
fn places(submission: &Submission) -> Vec<Value> {
    let mut extensions = vec![
        extension(STUDY, "valueString", submission.study_id.as_str()),
        extension(SITE, "valueString", submission.site_id.as_str()),
    ];
    extensions.extend(submission.amends.as_ref().map(|id| extension(AMENDS, "valueString", id.as_str())));
    let reason = submission.amends_reason.as_deref();
    extensions.extend(reason.map(|reason| extension(AMENDS_REASON, "valueString", reason)));
    extensions
}

/// A report.
fn report(submission: &Submission) -> Value {
    let mut extensions = places(submission);
    let content = platform::kv::json(&submission.content).unwrap_or_default();
    extensions.push(extension(AUTHORED, "valueDateTime", &submission.authored_at));
    extensions.push(extension(CONTENT, "valueString", &content));
    basic(submission.submission_id.as_str(), &submission.kind, extensions)
}

/// An alert with its history.
pub(super) fn alert(
    alert: &Alert,
    state: Option<&AlertState>,
    history: &[Happened],
    about: Option<&Reference>,
) -> Value {
    let phase = state.map_or("queued", |state| state.phase().as_str());
    let status = match phase {
        "acknowledged" | "resolved" => "completed",
        "suppressed" | "grouped" => "not-done",
        "dead" => "stopped",
        _ => "in-progress",
    };
    let priority = match alert.severity.as_str() {
        "critical" => "stat",
        "high" => "urgent",
        _ => "routine",
    };
    let rule = json!({"system": format!("urn:vigil:rules:{}", alert.instrument), "code": alert.rule});
    let mut resource = json!({
        "resourceType": "Communication",
        "id": alert.alert_id,
        "status": status,
        "category": [{"text": "alert"}],
        "priority": priority,
        "subject": subject(&alert.subject),
        "reasonCode": [{"coding": [rule], "text": format!("{} {}", alert.instrument, alert.rule)}],
        "payload": [{"contentString": alert.reason}],
        "extension": [
            extension(STATE, "valueCode", phase),
            extension(SEVERITY, "valueCode", &alert.severity),
            extension(RECEIVED, "valueDateTime", &alert.received_at),
        ],
    });
    if let Some(Reference(about)) = about {
        put(&mut resource, "about", json!([{"reference": about}]));
    }
    let notes: Vec<Value> = history.iter().map(note).collect();
    if !notes.is_empty() {
        put(&mut resource, "note", notes.into());
    }
    resource
}

/// An entry of an alert's history.
fn note(entry: &Happened) -> Value {
    let receiver = entry.receiver.as_ref().map(|receiver| receiver.as_str());
    let parts =
        [Some(entry.what.as_str()), receiver, entry.reason.as_deref(), entry.to.as_deref(), entry.note.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let mut note = json!({"time": entry.at, "text": parts.join(", ")});
    if let Some(by) = entry.by_name.as_deref().or(entry.by.as_deref()) {
        put(&mut note, "authorString", by.into());
    }
    note
}
