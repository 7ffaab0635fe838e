//! De-identification by a study's own policy. A faulty policy is refused at the place of its fault. Under every valid
//! policy, no identity survives in a report, and its dates shift all together or not at all.

use std::collections::BTreeSet;

use domain::deidentify::{self, Policy, Subject};
use domain::ids::PatientId;
use domain::intake::ReportKind;
use domain::{Timestamp, report};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::choices::{Choices, bytes};
use crate::config;
use crate::samples::{self, now, places};

/// The actions that a study may choose for each member; `shift` only if the study shifts dates, `keep` of dates only if
/// it does not.
const SOUND: [(&str, &str, &[&str]); 14] = [
    ("diary", "note", &["keep", "pseudonymise", "drop"]),
    ("diary", "symptoms/*/since", &["generalise", "pseudonymise", "drop"]),
    ("diary", "medication/*/name", &["keep", "drop"]),
    ("diary", "patient/mrn", &["pseudonymise", "drop"]),
    ("diary", "patient/birthDate", &["generalise", "drop"]),
    ("adverse-event", "onset", &["generalise", "drop"]),
    ("adverse-event", "term", &["keep", "pseudonymise"]),
    ("adverse-event", "patient/sex", &["keep", "drop"]),
    ("lab", "results/*/comment", &["drop"]),
    ("lab", "specimenId", &["pseudonymise", "drop"]),
    ("generic", "visit", &["generalise", "pseudonymise", "drop"]),
    ("generic", "Phone", &["drop"]),
    ("generic", "m_r_n", &["pseudonymise", "drop"]),
    ("generic", "name", &["keep", "drop"]),
];
const FAULTY: [(&str, &str, &str); 9] = [
    ("diary", "patient/name", "keep"),
    ("diary", "patient/phone", "pseudonymise"),
    ("adverse-event", "patient/mrn", "keep"),
    ("adverse-event", "outcome", "drop"),
    ("lab", "specimenId", "generalise"),
    ("lab", "results/0/comment", "drop"),
    ("generic", "E-Mail", "keep"),
    ("generic", "姓名", "shift"),
    ("generic", "visit ", "remove"),
];

fn study(choices: &mut Choices<'_>) -> Value {
    let mut study = json!({});
    if choices.once_in(2) {
        study["shiftDays"] = json!(1 + choices.below(256));
    }
    for _ in 0..choices.below(6) {
        let (kind, name, actions) = choices.one_of(&SOUND);
        study[kind][name] = json!(choices.one_of(actions));
    }
    if study.get("shiftDays").is_some() && choices.once_in(2) {
        study["generic"]["visit"] = json!("shift");
    }
    study
}

fn millis(date: &Value) -> Option<i64> {
    let date = date.as_str()?;
    Timestamp::parse(date).or_else(|| Timestamp::parse(&format!("{date}T00:00:00Z"))).map(Timestamp::millis)
}

const MARKS: [&str; 6] =
    ["13912345678", "11010519491231002X", "zhang.wei@example.com", "Zhang-330106", "4111111111111111", "H-20260042"];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_faulty_policy_is_refused_where_it_is_faulty(seed in bytes(40)) {
        let mut choices = Choices::of(&seed);
        let mut study = study(&mut choices);
        prop_assert!(Policy::read(&json!({"studies": {"S-1": study}})).is_ok(), "{}", study);
        let (kind, name, action) = choices.one_of(&FAULTY);
        study[kind][name] = json!(action);
        let faults = Policy::read(&json!({"studies": {"S-1": study}})).unwrap_err();
        let at = format!("/studies/S-1/{kind}/{}", name.replace('/', "~1"));
        prop_assert!(faults.len() == 1 && faults[0].pointer == at, "{} {:?}", study, faults);
    }

    #[test]
    fn whatever_a_policy_says_no_identity_is_left_and_dates_move_together(seed in bytes(160), random: u64) {
        let mut choices = Choices::of(&seed);
        let study_asks = study(&mut choices);
        let policy = Policy::read(&json!({"studies": {"S-1": study_asks}})).unwrap();
        let study = policy.study("S-1").unwrap();
        let document = samples::report(&mut choices, &mut |choices| {
            let mark = if choices.once_in(2) { choices.one_of(&MARKS[..5]) } else { "" };
            format!("said {mark} today")
        });
        let kind = ReportKind::parse(document["kind"].as_str().unwrap()).unwrap();
        let data = document["data"].as_object().unwrap().clone();
        prop_assert_eq!(report::check(kind, &data, now()), vec![]);
        let pseudonym = |_: &str| "0".repeat(32);
        let subject = Subject { patient_id: &PatientId::parse("Zhang-330106").unwrap(), written_at: now(), pseudonym: &pseudonym };
        let (built_in, _) = deidentify::report(kind, data.clone(), &subject);
        let (kept, removed) = study.report(kind, data.clone(), &subject, study.shift(|| random));
        let again = study.report(kind, data.clone(), &subject, study.shift(|| random));
        prop_assert!(again == (kept.clone(), removed), "a resend gives the same");
        let (before, after) = (Value::Object(data), Value::Object(kept));
        for clean in [built_in.into(), after.clone()].map(|value: Value| value.to_string()) {
            for mark in MARKS {
                prop_assert!(!clean.contains(mark), "{} in {} by {}", mark, clean, study_asks);
            }
        }
        if kind != ReportKind::Generic {
            let (mut leaves, mut objects) = (Vec::new(), Vec::new());
            places(&before, "", &mut leaves, &mut objects);
            let dates = leaves.iter().filter_map(|at| Some((millis(before.pointer(at)?)?, millis(after.pointer(at)?)?)));
            let moved: BTreeSet<i64> = dates.map(|(before, after)| after - before).collect();
            prop_assert!(moved.len() <= 1, "{} {:?}", after, moved);
            let shifts = study_asks.get("shiftDays").is_some();
            prop_assert!(moved.iter().all(|by| shifts == (*by != 0) && by % 86_400_000 == 0), "{} {:?}", after, moved);
        }
    }

    #[test]
    fn no_json_brings_the_reader_down(seed in bytes(80)) {
        let mut choices = Choices::of(&seed);
        let mut any = samples::report(&mut choices, &mut |choices| choices.word(0, 4));
        let _ = Policy::read(&any);
        any = json!({"studies": {"S": any["data"], "T": {"diary": any["data"], "generic": any, "shiftDays": any["data"]}}});
        prop_assert!(Policy::read(&any).is_err());
    }
}
