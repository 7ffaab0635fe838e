//! Documents: a valid one is read unchanged, an invalid one is refused for each of its faults.

use std::cell::RefCell;

use domain::intake::{Envelope, ReportKind, Shape};
use domain::{Finding, Instrument, library, report};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::choices::{Choices, bytes};
use crate::config;
use crate::samples::{self, now, places};

thread_local! {
    static PHQ9: RefCell<Instrument> = RefCell::new(Instrument::from_json(&library::definition("phq-9").unwrap()).unwrap());
}

/// Reads a body in the same way as the door: as a response if it has answers, else as a report.
fn read(body: &[u8]) -> Result<Envelope, Vec<Finding>> {
    let document: Value = serde_json::from_slice(body).map_err(|_| Vec::new())?;
    if document.get("answers").is_some() {
        return PHQ9.with_borrow(|phq9| {
            Shape::Response.read(document, |answers| phq9.read(answers).err().unwrap_or_default())
        });
    }
    let kind = document.get("kind").and_then(Value::as_str).and_then(ReportKind::parse);
    Shape::Report.read(document, |data| kind.map(|kind| report::check(kind, data, now())).unwrap_or_default())
}

/// The document that an envelope was read from.
fn written(envelope: &Envelope) -> Value {
    let (id, content) = if envelope.kind.is_some() { ("reportId", "data") } else { ("responseId", "answers") };
    let mut document = json!({"studyId": envelope.study_id, "siteId": envelope.site_id, "patientId": envelope.patient_id.as_str(),
                              "authoredAt": envelope.authored_at.rfc3339(), content: envelope.content});
    if let Some(kind) = envelope.kind {
        document["kind"] = json!(kind.as_str());
    }
    if let Some(given) = &envelope.client_id {
        document[id] = json!(given);
    }
    if let Some(amends) = &envelope.amends {
        document["amends"] = json!({"submissionId": amends.submission_id, "reason": amends.reason});
    }
    document
}

fn response(choices: &mut Choices<'_>) -> Value {
    let answers =
        (1..=9).filter_map(|n| choices.below(6).checked_sub(1).map(|answer| (format!("q{n}"), json!(answer % 4))));
    json!({"responseId": "r", "studyId": "S-1", "siteId": "01", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
           "answers": Value::Object(answers.collect())})
}

fn document(choices: &mut Choices<'_>) -> Value {
    if choices.once_in(4) {
        return response(choices);
    }
    samples::report(choices, &mut |choices| format!("t{}", choices.word(0, 6)))
}

/// Makes one fault and returns the expected place of its finding. None if any content is allowed at that place.
fn spoil(choices: &mut Choices<'_>, document: &mut Value) -> Option<String> {
    let generic = document["kind"] == "generic";
    let (mut leaves, mut objects) = (Vec::new(), Vec::new());
    places(document, "", &mut leaves, &mut objects);
    let free = |at: &String| generic && (at == "/data" || at.starts_with("/data/"));
    let pick = |choices: &mut Choices<'_>, all: &[String]| {
        all[(choices.below(256) * 256 + choices.below(256)) % all.len()].clone()
    };
    match choices.below(3) {
        // An unknown member.
        0 => {
            let at = pick(choices, &objects);
            if free(&at) {
                return None;
            }
            let object = document.pointer_mut(&at)?.as_object_mut()?;
            object.insert("zzz".into(), json!(choices.one_of(&[true, false])));
            Some(format!("{at}/zzz"))
        }
        // A value with a type that is valid nowhere.
        1 => {
            let at = pick(choices, &leaves);
            if free(&at) {
                return None;
            }
            *document.pointer_mut(&at)? =
                choices.one_of(&[json!({}), json!([[]]), json!({"a": "b"})].each_ref()).clone();
            Some(at)
        }
        // An empty text, or no text where one is required.
        _ => {
            let required = ["/studyId", "/siteId", "/patientId", "/authoredAt"];
            let at = choices.one_of(&required);
            *document.pointer_mut(at)? =
                choices.one_of(&[json!(""), json!(null), json!(7), json!(" \u{7}")].each_ref()).clone();
            Some(at.to_owned())
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sound_document_is_read_as_it_is(seed in bytes(120)) {
        let document = document(&mut Choices::of(&seed));
        let envelope = read(document.to_string().as_bytes());
        prop_assert!(envelope.is_ok(), "{} {:?}", document, envelope.err());
        let envelope = envelope.unwrap();
        let content = document.get("data").or_else(|| document.get("answers")).and_then(Value::as_object);
        prop_assert_eq!(Some(&envelope.content), content);
        prop_assert_eq!(Some(envelope.patient_id.as_str()), document["patientId"].as_str());
        let again = read(written(&envelope).to_string().as_bytes());
        prop_assert!(again == Ok(envelope), "{}", document);
    }

    #[test]
    fn a_faulty_document_is_refused_at_the_place_of_each_fault(seed in bytes(140)) {
        let mut choices = Choices::of(&seed);
        let mut faulty = document(&mut choices);
        let mut expected = Vec::new();
        for _ in 0..=choices.below(3) {
            expected.extend(spoil(&mut choices, &mut faulty));
        }
        let found = read(faulty.to_string().as_bytes()).err().unwrap_or_default();
        prop_assert!(expected.is_empty() == found.is_empty(), "{} {:?} {:?}", faulty, expected, found);
        // For an unknown kind, the data cannot be checked.
        if expected.iter().any(|at| at == "/kind") {
            expected.retain(|at| !at.starts_with("/data/"));
        }
        for at in &expected {
            // A later fault may replace an earlier one, or contain it.
            let told = |finding: &Finding| finding.pointer == *at || at.starts_with(&format!("{}/", finding.pointer));
            prop_assert!(found.iter().any(told), "{} {} {:?}", faulty, at, found);
        }
    }

    #[test]
    fn a_document_that_breaks_off_is_none(seed in bytes(80), cut in any::<prop::sample::Index>()) {
        let whole = document(&mut Choices::of(&seed)).to_string();
        prop_assert!(read(&whole.as_bytes()[..cut.index(whole.len())]).is_err());
    }

    #[test]
    fn no_bytes_bring_it_down(seed in bytes(100), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut body = document(&mut Choices::of(&seed)).to_string().into_bytes();
        for (place, byte) in places {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Ok(envelope) = read(&body) {
            prop_assert!(read(written(&envelope).to_string().as_bytes()) == Ok(envelope));
        }
    }
}
