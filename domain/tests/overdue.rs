//! Overdue rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use domain::overdue::{DIARY, Evaluation, OverdueRule, judge};
use domain::{Code, Severity, study_rules};
use proptest::prelude::*;
use serde_json::{Value, json};

const HOUR: u64 = 3_600_000;

fn rule(id: &str, severity: &str, when: Value) -> Value {
    json!({"id": id, "severity": severity, "textKey": "diary.overdue", "when": when})
}

fn rules(overdue: Value) -> Vec<OverdueRule> {
    let document = json!({"studies": {"S": {"diary": {"overdue": overdue}}}});
    study_rules::read(&document).unwrap().study("S").unwrap().overdue(DIARY).to_vec()
}

/// Checks rule, hours of silence and reason of each miss, and the hours after the last diary until the next check.
fn check(overdue: &Value, silence_hours: f64, missed: &[(&str, u64, &str)], look: Option<u64>) {
    let rules = rules(overdue.clone());
    let Evaluation { missed: found, look_after_ms } = judge(&rules, DIARY, (silence_hours * HOUR as f64) as u64);
    let found: Vec<_> = found.iter().map(|it| (it.alert.rule, it.after_ms / HOUR, it.alert.reason.as_str())).collect();
    assert_eq!((found.as_slice(), look_after_ms.map(|ms| ms / HOUR)), (missed, look), "after {silence_hours} h");
}

#[test]
fn a_silence_is_a_miss_after_interval_and_grace_and_after_each_further_interval() {
    let daily = json!([rule("daily", "high", json!({"everySeconds": 86400, "graceSeconds": 7200}))]);
    let reason = |silence: &str| format!("no diary for {silence}, rule: every 24 h, grace 2 h");
    check(&daily, 0.0, &[], Some(24));
    check(&daily, 25.999, &[], Some(26));
    check(&daily, 26.0, &[("daily", 26, &reason("26 h"))], Some(50));
    check(&daily, 49.9, &[("daily", 26, &reason("26 h"))], Some(50));
    // A late check reports only the latest miss, not all of them.
    check(&daily, 60.0, &[("daily", 50, &reason("2 d 2 h"))], Some(74));
    check(&daily, 74.0, &[("daily", 74, &reason("3 d 2 h"))], None);
    check(&daily, 9999.0, &[("daily", 74, &reason("3 d 2 h"))], None);
}

#[test]
fn several_rules_look_at_the_same_silence() {
    let both = json!([
        rule("late", "moderate", json!({"everySeconds": 43200, "most": 1})),
        rule("silent", "critical", json!({"everySeconds": 259_200, "graceSeconds": 5400, "most": 1})),
    ]);
    let late = ("late", 12, "no diary for 12 h, rule: every 12 h");
    check(&both, 11.0, &[], Some(12));
    // Checked at least once a day, because the rules may have changed.
    check(&both, 12.0, &[late], Some(36));
    check(&both, 60.0, &[late], Some(73));
    let silent = ("silent", 73, "no diary for 3 d 1 h 30 min, rule: every 3 d, grace 1 h 30 min");
    check(&both, 80.0, &[silent, late], None);
    check(&json!([]), 80.0, &[], None);
}

#[test]
fn an_instrument_is_awaited_by_its_name_and_nothing_else_is() {
    let weekly = rule("weekly", "info", json!({"everySeconds": 604_800.5}));
    let document = json!({"studies": {"S": {"instruments": {
        "phq-9": {"overdue": [weekly]}, "own-instrument": {"overdue": [weekly]}
    }}}});
    let read = study_rules::read(&document).unwrap();
    let study = read.study("S").unwrap();
    for instrument in ["phq-9", "own-instrument"] {
        let judged = judge(study.overdue(instrument), instrument, 169 * HOUR);
        let alert = &judged.missed.first().unwrap().alert;
        assert_eq!(alert.reason, format!("no {instrument} for 7 d 0.5 s, rule: every 7 d 0.5 s"));
        assert_eq!((alert.severity, alert.text_key), (Severity::Info, "diary.overdue"));
    }
    assert!(study.overdue(DIARY).is_empty() && study.overdue("gad-7").is_empty());
    // The instrument's own rules are unchanged.
    let phq_9 = domain::Instrument::from_json(&domain::library::definition("phq-9").unwrap()).unwrap();
    assert_eq!(study.instrument(&"phq-9".into()).unwrap().apply(&phq_9).unwrap(), phq_9.rules());
}

