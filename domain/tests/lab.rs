//! Laboratory results: CTCAE v5.0 grades at their limits, in every unit, and results that cannot be graded.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use domain::intake::ReportKind;
use domain::lab::{Baseline, Grade, Measured, grade};
use domain::report_rules::{self, Facts};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn report(results: &[Value]) -> Map<String, Value> {
    json!({"results": results}).as_object().unwrap().clone()
}

fn graded(result: Value) -> Grade {
    let data = report(&[result]);
    grade(&Measured::list(&data), &[]).remove(0)
}

/// A result with limits of normal.
fn result(code: &str, value: f64, unit: &str, low: f64, high: f64) -> Value {
    json!({"code": code, "value": value, "unit": unit, "referenceRange": {"low": low, "high": high}})
}

/// Checks figures and their grades; `None` means not graded.
fn check(code: &str, unit: &str, (low, high): (f64, f64), figures: &[(f64, Option<u8>)]) {
    for (value, expected) in figures {
        let found = graded(result(code, *value, unit, low, high));
        assert_eq!(found.grade, *expected, "{code}: {value} {unit}: {}", found.reason);
        assert_eq!(found.term.is_some(), expected.is_some_and(|grade| grade > 0));
    }
}

fn same(figures: &[(f64, u8)]) -> Vec<(f64, Option<u8>)> {
    figures.iter().map(|(figure, grade)| (*figure, Some(*grade))).collect()
}

#[test]
fn low_counts_have_the_published_limits_in_every_unit() {
    let haemoglobin = [(140.0, 0), (135.0, 0), (134.9, 1), (100.0, 1), (99.9, 2), (80.0, 2), (79.9, 3), (20.0, 3)];
    check("718-7", "g/L", (135.0, 175.0), &same(&haemoglobin));
    let in_dl = haemoglobin.map(|(figure, grade)| (figure / 10.0, grade));
    check("718-7", "g/dL", (13.5, 17.5), &same(&in_dl));
    // The printed limit applies, not a converted one: 4.9 mmol/L are 79.0 g/L.
    let in_mmol = [(8.5, 0), (8.3, 1), (6.2, 1), (6.19, 2), (4.9, 2), (4.89, 3)];
    check("718-7", "mmol/L", (8.4, 10.9), &same(&in_mmol));
    let neutrophils = [(2.0, 0), (1.9, 1), (1.5, 1), (1.49, 2), (1.0, 2), (0.99, 3), (0.5, 3), (0.49, 4), (0.0, 4)];
    check("751-8", "10*9/L", (2.0, 7.0), &same(&neutrophils));
    check("751-8", "10*3/uL", (2.0, 7.0), &same(&neutrophils));
    check("751-8", "/uL", (2000.0, 7000.0), &same(&neutrophils.map(|(figure, grade)| (figure * 1000.0, grade))));
    let platelets = [(150.0, 0), (149.0, 1), (75.0, 1), (74.0, 2), (50.0, 2), (49.0, 3), (25.0, 3), (24.0, 4)];
    check("777-3", "10*9/L", (150.0, 400.0), &same(&platelets));
}

#[test]
fn multiples_of_the_upper_limit_have_the_published_strictness() {
    let aminotransferase =
        [(40.0, 0), (40.1, 1), (120.0, 1), (120.1, 2), (200.0, 2), (200.1, 3), (800.0, 3), (800.1, 4)];
    check("1742-6", "U/L", (5.0, 40.0), &same(&aminotransferase));
    check("1920-8", "U/L", (5.0, 40.0), &same(&aminotransferase));
    // 3 times 0.7 is 2.1, despite the binary fractions.
    check("1742-6", "ukat/L", (0.1, 0.7), &same(&[(0.7, 0), (2.1, 1), (2.11, 2), (3.5, 2), (14.0, 3), (14.1, 4)]));
    check(
        "1975-2",
        "umol/L",
        (0.0, 20.0),
        &same(&[(20.0, 0), (30.0, 1), (30.1, 2), (60.0, 2), (60.1, 3), (200.0, 3), (200.1, 4)]),
    );
    check(
        "2160-0",
        "umol/L",
        (60.0, 100.0),
        &same(&[(100.0, 0), (150.0, 1), (151.0, 2), (300.0, 2), (301.0, 3), (600.0, 3), (601.0, 4)]),
    );
}

