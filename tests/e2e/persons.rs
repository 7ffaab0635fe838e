//! Patient ids are valid at one site of one study, and within one system. Links join the subjects of one person.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::alerting::{CRITICAL, HIGH, alert, configure, document, hook, of_patient};
use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, until};
use crate::audit::{actions, audit};
use crate::client::Answer;
use crate::evaluation::{alerts, report};
use crate::history::{finished, id, on, rules, scored, with_rules};
use crate::overdue::{diaries, look_now, looks, put, received, settled};
use crate::receiver::Receiver;
use crate::reindex::reindex;

/// The same document, for a patient with this id at another site.
fn at(site: &str, mut document: Value) -> Value {
    let name = if document.get("kind").is_some() { "reportId" } else { "responseId" };
    let own = format!("{} at {site}", document[name].as_str().unwrap());
    (document["siteId"], document[name], document["patientId"]) = (json!(site), json!(own), json!("001"));
    document
}

async fn subject(app: &App, document: &Value) -> String {
    scored(app, document).await.1["subject"].as_str().unwrap().to_owned()
}

pub(crate) async fn link(app: &App, one: &str, other: &str) -> Answer {
    app.send("POST", &format!("/v1/subjects/{one}/links"), &json!({"to": other, "reason": "moved to site 2"})).await
}

