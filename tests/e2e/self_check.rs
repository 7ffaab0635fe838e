//! The self-check: an alert that Vigil sends to itself passes the whole path, and leaves nothing behind.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{ADMIN, App, Builder, PHQ9, READ_A1, phq9, until};

/// The id, study and subject of the self-check.
const OWN: &str = "~self-check";

fn checked(seconds: u32) -> Builder {
    App::builder().variable("self_check_seconds", seconds.to_string())
}

async fn known(app: &App, field: &str) -> Option<i64> {
    app.redis(&["HGET", "{vigil}:self-check", field]).await
}

/// Waits until a self-check has come back that was sent after `before`. Returns the time at which it was sent.
async fn back(app: &App, before: i64) -> i64 {
    until("a self-check comes back", async || known(app, "arrived-of").await.filter(|sent| *sent > before)).await
}

/// The status of `/readyz`, and its failing checks.
async fn ready(app: &App) -> (u16, Vec<Value>) {
    let answer = app.client().await.send("GET", "/readyz", &[], "").await.unwrap();
    let checks = answer.json()["checks"].as_array().unwrap().clone();
    (answer.status, checks.into_iter().filter(|check| check["ok"] == false).collect())
}

async fn late(app: &App) {
    let failed = until("it is not ready", async || {
        let (status, failed) = ready(app).await;
        (status == 503).then_some(failed)
    })
    .await;
    let expected = json!({"name": "self-check", "ok": false, "detail": "no alert has come through for too long"});
    assert_eq!(failed, [expected]);
}