#[test]
fn electrolytes_have_limits_on_both_sides() {
    let potassium = [
        (2.4, 4),
        (2.5, 3),
        (2.9, 3),
        (3.0, 1),
        (3.4, 1),
        (3.5, 0),
        (5.0, 0),
        (5.1, 1),
        (5.5, 1),
        (5.6, 2),
        (6.0, 2),
        (6.1, 3),
        (7.0, 3),
        (7.1, 4),
    ];
    check("2823-3", "mmol/L", (3.5, 5.0), &same(&potassium));
    check("2823-3", "meq/L", (3.5, 5.0), &same(&potassium));
    let sodium = [
        (119.0, 4),
        (120.0, 3),
        (124.9, 3),
        (125.0, 2),
        (129.9, 2),
        (130.0, 1),
        (134.0, 1),
        (135.0, 0),
        (145.0, 0),
        (146.0, 1),
        (150.0, 1),
        (151.0, 2),
        (155.0, 2),
        (156.0, 3),
        (160.0, 3),
        (161.0, 4),
    ];
    check("2951-2", "mmol/L", (135.0, 145.0), &same(&sodium));
}

#[test]
fn low_glucose_has_figures_and_high_glucose_has_none() {
    let low = [(3.9, 0), (3.8, 1), (3.0, 1), (2.9, 2), (2.2, 2), (2.1, 3), (1.7, 3), (1.6, 4)];
    check("2345-7", "mmol/L", (3.9, 5.6), &same(&low));
    check(
        "2345-7",
        "mg/dL",
        (70.0, 100.0),
        &same(&[(70.0, 0), (55.0, 1), (54.0, 2), (40.0, 2), (39.0, 3), (30.0, 3), (29.0, 4)]),
    );
    let high = graded(result("2345-7", 20.0, "mmol/L", 3.9, 5.6));
    assert_eq!((high.grade, high.status()), (None, "not-graded"));
    assert!(high.reason.contains("by its treatment"), "{}", high.reason);
}

#[test]
fn without_the_limit_of_normal_nothing_is_guessed() {
    let bare = |code: &str, value: f64, unit: &str| graded(json!({"code": code, "value": value, "unit": unit}));
    let alt = bare("1742-6", 300.0, "U/L");
    assert_eq!((alt.grade, alt.reason.as_str()), (None, "no upper limit of normal is given"));
    // Printed limits decide without limits of normal.
    assert_eq!(bare("718-7", 75.0, "g/L").grade, Some(3));
    let fair = bare("718-7", 140.0, "g/L");
    assert_eq!((fair.grade, fair.reason.as_str()), (None, "no lower limit of normal is given"));
    let potassium = bare("2823-3", 4.0, "mmol/L");
    assert_eq!(potassium.reason, "no upper limit of normal is given; no lower limit of normal is given");
    // Only one of the limits is needed.
    let one_sided = json!({"code": "2160-0", "value": 90, "unit": "umol/L", "referenceRange": {"high": 100}});
    assert_eq!(graded(one_sided).grade, Some(0));
    // A result without a grade always states the reason.
    let other = bare("2093-3", 9.0, "mmol/L");
    assert_eq!((other.grade, other.reason.as_str()), (None, "CTCAE v5.0 grades are not given for this analyte"));
    for unknown in [json!({"code": "50902-6", "value": 7.2, "unit": "mmol/kg"}), json!({"code": "HB", "value": "low"})]
    {
        let unknown = graded(unknown);
        assert_eq!((unknown.status(), unknown.reason.as_str()), ("not-graded", "analyte not known"));
        assert_eq!(unknown.analyte, None);
    }
}

