//! Identifiers in FHIR: an id is valid within a system, and a site configures which systems are its own.

use serde_json::{Value, json};

use crate::app::{App, CLINICIAN_A1, phq9};
use crate::audit::{actions, audit};
use crate::fhir::{SYSTEMS, check, post, response};

/// The subject of a response whose patient a resource names in this way. The response has this id.
async fn subject(app: &App, id: &str, subject: Value) -> String {
    let mut resource = response(id, [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    resource["subject"] = subject;
    let answer = post(app, &resource).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.scored(answer.header("location").unwrap()).await["subject"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn patients_of_two_systems_are_two_until_a_site_names_them_its_own() {
    let app = App::start().await;
    let mut form = phq9("form", [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    form["patientId"] = json!("7");
    let own = app.scored(&app.submit(&form).await).await["subject"].as_str().unwrap().to_owned();
    let a = || json!({"reference": "https://a.example/Patient/7"});
    let b = || json!({"reference": "https://b.example/Patient/7"});
    let identified = || json!({"identifier": {"system": "urn:oid:1.2.3", "value": "7"}});
    let found = [
        subject(&app, "a", a()).await,
        subject(&app, "b", b()).await,
        subject(&app, "i", identified()).await,
        own.clone(),
    ];
    let different: std::collections::BTreeSet<&String> = found.iter().collect();
    assert_eq!(different.len(), 4, "{found:?}");
    assert_eq!(subject(&app, "r", json!({"reference": "Patient/7"})).await, own);
    assert_eq!(subject(&app, "a2", json!({"reference": "HTTPS://A.EXAMPLE:443/Patient/7/_history/3"})).await, found[0]);

    // The answer with the identity names the system.
    let identity = async |subject: &str| {
        let path = format!("/v1/subjects/{subject}/identity");
        app.send_as(CLINICIAN_A1, "GET", &path, &Value::Null).await.json()
    };
    let shown = identity(&found[0]).await;
    assert_eq!((&shown["patientId"], &shown["patientSystem"]), (&json!("7"), &json!("https://a.example/Patient")));
    assert_eq!(identity(&own).await.get("patientSystem"), None);
    let record = async |query: &str| {
        let path = format!("/v1/patients/7/record{query}");
        let answer = app.send_as(CLINICIAN_A1, "GET", &path, &Value::Null).await;
        (answer.status, answer.json()["subject"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(record("").await, (200, own.clone()));
    assert_eq!(record("?system=https%3A%2F%2Fa.example%2FPatient%2F").await, (200, found[0].clone()));
    assert_eq!(record("?system=https%3A%2F%2Fc.example").await.0, 404);
    assert_eq!(record("?system=mrn").await.0, 422);

    let document = json!({"studies": {"A": {"1": ["https://a.example/Patient/"], "*": ["urn:oid:1.2.3"]}}});
    assert_eq!(app.send("PUT", SYSTEMS, &document).await.status, 201);
    assert_eq!(subject(&app, "a3", a()).await, own);
    assert_eq!(subject(&app, "b3", b()).await, found[1]);
    // The site has its own list, so the list for all sites does not apply to it.
    assert_eq!(subject(&app, "i3", identified()).await, found[2]);
    assert_eq!(record("?system=https%3A%2F%2Fa.example%2FPatient").await, (200, own));
    assert_eq!(actions(&audit(&app, "config/patient-systems").await), ["changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_document_are_told_at_their_places() {
    let app = App::start().await;
    let faulty = json!({"studies": {"A": {"1": ["mrn", "urn:oid:1"], "a b": []}}, "x": 1});
    let answer = app.send("PUT", SYSTEMS, &faulty).await;
    let mut found = answer.findings();
    found.sort();
    let expected = [("/studies/A/1/0", "format"), ("/studies/A/a b", "format"), ("/x", "unknown")];
    assert_eq!((answer.status, found), (422, expected.map(|(at, code)| (at.to_owned(), code.to_owned())).to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_of_two_systems_are_two() {
    let app = App::start().await;
    let named = |identifier: Value, points: usize| {
        let mut resource = response("1", [points, 0, 0, 0, 0, 0, 0, 0, 0]);
        resource["identifier"] = identifier;
        resource
    };
    let mut locations = std::collections::BTreeSet::new();
    for (identifier, points) in [
        (json!({"value": "1"}), 0),
        (json!({"system": "https://a.example", "value": "1"}), 1),
        (json!({"system": "https://b.example", "value": "1"}), 2),
    ] {
        let answer = post(&app, &named(identifier.clone(), points)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let location = answer.header("location").unwrap().to_owned();
        let again = post(&app, &named(identifier, points)).await;
        assert_eq!(again.header("location"), Some(&*location));
        locations.insert(location);
    }
    assert_eq!(locations.len(), 3);
    let slash = named(json!({"system": "https://A.example:443/", "value": "1"}), 1);
    assert!(locations.contains(post(&app, &slash).await.header("location").unwrap()));
    let other = named(json!({"system": "https://a.example", "value": "1"}), 3);
    check(&post(&app, &other).await, 409, &[("conflict", "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_who_is_named_twice_and_differently_is_a_finding() {
    let app = App::start().await;
    let mut resource = response("r", [0; 9]);
    resource["subject"] = json!({"reference": "Patient/7", "identifier": {"value": "8"}});
    check(&post(&app, &resource).await, 422, &[("business-rule", "QuestionnaireResponse.subject.identifier.value")]);
    for reference in ["#7", "urn:uuid:0f0e0f0e-5a52-8b7e-9f0a-1d2c3b4a5f60", "a/Patient/7"] {
        resource["subject"] = json!({"reference": reference});
        check(&post(&app, &resource).await, 422, &[("value", "QuestionnaireResponse.subject.reference")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_one_however_a_reference_is_encoded() {
    let app = App::start().await;
    let mut form = phq9("form", [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    form["patientId"] = json!("Müller");
    let own = app.scored(&app.submit(&form).await).await["subject"].as_str().unwrap().to_owned();
    for (nth, reference) in
        ["Patient/Müller", "Patient/M%C3%BCller", "Patient/Mu\u{308}ller", "Patient/%4Du%cc%88ller/_history/2"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(subject(&app, &format!("r{nth}"), json!({"reference": reference})).await, own, "{reference}");
    }
    let far = subject(&app, "u", json!({"reference": "https://a.example/Süd/Patient/Müller"})).await;
    assert_ne!(far, own);
    for (nth, reference) in
        ["https://a.example/S%C3%BCd/Patient/M%C3%BCller", "HTTPS://A.example:443/S%c3%bcd/Pati%65nt/Mu%CC%88ller"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(subject(&app, &format!("a{nth}"), json!({"reference": reference})).await, far, "{reference}");
    }
    let record = async |path: &str| {
        let answer = app.send_as(CLINICIAN_A1, "GET", path, &Value::Null).await;
        (answer.status, answer.json()["subject"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(record("/v1/patients/Mu%CC%88ller/record").await, (200, own));
    let path = "/v1/patients/M%C3%BCller/record?system=https%3A%2F%2Fa.example%2FS%25C3%25BCd%2FPatient";
    assert_eq!(record(path).await, (200, far));
    for reference in ["Patient/50%", "Patient/%FC", "Patient/7%E2%80%8B", "https://a.example/%00/Patient/7"] {
        let mut resource = response("x", [0; 9]);
        resource["subject"] = json!({"reference": reference});
        check(&post(&app, &resource).await, 422, &[("value", "QuestionnaireResponse.subject.reference")]);
    }
}
