//! Laboratory results in the form that laboratories send: figures in quotes, other codes of an analyte, unknown
//! analytes.

use serde_json::{Value, json};

use crate::app::{ADMIN, App, PHQ9, READ_A1, SUBMIT_A};
use crate::evaluation::{alerts, report};

fn result(code: &str, value: &Value, unit: &str) -> Value {
    json!({"code": code, "value": value, "unit": unit, "collectedAt": "2026-03-01T07:00:00Z",
           "referenceRange": {"low": 3.5, "high": 5.0}})
}

/// Sends results as one report and returns the shown report.
async fn shown(app: &App, id: &str, results: &[Value]) -> Value {
    let answer = app.send("POST", "/v1/reports", &report(id, "lab", json!({"results": results}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.scored(answer.header("location").unwrap()).await
}

fn rules(shown: &Value) -> Vec<String> {
    alerts(shown).into_iter().map(|(rule, ..)| rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_in_quotes_alerts_or_is_refused() {
    let app = App::start().await;
    for (n, (value, expected)) in [
        (json!("7.2"), &["grade-4", "critical-potassium-high"][..]),
        (json!("> 7.0"), &["grade-4", "critical-potassium-high"]),
        (json!(">6.0"), &["grade-3"]),
        (json!(" <2.5"), &["grade-4", "critical-potassium-low"]),
        (json!("4.2"), &[]),
    ]
    .iter()
    .enumerate()
    {
        let shown = shown(&app, &format!("r{n}"), &[result("2823-3", value, "mmol/L")]).await;
        assert_eq!(rules(&shown), *expected, "{value}: {shown}");
        assert_eq!(shown["grades"][0]["status"], "graded", "{shown}");
    }
    for value in ["7,2", "1.200", "7.2 mmol/L", "+7.2", "positive", "\u{ff17}.\u{ff12}", "~7", ""] {
        let results = json!({"results": [result("2823-3", &json!(value), "mmol/L")]});
        let answer = app.send("POST", "/v1/reports", &report("refused", "lab", results)).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.findings()[0].0.ends_with("/results/0/value"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_codes_of_an_analyte_alert_and_what_is_not_known_says_so() {
    let app = App::start().await;
    let results = [
        result("14749-6", &json!(1.2), "mmol/L"),
        result("6298-4", &json!(7.2), "mmol/L"),
        result("50902-6", &json!(7.2), "mmol/kg"),
        json!({"code": "HB", "value": "low", "collectedAt": "2026-03-01T07:00:00Z"}),
    ];
    let shown = shown(&app, "r1", &results).await;
    assert_eq!(rules(&shown), ["grade-4", "critical-potassium-high", "critical-glucose-low"]);
    let grades = shown["grades"].as_array().unwrap();
    assert_eq!((&grades[0]["code"], &grades[0]["analyte"]), (&json!("14749-6"), &json!("2345-7")));
    assert_eq!((&grades[1]["grade"], &grades[1]["analyte"]), (&json!(4), &json!("2823-3")));
    for (n, code) in [(2, "50902-6"), (3, "HB")] {
        let expected = json!({"result": n, "code": code, "status": "not-graded", "reason": "analyte not known"});
        assert_eq!(grades[n], expected);
    }
    // A unit that contradicts the code.
    let mass = json!({"results": [result("14749-6", &json!(20), "mg/dL")]});
    let answer = app.send("POST", "/v1/reports", &report("r2", "lab", mass)).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.findings()[0].0.ends_with("/results/0/unit"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_with_a_key_may_read_which_analytes_are_known() {
    let app = App::builder().only(&["console", "alerts"]).start().await;
    for key in [ADMIN, READ_A1, SUBMIT_A] {
        let answer = app.send_as(key, "GET", "/v1/analytes", &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let panel = answer.json();
        let analytes = panel["analytes"].as_array().unwrap();
        let glucose = analytes.iter().find(|analyte| analyte["code"] == "2345-7").unwrap();
        let molar =
            json!({"code": "14749-6", "name": "Glucose [Moles/volume] in Serum or Plasma", "units": ["mmol/L"]});
        assert!(glucose["codes"].as_array().unwrap().contains(&molar), "{glucose}");
        let low = json!({"id": "critical-glucose-low", "severity": "critical",
                         "when": {"analyte": "2345-7", "unit": "mmol/L", "below": 2.5}});
        assert_eq!(glucose["rules"][0], low);
        let third =
            json!({"grade": 3, "printed": [{"unit": "mmol/L", "limit": 2.2}, {"unit": "mg/dL", "limit": 40.0}]});
        assert_eq!(glucose["ctcae"][0]["grades"][2], third);
    }
    assert_eq!(app.send_as("nobody", "GET", "/v1/analytes", &Value::Null).await.status, 401);
    assert_eq!(app.send("POST", "/v1/analytes", &json!({})).await.status, 405);
    assert_eq!(app.send("GET", "/v1/analytes?x=1", &Value::Null).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_that_is_certain_alerts_before_all_answers_are_there() {
    let app = App::start().await;
    let mut answers = json!({"q9": 0});
    (1..=5).for_each(|n| answers[format!("q{n}")] = json!(3));
    let response = json!({"responseId": "certain", "studyId": "A", "siteId": "1", "patientId": "p",
                          "authoredAt": "2026-03-01T08:00:00Z", "answers": answers});
    let answer = app.send("POST", PHQ9, &response).await;
    let shown = app.scored(answer.header("location").unwrap()).await;
    assert_eq!((&shown["scores"][0]["status"], &shown["scores"][0]["value"]), (&json!("not-scored"), &Value::Null));
    let reason =
        "score total is at least 15 (moderately_severe or beyond) with 3 answers missing, rule: band moderately_severe";
    let expected = ("moderately-severe".to_owned(), "moderate".to_owned(), reason.to_owned());
    assert_eq!(alerts(&shown), [expected]);
}
