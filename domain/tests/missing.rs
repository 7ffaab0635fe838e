//! The handling of missing answers by each instrument, from the published rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::{Instrument, library};
use serde_json::{Map, Value, json};

/// Scores `answers` and compares value, band, status with reason, answered items and missing items.
fn check(id: &str, answers: &Map<String, Value>, score: &str, expected: (Option<f64>, Option<&str>, &str, u16, u16)) {
    check_with(id, answers, &[], score, expected);
}

fn check_with(
    id: &str,
    answers: &Map<String, Value>,
    parameters: &[(&str, &str)],
    score: &str,
    expected: (Option<f64>, Option<&str>, &str, u16, u16),
) {
    let instrument = Instrument::from_json(&library::definition(id).unwrap()).unwrap();
    let given: BTreeMap<_, _> = parameters.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let parameters = instrument.parameters(&given).unwrap();
    let scores = instrument.score(&instrument.read(answers).unwrap(), &parameters);
    let found = scores.iter().find(|found| found.id == score).unwrap();
    let status = found.status.reason().map_or(found.status.as_str(), |reason| reason.as_str());
    let value = found.number().or(found.flag().map(|flag| if flag { 1.0 } else { 0.0 }));
    assert_eq!((value, found.band, status, found.answered, found.missing), expected, "{id} {score}");
}

/// `q1`, `q2`, ... in order; a negative figure is a missing answer.
fn q(figures: &[i64]) -> Map<String, Value> {
    named("q", figures)
}

fn named(stem: &str, figures: &[i64]) -> Map<String, Value> {
    let answer = |x: i64| if x < 0 { Value::Null } else { json!(x) };
    figures.iter().enumerate().map(|(n, x)| (format!("{stem}{}", n + 1), answer(*x))).collect()
}

fn of(answers: Value) -> Map<String, Value> {
    answers.as_object().unwrap().clone()
}

const MISSING: &str = "missing-answers";

#[test]
fn phq_9_replaces_up_to_two_by_the_mean_and_keeps_the_fraction() {
    let none = Some("none");
    check("phq-9", &q(&[1, 1, 1, 1, 1, -1, -1, 0, 0]), "total", (Some(45.0 / 7.0), Some("mild"), "prorated", 7, 2));
    check("phq-9", &q(&[1, 1, 1, 1, -1, -1, -1, 0, 0]), "total", (None, None, MISSING, 6, 3));
    // 4.5 is not yet mild: a band begins exactly at its cut-off.
    check("phq-9", &q(&[1, 1, 1, 1, 0, 0, 0, 0, -1]), "total", (Some(4.5), none, "prorated", 8, 1));
    // 8 over 8 answers is exactly 9.
    check("phq-9", &q(&[1, 1, 1, 1, 1, 1, 1, 1, -1]), "total", (Some(9.0), Some("mild"), "prorated", 8, 1));
    check("phq-9", &q(&[]), "total", (None, None, MISSING, 0, 9));
}

#[test]
fn phq_9_syndromes_need_every_item_that_could_decide_them() {
    let five = [2, 2, 2, 2, 2, -1, 0, 0, 0];
    check("phq-9", &q(&five), "symptom_count", (None, None, MISSING, 8, 1));
    check("phq-9", &q(&five), "major_depressive_syndrome", (None, None, "missing-score", 8, 1));
    // Without a core symptom there is no syndrome, even if other answers are missing.
    check("phq-9", &q(&[0, 0, 2, 2, 2, -1, 0, 0, 0]), "major_depressive_syndrome", (Some(0.0), None, "scored", 8, 1));
}

#[test]
fn gad_7_and_its_like_need_every_item() {
    check("gad-7", &q(&[1, 1, 1, 1, 1, 1, -1]), "total", (None, None, MISSING, 6, 1));
    check("phq-8", &q(&[1, 1, 1, 1, 1, 1, 1, -1]), "total", (None, None, MISSING, 7, 1));
    check("who-5", &q(&[5, 5, 5, 5]), "percentage", (None, None, "missing-score", 4, 1));
    check("isi", &q(&[1, 1, 1, 1, 1, 1]), "total", (None, None, MISSING, 6, 1));
    check("ipss", &q(&[1, 1, 1, 1, 1, 1]), "total", (None, None, MISSING, 6, 1));
    check("cat", &q(&[1, 1, 1, 1, 1, 1, 1]), "total", (None, None, MISSING, 7, 1));
}

