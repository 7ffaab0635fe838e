//! Alert rules on reports, and a study's changes to rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use domain::intake::ReportKind;
use domain::report_rules::{self, Facts, ReportRule};
use domain::{Code, Instrument, library, study_rules};
use serde_json::{Map, Value, json};

type Found = (String, &'static str, String);

fn alerts(rules: &[ReportRule], data: &Value) -> Vec<Found> {
    let data: Map<String, Value> = data.as_object().unwrap().clone();
    let alerts = report_rules::alerts(rules, &Facts::of(&data, &[]));
    alerts.into_iter().map(|alert| (alert.rule.to_string(), alert.severity.as_str(), alert.reason)).collect()
}

fn event(grade: u8, serious: bool, criteria: Value, outcome: &str, expected: &[(&str, &str, &str)]) {
    let rules = report_rules::built_in(ReportKind::AdverseEvent).unwrap();
    let data = json!({"grade": grade, "serious": serious, "seriousnessCriteria": criteria, "outcome": outcome,
                      "term": "free text"});
    let found = alerts(&rules, &data);
    let found: Vec<_> = found.iter().map(|(rule, severity, why)| (rule.as_str(), *severity, why.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_adverse_event_alerts_from_grade_three_or_when_serious() {
    event(1, false, Value::Null, "recovered", &[]);
    event(2, false, json!([]), "recovering", &[]);
    event(3, false, Value::Null, "recovering", &[("serious", "high", "grade is 3, rule: 3 or more")]);
    event(2, true, json!(["hospitalisation"]), "recovered", &[("serious", "high", "the event is serious")]);
    let both = "grade is 3, rule: 3 or more and the event is serious";
    event(3, true, json!(["hospitalisation"]), "recovered", &[("serious", "high", both)]);
    event(4, false, Value::Null, "recovering", &[("grave", "critical", "grade is 4, rule: 4 or more")]);
    let threat = "seriousness criterion life-threatening";
    event(2, true, json!(["disability", "life-threatening"]), "recovered", &[("grave", "critical", threat)]);
    let fatal = "grade is 5, rule: 4 or more and seriousness criterion death and the outcome is fatal";
    event(5, true, json!(["death"]), "fatal", &[("grave", "critical", fatal)]);
}

fn study(document: &Value) -> study_rules::Study {
    study_rules::read(&json!({"studies": {"S": document}})).unwrap().study("S").unwrap().clone()
}

#[test]
fn a_study_watches_symptoms_in_diaries() {
    let rules = json!({"diary": {"add": [
        {"id": "pain", "severity": "high", "textKey": "s.pain", "when": {"symptom": "Pain", "atLeast": 7}},
        {"id": "worst", "severity": "critical", "textKey": "s.any", "when": {"symptom": "any", "is": 10}}
    ]}});
    let study = study(&rules);
    let rules = study.report(ReportKind::Diary).unwrap();
    let diary = |symptoms: Value| alerts(rules, &json!({"symptoms": symptoms}));
    assert_eq!(diary(json!([{"name": "pain", "severity": 6}, {"name": "nausea", "severity": 9}])), []);
    let found = diary(json!([{"name": " PAIN ", "severity": 8}, {"name": "call 13800138000", "severity": 10}]));
    let worst = ("worst".to_string(), "critical", "a symptom has severity 10, rule: exactly 10".to_string());
    let pain = ("pain".to_string(), "high", "symptom Pain has severity 8, rule: 7 or more".to_string());
    assert_eq!(found, [worst, pain]);
    assert_eq!(diary(Value::Null), []);
    assert!(study.report(ReportKind::AdverseEvent).is_none());
}

#[test]
fn a_study_combines_results_of_one_report() {
    // Hy's law.
    let when = json!({"all": [{"analyte": "1742-6", "of": "upper-limit", "above": 3},
                              {"analyte": "1975-2", "of": "upper-limit", "above": 2}]});
    let rules = json!({"lab": {"add": [{"id": "hys-law", "severity": "critical", "textKey": "s.hy", "when": when}],
                               "off": ["grade-3"]}});
    let study = study(&rules);
    let rules = study.report(ReportKind::Lab).unwrap();
    let result = |code: &str, value: f64, high: f64| {
        let unit = if code == "1742-6" { "U/L" } else { "umol/L" };
        json!({"code": code, "value": value, "unit": unit, "referenceRange": {"high": high}})
    };
    let found = alerts(rules, &json!({"results": [result("1742-6", 160.0, 40.0), result("1975-2", 45.0, 20.0)]}));
    let reason = "alanine aminotransferase is 160 U/L, rule: more than 3 times the upper limit of normal and \
                  bilirubin is 45 umol/L, rule: more than 2 times the upper limit of normal";
    assert_eq!(found, [("hys-law".to_string(), "critical", reason.to_string())]);
    assert_eq!(alerts(rules, &json!({"results": [result("1742-6", 160.0, 40.0)]})), []);
    assert!(!rules.iter().any(|rule| rule.id() == "grade-3") && rules.iter().any(|rule| rule.id() == "grade-4"));
}

#[test]
fn a_study_extends_and_replaces_the_rules_of_an_instrument() {
    let severe = json!({"severity": "critical", "textKey": "s.severe", "when": {"score": "total", "atLeast": 18}});
    let own = json!({"id": "own", "severity": "info", "textKey": "s.own", "when": {"item": "q3", "atLeast": 3}});
    let changes = json!({"add": [own], "replace": {"severe": severe}, "off": ["moderately-severe"]});
    let study = study(&json!({"instruments": {"phq-9": changes, "own-instrument": {"off": ["x"]}}}));
    let phq_9 = Instrument::from_json(&library::definition("phq-9").unwrap()).unwrap();
    let rules = study.instrument(&"phq-9".into()).unwrap().apply(&phq_9).unwrap();
    let found: Vec<_> = rules.iter().map(|rule| (rule.id(), rule.severity().as_str())).collect();
    assert_eq!(found, [("item-9", "critical"), ("item-9-missing", "high"), ("severe", "critical"), ("own", "info")]);
    // The rules for an instrument that is not built in are checked when its definition is available.
    assert!(study.instrument(&"own-instrument".into()).unwrap().apply(&phq_9).is_err());
    assert!(study.instrument(&"gad-7".into()).is_none());
}

#[test]
fn every_fault_of_the_document_is_told_at_once() {
    let rule = |when: Value| json!({"id": "r", "severity": "high", "textKey": "t", "when": when});
    let document = json!({"studies": {"S": {
        "instruments": {"phq-9": {
            "off": ["item-9", "nothing"],
            "replace": {"item-9-missing": {"severity": "info", "textKey": "t", "when": {"item": "q9", "atLeast": 3}}},
            "add": [{"id": "severe", "severity": "high", "textKey": "t", "when": {"item": "q11", "atLeast": 1}}]
        }},
        "adverseEvent": {"off": ["grave"], "add": [rule(json!({"grade": "any", "atLeast": 6}))]},
        "lab": {"add": [rule(json!({"analyte": "718-7", "unit": "U/L", "below": 1}))], "baseline": "yes"},
        "diary": {"add": [rule(json!({"symptom": "any", "atLeast": 11}))], "more": 1},
        "else": 1
    }}, "extra": 1});
    let mut found: Vec<(String, Code)> =
        study_rules::read(&document).unwrap_err().into_iter().map(|fault| (fault.pointer, fault.code)).collect();
    found.sort();
    let of = |pointer: &str, code| (format!("/studies/S{pointer}"), code);
    let mut expected = vec![
        ("/extra".to_string(), Code::Unknown),
        of("/adverseEvent/add/0/when/grade", Code::Choice),
        of("/adverseEvent/off/0", Code::Forbidden),
        of("/diary/add/0/when", Code::Conflict),
        of("/diary/more", Code::Unknown),
        of("/else", Code::Unknown),
        of("/instruments/phq-9/add/0/when/item", Code::Unknown),
        of("/instruments/phq-9/off/0", Code::Forbidden),
        of("/instruments/phq-9/off/1", Code::Unknown),
        of("/instruments/phq-9/replace/item-9-missing", Code::Forbidden),
        of("/lab/add/0/when/unit", Code::Choice),
        of("/lab/baseline", Code::Type),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_rule_that_cannot_be_read_hides_no_other_fault_and_a_taken_id_is_told() {
    let again = json!({"id": "severe", "severity": "high", "textKey": "t", "when": {"item": "q1", "atLeast": 1}});
    let document = json!({"studies": {"S": {"instruments": {"phq-9": {"add": [again]}}}}});
    let faults = study_rules::read(&document).unwrap_err();
    assert_eq!((faults.len(), faults.first().unwrap().code), (1, Code::Conflict));
    for broken in [json!(1), json!({}), json!({"studies": []}), json!({"studies": {"S": 1}}), Value::Null] {
        assert!(study_rules::read(&broken).is_err(), "{broken}");
    }
    assert!(study_rules::read(&json!({"studies": {}})).unwrap().study("S").is_none());
}
