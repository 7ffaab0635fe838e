//! The envelope of a submission: sender, time and study.
//!
//! Guarantee: an envelope is complete, or every fault of it is reported. Nothing is guessed, defaulted or cut. The
//! instrument or the kind of report checks the content (answers, data) elsewhere.
//!
//! A patient's identifier exists only in [`Envelope::patient_id`], and `Debug` does not print it.

use crate::ids::{self, PatientId, SiteId, StudyId, SubmissionId, is_name, is_submission_id};
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value};

use crate::finding::{Code, Finding};
use crate::reading::pointer;
use crate::scrub::{Class, Own, Removed, scrub};
use crate::time::Timestamp;

/// The kinds of `POST /v1/reports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// Daily notes of a patient.
    Diary,
    /// An adverse event.
    AdverseEvent,
    /// Laboratory results.
    Lab,
    /// Any other data that a study collects.
    Generic,
}

impl ReportKind {
    /// All kinds, in the order in which errors list them.
    pub const ALL: [ReportKind; 4] =
        [ReportKind::Diary, ReportKind::AdverseEvent, ReportKind::Lab, ReportKind::Generic];

    /// The kind's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportKind::Diary => "diary",
            ReportKind::AdverseEvent => "adverse-event",
            ReportKind::Lab => "lab",
            ReportKind::Generic => "generic",
        }
    }

    /// The kind with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The type of a document: the answers to an instrument, or a report of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `POST /v1/surveys/{instrument}/responses`: `responseId` and `answers`.
    Response,
    /// `POST /v1/reports`: `reportId`, `kind` and `data`.
    Report,
}

/// A document's envelope, checked.
#[derive(Clone, PartialEq)]
pub struct Envelope {
    /// The client's own id of the document (`responseId`, `reportId`).
    pub client_id: Option<String>,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The patient's id at the site. It never leaves the door.
    pub patient_id: PatientId,
    /// The time when the patient or the site wrote it.
    pub authored_at: Timestamp,
    /// The kind of report; none for a response.
    pub kind: Option<ReportKind>,
    /// The earlier submission that this one replaces.
    pub amends: Option<Amends>,
    /// `answers` or `data`, as sent.
    pub content: Map<String, Value>,
}

/// The correction of an earlier submission, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amends {
    /// Its id, as Vigil gave it.
    pub submission_id: SubmissionId,
    /// The reason: a word of the study's own list, no free text. Identities are taken out of it.
    pub reason: Option<String>,
}

impl Amends {
    /// The same without an identity in its reason.
    fn without(mut self, patient_id: &PatientId) -> Self {
        let mut own = Own::new();
        own.add(patient_id.as_str(), Class::PatientId);
        let clean = self.reason.as_ref().and_then(|reason| scrub(reason, &own, &mut Removed::default()));
        self.reason = clean.or(self.reason);
        self
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope {{ study: {}, site: {}, .. }}", self.study_id, self.site_id)
    }
}

impl Shape {
    /// Names of the members that hold the client's id and the content.
    fn members(self) -> (&'static str, &'static str) {
        match self {
            Shape::Response => ("responseId", "answers"),
            Shape::Report => ("reportId", "data"),
        }
    }

    /// Reads a document of this shape. `check` returns the faults of the content, with pointers from the content's
    /// root. It is called even if the envelope has faults, so that all faults are reported together.
    ///
    /// # Errors
    /// Every fault of the envelope and of the content, with pointers from the document's root.
    pub fn read(
        self,
        document: Value,
        check: impl FnOnce(&Map<String, Value>) -> Vec<Finding>,
    ) -> Result<Envelope, Vec<Finding>> {
        let Value::Object(members) = document else {
            return Err(Vec::from([Finding::new("", Code::Type, "must be a JSON object")]));
        };
        let (id_name, content_name) = self.members();
        let mut given = Given::default();
        let mut unknown = Vec::new();
        // Visits each member once; a lookup of every name in the map takes longer.
        for (name, value) in members {
            let place = match name.as_str() {
                "studyId" => &mut given.study_id,
                "siteId" => &mut given.site_id,
                "patientId" => &mut given.patient_id,
                "authoredAt" => &mut given.authored_at,
                "amends" => &mut given.amends,
                "kind" if self == Shape::Report => &mut given.kind,
                name if name == id_name => &mut given.client_id,
                name if name == content_name => &mut given.content,
                _ => {
                    unknown.push(name);
                    continue;
                }
            };
            *place = Some(value).filter(|value| !value.is_null());
        }

        let mut faults = Vec::new();
        let client_id = given.client_id.and_then(|value| identifier(id_name, value, &mut faults));
        let study_id = required(given.study_id, "studyId", &mut faults, name);
        let site_id = required(given.site_id, "siteId", &mut faults, name);
        let patient_id = required(given.patient_id, "patientId", &mut faults, patient);
        let authored_at = required(given.authored_at, "authoredAt", &mut faults, timestamp);
        let kind = match self {
            Shape::Response => None,
            Shape::Report => required(given.kind, "kind", &mut faults, report_kind),
        };
        let amends = given.amends.and_then(|value| amends(value, &mut faults));
        let content = required(given.content, content_name, &mut faults, object);
        if let Some(content) = &content {
            faults.extend(check(content).into_iter().map(|finding| {
                let pointer = pointer(content_name) + &finding.pointer;
                Finding { pointer, ..finding }
            }));
        }
        faults.extend(
            unknown
                .iter()
                .map(|unknown| Finding::new(pointer(unknown), Code::Unknown, "is not a member of this document")),
        );

        match (study_id, site_id, patient_id, authored_at, content) {
            (Some(study_id), Some(site_id), Some(patient_id), Some(authored_at), Some(content))
                if faults.is_empty() =>
            {
                let amends = amends.map(|amends| amends.without(&patient_id));
                Ok(Envelope {
                    client_id,
                    study_id: study_id.into(),
                    site_id: site_id.into(),
                    patient_id,
                    authored_at,
                    kind,
                    amends,
                    content,
                })
            }
            _ => Err(faults),
        }
    }
}

