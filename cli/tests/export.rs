//! `vigilctl export` and `vigilctl verify`, run as operators run them: the real program, killed in the middle, too.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helpers fail it")]

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use domain::ids::SubmissionId;
use platform::kv::{self, Batch, Location, Store};
use platform::redis::Redis;
use serde_json::{Value, json};
use state::journal::{self, Event, Kind};
use state::names;
use test_redis::Server;

const AT: &str = "2026-03-01T08:00:00.000Z";

/// An installation with so many reports of the study A.
fn installation(dir: &Path, redis: &str, reports: u32) {
    let file = rusqlite::Connection::open(dir.join("sqlite_key_value.db")).unwrap();
    let table = "CREATE TABLE spin_key_value (store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (store, key))";
    file.execute(table, []).unwrap();
    add(dir, redis, 0..reports);
}

/// Adds reports of these numbers.
fn add(dir: &Path, redis: &str, reports: Range<u32>) {
    kv::open_at(&Location::StateDir(dir.to_owned())).unwrap();
    let (mut batch, mut events) = (Batch::default(), Vec::new());
    for number in reports {
        let id: SubmissionId = format!("{number:08x}-0000-4000-8000-000000000000").into();
        let subject = format!("{number:064x}");
        let record = json!({"state": "scored", "scores": [], "alerts": [], "submission": {"submissionId": id,
            "studyId": "A", "siteId": "1", "subject": subject, "kind": "generic", "authoredAt": AT, "receivedAt": AT,
            "key": "k", "hash": "h", "content": {"note": "x".repeat(200)}}});
        batch.put(names::submission(&id), &record).unwrap();
        let (site, what, hash) = ("1".into(), "generic".to_owned(), String::new());
        events.push(Event { kind: Kind::Scored, site, what, submission: id, hash, alerts: String::new() });
    }
    kv::put_all(&mut batch).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (redis, store) = (Redis::new(redis), Store::open().await.unwrap());
        for some in events.chunks(500) {
            journal::append(&redis, &store, &"A".into(), some).await.unwrap();
        }
    });
}

fn vigilctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigilctl"));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env_clear();
    command
}

