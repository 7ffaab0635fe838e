//! Retention: subjects whose retention is over are erased by themselves, and a legal hold forbids every erasure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, phq9, until};
use crate::audit::{actions, audit};

const RETENTION: &str = "/v1/config/retention";
const DAY_MS: u64 = 86_400_000;

/// Stores the document, whichever version is in force.
pub(crate) async fn put(app: &App, document: Value) {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", "*")];
    let now = app.send("GET", RETENTION, &Value::Null).await;
    let headers = if now.status == 404 { &headers[..2] } else { &headers[..] };
    let stored = app.client().await.send("PUT", RETENTION, headers, document.to_string()).await.unwrap();
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
}

/// A scored response of a patient: its location and subject.
async fn sent(app: &App, id: &str) -> (String, String) {
    let location = app.submit(&phq9(id, [1; 9])).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    (location, subject)
}

/// Lets the last document of a subject have come in so many days ago, and lets the clock look at once.
async fn age(app: &App, subject: &str, days: u64) {
    let index = "{vigil}:subjects:A";
    let at =
        until("the subject is in the index", async || app.redis::<Option<String>>(&["ZSCORE", index, subject]).await)
            .await;
    let at = at.parse::<u64>().unwrap().saturating_sub(days * DAY_MS);
    let _: usize = app.redis(&["ZADD", index, &at.to_string(), subject]).await;
    let _: usize = app.redis(&["DEL", "{vigil}:retention:looked"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_whose_retention_is_over_are_erased() {
    let app = App::start().await;
    let ((old, old_subject), (young, young_subject)) = (sent(&app, "old").await, sent(&app, "young").await);
    put(&app, json!({"studies": {"B": {"days": 1}}, "default": {"days": 30}})).await;
    age(&app, &young_subject, 29).await;
    age(&app, &old_subject, 31).await;
    until("the old one is erased", async || (app.send("GET", &old, &Value::Null).await.status == 410).then_some(()))
        .await;
    let chain = until("its audit chain says so", async || {
        let answer = app.send("GET", &format!("/v1/audit/subject/{old_subject}"), &Value::Null).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!((&chain["verified"], actions(&chain)), (&json!(true), vec!["erased"]), "{chain}");
    let record = &chain["records"][0];
    assert_eq!(
        (&record["actor"], &record["reason"]),
        (&json!("config/retention/1"), &json!("its last document came in more than 30 days ago"))
    );
    let submission = old.rsplit('/').next().unwrap();
    assert_eq!(audit(&app, &format!("submission/{submission}")).await["records"][1]["actor"], "config/retention/1");
    let certificate = app.stored(&format!("subject/{old_subject}/erased"));
    assert!(certificate.is_some());
    assert_eq!(app.scored(&young).await["state"], "scored");
    let listed: Vec<String> = app.redis(&["ZRANGE", "{vigil}:subjects:A", "0", "-1"]).await;
    assert_eq!(listed, std::slice::from_ref(&young_subject));

    // A later document begins its days anew.
    let mut again = phq9("young-2", [1; 9]);
    again["patientId"] = json!("patient of young");
    app.scored(&app.submit(&again).await).await;
    let _: usize = app.redis(&["DEL", "{vigil}:retention:looked"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(app.scored(&young).await["state"], "scored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_forbids_every_erasure() {
    let app = App::start().await;
    let (location, subject) = sent(&app, "r1").await;
    put(&app, json!({"studies": {"A": {"days": 1, "hold": true, "reason": "an inspection is announced"}}})).await;
    age(&app, &subject, 10).await;
    let why = json!({"reason": "consent withdrawn"});
    for path in [location.as_str(), &format!("/v1/subjects/{subject}"), "/v1/studies/A"] {
        let answer = app.send("DELETE", path, &why).await;
        let said = answer.json();
        assert_eq!((answer.status, &said["type"]), (409, &json!("urn:vigil:problem:conflict")), "{path}: {said}");
        assert!(said["detail"].as_str().unwrap().contains("legal hold"), "{path}: {said}");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(app.scored(&location).await["state"], "scored");
    assert_eq!(app.send("POST", PHQ9, &phq9("r2", [1; 9])).await.status, 202, "the doors are open");
    // Without the hold the days count.
    put(&app, json!({"studies": {"A": {"days": 1}}})).await;
    let _: usize = app.redis(&["DEL", "{vigil}:retention:looked"]).await;
    until("it is erased", async || (app.send("GET", &location, &Value::Null).await.status == 410).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_document_is_told_and_nothing_is_stored() {
    let app = App::start().await;
    let document = json!({"studies": {"A": {"hold": true}, "B": {"days": 0}}, "default": {"days": "1"}, "more": 1});
    let answer = app.send("PUT", RETENTION, &document).await;
    let mut places: Vec<String> = answer.findings().into_iter().map(|(pointer, _)| pointer).collect();
    places.sort();
    assert_eq!(
        (answer.status, places),
        (422, ["/default/days", "/more", "/studies/A", "/studies/B/days"].map(str::to_owned).to_vec())
    );
    assert_eq!(app.send("GET", RETENTION, &Value::Null).await.status, 404);
}
