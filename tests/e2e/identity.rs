//! The identity of a subject: for the clinicians of the site, and nobody else.

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, SUBMIT_A, phq9};
use crate::audit::{actions, audit};

/// The path of the identity of a new submission's subject.
async fn subject(app: &App) -> String {
    let location = app.submit(&phq9("r", [1; 9])).await;
    let shown = app.scored(&location).await;
    shown["subject"].as_str().unwrap().to_owned()
}

fn path(subject: &str) -> String {
    format!("/v1/subjects/{subject}/identity")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinician_of_the_site_sees_it_and_that_is_on_record() {
    let app = App::start().await;
    let subject = subject(&app).await;
    let answer = app.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let expected = json!({"subject": subject, "studyId": "A", "siteId": "1", "patientId": "patient of r"});
    assert_eq!(answer.json(), expected);
    let shown = audit(&app, &format!("subject/{subject}")).await;
    assert_eq!((actions(&shown), &shown["records"][0]["actor"]), (vec!["identity-opened"], &json!("clinician-a1")));
    assert!(!shown.to_string().contains("patient of"), "the record tells that, not what");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_it_and_nothing_is_on_record() {
    let app = App::start().await;
    let subject = subject(&app).await;
    for (key, status) in
        [(CLINICIAN_A2, 404), (READ_A1, 403), (SUBMIT_A, 403), (ADMIN, 403), (ADMIN_B, 403), ("unknown", 401)]
    {
        let answer = app.send_as(key, "GET", &path(&subject), &Value::Null).await;
        assert_eq!(answer.status, status, "{key}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("patient of"));
    }
    assert_eq!(app.stored_keys("audit/subject/"), Vec::<String>::new());
    for unknown in ["0123456789abcdef0123456789abcdef", "x", "../x", &"A".repeat(32)] {
        assert_eq!(app.send_as(CLINICIAN_A1, "GET", &path(unknown), &Value::Null).await.status, 404, "{unknown}");
    }
    assert_eq!(app.send_as(CLINICIAN_A1, "POST", &path(&subject), &Value::Null).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_at_two_sites_is_two_subjects_each_known_to_the_clinicians_of_its_site() {
    let app = App::start().await;
    let here = subject(&app).await;
    let mut response = phq9("again", [1; 9]);
    (response["siteId"], response["patientId"]) = (json!("2"), json!("patient of r"));
    let there = app.scored(&app.submit(&response).await).await["subject"].as_str().unwrap().to_owned();
    assert_ne!(here, there);
    for (key, site, own, other) in [(CLINICIAN_A1, "1", &here, &there), (CLINICIAN_A2, "2", &there, &here)] {
        let answer = app.send_as(key, "GET", &path(own), &Value::Null).await;
        let expected = json!({"subject": own, "studyId": "A", "siteId": site, "patientId": "patient of r"});
        assert_eq!((answer.status, answer.json()), (200, expected));
        assert_eq!(app.send_as(key, "GET", &path(other), &Value::Null).await.status, 404);
    }
    assert_eq!(app.stored_keys("audit/subject/").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_there_is_no_answer() {
    let mut app = App::builder().outliving_redis().start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    app.redis.as_mut().unwrap().kill().unwrap();
    let answer = app.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await;
    assert_eq!(answer.status, 503);
    assert!(!String::from_utf8_lossy(&answer.body).contains("patient of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_are_limited_for_each_key() {
    let app = App::builder().variable("identity_looks_per_minute", "3").start().await;
    let subject = subject(&app).await;
    for _ in 0..3 {
        assert_eq!(app.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await.status, 200);
    }
    let answer = app.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!((1..=20).contains(&answer.header("retry-after").unwrap().parse::<u32>().unwrap()));
    assert_eq!(answer.json()["type"], "urn:vigil:problem:too-many-requests");
    // An unknown subject counts as well; another key has its own limit.
    assert_eq!(app.send_as(CLINICIAN_A1, "GET", &path("x"), &Value::Null).await.status, 429);
    assert_eq!(app.send_as(CLINICIAN_A2, "GET", &path("x"), &Value::Null).await.status, 404);
    assert_eq!(app.stored_keys("audit/subject/").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_an_older_key_sealed_still_opens() {
    const OLD: &str = "aWRlbnRpdHkga2V5IGZvciB0ZXN0cyBvbmx5ICEhISE=";
    const NEW: &str = "YW5vdGhlciBrZXkgZm9yIHRlc3RzIG9ubHkgISEhISE=";
    let app = App::start().await;
    let subject = subject(&app).await;
    let rotated = App::builder().variable("identity_key", NEW).variable("identity_keys_old", json!([OLD]).to_string());
    let rotated = rotated.only(&["submit", "records", "ops"]).start_beside(&app).await;
    let answer = rotated.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await;
    assert_eq!(answer.json()["patientId"], "patient of r", "{answer:?}");
    // Without the old key nothing opens the identity, and that is an internal error.
    let forgotten =
        App::builder().variable("identity_key", NEW).only(&["submit", "records", "ops"]).start_beside(&app).await;
    assert_eq!(forgotten.send_as(CLINICIAN_A1, "GET", &path(&subject), &Value::Null).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_access_is_logged_with_the_id_of_the_key_and_never_the_key() {
    let app = App::start().await;
    assert_eq!(app.send_as(READ_A1, "GET", &path("x"), &Value::Null).await.status, 403);
    assert_eq!(app.send_as("unknown-key", "GET", &path("x"), &Value::Null).await.status, 401);
    let logs = crate::app::until("both are logged", async || {
        let mut text = String::new();
        for file in std::fs::read_dir(app.dir.join("logs")).ok()? {
            text += &std::fs::read_to_string(file.ok()?.path()).ok()?;
        }
        (text.matches("key-refused").count() >= 2).then_some(text)
    })
    .await;
    let lines: Vec<Value> = logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = |outcome: &str| lines.iter().find(|line| line["outcome"] == outcome).unwrap();
    assert_eq!((&line("forbidden")["key"], &line("forbidden")["level"]), (&json!("read-a1"), &json!("warn")));
    assert_eq!(line("unauthenticated").get("key"), None);
    assert!(!logs.contains(READ_A1) && !logs.contains("unknown-key"));
}
