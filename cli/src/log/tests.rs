use std::time::Instant;

use domain::ids::StudyId;
use platform::digest::{digest, hex};
use platform::kv::{Batch, Location, put_all, remove_all};
use serde_json::{Value, json};
use state::audit::{self, Action};
use state::erasure::study as erasure;
use state::erasure::subject::Begun;
use state::journal::head::Head;
use state::journal::{self, Event, Kind, Signer, hash_of_alerts};
use state::settings::studies::Own;
use state::settings::{self, Changed, Index, studies};

use super::*;
use crate::tests::on_both_stores;

const AT: &str = "2026-03-01T00:00:00.000Z";
const SUBMISSION: &str = "00000001-0000-4000-8000-000000000000";
const ALERT: &str = "00000002-0000-4000-8000-000000000000";

fn bytes(value: &Value) -> String {
    value.to_string()
}

fn submission(total: u32) -> Value {
    json!({"state": "scored", "submission": {"submissionId": SUBMISSION, "studyId": "A", "siteId": "1", "subject": "s",
        "kind": "response", "instrument": "phq-9", "authoredAt": AT, "receivedAt": AT, "key": "k", "hash": "h", "content": {}},
        "scores": [["total", total, null, 9, 0]], "alerts": [ALERT]})
}

fn alert(severity: &str) -> Value {
    json!({"alertId": ALERT, "submissionId": SUBMISSION, "studyId": "A", "siteId": "1", "subject": "s", "instrument": "phq-9",
        "rule": "r", "severity": severity, "textKey": "t", "reason": "why", "receivedAt": AT, "key": "k", "trace": ""})
}

fn event(submission: &Value, alert: &Value) -> Event {
    let hash = |value: &Value| hex(&digest(bytes(value).as_bytes()));
    Event {
        kind: Kind::Scored,
        site: "1".into(),
        what: "phq-9".to_owned(),
        submission: SUBMISSION.into(),
        hash: hash(submission),
        alerts: hash_of_alerts(&[hash(alert)]),
    }
}

fn put(records: &[(String, String)]) {
    let mut batch = Batch::default();
    records.iter().for_each(|(key, value)| batch.put_text(key.clone(), value.clone()));
    put_all(&mut batch).unwrap();
}

/// Stores a submission with its alert and its line, and a version of a document.
async fn fill(redis: &Redis, store: &Store) {
    let (submission, alert) = (submission(9), alert("high"));
    put(&[(names::submission(&SUBMISSION.into()), bytes(&submission)), (names::alert(&ALERT.into()), bytes(&alert))]);
    journal::append(redis, store, &"A".into(), &[event(&submission, &alert)]).await.unwrap();
    for content in ["{\"studies\":{}}", "{\"studies\":{},\"note\":\"two\"}"] {
        let plan = |index: &mut Index, at: &str| {
            Ok::<_, ()>(index.replace(domain::settings::Document::AlertRules, content, at, &"admin".into()))
        };
        let changed = settings::change(redis, &"admin".into(), (None, None), plan).await.unwrap();
        assert!(matches!(changed, Changed::Made(_)));
    }
}

/// A head as the clock signs it, whatever the time.
async fn sign(redis: &Redis, signer: &Signer) -> Option<u64> {
    redis.command("DEL", vec![text(names::HEAD_WAIT)]).await.unwrap();
    signer.sign(redis).await.unwrap()
}

fn verified(job: &Job, location: &Location, queues: &str) -> (Found, String) {
    let mut out = Vec::new();
    let found = run(job, location, queues, &mut out).unwrap();
    (found, String::from_utf8(out).unwrap())
}

