//! One trace from the door to the receiver: in problem documents, log lines, queue entries and webhooks.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, phq9, until};
use crate::queues;
use crate::receiver::Receiver;
use crate::scarce::Scarce;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The part of the trace that stays the same from span to span.
const SAME: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-";

/// The log lines of an event that are written so far.
fn lines(app: &App, event: &str) -> Vec<Value> {
    let logs = app.files().into_iter().filter(|(name, _)| name.contains("/logs/") || name.ends_with(".log"));
    let text: String = logs.map(|(_, content)| String::from_utf8_lossy(&content).into_owned()).collect();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    lines.filter(|line| line["event"] == event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_names_the_trace_that_came_or_a_new_one() {
    let app = App::start().await;
    let bearer = format!("Bearer {ADMIN}");
    for (method, path, authorization, status) in [
        ("POST", PHQ9, "Bearer nobody", 401),
        ("POST", PHQ9, &*bearer, 415),
        ("POST", "/v1/reports/batch", "Bearer nobody", 401),
        ("GET", "/v1/submissions/x", &*bearer, 404),
        ("GET", "/v1/nowhere", &*bearer, 404),
        ("PUT", "/v1/config/alert-rules", &*bearer, 415),
    ] {
        let headers = [("authorization", authorization), ("traceparent", TRACE), ("content-type", "text/plain")];
        let answer = app.client().await.send(method, path, &headers, "x").await.unwrap();
        let problem = answer.json();
        let trace = problem["traceparent"].as_str().unwrap_or_default();
        assert!(answer.status == status && trace.starts_with(SAME) && trace != TRACE, "{path}: {problem}");
        let mut new = Vec::new();
        for given in [None, Some("00-zz-1-01")] {
            let headers: Vec<(&str, &str)> = [("authorization", authorization), ("content-type", "text/plain")]
                .into_iter()
                .chain(given.map(|given| ("traceparent", given)))
                .collect();
            let problem = app.client().await.send(method, path, &headers, "x").await.unwrap().json();
            new.push(problem["traceparent"].as_str().unwrap().to_owned());
        }
        assert!(new.iter().all(|trace| trace.len() == 55 && trace.starts_with("00-")), "{new:?}");
        assert_ne!(new[0][..35], new[1][..35]);
    }
    // The first refusal is logged, the others within the same second are not.
    let refused = until("a refused key is logged", async || {
        let lines = lines(&app, "key-refused");
        (!lines.is_empty()).then_some(lines)
    })
    .await;
    assert!(refused[0]["traceparent"].as_str().unwrap().starts_with(SAME), "{refused:?}");
    assert!(refused.iter().all(|line| line["traceparent"].is_string()), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_requests_writes_a_line_a_second_and_key() {
    let app = App::start().await;
    let began = std::time::Instant::now();
    let flood: Vec<_> = (0..16)
        .map(|_| {
            let address = app.address;
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                for number in 0..60 {
                    let bearer = if number % 2 == 0 { "Bearer nobody" } else { "Bearer key-of-a-submitter-of-a" };
                    let answer = client.send("GET", "/v1/alerts", &[("authorization", bearer)], "").await.unwrap();
                    assert!(matches!(answer.status, 401 | 403), "{answer:?}");
                }
            })
        })
        .collect();
    for sender in flood {
        sender.await.unwrap();
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let refused = until("both are logged", async || {
        let lines = lines(&app, "key-refused");
        lines.iter().any(|line| line["outcome"] == "forbidden").then_some(lines)
    })
    .await;
    for outcome in ["unauthenticated", "forbidden"] {
        let count = refused.iter().filter(|line| line["outcome"] == outcome).count();
        assert!((1..=seconds).contains(&count), "{count} lines in {seconds} seconds: {refused:?}");
    }
    // The marks end by themselves.
    until("no mark is left", async || {
        app.redis::<Vec<String>>(&["KEYS", "{vigil}:logged:*"]).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_of_requests_at_the_same_time_name_each_its_own() {
    let app = App::start().await;
    let address = app.address;
    let askers: Vec<_> = (1..=16)
        .map(|number| {
            tokio::spawn(async move {
                let mut client = crate::client::Client::connect(address).await.unwrap();
                let trace = format!("00-{number:032x}-00f067aa0ba902b7-01");
                let bearer = format!("Bearer {ADMIN}");
                for _ in 0..20 {
                    let headers = [("authorization", bearer.as_str()), ("traceparent", trace.as_str())];
                    let unknown = format!("/v1/submissions/{}", "5c7362ef-8f5d-52b6-9a3f-0a3c1de6a4c1");
                    let problem = client.send("GET", &unknown, &headers, "").await.unwrap().json();
                    assert_eq!(problem["traceparent"].as_str().unwrap()[..36], trace[..36]);
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_takes_its_trace_along() {
    let receiver = Receiver::start().await;
    let mut app = App::builder().routes(&[&receiver.url()]).only(&["submit", "records", "ops"]).start().await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", bearer.as_str()), ("traceparent", TRACE), ("content-type", "application/json")];
    let response = phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1]).to_string();
    let answer = app.client().await.send("POST", PHQ9, &headers, response).await.unwrap();
    assert_eq!(answer.status, 202);
    // The same entry, of an unknown instrument: it becomes a dead letter and a line in the log.
    let entries: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    let mut entry: Value = serde_json::from_str(&entries[0].1[1]).unwrap();
    assert!(entry["submission"][2].as_str().unwrap().starts_with(SAME), "{entry}");
    entry["submission"][0][5] = json!("none");
    entry["submission"][0][0] = json!("5c7362ef-8f5d-52b6-9a3f-0a3c1de6a4c1");
    queues::put(&app, "score", &entry.to_string()).await;
    app.stop().await;
    app.run_all();
    app.start_again().await;
    let calls = receiver.heard(1).await;
    let heard = calls[0].header("traceparent");
    assert!(heard.starts_with(SAME) && heard != TRACE, "{heard}");
    for event in ["submission-dead", "alert-delivered"] {
        let line = until("it is logged", async || lines(&app, event).into_iter().next()).await;
        assert!(line["traceparent"].as_str().unwrap_or_default().starts_with(SAME), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_outcome_names_its_trace_as_an_extension() {
    let app = App::builder().only(&["submit"]).start().await;
    for (authorization, body, status) in [("Bearer nobody", "{}", 401), (&*format!("Bearer {ADMIN}"), "{}", 422)] {
        for (given, same) in [(Some(TRACE), SAME), (None, "00-")] {
            let headers: Vec<(&str, &str)> =
                [("authorization", authorization), ("content-type", "application/fhir+json")]
                    .into_iter()
                    .chain(given.map(|given| ("traceparent", given)))
                    .collect();
            let answer = app.client().await.send("POST", "/fhir/QuestionnaireResponse", &headers, body).await.unwrap();
            let outcome = answer.json();
            assert_eq!((answer.status, &outcome["resourceType"]), (status, &json!("OperationOutcome")), "{outcome}");
            let extension = &outcome["extension"][0];
            let trace = extension["valueString"].as_str().unwrap();
            assert!(extension["url"] == "urn:vigil:traceparent" && trace.len() == 55, "{outcome}");
            assert!(trace.starts_with(same) && trace != TRACE, "{outcome}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_images_has_one_trace_in_problems_log_lines_and_calls() {
    let service = Scarce::start(std::time::Duration::ZERO).await;
    let app = App::builder().variable("ai_services", service.declared(1, 5000)).only(&["imaging"]).start().await;
    let bearer = format!("Bearer {ADMIN}");
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dicom/implicit-utf8.dcm")).unwrap();
    let headers = [("authorization", bearer.as_str()), ("traceparent", TRACE), ("content-type", "application/dicom")];
    assert_eq!(app.client().await.send("POST", "/v1/dicom/analyze", &headers, file).await.unwrap().status, 200);
    let line = until("it is logged", async || lines(&app, "dicom-read").into_iter().next()).await;
    assert!(line["traceparent"].as_str().unwrap().starts_with(SAME), "{line}");
    // If the request had no trace, the call and the problem name the same new one.
    service.then(&[500]);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({"service": "chest", "input": {}}).to_string();
    let problem = app.client().await.send("POST", "/v1/ai/analyze", &headers, body).await.unwrap().json();
    let (named, called) = (problem["traceparent"].as_str().unwrap(), service.traces().pop().unwrap());
    assert!(named[..36] == called[..36] && named != called, "{named} {called}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_takes_its_trace_to_the_service_the_requester_and_the_alert() {
    let (service, alarmed, told) =
        (Scarce::start(std::time::Duration::ZERO).await, Receiver::start().await, Receiver::start().await);
    service.finds(json!({"nodule": 0.93}));
    let hooks = json!([{"url": told.url().replace("hook", ""), "secret": crate::app::SECRET}]).to_string();
    let builder = App::builder().routes(&[&alarmed.url()]).variable("ai_services", service.declared(1, 5000));
    let app = builder.variable("imaging_webhooks", hooks).start().await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", bearer.as_str()), ("traceparent", TRACE), ("content-type", "application/json")];
    let body = json!({
        "studyId": "A", "siteId": "1", "patientId": "p", "service": "chest",
        "image": {"data": "aW1hZ2U=", "mediaType": "image/png"}, "webhook": {"url": told.url()},
    });
    let answer = app.client().await.send("POST", "/v1/imaging/analyses", &headers, body.to_string()).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    for heard in [told.heard(1).await, alarmed.heard(1).await] {
        let trace = heard[0].header("traceparent");
        assert!(trace.starts_with(SAME) && trace != TRACE, "{trace}");
    }
    let called = service.traces();
    assert!(called.len() == 1 && called[0].starts_with(SAME) && called[0] != TRACE, "{called:?}");
    for event in ["alert-raised", "analysis-done", "alert-delivered"] {
        let line = until("it is logged", async || lines(&app, event).into_iter().next()).await;
        assert!(line["traceparent"].as_str().unwrap_or_default().starts_with(SAME), "{line}");
    }
}
