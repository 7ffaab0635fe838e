//! The submissions of a subject: lists with cursors, and the course of a score.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A2, READ_A1, READ_B, SUBMIT_A, phq9, until};

/// A response of one patient, written on this day of March 2026, that scores `points`.
fn response(day: u8, points: u8) -> Value {
    let mut answers = [0; 9];
    for point in 0..usize::from(points) {
        answers[point % 8] += 1;
    }
    let mut response = phq9(&format!("day-{day}"), answers);
    response["patientId"] = json!("P-1");
    response["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
    response
}

fn report(id: &str) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": "1", "patientId": "P-1", "authoredAt": "2026-03-02T20:00:00Z",
           "kind": "lab", "data": {"results": [{"code": "718-7", "value": 13.2, "unit": "g/dL",
           "collectedAt": "2026-03-01T08:00:00Z"}]}})
}

/// Sends responses of these days and points, in this order. Returns the subject once all are listed.
async fn send(app: &App, responses: &[(u8, u8)]) -> String {
    let mut subject = String::new();
    for (day, points) in responses {
        let location = app.submit(&response(*day, *points)).await;
        subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    }
    let key = format!("{{vigil}}:filed:{subject}");
    until("all are listed", async || (app.redis::<usize>(&["ZCARD", &key]).await >= responses.len()).then_some(()))
        .await;
    subject
}

async fn get(app: &App, key: &str, path: &str) -> Value {
    let answer = app.send_as(key, "GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn days(list: &Value, member: &str, time: &str) -> Vec<u8> {
    let day = |entry: &Value| entry[time].as_str().unwrap()[8..10].parse().unwrap();
    list[member].as_array().unwrap().iter().map(day).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_everything_once_whatever_comes_in_between() {
    let app = App::start().await;
    let subject = send(&app, &[(3, 1), (1, 2), (7, 3), (5, 4), (9, 5)]).await;
    let path = format!("/v1/subjects/{subject}/submissions");
    let first = get(&app, READ_A1, &format!("{path}?limit=2")).await;
    assert_eq!(days(&first, "submissions", "authoredAt"), [9, 7]);
    assert_eq!(first["submissions"][0]["scores"][0]["value"], 5.0);
    // One response belongs before the page that was shown, one behind it.
    send(&app, &[(11, 1), (4, 1)]).await;
    until("both are listed", async || {
        let all = get(&app, READ_A1, &path).await;
        (all["submissions"].as_array().unwrap().len() == 7).then_some(())
    })
    .await;
    let (mut seen, mut next) = (vec![9, 7], first["cursor"].clone());
    while let Some(cursor) = next.as_str() {
        let page = get(&app, READ_A1, &format!("{path}?limit=2&cursor={cursor}")).await;
        seen.extend(days(&page, "submissions", "authoredAt"));
        next = page["cursor"].clone();
    }
    assert_eq!(seen, [9, 7, 5, 4, 3, 1]);

    // A report is listed too. An erased submission is not, even if a cursor names it.
    let answer = app.send("POST", "/v1/reports", &report("l")).await;
    let location = answer.header("location").unwrap().to_owned();
    until("the report is listed", async || {
        let all = get(&app, READ_A1, &path).await;
        all["submissions"].as_array().unwrap().iter().any(|entry| entry["kind"] == "lab").then_some(())
    })
    .await;
    let second = get(&app, READ_A1, &format!("{path}?limit=2")).await;
    let cursor = second["cursor"].as_str().unwrap();
    let last = format!("/v1/submissions/{}", second["submissions"][1]["submissionId"].as_str().unwrap());
    for location in [&last, &location] {
        let erased = app.send("DELETE", location, &json!({"reason": "withdrawn"})).await;
        assert_eq!(erased.status, 200, "{erased:?}");
    }
    let rest = get(&app, READ_A1, &format!("{path}?cursor={cursor}")).await;
    assert_eq!(days(&rest, "submissions", "authoredAt"), [7, 5, 4, 3, 1]);
    assert_eq!(rest["cursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_a_series_and_a_picture() {
    let app = App::start().await;
    let subject = send(&app, &[(1, 4), (3, 12), (2, 8)]).await;
    let mut amendment = response(3, 10);
    amendment["responseId"] = json!("corrected");
    let first = app.submit(&response(3, 12)).await;
    amendment["amends"] = json!({"submissionId": first.rsplit('/').next().unwrap(), "reason": "typo"});
    let corrected = app.submit(&amendment).await;
    app.scored(&corrected).await;
    let path = format!("/v1/subjects/{subject}/scores?score=phq-9.total");
    let series = until("the amended value has gone", async || {
        let series = get(&app, READ_A1, &path).await;
        (series["points"].as_array().unwrap().len() == 3 && series["points"][2]["value"] == 10.0).then_some(series)
    })
    .await;
    assert_eq!(days(&series, "points", "at"), [1, 2, 3]);
    let values: Vec<&Value> = series["points"].as_array().unwrap().iter().map(|point| &point["value"]).collect();
    assert_eq!(values, [&json!(4.0), &json!(8.0), &json!(10.0)]);
    assert_eq!(series["points"][2]["band"], "moderate");
    let page = get(&app, READ_A1, &format!("{path}&limit=2")).await;
    let rest = get(&app, READ_A1, &format!("{path}&cursor={}", page["cursor"].as_str().unwrap())).await;
    assert!(days(&page, "points", "at") == [1, 2] && days(&rest, "points", "at") == [3], "{page} {rest}");

    let authorization = format!("Bearer {READ_A1}");
    let headers = [("authorization", authorization.as_str()), ("accept", "image/svg+xml")];
    let answer = app.client().await.send("GET", &path, &headers, "").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    let svg = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>"), "{svg}");
    assert!(svg.contains("3 values, from 4 to 10, last 10"), "{svg}");
    assert_eq!(svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap().split(' ').count(), 3, "{svg}");
    // An unknown score gives an empty picture, and a series without points.
    let nothing = path.replace("total", "nothing");
    let answer = app.client().await.send("GET", &nothing, &headers, "").await.unwrap();
    assert!(answer.status == 200 && !answer.body.is_empty(), "{answer:?}");
    assert_eq!(get(&app, READ_A1, &nothing).await["points"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_seen_by_those_whose_key_covers_it() {
    let app = App::start().await;
    let subject = send(&app, &[(1, 1)]).await;
    for end in ["submissions", "scores?score=phq-9.total"] {
        let path = format!("/v1/subjects/{subject}/{end}");
        for (key, expected) in
            [("nobody", 401), (SUBMIT_A, 403), (READ_B, 404), (CLINICIAN_A2, 404), (READ_A1, 200), (ADMIN, 200)]
        {
            assert_eq!(app.send_as(key, "GET", &path, &Value::Null).await.status, expected, "{key} {path}");
        }
        let unknown = format!("/v1/subjects/{}/{end}", "0".repeat(32));
        assert_eq!(app.send("GET", &unknown, &Value::Null).await.status, 404);
        assert_eq!(app.send("GET", &path.replace(&subject, "x"), &Value::Null).await.status, 404);
    }
    let path = format!("/v1/subjects/{subject}/scores?score=total&cursor=x&limit=0&z=1");
    let answer = app.send("GET", &path, &Value::Null).await;
    let mut codes: Vec<String> = answer.findings().into_iter().map(|(_, code)| code).collect();
    codes.sort();
    assert_eq!((answer.status, codes.join(" ").as_str()), (422, "format format range unknown"), "{answer:?}");
}
