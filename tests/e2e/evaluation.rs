//! Alerts on reports, by built-in rules and by a study's own, and the evaluation in the record.

use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9};
use crate::receiver::Receiver;

pub(crate) const RULES: &str = "/v1/config/alert-rules";

pub(crate) fn report(id: &str, kind: &str, data: Value) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": "1", "patientId": "p", "kind": kind,
           "authoredAt": "2026-03-01T08:00:00Z", "data": data})
}

/// Sends a report and returns it scored.
async fn evaluated(app: &App, report: &Value) -> Value {
    let answer = app.send("POST", "/v1/reports", report).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.scored(answer.header("location").unwrap()).await
}

/// The rule, severity and reason of each alert.
pub(crate) fn alerts(shown: &Value) -> Vec<(String, String, String)> {
    let text = |alert: &Value, member: &str| alert[member].as_str().unwrap().to_owned();
    let alerts = shown["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| (text(alert, "rule"), text(alert, "severity"), text(alert, "reason"))).collect()
}

fn three(rule: &str, severity: &str, reason: &str) -> (String, String, String) {
    (rule.to_owned(), severity.to_owned(), reason.to_owned())
}

fn event(grade: u8, serious: bool, criteria: Value) -> Value {
    json!({"term": "Headache", "onset": "2026-02-20", "grade": grade, "serious": serious, "relatedness": "possible",
           "outcome": "recovered", "actionTaken": "none", "seriousnessCriteria": criteria})
}

#[tokio::test(flavor = "multi_thread")]
async fn adverse_events_alert_by_grade_and_seriousness() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let mild = evaluated(&app, &report("r1", "adverse-event", event(2, false, json!([])))).await;
    assert_eq!(alerts(&mild), []);
    let severe = evaluated(&app, &report("r2", "adverse-event", event(3, false, json!([])))).await;
    assert_eq!(alerts(&severe), [three("serious", "high", "grade is 3, rule: 3 or more")]);
    let threat = evaluated(&app, &report("r3", "adverse-event", event(2, true, json!(["life-threatening"])))).await;
    assert_eq!(alerts(&threat), [three("grave", "critical", "seriousness criterion life-threatening")]);
    let mut heard: Vec<Value> = receiver.heard(2).await.iter().map(|call| call.json()["data"].clone()).collect();
    heard.sort_by_key(|data| data["rule"].as_str().unwrap().to_owned());
    assert_eq!((&heard[0]["rule"], &heard[0]["instrument"]), (&json!("grave"), &json!("adverse-event")));
    assert_eq!(heard[0]["textKey"], "adverse-event.grave");
}

#[tokio::test(flavor = "multi_thread")]
async fn laboratory_results_carry_grades_and_alert() {
    let app = App::start().await;
    let result = |code: &str, value: f64, unit: &str, range: Value| json!({"code": code, "value": value, "unit": unit, "collectedAt": "2026-03-01T07:00:00Z", "referenceRange": range});
    let data = json!({"results": [
        result("718-7", 7.5, "g/dL", json!({"low": 13.5, "high": 17.5})),
        result("2823-3", 7.2, "mmol/L", json!({"low": 3.5, "high": 5.0})),
        result("1742-6", 400.0, "U/L", Value::Null),
        result("2093-3", 9.0, "mmol/L", Value::Null),
    ]});
    let shown = evaluated(&app, &report("r1", "lab", data)).await;
    let grades = shown["grades"].as_array().unwrap();
    assert_eq!(grades.len(), 4);
    let anaemia = "haemoglobin is 7.5 g/dL, CTCAE v5.0 anaemia grade 3: below 8 g/dL";
    let expected =
        json!({"result": 0, "code": "718-7", "status": "graded", "grade": 3, "term": "anaemia", "reason": anaemia});
    assert_eq!(grades[0], expected);
    let expected = json!({"result": 2, "code": "1742-6", "status": "not-graded",
                          "reason": "no upper limit of normal is given"});
    assert_eq!(grades[2], expected);
    let expected = json!({"result": 3, "code": "2093-3", "status": "not-graded",
                          "reason": "CTCAE v5.0 grades are not given for this analyte"});
    assert_eq!(grades[3], expected);
    let hyperkalaemia = "potassium is 7.2 mmol/L, CTCAE v5.0 hyperkalaemia grade 4: above 7 mmol/L";
    let expected = [
        three("grade-4", "critical", hyperkalaemia),
        three("critical-potassium-high", "critical", "potassium is 7.2 mmol/L, rule: more than 6.5 mmol/L"),
        three("grade-3", "high", anaemia),
    ];
    assert_eq!(alerts(&shown), expected);
    assert_eq!(shown.get("alertRules"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_studys_rules_are_in_force_at_once_and_their_version_is_recorded() {
    let app = App::start().await;
    let mild = |id: &str| report(id, "diary", json!({"symptoms": [{"name": "pain", "severity": 8}]}));
    let before = evaluated(&app, &mild("r1")).await;
    assert_eq!((alerts(&before), before.get("alertRules")), (vec![], None));

    let pain =
        json!({"id": "pain", "severity": "high", "textKey": "a.pain", "when": {"symptom": "pain", "atLeast": 7}});
    let own = json!({"id": "tired", "severity": "info", "textKey": "a.tired", "when": {"item": "q4", "atLeast": 2}});
    let phq = json!({"add": [own], "off": ["severe"]});
    let rules = json!({"studies": {"A": {"diary": {"add": [pain]}, "instruments": {"phq-9": phq}}}});
    let stored = app.send("PUT", RULES, &rules).await;
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
    let after = evaluated(&app, &mild("r2")).await;
    assert_eq!(alerts(&after), [three("pain", "high", "symptom pain has severity 8, rule: 7 or more")]);
    assert_eq!(after["alertRules"], json!({"version": 1}));
    // Rules that always apply stay; rules that are switched off are silent; another study is not affected.
    let shown = app.scored(&app.submit(&phq9("s1", [3; 9])).await).await;
    let found: Vec<String> = alerts(&shown).into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!((found, &shown["alertRules"]["version"]), (vec!["item-9".to_owned(), "tired".to_owned()], &json!(1)));
    let mut other = phq9("s2", [3; 9]);
    other["studyId"] = json!("B");
    let answer = app.send("POST", PHQ9, &other).await;
    let shown = app.scored(answer.header("location").unwrap()).await;
    let found: Vec<String> = alerts(&shown).into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!((found, shown.get("alertRules")), (vec!["item-9".to_owned(), "severe".to_owned()], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_weaken_what_always_applies_are_refused_with_all_other_faults() {
    let app = App::start().await;
    let weaker = json!({"severity": "info", "textKey": "t", "when": {"item": "q9", "atLeast": 3}});
    let rules = json!({"studies": {"A": {
        "instruments": {"phq-9": {"off": ["item-9"], "replace": {"item-9-missing": weaker}}},
        "adverseEvent": {"off": ["serious"]},
        "lab": {"replace": {"nothing": weaker}}
    }}});
    let answer = app.send("PUT", RULES, &rules).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let mut found = answer.findings();
    found.sort();
    let of = |pointer: &str, code: &str| (format!("/studies/A{pointer}"), code.to_owned());
    let mut expected = vec![
        of("/adverseEvent/off/0", "forbidden"),
        of("/instruments/phq-9/off/0", "forbidden"),
        of("/instruments/phq-9/replace/item-9-missing", "forbidden"),
        of("/lab/replace/nothing", "unknown"),
        of("/lab/replace/nothing/when", "required"),
    ];
    expected.sort();
    assert_eq!(found, expected);
}