#[test]
fn who_5_is_poor_below_fifty() {
    check("who-5", &q(&[3, 3, 2, 2, 2]), "percentage", (Some(48.0), Some("poor"), "scored", 5, 0));
    check("who-5", &q(&[3, 3, 3, 2, 2]), "percentage", (Some(52.0), Some("good"), "scored", 5, 0));
}

#[test]
fn eortc_scores_from_half_and_its_summary_from_all_thirteen() {
    let mut form = q(&[1; 30]);
    let full = (Some(100.0), None, "scored", 5, 0);
    check("eortc-qlq-c30", &form, "PF", full);
    form.remove("q1");
    form.remove("q2");
    check("eortc-qlq-c30", &form, "PF", (Some(100.0), None, "prorated", 3, 2));
    check("eortc-qlq-c30", &form, "C30SUMMARY", (Some(100.0), None, "prorated", 25, 2));
    form.remove("q3");
    check("eortc-qlq-c30", &form, "PF", (None, None, MISSING, 2, 3));
    check("eortc-qlq-c30", &form, "C30SUMMARY", (None, None, "missing-score", 24, 3));
    // Neither QL nor FI is part of the summary.
    let mut form = q(&[1; 30]);
    ["q28", "q29", "q30"].iter().for_each(|id| drop(form.remove(*id)));
    check("eortc-qlq-c30", &form, "C30SUMMARY", (Some(100.0), None, "scored", 27, 0));
}

#[test]
fn rand_36_scores_from_one_answer() {
    let form = of(json!({"q23": 4, "q27": 3, "q29": 3}));
    check("rand-36", &form, "energy_fatigue", (Some(140.0 / 3.0), None, "prorated", 3, 1));
    check("rand-36", &of(json!({"q23": 4})), "energy_fatigue", (Some(40.0), None, "prorated", 1, 3));
    check("rand-36", &of(json!({"q1": 4})), "energy_fatigue", (None, None, MISSING, 0, 4));
}

#[test]
fn k10_fills_one_item_rounds_and_bands_what_it_rounded() {
    // 14 over 9 answers: 15.56, which the rule rounds to 16.
    let form = q(&[2, 2, 2, 2, 2, 1, 1, 1, 1, -1]);
    check("k10", &form, "total", (Some(16.0), Some("moderate"), "prorated", 9, 1));
    check("k10", &q(&[2, 2, 2, 2, 2, 1, 1, 1, -1, -1]), "total", (None, None, MISSING, 8, 2));
    check("k10", &q(&[1; 10]), "total", (Some(10.0), Some("low"), "scored", 10, 0));
}

#[test]
fn hads_fills_from_half_of_a_subscale() {
    let form = q(&[3, 0, 3, 0, 3, 0, 3, 0, -1, 0, -1, 0, -1, -1]);
    check("hads", &form, "anxiety", (Some(21.0), Some("abnormal"), "prorated", 4, 3));
    check("hads", &form, "depression", (Some(0.0), Some("normal"), "prorated", 6, 1));
    let form = q(&[3, 0, 3, 0, 3, 0, -1, 0, -1, 0, -1, 0, -1, -1]);
    check("hads", &form, "anxiety", (None, None, MISSING, 3, 4));
}

