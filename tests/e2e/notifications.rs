//! Requesters of analyses are notified through the lanes, breakers and dead letters of alerts, and delay no alert.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::alerting::{CRITICAL, configure, document, hook};
use crate::app::{ADMIN_B, App, Builder, SECRET, phq9, until};
use crate::receiver::{Act, Receiver};
use crate::scarce::Scarce;

const PATH: &str = "/v1/imaging/analyses";
/// The components without the one that delivers: what is handed to it waits.
const WITHOUT_DISPATCH: [&str; 7] = ["submit", "records", "console", "ops", "alerts", "imaging", "clock"];

/// The variable `imaging_webhooks` with the addresses of these receivers.
fn webhooks(told: &[&Receiver]) -> String {
    let all: Vec<Value> =
        told.iter().map(|it| json!({"url": it.url().replace("hook", ""), "secret": SECRET})).collect();
    json!(all).to_string()
}

/// An application whose analyses end at once, and whose requesters may be at these receivers.
fn app(service: &Scarce, told: &[&Receiver]) -> Builder {
    App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("image_sources", r#"["https://pacs.example/"]"#)
        .variable("imaging_webhooks", webhooks(told))
}

/// Requests an analysis whose end this receiver is told. Returns its address.
async fn ask(app: &App, id: &str, told: &Receiver) -> String {
    let body = json!({
        "analysisId": id, "studyId": "A", "siteId": "1", "patientId": "patient", "service": "chest",
        "image": {"url": "https://pacs.example/1"}, "webhook": {"url": told.url()},
    });
    let answer = app.send("POST", PATH, &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// The notification of an analysis, once it is in this state.
async fn notified(app: &App, location: &str, state: &str) -> Value {
    until(&format!("the notification is {state}"), async || {
        let shown = app.send("GET", location, &Value::Null).await.json();
        Some(shown["webhook"].clone()).filter(|webhook| webhook["state"] == state)
    })
    .await
}

/// Waits until this many entries are on the dispatch queue.
async fn waiting(app: &App, count: usize) {
    let holds = async || (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == count).then_some(());
    until("as many wait for dispatch as should", holds).await;
}

fn id(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

/// Erases an analysis, and checks that only its tombstone is left.
async fn erase(app: &App, location: &str) {
    let answer = app.send("DELETE", location, &json!({"reason": "consent withdrawn"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_erased(app, location);
}

fn assert_erased(app: &App, location: &str) {
    let key = format!("analysis/{}", id(location));
    assert_eq!(app.stored_keys(&key), [key]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requesters_that_hang_delay_no_alert_and_are_left_alone_by_their_breakers() {
    let (service, good) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    let mut hanging = Vec::new();
    for _ in 0..6 {
        let does = |number| match number {
            ..4 => Act::Hang,
            4..8 => Act::Answer(500),
            _ => Act::Answer(204),
        };
        hanging.push(Receiver::doing(does).await);
    }
    // A worker may make one call for alerts at a time: no notification takes it.
    let app = app(&service, &hanging.iter().collect::<Vec<_>>())
        .variable("delivery_concurrency", "1")
        .variable("delivery_deadline_ms", "6000")
        .start()
        .await;
    let mut routes = document(json!({"a": hook(&good)}));
    routes["breaker"] = json!({"windowSeconds": 60, "calls": 3, "failurePercent": 70, "pauseSeconds": 1});
    routes["defaults"]["retry"]["routine"] = json!({"delaysSeconds": vec![0.1; 20]});
    configure(&app, &routes).await;
    let mut locations = Vec::new();
    for number in 0..10 {
        for (receiver, told) in hanging.iter().enumerate() {
            locations.push(ask(&app, &format!("{receiver}-{number}"), told).await);
        }
    }
    let calls = || hanging.iter().map(|it| it.calls().len()).collect::<Vec<_>>();
    until("as many requesters are called as may be", async || (calls().iter().sum::<usize>() == 16).then_some(()))
        .await;
    assert!(calls().iter().all(|calls| *calls <= 4), "{:?}", calls());

    let began = Instant::now();
    for number in 0..10 {
        let sent = Instant::now();
        app.submit(&phq9(&format!("r{number}"), CRITICAL)).await;
        let heard = good.heard(number + 1).await;
        assert!(heard[number].at - sent < Duration::from_secs(2), "{:?}", heard[number].at - sent);
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert_eq!(calls().iter().sum::<usize>(), 16, "all calls still hang");

    // The calls end, and the next ones fail too: the breakers open.
    let open = until("a breaker is open", async || {
        let keys: Vec<String> = app.redis(&["KEYS", "{vigil}:breaker:analyses:*"]).await;
        for key in keys {
            if app.redis::<bool>(&["HEXISTS", &key, "open"]).await {
                return Some(key);
            }
        }
        None
    })
    .await;
    assert!(!app.redis::<bool>(&["HEXISTS", "{vigil}:breaker:a", "open"]).await, "{open}");
    // They answer again, and everyone is told, under one id and with the same message.
    for location in &locations {
        notified(&app, location, "delivered").await;
    }
    for receiver in &hanging {
        let calls = receiver.calls();
        let taken: std::collections::BTreeSet<String> =
            calls.iter().filter(|it| it.taken()).map(|call| call.id()).collect();
        assert_eq!(taken.len(), 10);
        assert!(calls.iter().all(|call| taken.contains(&call.id())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_is_given_up_is_listed_and_replayed_with_its_whole_schedule() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    told.then([503, 503, 503, 204].map(Act::Answer));
    let app = app(&service, &[&told]).variable("retry_schedule", "[0.1]").start().await;
    let location = ask(&app, "a", &told).await;
    let dead = notified(&app, &location, "dead").await;
    assert_eq!((&dead["reason"], dead["attempts"].as_array().unwrap().len()), (&json!("attempts-exhausted"), 2));
    assert_eq!(dead["attempts"][0]["reason"], "server-error", "{dead}");
    assert!(dead["attempts"][0]["nextAt"].is_string() && dead["attempts"][1].get("nextAt").is_none(), "{dead}");

    let letters = until("it is a dead letter", async || {
        let letters = app.send("GET", "/v1/dead-letters", &Value::Null).await.json()["deadLetters"].clone();
        (letters.as_array().unwrap().len() == 1).then_some(letters)
    })
    .await;
    let letter = &letters[0];
    assert_eq!((&letter["queue"], &letter["reason"]), (&json!("dispatch"), &json!("attempts-exhausted")), "{letter}");
    assert_eq!(letter["analysisId"], id(&location));
    assert_eq!((&letter["receiver"], &letter["alertId"]), (&dead["receiver"], &Value::Null));
    assert!(!letters.to_string().contains("hook"), "{letters}");
    // An administrator of another study does not see it.
    let foreign = app.send_as(ADMIN_B, "GET", "/v1/dead-letters", &Value::Null).await;
    assert_eq!(foreign.json()["deadLetters"], json!([]), "{foreign:?}");

    let replayed = app.send("POST", "/v1/dead-letters/replay", &json!({"ids": [letter["id"]]})).await;
    assert_eq!((replayed.status, &replayed.json()["count"]), (200, &json!(1)), "{replayed:?}");
    let delivered = notified(&app, &location, "delivered").await;
    assert_eq!(delivered["attempts"].as_array().unwrap().len(), 4, "one more failure, and its retry");
    let calls = told.calls();
    assert!(calls.iter().all(|call| call.id() == calls[0].id() && call.body == calls[0].body));
    let hook = standardwebhooks::Webhook::new(SECRET).unwrap();
    hook.verify(&calls[3].body, &calls[3].headers).unwrap();
    assert_eq!(app.send("GET", "/v1/dead-letters", &Value::Null).await.json()["deadLetters"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_wants_no_more_ends_no_notification_of_others_at_its_address() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    told.then([Act::Answer(410)]);
    let app = app(&service, &[&told]).start().await;
    let location = ask(&app, "a", &told).await;
    assert_eq!(notified(&app, &location, "dead").await["reason"], "receiver-gone");
    let location = ask(&app, "b", &told).await;
    notified(&app, &location, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_removed_meanwhile_is_not_called() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    let mut app = app(&service, &[&told]).only(&WITHOUT_DISPATCH).start().await;
    let location = ask(&app, "a", &told).await;
    waiting(&app, 1).await;
    app.stop().await;
    app.set("imaging_webhooks", "[]");
    app.run_all();
    app.start_again().await;
    let dead = notified(&app, &location, "dead").await;
    assert_eq!((&dead["reason"], &dead["attempts"]), (&json!("receiver-not-configured"), &json!([])));
    assert!(told.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_after_the_end_of_an_analysis_loses_no_notification() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    let mut app = app(&service, &[&told]).own_process().only(&WITHOUT_DISPATCH).start().await;
    let location = ask(&app, "a", &told).await;
    waiting(&app, 1).await;
    let imaging: usize = app.redis(&["XLEN", "{vigil}:q:imaging"]).await;
    assert_eq!(imaging, 0, "one script ends the analysis and begins its notification");
    // It waits behind no alert of its sender, and no alert behind it.
    assert_eq!(app.redis::<usize>(&["LLEN", "{vigil}:flow:dispatch:*|admin|A%2F1"]).await, 1);
    app.kill();
    // Killed once more, in the middle of a call.
    told.then([Act::Hang]);
    app.run_all();
    app.start_again().await;
    told.heard(1).await;
    app.kill();
    app.start_again().await;
    notified(&app, &location, "delivered").await;
    waiting(&app, 0).await;
    let calls = told.calls();
    assert!(calls.len() == 2 && calls[0].id() == calls[1].id() && calls[0].body == calls[1].body, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_erased_analysis_nobody_is_told_again() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::doing(|_| Act::Answer(503)).await);
    let app = app(&service, &[&told]).variable("retry_schedule", "[3600]").start().await;
    let location = ask(&app, "a", &told).await;
    notified(&app, &location, "pending").await;
    let due = async || app.redis::<usize>(&["ZCARD", "{vigil}:due"]).await;
    until("it is due later", async || (due().await == 1).then_some(())).await;
    erase(&app, &location).await;
    assert_eq!((due().await, told.calls().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_analysis_that_is_erased_before_its_notification_nobody_is_told() {
    let (service, told) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    let mut app = app(&service, &[&told]).only(&WITHOUT_DISPATCH).start().await;
    let location = ask(&app, "a", &told).await;
    waiting(&app, 1).await;
    erase(&app, &location).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    waiting(&app, 0).await;
    assert_erased(&app, &location);
    assert_eq!((told.calls().len(), app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await), (0, 0));
}
