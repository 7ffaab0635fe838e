//! The required members of each kind of report, and the notes about its times.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::app::App;

fn report(id: &str, kind: &str, authored_at: &str, data: Value) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": "1", "patientId": "p", "kind": kind, "authoredAt": authored_at,
           "data": data})
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_all_told_at_once() {
    let app = App::start().await;
    let data = json!({"term": "Stroke", "onset": "2026-02-20", "end": "2026-02-19", "grade": 5, "serious": true,
                      "relatedness": "secret", "outcome": "recovered", "actionTaken": "none"});
    let answer = app.send("POST", "/v1/reports", &report("r", "adverse-event", "not a time", data)).await;
    assert_eq!(answer.status, 422);
    let expected = [
        ("/authoredAt", "format"),
        ("/data/relatedness", "choice"),
        ("/data/end", "conflict"),
        ("/data/grade", "conflict"),
        ("/data/seriousnessCriteria", "conflict"),
    ];
    assert_eq!(answer.findings(), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_early_reports_are_flagged_and_kept() {
    let app = App::start().await;
    let now = SystemTime::now();
    let at = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
    let hour = Duration::from_secs(3600);
    for (id, authored_at, flags) in [
        ("now", at(now), Value::Null),
        ("late", at(now - 25 * hour), json!(["late"])),
        ("early", at(now + hour), json!(["clock-skewed"])),
    ] {
        let answer = app.send("POST", "/v1/reports", &report(id, "diary", &authored_at, json!({"note": "fine"}))).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let shown = app.scored(answer.header("location").unwrap()).await;
        assert_eq!((&shown["flags"], &shown["authoredAt"]), (&flags, &json!(authored_at)), "{shown}");
        assert!(shown["receivedAt"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_with_identities_is_the_same_report() {
    let app = App::start().await;
    let data = json!({"note": "call 13800138000", "patient": {"birthDate": "1931-05-02"}});
    let report = report("r", "diary", "2026-03-01T08:00:00Z", data);
    let first = app.send("POST", "/v1/reports", &report).await;
    let again = app.send("POST", "/v1/reports", &report).await;
    assert_eq!(first.json()["removed"], json!({"phone": 1, "generalised": 1}));
    assert_eq!((first.status, first.json()), (again.status, again.json()));
}
