//! The message that each channel sends.

use serde_json::json;

use super::{CRITICAL, alert, configure, document, of_patient};
use crate::app::{App, SECRET, phq9};
use crate::receiver::{Act, Receiver};

const NEXT_SECRET: &str = "whsec_bmV4dCBzZWNyZXQgb2YgdGhlIHRlc3RzIG9ubHkh";

#[tokio::test(flavor = "multi_thread")]
async fn each_channel_has_its_form_and_none_has_an_identity() {
    let (hook, sms, mail, ehr) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let key = "bGluayBrZXkgZm9yIHRlc3RzIG9ubHkgISEhISEhISE=";
    let app = App::builder().variable("link_key", key).start().await;
    let mut document = document(json!({
        "a": {"channel": "webhook", "url": hook.url(), "secrets": [NEXT_SECRET, SECRET]},
        "b": {"channel": "sms", "url": sms.url(), "to": "+86 1", "format": "form", "authorization": "Bearer gateway"},
        "c": {"channel": "email", "url": mail.url(), "to": "ward@example.org"},
        "d": {"channel": "fhir-communication", "url": ehr.url()},
    }));
    document["defaults"]["routes"]["critical"] = json!(["a", "b", "c", "d"]);
    document["defaults"]["language"] = json!("zh");
    document["link"] = json!({"baseUrl": "https://vigil.example.org"});
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let all = |state: &'static str| {
        move |it: &serde_json::Value| {
            it["deliveries"].as_array().is_some_and(|all| all.len() == 4 && all.iter().all(|it| it["state"] == state))
        }
    };
    let alert = alert(&app, &location, all("delivered")).await;
    let id = alert["alertId"].as_str().unwrap();

    let call = &hook.calls()[0];
    for secret in [NEXT_SECRET, SECRET] {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&call.body, &call.headers).unwrap();
    }
    let link = call.json()["data"]["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("https://vigil.example.org/v1/acknowledge/1~{id}~0~a~")), "{link}");

    let call = &sms.calls()[0];
    assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!((call.header("authorization"), call.header("idempotency-key")), ("Bearer gateway".into(), id.into()));
    let call = &mail.calls()[0];
    assert_eq!(call.json()["to"], "ward@example.org");
    assert!(call.json()["subject"].as_str().unwrap().contains("新警报"), "{:?}", call.json());

    let call = &ehr.calls()[0];
    assert_eq!(call.header("content-type"), "application/fhir+json");
    assert_eq!(call.header("if-none-exist"), format!("identifier=urn:vigil:alert|{id}"));
    assert_eq!(call.json()["resourceType"], "Communication");
    for receiver in [&hook, &sms, &mail, &ehr] {
        let body = String::from_utf8_lossy(&receiver.calls()[0].body).into_owned();
        assert!(!body.contains("patient of") && !body.contains("patient+of"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_flags_is_asked_for_one_however_often_it_is_told() {
    let server = Receiver::start().await;
    server.then([Act::Answer(503)]);
    let app = App::start().await;
    let mut document = document(json!({
        "a": {"channel": "fhir-communication", "resource": "Flag", "url": server.url(), "authorization": "Bearer ehr"},
    }));
    document["defaults"]["chain"] = json!({"steps": [{"afterSeconds": 1}]});
    configure(&app, &document).await;
    let location = app.submit(&of_patient("Jane Doe", "r", CRITICAL)).await;
    let calls = server.heard(3).await;
    let shown = alert(&app, &location, |it| it["state"] == "delivered").await;
    let id = shown["alertId"].as_str().unwrap();
    let condition = format!("identifier=urn:vigil:alert|{id}");
    for call in &calls[..3] {
        assert_eq!(
            (call.header("content-type"), call.header("if-none-exist")),
            ("application/fhir+json".into(), condition.clone())
        );
        assert_eq!(call.header("authorization"), "Bearer ehr");
        let flag = call.json();
        assert_eq!((&flag["resourceType"], &flag["status"]), (&json!("Flag"), &json!("active")));
        assert_eq!(flag["identifier"], json!([{"system": "urn:vigil:alert", "value": id}]));
        assert_eq!(flag["code"]["coding"][0]["code"], "phq-9/item-9");
        assert_eq!(flag["subject"]["identifier"]["value"], app.scored(&location).await["subject"]);
        assert!(flag["period"]["start"].is_string());
        assert!(!String::from_utf8_lossy(&call.body).contains("Jane"));
    }
    let faulty = json!({"receivers": {
        "a": {"channel": "fhir-communication", "resource": "Task", "url": server.url()},
        "b": {"channel": "sms", "resource": "Flag", "url": server.url()},
    }});
    let refused = app.send("PUT", "/v1/config/alert-routes", &faulty).await;
    assert_eq!(refused.status, 422);
    let errors = refused.json()["errors"].clone();
    let pointers: Vec<&str> = errors.as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/receivers/a/resource", "/receivers/b/resource"]);
}
