//! Definitions: a new one needs a file and no code, and a wrong one gets all its faults reported.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::{collections::BTreeMap, fs, path::Path};

use domain::{Answers, Code, Instrument, ScoreValue, Status, library};
use serde_json::{Map, Value, json};

fn from_file() -> Instrument {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instruments/sample-diary.json");
    Instrument::from_json(&fs::read(file).unwrap()).unwrap()
}

/// Answers of the sample diary: `a` and `b` in order, then further answers by name.
fn diary(a: [i64; 7], b: [i64; 6], more: Value) -> Map<String, Value> {
    let mut answers = more.as_object().unwrap().clone();
    answers.extend(a.iter().enumerate().map(|(n, x)| (format!("a{}", n + 1), json!(x))));
    answers.extend(b.iter().enumerate().map(|(n, x)| (format!("b{}", n + 1), json!(x))));
    answers
}

fn check(answers: &Map<String, Value>, age: Option<&str>, expected: &[(&str, Option<f64>, &str)]) {
    let instrument = from_file();
    let age = age.map(|age| ("age".to_string(), age.to_string()));
    let parameters = instrument.parameters(&age.into_iter().collect()).unwrap();
    let scores = instrument.score(&instrument.read(answers).unwrap(), &parameters);
    for (id, value, status) in expected {
        let score = scores.iter().find(|score| score.id == *id).unwrap();
        assert_eq!((score.number(), score.status.as_str()), (*value, *status), "{id}");
    }
}

#[test]
fn an_instrument_from_a_file_is_scored_without_code() {
    let full = diary([0, 1, 2, 3, 4, 0, 1], [1, 3, 0, 4, 2, 2], json!({"distance": 2.5, "mood": "bad"}));
    let expected = [
        ("a", Some(15.0), "scored"),
        ("b", Some(12.0), "scored"),
        ("total", Some(27.0), "scored"),
        ("weighted", Some(-5.0), "scored"),
        ("rounded_once", Some(1.3), "scored"),
        ("rounded_on_the_way", Some(3.8), "scored"),
        ("mood", Some(10.0), "scored"),
        ("walked", Some(5.0), "scored"),
    ];
    check(&full, Some("70"), &expected);
    check(&full, Some("64"), &[("walked", Some(2.5), "scored")]);
    check(&full, None, &[("walked", None, "not-scored")]);
}

#[test]
fn two_thresholds_are_both_strict() {
    let mood = || json!({"mood": 1});
    // 4 of 7 and 4 of 6 are more than half; together 8 of 13 are not more than 80%.
    let half = diary([0, 0, 0, 0, 9, 9, 9], [4, 4, 4, 4, 8, 8], mood());
    check(&half, None, &[("a", Some(28.0), "prorated"), ("b", Some(24.0), "prorated"), ("total", None, "not-scored")]);
    // 3 of 6 is not more than half.
    let less = diary([0, 0, 0, 0, 0, 0, 0], [4, 4, 4, 9, 9, 9], mood());
    check(&less, None, &[("a", Some(24.0), "scored"), ("b", None, "not-scored"), ("total", None, "not-scored")]);
    // 11 of 13 are more than 80%.
    let enough = diary([0, 0, 0, 0, 0, 0, 9], [4, 4, 4, 4, 4, 9], mood());
    check(&enough, None, &[("a", Some(28.0), "prorated"), ("total", Some(52.0), "prorated")]);
}

#[test]
fn answers_are_read_by_code_or_by_value_and_never_by_order() {
    let instrument = from_file();
    let mood = |mood: Value| instrument.read(&Map::from_iter([("mood".to_string(), mood)]));
    assert_eq!(mood(json!("bad")).unwrap(), mood(json!(2)).unwrap());
    let faults = |found: Result<Answers, Vec<domain::Finding>>| -> Vec<(String, Code)> {
        found.unwrap_err().into_iter().map(|finding| (finding.pointer, finding.code)).collect()
    };
    assert_eq!(faults(mood(json!("worse"))), [("/mood".to_string(), Code::Choice)]);
    assert_eq!(faults(mood(json!(10))), [("/mood".to_string(), Code::Range)]);
    assert_eq!(faults(mood(json!(true))), [("/mood".to_string(), Code::Type)]);
    // The item is required, and an option that stands for a missing answer does not satisfy that.
    assert_eq!(faults(mood(Value::Null)), [("/mood".to_string(), Code::Required)]);
    assert_eq!(faults(mood(json!("none"))), [("/mood".to_string(), Code::Required)]);
}

