//! Programs that sign in by an assertion (RFC 7523, SMART backend services): under their own grant, once with each assertion,
//! and with no false one.

use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::app::{App, phq9, until};
use crate::client::Answer;
use crate::issuer::{EC, EC_384, EC_OTHER, Issuer, Key, RSA_384, now};

const AUDIENCE: &str = "https://vigil.example/v1/sessions";

/// Sound claims of a client, for the longest time, with an id of their own.
pub(crate) fn claims(id: &str) -> Value {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (now, number) = (now(), COUNT.fetch_add(1, Ordering::Relaxed));
    json!({"iss": id, "sub": id, "aud": AUDIENCE, "jti": format!("a-{number}"), "iat": now, "exp": now + 300})
}

async fn brought(app: &App, assertion: &str, more: &str) -> Answer {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!(
        "grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}&scope=system%2F*.rs{more}"
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    app.client().await.send("POST", "/v1/sessions", &headers, form).await.unwrap()
}

/// The secret of a new session.
async fn signed_in(app: &App, key: Key, id: &str) -> String {
    let answer = brought(app, &key.sign(&claims(id)), "").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let token = answer.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(300)), "{token}");
    assert!(token.get("issued_token_type").is_none(), "{token}");
    token["access_token"].as_str().unwrap().to_owned()
}

/// Stores the document `access`, with the tag of the version in force.
async fn store(app: &App, document: &Value) {
    let current = app.send("GET", "/v1/config/access", &Value::Null).await;
    let authorization = format!("Bearer {}", crate::app::ADMIN);
    let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    headers.extend(current.header("etag").map(|tag| ("if-match", tag)));
    let put = app.client().await.send("PUT", "/v1/config/access", &headers, document.to_string()).await.unwrap();
    assert!(matches!(put.status, 200 | 201), "{put:?}");
}

