//! Alerting by the document `alert-routes`: who is told, when it is retried, who is told next.

mod acknowledged;
mod admission;
mod breaker;
mod burst;
mod chain;
mod channels;
mod overtaken;
mod rounds;
mod schedule;
mod watch;

use serde_json::{Value, json};

use crate::app::{App, SECRET, phq9};
use crate::receiver::Receiver;

/// Raises one alert, by item 9 alone: critical.
pub(crate) const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Raises one alert, by its total: high.
pub(crate) const HIGH: [u8; 9] = [3, 3, 3, 3, 3, 3, 3, 3, 0];

/// A webhook receiver.
pub(crate) fn hook(receiver: &Receiver) -> Value {
    json!({"channel": "webhook", "url": receiver.url(), "secrets": [SECRET]})
}

/// A document that sends everything to `a`, with times that a test can wait for.
pub(crate) fn document(receivers: Value) -> Value {
    json!({
        "receivers": receivers,
        "defaults": {
            "routes": {"critical": ["a"], "high": ["a"], "moderate": ["a"], "info": []},
            "groupSeconds": 0,
            "repeatSeconds": 0,
            "retry": {
                "critical": {"delaysSeconds": [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]},
                "routine": {"delaysSeconds": [0.1, 0.1, 0.1]},
            },
        },
    })
}

/// Puts a document in force.
pub(crate) async fn configure(app: &App, document: &Value) {
    let answer = app.send("PUT", "/v1/config/alert-routes", document).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

/// The first alert of a submission, once `condition` holds.
pub(crate) async fn alert(app: &App, location: &str, condition: impl Fn(&Value) -> bool) -> Value {
    app.shown(location, |shown| condition(&shown["alerts"][0])).await["alerts"][0].clone()
}

/// The delivery to a receiver; null until there is one.
fn delivery<'a>(alert: &'a Value, receiver: &str) -> &'a Value {
    let all = alert["deliveries"].as_array();
    all.and_then(|all| all.iter().find(|it| it["receiver"] == receiver)).unwrap_or(&Value::Null)
}

/// A response of a patient.
pub(crate) fn of_patient(patient: &str, id: &str, answers: [u8; 9]) -> Value {
    let mut response = phq9(id, answers);
    response["patientId"] = json!(patient);
    response
}
