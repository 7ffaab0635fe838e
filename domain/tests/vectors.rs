//! Every built-in instrument against published scores: `tests/vectors/vectors.jsonl`, 1,179 rows with their sources.
//!
//! Guarantee: each row is compared with the engine's result, or it is in the table of excluded rows with its reason and
//! the number of such rows. A row in neither group fails the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not count as tests")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use domain::{Instrument, Score, ScoreValue, Status, library};
use serde_json::Value;

/// The verdict on a row.
enum Verdict {
    /// This many figures agree.
    Agrees(usize),
    /// Not compared, and the reason.
    Aside(&'static str),
    /// The difference.
    Differs(String),
}

const CONTRAST: &str = "contrast: the references disagree about incomplete forms";

/// Instrument, rows compared, rows excluded. Every row of an instrument is in one of the two groups.
const EXPECTED: &[(&str, usize, usize)] = &[
    ("AUDIT", 19, 0),
    ("AUDIT-C", 35, 0),
    ("CAT", 20, 0),
    ("EORTC-QLQ-C30", 88, 0),
    ("EQ-5D-3L", 106, 0),
    ("EQ-5D-5L", 186, 0),
    ("EQ-5D-5L/NICE-DSU-map-to-3L-UK", 32, 0),
    ("EQ-5D-5L/crosswalk-to-3L(van Hout 2012)", 54, 0),
    ("GAD-7", 28, 10),
    ("GCS", 1, 0),
    ("HADS", 26, 0),
    ("HOOS", 2, 0),
    ("IPSS", 25, 0),
    ("ISI", 23, 0),
    ("K10", 3, 0),
    ("KOOS", 54, 0),
    ("Oxford-Knee-Score", 29, 0),
    ("PHQ-2", 5, 0),
    ("PHQ-4", 74, 0),
    ("PHQ-8", 18, 0),
    ("PHQ-9", 56, 16),
    ("PRO-CTCAE-composite", 102, 0),
    ("PROMIS-Global-10", 27, 0),
    ("PROMIS-Global-10/raw-to-T", 7, 0),
    ("RAND-36", 89, 0),
    ("SF-36v1", 2, 0),
    ("WHO-5", 30, 0),
    ("WOMAC", 12, 0),
];

/// The id of the built-in instrument of a row.
fn slug(instrument: &str) -> String {
    let words = instrument.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

fn rows() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/vectors.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn flag(row: &Value, key: &str) -> bool {
    row[key].as_bool().unwrap_or(false)
}

/// Parameters of a row.
fn parameters(row: &Value) -> BTreeMap<String, String> {
    let given = row["params"].as_object().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    given.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// The allowed difference between two figures: the row's own value, else half a unit of the last printed digit.
fn tolerance(row: &Value, key: &str, expected: &Value) -> f64 {
    let printed = expected.to_string();
    let digits = printed.split('.').nth(1).map_or(9, str::len).min(9);
    let half_a_digit = 0.5000001 * 10f64.powi(-i32::try_from(digits).unwrap());
    let said = row["tolerance"].as_f64().unwrap_or(0.0);
    // RULES for indices of EQ-5D: three decimals, so that implementations that round their coefficients agree.
    let index = if key.contains('.') { 0.0011 } else { 0.0 };
    // `EQ-5D-3L#0124` is a literal from another table: its note allows more than its row states.
    let noted = if row["note"].as_str().is_some_and(|note| note.contains("tolerance .0021")) { 0.0021 } else { 0.0 };
    half_a_digit.max(said).max(index).max(noted)
}

fn same(row: &Value, key: &str, expected: &Value, score: &Score) -> bool {
    match (expected, &score.value) {
        (Value::Null, None) => matches!(score.status, Status::NotScored(_)),
        (Value::Bool(expected), Some(ScoreValue::Flag(found))) => expected == found,
        (Value::String(expected), Some(ScoreValue::Text(found))) => expected == found,
        (Value::Number(number), Some(ScoreValue::Number(found))) => {
            (number.as_f64().unwrap() - found).abs() <= tolerance(row, key, expected)
        }
        _ => false,
    }
}

/// Keys on which the references differ.
fn is_disputed(row: &Value, key: &str) -> bool {
    row["disputed"].as_object().is_some_and(|disputed| {
        disputed.keys().any(|name| key == name || key.strip_prefix("index.").is_some_and(|set| set == name))
    })
}

fn judge(row: &Value, instruments: &BTreeMap<String, Instrument>) -> Verdict {
    let name = row["instrument"].as_str().unwrap();
    let expected = row["expected"].as_object().unwrap();
    if matches!(name, "PHQ-9" | "GAD-7") && row["complete"] == false {
        return Verdict::Aside(CONTRAST);
    }
    let Some(instrument) = instruments.get(&slug(name)) else { return Verdict::Differs("no instrument".into()) };
    let answers = match instrument.read(row["answers"].as_object().unwrap()) {
        Ok(_) if flag(row, "out_of_range") => return Verdict::Differs("an answer out of range was read".into()),
        Ok(answers) => answers,
        // An answer out of range is refused, regardless of the reference's result for the others.
        Err(_) if flag(row, "out_of_range") => return Verdict::Agrees(1),
        Err(findings) => return Verdict::Differs(format!("not read: {findings:?}")),
    };
    let parameters = match instrument.parameters(&parameters(row)) {
        Ok(parameters) => parameters,
        Err(findings) => return Verdict::Differs(format!("parameters: {findings:?}")),
    };
    let scores = instrument.score(&answers, &parameters);
    if expected.get("_error") == Some(&Value::Bool(true)) {
        let refused = scores.iter().all(|score| matches!(score.status, Status::NotScored(_)));
        return if refused { Verdict::Agrees(1) } else { Verdict::Differs("an incomplete form was scored".into()) };
    }
    let mut agree = 0;
    let mut differ = String::new();
    for (key, wanted) in expected.iter().filter(|(key, _)| !is_disputed(row, key)) {
        match scores.iter().find(|score| score.id == key) {
            Some(score) if same(row, key, wanted, score) => agree += 1,
            found => {
                write!(differ, "\n    {key}: expected {wanted}, found {:?}", found.map(|score| &score.value)).unwrap()
            }
        }
    }
    if differ.is_empty() { Verdict::Agrees(agree) } else { Verdict::Differs(differ) }
}

/// The built-in library plus one more definition: the SF-36 is a trademark and not built in, but its scoring needs no
/// code.
fn instruments() -> BTreeMap<String, Instrument> {
    let read = |id: &str| {
        Instrument::from_json(&library::definition(id).unwrap()).unwrap_or_else(|faults| panic!("{id}: {faults:#?}"))
    };
    let built_in = library::ids().map(|id| (id.to_string(), read(id)));
    let own = Instrument::from_json(include_bytes!("instruments/sf-36v1.json")).unwrap();
    built_in.chain([(own.id().to_string(), own)]).collect()
}

#[test]
fn every_row_agrees_or_is_set_aside_with_its_reason() {
    let instruments = instruments();
    let mut failures = String::new();
    let mut compared: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut aside: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for row in rows() {
        let name = row["instrument"].as_str().unwrap().to_string();
        match judge(&row, &instruments) {
            Verdict::Agrees(figures) => {
                let count = compared.entry(name).or_default();
                count.0 += 1;
                count.1 += figures;
            }
            Verdict::Aside(why) => *aside.entry((name, why)).or_default() += 1,
            Verdict::Differs(how) => writeln!(failures, "{}: {how}", row["id"]).unwrap(),
        }
    }
    assert!(failures.is_empty(), "rows that differ:\n{failures}");
    let mut found = Vec::new();
    for (name, (rows, _)) in &compared {
        let set_aside = aside.iter().filter(|((of, _), _)| of == name).map(|(_, count)| count).sum();
        found.push((name.as_str(), *rows, set_aside));
    }
    for ((name, _), count) in aside.iter().filter(|((name, _), _)| !compared.contains_key(name)) {
        found.push((name, 0, *count));
    }
    found.sort_unstable();
    eprintln!("figures compared: {compared:?}\nset aside: {aside:?}");
    assert_eq!(found, EXPECTED);
}
