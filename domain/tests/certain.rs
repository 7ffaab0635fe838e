//! Rules that use the least possible score while answers are missing.
//!
//! Properties: every completion of the answers also raises an alert that such a rule raised. It is the same rule or,
//! for a band that is not the last, the rule of a worse band. Scores do not change. Complete answers raise the same
//! alerts as before.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which clippy does not count as tests"
)]

use std::collections::BTreeMap;

use domain::{Code, Instrument, Parameters, Severity, library};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn read(definition: &Value) -> Instrument {
    Instrument::from_json(&serde_json::to_vec(definition).unwrap()).unwrap()
}

fn definition(id: &str) -> Value {
    serde_json::from_slice(&library::definition(id).unwrap()).unwrap()
}

/// The same definition, with rules that wait for all answers.
fn patient(mut definition: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("certain");
                members.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    if let Some(alerts) = definition.get_mut("alerts") {
        strip(alerts);
    }
    definition
}

type Raised = Vec<(String, Severity, String)>;

fn raised(instrument: &Instrument, answers: &Map<String, Value>, parameters: &Parameters) -> Raised {
    let answers = instrument.read(answers).unwrap();
    let scores = instrument.score(&answers, parameters);
    let alerts = instrument.alerts(&answers, &scores, None);
    alerts.into_iter().map(|alert| (alert.rule.to_string(), alert.severity, alert.reason)).collect()
}

/// Checks the rules and reasons that `q1`, `q2`, ... raise; a negative figure is a missing answer.
fn check(id: &str, figures: &[i64], expected: &[(&str, &str)]) {
    let instrument = read(&definition(id));
    let given = figures.iter().enumerate().filter(|(_, x)| **x >= 0);
    let answers = given.map(|(n, x)| (format!("q{}", n + 1), json!(x))).collect();
    let found = raised(&instrument, &answers, &defaults(&instrument));
    let found: Vec<(&str, &str)> = found.iter().map(|(rule, _, reason)| (rule.as_str(), reason.as_str())).collect();
    assert_eq!(found, expected, "{id}: {figures:?}");
}

fn defaults(instrument: &Instrument) -> Parameters {
    instrument.parameters(&BTreeMap::new()).unwrap()
}

#[test]
fn missing_answers_hide_no_score_that_is_certain() {
    let beyond = "score total is at least 15 (moderately_severe or beyond) with 3 answers missing, \
                  rule: band moderately_severe";
    check("phq-9", &[3, 3, 3, 3, 3, -1, -1, -1, 0], &[("moderately-severe", beyond)]);
    let absent = ("item-9-missing", "item q9 is missing and 5 of 8 items answered, rule: 1 or more");
    let four = beyond.replace("3 answers", "4 answers");
    check("phq-9", &[3, 3, 3, 3, 3, -1, -1, -1, -1], &[absent, ("moderately-severe", &four)]);
    check("phq-9", &[3, 3, 3, 3, 2, -1, -1, -1, 0], &[]);
    let severe = "score total is at least 20 (severe) with 3 answers missing, rule: band severe";
    check(
        "phq-9",
        &[3, 3, 3, 3, 3, 2, -1, -1, -1],
        &[
            ("item-9-missing", "item q9 is missing and 6 of 8 items answered, rule: 1 or more"),
            ("moderately-severe", &beyond.replace("15", "17")),
        ],
    );
    check("phq-8", &[3, 3, 3, 3, 3, -1, -1, -1], &[("moderately-severe", beyond)]);
    check(
        "gad-7",
        &[3, 3, 3, 3, 3, -1, -1],
        &[("severe", &severe.replace("20", "15").replace("3 answers", "2 answers"))],
    );
    // The least weight of an item of K10 is 1.
    let k10 = "score total is at least 30 (very_high) with 5 answers missing, rule: band very_high";
    check("k10", &[5, 5, 5, 5, 5, -1, -1, -1, -1, -1], &[("very-high", k10)]);
    check("k10", &[5, 5, 5, 5, 4, -1, -1, -1, -1, -1], &[]);
    let positive = "score positive is certain: score total is at least 3 with 1 answer missing, rule: 3 or more";
    check("gad-2", &[3, -1], &[("positive", positive)]);
    check("phq-2", &[-1, 2], &[]);
    check("phq-9", &[], &[]);
}