#[test]
fn all_faults_of_answers_are_reported_at_once_and_none_repeats_the_answer() {
    let instrument = Instrument::from_json(&library::definition("phq-9").unwrap()).unwrap();
    let answers = json!({"q1": 4, "q2": 1.5, "q3": "LA6568-5", "q4": "x", "q5": [], "a/b": 1, "q6": 2.0, "q7": null});
    let findings = instrument.read(answers.as_object().unwrap()).unwrap_err();
    let found: Vec<_> = findings.iter().map(|finding| (finding.pointer.as_str(), finding.code)).collect();
    let expected = [
        ("/a~1b", Code::Unknown),
        ("/q1", Code::Range),
        ("/q2", Code::Range),
        ("/q4", Code::Choice),
        ("/q5", Code::Type),
    ];
    assert_eq!(found, expected);
    assert_eq!(findings[1].detail, "one of 0, 1, 2, 3, or the code of an option");
}

#[test]
fn a_wide_range_is_read_to_its_end() {
    let mut definition = right();
    put(&mut definition, "/items/3", json!({"id": "steps", "range": [0, 50000]}));
    put(&mut definition, "/items/4", json!({"id": "odd", "options": [{"weight": 1}, {"weight": 3}, {"weight": 2.5}]}));
    let instrument = Instrument::from_json(&serde_json::to_vec(&definition).unwrap()).unwrap();
    let read = |id: &str, value: Value| instrument.read(&Map::from_iter([(id.to_string(), value)])).is_ok();
    assert!(read("steps", json!(0)) && read("steps", json!(257)) && read("steps", json!(50000)));
    assert!(!read("steps", json!(50001)) && !read("steps", json!(-1)) && !read("steps", json!(1.5)));
    assert!(read("odd", json!(1)) && read("odd", json!(2.5)) && !read("odd", json!(2)));
    check_fault("/items/0/range", json!([0.5, 3]), ("/items/0", Code::Conflict));
    let recode = json!({"id": "q1", "range": [0, 300], "recode": [[0, 1]]});
    check_fault("/items/0", recode, ("/items/0/recode", Code::Conflict));
}

#[test]
fn answers_are_not_printed() {
    let instrument = from_file();
    let answers = instrument.read(json!({"mood": "bad"}).as_object().unwrap()).unwrap();
    assert_eq!(format!("{answers:?}"), "Answers(..)");
}

/// A valid definition, from which invalid ones are made.
fn right() -> Value {
    json!({
        "id": "sample", "version": "1", "title": "Sample", "licence": "none", "languages": ["en"], "sources": ["made up"],
        "parameters": [{"id": "form", "choices": ["old", "new"], "default": "old"}],
        "items": [
            {"id": "q1", "range": [0, 3]},
            {"id": "q2", "range": [0, 3], "options": [{"code": "no", "weight": 0}, {"code": "yes", "weight": 3}]},
            {"id": "q3", "range": [0, 3]}
        ],
        "scores": [
            {"id": "total", "method": "sum", "items": ["q1", "q2", "q3"], "range": [0, 9],
             "bands": [{"id": "low", "from": 0, "below": 5}, {"id": "high", "from": 5}]},
            {"id": "half", "method": "sum", "items": ["q1", "q2"], "complete": "half", "fill": "mean"},
            {"id": "severity", "method": "band", "score": "total"}
        ],
        "alerts": [
            {"id": "high", "severity": "high", "textKey": "sample.high", "when": {"score": "total", "band": "high"}},
            {"id": "q1", "severity": "info", "textKey": "sample.q1", "when": {"item": "q1", "atLeast": 1}}
        ]
    })
}

/// Puts `value` at `pointer`, or removes the present value.
fn put(definition: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match definition.pointer_mut(parent).unwrap() {
        Value::Object(members) if value.is_null() => drop(members.remove(key)),
        Value::Object(members) => drop(members.insert(key.to_string(), value)),
        Value::Array(list) if key.parse::<usize>().unwrap() == list.len() => list.push(value),
        there => there[key.parse::<usize>().unwrap()] = value,
    }
}

