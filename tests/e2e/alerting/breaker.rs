//! Receivers that fail, and receivers that are slow.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CRITICAL, HIGH, alert, configure, delivery, document, hook};
use crate::app::{App, SECRET, phq9, until};
use crate::receiver::{Act, Receiver, after};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_sends_critical_on_and_lets_routine_wait_until_a_call_succeeds() {
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    one.then(vec![Act::Answer(500); 3]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&one), "b": hook(&other)}));
    document["breaker"] = json!({"windowSeconds": 60, "calls": 3, "failurePercent": 70, "pauseSeconds": 4});
    document["defaults"]["chain"] = json!({"steps": [{"afterSeconds": 3600, "receivers": ["b"]}]});
    document["defaults"]["retry"]["routine"] = json!({"delaysSeconds": [0.1, 0.1, 0.1]});
    configure(&app, &document).await;
    // Three attempts fail, and it opens.
    let first = app.submit(&phq9("r1", HIGH)).await;
    one.heard(3).await;
    until("the breaker is open", async || {
        app.redis::<bool>(&["HEXISTS", "{vigil}:breaker:a", "open"]).await.then_some(())
    })
    .await;
    let second = app.submit(&phq9("r2", CRITICAL)).await;
    let passed = other.heard(1).await;
    assert_eq!(passed[0].json()["type"], "alert.escalated");
    assert_eq!(one.calls().len(), 3, "nobody is called while it is open");
    // Half-open: one call tries, and all that waits follows.
    for location in [&first, &second] {
        alert(&app, location, |it| delivery(it, "a")["state"] == "delivered").await;
    }
    let calls = one.calls();
    assert!(after(&calls[2], &calls[3]) >= Duration::from_millis(3_500), "{:?}", after(&calls[2], &calls[3]));
    assert!(!app.redis::<bool>(&["HEXISTS", "{vigil}:breaker:a", "open"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_receiver_does_not_slow_down_a_good_one() {
    let (bad, good) = (Receiver::doing(|_| Act::Hang).await, Receiver::start().await);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&bad), "b": hook(&good)}));
    document["studies"] = json!({"A": {"sites": {"2": {"routes": {"high": ["b"]}}}}});
    configure(&app, &document).await;
    for number in 0..60 {
        app.submit(&phq9(&format!("bad{number}"), HIGH)).await;
    }
    bad.heard(8).await;
    let mut took = Vec::new();
    for number in 0..100 {
        let mut response = phq9(&format!("good{number}"), HIGH);
        response["siteId"] = json!("2");
        let began = Instant::now();
        app.submit(&response).await;
        let calls = good.heard(number + 1).await;
        took.push(calls[number].at - began);
    }
    took.sort();
    eprintln!("with a receiver that hangs: p50 {:?}, p99 {:?}", took[50], took[98]);
    // The goal is 100 ms on a machine that does nothing else.
    assert!(took[98] < Duration::from_millis(1_000), "{took:?}");
    assert_eq!(bad.calls().len(), 8, "no more calls at the same time than it may have");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_hears_no_more_a_minute_than_it_may() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let mut slow = hook(&receiver);
    slow["ratePerMinute"] = json!(5);
    configure(&app, &document(json!({"a": slow}))).await;
    let mut locations = Vec::new();
    for number in 0..7 {
        locations.push(app.submit(&phq9(&format!("r{number}"), HIGH)).await);
    }
    receiver.heard(6).await;
    let calls = receiver.calls();
    assert!(after(&calls[0], &calls[5]) >= Duration::from_secs(10), "the sixth waits for its token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_alerts_to_ten_slow_receivers_are_there_in_seconds() {
    let mut receivers = Vec::new();
    for _ in 0..10 {
        receivers.push(Receiver::doing(|_| Act::Late(Duration::from_millis(200), 204)).await);
    }
    let mut app = App::builder().only(&["submit", "records", "console", "score", "clock"]).start().await;
    let (mut all, mut sites) = (serde_json::Map::new(), serde_json::Map::new());
    for (number, receiver) in receivers.iter().enumerate() {
        all.insert(
            format!("r{number}"),
            json!({"channel": "webhook", "url": receiver.url(), "secrets": [SECRET],
            "concurrency": 16}),
        );
        sites.insert(number.to_string(), json!({"routes": {"critical": [format!("r{number}")]}}));
    }
    configure(&app, &json!({"receivers": all, "studies": {"A": {"sites": sites}}})).await;
    let mut client = app.client().await;
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for number in 0..1_000 {
        let mut response = phq9(&format!("r{number}"), CRITICAL);
        response["siteId"] = json!((number % 10).to_string());
        let answer = client.send("POST", crate::app::PHQ9, &headers, response.to_string()).await.unwrap();
        assert_eq!(answer.status, 202);
    }
    until("all wait", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 1_000).then_some(()))
        .await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    for receiver in &receivers {
        receiver.heard(100).await;
    }
    let mut calls: Vec<(Instant, String)> =
        receivers.iter().flat_map(|it| it.calls()).map(|call| (call.at, call.id())).collect();
    calls.sort();
    let ids: std::collections::BTreeSet<&String> = calls.iter().map(|(_, id)| id).collect();
    let took = calls[calls.len() - 1].0 - calls[0].0 + Duration::from_millis(200);
    eprintln!("1000 alerts to 10 receivers of 200 ms: {took:?}");
    assert_eq!((calls.len(), ids.len()), (1_000, 1_000));
    // The goal is 3 s on a machine that does nothing else.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_fail_at_random_take_everything_once() {
    // 3 of 10 calls fail, in an order that has no pattern.
    let receiver = Receiver::doing(|n| Act::Answer(if (n * 7919 + n / 3) % 10 < 3 { 503 } else { 204 })).await;
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["routine"]["delaysSeconds"] = json!(vec![0.1; 20]);
    configure(&app, &document).await;
    for number in 0..200 {
        app.submit(&phq9(&format!("r{number}"), HIGH)).await;
    }
    let taken = until("all are taken", async || {
        let taken: Vec<Value> =
            receiver.calls().iter().filter(|it| it.taken()).map(|it| it.json()["data"].clone()).collect();
        (taken.len() >= 200).then_some(taken)
    })
    .await;
    let mut about: Vec<&str> = taken.iter().map(|it| it["submissionId"].as_str().unwrap()).collect();
    about.sort_unstable();
    about.dedup();
    assert_eq!((taken.len(), about.len()), (200, 200), "each once");
    let mut ids: Vec<String> = receiver.calls().iter().map(|call| call.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200, "none under two ids");
}
