//! Everything about a subject, for a person's right of access: as a FHIR Bundle whose references lead somewhere, and as a page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::amend::{amending, id};
use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, SUBMIT_A, phq9, until};
use crate::audit::{actions, audit};
use crate::client::Answer;
use crate::evaluation::report;
use crate::persons::link;

fn path(subject: &str) -> String {
    format!("/v1/subjects/{subject}/export")
}

async fn get(app: &App, key: &str, path: &str) -> Answer {
    app.send_as(key, "GET", path, &Value::Null).await
}

/// The Bundle of a subject, which is as FHIR wants it.
async fn bundle(app: &App, key: &str, subject: &str) -> Value {
    let answer = get(app, key, &path(subject)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/fhir+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let bundle = answer.json();
    is_sound(&bundle);
    bundle
}

/// The page of a subject.
async fn page(app: &App, key: &str, subject: &str, language: &str) -> String {
    let answer = get(app, key, &format!("{}?format=html&lang={language}", path(subject))).await;
    assert_eq!((answer.status, answer.header("content-language")), (200, Some(language)), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Every reference within a resource.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("reference").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// No list and no object of a resource is empty, as FHIR demands.
fn is_full(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty() && members.values().all(is_full),
        Value::Array(values) => !values.is_empty() && values.iter().all(is_full),
        Value::Null => false,
        _ => true,
    }
}

/// Checks the shape of a Bundle: a collection, each resource there once, under its own address, with what its type needs,
/// and every reference leads to a resource of the Bundle.
fn is_sound(bundle: &Value) {
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("collection")));
    assert!(bundle["timestamp"].as_str().unwrap().ends_with('Z') && bundle.get("total").is_none());
    let (mut addresses, mut asked) = (BTreeSet::new(), Vec::new());
    for entry in bundle["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        assert!((1..=64).contains(&id.len()) && id.chars().all(is_id), "{id}");
        let address = format!("{kind}/{id}");
        let full = entry["fullUrl"].as_str().unwrap();
        assert!(full.starts_with("http") && full.ends_with(&format!("/fhir/{address}")), "{full}");
        assert!(is_full(resource), "{resource}");
        let needed: &[&str] = match kind {
            "Patient" => &["identifier"],
            "QuestionnaireResponse" => &["status", "questionnaire", "authored", "subject"],
            "Observation" => &["status", "code", "subject", "derivedFrom"],
            "Communication" => &["status", "subject", "payload", "about", "note"],
            "Basic" => &["code"],
            other => panic!("{other}"),
        };
        assert!(needed.iter().all(|member| resource.get(member).is_some()), "{resource}");
        for extension in resource["extension"].as_array().into_iter().flatten() {
            let values = extension.as_object().unwrap().keys().filter(|name| name.starts_with("value"));
            assert!(extension["url"].is_string() && values.count() == 1, "{extension}");
        }
        assert!(addresses.insert(address.clone()), "{address} is there twice");
        references(resource, &mut asked);
    }
    for reference in asked {
        assert!(addresses.contains(&reference), "{reference} leads nowhere");
    }
}

/// The resources of a type.
fn of<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    resources.filter(|resource| resource["resourceType"] == kind).collect()
}

/// The value of an extension.
fn extension<'a>(resource: &'a Value, url: &str) -> Option<&'a Value> {
    let own = resource["extension"].as_array()?.iter().find(|own| own["url"] == url)?;
    own.as_object()?.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

/// Sends a document of the patient of the first response.
async fn also(app: &App, path: &str, mut document: Value) -> String {
    document["patientId"] = json!("patient of r");
    let answer = app.send("POST", path, &document).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    app.scored(&location).await;
    location
}

/// The memory of the instances that exported, from their log, bytes.
fn memory(app: &App) -> Vec<u64> {
    let logs = app.files().into_iter().filter(|(name, _)| name.contains("logs"));
    let texts: Vec<String> = logs.map(|(_, content)| String::from_utf8_lossy(&content).into_owned()).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let read = lines.filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    read.filter(|line| line["event"] == "subject-exported").map(|line| line["memory"].as_u64().unwrap()).collect()
}

