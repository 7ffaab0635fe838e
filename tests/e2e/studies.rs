//! A study's description: the service is called once, however many clients ask.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, READ_A1, READ_B, SUBMIT_A, until};
use crate::client::Client;
use crate::upstreams::Upstreams;

const PATH: &str = "/v1/studies/A";

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_reads_on_two_hosts_cause_one_call() {
    let upstreams = Upstreams::start();
    upstreams.script("studies", json!({"latencyMs": 200})).await;
    let first = upstreams.behind(App::builder()).start().await;
    let second = upstreams.behind(App::builder()).start_beside(&first).await;
    let readers: Vec<_> = (0..20)
        .map(|number| {
            let address = if number % 2 == 0 { first.address } else { second.address };
            tokio::spawn(async move {
                let mut client = Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {READ_A1}");
                for _ in 0..100 {
                    let headers = [("authorization", authorization.as_str())];
                    let answer = client.send("GET", PATH, &headers, "").await.unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.json()["project"]["sponsor"], "Example Oncology");
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(upstreams.calls("studies").await, 1);
}

/// Makes a cached answer older than it is.
async fn age(app: &App, study: &str) {
    let key = format!("{{vigil}}:cache:study:{study}");
    let _: u32 = app.redis(&["HSET", &key, "until", "0"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_given_on_while_one_refreshes_it() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    let beside = upstreams.behind(App::builder()).start_beside(&app).await;
    assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
    let ttl: i64 = app.redis(&["PTTL", "{vigil}:cache:study:A"]).await;
    assert!((500_000..=600_000).contains(&ttl), "ten minutes: {ttl}");
    let until_ms: i64 = app.redis::<String>(&["HGET", "{vigil}:cache:study:A", "until"]).await.parse().unwrap();
    let at_ms: i64 = app.redis::<String>(&["HGET", "{vigil}:cache:study:A", "at"]).await.parse().unwrap();
    assert_eq!(until_ms - at_ms, 60_000);

    age(&app, "A").await;
    upstreams.script("studies", json!({"latencyMs": 500})).await;
    for app in [&app, &beside, &app] {
        let began = std::time::Instant::now();
        assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
        assert!(began.elapsed() < Duration::from_millis(450), "nobody waits for the refresh: {:?}", began.elapsed());
    }
    until("it is refreshed", async || {
        let fresh: String = app.redis(&["HGET", "{vigil}:cache:study:A", "until"]).await;
        (fresh != "0").then_some(())
    })
    .await;
    assert_eq!(upstreams.calls("studies").await, 2);

    // A service in trouble: the old answer stays, and the service is not called again soon.
    age(&app, "A").await;
    upstreams.script("studies", json!({"status": 500})).await;
    for _ in 0..20 {
        assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
        assert_eq!(beside.send("GET", PATH, &Value::Null).await.status, 200);
    }
    assert_eq!(upstreams.calls("studies").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_settings_invalidates_what_is_kept() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    for _ in 0..3 {
        assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
    }
    let before = upstreams.calls("studies").await;
    let headers = [("if-none-match", "*")];
    let authorization = format!("Bearer {ADMIN}");
    let headers: Vec<(&str, &str)> = headers
        .into_iter()
        .chain([("authorization", authorization.as_str()), ("content-type", "application/json")])
        .collect();
    let put = app.client().await.send("PUT", "/v1/config/deidentification", &headers, "{}").await.unwrap();
    assert!(matches!(put.status, 200 | 201), "{put:?}");
    assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
    assert_eq!((before, upstreams.calls("studies").await), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_nothing_is_kept_for_a_short_while() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    for _ in 0..5 {
        assert_eq!(app.send("GET", "/v1/studies/nobody", &Value::Null).await.status, 404);
    }
    assert_eq!(upstreams.calls("studies").await, 1);
    let ttl: i64 = app.redis(&["PTTL", "{vigil}:cache:study:nobody"]).await;
    assert!((1..=10_000).contains(&ttl), "{ttl}");
    upstreams.script("studies", json!({"act": "cut"})).await;
    for _ in 0..5 {
        assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 502);
    }
    assert_eq!(upstreams.calls("studies").await, 2);
    // A request waits for a hanging service until the caller's deadline; the service is called once.
    upstreams.script("studies", json!({"act": "hang"})).await;
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("x-request-timeout-ms", "300")];
    for _ in 0..2 {
        let answer = app.client().await.send("GET", "/v1/studies/C", &headers, "").await.unwrap();
        assert_eq!(answer.status, 504, "{answer:?}");
    }
    assert_eq!(upstreams.calls("studies").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_shown_to_its_own_readers() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    for (key, path, expected) in [
        ("nobody", PATH, 401),
        (SUBMIT_A, PATH, 403),
        (READ_B, PATH, 404),
        (READ_A1, PATH, 200),
        (READ_B, "/v1/studies/B", 200),
        (ADMIN, "/v1/studies/..", 404),
        (ADMIN, "/v1/studies/a%20b", 404),
    ] {
        assert_eq!(app.send_as(key, "GET", path, &Value::Null).await.status, expected, "{key} {path}");
    }
    // Without a service there is nothing to show.
    let bare = App::builder().only(&["studies", "ops"]).start().await;
    assert_eq!(bare.send("GET", PATH, &Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_after_another_keeps_nobody_waiting_once_the_service_is_back() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    upstreams.script("studies", json!({"status": 500})).await;
    assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 502);
    // At the very end of its time: expired, and still there.
    age(&app, "A").await;
    let key = "{vigil}:cache:study:A";
    let _: u32 = app.redis(&["PEXPIRE", key, "60000"]).await;
    assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 502);
    let began = std::time::Instant::now();
    until("it was asked again", async || (upstreams.calls("studies").await == 2).then_some(())).await;
    until("nobody asks any more", async || {
        (app.redis::<u32>(&["EXISTS", &format!("{key}:lock")]).await == 0).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let ttl: i64 = app.redis(&["PTTL", key]).await;
    assert!((1..=10_000).contains(&ttl), "it is kept as a failure is: {ttl}");
    upstreams.script("studies", json!({})).await;
    let _: u32 = app.redis(&["DEL", key]).await;
    assert_eq!(app.send("GET", PATH, &Value::Null).await.status, 200);
}