#[test]
fn words_and_open_figures_say_so() {
    let words = graded(json!({"code": "777-3", "value": "clumped"}));
    assert_eq!((words.grade, words.reason.as_str()), (None, "the value is not a figure"));
    let compared = |comparator: &str, value: f64| {
        let mut given = result("777-3", value, "10*9/L", 150.0, 400.0);
        given["comparator"] = json!(comparator);
        graded(given)
    };
    let few = compared("<", 10.0);
    assert_eq!((few.grade, few.or_more), (Some(4), false));
    assert_eq!(
        few.reason,
        "platelets is less than 10 10*9/L, CTCAE v5.0 platelet count decreased grade 4: below 25 10*9/L"
    );
    let fewer = compared("<", 50.0);
    assert_eq!((fewer.grade, fewer.or_more), (Some(3), true));
    assert!(fewer.reason.contains("grade 3 or more"));
    assert_eq!((compared("<=", 50.0).grade, compared(">", 400.0).grade), (Some(2), Some(0)));
    let open = compared(">", 40.0);
    assert_eq!((open.grade, open.reason.as_str()), (None, "the figure is open to one side, and the grade with it"));
}

#[test]
fn an_abnormal_baseline_takes_the_place_of_the_upper_limit() {
    let first = report(&[
        result("1742-6", 100.0, "U/L", 5.0, 40.0),
        result("1975-2", 2.0, "mg/dL", 0.1, 1.2),
        result("2160-0", 60.0, "umol/L", 50.0, 100.0),
    ]);
    let baselines = Baseline::of(&Measured::list(&first));
    let against = |result: Value| grade(&Measured::list(&report(&[result])), &baselines).remove(0);
    for (value, expected) in [(149.0, 0), (150.0, 1), (300.0, 1), (301.0, 2), (501.0, 3), (2001.0, 4)] {
        let found = against(result("1742-6", value, "U/L", 5.0, 40.0));
        assert_eq!(found.grade, Some(expected), "{}", found.reason);
        assert!(expected == 0 || found.reason.contains("times the baseline"), "{}", found.reason);
    }
    // In another unit than the baseline.
    for (value, expected) in [(34.0, 0), (36.0, 1), (52.0, 2), (104.0, 3), (343.0, 4)] {
        assert_eq!(against(result("1975-2", value, "umol/L", 2.0, 20.0)).grade, Some(expected), "{value}");
    }
    // Creatinine: the worse of both grades applies. 95 is normal, but more than one and a half times the baseline.
    for (value, expected) in [(90.0, 0), (95.0, 2), (181.0, 3), (601.0, 4)] {
        assert_eq!(against(result("2160-0", value, "umol/L", 50.0, 100.0)).grade, Some(expected), "{value}");
    }
    // A normal baseline changes nothing. If the baseline is unknown, the reason says so.
    let normal = Baseline::of(&Measured::list(&report(&[result("1742-6", 30.0, "U/L", 5.0, 40.0)])));
    let data = report(&[result("1742-6", 130.0, "U/L", 5.0, 40.0)]);
    let (known, unknown) = (&grade(&Measured::list(&data), &normal)[0], &grade(&Measured::list(&data), &[])[0]);
    assert_eq!((known.grade, unknown.grade), (Some(2), Some(2)));
    assert!(unknown.reason.ends_with("(baseline not known, taken as normal)") && !known.reason.contains("baseline"));
}

#[test]
fn a_figure_in_quotes_counts_like_the_figure_with_its_comparator() {
    let potassium = |value: Value| json!({"code": "2823-3", "value": value, "unit": "mmol/L", "referenceRange": {"low": 3.5, "high": 5}});
    for (text, figure, comparator) in [
        ("7.2", 7.2, None),
        (" 7.2 ", 7.2, None),
        (">7.0", 7.0, Some(">")),
        ("> 7.0", 7.0, Some(">")),
        ("\u{2265}7.0", 7.0, Some(">=")),
        (">= 6.5", 6.5, Some(">=")),
        ("<2.5", 2.5, Some("<")),
        ("\u{2264}2.5", 2.5, Some("<=")),
        ("<7", 7.0, Some("<")),
    ] {
        let mut number = potassium(json!(figure));
        if let Some(comparator) = comparator {
            number["comparator"] = json!(comparator);
        }
        let text = potassium(json!(text));
        assert_eq!(
            (graded(text.clone()), alerts(std::slice::from_ref(&text))),
            (graded(number.clone()), alerts(&[number])),
            "{text}"
        );
    }
    let (seven, above) = (alerts(&[potassium(json!(7.0))]), alerts(&[potassium(json!(">7.0"))]));
    let rules = |alerts: &[(String, &str, String)]| alerts.iter().map(|alert| alert.0.clone()).collect::<Vec<_>>();
    assert_eq!(rules(&seven), ["critical-potassium-high", "grade-3"]);
    assert_eq!(rules(&above), ["grade-4", "critical-potassium-high"]);
    // An upper bound cannot decide a test for high values, and the reason says so.
    let below = graded(potassium(json!("<7")));
    assert_eq!((below.status(), below.reason.contains("open to one side")), ("not-graded", true));
}