#[test]
fn what_was_signed_and_changed_shows() {
    let key = [7; 32];
    on_both_stores(|location, queues| {
        let signer = Signer::new(&key).unwrap();
        let redis = Redis::new(queues);
        let (document, public) = crate::block_on(async {
            let store = Store::open().await?;
            fill(&redis, &store).await;
            assert_eq!(signer.sign(&redis).await?, Some(1));
            // Not before its time, and not for nothing.
            assert_eq!(signer.sign(&redis).await?, None);
            assert_eq!(sign(&redis, &signer).await, None);
            let document = String::from_utf8(store.bytes(&names::head(1)).await?.unwrap()).unwrap();
            let head: Head = serde_json::from_str(&document).unwrap();
            let names: Vec<&str> = head.journals.iter().map(|mark| mark.name.as_str()).collect();
            assert_eq!(names, ["*audit", "A"]);
            Ok((document, head.key))
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("head.json");
        std::fs::write(&file, &document).unwrap();
        let job = Job { files: vec![file.clone()], keys: vec![public.clone()] };
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.heads, found.lines, found.uncovered, found.faults), (1, 3, 0, 0), "{said}");
        let (_, said) = verified(&Job { keys: vec!["other".to_owned()], ..Job::default() }, location, queues);
        assert!(said.contains("is not among --public-key"), "{said}");

        // A score and its line, with the hashes computed again.
        let line = async |redis: &Redis, event: &Event| {
            let entries = redis.command("XRANGE", ["{vigil}:journal:A", "-", "+"].map(text).into()).await.unwrap();
            let position = string(&entries[0]).unwrap();
            redis.command("DEL", vec![text("{vigil}:journal:A")]).await.unwrap();
            let add = ["{vigil}:journal:A", &position, "e", &event.line()].map(text);
            redis.command("XADD", add.into()).await.unwrap();
        };
        let restore = async |redis: &Redis| {
            put(&[(names::submission(&SUBMISSION.into()), bytes(&submission(9)))]);
            put(&[(names::alert(&ALERT.into()), bytes(&alert("high")))]);
            line(redis, &event(&submission(9), &alert("high"))).await;
        };
        crate::block_on(async {
            put(&[(names::submission(&SUBMISSION.into()), bytes(&submission(8)))]);
            line(&redis, &event(&submission(8), &alert("high"))).await;
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("journal A: its lines up to")), (1, true), "{said}");

        // An alert alone, with and without its line.
        crate::block_on(async {
            restore(&redis).await;
            put(&[(names::alert(&ALERT.into()), bytes(&alert("info")))]);
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains(&format!("alert/{ALERT}: is other"))), (1, true), "{said}");

        // A version of a document, and the record in its chain is as it was.
        crate::block_on(async {
            restore(&redis).await;
            put(&[(names::config("alert-rules", 1), "{\"studies\":{\"A\":{}}}".to_owned())]);
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("config/alert-rules/1: is other")), (1, true), "{said}");

        // Records that are none stop nothing: each is named.
        crate::block_on(async {
            let state = names::stored_alert_state(&ALERT.into());
            put(&[
                (names::submission(&SUBMISSION.into()), "x".to_owned()),
                (state, "{}".to_owned()),
                (names::SETTINGS_INDEX.to_owned(), "[]".to_owned()),
            ]);
            Ok(())
        })
        .unwrap();
        let (_, said) = verified(&job, location, queues);
        for fault in [
            format!("submission/{SUBMISSION}: is other"),
            format!("alert/{ALERT}: its state in the store cannot be read"),
            "settings: cannot be read".to_owned(),
            "config/alert-rules/1: is other".to_owned(),
        ] {
            assert!(said.contains(&fault), "{fault} in {said}");
        }
        crate::block_on(async {
            restore(&redis).await;
            let index = redis.command("HGET", [names::SETTINGS, "index"].map(text).into()).await?;
            put(&[(names::SETTINGS_INDEX.to_owned(), string(&index[0]).unwrap())]);
            Ok(remove_all(&[names::stored_alert_state(&ALERT.into())])?)
        })
        .unwrap();

        // The studies without looks of services: in the copy by which is decided, and in the index.
        let unchanged = crate::block_on(async {
            put(&[(names::config("alert-rules", 1), "{\"studies\":{}}".to_owned())]);
            redis.command("HSET", [names::SETTINGS, "unrecorded", " A "].map(text).into()).await?;
            let index = Store::open().await?.bytes(names::SETTINGS_INDEX).await?.unwrap();
            Ok(String::from_utf8(index).unwrap())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("unrecorded in Redis: is other")), (1, true), "{said}");
        let mut index: Value = serde_json::from_str(&unchanged).unwrap();
        index["unrecorded"] = json!(["A"]);
        put(&[(names::SETTINGS_INDEX.to_owned(), bytes(&index))]);
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("names other studies without looks")), (1, true), "{said}");
        put(&[(names::SETTINGS_INDEX.to_owned(), unchanged)]);

        // A submission that was never there.
        crate::block_on(async {
            redis.command("HSET", [names::SETTINGS, "unrecorded", " "].map(text).into()).await?;
            remove_all(&[names::submission(&SUBMISSION.into()), names::alert(&ALERT.into())])?;
            redis.command("DEL", vec![text("{vigil}:journal:A")]).await?;
            // Later lines cannot hide it: the head says that its lines begin again.
            assert_eq!(sign(&redis, &signer).await, Some(2));
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("journal A: its lines up to")), (1, true), "{said}");

        // All heads thrown away and made again.
        crate::block_on(async {
            let store = Store::open().await?;
            remove_all(&[names::head(1), names::head(2), names::HEAD_STATE.to_owned()])?;
            redis.command("DEL", vec![text(names::HEAD)]).await?;
            restore_line(&redis, &store).await;
            assert_eq!(sign(&redis, &signer).await, Some(1));
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&Job { files: Vec::new(), ..job.clone() }, location, queues);
        assert_eq!(found.faults, 0, "{said}");
        let (_, said) = verified(&job, location, queues);
        assert!(said.contains("the store has another head 1"), "{said}");

        // A head that somebody else wrote is not followed.
        crate::block_on(async {
            let store = Store::open().await?;
            let known = string(&redis.command("GET", vec![text(names::HEAD)]).await?[0]).unwrap();
            let forged = known.replacen("\"at\":\"20", "\"at\":\"19", 1);
            redis.command("SET", [names::HEAD, &forged].map(text).into()).await?;
            restore_line(&redis, &store).await;
            redis.command("DEL", vec![text(names::HEAD_WAIT)]).await?;
            assert!(signer.sign(&redis).await.is_err());
            Ok(())
        })
        .unwrap();
    });
}

