//! The times of retries, and the record of each attempt.

use std::time::Duration;

use serde_json::json;

use super::{CRITICAL, HIGH, alert, configure, delivery, document, hook};
use crate::app::{App, phq9};
use crate::receiver::{Act, Receiver, after};

#[tokio::test(flavor = "multi_thread")]
async fn urgency_has_its_own_schedule_and_every_attempt_is_recorded() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Tell(503, "under repair"), Act::Answer(500), Act::Answer(204)]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"]["delaysSeconds"] = json!([0.1, 3]);
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let alert = alert(&app, &location, |it| it["state"] == "delivered").await;
    let calls = receiver.calls();
    assert_eq!(calls.len(), 3);
    assert!(after(&calls[1], &calls[2]) >= Duration::from_millis(2_400), "3 s, less the jitter");
    assert!(calls.iter().all(|call| call.id() == calls[0].id() && call.body == calls[0].body));
    let attempts = delivery(&alert, "a")["attempts"].as_array().unwrap().clone();
    assert_eq!(
        (attempts.len(), &attempts[0]["status"], &attempts[0]["answer"]),
        (3, &json!(503), &json!("under repair"))
    );
    assert!(attempts[0]["nextAt"].is_string() && attempts[2].get("nextAt").is_none(), "{alert}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routine_alert_is_given_up_when_its_schedule_ends() {
    let receiver = Receiver::doing(|_| Act::Answer(500)).await;
    let app = App::start().await;
    configure(&app, &document(json!({"a": hook(&receiver)}))).await;
    let location = app.submit(&phq9("r", HIGH)).await;
    let alert = alert(&app, &location, |it| it["state"] == "dead").await;
    assert_eq!((&alert["because"], receiver.calls().len()), (&json!("attempts-exhausted"), 4));
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_alert_goes_on_at_a_steady_pace_and_is_given_up_aloud() {
    let receiver = Receiver::doing(|_| Act::Answer(503)).await;
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"] =
        json!({"delaysSeconds": [0.1], "thenEverySeconds": 2, "thenForSeconds": 7});
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let alert = alert(&app, &location, |it| delivery(it, "a")["state"] == "dead").await;
    assert_eq!((&delivery(&alert, "a")["reason"], &alert["state"]), (&json!("attempts-exhausted"), &json!("dead")));
    let calls = receiver.calls();
    assert!((3..=6).contains(&calls.len()), "{}", calls.len());
    for pair in calls[1..].windows(2) {
        assert!(after(&pair[0], &pair[1]) >= Duration::from_millis(1_600), "2 s, less the jitter");
    }
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 1);
    assert!(delivery(&alert, "a")["nextAt"].is_null(), "{alert}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_clamped() {
    let receiver = Receiver::start().await;
    receiver.then([Act::RetryAfter(429, 3000)]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"]["longestRetryAfterSeconds"] = json!(2);
    configure(&app, &document).await;
    app.submit(&phq9("r", CRITICAL)).await;
    let calls = receiver.heard(2).await;
    let waited = after(&calls[0], &calls[1]);
    assert!((Duration::from_secs(2)..Duration::from_secs(15)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_may_be_a_date() {
    let receiver = Receiver::start().await;
    // A date has whole seconds: four seconds from now are more than three.
    let (near, far) = (Duration::from_secs(4), Duration::from_secs(86_400));
    receiver.then([Act::RetryAt(503, near), Act::RetryAt(429, far)]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"]["longestRetryAfterSeconds"] = json!(5);
    configure(&app, &document).await;
    app.submit(&phq9("r", CRITICAL)).await;
    let calls = receiver.heard(3).await;
    let waited = [after(&calls[0], &calls[1]), after(&calls[1], &calls[2])];
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&waited[0]), "{waited:?}");
    assert!((Duration::from_secs(5)..Duration::from_secs(15)).contains(&waited[1]), "clamped: {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_called_no_more_and_that_is_said() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(410)]);
    let app = App::start().await;
    configure(&app, &document(json!({"a": hook(&receiver)}))).await;
    let first = app.submit(&phq9("r1", HIGH)).await;
    assert_eq!(alert(&app, &first, |it| it["state"] == "dead").await["because"], "receiver-gone");
    let second = app.submit(&phq9("r2", HIGH)).await;
    assert_eq!(alert(&app, &second, |it| it["state"] == "dead").await["because"], "receiver-disabled");
    assert_eq!(receiver.calls().len(), 1);
    assert!(app.redis::<bool>(&["HEXISTS", "{vigil}:disabled", "a"]).await);
    let log = std::fs::read_to_string(app.dir.join("logs/dispatch_stderr.txt")).unwrap();
    assert!(log.contains("receiver-disabled"), "{log}");
}
