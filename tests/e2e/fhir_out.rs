//! Stored responses for FHIR clients.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, READ_A1, READ_B, SUBMIT_A, phq9};
use crate::fhir::{check, post, response};

async fn read(app: &App, key: &str, path: &str) -> crate::client::Answer {
    app.send_as(key, "GET", path, &Value::Null).await
}

/// The path of a submission for FHIR clients.
fn path(location: &str) -> String {
    location.replace("/v1/submissions/", "/fhir/QuestionnaireResponse/")
}

fn scores(shown: &Value) -> Vec<Value> {
    shown["scores"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_read_can_be_sent_again_and_scores_the_same() {
    let app = App::start().await;
    let sent = [
        post(&app, &response("r", [0, 1, 2, 3, 0, 1, 2, 3, 1])).await,
        app.send("POST", PHQ9, &phq9("s", [3, 2, 1, 0, 3, 2, 1, 0, 2])).await,
        app.send("POST", "/v1/surveys/who-5/responses", &{
            let mut own = phq9("w", [0; 9]);
            own["answers"] = json!({"q1": 5, "q2": 4, "q3": 3, "q4": 2, "q5": 1});
            own
        })
        .await,
    ];
    for answer in sent {
        assert_eq!(answer.status, 202, "{answer:?}");
        let location = answer.header("location").unwrap().to_owned();
        let first = app.scored(&location).await;
        let answer = read(&app, READ_A1, &path(&location)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/fhir+json")), "{answer:?}");
        let resource = answer.json();
        assert_eq!(resource["subject"]["identifier"]["value"], first["subject"]);
        assert!(!resource.to_string().contains("patient of"), "{resource}");
        let again = post(&app, &resource).await;
        assert_eq!(again.status, 202, "{again:?}");
        let second = app.scored(again.header("location").unwrap()).await;
        assert_ne!(first["submissionId"], second["submissionId"]);
        assert_eq!(scores(&first), scores(&second));
        assert_eq!(first["authoredAt"], second["authoredAt"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_shown_to_who_may_read_it_until_it_is_erased() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.scored(&location).await;
    let amended = app
        .submit(&{
            let mut response = phq9("r2", [2; 9]);
            response["patientId"] = json!("patient of r");
            let id = location.rsplit('/').next().unwrap();
            response["amends"] = json!({"submissionId": id, "reason": "correction"});
            response
        })
        .await;
    app.scored(&amended).await;
    let resource = read(&app, READ_A1, &path(&amended)).await.json();
    assert_eq!(resource["status"], "amended");
    let extensions = resource["extension"].as_array().unwrap();
    let before = path(&location).replace("/fhir/", "");
    assert!(extensions.contains(&json!({"url": "urn:vigil:amends", "valueReference": {"reference": before}})));
    assert!(extensions.contains(&json!({"url": "urn:vigil:amends-reason", "valueString": "correction"})));
    assert_eq!(read(&app, SUBMIT_A, &path(&location)).await.status, 403);
    check(&read(&app, READ_B, &path(&location)).await, 404, &[("not-found", "")]);
    check(&read(&app, ADMIN, "/fhir/QuestionnaireResponse/x").await, 404, &[("not-found", "")]);
    assert_eq!(app.send("DELETE", &location, &json!({"reason": "withdrawn"})).await.status, 200);
    check(&read(&app, READ_A1, &path(&location)).await, 410, &[("deleted", "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_what_it_can_do_and_does_it() {
    let app = App::start().await;
    let answer = app.client().await.send("GET", "/fhir/metadata", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/fhir+json")));
    let statement = answer.json();
    assert_eq!(
        (&statement["resourceType"], &statement["fhirVersion"]),
        (&json!("CapabilityStatement"), &json!("4.0.1"))
    );
    for resource in statement["rest"][0]["resource"].as_array().unwrap() {
        let name = resource["type"].as_str().unwrap();
        for interaction in resource["interaction"].as_array().unwrap() {
            let (method, path) = match interaction["code"].as_str().unwrap() {
                "read" => ("GET", format!("/fhir/{name}/unknown")),
                "create" => ("POST", format!("/fhir/{name}")),
                "search-type" => {
                    ("GET", format!("/fhir/{name}?{}=x", resource["searchParam"][0]["name"].as_str().unwrap()))
                }
                other => panic!("{other}"),
            };
            let answer = app.send(method, &path, &json!({})).await;
            assert!(!matches!(answer.status, 401 | 405), "{method} {path}: {answer:?}");
            assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{method} {path}");
        }
    }
}
