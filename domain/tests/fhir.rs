//! FHIR R4 in and out: what a response comes to, what is refused and where, what instruments and scores look like.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::fhir::observation::{Score, Scored, bundle, observation};
use domain::fhir::questionnaire::questionnaire;
use domain::fhir::response::{Response, Scope};
use domain::intake::{Envelope, Shape};
use domain::{Code, Finding, Instrument, library};
use proptest::prelude::*;
use serde_json::{Value, json};

fn instrument(id: &str) -> Option<Instrument> {
    Some(Instrument::from_json(library::definition(id)?).unwrap_or_else(|faults| panic!("{id}: {faults:#?}")))
}

/// Reads a resource as the door does.
fn read_with(resource: &Value, given: Option<Instrument>, scope: Scope) -> Result<Envelope, Vec<Finding>> {
    let response = Response::open(resource);
    let instrument = given.or_else(|| response.instrument().and_then(instrument));
    let mut translation = response.translate(instrument.as_ref(), scope);
    let check = |content: &serde_json::Map<String, Value>| match &instrument {
        Some(instrument) => instrument.read(content).err().unwrap_or_default(),
        None => Vec::new(),
    };
    let read = Shape::Response.read(translation.take_document(), check);
    translation.settle(read)
}

const OWN: Scope = Scope { study: Some("A"), site: Some("1") };

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

/// What is wrong, and where.
fn check(resource: &Value, expected: &[(&str, Code)]) {
    let findings = read(resource).err().unwrap_or_default();
    let found: Vec<(&str, Code)> = findings.iter().map(|finding| (finding.pointer.as_str(), finding.code)).collect();
    assert_eq!(found, expected, "{resource}\n{findings:#?}");
}

/// What is wrong with these items.
fn check_items(items: Value, expected: &[(&str, Code)]) {
    check(&phq9(items), expected);
}

#[test]
fn a_response_becomes_the_document_it_stands_for() {
    let resource = with(phq9(json!([coded("q1", "LA6569-3")])), "author", json!({"reference": "Practitioner/d-1"}));
    let envelope = read(&resource).unwrap();
    assert_eq!(envelope.client_id.as_deref(), Some("r-1"));
    assert_eq!((&*envelope.study_id, &*envelope.site_id, &*envelope.patient_id), ("A", "1", "p-1"));
    assert_eq!(envelope.authored_at.rfc3339(), "2026-03-01T00:00:00.000Z");
    assert_eq!(Value::Object(envelope.content), json!({"q1": 1}));
}

#[test]
fn an_answer_counts_by_its_option_and_not_by_the_order_of_codes() {
    // The two last codes of the difficulty item sort the other way round.
    for (item, code, counts) in [
        ("q1", "LA6568-5", 0),
        ("q1", "LA6569-3", 1),
        ("q1", "LA6570-1", 2),
        ("q1", "LA6571-9", 3),
        ("q10", "LA6572-7", 0),
        ("q10", "LA6573-5", 1),
        ("q10", "LA6575-0", 2),
        ("q10", "LA6574-3", 3),
    ] {
        assert_eq!(content(json!([coded(item, code)])), json!({item: counts}), "{code}");
    }
}

#[test]
fn items_are_known_by_link_id_and_by_loinc() {
    let answer = json!([{"valueInteger": 2}]);
    let loinc = json!([{"system": "http://loinc.org", "code": "44260-8"}]);
    for item in [
        json!({"linkId": "q9", "answer": answer}),
        json!({"linkId": "44260-8", "answer": answer}),
        json!({"linkId": "/44260-8", "answer": answer}),
        json!({"linkId": "44249-1/44260-8", "answer": answer}),
        json!({"linkId": "some", "definition": "http://loinc.org/44260-8", "answer": answer}),
        json!({"linkId": "some", "code": loinc, "answer": answer}),
        json!({"linkId": "q9", "code": loinc, "answer": answer}),
    ] {
        assert_eq!(content(json!([item])), json!({"q9": 2}), "{item}");
    }
    let contradiction = json!([{"linkId": "q8", "code": loinc, "answer": answer}]);
    check_items(contradiction, &[("/item/0", Code::Conflict)]);
}

