//! Analyses as jobs: requested, waited for, retried, cancelled, notified.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Builder, READ_B, SECRET, SUBMIT_A, until};
use crate::receiver::Receiver;
use crate::scarce::Scarce;

const PATH: &str = "/v1/imaging/analyses";

fn app(service: &Scarce) -> Builder {
    App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("image_sources", r#"["https://pacs.example/"]"#)
        .variable("imaging_retry_schedule", "[0.1,0.1]")
}

fn asked(id: &str) -> Value {
    json!({
        "analysisId": id, "studyId": "A", "siteId": "1", "patientId": "patient SECRET", "service": "chest",
        "image": {"url": "https://pacs.example/1"},
    })
}

async fn ask(app: &App, body: &Value) -> String {
    let answer = app.send("POST", PATH, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// The analysis, once it is in this state.
async fn shown(app: &App, location: &str, state: &str) -> Value {
    until(&format!("the analysis is {state}"), async || {
        let answer = app.send("GET", location, &Value::Null).await;
        (answer.status == 200).then(|| answer.json()).filter(|shown| shown["state"] == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_analysed_its_finding_alarms_and_its_requester_is_told() {
    let (service, alarmed, told) =
        (Scarce::start(Duration::ZERO).await, Receiver::start().await, Receiver::start().await);
    service.finds(json!({"nodule": 0.93}));
    let hooks = json!([{"url": told.url().replace("hook", ""), "secret": SECRET}]).to_string();
    let app = app(&service).routes(&[&alarmed.url()]).variable("imaging_webhooks", hooks).start().await;
    let mut body = asked("a");
    body["image"] = json!({"data": "aW1hZ2U=", "mediaType": "image/png"});
    body["webhook"] = json!({"url": told.url()});
    let location = ask(&app, &body).await;
    let done = shown(&app, &location, "done").await;
    assert_eq!((&done["result"], &done["attempts"][0]["outcome"]), (&json!({"nodule": 0.93}), &json!("answered")));
    assert_eq!(service.inputs()[0]["image"], body["image"]);

    let alert = &alarmed.heard(1).await[0];
    assert_eq!(alert.id(), done["alerts"][0].as_str().unwrap());
    let raised = alert.json()["data"].clone();
    assert_eq!((&raised["rule"], &raised["severity"]), (&json!("nodule-likely"), &json!("critical")));

    let call = &told.heard(1).await[0];
    let hook = standardwebhooks::Webhook::new(SECRET).unwrap();
    hook.verify(&call.body, &call.headers).unwrap();
    assert_eq!(
        (call.id(), &call.json()["data"]["result"]),
        (done["analysisId"].as_str().unwrap().into(), &done["result"])
    );
    until("it is known that the requester was told", async || {
        let shown = app.send("GET", &location, &Value::Null).await.json();
        (shown["webhook"]["state"] == "delivered").then_some(())
    })
    .await;
    // The image is gone, the subject can be looked up, and the submitter sees no finding.
    until("the image is gone", async || {
        app.stored_keys("analysis/").iter().all(|key| !key.contains("image")).then_some(())
    })
    .await;
    assert_eq!(app.stored_keys("subject/").len(), 1);
    let brief = app.send_as(SUBMIT_A, "GET", &location, &Value::Null).await.json();
    assert_eq!((&brief["state"], &brief["result"]), (&json!("done"), &Value::Null));
    assert_eq!(app.send_as(READ_B, "GET", &location, &Value::Null).await.status, 404);
    // A resend is the same analysis; with other content it is refused.
    assert_eq!(ask(&app, &body).await, location);
    body["priority"] = json!("stat");
    assert_eq!(app.send("POST", PATH, &body).await.status, 409);
    assert_eq!(app.send("DELETE", &location, &Value::Null).await.status, 409);
    for (name, content) in app.files() {
        assert!(!content.windows(6).any(|it| it == b"SECRET"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_go_better_is_tried_again_and_what_may_not_is_not() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service).start().await;
    service.then(&[500, 503]);
    let done = shown(&app, &ask(&app, &asked("a")).await, "done").await;
    let statuses = |shown: &Value| -> Vec<Value> {
        shown["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
    };
    assert_eq!(statuses(&done), [json!(500), json!(503), json!(200)]);
    service.then(&[422]);
    let refused = shown(&app, &ask(&app, &asked("b")).await, "failed").await;
    assert_eq!((statuses(&refused), &refused["reason"]), (vec![json!(422)], &json!("rejected-by-receiver")));
    service.then(&[500, 500, 500]);
    let exhausted = shown(&app, &ask(&app, &asked("c")).await, "failed").await;
    assert_eq!((statuses(&exhausted).len(), &exhausted["reason"]), (3, &json!("attempts-exhausted")));
    // A result is stored before its follow-ups.
    let both = async || (app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await == 2).then_some(());
    until("both are dead letters", both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_not_waited_for_beyond_its_deadline() {
    let service = Scarce::start(Duration::from_secs(60)).await;
    let app = app(&service).variable("ai_services", service.declared(10, 300)).start().await;
    let failed = shown(&app, &ask(&app, &asked("a")).await, "failed").await;
    let attempts = failed["attempts"].as_array().unwrap();
    assert!(attempts.len() == 3 && attempts.iter().all(|attempt| attempt["outcome"] == "timed-out"), "{failed}");
    assert!(attempts.iter().all(|attempt| (300..2000).contains(&attempt["tookMs"].as_u64().unwrap())), "{failed}");
    until("the service sees that nobody waits", async || (service.cut() == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_drops_the_call_that_runs_and_what_waits_never_runs() {
    let service = Scarce::start(Duration::from_secs(20)).await;
    let app = app(&service).variable("imaging_concurrency", "2").start().await;
    let running = ask(&app, &asked("a")).await;
    until("the call runs", async || (service.at_once() == 1).then_some(())).await;
    assert_eq!(shown(&app, &running, "running").await["attemptsMade"], 1);
    let waiting = [ask(&app, &asked("b")).await, ask(&app, &asked("c")).await];
    let last = shown(&app, &waiting[1], "queued").await;
    assert_eq!((&last["place"], &last["priority"]), (&json!(2), &json!("routine")));
    assert!(last["expectedWaitMs"].as_u64().is_some(), "{last}");
    for location in [&waiting[0], &waiting[1], &running] {
        let answer = app.send("DELETE", location, &Value::Null).await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("cancelled")));
    }
    until("the service sees that nobody waits", async || (service.cut() == 1).then_some(())).await;
    until("the queue is empty", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:imaging"]).await == 0).then_some(()))
        .await;
    assert_eq!(service.inputs().len(), 1);
    assert_eq!(shown(&app, &running, "cancelled").await["service"], "chest");
    assert_eq!(app.send("DELETE", &running, &Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_refused() {
    let service = Scarce::start(Duration::from_secs(20)).await;
    let app = app(&service).variable("imaging_capacity", "2").start().await;
    ask(&app, &asked("a")).await;
    ask(&app, &asked("b")).await;
    let mut third = asked("c");
    third["image"] = json!({"data": "aW1hZ2U=", "mediaType": "image/png"});
    let answer = app.send("POST", PATH, &third).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(app.stored_keys("analysis/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_wait_goes_first_and_the_rest_is_not_forgotten() {
    let service = Scarce::start(Duration::from_millis(300)).await;
    let app = app(&service).variable("imaging_concurrency", "2").start().await;
    let routine = futures::future::join_all((0..6).map(|number| {
        let app = &app;
        async move { ask(app, &asked(&format!("r{number}"))).await }
    }))
    .await;
    let mut stat = Vec::new();
    for number in 0..6 {
        let mut body = asked(&format!("s{number}"));
        body["priority"] = json!("stat");
        stat.push(ask(&app, &body).await);
    }
    for location in routine.iter().chain(&stat) {
        shown(&app, location, "done").await;
    }
    // The order of their ends: each class has a slot of its own, so neither waits until the other is done.
    let mut ended = Vec::new();
    for (class, locations) in [("r", &routine), ("s", &stat)] {
        for location in locations {
            let shown = app.send("GET", location, &Value::Null).await.json();
            ended.push((shown["endedAt"].as_str().unwrap().to_owned(), class));
        }
    }
    ended.sort();
    let order: String = ended.iter().map(|(_, class)| *class).collect();
    assert!(!order.starts_with("rrrrr") && !order.starts_with("ssssss"), "{order}");
    assert!(service.most() <= 2, "{}", service.most());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_all_at_once() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service).start().await;
    let body = json!({
        "studyId": "", "patientId": "p", "service": "SECRET", "priority": "SECRET", "more": 1,
        "image": {"url": "https://elsewhere.example/SECRET"}, "webhook": {"url": "https://elsewhere.example/"},
    });
    let answer = app.send("POST", PATH, &body).await;
    assert_eq!(answer.status, 422);
    let pointers: Vec<String> = answer.findings().into_iter().map(|(pointer, _)| pointer).collect();
    let expected = ["/studyId", "/siteId", "/service", "/priority", "/webhook/url", "/image/url", "/more"];
    assert_eq!(pointers, expected);
    assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET"));
    let mut large = asked("a");
    large["image"] = json!({"data": "A".repeat(1_400_004), "mediaType": "text/html"});
    assert_eq!(app.send("POST", PATH, &large).await.findings().len(), 2);
    assert_eq!(app.send_as("nobody", "POST", PATH, &asked("a")).await.status, 401);
    assert_eq!(app.send_as(READ_B, "POST", PATH, &asked("a")).await.status, 403);
    assert_eq!(app.send("GET", &format!("{PATH}/{}", "0".repeat(36)), &Value::Null).await.status, 404);
}
