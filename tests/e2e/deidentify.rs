//! De-identification: no part of a patient's identity is found anywhere behind the door.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, until};

/// The identifiers that a sender writes: in the envelope, in named members, and in the middle of sentences.
const MARKS: [&str; 14] = [
    "Zhang-330106",
    "13912345678",
    "139 1234 5678",
    "+44 20 7946 0958",
    "11010519491231002X",
    "zhang.wei@mail.example.com",
    "chat.example.com/u/zhangwei",
    "H-20260042",
    "6222021234567890128",
    "王小明",
    "Zhang Wei",
    "West Lake Road",
    "1949-12-31",
    "310027",
];

fn told(number: usize) -> String {
    format!(
        "day {number}: Zhang-330106 rang 13912345678, or 139 1234 5678, or +44 20 7946 0958; 身份证11010519491231002X, \
         zhang.wei@mail.example.com, https://chat.example.com/u/zhangwei; MRN: H-20260042, card 6222021234567890128. \
         王小明 (Zhang Wei) of West Lake Road slept well"
    )
}

fn report(kind: &str, number: usize) -> Value {
    let patient = json!({"name": "Zhang Wei", "birthDate": "1949-12-31", "postcode": "310027", "sex": "male",
                         "address": "West Lake Road", "phone": "139 1234 5678", "mrn": "H-20260042",
                         "email": "王小明"});
    let data = match kind {
        "diary" => json!({"note": told(number), "symptoms": [{"name": told(number).get(..41), "severity": 2}],
                          "patient": patient}),
        "adverse-event" => json!({"term": "Headache", "onset": "2026-02-20", "grade": 2, "serious": false,
                                  "relatedness": "possible", "outcome": "recovered", "actionTaken": "none",
                                  "note": told(number), "patient": patient}),
        "lab" => json!({"results": [{"code": "718-7", "value": 13.2, "unit": "g/dL", "comment": told(number),
                                     "collectedAt": "2026-02-20T08:00:00Z"}], "patient": patient}),
        _ => json!({"patient": {"fullName": "王小明", "dob": "1949-12-31", "zip": 310027, "MRN": "H-20260042"},
                    "address": "West Lake Road", "phones": [13912345678u64, "13912345678"], "13912345678": told(number), "contact": {"name": "Zhang Wei"}}),
    };
    json!({"reportId": format!("{kind}-{number}"), "studyId": "A", "siteId": "1", "patientId": "Zhang-330106",
           "kind": kind, "authoredAt": "2026-03-01T08:00:00Z", "data": data})
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_identity_is_left_after_a_burst() {
    const EACH: usize = 100;
    let app = App::start().await;
    let kinds = ["diary", "adverse-event", "lab", "generic"];
    let rows: Vec<String> = (0..EACH).flat_map(|number| kinds.map(|kind| report(kind, number).to_string())).collect();
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/x-ndjson")];
    let mut client = app.client().await;
    let batch = client.send("POST", "/v1/reports/batch", &headers, rows.join("\n")).await.unwrap();
    assert_eq!(batch.json()["accepted"], EACH * kinds.len(), "{}", String::from_utf8_lossy(&batch.body));
    let single = app.send("POST", "/v1/reports", &report("diary", EACH)).await;
    assert_eq!(single.status, 202);
    // A refused document leaves nothing either.
    let mut bad = report("adverse-event", EACH);
    bad["data"]["grade"] = json!("Zhang Wei 13912345678");
    let refused = app.send("POST", "/v1/reports", &bad).await;
    assert_eq!(refused.status, 422);
    until("all are stored", async || (app.stored_keys("submission/").len() == EACH * kinds.len() + 1).then_some(()))
        .await;

    let shown = app.scored(single.header("location").unwrap()).await;
    assert_eq!(single.json()["removed"], shown["removed"]);
    for class in ["phone", "national-id", "email", "url", "patient-id", "patient-name", "card", "dropped"] {
        assert!(shown["removed"][class].as_u64().unwrap() >= 1, "{class}: {shown}");
    }

    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the answer to the batch".to_owned(), batch.body.to_vec()),
        ("the answer to one".to_owned(), single.body.to_vec()),
        ("the refusal".to_owned(), refused.body.to_vec()),
    ];
    places.extend(app.files());
    for expected in ["sqlite_key_value.db", "appendonlydir"] {
        assert!(places.iter().any(|(name, bytes)| name.contains(expected) && bytes.len() > 10_000), "{expected}");
    }
    // Text that is no identity is found: so the search looks in the right files.
    let holds = |bytes: &[u8], mark: &str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    // In the store contents are sealed.
    for (file, kept) in [
        ("appendonly", "slept well"),
        ("appendonly", "Headache"),
        ("appendonly", "718-7"),
        ("sqlite", r#""state":"scored""#),
    ] {
        assert!(places.iter().any(|(name, bytes)| name.contains(file) && holds(bytes, kept)), "{kept}");
    }
    for (name, bytes) in &places {
        for mark in MARKS {
            assert!(!holds(bytes, mark), "{mark} is in {name}");
        }
    }
}