/// The submission once more, with a line.
async fn restore_line(redis: &Redis, store: &Store) {
    put(&[
        (names::submission(&SUBMISSION.into()), bytes(&submission(9))),
        (names::alert(&ALERT.into()), bytes(&alert("high"))),
    ]);
    let event = event(&submission(9), &alert("high"));
    journal::append(redis, store, &"A".into(), &[event]).await.unwrap();
}

#[test]
fn a_burst_is_covered_by_several_heads_and_sealed_meanwhile() {
    const LINES: u64 = 40_000;
    on_both_stores(|location, queues| {
        let (redis, signer) = (Redis::new(queues), Signer::new(&[9; 32]).unwrap());
        let key = crate::block_on(async {
            let script = "for n = 1, ARGV[1] do redis.call('XADD', KEYS[2], '*', 'e', n) end \
                          redis.call('HSETNX', KEYS[1], '*looks', '0-0') return 1";
            let lines = LINES.to_string();
            let fill = [script, "2", names::JOURNALS, "{vigil}:journal:*looks", &lines].map(text);
            redis.command("EVAL", fill.into()).await?;
            assert_eq!(signer.sign(&redis).await?, Some(1));
            // Nothing that is left waits.
            assert!(journal::seal(&redis).await? > 30);
            assert_eq!(signer.sign(&redis).await?, Some(2));
            assert_eq!(signer.sign(&redis).await?, None);
            let document = Store::open().await?.bytes(&names::head(2)).await?.unwrap();
            let head: Head = serde_json::from_slice(&document).unwrap();
            assert_eq!((head.journals[0].count, head.journals[0].restarts), (LINES, 0));
            Ok(head.key)
        })
        .unwrap();
        let (found, said) = verified(&Job { keys: vec![key], ..Job::default() }, location, queues);
        assert_eq!((found.heads, found.lines, found.uncovered, found.faults), (2, LINES, 0, 0), "{said}");
    });
}

