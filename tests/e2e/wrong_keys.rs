//! Wrong keys, sessions and sign-ins: whoever tries many is refused before another is looked up, and nobody else is.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, SUBMIT_A, phq9, until};
use crate::client::Answer;
use crate::issuer::Issuer;

const WHOAMI: &str = "/v1/whoami";

/// Asks who it is, from an address behind a proxy if one is given.
async fn asked(app: &App, key: &str, from: Option<&str>) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(from.map(|from| ("x-forwarded-for", from)));
    app.client().await.send("GET", WHOAMI, &headers, "").await.unwrap()
}

async fn status(app: &App, key: &str, from: Option<&str>) -> u16 {
    asked(app, key, from).await.status
}

/// The statuses of so many different guesses with the same beginning.
async fn guesses(app: &App, beginning: &str, count: usize, from: Option<&str>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for number in 0..count {
        statuses.push(status(app, &format!("{beginning}{number:040}"), from).await);
    }
    statuses
}

/// Waits until a right key is refused without a look, by an instance that saw a wrong one from the same sender.
async fn not_looked_up(app: &App, guess: &str, right: &str, headers: &[(&str, &str)]) {
    let send = async |key: &str| {
        let authorization = format!("Bearer {key}");
        let headers: Vec<_> = headers.iter().copied().chain([("authorization", authorization.as_str())]).collect();
        app.client().await.send("GET", WHOAMI, &headers, "").await.unwrap()
    };
    until("the right key is not looked up", async || {
        limited(&send(guess).await);
        (send(right).await.status == 429).then_some(())
    })
    .await;
}

fn is_log(name: &str) -> bool {
    name.contains("/logs/") || name.ends_with(".log")
}

