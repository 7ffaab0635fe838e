//! Addresses that nobody can call are refused when a client gives them, reported if they are configured, and retried if
//! the host is to blame.

use serde_json::{Map, Value, json};

use crate::app::{App, CLINICIAN_A1, SECRET, SUBMIT_A, phq9, until};
use crate::receiver::Receiver;
use crate::scarce::Scarce;

const ROUTES: &str = "/v1/config/alert-routes";
/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];

const NOT_CALLABLE: [&str; 26] = [
    "https://hook.example/alert?to=<oncall>",
    "https://hook.example/a^b",
    "https://host..example/",
    "https://host.example./",
    "https://256.256.256.256/",
    "https://1.2.3/",
    "https://host.0x1/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://hook.example:0/",
    "https://hook.example:65536/",
    "https://hook.example:/",
    "https://user:word@hook.example/",
    "https://hook.example/#part",
    "https://hook.example/a b",
    "https://hook.example/\u{9}",
    "https://hook.example/\u{e9}",
    "https://h\u{f6}st.example/",
    "https://-host.example/",
    "https://hook.example/%zz",
    "https://hook.example/?q=%",
    "https://hook.example\\a",
    "https:///path",
    "HTTPS://hook.example/",
    "ftp://hook.example/",
    "",
];

#[tokio::test(flavor = "multi_thread")]
async fn routes_with_what_cannot_be_called_are_refused_with_every_place_and_nothing_is_stored() {
    let app = App::start().await;
    let long = format!("https://{}.example/", "x".repeat(64));
    let endless = format!("https://hook.example/{}", "x".repeat(3000));
    let mut receivers = Map::new();
    for (number, url) in NOT_CALLABLE.into_iter().chain([long.as_str(), &endless]).enumerate() {
        for channel in ["webhook", "sms", "email", "fhir-communication"] {
            let mut receiver = json!({"channel": channel, "url": url});
            if channel == "webhook" {
                receiver["secrets"] = json!([SECRET]);
            }
            receivers.insert(format!("{channel}-{number}"), receiver);
        }
    }
    let mut expected: Vec<(String, String)> =
        receivers.keys().map(|id| (format!("/receivers/{id}/url"), "format".to_owned())).collect();
    let answer = app.send("PUT", ROUTES, &json!({"receivers": receivers})).await;
    let mut findings = answer.findings();
    findings.sort();
    expected.sort();
    assert_eq!((answer.status, findings), (422, expected));
    assert_eq!(app.send("GET", ROUTES, &Value::Null).await.status, 404, "nothing was stored");

    let unsendable = json!({"receivers": {
        "a": {"channel": "sms", "url": "https://h.example/", "authorization": "Bearer \u{e9}"},
        "b": {"channel": "sms", "url": "https://h.example/", "authorization": "Bearer a\r\nx: y"},
        "c": {"channel": "webhook", "url": "https://h.example/", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB=="]},
        "d": {"channel": "sms", "url": "https://h.example/"},
    }, "defaults": {"retry": {"critical": {"thenForSeconds": 1}}}, "link": {"baseUrl": "https://h..example"}});
    let mut findings = app.send("PUT", ROUTES, &unsendable).await.findings();
    findings.sort();
    let places: Vec<&str> = findings.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = [
        "/defaults/retry/critical/thenForSeconds",
        "/link/baseUrl",
        "/receivers/a/authorization",
        "/receivers/b/authorization",
        "/receivers/c/secrets/0",
    ];
    assert_eq!(places, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_by_number_is_where_the_operator_names_its_network() {
    let receiver = Receiver::start().await;
    let mut app = App::builder().variable("receiver_networks", "127.0.0.0/8,10.1.0.0/16").start().await;
    let hook = |url: &str| json!({"channel": "webhook", "url": url, "secrets": [SECRET]});
    let inside =
        ["https://169.254.169.254/latest", "https://10.2.0.1/", "http://[::1]:6379/", "https://192.168.0.1/a^b"];
    let mut receivers: Map<String, Value> =
        inside.iter().enumerate().map(|(number, url)| (format!("r{number}"), hook(url))).collect();
    receivers.insert("named".to_owned(), hook("https://hook.example/"));
    receivers.insert("own".to_owned(), hook("https://[::ffff:10.1.2.3]/"));
    let refused = app.send("PUT", ROUTES, &json!({"receivers": receivers})).await;
    let finding = |number: usize, code: &str| (format!("/receivers/r{number}/url"), code.to_owned());
    let mut findings = refused.findings();
    findings.sort();
    // An address that cannot be called at all is a fault of its form.
    let expected = [finding(0, "forbidden"), finding(1, "forbidden"), finding(2, "forbidden"), finding(3, "format")];
    assert_eq!((refused.status, findings), (422, expected.to_vec()));
    assert!(refused.json()["errors"].to_string().contains("receiver_networks"), "{refused:?}");

    let routes = json!({"receivers": {"a": hook(&receiver.url())}, "defaults": {"routes": {"critical": ["a"]}}});
    assert_eq!(app.send("PUT", ROUTES, &routes).await.status, 201);
    app.submit(&phq9("first", CRITICAL)).await;
    receiver.heard(1).await;
    // Whoever takes the network away again is obeyed by what is stored already.
    app.stop().await;
    app.set("receiver_networks", "");
    app.start_again().await;
    let location = app.submit(&phq9("second", CRITICAL)).await;
    let shown = app.shown(&location, |shown| shown["alerts"][0]["deliveries"][0]["reason"] == "not-callable").await;
    assert_eq!(receiver.calls().len(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_of_or_for_what_cannot_be_called_is_refused_at_its_place() {
    let service = Scarce::start(std::time::Duration::ZERO).await;
    let webhooks = json!([{"url": "https://told.example/", "secret": SECRET}]);
    let app = App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("image_sources", r#"["https://pacs.example/"]"#)
        .variable("imaging_webhooks", webhooks.to_string())
        .start()
        .await;
    let asked = |image: &str, webhook: &str| {
        json!({
            "studyId": "A", "siteId": "1", "patientId": "patient", "service": "chest",
            "image": {"url": image}, "webhook": {"url": webhook},
        })
    };
    for end in ["a^b", "<a>", "%zz", "a b", "#a", "\u{e9}", "a\\b"] {
        let body = asked(&format!("https://pacs.example/{end}"), &format!("https://told.example/{end}"));
        let answer = app.send_as(SUBMIT_A, "POST", "/v1/imaging/analyses", &body).await;
        let mut findings = answer.findings();
        findings.sort();
        let format = |pointer: &str| (pointer.to_owned(), "format".to_owned());
        assert_eq!((answer.status, findings), (422, vec![format("/image/url"), format("/webhook/url")]), "{end}");
    }
    let answer = app
        .send_as(SUBMIT_A, "POST", "/v1/imaging/analyses", &asked("https://pacs.example/1", "https://told.example/1"))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_with_an_address_that_cannot_be_called_is_told_of_by_its_place() {
    let parts = json!([
        {"name": "vigil"}, {"name": "a", "url": "https://h..example/{patientId}"},
        {"name": "b", "url": "https://{patientId}.example/"}, {"name": "c", "url": "https://h.example/", "authorization": "a\nb"},
    ]);
    // Readiness needs the same variables, so this test does not wait for it.
    let app = App::builder()
        .variable("record_parts", parts.to_string())
        .variable("study_service", "[]")
        .only(&["console", "alerts"]);
    let mut app = app.start().await;
    app.stop().await;
    app.run_all();
    app.start_unready().await;
    let answer = until("it answers", async || {
        let mut client = crate::client::Client::connect(app.address).await.ok()?;
        let authorization = format!("Bearer {CLINICIAN_A1}");
        client.send("GET", "/v1/patients/P/record", &[("authorization", &authorization)], "").await.ok()
    })
    .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let log = std::fs::read_to_string(app.dir.join("logs/records_stderr.txt")).unwrap();
    for place in ["/1/url", "/2/url", "/3/authorization"] {
        assert!(log.contains(place), "{place}: {log}");
    }
    assert!(!log.contains("h..example"), "no value is repeated: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_host_does_not_grant_is_tried_again() {
    let service = Scarce::start(std::time::Duration::ZERO).await;
    let app = App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("ai_grant", "https://ai.invalid")
        .variable("imaging_retry_schedule", "[0.1,0.1]")
        .start()
        .await;
    let body = json!({
        "studyId": "A", "siteId": "1", "patientId": "patient", "service": "chest",
        "image": {"data": "aW1hZ2U=", "mediaType": "image/png"},
    });
    let answer = app.send_as(SUBMIT_A, "POST", "/v1/imaging/analyses", &body).await;
    let location = answer.header("location").unwrap().to_owned();
    let shown = until("the analysis has failed", async || {
        let shown = app.send("GET", &location, &Value::Null).await.json();
        (shown["state"] == "failed").then_some(shown)
    })
    .await;
    assert_eq!(shown["reason"], "attempts-exhausted", "{shown}");
    let attempts = shown["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3, "{shown}");
    assert!(attempts.iter().all(|it| it["outcome"] == "refused" && it["reason"] == "not-callable"), "{shown}");
}

/// The store has routes as an older version may have stored them. The alert waits; the next receiver is called.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_for_a_receiver_that_was_stored_and_cannot_be_called_waits_visibly() {
    let receiver = Receiver::start().await;
    let mut app = App::start().await;
    let hook = |url: &str| json!({"channel": "webhook", "url": url, "secrets": [SECRET]});
    let document = json!({
        "receivers": {"old": hook("https://hook.example/a_b"), "lead": hook(&receiver.url())},
        "defaults": {
            "routes": {"critical": ["old"]},
            "chain": {"steps": [{"afterSeconds": 600, "receivers": ["lead"]}]},
        },
    });
    assert_eq!(app.send("PUT", ROUTES, &document).await.status, 201);
    app.stop().await;
    let store = rusqlite::Connection::open(app.dir.join("sqlite_key_value.db")).unwrap();
    let like = "UPDATE spin_key_value SET value = CAST(replace(CAST(value AS TEXT), 'a_b', 'a^b') AS BLOB) WHERE key LIKE 'config/%'";
    assert!(store.execute(like, []).unwrap() > 0);
    drop(store);
    app.start_again().await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    receiver.heard(1).await;
    let shown = app
        .shown(&location, |shown| shown["alerts"][0]["deliveries"].as_array().is_some_and(|all| all.len() == 2))
        .await;
    let deliveries = shown["alerts"][0]["deliveries"].as_array().unwrap();
    let old = deliveries.iter().find(|it| it["receiver"] == "old").unwrap();
    assert!(old["state"] != "dead" && old["nextAt"].is_string(), "{shown}");
}
