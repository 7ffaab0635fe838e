//! The signed log: changes by somebody who can write the store and Redis do not agree with the signed heads.
//!
//! Each attack computes all hashes again that need no key. The installation looks well to itself then; `vigilctl verify`
//! finds it, and finds nothing once all is put back.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use state::audit::{Line, Record};
use state::journal::{Event, Kind, hash_of_alerts};

use crate::app::{ADMIN_B, App, phq9, until};
use crate::audit::{overwrite, remove, store};
use crate::settings::sleep;

/// 32 bytes.
pub(crate) const LOG_KEY: &str = "bG9nIGtleSBmb3IgdGVzdHMgb25seSAhISEhISEhISE=";

/// Runs `vigilctl verify` on an application's data. Returns its exit status, what it found, and what it says at the end.
pub(crate) fn verify(app: &App, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["verify", "--state-dir"]).arg(&app.dir).args(arguments);
    command.args(["--variable", &format!("redis_url={}", app.redis.as_ref().unwrap().url())]);
    let ended = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The position and the text of each line of a journal.
async fn lines(app: &App, journal: &str) -> Vec<(String, String)> {
    let entries: Vec<(String, Vec<String>)> =
        app.redis(&["XRANGE", &format!("{{vigil}}:journal:{journal}"), "-", "+"]).await;
    entries.into_iter().map(|(at, fields)| (at, fields[1].clone())).collect()
}

/// Puts other lines into a journal, at the positions that they had.
async fn rewrite(app: &App, journal: &str, lines: &[(String, String)]) {
    let key = format!("{{vigil}}:journal:{journal}");
    // At once: the clock does not see it half done.
    let script = "redis.call('DEL', KEYS[1]) \
                  for i = 1, #ARGV, 2 do redis.call('XADD', KEYS[1], ARGV[i], 'e', ARGV[i + 1]) end return 1";
    let mut command = vec!["EVAL", script, "1", &key];
    command.extend(lines.iter().flat_map(|(at, line)| [at.as_str(), line]));
    let _: i64 = app.redis(&command).await;
}

/// The lines with the one about this submission changed, or left out.
fn with(lines: &[(String, String)], id: &str, change: impl Fn(Event) -> Option<Event>) -> Vec<(String, String)> {
    let changed = lines.iter().filter_map(|(at, line)| match Event::read(line) {
        Some(event) if event.submission.as_str() == id && event.kind == Kind::Scored => {
            change(event).map(|event| (at.clone(), event.line()))
        }
        _ => Some((at.clone(), line.clone())),
    });
    changed.collect()
}

fn put(app: &App, key: &str, value: &[u8]) {
    let insert = "INSERT OR REPLACE INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)";
    assert_eq!(store(app).execute(insert, rusqlite::params![key, value]).unwrap(), 1);
}

/// The contents that an attack changes, as they were.
struct Before<'a> {
    app: &'a App,
    records: Vec<(String, Vec<u8>)>,
    journals: Vec<(&'static str, Vec<(String, String)>)>,
}

impl<'a> Before<'a> {
    async fn of(app: &'a App, keys: &[String]) -> Self {
        let mut journals = Vec::new();
        for journal in ["A", "*audit"] {
            journals.push((journal, lines(app, journal).await));
        }
        Before { app, records: keys.iter().map(|key| (key.clone(), app.stored(key).unwrap())).collect(), journals }
    }

    fn lines(&self, journal: &str) -> &[(String, String)] {
        &self.journals.iter().find(|(own, _)| *own == journal).unwrap().1
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&self.records.iter().find(|(own, _)| own == key).unwrap().1).unwrap()
    }

    async fn put_back(&self) {
        for (key, value) in &self.records {
            put(self.app, key, value);
        }
        for (journal, lines) in &self.journals {
            rewrite(self.app, journal, lines).await;
        }
    }
}

/// The head that the API gives, in a file, and its public key.
pub(crate) async fn kept(app: &App, dir: &Path) -> (PathBuf, String) {
    let answer = app.send("GET", "/v1/audit/head", &Value::Null).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let head = answer.json();
    let file = dir.join(format!("head-{}.json", head["n"]));
    std::fs::write(&file, &answer.body).unwrap();
    (file, head["key"].as_str().unwrap().to_owned())
}

