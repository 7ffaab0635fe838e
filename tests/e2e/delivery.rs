//! From an alert to its receivers: retries, refusals, receivers that hang, close the connection or send without end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Builder, phq9, until};
use crate::receiver::{Act, Held, Receiver, after, nobody};

/// Raises one alert, by item 9 alone.
const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];

fn quick() -> Builder {
    App::builder().variable("retry_schedule", "[0.2, 0.2, 0.2]").variable("delivery_deadline_ms", "500")
}

/// The only delivery of the submission's only alert, once it is in this state.
async fn delivery(app: &App, location: &str, state: &str) -> Value {
    let shown = app.shown(location, |shown| shown["alerts"][0]["deliveries"][0]["state"] == state).await;
    shown["alerts"][0]["deliveries"][0].clone()
}

fn outcomes(delivery: &Value) -> Vec<&str> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_tried_again_under_the_same_id() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(500), Act::Hang, Act::Cut]);
    let app = quick().routes(&[&receiver.url()]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    let delivery = delivery(&app, &location, "delivered").await;
    assert_eq!(outcomes(&delivery), ["answered", "timed-out", "unreachable", "delivered"]);
    assert_eq!(delivery["attempts"][0]["status"], 500);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.id() == calls[0].id() && call.body == calls[0].body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_goes_on_failing_becomes_a_dead_letter() {
    let receiver = Receiver::start().await;
    receiver.then(vec![Act::Answer(503); 9]);
    let app = quick().routes(&[&receiver.url()]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    let delivery = delivery(&app, &location, "dead").await;
    assert_eq!((&delivery["reason"], receiver.calls().len()), (&json!("attempts-exhausted"), 4));
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 1);
    let alert = app.scored(&location).await["alerts"][0].clone();
    assert_eq!(alert["state"], "dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_message_is_final() {
    let receiver = Receiver::start().await;
    let app = quick().routes(&[&receiver.url()]).start().await;
    for (number, status) in [400, 405, 413, 415, 422].into_iter().enumerate() {
        receiver.then([Act::Answer(status)]);
        let location = app.submit(&phq9(&format!("r{number}"), ALARMING)).await;
        let delivery = delivery(&app, &location, "dead").await;
        assert_eq!(
            (&delivery["reason"], receiver.calls().len()),
            (&json!("rejected-by-receiver"), number + 1),
            "{status}"
        );
        assert_eq!(delivery["attempts"][0]["reason"], "rejected-by-receiver", "{delivery}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_may_pass_is_tried_again() {
    let receiver = Receiver::start().await;
    let app = quick().routes(&[&receiver.url()]).start().await;
    for (status, reason) in [
        (404, "not-found"),
        (401, "not-authorized"),
        (403, "not-authorized"),
        (408, "timed-out"),
        (421, "misdirected"),
        (425, "too-early"),
        (429, "throttled"),
        (409, "conflict"),
        (502, "server-error"),
    ] {
        receiver.then([Act::Answer(status)]);
        let location = app.submit(&phq9(&format!("r{status}"), ALARMING)).await;
        let delivery = delivery(&app, &location, "delivered").await;
        assert_eq!(outcomes(&delivery), ["answered", "delivered"], "{status}: {delivery}");
        let first = &delivery["attempts"][0];
        assert_eq!((&first["status"], &first["reason"]), (&json!(status), &json!(reason)), "{delivery}");
        assert!(first["nextAt"].is_string() && delivery["attempts"][1].get("reason").is_none(), "{delivery}");
    }
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_does_not_pass_becomes_a_dead_letter() {
    let receiver = Receiver::doing(|_| Act::Answer(404)).await;
    let app = quick().routes(&[&receiver.url()]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    let delivery = delivery(&app, &location, "dead").await;
    assert_eq!((&delivery["reason"], receiver.calls().len()), (&json!("attempts-exhausted"), 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_honoured() {
    let receiver = Receiver::start().await;
    receiver.then([Act::RetryAfter(429, 3)]);
    let app = quick().routes(&[&receiver.url()]).start().await;
    app.submit(&phq9("r", ALARMING)).await;
    let calls = receiver.heard(2).await;
    let waited = after(&calls[0], &calls[1]);
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_tried_again_until_it_is_given_up() {
    let url = nobody().await;
    let app = App::builder().variable("retry_schedule", "[0.1]").routes(&[&url]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    assert_eq!(outcomes(&delivery(&app, &location, "dead").await), ["unreachable", "unreachable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Flood]);
    let app = quick().routes(&[&receiver.url()]).start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    assert_eq!(outcomes(&delivery(&app, &location, "delivered").await), ["delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_decides_whatever_the_body_does_afterwards() {
    let receiver = Receiver::start().await;
    let app = quick().routes(&[&receiver.url()]).start().await;
    for (number, held) in [Held::Cut, Held::Open].into_iter().enumerate() {
        for (status, word) in [(200, "delivered"), (202, "delivered"), (503, "answered")] {
            receiver.then([Act::Unfinished(status, "noted", held)]);
            let location = app.submit(&phq9(&format!("r{number}{status}"), ALARMING)).await;
            let delivery = delivery(&app, &location, "delivered").await;
            let first = &delivery["attempts"][0];
            assert_eq!((&first["outcome"], &first["status"]), (&json!(word), &json!(status)), "{held:?} {delivery}");
            assert_eq!(first["answer"], "noted", "{held:?} {delivery}");
        }
    }
    // Twice 503, which was tried again.
    assert_eq!(receiver.calls().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_without_a_receiver_waits_visibly() {
    let app = App::builder().variable("alert_routes", "{}").start().await;
    let location = app.submit(&phq9("r", ALARMING)).await;
    app.shown(&location, |shown| shown["alerts"][0]["state"] == "unrouted").await;
    let dead = until("the dead letter is there", async || {
        let entries: Vec<Vec<redis::Value>> = app.redis(&["XRANGE", "{vigil}:dead", "-", "+"]).await;
        (!entries.is_empty()).then_some(entries)
    })
    .await;
    assert!(format!("{dead:?}").contains("no-receiver"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hanging_receiver_does_not_hold_up_another() {
    let (bad, good) = (Receiver::start().await, Receiver::start().await);
    bad.then(vec![Act::Hang; 100]);
    let app = App::builder().variable("delivery_deadline_ms", "20000").routes(&[&bad.url(), &good.url()]).start().await;
    // Longer than a worker usually stays: the hanging calls keep it, and it must still notice new alerts.
    for number in 0..20 {
        let began = std::time::Instant::now();
        app.submit(&phq9(&format!("r{number}"), ALARMING)).await;
        good.heard(number + 1).await;
        assert!(began.elapsed() < Duration::from_secs(5), "alert {number} took {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let ids: std::collections::BTreeSet<String> = good.calls().iter().map(|call| call.id()).collect();
    assert_eq!(ids.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_alerts_are_delivered_once_each() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    for number in 0..100 {
        app.submit(&phq9(&format!("r{number}"), ALARMING)).await;
    }
    receiver.heard(100).await;
    until("the queue is empty", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 0).then_some(())
    })
    .await;
    let calls = receiver.calls();
    let ids: std::collections::BTreeSet<String> = calls.iter().map(|call| call.id()).collect();
    assert_eq!((calls.len(), ids.len()), (100, 100));
}

/// Answers every request with these bytes, on connections that stay open. Returns its address and the number of requests.
async fn raw(answer: &'static [u8]) -> (std::net::SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, calls) =
        (listener.local_addr().unwrap(), std::sync::Arc::<std::sync::atomic::AtomicUsize>::default());
    let counted = calls.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let (mut request, mut piece) = (Vec::new(), [0; 4096]);
                while !request.ends_with(b"}") {
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&piece[..read]),
                    }
                }
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let _ = stream.write_all(answer).await;
                // Held until the caller closes it.
                let _ = stream.read(&mut piece).await;
            });
        }
    });
    (address, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_another_body_than_it_announces_is_a_delivery() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokok\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\nok",
        // Less, held open; chunks that are none, or have no end; no length at all.
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let (address, calls) = raw(answer).await;
        let app = App::builder().routes(&[&format!("http://{address}/")]).start().await;
        let location = app.submit(&phq9("r", ALARMING)).await;
        app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}
