//! Signatures: what a person resolves, erases and stores needs a fresh authentication and a meaning, which the records keep.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, Builder, phq9, until};
use crate::audit::audit;
use crate::client::Answer;
use crate::issuer::{EC, Issuer, now};
use crate::roles::{all, filled};

const DOCUMENT: &str = "/v1/config/deidentification";
const MEANING: &str = "I have reviewed this";

/// The acts that a person signs.
const SIGNED: [(&str, &str); 8] = [
    ("DELETE", "/v1/imaging/analyses/{analysis}"),
    ("DELETE", "/v1/studies/{study}"),
    ("DELETE", "/v1/subjects/{pseudonym}"),
    ("DELETE", "/v1/submissions/{id}"),
    ("POST", "/v1/alerts/{alert}/resolve"),
    ("PUT", "/v1/config/{document}"),
    ("PUT", "/v1/instruments/{instrument}"),
    ("PUT", "/v1/studies/{study}"),
];

/// An application in which chiefs are administrators and nurses are clinicians of site 1.
async fn with(issuer: &Issuer, builder: Builder) -> App {
    let app = builder.variable("oidc", issuer.variable()).start().await;
    let grant = |group: &str, role: &str, study: &str, site: &str| json!({"issuer": issuer.url(), "group": group, "role": role, "study": study, "site": site});
    let document = json!({"grants": [grant("chiefs", "admin", "*", "*"), grant("nurses", "clinician", "A", "1")]});
    assert_eq!(app.send("PUT", "/v1/config/access", &document).await.status, 201);
    app
}

/// The secret of a session of somebody who authenticated so many seconds ago; none: the token does not say when.
async fn session(app: &App, issuer: &Issuer, group: &str, ago: Option<u64>) -> String {
    let mut claims = issuer.claims("chen", &[group]);
    match ago {
        Some(ago) => claims["auth_time"] = json!(now() - ago),
        None => drop(claims.as_object_mut().unwrap().remove("auth_time")),
    }
    brought(app, issuer, &claims).await
}

async fn brought(app: &App, issuer: &Issuer, claims: &Value) -> String {
    let body = json!({"issuer": issuer.url(), "token": EC.sign(claims)}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = app.client().await.send("POST", "/v1/sessions", &headers, body).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["secret"].as_str().unwrap().to_owned()
}

async fn send(app: &App, key: &str, method: &str, path: &str, meaning: Option<&str>, body: &Value) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    headers.extend(meaning.map(|meaning| ("x-signature-meaning", meaning)));
    app.client().await.send(method, path, &headers, body.to_string()).await.unwrap()
}

fn is_unsigned(answer: &Answer) -> bool {
    answer.status == 403 && answer.json()["type"] == "urn:vigil:problem:signature-required"
}

fn lacks_meaning(answer: &Answer) -> bool {
    answer.status == 422 && answer.json()["errors"].to_string().contains("x-signature-meaning")
}

