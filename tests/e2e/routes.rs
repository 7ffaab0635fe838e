//! The document `alert-routes`: refused with all its faults, or stored whole.

use serde_json::json;

use crate::app::{App, SECRET};

const ROUTES: &str = "/v1/config/alert-routes";

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_would_leave_somebody_untold_are_refused_with_every_fault() {
    let app = App::start().await;
    let receiver = |url: &str| json!({"channel": "webhook", "url": url, "secrets": [SECRET]});
    let faulty = json!({
        "receivers": {"ward": receiver("http://user:hunter2@example.org/hook")},
        "defaults": {"routes": {"critical": ["ward", "nobody"]}},
        "studies": {"A": {"routes": {"critical": []}}},
        "messages": {"zh": {"sms": {"text": "{patientName}"}}},
    });
    let refused = app.send("PUT", ROUTES, &faulty).await;
    let mut pointers: Vec<String> = refused.findings().into_iter().map(|(pointer, _)| pointer).collect();
    pointers.sort();
    let expected =
        ["/defaults/routes/critical/1", "/messages/zh/sms/text", "/receivers/ward/url", "/studies/A/routes/critical"];
    assert_eq!((refused.status, pointers), (422, expected.map(String::from).to_vec()), "{refused:?}");
    assert!(!format!("{refused:?}").contains("hunter2"));

    let sound = json!({
        "receivers": {"ward": receiver("https://example.org/hook")},
        "defaults": {"routes": {"critical": ["ward"]}},
    });
    let stored = app.send("PUT", ROUTES, &sound).await;
    assert_eq!(stored.status, 201, "{stored:?}");
}
