//! Systems that subscribe are told of events, by the journals of studies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::alert::endpoint::Secret;
use serde_json::{Value, json};
use state::alerts::webhook;

use crate::alerting::{CRITICAL, configure, document, hook, of_patient};
use crate::amend::amending;
use crate::app::{ADMIN_B, App, Builder, CLINICIAN_A1, READ_A1, SECRET, phq9, until};
use crate::receiver::{Act, Call, Receiver};
use crate::reindex::reindex;

/// Every event.
const ALL: [&str; 7] = [
    "submission.scored",
    "submission.failed",
    "submission.amended",
    "submission.erased",
    "alert.acknowledged",
    "alert.resolved",
    "alert.reopened",
];

/// A subscription of a receiver to these events of study A.
fn subscription(id: &str, events: &[&str], content: &str) -> Value {
    json!({"id": id, "studies": ["A"], "events": events, "receiver": id, "content": content})
}

/// The document with these subscriptions, each with a receiver of its id.
fn subscriptions(all: &[(&Receiver, Value)]) -> Value {
    let receivers: BTreeMap<&str, Value> = all.iter().map(|(to, it)| (it["id"].as_str().unwrap(), hook(to))).collect();
    json!({"receivers": receivers, "subscriptions": all.iter().map(|(_, it)| it).collect::<Vec<_>>()})
}

