//! The clock: due work happens and abandoned work is picked up, without any other traffic.

use std::time::Duration;

use serde_json::Value;

use crate::app::{App, phq9, until};
use crate::queues;
use crate::receiver::{Act, Receiver, after};

const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
const CALM: [u8; 9] = [1, 1, 1, 1, 1, 1, 1, 1, 0];

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_due_in_three_seconds_happens_then() {
    let receiver = Receiver::start().await;
    receiver.then([Act::RetryAfter(503, 3)]);
    // The first delay is far shorter: the three seconds that the receiver asked for must win.
    let app = App::builder().variable("retry_schedule", "[0.1]").routes(&[&receiver.url()]).start().await;
    app.submit(&phq9("r", ALARMING)).await;
    let calls = receiver.heard(2).await;
    let waited = after(&calls[0], &calls[1]);
    assert!((Duration::from_secs(3)..Duration::from_millis(4500)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_worker_died_comes_back() {
    let mut app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let location = app.submit(&phq9("r", [2; 9])).await;
    // A worker that takes the entry and dies.
    queues::take(&app, "score", "gone", 500).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    let shown = app.scored(&location).await;
    assert_eq!(shown["scores"][0]["value"], 18.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_published_while_nobody_listened_is_not_missed() {
    let mut app = App::builder().only(&["submit", "records", "ops"]).start().await;
    // Nobody hears its bell.
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    app.scored(&location).await;
}

/// The tick died with its host, and its lease is still there: the first readiness probe starts the clock again, without
/// a second one.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_died_is_taken_over_by_the_first_question_for_readiness() {
    let app = App::start().await;
    let idle = || async { (!app.redis::<bool>(&["EXISTS", "{vigil}:clock"]).await).then_some(()) };
    until("the clock has stopped", idle).await;
    // Probes within half a second share one answer.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let _: String = app.redis(&["SET", "{vigil}:clock", "tick 00", "PX", "600000"]).await;
    let soon = after_ms(&app, 1500).await;
    let _: u32 = app.redis(&["ZADD", "{vigil}:due", &soon, "score k|A|1 unreadable"]).await;
    assert_eq!(app.send("GET", "/readyz", &Value::Null).await.status, 200);
    until("what was due has happened", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await == 1).then_some(())
    })
    .await;
}

/// A time this far from now, milliseconds since the epoch.
async fn after_ms(app: &App, ms: i64) -> String {
    let now: (i64, i64) = app.redis(&["TIME"]).await;
    (now.0 * 1000 + ms).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_rests_when_there_is_nothing_to_watch() {
    let app = App::start().await;
    // A critical alert that nobody acknowledges would keep the clock going.
    let location = app.submit(&phq9("r", CALM)).await;
    app.scored(&location).await;
    until("the clock has stopped", async || (!app.redis::<bool>(&["EXISTS", "{vigil}:clock"]).await).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_nobody_can_read_is_a_dead_letter_and_harms_no_neighbour() {
    let mut app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let first = app.submit(&phq9("r1", CALM)).await;
    queues::put(&app, "score", "{\"nonsense\":true}").await;
    let second = app.submit(&phq9("r2", CALM)).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    app.scored(&first).await;
    app.scored(&second).await;
    until("the dead letter is there", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await == 1).then_some(())
    })
    .await;
}
