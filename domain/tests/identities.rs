//! Properties of any report: the checks do not panic, and no given identity survives.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use domain::Timestamp;
use domain::deidentify::{self, Subject};
use domain::ids::PatientId;
use domain::intake::ReportKind;
use domain::report;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Identities that a sender may put anywhere.
const MARKS: [&str; 5] =
    ["13912345678", "11010519491231002X", "zhang.wei@example.com", "Zhang-330106", "4111111111111111"];

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T08:00:00Z").unwrap()
}

/// Words of all schemas and free text, sometimes with an identity in the middle.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "symptoms",
        "name",
        "severity",
        "medication",
        "takenAt",
        "note",
        "patient",
        "birthDate",
        "postcode",
        "mrn",
        "phone",
        "term",
        "onset",
        "end",
        "grade",
        "serious",
        "seriousnessCriteria",
        "death",
        "outcome",
        "fatal",
        "results",
        "code",
        "718-7",
        "value",
        "unit",
        "g/dL",
        "collectedAt",
        "referenceRange",
        "low",
        "high",
        "2026-02-20",
        "2026-02-20T08:00:00Z",
        "dob",
        "contact",
        "address",
        "specimenId",
        "1949-12-31",
    ])
    .prop_map(str::to_owned);
    let marked = ("[a-z ,;]{0,8}", prop::sample::select(MARKS.to_vec()), "[a-z ,;]{0,8}")
        // A mark that is joined to letters is another word.
        .prop_map(|(before, mark, after)| format!("{before} {mark} {after}"));
    prop_oneof![3 => known, 2 => marked, 1 => any::<String>()]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..15).prop_map(Value::from),
        Just(Value::from(13_912_345_678_i64)),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_data() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(word(), any_value(), 0..6).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn checking_never_fails_and_is_the_same_twice(data in any_data()) {
        for kind in ReportKind::ALL {
            let faults = report::check(kind, &data, now());
            prop_assert_eq!(&faults, &report::check(kind, &data, now()));
            prop_assert!(faults.iter().all(|fault| fault.pointer.is_empty() || fault.pointer.starts_with('/')));
        }
    }

    #[test]
    fn no_identity_survives_in_an_accepted_report(data in any_data()) {
        for kind in ReportKind::ALL {
            if !report::check(kind, &data, now()).is_empty() {
                continue;
            }
            let before = Value::Object(data.clone()).to_string();
            let pseudonym = |_: &str| "0".repeat(32);
            let subject = Subject { patient_id: &PatientId::parse("Zhang-330106").unwrap(), written_at: now(), pseudonym: &pseudonym };
            let (clean, removed) = deidentify::report(kind, data.clone(), &subject);
            let after = Value::Object(clean).to_string();
            for mark in MARKS {
                prop_assert!(!after.contains(mark), "{} in {}", mark, after);
            }
            prop_assert!(before == after || removed.iter().count() > 0, "{} {}", before, after);
        }
    }
}
