//! Published examples of other organisations.

use domain::Code;
use serde_json::{Value, json};

use crate::{check, coded, phq9, read, total, with};

/// HL7, Structured Data Capture: the example response to its PHQ-9, in its own link ids and codes.
fn hl7_phq9() -> Value {
    let codes = [
        "Not-at-all",
        "Not-at-all",
        "Not-at-all",
        "Several-days",
        "More than half the days",
        "Several-days",
        "Nearly every day",
        "More than half the days",
        "Several-days",
    ];
    let item = |(n, code): (usize, &&str)| {
        let coding = json!({"system": "http://hl7.org/fhir/uv/sdc/CodeSystem/CSPHQ9", "code": code});
        json!({"linkId": format!("H1/T1/Q{}", n + 1), "answer": [{"valueCoding": coding}]})
    };
    let items: Vec<Value> = codes.iter().enumerate().map(item).collect();
    let quantity = json!({"value": 13, "code": "1", "system": "http://unitsofmeasure.org"});
    json!({
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://hl7.org/fhir/uv/sdc/Questionnaire/questionnaire-sdc-profile-example-PHQ9",
        "status": "completed",
        "subject": {"reference": "http://example.org/fhir/Patient/proband"},
        "authored": "2019-08-21T20:36:57.544Z",
        "author": {"reference": "http://example.org/fhir/Patient/proband"},
        "item": [{"linkId": "H1/T1", "item": items}, {"linkId": "H1/TS", "answer": [{"valueQuantity": quantity}]}],
    })
}

#[test]
fn the_total_is_what_the_answers_come_to_and_not_what_is_printed() {
    // HL7's example prints 13; 0 + 0 + 0 + 1 + 2 + 1 + 3 + 2 + 1 is 10.
    assert_eq!(total(&hl7_phq9()), 10.0);
    // The same with LOINC's codes, and a total with a LOINC code.
    let codes = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];
    let links = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
    let answers = [0, 0, 0, 1, 2, 1, 3, 2, 1];
    let mut items: Vec<Value> =
        links.iter().zip(answers).map(|(link, n)| coded(&format!("/{link}"), codes[n])).collect();
    items.push(json!({"linkId": "/44261-6", "answer": [{"valueInteger": 13}]}));
    assert_eq!(total(&with(phq9(items.into()), "questionnaire", json!("http://loinc.org/q/44249-1"))), 10.0);
}

#[test]
fn link_ids_of_a_published_form_mean_nothing_elsewhere() {
    let elsewhere = with(hl7_phq9(), "questionnaire", json!("http://example.org/Questionnaire/phq-9"));
    let found = read(&elsewhere).unwrap_err();
    assert_eq!(found.iter().filter(|finding| finding.code == Code::Unknown).count(), 10, "{found:#?}");
}

#[test]
fn the_glasgow_coma_scale_is_read_by_codes() {
    // HL7, FHIR R4: the example's link ids, codes and ordinal values; 4 + 5 + 4.
    let item = |link_id: &str, code: &str, ordinal: u8| {
        let url = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
        let extension = json!([{"url": url, "valueDecimal": ordinal}]);
        let coding = json!({"extension": extension, "system": "http://loinc.org", "code": code});
        json!({"linkId": link_id, "answer": [{"valueCoding": coding}]})
    };
    let published = json!({
        "resourceType": "QuestionnaireResponse", "id": "gcs", "questionnaire": "Questionnaire/gcs", "status": "completed",
        "subject": {"reference": "Patient/example", "display": "P. C."}, "authored": "2014-12-11T04:44:16Z",
        "source": {"reference": "Practitioner/f007"},
        "item": [item("1.1", "LA6560-2", 4), item("1.2", "LA6566-9", 5), item("1.3", "LA6556-0", 4)],
    });
    assert_eq!(total(&published), 13.0);
    // In the order of LOINC's codes the two items would be swapped, but each code belongs to one item only.
    let swapped = with(published.clone(), "item", json!([item("1.1", "LA6566-9", 5), item("1.2", "LA6560-2", 4)]));
    let code = "/item/0/answer/0/valueCoding/code";
    check(&swapped, &[(code, Code::Choice), ("/item/1/answer/0/valueCoding/code", Code::Choice)]);
    let by_loinc = with(
        published,
        "item",
        json!([coded("9267-6", "LA6553-7"), coded("9270-0", "LA6557-8"), coded("9268-4", "LA6562-8")]),
    );
    assert_eq!(total(&by_loinc), 3.0);
}
