//! Configuration documents and instruments change while Vigil runs, and are in force at once and everywhere.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, READ_A1, SUBMIT_A};
use crate::client::{Answer, Client};

const DOCUMENT: &str = "/v1/config/deidentification";
const SLEEP: &str = "/v1/instruments/sleep";

/// A definition of an instrument `sleep` whose items go up to `most`.
pub(crate) fn sleep(version: &str, most: u32) -> Value {
    json!({
        "id": "sleep", "version": version, "title": "Sleep", "licence": "CC0-1.0", "languages": ["en"],
        "sources": ["Written for this study"],
        "items": [{"id": "s1", "range": [0, most], "text": "One"}, {"id": "s2", "range": [0, most], "text": "Two"}],
        "scores": [{"id": "total", "title": "Total", "method": "sum", "items": ["s1", "s2"], "range": [0, 2 * most]}],
        "alerts": [{"id": "high", "severity": "high", "textKey": "sleep.high", "always": true,
                    "when": {"score": "total", "atLeast": most}}]
    })
}

fn response(id: &str, answers: [u32; 2]) -> Value {
    json!({
        "responseId": id, "studyId": "A", "siteId": "1", "patientId": "somebody", "authoredAt": "2026-03-01T08:00:00Z",
        "answers": {"s1": answers[0], "s2": answers[1]}
    })
}