/// The record system with a key in the document, a registry whose keys are at its address, and a program that administers.
fn document(issuer: &Issuer) -> Value {
    let listed = |key: Key| json!({"keys": [key.published()]});
    json!({"grants": [], "audience": AUDIENCE, "clients": [
        {"clientId": "ehr", "label": "Record system", "jwks": listed(EC_384), "role": "read", "study": "A", "site": "1"},
        {"clientId": "registry", "jwksUri": format!("{}/keys", issuer.url()), "role": "submit", "study": "A", "site": "*"},
        {"clientId": "manager", "jwks": listed(EC), "role": "admin", "study": "*", "site": "*"},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_acts_under_its_grant_is_named_and_is_signed_out() {
    let issuer = Issuer::start().await;
    issuer.publish(&[RSA_384]);
    let app = App::start().await;
    store(&app, &document(&issuer)).await;
    let (reader, sender) = (signed_in(&app, EC_384, "ehr").await, signed_in(&app, RSA_384, "registry").await);
    let who = app.send_as(&reader, "GET", "/v1/whoami", &Value::Null).await.json();
    assert_eq!(who["person"], json!({"issuer": "client", "subject": "ehr", "name": "Record system"}), "{who}");
    assert_eq!((&who["role"], &who["study"], &who["site"]), (&json!("read"), &json!("A"), &json!("1")));
    let report = phq9("r", [1; 9]);
    let sent = async |secret: &str| app.send_as(secret, "POST", crate::app::PHQ9, &report).await;
    assert_eq!((sent(&sender).await.status, sent(&reader).await.status), (202, 403));
    for (secret, path, status) in [
        (&reader, "/v1/studies/A/submissions", 200),
        (&reader, "/v1/studies/B/submissions", 404),
        (&sender, "/v1/alerts", 403),
    ] {
        assert_eq!(app.send_as(secret, "GET", path, &Value::Null).await.status, status, "{path}");
    }
    // The keys at an address may change: the new one is found at once.
    issuer.publish(&[RSA_384, EC_OTHER]);
    signed_in(&app, EC_OTHER, "registry").await;

    // A program signs nothing: it stores a document as a key does. One that lost its grant is signed out.
    let manager = signed_in(&app, EC, "manager").await;
    let mut fewer = document(&issuer);
    fewer["clients"].as_array_mut().unwrap().remove(0);
    let tag = app.send("GET", "/v1/config/access", &Value::Null).await.header("etag").unwrap().to_owned();
    let authorization = format!("Bearer {manager}");
    let headers = [("authorization", &*authorization), ("content-type", "application/json"), ("if-match", &*tag)];
    let put = app.client().await.send("PUT", "/v1/config/access", &headers, fewer.to_string()).await.unwrap();
    assert_eq!(put.status, 200, "{put:?}");
    let ended = async |secret: &str| app.send_as(secret, "GET", "/v1/whoami", &Value::Null).await.status == 401;
    until("the client is refused", async || ended(&reader).await.then_some(())).await;
    assert_eq!(brought(&app, &EC_384.sign(&claims("ehr")), "").await.status, 401);
    let early = RSA_384.sign(&claims("registry"));
    let body = json!({"issuer": "client", "subject": "registry", "reason": "its key was stolen"});
    assert_eq!(app.send("DELETE", "/v1/sessions", &body).await.json()["ended"], 2);
    until("the client is refused", async || ended(&sender).await.then_some(())).await;
    assert_eq!(brought(&app, &early, "").await.status, 401, "it was signed before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_counts_once_and_only_if_all_of_it_is_sound() {
    let issuer = Issuer::start().await;
    let app = App::start().await;
    let other = App::builder().start_beside(&app).await;
    store(&app, &document(&issuer)).await;
    let with = |member: &str, value: Value| {
        let mut claims = claims("ehr");
        claims[member] = value;
        claims
    };
    let without = |member: &str| {
        let mut claims = claims("ehr");
        claims.as_object_mut().unwrap().remove(member);
        claims
    };
    let at = |seconds: i64| json!(now() as i64 + seconds);
    let header = |change: fn(&mut Header)| {
        let mut header = Header { kid: Some(EC_384.0.to_owned()), ..Header::new(EC_384.1) };
        change(&mut header);
        EC_384.sign_with(header, &claims("ehr"))
    };
    let shared = {
        let secret = jsonwebtoken::EncodingKey::from_secret(include_bytes!("issuer/ec-384.der"));
        let header = Header { kid: Some(EC_384.0.to_owned()), ..Header::new(Algorithm::HS384) };
        jsonwebtoken::encode(&header, &claims("ehr"), &secret).unwrap()
    };
    let sound = EC_384.sign(&claims("ehr"));
    let (signed, signature) = sound.rsplit_once('.').unwrap();
    let altered = EC_384.sign(&with("sub", json!("manager")));
    let (altered, _) = altered.rsplit_once('.').unwrap();
    let refused = [
        ("an unknown client", EC_384.sign(&claims("nobody"))),
        ("another client's key", EC.sign(&claims("ehr"))),
        ("another key under a known id", EC_OTHER.named(EC_384.0).sign(&claims("ehr"))),
        ("another subject", EC_384.sign(&with("sub", json!("manager")))),
        ("another audience", EC_384.sign(&with("aud", json!("https://other.example/v1/sessions")))),
        ("no audience", EC_384.sign(&without("aud"))),
        ("no id", EC_384.sign(&without("jti"))),
        ("an empty id", EC_384.sign(&with("jti", json!("")))),
        ("a long id", EC_384.sign(&with("jti", json!("a".repeat(256))))),
        ("no end", EC_384.sign(&without("exp"))),
        ("expired", EC_384.sign(&with("exp", at(-3600)))),
        ("good for too long", EC_384.sign(&with("exp", at(600)))),
        ("good for ever", EC_384.sign(&with("exp", json!(1e30)))),
        ("not yet", EC_384.sign(&with("nbf", at(3600)))),
        ("issued later", EC_384.sign(&with("iat", at(3600)))),
        ("another type", header(|header| header.typ = Some("at+jwt".to_owned()))),
        ("a critical extension", header(|header| header.crit = Some(vec!["exp".to_owned()]))),
        ("a shared secret", shared),
        ("changed claims", format!("{altered}.{signature}")),
        ("no signature", format!("{signed}.")),
    ];
    for (what, assertion) in refused {
        let answer = brought(&app, &assertion, "").await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.starts_with("the token is refused"), "{what}: {told}");
    }
    // Of many that bring the same one at once, at two hosts, one gets a session.
    let many = (0..20).map(|number| brought(if number % 2 == 0 { &app } else { &other }, &sound, "&client_id=ehr"));
    let mut statuses: Vec<u16> = futures::future::join_all(many).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1..].iter().all(|status| *status == 401)), (200, true), "{statuses:?}");
    // The same id of another client is another one.
    let mut same = claims("manager");
    same["jti"] = json!("shared");
    assert_eq!(brought(&app, &EC.sign(&same), "").await.status, 200);
    assert_eq!(brought(&app, &EC_384.sign(&with("jti", json!("shared"))), "").await.status, 200);

    let fresh = EC_384.sign(&claims("ehr"));
    for (assertion, more, found) in [(&*fresh, "&client_id=manager", 1), ("abc", "", 1), ("", "&x=1", 2)] {
        let answer = brought(&app, assertion, more).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.findings().len() <= found && !answer.findings().is_empty(), "{answer:?}");
    }
    // A private key has no place in the document.
    let mut private = document(&issuer);
    private["clients"][0]["jwks"]["keys"][0]["d"] = json!("AA");
    let answer = app.send("PUT", "/v1/config/access", &private).await;
    assert_eq!((answer.status, &*answer.findings()[0].0), (422, "/clients/0/jwks/keys/0"), "{answer:?}");
}