fn faults(definition: &Value) -> Vec<(String, Code)> {
    let found = Instrument::from_json(&serde_json::to_vec(definition).unwrap());
    let mut found: Vec<_> =
        found.err().unwrap_or_default().into_iter().map(|fault| (fault.pointer, fault.code)).collect();
    found.sort();
    found
}

/// Checks that one change of a valid definition makes exactly this fault.
fn check_fault(pointer: &str, value: Value, expected: (&str, Code)) {
    let mut definition = right();
    assert_eq!(faults(&definition), []);
    put(&mut definition, pointer, value.clone());
    assert_eq!(faults(&definition), [(expected.0.to_string(), expected.1)], "{pointer}: {value}");
}

/// Ten changes, each with its own kind of fault.
fn ten() -> [(&'static str, Value, (&'static str, Code)); 10] {
    let bands = json!([{"id": "low", "from": 0, "below": 6}, {"id": "high", "from": 5}]);
    [
        ("/licence", Value::Null, ("", Code::Required)),
        ("/parameters/0/default", json!("newest"), ("/parameters/0/default", Code::Choice)),
        ("/items/1/options/1/weight", json!(4), ("/items/1/options", Code::Range)),
        ("/items/3", json!({"id": "q3", "range": [0, 3]}), ("/items/3", Code::Conflict)),
        ("/items/0/colour", json!("red"), ("/items/0/colour", Code::Unknown)),
        ("/scores/0/bands", bands, ("/scores/0/bands/1", Code::Conflict)),
        ("/scores/1/items/1", json!("q7"), ("/scores/1/items/1", Code::Unknown)),
        ("/scores/3", json!({"id": "odd", "method": "median"}), ("/scores/3/method", Code::Choice)),
        ("/alerts/0/severity", json!("fatal"), ("/alerts/0/severity", Code::Choice)),
        ("/alerts/1/when/atLeast", json!(4), ("/alerts/1/when", Code::Conflict)),
    ]
}

#[test]
fn a_definition_with_ten_faults_reports_ten_faults() {
    let mut definition = right();
    let mut expected = Vec::new();
    for (pointer, value, (at, code)) in ten() {
        put(&mut definition, pointer, value);
        expected.push((at.to_string(), code));
    }
    expected.sort();
    assert_eq!(faults(&definition), expected);
}

#[test]
fn each_fault_is_reported_once_at_its_place() {
    for (pointer, value, expected) in ten() {
        check_fault(pointer, value, expected);
    }
}

#[test]
fn a_kind_of_report_is_no_instrument() {
    check_fault("/id", json!("lab"), ("/id", Code::Conflict));
}

#[test]
fn a_member_that_is_there_twice_is_a_fault() {
    let text = serde_json::to_string(&right()).unwrap();
    assert!(Instrument::from_json(format!("\u{feff}{text}").as_bytes()).is_ok(), "a byte order mark is no part of it");
    let twice = text.replacen(r#""atLeast":1"#, r#""atLeast":3,"atLeast":1"#, 1);
    assert_ne!(text, twice);
    let found = Instrument::from_json(twice.as_bytes()).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pointer.as_str(), found[0].code), ("/alerts/1/when/atLeast", Code::Conflict));
    for broken in ["", "{", "[1,]", "{} {}", "{}\u{feff}"] {
        let found = Instrument::from_json(broken.as_bytes()).unwrap_err();
        assert_eq!((found.len(), found[0].pointer.as_str(), found[0].code), (1, "", Code::Format), "{broken}");
    }
}

#[test]
fn what_follows_from_a_fault_is_not_reported_again() {
    let mut definition = right();
    put(&mut definition, "/optionLists", json!({"yes-no": [{"weight": 0}, {"weight": "one"}]}));
    put(&mut definition, "/items/2", json!({"id": "q3", "options": "yes-no"}));
    put(&mut definition, "/parameters/0", json!({"id": "form"}));
    let by_form = json!({"when": {"parameter": "form", "is": "new"}, "method": "sum", "items": ["q3"]});
    put(&mut definition, "/scores/3", json!({"id": "newer", "cases": [by_form], "range": [0, 1]}));
    put(
        &mut definition,
        "/alerts/2",
        json!({
            "id": "newer", "severity": "info", "textKey": "newer", "when": {"score": "newer", "band": "any", "atLeast": 9}
        }),
    );
    let expected = [("/optionLists/yes-no/1/weight", Code::Type), ("/parameters/0", Code::Required)];
    assert_eq!(faults(&definition), expected.map(|(at, code)| (at.to_string(), code)));
}