/// The members of a document that are present and not null.
#[derive(Default)]
struct Given {
    client_id: Option<Value>,
    study_id: Option<Value>,
    site_id: Option<Value>,
    patient_id: Option<Value>,
    authored_at: Option<Value>,
    kind: Option<Value>,
    amends: Option<Value>,
    content: Option<Value>,
}

fn required<T>(
    given: Option<Value>,
    name: &str,
    faults: &mut Vec<Finding>,
    read: impl FnOnce(&str, Value, &mut Vec<Finding>) -> Option<T>,
) -> Option<T> {
    let Some(value) = given else {
        faults.push(Finding::new(pointer(name), Code::Required, "is required"));
        return None;
    };
    read(name, value, faults)
}

fn text(name: &str, value: Value, faults: &mut Vec<Finding>) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => {
            faults.push(Finding::new(pointer(name), Code::Type, "must be a string"));
            None
        }
    }
}

/// Reads the identifier of a study or a site: letters, digits and `._-`, so that it can be part of keys, paths and log
/// lines.
fn name(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<String> {
    let text = text(member, value, faults)?;
    if is_name(&text) {
        return Some(text);
    }
    faults.push(Finding::new(pointer(member), Code::Format, ids::NAME_RULE));
    None
}

fn identifier(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<String> {
    let text = text(member, value, faults)?;
    match ids::identifier(&text) {
        Some(Cow::Owned(id)) => return Some(id),
        Some(Cow::Borrowed(_)) => return Some(text),
        None => faults.push(Finding::new(pointer(member), Code::Format, ids::RULE)),
    }
    None
}

fn patient(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<PatientId> {
    identifier(member, value, faults).map(PatientId)
}

/// Reads `amends`; reports each fault.
fn amends(value: Value, faults: &mut Vec<Finding>) -> Option<Amends> {
    let Value::Object(mut members) = value else {
        faults.push(Finding::new("/amends", Code::Type, "must be a JSON object"));
        return None;
    };
    let mut fault = |member: &str, code, rule| {
        faults.push(Finding::new(alloc::format!("/amends{}", pointer(member)), code, rule));
        None
    };
    let submission_id = match members.remove("submissionId") {
        None | Some(Value::Null) => fault("submissionId", Code::Required, "is required"),
        Some(Value::String(id)) if is_submission_id(&id) => Some(id),
        Some(Value::String(_)) => fault("submissionId", Code::Format, "must be the id of a submission"),
        Some(_) => fault("submissionId", Code::Type, "must be a string"),
    };
    let reason = match members.remove("reason") {
        None | Some(Value::Null) => None,
        Some(Value::String(reason)) if is_name(&reason) => Some(reason),
        Some(Value::String(_)) => fault("reason", Code::Format, ids::NAME_RULE),
        Some(_) => fault("reason", Code::Type, "must be a string"),
    };
    for unknown in members.keys() {
        fault(unknown, Code::Unknown, "is not a member of this document");
    }
    Some(Amends { submission_id: submission_id?.into(), reason })
}

fn timestamp(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<Timestamp> {
    let text = text(member, value, faults)?;
    let at = Timestamp::parse(&text);
    if at.is_none() {
        let rule = "must be an RFC 3339 time with an offset, such as 2026-03-01T08:00:00+08:00";
        faults.push(Finding::new(pointer(member), Code::Format, rule));
    }
    at
}

fn report_kind(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<ReportKind> {
    let text = text(member, value, faults)?;
    let kind = ReportKind::parse(&text);
    if kind.is_none() {
        let rule = alloc::format!("must be one of {}", ReportKind::ALL.map(ReportKind::as_str).join(", "));
        faults.push(Finding::new(pointer(member), Code::Choice, rule));
    }
    kind
}

fn object(member: &str, value: Value, faults: &mut Vec<Finding>) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => {
            faults.push(Finding::new(pointer(member), Code::Type, "must be a JSON object".to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(shape: Shape, document: Value, expected: &[(&str, Code)]) {
        let found = match shape.read(document.clone(), no_rules) {
            Ok(_) => Vec::new(),
            Err(findings) => findings,
        };
        let found: Vec<(&str, Code)> = found.iter().map(|f| (f.pointer.as_str(), f.code)).collect();
        assert_eq!(found, expected, "{document}");
    }

    fn no_rules(_: &Map<String, Value>) -> Vec<Finding> {
        Vec::new()
    }

    fn response() -> Value {
        json!({"responseId": "r-1", "studyId": "S", "siteId": "01", "patientId": "陈 1",
               "authoredAt": "2026-03-01T08:00:00Z", "answers": {"q1": 0}})
    }

    #[test]
    fn a_whole_document_is_read() {
        let envelope = Shape::Response.read(response(), no_rules).unwrap();
        assert_eq!(envelope.client_id.as_deref(), Some("r-1"));
        assert_eq!(envelope.authored_at.rfc3339(), "2026-03-01T08:00:00.000Z");
        assert_eq!(envelope.content.len(), 1);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        check(
            Shape::Report,
            json!({"reportId": 7, "studyId": "a b", "siteId": null, "patientId": " x", "authoredAt": "today",
                   "kind": "poem", "data": [], "a/b~c": 1}),
            &[
                ("/reportId", Code::Type),
                ("/studyId", Code::Format),
                ("/siteId", Code::Required),
                ("/patientId", Code::Format),
                ("/authoredAt", Code::Format),
                ("/kind", Code::Choice),
                ("/data", Code::Type),
                ("/a~1b~0c", Code::Unknown),
            ],
        );
        check(Shape::Response, json!([]), &[("", Code::Type)]);
    }

    #[test]
    fn faults_of_the_content_come_with_those_of_the_envelope() {
        let document = json!({"studyId": "S", "siteId": "1", "patientId": "p", "answers": {"q1": 9}});
        let found = Shape::Response.read(document, |_| Vec::from([Finding::new("/q1", Code::Range, "0 to 3")]));
        let found = found.unwrap_err();
        let pointers: Vec<&str> = found.iter().map(|finding| finding.pointer.as_str()).collect();
        assert_eq!(pointers, ["/authoredAt", "/answers/q1"]);
    }

    #[test]
    fn a_document_of_the_other_shape_is_refused() {
        check(
            Shape::Report,
            response(),
            &[
                ("/kind", Code::Required),
                ("/data", Code::Required),
                ("/answers", Code::Unknown),
                ("/responseId", Code::Unknown),
            ],
        );
    }

    #[test]
    fn an_amendment_names_a_submission_and_perhaps_a_reason() {
        let with = |amends: Value| {
            let mut document = response();
            document["amends"] = amends;
            document
        };
        let id = "6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60";
        let amends = |document| Shape::Response.read(document, no_rules).unwrap().amends;
        let named = Amends { submission_id: id.into(), reason: None };
        assert_eq!(amends(with(json!({"submissionId": id}))), Some(named.clone()));
        let reason = Some("data-entry-error".into());
        let document = with(json!({"submissionId": id, "reason": "data-entry-error"}));
        assert_eq!(amends(document), Some(Amends { reason, ..named.clone() }));
        assert_eq!(amends(with(Value::Null)), None);

        for (reason, clean) in [("13800138000", "[phone]"), ("told-P_1234", "told-[patient-id]")] {
            let mut document = with(json!({"submissionId": id, "reason": reason}));
            document["patientId"] = json!("P-1234");
            assert_eq!(amends(document), Some(Amends { reason: Some(clean.into()), ..named.clone() }));
        }

        check(Shape::Response, with(json!(id)), &[("/amends", Code::Type)]);
        check(Shape::Response, with(json!({})), &[("/amends/submissionId", Code::Required)]);
        check(
            Shape::Response,
            with(json!({"submissionId": id.to_uppercase(), "reason": "free text", "a/b": 1})),
            &[
                ("/amends/submissionId", Code::Format),
                ("/amends/reason", Code::Format),
                ("/amends/a~1b", Code::Unknown),
            ],
        );
        let document = with(json!({"submissionId": 1, "reason": 2}));
        check(Shape::Response, document, &[("/amends/submissionId", Code::Type), ("/amends/reason", Code::Type)]);
        for id in ["", "6f2c1a525a528b7e9f0a1d2c3b4a5f60", "6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f6g"] {
            check(Shape::Response, with(json!({"submissionId": id})), &[("/amends/submissionId", Code::Format)]);
        }
    }

    #[test]
    fn debug_shows_no_patient() {
        let shown = alloc::format!("{:?}", Shape::Response.read(response(), no_rules).unwrap());
        assert!(!shown.contains('陈') && !shown.contains("q1"), "{shown}");
    }
}
