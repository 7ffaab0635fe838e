//! Properties of any JSON: no panic, no invalid input accepted, no slow input.

use domain::Instrument;
use domain::fhir::import::definition;
use std::time::{Duration, Instant};

use domain::fhir::response::{MOST_FINDINGS, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{OWN, coded, instrument, phq9, read, read_with, total, with};

/// JSON that is built of FHIR's words, so that it passes the first checks.
fn anything() -> impl Strategy<Value = Value> {
    let words = || {
        prop::sample::select(vec![
            "resourceType",
            "QuestionnaireResponse",
            "questionnaire",
            "phq-9",
            "status",
            "completed",
            "subject",
            "reference",
            "Patient/p",
            "authored",
            "2026-03-01T08:00:00Z",
            "item",
            "answer",
            "linkId",
            "q1",
            "q9",
            "44260-8",
            "valueCoding",
            "valueInteger",
            "valueBoolean",
            "valueDecimal",
            "code",
            "system",
            "http://loinc.org",
            "LA6568-5",
            "extension",
            "url",
            "urn:vigil:study",
            "valueString",
            "identifier",
            "value",
            "id",
            "",
            "/",
            "#",
            "|",
            "modifierExtension",
            "_value",
            "definition",
            "病人",
            "Questionnaire/gcs",
            "1.1",
            "http://loinc.org/q/44249-1",
            "type",
            "choice",
            "integer",
            "answerOption",
            "answerValueSet",
            "compose",
            "include",
            "concept",
            "http://hl7.org/fhir/StructureDefinition/itemWeight",
            "http://hl7.org/fhir/StructureDefinition/minValue",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 96, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((words(), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(name, value)| (name.into(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_panics_and_what_is_taken_is_valid(
        whole in anything(),
        parts in prop::collection::btree_map(
            prop::sample::select(vec!["item", "subject", "author", "identifier", "extension", "questionnaire", "id"]),
            anything(),
            0..3,
        ),
    ) {
        prop_assert!(read(&whole).is_err() || whole["status"] == "completed");
        let resource = parts.into_iter().fold(phq9(json!([])), |resource, (name, value)| with(resource, name, value));
        match read(&resource) {
            Ok(envelope) => {
                let id = Response::open(&resource).instrument().unwrap().to_owned();
                prop_assert!(instrument(&id).unwrap().read(&envelope.content).is_ok());
                prop_assert!(!envelope.patient_id.as_str().is_empty());
            }
            Err(found) => prop_assert!(!found.is_empty()),
        }
    }

    #[test]
    fn no_questionnaire_panics_and_what_is_taken_over_is_valid(item in anything(), contained in anything()) {
        let resource = json!({"resourceType": "Questionnaire", "version": "1", "title": "T", "contained": contained,
                              "item": [{"linkId": "a", "type": "choice", "answerOption": [item.clone()]}, item]});
        match definition(&resource, "own") {
            Ok(taken) => prop_assert!(Instrument::from_json(taken.to_string().as_bytes()).is_ok()),
            Err(found) => prop_assert!(!found.is_empty()),
        }
    }

    #[test]
    fn answers_come_out_as_they_went_in(answers in prop::collection::vec(0usize..4, 9)) {
        let codes = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];
        let items: Vec<Value> = answers.iter().enumerate().map(|(n, answer)| coded(&format!("q{}", n + 1), codes[*answer])).collect();
        let sum: usize = answers.iter().sum();
        prop_assert_eq!(total(&phq9(items.into())), f64::from(u32::try_from(sum).unwrap()));
    }
}

#[test]
fn the_largest_body_is_read_fast_whatever_is_in_it() {
    let fill = |unit: &str| {
        let count = 256 * 1024 / (unit.len() + 1);
        let items = vec![unit; count].join(",");
        let body = phq9(json!("ITEMS")).to_string().replace("\"ITEMS\"", &format!("[{items}]"));
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let deep =
        (1..40).fold("{\"linkId\":\"q1\"}".to_owned(), |inner, _| format!("{{\"linkId\":\"g\",\"item\":[{inner}]}}"));
    let wide = format!(
        "{{\"linkId\":\"x\",\"code\":[{}]}}",
        vec![r#"{"system":"http://loinc.org","code":"1-1"}"#; 5000].join(",")
    );
    for unit in [
        "{}",
        "7",
        r#"{"linkId":"x","answer":[{}]}"#,
        r#"{"linkId":"q9","answer":[{"valueInteger":1}]}"#,
        r#"{"linkId":"/1-1","answer":[{"valueCoding":{"code":"x"}}]}"#,
        r#"{"linkId":"q1","a":1,"b":1,"c":1,"d":1}"#,
        deep.as_str(),
        wide.as_str(),
    ] {
        let resource = fill(unit);
        // 50 ms, or more without optimisation. The fastest of a few runs counts, for busy machines.
        let limit = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 50 });
        let mut took = Duration::MAX;
        for _ in 0..5 {
            let phq9 = instrument("phq-9");
            let began = Instant::now();
            let found = read_with(&resource, phq9, OWN);
            took = took.min(began.elapsed());
            let told = found.err().map_or(0, |found| found.len());
            assert!(told <= MOST_FINDINGS + 1, "{told}");
            if took < limit {
                break;
            }
        }
        assert!(took < limit, "{unit:.80} {took:?}");
    }
}