async fn metrics(app: &App) -> String {
    let answer = app.send("GET", "/metrics", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The lasting keys of Redis, without those that expire within seconds and the clock's own.
async fn keys(app: &App) -> Vec<String> {
    let mut keys: Vec<String> = app.redis(&["KEYS", "*"]).await;
    let passing = [":bell:", ":check:", ":lock"];
    let clock = ["{vigil}:clock", "{vigil}:holders", "{vigil}:minutes", "{vigil}:keys:looked"];
    keys.retain(|key| !passing.iter().any(|mark| key.contains(mark)) && !clock.contains(&key.as_str()));
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_again_and_again_and_is_nowhere_to_be_seen() {
    let app = checked(1).start().await;
    let first = back(&app, 0).await;
    let (all, stored) = (keys(&app).await, app.stored_keys(""));
    assert_eq!(
        all,
        [
            "{vigil}:pseudonym-key",
            "{vigil}:q:dispatch",
            "{vigil}:q:score",
            "{vigil}:self-check",
            "{vigil}:settings",
            "{vigil}:watch"
        ]
    );
    assert_eq!(stored, ["probe/ready", "probe/self-check", "pseudonym-key"]);
    let mut last = first;
    for _ in 0..4 {
        last = back(&app, last).await;
    }
    assert!(last - first >= 4000, "one in a second: {first} {last}");
    assert_eq!((keys(&app).await, app.stored_keys("")), (all, stored), "nothing grows");
    for stream in ["score", "dispatch"] {
        let length: usize = app.redis(&["XLEN", &format!("{{vigil}}:q:{stream}")]).await;
        assert!(length <= 2, "{stream}: {length}");
    }
    let record: Value = serde_json::from_slice(&app.stored("probe/self-check").unwrap()).unwrap();
    assert_eq!((&record["submission"]["studyId"], &record["submission"]["flags"]), (&json!(OWN), &json!([OWN[1..]])));
    assert_eq!((&record["scores"][0][1], record["alerts"].as_array().unwrap().len()), (&json!(1.0), 1));

    let text = metrics(&app).await;
    let (age, took) =
        (value(&text, "vigil_self_check_age_seconds"), value(&text, "vigil_self_check_round_trip_seconds"));
    assert!(age.is_some_and(|age| age < 30.0) && took.is_some_and(|took| took < 30.0), "{age:?} {took:?}");
    assert!(!text.contains(OWN), "{text}");
    assert!(text.lines().filter(|line| line.starts_with("vigil_alerts{")).all(|line| line.ends_with(" 0")), "{text}");
    assert!(!text.contains("vigil_submissions_total{") && !text.contains("vigil_delivery_attempts_total{"), "{text}");
    let sites = app.send("GET", "/v1/stats/sites", &Value::Null).await.json();
    assert_eq!((&sites["total"]["accepted"], &sites["sites"]), (&json!(0), &json!([])));
    let hour = app.send("GET", "/v1/stats/hour", &Value::Null).await.json();
    let counted = |minute: &Value| ["accepted", "scored", "delivered"].iter().any(|it| minute[it] != 0);
    assert!(!hour["minutes"].as_array().unwrap().iter().any(counted), "{hour}");
    assert_eq!(app.send("GET", "/v1/alerts", &Value::Null).await.json()["alerts"], json!([]));
    assert_eq!(app.send("GET", "/v1/dead-letters", &Value::Null).await.json()["deadLetters"], json!([]));
    for key in [ADMIN, READ_A1] {
        for path in ["/v1/submissions/~self-check", "/v1/alerts/~self-check", "/v1/subjects/~self-check/submissions"] {
            let answer = app.send_as(key, "GET", path, &Value::Null).await;
            assert!(matches!(answer.status, 403 | 404 | 422), "{path}: {answer:?}");
        }
    }
    let mut own = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1]);
    own["studyId"] = json!(OWN);
    assert_eq!(app.send("POST", PHQ9, &own).await.findings(), [("/studyId".into(), "format".into())]);
    until("it is ready", async || (ready(&app).await == (200, Vec::new())).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_send_one_in_an_interval() {
    let first = checked(2).start().await;
    let second = checked(2).start_beside(&first).await;
    let sent = async || known(&second, "accepted|~self-check|self-check").await.unwrap_or(0);
    let reach = async |count: i64| until("they are sent", async || Some(sent().await).filter(|it| *it >= count)).await;
    let (before, since) = (reach(1).await, Instant::now());
    let count = reach(before + 3).await - before;
    // The first of them may have followed at once.
    let least = Duration::from_millis(2000 * (u64::try_from(count).unwrap() - 1) - 100);
    assert!(since.elapsed() >= least, "{count} in {:?}", since.elapsed());
    back(&first, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_broken_anywhere_is_not_ready_and_says_why() {
    for missing in ["clock", "score", "dispatch"] {
        let all = ["submit", "records", "console", "clock", "score", "dispatch", "ops", "alerts"];
        let rest: Vec<&str> = all.into_iter().filter(|id| *id != missing).collect();
        let mut app = checked(1).only(&rest).start().await;
        late(&app).await;
        assert!(value(&metrics(&app).await, "vigil_self_check_age_seconds").is_some_and(|age| age > 3.0), "{missing}");
        // Self-checks do not pile up if nobody works on them: one in three intervals, and they waited little longer
        // than one of these.
        let waiting: usize = app.redis(&["XLEN", "{vigil}:q:score"]).await;
        assert!(waiting <= 4, "without {missing}: {waiting}");
        app.stop().await;
        app.run_all();
        app.start_again().await;
        assert!(known(&app, "arrived").await.is_some(), "it is ready because one came back");
        assert_eq!(app.stored_keys("alert/"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_down_has_time_for_the_first_one() {
    let mut app = checked(1).only(&["records", "ops"]).start().await;
    app.stop().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let ago = (now - 3_600_000).to_string();
    for field in ["since", "looked", "sent", "arrived", "arrived-of"] {
        let _: usize = app.redis(&["HSET", "{vigil}:self-check", field, &ago]).await;
    }
    app.start_unready().await;
    let first = until("it answers", async || {
        let mut client = crate::client::Client::connect(app.address).await.ok()?;
        Some(client.send("GET", "/readyz", &[], "").await.ok()?.status)
    })
    .await;
    assert_eq!(first, 200);
    // Without a clock, no self-check will come.
    late(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_round_sends_it_and_takes_it_the_whole_way() {
    let app = checked(1).only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let round = async || app.send("POST", "/v1/ops/drain", &Value::Null).await.json();
    let nothing = json!({"due": 0, "overdue": 0, "scored": 0, "dispatched": 0});
    assert_eq!(round().await, nothing, "it is not counted");
    let first = known(&app, "arrived-of").await.unwrap();
    until("the next is due, and comes back", async || {
        assert_eq!(round().await, nothing);
        known(&app, "arrived-of").await.filter(|sent| *sent > first)
    })
    .await;
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 0);
}
