//! Rate limits: a burst passes; a request beyond it is told when to retry, and writes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, SUBMIT_A, phq9, until};
use crate::client::Answer;

fn check_limited(answer: &Answer) -> u32 {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["type"], "urn:vigil:problem:too-many-requests");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// A slow rate, so that no token comes back while a test runs.
const SLOW: &str = "0.001,3";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_send_its_burst_and_others_are_not_touched() {
    let app = App::builder()
        .variable("rate_per_key", SLOW)
        .only(&["submit", "records", "console", "ops", "alerts"])
        .start()
        .await;
    for id in ["r1", "r2", "r2"] {
        assert_eq!(app.send_as(SUBMIT_A, "POST", PHQ9, &phq9(id, [0; 9])).await.status, 202, "a resend is a sending");
    }
    let before: Vec<String> = app.redis(&["KEYS", "*"]).await;
    let bucket: String = app.redis(&["GET", "{vigil}:rate:key:submit-a"]).await;
    let retry_after = check_limited(&app.send_as(SUBMIT_A, "POST", PHQ9, &phq9("r3", [0; 9])).await);
    assert!((900..=1000).contains(&retry_after), "the next token comes in 1000 s: {retry_after}");
    let site_two = {
        let mut response = phq9("r4", [0; 9]);
        response["siteId"] = json!("2");
        response
    };
    check_limited(&app.send_as(SUBMIT_A, "POST", PHQ9, &site_two).await);
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 2);
    // Others may have expired.
    let after: Vec<String> = app.redis(&["KEYS", "*"]).await;
    assert!(after.iter().all(|key| before.contains(key)), "no mark, no bucket: {before:?} {after:?}");
    assert_eq!(app.redis::<String>(&["GET", "{vigil}:rate:key:submit-a"]).await, bucket, "a refusal takes no token");
    assert_eq!(app.send_as(ADMIN, "POST", PHQ9, &phq9("r3", [0; 9])).await.status, 202, "another key is free");
    until("the refusals are counted", async || {
        let stats = app.send("GET", "/v1/stats/sites", &Value::Null).await.json();
        (stats["total"]["limited"] == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_has_one_limit_whoever_sends() {
    let app = App::builder().variable("rate_per_site", SLOW).only(&["submit", "records", "ops"]).start().await;
    for (key, id) in [(ADMIN, "r1"), (SUBMIT_A, "r2"), (ADMIN, "r3")] {
        assert_eq!(app.send_as(key, "POST", PHQ9, &phq9(id, [0; 9])).await.status, 202);
    }
    for key in [ADMIN, SUBMIT_A] {
        check_limited(&app.send_as(key, "POST", PHQ9, &phq9("r4", [0; 9])).await);
    }
    let mut elsewhere = phq9("r4", [0; 9]);
    elsewhere["siteId"] = json!("2");
    assert_eq!(app.send("POST", PHQ9, &elsewhere).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_limits_hold_and_a_refusal_by_one_takes_nothing_from_the_other() {
    let builder = App::builder().variable("rate_per_key", "0.001,5").variable("rate_per_site", "0.001,1");
    let app = builder.only(&["submit", "records", "ops"]).start().await;
    assert_eq!(app.send("POST", PHQ9, &phq9("r0", [0; 9])).await.status, 202);
    for _ in 0..6 {
        check_limited(&app.send("POST", PHQ9, &phq9("r1", [0; 9])).await);
    }
    let mut sent = Vec::new();
    for site in ["2", "3", "4", "5", "6"] {
        let mut response = phq9("r", [0; 9]);
        response["siteId"] = json!(site);
        sent.push(app.send("POST", PHQ9, &response).await.status);
    }
    assert_eq!(sent, [202, 202, 202, 202, 429], "the key had four tokens left");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_back_with_time() {
    let app = App::builder().variable("rate_per_key", "2,1").only(&["submit", "records", "ops"]).start().await;
    let began = std::time::Instant::now();
    let accepted = until("four are taken in", {
        let accepted = std::cell::Cell::new(0_u8);
        let app = &app;
        async move || {
            let answer = app.send("POST", PHQ9, &phq9(&format!("r{}", accepted.get()), [0; 9])).await;
            match answer.status {
                202 => accepted.set(accepted.get() + 1),
                _ => assert_eq!(check_limited(&answer), 1),
            }
            (accepted.get() == 4).then(|| began.elapsed())
        }
    })
    .await;
    assert!(accepted >= Duration::from_millis(1400), "three tokens take 1.5 s: {accepted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_share_one_bucket() {
    let app = App::builder().variable("rate_per_key", "0.001,10").only(&["submit", "records", "ops"]).start().await;
    let address = app.address;
    let sends: Vec<_> = (0..64)
        .map(|number| {
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {ADMIN}");
                let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
                let body = phq9(&format!("r{number}"), [0; 9]).to_string();
                client.send("POST", PHQ9, &headers, body).await.unwrap().status
            })
        })
        .collect();
    let mut accepted = 0;
    for send in sends {
        accepted += usize::from(send.await.unwrap() == 202);
    }
    assert_eq!(accepted, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_there_is_no_bucket() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    for id in ["r1", "r2", "r3"] {
        app.submit(&phq9(id, [0; 9])).await;
    }
    let buckets: Vec<String> = app.redis(&["KEYS", "{vigil}:rate:*"]).await;
    assert_eq!(buckets, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_no_number_closes_the_door() {
    let app = App::builder().variable("rate_per_site", "fast").only(&["submit"]).start().await;
    assert_eq!(app.send("POST", PHQ9, &phq9("r", [0; 9])).await.status, 503);
}