#[test]
fn items_are_found_wherever_they_are_nested() {
    let items = json!([{"linkId": "group", "item": [
        {"linkId": "text", "text": "Over the last two weeks"},
        {"linkId": "q1", "answer": [{"valueInteger": 1, "item": [coded("q2", "LA6570-1")]}],
         "item": [{"linkId": "inner", "item": [coded("q3", "LA6571-9")]}]},
    ]}]);
    assert_eq!(content(items), json!({"q1": 1, "q2": 2, "q3": 3}));
}

#[test]
fn every_type_of_value_is_read_or_refused() {
    let item = |answer: Value| json!([{"linkId": "q1", "answer": [answer]}]);
    assert_eq!(content(item(json!({"valueInteger": 3}))), json!({"q1": 3}));
    assert_eq!(content(item(json!({"valueDecimal": 3.0}))), json!({"q1": 3}));
    assert_eq!(content(item(json!({"valueCoding": {"code": "LA6571-9"}}))), json!({"q1": 3}));
    for (answer, pointer, code) in [
        (json!({"valueInteger": 4}), "/item/0/answer/0/valueInteger", Code::Range),
        (json!({"valueInteger": -1}), "/item/0/answer/0/valueInteger", Code::Range),
        (json!({"valueInteger": 1.0}), "/item/0/answer/0/valueInteger", Code::Type),
        (json!({"valueInteger": "1"}), "/item/0/answer/0/valueInteger", Code::Type),
        (json!({"valueDecimal": 1.5}), "/item/0/answer/0/valueDecimal", Code::Range),
        (json!({"valueDecimal": true}), "/item/0/answer/0/valueDecimal", Code::Type),
        (json!({"valueString": "3"}), "/item/0/answer/0/valueString", Code::Type),
        (json!({"valueQuantity": {"value": 3}}), "/item/0/answer/0/valueQuantity", Code::Type),
        // No item of PHQ-9 asks for yes or no.
        (json!({"valueBoolean": true}), "/item/0/answer/0/valueBoolean", Code::Type),
        (json!({"valueCoding": {"code": "LA6573-5"}}), "/item/0/answer/0/valueCoding/code", Code::Choice),
        (json!({"valueCoding": {"code": 3}}), "/item/0/answer/0/valueCoding/code", Code::Type),
        (json!({"valueCoding": {}}), "/item/0/answer/0/valueCoding", Code::Required),
        (json!({"valueCoding": 3}), "/item/0/answer/0/valueCoding", Code::Required),
        (
            json!({"valueCoding": {"code": "LA6569-3", "system": "http://snomed.info/sct"}}),
            "/item/0/answer/0/valueCoding/system",
            Code::Choice,
        ),
        (json!({"valueInteger": 1, "valueDecimal": 1.0}), "/item/0/answer/0", Code::Conflict),
        (json!({}), "/item/0/answer/0", Code::Required),
        (json!(3), "/item/0/answer/0", Code::Type),
        (json!({"valueInteger": 1, "valueFloat": 1}), "/item/0/answer/0/valueFloat", Code::Unknown),
    ] {
        let found = read(&phq9(item(answer.clone()))).unwrap_err();
        assert!(found.iter().any(|finding| finding.pointer == pointer && finding.code == code), "{answer} {found:#?}");
    }
}

#[test]
fn yes_and_no_answer_items_that_ask_for_nothing_else() {
    let definition = json!({
        "id": "falls", "version": "1", "title": "Falls", "licence": "Free.", "languages": ["en"], "sources": ["none"],
        "items": [{"id": "fell", "range": [0, 1]}],
        "scores": [{"id": "total", "method": "sum", "items": ["fell"]}],
    });
    let falls = Instrument::from_json(definition.to_string().as_bytes()).unwrap();
    for (yes, counts) in [(true, 1), (false, 0)] {
        let resource = phq9(json!([{"linkId": "fell", "answer": [{"valueBoolean": yes}]}]));
        let resource = with(resource, "questionnaire", json!("urn:vigil:questionnaire:falls|1"));
        let envelope = read_with(&resource, Some(falls.clone()), OWN).unwrap();
        assert_eq!(Value::Object(envelope.content), json!({"fell": counts}));
    }
}

