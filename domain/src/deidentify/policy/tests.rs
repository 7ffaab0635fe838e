use super::*;
use serde_json::json;

fn faults(document: Value) -> Vec<(String, Code)> {
    let faults = Policy::read(&document).err().unwrap_or_default();
    faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

fn check(study: Value, expected: &[(&str, Code)]) {
    let found = faults(json!({"studies": {"S": study}}));
    let found: Vec<(&str, Code)> =
        found.iter().map(|(at, code)| (at.strip_prefix("/studies/S").unwrap(), *code)).collect();
    assert_eq!(found, expected, "{study}");
}

#[test]
fn every_fault_of_a_document_is_told_at_once() {
    use Code::*;
    for document in [json!({}), json!({"studies": {}}), json!({"studies": {"S": {}, "T": {"lab": {}}}})] {
        assert_eq!(faults(document), []);
    }
    assert_eq!(faults(json!([])), [(String::new(), Type)]);
    let wrong = json!({"study": 1, "studies": {"S 1": {"x/y": {}}, "S": 3}});
    let expected =
        [("/studies/S", Type), ("/studies/S 1", Format), ("/studies/S 1/x~1y", Unknown), ("/study", Unknown)];
    assert_eq!(faults(wrong), expected.map(|(at, code)| (String::from(at), code)));
    for days in [json!(0), json!(366), json!(-1), json!(1.5), json!(1e3)] {
        check(json!({"shiftDays": days}), &[("/shiftDays", Range)]);
    }
    check(json!({"shiftDays": null, "diary": []}), &[("/shiftDays", Type), ("/diary", Type)]);
    check(
        json!({"diary": {"note": "remove", "mood": "drop", "symptoms": "drop", "symptoms/*/since": 1},
               "lab": {"results/0/comment": "drop"}}),
        &[
            ("/diary/mood", Unknown),
            ("/diary/note", Choice),
            ("/diary/symptoms", Unknown),
            ("/diary/symptoms~1*~1since", Type),
            ("/lab/results~10~1comment", Unknown),
        ],
    );
    check(
        json!({"generic": {"a_b": "drop", "A-B": "keep", " ": "drop"}}),
        &[("/generic/ ", Unknown), ("/generic/a_b", Conflict)],
    );
}

#[test]
fn an_allow_list_is_a_list_of_different_names() {
    use Code::*;
    for only in [json!([]), json!(["visit", "Pain_Score", "phone", "疼痛"])] {
        check(json!({"genericOnly": only}), &[]);
    }
    for only in [json!(null), json!({}), json!("visit")] {
        check(json!({"genericOnly": only}), &[("/genericOnly", Type)]);
    }
    check(
        json!({"genericOnly": ["visit", "Vis-it", 1, " ", "ＶＩＳＩＴ"], "shiftDays": 0}),
        &[
            ("/shiftDays", Range),
            ("/genericOnly/1", Conflict),
            ("/genericOnly/2", Type),
            ("/genericOnly/3", Format),
            ("/genericOnly/4", Conflict),
        ],
    );
}

#[test]
fn identities_and_what_rules_read_cannot_be_kept_or_coarsened() {
    for (member, allowed) in [
        ("patient/name", &["drop"][..]),
        ("patient/address", &["drop"]),
        ("patient/phone", &["drop"]),
        ("patient/email", &["drop"]),
        ("patient/mrn", &["pseudonymise", "drop"]),
        ("patient/birthDate", &["generalise", "pseudonymise", "drop"]),
        ("patient/postcode", &["generalise", "pseudonymise", "drop"]),
        ("patient/sex", &["keep", "drop"]),
        ("outcome", &["keep"]),
        ("relatedness", &["keep"]),
        ("seriousnessCriteria/*", &["keep"]),
        ("note", &["keep", "pseudonymise", "drop"]),
        ("onset", &["keep", "generalise", "pseudonymise", "drop"]),
    ] {
        for action in Action::ALL.map(Action::as_str) {
            let found = faults(json!({"studies": {"S": {"adverse-event": {member: action}}}}));
            let code = if action == "shift" && member == "onset" { Code::Conflict } else { Code::Forbidden };
            let at = format!("/studies/S/adverse-event{}", pointer(member));
            let expected = if allowed.contains(&action) { Vec::new() } else { Vec::from([(at, code)]) };
            assert_eq!(found, expected, "{member} {action}");
        }
    }
    for name in ["phone", "E-Mail", "身份证号", "First Name", "contactPhone", "手机号码", "PatientName2"] {
        let found = faults(json!({"studies": {"S": {"generic": {name: "keep"}}}}));
        assert_eq!(found.len(), 1, "{name}");
    }
}

#[test]
fn in_a_study_that_shifts_no_date_stays() {
    check(
        json!({"shiftDays": 30, "lab": {"results/*/collectedAt": "keep"}}),
        &[("/lab/results~1*~1collectedAt", Code::Conflict)],
    );
    check(json!({"shiftDays": 30, "lab": {"results/*/collectedAt": "shift"}, "generic": {"visit": "shift"}}), &[]);
    check(json!({"generic": {"visit": "shift"}}), &[("/generic/visit", Code::Conflict)]);
    check(
        json!({"shiftDays": 0, "diary": {"symptoms/*/since": "keep"}}),
        &[("/shiftDays", Code::Range), ("/diary/symptoms~1*~1since", Code::Conflict)],
    );
}

#[test]
fn no_finding_repeats_a_value() {
    let document = json!({"studies": {"S": {"shiftDays": "secret-1", "diary": {"note": "secret-2"}}}});
    let faults = Policy::read(&document).unwrap_err();
    assert!(faults.len() == 2 && faults.iter().all(|fault| !fault.detail.contains("secret")), "{faults:?}");
}
