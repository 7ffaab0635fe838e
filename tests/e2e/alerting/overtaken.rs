//! Many change one alert at the same time.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{CRITICAL, alert, configure, document, hook};
use crate::app::{ADMIN, App, phq9, until};
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_an_alert_is_in_its_history_once_whoever_overtook_whom() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    configure(&app, &document(json!({"a": hook(&receiver)}))).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    let id = alert(&app, &location, |it| it["state"] == "delivered").await["alertId"].as_str().unwrap().to_owned();

    // While all of these write, the messenger writes the outcome of each opening's message.
    let acts = ["resolve", "reopen", "acknowledge", "reopen"];
    let all = join_all((0..12).map(|number| {
        let (app, id) = (&app, &id);
        async move {
            let mut client = app.client().await;
            let authorization = format!("Bearer {ADMIN}");
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            let mut made = Vec::new();
            for round in 0..60 {
                let act = acts[(number + round) % acts.len()];
                let path = format!("/v1/alerts/{id}/{act}");
                let answer = client.send("POST", &path, &headers, "{}".to_owned()).await.unwrap();
                assert!(matches!(answer.status, 200 | 409 | 503), "{answer:?}");
                if answer.status == 200 && answer.json()["changed"] == true {
                    made.push(act);
                }
            }
            made
        }
    }))
    .await;
    let made: Vec<&str> = all.into_iter().flatten().collect();
    assert!(made.len() > 20, "{}", made.len());

    let state = async || app.redis::<String>(&["GET", &format!("{{vigil}}:alert:{id}")]).await;
    let shown = until("nobody writes any more", async || {
        let before = state().await;
        let shown = app.send("GET", &format!("/v1/alerts/{id}"), &Value::Null).await.json();
        let waiting = shown["deliveries"].as_array().unwrap().iter().any(|it| it["state"] == "pending");
        (!waiting && before == state().await).then_some(shown)
    })
    .await;
    let history = shown["history"].as_array().unwrap();
    let numbers: Vec<u64> = history.iter().map(|entry| entry["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    for (act, what) in [("resolve", "resolved"), ("reopen", "reopened"), ("acknowledge", "acknowledged")] {
        let answered = made.iter().filter(|made| **made == act).count();
        let recorded = history.iter().filter(|entry| entry["what"] == what).count();
        assert_eq!(answered, recorded, "{what}: {shown}");
    }
    let open = |entry: &Value| !matches!(entry["state"].as_str(), Some("resolved" | "acknowledged"));
    for pair in history.windows(2) {
        assert!(pair[1]["what"] != "reopened" || !open(&pair[0]), "opened again what was open: {pair:?}");
    }
    // The store holds the same as Redis.
    let in_redis: Value = serde_json::from_str(state().await.split_once(' ').unwrap().1).unwrap();
    let stored: Value = serde_json::from_slice(&app.stored(&format!("alert/{id}/state")).unwrap()).unwrap();
    assert_eq!(stored, in_redis);
}