#[test]
fn a_rule_that_can_never_hold_is_a_fault() {
    let when = ("/alerts/1/when", Code::Conflict);
    check_fault(when.0, json!({"item": "q1", "above": 3}), when);
    check_fault(when.0, json!({"item": "q1", "above": 1, "below": 2}), when);
    check_fault(when.0, json!({"item": "q1", "in": [4, 5]}), when);
    check_fault(when.0, json!({"score": "total", "atLeast": 10}), when);
    check_fault(when.0, json!({"change": "total", "since": "baseline", "atLeast": 10}), when);
    check_fault(when.0, json!({"missing": ["q1..q3"], "atLeast": 4}), when);
    check_fault(when.0, json!({"all": [{"item": "q1", "atLeast": 2}, {"item": "q1", "atMost": 1}]}), when);
    check_fault(when.0, json!({"all": [{"item": "q1", "atLeast": 2}, {"item": "q1", "missing": true}]}), when);
    check_fault(when.0, json!({"any": [{"all": [{"item": "q1", "is": 1}, {"item": "q1", "is": 2}]}]}), when);
}

#[test]
fn a_condition_says_one_thing_and_only_what_can_be_asked_there() {
    let at = "/alerts/1/when";
    check_fault(at, json!({}), (at, Code::Required));
    check_fault(at, json!({"item": "q1"}), (at, Code::Required));
    check_fault(at, json!({"item": "q1", "score": "total", "atLeast": 1}), (at, Code::Conflict));
    check_fault(at, json!({"parameter": "form", "is": "old"}), (at, Code::Choice));
    check_fault(at, json!({"item": "q1", "atLeast": 1, "unless": 2}), ("/alerts/1/when/unless", Code::Unknown));
    check_fault(at, json!({"score": "total", "band": "middle"}), ("/alerts/1/when/band", Code::Unknown));
    check_fault(at, json!({"score": "severity", "atLeast": 1}), ("/alerts/1/when/score", Code::Type));
    check_fault(at, json!({"all": []}), ("/alerts/1/when/all", Code::Range));
}

#[test]
fn bands_neither_overlap_nor_leave_gaps_nor_end_early() {
    let bands = |second: Value| json!([{"id": "low", "from": 0, "below": 5}, second]);
    let at = "/scores/0/bands";
    let (second, conflict) = ("/scores/0/bands/1", Code::Conflict);
    check_fault(at, bands(json!({"id": "high", "from": 4})), (second, conflict));
    check_fault(at, bands(json!({"id": "high", "from": 6})), (second, conflict));
    check_fault(at, bands(json!({"id": "high", "from": 5, "below": 9})), (at, conflict));
}

#[test]
fn a_score_refers_only_to_what_comes_before_it_and_says_its_range_truly() {
    check_fault("/scores/0/range", json!([0, 8]), ("/scores/0/range", Code::Conflict));
    let own = json!({"id": "half", "method": "sum", "scores": ["half"]});
    check_fault("/scores/1", own, ("/scores/1/scores/0", Code::Conflict));
    let later = json!({"id": "half", "method": "sum", "scores": ["later"]});
    check_fault("/scores/1", later, ("/scores/1/scores/0", Code::Unknown));
    let silent = json!({"id": "half", "method": "sum", "items": ["q1", "q2"], "complete": "half"});
    check_fault("/scores/1", silent, ("/scores/1", Code::Required));
    let table = json!({"id": "half", "method": "lookup", "keys": [{"item": "q1"}, {"item": "q3"}], "values": [1, 2]});
    check_fault("/scores/1", table, ("/scores/1/values", Code::Range));
}

