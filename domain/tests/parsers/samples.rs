//! Valid reports of every kind, and the faults to put into them.

use domain::Timestamp;
use serde_json::{Map, Value, json};

use crate::choices::Choices;

pub(crate) const KINDS: [&str; 4] = ["diary", "adverse-event", "lab", "generic"];
const DATES: [&str; 5] =
    ["2026-02-20", "2026-02-20T08:00:00Z", "2025-12-31T23:59:59+08:00", "2024-02-29", "1999-01-01T00:00:00.5-05:00"];

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T08:00:00Z").unwrap()
}

/// The envelope of a valid report with `data` of its kind. `text` generates free text.
pub(crate) fn report(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String) -> Value {
    let kind = choices.one_of(&KINDS);
    let data = match kind {
        "diary" => diary(choices, text),
        "adverse-event" => adverse_event(choices, text),
        "lab" => lab(choices, text),
        _ => object(choices, text, 3),
    };
    let mut document = json!({"studyId": "S-1", "siteId": "01", "patientId": "Zhang-330106", "kind": kind,
                              "authoredAt": choices.one_of(&DATES[1..3]), "data": data});
    if choices.once_in(2) {
        document["reportId"] = json!(format!("r-{}", choices.digits(3)));
    }
    if choices.once_in(4) {
        document["amends"] = json!({"submissionId": "5c7362ef-435e-41c5-9ea5-9ccbc948cf95", "reason": "typo"});
    }
    document
}

/// Sets a member in every second case.
fn may(choices: &mut Choices<'_>, object: &mut Value, member: &str, value: impl FnOnce(&mut Choices<'_>) -> Value) {
    if choices.once_in(2) {
        object[member] = value(choices);
    }
}

fn patient(choices: &mut Choices<'_>, report: &mut Value) {
    if choices.once_in(3) {
        let mut patient = json!({"name": "Zhang Wei", "mrn": "H-20260042"});
        may(choices, &mut patient, "birthDate", |_| json!("1949-12-31"));
        may(choices, &mut patient, "sex", |choices| json!(choices.one_of(&["female", "male", "other", "unknown"])));
        may(choices, &mut patient, "phone", |_| json!("13912345678"));
        report["patient"] = patient;
    }
}

fn list(choices: &mut Choices<'_>, least: usize, mut one: impl FnMut(&mut Choices<'_>) -> Value) -> Value {
    let count = least + choices.below(3);
    (0..count).map(|_| one(choices)).collect()
}

fn date(choices: &mut Choices<'_>) -> Value {
    json!(choices.one_of(&DATES))
}

fn diary(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String) -> Value {
    let medication = list(choices, 0, |choices| {
        let mut one = json!({"name": text(choices)});
        may(choices, &mut one, "taken", |choices| json!(choices.once_in(2)));
        may(choices, &mut one, "takenAt", date);
        one
    });
    let symptoms = list(choices, 0, |choices| {
        let mut one = json!({"name": text(choices), "severity": choices.below(11)});
        may(choices, &mut one, "since", date);
        one
    });
    let mut diary = json!({"medication": medication, "symptoms": symptoms});
    may(choices, &mut diary, "note", |choices| json!(text(choices)));
    patient(choices, &mut diary);
    diary
}

fn adverse_event(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String) -> Value {
    let grade = 1 + choices.below(5);
    let serious = choices.once_in(2) || grade == 5;
    let outcome = if grade == 5 { "fatal" } else { choices.one_of(&["recovered", "recovering", "not-recovered"]) };
    let criteria: &[&str] = match (grade, serious) {
        (5, _) => &["death"],
        (_, true) => &["hospitalisation", "disability"],
        (_, false) => &[],
    };
    let mut event = json!({"term": text(choices), "onset": "2024-02-28", "grade": grade, "serious": serious,
                           "seriousnessCriteria": criteria, "outcome": outcome,
                           "relatedness": choices.one_of(&["not-related", "possible", "definite"]),
                           "actionTaken": choices.one_of(&["none", "drug-withdrawn"])});
    if outcome != "not-recovered" {
        may(choices, &mut event, "end", |choices| json!(choices.one_of(&DATES[..3])));
    }
    may(choices, &mut event, "note", |choices| json!(text(choices)));
    patient(choices, &mut event);
    event
}

fn lab(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String) -> Value {
    let results = list(choices, 1, |choices| {
        let (code, unit) = choices.one_of(&[("718-7", "g/dL"), ("2160-0", "umol/L"), ("6301-6", "{INR}"), ("HB", "1")]);
        let mut one = json!({"code": code, "value": choices.below(200), "unit": unit, "collectedAt": DATES[1]});
        may(choices, &mut one, "comparator", |choices| json!(choices.one_of(&["<", ">="])));
        may(choices, &mut one, "referenceRange", |choices| json!({"low": choices.below(10), "high": 10.5}));
        may(choices, &mut one, "comment", |choices| json!(text(choices)));
        one
    });
    let mut lab = json!({"results": results});
    may(choices, &mut lab, "specimenId", |_| json!("SP-778899"));
    patient(choices, &mut lab);
    lab
}

/// An object with arbitrary content.
fn object(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String, depth: usize) -> Value {
    let names = ["note", "visit", "dob", "Phone", "patient", "name", "MRN", "x", "address", "姓名"];
    let mut members = Map::new();
    for _ in 0..choices.below(5) {
        let name = if choices.once_in(6) { text(choices) } else { choices.one_of(&names).to_owned() };
        members.insert(name, anything(choices, text, depth));
    }
    Value::Object(members)
}

fn anything(choices: &mut Choices<'_>, text: &mut dyn FnMut(&mut Choices<'_>) -> String, depth: usize) -> Value {
    match choices.below(if depth == 0 { 5 } else { 7 }) {
        0 | 1 => json!(text(choices)),
        2 => date(choices),
        3 => choices.one_of(&[json!(null), json!(true)].each_ref()).clone(),
        4 => json!(choices.below(256)),
        5 => (0..choices.below(4)).map(|_| anything(choices, text, depth - 1)).collect(),
        _ => object(choices, text, depth - 1),
    }
}

/// The pointers of all members without children, and of all objects.
pub(crate) fn places(value: &Value, at: &str, leaves: &mut Vec<String>, objects: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            objects.push(at.to_owned());
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{name}"), leaves, objects);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{index}"), leaves, objects);
            }
        }
        _ => leaves.push(at.to_owned()),
    }
}
