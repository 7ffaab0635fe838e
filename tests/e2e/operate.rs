//! Operators: dead letters and their replay, receivers, silences, secrets that are never shown.

use serde_json::{Value, json};

use crate::app::{ADMIN_B, App, CLINICIAN_A1, READ_A1, SECRET, SUBMIT_A, phq9, until};
use crate::receiver::{Act, Receiver};

/// Raises one alert, by its total: high.
const HIGH: [u8; 9] = [3, 3, 3, 3, 3, 3, 3, 3, 0];
/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
const ROUTES: &str = "/v1/config/alert-routes";

fn routes(receivers: Value) -> Value {
    json!({
        "receivers": receivers,
        "defaults": {
            "routes": {"critical": ["desk"], "high": ["desk"]},
            "groupSeconds": 0,
            "repeatSeconds": 0,
            "retry": {"routine": {"delaysSeconds": []}},
        },
    })
}

async fn started(receiver: &Receiver) -> App {
    let app = App::start().await;
    let desk = json!({"desk": {"channel": "webhook", "url": receiver.url(), "secrets": [SECRET]}});
    let answer = app.send("PUT", ROUTES, &routes(desk)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    app
}

/// Submits a response that raises one alert, and waits until the alert is in this state.
async fn alerted(app: &App, response: &Value, state: &str) -> String {
    let location = app.submit(response).await;
    let shown = app.shown(&location, |shown| shown["alerts"][0]["state"] == state).await;
    shown["alerts"][0]["alertId"].as_str().unwrap().to_owned()
}

async fn letters(app: &App) -> Vec<Value> {
    let answer = app.send("GET", "/v1/dead-letters", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["deadLetters"].as_array().unwrap().clone()
}

async fn replay(app: &App, which: Value) -> Value {
    let answer = app.send("POST", "/v1/dead-letters/replay", &which).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_replayed_one_since_and_all() {
    let receiver = Receiver::start().await;
    receiver.then(vec![Act::Answer(400); 4]);
    let app = started(&receiver).await;
    let mut alerts = Vec::new();
    for number in 0..4 {
        alerts.push(alerted(&app, &phq9(&format!("r{number}"), HIGH), "dead").await);
    }
    let all = letters(&app).await;
    let of: Vec<&str> = all.iter().map(|letter| letter["alertId"].as_str().unwrap()).collect();
    assert_eq!(of, alerts.iter().rev().map(String::as_str).collect::<Vec<_>>(), "the newest first");
    assert_eq!((&all[0]["receiver"], &all[0]["queue"]), (&json!("desk"), &json!("dispatch")), "{all:?}");
    let place = (&all[0]["severity"], &all[0]["studyId"], &all[0]["siteId"]);
    assert_eq!(place, (&json!("high"), &json!("A"), &json!("1")), "of the alert: {all:?}");
    let page = app.send("GET", "/v1/dead-letters?limit=3", &Value::Null).await.json();
    let next = format!("/v1/dead-letters?limit=3&cursor={}", page["cursor"].as_str().unwrap());
    let rest = app.send("GET", &next, &Value::Null).await.json();
    assert_eq!((&rest["deadLetters"][0]["alertId"], &rest["cursor"]), (&json!(alerts[0]), &Value::Null));

    // A dry run counts but moves nothing.
    let dry = replay(&app, json!({"all": true, "dryRun": true})).await;
    assert_eq!((&dry["count"], &dry["counts"][0]["count"], letters(&app).await.len()), (&json!(4), &json!(4), 4));
    let since = all[1]["at"].clone();
    assert_eq!(replay(&app, json!({"since": since, "dryRun": true})).await["count"], 2);
    let first = all[3]["id"].clone();
    assert_eq!(replay(&app, json!({"ids": [first], "dryRun": true})).await["count"], 1);

    assert_eq!(replay(&app, json!({"ids": [first]})).await["count"], 1);
    assert_eq!(receiver.heard(5).await[4].id(), alerts[0], "under the id it always had");
    assert_eq!(replay(&app, json!({"ids": [first]})).await["count"], 0, "it is gone");
    assert_eq!(replay(&app, json!({"since": since})).await["count"], 2);
    assert_eq!(letters(&app).await.len(), 1);
    assert_eq!(replay(&app, json!({"all": true})).await["count"], 1);
    receiver.heard(8).await;
    for alert in &alerts {
        until("it is delivered", async || {
            let shown = app.send("GET", &format!("/v1/alerts/{alert}"), &Value::Null).await.json();
            (shown["state"] == "delivered").then_some(())
        })
        .await;
    }
    assert_eq!((letters(&app).await.len(), receiver.calls().len()), (0, 8));
    let trail = app.send("GET", "/v1/audit/operations/dead-letters", &Value::Null).await.json();
    assert_eq!((&trail["verified"], trail["records"].as_array().unwrap().len()), (&json!(true), 3), "{trail}");
    assert_eq!((&trail["records"][0]["action"], &trail["records"][0]["actor"]), (&json!("replayed"), &json!("admin")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_was_given_up_is_scored_after_its_replay_and_never_shown() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    // As a worker gives an entry up: one script takes it off its stream and adds it to the dead letters.
    let give_up = "local e = redis.call('XRANGE', KEYS[1], '-', '+')[1] \
                   redis.call('XADD', KEYS[2], '*', 'q', 'score', 'reason', 'attempts-exhausted', 'd', e[2][2]) \
                   return redis.call('XDEL', KEYS[1], e[1])";
    let _: usize = app.redis(&["EVAL", give_up, "2", "{vigil}:q:score", "{vigil}:dead"]).await;
    let listed = letters(&app).await;
    let members: Vec<&String> = listed[0].as_object().unwrap().keys().collect();
    let expected = [
        ["alertId", "analysisId", "at", "id", "queue", "reason"].as_slice(),
        &["receiver", "severity", "siteId", "studyId", "submissionId"],
    ];
    assert_eq!(members, expected.concat());
    let place = (&listed[0]["severity"], &listed[0]["studyId"], &listed[0]["siteId"]);
    assert_eq!(place, (&Value::Null, &json!("A"), &json!("1")), "it is no alert: {listed:?}");
    assert!(location.ends_with(listed[0]["submissionId"].as_str().unwrap()));
    assert_eq!(replay(&app, json!({"all": true})).await["count"], 1);
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 1);
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:dead"]).await, 0);
    let mut app = app;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    app.scored(&location).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_for_administrators_and_say_which() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    for key in [SUBMIT_A, READ_A1, CLINICIAN_A1] {
        for (method, path) in
            [("GET", "/v1/dead-letters"), ("POST", "/v1/dead-letters/replay"), ("GET", "/v1/receivers")]
        {
            assert_eq!(app.send_as(key, method, path, &json!({"all": true})).await.status, 403, "{key} {path}");
        }
    }
    for (body, findings) in [
        (json!({}), 1),
        (json!({"all": true, "since": "2026-03-01T00:00:00Z"}), 1),
        (json!({"ids": [], "since": "x", "dryRun": 1, "cursor": "c", "more": 1}), 5),
        (json!([]), 1),
    ] {
        let answer = app.send("POST", "/v1/dead-letters/replay", &body).await;
        assert_eq!((answer.status, answer.findings().len()), (422, findings), "{body}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_wanted_no_more_is_enabled_again_and_gets_what_it_missed() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(410)]);
    let app = started(&receiver).await;
    let alert = alerted(&app, &phq9("r", HIGH), "dead").await;
    let other = alerted(&app, &phq9("r2", HIGH), "dead").await;
    assert_eq!(receiver.calls().len(), 1, "it is not called any more");
    let shown = app.send("GET", "/v1/receivers", &Value::Null).await.json()["receivers"][0].clone();
    assert_eq!((&shown["receiver"], shown["disabledSince"].is_string()), (&json!("desk"), true), "{shown}");
    assert_eq!((&shown["breaker"], &shown["running"]), (&json!("closed"), &json!(0)));
    assert!(!shown.to_string().contains("127.0.0.1"), "no address: {shown}");
    let enable = async |id: &str| app.send("POST", &format!("/v1/receivers/{id}/enable"), &Value::Null).await;
    assert_eq!(enable("desk").await.json()["changed"], true);
    assert_eq!(enable("desk").await.json()["changed"], false);
    assert_eq!(enable("nobody").await.status, 404);
    assert_eq!(replay(&app, json!({"all": true})).await["count"], 2);
    let calls = receiver.heard(3).await;
    let mut ids = [calls[1].id(), calls[2].id()];
    ids.sort();
    let mut expected = [alert, other];
    expected.sort();
    assert_eq!(ids, expected);
    let trail = app.send("GET", "/v1/audit/receiver/desk", &Value::Null).await.json();
    assert_eq!((&trail["verified"], &trail["records"][0]["action"]), (&json!(true), &json!("enabled")), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_shown_with_its_last_attempts_and_not_what_they_said() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(503), Act::Answer(400)]);
    let app = started(&receiver).await;
    let attempts = async || {
        let shown = app.send("GET", "/v1/receivers", &Value::Null).await.json();
        shown["receivers"][0]["attempts"].as_array().unwrap().clone()
    };
    assert!(attempts().await.is_empty());
    alerted(&app, &phq9("r", CRITICAL), "dead").await;
    alerted(&app, &phq9("r2", CRITICAL), "delivered").await;
    let of = |attempt: &Value| (attempt["outcome"].as_str().unwrap().to_owned(), attempt["status"].as_u64());
    let seen: Vec<_> = attempts().await.iter().map(of).collect();
    let answered = |status| ("answered".to_owned(), Some(status));
    assert_eq!(seen, [("delivered".to_owned(), Some(204)), answered(400), answered(503)], "the latest first");
    for attempt in attempts().await {
        assert!(
            attempt["at"].is_string() && attempt["tookMs"].is_u64() && attempt.get("answer").is_none(),
            "{attempt}"
        );
    }
    for number in 0..20 {
        alerted(&app, &phq9(&format!("more{number}"), CRITICAL), "delivered").await;
    }
    let seen: Vec<_> = attempts().await.iter().map(of).collect();
    assert_eq!(seen, vec![("delivered".to_owned(), Some(204)); 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_keeps_alerts_back_until_it_is_taken_away_and_critical_ones_never() {
    let receiver = Receiver::start().await;
    let app = started(&receiver).await;
    let until_far = "2999-01-01T00:00:00Z";
    let mut silence = json!({"matchers": {"site": ["1"]}, "end": until_far, "comment": "drill"});
    let answer = app.send("POST", "/v1/silences", &silence).await;
    assert_eq!(answer.status, 422, "longer than 30 days: {answer:?}");
    silence["start"] = json!("2026-01-01T00:00:00Z");
    silence["end"] = json!("2026-01-02T00:00:00Z");
    assert_eq!(app.send("POST", "/v1/silences", &silence).await.findings(), [("/end".into(), "range".into())]);
    let _ = silence.as_object_mut().unwrap().remove("start");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let tomorrow = domain::Timestamp::from_millis(i64::try_from(now).unwrap() + 86_400_000);
    silence["end"] = json!(tomorrow.rfc3339());
    let made = app.send("POST", "/v1/silences", &silence).await;
    assert_eq!((made.status, &made.json()["state"], &made.json()["author"]), (201, &json!("active"), &json!("admin")));
    let path = made.header("location").unwrap().to_owned();
    let listed = app.send("GET", "/v1/silences", &Value::Null).await.json();
    assert_eq!((&listed["silences"][0]["id"], listed["silences"].as_array().unwrap().len()), (&made.json()["id"], 1));

    alerted(&app, &phq9("r1", HIGH), "suppressed").await;
    alerted(&app, &phq9("r2", CRITICAL), "delivered").await;
    assert_eq!(receiver.calls().len(), 1, "the critical one");
    assert_eq!(app.send("DELETE", &path, &Value::Null).await.status, 200);
    assert_eq!(app.send("DELETE", &path, &Value::Null).await.status, 404);
    alerted(&app, &phq9("r3", HIGH), "delivered").await;
    silence["critical"] = json!(true);
    assert_eq!(app.send("POST", "/v1/silences", &silence).await.status, 201);
    alerted(&app, &phq9("r4", CRITICAL), "suppressed").await;
    let trail = app.send("GET", "/v1/audit/config/silences", &Value::Null).await.json();
    assert_eq!((&trail["verified"], trail["records"].as_array().unwrap().len()), (&json!(true), 3), "{trail}");
    assert_eq!(app.send_as(ADMIN_B, "POST", "/v1/silences", &silence).await.status, 403);
    let faults = app.send("POST", "/v1/silences", &json!({"id": "x", "author": "y"})).await;
    assert_eq!(faults.findings().len(), 5, "two that are not known, three that are needed: {faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_receivers_are_kept_and_never_shown() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let desk =
        json!({"channel": "webhook", "url": receiver.url(), "secrets": [SECRET], "authorization": "Bearer t0ken"});
    let stored = routes(json!({"desk": desk}));
    assert_eq!(app.send("PUT", ROUTES, &stored).await.status, 201);
    let shown = app.send("GET", ROUTES, &Value::Null).await;
    let text = String::from_utf8(shown.body.to_vec()).unwrap();
    assert!(!text.contains("whsec_") && !text.contains("t0ken") && text.contains("(kept)"), "{text}");

    // Read, edit, store: a new secret before the kept one.
    let mut edited = shown.json();
    let newer = format!("whsec_{}", "A".repeat(40));
    edited["receivers"]["desk"]["secrets"] = json!([newer, "(kept) 1"]);
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let put = async |tag: &str, document: &Value| {
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", tag)];
        app.client().await.send("PUT", ROUTES, &headers, document.to_string()).await.unwrap()
    };
    let answer = put("\"1\"", &edited).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    alerted(&app, &phq9("r", CRITICAL), "delivered").await;
    let call = &receiver.heard(1).await[0];
    assert_eq!(call.header("authorization"), "Bearer t0ken");
    let payload = call.body.clone();
    for secret in [SECRET, newer.as_str()] {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(&payload, &call.headers).unwrap_or_else(|error| panic!("{error:?}"));
    }
    edited["receivers"]["desk"]["secrets"] = json!(["(kept) 1", "(kept) 3"]);
    edited["receivers"]["other"] =
        json!({"channel": "email", "url": "https://example.org/m", "authorization": "(kept)"});
    let mut findings = put("\"2\"", &edited).await.findings();
    findings.sort();
    let choice = "choice".to_owned();
    let expected =
        [("/receivers/desk/secrets/1".into(), choice.clone()), ("/receivers/other/authorization".into(), choice)];
    assert_eq!(findings, expected);
    for url in ["http://example.org/h", "https://user:pass@example.org/h", "ftp://example.org"] {
        edited = routes(json!({"desk": {"channel": "webhook", "url": url, "secrets": [SECRET]}}));
        assert_eq!(put("\"2\"", &edited).await.findings(), [("/receivers/desk/url".into(), "format".into())], "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.then([Act::Redirect(elsewhere.url())]);
    let app = started(&receiver).await;
    let alert = alerted(&app, &phq9("r", HIGH), "dead").await;
    let shown = app.send("GET", &format!("/v1/alerts/{alert}"), &Value::Null).await.json();
    assert_eq!(shown["deliveries"][0]["attempts"][0]["status"], 307, "{shown}");
    assert_eq!((receiver.calls().len(), elsewhere.calls().len()), (1, 0));
}
