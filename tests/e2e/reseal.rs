//! A change of the identity key: the old key opens its records, they are resealed, then the old key is removed.

use std::process::Command;

use serde_json::{Value, json};

use crate::app::{App, CLINICIAN_A1, phq9, until};

const OLD: &str = crate::app::IDENTITY_KEY;
const NEW: &str = "YW5vdGhlciBrZXkgZm9yIHRlc3RzIG9ubHkgISEhISE=";

/// Runs `vigilctl reseal` on an application's data. Returns whether it succeeded, and its output.
fn reseal(app: &App, flags: &[&str]) -> (bool, String) {
    let mut command = Command::new(crate::app::vigilctl());
    command.args(["reseal", "--state-dir"]).arg(&app.dir).args(["--variable", &format!("identity_key={NEW}")]);
    let ended = command.args(flags).output().unwrap();
    (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
}

async fn identity(app: &App, subject: &str) -> (u16, Value) {
    let path = format!("/v1/subjects/{subject}/identity");
    let answer = app.send_as(CLINICIAN_A1, "GET", &path, &Value::Null).await;
    (answer.status, answer.json()["patientId"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_the_old_key_can_be_forgotten() {
    let app = App::start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let old_list = json!([OLD]).to_string();
    let rotated = App::builder().variable("identity_key", NEW).variable("identity_keys_old", old_list.clone());
    let rotated = rotated.only(&["submit", "score", "records", "ops"]).start_beside(&app).await;
    assert_eq!(identity(&rotated, &subject).await, (200, json!("patient of r")));

    let key = format!("subject/{subject}");
    let (before, old) = (app.stored(&key).unwrap(), format!("identity_keys_old={old_list}"));
    let (well, said) = reseal(&app, &["--variable", &old, "--dry-run"]);
    assert!(well && said.contains("2 to be resealed, 0 sealed with the present key, 0 unreadable"), "{said}");
    assert_eq!(app.stored(&key).unwrap(), before);
    let (well, said) = reseal(&app, &[]);
    assert!(!well && said.contains("0 resealed, 0 sealed with the present key, 2 unreadable"), "{said}");
    let (well, said) = reseal(&app, &["--variable", &old]);
    assert!(well && said.contains("2 resealed, 0 sealed"), "{said}");
    assert!(!said.contains(&subject) && !said.contains("patient") && !said.contains(OLD), "{said}");
    assert_ne!(app.stored(&key).unwrap(), before);
    let (well, said) = reseal(&app, &[]);
    assert!(well && said.contains("0 resealed, 2 sealed with the present key"), "{said}");

    let forgotten =
        App::builder().variable("identity_key", NEW).only(&["submit", "records", "ops"]).start_beside(&app).await;
    assert_eq!(identity(&forgotten, &subject).await, (200, json!("patient of r")));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_run_beside_an_application_that_writes() {
    const SUBJECTS: usize = 40;
    let mut app = App::start().await;
    let id = |number: usize| format!("r{number}");
    for number in 0..SUBJECTS {
        app.submit(&phq9(&id(number), [1; 9])).await;
    }
    until("all are stored", async || (app.stored_keys("submission/").len() == SUBJECTS).then_some(())).await;
    app.stop().await;
    let old_list = json!([OLD]).to_string();
    let rotated = App::builder().variable("identity_key", NEW).variable("identity_keys_old", old_list.clone());
    let rotated = rotated.start_beside(&app).await;
    let old = format!("identity_keys_old={old_list}");
    // While their records are resealed, the same subjects report again and new subjects arrive.
    for number in 0..2 * SUBJECTS {
        let mut report = phq9(&format!("again-{number}"), [2; 9]);
        report["patientId"] = json!(format!("patient of {}", id(number)));
        rotated.submit(&report).await;
        if number % 10 == 0 {
            let (well, said) = reseal(&app, &["--variable", &old]);
            assert!(well, "{said}");
        }
    }
    until("all are stored", async || (app.stored_keys("submission/").len() == 3 * SUBJECTS).then_some(())).await;
    let (well, said) = reseal(&app, &[]);
    assert!(well && said.contains(&format!(" {} sealed with the present key, 0 unreadable", 4 * SUBJECTS)), "{said}");
}
