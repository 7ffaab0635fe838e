//! Every look at a person's data is on record before it is answered, and auditors see those that their key covers.

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, READ_B, SUBMIT_A, phq9, until};
use crate::audit::{actions, audit};
use crate::client::Answer;

async fn get(app: &App, key: &str, path: &str) -> Answer {
    app.send_as(key, "GET", path, &Value::Null).await
}

/// The looks of one page.
async fn looks(app: &App, key: &str, query: &str) -> Vec<Value> {
    let answer = get(app, key, &format!("/v1/access?limit=200{query}")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    assert_eq!(answer.json()["more"], false, "{answer:?}");
    answer.json()["looks"].as_array().unwrap().clone()
}

/// Asks, and gives the one look that it left.
async fn one(app: &App, key: &str, path: &str, status: u16) -> Value {
    let before = looks(app, ADMIN, "").await;
    let answer = get(app, key, path).await;
    assert_eq!(answer.status, status, "{path}: {answer:?}");
    let after = looks(app, ADMIN, "").await;
    assert_eq!(after.len(), before.len() + 1, "{path}: {after:?}");
    assert_eq!(after[1..], before, "{path}");
    let mut look = after[0].clone();
    assert!(look["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{look}");
    look.as_object_mut().unwrap().remove("at");
    look
}

/// A scored response of site 1 of study A: its id, its subject, its alert.
async fn filled(app: &App) -> [String; 3] {
    let location = app.submit(&phq9("r", [3; 9])).await;
    let shown = app.scored(&location).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids = [&shown["submissionId"], &shown["subject"], &shown["alerts"][0]["alertId"]].map(text);
    // The queue may show an alert before it is raised; nothing else looks meanwhile.
    until("it is ended", async || (app.work_left().await == 0).then_some(())).await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_read_leaves_one_line() {
    let app = App::start().await;
    let [id, subject, alert] = filled(&app).await;
    let of_subject = json!({"study": "A", "site": "1", "subject": subject});
    let of_submission = json!({"study": "A", "site": "1", "subject": subject, "id": id});
    let of_alert = json!({"study": "A", "site": "1", "subject": subject, "id": alert});
    let of_site = json!({"study": "A", "site": "1"});
    let reader = ("read", "read-a1", READ_A1);
    let clinician = ("clinician", "clinician-a1", CLINICIAN_A1);
    let admin = ("admin", "admin", ADMIN);
    for ((role, actor, key), path, pattern, whose) in [
        (reader, format!("/v1/submissions/{id}"), "/v1/submissions/{id}", &of_submission),
        (reader, format!("/v1/subjects/{subject}/submissions"), "/v1/subjects/{pseudonym}/submissions", &of_subject),
        (
            reader,
            format!("/v1/subjects/{subject}/scores?score=phq-9.total"),
            "/v1/subjects/{pseudonym}/scores",
            &of_subject,
        ),
        (reader, format!("/v1/subjects/{subject}/links"), "/v1/subjects/{pseudonym}/links", &of_subject),
        (reader, format!("/v1/subjects/{subject}/analyses"), "/v1/subjects/{pseudonym}/analyses", &of_subject),
        (reader, "/v1/studies/A/submissions".to_owned(), "/v1/studies/{study}/submissions", &of_site),
        (
            reader,
            format!("/v1/studies/A/submissions?subject={subject}"),
            "/v1/studies/{study}/submissions",
            &of_subject,
        ),
        (reader, format!("/fhir/QuestionnaireResponse/{id}"), "/fhir/QuestionnaireResponse/{id}", &of_submission),
        (reader, format!("/fhir/QuestionnaireResponse?subject={subject}"), "/fhir/QuestionnaireResponse", &of_subject),
        (reader, "/fhir/QuestionnaireResponse".to_owned(), "/fhir/QuestionnaireResponse", &of_site),
        (reader, format!("/fhir/Observation?subject={subject}"), "/fhir/Observation", &of_subject),
        (reader, "/v1/alerts".to_owned(), "/v1/alerts", &of_site),
        (reader, format!("/v1/alerts/{alert}"), "/v1/alerts/{alert}", &of_alert),
        (clinician, format!("/v1/subjects/{subject}/identity"), "/v1/subjects/{pseudonym}/identity", &of_subject),
        (admin, format!("/v1/subjects/{subject}/export"), "/v1/subjects/{pseudonym}/export", &of_subject),
        (clinician, "/v1/patients/patient%20of%20r/record".to_owned(), "/v1/patients/{patientId}/record", &of_subject),
        (admin, format!("/v1/audit/subject/{subject}"), "/v1/audit/{kind}/{id}", &of_subject),
        (admin, "/v1/studies/A/report?month=2026-03".to_owned(), "/v1/studies/{study}/report", &json!({"study": "A"})),
    ] {
        let mut expected = json!({"actor": actor, "role": role, "method": "GET", "path": pattern, "status": 200});
        expected.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
        assert_eq!(one(&app, key, &path, 200).await, expected, "{path}");
    }
    // A record is an identity to whoever knows the patient's id: it is in the chain as well.
    let shown = audit(&app, &format!("subject/{subject}")).await;
    assert_eq!(actions(&shown), ["identity-opened", "identity-opened"]);

    // An export is recorded as a page is, and HEAD as GET.
    let authorization = format!("Bearer {READ_A1}");
    for (method, media) in [("GET", "application/x-ndjson"), ("GET", "text/csv"), ("HEAD", "application/json")] {
        let before = looks(&app, ADMIN, "&actor=read-a1").await.len();
        let headers = [("authorization", authorization.as_str()), ("accept", media)];
        let answer = app.client().await.send(method, "/v1/studies/A/submissions", &headers, "").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let after = looks(&app, ADMIN, "&actor=read-a1").await;
        assert_eq!((after.len(), &after[0]["method"]), (before + 1, &json!("GET")), "{method} {media}");
    }
    let lines: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", "{vigil}:journal:*looks", "-", "+"]).await;
    let lines = format!("{lines:?}");
    assert!(lines.contains(&subject) && !lines.contains("patient of") && !lines.contains("patient%20of"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_leaves_one_line_and_what_shows_nobody_none() {
    let app = App::start().await;
    let [id, subject, alert] = filled(&app).await;
    let stranger = "00000000-0000-0000-0000-000000000000";
    let identity = format!("/v1/subjects/{subject}/identity");
    for (key, path, status, whose) in [
        // By its role: the place is that of the key.
        (READ_A1, identity.clone(), 403, json!({"study": "A", "site": "1"})),
        (SUBMIT_A, format!("/v1/subjects/{subject}/submissions"), 403, json!({"study": "A"})),
        (SUBMIT_A, "/fhir/QuestionnaireResponse".to_owned(), 403, json!({"study": "A"})),
        (ADMIN, identity.clone(), 403, json!({})),
        // By study and site: the place is that of the data.
        (CLINICIAN_A2, identity, 404, json!({"study": "A", "site": "1", "subject": subject})),
        (
            CLINICIAN_A2,
            format!("/v1/submissions/{id}"),
            404,
            json!({"study": "A", "site": "1", "subject": subject, "id": id}),
        ),
        (
            READ_B,
            format!("/v1/alerts/{alert}"),
            404,
            json!({"study": "A", "site": "1", "subject": subject, "id": alert}),
        ),
        (
            READ_B,
            format!("/v1/subjects/{subject}/submissions"),
            404,
            json!({"study": "A", "site": "1", "subject": subject}),
        ),
        (READ_B, "/v1/studies/A/submissions".to_owned(), 404, json!({"study": "A"})),
        (READ_B, format!("/v1/submissions/{stranger}"), 404, json!({"study": "B", "id": stranger})),
        (CLINICIAN_A1, "/v1/patients/stranger/record".to_owned(), 404, json!({"study": "A", "site": "1"})),
    ] {
        let mut look = one(&app, key, &path, status).await;
        assert_eq!(look["status"], status);
        for name in ["actor", "role", "method", "path", "status"] {
            look.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(look, whose, "{path}");
    }

    let before = looks(&app, ADMIN, "").await.len();
    let alerts = get(&app, READ_A1, "/v1/alerts").await;
    let authorization = format!("Bearer {READ_A1}");
    let headers = [("authorization", authorization.as_str()), ("if-none-match", alerts.header("etag").unwrap())];
    assert_eq!(app.client().await.send("GET", "/v1/alerts", &headers, "").await.unwrap().status, 304);
    for (key, path, status) in [
        // A sender follows its submission and sees no content.
        (SUBMIT_A, format!("/v1/submissions/{id}"), 200),
        (SUBMIT_A, "/v1/instruments/phq-9".to_owned(), 200),
        (SUBMIT_A, "/v1/instruments/none".to_owned(), 404),
        (READ_A1, "/v1/alerts?limit=0".to_owned(), 422),
        (ADMIN, "/metrics".to_owned(), 200),
        (ADMIN, "/v1/dead-letters".to_owned(), 200),
        // A text without the form of an id may be anything, also a patient's id.
        (SUBMIT_A, "/v1/submissions/patient".to_owned(), 404),
        ("nobody", format!("/v1/submissions/{id}"), 401),
    ] {
        assert_eq!(get(&app, key, &path).await.status, status, "{path}");
    }
    assert_eq!(looks(&app, ADMIN, "").await.len(), before + 1, "the inbox, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_see_what_their_key_covers_and_filters_find_it() {
    let app = App::start().await;
    let [id, subject, _] = filled(&app).await;
    let key = json!({"label": "Audit of site 2", "role": "auditor", "study": "A", "site": "2"});
    let created = app.send("POST", "/v1/keys", &key).await;
    assert_eq!(created.status, 201, "{created:?}");
    let auditor = created.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(get(&app, CLINICIAN_A1, &format!("/v1/submissions/{id}")).await.status, 200);
    assert_eq!(get(&app, CLINICIAN_A2, "/v1/studies/A/submissions").await.status, 200);
    assert_eq!(get(&app, READ_B, "/v1/studies/B/submissions").await.status, 200);
    assert_eq!(get(&app, READ_B, &format!("/v1/submissions/{id}")).await.status, 404);
    assert_eq!(get(&app, ADMIN, "/v1/alerts").await.status, 200);

    let actors =
        |looks: Vec<Value>| looks.iter().map(|look| look["actor"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(actors(looks(&app, ADMIN_B, "").await), ["read-b"]);
    assert_eq!(actors(looks(&app, &auditor, "").await), ["clinician-a2"]);
    assert!(looks(&app, ADMIN_B, "&study=A").await.is_empty());
    // Of no study: the inbox of all.
    let all = looks(&app, ADMIN, "").await;
    assert_eq!((&all[0]["path"], all[0].get("study")), (&json!("/v1/alerts"), None));
    assert_eq!(actors(looks(&app, ADMIN, "&study=B").await), ["read-b"]);
    // The keys of another study, which were refused.
    let at_subject = looks(&app, ADMIN, &format!("&subject={subject}")).await;
    assert_eq!((&at_subject[0]["actor"], &at_subject[0]["status"]), (&json!("read-b"), &json!(404)));
    assert_eq!(at_subject[1]["actor"], "clinician-a1");
    assert_eq!(looks(&app, ADMIN, "&actor=clinician-a2").await.len(), 1);
    assert!(looks(&app, ADMIN, "&to=2020-01-01T00:00:00Z").await.is_empty());
    assert!(looks(&app, ADMIN, "&from=2120-01-01T00:00:00Z").await.is_empty());
    assert_eq!(looks(&app, ADMIN, "&from=2020-01-01T00:00:00Z&to=2120-01-01T00:00:00Z").await, all);

    assert_eq!(get(&app, READ_A1, "/v1/access").await.status, 403);
    let bad = get(&app, ADMIN, "/v1/access?study=a%20b&subject=x&actor=&from=today&to=x&cursor=y&limit=0&more=1").await;
    assert_eq!((bad.status, bad.findings().len()), (422, 8), "{bad:?}");
}

/// Puts as many looks into the journal as they would be, by numbers from 1.
async fn fill(app: &App, count: usize) {
    let script = "redis.call('HSETNX', KEYS[1], '*looks', '0-0') \
                  for n = 1, ARGV[1] do redis.call('XADD', KEYS[2], '*', 'e', \
                  '1772352000000 filler read GET /v1/submissions/{id} A 1 - ' .. n .. ' 200') end return 1";
    let (journals, journal, count) = ("{vigil}:journals", "{vigil}:journal:*looks", count.to_string());
    let _: i64 = app.redis(&["EVAL", script, "2", journals, journal, &count]).await;
}

/// The ids of all looks of the filler, by the cursor, and the number of pages.
async fn walk(app: &App) -> (Vec<usize>, usize) {
    let (mut ids, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = get(app, ADMIN, &format!("/v1/access?limit=200&actor=filler{cursor}")).await.json();
        let id = |look: &Value| look["id"].as_str().unwrap().parse::<usize>().unwrap();
        ids.extend(page["looks"].as_array().unwrap().iter().map(id));
        pages += 1;
        if page["more"] == false {
            assert_eq!(page["cursor"], Value::Null);
            return (ids, pages);
        }
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_are_sealed_and_listed_backwards_without_a_gap() {
    const COUNT: usize = 12_000;
    let app = App::start().await;
    fill(&app, COUNT).await;
    let all: Vec<usize> = (1..=COUNT).rev().collect();
    // Something waits, so the clock ticks; it seals while the list is read.
    let location = app.submit(&phq9("r", [0; 9])).await;
    assert_eq!(walk(&app).await.0, all);
    app.scored(&location).await;
    let sealed = until("all but the end is sealed", async || {
        let segments = app.stored_keys("journal/[*]looks/").len();
        let left: usize = app.redis(&["XLEN", "{vigil}:journal:*looks"]).await;
        (left < 2048).then_some(segments)
    })
    .await;
    assert_eq!(sealed, 10);
    let (ids, pages) = walk(&app).await;
    assert!(ids == all && pages >= COUNT / 200, "{pages}");
    // One answer goes through a part only, and says so.
    let page = get(&app, ADMIN, "/v1/access?actor=nobody").await.json();
    assert_eq!((&page["looks"], &page["more"]), (&json!([]), &json!(true)), "{page}");
    let rest = get(&app, ADMIN, &format!("/v1/access?actor=nobody&cursor={}", page["cursor"].as_str().unwrap())).await;
    assert_eq!(rest.json(), json!({"looks": [], "cursor": null, "more": false}));

    // Redis is lost: what was sealed stays, and what comes stands after it.
    let () = app.redis(&["FLUSHALL"]).await;
    assert_eq!(walk(&app).await.0, all[COUNT - 1024 * sealed..]);
    assert_eq!(get(&app, READ_A1, "/v1/alerts").await.status, 200);
    let latest = get(&app, ADMIN, "/v1/access?limit=1").await.json();
    assert_eq!((&latest["looks"][0]["actor"], &latest["more"]), (&json!("read-a1"), &json!(true)), "{latest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_all_studies_is_told_of_no_look() {
    let app = App::start().await;
    filled(&app).await;
    assert_eq!(get(&app, READ_A1, "/v1/alerts").await.status, 200);
    let known: Vec<String> = app.redis(&["HKEYS", "{vigil}:journals"]).await;
    assert!(known.contains(&"*looks".to_owned()), "{known:?}");
    let receiver = crate::receiver::Receiver::start().await;
    // Without studies: of all.
    let subscription = json!({
        "receivers": {"all": crate::alerting::hook(&receiver)},
        "subscriptions": [{"id": "all", "events": ["submission.scored"], "receiver": "all", "content": "reference"}],
    });
    let stored = app.send("PUT", "/v1/config/subscriptions", &subscription).await;
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
    let replayed = app.send("POST", "/v1/subscriptions/all/replay", &json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert!(replayed.status < 300, "{replayed:?}");
    let positions: Vec<String> = app.redis(&["HKEYS", "{vigil}:events"]).await;
    assert!(positions.iter().any(|it| it == "all A") && positions.iter().all(|it| it != "all *looks"), "{positions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_out_patients_is_stopped_and_identities_count_with_them() {
    let app = App::builder().variable("identity_looks_per_minute", "3").start().await;
    let [_, subject, _] = filled(&app).await;
    let record = |patient: &str| format!("/v1/patients/{patient}/record");
    assert_eq!(get(&app, CLINICIAN_A1, &record("guess")).await.status, 404);
    assert_eq!(get(&app, CLINICIAN_A1, &record("patient%20of%20r")).await.status, 200);
    assert_eq!(get(&app, CLINICIAN_A1, &format!("/v1/subjects/{subject}/identity")).await.status, 200);
    for path in [record("guess"), record("patient%20of%20r"), format!("/v1/subjects/{subject}/identity")] {
        let answer = get(&app, CLINICIAN_A1, &path).await;
        assert_eq!((answer.status, &answer.json()["type"]), (429, &json!("urn:vigil:problem:too-many-requests")));
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(get(&app, CLINICIAN_A2, &record("guess")).await.status, 404, "another key has its own limit");
    let statuses: Vec<Value> =
        looks(&app, ADMIN, "&actor=clinician-a1").await.iter().map(|look| look["status"].clone()).collect();
    assert_eq!(statuses, [200, 200, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_cannot_be_recorded_is_not_given() {
    let mut app = App::builder().outliving_redis().start().await;
    let location = app.submit(&phq9("r", [1; 9])).await;
    app.send("POST", "/v1/ops/drain", &Value::Null).await;
    app.scored(&location).await;
    app.redis.as_mut().unwrap().kill().unwrap();
    let answer = get(&app, READ_A1, &location).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("phq-9"));
}
