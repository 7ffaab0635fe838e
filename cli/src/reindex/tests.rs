use std::collections::BTreeMap;

use domain::Timestamp;
use domain::alert::routes::Routes;
use domain::settings::Document;
use platform::kv::Batch;
use platform::redis::{string, text};
use serde_json::{Value, json};
use state::audit::{Action, Change};
use state::settings::{Changed, Settings};
use state::wire::entry::{Subject, Superseded};
use state::{alerts, audit, erasure, names};

use super::*;
use crate::tests::on_both_stores;

const AT: &str = "2026-03-01T08:00:00.000Z";
/// The keys that reindexing rebuilds, by their beginnings.
const DERIVED: [&str; 13] = [
    "subjects:",
    "failed:",
    "erasing-study:",
    "filed:",
    "received:",
    "month:",
    "superseded:",
    "erased",
    "alerts",
    "alert-facts",
    "alert-counts",
    "links",
    "due",
];

fn alert(id: &str, submission: &str) -> Alert {
    let alert = json!({"alertId": id, "submissionId": submission, "studyId": "A", "siteId": "1", "subject": "p",
        "instrument": "phq-9", "rule": "item-9", "severity": "critical", "textKey": "phq-9.item-9", "reason": "item 9",
        "receivedAt": AT, "key": "k", "trace": ""});
    serde_json::from_value(alert).unwrap()
}

fn submission(id: &str, state: &str, alerts: &[&str]) -> Value {
    json!({"state": state, "scores": [], "alerts": alerts, "submission": {"submissionId": id, "studyId": "A",
        "siteId": "1", "subject": "p", "kind": "response", "instrument": "phq-9", "authoredAt": AT, "receivedAt": AT,
        "key": "k", "hash": "h", "content": {}}})
}

fn subject(id: &str) -> Subject {
    Subject { subject: id.into(), study_id: "A".into(), site_id: "1".into(), sealed: "s".to_owned() }
}

