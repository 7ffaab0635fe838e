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
    // Three attempts fail, and the breaker opens.
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
    // Half-open: one call tries; if it succeeds, all that waits follows.
    for location in [&first, &second] {
        alert(&app, location, |it| delivery(it, "a")["state"] == "delivered").await;
    }
    let calls = one.calls();
    assert!(after(&calls[2], &calls[3]) >= Duration::from_millis(3_500), "{:?}", after(&calls[2], &calls[3]));
    assert!(!app.redis::<bool>(&["HEXISTS", "{vigil}:breaker:a", "open"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_call_that_fails_keeps_the_breaker_open_for_another_pause() {
    let receiver = Receiver::start().await;
    receiver.then(vec![Act::Answer(500); 4]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["breaker"] = json!({"windowSeconds": 60, "calls": 3, "failurePercent": 70, "pauseSeconds": 2});
    document["defaults"]["retry"]["routine"] = json!({"delaysSeconds": vec![0.1; 10]});
    configure(&app, &document).await;
    let mut locations = Vec::new();
    for number in 0..5 {
        locations.push(app.submit(&phq9(&format!("r{number}"), HIGH)).await);
        if number == 0 {
            receiver.heard(3).await;
        }
    }
    for location in &locations {
        alert(&app, location, |it| it["state"] == "delivered").await;
    }
    let calls = receiver.calls();
    let pauses = [after(&calls[2], &calls[3]), after(&calls[3], &calls[4])];
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(1_500)), "one call each: {pauses:?}");
    assert_eq!((calls.len(), calls.iter().filter(|call| call.taken()).count()), (9, 5));
}

/// Sends a hundred alerts of site 2, one after the other. Returns the time of each from the report to the receiver, the
/// fastest first.
async fn hundred(app: &App, good: &Receiver, name: &str) -> Vec<Duration> {
    let (mut took, before) = (Vec::new(), good.calls().len());
    for number in 0..100 {
        let mut response = phq9(&format!("{name}{number}"), HIGH);
        response["siteId"] = json!("2");
        let began = Instant::now();
        app.submit(&response).await;
        let calls = good.heard(before + number + 1).await;
        took.push(calls[before + number].at - began);
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_receiver_does_not_slow_down_a_good_one() {
    let (bad, good) = (Receiver::doing(|_| Act::Hang).await, Receiver::start().await);
    let app = App::start().await;
    let mut hangs = hook(&bad);
    // No call ends before the test does.
    hangs["deadlineMs"] = json!(60_000);
    let mut document = document(json!({"a": hangs, "b": hook(&good)}));
    document["studies"] = json!({"A": {"sites": {"2": {"routes": {"high": ["b"]}}}}});
    configure(&app, &document).await;
    let without = hundred(&app, &good, "before").await;
    // More than a worker queues for one receiver.
    for number in 0..600 {
        app.submit(&phq9(&format!("bad{number}"), HIGH)).await;
    }
    bad.heard(8).await;
    // At most 100 ms, plus the other load of the machine: of three rounds, one is quiet enough.
    let bound = Duration::from_millis(100) + without[98];
    let mut quiet = false;
    eprintln!("without a receiver that hangs: p50 {:?}, p99 {:?}", without[50], without[98]);
    for round in ["beside", "again", "still"] {
        let with = hundred(&app, &good, round).await;
        eprintln!("with a receiver that hangs: p50 {:?}, p99 {:?}", with[50], with[98]);
        quiet = with[98] < bound;
        if quiet {
            break;
        }
    }
    assert!(quiet, "beyond {bound:?}");
    assert_eq!(bad.calls().len(), 8, "no more calls at the same time than it may have");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_alert_overtakes_what_waits_for_the_same_receiver() {
    let receiver = Receiver::doing(|_| Act::Late(Duration::from_millis(500), 204)).await;
    let app = App::start().await;
    let mut slow = hook(&receiver);
    slow["concurrency"] = json!(1);
    configure(&app, &document(json!({"a": slow}))).await;
    for number in 0..20 {
        app.submit(&phq9(&format!("r{number}"), HIGH)).await;
    }
    receiver.heard(1).await;
    app.submit(&phq9("critical", CRITICAL)).await;
    let calls = receiver.heard(21).await;
    let place = calls.iter().position(|call| call.json()["data"]["severity"] == "critical").unwrap();
    assert!(place < 15, "call {place}");
    assert_eq!(calls.len(), 21);
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
    let mut app =
        App::builder().only(&["submit", "records", "console", "score", "clock", "ops", "alerts"]).start().await;
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
    // 3 s, plus 2 s for the other load of the machine. The calls alone take 1.4 s: 100 of 200 ms, 16 at a time.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_fail_at_random_take_everything_once() {
    // 3 of 10 calls fail, in an order that has no pattern.
    let fails = |n: usize| Act::Answer(if (n * 7919 + n / 3) % 10 < 3 { 503 } else { 204 });
    let receivers = [Receiver::doing(fails).await, Receiver::doing(fails).await];
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receivers[0]), "b": hook(&receivers[1])}));
    document["defaults"]["routes"]["high"] = json!(["a", "b"]);
    document["defaults"]["retry"]["routine"]["delaysSeconds"] = json!(vec![0.1; 20]);
    configure(&app, &document).await;
    for number in 0..200 {
        app.submit(&phq9(&format!("r{number}"), HIGH)).await;
    }
    for receiver in &receivers {
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
        assert!(ids.len() > 250, "calls failed: {}", ids.len());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 200, "none under two ids");
    }
}
