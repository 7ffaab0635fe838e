//! Properties of every instrument with any answers.
//!
//! Properties: a score lies in its range; a sum grows with its answers; the order of answers has no effect; prorating
//! equals the sum if no answer is missing; no definition and no answers cause a panic.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::{History, Instrument, Parameters, Score, Status, library};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn instrument(id: &str) -> Instrument {
    Instrument::from_json(&library::definition(id).unwrap()).unwrap_or_else(|faults| panic!("{id}: {faults:#?}"))
}

fn defaults(instrument: &Instrument) -> Parameters {
    instrument.parameters(&BTreeMap::new()).unwrap()
}

fn every_id() -> Vec<&'static str> {
    library::ids().collect()
}

/// The values that an item allows, found by trying.
fn allowed(instrument: &Instrument, item: &str) -> Vec<Value> {
    (0..=100)
        .map(Value::from)
        .filter(|value| instrument.read(&Map::from_iter([(item.to_string(), value.clone())])).is_ok())
        .collect()
}

/// Answers to a whole form from a stream of figures; some are missing.
fn form(instrument: &Instrument, picks: &[u16], gaps: bool) -> Map<String, Value> {
    let mut answers = Map::new();
    for (n, item) in instrument.item_ids().enumerate() {
        let pick = picks.get(n % picks.len()).copied().unwrap_or_default();
        let allowed = allowed(instrument, item);
        if gaps && pick % 7 == 0 {
            continue;
        }
        answers.insert(item.to_string(), allowed.get(usize::from(pick) % allowed.len()).unwrap().clone());
    }
    answers
}

