//! Keys as records: created, used, listed, withdrawn.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, SUBMIT_A, phq9, until};
use crate::reindex::reindex;

/// An admin's request for a key; the members of `with` replace the usual ones.
async fn create(app: &App, admin: &str, with: Value) -> crate::client::Answer {
    let mut wish = json!({"label": "EDC", "role": "submit", "study": "A", "site": "1"});
    for (name, value) in with.as_object().unwrap() {
        wish[name] = value.clone();
    }
    app.send_as(admin, "POST", "/v1/keys", &wish).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn status(app: &App, key: &str, id: &str) -> u16 {
    app.send_as(key, "POST", "/v1/surveys/phq-9/responses", &phq9(id, [0; 9])).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_admits_until_it_is_withdrawn() {
    let app = App::start().await;
    let other = App::builder().only(&["submit", "records", "access"]).start_beside(&app).await;
    let created = create(&app, ADMIN, json!({"owner": "Data management"})).await;
    assert_eq!((created.status, created.header("cache-control")), (201, Some("no-store")), "{created:?}");
    let new = created.json();
    let (id, secret) = (text(&new["keyId"]), text(&new["secret"]));
    assert_eq!(created.header("location"), Some(&*format!("/v1/keys/{id}")));
    assert_eq!((status(&app, &secret, "r1").await, status(&other, &secret, "r2").await), (202, 202));
    let mut foreign = phq9("r3", [0; 9]);
    foreign["siteId"] = json!("2");
    assert_eq!(app.send_as(&secret, "POST", "/v1/surveys/phq-9/responses", &foreign).await.status, 403);
    let who = app.send_as(&secret, "GET", "/v1/whoami", &Value::Null).await.json();
    assert_eq!(who, json!({"keyId": id, "role": "submit", "study": "A", "site": "1"}));
    assert_eq!(app.send_as(&secret, "GET", "/v1/keys", &Value::Null).await.status, 403);

    let list = app.send("GET", "/v1/keys", &Value::Null).await.json();
    let listed = &list["keys"][0];
    assert_eq!((&listed["keyId"], &listed["expired"], &list["more"]), (&json!(id), &json!(false), &json!(false)));
    assert!(secret.starts_with(&text(&listed["prefix"])) && listed["lastUsedAt"].is_string(), "{listed}");
    let known = app.redis::<Vec<String>>(&["HGETALL", "{vigil}:keys"]).await.concat();
    let rests = |haystack: &[u8]| haystack.windows(secret.len()).any(|part| part == secret.as_bytes());
    assert!(!rests(known.as_bytes()) && !rests(list.to_string().as_bytes()));
    assert!(app.files().iter().all(|(name, bytes)| !rests(bytes) || panic!("the secret is in {name}")));

    // The store gives back what Redis had, and the key's chain says who made it.
    let () = app.redis(&["DEL", "{vigil}:keys"]).await;
    let (well, said) = reindex(&app);
    assert!(well && said.contains("keys: 1 put back in force"), "{said}");
    assert_eq!(status(&app, &secret, "r4").await, 202);

    let gone = app.send("DELETE", &format!("/v1/keys/{id}"), &Value::Null).await;
    assert_eq!((gone.status, gone.json()), (200, json!({"keyId": id, "state": "withdrawn"})));
    let since = Instant::now();
    for app in [&app, &other] {
        until("nobody is admitted by it", async || (status(app, &secret, "r5").await == 401).then_some(())).await;
    }
    // An instance believes a key for a second; the rest is the time of the requests themselves.
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(app.send("DELETE", &format!("/v1/keys/{id}"), &Value::Null).await.status, 404);
    let chain = app.send("GET", &format!("/v1/audit/key/{id}"), &Value::Null).await.json();
    let actions: Vec<&Value> = chain["records"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert_eq!((actions, &chain["verified"]), (vec![&json!("created"), &json!("withdrawn")], &json!(true)));
    let (well, said) = reindex(&app);
    assert!(well && said.contains("keys: 0 put back in force"), "{said}");
    assert_eq!(status(&app, &secret, "r6").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_covers_no_more_than_its_creators_and_every_fault_is_told() {
    let app = App::builder().only(&["submit", "records", "access"]).start().await;
    for (with, status) in [
        (json!({"study": "B", "site": "7"}), 201),
        (json!({"study": "B", "site": "*", "role": "admin"}), 201),
        (json!({"study": "A"}), 403),
        (json!({"study": "*", "site": "*"}), 403),
    ] {
        assert_eq!(create(&app, ADMIN_B, with.clone()).await.status, status, "{with}");
    }
    assert_eq!(create(&app, SUBMIT_A, json!({})).await.status, 403);
    let list = async |admin: &str, query: &str| {
        app.send_as(admin, "GET", &format!("/v1/keys{query}"), &Value::Null).await.json()
    };
    assert_eq!(create(&app, ADMIN, json!({})).await.status, 201);
    assert_eq!(list(ADMIN_B, "").await["keys"].as_array().unwrap().len(), 2, "another study's key is not shown");
    let first = list(ADMIN, "?limit=2").await;
    assert_eq!((first["keys"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let rest = list(ADMIN, &format!("?limit=2&cursor={}", text(&first["cursor"]))).await;
    assert_eq!((rest["keys"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
    let theirs = text(&rest["keys"][0]["keyId"]);
    let foreign: Vec<String> = list(ADMIN, "").await["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["study"] == "A")
        .map(|key| text(&key["keyId"]))
        .collect();
    let gone = app.send_as(ADMIN_B, "DELETE", &format!("/v1/keys/{}", foreign[0]), &Value::Null).await;
    assert_eq!(gone.status, 404, "{theirs}");

    let faulty = json!({"label": " ", "role": "king", "study": "a b", "expiresAt": "2020-01-01T00:00:00Z", "x": 1});
    let refused = app.send("POST", "/v1/keys", &faulty).await;
    let mut found: Vec<String> = refused.findings().into_iter().map(|(pointer, _)| pointer).collect();
    found.sort();
    assert_eq!(
        (refused.status, found),
        (422, ["/expiresAt", "/label", "/role", "/site", "/study", "/x"].map(str::to_owned).to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_at_its_time_and_without_redis_none_is_believed() {
    let mut app = App::builder().outliving_redis().start().await;
    if crate::app::on_spin() {
        return;
    }
    let at = std::time::SystemTime::now() + Duration::from_secs(2);
    let created = create(&app, ADMIN, json!({"expiresAt": rfc3339(at)})).await.json();
    let secret = text(&created["secret"]);
    assert_eq!(status(&app, &secret, "r1").await, 202);
    let refused = until("its time has passed", async || {
        let answer = app.send_as(&secret, "GET", "/v1/whoami", &Value::Null).await;
        (answer.status == 401).then(|| answer.json())
    })
    .await;
    assert_eq!(refused["detail"], "the key has expired");
    let secret = text(&create(&app, ADMIN, json!({})).await.json()["secret"]);
    app.redis.as_mut().unwrap().kill().unwrap();
    let answer = app.send_as(&secret, "GET", "/v1/whoami", &Value::Null).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(app.send("GET", "/v1/whoami", &Value::Null).await.status, 200, "the variable's keys need no Redis");
}

fn rfc3339(at: std::time::SystemTime) -> String {
    let ms = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    domain::Timestamp::from_millis(i64::try_from(ms).unwrap()).rfc3339()
}
