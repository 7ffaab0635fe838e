//! FHIR R4: a questionnaire response takes the same way as every report, and every refusal is an OperationOutcome.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, READ_A1, READ_B, SUBMIT_A, phq9};
use crate::client::Answer;
use crate::disk::opened;
use crate::receiver::Receiver;

const PATH: &str = "/fhir/QuestionnaireResponse";
pub(crate) const SYSTEMS: &str = "/v1/config/patient-systems";
/// The answer codes of PHQ-9; their index is their value.
const CODES: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];

/// A PHQ-9 response of study A, site 1, in FHIR: nested, with LOINC's codes.
pub(crate) fn response(id: &str, answers: [usize; 9]) -> Value {
    let links = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
    let item = |(link, answer): (&str, usize)| {
        let coding = json!({"system": "http://loinc.org", "code": CODES[answer]});
        json!({"linkId": format!("/{link}"), "answer": [{"valueCoding": coding}]})
    };
    let items: Vec<Value> = links.into_iter().zip(answers).map(item).collect();
    json!({
        "resourceType": "QuestionnaireResponse", "id": id, "status": "completed",
        "questionnaire": "http://loinc.org/q/44249-1|2.77",
        "extension": [{"url": "urn:vigil:study", "valueString": "A"}, {"url": "urn:vigil:site", "valueString": "1"}],
        "subject": {"reference": format!("Patient/patient of {id}")},
        "author": {"reference": "Practitioner/d-1"},
        "authored": "2026-03-01T08:00:00+08:00",
        "item": [{"linkId": "group", "item": items}],
    })
}

async fn post_as(app: &App, key: &str, content_type: &str, body: String) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
    app.client().await.send("POST", PATH, &headers, body).await.unwrap()
}

pub(crate) async fn post(app: &App, resource: &Value) -> Answer {
    post_as(app, ADMIN, "application/fhir+json", resource.to_string()).await
}