async fn quiet(app: &App) {
    until("all is ended", async || (app.work_left().await == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_everything_that_a_person_sent_and_what_became_of_it() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", [3; 9])).await;
    let subject = app.scored(&first).await["subject"].as_str().unwrap().to_owned();
    let second = app.submit(&amending("r2", [0; 9], &first)).await;
    app.scored(&second).await;
    let note = "worse <b>at night</b> & alone";
    let diary = also(&app, "/v1/reports", report("d", "diary", json!({"symptoms": [], "note": note}))).await;
    app.scored(&app.submit(&phq9("other", [1; 9])).await).await;
    quiet(&app).await;

    let held = bundle(&app, ADMIN, &subject).await;
    let responses = of(&held, "QuestionnaireResponse");
    let states: Vec<(&str, &Value)> =
        responses.iter().map(|one| (one["id"].as_str().unwrap(), extension(one, "urn:vigil:state").unwrap())).collect();
    assert_eq!(states, [(id(&first), &json!("superseded")), (id(&second), &json!("scored"))]);
    assert_eq!(responses[1]["status"], "amended");
    let details = extension(responses[0], "urn:vigil:details").unwrap().as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(details).unwrap()["supersededBy"], id(&second));
    let basics = of(&held, "Basic");
    assert_eq!((basics.len(), &basics[0]["id"], &basics[0]["code"]["text"]), (1, &json!(id(&diary)), &json!("diary")));
    let content = extension(basics[0], "urn:vigil:content").unwrap().as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(content).unwrap()["note"], note);
    let total = format!("{}.1", id(&first));
    let score = of(&held, "Observation").into_iter().find(|one| one["id"] == total.as_str()).unwrap();
    assert_eq!(score["valueQuantity"]["value"], 27);
    let alerts = of(&held, "Communication");
    assert!(!alerts.is_empty());
    for alert in &alerts {
        assert_eq!(alert["about"][0]["reference"], format!("QuestionnaireResponse/{}", id(&first)));
        assert!(alert["note"][0]["text"].as_str().unwrap().starts_with("raised"), "{alert}");
    }
    assert!(!held.to_string().contains("patient of"), "an administrator's has no identity");

    // The acts of a person on an alert are in its history.
    let alert = alerts[0]["id"].as_str().unwrap();
    let body = json!({"note": "called her"});
    let done = app.send_as(CLINICIAN_A1, "POST", &format!("/v1/alerts/{alert}/acknowledge"), &body).await;
    assert_eq!(done.status, 200, "{done:?}");
    let held = bundle(&app, ADMIN, &subject).await;
    let seen = of(&held, "Communication").into_iter().find(|one| one["id"] == alert).unwrap();
    assert_eq!(
        (&seen["status"], extension(seen, "urn:vigil:state")),
        (&json!("completed"), Some(&json!("acknowledged")))
    );
    let notes = seen["note"].as_array().unwrap();
    let acted = notes.iter().find(|note| note["authorString"] == "clinician-a1").unwrap();
    assert_eq!(acted["text"], "acknowledged, called her");

    // The page says the same, in words.
    for (language, words) in [
        ("en", ["Everything about subject", "superseded by a later submission", "Alert: critical"]),
        ("zh", ["关于受试者的全部记录", "已被后来的提交取代", "警报: 危急"]),
    ] {
        let html = page(&app, ADMIN, &subject, language).await;
        for word in words.into_iter().chain([id(&first), id(&diary), "acknowledged, called her"]) {
            assert!(html.contains(word), "{word} in {html}");
        }
        assert!(html.contains("worse &lt;b&gt;at night&lt;/b&gt; &amp; alone") && html.ends_with("</body></html>"));
        for secret in ["patient of", "<script", "http:", " style=", "<b>"] {
            assert!(!html.contains(secret), "{secret} in {html}");
        }
    }
    let authorization = format!("Bearer {ADMIN}");
    let headers =
        [("authorization", authorization.as_str()), ("accept", "text/html,*/*;q=0.8"), ("accept-language", "zh")];
    let asked = app.client().await.send("GET", &path(&subject), &headers, "").await.unwrap();
    assert_eq!((asked.status, asked.header("content-language")), (200, Some("zh")));

    // An erased submission is named where something refers to it, and has no content.
    assert_eq!(app.send("DELETE", &first, &json!({"reason": "withdrawn"})).await.status, 200);
    let held = bundle(&app, ADMIN, &subject).await;
    let tombstone = of(&held, "Basic").into_iter().find(|one| one["id"] == id(&first)).unwrap();
    assert_eq!(extension(tombstone, "urn:vigil:state"), Some(&json!("erased")));
    assert!(extension(tombstone, "urn:vigil:content").is_none() && of(&held, "Communication").is_empty());
    let amended = of(&held, "QuestionnaireResponse")[0];
    let reference = json!({"reference": format!("Basic/{}", id(&first))});
    assert_eq!(extension(amended, "urn:vigil:amends"), Some(&reference));
}

