//! Amendments through FHIR: the same idempotency record and history as with our own documents.

use serde_json::{Value, json};

use crate::app::App;
use crate::audit::{actions, audit};
use crate::fhir::{check, post, response};
use crate::receiver::Receiver;

/// The resource in its second version: the same id, other answers, and the submission that it replaces.
fn amended(answers: [usize; 9], amends: Value) -> Value {
    let mut resource = response("visit-5", answers);
    resource["status"] = json!("amended");
    resource["meta"] = json!({"versionId": "2"});
    let extensions = resource["extension"].as_array_mut().unwrap();
    extensions.push(amends);
    extensions.push(json!({"url": "urn:vigil:amends-reason", "valueCode": "patient-correction"}));
    resource
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amended_response_takes_the_place_of_the_first_and_alarms() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let first = post(&app, &response("visit-5", [0; 9])).await;
    let first = first.header("location").unwrap().to_owned();
    app.scored(&first).await;
    let id = |location: &str| location.rsplit('/').next().unwrap().to_owned();
    let reference = format!("QuestionnaireResponse/{}", id(&first));
    let resource = amended(
        [0, 0, 0, 0, 0, 0, 0, 0, 2],
        json!({"url": "urn:vigil:amends", "valueReference": {"reference": reference}}),
    );
    let second = post(&app, &resource).await;
    assert_eq!(second.status, 202, "{second:?}");
    let second = second.header("location").unwrap().to_owned();
    assert_ne!(first, second);
    // A resend is the same, whichever way it names the first one.
    assert_eq!(post(&app, &resource).await.header("location"), Some(&*second));
    let named = amended([0, 0, 0, 0, 0, 0, 0, 0, 2], json!({"url": "urn:vigil:amends", "valueString": id(&first)}));
    assert_eq!(post(&app, &named).await.header("location"), Some(&*second));

    let shown = app.shown(&second, |shown| shown["alerts"][0]["state"] == "delivered").await;
    assert_eq!(shown["supersedes"], id(&first));
    let old = app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    assert_eq!((&old["supersededBy"], &old["state"]), (&json!(id(&second)), &json!("scored")));
    let history = audit(&app, &format!("submission/{}", id(&second))).await;
    assert_eq!((actions(&history), &history["verified"]), (vec!["amended"], &json!(true)));
    assert_eq!(history["records"][0]["reason"], "patient-correction");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_amended_is_told_at_its_place_in_the_resource() {
    let app = App::start().await;
    let unknown = "6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60";
    let string = json!({"url": "urn:vigil:amends", "valueString": unknown});
    let answer = post(&app, &amended([1; 9], string)).await;
    check(&answer, 422, &[("code-invalid", "QuestionnaireResponse.extension[2].value")]);
    let reference = json!({"url": "urn:vigil:amends",
                           "valueReference": {"reference": format!("QuestionnaireResponse/{unknown}")}});
    let answer = post(&app, &amended([1; 9], reference)).await;
    check(&answer, 422, &[("code-invalid", "QuestionnaireResponse.extension[2].value.reference")]);

    let first = post(&app, &response("visit-5", [0; 9])).await;
    let id = first.json()["submissionId"].as_str().unwrap().to_owned();
    let amends = json!({"url": "urn:vigil:amends", "valueString": id});
    let mut completed = amended([1; 9], amends.clone());
    completed["status"] = json!("completed");
    check(&post(&app, &completed).await, 422, &[("business-rule", "QuestionnaireResponse.status")]);
    assert_eq!(post(&app, &amended([1; 9], amends.clone())).await.status, 202);
    let mut stale = amended([2; 9], amends);
    stale["meta"]["versionId"] = json!("3");
    check(&post(&app, &stale).await, 409, &[("conflict", "")]);
}
