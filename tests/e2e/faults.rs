//! Hosts and Redis are killed in the middle of a burst: every acknowledged submission is scored, and its alerts arrive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::app::{ADMIN, App, PHQ9, on_spin, phq9, until};
use crate::client::Client;
use crate::receiver::{Act, Receiver};

/// Sends responses until it is told to stop, half of the senders one by one and half in batches. Counts the
/// acknowledged ones, keeps their ids, and remembers which of them demand an alert. Sends everything again that was not
/// acknowledged, as a patient's device would.
pub(crate) struct Burst {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    senders: Vec<tokio::task::JoinHandle<Vec<(String, bool)>>>,
}

/// Whether the response of this number demands an alert.
fn alarming(number: usize) -> bool {
    number.is_multiple_of(10)
}

impl Burst {
    pub(crate) fn start(app: &App, round: usize, total: usize) -> Self {
        const SENDERS: usize = 8;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let senders = (0..SENDERS).map(|sender| {
            let (address, stop, sent) = (app.address, Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                let (mut acknowledged, mut client) = (Vec::new(), None);
                let numbers: Vec<usize> = (0..total).skip(sender).step_by(SENDERS).collect();
                for some in numbers.chunks(if sender % 2 == 0 { 1 } else { 7 }) {
                    loop {
                        if client.is_none() {
                            client = Client::connect(address).await.ok();
                        }
                        let answer = match &mut client {
                            Some(open) => send(open, round, some).await,
                            None => Err(std::io::Error::other("no connection")),
                        };
                        match answer {
                            Ok(Some(ids)) => {
                                sent.fetch_add(ids.len(), Ordering::Relaxed);
                                acknowledged.extend(ids.into_iter().zip(some.iter().map(|number| alarming(*number))));
                                break;
                            }
                            Ok(None) => {}
                            Err(_) => client = None,
                        }
                        if stop.load(Ordering::Relaxed) {
                            return acknowledged;
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                acknowledged
            })
        });
        Burst { senders: senders.collect(), stop, sent }
    }

    pub(crate) async fn reached(&self, count: usize) {
        until("the burst has come that far", async || (self.sent.load(Ordering::Relaxed) >= count).then_some(())).await;
    }

    /// The acknowledged ids, and whether each demands an alert, once everything is sent.
    pub(crate) async fn end(self) -> Vec<(String, bool)> {
        let mut acknowledged = Vec::new();
        for sender in self.senders {
            acknowledged.extend(sender.await.unwrap());
        }
        self.stop.store(true, Ordering::Relaxed);
        acknowledged
    }
}

/// Sends responses, several as a batch. Returns their ids if all are acknowledged.
async fn send(client: &mut Client, round: usize, numbers: &[usize]) -> std::io::Result<Option<Vec<String>>> {
    let response =
        |number: &usize| phq9(&format!("{round}-{number}"), [1, 0, 0, 0, 0, 0, 0, 0, u8::from(alarming(*number))]);
    let (path, body) = match numbers {
        [number] => (PHQ9, response(number)),
        _ => ("/v1/reports/batch", numbers.iter().map(|number| of_batch(response(number))).collect()),
    };
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = client.send("POST", path, &headers, body.to_string()).await?;
    if answer.status != 202 {
        // 503 while Redis is away; 500 if the host was killed while it answered.
        assert!(matches!(answer.status, 500 | 503), "{answer:?}");
        return Ok(None);
    }
    let json = answer.json();
    let Some(rows) = json["rows"].as_array() else { return Ok(Some(vec![text(&json["submissionId"])])) };
    assert_eq!(rows.len(), numbers.len());
    let whole = rows.iter().all(|row| row["status"] == "accepted" || row["status"] == "duplicate");
    Ok(whole.then(|| rows.iter().map(|row| text(&row["submissionId"])).collect()))
}

/// A response as a row of a batch.
fn of_batch(mut response: Value) -> Value {
    response["instrument"] = "phq-9".into();
    response
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Checks that every acknowledged submission is stored once, and that each alert it demands arrived, under one id.
async fn promise_kept(app: &App, receiver: &Receiver, acknowledged: &[(String, bool)]) {
    until("the queues are empty", async || (app.work_left().await == 0).then_some(())).await;
    let dead: Vec<redis::Value> = app.redis(&["XRANGE", "{vigil}:dead", "-", "+"]).await;
    assert!(dead.is_empty(), "dead letters: {dead:?}");

    let stored: BTreeSet<String> = app.stored_keys("submission/").into_iter().collect();
    let heard: BTreeSet<String> =
        receiver.calls().iter().map(|call| call.json()["data"]["submissionId"].as_str().unwrap().to_owned()).collect();
    let ids: BTreeSet<String> = receiver.calls().iter().map(|call| call.id()).collect();
    assert_eq!(ids.len(), heard.len(), "an alert keeps its id");
    for (id, alarming) in acknowledged {
        assert!(stored.contains(&format!("submission/{id}")), "acknowledged and lost: {id}");
        assert!(!alarming || heard.contains(id), "alert lost: {id}");
    }
    for (id, _) in acknowledged.iter().take(50) {
        let record: Value = serde_json::from_slice(&app.stored(&format!("submission/{id}")).unwrap()).unwrap();
        assert_eq!(record["state"], "scored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_random_loses_nothing_it_acknowledged() {
    const ROUNDS: usize = 5;
    const TOTAL: usize = 5_000;
    let receiver = Receiver::start().await;
    let builder = App::builder().variable("delivery_deadline_ms", "1000");
    let builder = builder.variable("retry_schedule", "[0.1, 0.1, 0.1, 0.1]");
    let mut app = builder.routes(&[&receiver.url()]).own_process().start().await;
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos() as usize;
    eprintln!("seed {seed}");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let burst = Burst::start(&app, round, TOTAL / ROUNDS);
        burst.reached(1 + (seed / (round + 1)) % (TOTAL / ROUNDS * 8 / 10)).await;
        app.kill();
        app.start_again().await;
        acknowledged.extend(burst.end().await);
    }
    assert_eq!(acknowledged.len(), TOTAL);
    promise_kept(&app, &receiver, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_killed_in_a_burst_loses_nothing_that_was_acknowledged() {
    let receiver = Receiver::start().await;
    let builder = App::builder().variable("delivery_deadline_ms", "1000");
    let mut app =
        builder.variable("retry_schedule", "[0.1, 0.1, 0.1]").routes(&[&receiver.url()]).probed().start().await;
    let burst = Burst::start(&app, 0, 2_000);
    for part in 1..=3 {
        burst.reached(part * 400).await;
        app.redis.as_mut().unwrap().kill().unwrap();
        app.redis.as_mut().unwrap().restart().unwrap();
        app.recover().await;
    }
    let acknowledged = burst.end().await;
    assert_eq!(acknowledged.len(), 2_000);
    app.ready().await;
    promise_kept(&app, &receiver, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_for_long_makes_no_dead_letters() {
    let receiver = Receiver::start().await;
    let builder = App::builder().variable("delivery_deadline_ms", "500");
    let builder = builder.variable("max_attempts", "2").routes(&[&receiver.url()]);
    let mut app = builder.probed().start().await;
    app.stop().await;
    // A file that is not a database counts as an unavailable store.
    let file = app.dir.join("sqlite_key_value.db");
    std::fs::rename(&file, app.dir.join("kept.db")).unwrap();
    std::fs::create_dir(&file).unwrap();
    app.start_unready().await;
    let response = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 3]);
    let location = until("the door answers", async || {
        let mut client = Client::connect(app.address).await.ok()?;
        let authorization = format!("Bearer {ADMIN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let answer = client.send("POST", PHQ9, &headers, response.to_string()).await.ok()?;
        (answer.status == 202).then(|| answer.header("location").unwrap().to_owned())
    })
    .await;
    until("the worker has failed more often than an entry may be tried", async || {
        let log = std::fs::read_to_string(app.dir.join("logs/score_stderr.txt")).ok()?;
        (log.matches("drain-failed").count() > 4).then_some(())
    })
    .await;
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(app.dir.join("kept.db"), &file).unwrap();
    app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_fail_at_every_turn_hear_everything_in_the_end() {
    let receiver = Receiver::start().await;
    // Half of the calls: more would open the breaker, which has its own tests.
    let well = || Act::Answer(204);
    let acts = [Act::Answer(500), well(), Act::Hang, well(), Act::Cut, well()];
    receiver.then(acts.into_iter().cycle().take(200));
    let builder = App::builder().variable("delivery_deadline_ms", "500");
    let builder = builder.variable("retry_schedule", format!("{:?}", [0.1; 40]));
    let app = builder.routes(&[&receiver.url()]).start().await;
    let acknowledged = Burst::start(&app, 0, 500).end().await;
    promise_kept(&app, &receiver, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_finishes_what_it_began_and_exits_with_zero() {
    let receiver = Receiver::start().await;
    // On Spin, the current batch returns when its worker counts as dead; the probe rings for that.
    let builder = App::builder().variable("delivery_deadline_ms", "1000");
    let builder = builder.routes(&[&receiver.url()]);
    let builder = if on_spin() { builder.probed() } else { builder };
    let mut app = builder.own_process().start().await;
    let acknowledged = Burst::start(&app, 0, 300).end().await;
    let status = app.stop().await;
    if !on_spin() {
        assert_eq!(status, Some(0));
        for queue in ["score", "dispatch"] {
            let held: usize = app.redis(&["HLEN", &format!("{{vigil}}:held:{queue}")]).await;
            assert_eq!(held, 0, "nothing is left in a worker's hands");
        }
    }
    app.start_again().await;
    promise_kept(&app, &receiver, &acknowledged).await;
}
