//! Idempotency: the same report is one submission, however often it is sent.

use serde_json::json;

use crate::app::{ADMIN, App, PHQ9, SUBMIT_A, phq9, until};
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_changes_nothing() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let response = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let location = app.submit(&response).await;
    app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    // The same time, written in another zone, is the same content.
    let mut same = response.clone();
    same["authoredAt"] = json!("2026-03-01T00:00:00Z");
    for again in [&response, &same] {
        assert_eq!(app.submit(again).await, location);
    }
    until("the queues are empty", async || {
        let (score, dispatch): (usize, usize) =
            (app.redis(&["XLEN", "{vigil}:q:score"]).await, app.redis(&["XLEN", "{vigil}:q:dispatch"]).await);
        (score + dispatch == 0).then_some(())
    })
    .await;
    assert_eq!(receiver.calls().len(), 1);
    assert_eq!(app.stored_keys("submission/").len(), 1);
    assert_eq!(app.redis::<u32>(&["HGET", "{vigil}:stats", "accepted|A|1|response"]).await, 1);
    assert_eq!(app.redis::<u32>(&["HGET", "{vigil}:stats", "duplicate|A|1|response"]).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_under_the_same_id_is_a_conflict() {
    let app = App::start().await;
    app.submit(&phq9("r", [0; 9])).await;
    let mut other_patient = phq9("r", [0; 9]);
    other_patient["patientId"] = json!("somebody else");
    for other in [phq9("r", [1; 9]), other_patient] {
        let answer = app.send("POST", PHQ9, &other).await;
        assert_eq!(answer.status, 409, "{answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("T") && detail.ends_with('Z'), "the first receipt is named: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_different_sites_studies_and_kinds_do_not_meet() {
    let app = App::start().await;
    let mut site = phq9("r", [0; 9]);
    site["siteId"] = json!("2");
    let mut study = phq9("r", [0; 9]);
    study["studyId"] = json!("B");
    let report = json!({"reportId": "r", "studyId": "A", "siteId": "1", "patientId": "p", "kind": "diary",
                        "authoredAt": "2026-03-01T08:00:00Z", "data": {}});
    let mut locations = vec![app.submit(&phq9("r", [0; 9])).await, app.submit(&site).await, app.submit(&study).await];
    locations.push(app.send("POST", "/v1/reports", &report).await.header("location").unwrap().to_owned());
    locations.sort();
    locations.dedup();
    assert_eq!(locations.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_stands_in_for_an_id() {
    let app = App::start().await;
    let mut response = phq9("k", [0; 9]);
    response.as_object_mut().unwrap().remove("responseId");
    let mut locations = Vec::new();
    for key in [Some("k1"), Some("k1"), Some("k2"), None, None] {
        let authorization = format!("Bearer {SUBMIT_A}");
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let answer = app.client().await.send("POST", PHQ9, &headers, response.to_string()).await.unwrap();
        assert_eq!(answer.status, 202);
        locations.push(answer.header("location").unwrap().to_owned());
    }
    assert_eq!(locations[0], locations[1]);
    locations.sort();
    locations.dedup();
    assert_eq!(locations.len(), 4, "without a name every sending is a submission of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_are_one() {
    let app = App::start().await;
    let address = app.address;
    let sends: Vec<_> = (0..64)
        .map(|number: u8| {
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {ADMIN}");
                let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
                // Two contents, each from half of the senders.
                let body = phq9("r", [number % 2; 9]).to_string();
                client.send("POST", PHQ9, &headers, body).await.unwrap().status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for send in sends {
        statuses.push(send.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|&&status| status == 202).count(), 32, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 409).count(), 32, "{statuses:?}");
    assert_eq!(app.redis::<u32>(&["HGET", "{vigil}:stats", "accepted|A|1|response"]).await, 1);
}