pub(crate) async fn unlink(app: &App, one: &str, other: &str) -> Answer {
    app.send("DELETE", &format!("/v1/subjects/{one}/links/{other}"), &json!({"reason": "another person"})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_site_sends_holds_back_no_alert_of_another() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let mut routes = document(json!({"a": hook(&receiver)}));
    (routes["defaults"]["repeatSeconds"], routes["defaults"]["groupSeconds"]) = (json!(3600), json!(0.5));
    configure(&app, &routes).await;
    // The same rule raises an alert for the same patient id, first at the other site.
    for answers in [HIGH, CRITICAL] {
        for site in ["2", "1"] {
            let number = if answers == HIGH { "high" } else { "critical" };
            let location = app.submit(&at(site, of_patient("", number, answers))).await;
            alert(&app, &location, |it| it["state"] == "delivered").await;
        }
    }
    assert!(receiver.calls().iter().all(|call| call.json()["type"] == "alert.raised"), "no two go as a group");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_site_sends_is_the_past_of_no_patient_of_another() {
    let app = App::start().await;
    with_rules(&app).await;
    let (first, shown) = scored(&app, &at("1", on(2, 2))).await;
    let mut from_elsewhere = Vec::new();
    for (day, written) in [(1, "0000-01-01T00:00:00Z"), (4, "2026-03-04T08:00:00Z"), (9, "2099-01-01T00:00:00Z")] {
        let mut response = at("2", on(day, 20));
        response["authoredAt"] = json!(written);
        let answer = app.send("POST", crate::app::PHQ9, &response).await;
        // An impossible time may be refused; an accepted submission concerns only its own subject.
        if answer.status == 202 {
            from_elsewhere.push(app.scored(answer.header("location").unwrap()).await["subject"].clone());
        }
    }
    assert!(!from_elsewhere.is_empty() && from_elsewhere.iter().all(|subject| *subject != shown["subject"]));
    finished(&app).await;
    let (_, shown) = scored(&app, &at("1", on(5, 8))).await;
    let reason = "score total changed by 6 since the previous response, to 8, rule: 5 or more";
    assert_eq!((rules(&shown), alerts(&shown)[0].2.as_str()), (vec!["worse".to_owned()], reason));
    assert_eq!(shown["history"], json!({"status": "available", "previous": id(&first), "baseline": id(&first)}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_who_is_silent_is_missed_whatever_another_site_sends() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    put(&app, diaries(2.0, 1)).await;
    let silent = at("1", report("d0", "diary", json!({"note": "fine"})));
    let silent = app.send("POST", "/v1/reports", &silent).await.header("location").unwrap().to_owned();
    let sent = AtomicUsize::new(0);
    let heard = until("somebody is missed", async || {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        let other = at("2", report(&format!("other {number}"), "diary", json!({"note": "fine"})));
        assert_eq!(app.send("POST", "/v1/reports", &other).await.status, 202);
        receiver.calls().first().map(|call| call.json()["data"].clone())
    })
    .await;
    assert_eq!((&heard["siteId"], &heard["submissionId"]), (&json!("1"), &json!(id(&silent))), "{heard}");
}

/// Two linked subjects of sites 1 and 2, each with one response, of 2 and of 20 points.
async fn linked(app: &App) -> (String, String) {
    let (old, new) = (subject(app, &at("1", on(1, 2))).await, subject(app, &at("2", on(3, 20))).await);
    finished(app).await;
    let answer = link(app, &old, &new).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("location"), Some(&*format!("/v1/subjects/{old}/links/{new}")));
    (old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_over_a_link_and_tells_no_figure_of_the_other_site() {
    let app = App::start().await;
    with_rules(&app).await;
    let (old, new) = (subject(&app, &at("1", on(1, 2))).await, subject(&app, &at("2", on(2, 3))).await);
    finished(&app).await;
    assert_eq!(link(&app, &new, &old).await.status, 201);
    let (moved, shown) = scored(&app, &at("2", on(8, 13))).await;
    let reasons: Vec<String> = alerts(&shown).into_iter().map(|(.., reason)| reason).collect();
    let from_here = "score total changed by 10 since the previous response, to 13, rule: 5 or more";
    let elsewhere = "score total changed since baseline, which is of another site, to 13, rule: 10 or more";
    assert_eq!(reasons, [from_here, elsewhere]);
    finished(&app).await;
    // A returning patient is compared with the other site's responses.
    let (back, shown) = scored(&app, &at("1", on(9, 20))).await;
    let elsewhere = "score total changed since the previous response, which is of another site, to 20, rule: 5 or more";
    assert_eq!(alerts(&shown)[0].2, elsewhere);
    assert_eq!(shown["history"]["previous"], id(&moved));
    finished(&app).await;
    // The link is removed: each has only its own past.
    let answer = unlink(&app, &old, &new).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, shown) = scored(&app, &at("2", on(10, 14))).await;
    assert_eq!((rules(&shown), &shown["history"]["previous"]), (vec!["much-worse".to_owned()], &json!(id(&moved))));
    let (_, shown) = scored(&app, &at("1", on(11, 20))).await;
    assert_eq!(shown["history"]["previous"], id(&back));
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_responses_of_one_batch_see_each_other() {
    let app = App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await;
    with_rules(&app).await;
    let locations = [app.submit(&at("1", on(1, 2))).await, app.submit(&at("2", on(2, 3))).await];
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let mut subjects = Vec::new();
    for location in &locations {
        subjects.push(app.scored(location).await["subject"].as_str().unwrap().to_owned());
    }
    assert_eq!(link(&app, &subjects[0], &subjects[1]).await.status, 201);
    let (earlier, later) = (app.submit(&at("1", on(5, 4))).await, app.submit(&at("2", on(6, 14))).await);
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    let shown = app.scored(&later).await;
    assert_eq!(
        (rules(&shown), &shown["history"]["previous"]),
        (vec!["much-worse".into(), "worse".into()], &json!(id(&earlier)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_follows_a_link_and_access_stays_by_site() {
    let app = App::start().await;
    let (old, new) = linked(&app).await;
    let series = async |key: &str, subject: &str, query: &str| {
        let path = format!("/v1/subjects/{subject}/scores?score=phq-9.total{query}");
        app.send_as(key, "GET", &path, &Value::Null).await
    };
    let values = |answer: &Answer| -> Vec<(String, f64)> {
        let points = answer.json()["points"].as_array().unwrap().clone();
        points.iter().map(|it| (it["siteId"].as_str().unwrap().to_owned(), it["value"].as_f64().unwrap())).collect()
    };
    let (here, there) = (("1".to_owned(), 2.0), ("2".to_owned(), 20.0));
    for subject in [&old, &new] {
        assert_eq!(values(&series(ADMIN, subject, "").await), [here.clone(), there.clone()]);
        // Page by page, whichever list the cursor's submission is in.
        let first = series(ADMIN, subject, "&limit=1").await;
        assert_eq!(values(&first), std::slice::from_ref(&here));
        let cursor = first.json()["cursor"].as_str().unwrap().to_owned();
        let second = series(ADMIN, subject, &format!("&limit=1&cursor={cursor}")).await;
        assert_eq!((values(&second), &second.json()["cursor"]), (vec![there.clone()], &Value::Null));
        let listed = app.send("GET", &format!("/v1/subjects/{subject}/submissions"), &Value::Null).await.json();
        let sites: Vec<&Value> = listed["submissions"].as_array().unwrap().iter().map(|it| &it["siteId"]).collect();
        assert_eq!(sites, ["2", "1"], "the latest first");
    }
    assert_eq!(values(&series(READ_A1, &old, "").await), std::slice::from_ref(&here));
    assert_eq!(values(&series(CLINICIAN_A2, &new, "").await), std::slice::from_ref(&there));
    assert_eq!(series(READ_A1, &new, "").await.status, 404);
    assert_eq!(series(CLINICIAN_A2, &old, "").await.status, 404);
    for (key, subject) in [(CLINICIAN_A1, &new), (CLINICIAN_A2, &old)] {
        for end in ["identity", "links", "submissions"] {
            let path = format!("/v1/subjects/{subject}/{end}");
            assert_eq!(app.send_as(key, "GET", &path, &Value::Null).await.status, 404, "{path}");
        }
    }
    // A submission that is erased at one site disappears from the list of the other site's administrator.
    let listed = app.send("GET", &format!("/v1/subjects/{new}/submissions"), &Value::Null).await.json();
    let last = listed["submissions"][1]["submissionId"].as_str().unwrap().to_owned();
    let erased = app.send("DELETE", &format!("/v1/submissions/{last}"), &json!({"reason": "withdrawn"})).await;
    assert_eq!(erased.status, 200);
    assert_eq!(values(&series(ADMIN, &new, "").await), [there]);
    // The link is removed: each is alone.
    assert_eq!(unlink(&app, &new, &old).await.status, 200);
    assert_eq!(values(&series(ADMIN, &old, "").await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_at_the_new_site_ends_the_waiting_at_the_old_one() {
    let receiver = Receiver::start().await;
    let app = App::builder().routes(&[&receiver.url()]).start().await;
    put(&app, diaries(600.0, 1)).await;
    let diary = |site: &str, id: &str| at(site, report(id, "diary", json!({"note": "fine"})));
    let send = async |document: Value| {
        let answer = app.send("POST", "/v1/reports", &document).await;
        let location = answer.header("location").unwrap().to_owned();
        let shown = app.scored(&location).await;
        finished(&app).await;
        (location, shown["subject"].as_str().unwrap().to_owned())
    };
    let (first, old) = send(diary("1", "d1")).await;
    let (second, new) = send(diary("2", "d2")).await;
    let answer = link(&app, &old, &new).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // The old site was silent for an hour; the new one sent something a moment ago.
    let heard_at = received(&app, &second).await;
    let look_of = async |subject: &str| looks(&app).await.into_iter().find(|(member, _)| member.contains(subject));
    backdate(&app, &first, heard_at - 3_600_000).await;
    let (look, _) = look_of(&old).await.unwrap();
    look_now(&app, &look).await;
    until("it is looked at again later", async || look_of(&old).await.filter(|(_, at)| *at > heard_at)).await;
    settled(&app).await;
    assert_eq!(receiver.calls().len(), 0, "the person is not silent");
    // Without the link, the old site's patient is silent.
    assert_eq!(unlink(&app, &old, &new).await.status, 200);
    look_now(&app, &look).await;
    let call = receiver.heard(1).await;
    let heard = call[0].json()["data"].clone();
    assert_eq!((&heard["siteId"], &heard["subject"]), (&json!("1"), &json!(old)), "{heard}");
}

/// Changes the time of receipt of a stored submission.
async fn backdate(app: &App, location: &str, at_ms: i64) {
    let key = format!("submission/{}", id(location));
    let mut record: Value = serde_json::from_slice(&app.stored(&key).unwrap()).unwrap();
    record["submission"]["receivedAt"] = json!(domain::Timestamp::from_millis(at_ms).rfc3339());
    let store = rusqlite::Connection::open(app.dir.join("sqlite_key_value.db")).unwrap();
    let changed =
        store.execute("UPDATE spin_key_value SET value=?1 WHERE key=?2", (record.to_string().into_bytes(), key));
    assert_eq!(changed.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_an_act_of_an_administrator_with_a_reason_on_record() {
    let app = App::start().await;
    let (old, new) = linked(&app).await;
    let path = format!("/v1/subjects/{old}/links");
    let shown = app.send_as(READ_A1, "GET", &path, &Value::Null).await.json();
    let link_of = &shown["links"][0];
    assert_eq!(
        (&link_of["to"], &link_of["siteId"], &link_of["by"]),
        (&json!(new), &json!("2"), &json!("admin")),
        "{shown}"
    );
    for (one, other) in [(&old, &new), (&new, &old)] {
        let chain = audit(&app, &format!("subject/{one}")).await;
        assert_eq!((actions(&chain), &chain["verified"]), (vec!["linked"], &json!(true)), "{chain}");
        assert_eq!(chain["records"][0]["refersTo"], format!("subject/{other}"));
        assert_eq!(chain["records"][0]["reason"], "moved to site 2");
    }
    let foreign = subject(&app, &{
        let mut response = at("1", on(4, 1));
        response["studyId"] = json!("B");
        response
    })
    .await;
    let third = subject(&app, &at("3", on(4, 1))).await;
    let body = |to: &str| json!({"to": to, "reason": "moved"});
    let unknown = "0".repeat(32);
    for (body, expected) in [
        (body(&new), vec![("/to", "conflict")]),
        (body(&old), vec![("/to", "conflict")]),
        (body(&foreign), vec![("/to", "choice")]),
        (body(&unknown), vec![("/to", "choice")]),
        (body("001"), vec![("/to", "choice")]),
        (json!({"to": 1, "reason": " ", "why": 1}), vec![("/to", "type"), ("/reason", "format"), ("/why", "unknown")]),
        (json!({}), vec![("/to", "required"), ("/reason", "required")]),
    ] {
        let answer = app.send("POST", &path, &body).await;
        let expected: Vec<_> = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
        assert_eq!((answer.status, answer.findings()), (422, expected), "{body}");
    }
    for (key, status) in [("nobody", 401), (READ_A1, 403), (CLINICIAN_A1, 403), (ADMIN_B, 404)] {
        assert_eq!(app.send_as(key, "POST", &path, &body(&third)).await.status, status, "{key}");
        assert_eq!(
            app.send_as(key, "DELETE", &format!("{path}/{new}"), &json!({"reason": "x"})).await.status,
            status,
            "{key}"
        );
    }
    // Through the second subject, the third is the same person; a link that closes a circle is refused.
    assert_eq!(link(&app, &new, &third).await.status, 201);
    assert_eq!(link(&app, &third, &old).await.findings(), [("/to".to_owned(), "conflict".to_owned())]);
    let series = format!("/v1/subjects/{old}/scores?score=phq-9.total");
    let points = async || app.send("GET", &series, &Value::Null).await.json()["points"].as_array().unwrap().len();
    finished(&app).await;
    assert_eq!(points().await, 3);
    // Reindexing rebuilds the links in Redis from the records.
    let () = app.redis(&["DEL", "{vigil}:links"]).await;
    assert_eq!(points().await, 1);
    let (well, said) = reindex(&app);
    assert!(well && said.contains("linked subjects: 3 corrected"), "{said}");
    assert_eq!(points().await, 3);
    assert_eq!(unlink(&app, &new, &old).await.status, 200);
    assert_eq!(unlink(&app, &new, &old).await.status, 404);
    assert_eq!(points().await, 1);
    let (well, said) = reindex(&app);
    assert!(well && said.contains("linked subjects: 0 corrected"), "{said}");
    let chain = audit(&app, &format!("subject/{old}")).await;
    assert_eq!(
        (actions(&chain), &chain["records"][1]["reason"]),
        (vec!["linked", "unlinked"], &json!("another person"))
    );
    for path in [&path, &format!("{path}/{new}")] {
        assert_eq!(app.send("PUT", path, &json!({})).await.status, 405);
    }
    assert_eq!(app.send("GET", "/v1/subjects/x/links", &Value::Null).await.status, 404);
}
