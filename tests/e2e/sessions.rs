//! Persons: they sign in by an identity provider, act under their grants, and are signed out.

use std::time::{Duration, Instant};

use jsonwebtoken::Header;
use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, Builder, CLINICIAN_A1, READ_A1, phq9, until};
use crate::client::Answer;
use crate::issuer::{EC, EC_OTHER, ED, Issuer, Key, PSS, RSA, now};

const SESSIONS: &str = "/v1/sessions";

/// An application that knows the provider, where nurses are clinicians of site 1 and leaders also read all of the study.
async fn with(issuer: &Issuer, builder: Builder) -> App {
    let app = builder.variable("oidc", issuer.variable()).start().await;
    grant(&app, issuer).await;
    app
}

/// Gives roles to groups.
pub(crate) async fn grant(app: &App, issuer: &Issuer) {
    let grant = |group: &str, role: &str, study: &str, site: &str| json!({"issuer": issuer.url(), "group": group, "role": role, "study": study, "site": site});
    let document = json!({"grants": [
        grant("nurses", "clinician", "A", "1"),
        grant("leaders", "read", "A", "*"),
        {"issuer": issuer.url(), "subject": "n-1", "role": "clinician", "study": "A", "site": "1"},
    ]});
    let answer = app.send("PUT", "/v1/config/access", &document).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn begin(app: &App, body: &Value) -> Answer {
    app.client().await.send("POST", SESSIONS, &[("content-type", "application/json")], body.to_string()).await.unwrap()
}

async fn brought(app: &App, issuer: &Issuer, token: &str) -> Answer {
    begin(app, &json!({"issuer": issuer.url(), "token": token})).await
}

/// The secret of a new session of this person.
pub(crate) async fn signed_in(app: &App, issuer: &Issuer, subject: &str, groups: &[&str]) -> Value {
    let answer = brought(app, issuer, &issuer.token(subject, groups)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn whoami(app: &App, secret: &str) -> Answer {
    app.send_as(secret, "GET", "/v1/whoami", &Value::Null).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_acts_under_a_grant_and_is_named() {
    let issuer = Issuer::start().await;
    let receiver = crate::receiver::Receiver::start().await;
    let app = with(&issuer, App::builder().routes(&[&receiver.url()])).await;
    let listed = app.client().await.send("GET", "/v1/identity-providers", &[], "").await.unwrap().json();
    let one = &listed["providers"][0];
    assert_eq!((&one["available"], &one["clientId"]), (&json!(true), &json!("vigil")), "{listed}");
    assert_eq!(one["authorizationEndpoint"], format!("{}/authorize", issuer.url()));

    let session = signed_in(&app, &issuer, "chen", &["nurses", "leaders"]).await;
    let secret = text(&session["secret"]);
    assert!(secret.starts_with("vigil_s_"));
    let grants = json!([{"role": "clinician", "study": "A", "site": "1"}, {"role": "read", "study": "A", "site": "*"}]);
    assert_eq!((&session["grants"], &session["role"], &session["grant"]), (&grants, &json!("clinician"), &json!(0)));
    let own = whoami(&app, secret).await.json();
    assert_eq!(own["person"], json!({"issuer": issuer.url(), "subject": "chen", "name": "Name of chen"}), "{own}");
    assert_eq!((&own["grants"], &own["grant"], &own["role"]), (&grants, &json!(0), &json!("clinician")));
    assert_eq!(own["sessionId"], session["sessionId"]);

    // The person acts, and the history has them with their name.
    let location = app.submit(&phq9("r", [3; 9])).await;
    let alert = app.scored(&location).await["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    let path = format!("/v1/alerts/{alert}/acknowledge");
    let acted = until("the alert is acknowledged", async || {
        let acted = app.send_as(secret, "POST", &path, &json!({})).await;
        (acted.status == 200).then(|| acted.json())
    })
    .await;
    let actor = format!("{}|chen|{}", issuer.url(), text(&session["sessionId"]));
    assert_eq!((&acted["by"], &acted["byName"]), (&json!(actor), &json!("Name of chen")));
    let shown = app.send_as(secret, "GET", &format!("/v1/alerts/{alert}"), &Value::Null).await.json();
    let entry = shown["history"].as_array().unwrap().iter().find(|entry| entry["what"] == "acknowledged").unwrap();
    assert_eq!((&entry["by"], &entry["byName"]), (&json!(actor), &json!("Name of chen")), "{shown}");

    let listed =
        app.send_as(secret, "GET", "/v1/alerts?state=acknowledged&include=deliveries", &Value::Null).await.json();
    let row = listed["alerts"].as_array().unwrap().iter().find(|row| row["alertId"] == alert).unwrap();
    let taken = (&row["acknowledgedBy"], &row["acknowledgedByName"]);
    assert_eq!(taken, (&json!(actor), &json!("Name of chen")), "{listed}");

    // Under the other grant the person reads, and acts no more.
    let wish = json!({"issuer": issuer.url(), "token": issuer.token("chen", &["nurses", "leaders"]), "grant": 1});
    let reader = begin(&app, &wish).await.json();
    let reader = text(&reader["secret"]);
    assert_eq!(app.send_as(reader, "POST", &format!("/v1/alerts/{alert}/resolve"), &json!({})).await.status, 403);
    assert_eq!(app.send_as(reader, "GET", "/v1/studies/A/submissions", &Value::Null).await.status, 200);
    assert_eq!(app.send_as(reader, "GET", "/v1/studies/B/submissions", &Value::Null).await.status, 404);
    let beyond =
        begin(&app, &json!({"issuer": issuer.url(), "token": issuer.token("chen", &["nurses"]), "grant": 1})).await;
    assert_eq!((beyond.status, beyond.findings()[0].0.as_str()), (422, "/grant"), "{beyond:?}");

    // Nobody has given the third a role.
    assert_eq!(brought(&app, &issuer, &issuer.token("third", &["cooks"])).await.status, 403);
    // Nothing of the person is in the log of the host, and the secret rests nowhere.
    for (name, bytes) in app.files() {
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(secret), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_only_if_all_of_it_is_sound() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let claims = issuer.claims("chen", &["nurses"]);
    let with = |member: &str, value: Value| {
        let mut claims = claims.clone();
        claims[member] = value;
        claims
    };
    let without = |member: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(member);
        claims
    };
    for key in [RSA, PSS, EC, ED] {
        assert_eq!(brought(&app, &issuer, &key.sign(&claims)).await.status, 201, "{:?}", key.1);
    }
    assert_eq!(brought(&app, &issuer, &EC.sign(&with("aud", json!(["other", "vigil"])))).await.status, 201);
    let at = |seconds: i64| json!(now() as i64 + seconds);
    let header = |change: fn(&mut Header)| {
        let mut header = Header { kid: Some(EC.0.to_owned()), ..Header::new(EC.1) };
        change(&mut header);
        EC.sign_with(header, &claims)
    };
    let base64 = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let sound = EC.sign(&claims);
    let (signed, signature) = sound.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    // The public key of RSA as a shared secret: the oldest attack on tokens.
    let shared = {
        let secret = jsonwebtoken::EncodingKey::from_secret(include_bytes!("issuer/rsa.der"));
        let header = Header { kid: Some(RSA.0.to_owned()), ..Header::new(jsonwebtoken::Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &secret).unwrap()
    };
    let none = format!("{}.{}.", base64(&json!({"alg": "none", "typ": "JWT"})), base64(&claims));
    let refused = [
        ("another issuer", EC.sign(&with("iss", json!("https://other.example")))),
        ("another audience", EC.sign(&with("aud", json!("other")))),
        ("no audience", EC.sign(&without("aud"))),
        ("expired", EC.sign(&with("exp", at(-3600)))),
        ("no end", EC.sign(&without("exp"))),
        ("not yet", EC.sign(&with("nbf", at(3600)))),
        ("issued later", EC.sign(&with("iat", at(3600)))),
        ("no time of issue", EC.sign(&without("iat"))),
        ("no subject", EC.sign(&without("sub"))),
        ("an empty subject", EC.sign(&with("sub", json!("")))),
        ("a subject of two lines", EC.sign(&with("sub", json!("a\nb")))),
        ("another client", EC.sign(&with("azp", json!("other")))),
        ("an unknown key", EC_OTHER.sign(&claims)),
        ("another key under a known id", EC_OTHER.named("ec").sign(&claims)),
        ("a key of another kind", Key::named(EC, "rsa").sign(&claims)),
        ("a shared secret", shared),
        ("no algorithm", none),
        ("another type", header(|header| header.typ = Some("logout+jwt".to_owned()))),
        ("a critical extension", header(|header| header.crit = Some(vec!["exp".to_owned()]))),
        ("changed claims", format!("{head}.{}.{signature}", base64(&with("sub", json!("admin"))))),
        ("no signature", format!("{signed}.")),
        ("nothing like a token", "abc".to_owned()),
        ("three dots", "...".to_owned()),
    ];
    for (what, token) in refused {
        let answer = brought(&app, &issuer, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.starts_with("the token is refused"), "{what}: {told}");
    }
    // All faults of a request at once; a provider that nobody configured is never asked.
    let faulty = begin(&app, &json!({"token": 1, "code": "c d", "grant": -1, "x": 1})).await;
    let mut found: Vec<String> = faulty.findings().into_iter().map(|(pointer, _)| pointer).collect();
    found.sort();
    assert_eq!((faulty.status, found.join(" ").as_str()), (422, "/code /grant /issuer /token /x"), "{faulty:?}");
    let foreign = begin(&app, &json!({"issuer": "https://other.example", "token": sound})).await;
    assert_eq!((foreign.status, foreign.findings()[0].0.as_str()), (422, "/issuer"));
    let all = begin(&app, &json!({"issuer": "https://other.example", "token": sound, "x": 1})).await;
    let mut found: Vec<String> = all.findings().into_iter().map(|(pointer, _)| pointer).collect();
    found.sort();
    assert_eq!(found, ["/issuer", "/x"], "{all:?}");
    let both = begin(&app, &json!({"issuer": issuer.url(), "token": sound, "refreshToken": "r"})).await;
    assert_eq!(both.status, 422, "{both:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_refresh_tokens_and_forms_are_exchanged() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let mut claims = issuer.claims("chen", &["nurses"]);
    claims["nonce"] = json!("n-0");
    issuer.gives("code-1", json!({"id_token": EC.sign(&claims), "refresh_token": "refresh-1"}));
    issuer.gives("code-2", json!({"id_token": EC.sign(&claims)}));
    issuer.gives("refresh-1", json!({"access_token": issuer.token("chen", &["nurses"])}));
    let code = |code: &str, nonce: &str| json!({"issuer": issuer.url(), "code": code, "codeVerifier": "v-0", "redirectUri": "http://127.0.0.1/", "nonce": nonce});
    let begun = begin(&app, &code("code-1", "n-0")).await;
    assert_eq!((begun.status, &begun.json()["refreshToken"]), (201, &json!("refresh-1")), "{begun:?}");
    let form = issuer.form();
    for field in [
        "grant_type=authorization_code",
        "code_verifier=v-0",
        "client_id=vigil",
        "redirect_uri=http%3A%2F%2F127.0.0.1%2F",
    ] {
        assert!(form.contains(field), "{form}");
    }
    // A code is good once, and a token of another sign-in is none of this one.
    assert_eq!(begin(&app, &code("code-1", "n-0")).await.status, 401);
    assert_eq!(begin(&app, &code("code-2", "n-1")).await.status, 401);
    let again = begin(&app, &json!({"issuer": issuer.url(), "refreshToken": "refresh-1"})).await;
    assert_eq!((again.status, &again.json()["refreshToken"]), (201, &json!("refresh-1")), "{again:?}");

    let form = |token: &str| {
        let of = "urn%3Aietf%3Aparams%3Aoauth%3A";
        format!(
            "grant_type={of}grant-type%3Atoken-exchange&subject_token_type={of}token-type%3Aid_token&subject_token={token}"
        )
    };
    let send = async |body: String| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        app.client().await.send("POST", SESSIONS, &headers, body).await.unwrap()
    };
    let issued = send(form(&issuer.token("chen", &["nurses"]))).await;
    let token = issued.json();
    assert_eq!((issued.status, &token["token_type"], &token["expires_in"]), (200, &json!("Bearer"), &json!(900)));
    assert_eq!(whoami(&app, text(&token["access_token"])).await.status, 200);
    assert_eq!(send(form("abc")).await.status, 422);
    let broken = send("grant_type=password&x=1".to_owned()).await;
    assert_eq!((broken.status, broken.findings().len()), (422, 4), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_out_is_refused_everywhere_within_a_second() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let other = App::builder().variable("oidc", issuer.variable()).start_beside(&app).await;
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    let bystander = signed_in(&app, &issuer, "li", &["nurses"]).await;
    let (secret, bystander) = (text(&session["secret"]).to_owned(), text(&bystander["secret"]).to_owned());
    for app in [&app, &other] {
        assert_eq!(whoami(app, &secret).await.status, 200);
        assert_eq!(app.send_as(&secret, "GET", "/v1/alerts", &Value::Null).await.status, 200);
    }
    let listed = app.send("GET", SESSIONS, &Value::Null).await.json();
    let subjects: Vec<&str> = listed["sessions"].as_array().unwrap().iter().map(|it| text(&it["subject"])).collect();
    assert!(subjects.len() == 2 && subjects.contains(&"chen") && subjects.contains(&"li"), "{listed}");
    assert_eq!(app.send_as(ADMIN_B, "GET", SESSIONS, &Value::Null).await.json()["sessions"], json!([]));
    assert_eq!(app.send_as(CLINICIAN_A1, "GET", SESSIONS, &Value::Null).await.status, 403);

    // A burst of reads goes on while the person is signed out.
    let token = issuer.token("chen", &["nurses"]);
    let body = json!({"issuer": issuer.url(), "subject": "chen", "reason": "left the hospital"});
    assert_eq!(app.send_as(ADMIN_B, "DELETE", SESSIONS, &body).await.status, 403);
    assert_eq!(app.send_as(READ_A1, "DELETE", SESSIONS, &body).await.status, 403);
    let ended = app.send("DELETE", SESSIONS, &body).await;
    let at = Instant::now();
    assert_eq!((ended.status, &ended.json()["ended"]), (200, &json!(1)), "{ended:?}");
    let mut late = Duration::ZERO;
    for app in [&app, &other] {
        for path in ["/v1/whoami", "/v1/alerts"] {
            until("the session is refused", async || {
                (app.send_as(&secret, "GET", path, &Value::Null).await.status == 401).then_some(())
            })
            .await;
            late = late.max(at.elapsed());
        }
    }
    assert!(late < Duration::from_secs(4), "{late:?}");
    let refused = whoami(&app, &secret).await;
    assert_eq!(refused.json()["detail"], "the session has ended, sign in again");
    assert_eq!(whoami(&app, &bystander).await.status, 200);
    // The token that was issued before begins nothing any more; a later one does.
    let again = brought(&app, &issuer, &token).await;
    assert_eq!(again.status, 401, "{again:?}");
    let mut later = issuer.claims("chen", &["nurses"]);
    later["iat"] = json!(now() + 2);
    assert_eq!(brought(&app, &issuer, &EC.sign(&later)).await.status, 201);

    // Everybody ends the own session; an administrator of another study ends none.
    let own = signed_in(&app, &issuer, "li", &["nurses"]).await;
    let path = format!("{SESSIONS}/{}", text(&own["sessionId"]));
    assert_eq!(app.send_as(ADMIN_B, "DELETE", &path, &Value::Null).await.status, 404);
    let ended = app.send_as(text(&own["secret"]), "DELETE", "/v1/sessions/current", &Value::Null).await;
    assert_eq!((ended.status, &ended.json()["sessionId"]), (200, &own["sessionId"]), "{ended:?}");
    assert_eq!(app.send("DELETE", &path, &Value::Null).await.status, 404);
    assert_eq!(app.send("DELETE", "/v1/sessions/current", &Value::Null).await.status, 404);
    let chain = app.send("GET", &format!("/v1/audit/session/{}", text(&own["sessionId"])), &Value::Null).await.json();
    assert_eq!(chain["records"][0]["action"], "withdrawn", "{chain}");
    assert_eq!(
        chain["names"].as_object().map(|names| names.values().cloned().collect::<Vec<_>>()),
        Some(vec![json!("Name of li")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_taken_away_ends_its_sessions() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let (nurse, named) =
        (signed_in(&app, &issuer, "chen", &["nurses"]).await, signed_in(&app, &issuer, "n-1", &[]).await);
    let current = app.send("GET", "/v1/config/access", &Value::Null).await;
    let mut document = current.json();
    document["grants"].as_array_mut().unwrap().remove(0);
    let authorization = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("if-match", current.header("etag").unwrap()),
    ];
    let put = app.client().await.send("PUT", "/v1/config/access", &headers, document.to_string()).await.unwrap();
    assert_eq!(put.status, 200, "{put:?}");
    until("the session is refused", async || (whoami(&app, text(&nurse["secret"])).await.status == 401).then_some(()))
        .await;
    assert_eq!(whoami(&app, text(&named["secret"])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_change_its_keys_and_be_away() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let claims = issuer.claims("chen", &["nurses"]);
    // However many come at once, the provider is asked once.
    let token = EC.sign(&claims);
    let burst = (0..20).map(|_| brought(&app, &issuer, &token));
    for answer in futures::future::join_all(burst).await {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!((issuer.asked("/.well-known/openid-configuration"), issuer.asked("/keys")), (1, 1));
    // A new key is found at once, and strangers' keys make Vigil ask at most once a minute.
    issuer.publish(&[RSA, EC, EC_OTHER]);
    assert_eq!(brought(&app, &issuer, &EC_OTHER.sign(&claims)).await.status, 201);
    for _ in 0..20 {
        assert_eq!(brought(&app, &issuer, &EC.named("stranger").sign(&claims)).await.status, 401);
    }
    // Once for the first minute, and once more if a minute began meanwhile.
    assert!((2..=3).contains(&issuer.asked("/keys")), "{}", issuer.asked("/keys"));
    // While the provider is away, people go on with what is known, and sign in with it.
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    issuer.away(true);
    assert_eq!(whoami(&app, text(&session["secret"])).await.status, 200);
    assert_eq!(brought(&app, &issuer, &token).await.status, 201);
    let code = json!({"issuer": issuer.url(), "code": "c", "codeVerifier": "v", "redirectUri": "http://127.0.0.1/"});
    assert_eq!(begin(&app, &code).await.status, 503);
    // One that was never there is told to be away, and nobody waits long for it.
    let gone = Issuer::start().await;
    gone.away(true);
    let other = with(&gone, App::builder()).await;
    assert_eq!(brought(&other, &gone, &gone.token("chen", &["nurses"])).await.status, 503);
    let listed = other.client().await.send("GET", "/v1/identity-providers", &[], "").await.unwrap().json();
    assert_eq!(
        (&listed["providers"][0]["available"], listed["providers"][0].get("authorizationEndpoint")),
        (&json!(false), None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_at_its_time_and_with_redis() {
    let issuer = Issuer::start().await;
    let mut app = with(&issuer, App::builder().outliving_redis().variable("session_seconds", "60")).await;
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    let secret = text(&session["secret"]).to_owned();
    assert_eq!(whoami(&app, &secret).await.status, 200);
    let keys: Vec<String> = app.redis(&["KEYS", "{vigil}:session:*"]).await;
    let left: i64 = app.redis(&["PTTL", &keys[0]]).await;
    assert!((50_000..=60_000).contains(&left), "{left}");
    // As if a minute had passed.
    let _: i64 = app.redis(&["PEXPIRE", &keys[0], "1"]).await;
    until("the session has ended", async || (whoami(&app, &secret).await.status == 401).then_some(())).await;
    app.redis.as_mut().unwrap().kill().unwrap();
    // An instance believes its look-ups of the last second.
    until("nobody is believed", async || (whoami(&app, &secret).await.status == 503).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_for_long_stops_new_sessions_alone_and_is_back_at_once() {
    let issuer = Issuer::start().await;
    let app = with(&issuer, App::builder()).await;
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    let secret = text(&session["secret"]);
    let kept =
        [format!("{{vigil}}:cache:oidc:{}", issuer.url()), format!("{{vigil}}:cache:oidc-keys:{}", issuer.url())];
    let token = EC.sign(&issuer.claims("chen", &["nurses"]));
    issuer.away(true);
    let asked = issuer.asked("/.well-known/openid-configuration");
    // An hour: what was published is not fresh any more. Vigil asks again, gets nothing, and goes on with what it knows.
    for entry in &kept {
        let _: i64 = app.redis(&["HSET", entry, "until", "1"]).await;
        let _: i64 = app.redis(&["PEXPIRE", entry, "8000"]).await;
    }
    for _ in 0..5 {
        assert_eq!(brought(&app, &issuer, &token).await.status, 201);
        assert_eq!(whoami(&app, secret).await.status, 200);
    }
    until("the provider was asked", async || (issuer.asked("/.well-known/openid-configuration") > asked).then_some(()))
        .await;
    assert!(issuer.asked("/.well-known/openid-configuration") <= asked + 2, "nobody asks it all the time");
    // A day: nothing is believed any more. Whoever signs in is told so at once; who is signed in goes on.
    until("what was published is not believed any more", async || {
        (app.redis::<i64>(&["EXISTS", &kept[0], &kept[1]]).await == 0).then_some(())
    })
    .await;
    for _ in 0..3 {
        let began = Instant::now();
        let refused = brought(&app, &issuer, &token).await;
        assert_eq!((refused.status, whoami(&app, secret).await.status), (503, 200), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    issuer.away(false);
    let began = Instant::now();
    until("the provider is back", async || {
        let answer = brought(&app, &issuer, &token).await;
        assert!(matches!(answer.status, 201 | 503), "{answer:?}");
        (answer.status == 201).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