#[test]
fn every_fault_is_told_at_once() {
    let document = json!({"studies": {"S": {
        "instruments": {
            "phq-9": {"overdue": [rule("severe", "high", json!({"everySeconds": 60}))]},
            "own-instrument": {"overdue": 1}
        },
        "adverseEvent": {"overdue": []},
        "diary": {
            "add": [{"id": "pain", "severity": "high", "textKey": "t", "when": {"symptom": "pain", "atLeast": 7}}],
            "overdue": [
                rule("pain", "high", json!({"everySeconds": 60})),
                rule("b", "high", json!({"everySeconds": 0, "graceSeconds": -1, "most": 0, "until": 1})),
                rule("c", "worst", json!({"graceSeconds": 1})),
                rule("c", "info", json!({"everySeconds": 60})),
                rule("d", "info", json!(24)),
            ]
        }
    }}});
    let mut found: Vec<(String, Code)> =
        study_rules::read(&document).unwrap_err().into_iter().map(|fault| (fault.pointer, fault.code)).collect();
    found.sort();
    let of = |pointer: &str, code| (format!("/studies/S{pointer}"), code);
    let mut expected = vec![
        of("/adverseEvent/overdue", Code::Unknown),
        of("/diary/overdue", Code::Conflict),
        of("/diary/overdue/1/when/everySeconds", Code::Range),
        of("/diary/overdue/1/when/graceSeconds", Code::Range),
        of("/diary/overdue/1/when/most", Code::Range),
        of("/diary/overdue/1/when/until", Code::Unknown),
        of("/diary/overdue/2/severity", Code::Choice),
        of("/diary/overdue/2/when", Code::Required),
        of("/diary/overdue/4/when", Code::Type),
        of("/instruments/own-instrument/overdue", Code::Type),
        of("/instruments/phq-9/overdue", Code::Conflict),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

fn any_rules() -> impl Strategy<Value = Vec<OverdueRule>> {
    let one = (1u64..2_000_000, 0u64..500_000, 1u16..8, 0usize..4);
    proptest::collection::vec(one, 1..4).prop_map(|all| {
        let all = all.into_iter().enumerate().map(|(n, (every, grace, most, severity))| {
            let when = json!({"everySeconds": every, "graceSeconds": grace, "most": most});
            rule(&format!("r{n}"), Severity::ALL.get(severity).unwrap().as_str(), when)
        });
        rules(all.collect())
    })
}

proptest! {
    #[test]
    fn who_looks_when_told_to_tells_each_miss_once_and_comes_to_an_end(rules in any_rules()) {
        let (mut at, mut told, mut looks) = (0, std::collections::BTreeSet::new(), 0);
        loop {
            let judged = judge(&rules, DIARY, at);
            for missed in &judged.missed {
                prop_assert!(missed.after_ms <= at && missed.after_ms > 0);
                told.insert((missed.alert.rule.to_string(), missed.after_ms));
            }
            let Some(next) = judged.look_after_ms else { break };
            prop_assert!(next > at && next <= at + 24 * HOUR);
            (at, looks) = (next, looks + 1);
            prop_assert!(looks < 1000);
        }
        // Each rule has reported its maximum of misses, one interval apart.
        let end = judge(&rules, DIARY, u64::MAX);
        prop_assert_eq!((end.missed.len(), end.look_after_ms), (rules.len(), None));
        for last in end.missed {
            let own: Vec<u64> = told.iter().filter(|(rule, _)| rule == last.alert.rule).map(|(_, at)| *at).collect();
            prop_assert_eq!(own.last(), Some(&last.after_ms));
            let steps: Vec<u64> = own.windows(2).map(|two| two[1] - two[0]).collect();
            prop_assert!(steps.windows(2).all(|two| two[0] == two[1]));
            prop_assert_eq!(own.len() as u64, (last.after_ms - own[0]) / steps.first().unwrap_or(&1) + 1);
        }
    }

    #[test]
    fn however_late_it_is_found_a_miss_is_the_same(rules in any_rules(), at in 0u64..10_000_000_000, late in 0u64..1000) {
        let (now, then) = (judge(&rules, DIARY, at), judge(&rules, DIARY, at + late));
        for missed in &now.missed {
            let same = then.missed.iter().find(|it| it.alert.rule == missed.alert.rule).unwrap();
            prop_assert!(same.after_ms >= missed.after_ms);
            if same.after_ms == missed.after_ms {
                prop_assert_eq!(same, missed);
            }
        }
        // No new miss occurs without a check.
        if now.look_after_ms.is_none_or(|look| look > at + late) {
            prop_assert_eq!(now.missed, then.missed);
        }
    }
}
