//! A patient's record: several services at once, under one deadline.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, phq9, until};
use crate::client::Answer;
use crate::upstreams::Upstreams;

const PATH: &str = "/v1/patients/P%2F001%20%E9%99%88/record";
const PATIENT: &str = "P/001 陈";

async fn start(upstreams: &Upstreams) -> App {
    let app = upstreams.behind(App::builder()).start().await;
    let mut response = phq9("r", [1, 1, 1, 1, 1, 1, 1, 1, 1]);
    response["patientId"] = json!(PATIENT);
    let location = app.submit(&response).await;
    app.scored(&location).await;
    app
}

async fn ask(app: &App, path: &str, headers: &[(&str, &str)]) -> (Answer, Duration) {
    let authorization = format!("Bearer {CLINICIAN_A1}");
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("authorization", authorization.as_str())]).collect();
    let mut client = app.client().await;
    let began = Instant::now();
    let answer = client.send("GET", path, &headers, "").await.unwrap();
    (answer, began.elapsed())
}

fn statuses(document: &Value) -> Vec<(&str, &str)> {
    let parts = document["parts"].as_object().unwrap();
    parts.iter().map(|(name, part)| (name.as_str(), part["status"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_parts_come_at_once_and_nothing_of_the_patient_is_written_down() {
    let upstreams = Upstreams::start();
    let app = start(&upstreams).await;
    for service in ["profile", "orders", "laboratory", "imaging"] {
        upstreams.script(service, json!({"latencyMs": 300})).await;
    }
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (answer, took) = ask(&app, PATH, &[("traceparent", trace)]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    assert!(took < Duration::from_millis(1000), "one after another would take 1.2 s: {took:?}");
    let record = answer.json();
    for part in ["profile", "orders", "laboratory", "imaging", "vigil"] {
        assert_eq!(record["parts"][part]["status"], "ok", "{record}");
    }
    assert_eq!(record["parts"]["profile"]["data"]["name"], "陈静");
    let own = &record["parts"]["vigil"]["data"]["submissions"][0];
    assert_eq!((&own["scores"][0]["id"], &own["scores"][0]["value"]), (&json!("total"), &json!(9.0)), "{record}");
    assert_eq!(own["alerts"][0]["severity"], "critical", "{own}");

    assert_eq!(upstreams.seen("profile").await["last"]["path"], "/profile/P%2F001%20%E9%99%88");
    let last = upstreams.seen("imaging").await["last"].clone();
    assert_eq!((&last["query"], &last["headers"]["authorization"]), (&json!("site=1"), &json!("Bearer sesame")));
    let left: u64 = last["headers"]["x-request-timeout-ms"].as_str().unwrap().parse().unwrap();
    assert!((2000..=3000).contains(&left), "{left}");
    let parent = last["headers"]["traceparent"].as_str().unwrap();
    assert!(parent.starts_with(&trace[..36]) && !parent.contains("00f067aa0ba902b7"), "{parent}");
    let needles = [PATIENT.as_bytes().to_vec(), b"P%2F001".to_vec(), "陈".as_bytes().to_vec()];
    for (name, content) in app.files() {
        let found = needles.iter().any(|needle| content.windows(needle.len()).any(|window| window == needle));
        assert!(!found, "the patient's id is in {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_part_that_fails_ends_the_others_at_once() {
    let upstreams = Upstreams::start();
    let app = start(&upstreams).await;
    upstreams.script("profile", json!({"act": "hang"})).await;
    upstreams.script("imaging", json!({"act": "hang"})).await;
    upstreams.script("orders", json!({"status": 500, "latencyMs": 100})).await;
    let (answer, took) = ask(&app, PATH, &[]).await;
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (502, &json!("urn:vigil:problem:bad-gateway")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("orders (refused)"), "{problem}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!(problem["parts"]["orders"], json!({"status": "refused", "httpStatus": 500}));
    assert_eq!(
        statuses(&problem),
        [
            ("imaging", "cancelled"),
            ("laboratory", "ok"),
            ("orders", "refused"),
            ("profile", "cancelled"),
            ("vigil", "ok")
        ]
    );
    upstreams.closed_early("profile", 1).await;
    upstreams.closed_early("imaging", 1).await;

    // The answer for another kind of failure.
    upstreams.script("profile", json!({})).await;
    upstreams.script("imaging", json!({})).await;
    for (act, word) in [("cut", "unreachable"), ("garbage", "unreadable"), ("flood", "unreadable")] {
        upstreams.script("orders", json!({"act": act})).await;
        let (answer, _) = ask(&app, PATH, &[]).await;
        assert_eq!((answer.status, &answer.json()["parts"]["orders"]["status"]), (502, &json!(word)), "{act}");
    }
    // An optional part that fails is reported, and ends nothing.
    upstreams.script("orders", json!({})).await;
    upstreams.script("imaging", json!({"status": 503})).await;
    let (answer, _) = ask(&app, PATH, &[]).await;
    assert_eq!((answer.status, &answer.json()["parts"]["imaging"]["status"]), (200, &json!("refused")), "{answer:?}");

    let metrics = until("the calls are counted", async || {
        let metrics = app.send_as(ADMIN, "GET", "/metrics", &Value::Null).await;
        let text = String::from_utf8(metrics.body.to_vec()).unwrap();
        text.contains(r#"service_calls_total{service="imaging",outcome="refused"} 1"#).then_some(text)
    })
    .await;
    for line in [
        r#"vigil_service_calls_total{service="orders",outcome="refused"} 1"#,
        r#"vigil_service_calls_total{service="orders",outcome="unreachable"} 1"#,
        r#"vigil_service_calls_total{service="profile",outcome="cancelled"} "#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_there_is_an_answer_and_the_connections_close() {
    let upstreams = Upstreams::start();
    let app = start(&upstreams).await;
    upstreams.script("orders", json!({"act": "hang"})).await;
    upstreams.script("imaging", json!({"latencyMs": 60_000})).await;
    let (answer, took) = ask(&app, PATH, &[]).await;
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (504, &json!("urn:vigil:problem:deadline-passed")), "{problem}");
    assert!((3000..3200).contains(&took.as_millis()), "{took:?}");
    assert!(problem["detail"].as_str().unwrap().contains("orders (timed-out)"), "{problem}");
    assert_eq!(problem["parts"]["imaging"]["status"], "timed-out");
    upstreams.closed_early("orders", 1).await;
    upstreams.closed_early("imaging", 1).await;

    // The caller can shorten the deadline but not extend it.
    let (answer, took) = ask(&app, PATH, &[("x-request-timeout-ms", "400")]).await;
    assert_eq!(answer.status, 504);
    assert!((400..600).contains(&took.as_millis()), "{took:?}");
    let (answer, took) = ask(&app, PATH, &[("x-request-timeout-ms", "60000")]).await;
    assert_eq!(answer.status, 504);
    assert!((3000..3200).contains(&took.as_millis()), "{took:?}");

    // With `partial` the answer has every part that arrived, and a status for each part.
    upstreams.script("laboratory", json!({"status": 404})).await;
    let (answer, took) = ask(&app, &format!("{PATH}?partial=true"), &[("x-request-timeout-ms", "500")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!((500..700).contains(&took.as_millis()), "{took:?}");
    let record = answer.json();
    assert_eq!(
        statuses(&record),
        [
            ("imaging", "timed-out"),
            ("laboratory", "refused"),
            ("orders", "timed-out"),
            ("profile", "ok"),
            ("vigil", "ok")
        ]
    );
    assert_eq!(record["parts"]["profile"]["data"]["name"], "陈静");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_for_the_clinicians_of_the_patients_site() {
    let upstreams = Upstreams::start();
    let app = start(&upstreams).await;
    let status = async |key: &str, path: &str| app.send_as(key, "GET", path, &Value::Null).await.status;
    assert_eq!(status(CLINICIAN_A1, PATH).await, 200);
    assert_eq!(status(CLINICIAN_A1, &format!("{PATH}?study=A&site=1&partial=false")).await, 200);
    for (key, path, expected) in [
        ("nobody", PATH.to_owned(), 401),
        (READ_A1, PATH.to_owned(), 403),
        (ADMIN, PATH.to_owned(), 403),
        // A patient of another site, or requested there.
        (CLINICIAN_A2, PATH.to_owned(), 404),
        (CLINICIAN_A1, format!("{PATH}?site=2"), 404),
        (CLINICIAN_A1, format!("{PATH}?study=B"), 404),
        (CLINICIAN_A1, "/v1/patients/stranger/record".to_owned(), 404),
        (CLINICIAN_A1, "/v1/patients/%ff/record".to_owned(), 404),
        (CLINICIAN_A1, format!("{PATH}?site=a%20b&partial=perhaps&x=1"), 422),
    ] {
        assert_eq!(status(key, &path).await, expected, "{key} {path}");
    }
    let answer =
        app.send_as(CLINICIAN_A1, "GET", &format!("{PATH}?site=a%20b&partial=perhaps&x=1"), &Value::Null).await;
    assert_eq!(answer.findings().len(), 3, "{answer:?}");
    assert_eq!(upstreams.calls("profile").await, 2, "nobody else's request reached a service");
}
