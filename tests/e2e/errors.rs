//! Refusals at the door: each is a problem document with every finding, and echoes no value.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, SUBMIT_A, phq9};
use crate::client::Answer;

/// Posts raw bytes with the administrator's key.
async fn post(app: &App, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    app.client().await.send("POST", path, &headers, body.to_owned()).await.unwrap()
}

/// Checks that the answer is a problem document of this status and type, with a content length.
fn check(answer: &Answer, status: u16, slug: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:vigil:problem:{slug}"));
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_malformed() {
    let app = App::start().await;
    for body in ["", "{", "{\"a\":}", "[1,2", "nul", "{\"studyId\":\"A\"}}", &"[".repeat(10_000)] {
        check(&post(&app, PHQ9, body).await, 400, "malformed");
    }
    let latin1 = b"{\"studyId\":\"\xe4\"}".as_slice();
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = app.client().await.send("POST", PHQ9, &headers, latin1).await.unwrap();
    check(&answer, 400, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_told_at_once_and_no_value_is_repeated() {
    let app = App::start().await;
    let body = json!({
        "studyId": 7, "siteId": "secret site", "patientId": "", "authoredAt": "yesterday at noon", "mood": "secret mood",
        "answers": {"q1": 4, "q2": "secret answer", "q3": -1, "q4": 1.5, "q77": 1, "q5": true, "q6": null},
    });
    let answer = post(&app, PHQ9, &body.to_string()).await;
    check(&answer, 422, "invalid");
    let mut found = answer.findings();
    found.sort();
    let expected = [
        ("/answers/q1", "range"),
        ("/answers/q2", "choice"),
        ("/answers/q3", "range"),
        ("/answers/q4", "range"),
        ("/answers/q5", "type"),
        ("/answers/q77", "unknown"),
        ("/authoredAt", "format"),
        ("/mood", "unknown"),
        ("/patientId", "format"),
        ("/siteId", "format"),
        ("/studyId", "type"),
    ];
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, expected.map(|(pointer, _)| pointer), "{answer:?}");
    for (index, (pointer, code)) in expected.into_iter().enumerate() {
        // A value that is no code of a coded item may be reported as a wrong type or as a wrong choice.
        let lenient = pointer.starts_with("/answers/q") && ["choice", "type", "range", "unknown"].contains(&code);
        assert!(found[index].1 == code || lenient, "{pointer}: {}", found[index].1);
    }
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("secret") && !text.contains("yesterday"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_no_object_is_one_finding() {
    let app = App::start().await;
    for body in ["[]", "\"text\"", "null", "17"] {
        let answer = post(&app, "/v1/reports", body).await;
        check(&answer, 422, "invalid");
        assert_eq!(answer.findings(), [(String::new(), "type".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_checked_like_responses() {
    let app = App::start().await;
    let report = json!({"studyId": "A", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
                        "kind": "poem", "data": []});
    let answer = post(&app, "/v1/reports", &report.to_string()).await;
    check(&answer, 422, "invalid");
    let found = answer.findings();
    assert_eq!(found, [("/kind".into(), "choice".into()), ("/data".into(), "type".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_instrument_or_path_is_not_found() {
    let app = App::start().await;
    let response = phq9("r", [0; 9]);
    for path in ["/v1/surveys/no-such/responses", "/v1/surveys//responses", "/v1/nothing", "/v1/submissions/x"] {
        let method = if path.contains("surveys") { "POST" } else { "GET" };
        check(&app.send(method, path, &response).await, 404, "not-found");
    }
    let unknown = "/v1/submissions/6f2c1a52-5a52-4b7e-9f0a-1d2c3b4a5f60";
    check(&app.send("GET", unknown, &Value::Null).await, 404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_needed_and_must_cover_what_is_asked() {
    let app = App::start().await;
    let body = phq9("r", [0; 9]).to_string();
    let json = ("content-type", "application/json");
    for authorization in [None, Some("Bearer wrong"), Some("Basic abc"), Some("Bearer")] {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().chain([json]).collect();
        let answer = app.client().await.send("POST", PHQ9, &headers, body.clone()).await.unwrap();
        check(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let mut foreign = phq9("r", [0; 9]);
    foreign["studyId"] = json!("B");
    check(&app.send_as(SUBMIT_A, "POST", PHQ9, &foreign).await, 403, "forbidden");
    check(&app.send_as(crate::app::READ_A1, "POST", PHQ9, &phq9("r", [0; 9])).await, 403, "forbidden");
    check(&app.send_as(SUBMIT_A, "POST", "/v1/ops/drain", &Value::Null).await, 403, "forbidden");
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_stated_or_not() {
    let app = App::start().await;
    let mut response = phq9("r", [0; 9]);
    response["patientId"] = json!("p".repeat(256 * 1024));
    check(&post(&app, PHQ9, &response.to_string()).await, 413, "too-large");

    // In chunks, so that there is no content length.
    let head = format!(
        "POST {PHQ9} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    let request = format!("{head}{}0\r\n\r\n", chunk.repeat(40)).into_bytes();
    assert_eq!(crate::client::early_status(app.address, request).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_type_or_method_is_refused() {
    let app = App::start().await;
    let authorization = format!("Bearer {ADMIN}");
    let body = phq9("r", [0; 9]).to_string();
    for content_type in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""] {
        let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
        let answer = app.client().await.send("POST", PHQ9, &headers, body.clone()).await.unwrap();
        check(&answer, 415, "unsupported-media-type");
    }
    for (method, path, allow) in [
        ("GET", PHQ9, "POST"),
        ("PUT", "/v1/reports", "POST"),
        ("PUT", "/v1/submissions/x", "GET, HEAD, DELETE"),
        ("GET", "/v1/ops/drain", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ] {
        let answer = app.send(method, path, &Value::Null).await;
        check(&answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_writes_nothing() {
    let app = App::builder().variable("queue_capacity", "2").only(&["submit", "records", "ops"]).start().await;
    app.submit(&phq9("r1", [0; 9])).await;
    let first = app.submit(&phq9("r2", [0; 9])).await;
    let before: Vec<String> = app.redis(&["KEYS", "*"]).await;
    let answer = app.send("POST", PHQ9, &phq9("r3", [0; 9])).await;
    check(&answer, 503, "busy");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    // Others may have expired.
    let after: Vec<String> = app.redis(&["KEYS", "*"]).await;
    assert!(after.iter().all(|key| before.contains(key)), "{before:?} {after:?}");
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 2);
    // A submission that was accepted before is still recognised.
    assert_eq!(app.submit(&phq9("r2", [0; 9])).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_door_says_so_within_its_deadline() {
    let mut app = App::builder().outliving_redis().start().await;
    app.redis.as_mut().unwrap().kill().unwrap();
    let began = std::time::Instant::now();
    let answer = app.send("POST", PHQ9, &phq9("r", [0; 9])).await;
    check(&answer, 503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_a_refusal_and_not_a_guess() {
    let app = App::builder().variable("pseudonym_key", "c2hvcnQ=").only(&["submit"]).start().await;
    check(&app.send("POST", PHQ9, &phq9("r", [0; 9])).await, 503, "unavailable");
}
