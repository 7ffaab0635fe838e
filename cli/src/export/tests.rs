use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain::ids::{Pseudonym, SubmissionId};
use parquet::file::reader::SerializedFileReader;
use parquet::record::Field;
use platform::kv::Batch;
use platform::redis::text;
use serde_json::{Value, json};
use state::identity::IdentityKey;
use state::journal::{self, Event, Kind};
use state::wire::entry::{Record, Score, ScoredWith};
use state::{erasure, names, settings};

use super::job::Asked;
use super::manifest::Format;
use super::*;
use crate::tests::on_both_stores;
use crate::verify::{self, Found};

const AT: &str = "2026-03-01T08:00:00.000Z";

fn id(number: u32) -> SubmissionId {
    format!("{number:08x}-0000-4000-8000-000000000000").into()
}

/// A record of study A. Subjects take turns.
fn record(number: u32, kind: &str, content: &Value) -> Value {
    json!({"state": "scored", "scores": [], "alerts": [], "submission": {"submissionId": id(number), "studyId": "A",
        "siteId": (number % 2).to_string(), "subject": format!("{:02x}{:062x}", number % 3 * 100, number % 3),
        "kind": kind, "authoredAt": AT, "receivedAt": AT, "key": "k", "hash": "h", "content": content}})
}

/// A record of a response, scored as the application scores.
fn response(number: u32, instrument: &str, answers: &Value, parameters: &[(&str, &str)]) -> Value {
    let instrument = settings::built_in(instrument).unwrap();
    let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parameters = instrument.parameters(&given).unwrap();
    let read = instrument.read(answers.as_object().unwrap()).unwrap();
    let scores = instrument.score(&read, &parameters);
    let mut record = record(number, "response", answers);
    record["scoredWith"] = json!(ScoredWith::of(&instrument, &parameters));
    record["submission"]["instrument"] = json!(instrument.id());
    record["submission"]["instrumentVersion"] = json!(instrument.version());
    let mut stored: Record = serde_json::from_value(record).unwrap();
    stored.scores = scores.iter().map(|score| Score::of(score).owned()).collect();
    json!(stored)
}

pub(super) fn phq9(number: u32, answer: u32) -> Value {
    let answers: BTreeMap<String, u32> = (1..=9).map(|item| (format!("q{item}"), answer)).collect();
    response(number, "phq-9", &json!(answers), &[])
}

pub(super) fn ring() -> Rc<KeyRing> {
    Rc::new(KeyRing::new(IdentityKey::new(vec![1; 32]), Vec::new()))
}

/// A record as it rests: those with even numbers sealed, the others as versions before stored them.
fn rests(mut record: Value, number: u32, batch: &mut Batch) -> Value {
    let submission = &mut record["submission"];
    let subject = Pseudonym::from(submission["subject"].as_str().unwrap());
    if number.is_multiple_of(2) {
        let (wrapped, keys) = ring().make(&subject, &[[1; 36]; 2]).unwrap();
        let sealed = keys.seal_content(&id(number), submission["content"].as_object().unwrap()).unwrap();
        submission["content"] = json!(sealed);
        batch.put(names::subject_keys(&subject), &wrapped).unwrap();
    }
    record
}

fn event(number: u32, kind: Kind, what: &str) -> Event {
    let what = what.to_owned();
    let (site, submission) = ((number % 2).to_string().as_str().into(), id(number));
    Event { kind, site, what, submission, hash: String::new(), alerts: String::new() }
}

/// Stores records, with their entries in the journal.
pub(super) async fn store(redis: &Redis, store: &Store, records: &[Value]) {
    let (mut batch, mut events) = (Batch::default(), Vec::new());
    for record in records {
        let submission = &record["submission"];
        let number = u32::from_str_radix(&submission["submissionId"].as_str().unwrap()[..8], 16).unwrap();
        let rests = rests(record.clone(), number, &mut batch);
        batch.put(names::submission(&id(number)), &rests).unwrap();
        let kind = if record["state"] == "failed" { Kind::Failed } else { Kind::Scored };
        let what = submission.get("instrument").unwrap_or(&submission["kind"]);
        events.push(event(number, kind, what.as_str().unwrap()));
    }
    kv::put_all(&mut batch).unwrap();
    journal::append(redis, store, &"A".into(), &events).await.unwrap();
}