#[test]
fn settings_that_only_redis_has_show_and_those_that_only_the_store_has_come_in_force() {
    on_both_stores(|location, queues| {
        let redis = Redis::new(queues);
        crate::block_on(async { Ok(settings::Settings::in_force(&redis).await.map(drop)?) }).unwrap();
        // Nothing was signed, and that is all.
        let (found, said) = verified(&Job::default(), location, queues);
        assert_eq!(found.faults, 1, "{said}");
        let forged = crate::block_on(async {
            let mut index = Index::default();
            let (_, draft) = index.replace(domain::settings::Document::AlertRules, "{}", AT, &"x".into());
            let index = kv::json(&index)?;
            let copy = [names::SETTINGS, "index", &index, &draft.key, "{}"].map(text);
            redis.command("HSET", copy.into()).await?;
            Ok(draft.key)
        })
        .unwrap();
        let (found, said) = verified(&Job::default(), location, queues);
        assert_eq!(found.faults, 3, "{said}");
        assert!(said.contains("index in Redis") && said.contains(&format!("{forged} in Redis")), "{said}");

        crate::block_on(async {
            redis.command("DEL", vec![text(names::SETTINGS)]).await?;
            let store = Store::open().await?;
            let copy = async || Ok::<_, anyhow::Error>(redis.command("HGETALL", vec![text(names::SETTINGS)]).await?);
            fill(&redis, &store).await;
            let before: Vec<String> = copy().await?.iter().filter_map(string).collect();
            fill(&redis, &store).await;
            // As if the host had died when the last version was stored and not yet in force.
            redis.command("DEL", vec![text(names::SETTINGS)]).await?;
            let arguments = [names::SETTINGS].into_iter().chain(before.iter().map(String::as_str)).map(text).collect();
            redis.command("HSET", arguments).await?;
            let actor = "admin".into();
            let refused = settings::change(&redis, &actor, (None, None), |index: &mut Index, _: &str| {
                Err::<((), settings::Draft), _>(index.documents.values().map(|it| it.version).max())
            });
            assert!(matches!(refused.await?, Changed::Refused(Some(4))));
            let index = store.bytes(names::SETTINGS_INDEX).await?.unwrap();
            let copy: Vec<String> = copy().await?.iter().filter_map(string).collect();
            assert!(copy.contains(&String::from_utf8(index).unwrap()), "{copy:?}");
            // The lock is free.
            let taken = redis.command("EXISTS", vec![text(names::SETTINGS_LOCK)]).await?;
            assert_eq!(taken.first().and_then(platform::redis::integer), Some(0));
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn records_whose_writers_died_one_after_the_other_are_stored_by_the_next() {
    on_both_stores(|_, queues| {
        let redis = Redis::new(queues);
        crate::block_on(async {
            let (store, entity, actor) = (Store::open().await?, "subject/s", "k".into());
            let change = audit::Change::new(AT, &actor, Action::IdentityOpened);
            for _ in 0..3 {
                // Nobody stores this batch.
                audit::append(&redis, &store, &mut Batch::default(), entity, &change).await?;
            }
            for recent in [4, 1] {
                let mut batch = Batch::default();
                audit::append(&redis, &store, &mut batch, entity, &change).await?;
                put_all(&mut batch)?;
                assert_eq!(audit::recent(&redis, entity).await?.len(), recent);
            }
            for n in 0..5 {
                let record: Option<audit::Record> = store.get(&names::audit(entity, n)).await?;
                assert_eq!(record.map(|record| record.n), Some(n));
            }
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn an_erased_study_has_its_document_and_its_certificate() {
    on_both_stores(|location, queues| {
        let (redis, signer) = (Redis::new(queues), Signer::new(&[5; 32]).unwrap());
        let study: StudyId = "S".into();
        let certificate = names::study_erasure(&study);
        let (key, stored) = crate::block_on(async {
            let store = Store::open().await?;
            version(&redis, &study).await;
            let at = AT.to_owned();
            let begun = Begun { at, by: "admin".into(), reason: "protocol".to_owned(), meaning: None };
            erasure::begin(&redis, &study, &begun).await?;
            let job = erasure::under_way(&redis, &study).await?.unwrap();
            erasure::remember(&store, &job).await?;
            erasure::end(&redis, &store, job, AT.to_owned()).await?;
            assert_eq!(sign(&redis, &signer).await, Some(1));
            let head: Head = store.get(&names::head(1)).await?.unwrap();
            let stored = store.bytes(&names::study_erasure(&study)).await?.unwrap();
            Ok((head.key, String::from_utf8(stored).unwrap()))
        })
        .unwrap();
        let job = Job { keys: vec![key], ..Job::default() };
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.lines, found.faults), (2, 0), "{said}");

        // Also where the study's document was replaced since, the certificate is that of its chain.
        crate::block_on(async {
            version(&redis, &study).await;
            Ok(())
        })
        .unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!(found.faults, 0, "{said}");
        put(&[(certificate.clone(), stored.replace("protocol", "whim"))]);
        let (found, said) = verified(&job, location, queues);
        assert_eq!(
            (found.faults, said.contains("study/S: the certificate of its erasure is other")),
            (1, true),
            "{said}"
        );
        remove_all(std::slice::from_ref(&certificate)).unwrap();
        let (found, said) = verified(&job, location, queues);
        assert_eq!(
            (found.faults, said.contains("study/S: the certificate of its erasure is missing")),
            (1, true),
            "{said}"
        );
        put(&[(certificate.clone(), stored)]);

        // A version that is in no chain still shows.
        put(&[(names::study_version(&study, 9), "{}".to_owned())]);
        let (found, said) = verified(&job, location, queues);
        assert_eq!((found.faults, said.contains("study/S/9: is in no journal")), (1, true), "{said}");
    });
}

#[test]
fn what_is_in_force_of_a_study_is_what_was_stored_last() {
    on_both_stores(|_, queues| {
        let redis = Redis::new(queues);
        let (study, other): (StudyId, StudyId) = ("S".into(), "T".into());
        let key = ["{vigil}:study:", study.as_str()].concat();
        let set = async |field: &str, value: &str| {
            redis.command("HSET", [&key, field, value].map(text).into()).await.unwrap();
        };
        crate::block_on(async {
            let store = Store::open().await?;
            // As if the host had died when the version was stored and not yet in force.
            version(&redis, &study).await;
            redis.command("DEL", vec![text(&key)]).await?;
            set("revision", "0.before").await;
            let index = studies::in_force(&redis, &store, &study).await?.unwrap();
            assert!(index.is_in_force(&redis, &study).await?);
            assert!(studies::in_force(&redis, &store, &other).await?.is_none());

            // What was read before a moment is not believed since that moment.
            let own = async |moment: Option<Instant>| match moment {
                None => Own::recent(&redis, &study).await.unwrap().revision().to_owned(),
                Some(moment) => Own::since(&redis, &study, moment).await.unwrap().revision().to_owned(),
            };
            let before = Instant::now();
            assert_eq!(own(Some(before)).await, "");
            set("own", "2.x").await;
            set("settings", "{}").await;
            assert_eq!(own(None).await, "");
            assert_eq!(own(Some(Instant::now())).await, "2.x");

            // Settings that cannot be read are those of one study.
            set("own", "3.x").await;
            set("settings", "[").await;
            let revisions = [names::STUDIES_OWN, "S", "3.x", "T", "1.x"].map(text);
            redis.command("HSET", revisions.into()).await?;
            let of_all = studies::of_all(&redis, &[&study, &other].into()).await?;
            assert!(of_all[&study].is_none() && of_all[&other].is_some());
            Ok(())
        })
        .unwrap();
    });
}

/// Stores a version of a study's document.
async fn version(redis: &Redis, study: &StudyId) {
    let document = json!({"title": "A study", "state": "live", "languages": ["en"],
        "sites": [{"id": "1", "title": "One", "zone": "Europe/Berlin"}], "instruments": [{"id": "phq-9"}]});
    let read = domain::study::Study::read(&document).unwrap();
    let draft = studies::Draft { id: study, study: &read, document: &document, content: bytes(&document) };
    let changed = studies::change(redis, &"admin".into(), (None, None), draft, |_| Ok::<_, ()>(())).await.unwrap();
    assert!(matches!(changed, Changed::Made(_)));
}
