//! The external risk service: called beside the scoring, never beyond its deadline, and it never blocks a score.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Builder, phq9, until};
use crate::receiver::{Act, Receiver, nobody};

fn asking(url: &str) -> Builder {
    let builder = App::builder().variable("risk_url", url).variable("risk_grant", "http://127.0.0.1:*");
    builder.variable("risk_instruments", "gad-7, phq-9").variable("risk_deadline_ms", "400")
}

async fn risk(app: &App, id: &str) -> Value {
    let shown = app.scored(&app.submit(&phq9(id, [3, 3, 3, 3, 3, 3, 2, 0, 0])).await).await;
    // Whatever the outcome of the call, the score and its alert exist.
    assert_eq!((&shown["scores"][0]["value"], &shown["alerts"][0]["rule"]), (&json!(20.0), &json!("severe")));
    shown["risk"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_answer_is_stored_beside_the_score() {
    let service = Receiver::start().await;
    let app = asking(&service.url()).start().await;
    service.then([Act::Say(json!({"risk": 0.25, "model": "m1"}))]);
    assert_eq!(risk(&app, "r1").await, json!({"status": "ok", "answer": {"risk": 0.25, "model": "m1"}}));
    let asked = &service.calls()[0];
    let body = asked.json();
    assert_eq!((&body["instrument"], &body["answers"]["q1"]), (&json!("phq-9"), &json!(3)));
    assert_eq!((&body["scores"][0]["id"], &body["scores"][0]["value"]), (&json!("total"), &json!(20.0)));
    assert!(body["pseudonym"].as_str().is_some_and(|subject| !subject.is_empty() && !subject.contains("patient")));
    assert_eq!(body.as_object().unwrap().len(), 4);
    let left: u64 = asked.header("x-request-timeout-ms").parse().unwrap();
    assert!((1..=400).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_late_or_fails_the_score_goes_through_and_says_so() {
    let service = Receiver::start().await;
    let app = asking(&service.url()).start().await;
    let failed = |reason: &str| json!({"status": "failed", "reason": reason});
    let long = json!("x".repeat(17_000));
    let acts = [
        (Act::Hang, json!({"status": "late"})),
        (Act::Answer(500), failed("answered")),
        (Act::Cut, failed("unreachable")),
        (Act::Answer(204), failed("unreadable")),
        (Act::Say(long), failed("unreadable")),
        (Act::Flood, failed("unreadable")),
        (Act::Say(json!([1])), json!({"status": "ok", "answer": [1]})),
    ];
    for (number, (act, expected)) in acts.into_iter().enumerate() {
        service.then([act.clone()]);
        assert_eq!(risk(&app, &format!("r{number}")).await, expected, "{act:?}");
    }
    let unreachable = asking(&nobody().await).start().await;
    assert_eq!(risk(&unreachable, "r").await, failed("unreachable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_run_at_once_and_only_for_chosen_instruments() {
    let service = Receiver::start().await;
    let app = asking(&service.url()).only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    service.then((0..40).map(|_| Act::Hang));
    let mut locations = Vec::new();
    for number in 0..40 {
        locations.push(app.submit(&phq9(&format!("r{number}"), [1; 9])).await);
    }
    let before = std::time::Instant::now();
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    // One after the other, they would take 16 seconds.
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    for location in &locations {
        assert_eq!(app.scored(location).await["risk"], json!({"status": "late"}));
    }
    assert_eq!(service.calls().len(), 40);
    let other = json!({"responseId": "o", "studyId": "A", "siteId": "1", "patientId": "p",
                       "authoredAt": "2026-03-01T08:00:00Z", "answers": {"q1": 1}});
    let answer = app.send("POST", "/v1/surveys/phq-2/responses", &other).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    assert_eq!(app.scored(answer.header("location").unwrap()).await.get("risk"), None);
    assert_eq!(service.calls().len(), 40);
}

/// The worker that got the first answer cannot store it. The next worker that scores the response must store the first
/// decision: the first worker may continue, and write it after all.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_before_the_store_was_away_stands() {
    let service = Receiver::start().await;
    let app = asking(&service.url()).only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    service.then([Act::Say(json!({"risk": 0.1})), Act::Say(json!({"risk": 0.2}))]);
    let location = app.submit(&phq9("r", [3; 9])).await;
    let store = rusqlite::Connection::open(app.dir.join("sqlite_key_value.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    assert_eq!(service.calls().len(), 1);
    store.execute_batch("ROLLBACK").unwrap();
    let id = location.rsplit('/').next().unwrap();
    let pinned = format!("{{vigil}}:pinned:{id}");
    assert!(app.redis::<bool>(&["EXISTS", &pinned]).await);
    until("it is scored again", async || {
        app.send("POST", "/v1/ops/drain", &Value::Null).await;
        (service.calls().len() == 2).then_some(())
    })
    .await;
    assert_eq!(app.scored(&location).await["risk"], json!({"status": "ok", "answer": {"risk": 0.1}}));
    assert!(!app.redis::<bool>(&["EXISTS", &pinned]).await);
}