#[test]
fn a_figure_is_counted_once_and_one_rule_says_how_much_must_be_there() {
    let conflict = ("/scores/1", Code::Conflict);
    let twice = json!({"id": "half", "method": "sum", "items": ["q1"], "terms": [{"item": "q1", "weight": 2}]});
    check_fault("/scores/1", twice, conflict);
    let twice = json!({"id": "half", "method": "sum", "items": ["q1", "q2", "q1"]});
    check_fault("/scores/1", twice, ("/scores/1/items/2", Code::Conflict));
    let both = json!({"missingAtMost": 1, "answeredAtLeast": 1});
    let both = json!({"id": "half", "method": "sum", "items": ["q1", "q2"], "complete": both, "fill": "mean"});
    check_fault("/scores/1", both, ("/scores/1/complete", Code::Conflict));
    // A table of sums applies to complete sums only.
    let table =
        json!({"id": "severity", "method": "lookup", "keys": [{"score": "half"}], "values": [0, 0, 0, 0, 0, 0, 1]});
    check_fault("/scores/2", table, ("/scores/2/keys/0", Code::Conflict));
}

#[test]
fn a_wording_is_in_every_language_or_in_the_first() {
    check_fault("/items/0/text", json!({"en": "How?", "de": "Wie?"}), ("/items/0/text/de", Code::Unknown));
    let mut two = right();
    put(&mut two, "/languages", json!(["en", "de"]));
    put(&mut two, "/items/0/text", json!({"en": "How?", "de": "Wie?"}));
    assert_eq!(faults(&two), []);
    put(&mut two, "/items/0/text", json!({"en": "How?"}));
    assert_eq!(faults(&two), [("/items/0/text".to_string(), Code::Required)]);
}

#[test]
fn every_built_in_definition_is_valid_and_carries_its_provenance() {
    for id in library::ids() {
        let definition = library::definition(id).unwrap();
        let instrument = Instrument::from_json(&definition).unwrap();
        assert_eq!(instrument.id(), id);
        assert_eq!(instrument.hash().len(), 64);
        let source: Value = serde_json::from_slice(&definition).unwrap();
        assert!(!source["sources"].as_array().unwrap().is_empty(), "{id} has no source");
        assert!(!instrument.licence().is_empty() && !instrument.version().is_empty());
        for score in instrument.score_ids().filter(|score| score.starts_with("index.")) {
            assert!(instrument.score_source(score).unwrap().starts_with("doi:"), "{id} {score}");
        }
    }
    assert!(library::definition("fact-g").is_none());
}

#[test]
fn the_hash_is_that_of_the_definition() {
    let hash = |text: &[u8]| Instrument::from_json(text).unwrap().hash().to_string();
    let definition = serde_json::to_vec(&right()).unwrap();
    assert_eq!(hash(&definition), hash(&definition));
    let mut other = right();
    put(&mut other, "/version", json!("2"));
    assert_ne!(hash(&definition), hash(&serde_json::to_vec(&other).unwrap()));
}

#[test]
fn parameters_are_checked_and_defaults_filled_in() {
    let instrument = Instrument::from_json(&library::definition("pro-ctcae-composite").unwrap()).unwrap();
    let given = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    };
    let parameters = instrument.parameters(&given(&[("zeroImputation", "on")])).unwrap();
    let found: Vec<_> = parameters.iter().collect();
    assert_eq!(found, [("attributes", "frq+sev+int"), ("zeroImputation", "on")]);
    let faults = instrument.parameters(&given(&[("attributes", "sev+frq"), ("sets", "x")])).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
    assert_eq!(found, [("/sets", Code::Unknown), ("/attributes", Code::Choice)]);
}

#[test]
fn one_value_set_gives_one_index() {
    let instrument = Instrument::from_json(&library::definition("eq-5d-5l").unwrap()).unwrap();
    let answers = json!({"MO": 2, "SC": 1, "UA": 1, "PD": 3, "AD": 1, "VAS": 80});
    let answers = instrument.read(answers.as_object().unwrap()).unwrap();
    let set = BTreeMap::from([("valueSet".to_string(), "Germany".to_string())]);
    let scores = instrument.score(&answers, &instrument.parameters(&set).unwrap());
    let found: Vec<_> = scores.iter().map(|score| (score.id, score.value.clone().unwrap())).collect();
    let expected = [
        ("health_state", ScoreValue::Text("21131".into())),
        ("index.Germany", ScoreValue::Number(0.865)),
        ("vas", ScoreValue::Number(80.0)),
    ];
    assert_eq!(found, expected);
    assert!(scores.iter().all(|score| score.status == Status::Scored));
}
