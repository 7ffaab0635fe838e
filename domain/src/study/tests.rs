use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use serde_json::{Value, json};

use super::*;

fn sound() -> Value {
    json!({
        "title": "Sleep after surgery",
        "state": "live",
        "languages": ["en", "zh-Hant"],
        "sites": [
            {"id": "1", "title": "Harbour Clinic", "zone": "Europe/Berlin", "languages": ["en"]},
            {"id": "2", "title": "Hill Clinic", "zone": "Asia/Shanghai", "state": "closed"},
        ],
        "instruments": [{"id": "phq-9"}],
        "alertRules": {"instruments": {"phq-9": {"off": ["moderate"]}}},
        "deidentification": {"shiftDays": 30},
        "schedule": {"series": []},
        "crisis": {"en": "In an emergency call 112."},
    })
}

fn faults(document: &Value) -> Vec<(String, Code)> {
    let found = Study::read(document).err().unwrap_or_default();
    found.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

#[test]
fn a_sound_document_is_read() {
    let mut document = sound();
    document["alertRules"] = json!({"diary": {"add": []}});
    let study = Study::read(&document).unwrap();
    assert_eq!((study.title.as_str(), study.state), ("Sleep after surgery", State::Live));
    assert_eq!(study.site(&"2".into()).map(|site| site.place), Some(Place::Closed));
    assert_eq!(study.crisis.len(), 1);
    let small = json!({"title": "T", "state": "draft", "languages": ["en"], "sites": [], "instruments": []});
    assert!(Study::read(&small).is_ok());
}

#[test]
fn every_fault_is_told_at_its_place() {
    for document in [json!([]), json!(null), json!("x")] {
        assert_eq!(faults(&document), [(String::new(), Code::Type)]);
    }
    let required = vec![(String::new(), Code::Required); 5];
    assert_eq!(faults(&json!({})), required);
    let document = json!({
        "title": " ", "state": "open", "languages": ["en", "en", "EN", 1], "x": 1,
        "sites": [
            {"id": "a b", "title": "", "zone": "Mars/Base", "state": "gone", "languages": ["de", "en", "en"], "y": 1},
            {"id": "1", "title": "One", "zone": "UTC"}, {"id": "1", "title": "Two", "zone": "UTC"}, 7,
        ],
        "instruments": [{"id": "phq-9"}, {"id": "phq-9", "version": "1", "parameters": {"sex": true}}],
        "alertRules": {"instruments": {"phq-9": {"off": ["nothing"]}}},
        "deidentification": {"shiftDays": 0},
        "patientSystems": {"1": ["mrn"]},
        "people": [{"issuer": "nobody", "group": "g", "role": "read", "site": "*", "study": "other"}],
        "retention": {"days": 0},
        "schedule": [],
        "crisis": {"fr": "Au secours", "en": ""},
    });
    let mut found: Vec<String> = faults(&document).into_iter().map(|(place, _)| place).collect();
    found.sort();
    found.dedup();
    let expected = [
        "/alertRules/instruments/phq-9/off/0",
        "/crisis/en",
        "/crisis/fr",
        "/deidentification/shiftDays",
        "/instruments/1/id",
        "/instruments/1/parameters",
        "/instruments/1/parameters/sex",
        "/instruments/1/version",
        "/languages/1",
        "/languages/2",
        "/languages/3",
        "/patientSystems/1/0",
        "/people",
        "/people/0/issuer",
        "/people/0/study",
        "/retention",
        "/retention/days",
        "/schedule",
        "/sites/0/id",
        "/sites/0/languages/0",
        "/sites/0/languages/2",
        "/sites/0/state",
        "/sites/0/title",
        "/sites/0/y",
        "/sites/0/zone",
        "/sites/2/id",
        "/sites/3",
        "/state",
        "/title",
        "/x",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_nothing_would_come_of_is_refused() {
    for name in AWAITED {
        let mut document = sound();
        document[name] = if name == "people" { json!([]) } else { json!({}) };
        let found = faults(&document);
        assert!(found.contains(&(format!("/{name}"), Code::Forbidden)), "{name}: {found:?}");
    }
}

#[test]
fn a_language_is_one_of_bcp_47() {
    for (text, expected) in [
        ("en", true),
        ("zh-Hant-TW", true),
        ("de-1996", true),
        ("EN", false),
        ("e", false),
        ("en-", false),
        ("", false),
    ] {
        assert_eq!(is_language(text), expected, "{text}");
    }
}

#[test]
fn differences_are_told_by_place_with_what_they_do() {
    let old = sound();
    let mut new = sound();
    assert_eq!(differences(Some(&old), &new), (vec![], 0));
    new["state"] = json!("closed");
    new["sites"] = json!([
        {"id": "3", "title": "New", "zone": "UTC"},
        {"id": "1", "title": "Harbour Clinic", "zone": "UTC", "languages": ["en"]},
    ]);
    new["deidentification"] = Value::Null;
    let members = new.as_object_mut().unwrap();
    members.remove("deidentification");
    let (found, count) = differences(Some(&old), &new);
    let places: Vec<(&str, bool, bool)> =
        found.iter().map(|one| (one.pointer.as_str(), one.old.is_some(), one.new.is_some())).collect();
    let expected = [
        ("/deidentification", true, false),
        ("/sites/1/zone", true, true),
        ("/sites/1", true, false),
        ("/sites/0", false, true),
        ("/state", true, true),
    ];
    assert_eq!((places.as_slice(), count), (expected.as_slice(), 5));
    assert!(found.iter().all(|one| one.effect.ends_with('.')), "{found:?}");
    assert!(found[2].effect.contains("site 2"), "{found:?}");
    let (found, count) = differences(None, &new);
    assert_eq!((found.len(), count, found[0].pointer.as_str()), (1, 1, ""));
}

#[test]
fn a_study_of_many_sites_is_told_up_to_a_number() {
    let sites = |zone: &str| -> Vec<Value> {
        (0..2000).map(|id| json!({"id": format!("{id}"), "title": "T", "zone": zone})).collect()
    };
    let (mut old, mut new) = (sound(), sound());
    old["sites"] = sites("UTC").into();
    new["sites"] = sites("Europe/Berlin").into();
    new["alertRules"] = json!({});
    assert!(Study::read(&new).is_ok());
    old["alertRules"] = json!({});
    let (found, count) = differences(Some(&old), &new);
    assert_eq!((found.len(), count), (500, 2000));
}
