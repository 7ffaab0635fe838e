//! The end of analyses: audited, erased, stored once; and the hosts that they may connect to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN_B, App, Builder, READ_A1, SECRET, SUBMIT_A, until};
use crate::client::Answer;
use crate::queues;
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
        "analysisId": id, "studyId": "A", "siteId": "1", "patientId": "patient", "service": "chest",
        "image": {"data": "aW1hZ2U=", "mediaType": "image/png"},
    })
}

async fn ask(app: &App, body: &Value) -> String {
    let answer = app.send_as(SUBMIT_A, "POST", PATH, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

async fn shown(app: &App, location: &str, state: &str) -> Value {
    until(&format!("the analysis is {state}"), async || {
        let answer = app.send("GET", location, &Value::Null).await;
        (answer.status == 200).then(|| answer.json()).filter(|shown| shown["state"] == state)
    })
    .await
}

fn why() -> Value {
    json!({"reason": "consent withdrawn"})
}

fn id(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

/// The verified audit chain of an analysis: each action and its author.
async fn chain(app: &App, location: &str) -> Vec<(String, String)> {
    let answer = app.send("GET", &format!("/v1/audit/analysis/{}", id(location)), &Value::Null).await;
    let trail = answer.json();
    assert_eq!((answer.status, &trail["verified"]), (200, &json!(true)), "{trail}");
    assert_eq!(trail["content"], "unchanged", "{trail}");
    let own = |value: &Value| value.as_str().unwrap().to_owned();
    let records = trail["records"].as_array().unwrap().iter();
    records.map(|record| (own(&record["action"]), own(&record["actor"]))).collect()
}

/// Checks that nothing is left of the analysis's result.
async fn check_gone(app: &App, location: &str, body: &Value) {
    for method in ["GET", "DELETE"] {
        assert_eq!(app.send(method, location, &Value::Null).await.status, 410, "{method}");
    }
    let mut other = body.clone();
    other["priority"] = json!("stat");
    for body in [body, &other] {
        assert_eq!(app.send_as(SUBMIT_A, "POST", PATH, body).await.status, 410);
    }
    let keys = app.stored_keys(&format!("analysis/{}", id(location)));
    assert_eq!(keys, [format!("analysis/{}", id(location))]);
    let left: Value = serde_json::from_slice(&app.stored(&keys[0]).unwrap()).unwrap();
    assert_eq!((&left["state"], &left["studyId"]), (&json!("erased"), &json!("A")), "{left}");
    assert!(left.get("result").is_none() && left.get("subject").is_none(), "{left}");
}

async fn empty(app: &App) {
    for queue in ["{vigil}:q:imaging", "{vigil}:q:dispatch"] {
        until("the queue is empty", async || (app.redis::<usize>(&["XLEN", queue]).await == 0).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_analysis_found_is_erased_everywhere_and_its_history_stays() {
    let (service, alarmed, told) =
        (Scarce::start(Duration::ZERO).await, Receiver::start().await, Receiver::start().await);
    service.finds(json!({"nodule": 0.93}));
    let hooks = json!([{"url": told.url().replace("hook", ""), "secret": SECRET}]).to_string();
    let app = app(&service).routes(&[&alarmed.url()]).variable("imaging_webhooks", hooks).start().await;
    let mut body = asked("a");
    body["webhook"] = json!({"url": told.url()});
    let location = ask(&app, &body).await;
    let done = shown(&app, &location, "done").await;
    let alert = done["alerts"][0].as_str().unwrap();
    alarmed.heard(1).await;
    until("it is known that the requester was told", async || {
        let shown = app.send("GET", &location, &Value::Null).await.json();
        (shown["webhook"]["state"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(chain(&app, &location).await, [("analysed".to_owned(), "submit-a".to_owned())]);

    for (key, expected) in [(SUBMIT_A, 403), (READ_A1, 403), (ADMIN_B, 404), ("nobody", 401)] {
        assert_eq!(app.send_as(key, "DELETE", &location, &why()).await.status, expected, "{key}");
    }
    let answer = app.send("DELETE", &location, &json!({"reason": " ", "more": 1})).await;
    assert_eq!((answer.status, answer.findings().len()), (422, 2), "{answer:?}");
    let unknown = format!("{PATH}/6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60");
    assert_eq!(app.send("DELETE", &unknown, &why()).await.status, 404);
    let erase = async || -> Answer { app.send("DELETE", &location, &why()).await };
    let erased = erase().await;
    assert_eq!((erased.status, &erased.json()["state"]), (200, &json!("erased")), "{erased:?}");
    assert_eq!(erase().await.json()["erasedAt"], erased.json()["erasedAt"], "the first one holds");

    // It stays in the list of its subject's analyses, for keys that cover its site.
    let list = format!("/v1/subjects/{}/analyses", done["subject"].as_str().unwrap());
    service.finds(json!({"nodule": 0.1}));
    let other = asked("b");
    let second = ask(&app, &other).await;
    shown(&app, &second, "done").await;
    let listed = app.send_as(READ_A1, "GET", &list, &Value::Null).await.json()["analyses"].clone();
    let listed: Vec<(&str, &str)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["analysisId"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, [(id(&second), "done"), (id(&location), "erased")]);
    assert_eq!(app.send_as(ADMIN_B, "GET", &list, &Value::Null).await.json()["analyses"], json!([]));
    assert_eq!(app.send_as(SUBMIT_A, "GET", &list, &Value::Null).await.status, 403);
    assert_eq!(app.send("GET", "/v1/subjects/x/analyses", &Value::Null).await.status, 404);
    assert_eq!(app.send("DELETE", &second, &why()).await.status, 200);
    check_gone(&app, &second, &other).await;

    check_gone(&app, &location, &body).await;
    assert_eq!(app.send("GET", &format!("/v1/alerts/{alert}"), &Value::Null).await.status, 404);
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    assert_eq!(app.redis::<usize>(&["ZCARD", "{vigil}:due"]).await, 0);
    let by = |action: &str, actor: &str| (action.to_owned(), actor.to_owned());
    assert_eq!(chain(&app, &location).await, [by("analysed", "submit-a"), by("erased", "admin")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_drops_a_call_that_runs_and_what_waits_never_runs() {
    let service = Scarce::start(Duration::from_secs(20)).await;
    let app = app(&service).variable("imaging_concurrency", "2").start().await;
    let running = ask(&app, &asked("a")).await;
    until("the call runs", async || (service.at_once() == 1).then_some(())).await;
    let waiting = ask(&app, &asked("b")).await;
    for location in [&waiting, &running] {
        assert_eq!(app.send("DELETE", location, &why()).await.status, 200);
    }
    until("the service sees that nobody waits", async || (service.cut() == 1).then_some(())).await;
    empty(&app).await;
    assert_eq!(service.inputs().len(), 1);
    for (location, name) in [(&running, "a"), (&waiting, "b")] {
        check_gone(&app, location, &asked(name)).await;
        assert_eq!(chain(&app, location).await, [("erased".to_owned(), "admin".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_while_it_ends_leaves_nothing() {
    let service = Scarce::start(Duration::from_millis(30)).await;
    service.finds(json!({"nodule": 0.93}));
    let app = app(&service).variable("imaging_concurrency", "16").start().await;
    let erased = futures::future::join_all((0..24).map(|number| {
        let app = &app;
        async move {
            let body = asked(&format!("r{number}"));
            let location = ask(app, &body).await;
            // Before, during and after the worker gets its result.
            tokio::time::sleep(Duration::from_millis(number * 9)).await;
            let answer = app.send("DELETE", &location, &why()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (location, body)
        }
    }))
    .await;
    empty(&app).await;
    for (location, body) in &erased {
        check_gone(&app, location, body).await;
        assert_eq!(chain(&app, location).await.last().unwrap().0, "erased");
    }
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_analysis_says_who_cancelled_it() {
    let service = Scarce::start(Duration::from_secs(20)).await;
    let app = app(&service).start().await;
    let location = ask(&app, &asked("a")).await;
    let cancel = async || app.send_as(SUBMIT_A, "DELETE", &location, &Value::Null).await.json();
    let (one, other) = futures::join!(cancel(), cancel());
    assert_eq!((&one["state"], &one["endedAt"]), (&json!("cancelled"), &other["endedAt"]), "{one} {other}");
    assert_eq!(chain(&app, &location).await, [("cancelled".to_owned(), "submit-a".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_stored_stands_and_its_service_is_not_asked_again() {
    let (service, alarmed) = (Scarce::start(Duration::from_millis(300)).await, Receiver::start().await);
    service.finds(json!({"nodule": 0.93}));
    let app = app(&service).routes(&[&alarmed.url()]).start().await;
    let location = ask(&app, &asked("a")).await;
    let entry = until("it waits", async || {
        let entries: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", "{vigil}:q:imaging", "-", "+"]).await;
        entries.into_iter().next().map(|(_, fields)| fields[1].clone())
    })
    .await;
    let done = shown(&app, &location, "done").await;
    empty(&app).await;
    alarmed.heard(1).await;
    // The state as if the worker had died after it stored the result, and the entry had come back.
    service.finds(json!({"nodule": 0.11}));
    queues::put(&app, "imaging", &entry).await;
    let _: usize = app.redis(&["PUBLISH", "vigil.imaging", ""]).await;
    empty(&app).await;
    let again = shown(&app, &location, "done").await;
    assert_eq!((&again["result"], &again["endedAt"]), (&done["result"], &done["endedAt"]));
    assert_eq!((service.inputs().len(), chain(&app, &location).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_analysis_is_tried_again_when_its_dead_letter_is_replayed() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service).start().await;
    service.then(&[422]);
    // An image that came with the request is not kept beyond the end.
    let mut body = asked("a");
    body["image"] = json!({"url": "https://pacs.example/1"});
    let location = ask(&app, &body).await;
    shown(&app, &location, "failed").await;
    until("it is a dead letter", async || (app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await == 1).then_some(()))
        .await;
    let replayed = app.send("POST", "/v1/dead-letters/replay", &json!({"all": true})).await;
    assert_eq!((replayed.status, &replayed.json()["count"]), (200, &json!(1)), "{replayed:?}");
    let done = shown(&app, &location, "done").await;
    assert_eq!((service.inputs().len(), done["attempts"].as_array().unwrap().len()), (2, 2), "{done}");
    let analysed = ("analysed".to_owned(), "submit-a".to_owned());
    assert_eq!(chain(&app, &location).await, [analysed.clone(), analysed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_called_only_where_the_grant_allows_it() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service).variable("ai_grant", "https://elsewhere.example").only(&["imaging"]).start().await;
    let answer = app.send("POST", "/v1/ai/analyze", &json!({"service": "chest", "input": {}})).await;
    assert_eq!((answer.status, &answer.json()["detail"]), (502, &json!("the service may not be called")), "{answer:?}");
    assert!(service.inputs().is_empty());
}
