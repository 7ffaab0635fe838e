//! Every key of the installation is changed, and lost. `reseal.rs` changes the key of the identities.

use std::process::Command;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, phq9, until};
use crate::log::{LOG_KEY, kept, verify};
use crate::variables::{named, pairs};

/// 32 bytes each.
const OTHER_LOG_KEY: &str = "YW5vdGhlciBsb2cga2V5IGZvciB0ZXN0cyEhISEhISE=";
const OTHER_PSEUDONYM_KEY: &str = "YW5vdGhlciBwc2V1ZG9ueW0ga2V5IGZvciB0ZXN0cyE=";

/// Waits for a head that was signed by another key than this. Returns its key.
async fn signed_by_another(app: &App, key: &str) -> String {
    until("a head is signed", async || {
        let answer = app.send("GET", "/v1/audit/head", &Value::Null).await;
        let signed = (answer.status == 200).then(|| answer.json()["key"].as_str().unwrap().to_owned())?;
        (signed != key).then_some(signed)
    })
    .await
}

/// Scores a response, and waits until heads cover all that came of it.
async fn covered(app: &App, id: &str, keys: &[&str]) {
    app.scored(&app.submit(&phq9(id, [3; 9])).await).await;
    until("it is ended", async || (app.work_left().await == 0).then_some(())).await;
    until("all is covered", async || {
        let (status, found, said) = verify(app, keys);
        assert!(status == 0 || found.contains("there is none"), "{found} {said}");
        said.contains("(0 after the last head)").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_key_signs_on_and_verifying_takes_both() {
    let mut app = App::builder().variable("log_key", LOG_KEY).start().await;
    app.scored(&app.submit(&phq9("r0", [3; 9])).await).await;
    let old = signed_by_another(&app, "").await;
    covered(&app, "r1", &["--heads", "--public-key", &old]).await;
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = kept(&app, dir.path()).await;

    app.stop().await;
    app.set("log_key", OTHER_LOG_KEY);
    app.start_again().await;
    app.scored(&app.submit(&phq9("r2", [3; 9])).await).await;
    let new = signed_by_another(&app, &old).await;
    // The kept head of the old key, and both keys.
    let file = file.to_str().unwrap();
    covered(&app, "r3", &["--head", file, "--public-key", &old, "--public-key", &new]).await;
    for key in [&old, &new] {
        let (status, found, _) = verify(&app, &["--heads", "--public-key", key]);
        assert_eq!((status, found.contains("is not among --public-key")), (1, true), "{found}");
    }
    // Each head says whose it is, and follows the one before.
    let first = app.send("GET", "/v1/audit/head?n=1", &Value::Null).await.json();
    assert_eq!(first["key"], json!(old), "{first}");

    // Without a key nothing more is signed, and what was signed stays verified.
    app.stop().await;
    app.set("log_key", "");
    app.start_again().await;
    let before = app.stored("head").unwrap();
    app.scored(&app.submit(&phq9("r4", [3; 9])).await).await;
    until("it is ended", async || (app.work_left().await == 0).then_some(())).await;
    let (status, found, said) = verify(&app, &["--head", file, "--public-key", &old, "--public-key", &new]);
    assert_eq!((status, found.as_str()), (0, ""), "{said}");
    assert!(!said.contains("(0 after the last head)"), "{said}");
    assert_eq!(app.stored("head").unwrap(), before);
}

/// Runs `vigilctl forget-pseudonym-key` on an application's data.
fn forget(app: &App) {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["forget-pseudonym-key", "--state-dir"]).arg(&app.dir);
    command.args(["--variable", &format!("redis_url={}", app.redis.as_ref().unwrap().url())]);
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pseudonym_key_is_refused_so_nobody_becomes_two_subjects() {
    let mut app = App::start().await;
    let report = |id: &str| {
        let mut report = phq9(id, [1; 9]);
        report["patientId"] = json!("one patient");
        report
    };
    let subject = app.scored(&app.submit(&report("r1")).await).await["subject"].clone();
    let right = App::builder();
    let expected = pairs(&["imaging", "records", "submit"].map(|component| (component, "pseudonym_key")));
    app.stop().await;
    app.set("pseudonym_key", OTHER_PSEUDONYM_KEY);
    for is_lost in [false, true] {
        if is_lost {
            // The store has it, too.
            let _: i64 = app.redis(&["DEL", "{vigil}:pseudonym-key"]).await;
        }
        app.start_unready().await;
        let (_, ready) = app.readiness(|status, ready| status == 503 && named(ready) == expected).await;
        assert!(!ready.to_string().contains(OTHER_PSEUDONYM_KEY), "{ready}");
        for (method, path) in [("POST", crate::app::PHQ9), ("GET", "/v1/studies/A/submissions")] {
            let body = if method == "POST" { report("r2") } else { Value::Null };
            let answer = app.send(method, path, &body).await;
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        app.stop().await;
    }
    // Put back, everything goes on.
    app.unset("pseudonym_key", &right);
    app.start_again().await;
    assert_eq!(app.scored(&app.submit(&report("r2")).await).await["subject"], subject);

    // Lost for good: whoever says so goes on with another one, and knows what that means.
    app.stop().await;
    forget(&app);
    app.set("pseudonym_key", OTHER_PSEUDONYM_KEY);
    app.start_again().await;
    assert_ne!(app.scored(&app.submit(&report("r3")).await).await["subject"], subject);
    app.stop().await;
    app.unset("pseudonym_key", &right);
    app.start_unready().await;
    app.readiness(|status, ready| status == 503 && named(ready) == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_first_administrators_key_the_created_ones_go_on() {
    let mut app = App::start().await;
    let wish = json!({"label": "the administrators", "role": "admin", "study": "*", "site": "*"});
    let created = app.send("POST", "/v1/keys", &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    let own = created.json()["secret"].as_str().unwrap().to_owned();
    app.stop().await;
    app.set("api_keys", "[]");
    app.start_again().await;
    assert_eq!(app.send_as(ADMIN, "GET", "/v1/keys", &Value::Null).await.status, 401);
    let listed = app.send_as(&own, "GET", "/v1/keys", &Value::Null).await;
    assert_eq!((listed.status, listed.json()["keys"].as_array().map(Vec::len)), (200, Some(1)), "{listed:?}");
    let wish = json!({"label": "the edge", "role": "submit", "study": "A", "site": "*"});
    let sender = app.send_as(&own, "POST", "/v1/keys", &wish).await.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(app.send_as(&sender, "POST", crate::app::PHQ9, &phq9("r", [0; 9])).await.status, 202);
    // Redis was lost, and the variable is empty: the store has the keys, and so nobody is locked out.
    let _: i64 = app.redis(&["DEL", "{vigil}:keys"]).await;
    assert!(crate::reindex::reindex(&app).0);
    until("the created key is in force", async || {
        (app.send_as(&own, "GET", "/v1/keys", &Value::Null).await.status == 200).then_some(())
    })
    .await;
}
