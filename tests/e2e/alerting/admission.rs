//! Admission of a raised alert: it is sent, sent together with others, only recorded, or sent later.

use serde_json::{Value, json};

use super::{CRITICAL, HIGH, alert, configure, delivery, document, hook, of_patient};
use crate::app::{App, phq9};
use crate::receiver::{Act, Receiver};

/// A GAD-7 response with a severe total.
async fn anxious(app: &App, patient: &str, id: &str) -> String {
    let mut response = of_patient(patient, id, [3; 9]);
    for item in ["q8", "q9"] {
        response["answers"].as_object_mut().unwrap().remove(item);
    }
    let answer = app.send("POST", "/v1/surveys/gad-7/responses", &response).await;
    answer.header("location").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_of_one_subject_go_as_one_message_and_all_learn_what_became_of_it() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(500)]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["groupSeconds"] = json!(3);
    configure(&app, &document).await;
    let first = app.submit(&of_patient("p", "r1", HIGH)).await;
    alert(&app, &first, |it| it["state"] == "pending").await;
    let second = anxious(&app, "p", "r2").await;
    let other = app.submit(&of_patient("q", "r3", HIGH)).await;
    alert(&app, &second, |it| it["state"] == "grouped").await;
    for location in [&first, &second, &other] {
        alert(&app, location, |it| it["state"] == "delivered").await;
    }
    let calls = receiver.calls();
    assert_eq!(calls.len(), 3, "a group, which is sent twice, and one alone");
    let groups: Vec<_> = calls.iter().filter(|call| call.json()["type"] == "alert.group").collect();
    assert!(!groups.is_empty() && groups.iter().all(|call| call.body == groups[0].body));
    let ids: Vec<Value> = groups[0].json()["data"]["alerts"].as_array().unwrap().clone();
    assert_eq!((ids.len(), &ids[0]["instrument"], &ids[1]["instrument"]), (2, &json!("phq-9"), &json!("gad-7")));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_went_with_the_message_of_an_erased_alert_are_sent_after_all() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["groupSeconds"] = json!(5);
    configure(&app, &document).await;
    let first = app.submit(&of_patient("p", "r1", HIGH)).await;
    alert(&app, &first, |it| !it["deliveries"].as_array().is_none_or(Vec::is_empty)).await;
    let second = anxious(&app, "p", "r2").await;
    alert(&app, &second, |it| it["state"] == "grouped").await;
    let erased = app.send("DELETE", &first, &json!({"reason": "consent withdrawn"})).await;
    assert_eq!(erased.status, 200);
    let sent = alert(&app, &second, |it| it["state"] == "delivered").await;
    let calls = receiver.calls();
    assert_eq!((calls.len(), calls[0].id().as_str()), (1, sent["alertId"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rule_again_is_recorded_and_a_silence_is_kept() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["repeatSeconds"] = json!(3600);
    configure(&app, &document).await;
    let first = app.submit(&of_patient("p", "r1", HIGH)).await;
    alert(&app, &first, |it| it["state"] == "delivered").await;
    let again = app.submit(&of_patient("p", "r2", HIGH)).await;
    assert_eq!(alert(&app, &again, |it| it["state"] == "suppressed").await["because"], "repeated");
    let worse = app.submit(&of_patient("p", "r3", CRITICAL)).await;
    alert(&app, &worse, |it| it["state"] == "delivered").await;

    let silences = json!([{
        "id": "maintenance", "matchers": {"study": ["A"]}, "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-30T00:00:00Z", "author": "somebody", "comment": "over",
    }]);
    assert_eq!(app.send("PUT", "/v1/config/silences", &silences).await.status, 201);
    let after = app.submit(&of_patient("q", "r4", HIGH)).await;
    alert(&app, &after, |it| it["state"] == "delivered").await;
    assert_eq!(receiver.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_back_what_is_not_critical() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let mut quiet = hook(&receiver);
    // An hour before and after now.
    let minute = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60 % 1440;
    let at = |minute: u64| format!("{:02}:{:02}", minute % 1440 / 60, minute % 60);
    quiet["timeZone"] = json!("Africa/Abidjan");
    quiet["quietHours"] = json!({"from": at(minute + 1440 - 60), "to": at(minute + 60)});
    configure(&app, &document(json!({"a": quiet}))).await;
    let held = app.submit(&phq9("r1", HIGH)).await;
    let alert_held = alert(&app, &held, |it| delivery(it, "a")["reason"] == "quiet-hours").await;
    assert_eq!(alert_held["state"], "pending");
    let critical = app.submit(&phq9("r2", CRITICAL)).await;
    alert(&app, &critical, |it| it["state"] == "delivered").await;
    assert_eq!(receiver.calls().len(), 1);
}
