//! The alerts that are raised, and their texts.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::{History, Instrument, Severity, library};
use serde_json::{Map, Value, json};

fn instrument(id: &str) -> Instrument {
    Instrument::from_json(&library::definition(id).unwrap()).unwrap()
}

/// PHQ-9 answers q1 to q9; a negative figure is a missing answer.
fn phq_9(figures: [i64; 9]) -> Map<String, Value> {
    let answer = |x: i64| if x < 0 { Value::Null } else { json!(x) };
    figures.into_iter().enumerate().map(|(n, x)| (format!("q{}", n + 1), answer(x))).collect()
}

fn check(id: &str, answers: &Map<String, Value>, expected: &[(&str, Severity, &str)]) {
    let instrument = instrument(id);
    let answers = instrument.read(answers).unwrap();
    let scores = instrument.score(&answers, &instrument.parameters(&BTreeMap::new()).unwrap());
    let alerts = instrument.alerts(&answers, &scores, None);
    let found: Vec<_> = alerts.iter().map(|alert| (alert.rule, alert.severity, alert.reason.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn item_nine_above_zero_alerts_even_when_total_is_low() {
    let critical = Severity::Critical;
    check("phq-9", &phq_9([0, 0, 0, 0, 0, 0, 0, 0, 1]), &[("item-9", critical, "item q9 is 1, rule: 1 or more")]);
    check("phq-9", &phq_9([0, 0, 0, 0, 0, 0, 0, 0, 0]), &[]);
}

#[test]
fn item_nine_alerts_even_when_too_much_is_missing_for_a_total() {
    let expected = [("item-9", Severity::Critical, "item q9 is 3, rule: 1 or more")];
    check("phq-9", &phq_9([-1, -1, -1, -1, -1, -1, -1, -1, 3]), &expected);
}

#[test]
fn item_nine_left_open_alerts_unless_the_whole_form_is() {
    let reason = "item q9 is missing and 8 of 8 items answered, rule: 1 or more";
    check("phq-9", &phq_9([0, 0, 0, 0, 0, 0, 0, 0, -1]), &[("item-9-missing", Severity::High, reason)]);
    check("phq-9", &phq_9([-1, -1, -1, -1, -1, -1, -1, -1, -1]), &[]);
}

#[test]
fn the_total_alerts_by_its_band_and_the_worst_comes_first() {
    let severe = "score total is 20 (severe), rule: band severe";
    check("phq-9", &phq_9([3, 3, 3, 3, 3, 3, 2, 0, 0]), &[("severe", Severity::High, severe)]);
    let moderate = "score total is 15 (moderately_severe), rule: band moderately_severe";
    check("phq-9", &phq_9([3, 3, 3, 3, 3, 0, 0, 0, 0]), &[("moderately-severe", Severity::Moderate, moderate)]);
    let both = [
        ("item-9", Severity::Critical, "item q9 is 3, rule: 1 or more"),
        ("severe", Severity::High, "score total is 27 (severe), rule: band severe"),
    ];
    check("phq-9", &phq_9([3; 9]), &both);
}

#[test]
fn a_prorated_total_alerts_on_its_unrounded_figure() {
    // 17 over 8 answers is 19.125 over nine: not yet severe.
    let reason = "score total is 19.125 (moderately_severe), rule: band moderately_severe";
    let expected = [("moderately-severe", Severity::Moderate, reason)];
    check("phq-9", &phq_9([3, 3, 3, 3, 3, 2, 0, -1, 0]), &expected);
}

#[test]
fn gad_7_is_severe_from_fifteen() {
    let gad_7 = |last: i64| -> Map<String, Value> {
        [3, 3, 3, 3, 2, 0, last].iter().enumerate().map(|(n, x)| (format!("q{}", n + 1), json!(x))).collect()
    };
    check("gad-7", &gad_7(1), &[("severe", Severity::High, "score total is 15 (severe), rule: band severe")]);
    check("gad-7", &gad_7(0), &[]);
}

/// A study's rule on PHQ-9, with earlier totals.
fn study_rule(when: Value, figures: [i64; 9], history: &History) -> Option<String> {
    let instrument = instrument("phq-9");
    let rules = json!([{"id": "own", "severity": "moderate", "textKey": "study.own", "when": when}]);
    let rules = instrument.read_rules(&rules).unwrap();
    let answers = instrument.read(&phq_9(figures)).unwrap();
    let scores = instrument.score(&answers, &instrument.parameters(&BTreeMap::new()).unwrap());
    let alerts = instrument.alerts_by(&rules, &answers, &scores, Some(history));
    alerts.first().map(|alert| alert.reason.clone())
}

fn history(previous: f64, baseline: f64) -> History {
    let total = |x: f64| BTreeMap::from([("total".to_string(), x)]);
    History { previous: total(previous), baseline: total(baseline), ..History::default() }
}

#[test]
fn a_change_since_an_earlier_response_alerts() {
    let rule = || json!({"change": "total", "since": "previous", "atLeast": 5});
    let figures = [1, 1, 1, 1, 1, 1, 1, 1, 0];
    let reason = "score total changed by 5 since the previous response, to 8, rule: 5 or more";
    assert_eq!(study_rule(rule(), figures, &history(3.0, 8.0)).as_deref(), Some(reason));
    assert_eq!(study_rule(rule(), figures, &history(4.0, 0.0)), None);
    let baseline = json!({"change": "total", "since": "baseline", "atMost": -5});
    let reason = "score total changed by -12 since baseline, to 8, rule: -5 or less";
    assert_eq!(study_rule(baseline, figures, &history(8.0, 20.0)).as_deref(), Some(reason));
}

#[test]
fn what_another_site_measured_does_not_follow_from_a_reason() {
    let figures = [1, 1, 1, 1, 1, 1, 1, 1, 0];
    let elsewhere = History { previous_elsewhere: true, ..history(2.5, 20.0) };
    let since_previous = json!({"change": "total", "since": "previous", "atLeast": 5});
    let reason = "score total changed since the previous response, which is of another site, to 8, rule: 5 or more";
    assert_eq!(study_rule(since_previous, figures, &elsewhere).as_deref(), Some(reason));
    let since_baseline = || json!({"change": "total", "since": "baseline", "atMost": -5});
    let reason = "score total changed by -12 since baseline, to 8, rule: -5 or less";
    assert_eq!(study_rule(since_baseline(), figures, &elsewhere).as_deref(), Some(reason));
    let elsewhere = History { baseline_elsewhere: true, ..history(2.5, 20.0) };
    let reason = "score total changed since baseline, which is of another site, to 8, rule: -5 or less";
    assert_eq!(study_rule(since_baseline(), figures, &elsewhere).as_deref(), Some(reason));
}

#[test]
fn a_change_without_an_earlier_response_alerts_nobody() {
    let rule = json!({"not": {"change": "total", "since": "previous", "atLeast": 5}});
    assert_eq!(study_rule(rule, [3; 9], &History::default()), None);
}

#[test]
fn a_rule_that_only_the_history_decides_is_told_from_the_others() {
    let instrument = instrument("phq-9");
    let change = json!({"change": "total", "since": "previous", "atLeast": 5});
    let rule = |id: &str, when: Value| json!({"id": id, "severity": "high", "textKey": "t", "when": when});
    let rules = json!([
        rule("change", change.clone()),
        rule("decided", json!({"any": [change, {"item": "q1", "atLeast": 1}]})),
        rule("plain", json!({"score": "total", "atLeast": 1})),
    ]);
    let rules = instrument.read_rules(&rules).unwrap();
    assert_eq!(rules.iter().map(domain::Rule::needs_history).collect::<Vec<_>>(), [true, true, false]);
    let undecided = |figures: [i64; 9]| -> Vec<String> {
        let answers = instrument.read(&phq_9(figures)).unwrap();
        let scores = instrument.score(&answers, &instrument.parameters(&BTreeMap::new()).unwrap());
        instrument.undecided(&rules, &answers, &scores).iter().map(|rule| rule.id().to_string()).collect()
    };
    assert_eq!(undecided([1; 9]), ["change"]);
    assert_eq!(undecided([0; 9]), ["change", "decided"]);
    // Without a present total, an earlier total would not help.
    assert_eq!(undecided([-1; 9]), Vec::<String>::new());
}

#[test]
fn what_is_not_known_decides_nothing() {
    let nothing = History::default();
    let open = [-1, 3, 0, 0, 0, 0, 0, 0, 0];
    let any = json!({"any": [{"item": "q1", "atLeast": 1}, {"item": "q2", "atLeast": 3}]});
    assert_eq!(study_rule(any, open, &nothing).as_deref(), Some("item q2 is 3, rule: 3 or more"));
    let all = json!({"all": [{"item": "q1", "atLeast": 1}, {"item": "q2", "atLeast": 3}]});
    assert_eq!(study_rule(all, open, &nothing), None);
    let not = json!({"not": {"item": "q1", "atLeast": 1}});
    assert_eq!(study_rule(not, open, &nothing), None);
    let unscored = json!({"score": "total", "notScored": true});
    let reason = "score total has no value";
    assert_eq!(study_rule(unscored, [-1, -1, -1, 0, 0, 0, 0, 0, 0], &nothing).as_deref(), Some(reason));
}

#[test]
fn a_severity_is_read_as_it_is_written_and_has_an_order() {
    for severity in Severity::ALL {
        assert_eq!(Severity::parse(severity.as_str()), Some(severity));
    }
    assert!(Severity::Info < Severity::Moderate && Severity::High < Severity::Critical);
    assert_eq!(Severity::parse("Critical"), None);
}
