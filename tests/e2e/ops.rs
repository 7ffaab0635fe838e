//! Operations: health, readiness, one round of the workers by hand.

use serde_json::{Value, json};

use crate::app::{App, phq9};
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_need_no_key() {
    let app = App::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = app.client().await.send("GET", path, &[], "").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ready = app.client().await.send("GET", "/readyz", &[], "").await.unwrap().json();
    let names: Vec<&str> =
        ready["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    let expected = [
        "redis",
        "redis-aof",
        "redis-fsync",
        "redis-aof-write",
        "redis-noeviction",
        "settings",
        "oldest-pending",
        "key-value",
        "variables",
    ];
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_lose_data_is_not_ready() {
    let app = App::start().await;
    let _: String = app.redis(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let _: String = app.redis(&["CONFIG", "SET", "appendonly", "no"]).await;
    let ready = crate::app::until("it is not ready", async || {
        let answer = app.client().await.send("GET", "/readyz", &[], "").await.unwrap();
        (answer.status == 503).then(|| answer.json())
    })
    .await;
    let failed: Vec<&Value> = ready["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(failed.len(), 2, "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_round_does_everything_without_triggers() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).only(&["submit", "records", "ops"]).start().await;
    let location = app.submit(&phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    let answer = app.send("POST", "/v1/ops/drain", &Value::Null).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"due": 0, "overdue": 0, "scored": 1, "dispatched": 1})));
    let shown = app.scored(&location).await;
    assert_eq!((&shown["alerts"][0]["state"], receiver.calls().len()), (&json!("delivered"), 1));
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.json()["scored"], 0);
}
