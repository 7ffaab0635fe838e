//! FHIR R4 input and output: the result of a response, refusals with their places, and published instruments and
//! scores.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not count as tests")]

mod given_out;
mod imports;
mod named;
mod properties;
mod published;
mod responses;

use std::collections::BTreeMap;

use domain::fhir::response::{Response, Scope};
use domain::intake::{Envelope, Shape};
use domain::selection::Selection;
use domain::{Code, Finding, Instrument, library};
use serde_json::{Value, json};

fn instrument(id: &str) -> Option<Instrument> {
    Some(Instrument::from_json(&library::definition(id)?).unwrap_or_else(|faults| panic!("{id}: {faults:#?}")))
}

/// Reads a resource in the same way as the door.
fn read_with(resource: &Value, given: Option<Instrument>, scope: Scope) -> Result<Envelope, Vec<Finding>> {
    let response = Response::open(resource);
    let instrument = given.or_else(|| response.instrument().and_then(instrument));
    let mut translation = response.translate(instrument.as_ref(), scope);
    let check = |content: &serde_json::Map<String, Value>| match &instrument {
        Some(instrument) => instrument.read(content).err().unwrap_or_default(),
        None => Vec::new(),
    };
    let mut document = translation.take_document();
    let selection = Selection::take(&mut document, instrument.as_ref());
    let read = Shape::Response.read(document, check).and_then(|envelope| selection.map(|_| envelope));
    translation.settle(read)
}

const OWN: Scope = Scope { study: Some("A"), site: Some("1"), systems: None };

fn read(resource: &Value) -> Result<Envelope, Vec<Finding>> {
    read_with(resource, None, OWN)
}

fn total(resource: &Value) -> f64 {
    let envelope = read(resource).unwrap();
    let instrument = instrument(Response::open(resource).instrument().unwrap()).unwrap();
    let answers = instrument.read(&envelope.content).unwrap();
    let scores = instrument.score(&answers, &instrument.parameters(&BTreeMap::new()).unwrap());
    scores.iter().find(|score| score.id == "total").unwrap().number().unwrap()
}

/// A response to PHQ-9 with these items.
fn phq9(items: Value) -> Value {
    json!({
        "resourceType": "QuestionnaireResponse", "id": "r-1", "status": "completed",
        "questionnaire": "http://example.org/Questionnaire/phq-9|1.0.0",
        "subject": {"reference": "Patient/p-1"}, "authored": "2026-03-01T08:00:00+08:00", "item": items,
    })
}

fn with(mut resource: Value, member: &str, value: Value) -> Value {
    resource.as_object_mut().unwrap().insert(member.into(), value);
    resource
}

fn coded(link_id: &str, code: &str) -> Value {
    json!({"linkId": link_id, "answer": [{"valueCoding": {"system": "http://loinc.org", "code": code}}]})
}

fn content(items: Value) -> Value {
    Value::Object(read(&phq9(items)).unwrap().content)
}

/// Checks the faults and their places.
fn check(resource: &Value, expected: &[(&str, Code)]) {
    let findings = read(resource).err().unwrap_or_default();
    let found: Vec<(&str, Code)> = findings.iter().map(|finding| (finding.pointer.as_str(), finding.code)).collect();
    assert_eq!(found, expected, "{resource}\n{findings:#?}");
}

/// Checks the faults of these items.
fn check_items(items: Value, expected: &[(&str, Code)]) {
    check(&phq9(items), expected);
}
