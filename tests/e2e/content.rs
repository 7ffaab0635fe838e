//! The content of a submission is read again by those who may read it, and by nobody else.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use state::edge::auth::Role;

use crate::app::{App, PHQ9, phq9};
use crate::evaluation::report;

/// One key of each role, for study A and site 1.
fn keys() -> String {
    let entry = |role: Role| {
        let sha256: String = Sha256::digest(role.as_str()).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"id": role.as_str(), "role": role.as_str(), "study": "A", "site": "1", "sha256": sha256})
    };
    Value::from_iter(Role::ALL.into_iter().map(entry)).to_string()
}

async fn sent(app: &App, path: &str, body: &Value) -> String {
    let answer = app.send_as(Role::Submit.as_str(), "POST", path, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    crate::app::until("it is scored", async || {
        let shown = app.send_as(Role::Read.as_str(), "GET", &location, &Value::Null).await.json();
        (shown["state"] != "queued").then_some(())
    })
    .await;
    location
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_a_submission_reads_all_of_its_content() {
    let app = App::builder().variable("api_keys", keys()).start().await;
    let response = phq9("r", [0, 1, 2, 3, 0, 1, 2, 3, 1]);
    let event = json!({"term": "Headache", "onset": "2026-02-20", "grade": 2, "serious": false,
        "relatedness": "possible", "outcome": "recovered", "actionTaken": "none"});
    let diary = json!({"symptoms": [{"name": "pain", "severity": 4}], "note": "call 13800138000"});
    let kept = [
        (sent(&app, PHQ9, &response).await, response["answers"].clone()),
        (sent(&app, "/v1/reports", &report("e", "adverse-event", event.clone())).await, event),
        (sent(&app, "/v1/reports", &report("g", "generic", diary.clone())).await, {
            let mut diary = diary;
            diary["note"] = json!("call [phone]");
            diary
        }),
    ];
    for (location, content) in kept {
        for role in Role::ALL {
            let answer = app.send_as(role.as_str(), "GET", &location, &Value::Null).await;
            let shown = answer.json();
            match role {
                Role::Read | Role::Clinician | Role::Admin => assert_eq!(shown["content"], content, "{role:?}"),
                _ => assert!(shown.get("content").is_none(), "{role:?} {answer:?}"),
            }
        }
        let reason = json!({"reason": "withdrawn"});
        assert_eq!(app.send_as(Role::Admin.as_str(), "DELETE", &location, &reason).await.status, 200);
        let answer = app.send_as(Role::Read.as_str(), "GET", &location, &Value::Null).await;
        assert_eq!((answer.status, answer.json().get("content")), (410, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codebook_tells_what_the_data_of_an_instrument_mean() {
    let app = App::builder().variable("api_keys", keys()).start().await;
    let location = sent(&app, PHQ9, &phq9("r", [1; 9])).await;
    let read = async |path: &str| app.send_as(Role::Read.as_str(), "GET", path, &Value::Null).await;
    let shown = read(&location).await.json();
    let codebook = read("/v1/instruments/phq-9/codebook").await.json();
    assert_eq!(codebook["sha256"], shown["instrument"]["hash"]);
    let total = |shown: &Value| shown["scores"].as_array().unwrap().iter().position(|score| score["id"] == "total");
    let band = &shown["scores"][total(&shown).unwrap()]["band"];
    assert_eq!(band, &codebook["scores"][total(&codebook).unwrap()]["bands"][1]["id"]);
    let csv = read("/v1/instruments/phq-9/codebook?format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(String::from_utf8(csv.body.to_vec()).unwrap().contains("answer,q9,Several days,LA6569-3,1,1,,\r\n"));
    for (path, status) in [
        ("/v1/instruments/unknown/codebook", 404),
        ("/v1/instruments/phq-9/codebook?version=0.0.1", 404),
        ("/v1/instruments/phq-9/codebook?format=xml&versions=1", 422),
    ] {
        assert_eq!(read(path).await.status, status, "{path}");
    }
}
