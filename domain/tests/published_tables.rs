//! Complete published tables: every state of every value set of the EQ-5D-5L, every combination of the PRO-CTCAE
//! grades.
//!
//! The expected figures were computed from the papers' coefficients by a program that shares no code with the engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::{Instrument, Parameters, library};
use serde_json::{Map, Value, json};

/// Value set, index of 11111, index of 55555, and the sum of the indices of all 3,125 states. All are in thousandths;
/// each index is rounded.
const VALUE_SETS: &[(&str, i64, i64, i64)] = &[
    ("Australia", 1000, -301, 1087297),
    ("Belgium", 1000, -532, 966954),
    ("Canada", 949, -148, 1247712),
    ("China", 1000, -391, 967500),
    ("Denmark", 1000, -758, 833125),
    ("Egypt", 1000, -964, 366250),
    ("England", 1000, -285, 1196875),
    ("Ethiopia", 1000, -718, 1091114),
    ("France", 1000, -525, 1325117),
    ("Germany", 1000, -661, 1073125),
    ("Ghana", 1000, -493, 1106875),
    ("HongKong", 1000, -865, 352500),
    ("Hungary", 1000, -848, 784375),
    ("India", 1000, -923, 629217),
    ("Indonesia", 1000, -865, 349375),
    ("Iran", 1000, -1190, -116270),
    ("Ireland", 1000, -974, 408125),
    ("Italy", 1000, -571, 908750),
    ("Japan_DCE", 1000, -25, 1404837),
    ("Japan_cTTO", 1000, -26, 1404450),
    ("Malaysia", 1000, -442, 1033419),
    ("Mexico", 1000, -596, 1170001),
    ("Morocco", 1000, -1491, 244375),
    ("Netherlands", 1000, -446, 896297),
    ("NewZealand", 1000, -830, 619375),
    ("Norway", 1000, -453, 1087171),
    ("Peru_DCE", 1000, -213, 1584928),
    ("Peru_cTTO", 1000, -1076, 141264),
    ("Philippines", 1000, -438, 1311205),
    ("Poland", 1000, -590, 1487500),
    ("Portugal", 1000, -603, 1143750),
    ("Romania", 1000, -323, 1610283),
    ("SaudiArabia", 1000, -683, 1010625),
    ("Singapore", 1000, -851, 267786),
    ("Slovenia", 1000, -1089, 512500),
    ("SouthKorea", 1000, -66, 1410925),
    ("Spain", 1000, -416, 1094966),
    ("Sweden_2020", 976, 243, 1891497),
    ("Sweden_2022", 1000, -314, 1472500),
    ("Taiwan", 1000, -1026, 113582),
    ("Thailand", 1000, -421, 1184258),
    ("Trinidad_and_Tobago", 1000, -563, 1207500),
    ("UAE", 1000, -654, 923125),
    ("UK", 1000, -567, 1007500),
    ("USA", 1000, -573, 735625),
    ("Uganda", 1000, -1116, 253750),
    ("Uruguay", 1000, -264, 1687794),
    ("Vietnam", 1000, -512, 1104057),
    ("WePP", 1000, -240, 1256280),
];

/// The attributes, and the grade of each combination, with the last attribute changing fastest. A dot is a combination
/// that the table does not have because the leading attribute is 0: its grade is 0.
const GRADES: &[(&str, &str)] = &[
    (
        "frq+sev+int",
        "0........................0112211122122232223322333011221112222233222332233311122111222223322333223331112211223222332233322333",
    ),
    ("frq+sev", "0....11122112221123311233"),
    ("sev+int", "0....11122112231223322233"),
    ("frq+int", "0....11122111221123311233"),
    ("frq", "01123"),
    ("sev", "01233"),
    ("int", "01122"),
];

fn instrument(id: &str) -> Instrument {
    Instrument::from_json(&library::definition(id).unwrap()).unwrap()
}

/// All combinations of `levels` for `items`, with the last item changing fastest.
fn combinations(items: &[&str], levels: &[u8]) -> Vec<Map<String, Value>> {
    items.iter().fold(vec![Map::new()], |all, item| {
        let with = |answers: Map<String, Value>| {
            levels.iter().map(move |level| {
                let mut answers = answers.clone();
                answers.insert((*item).into(), json!(level));
                answers
            })
        };
        all.into_iter().flat_map(with).collect()
    })
}

#[expect(clippy::cast_possible_truncation, reason = "thousandths of an index")]
fn thousandths(index: f64) -> i64 {
    let whole = (index * 1000.0).round();
    assert!((index * 1000.0 - whole).abs() < 1e-6, "an index has three decimals");
    whole as i64
}

#[test]
fn every_state_of_every_value_set_is_as_its_coefficients_say() {
    let instrument = instrument("eq-5d-5l");
    let states = combinations(&["MO", "SC", "UA", "PD", "AD"], &[1, 2, 3, 4, 5]);
    assert_eq!(states.len(), 3125);
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for state in &states {
        let answers = instrument.read(state).unwrap();
        for score in instrument.score(&answers, &Parameters::default()) {
            if let (Some(set), Some(index)) = (score.id.strip_prefix("index."), score.number()) {
                found.entry(set.into()).or_default().push(thousandths(index));
            }
        }
    }
    assert_eq!(found.len(), VALUE_SETS.len());
    for (set, best, worst, sum) in VALUE_SETS {
        let indices = &found[*set];
        let all = (indices[0], indices[3124], indices.iter().sum::<i64>());
        assert_eq!(all, (*best, *worst, *sum), "{set}");
    }
}

#[test]
fn every_combination_of_attributes_has_its_grade() {
    let instrument = instrument("pro-ctcae-composite");
    let names = BTreeMap::from([("frq", "frequency"), ("sev", "severity"), ("int", "interference")]);
    let mut in_table = 0;
    for (asked, grades) in GRADES {
        let items: Vec<&str> = asked.split('+').map(|attribute| names[attribute]).collect();
        let parameters = instrument.parameters(&BTreeMap::from([("attributes".into(), (*asked).into())])).unwrap();
        let combinations = combinations(&items, &[0, 1, 2, 3, 4]);
        assert_eq!(combinations.len(), grades.len());
        for (combination, grade) in combinations.iter().zip(grades.chars()) {
            in_table += usize::from(grade != '.');
            let answers = instrument.read(combination).unwrap();
            let scores = instrument.score(&answers, &parameters);
            let expected = Some(f64::from(grade.to_digit(10).unwrap_or(0)));
            assert_eq!(scores[0].number(), expected, "{asked}: {combination:?}");
            assert_eq!(scores[1].number(), expected, "{asked}: {combination:?}");
        }
    }
    assert_eq!(in_table, 179, "combinations of the published table");
}
