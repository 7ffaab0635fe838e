//! Overdue diaries and responses.

use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9, until};
use crate::evaluation::{RULES, alerts, report};
use crate::queues;
use crate::receiver::Receiver;
use crate::reindex::reindex;

/// Stores rules on overdue submissions for study A; `what` is a member of a study.
pub(crate) async fn put(app: &App, what: Value) {
    let body = json!({"studies": {"A": what}}).to_string();
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", "*")];
    let now = app.send("GET", RULES, &Value::Null).await;
    let headers = if now.status == 404 { &headers[..2] } else { &headers[..] };
    let stored = app.client().await.send("PUT", RULES, headers, body.clone()).await.unwrap();
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
}

pub(crate) fn diaries(every: f64, most: u16) -> Value {
    let when = json!({"everySeconds": every, "most": most});
    json!({"diary": {"overdue": [{"id": "no-diary", "severity": "critical", "textKey": "diary.overdue", "when": when}]}})
}

/// Sends a diary, and returns its location when it is scored.
async fn diary(app: &App, id: &str) -> String {
    diary_of(app, id, "p").await
}

async fn diary_of(app: &App, id: &str, patient: &str) -> String {
    let mut diary = report(id, "diary", json!({"note": "fine"}));
    diary["patientId"] = json!(patient);
    let answer = app.send("POST", "/v1/reports", &diary).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    app.scored(&location).await;
    location
}

fn id(location: &str) -> &str {
    location.strip_prefix("/v1/submissions/").unwrap()
}

/// The overdue checks that wait for their time, called looks.
pub(crate) async fn looks(app: &App) -> Vec<(String, i64)> {
    let due: Vec<(String, i64)> = app.redis(&["ZRANGE", "{vigil}:due", "0", "-1", "WITHSCORES"]).await;
    due.into_iter().filter(|(member, _)| member.starts_with("score ")).collect()
}

pub(crate) async fn received(app: &App, location: &str) -> i64 {
    let shown = app.send("GET", location, &Value::Null).await.json();
    domain::Timestamp::parse(shown["receivedAt"].as_str().unwrap()).unwrap().millis()
}

/// The only look, once it is due at this time.
async fn look_at(app: &App, expected: i64) -> String {
    until("the look is due then", async || {
        let looks = looks(app).await;
        (looks.len() == 1 && looks[0].1 == expected).then(|| looks[0].0.clone())
    })
    .await
}

/// The queue entry of a look.
fn entry_of(look: &str) -> &str {
    look.splitn(3, ' ').nth(2).unwrap()
}

/// Makes a look due at once.
pub(crate) async fn look_now(app: &App, member: &str) {
    let _: u32 = app.redis(&["ZADD", "{vigil}:due", "XX", "CH", "0", member]).await;
}

/// The number of looks that wait for their time, and of entries in progress, read at the same moment.
async fn busy(app: &App) -> (usize, usize) {
    let script = "local looks = 0
        for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
          if string.sub(member, 1, 6) == 'score ' then looks = looks + 1 end
        end
        return {looks, redis.call('XLEN', KEYS[2]) + redis.call('XLEN', KEYS[3])}";
    app.redis(&["EVAL", script, "3", "{vigil}:due", "{vigil}:q:score", "{vigil}:q:dispatch"]).await
}

/// Waits until no entry is in progress.
pub(crate) async fn settled(app: &App) {
    until("the queues are empty", async || (busy(app).await.1 == 0).then_some(())).await;
}

