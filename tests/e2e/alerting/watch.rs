//! The clock's checks: alerts that do not move, and dead letters.

use serde_json::json;

use super::{CRITICAL, alert, configure, document, hook};
use crate::app::{App, phq9, until};
use crate::receiver::{Act, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_time_was_lost_is_reported_and_moves_again() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(500)]);
    let app = App::builder().variable("alert_grace_seconds", "2").start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"]["delaysSeconds"] = json!([3, 3]);
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    // The entry that would start the next attempt is lost.
    let lost = until("the next attempt waits", async || {
        let due: Vec<String> = app.redis(&["ZRANGE", "{vigil}:due", "0", "-1"]).await;
        due.into_iter().find(|work| work.contains("\"attempt\":2"))
    })
    .await;
    assert_eq!(app.redis::<usize>(&["ZREM", "{vigil}:due", &lost]).await, 1);
    alert(&app, &location, |it| it["state"] == "delivered").await;
    assert_eq!(receiver.calls().len(), 2);
    assert!(app.redis::<usize>(&["HGET", "{vigil}:watch", "overdue"]).await >= 1);
    let log = std::fs::read_to_string(app.dir.join("logs/clock_stderr.txt")).unwrap();
    assert!(log.contains("alert-overdue"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_bounded_and_what_is_cut_off_is_counted() {
    let app = App::builder().variable("dead_letters_most", "100").start().await;
    for _ in 0..500 {
        let _: String = app.redis(&["XADD", "{vigil}:dead", "*", "q", "score", "reason", "test", "d", "{}"]).await;
    }
    // An alert that climbs keeps the clock going.
    app.submit(&phq9("r", CRITICAL)).await;
    until("they are cut off", async || {
        let left: usize = app.redis(&["XLEN", "{vigil}:dead"]).await;
        (left < 250).then_some(())
    })
    .await;
    assert!(app.redis::<usize>(&["HGET", "{vigil}:watch", "dead-trimmed"]).await >= 250);
}
