//! The web page of an acknowledgement link: for people, in their language, with one button, and safe from scanners.

use domain::Timestamp;
use domain::alert::link::Grant;
use serde_json::{Value, json};

use crate::app::{App, CLINICIAN_A1, SECRET, on_spin, phq9};
use crate::client::Answer;
use crate::openapi::{LINK_KEY, link_key};
use crate::receiver::Receiver;

/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
/// The header `Accept` of a browser.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

/// An application with a webhook and an SMS gateway as receivers, in this language.
async fn started(receiver: &Receiver, language: &str) -> App {
    let app = App::builder().variable("link_key", LINK_KEY).start().await;
    let document = json!({
        "receivers": {
            "desk": {"channel": "webhook", "url": receiver.url(), "secrets": [SECRET], "utcOffset": "+08:00"},
            "phone": {"channel": "sms", "url": receiver.url(), "to": "+861"},
        },
        "defaults": {"routes": {"critical": ["desk", "phone"]}, "groupSeconds": 0, "repeatSeconds": 0, "language": language},
        "link": {"baseUrl": "https://vigil.example.org", "validSeconds": 3600},
    });
    let answer = app.send("PUT", "/v1/config/alert-routes", &document).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    app
}

/// Submits a response that raises one alert. Returns the alert, and the path of the link in the message to this
/// receiver.
async fn alerted(app: &App, id: &str, receiver: &str) -> (String, String) {
    let location = app.submit(&phq9(id, CRITICAL)).await;
    let shown = app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let alert = shown["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    (alert.clone(), path(&alert, receiver, 600_000))
}

fn path(alert: &str, receiver: &str, in_ms: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let expires = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap() + in_ms);
    let grant = Grant { alert: alert.into(), opening: 0, receiver: receiver.into(), expires };
    state::alerts::acknowledgement_link::path(&link_key(LINK_KEY).sign(&grant).unwrap())
}

async fn open(app: &App, method: &str, path: &str, headers: &[(&str, &str)]) -> (Answer, String) {
    let answer = app.client().await.send(method, path, headers, "").await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer, text)
}