#[test]
fn an_unanswered_item_is_missing_and_never_zero() {
    let reason = json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"});
    let items = json!([
        {"linkId": "q1"},
        {"linkId": "q2", "answer": []},
        {"linkId": "q3", "answer": [{"extension": [reason]}]},
        {"linkId": "q4", "answer": [{"_valueInteger": {"extension": [reason]}}]},
        {"linkId": "q5", "answer": null},
        coded("q6", "LA6568-5"),
    ]);
    assert_eq!(content(items), json!({"q6": 0}));
}

#[test]
fn what_could_change_the_meaning_is_refused() {
    check_items(
        json!([
            coded("q1", "LA6568-5"),
            {"linkId": "q1", "answer": [{"valueInteger": 1}]},
            {"linkId": "q2", "answer": [{"valueInteger": 1}, {"valueInteger": 1}]},
            {"linkId": "q77", "answer": [{"valueInteger": 1}]},
            {"answer": [{"valueInteger": 1}]},
            {"linkId": "q3", "awnser": [{"valueInteger": 1}]},
            {"linkId": "q4", "modifierExtension": [{"url": "urn:negated"}], "answer": [{"valueInteger": 1}]},
        ]),
        &[
            ("/item/1/answer/0", Code::Conflict),
            ("/item/2/answer", Code::Conflict),
            ("/item/3/linkId", Code::Unknown),
            ("/item/4/linkId", Code::Required),
            ("/item/5/awnser", Code::Unknown),
            ("/item/6/modifierExtension", Code::Unknown),
        ],
    );
    let resource = with(phq9(json!([])), "implicitRules", json!("urn:rules"));
    check(&resource, &[("/implicitRules", Code::Unknown)]);
}

#[test]
fn a_weight_that_comes_along_must_be_ours() {
    let answer = |url: &str, weight: f64| {
        let extension =
            json!([{"url": format!("http://hl7.org/fhir/StructureDefinition/{url}"), "valueDecimal": weight}]);
        json!([{"linkId": "q1", "answer": [{"valueCoding": {"extension": extension, "code": "LA6571-9"}}]}])
    };
    assert_eq!(content(answer("ordinalValue", 3.0)), json!({"q1": 3}));
    let at = "/item/0/answer/0/valueCoding/extension/0";
    check_items(answer("ordinalValue", 4.0), &[(at, Code::Conflict)]);
    check_items(answer("itemWeight", 0.0), &[(at, Code::Conflict)]);
}

#[test]
fn only_a_finished_response_is_taken() {
    let resource = |status: Value| with(phq9(json!([])), "status", status);
    for status in ["completed", "amended"] {
        assert!(read(&resource(json!(status))).is_ok(), "{status}");
    }
    for (status, why) in
        [("in-progress", "still"), ("stopped", "given up"), ("entered-in-error", "in error"), ("x", "must be")]
    {
        let found = read(&resource(json!(status))).unwrap_err();
        assert!(found.len() == 1 && found[0].pointer == "/status" && found[0].detail.contains(why), "{found:?}");
    }
    check(&resource(json!(7)), &[("/status", Code::Choice)]);
    check(&resource(Value::Null), &[("/status", Code::Required)]);
}

