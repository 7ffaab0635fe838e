//! Bodies that need more memory than an instance has: each is refused, and other requests in the same instance are not
//! disturbed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{ADMIN, App, CLINICIAN_A1, PHQ9, phq9, until};
use crate::openapi::{self, LINK_KEY};

/// The number of requests that an instance handles at the same time, minus the one that must not be disturbed.
const AT_ONCE: usize = 15;

/// This many copies of a piece, with commas between them.
fn many(open: &str, piece: &str, close: &str, length: usize) -> String {
    let count = length / (piece.len() + 1);
    [open, &vec![piece; count].join(","), close].concat()
}

/// Texts of about this length that need as much memory as possible when they are parsed.
fn swelling(length: usize) -> Vec<String> {
    let nested = |piece: &str, close: &str, levels: usize| piece.repeat(levels) + "1" + &close.repeat(levels);
    vec![
        nested("{\"\":", "}", 100),
        nested("[", "]", length / 2),
        many("{\"data\":[", "{\"\":{}}", "]}", length),
        many("{\"input\":[", &nested("{\"\":", "}", 12), "]}", length),
        many("[", "[[]]", "]", length),
        many("{", "\"a\":0", "}", length),
        many("{\"answers\":{", "\"q1\":[{}]", "}}", length),
    ]
}

/// A request of which half the body has been sent.
struct Half {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Half {
    async fn begin(app: &App, method: &str, path: &str, media: &str, body: &str) -> Half {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: {media}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let (first, rest) = body.as_bytes().split_at(body.len() / 2);
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(&[head.as_bytes(), first].concat()).await.unwrap();
        Half { stream, rest: rest.to_vec() }
    }

