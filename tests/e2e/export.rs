//! `vigilctl export`: what real components stored, written as files, is what the API gives, and proves its scores.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::amend::{amending, id};
use crate::app::{ADMIN, App, phq9, until};
use crate::evaluation::report;

/// Runs `vigilctl export` on an application's data. Returns whether it succeeded, and its output.
fn export(app: &App, out: &Path, arguments: &[&str]) -> (bool, String) {
    let ended = exporting(app, out).args(arguments).output().unwrap();
    (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
}

fn exporting(app: &App, out: &Path) -> Command {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["export", "--study", "A", "--state-dir"]).arg(&app.dir).arg("--out").arg(out);
    command.args(["--variable", &format!("redis_url={}", app.redis_url())]);
    command.args(["--variable", &format!("identity_key={}", crate::app::IDENTITY_KEY)]);
    command
}

/// Begins to continue the exports of a folder.
fn spawned(app: &App, out: &Path) -> Child {
    let mut command = exporting(app, out);
    command.arg("--incremental").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs `vigilctl verify`. Returns its exit status, and what it found and counted.
fn verify(path: &Path) -> (Option<i32>, String) {
    let ended = Command::new(crate::app::vigilctl()).arg("verify").arg(path).output().unwrap();
    (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
}

async fn get(app: &App, media: &str, path: &str) -> String {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("accept", media)];
    let answer = app.client().await.send("GET", path, &headers, String::new()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// An instrument of an administrator: two items, and their sum.
fn own_instrument(version: &str, most: u8) -> Value {
    json!({"id": "own", "version": version, "title": "Own", "licence": "CC0", "languages": ["en"], "sources": ["us"],
        "items": [{"ids": ["a", "b"], "range": [0, most]}],
        "scores": [{"id": "sum", "method": "sum", "items": ["a", "b"], "range": [0, 2 * most]}]})
}

async fn fill(app: &App) {
    let first = app.submit(&phq9("r", [0; 9])).await;
    app.scored(&first).await;
    let second = app.submit(&amending("r2", [1; 9], &first)).await;
    app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    app.scored(&second).await;
    for number in [3, 2] {
        let location = app.submit(&phq9(&format!("erased{number}"), [number; 9])).await;
        app.scored(&location).await;
        let erased = app.send("DELETE", &location, &json!({"reason": "withdrawn"})).await;
        assert_eq!(erased.status, 200, "{erased:?}");
    }
    let gaps = json!({"responseId": "gaps", "studyId": "A", "siteId": "1", "patientId": "P-9",
        "authoredAt": "2026-03-01T08:00:00Z", "answers": {"q1": 1, "q2": 1, "q3": 2, "q4": 0, "q5": 1, "q6": 0, "q7": 1}});
    let answer = app.send("POST", "/v1/surveys/gad-7/responses", &gaps).await;
    app.scored(answer.header("location").unwrap()).await;
    let diary = report("d", "diary", json!({"symptoms": [], "note": "=1+1, \"好\"\nend"}));
    let answer = app.send("POST", "/v1/reports", &diary).await;
    app.scored(answer.header("location").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_what_the_api_gives_and_every_score_is_proven() {
    let app = App::start().await;
    fill(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("A");
    let (well, said) = export(&app, &out, &["--format", "ndjson,csv-wide,csv-long", "--bom"]);
    assert!(well && said.contains("6 submissions"), "{said}");
    let study = "/v1/studies/A/submissions";
    for (file, media, path) in [
        ("submissions.ndjson", "application/x-ndjson", format!("{study}?include=content,scores,alerts")),
        ("submissions-long.csv", "text/csv", format!("{study}?layout=long&bom=true")),
        ("submissions-wide-phq-9.csv", "text/csv", format!("{study}?layout=wide&instrument=phq-9&bom=true")),
        ("submissions-wide-gad-7.csv", "text/csv", format!("{study}?layout=wide&instrument=gad-7&bom=true")),
        ("codebooks/phq-9@1.0.0.json", "application/json", "/v1/instruments/phq-9/codebook".to_owned()),
        ("codebooks/phq-9@1.0.0.csv", "text/csv", "/v1/instruments/phq-9/codebook".to_owned()),
        ("definitions/phq-9@1.0.0.json", "application/json", "/v1/instruments/phq-9".to_owned()),
    ] {
        assert_eq!(fs::read_to_string(out.join(file)).unwrap(), get(&app, media, &path).await, "{file}");
    }
    let (status, said) = verify(&out);
    assert!(status == Some(0) && said.contains("6 rows"), "{said}");

    // An instrument changes: each response is proven by the version that scored it.
    for (version, answer) in [("1", 3), ("2", 4)] {
        let stored = app.send("PUT", "/v1/instruments/own", &own_instrument(version, answer)).await;
        assert_eq!(stored.status, 201, "{stored:?}");
        let response = json!({"studyId": "A", "siteId": "1", "patientId": "P-1", "authoredAt": "2026-03-01T08:00:00Z",
            "answers": {"a": answer, "b": 1}});
        let answer = app.send("POST", "/v1/surveys/own/responses", &response).await;
        app.scored(answer.header("location").unwrap()).await;
    }
    let last = app.submit(&phq9("last", [1; 9])).await;
    app.scored(&last).await;
    let (well, said) = export(&app, &out, &["--incremental"]);
    assert!(well && said.contains("3 submissions"), "{said}");
    let next = fs::read_to_string(out.join("submissions-0002.ndjson")).unwrap();
    let first = fs::read_to_string(out.join("submissions.ndjson")).unwrap();
    let whole = get(&app, "application/x-ndjson", &format!("{study}?include=content,scores,alerts")).await;
    let rows =
        |text: &str| text.lines().filter(|line| !line.starts_with("{\"end\"")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!([rows(&first), rows(&next)].concat(), rows(&whole));
    let (status, said) = verify(&out);
    assert!(status == Some(0) && said.contains("9 rows"), "{said}");

    let tampered = next.replacen("\"q9\":1", "\"q9\":0", 1);
    assert_ne!(tampered, next);
    fs::write(out.join("submissions-0002.ndjson"), tampered).unwrap();
    let (status, said) = verify(&out);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("{}: score total differs: value", id(&last))), "{said}");
}

/// The ids of the rows of all parts, in their order.
fn exported(out: &Path) -> Vec<String> {
    let parts = (1..100).map(|number| match number {
        1 => "submissions.ndjson".to_owned(),
        _ => format!("submissions-{number:04}.ndjson"),
    });
    let texts = parts.map_while(|name| fs::read_to_string(out.join(name)).ok());
    let rows: Vec<Value> = texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    rows.iter().filter_map(|row| Some(row.get("submissionId")?.as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_while_host_and_redis_are_killed_have_everything_once() {
    let mut app = App::builder().own_process().start().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("A");
    let mut sent = Vec::new();
    for round in 0..4 {
        // Much waits to be scored, and journals are sealed meanwhile.
        for first in [0, 500] {
            let row = |number: usize| report(&format!("n{round}-{number}"), "diary", json!({"symptoms": []}));
            let rows: Vec<Value> = (first..first + 500).map(row).collect();
            let answer = app.send("POST", "/v1/reports/batch", &Value::from(rows)).await.json();
            let outcomes = answer["rows"].as_array().unwrap();
            sent.extend(outcomes.iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()));
        }
        let parts = exports(&out);
        let running = spawned(&app, &out);
        match round {
            0 => app.kill(),
            1 => {
                app.redis.as_mut().unwrap().kill().unwrap();
                app.redis.as_mut().unwrap().restart().unwrap();
            }
            2 => {
                app.kill();
                app.redis.as_mut().unwrap().kill().unwrap();
                app.redis.as_mut().unwrap().restart().unwrap();
            }
            _ => {}
        }
        let ended = running.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        // Without Redis it may fail, and so may the first before anything is scored; what is there is whole.
        let more = usize::from(ended.status.success());
        assert_eq!(exports(&out), parts + more, "{said}");
        if parts + more > 0 {
            let (status, said) = verify(&out);
            assert_eq!(status, Some(0), "{said}");
        }
        match round {
            0 | 2 => app.start_again().await,
            1 => app.recover().await,
            _ => {}
        }
    }
    until("everything is scored", async || (app.work_left().await == 0).then_some(())).await;
    let (well, said) = export(&app, &out, &["--incremental"]);
    assert!(well, "{said}");
    let (status, said) = verify(&out);
    assert!(status == Some(0) && said.contains("4000 rows"), "{said}");
    let mut found = exported(&out);
    found.sort_unstable();
    sent.sort_unstable();
    assert!(found == sent, "{} of {}", found.len(), sent.len());
}

/// The number of exports in a folder.
fn exports(out: &Path) -> usize {
    let entries = fs::read_dir(out).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    entries
        .filter(|name| name.to_str().unwrap().starts_with("manifest") && name.to_str().unwrap().ends_with(".json"))
        .count()
}
