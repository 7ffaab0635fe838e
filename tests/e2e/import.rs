//! A FHIR `Questionnaire` becomes an instrument, and its responses are scored.

use serde_json::{Value, json};

use crate::app::{ADMIN, App};
use crate::client::Answer;

const MOOD: &str = "/v1/instruments/mood";

async fn put(app: &App, path: &str, resource: &Value) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/fhir+json")];
    app.client().await.send("PUT", path, &headers, resource.to_string()).await.unwrap()
}

/// Two items, the second in a group, whose answers weigh 0 to 2.
fn questionnaire(version: &str) -> Value {
    let option = |code: &str, weight: u32| {
        let url = "http://hl7.org/fhir/StructureDefinition/itemWeight";
        json!({"valueCoding": {"code": code}, "extension": [{"url": url, "valueDecimal": weight}]})
    };
    let options = json!([option("bad", 0), option("fair", 1), option("good", 2)]);
    json!({
        "resourceType": "Questionnaire", "status": "active", "url": "http://example.org/mood", "version": version,
        "title": "Mood", "item": [
            {"linkId": "m1", "type": "choice", "text": "Morning", "answerOption": options},
            {"linkId": "g", "type": "group", "item": [{"linkId": "m2", "type": "choice", "answerOption": options}]},
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_questionnaire_is_an_instrument_whose_responses_are_scored() {
    let app = App::start().await;
    let tried = put(&app, &format!("{MOOD}?dry-run=true"), &questionnaire("1")).await;
    assert_eq!((tried.status, &tried.json()["stored"]), (200, &json!(false)), "{tried:?}");
    assert_eq!(app.send("GET", MOOD, &Value::Null).await.status, 404, "nothing was stored");
    let stored = put(&app, MOOD, &questionnaire("1")).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let definition = app.send("GET", MOOD, &Value::Null).await.json();
    assert_eq!((&definition["version"], &definition["items"][1]["id"]), (&json!("1"), &json!("m2")));

    let response = json!({"responseId": "r", "studyId": "A", "siteId": "1", "patientId": "p",
                          "authoredAt": "2026-03-01T08:00:00Z", "answers": {"m1": "good", "m2": "fair"}});
    let answer = app.send("POST", "/v1/surveys/mood/responses", &response).await;
    let shown = app.scored(answer.header("location").unwrap()).await;
    assert_eq!((&shown["scores"][0]["id"], &shown["scores"][0]["value"]), (&json!("total"), &json!(3.0)));
    let shown = app.send("GET", "/fhir/Questionnaire/mood", &Value::Null).await.json();
    assert_eq!(
        shown["item"][0]["answerOption"],
        questionnaire("1")["item"][0]["answerOption"].as_array().map_or(Value::Null, |options| {
            let with_system = |option: &Value| {
                let mut option = option.clone();
                option["valueCoding"]["system"] = json!("urn:vigil:answers:mood");
                option
            };
            options.iter().map(with_system).collect()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_told_and_nothing_stored() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    let mut resource = questionnaire("1");
    resource["item"][0]["enableWhen"] = json!([{"question": "m2"}]);
    resource["item"][1]["item"][0]["type"] = json!("string");
    let refused = put(&app, MOOD, &resource).await;
    let expected = [("/item/0/enableWhen", "unknown"), ("/item/1/item/0/type", "choice")];
    let expected = expected.map(|(at, code)| (at.to_owned(), code.to_owned())).to_vec();
    assert_eq!((refused.status, refused.findings()), (422, expected));
    assert_eq!(put(&app, MOOD, &json!([])).await.status, 422);
    assert_eq!(app.send("GET", MOOD, &Value::Null).await.status, 404);
}
