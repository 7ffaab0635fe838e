//! Counters and metrics: every outcome is counted under the right labels, and a key sees only its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, READ_A1, READ_B, SUBMIT_A, phq9, until};
use crate::receiver::Receiver;

const STATS: &str = "/v1/stats/sites";
const HOUR: &str = "/v1/stats/hour";

fn at(study: &str, site: &str, mut document: Value) -> Value {
    document["studyId"] = json!(study);
    document["siteId"] = json!(site);
    document
}

fn lab(id: &str) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
           "kind": "lab", "data": {"results": [{"code": "718-7", "value": 13.2, "unit": "g/dL",
           "collectedAt": "2026-03-01T08:00:00Z"}]}})
}

/// Waits for figures: refusals are counted just after their reply.
async fn stats(app: &App, key: &str, condition: impl Fn(&Value) -> bool) -> Value {
    until("the counters are as they should be", async || {
        let answer = app.send_as(key, "GET", STATS, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let document = answer.json();
        condition(&document).then_some(document)
    })
    .await
}

fn site<'a>(stats: &'a Value, study: &str, site: &str) -> &'a Value {
    let sites = stats["sites"].as_array().unwrap();
    let found = sites.iter().find(|entry| entry["studyId"] == study && entry["siteId"] == site);
    found.unwrap_or_else(|| panic!("no site {study} {site}: {stats}"))
}