#[test]
fn every_code_of_an_analyte_is_graded_and_alerts_like_the_panel_s() {
    for (panel, siblings, value, unit, rule) in [
        ("2823-3", "6298-4 77142-8 32713-0 39789-3 39790-1 41656-0", 7.2, "mmol/L", "critical-potassium-high"),
        ("2951-2", "2947-0 77139-4 32717-1 39791-9 39792-7 41657-8", 118.0, "mmol/L", "critical-sodium-low"),
        (
            "2345-7",
            "14749-6 15074-8 77135-2 39480-9 39481-7 51596-5 14743-9 72516-8 14771-0",
            1.2,
            "mmol/L",
            "critical-glucose-low",
        ),
        (
            "2345-7",
            "2339-0 41653-7 32016-8 41651-1 41652-9 74774-1 2340-8 1558-6",
            22.0,
            "mg/dL",
            "critical-glucose-low",
        ),
        ("718-7", "30313-1 30350-3 30352-9 20509-6 55782-7", 65.0, "g/L", "critical-haemoglobin-low"),
        ("718-7", "59260-0 75928-2 93846-4", 3.0, "mmol/L", "critical-haemoglobin-low"),
        ("751-8", "26499-4 753-4", 0.3, "10*9/L", "critical-neutrophils-low"),
        ("777-3", "26515-7 778-1 49497-1", 12.0, "10*9/L", "critical-platelets-low"),
        ("2160-0", "14682-9 59826-8 77140-2", 700.0, "umol/L", "critical-creatinine-high"),
        ("2160-0", "38483-4 21232-4", 9.0, "mg/dL", "critical-creatinine-high"),
        ("1742-6", "1743-4 1744-2 76625-3 77144-4", 900.0, "U/L", "critical-alt-high"),
        ("1920-8", "30239-8 88112-8", 900.0, "U/L", "critical-ast-high"),
    ] {
        let of = |code: &str| {
            let given = json!({"code": code, "value": value, "unit": unit, "referenceRange": {"high": 45}});
            (graded(given.clone()), alerts(&[given]))
        };
        let (expected, raised) = of(panel);
        assert!(raised.iter().any(|alert| alert.0 == rule), "{panel}: {raised:?}");
        for code in siblings.split(' ') {
            let (found, alerts) = of(code);
            assert_eq!((found.code.as_str(), found.analyte), (code, Some(panel)));
            assert_eq!(alerts, raised, "{code}");
            assert_eq!(Grade { code: panel.to_string(), ..found }, expected);
        }
    }
}

#[test]
fn a_figure_that_was_never_measured_is_not_called_normal() {
    // 140 g/L and 3500 /uL in the wrong unit.
    for (code, value, unit) in [("718-7", 140.0, "g/dL"), ("751-8", 3500.0, "10*9/L")] {
        let found = graded(result(code, value, unit, 1.0, 5000.0));
        let reason = "no such figure was ever measured in this unit: compare both";
        assert_eq!((found.status(), found.reason.as_str()), ("not-graded", reason));
    }
    // A graded result keeps its grade.
    assert_eq!(graded(result("2823-3", 72.0, "mmol/L", 3.5, 5.0)).grade, Some(4));
}

#[test]
fn a_baseline_in_serum_is_one_for_blood() {
    let first = report(&[result("14682-9", 60.0, "umol/L", 50.0, 100.0)]);
    let baselines = Baseline::of(&Measured::list(&first));
    let now = report(&[result("38483-4", 1.3, "mg/dL", 0.6, 1.2)]);
    let found = grade(&Measured::list(&now), &baselines).remove(0);
    assert_eq!((found.grade, found.reason.contains("times the baseline")), (Some(2), true), "{}", found.reason);
}

