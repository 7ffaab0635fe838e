//! Erasure of a study: a job that goes on over a restart, closes the doors while it runs, leaves nothing but what must stay,
//! and delays nobody else's alert.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, PHQ9, READ_A1, SUBMIT_A, phq9, until};
use crate::audit::{actions, audit};
use crate::client::Answer;
use crate::erase_subject::{found, hex, sealed};
use crate::evaluation::report;
use crate::receiver::{Act, Receiver};
use crate::retention::put;
use crate::scarce::Scarce;

const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 2];
const STUDY: &str = "/v1/studies/A";
const ERASURE: &str = "/v1/studies/A/erasure";
const ANALYSES: &str = "/v1/imaging/analyses";
/// The subjects of the study while whose erasure other alerts are raised.
const MANY: usize = 300;
const PATIENTS: [&str; 3] = ["MRN-1-SECRET", "MRN-2-SECRET", "MRN-3-SECRET"];

fn why() -> Value {
    json!({"reason": "archived at the sponsor, told by 13800138000"})
}

/// A document of a patient of a study's site.
fn of(mut document: Value, study: &str, site: &str, patient: &str) -> Value {
    (document["studyId"], document["siteId"], document["patientId"]) = (json!(study), json!(site), json!(patient));
    document
}

/// Runs a round of all workers.
async fn drain(app: &App) {
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.status, 200);
}

