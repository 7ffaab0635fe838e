//! What rests on the disk: answers are sealed, everybody who may reads them, and after an erasure no file has them.

use std::process::Command;

use serde_json::{Value, json};
use state::identity::IdentityKey;
use state::names;
use state::wire::sealed::KeyRing;

use crate::app::{ADMIN, App, CLINICIAN_A1, IDENTITY_KEY, phq9, until};
use crate::evaluation::report;
use crate::receiver::Receiver;

const TEXT: &str = "FREETEXT of a bad night";
const PATIENT: &str = "NHS-4711-SECRET";

/// The record of a stored submission, with its content opened by the identity key with which every application begins.
pub(crate) fn opened(app: &App, id: &str) -> Value {
    let mut record: Value = serde_json::from_slice(&app.stored(&format!("submission/{id}")).unwrap()).unwrap();
    let submission = &mut record["submission"];
    let Some(sealed) = submission["content"].as_str() else { return record };
    let ring = KeyRing::new(IdentityKey::read(IDENTITY_KEY).unwrap(), Vec::new());
    let subject = submission["subject"].as_str().unwrap().into();
    let wrapped = serde_json::from_slice(&app.stored(&names::subject_keys(&subject)).unwrap()).unwrap();
    let content = ring.unwrap(&subject, &wrapped).unwrap().open_content(&id.into(), sealed).unwrap();
    submission["content"] = Value::Object(content);
    record
}

fn id(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

/// The files that have a text.
fn files_with(app: &App, wanted: &[u8]) -> Vec<String> {
    let holds = |bytes: &Vec<u8>| bytes.windows(wanted.len()).any(|part| part == wanted);
    app.files().into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
}

/// Runs `vigilctl scrub` on an application's data. Returns whether it succeeded, and its output.
fn scrub(app: &App) -> (bool, String) {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["scrub", "--state-dir"]).arg(&app.dir);
    let ended = command.args(["--variable", &format!("redis_url={}", app.redis_url())]).output().unwrap();
    (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
}

async fn get(app: &App, path: &str, accept: &str) -> String {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("accept", accept)];
    let answer = app.client().await.send("GET", path, &headers, "").await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_rest_sealed_and_every_reader_opens_them() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let mut diary = report("d1", "diary", json!({"note": TEXT}));
    diary["patientId"] = json!(PATIENT);
    let answer = app.send("POST", "/v1/reports", &diary).await;
    let location = answer.header("location").unwrap().to_owned();
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let mut response = phq9("r1", [0, 0, 0, 0, 0, 0, 0, 0, 2]);
    response["patientId"] = json!(PATIENT);
    let scored = app.submit(&response).await;
    let shown = app.shown(&scored, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let stored: Value = serde_json::from_slice(&app.stored(&format!("submission/{}", id(&scored))).unwrap()).unwrap();
    assert!(stored["submission"]["content"].is_string(), "{stored}");
    assert_eq!(opened(&app, id(&scored))["submission"]["content"]["q9"], 2);
    assert_eq!(app.stored_keys("subject-keys/"), [format!("subject-keys/{subject}")], "one record of keys for both");
    let store = |name: &String| name.contains("sqlite_key_value");
    assert!(!files_with(&app, TEXT.as_bytes()).iter().any(store), "the store never has it");

    assert_eq!(app.scored(&location).await["content"]["note"], TEXT);
    assert_eq!(shown["content"]["q9"], 2);
    let alert = format!("/v1/alerts/{}?include=content", shown["alerts"][0]["alertId"].as_str().unwrap());
    let behind = app.send_as(CLINICIAN_A1, "GET", &alert, &Value::Null).await.json();
    assert_eq!(behind["content"]["q9"], 2, "{behind}");
    for (path, accept) in [
        ("/v1/studies/A/submissions?include=content", "application/json"),
        ("/v1/studies/A/submissions?include=content", "application/x-ndjson"),
        ("/v1/studies/A/submissions", "text/csv"),
        (format!("/v1/subjects/{subject}/export").as_str(), "application/fhir+json"),
    ] {
        let all = get(&app, path, accept).await;
        assert!(all.contains(TEXT), "{path} {accept}: {all}");
    }
    let resource = get(&app, &format!("/fhir/QuestionnaireResponse/{}", id(&scored)), "application/fhir+json").await;
    let found = format!("/fhir/QuestionnaireResponse?subject=Patient/{subject}");
    let found = get(&app, &found, "application/fhir+json").await;
    assert!(resource.contains("\"q9\"") && found.contains("\"q9\""), "{resource} {found}");
    let who = format!("/v1/subjects/{subject}/identity");
    let who = app.send_as(CLINICIAN_A1, "GET", &who, &Value::Null).await.json();
    assert_eq!(who["patientId"], PATIENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_and_a_scrub_no_file_has_what_was_erased() {
    let app = App::start().await;
    let mut diary = report("d1", "diary", json!({"note": TEXT}));
    diary["patientId"] = json!(PATIENT);
    let answer = app.send("POST", "/v1/reports", &diary).await;
    let location = answer.header("location").unwrap().to_owned();
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let other = app.submit(&phq9("other", [1; 9])).await;
    app.scored(&other).await;
    let stored: Value = serde_json::from_slice(&app.stored(&format!("submission/{}", id(&location))).unwrap()).unwrap();
    let sealed = stored["submission"]["content"].as_str().unwrap().to_owned();
    let keys: Value = serde_json::from_slice(&app.stored(&format!("subject-keys/{subject}")).unwrap()).unwrap();
    assert!(!files_with(&app, sealed.as_bytes()).is_empty());
    let certificate = until("the subject is erased", async || {
        let why = json!({"reason": "consent withdrawn"});
        let answer = app.send("DELETE", &format!("/v1/subjects/{subject}"), &why).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!((&certificate["disk"], certificate.get("clearedAt")), (&json!("pending"), None));
    assert!(app.stored_keys("subject-keys/").iter().all(|key| !key.contains(&subject)), "its keys are destroyed");
    let (well, said) = scrub(&app);
    assert!(well && said.contains("certificates that say so now: 1"), "{said}");
    for wanted in [TEXT, &sealed, keys["content"].as_str().unwrap(), keys["identity"].as_str().unwrap()] {
        assert_eq!(files_with(&app, wanted.as_bytes()), Vec::<String>::new(), "{wanted}");
    }
    let again = app.send("DELETE", &format!("/v1/subjects/{subject}"), &json!({"reason": "another"})).await.json();
    assert_eq!(again["disk"], "cleared");
    assert!(again["clearedAt"].as_str().unwrap() > certificate["erasedAt"].as_str().unwrap(), "{again}");
    assert_eq!(app.scored(&other).await["content"]["q1"], 1, "others are as they were");
    app.scored(&app.submit(&phq9("later", [1; 9])).await).await;
}
