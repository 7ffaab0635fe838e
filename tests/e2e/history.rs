//! Rules on change: the earlier response that they compare with, and the answer if it is unavailable.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, phq9};
use crate::audit::audit;
use crate::evaluation::{RULES, alerts};
use crate::queues;

/// A study's rules: five or more above the response before, and ten or more above the first.
pub(crate) async fn with_rules(app: &App) {
    let rule = |id: &str, since: &str, by: u8| {
        json!({"id": id, "severity": "high", "textKey": "a.change",
               "when": {"change": "total", "since": since, "atLeast": by}})
    };
    let phq = json!({"add": [rule("worse", "previous", 5), rule("much-worse", "baseline", 10)], "off": ["severe"]});
    let stored = app.send("PUT", RULES, &json!({"studies": {"A": {"instruments": {"phq-9": phq}}}})).await;
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
}

/// A response of one patient on a day of March with this total (item 9 is 0).
pub(crate) fn on(day: u8, total: u8) -> Value {
    let mut left = total;
    let answers = [0; 9].map(|_: u8| {
        let answer = left.min(3);
        left -= answer;
        answer
    });
    assert!(left == 0 && answers[8] == 0);
    let mut response = phq9(&format!("day {day}"), answers);
    response["patientId"] = json!("one patient");
    response["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
    response
}

pub(crate) fn id(location: &str) -> &str {
    location.strip_prefix("/v1/submissions/").unwrap()
}

/// The rules that raised the alerts.
pub(crate) fn rules(shown: &Value) -> Vec<String> {
    let mut rules: Vec<String> = alerts(shown).into_iter().map(|(rule, ..)| rule).collect();
    rules.sort();
    rules
}

pub(crate) async fn scored(app: &App, response: &Value) -> (String, Value) {
    let location = app.submit(response).await;
    let shown = app.scored(&location).await;
    (location, shown)
}

/// Waits until the worker has finished the entries that it stored.
pub(crate) async fn finished(app: &App) {
    crate::app::until("nothing waits", async || {
        (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_since_the_response_before_and_since_the_first_alerts() {
    let app = App::start().await;
    with_rules(&app).await;
    let (first, shown) = scored(&app, &on(1, 2)).await;
    assert_eq!((rules(&shown), &shown["history"]), (vec![], &json!({"status": "available"})));
    finished(&app).await;
    let (second, shown) = scored(&app, &on(5, 8)).await;
    assert_eq!(rules(&shown), ["worse"]);
    let reason = "score total changed by 6 since the previous response, to 8, rule: 5 or more";
    assert_eq!(alerts(&shown)[0].2, reason);
    finished(&app).await;
    let (_, shown) = scored(&app, &on(9, 12)).await;
    assert_eq!(rules(&shown), ["much-worse"]);
    let expected = json!({"status": "available", "previous": id(&second), "baseline": id(&first)});
    assert_eq!(shown["history"], expected);
    finished(&app).await;
    // A late response takes its place by the time of writing, and is compared with the responses written before it.
    let (late, shown) = scored(&app, &on(3, 9)).await;
    assert_eq!((rules(&shown), &shown["history"]["previous"]), (vec!["worse".to_owned()], &json!(id(&first))));
    finished(&app).await;
    let (_, shown) = scored(&app, &on(4, 8)).await;
    assert_eq!((rules(&shown), &shown["history"]["previous"]), (vec![], &json!(id(&late))));
    // Another patient has a history of his own, and so has another instrument.
    finished(&app).await;
    let (_, shown) = scored(&app, &phq9("other", [1; 9])).await;
    assert_eq!(shown["history"], json!({"status": "available"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_of_one_batch_see_each_other_in_the_order_of_writing() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    with_rules(&app).await;
    // Accepted in the wrong order.
    let (third, first, second) =
        (app.submit(&on(9, 20)).await, app.submit(&on(1, 2)).await, app.submit(&on(5, 8)).await);
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let mut found = Vec::new();
    for location in [&first, &second, &third] {
        let shown = app.scored(location).await;
        found.push((rules(&shown), shown["history"]["previous"].clone(), shown["history"]["baseline"].clone()));
    }
    let own = |rules: &[&str]| rules.iter().map(|&rule| rule.to_owned()).collect::<Vec<_>>();
    let expected = [
        (own(&[]), Value::Null, Value::Null),
        (own(&["worse"]), json!(id(&first)), json!(id(&first))),
        (own(&["much-worse", "worse"]), json!(id(&second)), json!(id(&first))),
    ];
    assert_eq!(found, expected);
}

/// Responses of the patient by clocks that were wrong: at the end of the century, tomorrow, and at 1970.
fn by_wrong_clocks() -> [Value; 3] {
    let tomorrow = domain::Timestamp::from_millis(now_ms() + 86_400_000).rfc3339();
    ["2099-12-31T23:59:59Z", &tomorrow, "1970-01-01T00:00:07Z"].map(|at| {
        let mut response = on(2, 20);
        (response["responseId"], response["authoredAt"]) = (json!(at), json!(at));
        response
    })
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_response_is_compared_with_one_whose_clock_was_wrong() {
    let app = App::start().await;
    with_rules(&app).await;
    let (first, shown) = scored(&app, &on(1, 2)).await;
    let mut order = vec![id(&first).to_owned()];
    for response in by_wrong_clocks() {
        finished(&app).await;
        let (location, skewed) = scored(&app, &response).await;
        assert!(skewed["flags"].as_array().unwrap().contains(&json!("clock-skewed")), "{skewed}");
        assert_eq!(skewed["authoredAt"].as_str().unwrap()[..19], response["authoredAt"].as_str().unwrap()[..19]);
        // It came in after the first, so it is compared with that.
        let expected = json!({"status": "available", "previous": id(&first), "baseline": id(&first)});
        assert_eq!(
            (rules(&skewed), &skewed["history"]),
            (vec!["much-worse".to_owned(), "worse".to_owned()], &expected)
        );
        order.push(id(&location).to_owned());
    }
    finished(&app).await;
    let (last, now) = scored(&app, &{
        let mut response = on(9, 6);
        response["authoredAt"] = json!(domain::Timestamp::from_millis(now_ms()).rfc3339());
        response
    })
    .await;
    let expected = json!({"status": "available", "previous": id(&first), "baseline": id(&first)});
    assert_eq!((rules(&now), &now["history"]), (vec![], &expected));
    order.push(id(&last).to_owned());
    finished(&app).await;
    // The list has them in the order in which they came in.
    let subject = shown["subject"].as_str().unwrap();
    let list = app.send("GET", &format!("/v1/subjects/{subject}/submissions?limit=2"), &Value::Null).await.json();
    let rest = format!("/v1/subjects/{subject}/submissions?cursor={}", list["cursor"].as_str().unwrap());
    let rest = app.send("GET", &rest, &Value::Null).await.json();
    let pages = [&list, &rest].map(|page| page["submissions"].as_array().unwrap().clone());
    let mut listed: Vec<String> =
        pages.iter().flatten().map(|one| one["submissionId"].as_str().unwrap().to_owned()).collect();
    listed.reverse();
    assert_eq!(listed, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_batch_too_a_wrong_clock_does_not_count() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    with_rules(&app).await;
    let mut wrong = Vec::new();
    for response in by_wrong_clocks() {
        wrong.push(app.submit(&response).await);
    }
    let (first, second) = (app.submit(&on(1, 2)).await, app.submit(&on(5, 4)).await);
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let shown = app.scored(&second).await;
    let expected = json!({"status": "available", "previous": id(&first), "baseline": id(&first)});
    assert_eq!((rules(&shown), &shown["history"]), (vec![], &expected));
    assert_eq!(app.scored(&first).await["history"], json!({"status": "available"}));
    for location in wrong {
        app.scored(&location).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_and_superseded_responses_do_not_count() {
    let app = App::start().await;
    with_rules(&app).await;
    let (first, _) = scored(&app, &on(1, 20)).await;
    let (second, _) = scored(&app, &on(2, 18)).await;
    finished(&app).await;
    // The first was wrong: it was 2.
    let mut amended = on(1, 2);
    amended["responseId"] = json!("amended");
    amended["amends"] = json!({"submissionId": id(&first), "reason": "patient-correction"});
    let (amending, _) = scored(&app, &amended).await;
    assert_eq!(app.send("DELETE", &second, &json!({"reason": "consent withdrawn"})).await.status, 200);
    finished(&app).await;
    let (_, shown) = scored(&app, &on(9, 12)).await;
    let expected = json!({"status": "available", "previous": id(&amending), "baseline": id(&amending)});
    assert_eq!((rules(&shown), &shown["history"]), (vec!["much-worse".to_owned(), "worse".to_owned()], &expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_cannot_be_had_is_told_and_holds_nothing_up() {
    let app = App::start().await;
    with_rules(&app).await;
    let (first, _) = scored(&app, &on(1, 2)).await;
    finished(&app).await;
    let store = rusqlite::Connection::open(app.dir.join("sqlite_key_value.db")).unwrap();
    let broken =
        store.execute("UPDATE spin_key_value SET value='{' WHERE key=?1", [format!("submission/{}", id(&first))]);
    assert_eq!(broken.unwrap(), 1);
    let (_, shown) = scored(&app, &on(5, 20)).await;
    assert_eq!(shown["scores"][0]["value"], 20.0);
    assert_eq!(shown["history"], json!({"status": "history-unavailable"}));
    let reason =
        |rule: &str| format!("rule {rule} could not be evaluated: the subject's earlier responses could not be had");
    let expected = ["worse", "much-worse"]
        .map(|rule| (format!("{rule}:history-unavailable"), "moderate".to_owned(), reason(rule)));
    assert_eq!(alerts(&shown), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_first_stands_when_an_entry_is_handed_out_again() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    with_rules(&app).await;
    let first = app.submit(&on(1, 2)).await;
    let second = app.submit(&on(5, 20)).await;
    let entries: Vec<(String, Vec<(String, String)>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let before = [app.scored(&first).await, app.scored(&second).await];
    assert_eq!(rules(&before[1]), ["much-worse", "worse"]);
    let key = format!("submission/{}", id(&second));
    let (bytes, before_again) = (app.stored(&key), audit(&app, &key).await);
    // The rules change and the same entries come again, as after a worker that died before it finished.
    let current = app.send("GET", RULES, &Value::Null).await;
    let authorization = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("if-match", current.header("etag").unwrap()),
    ];
    let none = json!({"studies": {"A": {"instruments": {"phq-9": {"off": ["severe"]}}}}});
    let changed = app.client().await.send("PUT", RULES, &headers, none.to_string()).await.unwrap();
    assert!(matches!(changed.status, 200 | 201), "{changed:?}");
    for (_, fields) in &entries {
        queues::put(&app, "score", &fields[0].1).await;
    }
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    finished(&app).await;
    assert_eq!((app.stored(&key), audit(&app, &key).await), (bytes, before_again));
    assert_eq!(rules(&app.scored(&second).await), ["much-worse", "worse"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn laboratory_results_are_graded_against_an_abnormal_baseline_where_the_study_asks() {
    let app = App::start().await;
    let stored = app.send("PUT", RULES, &json!({"studies": {"A": {"lab": {"baseline": true}}}})).await;
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
    let mut grades = Vec::new();
    for (day, value) in [(1, 100), (8, 130), (15, 510)] {
        let result = json!({"code": "1742-6", "value": value, "unit": "U/L", "collectedAt": format!("2026-03-{day:02}T07:00:00Z"),
                            "referenceRange": {"high": 40}});
        let mut report = crate::evaluation::report(&format!("lab {day}"), "lab", json!({"results": [result]}));
        report["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
        let answer = app.send("POST", "/v1/reports", &report).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let shown = app.scored(answer.header("location").unwrap()).await;
        grades.push((shown["grades"][0]["grade"].clone(), shown["history"]["status"].clone(), rules(&shown)));
        finished(&app).await;
    }
    let available = json!("available");
    // 100 is 2.5 times the upper limit; 130 and 510 are 1.3 and 5.1 times the baseline.
    let expected = [
        (json!(1), available.clone(), vec![]),
        (json!(0), available.clone(), vec![]),
        (json!(3), available, vec!["grade-3".to_owned()]),
    ];
    assert_eq!(grades, expected);
}
