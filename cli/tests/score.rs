//! `vigilctl score`, run as statisticians run it: the real program, files in and out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test, and its helpers fail it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};

fn vigil(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigilctl"));
    // No file of the project is at hand: scoring asks for none.
    command.arg("score").args(arguments).current_dir(std::env::temp_dir()).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program on an input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = vigil(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // It may end before it has read all.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// Exit status and lines of output.
fn scored(arguments: &[&str], input: &[u8]) -> (i32, Vec<Value>) {
    let output = run(arguments, input);
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The published rows that may be asserted, by instrument.
fn vectors() -> BTreeMap<String, Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/vectors.jsonl");
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let name = row["instrument"].as_str().unwrap();
        let contrast = matches!(name, "PHQ-9" | "GAD-7") && row["complete"] == false;
        if !contrast {
            rows.entry(name.to_owned()).or_default().push(row);
        }
    }
    rows
}

/// Whether a figure is the published one, within what its row says or half of the last digit printed.
fn agrees(row: &Value, key: &str, expected: &Value, score: &Value) -> bool {
    let Some(number) = expected.as_f64() else {
        return *expected == score["value"] && (expected.is_null() == (score["status"] == "not-scored"));
    };
    let digits = expected.to_string().split('.').nth(1).map_or(9, str::len);
    let printed = 0.500_000_1 * 10f64.powi(-i32::try_from(digits).unwrap());
    let index = if key.contains('.') { 0.0011 } else { 0.0 };
    // A literal from another table; what its note allows is more than what its row says.
    let noted = if row["note"].as_str().is_some_and(|note| note.contains("tolerance .0021")) { 0.0021 } else { 0.0 };
    let tolerance = printed.max(index).max(row["tolerance"].as_f64().unwrap_or(0.0)).max(noted);
    score["value"].as_f64().is_some_and(|value| (value - number).abs() <= tolerance)
}

/// The difference between a published row and a line of output.
fn differs(row: &Value, line: &Value) -> Option<String> {
    if line["id"] != row["id"] {
        return Some(format!("the line of {}", line["id"]));
    }
    if row["out_of_range"] == true {
        return line["errors"].as_array().is_none_or(Vec::is_empty).then(|| "an answer out of range was scored".into());
    }
    let scores = line["scores"].as_object()?;
    if row["expected"]["_error"] == true {
        let refused = scores.values().all(|score| score["status"] == "not-scored");
        return (!refused).then(|| "an incomplete form was scored".into());
    }
    let disputed = |key: &str| {
        let names = row["disputed"].as_object();
        names.is_some_and(|names| names.keys().any(|name| key == name || key.strip_prefix("index.") == Some(name)))
    };
    let expected = row["expected"].as_object().unwrap().iter().filter(|(key, _)| !disputed(key));
    let wrong: Vec<String> = expected
        .filter(|(key, expected)| !scores.get(*key).is_some_and(|score| agrees(row, key, expected, score)))
        .map(|(key, expected)| format!("{key} is {}, published {expected}", scores.get(key).unwrap_or(&Value::Null)))
        .collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

#[test]
fn published_rows_come_out_as_published() {
    let mut compared = 0;
    for (name, rows) in vectors() {
        let line = |row: &Value| {
            let mut line = json!({"id": row["id"], "answers": row["answers"]});
            if let Some(parameters) = row.get("params") {
                line["parameters"] = parameters.clone();
            }
            line.to_string() + "\n"
        };
        let input: String = rows.iter().map(line).collect();
        // Not built in, because it is a trademark: a definition from a file.
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/instruments/sf-36v1.json");
        let (code, lines) = scored(&[if name == "SF-36v1" { file } else { &name }], input.as_bytes());
        assert_eq!(lines.len(), rows.len(), "{name}: a line for each line");
        let errors = lines.iter().any(|line| line.get("errors").is_some());
        assert_eq!(code, i32::from(errors), "{name}");
        for (row, line) in rows.iter().zip(&lines) {
            compared += 1;
            if let Some(how) = differs(row, line) {
                panic!("{}: {how}\n{line}", row["id"]);
            }
        }
    }
    assert_eq!(compared, 1153, "every row but 26 of contrast");
}

#[test]
fn a_table_gives_the_same_scores_as_lines() {
    let rows = &vectors()["EORTC-QLQ-C30"];
    let items: Vec<String> = (1..=30).map(|n| format!("q{n}")).collect();
    let mut table = format!("id,{}\r\n", items.join(","));
    let mut lines = String::new();
    for row in rows {
        let cell = |item: &String| row["answers"].get(item).filter(|value| !value.is_null()).map(Value::to_string);
        let cells: Vec<String> = items.iter().map(|item| cell(item).unwrap_or_default()).collect();
        table += &format!("{},{}\r\n", row["id"].as_str().unwrap(), cells.join(","));
        lines += &(json!({"id": row["id"], "answers": row["answers"]}).to_string() + "\n");
    }
    let output = run(&["eortc-qlq-c30", "--csv"], table.as_bytes());
    let (code, lines) = scored(&["eortc-qlq-c30"], lines.as_bytes());
    assert_eq!((output.status.code(), code), (Some(1), 1), "three rows are out of range");
    let mut table = csv::Reader::from_reader(output.stdout.as_slice());
    let header = table.headers().unwrap().clone();
    let mut count = 0;
    for (record, line) in table.records().map(Result::unwrap).zip(&lines) {
        count += 1;
        assert_eq!(record[0], *line["id"].as_str().unwrap());
        assert_eq!(record[header.len() - 1].is_empty(), line.get("errors").is_none());
        for (name, cell) in header.iter().zip(&record).filter(|_| line.get("scores").is_some()) {
            if let Some(score) = line["scores"].get(name) {
                let same = match (cell.parse::<f64>(), score["value"].as_f64()) {
                    (Ok(cell), Some(value)) => (cell - value).abs() < 1e-9,
                    (Err(_), None) => cell.is_empty(),
                    _ => false,
                };
                assert!(same, "{name} of {}: {cell} and {score}", line["id"]);
            } else if let Some(score) = name.strip_suffix(".status").and_then(|name| line["scores"].get(name)) {
                assert_eq!(cell, score["status"].as_str().unwrap());
            }
        }
    }
    assert_eq!(count, rows.len());
}

#[test]
fn a_line_that_cannot_be_scored_says_why_and_stops_nothing() {
    let mut input = b"\xef\xbb\xbf{\"id\":7,\"answers\":{\"q1\":1,\"q2\":2}}\r\n".to_vec();
    input
        .extend_from_slice(b"not json\n\n\xff\xfe\n[1]\n{\"id\":\"x\"}\n{\"id\":[],\"answers\":{\"q1\":9,\"q3\":0}}\n");
    input.extend_from_slice(b"{\"answers\":{\"q1\":1,\"q1\":2}}\n");
    input.extend_from_slice(&[b'[', b' '].repeat(100_000));
    input.extend_from_slice(format!("\n{{\"answers\":\"{}\"}}\n", "x".repeat(2 << 20)).as_bytes());
    input.extend_from_slice(b"{\"id\":\"last\",\"answers\":{\"q1\":null,\"q2\":0}}\n\n\n");
    let (code, lines) = scored(&["phq-2"], &input);
    assert_eq!(code, 1);
    let faults: Vec<Vec<(&str, &str)>> = lines
        .iter()
        .map(|line| match line["errors"].as_array() {
            None => Vec::new(),
            Some(errors) => {
                let text = |error: &'static str, of: &'_ Value| of[error].as_str().unwrap().to_owned().leak() as &str;
                errors.iter().map(|error| (text("pointer", error), text("code", error))).collect()
            }
        })
        .collect();
    let format = vec![("", "format")];
    assert_eq!(
        faults,
        [
            vec![],
            format.clone(),
            format.clone(),
            format.clone(),
            vec![("", "type")],
            vec![("/answers", "required")],
            vec![("/id", "type"), ("/answers/q1", "range"), ("/answers/q3", "unknown")],
            vec![("/answers/q1", "conflict")],
            format.clone(),
            format,
            vec![],
        ]
    );
    assert_eq!((&lines[0]["id"], &lines[5]["id"]), (&json!(7), &json!("x")));
    assert_eq!(lines[0]["scores"]["total"]["value"], 3);
    let last = &lines[10]["scores"]["total"];
    assert_eq!((&last["value"], &last["status"]), (&Value::Null, &json!("not-scored")));
}

#[test]
fn a_score_says_with_what_it_was_made() {
    let line = br#"{"answers":{"MO":5,"SC":5,"UA":5,"PD":5,"AD":5},"parameters":{"valueSet":"USA"}}"#;
    let (code, lines) = scored(&["eq-5d-5l", "--param", "valueSet=Germany"], line);
    assert_eq!(code, 0);
    let scores: Vec<&String> = lines[0]["scores"].as_object().unwrap().keys().collect();
    assert!(scores.contains(&&"index.USA".to_owned()) && !scores.contains(&&"index.Germany".to_owned()));
    assert_eq!(lines[0]["scores"]["index.USA"]["value"], -0.573);
    assert_eq!(lines[0]["scoredWith"]["parameters"], json!({"valueSet": "USA"}));
    assert_eq!(lines[0]["scoredWith"]["hash"].as_str().unwrap().len(), 64);
    let alert = &scored(&["phq-9"], br#"{"answers":{"q9":1}}"#).1[0]["alerts"][0];
    assert_eq!((&alert["rule"], &alert["severity"]), (&json!("item-9"), &json!("critical")));
}

#[test]
fn parameters_are_taken_from_the_line_a_column_or_the_flag() {
    let answers = "5,4,2,2,1";
    for (arguments, header, row) in [
        (vec!["--csv", "--param", "age=30", "--param", "sex=M"], "", ""),
        (vec!["--csv"], ",age,sex", ",30,M"),
        (vec!["--csv", "--param", "age=80", "--param", "sex=M"], ",age", ",30"),
    ] {
        let table = format!("id,MO,SC,UA,PD,AD{header}\n=a,{answers}{row}\n");
        let output = run(&[&["eq-5d-5l-nice-dsu-map-to-3l-uk"], arguments.as_slice()].concat(), table.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let row = String::from_utf8(output.stdout).unwrap();
        assert_eq!(row.lines().nth(1), Some("'=a,0.492,scored,,,,"), "{arguments:?}");
    }
}

/// The records of a table that is scored by PHQ-2: id, total, and whether there are errors.
fn table(input: &str) -> (i32, Vec<(String, String, bool)>) {
    let output = run(&["phq-2", "--csv"], input.as_bytes());
    let mut table = csv::ReaderBuilder::new().from_reader(output.stdout.as_slice());
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|known| known == name).unwrap();
    let (id, total, errors) = (column("id"), column("total"), column("errors"));
    let shown =
        |record: csv::StringRecord| (record[id].to_owned(), record[total].to_owned(), !record[errors].is_empty());
    (output.status.code().unwrap(), table.records().map(|record| shown(record.unwrap())).collect())
}

#[test]
fn every_line_of_a_table_has_its_line_however_lines_end() {
    let row = |id: &str, total: &str| (id.to_owned(), total.to_owned(), false);
    let bad = || (String::new(), String::new(), true);
    let rows = [row("a", "2"), row("b", "3"), row("c", "4")];
    for (one, two, three, last) in [
        ("\n", "\n", "\n", ""),
        ("\r\n", "\r\n", "\r\n", "\r\n"),
        ("\r", "\r", "\r", ""),
        ("\r", "\r", "\r", "\r\r"),
        ("\n", "\r", "\r\n", "\n\r"),
        ("\r\n", "\n", "\r", "\r\n\n"),
    ] {
        let input = format!("id,q1,q2{one}a,1,1{two}b,1,2{three}c,2,2{last}");
        assert_eq!(table(&input), (0, rows.to_vec()), "{input:?}");
        // A line end in quotes, in each spelling.
        let input = format!("id,q1,q2{one}\"a{one}{two}x\",1,1{two}b,1,2{one}c,2,2{last}");
        let quoted = row(&format!("a{one}{two}x"), "2");
        assert_eq!(table(&input), (0, vec![quoted, row("b", "3"), row("c", "4")]), "{input:?}");
        // A quote that is not closed.
        let input = format!("id,q1,q2{one}\"a,1,1{two}b,1,2{three}{three}c,2,2{last}");
        assert_eq!(table(&input), (1, vec![bad(), row("b", "3"), bad(), row("c", "4")]), "{input:?}");
    }
    // These end no line.
    let input = "id,q1,q2\na\u{85}b\u{2028}c,1,1\n";
    assert_eq!(table(input), (0, vec![row("a\u{85}b\u{2028}c", "2")]));
    // Lines of other formats have theirs, too.
    let (code, lines) = scored(&["phq-2"], b"{\"answers\":{\"q1\":1,\"q2\":1}}\r{\"answers\":{\"q1\":1}}\r\nx");
    assert_eq!((code, lines.len(), &lines[0]["scores"]["total"]["value"]), (1, 3, &json!(2)));
}

#[test]
fn no_cell_that_is_written_is_a_formula() {
    let ids = ["=1+1", "+A", "-2+3", "@SUM(A1)", "＝1", "＋1", "－1", "＠1", "\u{feff}=1", "=\"\",1"];
    for id in ids {
        let input = format!("id,q1,q2\n\"{}\",1,1\n", id.replace('"', "\"\""));
        assert_eq!(table(&input).1, [(format!("'{id}"), "2".to_owned(), false)]);
    }
    for id in ["-2", "+1.5", "a=1", "-1e3"] {
        assert_eq!(table(&format!("id,q1,q2\n{id},1,1\n")).1, [(id.to_owned(), "2".to_owned(), false)]);
    }
    // Scores below zero are numbers.
    let output = run(&["eq-5d-5l", "--csv", "--param", "valueSet=USA"], b"id,MO,SC,UA,PD,AD\na,5,5,5,5,5\n");
    assert!(String::from_utf8(output.stdout).unwrap().contains(",-0.573,"));
}

#[test]
fn wrong_usage_is_told_before_anything_is_scored() {
    let answers = b"q1,q2\n1,1\n".as_slice();
    for (arguments, input, expected) in [
        (vec!["phq9"], answers, vec!["Did you mean phq-9", "rand-36"]),
        (vec!["phq-9@7"], answers, vec!["phq-9 is here in version 1"]),
        (vec!["phq-9", "--param", "x=1"], answers, vec!["--param x"]),
        (vec!["eq-5d-5l", "--param", "valueSet=Mars"], answers, vec!["--param valueSet", "Germany"]),
        (vec!["phq-9", "--param", "x"], answers, vec!["NAME=VALUE"]),
        (vec![], answers, vec!["INSTRUMENT"]),
        (vec!["phq-2", "--csv"], b"q1,q2,foo,q1\n1,1,1,1\n", vec!["\"foo\"", "\"q1\" is there twice", "q1, q2"]),
        (vec!["phq-2", "--csv"], b"id\n1\n", vec!["no column is an item"]),
        (vec!["phq-2", "--csv"], b"", vec!["no header"]),
    ] {
        let output = run(&arguments, input);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(expected.iter().all(|expected| told.contains(expected)), "{arguments:?}: {told}");
    }
}

#[test]
fn a_definition_comes_from_a_file_with_all_its_faults_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    let mut definition = json!({
        "id": "own", "version": "1", "title": "Own", "licence": "CC0-1.0", "languages": ["en"], "sources": ["ours"],
        "items": [{"ids": ["a", "b"], "range": [0, 10], "decimal": true}],
        "scores": [{"id": "total", "method": "sum", "items": ["a", "b"]}],
    });
    fs::write(&path, definition.to_string()).unwrap();
    let path = path.to_str().unwrap();
    let (code, lines) = scored(&[path], br#"{"answers":{"a":0.5,"b":1.25}}"#);
    assert_eq!((code, &lines[0]["scores"]["total"]["value"]), (0, &json!(1.75)));
    definition["scores"][0]["items"] = json!(["a", "z"]);
    definition["items"][0]["range"] = json!([10, 0]);
    fs::write(path, definition.to_string()).unwrap();
    let output = run(&[path], b"");
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.contains("2 faults") && told.contains("/scores/0/items/1") && told.contains("/items/0/range"),
        "{told}"
    );
}

#[test]
fn an_answer_comes_before_the_next_line_and_a_closed_pipe_is_a_quiet_end() {
    let mut child = vigil(&["phq-2"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        stdin.write_all(b"{\"answers\":{\"q1\":1,\"q2\":1}}\n").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("\"value\":2"), "{line}");
    }
    drop(stdout);
    // It ends by itself, although its input goes on.
    while stdin.write_all(b"{\"answers\":{}}\n").is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_text_cut_inside_a_character_and_byte_order_marks_spoil_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.json");
    let definition = json!({
        "id": "one", "version": "1", "title": "One", "licence": "CC0-1.0", "languages": ["en"], "sources": ["None"],
        "items": [{"id": "a", "range": [0, 1]}], "scores": [{"id": "total", "method": "sum", "items": ["a"]}],
    });
    let definition = definition.to_string().replace("One", r"One \ud83d");
    fs::write(&path, format!("\u{feff}{definition}")).unwrap();
    let path = path.to_str().unwrap();
    let input = r#"{"id":"\ud83d","answers":{"a":1}}"#.to_owned()
        + "\n{\"id\":\"\\ude00\\ud83d\\ude00\",\"answers\":{\"a\":1.0}}\n";
    let (code, lines) = scored(&[path], format!("\u{feff}{input}").as_bytes());
    assert_eq!((code, &lines[0]["id"], &lines[1]["id"]), (0, &json!("\u{fffd}"), &json!("\u{fffd}😀")));
    let output = run(&["--csv", path], "\u{feff}id,a\nx,1\n".as_bytes());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && table.contains("\nx,1,"), "{table}");
    let wide: Vec<u8> = "{\"answers\":{\"a\":1}}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (code, lines) = scored(&[path], &wide);
    assert_eq!((code, &lines[0]["errors"][0]["detail"]), (1, &json!("must be UTF-8")));
}