#[test]
fn a_canonical_selects_the_instrument_and_its_version() {
    let selected = |canonical: &str| {
        let resource = with(phq9(json!([])), "questionnaire", json!(canonical));
        let id = Response::open(&resource).instrument().map(str::to_owned);
        (id, read(&resource).map(|_| ()).map_err(|found| found[0].code))
    };
    for (canonical, id) in [
        ("http://example.org/fhir/Questionnaire/gad-7", "gad-7"),
        ("https://example.org/Questionnaire/phq-9|1.0.0", "phq-9"),
        ("Questionnaire/phq-9", "phq-9"),
        ("phq-9", "phq-9"),
        ("urn:vigil:questionnaire:phq-9|1.0.0", "phq-9"),
        ("http://loinc.org/q/44249-1", "phq-9"),
        ("http://loinc.org/q/44249-1|2.77", "phq-9"),
        ("http://loinc.org/69737-5", "gad-7"),
        ("http://hl7.org/fhir/Questionnaire/gcs|4.0.1", "gcs"),
    ] {
        assert_eq!(selected(canonical), (Some(id.to_owned()), Ok(())), "{canonical}");
    }
    for (canonical, code) in [
        ("http://example.org/Questionnaire/phq-9|9", Code::Conflict),
        ("http://example.org/Questionnaire/no-such", Code::Choice),
        ("http://loinc.org/q/1-8", Code::Choice),
        ("#contained", Code::Format),
        ("http://example.org/", Code::Format),
        ("", Code::Format),
    ] {
        assert_eq!(selected(canonical).1, Err(code), "{canonical}");
    }
}

#[test]
fn study_and_site_come_from_extensions_before_the_key() {
    let extension = |url: &str, value: &str| json!({"url": url, "valueString": value});
    let both = json!([extension("urn:vigil:study", "S"), extension("urn:vigil:site", "9"), {"url": "urn:other"}]);
    let resource = with(phq9(json!([])), "extension", both);
    for scope in [Scope::default(), OWN] {
        let envelope = read_with(&resource, None, scope).unwrap();
        assert_eq!((&*envelope.study_id, &*envelope.site_id), ("S", "9"));
    }
    let found = read_with(&phq9(json!([])), None, Scope { study: Some("A"), site: None }).unwrap_err();
    assert!(found.len() == 1 && found[0].detail.contains("urn:vigil:site"), "{found:?}");
    let twice =
        json!([extension("urn:vigil:study", "S"), extension("urn:vigil:study", "T"), {"url": "urn:vigil:site"}]);
    let expected = [("/extension/1", Code::Conflict), ("/extension/2", Code::Required)];
    check(&with(phq9(json!([])), "extension", twice), &expected);
    let bad = with(phq9(json!([])), "extension", json!([extension("urn:vigil:study", "a b")]));
    check(&bad, &[("/extension/0/valueString", Code::Format)]);
}

#[test]
fn the_subject_is_a_patient() {
    let patient = |subject: Value| read(&with(phq9(json!([])), "subject", subject)).map(|envelope| envelope.patient_id);
    for subject in [
        json!({"reference": "Patient/p"}),
        json!({"reference": "http://example.org/fhir/Patient/p"}),
        json!({"reference": "Patient/p/_history/3", "type": "Patient"}),
        json!({"identifier": {"value": "p"}}),
    ] {
        assert_eq!(patient(subject.clone()).as_deref(), Ok("p"), "{subject}");
    }
    for (subject, pointer, code) in [
        (json!({"reference": "Group/p"}), "/subject/reference", Code::Choice),
        (json!({"reference": "#p"}), "/subject/reference", Code::Format),
        (json!({"reference": "Patient/"}), "/subject/reference", Code::Format),
        (json!({"reference": 3}), "/subject/reference", Code::Type),
        (json!({"reference": "Patient/p", "type": "Group"}), "/subject/type", Code::Choice),
        (json!({"identifier": {"value": ""}}), "/subject/identifier/value", Code::Format),
        (json!({"display": "Jane"}), "/subject", Code::Required),
        (json!("Patient/p"), "/subject", Code::Type),
        (Value::Null, "/subject", Code::Required),
    ] {
        let found = patient(subject.clone()).unwrap_err();
        assert!(found.iter().any(|finding| finding.pointer == pointer && finding.code == code), "{subject} {found:#?}");
        assert!(!format!("{found:?}").contains("Jane"));
    }
    let authored_by = |author: Value| read(&with(phq9(json!([])), "author", author)).map(|_| ());
    assert!(authored_by(json!({"reference": "RelatedPerson/mother"})).is_ok());
    assert_eq!(authored_by(json!({"reference": "Medication/1"})).unwrap_err()[0].pointer, "/author/reference");
}

