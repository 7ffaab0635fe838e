//! An amendment replaces only a submission of the same patient, of the same kind and instrument.

use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9};
use crate::client::Answer;
use crate::evaluation::report;
use crate::fhir;
use crate::history::{finished, id};

const GAD7: &str = "/v1/surveys/gad-7/responses";

fn gad7(client_id: &str) -> Value {
    let mut response = phq9(client_id, [0; 9]);
    for item in ["q8", "q9"] {
        response["answers"].as_object_mut().unwrap().remove(item);
    }
    response
}

fn of(patient: &str, mut document: Value) -> Value {
    document["patientId"] = json!(patient);
    document
}

fn amending(mut document: Value, amended: &str) -> Value {
    document["amends"] = json!({"submissionId": id(amended), "reason": "typo"});
    document
}

async fn sent(app: &App, path: &str, document: &Value) -> String {
    let answer = app.send("POST", path, document).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

fn refused(answer: &Answer, what: &str) {
    let expected = [("/amends/submissionId".to_owned(), "conflict".to_owned())];
    assert_eq!((answer.status, answer.findings()), (422, expected.to_vec()), "{what}: {answer:?}");
}

/// Sends amendments of other patients, kinds and instruments; none of them changes anything.
async fn others_are_refused(app: &App, response: &str, diary: &str) {
    let diary_data = || json!({"note": "fine"});
    for (what, path, document) in [
        ("another patient", PHQ9, amending(of("q", phq9("a", [0; 9])), response)),
        ("another instrument", GAD7, amending(of("p", gad7("b")), response)),
        ("a report", "/v1/reports", amending(report("c", "generic", json!({"note": "x"})), response)),
        (
            "a report of another patient",
            "/v1/reports",
            amending(of("q", report("d", "generic", json!({"note": "x"}))), response),
        ),
        ("another kind", "/v1/reports", amending(report("e", "generic", json!({"note": "x"})), diary)),
        ("a diary of another patient", "/v1/reports", amending(of("q", report("f", "diary", diary_data())), diary)),
        ("a response", PHQ9, amending(of("p", phq9("g", [0; 9])), diary)),
    ] {
        refused(&app.send("POST", path, &document).await, what);
    }
    let mut resource = fhir::response("h", [0; 9]);
    resource["status"] = json!("amended");
    resource["subject"] = json!({"reference": "Patient/q"});
    let amends = json!({"url": "urn:vigil:amends", "valueString": id(response)});
    resource["extension"].as_array_mut().unwrap().push(amends);
    let answer = fhir::post(app, &resource).await;
    fhir::check(&answer, 422, &[("business-rule", "QuestionnaireResponse.extension[2].value")]);
    resource["subject"] = json!({"reference": "https://ehr.example/Patient/p"});
    let answer = fhir::post(app, &resource).await;
    fhir::check(&answer, 422, &[("business-rule", "QuestionnaireResponse.extension[2].value")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_is_scored_is_amended_by_its_own_alone() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let response = sent(&app, PHQ9, &of("p", phq9("r", [1, 1, 1, 1, 1, 1, 1, 1, 0]))).await;
    let diary = sent(&app, "/v1/reports", &report("r", "diary", json!({"note": "fine"}))).await;
    let elsewhere = sent(&app, PHQ9, &{
        let mut other = of("p", phq9("s", [0; 9]));
        other["siteId"] = json!("2");
        other
    })
    .await;
    others_are_refused(&app, &response, &diary).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let subject = app.scored(&response).await["subject"].as_str().unwrap().to_owned();
    finished(&app).await;
    others_are_refused(&app, &response, &diary).await;
    // Nothing was replaced: the series is whole.
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let path = format!("/v1/subjects/{subject}/scores?score=phq-9.total");
    let series = app.send("GET", &path, &Value::Null).await.json();
    assert_eq!(
        (series["points"].as_array().unwrap().len(), &series["points"][0]["value"]),
        (1, &json!(8.0)),
        "{series}"
    );
    assert!(app.redis::<Vec<String>>(&["KEYS", "{vigil}:superseded:*"]).await.is_empty());
    // Another site's submission looks as if it did not exist; the site's own one is amended.
    let answer = app.send("POST", PHQ9, &amending(of("p", phq9("x", [0; 9])), &elsewhere)).await;
    assert_eq!(answer.findings(), [("/amends/submissionId".to_owned(), "choice".to_owned())]);
    sent(&app, PHQ9, &amending(of("p", phq9("r2", [0; 9])), &response)).await;
    sent(&app, "/v1/reports", &amending(report("r2", "diary", json!({"note": "well"})), &diary)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_subject_is_the_same_patient() {
    let app = App::start().await;
    let site_2 = |client_id: &str| {
        let mut response = of("001", phq9(client_id, [0; 9]));
        response["siteId"] = json!("2");
        response
    };
    let first = sent(&app, PHQ9, &of("p", phq9("r", [0; 9]))).await;
    let second = sent(&app, PHQ9, &site_2("r")).await;
    let (old, new) = (app.scored(&first).await["subject"].clone(), app.scored(&second).await["subject"].clone());
    let amendment = amending(site_2("r2"), &first);
    let foreign = app.send("POST", PHQ9, &amendment).await;
    assert_eq!(foreign.findings(), [("/amends/submissionId".to_owned(), "choice".to_owned())]);
    let path = format!("/v1/subjects/{}/links", old.as_str().unwrap());
    assert_eq!(app.send("POST", &path, &json!({"to": new, "reason": "moved"})).await.status, 201);
    let amended = sent(&app, PHQ9, &amendment).await;
    assert_eq!(app.scored(&amended).await["supersedes"], id(&first));
}
