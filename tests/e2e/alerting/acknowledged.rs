//! An acknowledgement ends the climb, whichever way it is given: nobody further up is told.

use serde_json::{Value, json};

use super::{CRITICAL, configure, document, hook};
use crate::app::{App, CLINICIAN_A1, phq9};
use crate::receiver::Receiver;

/// The key of acknowledgement links.
const LINK_KEY: &str = "a2V5IG9mIGxpbmtzIGZvciB0ZXN0cyBvbmx5ISEhISE=";

#[tokio::test(flavor = "multi_thread")]
async fn those_further_up_are_not_told_of_what_was_acknowledged() {
    let [a, b, c, f] =
        [Receiver::start().await, Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let app = App::builder().variable("link_key", LINK_KEY).start().await;
    let mut document = document(json!({"a": hook(&a), "b": hook(&b), "c": hook(&c), "f": hook(&f)}));
    document["defaults"]["chain"] = json!({
        "steps": [{"afterSeconds": 1, "receivers": ["b"]}, {"afterSeconds": 6, "receivers": ["c"]}],
        "repeats": 0, "pauseSeconds": 1, "fallback": "f", "fallbackEverySeconds": 1,
    });
    document["link"] = json!({"baseUrl": "https://vigil.example.org", "validSeconds": 3600});
    configure(&app, &document).await;

    // One is acknowledged by the API, one by the link in the message to the second step, and one by nobody.
    for id in ["r1", "r2"] {
        app.submit(&phq9(id, CRITICAL)).await;
    }
    let told = b.heard(2).await;
    let path = format!("/v1/alerts/{}/acknowledge", told[0].id());
    assert_eq!(app.send_as(CLINICIAN_A1, "POST", &path, &json!({"note": "seen"})).await.status, 200);
    let link = told[1].json()["data"]["link"].as_str().unwrap().to_owned();
    let link = link.strip_prefix("https://vigil.example.org").unwrap();
    assert_eq!(app.client().await.send("POST", link, &[], "").await.unwrap().status, 200);

    // Another one starts later and climbs to the end of the same chain: the others would have arrived there before it.
    app.submit(&phq9("r3", CRITICAL)).await;
    let last = f.heard(2).await[0].id();
    assert!(told.iter().all(|call| call.id() != last));
    for (who, receiver) in [("c", &c), ("f", &f)] {
        let calls = receiver.calls();
        assert!(calls.iter().all(|call| call.id().starts_with(&last)), "{who} is told of the open one only");
    }
    for (call, by) in [(&told[0], "clinician-a1"), (&told[1], "link:b")] {
        let shown = app.send("GET", &format!("/v1/alerts/{}", call.id()), &Value::Null).await.json();
        let acknowledged = shown["history"].as_array().unwrap().iter().find(|it| it["what"] == "acknowledged").unwrap();
        assert_eq!((&shown["state"], &shown["nextAt"]), (&json!("acknowledged"), &Value::Null), "{shown}");
        assert_eq!(acknowledged["by"], by, "{shown}");
    }
}
