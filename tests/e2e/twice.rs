//! Repeated members: every door refuses a document with one and names it by its pointer, however its name is spelled.
//! The door stores nothing.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A1, PHQ9, phq9};
use crate::client::Answer;
use crate::openapi::{self, LINK_KEY};
use crate::scarce::Scarce;

/// The most members of one example that a test repeats, one at a time.
const MOST: usize = 24;

/// A name as JSON, each character as an escape.
fn escaped(name: &str) -> String {
    let units: Vec<String> = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{}\"", units.concat())
}

fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pointers of all members, at every depth.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                let pointer = format!("{at}/{}", token(name));
                found.push(pointer.clone());
                members(member, &pointer, found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| members(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// A value as JSON, with one member twice: the second name may be spelled in another way.
fn repeating(value: &Value, at: &str, twice: &str, spelled: bool) -> String {
    match value {
        Value::Object(object) => {
            let mut texts = Vec::new();
            for (name, member) in object {
                let pointer = format!("{at}/{}", token(name));
                texts.push(format!("{}:{}", json!(name), repeating(member, &pointer, twice, spelled)));
                if pointer == twice {
                    let name = if spelled { escaped(name) } else { json!(name).to_string() };
                    texts.push(format!("{name}:{member}"));
                }
            }
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let texts: Vec<String> =
                items.map(|(index, item)| repeating(item, &format!("{at}/{index}"), twice, spelled)).collect();
            format!("[{}]", texts.join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// Whether an answer reports that the member at this pointer is repeated.
fn tells(answer: &Answer, pointer: &str) -> bool {
    let document = answer.json();
    let told = |errors: &Value| {
        let errors = errors.as_array().map_or(&[][..], Vec::as_slice);
        errors.iter().any(|error| error["pointer"] == pointer && error["code"] == "conflict")
    };
    let expression = domain::fhir::outcome::expression("QuestionnaireResponse", pointer);
    let issues = document["issue"].as_array().map_or(&[][..], Vec::as_slice);
    told(&document["errors"])
        || document["rows"].as_array().is_some_and(|rows| rows.len() == 1 && told(&rows[0]["errors"]))
        || issues.iter().any(|issue| issue["expression"][0] == expression.as_str())
}

/// Puts a body into the frame of its type.
type Frame = fn(String) -> String;

/// The bodies to send for an example: if it has many rows, one body for each row, in the frame of its type.
fn bodies(media: &str, example: &Value) -> Vec<(Value, Frame)> {
    match (media, example) {
        (_, Value::String(lines)) => {
            lines.lines().map(|line| (serde_json::from_str(line).unwrap(), (|row| row) as Frame)).collect()
        }
        (_, Value::Array(rows)) => rows.iter().map(|row| (row.clone(), (|row| format!("[{row}]")) as Frame)).collect(),
        _ => vec![(example.clone(), (|document| document) as Frame)],
    }
}

/// The state that must not change: the versions of settings, alerts, submissions, analyses, their histories.
fn kept(app: &App) -> Vec<String> {
    app.stored_keys("").into_iter().filter(|key| !key.starts_with("probe/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_refuses_a_member_that_is_there_twice() {
    let receiver = crate::receiver::Receiver::start().await;
    let builder = App::builder().routes(&[&receiver.url()]).variable("link_key", LINK_KEY);
    let app = openapi::with_services(builder).await.start().await;
    let document = openapi::description(&app).await;
    let location = app.submit(&phq9("r", [3; 9])).await;
    let id = location.rsplit('/').next().unwrap();
    let subject = app.scored(&location).await["subject"].clone();
    let subject = subject.as_str().unwrap();
    openapi::subscribe(&app, &receiver).await;
    let there = openapi::things(&app, &location, &domain::alert::routes::receiver_id(&receiver.url())).await;
    crate::app::until("nothing is on its way", async || (app.work_left().await == 0).then_some(())).await;
    let (before, mut doors, mut sent) = (kept(&app), 0, 0);
    let authorization = format!("Bearer {ADMIN}");
    let mut client = app.client().await;
    for (path, method, operation) in openapi::operations(&document) {
        for (media, _, examples) in openapi::requests(&operation) {
            if !media.contains("json") {
                continue;
            }
            doors += 1;
            for (name, example) in examples {
                let path = path.replace("{document}", name);
                let path = openapi::real(&document, openapi::filled(&document, &path, id, subject), &there);
                let headers = [("authorization", authorization.as_str()), ("content-type", media)];
                for (body, framed) in bodies(media, example) {
                    let mut pointers = Vec::new();
                    members(&body, "", &mut pointers);
                    let step = pointers.len().div_ceil(MOST).max(1);
                    for (index, pointer) in pointers.iter().step_by(step).enumerate() {
                        let text = framed(repeating(&body, "", pointer, index % 2 == 1));
                        let answer = client.send(&method, &path, &headers, text).await.unwrap();
                        let what = format!("{method} {path} ({media}, {name}) with {pointer} twice: {answer:?}");
                        let rows = answer.status == if path.ends_with("/validate") { 200 } else { 202 };
                        assert!(answer.status == 422 || rows && answer.json()["rows"].is_array(), "{what}");
                        assert!(tells(&answer, pointer), "{what}");
                        sent += 1;
                    }
                }
            }
        }
    }
    assert!(doors >= 20 && sent > 200, "{doors} doors, {sent} bodies");
    assert_eq!(kept(&app), before);
    assert_eq!(app.work_left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_twice_is_told_with_all_that_is_wrong_and_raises_nothing() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let send =
        async |path: &str, body: &str| app.client().await.send("POST", path, &headers, body.to_owned()).await.unwrap();
    let head = r#""studyId":"A","siteId":"1","patientId":"p","authoredAt":"2026-03-01T08:00:00Z""#;
    let answers = r#""q1":0,"q2":0,"q3":0,"q4":0,"q5":0,"q6":0,"q7":0,"q8":0"#;
    for (path, body, expected) in [
        (PHQ9, format!(r#"{{{head},"answers":{{{answers},"q9":3,"q9":0}}}}"#), vec!["/answers/q9"]),
        (PHQ9, format!(r#"{{{head},"answers":{{{answers},"q9":3,"\u00719":0}}}}"#), vec!["/answers/q9"]),
        (
            PHQ9,
            format!(r#"{{{head},"answers":{{{answers},"q9":3}},"answers":{{{answers},"q9":0}}}}"#),
            vec!["/answers"],
        ),
        (
            PHQ9,
            format!(r#"{{{head},"x":1,"siteId":"2","answers":{{{answers},"q9":3,"q9":7,"q1":1}}}}"#),
            vec!["/answers/q1", "/answers/q9", "/answers/q9", "/siteId", "/x"],
        ),
        (
            "/v1/reports",
            format!(
                r#"{{{head},"kind":"lab","data":{{"results":[{{"code":"2823-3","value":7.4,"value":4.4,"unit":"mmol/L",
                    "collectedAt":"2026-03-01T08:00:00Z"}}]}}}}"#
            ),
            vec!["/data/results/0/value"],
        ),
        (
            "/v1/reports",
            format!(r#"{{{head},"kind":"generic","data":{{"a":[[{{"b":{{"c":1,"\u0063":2,"d":3}}}}]]}}}}"#),
            vec!["/data/a/0/0/b/c"],
        ),
    ] {
        let answer = send(path, &body).await;
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
        let mut found: Vec<String> = answer.findings().into_iter().map(|(pointer, _)| pointer).collect();
        found.sort();
        assert_eq!(found, expected, "{body}");
    }
    assert_eq!(app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_whose_variables_say_something_twice_does_nothing() {
    let key = r#"{"id":"k","role":"submit","study":"A","study":"*","site":"*","sha256":"00"}"#;
    let service = r#"{"url":"http://127.0.0.1:1/","limit":1}"#;
    for (component, path, variable, value) in [
        ("submit", PHQ9, "api_keys", format!("[{key}]")),
        ("imaging", "/v1/imaging/analyses", "ai_services", format!(r#"{{"ct":{service},"c\u0074":{service}}}"#)),
    ] {
        let app = App::builder().variable(variable, value).only(&[component]).start().await;
        assert_eq!(app.send("POST", path, &json!({})).await.status, 503, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_says_something_twice_decides_nothing() {
    let service = Scarce::start(std::time::Duration::ZERO).await;
    let app = App::builder().variable("ai_services", service.declared(10, 20_000));
    let app = app.variable("image_sources", r#"["https://pacs.example/"]"#).start().await;
    service.answers(r#"{"nodule":0.93,"nodule":0.1}"#);
    let asked = json!({"studyId": "A", "siteId": "1", "patientId": "p", "service": "chest",
                       "image": {"url": "https://pacs.example/1"}});
    let location = app.send("POST", "/v1/imaging/analyses", &asked).await;
    let location = location.header("location").unwrap().to_owned();
    let failed = crate::app::until("the analysis failed", async || {
        let shown = app.send("GET", &location, &Value::Null).await.json();
        (shown["state"] == "failed").then_some(shown)
    })
    .await;
    assert_eq!(failed["reason"], "unreadable-result");
    let called = app.send("POST", "/v1/ai/analyze", &json!({"service": "chest", "input": {"x": 1}})).await;
    assert_eq!(called.status, 502);
    service.answers(r#" {"nodule": 0.1} "#);
    let called = app.send("POST", "/v1/ai/analyze", &json!({"service": "chest", "input": {"x": 1}})).await;
    assert_eq!((called.status, called.json()), (200, json!({"service": "chest", "result": {"nodule": 0.1}})));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_parameters_are_told_each_by_its_name() {
    let app = App::builder().only(&["records", "console", "ops", "alerts"]).start().await;
    let subject = "0".repeat(32);
    for (path, code) in [
        ("/v1/alerts".to_owned(), "unknown"),
        ("/v1/dead-letters".to_owned(), "unknown"),
        ("/v1/config".to_owned(), "unknown"),
        ("/v1/instruments/phq-9".to_owned(), "unknown"),
        ("/v1/silences".to_owned(), "unknown"),
        (format!("/v1/subjects/{subject}/submissions"), "unknown"),
        (format!("/v1/subjects/{subject}/scores"), "unknown"),
        ("/v1/patients/p/record".to_owned(), "unknown"),
        ("/v1/studies/A/report".to_owned(), "unknown"),
        ("/fhir/Observation".to_owned(), "structure"),
    ] {
        let long = "n".repeat(500);
        let key = if path.contains("patients") { CLINICIAN_A1 } else { ADMIN };
        let answer = app.send_as(key, "GET", &format!("{path}?foo=1&bar=2&limit=x&{long}=3"), &Value::Null).await;
        let document = answer.json();
        let (list, detail) = if path.starts_with("/fhir") { ("issue", "diagnostics") } else { ("errors", "detail") };
        let findings = document[list].as_array().unwrap();
        let text: Vec<&str> = findings.iter().map(|finding| finding[detail].as_str().unwrap()).collect();
        for name in ["foo ", "bar ", &long[..64]] {
            assert_eq!(text.iter().filter(|text| text.starts_with(name)).count(), 1, "{path}: {text:?}");
        }
        assert!(text.iter().any(|text| text.starts_with("limit ")), "{path}: {text:?}");
        assert!(findings.iter().filter(|finding| finding["code"] == code).count() >= 3, "{path}: {document}");
        assert!(!document.to_string().contains(&long[..65]));
    }
    let twice = app.send("PUT", "/v1/config/silences?dry-run=true&dry-run=false&x=1", &json!([])).await;
    assert_eq!((twice.status, twice.findings().len()), (422, 2), "{twice:?}");
}
