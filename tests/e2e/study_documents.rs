//! A study as one document: its versions, what it takes in, and the settings that it has of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, PHQ9, READ_A1, READ_B, SUBMIT_A, phq9};
use crate::audit::audit;
use crate::client::{Answer, Client};

const A: &str = "/v1/studies/A";
const NOT_TAKEN: &str = "urn:vigil:problem:not-taken";

/// A document of two sites.
fn document(state: &str) -> Value {
    json!({
        "title": "Sleep after surgery",
        "state": state,
        "languages": ["en", "zh"],
        "sites": [
            {"id": "1", "title": "Harbour Clinic", "zone": "Europe/Berlin", "languages": ["en"]},
            {"id": "2", "title": "Hill Clinic", "zone": "Asia/Shanghai"},
        ],
        "instruments": [{"id": "phq-9"}],
        "crisis": {"en": "In an emergency call 112."},
    })
}

/// Sends with these headers beside the key.
async fn send(
    client: &mut Client,
    key: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut all = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    all.extend(headers);
    client.send(method, path, &all, body.to_owned()).await.unwrap()
}

/// Stores a version of a study's document, whichever is in force.
async fn store(app: &App, path: &str, document: &Value) -> Value {
    let mut client = app.client().await;
    let shown = send(&mut client, ADMIN, "GET", path, &[], "").await;
    let etag = shown.header("etag").map(str::to_owned);
    let headers: Vec<(&str, &str)> = etag.as_deref().map(|etag| ("if-match", etag)).into_iter().collect();
    let stored = send(&mut client, ADMIN, "PUT", path, &headers, &document.to_string()).await;
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
    stored.json()
}

/// A response of a study and a site that was written so many seconds from now.
fn response(id: &str, study: &str, site: &str, seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = i64::try_from(now.as_millis()).unwrap() + seconds * 1000;
    let mut response = phq9(id, [0; 9]);
    response["studyId"] = json!(study);
    response["siteId"] = json!(site);
    response["authoredAt"] = json!(domain::Timestamp::from_millis(at).rfc3339());
    response
}