#[test]
fn oxford_knee_fills_two_and_womac_none() {
    let form = q(&[4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
    check("oxford-knee-score", &form, "total", (Some(48.0), None, "prorated", 10, 2));
    check("oxford-knee-score", &q(&[4; 9]), "total", (None, None, MISSING, 9, 3));
    check("womac", &named("pain", &[1, 1, 1, 1]), "pain", (None, None, MISSING, 4, 1));
}

#[test]
fn koos_follows_the_rule_of_2012() {
    check("koos", &named("P", &[0, 0, 0, 0, 0]), "pain", (Some(100.0), None, "prorated", 5, 4));
    check("koos", &named("P", &[0, 0, 0, 0]), "pain", (None, None, MISSING, 4, 5));
    check("koos", &named("Q", &[4, 4]), "qol", (Some(0.0), None, "prorated", 2, 2));
}

#[test]
fn audit_takes_what_the_form_skips_for_nought_and_not_for_missing() {
    let never = of(json!({"q1": 0, "q9": 2, "q10": 0}));
    check("audit", &never, "total", (Some(2.0), Some("low"), "scored", 3, 0));
    check("audit", &never, "is_complete", (Some(1.0), None, "scored", 3, 0));
    let seldom = of(json!({"q1": 1, "q2": 0, "q3": 0, "q9": 0, "q10": 0}));
    check("audit", &seldom, "total", (Some(1.0), Some("low"), "scored", 5, 0));
    let open = of(json!({"q1": 1, "q2": 1, "q3": 0, "q9": 0, "q10": 0}));
    check("audit", &open, "total", (None, None, MISSING, 5, 5));
    check("audit", &open, "is_complete", (Some(0.0), None, "scored", 5, 5));
    let always_asked = of(json!({"q1": 0, "q9": 0}));
    check("audit", &always_asked, "total", (None, None, MISSING, 2, 1));
    check("audit-c", &of(json!({"q1": 0})), "total", (Some(0.0), None, "scored", 1, 0));
}

#[test]
fn audit_c_is_positive_by_sex_and_by_form() {
    let flag = |flag: bool| (Some(if flag { 1.0 } else { 0.0 }), None, "scored", 3, 0);
    let three = q(&[1, 1, 1]);
    check_with("audit-c", &three, &[("sex", "F")], "positive", flag(true));
    check_with("audit-c", &three, &[("sex", "M")], "positive", flag(false));
    check_with("audit-c", &three, &[("variant", "uk"), ("sex", "F")], "positive", flag(false));
    check("audit-c", &three, "positive", (None, None, "missing-parameter", 3, 0));
    check("audit-c", &q(&[2, 1, 1]), "positive", flag(true));
    check("audit-c", &q(&[0, 1, 1]), "positive", flag(false));
}

#[test]
fn promis_tables_hold_for_complete_sets_only() {
    let partial = of(json!({"g03": 3, "g06": 3, "g08r": 3}));
    check("promis-global-10", &partial, "gph_raw", (None, None, MISSING, 3, 1));
    check("promis-global-10", &partial, "gph_t", (None, None, "missing-score", 3, 1));
}

#[test]
fn eq_5d_has_no_index_without_all_five_and_is_not_clamped() {
    let open = of(json!({"MO": 1, "SC": 9, "UA": 3, "PD": 9, "AD": 5}));
    let instrument = Instrument::from_json(&library::definition("eq-5d-5l").unwrap()).unwrap();
    // 9 means missing in a profile; as an answer it is out of range.
    assert!(instrument.read(&open).is_err());
    let open = of(json!({"MO": 1, "SC": null, "UA": 3, "AD": 5}));
    let answers = instrument.read(&open).unwrap();
    let scores = instrument.score(&answers, &instrument.parameters(&BTreeMap::new()).unwrap());
    let text = |id: &str| scores.iter().find(|score| score.id == id).unwrap().text().map(String::from);
    assert_eq!(text("health_state").as_deref(), Some("19395"));
    check("eq-5d-5l", &open, "index.USA", (None, None, MISSING, 3, 2));
    check("eq-5d-5l", &open, "vas", (None, None, MISSING, 0, 1));
    let worst = of(json!({"MO": 5, "SC": 5, "UA": 5, "PD": 5, "AD": 5}));
    check("eq-5d-5l", &worst, "index.USA", (Some(-0.573), None, "scored", 5, 0));
    let best = of(json!({"MO": 1, "SC": 1, "UA": 1, "PD": 1, "AD": 1}));
    check("eq-5d-5l", &best, "index.Canada", (Some(0.949), None, "scored", 5, 0));
    check("eq-5d-5l", &best, "index.Germany", (Some(1.0), None, "scored", 5, 0));
}

#[test]
fn pro_ctcae_follow_ups_count_nought_only_when_told_so() {
    let grade = |answers: Value, parameters: &[(&str, &str)], expected| {
        check_with("pro-ctcae-composite", &of(answers), parameters, "composite", expected);
    };
    let skipped = || json!({"frequency": 0});
    grade(skipped(), &[], (None, None, MISSING, 1, 2));
    grade(skipped(), &[("zeroImputation", "on")], (Some(0.0), None, "scored", 1, 2));
    // A leading attribute of 0 decides.
    grade(json!({"frequency": 0, "severity": 3, "interference": 4}), &[], (Some(0.0), None, "scored", 3, 0));
    // A leading attribute above 0 is never replaced.
    grade(json!({"frequency": 1}), &[("zeroImputation", "on")], (None, None, MISSING, 1, 2));
    grade(json!({"severity": 4}), &[("attributes", "sev")], (Some(3.0), None, "scored", 1, 0));
    grade(json!({"frequency": 3, "severity": 0, "interference": 0}), &[], (Some(1.0), None, "scored", 3, 0));
    grade(json!({"frequency": 1, "severity": 0, "interference": 0}), &[], (Some(0.0), None, "scored", 3, 0));
}
