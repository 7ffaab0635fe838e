//! Keys that end soon: subscribers are told twice before, once for each threshold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::alerting::hook;
use crate::app::{ADMIN, App, until};
use crate::receiver::{Call, Receiver};

/// The mark of the last look, and what was told.
const LOOKED: &str = "{vigil}:keys:looked";
const WARNED: &str = "{vigil}:keys:warned";

/// Creates a key that ends a little before so many days are over. Returns its id.
async fn key(app: &App, study: &str, days: u64) -> String {
    let end = SystemTime::now() + Duration::from_secs(days * 86_400 - 60);
    let ms = i64::try_from(end.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let wish = json!({"label": "EDC", "role": "submit", "study": study, "site": "*", "owner": "Data management",
                      "expiresAt": domain::Timestamp::from_millis(ms).rfc3339()});
    let answer = app.send_as(ADMIN, "POST", "/v1/keys", &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["keyId"].as_str().unwrap().to_owned()
}

/// The keys of which a receiver was told: days left, by id.
fn told(calls: &[Call]) -> BTreeMap<String, i64> {
    let data = calls.iter().map(|call| call.json()["data"].clone());
    data.map(|it| (it["keyId"].as_str().unwrap().to_owned(), it["daysLeft"].as_i64().unwrap())).collect()
}

/// Another key brings another look at all keys.
async fn another_look(app: &App) {
    let () = app.redis(&["DEL", LOOKED]).await;
    key(app, "A", 30).await;
    until("the clock has looked", async || {
        // A host that has just started may not listen yet; whoever asks whether it is ready starts its clock.
        let _ = app.client().await.send("GET", "/readyz", &[], "").await.unwrap();
        app.redis::<bool>(&["EXISTS", LOOKED]).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_a_key_that_ends_once_for_each_threshold() {
    let [all, of_a] = [Receiver::start().await, Receiver::start().await];
    let mut app = App::start().await;
    let document = json!({
        "receivers": {"all": hook(&all), "of-a": hook(&of_a)},
        "subscriptions": [
            {"id": "all", "events": ["key.expiring"], "receiver": "all"},
            {"id": "of-a", "studies": ["A"], "events": ["key.expiring", "submission.scored"], "receiver": "of-a"},
        ],
    });
    assert_eq!(app.send("PUT", "/v1/config/subscriptions", &document).await.status, 201);
    let (six, ten, everywhere) = (key(&app, "A", 6).await, key(&app, "B", 10).await, key(&app, "*", 1).await);
    key(&app, "A", 20).await;
    let expected = BTreeMap::from([(six.clone(), 6), (ten.clone(), 10), (everywhere.clone(), 1)]);
    assert_eq!(told(&all.heard(3).await), expected);
    let calls = of_a.heard(1).await;
    assert_eq!(told(&calls), BTreeMap::from([(six.clone(), 6)]));
    let message = calls[0].json();
    assert_eq!(message["type"], "key.expiring");
    let data = &message["data"];
    for (member, expected) in [("studyId", "A"), ("siteId", "*"), ("label", "EDC"), ("owner", "Data management")] {
        assert_eq!(data[member], expected, "{message}");
    }
    assert!(data["expiresAt"].is_string() && data["cursor"].is_string() && data["role"] == "submit", "{message}");
    let thresholds: BTreeMap<String, String> = app.redis(&["HGETALL", WARNED]).await;
    let of = |id: &str, days: &str| (id.to_owned(), days.to_owned());
    assert_eq!(thresholds, BTreeMap::from([of(&six, "7"), of(&ten, "14"), of(&everywhere, "7")]));

    // Neither another look nor another start tells again, and a key that is gone is forgotten.
    another_look(&app).await;
    app.stop().await;
    app.start_again().await;
    let gone = app.send("DELETE", &format!("/v1/keys/{everywhere}"), &Value::Null).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    another_look(&app).await;
    until("it is forgotten", async || (!app.redis::<bool>(&["HEXISTS", WARNED, &everywhere]).await).then_some(()))
        .await;
    assert_eq!((all.calls().len(), of_a.calls().len()), (3, 1));

    // Four days pass: the second threshold.
    let lines: BTreeMap<String, String> = app.redis(&["HGETALL", "{vigil}:keys"]).await;
    let (hash, line) = lines.into_iter().find(|(_, line)| line.starts_with(&ten)).unwrap();
    let (rest, end) = line.rsplit_once(' ').unwrap();
    let sooner = format!("{rest} {}", end.parse::<i64>().unwrap() - 4 * 86_400_000);
    let () = app.redis(&["HSET", "{vigil}:keys", &hash, &sooner]).await;
    another_look(&app).await;
    let calls = all.heard(4).await;
    assert_eq!(calls[3].json()["data"]["keyId"], ten);
    let ids: BTreeSet<String> = calls.iter().map(Call::id).collect();
    assert_eq!(ids.len(), 4, "each has an id of its own");

    // A warning that comes again after Redis was lost has the same id.
    let () = app.redis(&["DEL", WARNED]).await;
    another_look(&app).await;
    let again = of_a.heard(2).await;
    assert_eq!((again[1].id(), again[1].json()["data"]["keyId"].clone()), (again[0].id(), json!(six)));
}