fn routes() -> Routes {
    let routes = json!({"receivers": {"r": {"channel": "sms", "url": "https://example.org/r"}},
        "defaults": {"routes": {"critical": ["r"]}}});
    Routes::read(&routes).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Two responses, of which one took the other's place, an erased one, two alerts of which one was raised, two subjects that
/// are one person, and a rule on what does not come.
async fn fill(redis: &Redis, store: &Store) {
    let mut batch = Batch::default();
    for (id, state, alerts) in [("s1", "scored", &["a1"][..]), ("s2", "scored", &["a2"])] {
        batch.put(names::submission(&id.into()), &submission(id, state, alerts)).unwrap();
    }
    batch.put(names::superseded(&"s1".into()), &Superseded { by: "s2".into(), at: AT.to_owned() }).unwrap();
    let tombstone = erasure::tombstone(&"s3".into(), &"A".into(), &"1".into(), AT).unwrap();
    batch.put_text(names::submission(&"s3".into()), tombstone);
    let actor = "k".into();
    let erased = Change { reason: Some("withdrawn"), ..Change::new(AT, &actor, Action::Erased) };
    audit::begin(&mut batch, &names::submission(&"s3".into()), &erased).unwrap();
    for id in ["p", "q", "r"] {
        batch.put(names::subject(&id.into()), &subject(id)).unwrap();
    }
    for id in ["a1", "a2"] {
        batch.put(names::alert(&id.into()), &alert(id, "s1")).unwrap();
    }
    let failed = submission("s4", "failed", &[]);
    batch.put(names::submission(&"s4".into()), &failed).unwrap();
    let job = json!({"study": "C", "state": "erasing", "beganAt": AT, "beganBy": "k", "reason": "over", "subjects": 0,
        "submissions": 0, "analyses": 0});
    batch.put(names::study_erasure(&"C".into()), &job).unwrap();
    batch.put_text(names::alert(&"damaged".into()), "{}".to_owned());
    kv::put_all(&mut batch).unwrap();
    let said = links::Author { at: AT, by: &"k".into(), reason: "moved" };
    links::change(redis, true, &subject("p"), &subject("q"), said).await.unwrap();
    let at = Timestamp::parse(AT).unwrap();
    alerts::raise(redis, store, &routes(), &[], &alert("a1", "s1"), at).await.unwrap();
    rules(redis, 86_400).await;
}

async fn rules(redis: &Redis, seconds: u32) {
    let rule =
        json!({"id": "silent", "severity": "high", "textKey": "silent", "when": {"everySeconds": seconds, "most": 1}});
    let rules = json!({"studies": {"A": {"instruments": {"phq-9": {"overdue": [rule]}}}}}).to_string();
    let plan = |index: &mut state::settings::Index, at: &str| {
        Ok::<_, ()>(index.replace(Document::AlertRules, &rules, at, &"k".into()))
    };
    assert!(matches!(settings::change(redis, &"k".into(), (None, None), plan).await, Ok(Changed::Made(_))));
}

async fn command(redis: &Redis, words: &[&str]) -> Vec<String> {
    let (name, arguments) = words.split_first().unwrap();
    let reply = redis.command(name, arguments.iter().map(|word| text(*word)).collect()).await.unwrap();
    reply.iter().filter_map(string).collect()
}

/// Everything derived that Redis has.
async fn derived(redis: &Redis) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for key in command(redis, &["KEYS", "{vigil}:*"]).await {
        if !DERIVED.iter().any(|own| key["{vigil}:".len()..].starts_with(own)) {
            continue;
        }
        let kind = command(redis, &["TYPE", &key]).await.remove(0);
        let mut content = match kind.as_str() {
            "zset" => command(redis, &["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await,
            "hash" => command(redis, &["HGETALL", &key]).await,
            _ => command(redis, &["GET", &key]).await,
        };
        content.sort();
        all.insert(key, content);
    }
    all
}

#[test]
fn what_redis_lost_comes_back_and_what_it_has_stays() {
    on_both_stores(|location, queues| {
        let once = || run(location, queues).unwrap();
        let redis = Redis::new(queues);
        crate::block_on(async {
            fill(&redis, &Store::open().await?).await;
            Ok(())
        })
        .unwrap();
        let first = once();
        let expected = Counts {
            alerts: 2,
            raised: 1,
            journaled: 4,
            expected: 3,
            submissions: 2,
            listed: 2,
            remembered: 3,
            superseded: 1,
            erased: 1,
            counters: 2,
            unreadable: 1,
            ..Counts::default()
        };
        assert_eq!(first, expected, "{location:?}");
        let look = || crate::block_on(async { Ok(derived(&redis).await) }).unwrap();
        let before = look();
        assert!(before.keys().filter(|key| key.contains("filed:") || key.contains("links")).count() == 2, "{before:?}");
        let at = Timestamp::parse(AT).unwrap().millis().to_string();
        for (key, expected) in [("subjects:A", ["p", &at]), ("failed:p", ["s4", &at])] {
            let mut expected = expected.map(str::to_owned);
            expected.sort();
            assert_eq!(before[&format!("{{vigil}}:{key}")], expected, "{before:?}");
        }
        // Raised again by a second run: raising it twice is raising it once.
        let nothing = Counts { alerts: 2, raised: 1, submissions: 2, unreadable: 1, ..Counts::default() };
        assert_eq!(once(), nothing);
        assert_eq!(look(), before);

        crate::block_on(async { Ok(command(&redis, &["FLUSHDB"]).await) }).unwrap();
        let back = Counts { restored: 1, linked: 2, ..first };
        assert_eq!(once(), back);
        let mut after = look();
        // The due entries are on the queues by then.
        let waiting = async |queue: &str| command(&redis, &["XLEN", &format!("{{vigil}}:q:{queue}")]).await.remove(0);
        let waiting = crate::block_on(async { Ok((waiting("score").await, waiting("dispatch").await)) }).unwrap();
        // One look, since both submissions are of one subject; what the first alert owes, and the second one to be raised.
        assert_eq!(waiting, ("1".to_owned(), "3".to_owned()));
        after.remove("{vigil}:due");
        let mut before = before;
        before.remove("{vigil}:due");
        assert_eq!(after, before, "{location:?}");

        crate::block_on(async { Ok(command(&redis, &["DEL", "{vigil}:alerts", "{vigil}:alert-facts"]).await) })
            .unwrap();
        assert_eq!(once(), Counts { indexed: 1, ..nothing });
        let mut after = look();
        after.remove("{vigil}:due");
        assert_eq!(after, before);
    });
}

#[test]
fn what_the_store_does_not_have_is_taken_out_and_its_settings_are_in_force() {
    on_both_stores(|location, queues| {
        let redis = Redis::new(queues);
        let old = crate::block_on(async {
            fill(&redis, &Store::open().await?).await;
            let old = command(&redis, &["HGETALL", names::SETTINGS]).await;
            rules(&redis, 3600).await;
            Ok(old)
        })
        .unwrap();
        run(location, queues).unwrap();
        let (before, in_force) = crate::block_on(async {
            let before = (derived(&redis).await, Settings::in_force(&redis).await?.revision().to_owned());
            for words in [
                &["ZADD", "{vigil}:filed:p", "5", "stranger 1 phq-9"][..],
                &["ZADD", "{vigil}:filed:of-a-stranger", "5", "s1 1 phq-9"],
                &["ZADD", "{vigil}:alerts", "5", "stranger"],
                &["ZADD", "{vigil}:alerts:open", "5", "stranger", "5", "without-facts"],
                &["ZADD", "{vigil}:alerts:next", "5", "stranger"],
                &["HSET", "{vigil}:alert-facts", "stranger", "critical A 1 - open"],
                &["ZADD", "{vigil}:alerts:resolved", "5", "a1"],
                &["HSET", "{vigil}:links", "r", "p 1 r 1"],
            ] {
                command(&redis, words).await;
            }
            // Redis comes from a backup that is older than the store.
            let old: Vec<&str> = ["HSET", names::SETTINGS].into_iter().chain(old.iter().map(String::as_str)).collect();
            command(&redis, &old).await;
            Ok(before)
        })
        .unwrap();
        let done = run(location, queues).unwrap();
        assert_eq!((done.stale_submissions, done.stale_alerts, done.linked, done.settings), (2, 3, 1, true));
        crate::block_on(async {
            assert_eq!(derived(&redis).await, before);
            assert_eq!(Settings::in_force(&redis).await?.revision(), in_force, "{location:?}");
            Ok(())
        })
        .unwrap();
    });
}
