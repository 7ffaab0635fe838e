//! Spellings: content that is written in another way is the same content, and an id that looks like another one is that
//! one, or refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, Builder, CLINICIAN_A1, PHQ9, on_spin, phq9};
use crate::client::{Answer, early_status};
use crate::disk::opened;
use crate::fhir;
use crate::scarce::Scarce;
use crate::upstreams::Upstreams;

const REPORTS: &str = "/v1/reports";
const BATCH: &str = "/v1/reports/batch";
const ANALYSES: &str = "/v1/imaging/analyses";
const NDJSON: &str = "application/x-ndjson";
/// Characters that nobody sees, or takes for others.
const HIDDEN: [char; 12] = [
    '\u{200b}', '\u{feff}', '\u{ad}', '\u{2011}', '\u{a0}', '\u{2060}', '\u{202e}', '\u{3000}', '\u{ff11}', '\u{1}',
    '\u{fe0f}', '\u{fffd}',
];

async fn post(app: &App, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    post_with(app, path, content_type, &[], body).await
}

async fn post_with(
    app: &App,
    path: &str,
    content_type: &str,
    more: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [&[("authorization", authorization.as_str()), ("content-type", content_type)], more].concat();
    app.client().await.send("POST", path, &headers, body.into()).await.unwrap()
}

/// A report of study A, site 1, whose id and patient are written so.
fn report(id: &str, patient: &str, kind: &str, data: &str) -> String {
    format!(
        r#"{{"reportId":"{id}","studyId":"A","siteId":"1","patientId":"{patient}","kind":"{kind}",
            "authoredAt":"2026-03-01T08:00:00Z","data":{data}}}"#
    )
}

/// The stored content of a submission.
pub(crate) fn content(app: &App, location: &str) -> Value {
    opened(app, location.trim_start_matches("/v1/submissions/"))["submission"]["content"].clone()
}