fn limited(answer: &Answer) -> u32 {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.json()["type"], "urn:vigil:problem:too-many-requests");
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_refused_before_they_are_looked_up_and_others_go_on() {
    let app = App::builder().variable("wrong_keys_per_minute", "5").start().await;
    let wish = json!({"label": "EDC", "role": "submit", "study": "A", "site": "1"});
    let secrets: Vec<String> = {
        let mut secrets = Vec::new();
        for _ in 0..2 {
            let new = app.send("POST", "/v1/keys", &wish).await.json();
            secrets.push(new["secret"].as_str().unwrap().to_owned());
        }
        secrets
    };
    let beginning = &secrets[0][..10];
    // The length of a created key, so that each is looked up; a key that comes again is no further guess.
    let guess = |number: usize| format!("{beginning}{number:039}");
    for _ in 0..12 {
        assert_eq!(status(&app, &guess(0), None).await, 401);
    }
    for number in 1..5 {
        assert_eq!(status(&app, &guess(number), None).await, 401, "{number}");
    }
    for number in 5..12 {
        let answer = asked(&app, &guess(number), None).await;
        assert!((1..=60).contains(&limited(&answer)), "{answer:?}");
    }
    // Nothing tells whether a key is right: not even the right one is looked up now, from where guesses came.
    not_looked_up(&app, &guess(12), &secrets[0], &[]).await;
    for other in [&secrets[1], ADMIN, SUBMIT_A] {
        assert_eq!(status(&app, other, None).await, 200);
    }
    assert_eq!(app.send_as(SUBMIT_A, "POST", PHQ9, &phq9("r1", [0; 9])).await.status, 202);
    // Other components know it as well.
    let answer = app.send_as(&guess(20), "POST", PHQ9, &phq9("r2", [0; 9])).await;
    limited(&answer);
    let answer = app.send_as(&guess(21), "GET", "/v1/alerts", &Value::Null).await;
    limited(&answer);
    // Sessions are told apart by their own first characters.
    let session = |number: usize| format!("vigil_s_abcd{number:039}");
    for number in 0..8 {
        let expected = if number < 5 { 401 } else { 429 };
        assert_eq!(status(&app, &session(number), None).await, expected, "{number}");
    }

    // Neither logs nor Redis nor the store have a guess, and the refusal is logged.
    let logged = until("the refusal is logged", async || {
        // One line a second is written about all refusals.
        limited(&asked(&app, &guess(30), None).await);
        let files = app.files();
        let text = |(_, bytes): &(String, Vec<u8>)| String::from_utf8_lossy(bytes).into_owned();
        let lines: String = files.iter().filter(|(name, _)| is_log(name)).map(text).collect();
        (lines.contains("key-refused") && lines.contains("too-many-requests")).then_some(files)
    })
    .await;
    for (name, bytes) in logged {
        for secret in [beginning.as_bytes(), guess(7).as_bytes(), session(7).as_bytes()] {
            // The store has the first characters of a created key, for its list.
            let may = secret == beginning.as_bytes() && !is_log(&name);
            assert!(may || !bytes.windows(secret.len()).any(|part| part == secret), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_behind_a_trusted_proxy_are_apart_and_nobody_locks_out_another() {
    let builder = App::builder().variable("wrong_keys_per_minute", "4");
    let app = builder.variable("trusted_proxies", r#"["127.0.0.0/8", "::1", "10.0.0.0/8"]"#).start().await;
    let (attacker, hospital) = (Some("203.0.113.9"), Some("198.51.100.7, 10.1.2.3"));
    // Each guess begins otherwise, so only the sender tells.
    for number in 0..8 {
        let expected = if number < 4 { 401 } else { 429 };
        assert_eq!(status(&app, &format!("{number:010}-guess"), attacker).await, expected, "{number}");
    }
    not_looked_up(&app, "another-guess", ADMIN, &[("x-forwarded-for", "203.0.113.9")]).await;
    assert_eq!(status(&app, ADMIN, hospital).await, 200);
    assert_eq!(status(&app, "wrong-of-the-hospital", hospital).await, 401);
    // The sender's own claim stands before the proxy's entry.
    let claims = [("x-forwarded-for", "198.51.100.8, 203.0.113.9")];
    not_looked_up(&app, "another-guess", ADMIN, &claims).await;
    assert_eq!(status(&app, ADMIN, Some("203.0.113.9, 198.51.100.7")).await, 200);
    // Guesses at somebody's key from many addresses end, and the holder at another one goes on.
    for number in 0..8 {
        let (guess, from) = (format!("{}{number}", &SUBMIT_A[..10]), format!("192.0.2.{number}"));
        let expected = if number < 4 { 401 } else { 429 };
        assert_eq!(status(&app, &guess, Some(&from)).await, expected, "{number}");
    }
    assert_eq!(status(&app, SUBMIT_A, hospital).await, 200);
    assert_eq!(status(&app, SUBMIT_A, Some("198.51.100.9")).await, 200);
    // The other header counts where the first is not there.
    not_looked_up(&app, "another-guess", ADMIN, &[("forwarded", "for=203.0.113.9")]).await;
    let authorization = format!("Bearer {ADMIN}");
    let elsewhere = ("forwarded", "for=\"198.51.100.10:4711\";proto=https");
    let answer = app.client().await.send("GET", WHOAMI, &[("authorization", &*authorization), elsewhere], "").await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_only_behind_a_trusted_proxy() {
    let app = App::builder().variable("wrong_keys_per_minute", "3").only(&["access", "records", "ops"]).start().await;
    // The peer of the tests is probably a proxy that nobody has named: the many behind it are not one sender.
    for number in 0..12 {
        assert_eq!(status(&app, &format!("{number:010}-guess"), Some("203.0.113.9")).await, 401, "{number}");
    }
    // Nor is one who only says that they are the host's peer.
    for number in 0..6 {
        let authorization = format!("Bearer {number:010}-other");
        let headers = [("authorization", authorization.as_str()), ("spin-client-addr", "203.0.113.9:1")];
        let answer = app.client().await.send("GET", WHOAMI, &headers, "").await.unwrap();
        assert_eq!(answer.status, 401, "{number}");
    }
    assert_eq!(status(&app, ADMIN, None).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_nothing_is_counted_and_wrong_networks_close_the_door() {
    let builder = App::builder().variable("wrong_keys_per_minute", "0").only(&["access", "records", "ops"]);
    let app = builder.variable("trusted_proxies", r#"["127.0.0.1"]"#).start().await;
    let statuses = guesses(&app, "guess-at-a-key-", 40, Some("203.0.113.9")).await;
    assert_eq!(statuses, [401; 40]);
    assert_eq!(app.redis::<Vec<String>>(&["KEYS", "{vigil}:wrong:*"]).await, [""; 0]);
    let app = App::builder().variable("trusted_proxies", "the proxy").only(&["access"]).start_unready().await;
    let closed = until("it answers", async || {
        let mut client = crate::client::Client::connect(app.address).await.ok()?;
        client.send("GET", WHOAMI, &[("authorization", "Bearer x")], "").await.ok()
    })
    .await;
    assert_eq!(closed.status, 503, "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_sign_ins_of_one_sender_end() {
    let issuer = Issuer::start().await;
    let builder = App::builder().variable("oidc", issuer.variable()).variable("wrong_keys_per_minute", "3");
    let app = builder.variable("trusted_proxies", r#"["127.0.0.0/8", "::1"]"#).start().await;
    crate::sessions::grant(&app, &issuer).await;
    let begin = async |token: &str, from: &str| {
        let body = json!({"issuer": issuer.url(), "token": token}).to_string();
        let headers = [("content-type", "application/json"), ("x-forwarded-for", from)];
        app.client().await.send("POST", "/v1/sessions", &headers, body).await.unwrap()
    };
    let sound = issuer.token("chen", &["nurses"]);
    for _ in 0..6 {
        assert_eq!(begin("the.same.token", "203.0.113.9").await.status, 401, "it comes again");
    }
    for number in 1..3 {
        assert_eq!(begin(&format!("another.token.{number}"), "203.0.113.9").await.status, 401);
    }
    limited(&begin("a.fourth.token", "203.0.113.9").await);
    until("a sound token is not looked at either", async || {
        limited(&begin("a.fifth.token", "203.0.113.9").await);
        (begin(&sound, "203.0.113.9").await.status == 429).then_some(())
    })
    .await;
    let elsewhere = begin(&sound, "198.51.100.7").await;
    assert_eq!(elsewhere.status, 201, "{elsewhere:?}");
    // Keys of the same sender count apart.
    assert_eq!(status(&app, ADMIN, Some("203.0.113.9")).await, 200);
}