/// Waits until a head covers all lines.
async fn covered(app: &App) -> String {
    let key = until("there is a head", async || {
        let answer = app.send("GET", "/v1/audit/head", &Value::Null).await;
        (answer.status == 200).then(|| answer.json()["key"].as_str().unwrap().to_owned())
    })
    .await;
    until("all is covered", async || {
        let (status, found, said) = verify(app, &["--heads", "--public-key", &key]);
        assert_eq!((status, found.as_str()), (0, ""), "{said}");
        said.contains("(0 after the last head)").then_some(())
    })
    .await;
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_after_it_was_signed_is_found() {
    let app = App::builder().variable("log_key", LOG_KEY).start().await;
    let mut ids = Vec::new();
    for id in ["r1", "r2", "r3"] {
        let shown = app.scored(&app.submit(&phq9(id, [3; 9])).await).await;
        ids.push([&shown["submissionId"], &shown["alerts"][0]["alertId"]].map(|it| it.as_str().unwrap().to_owned()));
    }
    for (version, most) in [("1", 5), ("2", 10)] {
        let stored = app.send("PUT", "/v1/instruments/sleep", &sleep(version, most)).await;
        assert_eq!(stored.status, 201, "{stored:?}");
    }
    until("it is ended", async || (app.work_left().await == 0).then_some(())).await;
    let key = covered(&app).await;
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = kept(&app, dir.path()).await;
    let arguments = ["--head", file.to_str().unwrap(), "--public-key", &key];
    assert_eq!(verify(&app, &arguments).0, 0);
    let [submission, alert] = &ids[1];
    let (submission_key, alert_key) = (format!("submission/{submission}"), format!("alert/{alert}"));
    let (chain, version) = (["audit/instrument/sleep/0", "audit/instrument/sleep/1"], "instrument/sleep/1");
    let mut keys = vec![submission_key.clone(), alert_key.clone(), version.to_owned()];
    keys.extend(chain.map(str::to_owned));
    let before = Before::of(&app, &keys).await;

    // A score, its record's hash in the line.
    let mut record = before.json(&submission_key);
    record["scores"][0][1] = json!(1.0);
    overwrite(&app, &submission_key, &record);
    let hash = sha256(record.to_string().as_bytes());
    let rewritten = with(before.lines("A"), submission, |event| Some(Event { hash: hash.clone(), ..event }));
    rewrite(&app, "A", &rewritten).await;
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains("journal A: its lines up to")), (1, true), "{found} {said}");
    // Without the line, the record itself is named.
    rewrite(&app, "A", before.lines("A")).await;
    let (status, found, _) = verify(&app, &arguments);
    assert_eq!((status, found.contains(&format!("{submission_key}: is other"))), (1, true), "{found}");
    before.put_back().await;

    // Both rows of a submission.
    remove(&app, &submission_key);
    remove(&app, &alert_key);
    rewrite(&app, "A", &with(before.lines("A"), submission, |_| None)).await;
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains("journal A: its lines up to")), (1, true), "{found} {said}");
    before.put_back().await;

    // An alert's severity, first alone, then with the hash in the line.
    let mut record = before.json(&alert_key);
    record["severity"] = json!("info");
    overwrite(&app, &alert_key, &record);
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains(&alert_key)), (1, true), "{found} {said}");
    let all = before.json(&submission_key)["alerts"].as_array().unwrap().clone();
    let stored = all.iter().map(|id| app.stored(&format!("alert/{}", id.as_str().unwrap())).unwrap());
    let hash = hash_of_alerts(&stored.map(|alert| sha256(&alert)).collect::<Vec<_>>());
    let rewritten = with(before.lines("A"), submission, |event| Some(Event { alerts: hash.clone(), ..event }));
    rewrite(&app, "A", &rewritten).await;
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains("journal A: its lines up to")), (1, true), "{found} {said}");
    before.put_back().await;

    // An old version of a setting, its hash in its chain, the chain's later record, its head and the lines.
    let mut definition = before.json(version);
    definition["alerts"][0]["when"]["atLeast"] = json!(10);
    overwrite(&app, version, &definition);
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains("instrument/sleep/1: is other")), (1, true), "{found} {said}");
    forge(&app, &before, &chain, &sha256(definition.to_string().as_bytes())).await;
    let shown = app.send("GET", "/v1/audit/instrument/sleep", &Value::Null).await.json();
    assert_eq!(shown["verified"], true, "to itself the installation looks well: {shown}");
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.contains("journal *audit: its lines up to")), (1, true), "{found} {said}");
}