fn imaging(service: &Scarce) -> Builder {
    App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("image_sources", r#"["https://pacs.example/"]"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_in_another_spelling_is_a_resend() {
    let app = App::start().await;
    for (number, (kind, spellings)) in [
        ("generic", &[r#"{"a":1,"b":13,"c":null}"#, r#"{"b":13.0,"a":1.0}"#, r#"{ "a":10e-1,"b":1.3E1,"d":null }"#][..]),
        ("generic", &[r#"{"at":["2026-02-01T08:00:00Z"]}"#, r#"{"at":["2026-02-01T08:00:00.0+00:00"]}"#]),
        ("generic", &["{\"é\":\"é\"}", "{\"e\u{301}\":\"e\u{301}\"}", r#"{"\u0065\u0301":"\u00e9"}"#]),
        ("generic", &[r#"{"mrn":12345,"called":13800138000}"#, r#"{"mrn":12345.0,"called":1.3800138e10}"#]),
        ("generic", &["{\"mrn\":\"Mü-1\"}", "{\"mrn\":\"Mu\u{308}-\u{200b}1\"}"]),
        (
            "diary",
            &[
                r#"{"symptoms":[{"name":"pain","severity":3,"since":"2026-02-01T08:00:00Z"}],"note":null}"#,
                r#"{"symptoms":[{"since":"2026-02-01T16:00:00+08:00","severity":3.0,"name":"pain"}]}"#,
            ],
        ),
        (
            "lab",
            &[
                r#"{"results":[{"code":"718-7","value":13,"unit":"g/dL","collectedAt":"2026-02-01T08:00:00Z"}]}"#,
                r#"{"results":[{"code":"718-7","value":13.0,"unit":"g/dL","collectedAt":"2026-02-01T08:00:00+00:00","comparator":null}]}"#,
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut locations = Vec::new();
        for data in spellings {
            let answer = post(&app, REPORTS, "application/json", report(&format!("r{number}"), "p", kind, data)).await;
            assert_eq!(answer.status, 202, "{data} {answer:?}");
            locations.push(answer.header("location").unwrap().to_owned());
        }
        locations.dedup();
        assert_eq!(locations.len(), 1, "{spellings:?}");
    }
    for (number, contents) in [
        [r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#],
        [r#"{"a":1}"#, r#"{"a":"1"}"#],
        [r#"{"a":["2026-02-01T08:00:00.1234567Z"]}"#, r#"{"a":["2026-02-01T08:00:00.1234568Z"]}"#],
        [r#"{"a":[null]}"#, r#"{"a":[]}"#],
    ]
    .into_iter()
    .enumerate()
    {
        for (data, status) in contents.into_iter().zip([202, 409]) {
            let answer =
                post(&app, REPORTS, "application/json", report(&format!("o{number}"), "p", "generic", data)).await;
            assert_eq!(answer.status, status, "{data} {answer:?}");
        }
    }
    // The document that was sent first is stored, as it was sent.
    let first = report("kept", "p", "generic", "{\"x\":1.50,\"y\":0.30000000000000004,\"z\":\"e\u{301}\"}");
    let location = post(&app, REPORTS, "application/json", first).await.header("location").unwrap().to_owned();
    app.scored(&location).await;
    let expected = json!({"x": 1.5, "y": 0.30000000000000004, "z": "e\u{301}"});
    assert_eq!(content(&app, &location), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_rows_resources_and_analyses_in_another_spelling_are_resends() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = imaging(&service).start().await;
    let plain = phq9("r", [1, 0, 2, 0, 0, 0, 0, 0, 0]);
    let mut other = phq9("r", [1, 0, 2, 0, 0, 0, 0, 0, 0]);
    other["answers"]["q1"] = json!(1.0);
    other["amends"] = Value::Null;
    let location = app.submit(&plain).await;
    assert_eq!(app.submit(&other).await, location);

    let row = report("", "p", "generic", "{\"a\":1,\"é\":\"é\"}").replace(r#""reportId":"","#, "").replace('\n', "");
    let again = row.replace("\"a\":1,\"é\":\"é\"", "\"e\u{301}\":\"e\u{301}\",\"a\":1.0,\"b\":null");
    let batch = post(&app, BATCH, NDJSON, format!("{row}\n{again}\n")).await.json();
    assert_eq!((&batch["accepted"], &batch["duplicate"]), (&json!(1), &json!(1)), "{batch}");

    let mut resource = fhir::response("q", [1; 9]);
    let items = resource["item"][0]["item"].as_array_mut().unwrap();
    items[0]["answer"] = json!([{"valueDecimal": 1}]);
    assert_eq!(fhir::post(&app, &resource).await.status, 202);
    resource["item"][0]["item"][0]["answer"] = json!([{"valueDecimal": 1.0}]);
    resource["authored"] = json!("2026-03-01T00:00:00.000+00:00");
    let again = fhir::post(&app, &resource).await;
    assert_eq!(again.status, 202, "{again:?}");

    let analysis = r#"{"analysisId":"é","studyId":"A","siteId":"1","patientId":"é","service":"chest","image":{"url":"https://pacs.example/1"}}"#;
    let again = analysis.replace("\"é\"", "\"e\u{301}\"").replacen('{', "{\"priority\":null,\"webhook\":null,", 1);
    let mut locations = Vec::new();
    for body in [analysis, &again] {
        let answer = post(&app, ANALYSES, "application/json", body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        locations.push(answer.header("location").unwrap().to_owned());
    }
    assert_eq!(locations[0], locations[1]);
    let other = analysis.replace("pacs.example/1", "pacs.example/2");
    assert_eq!(post(&app, ANALYSES, "application/json", other).await.status, 409);

    // The version of an instrument, too.
    let path = "/v1/instruments/pain-nrs";
    let definition = app.send("GET", path, &Value::Null).await;
    let hash = definition.header("etag").unwrap().trim_matches('"').to_owned();
    let mut definition = definition.json();
    let again = app.send("PUT", path, &definition).await;
    assert_eq!((again.status, &again.json()["sha256"]), (200, &json!(hash)), "{again:?}");
    definition["version"] = json!("own");
    assert_eq!(app.send("PUT", path, &definition).await.status, 201);
    let hash = app.send("GET", path, &Value::Null).await.header("etag").unwrap().to_owned();
    let spaced = format!("\u{feff}{definition:#}");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let again = app.client().await.send("PUT", path, &headers, spaced).await.unwrap();
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(app.send("GET", path, &Value::Null).await.header("etag").unwrap(), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_looks_like_another_is_refused_at_every_door() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = imaging(&service).start().await;
    for sign in HIDDEN {
        let id = format!("P{sign}1");
        let mut response = phq9(&id, [0; 9]);
        response["patientId"] = json!(id);
        let mut row = response.clone();
        row["instrument"] = json!("phq-9");
        let found = [("/responseId".to_owned(), "format".to_owned()), ("/patientId".to_owned(), "format".to_owned())];
        let answer = app.send("POST", PHQ9, &response).await;
        assert_eq!((answer.status, answer.findings()), (422, found.to_vec()), "{sign:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&id), "no value is repeated");
        let batch = post(&app, BATCH, NDJSON, row.to_string()).await.json();
        let errors = batch["rows"][0]["errors"].as_array().unwrap();
        assert_eq!(
            (&errors[0]["pointer"], &errors[1]["pointer"]),
            (&json!("/responseId"), &json!("/patientId")),
            "{batch}"
        );

        let data = report(&format!("R{}", sign as u32), "p", "generic", "{}").replace("\"p\"", &json!(id).to_string());
        assert_eq!(post(&app, REPORTS, "application/json", data).await.findings(), [found[1].clone()], "{sign:?}");

        let mut resource = fhir::response("q", [0; 9]);
        resource["subject"] = json!({"identifier": {"system": "urn:oid:1", "value": id}});
        resource["identifier"] = json!({"system": "urn:oid:1", "value": id});
        assert_eq!(fhir::post(&app, &resource).await.status, 422, "{sign:?}");
        resource["subject"] = json!({"identifier": {"system": format!("urn:x:1{sign}"), "value": "1"}});
        resource.as_object_mut().unwrap().remove("identifier");
        assert_eq!(fhir::post(&app, &resource).await.status, 422, "{sign:?}");

        let analysis = json!({"analysisId": id, "studyId": id, "siteId": id, "patientId": id, "service": "chest",
                              "image": {"url": "https://pacs.example/1"}});
        let found = app.send("POST", ANALYSES, &analysis).await.findings();
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/studyId", "/siteId", "/patientId", "/analysisId"], "{sign:?}");

        let silence = json!({"matchers": {"study": [id]}, "minutes": 5, "comment": "a drill"});
        assert_eq!(app.send("POST", "/v1/silences", &silence).await.status, 422, "{sign:?}");
        let rules = json!({"studies": {id: {}}});
        for document in ["alert-rules", "deidentification", "patient-systems", "alert-routes"] {
            let path = format!("/v1/config/{document}?dry-run=true");
            assert_eq!(app.send("PUT", &path, &rules).await.status, 422, "{document} {sign:?}");
        }
    }
    let forged = json!({"studyId": "S1 resolved", "siteId": "1 resolved", "patientId": "p", "service": "chest",
                        "image": {"url": "https://pacs.example/1"}});
    let expected = [("/studyId".to_owned(), "format".to_owned()), ("/siteId".to_owned(), "format".to_owned())];
    assert_eq!(app.send("POST", ANALYSES, &forged).await.findings(), expected);
    for path in ["/v1/dicom/analyze?study=S1%20resolved", "/v1/dicom/analyze?study=S%E2%80%8B1"] {
        assert_eq!(post(&app, path, "application/dicom", "").await.status, 422, "{path}");
    }
    assert!(app.stored_keys("").iter().all(|key| !key.starts_with("submission/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_one_in_every_normal_form_and_found_in_each() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    let mut subjects = Vec::new();
    for (id, patient) in [("r1", "Mu\u{308}ller 한"), ("r2", "Müller \u{1112}\u{1161}\u{11ab}")] {
        let mut response = phq9(id, [0; 9]);
        response["patientId"] = json!(patient);
        let location = app.submit(&response).await;
        subjects.push(app.scored(&location).await["subject"].as_str().unwrap().to_owned());
    }
    assert_eq!(subjects[0], subjects[1]);
    // Two spellings of one id of a document are one document.
    let (mut one, mut other) = (phq9("é", [0; 9]), phq9("e\u{301}", [0; 9]));
    (one["patientId"], other["patientId"]) = (json!("p"), json!("p"));
    assert_eq!(app.submit(&one).await, app.submit(&other).await);

    let authorization = format!("Bearer {CLINICIAN_A1}");
    let headers = [("authorization", authorization.as_str())];
    let mut client = app.client().await;
    for (path, status) in [
        ("M%C3%BCller%20%ED%95%9C", 200),
        ("Mu%CC%88ller%20%E1%84%92%E1%85%A1%E1%86%AB", 200),
        ("Mu%CC%88ller%20%E2%80%8B%ED%95%9C", 422),
        ("Muller", 404),
    ] {
        let path = format!("/v1/patients/{path}/record");
        let answer = client.send("GET", &path, &headers, "").await.unwrap();
        assert_eq!(answer.status, status, "{path} {answer:?}");
        if status == 200 {
            assert_eq!(answer.json()["subject"], json!(subjects[0]));
        }
    }
    let path = format!("/v1/subjects/{}/identity", subjects[0]);
    let identity = client.send("GET", &path, &headers, "").await.unwrap();
    assert_eq!(identity.json()["patientId"], "Müller 한");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_cannot_be_read_is_refused_and_not_ignored() {
    let app = App::start().await;
    let mut response = phq9("k", [0; 9]);
    response.as_object_mut().unwrap().remove("responseId");
    let long = "k".repeat(129);
    for key in ["clé", "ключ", "a\tb", long.as_str(), "\u{200b}"] {
        let answer = post_with(&app, PHQ9, "application/json", &[("idempotency-key", key)], response.to_string()).await;
        assert_eq!((answer.status, answer.findings()), (422, vec![(String::new(), "format".to_owned())]), "{key:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(key));
    }
    let twice = [("idempotency-key", "k1"), ("idempotency-key", "k2")];
    assert_eq!(post_with(&app, PHQ9, "application/json", &twice, response.to_string()).await.status, 422);
    let raw = |method: &str, path: &str, header: &[u8], body: &Value| {
        let (address, body) = (app.address, body.to_string());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n",
            body.len()
        );
        early_status(address, [head.as_bytes(), header, b"\r\n\r\n", body.as_bytes()].concat())
    };
    // A real Spin refuses such a header itself.
    let refused = if on_spin() { 500 } else { 422 };
    assert_eq!(raw("POST", PHQ9, b"idempotency-key: cl\xe9", &response).await, refused);
    assert_eq!(raw("POST", PHQ9, b"idempotency-key: cl\xff\xfe", &response).await, refused);
    let rules = json!({"studies": {}});
    for header in [&b"x-change-reason: caf\xe9"[..], b"if-match: \"\xe9\"", b"if-none-match: \xff"] {
        assert_eq!(raw("PUT", "/v1/config/alert-rules", header, &rules).await, refused, "{header:?}");
    }
    assert_eq!(raw("PUT", "/v1/config/alert-rules", "x-change-reason: 试验".as_bytes(), &rules).await, 201);
}