fn alerts(results: &[Value]) -> Vec<(String, &'static str, String)> {
    let data = report(results);
    let grades = grade(&Measured::list(&data), &[]);
    let rules = report_rules::built_in(ReportKind::Lab).unwrap();
    let alerts = report_rules::alerts(&rules, &Facts::of(&data, &grades));
    alerts.into_iter().map(|alert| (alert.rule.to_string(), alert.severity.as_str(), alert.reason)).collect()
}

#[test]
fn grade_three_and_four_and_critical_values_alert() {
    let three = alerts(&[result("718-7", 75.0, "g/L", 135.0, 175.0)]);
    let reason = "haemoglobin is 75 g/L, CTCAE v5.0 anaemia grade 3: below 80 g/L";
    assert_eq!(three, [("grade-3".to_string(), "high", reason.to_string())]);
    let four = alerts(&[result("2823-3", 7.2, "mmol/L", 3.5, 5.0), result("1742-6", 250.0, "U/L", 5.0, 40.0)]);
    let found: Vec<_> = four.iter().map(|(rule, severity, _)| (rule.as_str(), *severity)).collect();
    assert_eq!(found, [("grade-4", "critical"), ("critical-potassium-high", "critical"), ("grade-3", "high")]);
    assert_eq!(four[1].2, "potassium is 7.2 mmol/L, rule: more than 6.5 mmol/L");
    assert_eq!(alerts(&[result("718-7", 81.0, "g/L", 135.0, 175.0)]), []);
}

#[test]
fn a_critical_value_needs_no_limits_of_normal_and_no_unit_of_the_rule() {
    let found = alerts(&[json!({"code": "2345-7", "value": 600, "unit": "mg/dL"})]);
    assert_eq!(found[0].0, "critical-glucose-high");
    assert_eq!(found[0].2, "glucose is 600 mg/dL, rule: more than 25 mmol/L");
    assert_eq!(alerts(&[json!({"code": "2345-7", "value": 440, "unit": "mg/dL"})]), []);
}

proptest! {
    #[test]
    fn a_worse_figure_is_never_graded_milder(a in 0.0..400.0_f64, b in 0.0..400.0_f64) {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        for (code, unit, falls) in [("718-7", "g/L", true), ("777-3", "10*9/L", true), ("1742-6", "U/L", false)] {
            let of = |value| graded(result(code, value, unit, 120.0, 130.0)).grade.unwrap();
            let (worse, better) = if falls { (of(low), of(high)) } else { (of(high), of(low)) };
            prop_assert!(worse >= better);
        }
    }

    #[test]
    fn what_the_door_takes_of_a_known_analyte_is_never_without_a_figure(text in "[<>=\u{2264} ]{0,2}[0-9.,e+ -]{0,6}[a-z]{0,1}") {
        let now = domain::Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let given = json!({"code": "2823-3", "value": text, "unit": "mmol/L", "collectedAt": "2026-03-01T07:00:00Z"});
        let data = report(&[given]);
        if domain::report::check(ReportKind::Lab, &data, now).is_empty() {
            let found = grade(&Measured::list(&data), &[]).remove(0);
            prop_assert!(found.reason != "the value is not a figure", "{}", text);
        }
    }

    #[test]
    fn nothing_that_a_report_may_hold_panics(
        code in prop::sample::select(vec!["718-7", "2823-3", "1742-6", "2345-7", "x", ""]),
        value in prop_oneof![any::<f64>().prop_map(|x| json!(x)), any::<String>().prop_map(|x| json!(x)), Just(Value::Null)],
        unit in prop::sample::select(vec!["g/L", "mmol/L", "U/L", "?", ""]),
        comparator in prop::sample::select(vec!["<", "<=", ">=", ">", "=", ""]),
        high in any::<f64>(),
    ) {
        let given = json!({"code": code, "value": value, "unit": unit, "comparator": comparator,
                           "referenceRange": {"high": high, "low": -high}});
        let data = report(&[given.clone(), given]);
        let results = Measured::list(&data);
        let grades = grade(&results, &Baseline::of(&results));
        let rules = report_rules::built_in(ReportKind::Lab).unwrap();
        let _ = report_rules::alerts(&rules, &Facts::of(&data, &grades));
    }
}