/// Sends a response of study A, and says how it ended: the status, and of a refusal the reason.
async fn sent(app: &App, id: &str, site: &str, seconds: i64) -> (u16, String) {
    let answer = app.send("POST", PHQ9, &response(id, "A", site, seconds)).await;
    if answer.status == 202 {
        return (202, String::new());
    }
    assert_eq!(answer.json()["type"], NOT_TAKEN, "{answer:?}");
    (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
}

fn refused(reason: &str) -> (u16, String) {
    (403, reason.to_owned())
}

fn taken() -> (u16, String) {
    (202, String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_one_document_with_its_versions() {
    let app = App::builder().only(&["studies", "console", "records", "alerts", "access", "ops"]).start().await;
    let mut client = app.client().await;
    let first = document("draft");
    let tried = send(&mut client, ADMIN, "PUT", &format!("{A}?dry-run=true"), &[], &first.to_string()).await;
    assert_eq!((tried.status, &tried.json()["stored"], &tried.json()["version"]), (200, &json!(false), &Value::Null));
    assert_eq!(app.send("GET", A, &Value::Null).await.status, 404, "a dry run stores nothing");

    let reason = [("x-change-reason", "set up by protocol 1.0"), ("if-none-match", "*")];
    let stored = send(&mut client, ADMIN, "PUT", A, &reason, &first.to_string()).await;
    assert_eq!((stored.status, stored.header("etag")), (201, Some("\"1\"")), "{stored:?}");
    assert_eq!((&stored.json()["version"], &stored.json()["stored"]), (&json!(1), &json!(true)));
    let shown = app.send("GET", A, &Value::Null).await;
    assert_eq!((shown.header("etag"), &shown.json()["document"]), (Some("\"1\""), &first), "{shown:?}");

    // Who changes it names the version that they saw.
    let second = document("live").to_string();
    assert_eq!(send(&mut client, ADMIN, "PUT", A, &[], &second).await.status, 428);
    assert_eq!(send(&mut client, ADMIN, "PUT", A, &[("if-match", "\"7\"")], &second).await.status, 412);
    let changed = send(&mut client, ADMIN, "PUT", A, &[("if-match", "\"1\"")], &second).await;
    assert_eq!((changed.status, &changed.json()["version"]), (200, &json!(2)), "{changed:?}");
    let differences = changed.json()["differences"].clone();
    assert_eq!(differences.as_array().unwrap().len(), 1, "{differences}");
    assert_eq!((&differences[0]["pointer"], &differences[0]["old"]), (&json!("/state"), &json!("draft")));

    // A version is a file; the same file is another study.
    let current = app.send("GET", &format!("{A}/versions/current"), &Value::Null).await;
    let earlier = app.send("GET", &format!("{A}/versions/1"), &Value::Null).await;
    assert_eq!((earlier.json(), current.header("etag")), (first, Some("\"2\"")));
    let text = String::from_utf8(current.body.to_vec()).unwrap();
    assert!(text.lines().count() > 20 && text.ends_with('\n'), "{text}");
    let copied = send(&mut client, ADMIN, "PUT", "/v1/studies/B", &[], &text).await;
    assert_eq!((copied.status, &copied.json()["sha256"]), (201, &changed.json()["sha256"]), "the same bytes");
    for path in [format!("{A}/versions/3"), format!("{A}/versions/01"), "/v1/studies/C/versions".to_owned()] {
        assert_eq!(app.send("GET", &path, &Value::Null).await.status, 404, "{path}");
    }

    let versions = app.send("GET", &format!("{A}/versions?limit=1"), &Value::Null).await.json();
    assert_eq!((&versions["versions"][0]["version"], &versions["more"]), (&json!(2), &json!(true)));
    let rest = app.send("GET", &format!("{A}/versions?cursor={}", versions["cursor"]), &Value::Null).await.json();
    assert_eq!((&rest["versions"][0]["version"], &rest["more"]), (&json!(1), &json!(false)));
    let listed = app.send("GET", "/v1/studies?limit=1", &Value::Null).await.json();
    let line = &listed["studies"][0];
    assert_eq!(
        (&line["studyId"], &line["state"], &line["sites"]),
        (&json!("A"), &json!("live"), &json!(2)),
        "{listed}"
    );
    let rest = app.send("GET", "/v1/studies?cursor=A", &Value::Null).await.json();
    assert_eq!((&rest["studies"][0]["studyId"], &rest["cursor"]), (&json!("B"), &Value::Null), "{rest}");

    let trail = audit(&app, "study/A").await;
    assert_eq!((&trail["verified"], &trail["content"]), (&json!(true), &json!("unchanged")), "{trail}");
    assert_eq!(trail["records"][0]["reason"], "set up by protocol 1.0");
    assert_eq!(trail["records"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_told_at_its_place_and_nothing_is_stored() {
    let app = App::builder().only(&["studies", "ops"]).start().await;
    let mut wrong = document("open");
    wrong["sites"][1]["zone"] = json!("Mars/Base");
    wrong["alertRules"] = json!({"diary": {"off": ["nothing"]}});
    wrong["alertRoutes"] = json!({});
    wrong["more"] = json!(1);
    let mut expected =
        ["/alertRoutes", "/alertRules/diary/off/0", "/more", "/sites/1/zone", "/state"].map(str::to_owned);
    expected.sort();
    let refused = app.send("PUT", A, &wrong).await;
    let mut places: Vec<String> = refused.findings().into_iter().map(|(place, _)| place).collect();
    places.sort();
    assert_eq!((refused.status, places.as_slice()), (422, expected.as_slice()), "{refused:?}");
    let tried = app.send("PUT", &format!("{A}?dry-run=true"), &wrong).await;
    assert_eq!((tried.status, &tried.json()["valid"]), (200, &json!(false)), "{tried:?}");
    assert_eq!(tried.json()["errors"].as_array().unwrap().len(), 5, "{tried:?}");
    assert_eq!(tried.json()["differences"][0]["pointer"], "");
    let mut unknown = document("live");
    unknown["instruments"] = json!([{"id": "phq-9"}, {"id": "nothing"}]);
    let refused = app.send("PUT", A, &unknown).await;
    assert_eq!(refused.findings(), [("/instruments/1/id".to_owned(), "choice".to_owned())]);
    assert_eq!(app.send("GET", A, &Value::Null).await.status, 404);
    assert_eq!(app.send("GET", "/v1/studies", &Value::Null).await.json()["studies"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_changed_by_who_administers_it_and_seen_by_who_reads_it() {
    let app = App::builder().only(&["studies", "ops"]).start().await;
    store(&app, A, &document("live")).await;
    store(&app, "/v1/studies/B", &document("live")).await;
    for (key, method, path, expected) in [
        (SUBMIT_A, "GET", A, 403),
        (READ_A1, "GET", A, 200),
        (READ_B, "GET", A, 404),
        (READ_A1, "PUT", A, 403),
        (ADMIN_B, "PUT", A, 404),
        (ADMIN_B, "PUT", "/v1/studies/B", 428),
        (ADMIN_B, "GET", "/v1/studies/B/versions", 200),
        (ADMIN_B, "GET", "/v1/studies/A/versions", 404),
        (READ_A1, "GET", "/v1/studies/A/versions", 403),
    ] {
        let body = if method == "PUT" { document("live") } else { Value::Null };
        assert_eq!(app.send_as(key, method, path, &body).await.status, expected, "{key} {method} {path}");
    }
    let listed = app.send_as(READ_B, "GET", "/v1/studies", &Value::Null).await.json();
    let ids: Vec<&Value> = listed["studies"].as_array().unwrap().iter().map(|study| &study["studyId"]).collect();
    assert_eq!(ids, [&json!("B")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_takes_in_what_the_study_says_on_every_host_at_once() {
    let app = App::builder().only(&["submit", "studies", "ops"]).start().await;
    let other = App::builder().only(&["submit", "ops"]).start_beside(&app).await;
    // Without a document a study is taken in, as long as the installation allows it.
    assert_eq!(sent(&other, "r0", "9", 0).await, taken());
    store(&app, A, &document("draft")).await;
    assert_eq!(sent(&other, "r1", "1", 0).await, refused("the study is not live yet"));
    store(&app, A, &document("live")).await;
    assert_eq!(sent(&other, "r1", "1", 0).await, taken());
    assert_eq!(sent(&other, "r2", "3", 0).await, refused("the study has no site of this id"));
    store(&app, A, &document("paused")).await;
    assert_eq!(sent(&other, "r3", "2", 0).await, taken());

    let mut closed = document("live");
    closed["sites"][1]["state"] = json!("closed");
    store(&app, A, &closed).await;
    assert_eq!(sent(&other, "r4", "2", -60).await, taken());
    assert_eq!(sent(&other, "r5", "2", 60).await, refused("the site was closed before this was written"));
    assert_eq!(sent(&other, "r5", "1", 60).await, taken());
    store(&app, A, &document("closed")).await;
    assert_eq!(sent(&other, "r6", "1", -60).await, taken());
    assert_eq!(sent(&other, "r7", "1", 60).await, refused("the study was closed before this was written"));
    // Another version does not make the closing later.
    let mut again = document("closed");
    again["title"] = json!("Sleep");
    store(&app, A, &again).await;
    assert_eq!(sent(&other, "r7", "1", 60).await, refused("the study was closed before this was written"));

    // What was taken in before is a resend, whatever has become of the study.
    let early = response("r8", "A", "1", -60);
    assert_eq!(other.send("POST", PHQ9, &early).await.status, 202);
    store(&app, A, &document("draft")).await;
    assert_eq!(other.send("POST", PHQ9, &early).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_checks_are_told_why_a_study_does_not_take_them() {
    let app = App::builder().only(&["submit", "studies", "ops"]).start().await;
    store(&app, A, &document("live")).await;
    let row = |id: &str, study: &str, site: &str| {
        let mut row = response(id, study, site, -60);
        row["instrument"] = json!("phq-9");
        row
    };
    let rows = json!([row("b1", "A", "1"), row("b2", "A", "7"), row("b3", "other", "1")]);
    let checked = app.send("POST", "/v1/validate", &rows).await.json();
    let valid: Vec<&Value> = checked["rows"].as_array().unwrap().iter().map(|row| &row["valid"]).collect();
    assert_eq!(
        (valid, &checked["valid"]),
        (vec![&json!(true), &json!(false), &json!(true)], &json!(false)),
        "{checked}"
    );
    assert_eq!(checked["rows"][1]["errors"][0]["pointer"], "/siteId");
    let batch = app.send("POST", "/v1/reports/batch", &rows).await.json();
    assert_eq!((&batch["accepted"], &batch["rejected"]), (&json!(2), &json!(1)), "{batch}");
    assert_eq!(batch["rows"][1]["errors"][0]["detail"], "the study has no site of this id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_may_refuse_studies_without_a_document() {
    let app = App::builder().variable("unknown_studies", "refuse").only(&["submit", "studies", "ops"]).start().await;
    assert_eq!(sent(&app, "r1", "1", 0).await, refused("there is no study of this id"));
    store(&app, A, &document("live")).await;
    assert_eq!(sent(&app, "r1", "1", 0).await, taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_studys_own_rules_and_policy_stand_in_place_of_the_installations() {
    let app = App::start().await;
    let rule = |id: &str| json!({"id": id, "severity": "info", "textKey": "own.rule", "when": {"score": "total", "atLeast": 0}});
    let rules = |id: &str| json!({"instruments": {"phq-9": {"add": [rule(id)]}}});
    let shared = json!({"studies": {"A": rules("shared"), "B": rules("shared")}});
    assert_eq!(app.send("PUT", "/v1/config/alert-rules", &shared).await.status, 201);
    let raised = async |id: &str, study: &str| {
        let answer = app.send("POST", PHQ9, &response(id, study, "1", -60)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let shown = app.scored(answer.header("location").unwrap()).await;
        let rules = shown["alerts"].as_array().unwrap().iter().map(|alert| alert["rule"].as_str().unwrap().to_owned());
        rules.collect::<Vec<_>>()
    };
    assert_eq!(raised("o1", "A").await, ["shared"]);
    let mut own = document("live");
    own["alertRules"] = rules("own");
    own["deidentification"] = json!({"adverse-event": {"note": "drop"}});
    store(&app, A, &own).await;
    assert_eq!(raised("o2", "A").await, ["own"]);
    assert_eq!(raised("o3", "B").await, ["shared"], "another study keeps the installation's");

    let event = |id: &str| {
        let mut event = response(id, "A", "1", -60);
        event.as_object_mut().unwrap().remove("answers");
        event.as_object_mut().unwrap().remove("responseId");
        event["reportId"] = json!(id);
        event["kind"] = json!("adverse-event");
        event["data"] = json!({
            "term": "Headache", "onset": "2026-02-20", "grade": 2, "serious": false, "relatedness": "possible",
            "outcome": "recovered", "actionTaken": "none", "note": "told the night nurse",
        });
        event
    };
    let first = app.send("POST", "/v1/reports", &event("e1")).await;
    assert_eq!((first.status, &first.json()["removed"]["dropped"]), (202, &json!(1)), "{first:?}");
    // Without the sections, the installation's documents decide again.
    store(&app, A, &document("live")).await;
    assert_eq!(raised("o4", "A").await, ["shared"]);
    let second = app.send("POST", "/v1/reports", &event("e2")).await;
    assert_eq!((second.status, second.json().get("removed")), (202, None), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn studies_are_in_force_again_after_redis_lost_them() {
    let app = App::builder().only(&["submit", "studies", "ops"]).start().await;
    store(&app, A, &document("draft")).await;
    assert_eq!(sent(&app, "r1", "1", 0).await, refused("the study is not live yet"));
    let _: u32 = app.redis(&["DEL", "{vigil}:study:A", "{vigil}:studies", "{vigil}:studies:own"]).await;
    let _: u32 = app.redis(&["DEL", "{vigil}:settings"]).await;
    assert_eq!(sent(&app, "r1", "1", 0).await, refused("the study is not live yet"));
    assert_eq!(app.redis::<u32>(&["HLEN", "{vigil}:studies"]).await, 1);
}