#[test]
fn a_mean_that_stands_in_for_missing_answers_is_not_what_is_certain() {
    // 18 of eight answers is prorated to 20.25: severe, as before, and no further alert.
    let severe = "score total is 20.25 (severe), rule: band severe";
    let found = ["item-9-missing", "severe"];
    let instrument = read(&definition("phq-9"));
    let answers: Map<String, Value> =
        [3, 3, 3, 3, 3, 3, 0, 0].iter().enumerate().map(|(n, x)| (format!("q{}", n + 1), json!(x))).collect();
    let alerts = raised(&instrument, &answers, &defaults(&instrument));
    assert_eq!(alerts.iter().map(|alert| alert.0.as_str()).collect::<Vec<_>>(), found);
    assert_eq!(alerts[1].2, severe);
}

/// An instrument with three items from 0 to 4, the given scores and one rule.
fn small(scores: Value, when: Value) -> Value {
    json!({"id": "small", "version": "1", "title": "t", "licence": "l", "languages": ["en"], "sources": ["s"],
           "items": [{"ids": ["a", "b"], "range": [0, 4]}, {"id": "c", "range": [0, 2], "recode": [[0, 9], [1, 5], [2, 7]]}],
           "scores": scores, "alerts": [{"id": "high", "severity": "high", "textKey": "t", "when": when}]})
}

#[test]
fn reversed_weighted_and_recoded_terms_count_their_least() {
    let high = |scores: Value, least: f64, answers: Value, expected: Option<&str>| {
        let when = json!({"score": "x", "atLeast": least, "certain": true});
        let instrument = read(&small(scores.clone(), when));
        let found = raised(&instrument, answers.as_object().unwrap(), &defaults(&instrument));
        let found = found.first().map(|(_, _, reason)| reason.as_str());
        assert_eq!(found.is_some(), expected.is_some(), "{scores} {answers}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{found:?}");
    };
    let x = |more: Value| {
        let mut score = json!({"id": "x", "method": "sum"});
        score.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([score])
    };
    // c counts 5, 7 or 9.
    let plain = || x(json!({"items": ["a", "b", "c"]}));
    high(plain(), 9.0, json!({"a": 4}), Some("is at least 9 with 2 answers missing, rule: 9 or more"));
    high(plain(), 9.0, json!({"a": 3}), None);
    // Reversed: a missing answer counts at least 0, an answer of 0 counts 4.
    let reversed = || x(json!({"items": ["a", "b"], "reverse": ["a"]}));
    high(reversed(), 4.0, json!({"a": 0}), Some("at least 4 with 1 answer missing"));
    high(reversed(), 4.0, json!({"a": 1}), None);
    // With a negative weight, the highest answer gives the least score.
    let weighted = || x(json!({"terms": [{"item": "a", "weight": 2}, {"item": "b", "weight": -1}]}));
    high(weighted(), 4.0, json!({"a": 4}), Some("at least 4"));
    high(weighted(), 4.0, json!({"a": 3}), None);
    // A scale that falls as answers rise.
    let falling = || x(json!({"items": ["a", "b"], "linear": {"multiply": -10, "add": 100}}));
    high(falling(), 60.0, json!({"a": 0}), Some("at least 60"));
    high(falling(), 60.0, json!({"a": 1}), None);
    let mean = || json!([{"id": "x", "method": "mean", "items": ["a", "b"], "complete": "all"}]);
    high(mean(), 2.0, json!({"a": 4}), Some("at least 2 with"));
    high(mean(), 2.0, json!({"b": 3}), None);
    let count = || json!([{"id": "x", "method": "count", "count": [{"items": ["a", "b"], "atLeast": 2}]}]);
    high(count(), 1.0, json!({"a": 2}), Some("at least 1"));
    high(count(), 1.0, json!({"a": 1}), None);
    let of_scores = || {
        json!([{"id": "y", "method": "sum", "items": ["a", "b"], "reverse": ["b"]},
               {"id": "x", "method": "sum", "terms": [{"score": "y", "weight": 3}, {"item": "c"}]}])
    };
    high(of_scores(), 17.0, json!({"a": 4}), Some("at least 17 with 2 answers missing"));
    high(of_scores(), 17.5, json!({"a": 4}), None);
}

