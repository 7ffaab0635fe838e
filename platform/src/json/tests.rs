use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn check(record: &(impl Serialize + ?Sized)) {
    let mut json = b"before ".to_vec();
    write(&mut json, record).unwrap();
    let expected = format!("before {}", serde_json::to_string(record).unwrap());
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}

#[derive(Serialize)]
struct Nothing;
#[derive(Serialize)]
struct One(&'static str);
#[derive(Serialize)]
struct Two(u8, Option<i64>);
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    UnitOf,
    New(One),
    Pair(i64, &'static str),
    Nil(),
    Named { is_in: Option<f64>, deep: Vec<Kind> },
}
#[derive(Serialize)]
struct Flat {
    own: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
    #[serde(flatten)]
    more: BTreeMap<&'static str, u64>,
}

#[test]
fn every_shape_is_written_as_serde_writes_it() {
    use Kind::*;
    check(&(Nothing, One("a\"b"), Two(7, None), Two(0, Some(i64::MIN)), (), [0u8; 0]));
    check(&[UnitOf, New(One("x")), Pair(-1, "\n"), Nil()]);
    check(&Named { is_in: Some(0.1), deep: vec![UnitOf, Named { is_in: None, deep: Vec::new() }] });
    let more: BTreeMap<_, _> = [("b", 1), ("a\u{1}", u64::MAX)].into();
    check(&[Flat { own: '"', left_out: Some(1), more }, Flat { own: 'ß', left_out: None, more: [].into() }]);
    check(&(i128::MIN, u128::MAX, 1.0f32, f64::NAN, f64::INFINITY, -0.0, 1e300, 5e-324, true, b"bytes".as_slice()));
    check(&BTreeMap::from([(-1, "number"), (2, "")]));
    check(&BTreeMap::from([(true, ()), (false, ())]));
}

#[test]
fn whole_numbers_among_fractions_are_written_as_serde_writes_them() {
    for power in 0..400 {
        let near = 10f64.powi(power) * [1.0, -1.0][power as usize % 2];
        check(&[near, near + 1.0, near - 1.0, near + 0.5, near.next_up(), near.next_down()]);
    }
    check(&[0.0, -0.0, i64::MAX as f64, i64::MIN as f64, u64::MAX as f64, f64::MAX, f64::MIN_POSITIVE]);
}

#[test]
fn what_serde_refuses_is_refused() {
    for refused in [BTreeMap::from([(None, 1)]), BTreeMap::from([(Some(vec![1]), 1)])] {
        assert!(serde_json::to_string(&refused).is_err());
        assert!(write(&mut Vec::new(), &refused).is_err());
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(|number| Value::from((number >> (number & 63)) as f64)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9 -]{0,40}", "[ -~]{0,20}", any::<String>(), "[\u{0}-\u{20}\"\\\\/\u{7f}é漢🙂]{0,20}"]
}

proptest! {
    #[test]
    fn any_value_is_written_as_serde_writes_it(value in value()) {
        check(&value);
    }
}

#[test]
fn every_character_is_written_as_serde_writes_it() {
    for code in (0..=0x180).chain([0x2028, 0xfeff, 0x1f600]) {
        check(&char::from_u32(code).map(|one| format!("a{one}b")));
    }
    check(&json!({"\"": "\\", "\u{0}": "\u{1f}"}));
}
