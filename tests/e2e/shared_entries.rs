//! The submissions of a batch share an entry of the queue; a reader sees each as an entry of its own.

use std::collections::BTreeSet;

use futures::future::{join_all, join3};
use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9, until};
use crate::queues;
use crate::receiver::Receiver;

const STREAM: &str = "{vigil}:q:score";
const MORE: &str = "{vigil}:q:score:more";

/// Sends a batch of PHQ-9 responses and returns their ids; the second one demands an alert.
async fn batch(app: &App, count: usize) -> Vec<String> {
    let rows: Vec<Value> = (0..count)
        .map(|number| {
            let mut row = phq9(&format!("r{number}"), [1, 0, 0, 0, 0, 0, 0, 0, u8::from(number == 1)]);
            row["instrument"] = json!("phq-9");
            row
        })
        .collect();
    let answer = app.send("POST", "/v1/reports/batch", &json!(rows)).await;
    let answer = answer.json();
    assert_eq!(answer["accepted"], count, "{answer}");
    answer["rows"].as_array().unwrap().iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()).collect()
}

async fn drain(app: &App) {
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.status, 200);
}

/// The number of entries in the stream, and the number of submissions beyond the first of each.
async fn waiting(app: &App) -> (usize, Option<usize>) {
    (app.redis(&["XLEN", STREAM]).await, app.redis(&["GET", MORE]).await)
}

async fn state(app: &App, id: &str) -> String {
    let shown = app.send("GET", &format!("/v1/submissions/{id}"), &Value::Null).await;
    shown.json()["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_scored_and_an_erased_one_takes_no_other_along() {
    let receiver = Receiver::start().await;
    let builder = App::builder().routes(&[&receiver.url()]);
    let app = builder.only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let ids = batch(&app, 5).await;
    assert_eq!(waiting(&app).await, (1, Some(4)));
    let metrics = app.send("GET", "/metrics", &Value::Null).await;
    let metrics = String::from_utf8_lossy(&metrics.body);
    assert!(metrics.contains("vigil_queue_entries{queue=\"score\"} 5"), "{metrics}");

    let erase = json!({"reason": "withdrawn"});
    let erased = app.send("DELETE", &format!("/v1/submissions/{}", ids[2]), &erase).await;
    assert!(erased.status < 300, "{erased:?}");
    drain(&app).await;
    assert_eq!(waiting(&app).await, (0, Some(0)));
    for (number, id) in ids.iter().enumerate() {
        if number == 2 {
            assert_eq!(app.send("GET", &format!("/v1/submissions/{id}"), &Value::Null).await.status, 410);
        } else {
            assert_eq!(state(&app, id).await, "scored");
        }
    }
    until("the alert is heard", async || (receiver.calls().len() == 1).then_some(())).await;
    assert_eq!(receiver.calls()[0].json()["data"]["submissionId"], ids[1].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_brings_workers_down_is_taken_apart() {
    let receiver = Receiver::start().await;
    let builder = App::builder().variable("max_attempts", "3").routes(&[&receiver.url()]);
    let app = builder.only(&["submit", "records", "ops"]).start().await;
    let ids = batch(&app, 3).await;
    // The first worker takes all of them together, the second takes the rest one by one.
    queues::take(&app, "score", "first", 60_000).await;
    assert_eq!(waiting(&app).await, (1, Some(2)));
    queues::die(&app, "first").await;
    queues::take(&app, "score", "second", 60_000).await;
    assert_eq!(waiting(&app).await, (3, Some(0)), "they share no entry any more");
    queues::die(&app, "second").await;
    // A third attempt is the last.
    drain(&app).await;
    for id in &ids {
        assert_eq!(state(&app, id).await, "scored");
    }
    assert_eq!(waiting(&app).await, (0, Some(0)));
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_left_comes_back_whole() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let ids = batch(&app, 3).await;
    queues::take(&app, "score", "gone", 60_000).await;
    drain(&app).await;
    assert_eq!(waiting(&app).await, (1, Some(2)), "it is still held");
    queues::die(&app, "gone").await;
    drain(&app).await;
    for id in &ids {
        assert_eq!(state(&app, id).await, "scored");
    }
    assert_eq!(waiting(&app).await, (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_id_and_rows_that_came_before_are_told_apart() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    batch(&app, 2).await;
    let row = |id: &str, first: u8| {
        let mut row = phq9(id, [first, 0, 0, 0, 0, 0, 0, 0, 0]);
        row["instrument"] = json!("phq-9");
        row
    };
    let statuses = async |rows: Value| {
        let answer = app.send("POST", "/v1/reports/batch", &rows).await.json();
        let rows = answer["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let twice = json!([row("a", 1), row("a", 1), row("a", 2), row("b", 1)]);
    assert_eq!(statuses(twice).await, ["accepted", "duplicate", "conflict", "accepted"]);
    let before = json!([row("c", 1), row("r0", 1), row("r0", 3)]);
    assert_eq!(statuses(before).await, ["accepted", "duplicate", "conflict"]);
    // Two came in one entry, three alone.
    assert_eq!(waiting(&app).await, (4, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_at_the_same_time_goes_in_together_and_each_is_told_its_own_outcome() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let send = async |id: String, last: u8| {
        let answer = app.send("POST", PHQ9, &phq9(&id, [1, 0, 0, 0, 0, 0, 0, 0, last])).await;
        (answer.status, answer.header("location").unwrap_or_default().to_owned())
    };
    let (first, same) = send("same".to_owned(), 0).await;
    assert_eq!(first, 202);
    let mut places = vec![same.clone()];
    for round in 0.. {
        assert!(round < 100, "none share an entry");
        let new = join_all((0..24).map(|number| send(format!("r{round}-{number}"), 0)));
        let (again, other) = (join_all((0..4).map(|_| send("same".to_owned(), 0))), send("same".to_owned(), 1));
        let (new, again, (other, _)) = join3(new, again, other).await;
        assert!(again.iter().all(|(status, place)| (*status, place) == (202, &same)), "{again:?}");
        assert_eq!(other, 409);
        assert!(new.iter().all(|(status, _)| *status == 202), "{new:?}");
        places.extend(new.into_iter().map(|(_, place)| place));
        let (entries, more) = waiting(&app).await;
        assert_eq!(entries + more.unwrap_or_default(), places.len());
        if more > Some(0) {
            break;
        }
    }
    let distinct: BTreeSet<&String> = places.iter().collect();
    assert_eq!(distinct.len(), places.len());
    drain(&app).await;
    assert_eq!(waiting(&app).await, (0, Some(0)));
    for place in places {
        assert_eq!(app.send("GET", &place, &Value::Null).await.json()["state"], "scored", "{place}");
    }
}
