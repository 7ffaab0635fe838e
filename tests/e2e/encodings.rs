//! Bodies as programs send them: with a byte order mark, cut in the middle of a character, packed, or in another encoding.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, phq9};
use crate::client::Answer;
use crate::fhir;
use crate::scarce::Scarce;
use crate::spelling::content;

const REPORTS: &str = "/v1/reports";
const BATCH: &str = "/v1/reports/batch";
const VALIDATE: &str = "/v1/validate";
const ANALYSES: &str = "/v1/imaging/analyses";
const FHIR: &str = "/fhir/QuestionnaireResponse";
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";
/// The byte order mark.
const MARK: &str = "\u{feff}";

async fn send(app: &App, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [&[("authorization", authorization.as_str())], headers].concat();
    app.client().await.send(method, path, &headers, body.into()).await.unwrap()
}

async fn post(app: &App, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    send(app, "POST", path, &[("content-type", content_type)], body).await
}

/// A report whose note is written so.
fn diary(id: &str, note: &str) -> String {
    format!(
        r#"{{"reportId":"{id}","studyId":"A","siteId":"1","patientId":"p","kind":"diary","authoredAt":"2026-03-01T08:00:00Z","data":{{"note":"{note}"}}}}"#
    )
}

fn definition(title: &str) -> String {
    let definition = json!({
        "id": "one", "version": "1", "title": "TITLE", "licence": "CC0-1.0", "languages": ["en"], "sources": ["None"],
        "items": [{"id": "a", "range": [0, 1]}], "scores": [{"id": "total", "method": "sum", "items": ["a"]}],
    });
    definition.to_string().replace("TITLE", title)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_cut_inside_a_character_is_taken_and_counted() {
    let app = App::start().await;
    let answer = post(&app, REPORTS, JSON, diary("cut", r"so tired \ud83d")).await;
    assert_eq!((answer.status, &answer.json()["removed"]), (202, &json!({"broken-character": 1})), "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    let shown = app.scored(&location).await;
    assert_eq!(shown["removed"], json!({"broken-character": 1}), "{shown}");
    assert_eq!(content(&app, &location), json!({"note": "so tired \u{fffd}"}));
    // The same with the other sign for it, and once more.
    for note in ["so tired \u{fffd}", r"so tired \ufffd", r"so tired \uDE00"] {
        let again = post(&app, REPORTS, JSON, diary("cut", note)).await;
        assert_eq!((again.status, again.header("location")), (202, Some(&*location)), "{note} {again:?}");
    }
    let answer = post(&app, REPORTS, JSON, diary("more", r"\ude00 call 13800138000 \ud83d\ud83d\ude00")).await;
    assert_eq!(answer.json()["removed"], json!({"broken-character": 2, "phone": 1}));

    let generic = diary("g", "").replace("diary", "generic").replace(r#""note":"""#, r#""\ud83d":["\ude00"]"#);
    assert_eq!(post(&app, REPORTS, JSON, generic.clone()).await.json()["removed"], json!({"broken-character": 2}));
    let rows = format!("{}\n{}\n", diary("row1", r"\ud83d"), diary("row2", "whole 😀"));
    let rows = post(&app, BATCH, NDJSON, rows).await.json();
    assert_eq!(
        (&rows["accepted"], &rows["rows"][0]["removed"]),
        (&json!(2), &json!({"broken-character": 1})),
        "{rows}"
    );
    assert_eq!(rows["rows"][1]["removed"], Value::Null);
    let valid = post(&app, VALIDATE, JSON, format!("[{}]", diary("v", r"\udfff"))).await.json();
    assert_eq!(valid["valid"], true, "{valid}");

    // An unknown member stays one, and an id does not lose a part of itself.
    let response = phq9("r", [0; 9]).to_string();
    let odd = response.replacen('{', r#"{"\ud83d":1,"#, 1);
    assert_eq!(post(&app, PHQ9, JSON, odd).await.findings(), [("/\u{fffd}".into(), "unknown".into())]);
    let odd = response.replace("patient of r", r"patient \ud83d");
    assert_eq!(post(&app, PHQ9, JSON, odd).await.findings(), [("/patientId".into(), "format".into())]);

    let resource = fhir::response("q", [0; 9]).to_string().replacen('{', r#"{"text":{"div":"\ud83d"},"#, 1);
    assert!(post(&app, FHIR, "application/fhir+json", resource).await.status < 300);

    let json = [("content-type", JSON)];
    let rules = r#"{"studies":{}}"#;
    assert_eq!(send(&app, "PUT", "/v1/config/alert-rules", &json, rules).await.status, 201);
    let silence = r#"[{"id":"s","matchers":{"site":["1"]},"start":"2026-03-01T08:00:00Z","end":"2026-03-02T08:00:00Z","author":"a","comment":"drill \ud83d"}]"#;
    assert_eq!(send(&app, "PUT", "/v1/config/silences", &json, silence).await.status, 201);
    let stored = app.send("GET", "/v1/config/silences", &Value::Null).await.json();
    assert_eq!(stored[0]["comment"], "drill \u{fffd}");
    let put = send(&app, "PUT", "/v1/instruments/one", &json, definition(r"One \ud83d")).await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(app.send("GET", "/v1/instruments/one", &Value::Null).await.json()["title"], "One \u{fffd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_before_a_body_is_ignored_at_every_door() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = App::builder()
        .variable("ai_services", service.declared(10, 20_000))
        .variable("image_sources", r#"["https://pacs.example/"]"#)
        .start()
        .await;
    let plain = phq9("r", [0; 9]);
    let location = app.submit(&plain).await;
    let marked = post(&app, PHQ9, JSON, format!("{MARK}{plain}")).await;
    assert_eq!((marked.status, marked.header("location")), (202, Some(&*location)), "{marked:?}");
    for (path, content_type, body) in [
        (REPORTS, JSON, diary("a", "x")),
        (BATCH, JSON, format!("[{}]", diary("b", "x"))),
        (BATCH, NDJSON, format!("{}\n{}\n", diary("c", "x"), diary("d", "x"))),
        (BATCH, NDJSON, format!("\n{}\n{MARK}{}", diary("e", "x"), diary("f", "x"))),
    ] {
        let answer = post(&app, path, content_type, format!("{MARK}{body}")).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        if path == BATCH {
            assert_eq!(answer.json()["rejected"], 0, "{answer:?}");
        }
    }
    let valid = post(&app, VALIDATE, NDJSON, format!("{MARK}{}", diary("g", "x"))).await.json();
    assert_eq!((&valid["valid"], valid["rows"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    assert!(
        post(&app, FHIR, "application/fhir+json", format!("{MARK}{}", fhir::response("q", [0; 9]))).await.status < 300
    );
    let analysis = json!({"studyId": "A", "siteId": "1", "patientId": "p", "service": "chest",
                          "image": {"url": "https://pacs.example/1"}});
    assert_eq!(post(&app, ANALYSES, JSON, format!("{MARK}{analysis}")).await.status, 202);
    let json = [("content-type", JSON)];
    let rules = format!("{MARK}{}", json!({"studies": {}}));
    assert_eq!(send(&app, "PUT", "/v1/config/alert-rules", &json, rules).await.status, 201);
    let marked = send(&app, "PUT", "/v1/instruments/one", &json, format!("{MARK}{}", definition("One"))).await;
    let bare = send(&app, "PUT", "/v1/instruments/one", &json, definition("One")).await;
    assert_eq!((marked.status, bare.status), (201, 200), "{marked:?} {bare:?}");
    assert_eq!(marked.json()["sha256"], bare.json()["sha256"]);
    assert_eq!(app.send("GET", "/v1/instruments/one", &Value::Null).await.json()["title"], "One");
    let erased =
        send(&app, "DELETE", &location, &json, format!("{MARK}{}", json!({"reason": "consent withdrawn"}))).await;
    assert_eq!(erased.status, 200, "{erased:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_packed_or_in_another_encoding_is_refused_at_every_door() {
    let app = App::start().await;
    let response = phq9("r", [0; 9]).to_string();
    let doors = [
        ("POST", PHQ9, JSON, response.clone()),
        ("POST", REPORTS, JSON, diary("a", "x")),
        ("POST", BATCH, JSON, format!("[{}]", diary("b", "x"))),
        ("POST", BATCH, NDJSON, diary("c", "x")),
        ("POST", VALIDATE, NDJSON, diary("d", "x")),
        ("POST", FHIR, "application/fhir+json", fhir::response("q", [0; 9]).to_string()),
        ("POST", ANALYSES, JSON, "{}".to_owned()),
        ("POST", "/v1/ai/analyze", JSON, "{}".to_owned()),
        ("PUT", "/v1/config/alert-rules", JSON, r#"{"studies":{}}"#.to_owned()),
        ("PUT", "/v1/instruments/one", JSON, definition("One")),
        ("PUT", "/v1/instruments/one", "application/fhir+json", "{}".to_owned()),
        ("POST", "/v1/silences", JSON, "{}".to_owned()),
        ("POST", "/v1/instruments/phq-9/rescore", JSON, "{}".to_owned()),
        ("DELETE", "/v1/submissions/6f2c1a52-5a52-4b7e-9f0a-1d2c3b4a5f60", JSON, r#"{"reason":"x"}"#.to_owned()),
    ];
    for (method, path, content_type, body) in &doors {
        for coding in ["gzip", "br", "identity, gzip", "GZIP", "x-unknown", "\u{e9}"] {
            let headers = [("content-type", *content_type), ("content-encoding", coding)];
            let answer = send(&app, method, path, &headers, body.clone()).await;
            assert_eq!(answer.status, 415, "{method} {path} {coding} {answer:?}");
        }
        for charset in ["utf-16", "UTF-16LE", "\"gbk\"", "utf-8; charset=latin1", "utf-8; charset=utf-8", "\"utf-8"] {
            let content_type = format!("{content_type}; charset={charset}");
            let answer = send(&app, method, path, &[("content-type", &content_type)], body.clone()).await;
            assert_eq!(answer.status, 415, "{method} {path} {charset} {answer:?}");
        }
        for wide in [
            utf_16(body, u16::to_le_bytes, true),
            utf_16(body, u16::to_be_bytes, true),
            utf_16(body, u16::to_le_bytes, false),
        ] {
            let answer = send(&app, method, path, &[("content-type", content_type)], wide).await;
            assert_eq!(answer.status, 415, "{method} {path} {answer:?}");
        }
    }
    let dicom = [("content-type", "application/dicom"), ("content-encoding", "gzip")];
    assert_eq!(send(&app, "POST", "/v1/dicom/analyze", &dicom, "x").await.status, 415);
    for (content_type, coding) in [
        ("application/json; charset=utf-8", "identity"),
        ("application/json;charset=\"UTF-8\"", ""),
        ("application/json ; Charset = US-ASCII; profile=\"x\"", "Identity"),
        ("application/json; note=\"a; charset=latin1\"", "identity"),
        ("application/json; note=\"a\\\"; charset=latin1\"; charset=\"Utf-8\"", "identity"),
    ] {
        let headers = [("content-type", content_type), ("content-encoding", coding)];
        assert_eq!(send(&app, "POST", PHQ9, &headers, response.clone()).await.status, 202, "{content_type} {coding}");
    }
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2], marked: bool) -> Vec<u8> {
    let mark = marked.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}
