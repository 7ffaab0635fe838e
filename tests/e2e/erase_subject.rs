//! Erasure of a subject: submissions, analyses, links and identity are gone, what waits is waited for, and the
//! certificate says so.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{ADMIN_B, App, CLINICIAN_A1, PHQ9, READ_A1, SUBMIT_A, phq9, until};
use crate::audit::{actions, audit};
use crate::evaluation::report;
use crate::overdue::{diaries, put};
use crate::persons::link;
use crate::receiver::Receiver;
use crate::scarce::Scarce;

const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 2];
const PATIENT: &str = "NHS-4711-SECRET";
const TEXT: &str = "FREETEXT of a bad night";
const ANALYSES: &str = "/v1/imaging/analyses";

fn why() -> Value {
    json!({"reason": "consent withdrawn, told by 13800138000"})
}

/// A document of the patient.
fn own(mut document: Value) -> Value {
    document["patientId"] = json!(PATIENT);
    document
}

fn path(subject: &str) -> String {
    format!("/v1/subjects/{subject}")
}

async fn sent(app: &App, path: &str, document: &Value) -> String {
    let answer = app.send("POST", path, document).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// Erases a subject, in as many requests as it takes. Returns the certificate.
async fn erased(app: &App, subject: &str) -> Value {
    until("the subject is erased", async || {
        let answer = app.send("DELETE", &path(subject), &why()).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        (answer.status == 200).then(|| answer.json())
    })
    .await
}

/// Everything that Redis has: each key with all its values.
async fn in_redis(app: &App) -> Vec<Vec<u8>> {
    let script = "local out = {}
        local function texts(value, into)
          if type(value) ~= 'table' then into[#into + 1] = tostring(value) return end
          for _, one in ipairs(value) do texts(one, into) end
        end
        local read = {
          string = function(key) return redis.call('GET', key) end,
          hash = function(key) return redis.call('HGETALL', key) end,
          list = function(key) return redis.call('LRANGE', key, 0, -1) end,
          set = function(key) return redis.call('SMEMBERS', key) end,
          zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
          stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
        }
        for _, key in ipairs(redis.call('KEYS', '*')) do
          local all = {key}
          texts(read[redis.call('TYPE', key).ok](key), all)
          out[#out + 1] = table.concat(all, '\\n')
        end
        return out";
    app.redis(&["EVAL", script, "0"]).await
}

/// Everything that the store has: each key with its value.
fn in_store(app: &App) -> Vec<Vec<u8>> {
    let keys = app.stored_keys("").into_iter();
    keys.map(|key| [key.as_bytes(), b"\n", &app.stored(&key).unwrap_or_default()].concat()).collect()
}

/// The first lines of what contains one of these, in Redis or in the store.
pub(crate) async fn found(app: &App, needles: &[&[u8]]) -> Vec<String> {
    let all = in_redis(app).await.into_iter().chain(in_store(app));
    let holds = |one: &Vec<u8>| needles.iter().any(|needle| one.windows(needle.len()).any(|part| part == *needle));
    let key = |one: Vec<u8>| String::from_utf8_lossy(one.split(|byte| *byte == b'\n').next().unwrap()).into_owned();
    all.filter(holds).map(key).collect()
}

/// The sealed identity of a subject.
pub(crate) fn sealed(app: &App, subject: &str) -> String {
    let stored: Value = serde_json::from_slice(&app.stored(&format!("subject/{subject}")).unwrap()).unwrap();
    stored["sealed"].as_str().unwrap().to_owned()
}

async fn quiet(app: &App) {
    for queue in ["{vigil}:q:score", "{vigil}:q:dispatch", "{vigil}:q:imaging"] {
        until("the queue is empty", async || (app.redis::<usize>(&["XLEN", queue]).await == 0).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_subject_is_erased_and_nothing_of_another() {
    let (service, receiver) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    service.finds(json!({"nodule": 0.93}));
    let builder = App::builder().variable("ai_services", service.declared(10, 20_000)).routes(&[&receiver.url()]);
    let app = builder.start().await;
    put(&app, diaries(600.0, 1)).await;
    let first = own(phq9("r1", ALARMING));
    let location = app.submit(&first).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let diary = sent(&app, "/v1/reports", &own(report("d1", "diary", json!({"note": TEXT})))).await;
    app.scored(&diary).await;
    app.scored(&app.submit(&own(phq9("r2", [1; 9]))).await).await;
    let image = json!({"data": "aW1hZ2U=", "mediaType": "image/png"});
    let asked = json!({"analysisId": "a", "studyId": "A", "siteId": "1", "service": "chest", "image": image});
    let analysis = sent(&app, ANALYSES, &own(asked.clone())).await;
    until("it is analysed", async || {
        let shown = app.send("GET", &analysis, &Value::Null).await.json();
        (shown["state"] == "done").then_some(())
    })
    .await;
    let spared = app.submit(&phq9("other", ALARMING)).await;
    let other = app.scored(&spared).await["subject"].as_str().unwrap().to_owned();
    app.shown(&spared, |shown| shown["alerts"][0]["state"] == "delivered").await;
    receiver.heard(3).await;
    quiet(&app).await;
    let identity = |subject: &str| format!("/v1/subjects/{subject}/identity");
    let record = format!("/v1/patients/{PATIENT}/record");
    for path in [&identity(&subject), &record] {
        assert_eq!(app.send_as(CLINICIAN_A1, "GET", path, &Value::Null).await.status, 200, "{path}");
    }
    let (sealed, raw) = (sealed(&app, &subject), hex(&subject));
    let encoded = STANDARD.encode(PATIENT);
    // The first eight bytes of the pseudonym name the subject in idempotency records.
    let needles: [&[u8]; 5] = [PATIENT.as_bytes(), encoded.as_bytes(), sealed.as_bytes(), b"FREETEXT", &raw[..8]];
    let there = found(&app, &needles).await;
    assert!(there.len() >= 2, "the search finds it while it is there: {there:?}");

    for (key, status) in [(SUBMIT_A, 403), (READ_A1, 403), (CLINICIAN_A1, 403), (ADMIN_B, 404), ("nobody", 401)] {
        assert_eq!(app.send_as(key, "DELETE", &path(&subject), &why()).await.status, status, "{key}");
    }
    let certificate = erased(&app, &subject).await;
    let expected = json!({
        "pseudonym": subject, "study": "A", "site": "1", "state": "erased", "erasedAt": certificate["erasedAt"],
        "erasedBy": "admin", "submissions": 3, "analyses": 1, "identity": true,
        "reason": "consent withdrawn, told by [phone]", "disk": "pending",
    });
    assert_eq!(certificate, expected);
    quiet(&app).await;
    assert_eq!(found(&app, &needles).await, Vec::<String>::new());
    let named = found(&app, &[subject.as_bytes()]).await;
    let stays = |key: &String| {
        ["audit", "looks"].iter().any(|it| key.contains(it))
            || key.starts_with("subject/")
            || key.starts_with("{vigil}:group:")
            // Workers learn of it from there.
            || key == "{vigil}:keys-destroyed"
    };
    assert!(named.iter().all(stays), "{named:?}");

    // Once more: the same certificate, and nothing happens.
    let again = app.send("DELETE", &path(&subject), &json!({"reason": "another"})).await;
    assert_eq!((again.status, again.json()), (200, certificate.clone()));
    let stored: Value = serde_json::from_slice(&app.stored(&format!("subject/{subject}/erased")).unwrap()).unwrap();
    assert_eq!(stored, certificate);
    let chain = audit(&app, &format!("subject/{subject}")).await;
    assert_eq!(
        (&chain["verified"], actions(&chain)),
        (&json!(true), vec!["identity-opened", "identity-opened", "erased"]),
        "{chain}"
    );
    let last = &chain["records"][2];
    assert_eq!((&last["reason"], &last["actor"]), (&certificate["reason"], &json!("admin")));

    let gone = app.send_as(CLINICIAN_A1, "GET", &identity(&subject), &Value::Null).await;
    assert_eq!((gone.status, &gone.json()["type"]), (410, &json!("urn:vigil:problem:gone")), "{gone:?}");
    assert_eq!(app.send_as(CLINICIAN_A1, "GET", &record, &Value::Null).await.status, 404);
    for location in [&location, &diary, &analysis] {
        assert_eq!(app.send("GET", location, &Value::Null).await.status, 410, "{location}");
    }
    assert_eq!(app.send("POST", PHQ9, &first).await.status, 410, "a resend");
    assert_eq!(app.send("POST", ANALYSES, &own(asked)).await.status, 410, "an analysis asked for again");
    for (list, member) in [("submissions", "submissions"), ("analyses", "analyses")] {
        let listed = app.send("GET", &format!("{}/{list}", path(&subject)), &Value::Null).await.json();
        assert_eq!(listed[member], json!([]), "{listed}");
    }
    assert_eq!(app.scored(&spared).await["alerts"][0]["state"], "delivered");
    let who = app.send_as(CLINICIAN_A1, "GET", &identity(&other), &Value::Null).await;
    assert_eq!(who.json()["patientId"], "patient of other");

    // A later report of the patient makes the subject anew, and can be erased again.
    let anew = app.scored(&app.submit(&own(phq9("r3", [1; 9]))).await).await;
    assert_eq!(anew["subject"], json!(subject));
    let who = app.send_as(CLINICIAN_A1, "GET", &identity(&subject), &Value::Null).await;
    assert_eq!(who.json()["patientId"], PATIENT, "{who:?}");
    let second = erased(&app, &subject).await;
    assert_eq!((&second["submissions"], &second["analyses"]), (&json!(1), &json!(0)));
    assert_ne!(second["erasedAt"], certificate["erasedAt"]);
    let chain = audit(&app, &format!("subject/{subject}")).await;
    let opened = "identity-opened";
    assert_eq!(actions(&chain), [opened, opened, "erased", opened, "erased"]);
    assert_eq!(found(&app, &needles).await, Vec::<String>::new());
}

/// The bytes that hexadecimal digits say.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_scored_is_waited_for() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let location = app.submit(&own(phq9("r1", [1; 9]))).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let waiting = own(phq9("r2", ALARMING));
    app.submit(&waiting).await;
    let answer = app.send("DELETE", &path(&subject), &why()).await;
    let expected = json!({"pseudonym": subject, "state": "erasing", "left": 1});
    assert_eq!((answer.status, answer.json()), (202, expected));
    assert!(app.stored(&format!("subject/{subject}/erased")).is_none());
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let certificate = until("the subject is erased", async || {
        let answer = app.send("DELETE", &path(&subject), &json!({"reason": "another"})).await;
        app.send("POST", "/v1/ops/drain", &Value::Null).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!((&certificate["submissions"], &certificate["erasedBy"]), (&json!(2), &json!("admin")));
    assert_eq!(certificate["reason"], "consent withdrawn, told by [phone]", "the first reason stands");
    assert_eq!(app.send("POST", PHQ9, &waiting).await.status, 410);
    assert_eq!(app.stored_keys("alert/"), Vec::<String>::new());
    assert_eq!(found(&app, &[PATIENT.as_bytes()]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_that_runs_is_stopped_and_brings_no_identity_back() {
    let service = Scarce::start(Duration::from_secs(20)).await;
    let builder = App::builder().variable("ai_services", service.declared(10, 30_000));
    let app = builder.start().await;
    let subject = app.scored(&app.submit(&own(phq9("r1", [1; 9]))).await).await["subject"].clone();
    let subject = subject.as_str().unwrap();
    let image = json!({"data": "aW1hZ2U=", "mediaType": "image/png"});
    let asked = json!({"analysisId": "a", "studyId": "A", "siteId": "1", "service": "chest", "image": image});
    sent(&app, ANALYSES, &own(asked)).await;
    until("the call runs", async || (service.at_once() == 1).then_some(())).await;
    let sealed = sealed(&app, subject);
    let certificate = erased(&app, subject).await;
    assert_eq!((&certificate["submissions"], &certificate["analyses"]), (&json!(1), &json!(1)));
    quiet(&app).await;
    until("the image is gone", async || (app.stored_keys("analysis/").len() == 1).then_some(())).await;
    assert_eq!(found(&app, &[sealed.as_bytes(), PATIENT.as_bytes()]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_broke_off_goes_on_and_links_are_taken_back() {
    let app = App::start().await;
    let subject = app.scored(&app.submit(&own(phq9("r1", [1; 9]))).await).await["subject"].clone();
    let other = app.scored(&app.submit(&phq9("other", [1; 9])).await).await["subject"].clone();
    let (subject, other) = (subject.as_str().unwrap(), other.as_str().unwrap());
    assert_eq!(link(&app, subject, other).await.status, 201);
    let (key, at) = (format!("{{vigil}}:erasing:{subject}"), "2026-03-02T00:00:00.000Z");
    let begun = json!({"at": at, "by": "another", "reason": "the first reason"}).to_string();
    let _: usize = app.redis(&["HSET", &key, "begun", &begun, "ms", "1772409600000", "submissions", "4"]).await;
    let certificate = erased(&app, subject).await;
    let said = ["erasedAt", "erasedBy", "reason"].map(|member| certificate[member].as_str().unwrap());
    assert_eq!((said, &certificate["submissions"]), ([at, "another", "the first reason"], &json!(5)));
    assert_eq!(app.redis::<usize>(&["EXISTS", &key]).await, 0);
    let links = app.send("GET", &format!("/v1/subjects/{other}/links"), &Value::Null).await;
    assert_eq!((links.status, &links.json()["links"]), (200, &json!([])), "{links:?}");
    assert_eq!(app.redis::<usize>(&["EXISTS", "{vigil}:links"]).await, 0);
    assert_eq!(app.send("GET", &format!("/v1/subjects/{subject}/links"), &Value::Null).await.status, 404);
    assert_eq!(link(&app, other, subject).await.status, 422, "nobody is linked to an erased subject");
    let chain = audit(&app, &format!("subject/{other}")).await;
    assert_eq!(actions(&chain), ["linked", "unlinked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_a_reason_and_a_subject() {
    let app = App::start().await;
    let subject = app.scored(&app.submit(&own(phq9("r1", [1; 9]))).await).await["subject"].clone();
    let subject = path(subject.as_str().unwrap());
    let answer = app.send("DELETE", &subject, &json!({"reason": " ", "more": 1})).await;
    assert_eq!((answer.status, answer.findings().len()), (422, 2), "{answer:?}");
    assert_eq!(app.send("DELETE", &subject, &Value::Null).await.status, 400);
    assert_eq!(app.send("DELETE", &subject, &json!({"reason": "x".repeat(5000)})).await.status, 413);
    for unknown in ["0123456789abcdef0123456789abcdef", "x", &"A".repeat(32)] {
        assert_eq!(app.send("DELETE", &path(unknown), &why()).await.status, 404, "{unknown}");
    }
    assert_eq!(app.send("GET", &subject, &Value::Null).await.status, 405);
}
