//! Worst cases: time is linear in the input for every text in the scrubber, every batch in the splitter and every
//! report at the door.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::time::{Duration, Instant};

use domain::deidentify::{self, Policy, Subject};
use domain::ids::PatientId;
use domain::intake::{ReportKind, Shape};
use domain::rows::{Format, Splitter};
use domain::scrub::{Class, Own, Removed, scrub};
use domain::{Timestamp, report};
use serde_json::{Map, Value, json};

/// The longest accepted text.
const LONGEST: usize = 256 * 1024;
/// The time limit for 256 KiB: 50 ms, or more without optimisation.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 50 });

/// The fastest of a few runs, so that a busy machine does not look like slow code.
fn fastest(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        work();
        best = best.min(began.elapsed());
        if best < LIMIT {
            break;
        }
    }
    best
}

#[test]
fn no_text_makes_the_scrubber_slow() {
    let mut own = Own::new();
    own.add(&"a".repeat(128), Class::PatientId);
    own.add(&format!("{}b", "1 ".repeat(63)), Class::PatientId);
    own.add("王王王王王王王王小", Class::PatientName);
    own.add(&format!("{}2", "1".repeat(31)), Class::PatientId);
    own.add(&format!("{}b", "1a".repeat(15)), Class::PatientId);
    own.add(&format!("{}c", "a ".repeat(31)), Class::PatientName);
    own.add(&format!("{}c", "王·".repeat(15)), Class::PatientName);
    for piece in [
        "1",
        "1 ",
        "1-",
        "1;",
        "1, ",
        "1a",
        "1 a ",
        "王·",
        "01 ",
        "tel 1 ",
        "passport a ",
        "微信a_",
        "(at)a.b",
        "a @ ",
        "12 ",
        "123 ",
        "1234 ",
        "13800138000 ",
        "13800138000",
        "+",
        "+1 ",
        "a",
        "a ",
        "@",
        "a@",
        "@a.",
        "a@b.cn ",
        "://",
        "a://",
        "a://b/c ",
        "www.",
        "www.a/b ",
        "mrn",
        "mrn ",
        "mrn:",
        "mrn-",
        "mrn 1",
        "病历号",
        "病历号是",
        "王",
        "王小",
        "(",
        "((1",
        "[phone]",
        "medical record ",
        "4111 ",
        "110105194912310",
        "x1x",
        "０",
        "\u{301}",
        " ",
        "\0",
        "é@é.",
        "one ",
        "one",
        "double ",
        "o ",
        "one two 3 ",
        "five, ",
        "at ",
        "a at b dot ",
        "at at ",
        "dot ",
        " dot a",
        "a-dot-",
        "a@b dot ",
        "a#",
        "@a_",
        "@a",
        "a.me/",
        "/a",
        "<",
        "<b",
        "<b>",
        "<br>1",
        "&lt;",
        "&lt;b&gt;",
        "&nbsp;",
        "&amp;",
        "&#49;",
        "%20",
        "\\u0031",
        "1O",
        "1O ",
        "а",
        "аa",
        "ν",
        "張",
        "张張",
        "艾特",
        "공",
        "собака ",
        "🅰",
    ] {
        let text = piece.repeat(LONGEST / piece.len());
        let took = fastest(|| {
            scrub(&text, &own, &mut Removed::default());
        });
        assert!(took < LIMIT, "{piece:?}: {took:?}");
    }
}

#[test]
fn no_batch_makes_the_splitter_slow() {
    for piece in ["[", "{\"a\":", "\"", "\\\"", "1,", "{},", "\n", "1\n", " ", "9"] {
        for (format, start) in [(Format::Array, "["), (Format::Lines, "")] {
            let text = [start, &piece.repeat(LONGEST / piece.len())].concat();
            let took = fastest(|| {
                let (mut splitter, mut rows) = (Splitter::new(format, LONGEST), Vec::new());
                // This test does not check whether the frame is valid.
                let _ = text.as_bytes().chunks(7).try_for_each(|piece| splitter.push(piece, &mut rows));
            });
            assert!(took < LIMIT, "{piece:?}: {took:?}");
        }
    }
}

/// Reads, checks and de-identifies a report from its bytes, in the same way as the door.
fn take_in(body: &str) {
    let read = |document: Value| {
        let kind = document.get("kind").and_then(Value::as_str).and_then(ReportKind::parse).unwrap();
        (kind, Shape::Report.read(document, |data| report::check(kind, data, now())))
    };
    let (kind, envelope) = read(serde_json::from_str(body).unwrap());
    let envelope = envelope.unwrap();
    let pseudonym = |_: &str| "0".repeat(32);
    let subject =
        Subject { patient_id: &PatientId::parse("Zhang-330106").unwrap(), written_at: now(), pseudonym: &pseudonym };
    let policy = json!({"studies": {"S": {"shiftDays": 30, "generic": {"visit": "shift", "note": "pseudonymise"}}}});
    let policy = Policy::read(&policy).unwrap();
    let study = policy.study("S").unwrap();
    deidentify::report(kind, envelope.content.clone(), &subject);
    study.report(kind, envelope.content, &subject, study.shift(|| 7));
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T08:00:00Z").unwrap()
}

#[test]
fn no_report_makes_the_door_slow() {
    let report = |kind: &str, data: Value| {
        json!({"studyId": "S", "siteId": "1", "patientId": "p", "authoredAt": "2026-03-01T08:00:00Z", "kind": kind,
               "data": data})
        .to_string()
    };
    let patient = || json!({"name": "a b c d e f g h", "mrn": format!("{}b", "a".repeat(63)), "phone": "1".repeat(40)});
    let alike: Map<String, Value> = (0..1900).map(|n| ((13_800_000_000_u64 + n).to_string(), json!(1))).collect();
    let numbered: Map<String, Value> = (0..1300)
        .flat_map(|n| [(format!("[phone] {n}"), json!(1)), (format!("{}", 13_800_000_000_u64 + n), json!(1))])
        .take(1500)
        .collect();
    let needles: Vec<String> = (0..32).map(|n| format!("{}{n}", "a".repeat(40))).collect();
    let mut bodies = vec![
        report("generic", Value::Object(alike)),
        report("generic", Value::Object(numbered)),
        report("generic", json!({"mrn": needles, "note": "a".repeat(30_000)})),
        report("generic", json!({"note": vec!["a a a a"; 50], "x": vec!["2026-03-01T08:00"; 1500]})),
    ];
    for piece in [
        "a",
        "1 ",
        "1234 ",
        "a@b.c",
        "病历号",
        "2026-03-01 ",
        "@a.",
        "mrn ",
        "１ ",
        "m\u{300}",
        "de89 ",
        "tel 1 ",
        "한",
        "@中.",
    ] {
        let text = |length: usize| piece.repeat(length / piece.chars().count());
        let symptoms = vec![json!({"name": text(200), "severity": 1, "since": "2026-02-28"}); 200];
        let medication = vec![json!({"name": text(200), "dose": text(100)}); 200];
        bodies.push(report(
            "diary",
            json!({"symptoms": symptoms, "medication": medication, "note": text(20_000), "patient": patient()}),
        ));
        bodies.push(report("lab", json!({"note": text(20_000), "patient": patient(), "results":
            vec![json!({"code": "HB", "value": text(200), "comment": text(300), "collectedAt": "2026-02-28T08:00:00Z"}); 300]})));
    }
    for body in bodies {
        assert!(body.len() < 3 * LONGEST, "{}", body.len());
        let took = fastest(|| take_in(&body));
        assert!(took < LIMIT, "{body:.300}: {took:?}, {} bytes", body.len());
    }
}
