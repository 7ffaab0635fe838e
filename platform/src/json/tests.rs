use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::entry::{Record, Score, ScoredWith, State, Submission};
use crate::judged::{Judged, RulesUsed};

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

prop_compose! {
    fn record()(
        texts in prop::array::uniform20(text()),
        given in prop::array::uniform12(any::<bool>()),
        content in prop::collection::btree_map(text(), value(), 0..5),
        value in value(),
        counts in any::<(u16, u32, u64)>(),
    ) -> Record {
        let text = |place: usize| texts[place].clone();
        let maybe = |place: usize| given[place].then(|| text(place));
        let two = |place: usize| if given[place] { vec![text(place), text(place + 1)] } else { Vec::new() };
        let score = Score {
            id: text(0),
            value: given[0].then_some(value),
            band: maybe(1),
            status: text(2),
            reason: maybe(3),
            answered: counts.0,
            missing: 0,
        };
        Record {
            state: if given[4] { State::Scored } else { State::Failed },
            reason: maybe(5),
            submission: Submission {
                submission_id: text(3),
                study_id: text(4),
                site_id: text(5),
                subject: text(6),
                kind: text(7),
                instrument: maybe(6),
                instrument_version: maybe(7),
                parameters: two(8).into_iter().map(|name| (name, text(10))).collect(),
                authored_at: text(11),
                received_at: text(12),
                key: text(13),
                hash: text(14),
                amends: maybe(9),
                amends_reason: maybe(10),
                flags: two(10),
                removed: two(11).into_iter().map(|name| (name, counts.1)).collect(),
                content: content.into_iter().collect(),
            },
            scored_with: given[0].then(|| ScoredWith {
                id: text(15),
                version: text(16),
                hash: text(17),
                parameters: two(1).into_iter().map(|name| (name, text(18))).collect(),
            }),
            scores: if given[2] { vec![score.clone(), score] } else { Vec::new() },
            alerts: two(3),
            judged: Judged {
                rules: given[4].then_some(RulesUsed { version: counts.2, unreadable: given[5] }),
                ..Judged::default()
            },
        }
    }
}

proptest! {
    #[test]
    fn any_value_is_written_as_serde_writes_it(value in value()) {
        check(&value);
    }

    #[test]
    fn any_record_is_written_as_serde_writes_it(record in record()) {
        check(&record);
    }
}

#[test]
fn every_character_is_written_as_serde_writes_it() {
    for code in (0..=0x180).chain([0x2028, 0xfeff, 0x1f600]) {
        check(&char::from_u32(code).map(|one| format!("a{one}b")));
    }
    check(&json!({"\"": "\\", "\u{0}": "\u{1f}"}));
}
