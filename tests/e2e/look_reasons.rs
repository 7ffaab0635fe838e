//! Why an identity was looked at, which looks of services a study does without, and events with content as looks.

use serde_json::{Value, json};

use crate::alerting::hook;
use crate::app::{ADMIN, App, CLINICIAN_A1, READ_A1, READ_B, phq9, until};
use crate::audit::audit;
use crate::client::Answer;
use crate::issuer::Issuer;
use crate::receiver::Receiver;
use crate::sessions::{grant, signed_in};

async fn get(app: &App, key: &str, path: &str, reason: Option<&str>) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(reason.map(|reason| ("x-look-reason", reason)));
    app.client().await.send("GET", path, &headers, "").await.unwrap()
}

/// All looks, the latest first.
async fn looks(app: &App) -> Vec<Value> {
    let answer = app.send("GET", "/v1/access?limit=200", &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["more"]), (200, &json!(false)), "{answer:?}");
    answer.json()["looks"].as_array().unwrap().clone()
}

/// A scored response of a study, site 1: its location and its subject.
async fn scored(app: &App, study: &str) -> (String, String) {
    let mut document = phq9(&format!("r of {study}"), [3; 9]);
    document["studyId"] = json!(study);
    let location = app.submit(&document).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    (location, subject)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_why_they_look_at_an_identity_and_a_key_may() {
    let issuer = Issuer::start().await;
    let app = App::builder().variable("oidc", issuer.variable()).start().await;
    grant(&app, &issuer).await;
    let session = signed_in(&app, &issuer, "chen", &["nurses", "leaders"]).await;
    let (person, actor) = (session["secret"].as_str().unwrap(), session["sessionId"].as_str().unwrap());
    let (_, subject) = scored(&app, "A").await;
    let identity = format!("/v1/subjects/{subject}/identity");
    let export = format!("/v1/subjects/{subject}/export");
    let unknown = format!("/v1/subjects/{}/identity", "0".repeat(32));
    let paths = [identity.as_str(), "/v1/patients/patient%20of%20r%20of%20A/record", export.as_str()];

    // Found or not, it is asked for before anything is looked for, and such a request counts as no look.
    let before = looks(&app).await.len();
    let long = "x".repeat(501);
    for path in paths.into_iter().chain([unknown.as_str()]) {
        for reason in [None, Some(""), Some("  "), Some("one\ttwo"), Some(long.as_str())] {
            let answer = get(&app, person, path, reason).await;
            let told = answer.json()["errors"].to_string();
            assert!(answer.status == 422 && told.contains("x-look-reason"), "{path} {reason:?}: {answer:?}");
        }
    }
    for reason in ["", long.as_str()] {
        assert_eq!(
            get(&app, CLINICIAN_A1, &identity, Some(reason)).await.status,
            422,
            "what a key says is checked, too"
        );
    }
    assert_eq!(looks(&app).await.len(), before);

    let reason = "病房询问 13800138000";
    for path in paths {
        assert_eq!(get(&app, person, path, Some(reason)).await.status, 200, "{path}");
        let look = looks(&app).await[0].clone();
        let kept = look["reason"].as_str().unwrap();
        assert!(kept.starts_with("病房询问") && !kept.contains("13800138000"), "{look}");
        assert!(look["actor"].as_str().unwrap().ends_with(actor) && look["subject"] == subject.as_str(), "{look}");
        let trail = audit(&app, &format!("subject/{subject}")).await;
        let record = trail["records"].as_array().unwrap().last().unwrap();
        assert_eq!((&record["action"], &record["reason"]), (&json!("identity-opened"), &look["reason"]), "{trail}");
        assert_eq!(trail["verified"], true, "{trail}");
    }
    // A look that found nobody has its reason as well.
    assert_eq!(get(&app, person, &unknown, Some("wrong number?")).await.status, 404);
    assert_eq!(looks(&app).await[0]["reason"], "wrong number?");

    // Programs may say why. An administrator's export has no identity, so nobody is asked.
    assert_eq!(get(&app, CLINICIAN_A1, &identity, None).await.status, 200);
    assert_eq!(looks(&app).await[0].get("reason"), None);
    assert_eq!(get(&app, CLINICIAN_A1, &identity, Some("nightly match")).await.status, 200);
    assert_eq!(looks(&app).await[0]["reason"], "nightly match");
    assert_eq!(get(&app, ADMIN, &export, None).await.status, 200);
    // A read of content is no look at an identity.
    assert_eq!(get(&app, person, &format!("/v1/subjects/{subject}/submissions"), None).await.status, 200);
    // The journal has the reason in the line, which the heads bind.
    let lines: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", "{vigil}:journal:*looks", "-", "+"]).await;
    assert!(format!("{lines:?}").contains("nightly%20match"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_does_without_the_reads_of_services_and_keeps_all_other_looks() {
    let issuer = Issuer::start().await;
    let app = App::builder().variable("oidc", issuer.variable()).start().await;
    let wrong = json!({"grants": [{}], "services": {"unrecordedIn": ["A", "A", "*"], "of": []}});
    let answer = app.send("PUT", "/v1/config/access", &wrong).await;
    let places: Vec<String> = answer.findings().into_iter().map(|(place, _)| place).collect();
    assert_eq!(answer.status, 422, "{answer:?}");
    for place in ["/grants/0", "/services/of", "/services/unrecordedIn/1", "/services/unrecordedIn/2"] {
        assert!(places.iter().any(|it| it == place), "{place}: {places:?}");
    }

    let one = |group: &str, role: &str| json!({"issuer": issuer.url(), "group": group, "role": role, "study": "A", "site": "*"});
    let grants = json!([one("nurses", "clinician")]);
    let document = json!({"grants": grants, "services": {"unrecordedIn": ["A"]}});
    let stored = app.send("PUT", "/v1/config/access", &document).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let trail = audit(&app, "config/access").await;
    assert_eq!((&trail["records"][0]["action"], &trail["verified"]), (&json!("changed"), &json!(true)), "{trail}");
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    let person = session["secret"].as_str().unwrap();
    let ((location, subject), (other, _)) = (scored(&app, "A").await, scored(&app, "B").await);
    let identity = format!("/v1/subjects/{subject}/identity");

    // Whether a request leaves a line.
    let leaves = async |key: &str, path: &str, status: u16| {
        let before = looks(&app).await.len();
        assert_eq!(get(&app, key, path, Some("to test")).await.status, status, "{path}");
        looks(&app).await.len() - before
    };
    for round in ["as stored", "after a loss of Redis"] {
        assert_eq!(leaves(READ_A1, &location, 200).await, 0, "{round}");
        assert_eq!(leaves(READ_A1, "/v1/studies/A/submissions", 200).await, 0, "{round}");
        assert_eq!(leaves(READ_A1, "/v1/alerts?study=A", 200).await, 0, "{round}");
        // Other studies, requests of which no study is known, refusals, identities, and persons.
        assert_eq!(leaves(READ_B, &other, 200).await, 1, "{round}");
        assert_eq!(leaves(ADMIN, "/v1/alerts", 200).await, 1, "{round}");
        assert_eq!(leaves(READ_A1, &identity, 403).await, 1, "{round}");
        assert_eq!(leaves(READ_B, &location, 404).await, 1, "{round}");
        assert_eq!(leaves(CLINICIAN_A1, &identity, 200).await, 1, "{round}");
        assert_eq!(leaves(ADMIN, &format!("/v1/subjects/{subject}/export"), 200).await, 1, "{round}");
        if round == "as stored" {
            assert_eq!(leaves(person, &location, 200).await, 1);
            assert_eq!(leaves(person, "/v1/studies/A/submissions", 200).await, 1);
            // The copy of the settings is lost, and the first who reads them restores it from the store.
            let () = app.redis(&["DEL", "{vigil}:settings"]).await;
            assert_eq!(app.send("GET", "/v1/config", &Value::Null).await.status, 200);
        }
    }
    // Another document in force leaves it as it is.
    assert_eq!(app.send("PUT", "/v1/config/deidentification", &json!({"studies": {}})).await.status, 201);
    assert_eq!(leaves(READ_A1, &location, 200).await, 0);

    let authorization = format!("Bearer {ADMIN}");
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", "\"1\"")];
    let body = json!({"grants": grants}).to_string();
    let answer = app.client().await.send("PUT", "/v1/config/access", &headers, body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(leaves(READ_A1, &location, 200).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_persons_data_is_a_look_of_its_subscription() {
    let (full, scores, bare) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let app = App::start().await;
    let one = |id: &str| json!({"id": id, "studies": ["A"], "events": ["submission.scored", "submission.erased"], "receiver": id, "content": id});
    let document = json!({
        "receivers": {"full": hook(&full), "scores": hook(&scores), "reference": hook(&bare)},
        "subscriptions": [one("full"), one("scores"), one("reference")],
    });
    let stored = app.send("PUT", "/v1/config/subscriptions", &document).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let (location, subject) = scored(&app, "A").await;
    let id = location.rsplit('/').next().unwrap();
    for receiver in [&full, &scores, &bare] {
        receiver.heard(1).await;
    }
    let of_subscriptions = async || -> Vec<Value> {
        let all = looks(&app).await.into_iter();
        let mut of: Vec<Value> =
            all.filter(|look| look["actor"].as_str().unwrap().starts_with("subscription:")).collect();
        of.sort_by_key(|look| look["actor"].to_string());
        of
    };
    let expected = |subscription: &str| {
        json!({"actor": format!("subscription:{subscription}"), "method": "POST", "path": "submission.scored",
               "study": "A", "site": "1", "subject": subject, "id": id, "status": 200})
    };
    let mut found = of_subscriptions().await;
    for look in &mut found {
        assert!(look.as_object_mut().unwrap().remove("at").is_some(), "{look}");
    }
    assert_eq!(found, [expected("full"), expected("scores")]);
    // What was erased has no content, so nobody saw any.
    assert_eq!(app.send("DELETE", &location, &json!({"reason": "withdrawn"})).await.status, 200);
    full.heard(2).await;
    assert_eq!(of_subscriptions().await.len(), 2);
    until("nothing waits", async || (app.work_left().await == 0).then_some(())).await;
}