fn number(scores: &[Score], id: &str) -> Option<f64> {
    scores.iter().find(|score| score.id == id).and_then(Score::number)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_score_lies_in_its_range_and_says_how_it_came_about(picks in prop::collection::vec(any::<u16>(), 61)) {
        for id in every_id() {
            let instrument = instrument(id);
            let answers = instrument.read(&form(&instrument, &picks, true)).unwrap();
            for score in instrument.score(&answers, &defaults(&instrument)) {
                prop_assert_eq!(score.value.is_none(), matches!(score.status, Status::NotScored(_)));
                if let (Some(x), Some((low, high))) = (score.number(), instrument.score_range(score.id)) {
                    prop_assert!(x >= low - 0.001 && x <= high + 0.001, "{} {} {} {} {}", id, score.id, x, low, high);
                }
            }
        }
    }

    #[test]
    fn the_order_of_answers_changes_nothing(picks in prop::collection::vec(any::<u16>(), 61)) {
        for id in every_id() {
            let instrument = instrument(id);
            let forward = form(&instrument, &picks, true);
            let backward: Map<String, Value> = forward.clone().into_iter().rev().collect();
            let parameters = defaults(&instrument);
            let (forward, backward) = (instrument.read(&forward).unwrap(), instrument.read(&backward).unwrap());
            prop_assert_eq!(instrument.score(&forward, &parameters), instrument.score(&backward, &parameters));
        }
    }

    #[test]
    fn the_order_of_items_in_a_definition_changes_nothing(picks in prop::collection::vec(any::<u16>(), 61)) {
        for id in ["phq-9", "gad-7", "audit", "eortc-qlq-c30", "rand-36", "promis-global-10"] {
            let straight = instrument(id);
            let mut definition: Value = serde_json::from_slice(&library::definition(id).unwrap()).unwrap();
            definition.get_mut("items").and_then(Value::as_array_mut).unwrap().reverse();
            let turned = Instrument::from_json(&serde_json::to_vec(&definition).unwrap()).unwrap();
            let answers = form(&straight, &picks, true);
            let a = straight.score(&straight.read(&answers).unwrap(), &defaults(&straight));
            let b = turned.score(&turned.read(&answers).unwrap(), &defaults(&turned));
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn a_sum_grows_with_each_of_its_answers(picks in prop::collection::vec(0u16..1000, 61), bumped in 0usize..61) {
        for (id, total) in [("phq-9", "total"), ("gad-7", "total"), ("ipss", "total"), ("esas-r", "total"),
                            ("k10", "total"), ("oxford-knee-score", "total"), ("hads", "anxiety")] {
            let instrument = instrument(id);
            let mut answers = form(&instrument, &picks, false);
            let before = instrument.score(&instrument.read(&answers).unwrap(), &defaults(&instrument));
            let item = instrument.item_ids().nth(bumped % instrument.item_ids().count()).unwrap().to_string();
            let more = answers.get(&item).and_then(Value::as_u64).unwrap() + 1;
            answers.insert(item, more.into());
            let Ok(answers) = instrument.read(&answers) else { continue };
            let after = instrument.score(&answers, &defaults(&instrument));
            prop_assert!(number(&after, total) >= number(&before, total), "{}", id);
        }
    }

    #[test]
    fn a_worse_level_never_raises_an_index_that_only_takes_off(state in prop::collection::vec(1u64..5, 5), n in 0usize..5) {
        let instrument = instrument("eq-5d-5l");
        let form = |state: &[u64]| -> Map<String, Value> {
            ["MO", "SC", "UA", "PD", "AD"].iter().zip(state).map(|(id, x)| (id.to_string(), json!(x))).collect()
        };
        let mut worse = state.clone();
        if let Some(level) = worse.get_mut(n) { *level += 1; }
        let parameters = defaults(&instrument);
        let better = instrument.score(&instrument.read(&form(&state)).unwrap(), &parameters);
        let worse = instrument.score(&instrument.read(&form(&worse)).unwrap(), &parameters);
        for set in ["index.USA", "index.Germany", "index.China", "index.Denmark", "index.England"] {
            prop_assert!(number(&worse, set).unwrap() <= number(&better, set).unwrap(), "{}", set);
        }
    }

    #[test]
    fn prorating_is_the_sum_when_nothing_is_missing(picks in prop::collection::vec(any::<u16>(), 61)) {
        for (id, total, items) in [("phq-9", "total", 9), ("oxford-knee-score", "total", 12), ("k10", "total", 10)] {
            let instrument = instrument(id);
            let answers = form(&instrument, &picks, false);
            let sum: u64 = instrument.item_ids().take(items).map(|id| answers.get(id).unwrap().as_u64().unwrap()).sum();
            let scores = instrument.score(&instrument.read(&answers).unwrap(), &defaults(&instrument));
            let score = scores.iter().find(|score| score.id == total).unwrap();
            prop_assert_eq!(score.status, Status::Scored);
            prop_assert_eq!(score.number().unwrap(), f64::from(u32::try_from(sum).unwrap()));
        }
    }

    #[test]
    fn any_answers_are_read_or_refused(keys in prop::collection::vec("(q[0-9]{1,2}|MO|VAS|~/|.{0,3})", 0..12),
                                       values in prop::collection::vec(any_json(), 12)) {
        let answers: Map<String, Value> = keys.into_iter().zip(values).collect();
        for id in every_id() {
            let instrument = instrument(id);
            if let Ok(answers) = instrument.read(&answers) {
                let scores = instrument.score(&answers, &defaults(&instrument));
                instrument.alerts(&answers, &scores, Some(&History::default()));
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_a_definition_or_has_faults(definition in any_json()) {
        let bytes = serde_json::to_vec(&definition).unwrap();
        prop_assert!(Instrument::from_json(&bytes).is_err());
    }

    #[test]
    fn a_definition_with_anything_put_anywhere_never_panics(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), put in any_json(), remove in any::<bool>()
    ) {
        let id = *which.get(&every_id());
        let mut definition: Value = serde_json::from_slice(&library::definition(id).unwrap()).unwrap();
        let mut pointers = Vec::new();
        all_pointers(&definition, String::new(), &mut pointers);
        let pointer = place.get(&pointers).clone();
        if remove {
            let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
            match definition.pointer_mut(parent) {
                Some(Value::Object(members)) => { members.remove(key); }
                Some(Value::Array(list)) => { list.remove(key.parse::<usize>().unwrap()); }
                _ => {}
            }
        } else if let Some(there) = definition.pointer_mut(&pointer) {
            *there = put;
        }
        if let Ok(instrument) = Instrument::from_json(&serde_json::to_vec(&definition).unwrap()) {
            let answers: Map<String, Value> = instrument.item_ids().map(|id| (id.to_string(), json!(1))).collect();
            if let (Ok(answers), Ok(parameters)) = (instrument.read(&answers), instrument.parameters(&BTreeMap::new())) {
                let scores = instrument.score(&answers, &parameters);
                instrument.alerts(&answers, &scores, None);
            }
        }
    }
}

fn all_pointers(value: &Value, here: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| all_pointers(value, format!("{here}/{key}"), into));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| all_pointers(value, format!("{here}/{n}"), into));
        }
        _ => {}
    }
    into.push(here);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5i64..12).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "(q[0-9]|q1..q[0-9]{1,9}|sum|mean|total|.{0,6})".prop_map(Value::from),
    ];
    let key = "(id|ids|items|scores|method|when|range|all|any|not|item|atLeast|.{0,4})";
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
