//! De-identification by a study's own policy, at every door, from the moment it is stored.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, phq9};
use crate::disk::opened;
use crate::fhir;
use crate::receiver::Receiver;

const POLICY: &str = "/v1/config/deidentification";
const DAY_MS: i64 = 86_400_000;

fn event(id: &str, study: &str, patient: &str, authored_at: &str) -> Value {
    json!({"reportId": id, "studyId": study, "siteId": "1", "patientId": patient, "kind": "adverse-event",
           "authoredAt": authored_at,
           "data": {"term": "Headache", "onset": "2026-02-20", "end": "2026-02-21T10:00:00+08:00", "grade": 2,
                    "serious": false, "relatedness": "possible", "outcome": "recovered", "actionTaken": "none",
                    "note": "told the night nurse"}})
}

async fn store(app: &App, tag: Option<&str>, studies: Value) {
    let authorization = format!("Bearer {ADMIN}");
    let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    headers.extend(tag.map(|tag| ("if-match", tag)));
    let body = json!({"studies": studies}).to_string();
    let answer = app.client().await.send("PUT", POLICY, &headers, body).await.unwrap();
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

/// The record of a submission, once it is scored.
async fn record(app: &App, location: &str) -> Value {
    app.scored(location).await;
    opened(app, location.trim_start_matches("/v1/submissions/"))["submission"].clone()
}

fn location(id: &Value) -> String {
    format!("/v1/submissions/{}", id.as_str().unwrap())
}

fn millis(text: &str) -> i64 {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    domain::Timestamp::parse(&text).unwrap().millis()
}

/// The number of days by which a date was shifted.
fn moved(before: &str, after: &Value) -> i64 {
    let by = millis(after.as_str().unwrap()) - millis(before);
    assert_eq!(by % DAY_MS, 0, "{before} {after}");
    by / DAY_MS
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dates_of_a_subject_are_shifted_alike_whichever_way_they_come() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    store(&app, None, json!({"A": {"shiftDays": 30, "adverse-event": {"note": "drop"}}})).await;

    let authored = "2026-02-22T08:00:00+08:00";
    let single = app.send("POST", "/v1/reports", &event("e-1", "A", "patient of r", authored)).await;
    assert_eq!((&single.json()["removed"]["shifted"], &single.json()["removed"]["dropped"]), (&json!(3), &json!(1)));
    let single = record(&app, single.header("location").unwrap()).await;
    let (data, by) = (&single["content"], moved(authored, &single["authoredAt"]));
    assert!((1..=30).contains(&by.abs()), "{by}");
    assert_eq!((moved("2026-02-20", &data["onset"]), moved("2026-02-21T10:00:00+08:00", &data["end"])), (by, by));
    assert!(data["end"].as_str().unwrap().ends_with("T10:00:00+08:00") && data.get("note").is_none(), "{data}");
    assert_eq!(single["removed"]["shifted"], 3);

    // A batch, a survey, FHIR: the same patient has the same shift.
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/x-ndjson")];
    let rows = event("e-2", "A", "patient of r", authored).to_string();
    let batch = app.client().await.send("POST", "/v1/reports/batch", &headers, rows).await.unwrap().json();
    let batch = record(&app, &location(&batch["rows"][0]["submissionId"])).await;
    assert_eq!((&batch["content"], &batch["authoredAt"]), (&single["content"], &single["authoredAt"]));
    let survey = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let survey_answer = app.send("POST", PHQ9, &survey).await;
    assert_eq!(survey_answer.json()["removed"], json!({"shifted": 1}));
    let survey_location = survey_answer.header("location").unwrap().to_owned();
    let shown = record(&app, &survey_location).await;
    assert_eq!(moved(survey["authoredAt"].as_str().unwrap(), &shown["authoredAt"]), by);
    let resource = fhir::post(&app, &fhir::response("r", [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    assert_eq!(resource.header("location"), Some(&*survey_location), "one submission: {resource:?}");

    // The door's clock still gives the true times: the alert is sent, the time of receipt is true, lateness is
    // reported.
    let shown = app.shown(&survey_location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let received = millis(shown["receivedAt"].as_str().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!((i64::try_from(now).unwrap() - received).abs() < DAY_MS / 2);
    assert_eq!(shown["flags"], json!(["late"]));
    let fresh = domain::Timestamp::from_millis(received).rfc3339();
    let fresh = app.send("POST", "/v1/reports", &event("e-3", "A", "patient of r", &fresh)).await;
    assert_eq!(record(&app, fresh.header("location").unwrap()).await.get("flags"), None);

    // Another patient has another shift; another study has none.
    let mut shifts = vec![by];
    for number in 0..6 {
        let other = event(&format!("o-{number}"), "A", &format!("other {number}"), authored);
        let other = app.send("POST", "/v1/reports", &other).await;
        let other = record(&app, other.header("location").unwrap()).await;
        shifts.push(moved(authored, &other["authoredAt"]));
    }
    shifts.dedup();
    assert!(shifts.len() > 1 && !shifts.contains(&0), "{shifts:?}");
    let other = app.send("POST", "/v1/reports", &event("e-1", "B", "patient of r", authored)).await;
    let other = record(&app, other.header("location").unwrap()).await;
    assert_eq!((moved(authored, &other["authoredAt"]), &other["content"]["onset"]), (0, &json!("2026-02-20")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_makes_no_resend_another_submission() {
    let app = App::start().await;
    let authored = "2026-02-22T08:00:00+08:00";
    let report = event("e-1", "A", "somebody", authored);
    let mut unnamed = event("", "A", "somebody", authored);
    unnamed.as_object_mut().unwrap().remove("reportId");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let batch = async || {
        let body = json!([unnamed]).to_string();
        app.client().await.send("POST", "/v1/reports/batch", &headers, body).await.unwrap().json()["rows"][0].clone()
    };
    let first = app.send("POST", "/v1/reports", &report).await.header("location").unwrap().to_owned();
    let row = batch().await;
    assert_eq!(row["status"], "accepted");
    let kept = record(&app, &first).await;
    assert_eq!(kept["content"]["note"], "told the night nurse");

    for (tag, study) in [(None, json!({"shiftDays": 9})), (Some("\"1\""), json!({"adverse-event": {"note": "drop"}}))] {
        store(&app, tag, json!({"A": study})).await;
        let again = app.send("POST", "/v1/reports", &report).await;
        assert_eq!((again.status, again.header("location")), (202, Some(&*first)), "{again:?}");
        let again = batch().await;
        assert_eq!((&again["status"], &again["submissionId"]), (&json!("duplicate"), &row["submissionId"]));
        // Different content is different, even if the study would remove the difference.
        let mut other = report.clone();
        other["data"]["note"] = json!("told nobody");
        assert_eq!(app.send("POST", "/v1/reports", &other).await.status, 409);
    }
    assert_eq!(record(&app, &first).await, kept, "what was taken in stays as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_study_drops_is_nowhere_and_a_faulty_policy_changes_nothing() {
    let app = App::start().await;
    store(&app, None, json!({"A": {"adverse-event": {"note": "drop", "term": "pseudonymise", "onset": "generalise"}}}))
        .await;
    let faulty = json!({"studies": {"A": {"shiftDays": 0, "adverse-event": {"patient/name": "keep", "mood": "drop"}}}});
    let authorization = format!("Bearer {ADMIN}");
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", "\"1\"")];
    let refused = app.client().await.send("PUT", POLICY, &headers, faulty.to_string()).await.unwrap();
    let mut findings = refused.findings();
    findings.sort_unstable();
    let expected = [
        ("/studies/A/adverse-event/mood", "unknown"),
        ("/studies/A/adverse-event/patient~1name", "forbidden"),
        ("/studies/A/shiftDays", "range"),
    ];
    assert_eq!((refused.status, findings), (422, expected.map(|(at, code)| (at.into(), code.into())).to_vec()));

    let checked = json!([event("e-1", "A", "p", "2026-02-22T08:00:00Z")]);
    let checked = app.send("POST", "/v1/validate", &checked).await;
    assert_eq!(checked.json()["valid"], true, "what is checked is what was sent: {checked:?}");
    let sent = app.send("POST", "/v1/reports", &event("e-1", "A", "p", "2026-02-22T08:00:00Z")).await;
    let kept = record(&app, sent.header("location").unwrap()).await;
    assert_eq!((&kept["content"]["onset"], kept["content"]["term"].as_str().unwrap().len()), (&json!("2026"), 32));
    assert_eq!(kept["removed"], json!({"dropped": 1, "pseudonymised": 1, "generalised": 1}));
    let holds = |bytes: &[u8], mark: &str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    let files = app.files();
    assert!(files.iter().any(|(_, bytes)| holds(bytes, "not-recovered") || holds(bytes, "recovered")));
    for (name, bytes) in files {
        for mark in ["night nurse", "Headache", "2026-02-20"] {
            assert!(!holds(&bytes, mark), "{mark} is in {name}");
        }
    }
}