    /// Sends the rest. Returns the status.
    async fn end(mut self) -> u16 {
        // A request that waited too long was answered already.
        let _ = self.stream.write_all(&self.rest).await;
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Sends bodies at the same time. Returns their statuses.
async fn at_once(app: &App, key: &str, request: (&str, &str, &str), bodies: &[String]) -> BTreeSet<u16> {
    let sent = bodies.iter().map(|body| {
        let (method, path, media) = request;
        let (address, method, path, media) = (app.address, method.to_owned(), path.to_owned(), media.to_owned());
        let (body, authorization) = (body.clone(), format!("Bearer {key}"));
        tokio::spawn(async move {
            let mut client = crate::client::Client::connect(address).await.unwrap();
            let headers = [("authorization", authorization.as_str()), ("content-type", media.as_str())];
            // A body over the limit may be refused, and the connection closed, before all of it is sent.
            client.send(&method, &path, &headers, body).await.map_or(413, |answer| answer.status)
        })
    });
    let sent: Vec<_> = sent.collect();
    let mut statuses = BTreeSet::new();
    for one in sent {
        statuses.insert(one.await.unwrap());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_of_any_door_ends_an_instance_with_others_calls_in_it() {
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
    let before = app.stored_keys("submission/").len();
    let mut doors = 0;
    for (path, method, operation) in openapi::operations(&document) {
        for (media, _, examples) in openapi::requests(&operation) {
            if !media.contains("json") {
                continue;
            }
            doors += 1;
            let (name, example) = examples[0];
            let path = openapi::real(
                &document,
                openapi::filled(&document, &path.replace("{document}", name), id, subject),
                &there,
            );
            // The longest body that the door accepts; it does not read a longer one.
            let length = match path.as_str() {
                "/v1/reports/batch" | "/v1/validate" => 200_000,
                "/v1/imaging/analyses" => 1_400_000,
                "/v1/ai/analyze" => 1_000_000,
                path if path.starts_with("/v1/instruments") && !path.ends_with("rescore") => 1_000_000,
                path if path.starts_with("/v1/config") => 250_000,
                path if path.starts_with("/v1/dead-letters") => 60_000,
                path if path.starts_with("/v1/silences") => 16_000,
                path if path.starts_with("/v1/alerts") || path.starts_with("/v1/acknowledge") => 8_000,
                path if path.ends_with("rescore") || method == "DELETE" => 4_000,
                _ => 250_000,
            };
            // An erased submission could not be requested afterwards.
            let sent = if method == "DELETE" { json!({"reason": 7}).to_string() } else { openapi::sent(example) };
            let half = Half::begin(&app, &method, &path, media, &sent).await;
            let rows = matches!(path.as_str(), "/v1/reports/batch" | "/v1/validate");
            let bodies = match media {
                "application/json" if rows => vec![format!("[{}]", swelling(length).join(","))],
                _ if rows => vec![swelling(length).join("\n")],
                _ => swelling(length),
            };
            let bodies: Vec<String> = bodies.into_iter().cycle().take(AT_ONCE).collect();
            let statuses = at_once(&app, ADMIN, (&method, &path, media), &bodies).await;
            // A batch has an outcome for each row; a busy machine may be late, and says so.
            let fine = |status: &u16| matches!(status, 400..=499 | 503 | 504) || matches!(status, 200 | 202) && rows;
            assert!(statuses.iter().all(fine), "{method} {path} ({media}): {statuses:?}");
            let status = half.end().await;
            assert!(status != 500 && status != 502, "{method} {path} ({media}): {status}");
        }
    }
    assert!(doors >= 20, "{doors}");
    let own = |key: &String| !key.ends_with("/superseded");
    let stored = app.stored_keys("submission/").into_iter().filter(own).count();
    assert!(stored <= before + doors, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_refused_for_its_depth_and_its_size_with_a_finding() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let mut report = json!({"studyId": "A", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
                            "kind": "generic", "data": {}});
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    for (data, findings) in [
        (nested(31), Vec::new()),
        (nested(32), vec![(format!("/data{}", "/a".repeat(31)), "range".to_owned())]),
        (nested(100), vec![(format!("/data{}", "/a".repeat(31)), "range".to_owned())]),
        (json!({"a": vec![0; 7992]}), Vec::new()),
        (json!({"a": vec![0; 7993]}), vec![(String::new(), "range".to_owned())]),
        (json!({"a": vec![json!({}); 20_000]}), vec![(String::new(), "range".to_owned())]),
    ] {
        report["data"] = data;
        let answer = app.send("POST", "/v1/reports", &report).await;
        assert_eq!((answer.status, answer.findings()), (if findings.is_empty() { 202 } else { 422 }, findings));
    }
    // Each row of a batch is refused separately.
    report["data"] = nested(32);
    let row = app.send("POST", "/v1/reports/batch", &json!([report, phq9("r", [0; 9])])).await.json();
    assert_eq!((&row["accepted"], &row["rejected"]), (&json!(0), &json!(2)), "{row}");
    assert_eq!(row["rows"][0]["errors"][0]["pointer"], format!("/data{}", "/a".repeat(31)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_batches_of_faulty_rows_leave_their_instance_alive() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let names: Vec<String> = (0..100).map(|n| format!("\"{n:03}{}\":0", "~".repeat(61))).collect();
    let row = format!("{{{}}}\n", names.join(","));
    let faulty = row.repeat(8 * 1024 * 1024 / row.len());
    let swelling = format!("{}\n", many("{\"data\":[", "{\"\":{}}", "]}", 200_000)).repeat(20);
    let mut report = json!({"studyId": "A", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z",
                            "kind": "diary", "data": {"note": "x".repeat(20_000)}});
    report["data"]["symptoms"] = json!(vec![json!({"name": "y".repeat(200), "severity": 1}); 500]);
    let large = format!("{report}\n").repeat(40);
    for bodies in [vec![faulty; AT_ONCE], vec![swelling; AT_ONCE], vec![large; AT_ONCE]] {
        let half = Half::begin(&app, "POST", PHQ9, "application/json", &phq9("r", [0; 9]).to_string()).await;
        let request = ("POST", "/v1/reports/batch", "application/x-ndjson");
        let statuses = at_once(&app, ADMIN, request, &bodies).await;
        assert!(!statuses.contains(&500), "{statuses:?}");
        let status = half.end().await;
        assert!(matches!(status, 202 | 408 | 503), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_with_sixty_of_the_largest_reports_is_listed() {
    let app = App::builder().variable("identity_looks_per_minute", "10000").start().await;
    // The document that needs the most memory of all valid reports.
    let data = json!({"a": vec![json!({"": {}}); 3_990]});
    let report = |number: usize| {
        json!({"reportId": format!("r{number}"), "studyId": "A", "siteId": "1", "patientId": "p", "kind": "generic",
               "authoredAt": format!("2026-03-01T08:{number:02}:00Z"), "data": data})
    };
    let mut lab = json!({"reportId": "lab", "studyId": "A", "siteId": "1", "patientId": "p", "kind": "lab",
                         "authoredAt": "2026-03-02T08:00:00Z"});
    let result = json!({"code": "2823-3", "value": 4.4, "unit": "mmol/L", "collectedAt": "2026-03-01T08:00:00Z",
                        "comment": "c".repeat(380)});
    lab["data"] = json!({"results": vec![result; 500]});
    let mut subject = String::new();
    for report in (0..59).map(report).chain([lab]) {
        let answer = app.send("POST", "/v1/reports", &report).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        subject = app.scored(answer.header("location").unwrap()).await["subject"].as_str().unwrap().to_owned();
    }
    let key = format!("{{vigil}}:filed:{subject}");
    until("all are listed", async || (app.redis::<usize>(&["ZCARD", &key]).await == 60).then_some(())).await;
    for (key, path) in [
        (ADMIN, format!("/v1/subjects/{subject}/submissions?limit=200")),
        (ADMIN, format!("/v1/subjects/{subject}/scores?score=generic.none&limit=200")),
        (CLINICIAN_A1, "/v1/patients/p/record".to_owned()),
        (ADMIN, "/v1/studies/A/report?month=2026-03".to_owned()),
    ] {
        let began = Instant::now();
        let answer = app.send_as(key, "GET", &path, &Value::Null).await;
        let took = began.elapsed();
        assert!(answer.status == 200 && took < Duration::from_secs(2), "{path}: {took:?}, {answer:?}");
        if path.contains("/submissions") {
            let shown = answer.json();
            assert_eq!(shown["submissions"].as_array().unwrap().len(), 60);
            assert!(answer.body.len() < 400_000, "{}", answer.body.len());
        }
        // As many at a time as one instance serves.
        let request = ("GET", path.as_str(), "application/json");
        let nothing: Vec<String> = (0..=AT_ONCE).map(|_| String::new()).collect();
        let statuses = at_once(&app, key, request, &nothing).await;
        assert!(statuses.iter().all(|status| matches!(status, 200 | 504)), "{path}: {statuses:?}");
    }
}
