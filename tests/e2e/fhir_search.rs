//! Searches of FHIR clients: responses of a study or a subject, and scores, page by page.

use serde_json::{Value, json};

use crate::amend::{amending, id};
use crate::app::{ADMIN, App, CLINICIAN_A1, READ_A1, READ_B, SUBMIT_A, phq9};
use crate::client::Answer;
use crate::evaluation::report;
use crate::fhir::check;

pub(crate) const RESPONSES: &str = "/fhir/QuestionnaireResponse";
pub(crate) const OBSERVATIONS: &str = "/fhir/Observation";

async fn ask(app: &App, key: &str, path: &str) -> Answer {
    app.send_as(key, "GET", path, &Value::Null).await
}

/// A page, which must be a searchset whose entries match and say where they are.
pub(crate) async fn page(app: &App, key: &str, path: &str) -> Value {
    let answer = ask(app, key, path).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/fhir+json")), "{answer:?}");
    let bundle = answer.json();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("searchset")));
    let own = link(&bundle, "self").unwrap();
    assert_eq!(own, path, "{bundle}");
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        let resource = &entry["resource"];
        let end = format!("/fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let full = entry["fullUrl"].as_str().unwrap();
        assert_eq!((full.starts_with("http://"), full.ends_with(&end)), (true, true), "{full}");
        assert_eq!(entry["search"], json!({"mode": "match"}));
    }
    bundle
}

/// The path and query of a link.
fn link(bundle: &Value, relation: &str) -> Option<String> {
    let link = bundle["link"].as_array().unwrap().iter().find(|link| link["relation"] == relation)?;
    let url = link["url"].as_str().unwrap();
    assert!(url.starts_with("http://"), "{url}");
    Some(url[url.find("/fhir").unwrap()..].to_owned())
}

pub(crate) fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything from a page on, and the path of the last page.
pub(crate) async fn all(app: &App, key: &str, path: &str) -> (Vec<String>, String) {
    let (mut found, mut path) = (Vec::new(), path.to_owned());
    loop {
        let bundle = page(app, key, &path).await;
        found.extend(ids(&bundle));
        match link(&bundle, "next") {
            Some(next) => path = next,
            None => return (found, path),
        }
    }
}

async fn sent(app: &App, response: &Value) -> String {
    let location = app.submit(response).await;
    app.scored(&location).await;
    id(&location).to_owned()
}

/// A response of one patient, written on a day of March 2026.
fn of_day(client_id: &str, day: u8) -> Value {
    let mut response = phq9(client_id, [day % 4; 9]);
    response["patientId"] = json!("patient of r");
    response["authoredAt"] = json!(format!("2026-03-{day:02}T08:00:00Z"));
    response
}

