//! The next receiver is told when a receiver fails, and when nobody acknowledges.

use serde_json::json;

use super::{CRITICAL, alert, configure, delivery, document, hook};
use crate::app::{App, phq9};
use crate::receiver::{Act, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn from_the_third_failure_on_the_next_receiver_is_told_as_well() {
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    one.then(vec![Act::Answer(500); 4]);
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&one), "b": hook(&other)}));
    document["defaults"]["chain"] = json!({"steps": [{"afterSeconds": 3600, "receivers": ["b"]}]});
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let told = other.heard(1).await;
    assert_eq!(told[0].json()["type"], "alert.escalated");
    assert!(one.calls().len() >= 3);
    let alert = alert(&app, &location, |it| delivery(it, "a")["state"] == "delivered").await;
    assert_eq!((&delivery(&alert, "b")["cause"], one.calls().len()), (&json!("failover"), 5));
    assert_eq!(told[0].id(), one.calls()[0].id(), "it is the same alert");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_nobody_acknowledges_climbs_to_the_end_of_its_chain_and_stays_there() {
    let all = [Receiver::start().await, Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let app = App::start().await;
    let [a, b, c, f] = &all;
    let mut document = document(json!({"a": hook(a), "b": hook(b), "c": hook(c), "f": hook(f)}));
    document["defaults"]["chain"] = json!({
        "steps": [{"afterSeconds": 0.5, "receivers": ["b"]}, {"afterSeconds": 1, "receivers": ["c"]}],
        "repeats": 0, "pauseSeconds": 0.5, "fallback": "f", "fallbackEverySeconds": 0.5,
    });
    configure(&app, &document).await;
    app.submit(&phq9("r", CRITICAL)).await;
    let told = f.heard(3).await;
    let id = a.calls()[0].id();
    assert_eq!((a.calls().len(), b.calls().len(), c.calls().len()), (1, 1, 1));
    assert!(a.calls()[0].at < b.calls()[0].at && b.calls()[0].at < c.calls()[0].at && c.calls()[0].at < told[0].at);
    assert_eq!([told[0].id(), told[1].id(), told[2].id()], [id.clone(), format!("{id}.1"), format!("{id}.2")]);
    assert_eq!([&told[0].json()["type"], &told[1].json()["type"]], ["alert.escalated", "alert.reminder"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_the_chain_is_repeated_before_it_ends_at_the_fallback() {
    let [a, b, f] = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let app = App::start().await;
    let mut document = document(json!({"a": hook(&a), "b": hook(&b), "f": hook(&f)}));
    document["defaults"]["chain"] = json!({
        "steps": [{"afterSeconds": 0.3}, {"afterSeconds": 0.6, "receivers": ["b"]}],
        "repeats": 1, "pauseSeconds": 0.3, "fallback": "f", "fallbackEverySeconds": 3600,
    });
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let ends = f.heard(1).await;
    let alert = alert(&app, &location, |it| delivery(it, "f")["state"] == "delivered").await;
    let id = alert["alertId"].as_str().unwrap();
    let ids = |of: &Receiver| of.calls().iter().map(|call| call.id()).collect::<Vec<_>>();
    // Each round tells it twice: at the beginning of the round, and by the receiver's own step.
    assert_eq!(ids(&b), [id.to_owned(), format!("{id}.1")]);
    assert_eq!(ids(&a)[..2], [id.to_owned(), format!("{id}.1")]);
    assert!(a.calls().len() >= 3, "{:?}", ids(&a));
    assert!(b.calls().iter().chain(&a.calls()).all(|call| call.at < ends[0].at));
}
