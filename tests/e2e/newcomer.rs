//! The experience of a new user: `cargo run` without `alert_routes`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::app::{App, on_spin, phq9, until};

/// Raises one alert, by item 9 alone: critical.
const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn the_first_alert_arrives_in_the_terminal_and_its_link_acknowledges_it() {
    let app = App::builder().loud().start().await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    if on_spin() {
        // Nobody is told, and everybody can see that.
        app.shown(&location, |shown| shown["alerts"][0]["state"] == "unrouted").await;
        return;
    }
    let shown = app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    let said = || std::fs::read_to_string(app.dir.join("process.log")).unwrap();
    let link = until("the link is said", async || {
        let said = said();
        let (_, rest) = said.split_once("it may be acknowledged at http://")?;
        Some(rest.split_once('\n')?.0.to_owned())
    })
    .await;
    let line = "alert received: CRITICAL, item q9 is 1, rule: 1 or more (phq-9, study A, site 1)";
    assert!(said().contains(line), "{}", said());
    for identity in ["patient of", shown["subject"].as_str().unwrap()] {
        assert!(!said().contains(identity), "{}", said());
    }

    let path = link.strip_prefix(&app.address.to_string()).unwrap();
    let answer = app.client().await.send("POST", path, &[], "").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let alert = format!("/v1/alerts/{}", shown["alerts"][0]["alertId"].as_str().unwrap());
    assert_eq!(app.send("GET", &alert, &Value::Null).await.json()["state"], json!("acknowledged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_set_alert_routes_is_told_by_them_alone() {
    let app = App::builder().loud().variable("alert_routes", "{}").start().await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    app.shown(&location, |shown| shown["alerts"][0]["state"] == "unrouted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_of_the_machine_can_read_what_is_stored() {
    let app = App::builder().loud().start().await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    app.shown(&location, |shown| shown["state"] == "scored").await;
    if on_spin() {
        return;
    }
    // The test itself makes these.
    let ours = ["redis", "process.log", "cache"].map(|name| app.dir.join(name));
    let (mut open, mut seen) = (vec![app.dir.clone()], 0);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if ours.contains(&entry.path()) {
                continue;
            }
            let about = entry.metadata().unwrap();
            assert_eq!(about.permissions().mode() & 0o077, 0, "{}", entry.path().display());
            if about.is_dir() {
                open.push(entry.path());
            }
            seen += 1;
        }
    }
    assert!(app.dir.join("sqlite_key_value.db").is_file() && seen > 5, "{seen}");
}
