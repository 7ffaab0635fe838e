//! The identifiers in a resource: an id is unique only within its system.

use domain::fhir::response::{Response, Scope};
use domain::patient_systems::PatientSystems;
use domain::{Code, Finding};
use serde_json::{Value, json};

use crate::{OWN, check, instrument, phq9, with};

/// Translates a resource in the same way as the door, with these systems as the own systems of study A, site 1.
fn translated(resource: &Value, systems: &[&str]) -> (Value, Option<String>, Option<String>, Vec<Finding>) {
    let document = json!({"studies": {"A": {"1": systems}}});
    let systems = PatientSystems::read(&document).unwrap();
    let scope = Scope { systems: Some(&systems), ..OWN };
    let phq9 = instrument("phq-9");
    let mut translation = Response::open(resource).translate(phq9.as_ref(), scope);
    let document = translation.take_document();
    let findings = translation.settle(Ok(())).err().unwrap_or_default();
    (document, translation.patient_system, translation.response_system, findings)
}

#[test]
fn the_same_id_in_two_systems_names_two_patients() {
    let own = ["https://his.example/fhir/Patient", "urn:oid:1.2.3", "https://base.example/fhir"];
    let a = Some("https://a.example/Patient");
    for (subject, system) in [
        (json!({"reference": "Patient/7"}), None),
        (json!({"identifier": {"value": "7"}}), None),
        (json!({"reference": "https://a.example/Patient/7"}), a),
        (json!({"reference": "HTTPS://A.example:443/Patient/7/_history/2"}), a),
        (json!({"identifier": {"system": "https://a.example/Patient/", "value": "7"}}), a),
        (json!({"reference": "https://b.example/Patient/7"}), Some("https://b.example/Patient")),
        (json!({"reference": "https://a.example/b/Patient/7"}), Some("https://a.example/b/Patient")),
        (json!({"identifier": {"system": "https://a.example", "value": "7"}}), Some("https://a.example")),
        (json!({"identifier": {"system": "urn:oid:1.2", "value": "7"}}), Some("urn:oid:1.2")),
        // The site lists the system as the source of its own ids.
        (json!({"reference": "https://his.example/fhir/Patient/7"}), None),
        (json!({"identifier": {"system": "https://HIS.example/fhir/Patient/", "value": "7"}}), None),
        (json!({"identifier": {"system": "URN:OID:1.2.3", "value": "7"}}), None),
        (json!({"reference": "https://base.example/fhir/Patient/7"}), None),
        (json!({"reference": "https://his.example/FHIR/Patient/7"}), Some("https://his.example/FHIR/Patient")),
        // Two identifiers: the site's own id wins, else the reference.
        (json!({"reference": "https://a.example/Patient/7", "identifier": {"system": "urn:oid:9", "value": "8"}}), a),
        (
            json!({"reference": "https://a.example/Patient/8", "identifier": {"system": "urn:oid:1.2.3", "value": "7"}}),
            None,
        ),
        (json!({"reference": "Patient/7", "identifier": {"system": "urn:oid:9", "value": "8"}}), None),
        (json!({"reference": "Patient/7", "identifier": {"system": "urn:oid:1.2.3", "value": "7"}}), None),
    ] {
        let (document, found, _, findings) = translated(&with(phq9(json!([])), "subject", subject.clone()), &own);
        assert_eq!(findings, [], "{subject}");
        assert_eq!((&document["patientId"], found.as_deref()), (&json!("7"), system), "{subject}");
    }
}