async fn subject(app: &App, id: &str) -> String {
    app.send("GET", &format!("/v1/submissions/{id}"), &Value::Null).await.json()["subject"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_found_page_by_page_and_its_last_page_later_has_what_is_new() {
    let app = App::start().await;
    assert_eq!(page(&app, READ_A1, RESPONSES).await["total"], 0);
    let mut own = Vec::new();
    for number in [3, 1, 5, 2, 4] {
        own.push(sent(&app, &of_day(&format!("r{number}"), number)).await);
    }
    // A report is no response, another site is not this key's, and another study is nobody's here.
    let answer = app.send("POST", "/v1/reports", &report("g", "generic", json!({"a": 1}))).await;
    app.scored(answer.header("location").unwrap()).await;
    for (member, value) in [("siteId", "2"), ("studyId", "B")] {
        let mut other = of_day(&format!("of {value}"), 1);
        other[member] = json!(value);
        sent(&app, &other).await;
    }

    let (found, last) = all(&app, READ_A1, &format!("{RESPONSES}?_count=2")).await;
    assert_eq!(found, own);
    let later = sent(&app, &of_day("later", 6)).await;
    assert_eq!(ids(&page(&app, READ_A1, &last).await).last(), Some(&later));
    let whole = page(&app, CLINICIAN_A1, &format!("{RESPONSES}?_format=json")).await;
    assert_eq!((ids(&whole).len(), &whole["total"], link(&whole, "next")), (6, &json!(6), None));
    assert_eq!(page(&app, READ_A1, &format!("{RESPONSES}?_count=2")).await.get("total"), None);
    let first = ask(&app, READ_A1, &format!("{RESPONSES}/{}", own[0])).await.json();
    assert_eq!(whole["entry"][0]["resource"], first);
    assert_eq!(ids(&page(&app, READ_B, RESPONSES).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_found_by_subject_instrument_and_time() {
    let app = App::start().await;
    let mut by_day = Vec::new();
    for day in [2, 1, 3] {
        by_day.push((day, sent(&app, &of_day(&format!("r{day}"), day)).await));
    }
    let in_order = by_day.clone();
    let stored: Vec<&String> = in_order.iter().map(|(_, id)| id).collect();
    let mut other = phq9("w", [0; 9]);
    other["answers"] = json!({"q1": 5, "q2": 4, "q3": 3, "q4": 2, "q5": 1});
    let answer = app.send("POST", "/v1/surveys/who-5/responses", &other).await;
    app.scored(answer.header("location").unwrap()).await;
    let who5 = id(answer.header("location").unwrap()).to_owned();
    let subject = subject(&app, stored[0]).await;
    by_day.sort();
    let written: Vec<&String> = by_day.iter().map(|(_, id)| id).collect();

    for query in ["Patient/", "", "https://vigil.example/fhir/Patient/"] {
        let query = format!("{RESPONSES}?subject={query}{subject}");
        for key in [READ_A1, ADMIN] {
            assert_eq!(all(&app, key, &query).await.0.iter().collect::<Vec<_>>(), written, "{query}");
        }
        let (found, last) = all(&app, ADMIN, &format!("{query}&_count=1")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), written);
        assert_eq!(ids(&page(&app, ADMIN, &last).await), [written[2].clone()]);
        assert_eq!(page(&app, READ_B, &query).await["total"], 0);
    }
    let version = page(&app, READ_A1, RESPONSES).await["entry"][0]["resource"]["questionnaire"].clone();
    let version = version.as_str().unwrap().to_owned();
    for (query, expected) in [
        ("questionnaire=phq-9".to_owned(), stored.clone()),
        (format!("questionnaire={version}"), stored.clone()),
        ("questionnaire=urn:vigil:questionnaire:phq-9%7C0.0.1".to_owned(), vec![]),
        ("questionnaire=http://loinc.org/q/44249-1".to_owned(), stored.clone()),
        ("questionnaire=who-5".to_owned(), vec![&who5]),
        ("questionnaire=phq-9&authored=2026-03-02".to_owned(), vec![stored[0]]),
        ("questionnaire=phq-9&authored=ge2026-03-02&authored=lt2026-03-03".to_owned(), vec![stored[0]]),
        ("questionnaire=phq-9&authored=gt2026-03-02T08:00:00Z".to_owned(), vec![stored[2]]),
        ("questionnaire=phq-9&authored=le2026-03-01T16:00:00%2B08:00".to_owned(), vec![stored[1]]),
        ("questionnaire=phq-9&_lastUpdated=ge2026-03-04".to_owned(), stored.clone()),
        ("_lastUpdated=lt2026-03-04".to_owned(), vec![]),
        (format!("subject={subject}&questionnaire=who-5"), vec![]),
        (format!("subject={subject}&authored=2026-03-03&questionnaire=phq-9"), vec![stored[2]]),
        (format!("subject={}", "0".repeat(32)), vec![]),
    ] {
        let found = page(&app, READ_A1, &format!("{RESPONSES}?{query}")).await;
        assert_eq!(ids(&found).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amended_response_stays_beside_the_new_one_and_an_erased_one_is_gone() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", [0; 9])).await;
    let shown = app.scored(&first).await;
    let second = app.submit(&amending("r2", [1; 9], &first)).await;
    app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    let third = sent(&app, &of_day("r3", 5)).await;
    let subject = shown["subject"].as_str().unwrap();
    let (first, second) = (id(&first).to_owned(), id(&second).to_owned());
    let erased = app.send("DELETE", &format!("/v1/submissions/{third}"), &json!({"reason": "withdrawn"})).await;
    assert_eq!(erased.status, 200, "{erased:?}");

    for query in [String::new(), format!("?subject={subject}")] {
        let found = page(&app, READ_A1, &format!("{RESPONSES}{query}")).await;
        let entries = found["entry"].as_array().unwrap().iter();
        let mut states: Vec<(&str, &str)> = entries
            .map(|entry| (entry["resource"]["id"].as_str().unwrap(), entry["resource"]["status"].as_str().unwrap()))
            .collect();
        states.sort_by_key(|(_, status)| *status);
        assert_eq!(states, [(&*second, "amended"), (&*first, "completed")], "{query}");
        for entry in found["entry"].as_array().unwrap() {
            let path = format!("{RESPONSES}/{}", entry["resource"]["id"].as_str().unwrap());
            assert_eq!(entry["resource"], ask(&app, READ_A1, &path).await.json());
        }
    }
    // Of the two versions, only the new one has scores.
    let scores = page(&app, READ_A1, &format!("{OBSERVATIONS}?subject={subject}")).await;
    assert!(!ids(&scores).is_empty() && ids(&scores).iter().all(|id| id.starts_with(&second)), "{scores}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scores_of_a_subject_are_found_page_by_page_by_code_and_by_time() {
    let app = App::start().await;
    let mut sent_ids = Vec::new();
    for day in 1..4 {
        sent_ids.push(sent(&app, &of_day(&format!("r{day}"), day)).await);
    }
    let subject = subject(&app, &sent_ids[0]).await;
    let query = format!("{OBSERVATIONS}?subject=Patient/{subject}");
    let mut expected = Vec::new();
    for id in &sent_ids {
        let path = format!("{OBSERVATIONS}?derived-from=QuestionnaireResponse/{id}");
        expected.extend(ids(&page(&app, READ_A1, &path).await));
    }
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(ids(&page(&app, READ_A1, &query).await), expected);
    for count in [1, 2, expected.len() - 1, expected.len()] {
        let (found, _) = all(&app, READ_A1, &format!("{query}&_count={count}")).await;
        assert_eq!(found, expected, "{count}");
    }
    let last = all(&app, READ_A1, &format!("{query}&_count=2")).await.1;
    let later = sent(&app, &of_day("r9", 9)).await;
    assert!(all(&app, READ_A1, &last).await.0.iter().any(|id| id.starts_with(&later)));

    let totals = |days: &[usize]| days.iter().map(|day| format!("{}.1", sent_ids[*day])).collect::<Vec<_>>();
    for (filter, expected) in [
        ("code=44261-6&date=lt2026-03-04", totals(&[0, 1, 2])),
        ("code=http://loinc.org%7C44261-6&date=2026-03-02", totals(&[1])),
        ("code=urn:vigil:scores:phq-9%7Ctotal&date=ge2026-03-02&date=lt2026-03-04", totals(&[1, 2])),
        ("code=none,total&date=le2026-03-01", totals(&[0])),
        ("code=urn:other%7Ctotal", vec![]),
    ] {
        let (found, _) = all(&app, READ_A1, &format!("{query}&{filter}&_count=1")).await;
        assert_eq!(found, expected, "{filter}");
    }
    assert_eq!(page(&app, READ_B, &query).await["total"], 0);
    // A cursor of one person opens nothing of another.
    let mut other = phq9("other", [1; 9]);
    other["patientId"] = json!("somebody else");
    let other = sent(&app, &other).await;
    let own = self::subject(&app, &other).await;
    let cursor = last.split_once("cursor=").unwrap().1;
    let found = page(&app, READ_A1, &format!("{OBSERVATIONS}?subject={own}&cursor={cursor}")).await;
    assert!(ids(&found).iter().all(|id| id.starts_with(&other)), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_tells_every_fault_and_who_may_ask() {
    let app = App::start().await;
    let many = "?subject=x&authored=2026&authored=soon&_lastUpdated=ne2026&_count=0&cursor=x&_format=xml&status=completed\
        &questionnaire=";
    let structure = ("structure", "QuestionnaireResponse");
    let value = ("value", "QuestionnaireResponse");
    let required = ("required", "QuestionnaireResponse");
    let told = [structure, value, value, value, value, value, value, value];
    let answer = ask(&app, READ_A1, &format!("{RESPONSES}{many}")).await;
    check(&answer, 422, &told);
    assert!(!String::from_utf8_lossy(&answer.body).contains("soon"), "{answer:?}");
    check(&ask(&app, ADMIN, RESPONSES).await, 422, &[required]);
    check(&ask(&app, ADMIN, &format!("{RESPONSES}?_count=201")).await, 422, &[value, required]);
    check(&ask(&app, SUBMIT_A, RESPONSES).await, 403, &[("forbidden", "")]);
    check(&app.client().await.send("GET", RESPONSES, &[], "").await.unwrap(), 401, &[("login", "")]);
    check(&app.send("PUT", RESPONSES, &Value::Null).await, 405, &[("not-supported", "")]);

    let (value, required, conflict) =
        (("value", "Observation"), ("required", "Observation"), ("business-rule", "Observation"));
    check(&ask(&app, READ_A1, OBSERVATIONS).await, 422, &[required]);
    let both = format!("{OBSERVATIONS}?subject={}&derived-from=QuestionnaireResponse/x", "0".repeat(32));
    check(&ask(&app, READ_A1, &both).await, 422, &[conflict]);
    let many = format!("{OBSERVATIONS}?subject=x&code=&date=2026-13&_count=x&cursor=x.y");
    check(&ask(&app, READ_A1, &many).await, 422, &[value, value, value, value, value]);
    check(&ask(&app, SUBMIT_A, &both).await, 403, &[("forbidden", "")]);
}
