//! Instruments and scores, published as resources.

use domain::fhir::observation::{Score, Scored, observation};
use domain::fhir::questionnaire::questionnaire;
use domain::{Code, library};
use serde_json::json;

use crate::{instrument, phq9, read, with};

#[test]
fn an_instrument_is_given_out_with_codes_texts_and_weights() {
    let resource = questionnaire(&instrument("phq-9").unwrap());
    assert_eq!(resource["url"], "urn:vigil:questionnaire:phq-9");
    assert_eq!(resource["version"], "1.0.0");
    assert_eq!(resource["code"], json!([{"system": "http://loinc.org", "code": "44249-1"}]));
    let items = resource["item"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    assert_eq!((&items[8]["linkId"], &items[8]["type"]), (&json!("q9"), &json!("choice")));
    assert_eq!(items[8]["code"][0]["code"], "44260-8");
    assert!(items[8]["text"].as_str().unwrap().starts_with("Thoughts"));
    let options = items[9]["answerOption"].as_array().unwrap();
    let weights: Vec<(&str, f64)> = options
        .iter()
        .map(|option| {
            assert_eq!(option["extension"][0]["url"], "http://hl7.org/fhir/StructureDefinition/itemWeight");
            assert_eq!(option["valueCoding"]["system"], "http://loinc.org");
            assert!(option["valueCoding"]["display"].is_string());
            let code = option["valueCoding"]["code"].as_str().unwrap();
            (code, option["extension"][0]["valueDecimal"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(weights, [("LA6572-7", 0.0), ("LA6573-5", 1.0), ("LA6575-0", 2.0), ("LA6574-3", 3.0)]);
}

#[test]
fn what_an_instrument_gives_out_it_takes_back() {
    for id in library::ids() {
        let own = instrument(id).unwrap();
        let resource = questionnaire(&own);
        let url = resource["url"].as_str().unwrap();
        let canonical = format!("{url}|{}", resource["version"].as_str().unwrap());
        for item in resource["item"].as_array().unwrap() {
            let options = item["answerOption"].as_array().cloned().unwrap_or_default();
            let bounds = item["extension"].as_array().cloned().unwrap_or_default();
            assert!(!options.is_empty() || bounds.len() == 2, "{id} {item}");
            for answer in options.iter().chain(&bounds) {
                let mut answer = answer.clone();
                let members = answer.as_object_mut().unwrap();
                members.remove("url");
                let response = phq9(json!([{"linkId": item["linkId"], "answer": [members]}]));
                let response = with(response, "questionnaire", json!(canonical));
                let found = read(&response).err().unwrap_or_default();
                assert!(found.iter().all(|finding| finding.code == Code::Required), "{id} {response} {found:#?}");
            }
        }
    }
}

#[test]
fn what_recoding_counts_is_the_weight() {
    let resource = questionnaire(&instrument("promis-global-10").unwrap());
    let items = resource["item"].as_array().unwrap();
    let pain = items.iter().find(|item| item["linkId"] == "g07").unwrap();
    let last = pain["answerOption"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["valueInteger"], &last["extension"][0]["valueDecimal"]), (&json!(10), &json!(1)));
}

#[test]
fn scores_become_observations() {
    let scored = Scored {
        submission_id: "s",
        subject: "pseudonym",
        authored_at: "2026-03-01T00:00:00.000Z",
        instrument: "phq-9",
    };
    let definition = instrument("phq-9");
    let score = |id, value, status| Score { id, value, band: None, status, reason: Some("missing-answers") };
    let of = |n, score: &Score| observation(&scored, n, score, definition.as_ref());
    let number = json!(10.0);
    let total = of(0, &Score { band: Some("moderate"), ..score("total", Some(&number), "scored") });
    assert_eq!(total["code"]["coding"][0], json!({"system": "http://loinc.org", "code": "44261-6"}));
    assert_eq!(total["valueQuantity"]["value"], json!(10));
    assert_eq!((&total["id"], &total["code"]["text"]), (&json!("s.1"), &json!("PHQ-9 total")));
    assert_eq!(total["derivedFrom"][0]["reference"], "QuestionnaireResponse/s");
    assert_eq!(total["interpretation"][0]["coding"][0]["code"], "moderate");
    let (flag, text) = (json!(true), json!("mild"));
    assert_eq!(of(1, &score("major_depressive_syndrome", Some(&flag), "scored"))["valueBoolean"], true);
    assert_eq!(of(2, &score("severity", Some(&text), "scored"))["valueString"], "mild");
    let missing = of(3, &score("total", None, "not-scored"));
    assert_eq!(missing["dataAbsentReason"]["text"], "missing-answers");
    assert!(missing.get("valueQuantity").is_none());
}
