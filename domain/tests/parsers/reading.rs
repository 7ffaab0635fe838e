//! JSON: the reader gives the same values as `serde_json`, and reports every repeated member in any place and spelling.

use domain::Code;
use domain::reading::{Json, Limits, Unreadable};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::choices::{Choices, bytes};
use crate::config;
use crate::samples;

const LIMITS: Limits = Limits { levels: 20, values: 1000 };
/// Odds that no byte can meet.
const NEVER: usize = 257;

/// A value of any shape.
fn any_json(choices: &mut Choices<'_>, depth: usize) -> Value {
    match choices.below(if depth == 0 { 5 } else { 7 }) {
        0 => json!(choices.one_of(&[0, 3, -1, i64::MIN, i64::MAX])),
        1 => json!(choices.one_of(&[0.5, -0.0, 1e300, 7.4, 0.1 + 0.2])),
        2 => json!(choices.once_in(2)),
        3 => Value::Null,
        4 => json!(choices.one_of(&["", "a", "\"\\/\n\u{1}", "陈 é", "\u{1f600}"])),
        5 => (0..choices.below(4)).map(|_| any_json(choices, depth - 1)).collect(),
        _ => Value::Object(object(choices, depth)),
    }
}

fn object(choices: &mut Choices<'_>, depth: usize) -> Map<String, Value> {
    let names = ["q9", "", "a/b", "m~n", "\"\\", "陈", "\u{1f600}", "answers"];
    (0..choices.below(5)).map(|_| (choices.one_of(&names).to_owned(), any_json(choices, depth - 1))).collect()
}

/// A member's name as JSON, each character perhaps as an escape.
fn spelled(choices: &mut Choices<'_>, name: &str) -> String {
    let mut text = String::from("\"");
    for c in name.chars() {
        if matches!(c, '"' | '\\') || u32::from(c) < 0x20 || choices.once_in(2) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text + "\""
}

/// Writes a value, with some members of its objects repeated. Returns the pointers of the repeated members.
fn written(choices: &mut Choices<'_>, value: &Value, at: &str, odds: usize, repeated: &mut Vec<String>) -> String {
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| written(choices, item, &format!("{at}/{index}"), odds, repeated));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut texts = Vec::new();
            for (name, member) in members {
                let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                texts.push((spelled(choices, name), written(choices, member, &pointer, odds, repeated)));
                if choices.once_in(odds) {
                    let others = [json!(0), member.clone(), json!({"x": [1]})];
                    let other = others[choices.below(others.len())].to_string();
                    // Before or after the first one, with others between.
                    texts.insert(choices.below(texts.len() + 1), (spelled(choices, name), other));
                    repeated.push(pointer);
                }
            }
            let texts: Vec<String> = texts.into_iter().map(|(name, value)| format!("{name} : {value}")).collect();
            format!("{{{}}}", texts.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_said_once_is_read_as_it_is(choices in bytes(60)) {
        let mut choices = Choices::of(&choices);
        let value = any_json(&mut choices, 4);
        let text = written(&mut choices, &value, "", NEVER, &mut Vec::new());
        let expected: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Json::read(text.as_bytes(), LIMITS), Ok(Json { value: expected, faults: Vec::new(), halves: 0 }), "{}", text);
    }

    #[test]
    fn what_is_said_twice_is_told_wherever_and_however_it_is_spelled(choices in bytes(90)) {
        let mut choices = Choices::of(&choices);
        let value = Value::Object(object(&mut choices, 4));
        let mut repeated = Vec::new();
        let text = written(&mut choices, &value, "", 3, &mut repeated);
        let read = Json::read(text.as_bytes(), LIMITS).unwrap();
        // Members within a repeated object may be reported for either copy.
        let within = |pointer: &String| repeated.iter().any(|outer| pointer.starts_with(&format!("{outer}/")));
        let mut told: Vec<String> = read.faults.iter().map(|fault| fault.pointer.clone()).collect();
        prop_assert!(read.faults.iter().all(|fault| fault.code == Code::Conflict));
        let mut expected = repeated.clone();
        told.sort();
        expected.sort();
        told.retain(|pointer| !within(pointer));
        expected.retain(|pointer| !within(pointer));
        prop_assert_eq!(&told, &expected, "{}", text);
        prop_assert_eq!(Json::sound(text.as_bytes(), LIMITS).is_ok(), repeated.is_empty());
    }

    #[test]
    fn a_report_with_a_member_repeated_is_told_where(choices in bytes(120)) {
        let mut choices = Choices::of(&choices);
        let report = samples::report(&mut choices, &mut |choices| choices.word(1, 8));
        let mut repeated = Vec::new();
        let text = written(&mut choices, &report, "", 9, &mut repeated);
        let read = Json::read(text.as_bytes(), Limits::DOCUMENT).unwrap();
        prop_assert_eq!(read.faults.is_empty(), repeated.is_empty(), "{}", text);
    }

    #[test]
    fn what_is_no_json_to_others_is_none_here(text in "[\\[\\]{},:\"\\\\0-9eE.+\\-a-f u\n]{0,24}") {
        let theirs = serde_json::from_str::<Value>(&text);
        match Json::read(text.as_bytes(), LIMITS) {
            Ok(read) if read.halves == 0 => prop_assert_eq!(read.value, theirs.unwrap()),
            Ok(_) => prop_assert!(theirs.is_err()),
            Err(Unreadable::NotJson { line, column }) => {
                let theirs = theirs.unwrap_err();
                prop_assert_eq!((line, column), (theirs.line(), theirs.column()), "{}", text);
            }
            Err(Unreadable::Foreign) => prop_assert!(false, "{text}"),
            Err(Unreadable::Refused(faults)) => prop_assert!(false, "{text}: {faults:?}"),
        }
    }

    #[test]
    fn half_of_a_character_is_one_character_and_is_counted(
        units in prop::collection::vec(prop_oneof![0xd7f0u16..0xe010, any::<u16>()], 0..12),
        mark in any::<bool>(),
    ) {
        let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let text = format!("{}{{\"{escapes}\":[\"{escapes}\"]}}", if mark { "\u{feff}" } else { "" });
        let read = Json::read(text.as_bytes(), LIMITS).unwrap();
        let expected = String::from_utf16_lossy(&units);
        prop_assert_eq!(&read.value, &serde_json::json!({&*expected: [expected]}));
        let halves = char::decode_utf16(units).filter(Result::is_err).count();
        prop_assert_eq!(read.halves as usize, 2 * halves);
        let repaired = domain::reading::repaired(text.as_bytes());
        prop_assert_eq!(serde_json::from_slice::<Value>(&repaired).unwrap(), read.value);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let theirs: Result<Value, _> = serde_json::from_slice(&bytes);
        prop_assert_eq!(Json::read(&bytes, LIMITS).is_ok(), theirs.is_ok());
    }
}