/// Checks that the answer is an OperationOutcome with these codes and expressions.
pub(crate) fn check(answer: &Answer, status: u16, expected: &[(&str, &str)]) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/fhir+json"));
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let issues = outcome["issue"].as_array().unwrap();
    let found: Vec<(&str, &str)> = issues
        .iter()
        .map(|issue| {
            assert_eq!(issue["severity"], "error");
            assert!(issue["diagnostics"].is_string());
            (issue["code"].as_str().unwrap(), issue["expression"][0].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(found, expected, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fhir_response_is_scored_and_item_nine_alerts() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let answer = post(&app, &response("r", [1, 1, 0, 0, 0, 0, 0, 0, 1])).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    let shown = app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    assert_eq!(shown["alerts"][0]["severity"], "critical");
    assert_eq!(shown["authoredAt"], "2026-03-01T00:00:00.000Z");
    let total = shown["scores"].as_array().unwrap().iter().find(|score| score["id"] == "total").unwrap();
    assert_eq!(total["value"], 3.0);
    assert_eq!(receiver.calls().len(), 1);
    let record = opened(&app, location.trim_start_matches("/v1/submissions/")).to_string();
    assert!(!record.contains("patient of") && !record.contains("d-1"), "no identity is kept: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_response_is_one_submission_whichever_way_it_comes() {
    let app = App::start().await;
    let answers = [0, 1, 2, 3, 0, 0, 0, 0, 0];
    let first = post(&app, &response("r", answers)).await;
    let location = first.header("location").unwrap().to_owned();
    assert_eq!(first.json()["submissionId"], location.rsplit('/').next().unwrap());
    for content_type in ["application/fhir+json; charset=utf-8", "application/json"] {
        let again = post_as(&app, ADMIN, content_type, response("r", answers).to_string()).await;
        assert_eq!((again.status, again.header("location")), (202, Some(&*location)), "{again:?}");
    }
    assert_eq!(app.submit(&phq9("r", answers.map(|answer| u8::try_from(answer).unwrap()))).await, location);
    let mut identified = response("another", answers);
    identified["identifier"] = json!({"value": "r"});
    let own = json!({"studies": {"A": {"1": ["https://ehr.example/fhir/Patient", "urn:oid:1.2.3"]}}});
    assert_eq!(app.send("PUT", SYSTEMS, &own).await.status, 201);
    for subject in [
        json!({"reference": "Patient/patient of r/_history/2"}),
        json!({"reference": "https://ehr.example/fhir/Patient/patient of r"}),
        json!({"identifier": {"system": "urn:oid:1.2.3", "value": "patient of r"}}),
    ] {
        identified["subject"] = subject;
        assert_eq!(post(&app, &identified).await.header("location"), Some(&*location));
    }
    let other = post(&app, &response("r", [0; 9])).await;
    check(&other, 409, &[("conflict", "")]);
    assert_eq!(app.redis::<u32>(&["HGET", "{vigil}:stats", "accepted|A|1|response"]).await, 1);
    assert_eq!(app.redis::<u32>(&["HGET", "{vigil}:stats", "duplicate|A|1|response"]).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_an_issue_with_its_place_and_no_value() {
    let app = App::start().await;
    let resource = json!({
        "resourceType": "QuestionnaireResponse", "status": "in-progress", "mood": "secret",
        "questionnaire": "https://example.org/Questionnaire/phq-9|0.0.1", "subject": {"reference": "Group/secret"},
        "authored": "yesterday at noon",
        "item": [{"linkId": "g", "item": [
            {"linkId": "q1", "answer": [{"valueInteger": 4}]},
            {"linkId": "q2", "answer": [{"valueCoding": {"code": "secret"}}]},
            {"linkId": "secret", "answer": [{"valueInteger": 1}]},
        ]}],
    });
    let answer = post(&app, &resource).await;
    let at = |path: &str| format!("QuestionnaireResponse{path}");
    let expected = [
        ("business-rule", at(".questionnaire")),
        ("structure", at(".mood")),
        ("code-invalid", at(".status")),
        ("required", at(".extension")),
        ("required", at(".extension")),
        ("code-invalid", at(".subject.reference")),
        ("code-invalid", at(".item[0].item[1].answer[0].value.code")),
        ("structure", at(".item[0].item[2].linkId")),
        ("value", at(".authored")),
        ("value", at(".item[0].item[0].answer[0].value")),
    ];
    let expected: Vec<(&str, &str)> = expected.iter().map(|(code, path)| (*code, path.as_str())).collect();
    check(&answer, 422, &expected);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("secret") && !text.contains("yesterday"), "{text}");
    assert!(text.contains("still being answered"), "it says why: {text}");
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_an_operation_outcome() {
    let app = App::start().await;
    let body = response("r", [0; 9]).to_string();
    check(&post_as(&app, "wrong", "application/fhir+json", body.clone()).await, 401, &[("login", "")]);
    let reader = post_as(&app, READ_A1, "application/fhir+json", body.clone()).await;
    check(&reader, 403, &[("forbidden", "")]);
    let mut foreign = response("r", [0; 9]);
    foreign["extension"][0]["valueString"] = json!("B");
    let foreign = post_as(&app, SUBMIT_A, "application/fhir+json", foreign.to_string()).await;
    check(&foreign, 403, &[("forbidden", "")]);
    check(&post_as(&app, ADMIN, "application/xml", body).await, 415, &[("not-supported", "")]);
    let long = format!("\"{}\"", "x".repeat(256 * 1024));
    check(&post_as(&app, ADMIN, "application/fhir+json", long).await, 413, &[("too-long", "")]);
    for broken in ["{".to_owned(), "[".repeat(100_000)] {
        check(&post_as(&app, ADMIN, "application/fhir+json", broken).await, 400, &[("structure", "")]);
    }
    let slash = app.send("POST", &format!("{PATH}/"), &response("r", [0; 9])).await;
    check(&slash, 404, &[("not-found", "")]);
    let patient = json!({"resourceType": "Patient", "id": "p"});
    check(&post(&app, &patient).await, 422, &[("code-invalid", "QuestionnaireResponse.resourceType")]);
    let put = app.send("PUT", PATH, &Value::Null).await;
    check(&put, 405, &[("not-supported", "")]);
    assert_eq!(put.header("allow"), Some("POST, GET, HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_of_faults_is_answered_soon_and_not_at_length() {
    let app = App::start().await;
    let mut resource = response("r", [0; 9]);
    resource["item"] = vec![json!({}); 7_500].into();
    let began = std::time::Instant::now();
    let answer = post(&app, &resource).await;
    // It takes about ten milliseconds; the rest is for busy machines.
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(answer.status, 422, "{}", answer.status);
    assert_eq!(answer.json()["issue"].as_array().unwrap().len(), 1000);
    assert!(answer.body.len() < 256 * 1024, "{}", answer.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_and_a_lost_redis_are_told_in_fhir_too() {
    let mut app = App::builder().variable("queue_capacity", "1").only(&["submit", "records", "ops"]).start().await;
    assert_eq!(post(&app, &response("r1", [0; 9])).await.status, 202);
    let full = post(&app, &response("r2", [0; 9])).await;
    check(&full, 503, &[("throttled", "")]);
    assert!(full.header("retry-after").is_some());
    app.redis.as_mut().unwrap().kill().unwrap();
    let away = post(&app, &response("r3", [0; 9])).await;
    check(&away, 503, &[("transient", "")]);
    assert!(away.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn study_and_site_may_come_from_the_key() {
    let app = App::start().await;
    let mut resource = response("r", [0; 9]);
    // This key covers one study and any site.
    resource["extension"].as_array_mut().unwrap().remove(0);
    let answer = post_as(&app, SUBMIT_A, "application/fhir+json", resource.to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let shown = app.scored(answer.header("location").unwrap()).await;
    assert_eq!((&shown["studyId"], &shown["siteId"]), (&json!("A"), &json!("1")));
    // The administrator's key covers all.
    check(&post(&app, &resource).await, 422, &[("required", "QuestionnaireResponse.extension")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_are_read_as_questionnaires() {
    let app = App::start().await;
    let answer = app.send_as(SUBMIT_A, "GET", "/fhir/Questionnaire/phq-9", &Value::Null).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/fhir+json")));
    let resource = answer.json();
    assert_eq!((&resource["resourceType"], &resource["id"]), (&json!("Questionnaire"), &json!("phq-9")));
    let last = &resource["item"][9]["answerOption"][3];
    assert_eq!(last["valueCoding"]["code"], "LA6574-3");
    assert_eq!(
        last["extension"][0],
        json!({
            "url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": 3,
        })
    );
    check(&app.send("GET", "/fhir/Questionnaire/no-such", &Value::Null).await, 404, &[("not-found", "")]);
    check(&app.send("GET", "/fhir/Nothing", &Value::Null).await, 404, &[("not-found", "")]);
    check(&app.send("PUT", "/fhir/Questionnaire/phq-9", &Value::Null).await, 405, &[("not-supported", "")]);
    let nobody = app.client().await.send("GET", "/fhir/Questionnaire/phq-9", &[], "").await.unwrap();
    check(&nobody, 401, &[("login", "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_read_as_observations_by_those_who_may() {
    let app = App::start().await;
    let answer = post(&app, &response("r", [0, 0, 0, 1, 2, 1, 3, 2, 1])).await;
    let location = answer.header("location").unwrap().to_owned();
    let shown = app.scored(&location).await;
    let id = location.rsplit('/').next().unwrap();
    let path = format!("/fhir/Observation?derived-from=QuestionnaireResponse/{id}");
    let found = app.send_as(READ_A1, "GET", &path, &Value::Null).await;
    assert_eq!((found.status, found.header("content-type")), (200, Some("application/fhir+json")));
    let bundle = found.json();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("searchset")));
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries.len(), shown["scores"].as_array().unwrap().len());
    let total = &entries[0]["resource"];
    assert_eq!(total["code"]["coding"][0], json!({"system": "http://loinc.org", "code": "44261-6"}));
    assert_eq!(total["valueQuantity"]["value"], 10);
    assert_eq!(total["derivedFrom"][0]["reference"], format!("QuestionnaireResponse/{id}"));
    assert_eq!(total["subject"]["identifier"]["value"], shown["subject"]);
    let escaped = path.replace("Response/", "Response%2F");
    assert_eq!(app.send_as(READ_A1, "GET", &escaped, &Value::Null).await.json()["total"], bundle["total"]);

    let hidden = app.send_as(READ_B, "GET", &path, &Value::Null).await;
    assert_eq!((hidden.status, &hidden.json()["total"]), (200, &json!(0)));
    check(&app.send_as(SUBMIT_A, "GET", &path, &Value::Null).await, 403, &[("forbidden", "")]);
    let unknown = "/fhir/Observation?derived-from=QuestionnaireResponse/6f2c1a52-5a52-4b7e-9f0a-1d2c3b4a5f60";
    assert_eq!(app.send("GET", unknown, &Value::Null).await.json()["total"], 0);
    for (query, code) in [("", "required"), ("?derived-from=Patient/1", "value"), ("?derived-from=x", "value")] {
        let answer = app.send("GET", &format!("/fhir/Observation{query}"), &Value::Null).await;
        check(&answer, 422, &[(code, "Observation")]);
    }
    let ignored = app.send("GET", &format!("{path}&patient=1"), &Value::Null).await;
    check(&ignored, 422, &[("structure", "Observation")]);
}