#[test]
fn every_finding_is_told_at_once() {
    let resource = json!({
        "resourceType": "QuestionnaireResponse", "identifier": {"value": " "}, "status": "stopped", "mood": "secret",
        "questionnaire": "http://example.org/no-such", "subject": {"reference": "Device/secret"}, "authored": "2026-03",
        "item": [{"linkId": "q1", "answer": [{"valueInteger": "secret"}]}, {"text": "secret"}],
    });
    let found = read_with(&resource, None, Scope::default()).unwrap_err();
    let mut pointers: Vec<&str> = found.iter().map(|finding| finding.pointer.as_str()).collect();
    pointers.sort_unstable();
    let expected = [
        "/authored",
        "/extension",
        "/extension",
        "/identifier/value",
        "/item/1/linkId",
        "/mood",
        "/questionnaire",
        "/status",
        "/subject/reference",
    ];
    assert_eq!(pointers, expected, "{found:#?}");
    assert!(!format!("{found:?}").contains("secret"));
}

#[test]
fn another_resource_is_one_finding() {
    for (resource, pointer) in [
        (json!({"resourceType": "Patient"}), "/resourceType"),
        (json!({}), "/resourceType"),
        (json!([1]), ""),
        (json!(7), ""),
    ] {
        let found = read(&resource).unwrap_err();
        assert!(found.len() == 1 && found[0].pointer == pointer, "{resource} {found:?}");
    }
}

#[test]
fn items_are_nested_at_most_sixteen_deep() {
    // Moved and not copied from level to level: copying recurses.
    let nested = |levels: usize| {
        let inner = json!([{"linkId": "q1", "answer": [{"valueInteger": 1}]}]);
        let items =
            (1..levels).fold(inner, |items, _| Value::Array(vec![with(json!({"linkId": "group"}), "item", items)]));
        with(phq9(json!([])), "item", items)
    };
    assert_eq!(Value::Object(read(&nested(16)).unwrap().content), json!({"q1": 1}));
    let found = read(&nested(17)).unwrap_err();
    assert_eq!((found.len(), found[0].pointer.matches("/item").count()), (1, 17));
    // Far deeper than any JSON reader lets through.
    assert_eq!(read(&nested(2000)).unwrap_err().len(), 1);
}

/// HL7, Structured Data Capture: the example response to its PHQ-9, in its own link ids and codes.
fn hl7_phq9() -> Value {
    let codes = [
        "Not-at-all",
        "Not-at-all",
        "Not-at-all",
        "Several-days",
        "More than half the days",
        "Several-days",
        "Nearly every day",
        "More than half the days",
        "Several-days",
    ];
    let item = |(n, code): (usize, &&str)| {
        let coding = json!({"system": "http://hl7.org/fhir/uv/sdc/CodeSystem/CSPHQ9", "code": code});
        json!({"linkId": format!("H1/T1/Q{}", n + 1), "answer": [{"valueCoding": coding}]})
    };
    let items: Vec<Value> = codes.iter().enumerate().map(item).collect();
    let quantity = json!({"value": 13, "code": "1", "system": "http://unitsofmeasure.org"});
    json!({
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://hl7.org/fhir/uv/sdc/Questionnaire/questionnaire-sdc-profile-example-PHQ9",
        "status": "completed",
        "subject": {"reference": "http://example.org/fhir/Patient/proband"},
        "authored": "2019-08-21T20:36:57.544Z",
        "author": {"reference": "http://example.org/fhir/Patient/proband"},
        "item": [{"linkId": "H1/T1", "item": items}, {"linkId": "H1/TS", "answer": [{"valueQuantity": quantity}]}],
    })
}