/// Sends requests for every outcome.
async fn everything(app: &App) {
    for (id, answers, status) in [("r1", [0; 9], 202), ("r2", [0; 9], 202), ("r1", [0; 9], 202), ("r1", [1; 9], 409)] {
        assert_eq!(app.send("POST", PHQ9, &phq9(id, answers)).await.status, status);
    }
    assert_eq!(app.send("POST", "/v1/reports", &lab("l1")).await.status, 202);
    assert_eq!(app.send("POST", PHQ9, &at("A", "2", phq9("r1", [0; 9]))).await.status, 202);
    assert_eq!(app.send("POST", PHQ9, &at("B", "1", phq9("r1", [0; 9]))).await.status, 202);
    // Rejected: of a known site and kind, of a known site, of an unknown site.
    assert_eq!(app.send("POST", PHQ9, &phq9("r3", [9; 9])).await.status, 422);
    let mut untimely = lab("l2");
    untimely["authoredAt"] = json!("today");
    assert_eq!(app.send("POST", "/v1/reports", &untimely).await.status, 422);
    assert_eq!(app.send("POST", "/v1/reports", &json!([])).await.status, 422);
    assert_eq!(app.send("POST", PHQ9, &at("a study", "1", phq9("r4", [0; 9]))).await.status, 422);
    // Refused: a faulty document of a study that the key does not cover does not count for that study.
    assert_eq!(app.send_as(SUBMIT_A, "POST", PHQ9, &at("B", "1", phq9("r5", [9; 9]))).await.status, 422);
    assert_eq!(app.send_as(SUBMIT_A, "POST", PHQ9, &at("B", "1", phq9("r5", [0; 9]))).await.status, 403);
    assert_eq!(app.send_as(READ_A1, "POST", PHQ9, &phq9("r6", [0; 9])).await.status, 403);
    for _ in 0..3 {
        assert_eq!(app.send_as("nobody", "POST", PHQ9, &phq9("r6", [0; 9])).await.status, 401);
    }
    assert_eq!(app.send_as("nobody", "GET", STATS, &Value::Null).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_counted_by_site_and_kind() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    everything(&app).await;
    let expected = json!({"accepted": 5, "duplicate": 1, "conflict": 1, "rejected": 5, "oversized": 0,
                          "limited": 0, "busy": 0, "unauthenticated": 4, "forbidden": 2});
    let all = stats(&app, ADMIN, |stats| stats["total"] == expected).await;
    let one = site(&all, "A", "1");
    assert_eq!((&one["accepted"], &one["rejected"]), (&json!(3), &json!(2)), "{one}");
    let response = &one["kinds"]["response"];
    for (outcome, count) in [("accepted", 2), ("duplicate", 1), ("conflict", 1), ("rejected", 1)] {
        assert_eq!(response[outcome], count, "{outcome}: {one}");
    }
    assert_eq!((&one["kinds"]["lab"]["accepted"], &one["kinds"]["lab"]["rejected"]), (&json!(1), &json!(1)), "{one}");
    assert_eq!(site(&all, "A", "2")["accepted"], 1);
    let other = site(&all, "B", "1");
    assert_eq!((&other["accepted"], &other["rejected"], &other["forbidden"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(site(&all, "A", "*")["forbidden"], 1, "counted for the key that tried");
    let unknown = site(&all, "*", "*");
    assert_eq!((&unknown["rejected"], &unknown["unauthenticated"]), (&json!(3), &json!(4)), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_meets_a_full_queue_is_counted() {
    let app = App::builder().variable("queue_capacity", "1").only(&["submit", "console", "alerts"]).start().await;
    for (id, status) in [("r1", 202), ("r2", 503), ("r3", 503)] {
        assert_eq!(app.send("POST", PHQ9, &phq9(id, [0; 9])).await.status, status);
    }
    let mut long = phq9("r4", [0; 9]);
    long["note"] = json!("x".repeat(300 * 1024));
    assert_eq!(app.send("POST", PHQ9, &long).await.status, 413);
    let counted = |stats: &Value| stats["total"]["busy"] == 2 && stats["total"]["oversized"] == 1;
    let all = stats(&app, ADMIN, counted).await;
    let here = site(&all, "A", "1");
    assert_eq!((&here["kinds"]["response"]["busy"], &here["oversized"]), (&json!(2), &json!(0)), "{all}");
    assert!(scrape(&app, ADMIN).await.contains("outcome=\"oversized\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_the_counters_of_its_study_and_site() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    everything(&app).await;
    stats(&app, ADMIN, |stats| stats["total"]["unauthenticated"] == 4 && stats["total"]["rejected"] == 5).await;
    let places = |stats: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        stats["sites"].as_array().unwrap().iter().map(|s| (text(&s["studyId"]), text(&s["siteId"]))).collect()
    };
    let own = stats(&app, READ_A1, |_| true).await;
    assert_eq!(places(&own), [("A".into(), "1".into())]);
    assert_eq!(own["total"]["accepted"], 3, "the total is that of what is seen");
    assert_eq!(own["total"]["unauthenticated"], 0);
    let other = stats(&app, READ_B, |_| true).await;
    assert_eq!(places(&other), [("B".into(), "1".into())]);

    let text = scrape(&app, READ_B).await;
    assert!(text.contains("study=\"B\"") && !text.contains("study=\"A\""), "{text}");
    for path in [STATS, HOUR, "/metrics"] {
        assert_eq!(app.send_as(SUBMIT_A, "GET", path, &Value::Null).await.status, 403);
        assert_eq!(app.client().await.send("GET", path, &[], "").await.unwrap().status, 401);
        assert_eq!(app.send("POST", path, &Value::Null).await.status, 405);
    }
}

async fn scrape(app: &App, key: &str) -> String {
    let answer = app.send_as(key, "GET", "/metrics", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The samples of an OpenMetrics text: name and labels to value. A format error fails the test.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").unwrap();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match what {
                "HELP" | "UNIT" => {}
                "TYPE" => (family, kind) = (name.to_owned(), rest.to_owned()),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = sample.split('{').next().unwrap();
        let expected = match kind.as_str() {
            "counter" => vec![format!("{family}_total")],
            "histogram" => ["sum", "count", "bucket"].map(|part| format!("{family}_{part}")).to_vec(),
            _ => vec![family.clone()],
        };
        assert!(expected.iter().any(|it| it == name), "a sample belongs to the family above it: {name}");
        assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_metrics_and_tell_what_waits() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let empty = samples(&scrape(&app, ADMIN).await);
    for name in ["vigil_queue_entries{queue=\"score\"}", "vigil_queue_oldest_age_seconds{queue=\"dispatch\"}"] {
        assert_eq!(empty[name], 0.0, "{empty:?}");
    }
    everything(&app).await;
    let _: u32 = app.redis(&["ZADD", "{vigil}:due", "99999999999999", "dispatch x"]).await;
    let _: String = app.redis(&["XADD", "{vigil}:dead", "*", "q", "score", "reason", "x", "d", "x"]).await;
    stats(&app, ADMIN, |stats| stats["total"]["unauthenticated"] == 4).await;
    let full = until("the oldest entry has an age", async || {
        let full = samples(&scrape(&app, ADMIN).await);
        (full["vigil_queue_oldest_age_seconds{queue=\"score\"}"] >= 0.05).then_some(full)
    })
    .await;
    let one = |outcome: &str, kind: &str| {
        full[&format!("vigil_submissions_total{{outcome=\"{outcome}\",study=\"A\",site=\"1\",kind=\"{kind}\"}}")]
    };
    assert_eq!((one("accepted", "response"), one("accepted", "lab"), one("conflict", "response")), (2.0, 1.0, 1.0));
    let unknown = "vigil_submissions_total{outcome=\"unauthenticated\",study=\"*\",site=\"*\",kind=\"response\"}";
    assert_eq!(full[unknown], 3.0, "{full:?}");
    assert_eq!(full["vigil_queue_entries{queue=\"score\"}"], 5.0);
    assert_eq!((full["vigil_due_entries"], full["vigil_dead_letters"]), (1.0, 1.0));
    assert!(full["vigil_queue_oldest_age_seconds{queue=\"score\"}"] < 60.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refusals_is_counted_whole_by_few_scripts() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let address = app.address;
    let senders: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let headers = [("authorization", "Bearer nobody"), ("content-type", "application/json")];
                for _ in 0..50 {
                    assert_eq!(client.send("POST", PHQ9, &headers, "{}").await.unwrap().status, 401);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let counted = stats(&app, ADMIN, |stats| stats["total"]["unauthenticated"].as_u64() >= Some(400)).await;
    assert_eq!(counted["total"]["unauthenticated"], 400);
}

/// The sums of the last hour over its minutes: accepted, scored, delivered; and the last minute.
async fn hour(app: &App) -> ([u64; 3], Value) {
    let answer = app.send("GET", HOUR, &Value::Null).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let shown = answer.json();
    let minutes = shown["minutes"].as_array().unwrap();
    let sum = |what: &str| minutes.iter().map(|minute| minute[what].as_u64().unwrap()).sum();
    assert!(minutes.is_sorted_by_key(|minute| minute["at"].as_str().unwrap()), "{shown}");
    (["accepted", "scored", "delivered"].map(sum), minutes.last().cloned().unwrap_or_default())
}

async fn drain(app: &App) {
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_hour_is_told_minute_by_minute() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).only(&["submit", "records", "ops"]).start().await;
    assert_eq!(hour(&app).await, ([0, 0, 0], Value::Null));
    // The first round finds nothing to do, and the clock rests.
    drain(&app).await;
    assert_eq!(hour(&app).await.0, [0, 0, 0]);
    for id in ["r1", "r2", "r3"] {
        app.submit(&phq9(id, [0; 9])).await;
    }
    // A round takes its sample before it scores.
    drain(&app).await;
    let (sums, minute) = hour(&app).await;
    assert_eq!((sums, &minute["waiting"]), ([3, 0, 0], &json!({"score": 3, "dispatch": 0})), "{minute}");
    assert!(minute["oldestMs"]["score"].as_u64() < Some(60_000), "{minute}");
    // It rests when the worker's lease is over, and takes a last sample.
    let minute = until("the clock rests", async || {
        drain(&app).await;
        let (sums, minute) = hour(&app).await;
        (sums == [3, 3, 0]).then_some(minute)
    })
    .await;
    assert_eq!(minute["waiting"], json!({"score": 0, "dispatch": 0}), "{minute}");
    assert_eq!(minute["oldestMs"], minute["waiting"], "{minute}");

    // While an alert waits for a person, the clock goes on: the next sample is that of the next minute.
    app.submit(&phq9("r4", [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    drain(&app).await;
    drain(&app).await;
    let last: String = app.redis(&["HGET", "{vigil}:minutes", "last"]).await;
    let (of, rest) = last.split_once(' ').unwrap();
    let before = (of.parse::<u64>().unwrap() - 1).to_string();
    let _: () = app.redis(&["HSET", "{vigil}:minutes", "last", &format!("{before} {rest}")]).await;
    drain(&app).await;
    assert_eq!((hour(&app).await.0, receiver.calls().len()), ([4, 4, 1], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_figures_are_away_and_nothing_breaks() {
    let mut app = App::builder().outliving_redis().start().await;
    app.redis.as_mut().unwrap().kill().unwrap();
    for path in [STATS, "/metrics"] {
        let answer = app.send("GET", path, &Value::Null).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{answer:?}");
    }
    // A refusal that cannot be counted is still a refusal.
    assert_eq!(app.send_as("nobody", "POST", PHQ9, &phq9("r", [0; 9])).await.status, 401);
}
