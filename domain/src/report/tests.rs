use super::*;
use alloc::string::String;
use proptest::prelude::*;
use serde_json::json;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T08:00:00Z").unwrap()
}

fn found(kind: ReportKind, data: &Value) -> Vec<(String, Code)> {
    let faults = check(kind, data.as_object().unwrap(), now());
    faults.into_iter().map(|finding| (finding.pointer, finding.code)).collect()
}

/// Checks the faults of a valid report after these members were set (`null` removes one).
fn changed(kind: ReportKind, mut data: Value, changes: Value, expected: &[(&str, Code)]) {
    for (pointer, value) in changes.as_object().unwrap() {
        if let Some(place) = data.pointer_mut(pointer) {
            *place = value.clone();
        } else {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            data.pointer_mut(parent).unwrap()[member] = value.clone();
        }
    }
    let found = found(kind, &data);
    let found: Vec<(&str, Code)> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
    assert_eq!(found, expected, "{changes}");
}

fn event() -> Value {
    json!({"term": "Headache", "onset": "2026-02-20", "end": "2026-02-21T10:00:00+08:00", "grade": 2, "serious": false,
           "relatedness": "possible", "outcome": "recovered", "actionTaken": "none"})
}

#[test]
fn seriousness_end_and_outcome_of_an_adverse_event_agree() {
    let fatal = |change: Value| {
        let mut whole = json!({"/grade": 5, "/outcome": "fatal", "/serious": true, "/seriousnessCriteria": ["death"]});
        whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        whole
    };
    let (serious, ongoing, end) = ("/serious", "/ongoing", "/end");
    for (changes, expected) in [
        (fatal(json!({"/serious": false, "/seriousnessCriteria": []})), Some(serious)),
        (fatal(json!({"/serious": false, "/seriousnessCriteria": null})), Some(serious)),
        (fatal(json!({"/serious": false})), Some(serious)),
        (fatal(json!({"/seriousnessCriteria": ["hospitalisation"]})), None),
        (fatal(json!({"/seriousnessCriteria": ["hospitalisation", "death"]})), None),
        (fatal(json!({"/end": null, "/ongoing": true})), Some(ongoing)),
        (fatal(json!({"/end": null, "/ongoing": false})), None),
        (json!({"/end": null, "/ongoing": true}), Some(ongoing)),
        (json!({"/end": null, "/ongoing": true, "/outcome": "recovered-with-sequelae"}), Some(ongoing)),
        (json!({"/end": null, "/ongoing": true, "/outcome": "recovering"}), None),
        (json!({"/end": null, "/ongoing": true, "/outcome": "not-recovered"}), None),
        (json!({"/end": null, "/ongoing": true, "/outcome": "unknown"}), None),
        (json!({"/outcome": "not-recovered"}), Some(end)),
        (json!({"/outcome": "not-recovered", "/end": null}), None),
        (json!({"/outcome": "not-recovered", "/end": null, "/ongoing": false}), Some(ongoing)),
        (json!({"/outcome": "recovering"}), None),
        (json!({"/outcome": "unknown"}), None),
    ] {
        let expected = expected.map(|pointer| (pointer, Code::Conflict));
        changed(ReportKind::AdverseEvent, event(), changes, expected.as_slice());
    }
}