#[test]
fn the_total_is_what_the_answers_come_to_and_not_what_is_printed() {
    // HL7's example prints 13; 0 + 0 + 0 + 1 + 2 + 1 + 3 + 2 + 1 is 10.
    assert_eq!(total(&hl7_phq9()), 10.0);
    // The same with LOINC's codes, and a total that LOINC names.
    let codes = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];
    let links = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
    let answers = [0, 0, 0, 1, 2, 1, 3, 2, 1];
    let mut items: Vec<Value> =
        links.iter().zip(answers).map(|(link, n)| coded(&format!("/{link}"), codes[n])).collect();
    items.push(json!({"linkId": "/44261-6", "answer": [{"valueInteger": 13}]}));
    assert_eq!(total(&with(phq9(items.into()), "questionnaire", json!("http://loinc.org/q/44249-1"))), 10.0);
}

#[test]
fn link_ids_of_a_published_form_mean_nothing_elsewhere() {
    let elsewhere = with(hl7_phq9(), "questionnaire", json!("http://example.org/Questionnaire/phq-9"));
    let found = read(&elsewhere).unwrap_err();
    assert_eq!(found.iter().filter(|finding| finding.code == Code::Unknown).count(), 10, "{found:#?}");
}

#[test]
fn the_glasgow_coma_scale_is_read_by_codes() {
    // HL7, FHIR R4: the example's link ids, codes and ordinal values; 4 + 5 + 4.
    let item = |link_id: &str, code: &str, ordinal: u8| {
        let url = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
        let extension = json!([{"url": url, "valueDecimal": ordinal}]);
        let coding = json!({"extension": extension, "system": "http://loinc.org", "code": code});
        json!({"linkId": link_id, "answer": [{"valueCoding": coding}]})
    };
    let published = json!({
        "resourceType": "QuestionnaireResponse", "id": "gcs", "questionnaire": "Questionnaire/gcs", "status": "completed",
        "subject": {"reference": "Patient/example", "display": "P. C."}, "authored": "2014-12-11T04:44:16Z",
        "source": {"reference": "Practitioner/f007"},
        "item": [item("1.1", "LA6560-2", 4), item("1.2", "LA6566-9", 5), item("1.3", "LA6556-0", 4)],
    });
    assert_eq!(total(&published), 13.0);
    // In the order of LOINC's codes the two items would swap; each code belongs to one item only.
    let swapped = with(published.clone(), "item", json!([item("1.1", "LA6566-9", 5), item("1.2", "LA6560-2", 4)]));
    let code = "/item/0/answer/0/valueCoding/code";
    check(&swapped, &[(code, Code::Choice), ("/item/1/answer/0/valueCoding/code", Code::Choice)]);
    let by_loinc = with(
        published,
        "item",
        json!([coded("9267-6", "LA6553-7"), coded("9270-0", "LA6557-8"), coded("9268-4", "LA6562-8")]),
    );
    assert_eq!(total(&by_loinc), 3.0);
}