fn export(dir: &Path, redis: &str, out: &Path) -> Command {
    let mut command = vigilctl(&["export", "--study", "A", "--format", "ndjson,csv-long"]);
    command.arg("--out").arg(out).arg("--state-dir").arg(dir).args(["--variable", &format!("redis_url={redis}")]);
    command.args(["--variable", "identity_key=aWRlbnRpdHkga2V5IGZvciB0ZXN0cyBvbmx5ICEhISE="]);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_export_that_was_killed_leaves_no_manifest_and_is_repeated() {
    let (redis, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    installation(folder.path(), &redis.url(), 20_000);
    let mut child = export(folder.path(), &redis.url(), &out).spawn().unwrap();
    let begun = || {
        fs::read_dir(&out).is_ok_and(|entries| {
            let sizes = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
            sizes.max().is_some_and(|longest| longest >= 1 << 16)
        })
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.join("manifest.json").exists());
    let refused = vigilctl(&["verify"]).arg(&out).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");

    let done = export(folder.path(), &redis.url(), &out).output().unwrap();
    assert!(done.status.success() && told(&done).contains("20000 submissions"), "{done:?}");
    let verified = vigilctl(&["verify"]).arg(&out).output().unwrap();
    assert!(verified.status.success() && told(&verified).contains("20000 rows"), "{verified:?}");
    assert!(verified.stdout.is_empty());
    let left: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("-part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let lines = fs::read_to_string(out.join("submissions.ndjson")).unwrap();
    fs::write(out.join("submissions.ndjson"), lines.replacen("xx", "yx", 1)).unwrap();
    let differs = vigilctl(&["verify"]).arg(&out).output().unwrap();
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    assert!(String::from_utf8(differs.stdout).unwrap().contains("submissions.ndjson: has another SHA-256"));
}

/// The exit status of `vigilctl verify`, and what it counted.
fn verified(out: &Path) -> (Option<i32>, String) {
    let verified = vigilctl(&["verify"]).arg(out).output().unwrap();
    (verified.status.code(), told(&verified))
}

/// Kills an export as soon as its lines are longer than this; whether it was still running.
fn stopped(mut export: Command, part: &Path, longer: u64) -> bool {
    let mut child = export.stderr(Stdio::null()).spawn().unwrap();
    let running = loop {
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        if fs::metadata(part).is_ok_and(|part| part.len() > longer) {
            child.kill().unwrap();
            break true;
        }
        thread::yield_now();
    };
    child.wait().unwrap();
    running
}

/// The ids of all rows of the files of lines, in the order of the parts.
fn ids(out: &Path) -> Vec<String> {
    let parts = ["submissions.ndjson", "submissions-0002.ndjson"].map(|name| fs::read_to_string(out.join(name)));
    let lines: Vec<String> =
        parts.into_iter().flatten().flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let rows = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter_map(|row| Some(row.get("submissionId")?.as_str()?.to_owned())).collect()
}

#[test]
fn an_export_that_is_killed_again_and_again_goes_on_without_a_gap() {
    let (redis, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (dir, out) = (folder.path(), folder.path().join("out"));
    installation(dir, &redis.url(), 3000);
    assert!(export(dir, &redis.url(), &out).output().unwrap().status.success());
    add(dir, &redis.url(), 3000..12_000);
    let part = |number: u32| {
        let mut command = export(dir, &redis.url(), &out);
        command.arg("--incremental");
        stopped(command, &out.join("submissions-0002.ndjson.vigil-part"), u64::from(number) << 19)
    };
    // Each lives a little longer than the one before, up to the end of the last.
    let mut killed = 0;
    while part(killed) {
        killed += 1;
        let (status, said) = verified(&out);
        assert!(status == Some(0) && said.contains("3000 rows"), "after {killed}: {status:?} {said}");
    }
    assert!(killed > 3, "{killed}");
    let (status, said) = verified(&out);
    assert!(status == Some(0) && said.contains("12000 rows"), "{said}");
    let found = ids(&out);
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (12_000, 12_000));

    // A whole export that takes the place of both: what is there is whole until the new one is.
    for longer in [0, 1 << 19, 1 << 21] {
        assert!(stopped(export(dir, &redis.url(), &out), &out.join("submissions.ndjson.vigil-part"), longer));
        let (status, said) = verified(&out);
        assert!(status == Some(0) && said.contains("12000 rows"), "{said}");
    }
    assert!(export(dir, &redis.url(), &out).output().unwrap().status.success());
    let (status, said) = verified(&out);
    assert!(status == Some(0) && said.contains("12000 rows"), "{said}");
    assert!(ids(&out) == found && !out.join("submissions-0002.ndjson").exists());
}

#[test]
fn without_redis_an_export_fails_and_leaves_what_was_there() {
    let (redis, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (dir, out, url) = (folder.path(), folder.path().join("out"), redis.url());
    installation(dir, &url, 3000);
    assert!(export(dir, &url, &out).output().unwrap().status.success());
    add(dir, &url, 3000..9000);
    let part = out.join("submissions-0002.ndjson.vigil-part");
    let mut child = export(dir, &url, &out).arg("--incremental").stderr(Stdio::piped()).spawn().unwrap();
    while !fs::metadata(&part).is_ok_and(|part| part.len() > 1 << 16) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::yield_now();
    }
    drop(redis);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(!out.join("manifest-0002.json").exists() && !out.join("submissions-0002.ndjson").exists());
    let (status, said) = verified(&out);
    assert!(status == Some(0) && said.contains("3000 rows"), "{said}");
}

#[test]
fn all_bad_arguments_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "mine").unwrap();
    let mut command = vigilctl(&["export", "--study", "A", "--format", "xls", "--after", "x", "--site", "ü"]);
    let refused = command.arg("--out").arg(folder.path()).arg("--state-dir").arg(folder.path()).output().unwrap();
    let told = told(&refused);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    for fault in ["--format \"xls\"", "--after must", "--site ", "--out: ", "redis_url", "identity_key"] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
}