async fn supersede(redis: &Redis, store: &Store, number: u32, by: u32) {
    let mark = vec![text(names::superseded_mark(&id(number))), text(id(by).as_str())];
    redis.command("SET", mark).await.unwrap();
    journal::append(redis, store, &"A".into(), &[event(number, Kind::Superseded, "")]).await.unwrap();
}

async fn erase(redis: &Redis, store: &Store, number: u32) {
    let site = (number % 2).to_string();
    let tombstone = erasure::tombstone(&id(number), &"A".into(), &site.as_str().into(), AT).unwrap();
    let mut batch = Batch::default();
    batch.put_text(names::submission(&id(number)), tombstone);
    kv::put_all(&mut batch).unwrap();
    journal::append(redis, store, &"A".into(), &[event(number, Kind::Erased, "")]).await.unwrap();
}

/// Responses to two instruments, one with gaps and a parameter; a report; one that failed; one that was superseded; two
/// that were erased.
pub(super) async fn fill(redis: &Redis, kv: &Store) {
    let gaps = json!({"q1": 1, "q2": null, "q3": 2, "q4": 1, "q5": 1, "q6": 1, "q7": 0});
    let health = json!({"mobility": 1, "self-care": 2, "usual-activities": 1, "pain-discomfort": 3,
        "anxiety-depression": 2});
    let instrument = settings::built_in("eq-5d-5l").unwrap();
    let items: Vec<&str> = instrument.item_ids().collect();
    let health: BTreeMap<&str, &Value> = items.into_iter().zip(health.as_object().unwrap().values()).collect();
    let mut failed = record(6, "response", &json!({"q1": "\u{0}<&>"}));
    failed["state"] = json!("failed");
    failed["reason"] = json!("instrument-unknown");
    failed["submission"]["instrument"] = json!("unknown");
    let records = [
        phq9(1, 1),
        phq9(2, 3),
        response(3, "gad-7", &gaps, &[]),
        response(4, "eq-5d-5l", &json!(health), &[]),
        record(5, "diary", &json!({"note": "=1+1, \"好\"\n\tend", "symptoms": [{"name": "x", "severity": 3}]})),
        failed,
        phq9(7, 2),
        phq9(8, 0),
    ];
    store(redis, kv, &records).await;
    supersede(redis, kv, 1, 2).await;
    erase(redis, kv, 7).await;
    erase(redis, kv, 8).await;
}

pub(super) fn seed(queues: &str, work: impl AsyncFn(&Redis, &Store)) {
    let redis = Redis::new(queues);
    crate::block_on(async {
        work(&redis, &Store::open().await?).await;
        Ok(())
    })
    .unwrap();
}

const EVERYTHING: &str = "ndjson,csv-wide,csv-long,parquet,odm";

pub(super) fn asked(out: &Path) -> Asked {
    Asked { study: "A".to_owned(), out: out.to_owned(), format: Some(EVERYTHING.to_owned()), ..Asked::default() }
}