#[test]
fn an_instrument_is_given_out_with_codes_texts_and_weights() {
    let resource = questionnaire(&instrument("phq-9").unwrap());
    assert_eq!(resource["url"], "urn:vigil:questionnaire:phq-9");
    assert_eq!(resource["version"], "1.0.0");
    assert_eq!(resource["code"], json!([{"system": "http://loinc.org", "code": "44249-1"}]));
    let items = resource["item"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    assert_eq!((&items[8]["linkId"], &items[8]["type"]), (&json!("q9"), &json!("choice")));
    assert_eq!(items[8]["code"][0]["code"], "44260-8");
    assert!(items[8]["text"].as_str().unwrap().starts_with("Thoughts"));
    let options = items[9]["answerOption"].as_array().unwrap();
    let weights: Vec<(&str, f64)> = options
        .iter()
        .map(|option| {
            assert_eq!(option["extension"][0]["url"], "http://hl7.org/fhir/StructureDefinition/itemWeight");
            assert_eq!(option["valueCoding"]["system"], "http://loinc.org");
            assert!(option["valueCoding"]["display"].is_string());
            let code = option["valueCoding"]["code"].as_str().unwrap();
            (code, option["extension"][0]["valueDecimal"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(weights, [("LA6572-7", 0.0), ("LA6573-5", 1.0), ("LA6575-0", 2.0), ("LA6574-3", 3.0)]);
}

#[test]
fn what_an_instrument_gives_out_it_takes_back() {
    for id in library::ids() {
        let own = instrument(id).unwrap();
        let resource = questionnaire(&own);
        let url = resource["url"].as_str().unwrap();
        let canonical = format!("{url}|{}", resource["version"].as_str().unwrap());
        for item in resource["item"].as_array().unwrap() {
            let options = item["answerOption"].as_array().cloned().unwrap_or_default();
            let bounds = item["extension"].as_array().cloned().unwrap_or_default();
            assert!(!options.is_empty() || bounds.len() == 2, "{id} {item}");
            for answer in options.iter().chain(&bounds) {
                let mut answer = answer.clone();
                let members = answer.as_object_mut().unwrap();
                members.remove("url");
                let response = phq9(json!([{"linkId": item["linkId"], "answer": [members]}]));
                let response = with(response, "questionnaire", json!(canonical));
                let found = read(&response).err().unwrap_or_default();
                assert!(found.iter().all(|finding| finding.code == Code::Required), "{id} {response} {found:#?}");
            }
        }
    }
}

#[test]
fn what_recoding_counts_is_the_weight() {
    let resource = questionnaire(&instrument("promis-global-10").unwrap());
    let items = resource["item"].as_array().unwrap();
    let pain = items.iter().find(|item| item["linkId"] == "g07").unwrap();
    let last = pain["answerOption"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["valueInteger"], &last["extension"][0]["valueDecimal"]), (&json!(10), &json!(1)));
}

#[test]
fn scores_become_observations() {
    let scored = Scored {
        submission_id: "s",
        subject: "pseudonym",
        authored_at: "2026-03-01T00:00:00.000Z",
        instrument: "phq-9",
    };
    let definition = instrument("phq-9");
    let score = |id, value, status| Score { id, value, band: None, status, reason: Some("missing-answers") };
    let of = |n, score: &Score| observation(&scored, n, score, definition.as_ref());
    let number = json!(10.0);
    let total = of(0, &Score { band: Some("moderate"), ..score("total", Some(&number), "scored") });
    assert_eq!(total["code"]["coding"][0], json!({"system": "http://loinc.org", "code": "44261-6"}));
    assert_eq!(total["valueQuantity"]["value"], json!(10));
    assert_eq!((&total["id"], &total["code"]["text"]), (&json!("s.1"), &json!("PHQ-9 total")));
    assert_eq!(total["derivedFrom"][0]["reference"], "QuestionnaireResponse/s");
    assert_eq!(total["interpretation"][0]["coding"][0]["code"], "moderate");
    let (flag, text) = (json!(true), json!("mild"));
    assert_eq!(of(1, &score("major_depressive_syndrome", Some(&flag), "scored"))["valueBoolean"], true);
    assert_eq!(of(2, &score("severity", Some(&text), "scored"))["valueString"], "mild");
    let missing = of(3, &score("total", None, "not-scored"));
    assert_eq!(missing["dataAbsentReason"]["text"], "missing-answers");
    assert!(missing.get("valueQuantity").is_none());
    let found = bundle("/fhir/Observation", vec![total, missing]);
    assert_eq!((&found["total"], found["entry"].as_array().unwrap().len()), (&json!(2), 2));
    assert!(bundle("/fhir/Observation", Vec::new()).get("entry").is_none());
}

/// JSON that is built of the words FHIR uses, so that it gets past the first look.
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
                prop_assert!(!envelope.patient_id.is_empty());
            }
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
        let phq9 = instrument("phq-9");
        let began = std::time::Instant::now();
        let found = read_with(&resource, phq9, OWN);
        // Quadratic work would take minutes. Tests are not optimised, so there is room for that and for busy machines.
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{unit:.80} {:?}", began.elapsed());
        drop(found);
    }
}