async fn erasure(app: &App) -> Value {
    let answer = app.send("GET", ERASURE, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn erased(app: &App) -> Value {
    until("the study is erased", async || {
        let shown = erasure(app).await;
        (shown["state"] == "erased").then_some(shown)
    })
    .await
}

fn is_closed(answer: &Answer) -> bool {
    answer.status == 409 && answer.json()["detail"].as_str().unwrap().contains("being erased")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_study_is_erased_over_a_restart_and_nothing_of_another() {
    let (service, receiver) = (Scarce::start(Duration::ZERO).await, Receiver::start().await);
    let without_clock = ["submit", "records", "studies", "console", "ops", "alerts", "imaging"];
    let builder = App::builder().variable("ai_services", service.declared(10, 20_000)).routes(&[&receiver.url()]);
    let mut app = builder.only(&without_clock).start().await;
    // The first alert becomes a dead letter.
    receiver.then([Act::Answer(400)]);
    let first = of(phq9("r1", ALARMING), "A", "1", PATIENTS[0]);
    let mut locations = Vec::new();
    for document in [first.clone(), of(phq9("r2", ALARMING), "A", "2", PATIENTS[1])] {
        locations.push(app.submit(&document).await);
        drain(&app).await;
    }
    let diary = of(report("d1", "diary", json!({"note": "UNIQUEWORD of a bad night"})), "A", "1", PATIENTS[0]);
    let answer = app.send("POST", "/v1/reports", &diary).await;
    locations.push(answer.header("location").unwrap().to_owned());
    let other = app.submit(&of(phq9("b1", ALARMING), "B", "1", PATIENTS[0])).await;
    drain(&app).await;
    let mut subjects = Vec::new();
    for location in &locations[..2] {
        subjects.push(app.scored(location).await["subject"].as_str().unwrap().to_owned());
    }
    app.scored(&locations[2]).await;
    app.scored(&other).await;
    // One that was stored and not scored is in a list of its own.
    let failed = locations[2].rsplit('/').next().unwrap();
    let member: Vec<String> = app.redis(&["ZRANGE", &format!("{{vigil}}:filed:{}", subjects[0]), "0", "-1"]).await;
    let member = member.iter().find(|member| member.starts_with(failed)).unwrap();
    let _: usize = app.redis(&["ZREM", &format!("{{vigil}}:filed:{}", subjects[0]), member]).await;
    let _: usize = app.redis(&["ZADD", &format!("{{vigil}}:failed:{}", subjects[0]), "1", failed]).await;
    // These wait: a submission, and an analysis of a subject that has no record yet.
    app.submit(&of(phq9("r3", ALARMING), "A", "1", PATIENTS[0])).await;
    let image = json!({"data": "aW1hZ2U=", "mediaType": "image/png"});
    let asked = json!({"analysisId": "a", "service": "chest", "image": image});
    let asked = of(asked, "A", "2", PATIENTS[2]);
    assert_eq!(app.send("POST", ANALYSES, &asked).await.status, 202);
    let letters = app.send("GET", "/v1/dead-letters", &Value::Null).await.json();
    assert_eq!(letters["deadLetters"].as_array().unwrap().len(), 1, "{letters}");

    let encoded = PATIENTS.map(|patient| STANDARD.encode(patient));
    let boxes: Vec<String> = subjects.iter().map(|subject| sealed(&app, subject)).collect();
    let raw: Vec<Vec<u8>> = subjects.iter().map(|subject| hex(subject)[..8].to_vec()).collect();
    let mut needles: Vec<&[u8]> = vec![&b"UNIQUEWORD"[..]];
    needles.extend(PATIENTS[1..].iter().map(|patient| patient.as_bytes()));
    needles.extend(encoded[1..].iter().map(|patient| patient.as_bytes()));
    needles.extend(boxes.iter().map(|sealed| sealed.as_bytes()));
    needles.extend(raw.iter().map(Vec::as_slice));
    let there = found(&app, &needles).await;
    assert!(there.len() >= 4, "the search finds it while it is there: {there:?}");

    for (key, status) in [(SUBMIT_A, 403), (READ_A1, 403), (CLINICIAN_A1, 403), (ADMIN_B, 404), ("nobody", 401)] {
        assert_eq!(app.send_as(key, "DELETE", STUDY, &why()).await.status, status, "{key}");
        assert_eq!(app.send_as(key, "GET", ERASURE, &Value::Null).await.status, status, "{key}");
    }
    assert_eq!(app.send("GET", ERASURE, &Value::Null).await.status, 404, "there never was one");
    assert_eq!(app.send("DELETE", "/v1/studies/never-seen", &why()).await.status, 404);
    assert_eq!(app.send("DELETE", STUDY, &json!({"reason": " "})).await.status, 422);
    let begun = app.send("DELETE", STUDY, &why()).await;
    assert_eq!((begun.status, begun.header("location")), (202, Some(ERASURE)), "{begun:?}");
    let reason = "archived at the sponsor, told by [phone]";
    let expected = json!({
        "study": "A", "state": "erasing", "beganAt": begun.json()["beganAt"], "beganBy": "admin", "reason": reason,
        "subjects": 0, "submissions": 0, "analyses": 0, "left": 3,
    });
    assert_eq!(begun.json(), expected);
    let again = app.send("DELETE", STUDY, &json!({"reason": "another"})).await;
    assert_eq!((again.status, again.json()), (202, expected), "the first stands");

    // The doors are closed for this study alone.
    let later = of(phq9("r4", [1; 9]), "A", "1", "another");
    for document in [&later, &first] {
        let answer = app.send("POST", PHQ9, document).await;
        assert!(is_closed(&answer), "{answer:?}");
    }
    let answer = app.send("POST", ANALYSES, &of(asked.clone(), "A", "2", "another")).await;
    assert!(is_closed(&answer), "{answer:?}");
    let rows =
        [report("d2", "diary", json!({"note": "n"})), of(report("d3", "diary", json!({"note": "n"})), "B", "1", "p")];
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/x-ndjson")];
    let body: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let batch = app.client().await.send("POST", "/v1/reports/batch", &headers, body).await.unwrap().json();
    assert_eq!((&batch["accepted"], &batch["rejected"]), (&json!(1), &json!(1)), "{batch}");

    // A hold stops it; without, it goes on by itself.
    put(&app, json!({"studies": {"A": {"hold": true, "reason": "inspection"}}})).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rests = erasure(&app).await;
    assert_eq!((&rests["state"], &rests["held"]), (&json!("erasing"), &json!(true)), "{rests}");
    put(&app, json!({})).await;
    let certificate = erased(&app).await;
    let expected = json!({
        "study": "A", "state": "erased", "beganAt": begun.json()["beganAt"], "beganBy": "admin", "reason": reason,
        "subjects": 3, "submissions": 4, "analyses": 1, "erasedAt": certificate["erasedAt"], "disk": "pending",
        "held": false,
    });
    assert_eq!(certificate, expected);
    assert_eq!(found(&app, &needles).await, Vec::<String>::new());
    for subject in &subjects {
        let named = found(&app, &[subject.as_bytes()]).await;
        let stays = |key: &String| {
            ["audit", "looks"].iter().any(|it| key.contains(it))
                || key.starts_with("subject/")
                || key.starts_with("{vigil}:group:")
        };
        assert!(named.iter().all(stays), "{named:?}");
        let chain = audit(&app, &format!("subject/{subject}")).await;
        assert_eq!((&chain["verified"], actions(&chain).last()), (&json!(true), Some(&"erased")), "{chain}");
    }
    for location in &locations {
        assert_eq!(app.send("GET", location, &Value::Null).await.status, 410, "{location}");
    }
    let letters = app.send("GET", "/v1/dead-letters", &Value::Null).await.json();
    assert_eq!(letters["deadLetters"], json!([]), "{letters}");
    let left: usize = app.redis(&["EXISTS", "{vigil}:subjects:A", "{vigil}:studies:erasing"]).await;
    assert_eq!(left, 0);
    let chain = audit(&app, "study/A").await;
    assert_eq!((&chain["verified"], actions(&chain)), (&json!(true), vec!["erased"]), "{chain}");
    assert_eq!(chain["records"][0]["reason"], reason);
    // The other study has everything.
    assert_eq!(app.scored(&other).await["state"], "scored");

    // Nothing has come since: the certificate is the answer. Then the doors are open, and what was erased stays gone.
    let again = app.send("DELETE", STUDY, &json!({"reason": "another"})).await;
    assert_eq!((again.status, &again.json()["erasedAt"]), (200, &certificate["erasedAt"]), "{again:?}");
    assert_eq!(app.send("POST", PHQ9, &first).await.status, 410, "a resend");
    app.scored(&app.submit(&later).await).await;
    assert_eq!(app.send("DELETE", STUDY, &json!({"reason": "another"})).await.status, 202);
    let second = erased(&app).await;
    assert_eq!((&second["subjects"], &second["submissions"]), (&json!(1), &json!(1)), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_delays_no_alert_of_another_study() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let mut last = String::new();
    for number in 0..MANY {
        last = app.submit(&phq9(&format!("r{number}"), [1; 9])).await;
    }
    app.scored(&last).await;
    until("all are scored", async || (app.work_left().await == 0).then_some(())).await;
    let began = Instant::now();
    assert_eq!(app.send("DELETE", STUDY, &why()).await.status, 202);
    let mut raised = 0;
    loop {
        let alarm = of(phq9(&format!("b{raised}"), ALARMING), "B", "1", &format!("p{raised}"));
        let sent = Instant::now();
        app.submit(&alarm).await;
        receiver.heard(raised + 1).await;
        assert!(sent.elapsed() < Duration::from_secs(5), "an alert took {:?}", sent.elapsed());
        raised += 1;
        if erasure(&app).await["state"] == "erased" {
            break;
        }
    }
    let certificate = erasure(&app).await;
    assert_eq!((&certificate["subjects"], &certificate["submissions"]), (&json!(MANY), &json!(MANY)));
    assert!(raised > 1, "some alerts were raised while it ran");
    // With room for a machine that does other things, too.
    assert!(began.elapsed() < Duration::from_secs(180), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_survives_kills() {
    let mut app = App::builder().own_process().start().await;
    let mut locations = Vec::new();
    for number in 0..40 {
        locations
            .push(app.submit(&of(phq9(&format!("r{number}"), [1; 9]), "A", "1", &format!("p{}", number % 20))).await);
    }
    for location in &locations {
        app.scored(location).await;
    }
    assert_eq!(app.send("DELETE", STUDY, &why()).await.status, 202);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.kill();
        app.start_again().await;
    }
    let certificate = erased(&app).await;
    assert_eq!((&certificate["subjects"], &certificate["submissions"]), (&json!(20), &json!(40)), "{certificate}");
    for location in &locations {
        assert_eq!(app.send("GET", location, &Value::Null).await.status, 410, "{location}");
    }
    let chain = audit(&app, "study/A").await;
    assert_eq!((&chain["verified"], actions(&chain)), (&json!(true), vec!["erased"]), "{chain}");
}