/// Writes the chain of the instrument again, with another hash of its first version.
async fn forge(app: &App, before: &Before<'_>, chain: &[&str], hash: &str) {
    let (mut previous, mut written) = (String::new(), Vec::new());
    for (n, key) in chain.iter().enumerate() {
        let mut record: Record = serde_json::from_value(before.json(key)).unwrap();
        if n == 0 {
            record.new_hash = Some(hash.to_owned());
        }
        record.previous = previous;
        record.hash = record.members().hash();
        overwrite(app, key, &serde_json::to_value(&record).unwrap());
        previous = record.hash.clone();
        written.push(record);
    }
    let last = format!("00 {}", serde_json::to_string(written.last().unwrap()).unwrap());
    let () = app.redis(&["SET", "{vigil}:audit:instrument/sleep", &last]).await;
    let lines = before.lines("*audit").iter().map(|(at, text)| {
        let line = Line::read(text).unwrap();
        let own = written.iter().find(|record| record.entity == line.entity && record.n == line.n);
        (at.clone(), own.map_or_else(|| text.clone(), |own| text.replace(&line.hash, &own.hash)))
    });
    rewrite(app, "*audit", &lines.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_stays_in_order_and_a_kept_head_shows_that_all_was_made_again() {
    let app = App::builder().variable("log_key", LOG_KEY).start().await;
    assert_eq!(app.send("GET", "/v1/audit/head?n=1", &Value::Null).await.status, 404);
    let location = app.submit(&phq9("r", [3; 9])).await;
    let shown = app.scored(&location).await;
    let subject = shown["subject"].as_str().unwrap().to_owned();
    let alert = format!("/v1/alerts/{}/acknowledge", shown["alerts"][0]["alertId"].as_str().unwrap());
    until("it is ended", async || (app.work_left().await == 0).then_some(())).await;
    let key = covered(&app).await;
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = kept(&app, dir.path()).await;

    // Changes by the API are sound, also after their time.
    let reason = json!({"reason": "withdrew"});
    assert_eq!(app.send_as(crate::app::CLINICIAN_A1, "POST", &alert, &Value::Null).await.status, 200);
    let created = app.send("POST", "/v1/keys", &json!({"label": "k", "role": "read", "study": "A", "site": "1"})).await;
    assert_eq!(created.status, 201, "{created:?}");
    let other = app.scored(&app.submit(&phq9("other", [0; 9])).await).await;
    let other = format!("/v1/submissions/{}", other["submissionId"].as_str().unwrap());
    assert_eq!(app.send("DELETE", &other, &reason).await.status, 200);
    until("the subject is erased", async || {
        let answer = app.send("DELETE", &format!("/v1/subjects/{subject}"), &reason).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    covered(&app).await;
    let arguments = ["--head", file.to_str().unwrap(), "--public-key", &key];
    let (status, found, said) = verify(&app, &arguments);
    assert_eq!((status, found.as_str()), (0, ""), "{said}");
    let first = app.send("GET", "/v1/audit/head?n=1", &Value::Null).await;
    assert_eq!((first.status, &first.json()["n"], &first.json()["previous"]), (200, &json!(1), &json!("")));
    assert_eq!(app.send("GET", "/v1/audit/head?n=0", &Value::Null).await.status, 422);
    assert_eq!(app.send_as(ADMIN_B, "GET", "/v1/audit/head", &Value::Null).await.status, 403);

    // The certificate.
    let certificate = format!("subject/{subject}/erased");
    let mut forged: Value = serde_json::from_slice(&app.stored(&certificate).unwrap()).unwrap();
    forged["reason"] = json!("another");
    overwrite(&app, &certificate, &forged);
    let (status, found, _) = verify(&app, &arguments);
    assert_eq!((status, found.contains("the certificate of its erasure")), (1, true), "{found}");

    // All heads are thrown away: the next ones are sound for themselves.
    for key in app.stored_keys("head") {
        remove(&app, &key);
    }
    let () = app.redis(&["DEL", "{vigil}:head"]).await;
    let (status, found, _) = verify(&app, &["--heads", "--public-key", &key]);
    assert!(status == 1 && found.contains("head"), "{found}");
    app.scored(&app.submit(&phq9("last", [0; 9])).await).await;
    until("they are made again", async || app.stored("head")).await;
    let (status, found, _) = verify(&app, &arguments);
    assert_eq!((status, found.contains("the store")), (1, true), "{found}");
    // Another key's heads are not ours.
    let other = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let (status, found, _) = verify(&app, &["--heads", "--public-key", other]);
    assert_eq!((status, found.contains("is not among --public-key")), (1, true), "{found}");
}