#[test]
fn an_adverse_event_must_not_contradict_itself() {
    use Code::*;
    let death = json!({"/grade": 5, "/outcome": "fatal", "/serious": true, "/seriousnessCriteria": ["death"]});
    for (changes, expected) in [
        (json!({}), &[][..]),
        (death, &[]),
        (json!({"/end": null, "/ongoing": true, "/outcome": "recovering"}), &[]),
        (json!({"/end": "2026-02-19"}), &[("/end", Conflict)]),
        (json!({"/end": "2026-02-20"}), &[]),
        // In another time zone the day may have begun earlier.
        (json!({"/end": "2026-02-19T11:00:00Z"}), &[]),
        (json!({"/end": "2026-02-19T09:00:00Z"}), &[("/end", Conflict)]),
        (json!({"/onset": "2026-02-21T11:00:00+08:00"}), &[("/end", Conflict)]),
        (json!({"/ongoing": true}), &[("/ongoing", Conflict)]),
        (json!({"/grade": 5}), &[("/grade", Conflict)]),
        (json!({"/outcome": "fatal"}), &[("/grade", Conflict), ("/serious", Conflict)]),
        (json!({"/serious": true}), &[("/seriousnessCriteria", Conflict)]),
        (json!({"/seriousnessCriteria": ["disability"]}), &[("/serious", Conflict)]),
        (json!({"/serious": true, "/seriousnessCriteria": ["death"]}), &[("/outcome", Conflict)]),
        (
            json!({"/serious": true, "/seriousnessCriteria": ["worse", 1]}),
            &[("/seriousnessCriteria/0", Choice), ("/seriousnessCriteria/1", Type)],
        ),
        (
            json!({"/serious": true, "/seriousnessCriteria": ["disability", "disability"]}),
            &[("/seriousnessCriteria/1", Conflict)],
        ),
        (json!({"/grade": 0}), &[("/grade", Range)]),
        (json!({"/grade": 2.5}), &[("/grade", Range)]),
        (json!({"/onset": "2026-03-03", "/end": null}), &[("/onset", Range)]),
        (json!({"/onset": "20 Feb"}), &[("/onset", Format)]),
        (
            json!({"/term": " ", "/relatedness": "maybe", "/outcome": 1, "/x": 1, "/grade": "2", "/end": "2026-02-30"}),
            &[
                ("/term", Range),
                ("/end", Format),
                ("/grade", Type),
                ("/relatedness", Choice),
                ("/outcome", Type),
                ("/x", Unknown),
            ],
        ),
    ] {
        changed(ReportKind::AdverseEvent, event(), changes, expected);
    }
    let missing = found(ReportKind::AdverseEvent, &json!({}));
    assert_eq!(missing.len(), 7);
    assert!(missing.iter().all(|(_, code)| *code == Required));
}

#[test]
fn a_laboratory_result_has_a_unit_of_its_analyte_and_is_not_from_the_future() {
    use Code::*;
    let lab = json!({"results": [{"code": "718-7", "value": 13.2, "unit": "g/dL", "collectedAt": "2026-03-01T08:05:00Z",
                                  "referenceRange": {"low": 12, "high": 16}}]});
    for (changes, expected) in [
        (json!({}), &[][..]),
        (json!({"/results/0/collectedAt": "2026-03-01T08:05:00.001Z"}), &[("/results/0/collectedAt", Range)]),
        (json!({"/results/0/collectedAt": "1999-03-01T08:00:00Z"}), &[]),
        (json!({"/results/0/unit": "mg/dL"}), &[("/results/0/unit", Choice)]),
        (json!({"/results/0/unit": "g/dl"}), &[("/results/0/unit", Choice)]),
        (json!({"/results/0/unit": null}), &[("/results/0/unit", Required)]),
        (json!({"/results/0/value": "positive"}), &[("/results/0/value", Format)]),
        (
            json!({"/results/0/value": "positive", "/results/0/unit": null}),
            &[("/results/0/unit", Required), ("/results/0/value", Format)],
        ),
        (json!({"/results/0/code": "HB", "/results/0/value": "positive", "/results/0/unit": null}), &[]),
        (json!({"/results/0/code": "HB", "/results/0/value": "7.2"}), &[("/results/0/unit", Conflict)]),
        (json!({"/results/0/value": true}), &[("/results/0/value", Type)]),
        (json!({"/results/0/value": " 13.2 "}), &[]),
        (json!({"/results/0/value": ">13.2"}), &[]),
        (json!({"/results/0/value": "\u{2264} 13.2"}), &[]),
        (json!({"/results/0/value": ">13.2", "/results/0/comparator": ">"}), &[]),
        (json!({"/results/0/value": ">13.2", "/results/0/comparator": ">="}), &[("/results/0/comparator", Conflict)]),
        (json!({"/results/0/comparator": "\u{2265}"}), &[("/results/0/comparator", Choice)]),
        (json!({"/results/0/value": "13.2", "/results/0/unit": null}), &[("/results/0/unit", Required)]),
        (json!({"/results/0/value": "13,2"}), &[("/results/0/value", Format)]),
        (json!({"/results/0/value": "13.200"}), &[("/results/0/value", Format)]),
        (
            json!({"/results/0/value": "13.2 g/dL", "/results/0/unit": null}),
            &[("/results/0/unit", Required), ("/results/0/value", Format)],
        ),
        (json!({"/results/0/value": " "}), &[("/results/0/value", Format)]),
        (json!({"/results/0/value": ["13.2"]}), &[("/results/0/value", Type)]),
        (json!({"/results/0/value": -1}), &[("/results/0/value", Range)]),
        (json!({"/results/0/value": "-1"}), &[("/results/0/value", Range)]),
        (json!({"/results/0/value": 0}), &[]),
        (json!({"/results/0/referenceRange/low": "12"}), &[("/results/0/referenceRange/low", Type)]),
        (json!({"/results/0/code": "59260-0"}), &[("/results/0/unit", Choice)]),
        (json!({"/results/0/code": "59260-0", "/results/0/unit": "mmol/L"}), &[]),
        (json!({"/results/0/code": "30313-1"}), &[]),
        (json!({"/results/0/code": "30313-1", "/results/0/unit": "mmol/L"}), &[("/results/0/unit", Choice)]),
        (json!({"/results/0/code": "718-8"}), &[("/results/0/code", Format)]),
        (json!({"/results/0/code": "HB", "/results/0/unit": "furlongs"}), &[]),
        (json!({"/results/0/code": "HB", "/results/0/unit": "per day"}), &[("/results/0/unit", Format)]),
        (json!({"/results/0/referenceRange/low": 17}), &[("/results/0/referenceRange/high", Conflict)]),
        (json!({"/results": []}), &[("/results", Range)]),
        (json!({"/results": {}}), &[("/results", Type)]),
        (json!({"/results": null}), &[("/results", Required)]),
        (
            json!({"/results": [1, {"x": 1}]}),
            &[
                ("/results/0", Type),
                ("/results/1/code", Required),
                ("/results/1/value", Required),
                ("/results/1/collectedAt", Required),
                ("/results/1/x", Unknown),
            ],
        ),
    ] {
        changed(ReportKind::Lab, lab.clone(), changes, expected);
    }
}