#[tokio::test(flavor = "multi_thread")]
async fn clinicians_get_the_identity_and_that_is_on_record() {
    let app = App::builder().variable("identity_looks_per_minute", "3").start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    for (key, status) in [(READ_A1, 403), (SUBMIT_A, 403), (CLINICIAN_A2, 404), (ADMIN_B, 404), ("nobody", 401)] {
        let answer = get(&app, key, &path(&subject)).await;
        assert_eq!(answer.status, status, "{key}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("patient of"));
    }
    for query in ["?format=csv", "?lang=fr", "?limit=1"] {
        assert_eq!(get(&app, ADMIN, &(path(&subject) + query)).await.status, 422, "{query}");
    }
    bundle(&app, ADMIN, &subject).await;
    assert_eq!(app.stored_keys("audit/subject/"), Vec::<String>::new(), "an administrator learns no identity");

    let held = bundle(&app, CLINICIAN_A1, &subject).await;
    let identifiers = &of(&held, "Patient")[0]["identifier"];
    assert_eq!(identifiers[0], json!({"system": "urn:vigil:subject", "value": subject}));
    assert_eq!(identifiers[1], json!({"use": "usual", "value": "patient of r", "assigner": {"display": "1"}}));
    assert!(page(&app, CLINICIAN_A1, &subject, "en").await.contains("<td>patient of r</td>"));
    let shown = audit(&app, &format!("subject/{subject}")).await;
    assert_eq!(actions(&shown), ["identity-opened", "identity-opened"]);
    assert_eq!(shown["records"][0]["actor"], "clinician-a1");

    // It is one look, under the pattern of the path, and counts as one for an identity.
    let looks = get(&app, ADMIN, &format!("/v1/access?subject={subject}&actor=clinician-a1")).await.json();
    let looks = looks["looks"].as_array().unwrap();
    assert_eq!(looks.len(), 2, "{looks:?}");
    assert_eq!((&looks[0]["path"], &looks[0]["study"]), (&json!("/v1/subjects/{pseudonym}/export"), &json!("A")));
    assert_eq!(get(&app, CLINICIAN_A1, &format!("/v1/subjects/{subject}/identity")).await.status, 200);
    assert_eq!(get(&app, CLINICIAN_A1, &path(&subject)).await.status, 429);
    assert_eq!(get(&app, ADMIN, &path(&subject)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_subjects_are_there_as_far_as_the_key_covers_and_an_erased_one_is_named() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    let here = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let mut moved = phq9("m", [2; 9]);
    moved["siteId"] = json!("2");
    let elsewhere = app.submit(&moved).await;
    let there = app.scored(&elsewhere).await["subject"].as_str().unwrap().to_owned();
    assert!(link(&app, &here, &there).await.status < 300);
    let ids = |held: &Value, kind: &str| -> BTreeSet<String> {
        of(held, kind).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let both = bundle(&app, ADMIN, &there).await;
    assert_eq!(ids(&both, "Patient"), BTreeSet::from([here.clone(), there.clone()]));
    let sent = BTreeSet::from([id(&location).to_owned(), id(&elsewhere).to_owned()]);
    assert_eq!(ids(&both, "QuestionnaireResponse"), sent);
    let own = bundle(&app, CLINICIAN_A1, &here).await;
    assert_eq!(ids(&own, "Patient"), BTreeSet::from([here.clone()]));
    assert!(!own.to_string().contains(id(&elsewhere)) && !own.to_string().contains("patient of m"));

    quiet(&app).await;
    until("it is erased", async || {
        let answer = app.send("DELETE", &format!("/v1/subjects/{here}"), &json!({"reason": "consent withdrawn"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let left = bundle(&app, CLINICIAN_A1, &here).await;
    assert_eq!(left["entry"].as_array().unwrap().len(), 1);
    assert_eq!(extension(of(&left, "Patient")[0], "urn:vigil:state"), Some(&json!("erased")));
    assert!(!left.to_string().contains("patient of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_submissions_are_whole_in_both_forms() {
    const ALL: usize = 2_000;
    let app = App::start().await;
    let long = "a long night ".repeat(75);
    for first in (0..ALL).step_by(500) {
        let row = |number: usize| {
            let mut row = report(&format!("n{number}"), "diary", json!({"symptoms": [], "note": long}));
            row["patientId"] = json!("one");
            row
        };
        let rows: Vec<Value> = (first..first + 500).map(row).collect();
        let answer = app.send("POST", "/v1/reports/batch", &Value::from(rows)).await;
        assert_eq!((answer.status, &answer.json()["rejected"]), (202, &json!(0)), "{answer:?}");
    }
    until("all are stored", async || (app.stored_keys("submission/").len() == ALL).then_some(())).await;
    quiet(&app).await;
    let subjects = app.stored_keys("subject/");
    let subject = subjects.iter().find_map(|key| key.strip_prefix("subject/").filter(|it| it.len() == 32)).unwrap();
    let held = bundle(&app, ADMIN, subject).await;
    assert_eq!(of(&held, "Basic").len(), ALL);
    let html = page(&app, ADMIN, subject, "en").await;
    assert_eq!((html.matches("<section>").count(), html.ends_with("</html>")), (ALL + 1, true));
    let peaks = until("both are logged", async || Some(memory(&app)).filter(|peaks| peaks.len() == 2)).await;
    assert!(peaks.iter().all(|peak| *peak <= 64 << 20), "{peaks:?}");
}
