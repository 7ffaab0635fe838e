//! The journey of one report: from a patient's answers to a clinician's webhook.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, READ_A1, READ_B, SECRET, SUBMIT_A, phq9, until};
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_accepted_scored_and_shown() {
    let app = App::start().await;
    let answer = app.send("POST", PHQ9, &phq9("r1", [1, 1, 1, 1, 1, 1, 1, 1, 0])).await;
    assert_eq!(answer.status, 202);
    let location = answer.header("location").unwrap().to_owned();
    let body = answer.json();
    assert_eq!(location, format!("/v1/submissions/{}", body["submissionId"].as_str().unwrap()));
    assert_eq!(body["state"], "queued");

    let shown = app.scored(&location).await;
    let total = score(&shown, "total");
    assert_eq!((&total["value"], &total["band"], &total["status"]), (&json!(8.0), &json!("mild"), &json!("scored")));
    assert_eq!((&total["answered"], &total["missing"]), (&json!(9), &json!(0)));
    assert_eq!(shown["alerts"], json!([]));
    assert_eq!(shown["instrument"]["id"], "phq-9");
    assert_eq!(shown["authoredAt"], "2026-03-01T00:00:00.000Z");
}

fn score(shown: &Value, id: &str) -> Value {
    let scores = shown["scores"].as_array().unwrap();
    scores.iter().find(|score| score["id"] == id).unwrap_or_else(|| panic!("no score {id}: {shown}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn gad_7_is_scored() {
    let app = App::start().await;
    let mut response = phq9("g", [3, 3, 3, 3, 3, 0, 0, 0, 0]);
    for item in ["q8", "q9"] {
        response["answers"].as_object_mut().unwrap().remove(item);
    }
    let answer = app.send("POST", "/v1/surveys/gad-7/responses", &response).await;
    let shown = app.scored(answer.header("location").unwrap()).await;
    assert_eq!(score(&shown, "total")["value"], 15.0);
    assert_eq!(score(&shown, "total")["band"], "severe");
}

async fn item_nine(answers: [u8; 9], total: f64) {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let desk = json!({"channel": "webhook", "url": receiver.url(), "secrets": [SECRET]});
    // The alert on the high total must not wait for others of the same patient.
    let routes = json!({
        "receivers": {"desk": desk},
        "defaults": {"routes": {"critical": ["desk"], "high": ["desk"]}, "groupSeconds": 0},
    });
    assert_eq!(app.send("PUT", "/v1/config/alert-routes", &routes).await.status, 201);
    let location = app.submit(&phq9("r", answers)).await;
    let shown = app
        .shown(&location, |shown| {
            let alerts = shown["alerts"].as_array().unwrap_or(const { &Vec::new() });
            !alerts.is_empty() && alerts.iter().all(|alert| alert["state"] == "delivered")
        })
        .await;
    assert_eq!(score(&shown, "total")["value"], total);
    let alerts = shown["alerts"].as_array().unwrap();
    let critical: Vec<&Value> = alerts.iter().filter(|alert| alert["severity"] == "critical").collect();
    assert_eq!(critical.len(), 1, "{shown}");
    assert_eq!(critical[0]["deliveries"][0]["attempts"].as_array().unwrap().len(), 1);

    let calls = receiver.calls();
    let about: Vec<_> = calls.iter().filter(|call| call.id() == critical[0]["alertId"].as_str().unwrap()).collect();
    assert_eq!(about.len(), 1, "one webhook for the alert of item 9");
    assert_eq!(calls.len(), alerts.len(), "one webhook for each alert");

    let call = about[0];
    let message = call.json();
    assert_eq!(message["type"], "alert.raised");
    assert_eq!(message["data"]["severity"], "critical");
    assert_eq!(message["data"]["subject"], shown["subject"]);
    assert!(!call.body.windows(7).any(|window| window == b"patient"), "no identity in the message");
    let timestamp: u64 = call.header("webhook-timestamp").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(timestamp) < 60);
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&call.body, &call.headers).unwrap();
    let left: u64 = call.header("x-request-timeout-ms").parse().unwrap();
    assert!((1..=10_000).contains(&left));
    assert!(call.header("traceparent").starts_with("00-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn item_nine_above_zero_alerts_even_when_the_total_is_low() {
    item_nine([1, 1, 0, 0, 0, 0, 0, 0, 1], 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn item_nine_above_zero_alerts_when_the_total_is_high() {
    item_nine([3, 3, 3, 3, 3, 3, 3, 1, 1], 23.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_door_to_the_receiver() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = [
        ("authorization", &*format!("Bearer {ADMIN}")),
        ("content-type", "application/json; charset=utf-8"),
        ("traceparent", &*format!("00-{trace}-00f067aa0ba902b7-01")),
    ];
    let body = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 2]).to_string();
    assert_eq!(app.client().await.send("POST", PHQ9, &headers, body).await.unwrap().status, 202);
    let calls = receiver.heard(1).await;
    assert_eq!(calls[0].header("traceparent").split('-').nth(1), Some(trace));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimal_answer_is_header_only() {
    let app = App::start().await;
    let headers = [
        ("authorization", &*format!("Bearer {ADMIN}")),
        ("content-type", "application/json"),
        ("prefer", "return=minimal"),
    ];
    let answer = app.client().await.send("POST", PHQ9, &headers, phq9("r", [0; 9]).to_string()).await.unwrap();
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (202, Some("0"), 0));
    app.scored(answer.header("location").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_every_kind_are_kept() {
    let app = App::start().await;
    let event = json!({"term": "Headache", "onset": "2026-02-20", "grade": 2, "serious": false,
                       "relatedness": "possible", "outcome": "recovered", "actionTaken": "none"});
    let result = json!({"code": "718-7", "value": 13.2, "unit": "g/dL", "collectedAt": "2026-02-28T08:00:00Z"});
    for (kind, data) in [
        ("diary", json!({"note": "slept well"})),
        ("adverse-event", event),
        ("lab", json!({"results": [result]})),
        ("generic", json!({"anything": [1, "else"]})),
    ] {
        let report = json!({
            "reportId": kind, "studyId": "A", "siteId": "1", "patientId": "p", "kind": kind,
            "authoredAt": "2026-03-01T08:00:00Z", "data": data,
        });
        let answer = app.send("POST", "/v1/reports", &report).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let shown = app.scored(answer.header("location").unwrap()).await;
        assert_eq!((&shown["kind"], &shown["scores"]), (&json!(kind), &json!([])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_queued_until_the_worker_comes() {
    // Without the scorer, it stays on the queue.
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let location = app.submit(&phq9("r", [0; 9])).await;
    let answer = app.send("GET", &location, &Value::Null).await;
    let shown = answer.json();
    assert_eq!((&shown["state"], &shown["studyId"], &shown["siteId"]), (&json!("queued"), &json!("A"), &json!("1")));
    assert_eq!(app.send_as(READ_B, "GET", &location, &Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_only_its_study_site_and_role() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [0; 9])).await;
    app.scored(&location).await;
    assert_eq!(app.send_as(READ_A1, "GET", &location, &Value::Null).await.json()["scores"][0]["id"], "total");
    let brief = app.send_as(SUBMIT_A, "GET", &location, &Value::Null).await.json();
    assert_eq!((&brief["state"], brief.get("scores")), (&json!("scored"), None), "a submitter follows, no more");
    assert_eq!(app.send_as(READ_B, "GET", &location, &Value::Null).await.status, 404, "foreign looks unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_identity_is_left_outside_the_sealed_box() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let marks = ["Zhang Wei 330106", "王小明-0042"];
    for (index, mark) in marks.iter().enumerate() {
        let mut response = phq9(&format!("r{index}"), [0, 0, 0, 0, 0, 0, 0, 0, 3]);
        response["patientId"] = json!(mark);
        let location = app.submit(&response).await;
        app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    }
    assert_eq!(app.stored_keys("subject/").len(), marks.len());
    let mut places = app.files();
    places.extend(receiver.calls().into_iter().map(|call| ("webhook".to_owned(), call.body.to_vec())));
    for expected in ["sqlite_key_value.db", "appendonlydir", "score_stderr", "webhook"] {
        assert!(places.iter().any(|(name, _)| name.contains(expected)), "{expected}");
    }
    for (name, bytes) in &places {
        for mark in marks {
            assert!(!bytes.windows(mark.len()).any(|window| window == mark.as_bytes()), "{mark} is in {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_scored_whole() {
    const SENDERS: usize = 8;
    const EACH: usize = 125;
    let app = App::start().await;
    let address = app.address;
    let senders = (0..SENDERS).map(|sender| {
        tokio::spawn(async move {
            let mut client = crate::client::Client::connect(address).await.unwrap();
            let authorization = format!("Bearer {ADMIN}");
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            for number in 0..EACH {
                let body = phq9(&format!("{sender}-{number}"), [1; 9].map(|one| one * (number % 2) as u8)).to_string();
                assert_eq!(client.send("POST", PHQ9, &headers, body).await.unwrap().status, 202);
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    until("all are stored", async || (app.stored_keys("submission/").len() == SENDERS * EACH).then_some(())).await;
    until("the queue is empty", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(()))
        .await;
}