/// The pointers and rules for which a text is refused; none if it is not JSON.
fn refused(text: &str, limits: Limits) -> Option<Vec<(String, String)>> {
    match Json::read(text.as_bytes(), limits) {
        Ok(read) => panic!("{:?}", read.faults),
        Err(Unreadable::Refused(faults)) => Some(faults.into_iter().map(|it| (it.pointer, it.detail)).collect()),
        Err(Unreadable::NotJson { .. } | Unreadable::Foreign) => None,
    }
}

#[test]
fn a_document_is_as_deep_and_as_large_as_its_limits_say_and_no_more() {
    let limits = Limits { levels: 3, values: 5 };
    for text in ["[[[1]]]", "[[[]]]", r#"{"a":{"b":{"c":1}}}"#, "[1,2,3,4]", "7", r#"[{"a":1,"b":2},"x"]"#] {
        assert_eq!(Json::sound(text.as_bytes(), limits).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
    let deep = |pointer: &str| Some(vec![(pointer.to_owned(), "must be nested at most 3 deep".to_owned())]);
    assert_eq!(refused("[[[[]]]]", limits), deep("/0/0/0"));
    assert_eq!(refused(r#"{"a":{"b":{"c":{"d":1,"d":2}}}}"#, limits), deep("/a/b/c"));
    let large = Some(vec![(String::new(), "must hold at most 5 values".to_owned())]);
    for text in ["[1,2,3,4,5]", "[[],[],[],[],[[[[[]]]]]]", r#"{"a":1,"b":2,"c":3,"d":4,"e":{"f":5,"f":6}}"#] {
        assert_eq!(refused(text, limits), large, "{text}");
    }
    // All faults are reported together.
    let both = refused(r#"{"a":1,"a":[[[[]]]],"b":1}"#, limits).unwrap();
    let pointers: Vec<&str> = both.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/a/0/0", "/a", ""]);
    // A text that is both too large and invalid JSON is reported as invalid JSON.
    for text in ["[[[[", "[1,2,3,4,5", "[1,2,3,4,5}", "[[[[1}]]]", r#"{"a":{"b":{"c":{"d":}}}}"#] {
        assert_eq!(refused(text, limits), None, "{text}");
    }
    // At any depth.
    assert_eq!(refused(&("[".repeat(100_000) + &"]".repeat(100_000)), limits), deep("/0/0/0"));
}

#[test]
fn bytes_that_are_no_utf8_are_refused_where_they_stand() {
    let error = Json::read(b"{\"a\":\n \"\xff\"}", LIMITS).unwrap_err();
    assert_eq!(error, Unreadable::NotJson { line: 2, column: 3 });
    assert_eq!(Json::sound("{\"a\": \"é\"}".as_bytes(), LIMITS).unwrap(), json!({"a": "é"}));
}

#[test]
fn what_is_told_stays_small() {
    let name = "n".repeat(100_000);
    let members: Vec<String> = (0..400).map(|number| format!("\"{number}\":1,\"{number}\":2")).collect();
    let text = format!("{{\"{name}\":{{{}}}}}", members.join(","));
    let read = Json::read(text.as_bytes(), LIMITS).unwrap();
    assert_eq!(read.faults.len(), 100);
    assert!(read.faults.iter().all(|fault| fault.pointer.len() < 80));
}
