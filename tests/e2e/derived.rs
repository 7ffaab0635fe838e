//! `vigilctl reindex`: rebuilds everything that is derived from the records of submissions, and removes the rest.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9, until};
use crate::receiver::Receiver;

const CALM: [u8; 9] = [0; 9];
/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
/// The keys that reindexing rebuilds, by their prefixes.
const DERIVED: [&str; 7] = ["filed:", "month:", "superseded:", "erased", "alerts", "alert-facts", "alert-counts"];

/// Runs it and returns its output; it must succeed.
fn reindex(app: &App) -> String {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["reindex", "--state-dir"]).arg(&app.dir);
    command.args(["--variable", &format!("redis_url={}", app.redis.as_ref().unwrap().url())]);
    let ended = command.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said}");
    said
}

/// All derived data in Redis: keys with their contents in a fixed order.
async fn derived(app: &App) -> BTreeMap<String, Vec<String>> {
    let keys: Vec<String> = app.redis(&["KEYS", "{vigil}:*"]).await;
    let mut all = BTreeMap::new();
    for key in keys.into_iter().filter(|key| DERIVED.iter().any(|own| key["{vigil}:".len()..].starts_with(own))) {
        let kind: String = app.redis(&["TYPE", &key]).await;
        let content: Vec<String> = match kind.as_str() {
            "zset" => app.redis(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await,
            "hash" => {
                let fields: BTreeMap<String, String> = app.redis(&["HGETALL", &key]).await;
                // A count of zero equals no count.
                let fields = fields.into_iter().filter(|(_, value)| value != "0");
                fields.map(|(field, value)| format!("{field}={value}")).collect()
            }
            _ => vec![app.redis(&["GET", &key]).await],
        };
        all.insert(key, content);
    }
    all
}

fn id(location: &str) -> &str {
    location.strip_prefix("/v1/submissions/").unwrap()
}

/// Two subjects. One has two alerting responses (one superseded), a report and an erased submission.
async fn filled(receiver: &Receiver) -> (App, String) {
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let of_one = |id: &str, day: u8, answers: [u8; 9]| {
        let mut response = phq9(id, answers);
        response["patientId"] = json!("P");
        response["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
        response
    };
    let first = app.submit(&of_one("r1", 3, CRITICAL)).await;
    app.scored(&first).await;
    let mut later = of_one("r2", 1, CRITICAL);
    later["amends"] = json!({"submissionId": id(&first), "reason": "patient-correction"});
    let later = app.submit(&later).await;
    app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    let erased = app.submit(&of_one("r3", 5, CALM)).await;
    app.submit(&phq9("r4", CALM)).await;
    let result = json!({"code": "718-7", "value": 13.2, "unit": "g/dL", "collectedAt": "2026-03-01T08:00:00Z"});
    let report = json!({"reportId": "d", "studyId": "A", "siteId": "1", "patientId": "P", "kind": "lab",
                        "authoredAt": "2026-03-02T20:00:00Z", "data": {"results": [result]}});
    assert_eq!(app.send("POST", "/v1/reports", &report).await.status, 202);
    until("all is done", async || (app.work_left().await == 0).then_some(())).await;
    assert_eq!(app.send("DELETE", &erased, &json!({"reason": "consent withdrawn"})).await.status, 200);
    for location in [&first, &later] {
        app.shown(location, |shown| shown["alerts"][0]["state"].is_string()).await;
    }
    let said = reindex(&app);
    assert!(said.contains("taken out of indexes: 0 entries of submissions, 0 of alerts"), "{said}");
    let subject = app.scored(&later).await["subject"].as_str().unwrap().to_owned();
    (app, subject)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_marks_and_counters_come_back_as_they_were() {
    let receiver = Receiver::start().await;
    let (app, subject) = filled(&receiver).await;
    let before = derived(&app).await;
    let filed = &before[&format!("{{vigil}}:filed:{subject}")];
    assert_eq!(filed.len(), 2 * 3, "two responses and a report, and what was erased is not there: {filed:?}");
    assert!(before.keys().any(|key| key.contains(":month:")) && before.keys().any(|key| key.contains(":superseded:")));
    let said = reindex(&app);
    assert!(
        said.contains(
            "submissions: 4 stored, 0 listed, 0 remembered, 0 marked as superseded, 0 as erased; counters of months: 0 raised"
        ),
        "{said}"
    );
    assert!(said.contains("taken out of indexes: 0 entries of submissions, 0 of alerts"), "{said}");
    assert_eq!(derived(&app).await, before, "nothing to do");

    let () = app.redis(&["FLUSHALL"]).await;
    let said = reindex(&app);
    assert!(
        said.contains("submissions: 4 stored, 4 listed, 4 remembered, 1 marked as superseded, 1 as erased"),
        "{said}"
    );
    assert!(said.contains("journals: 5 submissions appended"), "{said}");
    assert_eq!(derived(&app).await, before);
    assert!(
        reindex(&app)
            .contains("0 listed, 0 remembered, 0 marked as superseded, 0 as erased; counters of months: 0 raised"),
        "once is enough"
    );
    let mut resent = phq9("r3", CALM);
    resent["patientId"] = json!("P");
    resent["authoredAt"] = json!("2026-03-05T08:00:00Z");
    assert_eq!(app.send("POST", PHQ9, &resent).await.status, 410, "what was erased does not come back");
    let listed = app.send("GET", &format!("/v1/subjects/{subject}/submissions"), &Value::Null).await.json();
    assert_eq!(listed["submissions"].as_array().unwrap().len(), 3, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_does_not_have_is_taken_out_and_what_was_counted_since_stays() {
    let receiver = Receiver::start().await;
    let (app, subject) = filled(&receiver).await;
    let before = derived(&app).await;
    let stranger = "00000000-0000-8000-8000-000000000000";
    let filed = format!("{{vigil}}:filed:{subject}");
    let own = before["{vigil}:alerts"][0].clone();
    let month = before.keys().find(|key| key.contains(":month:")).unwrap().clone();
    for command in [
        &["ZADD", &filed, "5", &format!("{stranger} 1 phq-9")][..],
        &["ZADD", "{vigil}:filed:of-a-stranger", "5", &format!("{stranger} 1 phq-9")],
        // An alert of another store, with its facts and counts; an alert of this store in a second phase.
        &["ZADD", "{vigil}:alerts", "5", stranger],
        &["ZADD", "{vigil}:alerts:open", "5", stranger],
        &["ZADD", "{vigil}:alerts:next", "5", stranger],
        &["HSET", "{vigil}:alert-facts", stranger, "critical A 1 - open"],
        &["HINCRBY", "{vigil}:alert-counts", "open|critical", "7"],
        &["ZADD", "{vigil}:alerts:resolved", "5", &own],
        &["HSET", &month, "alert|critical", "1"],
    ] {
        let _: i64 = app.redis(command).await;
    }
    // Erased, and still in its list: its record says that it is erased.
    let erased = app.stored_keys("submission/").into_iter().find_map(|key| {
        let record: Value = serde_json::from_slice(&app.stored(&key).unwrap()).unwrap();
        (record["state"] == "erased").then(|| key["submission/".len()..].to_owned())
    });
    let _: i64 = app.redis(&["ZADD", &filed, "7", &format!("{} 1 phq-9", erased.unwrap())]).await;

    let said = reindex(&app);
    assert!(said.contains("taken out of indexes: 3 entries of submissions, 2 of alerts"), "{said}");
    assert!(said.contains("counters of months: 1 raised"), "{said}");
    assert_eq!(derived(&app).await, before);

    let _: i64 = app.redis(&["HINCRBY", &month, "alert|critical", "5"]).await;
    assert!(reindex(&app).contains("counters of months: 0 raised"));
    assert_eq!(app.redis::<i64>(&["HGET", &month, "alert|critical"]).await, 7, "never lowered");
}
