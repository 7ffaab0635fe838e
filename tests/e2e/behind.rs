//! What stands behind an alert, in one read: the answers that raised it, and the course of the scores.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, READ_B, phq9, until};
use crate::receiver::Receiver;

/// A response of one patient at study A, site 1, of this day of March 2026.
fn response(day: u8, answers: [u8; 9]) -> Value {
    let mut response = phq9(&format!("day-{day}"), answers);
    response["patientId"] = json!("P-1");
    response["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
    response
}

async fn shown(app: &App, alert: &str, query: &str) -> Value {
    let answer = app.send_as(CLINICIAN_A1, "GET", &format!("/v1/alerts/{alert}{query}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

/// The days of the course and the totals that were scored on them.
fn course(alert: &Value) -> Vec<(u8, f64)> {
    let total = |point: &Value| {
        let scores = point["scores"].as_array().unwrap();
        let total = scores.iter().find(|score| score["id"] == "total").unwrap();
        (point["at"].as_str().unwrap()[8..10].parse().unwrap(), total["value"].as_f64().unwrap())
    };
    alert["course"]["points"].as_array().unwrap().iter().map(total).collect()
}

async fn alert_of(app: &App, location: &str) -> String {
    let shown = app.shown(location, |shown| !shown["alerts"].as_array().is_none_or(Vec::is_empty)).await;
    shown["alerts"][0]["alertId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_shown_with_its_answers_and_the_course_of_the_scores() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    for (day, answers) in [(1, [1, 0, 0, 0, 0, 0, 0, 0, 0]), (4, [0, 2, 0, 0, 0, 0, 0, 0, 0])] {
        app.scored(&app.submit(&response(day, answers)).await).await;
    }
    let mut elsewhere = response(2, [2; 9]);
    elsewhere["siteId"] = json!("2");
    app.scored(&app.submit(&elsewhere).await).await;
    let location = app.submit(&response(3, [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    let alert = alert_of(&app, &location).await;
    until("the course is complete", async || {
        (course(&shown(&app, &alert, "?include=course").await) == [(1, 1.0), (3, 1.0), (4, 2.0)]).then_some(())
    })
    .await;
    let all = shown(&app, &alert, "?include=content,course").await;
    assert_eq!(
        (&all["content"]["q9"], &all["kind"], &all["authoredAt"]),
        (&json!(1), &json!("response"), &json!("2026-03-03T08:00:00.000Z"))
    );
    assert_eq!((&all["scoredWith"]["id"], &all["course"]["more"]), (&json!("phq-9"), &json!(false)), "{all}");
    assert_eq!(all["course"]["points"][1]["submissionId"], all["submissionId"]);
    assert_eq!(all["course"]["points"][2]["scores"][0]["band"], "none");
    assert!(shown(&app, &alert, "?include=content").await.get("course").is_none());
    let plain = shown(&app, &alert, "").await;
    assert!(["content", "course", "scoredWith", "authoredAt"].iter().all(|it| plain.get(it).is_none()), "{plain}");

    // A value that was amended is not in the course.
    let mut amendment = response(4, [0, 3, 0, 0, 0, 0, 0, 0, 0]);
    amendment["responseId"] = json!("corrected");
    let wrong = all["course"]["points"][2]["submissionId"].clone();
    amendment["amends"] = json!({"submissionId": wrong, "reason": "typo"});
    app.submit(&amendment).await;
    until("the amended value has gone", async || {
        (course(&shown(&app, &alert, "?include=course").await) == [(1, 1.0), (3, 1.0), (4, 3.0)]).then_some(())
    })
    .await;

    let path = format!("/v1/alerts/{alert}?include=course,content");
    for (key, status) in [(ADMIN, 200), (READ_A1, 200), (READ_B, 404), (CLINICIAN_A2, 404)] {
        assert_eq!(app.send_as(key, "GET", &path, &Value::Null).await.status, status, "{key}");
    }
    for query in ["include=x", "include=", "other=1"] {
        let answer = app.send("GET", &format!("/v1/alerts/{alert}?{query}"), &Value::Null).await;
        assert_eq!((answer.status, answer.findings().len()), (422, 1), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_is_bounded_and_a_report_has_data_and_no_course() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let mut last = String::new();
    for minute in 0..52 {
        let mut response = phq9(&format!("minute-{minute}"), [0, 0, 0, 0, 0, 0, 0, 0, u8::from(minute == 51)]);
        response["patientId"] = json!("P-1");
        response["authoredAt"] = json!(format!("2026-03-01T08:{minute:02}:00Z"));
        last = app.submit(&response).await;
    }
    let alert = alert_of(&app, &last).await;
    until("all are in the course", async || {
        let course = shown(&app, &alert, "?include=course").await["course"].clone();
        let at = |n: usize| course["points"][n]["at"].as_str().map(|at| at[14..16].to_owned());
        (course["more"] == true && at(0).as_deref() == Some("02") && at(49).as_deref() == Some("51")).then_some(())
    })
    .await;

    let data = json!({"term": "Syncope", "onset": "2026-02-20", "grade": 4, "serious": true,
                      "seriousnessCriteria": ["life-threatening"], "relatedness": "possible", "outcome": "recovered",
                      "end": "2026-02-21", "actionTaken": "none"});
    let report = json!({"reportId": "e", "studyId": "A", "siteId": "1", "patientId": "P-1", "kind": "adverse-event",
                        "authoredAt": "2026-03-01T20:00:00Z", "data": data});
    let answer = app.send("POST", "/v1/reports", &report).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let alert = alert_of(&app, answer.header("location").unwrap()).await;
    let shown = shown(&app, &alert, "?include=content,course").await;
    assert_eq!((&shown["kind"], &shown["content"]["term"]), (&json!("adverse-event"), &json!("Syncope")), "{shown}");
    assert_eq!(shown["course"], json!({"points": [], "more": false}));
}