#[test]
fn a_diary_has_severities_from_0_to_10() {
    use Code::*;
    let diary = json!({"medication": [{"name": "aspirin", "taken": true}], "symptoms": [{"name": "pain", "severity": 10}],
                       "note": "slept well", "patient": {"name": "x", "sex": "female"}});
    for (changes, expected) in [
        (json!({}), &[][..]),
        (json!({"/symptoms/0/severity": 11}), &[("/symptoms/0/severity", Range)]),
        (json!({"/symptoms/0/severity": "3"}), &[("/symptoms/0/severity", Type)]),
        (json!({"/symptoms/0/severity": null}), &[("/symptoms/0/severity", Required)]),
        (json!({"/medication/0/taken": "yes", "/note": 3}), &[("/medication/0/taken", Type), ("/note", Type)]),
        (json!({"/patient/sex": "x", "/patient/shoe": 1}), &[("/patient/sex", Choice), ("/patient/shoe", Unknown)]),
    ] {
        changed(ReportKind::Diary, diary.clone(), changes, expected);
    }
}

#[test]
fn a_generic_report_may_be_32_kib_however_it_is_spaced() {
    let fitting = json!({"x": "y".repeat(32 * 1024 - 8)});
    assert_eq!(found(ReportKind::Generic, &fitting), []);
    assert_eq!(found(ReportKind::Generic, &json!({"x": "y".repeat(32 * 1024 - 7)})), [("".into(), Code::Range)]);
}

#[test]
fn times_are_flagged_and_never_refused() {
    use Timeliness::{Late, Skewed};
    for (authored_at, flags) in [
        ("2026-03-01T08:05:00Z", [].as_slice()),
        ("2026-03-01T08:05:00.001Z", &[Skewed]),
        ("2026-02-28T08:00:00Z", &[]),
        ("2026-02-28T07:59:59.999Z", &[Late]),
        ("2016-03-01T08:00:00Z", &[Late]),
        ("2016-02-01T08:00:00Z", &[Late, Skewed]),
        ("1970-01-01T00:00:00Z", &[Late, Skewed]),
        ("0000-01-01T00:00:00Z", &[Late, Skewed]),
        ("9999-12-31T23:59:59Z", &[Skewed]),
    ] {
        assert_eq!(Timeliness::of(Timestamp::parse(authored_at).unwrap(), now()), flags, "{authored_at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grade_five_is_accepted_exactly_with_a_fatal_outcome(grade in 1..=5, fatal in any::<bool>()) {
        let mut event = event();
        event["grade"] = json!(grade);
        event["outcome"] = json!(if fatal { "fatal" } else { "recovering" });
        event["serious"] = json!(fatal);
        event["seriousnessCriteria"] = if fatal { json!(["death"]) } else { json!([]) };
        prop_assert_eq!(found(ReportKind::AdverseEvent, &event).is_empty(), (grade == 5) == fatal);
    }

    #[test]
    fn no_finding_repeats_a_value(secret in "[a-z]{12}") {
        for member in ["term", "onset", "grade", "serious", "relatedness", "outcome", "actionTaken", "seriousnessCriteria", "ongoing"] {
            let mut event = event();
            event[member] = json!(["", secret]);
            let faults = check(ReportKind::AdverseEvent, event.as_object().unwrap(), now());
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|finding| !finding.detail.contains(&secret)));
        }
    }
}
