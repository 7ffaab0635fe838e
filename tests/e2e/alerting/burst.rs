//! The configuration changes in the middle of a burst.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::{CRITICAL, configure, document, hook};
use crate::app::{ADMIN, App, PHQ9, phq9, until};
use crate::receiver::{Call, Receiver};

const OTHER_SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzIG9ubHk=";
/// The key of acknowledgement links.
const LINK_KEY: &str = "a2V5IG9mIGxpbmtzIGZvciB0ZXN0cyBvbmx5ISEhISE=";
const BURST: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_a_burst_loses_nothing_and_mixes_nothing() {
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    let app = App::builder().variable("link_key", LINK_KEY).start().await;
    configure(&app, &document(json!({"a": hook(&old)}))).await;
    let address = app.address;
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {ADMIN}");
                let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
                for number in (sender..BURST).step_by(8) {
                    let body = phq9(&format!("r{number}"), CRITICAL).to_string();
                    assert_eq!(client.send("POST", PHQ9, &headers, body).await.unwrap().status, 202);
                }
            })
        })
        .collect();
    old.heard(300).await;
    let mut changed = document(json!({"a": {"channel": "webhook", "url": new.url(), "secrets": [OTHER_SECRET]}}));
    changed["link"] = json!({"baseUrl": "https://vigil.example.org"});
    let authorization = format!("Bearer {ADMIN}");
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json"), ("if-match", "\"1\"")];
    let path = "/v1/config/alert-routes";
    let answer = app.client().await.send("PUT", path, &headers, changed.to_string()).await.unwrap();
    let at = Instant::now();
    assert_eq!(answer.status, 200, "{answer:?}");
    join_all(senders).await.into_iter().for_each(|sender| sender.unwrap());
    until("all is heard", async || (old.calls().len() + new.calls().len() >= BURST).then_some(())).await;

    let secrets = [(old.calls(), crate::app::SECRET, false), (new.calls(), OTHER_SECRET, true)];
    let mut about: Vec<String> = Vec::new();
    for (calls, secret, linked) in &secrets {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        for call in calls {
            webhook.verify(&call.body, &call.headers).unwrap();
            assert_eq!(call.json()["data"].get("link").is_some(), *linked, "all of it is by one configuration");
            about.push(call.json()["data"]["submissionId"].as_str().unwrap().to_owned());
        }
    }
    let different: BTreeSet<&String> = about.iter().collect();
    assert_eq!((about.len(), different.len()), (BURST, BURST), "each alert once");
    assert!(!new.calls().is_empty(), "the change was in the middle");
    let late = |call: &&Call| call.at > at + Duration::from_secs(1);
    assert_eq!(old.calls().iter().filter(late).count(), 0, "in force within a second");
    let dead: Vec<Value> =
        app.redis::<Vec<String>>(&["XRANGE", "{vigil}:dead", "-", "+"]).await.into_iter().map(Value::from).collect();
    assert!(dead.is_empty(), "{dead:?}");
}