#[test]
fn a_patient_whom_nobody_can_tell_is_a_finding() {
    for (subject, pointer, code) in [
        (json!({"reference": "Patient/7", "identifier": {"value": "8"}}), "/subject/identifier/value", Code::Conflict),
        (
            json!({"reference": "https://his.example/Patient/7", "identifier": {"system": "urn:oid:1.2.3", "value": "8"}}),
            "/subject/identifier/value",
            Code::Conflict,
        ),
        (
            json!({"reference": "https://a.example/Patient/7",
                   "identifier": {"system": "https://a.example/Patient", "value": "8"}}),
            "/subject/identifier/value",
            Code::Conflict,
        ),
        (json!({"reference": "Patient/7", "identifier": "7"}), "/subject/identifier", Code::Type),
        (json!({"identifier": {"system": "mrn", "value": "7"}}), "/subject/identifier/system", Code::Format),
        (json!({"identifier": {"system": 7, "value": "7"}}), "/subject/identifier/system", Code::Type),
        (json!({"identifier": {"system": "urn:oid:1.2.3"}}), "/subject", Code::Required),
        (json!({"reference": "urn:uuid:0f0e0f0e-5a52-8b7e-9f0a-1d2c3b4a5f60"}), "/subject/reference", Code::Format),
        (json!({"reference": "#p", "identifier": {"value": "7"}}), "/subject/reference", Code::Format),
        (json!({"reference": "/Patient/7"}), "/subject/reference", Code::Format),
        (json!({"reference": "Group/1/Patient/7"}), "/subject/reference", Code::Format),
        (json!({"reference": "Patient/50%"}), "/subject/reference", Code::Format),
        (json!({"reference": "Patient/%zz"}), "/subject/reference", Code::Format),
        (json!({"reference": "Patient/%fc"}), "/subject/reference", Code::Format),
        (json!({"reference": "https://a.example/%E2%80%8B/Patient/7"}), "/subject/reference", Code::Format),
        (
            json!({"reference": "Patient/M%C3%BCller", "identifier": {"value": "Muller"}}),
            "/subject/identifier/value",
            Code::Conflict,
        ),
        (json!({"reference": "https://a.example/Patient/7?x=1"}), "/subject/reference", Code::Format),
    ] {
        let own = ["https://his.example/Patient", "urn:oid:1.2.3"];
        let (_, _, _, findings) = translated(&with(phq9(json!([])), "subject", subject.clone()), &own);
        let found: Vec<(&str, Code)> = findings.iter().map(|found| (found.pointer.as_str(), found.code)).collect();
        assert_eq!(found, [(pointer, code)], "{subject}");
    }
}

#[test]
fn the_system_of_an_identifier_belongs_to_the_response() {
    let system =
        |identifier: Value| translated(&with(phq9(json!([])), "identifier", identifier), &["https://a.example"]).2;
    assert_eq!(system(json!({"value": "1"})), None);
    // A site's list of patient systems has no effect on responses.
    assert_eq!(system(json!({"system": "https://a.example/", "value": "1"})).as_deref(), Some("https://a.example"));
    assert_eq!(system(json!({"system": "https://b.example", "value": "1"})).as_deref(), Some("https://b.example"));
    // The resource's own id is not an identifier, so the system has no effect on it.
    assert_eq!(system(json!({"system": "https://b.example"})), None);
    check(
        &with(phq9(json!([])), "identifier", json!({"system": "a b", "value": "1"})),
        &[("/identifier/system", Code::Format)],
    );
}

#[test]
fn an_id_in_a_reference_is_the_same_encoded_or_not() {
    for (references, patient, system) in [
        (
            &[
                "Patient/Müller",
                "Patient/M%C3%BCller",
                "Patient/Mu\u{308}ller",
                "Patient/Mu%cc%88ller",
                "Patient/%4d%c3%bcller/_history/2",
            ][..],
            "Müller",
            None,
        ),
        (&["Patient/a%2Fb%3F%23%25"], "a/b?#%", None),
        (
            &[
                "https://b.example/M%C3%BC/Patient/%37",
                "https://B.example:443/Mü/Patient/7",
                "https://b.example/%4D%c3%bc/Pati%65nt/7",
            ],
            "7",
            Some("https://b.example/Mü/Patient"),
        ),
    ] {
        for reference in references {
            let subject = json!({"reference": reference, "identifier": {"value": patient}});
            let subject = if system.is_some() { json!({"reference": reference}) } else { subject };
            let (document, found, _, findings) = translated(&with(phq9(json!([])), "subject", subject), &[]);
            assert_eq!(
                (&document["patientId"], found.as_deref()),
                (&json!(patient), system),
                "{reference} {findings:?}"
            );
        }
    }
}