async fn subscribe(app: &App, document: &Value) {
    let answer = app.send("PUT", "/v1/config/subscriptions", document).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

/// An application whose failed messages are sent again soon.
fn app() -> Builder {
    App::builder().variable("retry_schedule", format!("{:?}", vec![0.1; 100]))
}

/// The types of the messages that a receiver took, with the ids of what they are about.
fn told(calls: &[Call]) -> Vec<(String, String)> {
    let calls = calls.iter().filter(|call| call.taken()).map(Call::json);
    let about = |data: &Value| data["alertId"].as_str().or(data["submissionId"].as_str()).unwrap().to_owned();
    calls.map(|body| (body["type"].as_str().unwrap().to_owned(), about(&body["data"]))).collect()
}

fn id(location: &str) -> String {
    location.rsplit('/').next().unwrap().to_owned()
}

/// Sends this many responses in batches. Returns their ids.
async fn batch(app: &App, name: &str, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in 0..count {
        ids.insert(id(&app.submit(&phq9(&format!("{name}-{number}"), [1, 0, 0, 0, 0, 0, 0, 0, 0])).await));
    }
    ids
}

/// Waits until a receiver has taken a message about each of these.
async fn all_told(receiver: &Receiver, ids: &BTreeSet<String>) {
    until("all are told", async || {
        let told: BTreeSet<String> = told(&receiver.calls()).into_iter().map(|(_, id)| id).collect();
        ids.is_subset(&told).then_some(())
    })
    .await;
}

async fn listed(app: &App) -> Value {
    let answer = app.send("GET", "/v1/subscriptions", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["subscriptions"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_what_they_ask_for_and_nothing_else() {
    let [alerts, reference, scores, full] =
        [Receiver::start().await, Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let app = app().start().await;
    configure(&app, &document(json!({"a": hook(&alerts)}))).await;
    let document = subscriptions(&[
        (&reference, subscription("reference", &ALL, "reference")),
        (&scores, subscription("scores", &ALL, "scores")),
        (&full, subscription("full", &["submission.scored"], "full")),
    ]);
    subscribe(&app, &document).await;
    let mut other = phq9("other", CRITICAL);
    other["studyId"] = json!("B");
    app.submit(&other).await;
    let first = app.submit(&of_patient("p", "r", CRITICAL)).await;
    let shown = app.shown(&first, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let alert = shown["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    for what in ["acknowledge", "resolve", "reopen"] {
        let path = format!("/v1/alerts/{alert}/{what}");
        let answer = app.send_as(CLINICIAN_A1, "POST", &path, &json!({"note": "seen"})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    reference.heard(4).await;
    scores.heard(4).await;
    let mut amendment = amending("r2", [0; 9], &first);
    amendment["patientId"] = json!("p");
    let second = app.submit(&amendment).await;
    reference.heard(6).await;
    scores.heard(6).await;
    full.heard(2).await;
    assert_eq!(app.send("DELETE", &first, &json!({"reason": "withdrawn"})).await.status, 200);
    let calls = reference.heard(7).await;
    scores.heard(7).await;

    let (first, second) = (id(&first), id(&second));
    let of = |kind: &str, about: &str| (kind.to_owned(), about.to_owned());
    let mut expected = vec![
        of("submission.scored", &first),
        of("alert.acknowledged", &alert),
        of("alert.resolved", &alert),
        of("alert.reopened", &alert),
        of("submission.scored", &second),
        of("submission.amended", &first),
        of("submission.erased", &first),
    ];
    expected.sort();
    for receiver in [&reference, &scores] {
        let mut told = told(&receiver.calls());
        told.sort();
        assert_eq!(told, expected);
    }
    assert_eq!(told(&full.calls()).len(), 2);

    // References have ids alone; scores have no answers; each is signed, and has an id of its own.
    let secret = Secret::parse(SECRET).unwrap();
    let mut ids = BTreeSet::new();
    for call in calls.iter().chain(&scores.calls()).chain(&full.calls()) {
        let body = std::str::from_utf8(&call.body).unwrap();
        let at: i64 = call.header("webhook-timestamp").parse().unwrap();
        assert_eq!(call.header("webhook-signature"), webhook::sign(&secret, &call.id(), at, body));
        assert!(ids.insert(call.id()), "{body}");
        let body = call.json();
        assert!(Timestamp::parse(body["timestamp"].as_str().unwrap()).is_some(), "{body}");
        assert_eq!((&body["data"]["studyId"], &body["data"]["siteId"]), (&json!("A"), &json!("1")), "{body}");
    }
    for call in &calls {
        let data = call.json()["data"].clone();
        let members: Vec<&String> = data.as_object().unwrap().keys().collect();
        let known = ["subscription", "studyId", "siteId", "submissionId", "alertId", "topic", "cursor"];
        assert!(members.iter().all(|member| known.contains(&member.as_str())), "{data}");
    }
    let body = |receiver: &Receiver, kind: &str, about: &str| {
        let calls = receiver.calls().into_iter().map(|call| call.json());
        let it = |body: &Value| {
            body["type"] == kind && [&body["data"]["alertId"], &body["data"]["submissionId"]].contains(&&json!(about))
        };
        calls.clone().find(it).unwrap_or_else(|| panic!("{kind} {about}"))["data"].clone()
    };
    let scored = body(&scores, "submission.scored", &first);
    assert_eq!((&scored["scores"][0]["value"], &scored["content"]), (&json!(1.0), &Value::Null), "{scored}");
    assert_eq!(scored["alerts"][0]["alertId"], json!(alert), "{scored}");
    assert_eq!(body(&full, "submission.scored", &first)["content"]["q9"], 1);
    let amended = body(&scores, "submission.amended", &first);
    assert_eq!((&amended["state"], &amended["supersededBy"]), (&json!("superseded"), &json!(second)), "{amended}");
    let erased = body(&scores, "submission.erased", &first);
    assert_eq!((&erased["state"], &erased["scores"]), (&json!("erased"), &Value::Null), "{erased}");
    let acknowledged = body(&scores, "alert.acknowledged", &alert);
    assert_eq!((&acknowledged["severity"], &acknowledged["by"]), (&json!("critical"), &json!("clinician-a1")));
    assert!(alerts.calls().iter().all(|call| call.json()["type"].as_str().unwrap().starts_with("alert.")));
    assert!(listed(&app).await.as_array().unwrap().iter().all(|it| it["waiting"] == 0 && it["behind"] == false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_cannot_take_waits_and_delays_no_alert() {
    let [alerts, away, other] = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    away.then(vec![Act::Hang; 8]);
    let app = App::builder().variable("delivery_deadline_ms", "60000").start().await;
    let mut routes = document(json!({"a": hook(&alerts)}));
    routes["breaker"] = json!({"windowSeconds": 60, "calls": 8, "failurePercent": 50, "pauseSeconds": 1});
    routes["defaults"]["retry"]["routine"] = json!({"delaysSeconds": vec![0.1; 100]});
    configure(&app, &routes).await;
    let scored = ["submission.scored"];
    let mut document = subscriptions(&[
        (&away, subscription("away", &scored, "reference")),
        (&other, subscription("other", &scored, "reference")),
    ]);
    document["receivers"]["away"]["deadlineMs"] = json!(3000);
    subscribe(&app, &document).await;
    // More than may wait for one subscription.
    let mut ids = batch(&app, "r", 400).await;
    all_told(&other, &ids).await;
    let state = until("the other one is told", async || {
        let state = listed(&app).await;
        (state[1]["waiting"] == 0).then_some(state)
    })
    .await;
    assert!((1..=256).contains(&state[0]["waiting"].as_u64().unwrap()), "{state}");
    assert_eq!(state[0]["behind"], json!(true), "{state}");
    let sent = Instant::now();
    ids.insert(id(&app.submit(&phq9("alert", CRITICAL)).await));
    let heard = alerts.heard(1).await;
    assert!(heard[0].at - sent < Duration::from_secs(2), "{:?}", heard[0].at - sent);
    // It is back, and told of everything.
    all_told(&away, &ids).await;
    until("nothing waits", async || (listed(&app).await[0]["waiting"] == 0).then_some(())).await;
    assert_eq!(listed(&app).await[0]["behind"], false);
    assert_eq!(told(&other.calls()).len(), 401, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_after_a_host_and_redis_were_killed() {
    let receiver = Receiver::start().await;
    let mut app = app().own_process().probed().start().await;
    subscribe(&app, &subscriptions(&[(&receiver, subscription("all", &["submission.scored"], "scores"))])).await;
    let mut ids = BTreeSet::new();
    for round in 0..3 {
        ids.extend(batch(&app, &format!("r{round}"), 60).await);
        receiver.heard(20 * (round + 1)).await;
        app.kill();
        if round == 1 {
            app.redis.as_mut().unwrap().kill().unwrap();
            app.redis.as_mut().unwrap().restart().unwrap();
        }
        app.start_again().await;
    }
    all_told(&receiver, &ids).await;
    until("nothing is left", async || (app.work_left().await == 0).then_some(())).await;
    // What was sent again has its id.
    let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in receiver.calls() {
        let about = call.json()["data"]["submissionId"].as_str().unwrap().to_owned();
        of.entry(about).or_default().insert(call.id());
    }
    assert_eq!(of.keys().cloned().collect::<BTreeSet<_>>(), ids);
    assert!(of.values().all(|messages| messages.len() == 1), "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_tell_each_event_once() {
    let receiver = Receiver::start().await;
    let first = app().start().await;
    subscribe(&first, &subscriptions(&[(&receiver, subscription("all", &["submission.scored"], "reference"))])).await;
    let second = app().start_beside(&first).await;
    let mut ids = batch(&first, "a", 150).await;
    ids.extend(batch(&second, "b", 150).await);
    all_told(&receiver, &ids).await;
    until("nothing is left", async || (first.work_left().await == 0).then_some(())).await;
    assert_eq!(told(&receiver.calls()).len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_after_redis_was_lost_and_rebuilt() {
    let alerts = Receiver::start().await;
    let receiver = Receiver::doing(|number| if number < 30 { Act::Answer(204) } else { Act::Answer(503) }).await;
    let app = app().start().await;
    let mut routes = document(json!({"a": hook(&alerts)}));
    routes["defaults"]["retry"]["routine"] = json!({"delaysSeconds": vec![0.1; 100]});
    configure(&app, &routes).await;
    let events = ["submission.scored", "alert.acknowledged"];
    subscribe(&app, &subscriptions(&[(&receiver, subscription("all", &events, "reference"))])).await;
    let mut ids = batch(&app, "a", 20).await;
    all_told(&receiver, &ids).await;
    ids.extend(batch(&app, "b", 40).await);
    let alarming = app.submit(&phq9("alarming", CRITICAL)).await;
    let shown = app.shown(&alarming, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let alert = shown["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    let path = format!("/v1/alerts/{alert}/acknowledge");
    assert_eq!(app.send_as(CLINICIAN_A1, "POST", &path, &Value::Null).await.status, 200);
    ids.extend([id(&alarming), alert]);
    receiver.heard(40).await;
    until("all are scored", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(())).await;
    let () = app.redis(&["FLUSHALL"]).await;
    let (well, said) = reindex(&app);
    assert!(well, "{said}");
    receiver.then(vec![Act::Answer(204); 1000]);
    all_told(&receiver, &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_again_since_a_time_under_their_ids() {
    let receiver = Receiver::start().await;
    let app = app().start().await;
    let document = subscriptions(&[(&receiver, subscription("all", &["submission.scored"], "reference"))]);
    let before = batch(&app, "before", 3).await;
    until("they are scored", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(()))
        .await;
    subscribe(&app, &document).await;
    let ids = batch(&app, "a", 5).await;
    all_told(&receiver, &ids).await;
    assert_eq!(told(&receiver.calls()).len(), 5, "what came before is not told");
    let path = "/v1/subscriptions/all/replay";
    let ask = async |body: Value| app.send("POST", path, &body).await;
    let dry = ask(json!({"since": "2020-01-01T00:00:00Z", "dryRun": true})).await;
    assert_eq!((dry.status, &dry.json()["counts"]), (200, &json!({"submission.scored": 8})), "{dry:?}");
    assert_eq!((&dry.json()["count"], &dry.json()["more"]), (&json!(8), &json!(false)));
    assert_eq!(receiver.calls().len(), 5, "a dry run tells nobody");
    let replayed = ask(json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert_eq!((replayed.status, &replayed.json()["count"]), (200, &json!(8)), "{replayed:?}");
    all_told(&receiver, &before).await;
    receiver.heard(13).await;
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in receiver.calls() {
        ids.entry(call.json()["data"]["submissionId"].to_string()).or_default().insert(call.id());
    }
    assert!(ids.len() == 8 && ids.values().all(|messages| messages.len() == 1), "{ids:?}");
    let trail = app.send("GET", "/v1/audit/subscription/all", &Value::Null).await.json();
    assert_eq!((&trail["records"][0]["action"], &trail["verified"]), (&json!("replayed"), &json!(true)), "{trail}");

    for body in [json!({}), json!({"since": "yesterday"}), json!({"since": 1, "dryRun": "yes", "more": 1})] {
        assert_eq!(ask(body.clone()).await.status, 422, "{body}");
    }
    for (key, path, status) in [
        (READ_A1, path, 403),
        (ADMIN_B, path, 404),
        (crate::app::ADMIN, "/v1/subscriptions/none/replay", 404),
        (crate::app::ADMIN, "/v1/subscriptions/no%20name/replay", 404),
    ] {
        let answer = app.send_as(key, "POST", path, &json!({"since": "2020-01-01T00:00:00Z"})).await;
        assert_eq!(answer.status, status, "{key} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_gets_nothing_until_it_is_enabled_and_then_everything() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(410)]);
    let app = app().start().await;
    subscribe(&app, &subscriptions(&[(&receiver, subscription("all", &["submission.scored"], "reference"))])).await;
    let first = app.submit(&phq9("first", [0; 9])).await;
    let disabled = async || {
        let receivers = app.send("GET", "/v1/receivers", &Value::Null).await.json();
        receivers["receivers"].as_array()?.iter().find(|it| it["receiver"] == "all")?["disabledSince"]
            .as_str()
            .map(drop)
    };
    until("it is disabled", disabled).await;
    let ids = batch(&app, "later", 5).await;
    until("they are scored", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(()))
        .await;
    let letters = app.send("GET", "/v1/dead-letters", &Value::Null).await.json();
    let letter = &letters["deadLetters"][0];
    assert_eq!((&letter["reason"], &letter["subscription"]), (&json!("receiver-gone"), &json!("all")), "{letters}");
    assert_eq!((letters["deadLetters"].as_array().unwrap().len(), receiver.calls().len()), (1, 1));
    assert_eq!(app.send("POST", "/v1/receivers/all/enable", &Value::Null).await.status, 200);
    all_told(&receiver, &ids).await;
    let replayed = app.send("POST", "/v1/dead-letters/replay", &json!({"ids": [letter["id"]]})).await;
    assert_eq!(replayed.json()["count"], 1, "{replayed:?}");
    all_told(&receiver, &[id(&first)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_or_is_not_wanted_any_more_is_not_told() {
    let [receiver, dropped] = [Receiver::start().await, Receiver::start().await];
    for receiver in [&receiver, &dropped] {
        receiver.then(vec![Act::Answer(503); 5]);
    }
    let app = App::builder().variable("retry_schedule", format!("{:?}", vec![1; 50])).start().await;
    let scored = ["submission.scored"];
    let both = subscriptions(&[
        (&receiver, subscription("stays", &scored, "full")),
        (&dropped, subscription("goes", &scored, "full")),
    ]);
    subscribe(&app, &both).await;
    let location = app.submit(&phq9("r", [0; 9])).await;
    receiver.heard(1).await;
    dropped.heard(1).await;
    assert_eq!(app.send("DELETE", &location, &json!({"reason": "withdrawn"})).await.status, 200);
    let version = app.send("GET", "/v1/config/subscriptions", &Value::Null).await;
    let tag = version.header("etag").unwrap().to_owned();
    let one = subscriptions(&[(&receiver, subscription("stays", &scored, "full"))]);
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", tag.as_str())];
    let answer = app.client().await.send("PUT", "/v1/config/subscriptions", &headers, one.to_string()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    until("nothing waits", async || (app.work_left().await == 0).then_some(())).await;
    assert!(told(&receiver.calls()).is_empty() && told(&dropped.calls()).is_empty());
    let letters = app.send("GET", "/v1/dead-letters", &Value::Null).await.json();
    assert_eq!(letters["deadLetters"], json!([]), "{letters}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_checked_and_hides_its_secrets() {
    let receiver = Receiver::start().await;
    let app = app().start().await;
    configure(&app, &document(json!({"a": hook(&receiver)}))).await;
    let mut wrong = subscriptions(&[(&receiver, subscription("a", &["submission.scored", "no"], "all"))]);
    wrong["receivers"]["local"] = json!({"channel": "webhook", "url": "https://10.0.0.1/", "secrets": [SECRET]});
    let refused = app.send("PUT", "/v1/config/subscriptions", &wrong).await;
    let pointers: BTreeSet<String> =
        refused.json()["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap().into()).collect();
    let expected = ["/receivers/a", "/receivers/local/url", "/subscriptions/0/content", "/subscriptions/0/events/1"];
    assert_eq!((refused.status, pointers), (422, expected.map(str::to_owned).into()), "{refused:?}");

    subscribe(&app, &subscriptions(&[(&receiver, subscription("b", &ALL, "full"))])).await;
    let shown = app.send("GET", "/v1/config/subscriptions", &Value::Null).await;
    let since = shown.json()["subscriptions"][0]["since"].clone();
    assert!(Timestamp::parse(since.as_str().unwrap()).is_some(), "{shown:?}");
    assert_eq!(shown.json()["receivers"]["b"]["secrets"], json!(["(kept) 1"]));
    // The routes may not have its receiver either.
    let answer = app.send("GET", "/v1/config/alert-routes", &Value::Null).await;
    let (tag, mut routes) = (answer.header("etag").unwrap().to_owned(), document(json!({"b": hook(&receiver)})));
    routes["defaults"]["routes"] = json!({"critical": ["b"]});
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", tag.as_str())];
    let answer = app.client().await.send("PUT", "/v1/config/alert-routes", &headers, routes.to_string()).await.unwrap();
    assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!("/receivers/b")), "{answer:?}");
    // What was shown can be sent back: secrets and the beginning stay.
    let tag = shown.header("etag").unwrap().to_owned();
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", tag.as_str())];
    let mut back = shown.json();
    back["subscriptions"][0].as_object_mut().unwrap().remove("since");
    let answer = app.client().await.send("PUT", "/v1/config/subscriptions", &headers, back.to_string()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = app.send("GET", "/v1/config/subscriptions", &Value::Null).await.json();
    assert_eq!(shown["subscriptions"][0]["since"], since);
    app.submit(&phq9("r", [0; 9])).await;
    receiver.heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_tells_what_came_back() {
    let [hooked, texted] = [Receiver::start().await, Receiver::start().await];
    hooked.then([Act::Answer(204), Act::Tell(401, "no key")]);
    let app = app().start().await;
    let sms = json!({"channel": "sms", "url": texted.url(), "to": "+86 1"});
    configure(&app, &document(json!({"a": hook(&hooked), "sms": sms}))).await;
    subscribe(&app, &subscriptions(&[(&hooked, subscription("edc", &["submission.scored"], "full"))])).await;
    let test = async |id: &str| app.send("POST", &format!("/v1/receivers/{id}/test"), &Value::Null).await;
    let answer = test("a").await;
    assert_eq!((answer.status, &answer.json()["attempt"]["outcome"]), (200, &json!("delivered")), "{answer:?}");
    let answer = test("edc").await.json();
    let attempt = &answer["attempt"];
    assert_eq!((&attempt["status"], &attempt["reason"]), (&json!(401), &json!("not-authorized")), "{answer}");
    assert_eq!(attempt["answer"], "no key");
    let calls = hooked.calls();
    let secret = Secret::parse(SECRET).unwrap();
    for call in &calls {
        let (body, at) = (std::str::from_utf8(&call.body).unwrap(), call.header("webhook-timestamp").parse().unwrap());
        assert_eq!(call.header("webhook-signature"), webhook::sign(&secret, &call.id(), at, body));
    }
    assert_eq!((calls.len(), &calls[0].json()["type"]), (2, &json!("ping")));
    assert_eq!(test("sms").await.json()["attempt"]["outcome"], "delivered");
    let text = texted.calls()[0].json().to_string();
    assert!(text.contains("Test message, nobody has to act"), "{text}");
    assert_eq!(test("none").await.status, 404);
    let trail = app.send("GET", "/v1/audit/receiver/edc", &Value::Null).await.json();
    assert_eq!(trail["records"][0]["action"], "tested", "{trail}");
    assert_eq!(app.send_as(ADMIN_B, "POST", "/v1/receivers/a/test", &Value::Null).await.status, 403);
}