fn verified(path: &Path) -> (Found, String) {
    let mut out = Vec::new();
    let found = verify::run(path, None, &mut out).unwrap();
    (found, String::from_utf8(out).unwrap())
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

/// The rows of a file, without its last line.
fn rows(path: PathBuf) -> Vec<String> {
    let mut lines: Vec<String> = read(path).lines().map(str::to_owned).collect();
    assert!(lines.pop().unwrap().starts_with("{\"end\":"));
    lines
}

#[test]
fn an_export_has_every_form_and_proves_itself() {
    on_both_stores(|location, queues| {
        seed(queues, fill);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/folder");
        let made = run(asked(&out).read().unwrap(), location, queues, &ring()).unwrap();
        let states: Vec<String> = rows(out.join("submissions.ndjson"))
            .iter()
            .map(|row| serde_json::from_str::<Value>(row).unwrap()["state"].as_str().unwrap().to_owned())
            .collect();
        let expected = ["superseded", "scored", "scored", "scored", "scored", "failed", "erased", "erased"];
        assert_eq!((states.as_slice(), made.rows), (&expected.map(str::to_owned)[..], 8));
        let long = read(out.join("submissions-long.csv"));
        assert!(long.contains(",note,\"'=1+1, \"\"好\"\"\n\tend\",,\r\n"), "{long}");
        assert_eq!(read(out.join("submissions-wide-phq-9.csv")).lines().count(), 3);
        let changes = read(out.join("changes.ndjson"));
        assert_eq!(changes.matches("\"erased\"").count(), 2, "{changes}");
        assert_eq!(changes.matches("\"superseded\"").count(), 1, "{changes}");
        let scored: Vec<&str> = made.definitions.iter().map(|it| it.file.as_deref().unwrap()).collect();
        let files = ["eq-5d-5l@1.0.0", "gad-7@1.0.0", "phq-9@1.0.0"].map(|name| format!("definitions/{name}.json"));
        assert_eq!(scored, files);
        assert!(made.files.iter().any(|file| file.name == "codebooks/phq-9@1.0.0.csv"), "{made:?}");
        let (found, told) = verified(&out);
        let files = u64::try_from(made.files.len()).unwrap();
        assert_eq!((found.files, found.rows, found.faults, told.as_str()), (files, 8, 0, ""));
        assert!(found.scores >= 4, "{found:?}");
        // A file of rows alone is verified with the definitions beside it.
        let (found, _) = verified(&out.join("submissions.ndjson"));
        assert_eq!((found.files, found.rows, found.faults), (0, 8, 0));

        // Another export of the study replaces it, and one of another study does not.
        let site = Asked { sites: vec!["1".to_owned()], format: Some("ndjson".to_owned()), ..asked(&out) };
        let made = run(site.read().unwrap(), location, queues, &ring()).unwrap();
        assert_eq!((made.rows, out.join("submissions-long.csv").exists()), (4, false));
        assert_eq!(verified(&out).0.faults, 0);
        let other = Asked { study: "B".to_owned(), ..asked(&out) };
        assert!(other.read().unwrap_err()[0].contains("the study A"));
        let other = Asked { study: "B".to_owned(), ..asked(&folder.path().join("other")) };
        let fault = run(other.read().unwrap(), location, queues, &ring()).unwrap_err();
        assert!(fault.to_string().contains("no submission of a study B"), "{fault}");
        assert!(!folder.path().join("other").exists());
    });
}

#[test]
fn exports_that_continue_each_other_are_together_the_whole() {
    on_both_stores(|location, queues| {
        seed(queues, fill);
        let folder = tempfile::tempdir().unwrap();
        let (parts, whole) = (folder.path().join("parts"), folder.path().join("whole"));
        let next = || Asked { format: None, incremental: true, ..asked(&parts) }.read().unwrap();
        let first =
            run(Asked { incremental: true, ..asked(&parts) }.read().unwrap(), location, queues, &ring()).unwrap();
        seed(queues, async |redis, kv| {
            store(redis, kv, &[phq9(9, 1), record(10, "generic", &json!({"a": {"b": 1}}))]).await;
            erase(redis, kv, 3).await;
        });
        let second = run(next(), location, queues, &ring()).unwrap();
        assert_eq!((second.number, second.rows, second.after.as_ref()), (2, 2, Some(&first.cursor)));
        assert_eq!(second.formats, first.formats);
        let changes = read(parts.join("changes-0002.ndjson"));
        assert!(changes.lines().count() == 1 && changes.contains(id(3).as_str()), "{changes}");
        let third = run(next(), location, queues, &ring()).unwrap();
        assert_eq!((third.rows, &third.cursor), (0, &second.cursor));
        let (found, told) = verified(&parts);
        assert_eq!((found.rows, found.faults, told.as_str()), (10, 0, ""));

        run(asked(&whole).read().unwrap(), location, queues, &ring()).unwrap();
        let names = ["submissions.ndjson", "submissions-0002.ndjson", "submissions-0003.ndjson"];
        let parts_rows: Vec<String> = names.iter().flat_map(|name| rows(parts.join(name))).collect();
        let whole_rows = rows(whole.join("submissions.ndjson"));
        // The third was erased in between: the list of changes says so.
        let differ: Vec<usize> = (0..10).filter(|place| parts_rows[*place] != whole_rows[*place]).collect();
        assert_eq!((parts_rows.len(), whole_rows.len(), differ), (10, 10, vec![2]));
        let after = Asked { after: Some(first.cursor.clone()), ..asked(&folder.path().join("after")) };
        run(after.read().unwrap(), location, queues, &ring()).unwrap();
        assert_eq!(rows(folder.path().join("after/submissions.ndjson")), whole_rows[8..]);

        let other = Asked {
            sites: vec!["1".to_owned()],
            format: Some("ndjson".to_owned()),
            incremental: true,
            ..asked(&parts)
        };
        assert_eq!(other.read().unwrap_err().len(), 2);
        fs::remove_file(parts.join("manifest-0002.json")).unwrap();
        let (found, told) = verified(&parts);
        assert!(told.contains("manifest-0003.json: does not go on where manifest.json ended"), "{told}");
        // Its files are in no manifest any more.
        let unlisted = told.lines().filter(|line| line.contains("-0002") && line.contains("is in no manifest"));
        assert_eq!(unlisted.count() as u64 + 1, found.faults, "{told}");
        fs::remove_file(parts.join("manifest.json")).unwrap();
        let told = verified(&parts).1;
        assert!(
            told.contains("manifest-0003.json: goes on where manifest-0002.json ended, which is not there"),
            "{told}"
        );
    });
}

#[test]
fn what_was_changed_is_found() {
    let study = |location: &Location, queues: &str, out: &Path| {
        run(asked(out).read().unwrap(), location, queues, &ring()).unwrap();
    };
    on_both_stores(|location, queues| {
        seed(queues, fill);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("export");
        let lines = "submissions.ndjson";
        let definition = "definitions/phq-9@1.0.0.json";
        let first = format!("{}: score total differs: value, band", id(1));
        let unknown = format!("{}: was scored by the definition", id(1));
        for (file, from, to, expected) in [
            (
                lines,
                "\"id\":\"total\",\"value\":9.0,\"band\":\"mild\"",
                "\"id\":\"total\",\"value\":0.0,\"band\":\"minimal\"",
                first.as_str(),
            ),
            (lines, "\"q1\":1,\"q2\":1", "\"q1\":3,\"q2\":3", &format!("{}: score total differs", id(1))),
            (lines, "\"q1\":1,\"q2\":1", "\"q1\":7,\"q2\":1", "has answers that its definition does not take"),
            (lines, "\"hash\":\"", "\"hash\":\"0", &unknown),
            (lines, "\"version\":\"1.0.0\"", "\"version\":\"1.0.1\"", "another instrument or version"),
            (lines, "\"missing\":0", "\"missing\":1", "score total differs: missing"),
            (lines, "\"id\":\"total\"", "\"id\":\"sum\"", "score sum should not be there"),
            (definition, "\"title\"", "\"title\" ", "has another SHA-256"),
            (definition, "\"title\"", "\"title\" ", &unknown),
            ("submissions-long.csv", "\r\n", "\r\nx\r\n", "rows instead of"),
            ("codebooks/phq-9@1.0.0.csv", "phq-9", "phq-8", "has another SHA-256"),
            ("submissions.odm.xml", "Value=\"3\"", "Value=\"0\"", "submissions.odm.xml: has another SHA-256"),
            ("submissions.parquet", "PAR1", "PAR2", "submissions.parquet: has another SHA-256"),
            ("changes.ndjson", "erased", "scored", "has another SHA-256"),
            ("manifest.json", "\"rows\": 8", "\"rows\": 7", "counts other submissions"),
        ] {
            study(location, queues, &out);
            let bytes = fs::read(out.join(file)).unwrap();
            let place = bytes.windows(from.len()).position(|some| some == from.as_bytes());
            let place = place.unwrap_or_else(|| panic!("{file} has no {from}"));
            let rest = &bytes[place + from.len()..];
            fs::write(out.join(file), [&bytes[..place], to.as_bytes(), rest].concat()).unwrap();
            let (found, told) = verified(&out);
            assert!(found.faults > 0 && told.contains(expected), "{file}, {to}: {told}");
            assert!(!told.contains("好"));
        }
        // A row is gone, and nobody hashed the file.
        let text = read(out.join(lines));
        let rest = text.split_once('\n').unwrap().1;
        fs::write(out.join("rows.ndjson"), rest).unwrap();
        fs::write(out.join("cut.ndjson"), &text[..text.len() / 2]).unwrap();
        let told = verified(&out.join("rows.ndjson")).1;
        assert!(told.contains("its last line says 8") && told.contains("other rows than"), "{told}");
        assert!(verified(&out.join("cut.ndjson")).1.contains("it broke off"));
        fs::remove_file(out.join("submissions-wide-phq-9.csv")).unwrap();
        assert!(verified(&out).1.contains("submissions-wide-phq-9.csv: is not there"));
        fs::remove_file(out.join("manifest.json")).unwrap();
        assert!(verify::run(&out, None, Vec::new()).is_err());
        assert!(verify::run(&out.join("nothing.ndjson"), None, Vec::new()).is_err());
    });
}

#[test]
fn a_definition_that_is_gone_is_told() {
    on_both_stores(|location, queues| {
        let mut record = phq9(1, 1);
        let hash = "0".repeat(64);
        record["scoredWith"]["hash"] = json!(hash);
        seed(queues, async |redis, kv| store(redis, kv, &[phq9(2, 2), record.clone()]).await);
        let out = tempfile::tempdir().unwrap();
        let made = run(asked(out.path()).read().unwrap(), location, queues, &ring()).unwrap();
        let files: Vec<bool> = made.definitions.iter().map(|definition| definition.file.is_some()).collect();
        assert_eq!((files, &made.definitions[0].sha256), (vec![false, true], &hash));
        let (found, told) = verified(out.path());
        assert!(found.faults == 2 && told.contains("manifest.json: lacks the definition 0000"), "{told}");
        assert!(told.contains(&format!("{}: was scored by the definition 0000", id(1))), "{told}");
    });
}

#[test]
fn parquet_has_the_lines_of_the_long_table_with_times_and_numbers() {
    on_both_stores(|location, queues| {
        seed(queues, fill);
        let out = tempfile::tempdir().unwrap();
        run(asked(out.path()).read().unwrap(), location, queues, &ring()).unwrap();
        let mut table = csv::Reader::from_path(out.path().join("submissions-long.csv")).unwrap();
        let names = table.headers().unwrap().clone();
        let file = fs::File::open(out.path().join("submissions.parquet")).unwrap();
        let columns: Vec<_> = SerializedFileReader::new(file).unwrap().into_iter().map(Result::unwrap).collect();
        let lines: Vec<_> = table.records().map(Result::unwrap).collect();
        assert_eq!(columns.len(), lines.len());
        for (line, row) in lines.iter().zip(&columns) {
            let row: BTreeMap<String, Field> =
                row.get_column_iter().map(|(name, it)| (name.clone(), it.clone())).collect();
            assert_eq!(row["receivedAt"], Field::TimestampMillis(1_772_352_000_000));
            for (name, cell) in names.iter().zip(line).filter(|(name, _)| !name.ends_with("At")) {
                let told = match &row[name] {
                    Field::Str(text) => text.clone(),
                    _ => String::new(),
                };
                // A text that would be a formula is guarded in a table only.
                assert_eq!(told, cell.strip_prefix('\'').unwrap_or(cell), "{name}");
            }
            match &row["number"] {
                Field::Double(number) => assert_eq!(line[12].parse::<f64>().unwrap(), *number),
                _ => assert!(line[12].is_empty() || &line[11] != "score.total", "{line:?}"),
            }
        }
    });
}

#[test]
fn the_forms_are_known_by_their_names() {
    for (name, format) in Format::ALL {
        assert_eq!((Format::parse(name), json!(format)), (Some(format), json!(name)));
    }
    assert!(Manifest::is_name("manifest.json") && Manifest::is_name("manifest-0002.json"));
    assert!(!Manifest::is_name("manifest-x.json") && !Manifest::is_name("manifests.json"));
}