/// Sends over a kept-alive connection, so that it meets instances that have seen the earlier version.
async fn send(client: &mut Client, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let mut all = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    all.extend(headers);
    client.send(method, path, &all, if body.is_null() { String::new() } else { body.to_string() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instrument_is_in_force_at_once_on_every_host_and_records_keep_theirs() {
    let one = App::start().await;
    let other = App::builder().only(&["submit", "records", "ops"]).start_beside(&one).await;
    let path = "/v1/surveys/sleep/responses";
    let mut client = other.client().await;
    assert_eq!(send(&mut client, "POST", path, &[], &response("r0", [1, 1])).await.status, 404);
    let stored = one.send("PUT", SLEEP, &sleep("1", 5)).await;
    assert_eq!(stored.status, 201, "{stored:?}");

    let first = send(&mut client, "POST", path, &[], &response("r1", [2, 3])).await;
    assert_eq!(first.status, 202, "{first:?}");
    let shown = one.scored(first.header("location").unwrap()).await;
    assert_eq!((&shown["scores"][0]["value"], &shown["alerts"][0]["rule"]), (&json!(5.0), &json!("high")));
    assert_eq!(shown["instrument"]["version"], "1");

    // The new version allows what the old one forbids, and the reverse; the instance knows the old one.
    assert_eq!(send(&mut client, "POST", path, &[], &response("r2", [9, 9])).await.status, 422);
    assert_eq!(one.send("PUT", SLEEP, &sleep("2", 10)).await.status, 201);
    let second = send(&mut client, "POST", path, &[], &response("r2", [9, 9])).await;
    assert_eq!(second.status, 202, "{second:?}");
    let shown = one.scored(second.header("location").unwrap()).await;
    assert_eq!((&shown["scores"][0]["value"], &shown["instrument"]["version"]), (&json!(18.0), &json!("2")));
    assert_eq!(one.send("PUT", SLEEP, &sleep("1", 5)).await.status, 200, "back to the first");
    assert_eq!(send(&mut client, "POST", path, &[], &response("r3", [9, 9])).await.status, 422);
    assert_eq!(one.scored(first.header("location").unwrap()).await["instrument"]["version"], "1");

    let resent = send(&mut client, "POST", path, &[], &response("r2", [9, 9])).await;
    assert_eq!(resent.status, 422, "what is checked is checked by what is in force");
    let listed = one.send_as(SUBMIT_A, "GET", "/v1/instruments", &Value::Null).await.json();
    let own = listed["instruments"].as_array().unwrap().iter().find(|it| it["id"] == "sleep").unwrap().clone();
    assert_eq!((&own["version"], &own["versions"], &own["builtIn"]), (&json!("1"), &json!(["1", "2"]), &json!(false)));
    let shown = one.send_as(READ_A1, "GET", "/v1/instruments/sleep?version=2", &Value::Null).await;
    assert_eq!(shown.body, sleep("2", 10).to_string(), "byte for byte");
    let trail = one.send("GET", "/v1/audit/instrument/sleep", &Value::Null).await.json();
    assert_eq!((&trail["verified"], trail["records"].as_array().unwrap().len()), (&json!(true), 3), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_waits_in_the_queue_with_what_it_was_checked_by() {
    let mut app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    assert_eq!(app.send("PUT", SLEEP, &sleep("1", 5)).await.status, 201);
    let answer = app.send("POST", "/v1/surveys/sleep/responses", &response("r", [5, 5])).await;
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(app.send("PUT", SLEEP, &sleep("2", 10)).await.status, 201);
    app.stop().await;
    app.run_all();
    app.start_again().await;
    let shown = app.scored(&location).await;
    assert_eq!((&shown["instrument"]["version"], &shown["alerts"][0]["rule"]), (&json!("1"), &json!("high")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_tried_before_it_is_stored() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    let with = |scores: Value| {
        let examples = json!([{"answers": {"s1": 3, "s2": 4}, "scores": scores}, {"answers": {"s1": 1}}]);
        json!({"definition": sleep("1", 5), "examples": examples})
    };
    let tried = app.send("PUT", "/v1/instruments/sleep?dry-run=true", &with(json!({"total": 8}))).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let examples = tried.json()["examples"].clone();
    assert_eq!((&examples[0]["agrees"], &examples[0]["scores"][0]["value"]), (&json!(false), &json!(7.0)));
    assert_eq!(examples[0]["alerts"][0]["rule"], "high");
    assert_eq!(examples[1]["scores"][0]["status"], "not-scored");
    let refused = app.send("PUT", SLEEP, &with(json!({"total": 8}))).await;
    assert_eq!(
        (refused.status, refused.findings()),
        (422, vec![("/examples/0/scores/total".into(), "conflict".into())])
    );
    assert_eq!(app.send("GET", SLEEP, &Value::Null).await.status, 404, "nothing was stored");
    assert_eq!(app.send("PUT", SLEEP, &with(json!({"total": 7.0}))).await.status, 201);

    // All faults at once; their pointers point into the body that was sent.
    let mut faulty = with(json!({}));
    faulty["definition"]["items"][0]["range"] = json!([5, 0]);
    faulty["definition"]["scores"][0]["items"] = json!(["s1", "s9"]);
    faulty["definition"]["alerts"][0]["severity"] = json!("loud");
    let findings = app.send("PUT", SLEEP, &faulty).await.findings();
    let pointers: Vec<&str> = findings.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for expected in ["/definition/items/0/range", "/definition/scores/0/items/1", "/definition/alerts/0/severity"] {
        assert!(pointers.contains(&expected), "{expected} in {pointers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes_and_a_rule_that_is_always_on_stays() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    assert_eq!(app.send("PUT", SLEEP, &sleep("1", 5)).await.status, 201);
    assert_eq!(app.send("PUT", SLEEP, &sleep("1", 6)).await.status, 409);
    let mut quiet = sleep("2", 5);
    quiet["alerts"] = json!([]);
    assert_eq!(app.send("PUT", SLEEP, &quiet).await.findings(), [("/alerts".into(), "required".into())]);
    let mut elsewhere = sleep("a/b", 5);
    elsewhere["id"] = json!("other");
    let findings = app.send("PUT", SLEEP, &elsewhere).await.findings();
    assert_eq!(findings, [("/id".into(), "conflict".into()), ("/version".into(), "format".into())]);
    // A built-in instrument has a version too, and can be restored.
    let built_in = app.send("GET", "/v1/instruments/pain-nrs", &Value::Null).await.json();
    let mut own = built_in.clone();
    own["title"] = json!("Pain, our words");
    assert_eq!(app.send("PUT", "/v1/instruments/pain-nrs", &own).await.status, 409);
    own["version"] = json!("1.0.0-own");
    assert_eq!(app.send("PUT", "/v1/instruments/pain-nrs", &own).await.status, 201);
    assert_eq!(app.send("GET", "/v1/instruments/pain-nrs", &Value::Null).await.json(), own);
    for (key, status) in [(ADMIN_B, 403), (READ_A1, 403), (SUBMIT_A, 403), ("nobody", 401)] {
        assert_eq!(app.send_as(key, "PUT", SLEEP, &sleep("3", 5)).await.status, status, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_replaced_only_by_who_has_seen_it() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    assert_eq!(app.send("GET", DOCUMENT, &Value::Null).await.status, 404);
    assert_eq!(app.send("GET", "/v1/config/nothing", &Value::Null).await.status, 404);
    assert_eq!(app.send("PUT", DOCUMENT, &json!([])).await.status, 422);
    let content = json!({"studies": {}});
    let dry = app.send("PUT", &format!("{DOCUMENT}?dry-run=true"), &content).await;
    assert_eq!((dry.status, &dry.json()["stored"]), (200, &json!(false)));
    assert_eq!(app.send("GET", DOCUMENT, &Value::Null).await.status, 404);
    let stored = app.send("PUT", DOCUMENT, &content).await;
    assert_eq!((stored.status, stored.header("etag")), (201, Some("\"1\"")));
    assert_eq!(app.send("PUT", DOCUMENT, &content).await.status, 428);

    // If many senders have seen the same version, one wins.
    let replace = async |tag: &str| {
        let headers = [("if-match", tag), ("x-change-reason", "review of the protocol, ask 13800138000")];
        send(&mut app.client().await, "PUT", DOCUMENT, &headers, &content).await.status
    };
    let mut statuses = join_all((0..8).map(|_| replace("\"1\""))).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    let shown = app.send("GET", DOCUMENT, &Value::Null).await;
    assert_eq!((shown.json(), shown.header("etag")), (content, Some("\"2\"")));
    assert_eq!(app.send("GET", &format!("{DOCUMENT}?version=1"), &Value::Null).await.status, 200);
    assert_eq!(app.send("GET", &format!("{DOCUMENT}?version=3"), &Value::Null).await.status, 404);
    let trail = app.send("GET", "/v1/audit/config/deidentification", &Value::Null).await.json();
    assert_eq!((&trail["verified"], trail["records"].as_array().unwrap().len()), (&json!(true), 2), "{trail}");
    assert_eq!(trail["records"][1]["reason"], "review of the protocol, ask [phone]");
    let listed = app.send("GET", "/v1/config", &Value::Null).await.json();
    assert!(listed["documents"].as_array().unwrap().iter().any(|it| it["version"] == 2), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_outlive_redis() {
    let app = App::start().await;
    assert_eq!(app.send("PUT", SLEEP, &sleep("1", 5)).await.status, 201);
    let mut client = app.client().await;
    let path = "/v1/surveys/sleep/responses";
    assert_eq!(send(&mut client, "POST", path, &[], &response("r1", [1, 1])).await.status, 202);
    let () = app.redis(&["FLUSHALL"]).await;
    let answer = send(&mut client, "POST", path, &[], &response("r2", [1, 1])).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(app.scored(answer.header("location").unwrap()).await["scores"][0]["value"], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_scored_again_page_by_page_and_keep_their_first_scores() {
    let app = App::start().await;
    assert_eq!(app.send("PUT", SLEEP, &sleep("1", 5)).await.status, 201);
    let mut locations = Vec::new();
    for number in 0..5 {
        let response = response(&format!("r{number}"), [number, 1]);
        let answer = app.send("POST", "/v1/surveys/sleep/responses", &response).await;
        locations.push(answer.header("location").unwrap().to_owned());
    }
    for location in &locations {
        app.scored(location).await;
    }
    // The second version has bands, and knows no 4.
    let mut next = sleep("2", 3);
    next["scores"][0] = json!({"id": "total", "title": "Total", "method": "sum", "items": ["s1", "s2"], "range": [0, 6],
        "bands": [{"id": "low", "label": "Low", "from": 0, "below": 2}, {"id": "some", "label": "Some", "from": 2}]});
    assert_eq!(app.send("PUT", SLEEP, &next).await.status, 201);

    let path = "/v1/instruments/sleep/rescore";
    let all = async |dry_run: bool| {
        let (mut cursor, mut pages) = (Value::Null, Vec::new());
        loop {
            let wanted = json!({"studyId": "A", "version": "2", "dryRun": dry_run, "limit": 2, "cursor": cursor});
            let answer = app.send("POST", path, &wanted).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            pages.push(answer.json());
            cursor = answer.json()["cursor"].clone();
            if cursor.is_null() {
                return pages;
            }
        }
    };
    let sum = |pages: &[Value], member: &str| -> u64 { pages.iter().map(|page| page[member].as_u64().unwrap()).sum() };
    let count =
        |pages: &[Value], member: &str| -> usize { pages.iter().map(|p| p[member].as_array().unwrap().len()).sum() };
    let dry = all(true).await;
    assert_eq!((sum(&dry, "looked"), count(&dry, "changed"), count(&dry, "invalid")), (5, 4, 1), "{dry:?}");
    assert_eq!(
        dry[0]["changed"][0]["differences"][0]["after"],
        json!({"value": 1.0, "band": "low", "status": "scored"})
    );
    assert!(app.scored(&locations[0]).await.get("rescored").is_none(), "a dry run stores nothing");

    for _ in 0..2 {
        assert_eq!(count(&all(false).await, "changed"), 4);
    }
    let shown = app.scored(&locations[2]).await;
    assert_eq!((&shown["scores"][0]["value"], shown["scores"][0].get("band")), (&json!(3.0), None));
    let rescored = shown["rescored"].as_array().unwrap();
    assert_eq!((rescored.len(), &rescored[0]["scores"][0]["band"]), (1, &json!("some")), "{shown}");
    assert_eq!((&rescored[0]["scoredWith"]["version"], &rescored[0]["by"]), (&json!("2"), &json!("admin")));
    let id = locations[2].rsplit('/').next().unwrap();
    let trail = app.send("GET", &format!("/v1/audit/rescored/{id}"), &Value::Null).await.json();
    assert_eq!((&trail["verified"], &trail["content"]), (&json!(true), &json!("unchanged")), "{trail}");

    // An erasure removes these too.
    let reason = json!({"reason": "consent withdrawn"});
    assert_eq!(app.send("DELETE", &locations[2], &reason).await.status, 200);
    assert_eq!(app.stored(&format!("rescored/{id}")), None);
    assert_eq!(app.send_as(ADMIN_B, "POST", path, &json!({"studyId": "A", "version": "2"})).await.status, 403);
    let findings = app.send("POST", path, &json!({"version": 2, "limit": 0, "more": 1})).await.findings();
    assert_eq!(findings.len(), 4, "{findings:?}");
    let findings = app.send("POST", path, &json!({"studyId": "A", "version": "9"})).await.findings();
    assert_eq!(findings, [("/version".into(), "choice".into())]);
}
