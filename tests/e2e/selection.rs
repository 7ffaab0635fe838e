//! The selection in a response: the version of the instrument and the parameters of its scoring.

use serde_json::{Value, json};

use crate::app::{ADMIN, App};
use crate::client::Answer;

const DSU: &str = "/v1/surveys/eq-5d-5l-nice-dsu-map-to-3l-uk/responses";

fn response(id: &str, parameters: Value) -> Value {
    json!({
        "responseId": id, "studyId": "A", "siteId": "1", "patientId": "somebody", "authoredAt": "2026-03-01T08:00:00Z",
        "answers": {"MO": 5, "SC": 4, "UA": 2, "PD": 2, "AD": 1}, "parameters": parameters
    })
}

fn check(answer: &Answer, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected.iter().map(|(at, code)| ((*at).into(), (*code).into())).collect();
    assert_eq!((answer.status, answer.findings()), (422, expected), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_made_with_the_parameters_that_came() {
    let app = App::start().await;
    let first = app.send("POST", DSU, &response("r", json!({"age": 30, "sex": "M"}))).await;
    assert_eq!(first.status, 202, "{first:?}");
    let location = first.header("location").unwrap();
    let shown = app.scored(location).await;
    let score = &shown["scores"][0];
    assert_eq!((&score["id"], &score["value"]), (&json!("index.UK_DSU"), &json!(0.492)));
    assert_eq!(shown["instrument"]["parameters"], json!({"age": "30", "sex": "M"}));

    // The same parameters, written differently, are the same content; another parameter is other content.
    let again = app.send("POST", DSU, &response("r", json!({"sex": "M", "age": "30.0"}))).await;
    assert_eq!((again.status, again.header("location")), (202, Some(location)));
    let other = app.send("POST", DSU, &response("r", json!({"age": 31, "sex": "M"}))).await;
    assert_eq!(other.status, 409, "{other:?}");

    // Without them nothing is assumed.
    let without = app.send("POST", DSU, &response("without", Value::Null)).await;
    let shown = app.scored(without.header("location").unwrap()).await;
    assert_eq!(shown["scores"][0]["reason"], "missing-parameter");
    assert_eq!(shown["instrument"].get("parameters"), None);
    let named = app.send("POST", DSU, &response("without", json!({}))).await;
    assert_eq!(named.header("location"), without.header("location"), "no parameters are none");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_and_versions_are_told_with_all_else() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let mut document = response("r", json!({"age": 17, "color": "blue", "sex": true}));
    document["instrumentVersion"] = json!("9");
    document["answers"]["MO"] = json!(6);
    let expected = [
        ("/answers/MO", "range"),
        ("/instrumentVersion", "choice"),
        ("/parameters/sex", "type"),
        ("/parameters/color", "unknown"),
        ("/parameters/age", "choice"),
    ];
    check(&app.send("POST", DSU, &document).await, &expected);

    // The same holds for rows of a batch.
    document["instrument"] = json!("eq-5d-5l-nice-dsu-map-to-3l-uk");
    let validated = app.send("POST", "/v1/validate", &json!([document])).await;
    let errors = validated.json()["rows"][0]["errors"].clone();
    let errors: Vec<(&str, &str)> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, expected);
    let mut report = json!({"reportId": "d", "studyId": "A", "siteId": "1", "patientId": "p", "kind": "generic",
                            "authoredAt": "2026-03-01T08:00:00Z", "data": {}, "parameters": {}});
    check(&app.send("POST", "/v1/reports", &report).await, &[("/parameters", "unknown")]);
    report.as_object_mut().unwrap().remove("parameters");
    assert_eq!(app.send("POST", "/v1/reports", &report).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_batch_bring_their_own() {
    let app = App::start().await;
    let row = |id: &str, set: &str| {
        let mut row = response(id, json!({"valueSet": set}));
        row["instrument"] = json!("eq-5d-5l");
        row["instrumentVersion"] = json!("1.0.0");
        row
    };
    let answer = app.send("POST", "/v1/reports/batch", &json!([row("a", "USA"), row("b", "Germany")])).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for (row, set) in answer.json()["rows"].as_array().unwrap().iter().zip(["USA", "Germany"]) {
        let id = row["submissionId"].as_str().unwrap_or_else(|| panic!("{row}"));
        let shown = app.scored(&format!("/v1/submissions/{id}")).await;
        let scores: Vec<&str> =
            shown["scores"].as_array().unwrap().iter().map(|score| score["id"].as_str().unwrap()).collect();
        assert_eq!(scores, ["health_state", format!("index.{set}").as_str(), "vas"]);
        assert_eq!(shown["instrument"]["parameters"], json!({"valueSet": set}));
    }
}

/// A definition whose item goes up to `most`.
fn own(version: &str, most: u32) -> Value {
    json!({
        "id": "own", "version": version, "title": "Own", "licence": "CC0-1.0", "languages": ["en"],
        "sources": ["Written for this study"], "items": [{"id": "a", "range": [0, most]}],
        "scores": [{"id": "total", "method": "sum", "items": ["a"]}]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_names_the_version_that_it_answers() {
    let app = App::start().await;
    for definition in [own("1", 10), own("2", 5)] {
        assert_eq!(app.send("PUT", "/v1/instruments/own", &definition).await.status, 201);
    }
    let path = "/v1/surveys/own/responses";
    let with = |id: &str, version: Value| {
        json!({"responseId": id, "studyId": "A", "siteId": "1", "patientId": "p",
               "authoredAt": "2026-03-01T08:00:00Z", "answers": {"a": 9}, "instrumentVersion": version})
    };
    check(&app.send("POST", path, &with("r", Value::Null)).await, &[("/answers/a", "range")]);
    check(&app.send("POST", path, &with("r", json!("2"))).await, &[("/answers/a", "range")]);
    check(
        &app.send("POST", path, &with("r", json!("3"))).await,
        &[("/answers/a", "range"), ("/instrumentVersion", "choice")],
    );
    let first = app.send("POST", path, &with("r", json!("1"))).await;
    assert_eq!(first.status, 202, "{first:?}");
    let location = first.header("location").unwrap();
    assert_eq!(app.scored(location).await["instrument"]["version"], "1");

    // FHIR says it in the canonical, and it is the same response.
    let resource = json!({
        "resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "urn:vigil:questionnaire:own|1", "authored": "2026-03-01T08:00:00Z",
        "identifier": {"value": "r"}, "subject": {"reference": "Patient/p"},
        "extension": [{"url": "urn:vigil:study", "valueString": "A"}, {"url": "urn:vigil:site", "valueString": "1"}],
        "item": [{"linkId": "a", "answer": [{"valueInteger": 9}]}]
    });
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/fhir+json")];
    let mut client = app.client().await;
    let again = client.send("POST", "/fhir/QuestionnaireResponse", &headers, resource.to_string()).await.unwrap();
    assert_eq!((again.status, again.header("location")), (202, Some(location)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_scores_with_the_parameters_that_came() {
    let app = App::start().await;
    // The variant decides the value of an answer: unchanged, or multiplied.
    let definition = |version: &str, times: u32| {
        let case = |variant: &str, times: u32| json!({"when": {"parameter": "variant", "is": variant}, "method": "sum", "items": ["a"], "linear": {"multiply": times}});
        json!({
            "id": "own", "version": version, "title": "Own", "licence": "CC0-1.0", "languages": ["en"],
            "sources": ["Written for this study"], "items": [{"id": "a", "range": [0, 10]}],
            "parameters": [{"id": "variant", "choices": ["plain", "times"], "default": "plain"}],
            "scores": [{"id": "total", "cases": [case("plain", 1), case("times", times)]}]
        })
    };
    let response = |id: &str, parameters: Value| {
        json!({"responseId": id, "studyId": "A", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
               "answers": {"a": 2}, "parameters": parameters})
    };
    assert_eq!(app.send("PUT", "/v1/instruments/own", &definition("1", 2)).await.status, 201);
    for (id, parameters) in [("plain", Value::Null), ("times", json!({"variant": "times"}))] {
        let answer = app.send("POST", "/v1/surveys/own/responses", &response(id, parameters)).await;
        app.scored(answer.header("location").unwrap()).await;
    }
    assert_eq!(app.send("PUT", "/v1/instruments/own", &definition("2", 5)).await.status, 201);
    let wanted = json!({"studyId": "A", "version": "2"});
    let report = app.send("POST", "/v1/instruments/own/rescore", &wanted).await.json();
    assert_eq!((&report["looked"], &report["unchanged"]), (&json!(2), &json!(1)), "{report}");
    let difference = &report["changed"][0]["differences"][0];
    assert_eq!((&difference["before"]["value"], &difference["after"]["value"]), (&json!(4.0), &json!(10.0)));
}