/// Sends a request as a browser does.
async fn browse(app: &App, method: &str, path: &str) -> (Answer, String) {
    let form = [
        ("accept", BROWSER),
        ("accept-language", "fr,zh-CN;q=0.9"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let headers = if method == "POST" { &form[..] } else { &form[..2] };
    let (answer, text) = open(app, method, path, headers).await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "style-src 'sha256-", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer, text)
}

async fn state(app: &App, alert: &str) -> Value {
    app.send_as(CLINICIAN_A1, "GET", &format!("/v1/alerts/{alert}"), &Value::Null).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_a_page_and_acknowledges_with_one_button() {
    let receiver = Receiver::start().await;
    for (language, words) in [
        ("zh", ["lang=\"zh\"", "警报：危急", "确认</button>", "通过发送给 desk 的链接"]),
        ("en", ["lang=\"en\"", "Alert: critical", "Acknowledge</button>", "By the link that was sent to desk"]),
    ] {
        let app = started(&receiver, language).await;
        let (alert, link) = alerted(&app, "r", "desk").await;
        let shown = state(&app, &alert).await;
        let (answer, html) = browse(&app, "GET", &link).await;
        assert_eq!((answer.status, answer.header("content-language")), (200, Some(language)));
        assert!(words[..3].iter().all(|word| html.contains(word)), "{html}");
        assert_eq!((html.matches("<form method=\"post\">").count(), html.matches("<button").count()), (1, 1), "{html}");
        // The page shows the content of the message, and nobody's identity.
        let subject = shown["subject"].as_str().unwrap();
        for told in ["item q9 is 1", "UTC+08:00", subject, &format!("href=\"/alerts/{alert}\"")] {
            assert!(html.contains(told), "{told} in {html}");
        }
        for secret in ["patient", "<script", "http:", " style="] {
            assert!(!html.contains(secret), "{secret} in {html}");
        }
        // The same page in the other language; what is no language is refused.
        let other = if language == "en" { ("zh", "警报：危急") } else { ("en", "Alert: critical") };
        assert!(html.contains(&format!("href=\"?lang={}\"", other.0)), "{html}");
        let (answer, translated) = browse(&app, "GET", &format!("{link}?lang={}", other.0)).await;
        assert_eq!((answer.status, answer.header("content-language")), (200, Some(other.0)));
        assert!(translated.contains(other.1) && translated.contains("item q9 is 1"), "{translated}");
        assert_eq!(browse(&app, "GET", &format!("{link}?lang=fr")).await.0.status, 422);
        // A scanner looks and acknowledges nothing.
        for method in ["GET", "HEAD", "GET", "HEAD"] {
            let (answer, text) = browse(&app, method, &link).await;
            assert_eq!((answer.status, text.is_empty()), (200, method == "HEAD"));
            assert_eq!(answer.header("content-length"), Some(&*html.len().to_string()));
        }
        assert_eq!(state(&app, &alert).await["state"], "delivered");

        let (answer, html) = browse(&app, "POST", &format!("{link}?lang={language}")).await;
        assert!(answer.status == 200 && html.contains(words[3]) && !html.contains("<button"), "{html}");
        let now = state(&app, &alert).await;
        let acknowledged = |entry: &&Value| entry["what"] == "acknowledged";
        let entry = now["history"].as_array().unwrap().iter().find(acknowledged).unwrap();
        assert_eq!((&now["state"], &entry["by"]), (&json!("acknowledged"), &json!("link:desk")), "{now}");
        let (answer, html) = browse(&app, "GET", &link).await;
        assert!(answer.status == 200 && html.contains(words[3]) && !html.contains("<button"), "{html}");
        let (answer, html) = browse(&app, "POST", &link).await;
        assert!(answer.status == 409 && html.contains(words[3]), "{html}");
        assert_eq!(state(&app, &alert).await["history"].as_array().unwrap().iter().filter(acknowledged).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_no_more_than_the_message_and_everybody_else_gets_json() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, "en").await;
    let (alert, link) = alerted(&app, "r", "phone").await;
    let (_, html) = browse(&app, "GET", &link).await;
    assert!(html.contains("phq-9, item-9") && !html.contains("q9 is"), "a text message tells no figures: {html}");
    let shown = state(&app, &alert).await;
    assert!(!html.contains(shown["subject"].as_str().unwrap()), "and not who it is about: {html}");
    let (_, html) = browse(&app, "GET", &path(&alert, "somebody-else", 60_000)).await;
    assert!(!html.contains("phq-9") && html.contains("<button"), "{html}");

    for accept in [None, Some("*/*"), Some("application/json"), Some("text/html;q=0.1, application/json")] {
        let headers: Vec<(&str, &str)> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        for (method, path, status) in
            [("GET", link.as_str(), 200), ("GET", "/v1/acknowledge/x", 404), ("PUT", &link, 405)]
        {
            let (answer, _) = open(&app, method, path, &headers).await;
            let kind = answer.header("content-type").unwrap();
            assert!(answer.status == status && kind.ends_with("json"), "{accept:?}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_does_nothing_any_more_says_so_and_who_was_there() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, "en").await;
    let (alert, link) = alerted(&app, "r", "desk").await;
    for (path, status, words) in [
        (path(&alert, "desk", -1), 409, "此链接已过期"),
        (format!("{link}0"), 404, "此链接无效"),
        ("/v1/acknowledge/x".to_owned(), 404, "此链接无效"),
        (format!("{link}?a=b"), 422, "此链接无效"),
    ] {
        for method in ["GET", "POST"] {
            let (answer, html) = browse(&app, method, &path).await;
            assert_eq!((answer.status, answer.header("content-language")), (status, Some("zh")), "{path}");
            assert!(html.contains(words) && !html.contains("<button") && !html.contains("DEMO"), "{html}");
        }
    }
    let (answer, _) = browse(&app, "PUT", &link).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST")));

    // Resolved by a clinician: the page says who, in the language of the message.
    for what in ["acknowledge", "resolve"] {
        let answer = app.send_as(CLINICIAN_A1, "POST", &format!("/v1/alerts/{alert}/{what}"), &Value::Null).await;
        assert_eq!(answer.status, 200);
        let (status, word) = if what == "acknowledge" { (200, "Acknowledged</b>") } else { (409, "<b>Resolved.") };
        let (get, html) = browse(&app, "GET", &link).await;
        assert!(get.status == 200 && html.contains(word) && html.contains("By clinician-a1,"), "{html}");
        let (post, html) = browse(&app, "POST", &link).await;
        assert!(post.status == status && html.contains(word) && html.contains("By clinician-a1,"), "{html}");
    }
    // The alert is reopened: the link belongs to the opening before.
    let reopened = app.send_as(CLINICIAN_A1, "POST", &format!("/v1/alerts/{alert}/reopen"), &Value::Null).await;
    assert_eq!(reopened.status, 200);
    for method in ["GET", "POST"] {
        let (answer, html) = browse(&app, method, &link).await;
        assert!(answer.status == 409 && html.contains("此链接已失效") && !html.contains("<button"), "{html}");
    }
    assert_ne!(state(&app, &alert).await["state"], "acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_page_says_that_nothing_was_changed() {
    // A real Spin ends with its Redis.
    if on_spin() {
        return;
    }
    let receiver = Receiver::start().await;
    let mut app = started(&receiver, "en").await;
    let (alert, _) = alerted(&app, "r", "desk").await;
    app.redis.as_mut().unwrap().kill().unwrap();
    for method in ["GET", "POST"] {
        let (answer, html) = browse(&app, method, &path(&alert, "desk", 60_000)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{answer:?}");
        assert!(html.contains("目前无法完成") && html.contains("href=\"?\"") && !html.contains("<button"), "{html}");
    }
    app.redis.as_mut().unwrap().restart().unwrap();
    app.recover().await;
    assert_eq!(state(&app, &alert).await["state"], "delivered");
    let (answer, _) = browse(&app, "POST", &path(&alert, "desk", 60_000)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_another_key_are_none_and_say_so() {
    let receiver = Receiver::start().await;
    let mut app = started(&receiver, "en").await;
    let (alert, link) = alerted(&app, "r", "desk").await;
    assert_eq!(browse(&app, "GET", &link).await.0.status, 200);
    app.stop().await;
    app.set("link_key", "YW5vdGhlciBrZXkgb2YgbGlua3MgZm9yIHRlc3RzISE=");
    app.start_again().await;
    for method in ["GET", "POST"] {
        let (answer, html) = browse(&app, method, &link).await;
        assert!(answer.status == 404 && html.contains("此链接无效") && !html.contains("<button"), "{html}");
    }
    let (answer, _) = open(&app, "POST", &link, &[]).await;
    assert_eq!(answer.status, 404);
    // Nobody acknowledged, and a key still can.
    assert_eq!(state(&app, &alert).await["state"], "delivered");
    let acted = app.send_as(CLINICIAN_A1, "POST", &format!("/v1/alerts/{alert}/acknowledge"), &Value::Null).await;
    assert_eq!(acted.status, 200, "{acted:?}");
}
