//! Audit chains: they record each action and its author, and nobody can change them unseen.

use serde_json::{Value, json};

use crate::app::{ADMIN_B, App, CLINICIAN_A1, READ_A1, SUBMIT_A, phq9};
use crate::queues;

/// The audit of an entity.
pub(crate) async fn audit(app: &App, entity: &str) -> Value {
    let answer = app.send("GET", &format!("/v1/audit/{entity}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The actions on an entity, in order.
pub(crate) fn actions(audit: &Value) -> Vec<&str> {
    audit["records"].as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect()
}

/// Opens a subject's identity this many times.
async fn look(app: &App, subject: &str, times: usize) {
    for _ in 0..times {
        let answer = app.send_as(CLINICIAN_A1, "GET", &format!("/v1/subjects/{subject}/identity"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

pub(crate) fn store(app: &App) -> rusqlite::Connection {
    let store = rusqlite::Connection::open(app.dir.join("sqlite_key_value.db")).unwrap();
    store.busy_timeout(crate::app::SOON).unwrap();
    store
}

/// Changes the store in a way that nobody may.
pub(crate) fn overwrite(app: &App, key: &str, value: &Value) {
    let value = value.to_string().into_bytes();
    let update = "UPDATE spin_key_value SET value = ?2 WHERE store = 'default' AND key = ?1";
    assert_eq!(store(app).execute(update, rusqlite::params![key, value]).unwrap(), 1);
}

pub(crate) fn remove(app: &App, key: &str) {
    let delete = "DELETE FROM spin_key_value WHERE store = 'default' AND key = ?1";
    assert_eq!(store(app).execute(delete, [key]).unwrap(), 1);
}

fn json_stored(app: &App, key: &str) -> Value {
    serde_json::from_slice(&app.stored(key).unwrap()).unwrap()
}

/// A scored submission: its entity and its subject.
async fn scored(app: &App) -> (String, String) {
    let location = app.submit(&phq9("r", [1; 9])).await;
    let shown = app.scored(&location).await;
    (location.replace("/v1/submissions/", "submission/"), shown["subject"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_begins_its_chain() {
    let app = App::start().await;
    let (entity, _) = scored(&app).await;
    let audit = audit(&app, &entity).await;
    assert_eq!(
        (&audit["verified"], &audit["content"], &audit["tail"]),
        (&json!(true), &json!("unchanged"), &json!("unconfirmed"))
    );
    assert_eq!(audit["faults"], json!([]));
    let record = &audit["records"][0];
    let submission = &json_stored(&app, &entity)["submission"];
    assert_eq!((&record["n"], &record["action"], &record["actor"]), (&json!(0), &json!("submitted"), &json!("admin")));
    assert_eq!(record["at"], submission["receivedAt"]);
    assert_eq!(record["newHash"].as_str().unwrap().len(), 64);
    assert_eq!((record.get("oldHash"), &record["previous"]), (None, &json!("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn scoring_again_changes_no_audit() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let entity = app.submit(&phq9("r", [1; 9])).await.replace("/v1/submissions/", "submission/");
    let entries: Vec<(String, Vec<(String, String)>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let first = audit(&app, &entity).await;
    assert_eq!((&first["verified"], &first["content"]), (&json!(true), &json!("unchanged")));
    // A worker died after storing: the next one does everything again.
    queues::put(&app, "score", &entries[0].1[0].1).await;
    assert_eq!(app.send("POST", "/v1/ops/drain", &Value::Null).await.json()["scored"], 1);
    assert_eq!(audit(&app, &entity).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_score_does_not_pass() {
    let app = App::start().await;
    let (entity, _) = scored(&app).await;
    let mut record = json_stored(&app, &entity);
    record["scores"][0][1] = json!(0.0);
    overwrite(&app, &entity, &record);
    let shown = audit(&app, &entity).await;
    assert_eq!(
        (&shown["verified"], &shown["content"], &shown["faults"]),
        (&json!(false), &json!("changed"), &json!([]))
    );
    remove(&app, &entity);
    let shown = audit(&app, &entity).await;
    assert_eq!((&shown["verified"], &shown["content"]), (&json!(false), &json!("missing")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_record_is_reported() {
    let app = App::start().await;
    let (_, subject) = scored(&app).await;
    look(&app, &subject, 3).await;
    let entity = format!("subject/{subject}");
    let whole = audit(&app, &entity).await;
    assert_eq!(
        (&whole["verified"], &whole["tail"], &whole["content"]),
        (&json!(true), &json!("confirmed"), &json!(null))
    );
    assert_eq!(actions(&whole), ["identity-opened"; 3]);
    for (n, record) in whole["records"].as_array().unwrap().iter().enumerate() {
        let mut tampered = record.clone();
        tampered["actor"] = json!("nobody");
        let key = format!("audit/{entity}/{n}");
        overwrite(&app, &key, &tampered);
        let shown = audit(&app, &entity).await;
        assert_eq!((&shown["verified"], &shown["faults"]), (&json!(false), &json!([{"n": n, "fault": "changed"}])));
        overwrite(&app, &key, &json!("no record"));
        assert_eq!(audit(&app, &entity).await["faults"], json!([{"n": n, "fault": "changed"}]));
        overwrite(&app, &key, record);
    }
    assert_eq!(audit(&app, &entity).await, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_record_is_reported_also_at_the_end() {
    let app = App::start().await;
    let (_, subject) = scored(&app).await;
    look(&app, &subject, 4).await;
    let entity = format!("subject/{subject}");
    remove(&app, &format!("audit/{entity}/1"));
    let shown = audit(&app, &entity).await;
    assert_eq!((&shown["verified"], &shown["faults"]), (&json!(false), &json!([{"n": 1, "fault": "missing"}])));
    remove(&app, &format!("audit/{entity}/3"));
    let faults = json!([{"n": 1, "fault": "missing"}, {"n": 3, "fault": "missing"}]);
    assert_eq!(audit(&app, &entity).await["faults"], faults);
    // Without the head the end is unknown, and the answer says so.
    let _: u32 = app.redis(&["DEL", &format!("{{vigil}}:audit:{entity}")]).await;
    let shown = audit(&app, &entity).await;
    assert_eq!((&shown["tail"], &shown["faults"]), (&json!("unconfirmed"), &json!([{"n": 1, "fault": "missing"}])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_record_of_a_submission_is_what_the_journal_says() {
    let app = App::start().await;
    let (entity, _) = scored(&app).await;
    assert_eq!(app.stored_keys("audit/submission/"), Vec::<String>::new(), "it follows from what is stored already");
    let whole = audit(&app, &entity).await;
    // Somebody changes a score, and writes a first record that fits.
    let mut record = json_stored(&app, &entity);
    record["scores"][0][1] = json!(0.0);
    overwrite(&app, &entity, &record);
    let bytes = app.stored(&entity).unwrap();
    let hash = platform::digest::hex(&platform::digest::digest(&bytes));
    let forged = state::audit::first_of_submission(&bytes, Some(&hash)).unwrap();
    let insert = "INSERT INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)";
    let key = format!("audit/{entity}/0");
    store(&app).execute(insert, rusqlite::params![key, serde_json::to_vec(&forged).unwrap()]).unwrap();
    let shown = audit(&app, &entity).await;
    assert_eq!((&shown["verified"], &shown["faults"]), (&json!(false), &json!([{"n": 0, "fault": "changed"}])));
    assert_eq!(whole["verified"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_appended_at_once_all_find_a_place() {
    let app = App::start().await;
    let (_, subject) = scored(&app).await;
    let looks: Vec<_> = (0..20)
        .map(|_| {
            let (address, path) = (app.address, format!("/v1/subjects/{subject}/identity"));
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {CLINICIAN_A1}");
                client.send("GET", &path, &[("authorization", &authorization)], "").await.unwrap().status
            })
        })
        .collect();
    for look in looks {
        assert_eq!(look.await.unwrap(), 200);
    }
    let shown = audit(&app, &format!("subject/{subject}")).await;
    assert_eq!((&shown["verified"], actions(&shown).len()), (&json!(true), 20), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_claimed_and_not_stored_is_stored_by_the_next() {
    let app = App::start().await;
    let (_, subject) = scored(&app).await;
    look(&app, &subject, 2).await;
    let entity = format!("subject/{subject}");
    // The state as if the host had died between the two steps.
    remove(&app, &format!("audit/{entity}/1"));
    look(&app, &subject, 1).await;
    let shown = audit(&app, &entity).await;
    assert_eq!((&shown["verified"], actions(&shown).len()), (&json!(true), 3), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_for_administrators_of_its_study() {
    let app = App::start().await;
    let (entity, subject) = scored(&app).await;
    let path = format!("/v1/audit/{entity}");
    for key in [SUBMIT_A, READ_A1, CLINICIAN_A1] {
        assert_eq!(app.send_as(key, "GET", &path, &Value::Null).await.status, 403);
    }
    look(&app, &subject, 1).await;
    for entity in [&entity, &format!("subject/{subject}"), "config/routes"] {
        let path = format!("/v1/audit/{entity}");
        assert_eq!(app.send_as(ADMIN_B, "GET", &path, &Value::Null).await.status, 404, "{entity}");
    }
    for unknown in ["submission/6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60", "x", "a/b/c", "a%20b/c", ""] {
        let answer = app.send("GET", &format!("/v1/audit/{unknown}"), &Value::Null).await;
        assert_eq!(answer.status, 404, "{unknown}");
    }
    assert_eq!(app.send("POST", &path, &Value::Null).await.status, 405);
}
