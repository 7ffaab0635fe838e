//! The translation of responses, and refusals with their places.

use domain::fhir::response::{Response, Scope};
use domain::{Code, Instrument};
use serde_json::{Value, json};

use crate::{OWN, check, check_items, coded, content, phq9, read, read_with, with};

#[test]
fn a_response_becomes_the_document_it_stands_for() {
    let resource = with(phq9(json!([coded("q1", "LA6569-3")])), "author", json!({"reference": "Practitioner/d-1"}));
    let envelope = read(&resource).unwrap();
    assert_eq!(envelope.client_id.as_deref(), Some("r-1"));
    assert_eq!(
        (envelope.study_id.as_str(), envelope.site_id.as_str(), envelope.patient_id.as_str()),
        ("A", "1", "p-1")
    );
    assert_eq!(envelope.authored_at.rfc3339(), "2026-03-01T00:00:00.000Z");
    assert_eq!(Value::Object(envelope.content), json!({"q1": 1}));
}

#[test]
fn an_answer_counts_by_its_option_and_not_by_the_order_of_codes() {
    // The last two codes of the difficulty item sort in the opposite order.
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
        // No item of PHQ-9 accepts yes or no.
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
        assert_eq!((envelope.study_id.as_str(), envelope.site_id.as_str()), ("S", "9"));
    }
    let found = read_with(&phq9(json!([])), None, Scope { study: Some("A"), ..Scope::default() }).unwrap_err();
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
    let patient = |subject: Value| {
        read(&with(phq9(json!([])), "subject", subject)).map(|envelope| envelope.patient_id.as_str().to_owned())
    };
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
    // Moved, not copied, from level to level, because copying recurses.
    let nested = |levels: usize| {
        let inner = json!([{"linkId": "q1", "answer": [{"valueInteger": 1}]}]);
        let items =
            (1..levels).fold(inner, |items, _| Value::Array(vec![with(json!({"linkId": "group"}), "item", items)]));
        with(phq9(json!([])), "item", items)
    };
    assert_eq!(Value::Object(read(&nested(16)).unwrap().content), json!({"q1": 1}));
    let found = read(&nested(17)).unwrap_err();
    assert_eq!((found.len(), found[0].pointer.matches("/item").count()), (1, 17));
    // Far deeper than any JSON reader accepts.
    assert_eq!(read(&nested(2000)).unwrap_err().len(), 1);
}

#[test]
fn a_thousand_findings_are_told_and_that_there_are_more() {
    let found =
        |faults: usize| read(&phq9(vec![json!({"linkId": "x", "answer": [7]}); faults / 2].into())).unwrap_err();
    assert_eq!(found(1000).len(), 1000);
    assert!(found(1000).iter().all(|finding| !finding.detail.contains("more")));
    let more = found(3000);
    assert_eq!(more.len(), 1001);
    assert!(more[1000].pointer.is_empty() && more[1000].detail.contains("more"));
}

#[test]
fn an_amended_response_names_what_it_amends() {
    const ID: &str = "5c7362ef-435e-41c5-9ea5-9ccbc948cf95";
    let resource = |status: &str, extensions: Value| {
        with(with(phq9(json!([coded("q1", "LA6569-3")])), "status", json!(status)), "extension", extensions)
    };
    let amends = |value: Value| {
        let mut extension = json!({"url": "urn:vigil:amends"});
        extension.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        extension
    };
    let reason = json!({"url": "urn:vigil:amends-reason", "valueCode": "patient-correction"});
    let whole = format!("https://vigil.example.org/fhir/QuestionnaireResponse/{ID}");
    for value in [
        json!({"valueString": ID}),
        json!({"valueReference": {"reference": format!("QuestionnaireResponse/{ID}")}}),
        json!({"valueReference": {"reference": whole, "type": "QuestionnaireResponse"}}),
    ] {
        let amends = read(&resource("amended", json!([amends(value), reason]))).unwrap().amends.unwrap();
        assert_eq!((amends.submission_id.as_str(), amends.reason.as_deref()), (ID, Some("patient-correction")));
    }
    let second =
        with(resource("amended", json!([amends(json!({"valueString": ID}))])), "meta", json!({"versionId": "2"}));
    assert_eq!(read(&second).unwrap().client_id.as_deref(), Some("r-1/_history/2"));
    let first = with(resource("amended", json!([])), "meta", json!({"versionId": "2"}));
    assert_eq!(read(&first).unwrap().client_id.as_deref(), Some("r-1"));
    // An amended response whose original was never sent here amends nothing here.
    assert_eq!(read(&resource("amended", json!([]))).unwrap().amends, None);

    use Code::{Choice, Conflict, Format, Required, Type};
    let value = || amends(json!({"valueString": ID}));
    let at = "/extension/0/valueReference";
    for (status, extensions, expected) in [
        ("completed", json!([value()]), &[("/status", Conflict)][..]),
        ("stopped", json!([value()]), &[("/status", Choice)]),
        ("amended", json!([value(), value()]), &[("/extension/1", Conflict)]),
        ("amended", json!([reason]), &[("/extension/0", Conflict)]),
        ("amended", json!([amends(json!({}))]), &[("/extension/0", Required)]),
        ("amended", json!([amends(json!({"valueString": ID, "valueReference": {}}))]), &[("/extension/0", Conflict)]),
        ("amended", json!([amends(json!({"valueString": "r-1"}))]), &[("/extension/0/valueString", Format)]),
        ("amended", json!([amends(json!({"valueString": 7}))]), &[("/extension/0/valueString", Type)]),
        ("amended", json!([amends(json!({"valueReference": 7}))]), &[(at, Type)]),
        ("amended", json!([amends(json!({"valueReference": {}}))]), &[(at, Required)]),
        (
            "amended",
            json!([amends(json!({"valueReference": {"reference": format!("Patient/{ID}")}}))]),
            &[(&*format!("{at}/reference"), Choice)],
        ),
        (
            "amended",
            json!([amends(json!({"valueReference": {"reference": "QuestionnaireResponse/r-1"}}))]),
            &[(&*format!("{at}/reference"), Format)],
        ),
        (
            "amended",
            json!([value(), {"url": "urn:vigil:amends-reason", "valueString": "because of me"}]),
            &[("/extension/1/valueString", Format)],
        ),
        ("amended", json!([value(), {"url": "urn:vigil:amends-reason"}]), &[("/extension/1", Required)]),
    ] {
        check(&resource(status, extensions), expected);
    }
}