/// The record at the end of an entity's audit chain, which is whole.
async fn last(app: &App, entity: &str) -> Value {
    let trail = audit(app, entity).await;
    assert_eq!((&trail["verified"], &trail["faults"]), (&json!(true), &json!([])), "{trail}");
    trail["records"].as_array().unwrap().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signed_route_asks_persons_for_a_fresh_authentication_and_a_meaning() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let fresh = session(&app, &issuer, "chiefs", Some(0)).await;
    let stale = session(&app, &issuer, "chiefs", Some(400)).await;
    let unproven = session(&app, &issuer, "chiefs", None).await;
    // Nobody authenticates after their token was issued.
    let mut early = issuer.claims("chen", &["chiefs"]);
    (early["iat"], early["auth_time"]) = (json!(now() - 400), json!(now() + 3000));
    let early = brought(&app, &issuer, &early).await;

    let mut signed: Vec<(&str, &str)> = Vec::new();
    for (_, route) in all().into_iter().filter(|(_, route)| route.signed) {
        signed.push((route.method, route.path));
        let path = filled(&route, &BTreeMap::new());
        let why = json!({"reason": "why"});
        for key in [&stale, &unproven, &early] {
            for meaning in [None, Some(MEANING)] {
                let answer = send(&app, key, route.method, &path, meaning, &why).await;
                assert!(is_unsigned(&answer), "{route:?}: {answer:?}");
                assert!(answer.json()["detail"].as_str().unwrap().contains("sign in again"), "{answer:?}");
            }
        }
        let long = "x".repeat(201);
        for meaning in [None, Some(""), Some("  "), Some("one\ttwo"), Some(long.as_str())] {
            let answer = send(&app, &fresh, route.method, &path, meaning, &why).await;
            assert!(lacks_meaning(&answer), "{route:?} {meaning:?}: {answer:?}");
        }
        let longest = "复".repeat(200);
        for (key, meaning) in [(fresh.as_str(), Some(MEANING)), (&fresh, Some(&longest)), (ADMIN, None)] {
            let answer = send(&app, key, route.method, &path, meaning, &why).await;
            assert!(matches!(answer.status, 404 | 422) && !lacks_meaning(&answer), "{route:?}: {answer:?}");
        }
    }
    signed.sort_unstable();
    assert_eq!(signed, SIGNED);

    // Requests that store and erase nothing are not signed.
    let dry = send(&app, &stale, "PUT", &format!("{DOCUMENT}?dry-run=true"), None, &json!({"studies": {}})).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let real = send(&app, &stale, "PUT", &format!("{DOCUMENT}?dry-run=false"), None, &json!({"studies": {}})).await;
    assert!(is_unsigned(&real), "{real:?}");
    let authorization = format!("Bearer {stale}");
    let path = "/v1/imaging/analyses/00000000-0000-0000-0000-000000000000";
    let headers = [("authorization", authorization.as_str())];
    let cancelled = app.client().await.send("DELETE", path, &headers, "").await.unwrap();
    assert_eq!(cancelled.status, 404, "{cancelled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_a_person_resolved_has_the_meaning_in_its_history() {
    let issuer = Issuer::start().await;
    let receiver = crate::receiver::Receiver::start().await;
    let app = with(&issuer, App::builder().routes(&[&receiver.url()])).await;
    let fresh = session(&app, &issuer, "nurses", Some(0)).await;
    let stale = session(&app, &issuer, "nurses", Some(400)).await;
    let location = app.submit(&phq9("r", [3; 9])).await;
    let alert = app.scored(&location).await["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    let path = format!("/v1/alerts/{alert}");
    let resolve = format!("{path}/resolve");

    // To acknowledge is no signature, and a meaning there is not taken for one.
    let acknowledge = format!("{path}/acknowledge");
    until("the alert is acknowledged", async || {
        let acted = send(&app, &stale, "POST", &acknowledge, Some(MEANING), &json!({})).await;
        (acted.status == 200).then_some(())
    })
    .await;
    assert!(is_unsigned(&send(&app, &stale, "POST", &resolve, Some(MEANING), &json!({})).await));
    let shown = app.send("GET", &path, &Value::Null).await.json();
    assert_eq!(shown["state"], "acknowledged", "{shown}");

    let meaning = "我已复核，可致电 13800138000";
    let acted = send(&app, &fresh, "POST", &resolve, Some(meaning), &json!({"note": "called"})).await;
    assert_eq!((acted.status, &acted.json()["state"]), (200, &json!("resolved")), "{acted:?}");
    let shown = app.send("GET", &path, &Value::Null).await.json();
    let entry = |what: &str| {
        let history = shown["history"].as_array().unwrap();
        history.iter().find(|entry| entry["what"] == what).unwrap_or_else(|| panic!("{shown}")).clone()
    };
    let resolved = entry("resolved");
    assert_eq!((&resolved["byName"], &resolved["note"]), (&json!("Name of chen"), &json!("called")), "{shown}");
    let kept = resolved["meaning"].as_str().unwrap();
    assert!(kept.starts_with("我已复核") && !kept.contains("13800138000"), "{kept}");
    assert_eq!(resolved["meaning"], acted.json()["meaning"]);
    assert!(resolved["at"].is_string());
    assert_eq!(entry("acknowledged").get("meaning"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_stored_or_erased_has_the_meaning_in_its_audit_chain() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let fresh = session(&app, &issuer, "chiefs", Some(0)).await;
    let stored = send(&app, &fresh, "PUT", DOCUMENT, Some(MEANING), &json!({"studies": {}})).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let record = last(&app, "config/deidentification").await;
    assert_eq!((&record["meaning"], &record["action"]), (&json!(MEANING), &json!("changed")), "{record}");
    assert!(record["actor"].as_str().unwrap().starts_with(&format!("{}|chen|s-", issuer.url())), "{record}");
    // A key needs no meaning, and none is taken from it.
    let authorization = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("if-match", "\"1\""),
        ("x-signature-meaning", MEANING),
    ];
    let again = app.client().await.send("PUT", DOCUMENT, &headers, r#"{"studies":{}}"#).await.unwrap();
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(last(&app, "config/deidentification").await.get("meaning"), None);

    let built_in = app.send("GET", "/v1/instruments/phq-9", &Value::Null).await.json();
    let answer = send(&app, &fresh, "PUT", "/v1/instruments/phq-9", Some(MEANING), &built_in).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(last(&app, "instrument/phq-9").await["meaning"], MEANING);

    let location = app.submit(&phq9("r", [1; 9])).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let erased = send(&app, &fresh, "DELETE", &location, Some(MEANING), &json!({"reason": "withdrawn"})).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let record = last(&app, &location.replace("/v1/submissions/", "submission/")).await;
    assert_eq!((&record["meaning"], &record["reason"]), (&json!(MEANING), &json!("withdrawn")), "{record}");
    let path = format!("/v1/subjects/{subject}");
    until("the subject is erased", async || {
        let erased = send(&app, &fresh, "DELETE", &path, Some("I erase all"), &json!({"reason": "withdrawn"})).await;
        assert!(matches!(erased.status, 200 | 202), "{erased:?}");
        (erased.status == 200).then_some(())
    })
    .await;
    assert_eq!(last(&app, &format!("subject/{subject}")).await["meaning"], "I erase all");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_variable_is_zero_nobody_must_sign_and_a_meaning_is_kept() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder().variable("signature_seconds", "0")).await;
    let stale = session(&app, &issuer, "chiefs", Some(4000)).await;
    let content = json!({"studies": {}});
    assert_eq!(send(&app, &stale, "PUT", DOCUMENT, None, &content).await.status, 201);
    assert_eq!(last(&app, "config/deidentification").await.get("meaning"), None);
    let rules = "/v1/config/alert-rules";
    assert_eq!(send(&app, &stale, "PUT", rules, Some(MEANING), &content).await.status, 201);
    assert_eq!(last(&app, "config/alert-rules").await["meaning"], MEANING);
}
