//! Amendments: a later submission replaces an earlier one, which stays readable.

use serde_json::{Value, json};

use crate::app::{App, PHQ9, phq9, until};
use crate::audit::{actions, audit};
use crate::queues;
use crate::receiver::Receiver;

const CALM: [u8; 9] = [0; 9];
const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 2];

pub(crate) fn id(location: &str) -> &str {
    location.strip_prefix("/v1/submissions/").unwrap()
}

pub(crate) fn amending(client_id: &str, answers: [u8; 9], amended: &str) -> Value {
    let mut response = phq9(client_id, answers);
    response["patientId"] = json!("patient of r");
    response["amends"] = json!({"submissionId": id(amended), "reason": "patient-correction"});
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_is_scored_and_alarms_and_the_first_version_stays_readable() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    let first = app.submit(&phq9("r", CALM)).await;
    app.scored(&first).await;
    assert_eq!(receiver.calls().len(), 0);
    let second = app.submit(&amending("r2", ALARMING, &first)).await;
    let new = app.shown(&second, |shown| shown["alerts"][0]["state"] == "delivered").await;
    assert_eq!((&new["scores"][0]["value"], &new["supersedes"]), (&json!(2.0), &json!(id(&first))));
    let old = app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    assert_eq!((&old["supersededBy"], &old["state"]), (&json!(id(&second)), &json!("scored")));
    assert_eq!((&old["scores"][0]["value"], old.get("supersedes")), (&json!(0.0), None));

    let old = audit(&app, &format!("submission/{}", id(&first))).await;
    let new = audit(&app, &format!("submission/{}", id(&second))).await;
    assert_eq!((actions(&old), &old["verified"]), (vec!["submitted", "superseded"], &json!(true)), "{old}");
    assert_eq!((&old["tail"], &old["content"]), (&json!("confirmed"), &json!("unchanged")));
    assert_eq!((actions(&new), &new["verified"]), (vec!["amended"], &json!(true)), "{new}");
    assert_eq!(old["records"][1]["refersTo"], format!("submission/{}", id(&second)));
    assert_eq!(new["records"][0]["refersTo"], format!("submission/{}", id(&first)));
    assert_eq!(
        (&old["records"][1]["reason"], &new["records"][0]["reason"]),
        (&json!("patient-correction"), &json!("patient-correction"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_current_version_can_be_amended() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", CALM)).await;
    let second = app.submit(&amending("r2", [1; 9], &first)).await;
    let stale = app.send("POST", PHQ9, &amending("r3", [2; 9], &first)).await;
    assert_eq!(stale.status, 409, "{stale:?}");
    let third = app.submit(&amending("r3", [2; 9], &second)).await;
    // A resend is not a second amendment.
    assert_eq!(app.submit(&amending("r2", [1; 9], &first)).await, second);
    let third_shown = app.scored(&third).await;
    assert_eq!(third_shown["supersedes"], id(&second));
    let middle = app.shown(&second, |shown| shown.get("supersededBy").is_some()).await;
    assert_eq!((&middle["supersedes"], &middle["supersededBy"]), (&json!(id(&first)), &json!(id(&third))));
    // The amended id is part of the content.
    let mut plain = phq9("r2", [1; 9]);
    plain["patientId"] = json!("patient of r");
    assert_eq!(app.send("POST", PHQ9, &plain).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_amendments_at_once_one_wins() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", CALM)).await;
    let sends: Vec<_> = (0..32)
        .map(|number| {
            let (address, body) = (app.address, amending(&format!("a{number}"), [1; 9], &first).to_string());
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let authorization = format!("Bearer {}", crate::app::ADMIN);
                let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
                client.send("POST", PHQ9, &headers, body).await.unwrap().status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for send in sends {
        statuses.push(send.await.unwrap());
    }
    statuses.sort_unstable();
    let expected: Vec<u16> = std::iter::once(202).chain(std::iter::repeat_n(409, 31)).collect();
    assert_eq!(statuses, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_names_a_submission_of_its_own_study_and_site() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", CALM)).await;
    let unknown = amending("u", CALM, "/v1/submissions/6f2c1a52-5a52-8b7e-9f0a-1d2c3b4a5f60");
    let mut site = amending("s", CALM, &first);
    site["siteId"] = json!("2");
    let mut study = amending("s", CALM, &first);
    study["studyId"] = json!("B");
    for foreign in [unknown, site, study] {
        let answer = app.send("POST", PHQ9, &foreign).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.findings(), [("/amends/submissionId".to_owned(), "choice".to_owned())]);
    }
    let malformed = json!({"submissionId": "x", "why": "free text"});
    let mut response = phq9("m", CALM);
    response["amends"] = malformed;
    let found = app.send("POST", PHQ9, &response).await.findings();
    let expected = [("/amends/submissionId", "format"), ("/amends/why", "unknown")];
    assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    // None of them replaced the first one.
    app.submit(&amending("r2", CALM, &first)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_that_is_scored_first_waits_for_nobody() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    let first = app.submit(&phq9("r", CALM)).await;
    // A worker holds the first one.
    queues::take(&app, "score", "slow", 600_000).await;
    let second = app.submit(&amending("r2", ALARMING, &first)).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let shown = app.scored(&second).await;
    assert_eq!(shown["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(app.send("GET", &first, &Value::Null).await.json()["state"], "queued");
    // That worker died: its entry is handed out again, and the idempotency record is set once it is stored.
    queues::die(&app, "slow").await;
    until("the mark is set", async || {
        app.send("POST", "/v1/ops/drain", &Value::Null).await;
        let shown = app.send("GET", &first, &Value::Null).await.json();
        (shown["supersededBy"] == id(&second)).then_some(())
    })
    .await;
    let audit = audit(&app, &format!("submission/{}", id(&first))).await;
    assert_eq!((actions(&audit), &audit["verified"]), (vec!["submitted", "superseded"], &json!(true)));
}
