//! Erasure: the content is removed, everywhere and for good; the fact of the erasure stays on record.

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, PHQ9, READ_A1, READ_B, SUBMIT_A, phq9, until};
use crate::audit::{actions, audit};
use crate::queues;
use crate::receiver::{Act, Receiver};

const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 2];

fn why() -> Value {
    json!({"reason": "consent withdrawn, told by 13800138000"})
}

fn id(location: &str) -> &str {
    location.strip_prefix("/v1/submissions/").unwrap()
}

async fn erase(app: &App, location: &str) -> Value {
    let answer = app.send("DELETE", location, &why()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Checks that nothing of it is left, and that it cannot be sent again.
async fn check_gone(app: &App, location: &str, response: &Value) {
    assert_eq!(app.send("GET", location, &Value::Null).await.status, 410);
    assert_eq!(app.send_as(READ_B, "GET", location, &Value::Null).await.status, 404, "foreign looks unknown");
    let again = app.send("POST", PHQ9, response).await;
    assert_eq!((again.status, &again.json()["type"]), (410, &json!("urn:vigil:problem:gone")), "{again:?}");
    let mut other = response.clone();
    other["answers"]["q1"] = json!(3);
    assert_eq!(app.send("POST", PHQ9, &other).await.status, 410, "another content is no way back either");
    let stored: Value = serde_json::from_slice(&app.stored(&format!("submission/{}", id(location))).unwrap()).unwrap();
    assert_eq!((&stored["state"], &stored["scores"]), (&json!("erased"), &json!([])));
    assert_eq!((&stored["submission"]["content"], &stored["submission"]["subject"]), (&json!({}), &json!("")));
    let shown = audit(app, &format!("submission/{}", id(location))).await;
    assert_eq!((&shown["verified"], &shown["content"]), (&json!(true), &json!("unchanged")), "{shown}");
    assert_eq!((actions(&shown).last(), &shown["tail"]), (Some(&"erased"), &json!("confirmed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_submission_is_gone_and_stays_gone() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let response = phq9("r", ALARMING);
    let location = app.submit(&response).await;
    app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let before = app.stored(&format!("submission/{}", id(&location))).unwrap();
    assert!(!app.stored_keys("alert/").is_empty());

    let erased = erase(&app, &location).await;
    assert_eq!((&erased["submissionId"], &erased["state"]), (&json!(id(&location)), &json!("erased")));
    check_gone(&app, &location, &response).await;
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    let shown = audit(&app, &format!("submission/{}", id(&location))).await;
    assert_eq!(actions(&shown), ["submitted", "erased"]);
    let record = &shown["records"][1];
    assert_eq!((&record["reason"], &record["actor"]), (&json!("consent withdrawn, told by [phone]"), &json!("admin")));
    assert_eq!(record["oldHash"], shown["records"][0]["newHash"]);
    let hash = platform::digest::hex(&platform::digest::digest(&before));
    assert_eq!(record["oldHash"], hash, "the hash is that of the bytes that were stored");

    // A second erasure changes nothing: the first one stands.
    assert_eq!(erase(&app, &location).await, erased);
    assert_eq!(actions(&audit(&app, &format!("submission/{}", id(&location))).await), ["submitted", "erased"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_while_queued_is_dropped_by_the_worker() {
    let mut app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let (response, neighbour) = (phq9("r", ALARMING), phq9("n", [0; 9]));
    let location = app.submit(&response).await;
    let spared = app.submit(&neighbour).await;
    erase(&app, &location).await;
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 2);
    app.stop().await;
    app.run_all();
    app.start_again().await;
    app.scored(&spared).await;
    until("the queue is empty", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(()))
        .await;
    check_gone(&app, &location, &response).await;
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await, 0);
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
    assert_eq!(actions(&audit(&app, &format!("submission/{}", id(&location))).await), ["erased"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_to_it_brings_nothing_back() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let response = phq9("r", ALARMING);
    let location = app.submit(&response).await;
    let entries: Vec<(String, Vec<(String, String)>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    app.scored(&location).await;
    erase(&app, &location).await;
    // It was stored, but the worker died before it finished the entry.
    queues::put(&app, "score", &entries[0].1[0].1).await;
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.json()["scored"], 1);
    check_gone(&app, &location, &response).await;
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    assert_eq!(actions(&audit(&app, &format!("submission/{}", id(&location))).await), ["submitted", "erased"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_while_the_worker_works_leaves_nothing_either() {
    const COUNT: usize = 60;
    let app = App::start().await;
    let sends: Vec<_> = (0..COUNT)
        .map(|number| {
            let address = app.address;
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {ADMIN}");
                let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
                let response = phq9(&format!("r{number}"), ALARMING);
                let answer = client.send("POST", PHQ9, &headers, response.to_string()).await.unwrap();
                let location = answer.header("location").unwrap().to_owned();
                // Some at once, some a little later: before, during and after the worker's turn.
                tokio::time::sleep(std::time::Duration::from_millis(number as u64 % 12)).await;
                let answer = client.send("DELETE", &location, &headers, why().to_string()).await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
                (location, response)
            })
        })
        .collect();
    let mut erased = Vec::new();
    for send in sends {
        erased.push(send.await.unwrap());
    }
    for queue in ["{vigil}:q:score", "{vigil}:q:dispatch"] {
        until("the queue is empty", async || (app.redis::<usize>(&["XLEN", queue]).await == 0).then_some(())).await;
    }
    for (location, response) in &erased {
        check_gone(&app, location, response).await;
    }
    let texts: Vec<String> =
        app.stored_keys("alert/").into_iter().filter(|key| key.matches('/').count() == 1).collect();
    assert_eq!(texts, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_wait_or_were_given_up_are_erased_too() {
    let receiver = Receiver::start().await;
    receiver.then([Act::RetryAfter(503, 3000), Act::Answer(400), Act::RetryAfter(503, 3000)]);
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let (waiting, dead) = (phq9("w", ALARMING), phq9("d", ALARMING));
    let mut locations = Vec::new();
    for response in [&waiting, &dead, &phq9("kept", ALARMING)] {
        let location = app.submit(response).await;
        app.shown(&location, |shown| shown["alerts"][0]["deliveries"].as_array().is_some_and(|it| !it.is_empty()))
            .await;
        locations.push(location);
    }
    // The outcome of a call is stored first; only then do its follow-ups wait.
    until("two wait and one is given up", async || {
        let due = app.redis::<usize>(&["ZCARD", "{vigil}:due"]).await;
        let dead = app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await;
        // Each of the three alerts also climbs its chain.
        ((due, dead) == (2 + 3, 1)).then_some(())
    })
    .await;
    for (location, response) in [(&locations[0], &waiting), (&locations[1], &dead)] {
        erase(&app, location).await;
        check_gone(&app, location, response).await;
    }
    assert_eq!(app.redis::<usize>(&["ZCARD", "{vigil}:due"]).await, 1 + 1, "the neighbour's stays");
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_on_its_way_is_not_sent_any_more() {
    let receiver = Receiver::start().await;
    let mut app = App::builder()
        .routes(&[&receiver.url()])
        .only(&["submit", "records", "console", "ops", "score", "alerts"])
        .start()
        .await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    app.scored(&location).await;
    until("the alert waits", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 1).then_some(()))
        .await;
    erase(&app, &location).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    until("the queue is empty", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 0).then_some(())
    })
    .await;
    assert_eq!(receiver.calls().len(), 0);
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_version_cannot_be_amended() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.scored(&location).await;
    erase(&app, &location).await;
    let mut amending = phq9("r2", [1; 9]);
    amending["amends"] = json!({"submissionId": id(&location)});
    assert_eq!(app.send("POST", PHQ9, &amending).await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_takes_an_administrator_of_the_study_and_a_reason() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.scored(&location).await;
    for key in [SUBMIT_A, READ_A1, CLINICIAN_A1] {
        assert_eq!(app.send_as(key, "DELETE", &location, &why()).await.status, 403, "{key}");
    }
    assert_eq!(app.send_as(ADMIN_B, "DELETE", &location, &why()).await.status, 404);
    for (body, expected) in [
        (json!({}), vec![("/reason", "required")]),
        (json!({"reason": 7}), vec![("/reason", "type")]),
        (json!({"reason": " "}), vec![("/reason", "format")]),
        (json!({"reason": "x".repeat(501), "more": 1}), vec![("/reason", "format"), ("/more", "unknown")]),
        (json!([]), vec![("", "type")]),
    ] {
        let answer = app.send("DELETE", &location, &body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(pointer, code)| (pointer.to_owned(), code.to_owned())).collect();
        assert_eq!(answer.findings(), expected);
    }
    assert_eq!(app.send("DELETE", &location, &Value::Null).await.status, 400);
    assert_eq!(app.send("DELETE", &location, &json!({"reason": "x".repeat(5000)})).await.status, 413);
    for unknown in ["/v1/submissions/6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60", "/v1/submissions/x"] {
        assert_eq!(app.send("DELETE", unknown, &why()).await.status, 404);
    }
    assert_eq!(app.scored(&location).await["state"], "scored", "none of these did anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_during_a_call_is_not_tried_again() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Hang]);
    let app = App::builder().variable("delivery_deadline_ms", "2000").variable("retry_schedule", "[1000]");
    let app = app.routes(&[&receiver.url()]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    receiver.heard(1).await;
    erase(&app, &location).await;
    until("the call has ended", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 0).then_some(())
    })
    .await;
    assert_eq!(app.redis::<usize>(&["ZCARD", "{vigil}:due"]).await, 0);
    assert_eq!(receiver.calls().len(), 1);
}