#[test]
fn only_what_more_answers_cannot_undo_is_said_to_be_certain() {
    let sum = json!([{"id": "x", "method": "sum", "items": ["a", "b"],
                      "bands": [{"id": "low", "below": 3}, {"id": "middle", "from": 3, "below": 6}, {"id": "top", "from": 6}]},
                     {"id": "is", "method": "flag", "when": {"score": "x", "atLeast": 5}},
                     {"id": "word", "method": "profile", "items": ["a", "b"], "missing": "9"},
                     {"id": "table", "method": "lookup", "keys": [{"item": "a"}], "values": [4, 3, 2, 1, 0]}]);
    for (when, expected) in [
        (json!({"score": "x", "above": 4, "certain": true}), None),
        (json!({"score": "x", "below": 2, "certain": false}), None),
        (json!({"score": "x", "band": ["middle", "top"], "certain": true}), None),
        (json!({"score": "is", "is": true, "certain": true}), None),
        (json!({"all": [{"score": "x", "atLeast": 4, "certain": true}, {"item": "c", "is": 2}]}), None),
        (json!({"score": "x", "below": 2, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (
            json!({"score": "x", "atLeast": 2, "atMost": 4, "certain": true}),
            Some(("/alerts/0/when/certain", Code::Conflict)),
        ),
        (json!({"score": "x", "is": 4, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "x", "atLeast": 0, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "x", "band": "low", "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "x", "notScored": true, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "is", "is": false, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "table", "atLeast": 3, "certain": true}), Some(("/alerts/0/when/certain", Code::Conflict))),
        (json!({"score": "x", "atLeast": 3, "certain": "yes"}), Some(("/alerts/0/when/certain", Code::Type))),
        (json!({"item": "a", "atLeast": 3, "certain": true}), Some(("/alerts/0/when/certain", Code::Unknown))),
    ] {
        let read = Instrument::from_json(&serde_json::to_vec(&small(sum.clone(), when.clone())).unwrap());
        let faults = read.err().unwrap_or_default();
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{when}: {faults:?}");
    }
    let mut flag = small(sum, json!({"item": "a", "is": 1}));
    flag["scores"][1]["when"]["certain"] = json!(true);
    let faults = Instrument::from_json(&serde_json::to_vec(&flag).unwrap()).unwrap_err();
    assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/scores/1/when/certain", Code::Unknown));
}

/// The values that an item allows, found by trying.
fn allowed(instrument: &Instrument, item: &str) -> Vec<Value> {
    let fits = |value: &Value| instrument.read(&Map::from_iter([(item.to_string(), value.clone())])).is_ok();
    (0..=100).map(Value::from).filter(fits).collect()
}

/// Checks the properties for a definition: `picks` are the answers, `gaps` says which answers are missing at first.
fn holds(definition: &Value, picks: &[u16], gaps: &[bool]) -> Result<usize, TestCaseError> {
    let (hasty, slow) = (read(definition), read(&patient(definition.clone())));
    let parameters = defaults(&hasty);
    let items: Vec<&str> = hasty.item_ids().collect();
    let values: Vec<Vec<Value>> = items.iter().map(|item| allowed(&hasty, item)).collect();
    let pick = |n: usize, at: usize| {
        let allowed = &values[n];
        // Picks the highest value often, so that sums are high.
        let pick = usize::from(picks[at % picks.len()]);
        let found = if pick % 3 == 0 { allowed.len() - 1 } else { pick % allowed.len() };
        (items[n].to_string(), allowed[found].clone())
    };
    let given = (0..items.len()).filter(|n| !gaps[n % gaps.len()]);
    let partial: Map<String, Value> = given.map(|n| pick(n, n)).collect();
    let read = hasty.read(&partial).unwrap();
    let patiently = slow.read(&partial).unwrap();
    prop_assert_eq!(hasty.score(&read, &parameters), slow.score(&patiently, &parameters));
    let waiting = raised(&slow, &partial, &parameters);
    let mut early = raised(&hasty, &partial, &parameters);
    prop_assert!(waiting.iter().all(|(rule, ..)| early.iter().any(|(known, ..)| known == rule)));
    early.retain(|(rule, ..)| !waiting.iter().any(|(known, ..)| known == rule));
    for shift in 1..12 {
        let rest = (0..items.len()).filter(|n| gaps[n % gaps.len()]);
        let mut whole: Map<String, Value> = rest.map(|n| pick(n, n * 7 + shift)).collect();
        whole.extend(partial.clone());
        let end = raised(&hasty, &whole, &parameters);
        prop_assert_eq!(&end, &raised(&slow, &whole, &parameters), "complete answers raise what they raised before");
        for (rule, severity, reason) in &early {
            prop_assert!(reason.contains("missing"), "{}", reason);
            let known = end.iter().any(|(other, at_least, _)| other == rule || at_least > severity);
            prop_assert!(known, "{} {}: {:?}", rule, reason, whole);
        }
    }
    Ok(early.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_certain_is_raised_by_every_completion(
        picks in prop::collection::vec(any::<u16>(), 97),
        gaps in prop::collection::vec(prop::bool::weighted(0.35), 31),
    ) {
        for id in library::ids() {
            let definition = definition(id);
            if definition != patient(definition.clone()) {
                holds(&definition, &picks, &gaps)?;
            }
        }
    }

    #[test]
    fn it_holds_for_scores_of_any_form(
        picks in prop::collection::vec(any::<u16>(), 13),
        gaps in prop::collection::vec(any::<bool>(), 3),
        weights in prop::collection::vec(prop::sample::select(vec![-2.0, -1.0, 0.5, 1.0, 3.0]), 3),
        reverse in any::<bool>(),
        (multiply, add) in (prop::sample::select(vec![-3.0, -1.0, 0.5, 2.0]), -5.0..5.0_f64),
        digits in prop::option::of(0..2),
        least in -10.0..20.0_f64,
    ) {
        let terms = json!([{"item": "a", "weight": weights[0], "reverse": reverse}, {"item": "b", "weight": weights[1]},
                           {"item": "c", "weight": weights[2]}]);
        let mut score = json!({"id": "x", "method": "sum", "terms": terms, "linear": {"multiply": multiply, "add": add}});
        if let Some(digits) = digits {
            score["round"] = json!({"digits": digits, "mode": "half-even"});
        }
        let definition = small(json!([score]), json!({"score": "x", "atLeast": least, "certain": true}));
        if Instrument::from_json(&serde_json::to_vec(&definition).unwrap()).is_ok() {
            holds(&definition, &picks, &gaps)?;
        }
    }
}

#[test]
fn every_rule_on_a_sum_that_comes_with_vigil_is_decided_as_soon_as_it_is_certain() {
    // The other rules read single items, or a low score.
    let waits = [
        "esas-r severe-symptom",
        "gcs severe",
        "gcs moderate",
        "phq-9 item-9",
        "phq-9 item-9-missing",
        "pro-ctcae-composite grade-3",
        "who-5 poor",
    ];
    let mut found = Vec::new();
    for id in library::ids() {
        for rule in definition(id)["alerts"].as_array().unwrap_or(&Vec::new()) {
            if rule["when"]["certain"] != json!(true) {
                found.push(format!("{id} {}", rule["id"].as_str().unwrap()));
            }
        }
    }
    assert_eq!(found, waits);
}
