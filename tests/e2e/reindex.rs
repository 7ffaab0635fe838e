//! `vigilctl reindex`: recovers when Redis is lost and the store is not.

use std::process::Command;

use serde_json::{Value, json};

use crate::app::{App, CLINICIAN_A1, phq9, until};
use crate::receiver::{Act, Receiver};

/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Runs `vigilctl reindex` on an application's data. Returns whether it succeeded, and its output.
pub(crate) fn reindex(app: &App) -> (bool, String) {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["reindex", "--state-dir"]).arg(&app.dir);
    command.args(["--variable", &format!("redis_url={}", app.redis.as_ref().unwrap().url())]);
    let ended = command.output().unwrap();
    (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
}

async fn alerts(app: &App, query: &str) -> Vec<Value> {
    let answer = app.send("GET", &format!("/v1/alerts{query}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["alerts"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_comes_back_from_the_store() {
    let receiver = Receiver::start().await;
    // The receiver accepts the third alert only after Redis was lost.
    receiver.then([Act::Answer(204), Act::Answer(204), Act::Answer(503)]);
    let app = App::builder().routes(&[&receiver.url()]).variable("retry_schedule", "[3]").start().await;
    for (id, state) in [("r0", "delivered"), ("r1", "delivered"), ("r2", "pending")] {
        let location = app.submit(&phq9(id, CRITICAL)).await;
        app.shown(&location, |shown| {
            let alert = &shown["alerts"][0];
            alert["state"] == state && alert["deliveries"][0]["attempts"].as_array().is_some_and(|it| it.len() == 1)
        })
        .await;
    }
    let before = alerts(&app, "").await;
    let first = before[2]["alertId"].as_str().unwrap().to_owned();
    let path = format!("/v1/alerts/{first}/acknowledge");
    assert_eq!(app.send_as(CLINICIAN_A1, "POST", &path, &Value::Null).await.status, 200);
    let (well, said) = reindex(&app);
    assert!(well && said.contains("3 stored, 0 indexed, 0 put back, 0 raised"), "nothing to do: {said}");

    let () = app.redis(&["FLUSHALL"]).await;
    assert_eq!(alerts(&app, "").await.len(), 0);
    let (well, said) = reindex(&app);
    assert!(well && said.contains("3 stored, 0 indexed, 3 put back, 0 raised"), "{said}");
    assert!(said.contains("journals: 3 submissions appended"), "{said}");
    let ids = |alerts: &[Value]| alerts.iter().map(|alert| alert["alertId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&alerts(&app, "").await), ids(&before));
    assert_eq!(ids(&alerts(&app, "?state=acknowledged").await), [json!(first)]);
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:journal:A"]).await, 4, "and the acknowledgement");
    // Due work is done, under its old id.
    receiver.heard(4).await;
    until("it is delivered", async || (alerts(&app, "?state=open").await.is_empty()).then_some(())).await;
    assert_eq!(receiver.calls()[3].id(), before[0]["alertId"].as_str().unwrap());

    // Only an index is lost.
    let () = app.redis(&["DEL", "{vigil}:alerts"]).await;
    let (well, said) = reindex(&app);
    assert!(well && said.contains("3 stored, 3 indexed, 0 put back, 0 raised"), "{said}");
    assert_eq!(ids(&alerts(&app, "").await), ids(&before));
    let counts = app.redis::<Vec<String>>(&["HVALS", "{vigil}:alert-counts"]).await;
    assert_eq!(counts.iter().map(|count| count.parse::<i64>().unwrap()).sum::<i64>(), 3, "{counts:?}");
}
