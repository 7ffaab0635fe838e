//! Publishes a stored response as a `QuestionnaireResponse`.
//!
//! Guarantee: what is published is taken in again as the same answers. It contains nothing that identifies the patient.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::{AMENDS, AMENDS_REASON, SITE, STUDY, answer_system, codes};
use crate::Instrument;
use crate::instrument::item::{Choice, Item};
use crate::instrument::range::figure;

/// A response, as it is stored.
pub struct Answered<'a> {
    /// The submission's id.
    pub submission_id: &'a str,
    /// The study.
    pub study_id: &'a str,
    /// The site.
    pub site_id: &'a str,
    /// The subject's pseudonym.
    pub subject: &'a str,
    /// The time of the answers, RFC 3339.
    pub authored_at: &'a str,
    /// The time of arrival, RFC 3339.
    pub received_at: &'a str,
    /// The submission that it replaces.
    pub amends: Option<&'a str>,
    /// Why, in a word.
    pub amends_reason: Option<&'a str>,
    /// The answers, by item.
    pub answers: &'a Map<String, Value>,
}

/// The resource. `instrument` is the version that the answers were checked by.
pub fn questionnaire_response(answered: &Answered<'_>, instrument: &Instrument) -> Value {
    let mut extensions = Vec::from([
        json!({"url": STUDY, "valueString": answered.study_id}),
        json!({"url": SITE, "valueString": answered.site_id}),
    ]);
    if let Some(amends) = answered.amends {
        let reference = format!("QuestionnaireResponse/{amends}");
        extensions.push(json!({"url": AMENDS, "valueReference": {"reference": reference}}));
        let reason = answered.amends_reason.map(|reason| json!({"url": AMENDS_REASON, "valueString": reason}));
        extensions.extend(reason);
    }
    let id = instrument.id().as_str();
    let items: Vec<Value> =
        instrument.items.iter().filter_map(|item| answered_item(id, item, answered.answers)).collect();
    let mut resource = json!({
        "resourceType": "QuestionnaireResponse",
        "id": answered.submission_id,
        "meta": {"lastUpdated": answered.received_at},
        "extension": extensions,
        "questionnaire": format!("{}|{}", codes::canonical(id), instrument.version()),
        "status": if answered.amends.is_some() { "amended" } else { "completed" },
        "subject": {"type": "Patient", "identifier": {"system": "urn:vigil:subject", "value": answered.subject}},
        "authored": answered.authored_at,
    });
    // FHIR does not allow empty lists.
    if let Some(members) = resource.as_object_mut().filter(|_| !items.is_empty()) {
        members.insert("item".into(), items.into());
    }
    resource
}

/// An item with its answer; none if it is not answered.
fn answered_item(instrument: &str, item: &Item, answers: &Map<String, Value>) -> Option<Value> {
    let (name, value) = match answers.get(&item.id)? {
        Value::String(code) => {
            let choice = item.options.iter().find(|choice| choice.code.as_ref() == Some(code));
            choice.map_or_else(|| ("valueString", code.as_str().into()), |choice| answer(instrument, item, choice))
        }
        Value::Number(number) => {
            let raw = number.as_f64()?;
            let choice = item.options.iter().find(|choice| choice.value == raw);
            choice.map_or_else(|| number_of(item, raw), |choice| answer(instrument, item, choice))
        }
        Value::Bool(flag) => ("valueBoolean", Value::Bool(*flag)),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let mut members = Map::from_iter([(String::from("linkId"), item.id.as_str().into())]);
    if let Some(text) = &item.text {
        members.insert("text".into(), text.as_str().into());
    }
    members.insert("answer".into(), json!([{name: value}]));
    Some(Value::Object(members))
}

/// An answer option: a coding where it has a code, else its figure.
fn answer(instrument: &str, item: &Item, choice: &Choice) -> (&'static str, Value) {
    let Some(code) = &choice.code else { return number_of(item, choice.value) };
    let mut coding = json!({"system": answer_system(instrument, code), "code": code});
    if let Some((label, members)) = choice.label.as_ref().zip(coding.as_object_mut()) {
        members.insert("display".into(), label.as_str().into());
    }
    ("valueCoding", coding)
}

fn number_of(item: &Item, raw: f64) -> (&'static str, Value) {
    (if item.raw_span().whole { "valueInteger" } else { "valueDecimal" }, figure(raw))
}