/// Waits until no entry is in progress and no look waits.
async fn quiet(app: &App) {
    until("nobody is expected", async || (busy(app).await == (0, 0)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missed_interval_alerts_once_up_to_the_most() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let when = json!({"everySeconds": 1, "graceSeconds": 0.5, "most": 2});
    let rule = json!({"id": "no-diary", "severity": "critical", "textKey": "diary.overdue", "when": when});
    put(&app, json!({"diary": {"overdue": [rule]}})).await;
    let location = diary(&app, "d1").await;
    let calls = receiver.heard(2).await;
    quiet(&app).await;
    assert_eq!(receiver.calls().len(), 2, "after the last miss nobody is told again");
    let heard = calls[0].json()["data"].clone();
    assert_eq!((&heard["rule"], &heard["instrument"]), (&json!("no-diary"), &json!("diary")));
    assert_eq!(heard["textKey"], "diary.overdue");

    let shown = app.send("GET", &location, &Value::Null).await.json();
    let reason = |silence: &str| format!("no diary for {silence} s, rule: every 1 s, grace 0.5 s");
    let one = |silence| ("no-diary".to_owned(), "critical".to_owned(), reason(silence));
    assert_eq!(alerts(&shown), [one("1.5"), one("2.5")], "{shown}");
    let listed = app.send("GET", "/v1/alerts", &Value::Null).await.json();
    assert_eq!(listed["alerts"].as_array().unwrap().len(), 2, "{listed}");
    // The alert's time of receipt is the time at which the diary was due: the delay is measured from it.
    let ids: Vec<&str> = shown["alerts"].as_array().unwrap().iter().map(|it| it["alertId"].as_str().unwrap()).collect();
    let due = app.send("GET", &format!("/v1/alerts/{}", ids[0]), &Value::Null).await.json();
    let at = domain::Timestamp::parse(due["receivedAt"].as_str().unwrap()).unwrap().millis();
    assert_eq!(at, received(&app, &location).await + 1500);

    // The next diary ends the silence, and counting starts again.
    let next = diary(&app, "d2").await;
    receiver.heard(4).await;
    quiet(&app).await;
    let shown = app.send("GET", &next, &Value::Null).await.json();
    assert_eq!((alerts(&shown).len(), receiver.calls().len()), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diary_in_time_moves_the_look_and_the_rule_in_force_decides() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    put(&app, diaries(600.0, 1)).await;
    let first = diary(&app, "d1").await;
    look_at(&app, received(&app, &first).await + 600_000).await;
    let second = diary(&app, "d2").await;
    let due = received(&app, &second).await + 600_000;
    let look = look_at(&app, due).await;
    // A correction is no sign of life.
    let mut again = report("d1b", "diary", json!({"note": "better"}));
    again["amends"] = json!({"submissionId": id(&first), "reason": "data-entry-error"});
    let answer = app.send("POST", "/v1/reports", &again).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.scored(answer.header("location").unwrap()).await;
    // A look that comes too early raises nothing, and is repeated in time.
    look_now(&app, &look).await;
    look_at(&app, due).await;

    // The next look is at most a day away, so that a stricter rule applies soon.
    put(&app, diaries(6_000_000.0, 1)).await;
    look_now(&app, &look).await;
    until("it is looked at again in a day", async || {
        let after = looks(&app).await.first().map_or(0, |(_, at)| at - due + 600_000);
        (86_400_000..86_400_000 + 600_000).contains(&after).then_some(())
    })
    .await;
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    put(&app, diaries(0.1, 1)).await;
    look_now(&app, &look).await;
    receiver.heard(1).await;
    quiet(&app).await;
    let shown = app.send("GET", &second, &Value::Null).await.json();
    assert_eq!(alerts(&shown)[0].2, "no diary for 0.1 s, rule: every 0.1 s");
    assert_eq!((alerts(&app.send("GET", &first, &Value::Null).await.json()), receiver.calls().len()), (vec![], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_gone_awaits_nobody() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    diary(&app, "d0").await;
    assert_eq!(app.redis::<Vec<String>>(&["KEYS", "{vigil}:received:*"]).await, Vec::<String>::new());
    assert_eq!(looks(&app).await, []);
    put(&app, diaries(600.0, 1)).await;
    let location = diary(&app, "d1").await;
    let look = look_at(&app, received(&app, &location).await + 600_000).await;
    // Missing submissions of another study or another instrument do not concern this rule.
    app.scored(&app.submit(&phq9("s1", [0; 9])).await).await;
    let mut other = report("b1", "diary", json!({"note": "fine"}));
    other["studyId"] = json!("B");
    let answer = app.send("POST", "/v1/reports", &other).await;
    app.scored(answer.header("location").unwrap()).await;
    assert_eq!(looks(&app).await.len(), 1);
    put(&app, json!({"diary": {"add": []}})).await;
    look_now(&app, &look).await;
    quiet(&app).await;
    assert_eq!((app.stored_keys("alert/"), receiver.calls().len()), (Vec::<String>::new(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_find_a_miss_once() {
    const PATIENTS: usize = 12;
    let receiver = Receiver::start().await;
    let builder = || App::builder().routes(&[&receiver.url()]);
    let first = builder().start().await;
    let second = builder().start_beside(&first).await;
    let when = json!({"everySeconds": 1.5, "most": 1});
    let rule = json!({"id": "no-phq", "severity": "high", "textKey": "phq.overdue", "when": when});
    put(&first, json!({"instruments": {"phq-9": {"overdue": [rule]}}})).await;
    for number in 0..PATIENTS {
        let host = if number % 2 == 0 { &first } else { &second };
        // `phq9` gives each response its own patient.
        let answer = host.send("POST", PHQ9, &phq9(&format!("r{number}"), [0; 9])).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    // Looks that come twice and too early.
    let looks = until("all are expected", async || {
        let looks = looks(&first).await;
        (looks.len() == PATIENTS || !receiver.calls().is_empty()).then_some(looks)
    })
    .await;
    for (look, _) in &looks {
        let look = entry_of(look);
        queues::put(&first, "score", look).await;
    }
    receiver.heard(PATIENTS).await;
    for (look, _) in &looks {
        let look = entry_of(look);
        queues::put(&first, "score", look).await;
    }
    let _: u32 = first.redis(&["PUBLISH", "vigil.score", ""]).await;
    quiet(&first).await;
    let calls = receiver.calls();
    let ids: std::collections::BTreeSet<String> = calls.iter().map(|call| call.id()).collect();
    assert_eq!((calls.len(), ids.len()), (PATIENTS, PATIENTS));
    assert_eq!(calls[0].json()["data"]["reason"], "no phq-9 for 1.5 s, rule: every 1.5 s");
    let stored = first.stored_keys("alert/").into_iter().filter(|key| key.matches('/').count() == 1).count();
    assert_eq!(stored, PATIENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_diaries_do_not_count_and_their_alerts_go_with_them() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    put(&app, diaries(600.0, 1)).await;
    let (first, second) = (diary(&app, "d1").await, diary(&app, "d2").await);
    let look = look_at(&app, received(&app, &second).await + 600_000).await;
    let why = json!({"reason": "consent withdrawn"});
    assert_eq!(app.send("DELETE", &second, &why).await.status, 200);
    put(&app, diaries(0.1, 1)).await;
    look_now(&app, &look).await;
    receiver.heard(1).await;
    quiet(&app).await;
    let shown = app.send("GET", &first, &Value::Null).await.json();
    assert_eq!(alerts(&shown).len(), 1, "the one before counts: {shown}");
    assert_eq!(app.stored_keys(&format!("submission/{}/overdue", id(&first))).len(), 1);

    assert_eq!(app.send("DELETE", &first, &why).await.status, 200);
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    assert_eq!(app.stored_keys(&format!("submission/{}/overdue", id(&first))), Vec::<String>::new());
    // If all submissions of a patient are erased, none is overdue.
    let entry = entry_of(&look);
    queues::put(&app, "score", entry).await;
    let _: u32 = app.redis(&["PUBLISH", "vigil.score", ""]).await;
    quiet(&app).await;
    assert_eq!((app.stored_keys("alert/"), receiver.calls().len()), (Vec::<String>::new(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_round_finds_what_is_overdue() {
    let receiver = Receiver::start().await;
    let components = ["submit", "records", "console", "ops", "alerts"];
    let app = App::builder().routes(&[&receiver.url()]).only(&components).start().await;
    put(&app, diaries(0.3, 1)).await;
    let answer = app.send("POST", "/v1/reports", &report("d1", "diary", json!({"note": "fine"}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    until("the alert is there", async || {
        assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.status, 200);
        (receiver.calls().len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_died_before_handing_over_loses_no_alert() {
    let receiver = Receiver::start().await;
    let components = ["submit", "records", "console", "score", "clock", "ops", "alerts"];
    let mut app = App::builder().probed().routes(&[&receiver.url()]).only(&components).start().await;
    put(&app, diaries(0.3, 1)).await;
    let location = diary(&app, "d1").await;
    until("it is handed over", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:dispatch"]).await == 1).then_some(()))
        .await;
    let stored = app.stored(&format!("submission/{}/overdue", id(&location))).unwrap();
    app.stop().await;
    // Undo the handover: the alert is stored, and a dead worker still holds the look.
    let subject: Vec<String> = app.redis(&["KEYS", "{vigil}:received:*"]).await;
    let subject = subject[0].split(':').nth(2).unwrap();
    let look = json!({"check": {"study": "A", "site": "1", "subject": subject, "expected": "/diary"}}).to_string();
    let _: usize = app.redis(&["XTRIM", "{vigil}:q:dispatch", "MAXLEN", "0"]).await;
    queues::put(&app, "score", &look).await;
    queues::take(&app, "score", "gone", 60_000).await;
    queues::die(&app, "gone").await;
    app.run_all();
    app.start_again().await;
    receiver.heard(1).await;
    quiet(&app).await;
    assert_eq!(
        (app.stored(&format!("submission/{}/overdue", id(&location))).unwrap(), receiver.calls().len()),
        (stored, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_expected_is_known_again_after_redis_was_lost() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    diary(&app, "d0").await;
    put(&app, diaries(600.0, 1)).await;
    let (first, second) = (diary(&app, "d1").await, diary(&app, "d2").await);
    assert_eq!(app.send("DELETE", &first, &json!({"reason": "consent withdrawn"})).await.status, 200);
    let look = look_at(&app, received(&app, &second).await + 600_000).await;
    settled(&app).await;
    let () = app.redis(&["FLUSHALL"]).await;
    let (well, said) = reindex(&app);
    // A submission from before the rule counts too; an erased one does not.
    assert!(well && said.contains("another is expected: 2 indexed"), "{said}");
    assert_eq!(look_at(&app, received(&app, &second).await + 600_000).await, look);
    put(&app, diaries(0.1, 1)).await;
    look_now(&app, &look).await;
    receiver.heard(1).await;
    let shown = app.send("GET", &second, &Value::Null).await.json();
    assert_eq!((alerts(&shown).len(), receiver.calls().len()), (1, 1), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_time_and_is_in_another_workers_hands_is_waited_for() {
    let receiver = Receiver::start().await;
    let components = ["submit", "records", "console", "ops", "alerts"];
    let app = App::builder().routes(&[&receiver.url()]).only(&components).start().await;
    let drain = async || assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.status, 200);
    let send = async |id: &str| {
        let answer = app.send("POST", "/v1/reports", &report(id, "diary", json!({"note": "fine"}))).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    };
    put(&app, diaries(600.0, 1)).await;
    let first = send("d1").await;
    drain().await;
    let began = received(&app, &first).await;
    let second = send("d2").await;
    queues::take(&app, "score", "slow", 600_000).await;
    let held: Vec<(String, Vec<(String, String)>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    let entry = held[0].0.clone();
    // The first diary's deadline is one second after the second diary arrived.
    let every = entry.split('-').next().unwrap().parse::<i64>().unwrap() - began + 1000;
    put(&app, diaries(every as f64 / 1000.0, 1)).await;
    let look = look_at(&app, began + 600_000).await;
    until("the miss is there", async || (now() > began + every).then_some(())).await;
    look_now(&app, &look).await;
    drain().await;
    assert_eq!((busy(&app).await, app.stored_keys("alert/")), ((1, 1), Vec::<String>::new()));
    // That worker died; another goes on.
    queues::die(&app, "slow").await;
    until("the silence after the second is told", async || {
        drain().await;
        (receiver.calls().len() == 1).then_some(())
    })
    .await;
    let of = async |location: &str| alerts(&app.send("GET", location, &Value::Null).await.json()).len();
    assert_eq!((of(&first).await, of(&second).await), (0, 1));
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
