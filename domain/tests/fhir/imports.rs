//! A `Questionnaire` becomes a definition.

use domain::fhir::import::definition;
use domain::fhir::questionnaire::questionnaire;
use domain::{Code, Instrument, Parameters, library};
use serde_json::{Value, json};

use crate::{instrument, with};

const WEIGHT: &str = "http://hl7.org/fhir/StructureDefinition/itemWeight";
const ORDINAL: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";

fn imported(resource: &Value) -> Instrument {
    let definition = definition(resource, "own").unwrap_or_else(|faults| panic!("{faults:#?}"));
    Instrument::from_json(definition.to_string().as_bytes()).unwrap()
}

fn option(code: &str, url: &str, weight: Value) -> Value {
    json!({"valueCoding": {"code": code}, "extension": [{"url": url, "valueDecimal": weight}]})
}

/// A resource with these items.
fn form(items: Value) -> Value {
    json!({"resourceType": "Questionnaire", "status": "active", "url": "http://example.org/q", "version": "2",
           "title": "Form", "item": items})
}

#[test]
fn what_an_instrument_gives_out_comes_back_with_the_same_items_and_weights() {
    for id in library::ids() {
        let resource = questionnaire(&instrument(id).unwrap());
        let definition = definition(&resource, id).unwrap_or_else(|faults| panic!("{id}: {faults:#?}"));
        let again = Instrument::from_json(definition.to_string().as_bytes()).unwrap();
        let back = questionnaire(&again);
        for member in ["item", "version", "title", "copyright"] {
            assert_eq!(back[member], resource[member], "{member} of {id}");
        }
    }
}

#[test]
fn weights_are_summed_and_nothing_stands_in_for_a_missing_answer() {
    let own = imported(&form(json!([
        {"linkId": "g", "type": "group", "text": "Group", "item": [
            {"linkId": "t", "type": "display", "text": "Read this"},
            {"linkId": "a", "type": "choice", "text": "A", "required": true,
             "answerOption": [option("no", WEIGHT, json!(2)), option("yes", WEIGHT, json!(0))],
             "item": [{"linkId": "b", "type": "choice", "code": [{"system": "http://loinc.org", "code": "44250-9"}],
                       "answerOption": [option("x", ORDINAL, json!(1.5)), option("y", ORDINAL, json!(1.5)),
                                        {"valueCoding": {"code": "na"}}]}]},
        ]},
        {"linkId": "c", "type": "integer", "answerOption": [
            {"valueInteger": 1, "extension": [{"url": WEIGHT, "valueInteger": 10}]},
            {"valueInteger": 2, "extension": [{"url": WEIGHT, "valueInteger": 0}]}]},
        {"linkId": "d", "type": "decimal", "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/minValue", "valueDecimal": 0.5},
            {"url": "http://hl7.org/fhir/StructureDefinition/maxValue", "valueInteger": 3}]},
        {"linkId": "e", "type": "boolean"},
        {"linkId": "f", "type": "choice", "answerOption": [{"valueCoding": {"code": "p"}}, {"valueCoding": {"code": "q"}}]},
        {"linkId": "sum", "type": "decimal", "readOnly": true},
    ])));
    assert_eq!((own.version(), own.title()), ("2", "Form"));
    assert_eq!(own.item_ids().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(own.item_with_loinc("44250-9"), Some("b"));
    let total = |answers: Value| {
        let answers = own.read(answers.as_object().unwrap()).unwrap();
        let scores = own.score(&answers, &Parameters::default());
        (scores[0].number(), scores[1].flag())
    };
    let all = json!({"a": "no", "b": "y", "c": 1, "d": 0.75, "e": 1, "f": "q"});
    assert_eq!(total(all.clone()), (Some(13.5), Some(true)));
    assert_eq!(total(with(all.clone(), "b", json!("na"))), (None, Some(false)), "not applicable is missing");
    assert_eq!(total(with(all.clone(), "f", Value::Null)), (Some(13.5), Some(false)));
    let refused = |answers: Value| own.read(answers.as_object().unwrap()).unwrap_err()[0].code;
    assert_eq!(refused(with(all.clone(), "a", Value::Null)), Code::Required);
    assert_eq!(refused(with(all.clone(), "d", json!(0.25))), Code::Range);
    assert_eq!(refused(with(all, "c", json!(3))), Code::Range);
}

#[test]
fn codes_come_from_a_contained_value_set_and_ids_from_loinc() {
    let mut resource = form(json!([
        {"linkId": "/44250-9", "type": "choice", "answerValueSet": "#often"},
        {"linkId": "H1/44255-8", "type": "choice", "answerValueSet": "#often",
         "code": [{"system": "http://loinc.org", "code": "44255-8"}]},
    ]));
    resource["contained"] = json!([{"resourceType": "ValueSet", "id": "often", "compose": {"include": [{"concept": [
        {"code": "LA6568-5", "display": "Not at all", "extension": [{"url": ORDINAL, "valueDecimal": 0}]},
        {"code": "LA6571-9", "display": "Nearly every day", "extension": [{"url": ORDINAL, "valueDecimal": 3}]},
    ]}]}}]);
    let own = imported(&resource);
    assert_eq!(own.item_ids().collect::<Vec<_>>(), ["44250-9", "44255-8"]);
    let answers = own.read(json!({"44250-9": "LA6571-9", "44255-8": 3}).as_object().unwrap()).unwrap();
    assert_eq!(own.score(&answers, &Parameters::default())[0].number(), Some(6.0));
}

#[test]
fn an_option_without_a_weight_beside_others_with_weights_is_told() {
    let (none, mild) = (option("none", WEIGHT, json!(0)), option("mild", ORDINAL, json!(1)));
    let coding = |coding: Value| json!({"valueCoding": coding});
    let whole = |number: i32| json!({"valueInteger": number});
    let heavy = |number: i32| json!({"valueInteger": number, "extension": [{"url": WEIGHT, "valueDecimal": number}]});
    let says = |missing: bool| json!([{"url": "urn:vigil:missing", "valueBoolean": missing}]);
    let severe = coding(json!({"code": "severe", "display": "Severe"}));
    let marked = |missing| json!({"valueCoding": {"code": "severe"}, "extension": says(missing)});
    let absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    for (options, expected) in [
        (json!([none, mild, severe]), &[2][..]),
        (json!([severe, none, coding(json!({"code": "mild"}))]), &[0, 2]),
        (json!([none, severe]), &[1]),
        (json!([heavy(0), heavy(1), whole(2), whole(3)]), &[2, 3]),
        (json!([none, mild, marked(false)]), &[2]),
        (json!([none, mild, coding(json!({"code": "LA1-1", "display": "Not often"}))]), &[2]),
        // All or none have a weight, or the others say that they are no answers.
        (json!([none, mild]), &[]),
        (json!([severe, coding(json!({"code": "mild"}))]), &[]),
        (json!([whole(0), whole(1)]), &[]),
        (
            json!([heavy(0), {"valueInteger": 1, "_valueInteger": {"extension": [{"url": WEIGHT, "valueDecimal": 4}]}}]),
            &[],
        ),
        (json!([none, mild, marked(true)]), &[]),
        (json!([heavy(0), heavy(1), {"valueInteger": 9, "extension": says(true)}]), &[]),
        (json!([none, mild, coding(json!({"code": "N/A"}))]), &[]),
        (json!([none, mild, coding(json!({"code": "LA4720-4", "display": "Not applicable"}))]), &[]),
        (json!([none, mild, coding(json!({"code": "x", "display": "Don't know"}))]), &[]),
        (json!([none, mild, coding(json!({"code": "masked", "system": absent}))]), &[]),
    ] {
        let inner = json!([{"linkId": "g", "type": "group", "item": [
            {"linkId": "a", "type": if options[0].get("valueInteger").is_some() { "integer" } else { "choice" },
             "answerOption": options}]}]);
        let found = definition(&form(inner), "own").err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|finding| (finding.pointer.clone(), finding.code)).collect();
        let at = |nth: &i32| (format!("/item/0/item/0/answerOption/{nth}"), Code::Required);
        assert_eq!(found, expected.iter().map(at).collect::<Vec<_>>(), "{options}");
    }
    let mut resource = form(json!([{"linkId": "a", "type": "choice", "answerValueSet": "#often"}]));
    resource["contained"] = json!([{"resourceType": "ValueSet", "id": "often", "compose": {"include": [{"concept": [
        {"code": "never", "extension": [{"url": ORDINAL, "valueDecimal": 0}]}, {"code": "always"}]}]}}]);
    let found = definition(&resource, "own").unwrap_err();
    let place = "/contained/0/compose/include/0/concept/1";
    assert_eq!((found.len(), found[0].pointer.as_str(), found[0].code), (1, place, Code::Required));
}

#[test]
fn a_weight_that_cannot_be_read_is_told_and_never_no_weight() {
    let fine = option("fine", WEIGHT, json!(0));
    let two = |one: Value, other: Value| {
        json!({"valueCoding": {"code": "bad", "extension": [{"url": ORDINAL, "valueDecimal": other}]},
               "extension": [{"url": WEIGHT, "valueDecimal": one}]})
    };
    let bare = json!({"valueCoding": {"code": "bad"}, "extension": [{"url": WEIGHT}]});
    let said = json!({"valueCoding": {"code": "bad"}, "extension": [{"url": WEIGHT, "valueString": "3"}]});
    for (bad, expected) in [
        (option("bad", WEIGHT, json!("3")), Some(("/extension/0", Code::Type))),
        (option("bad", WEIGHT, json!("NaN")), Some(("/extension/0", Code::Type))),
        (option("bad", ORDINAL, Value::Null), Some(("/extension/0", Code::Type))),
        (bare, Some(("/extension/0", Code::Type))),
        (said, Some(("/extension/0", Code::Type))),
        (two(json!(3), json!(2)), Some(("/valueCoding/extension/0", Code::Conflict))),
        (two(json!(3), json!(3.0)), None),
    ] {
        let found = definition(&form(json!([{"linkId": "a", "type": "choice", "answerOption": [fine, bad]}])), "own");
        let found = found.err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|finding| (finding.pointer.clone(), finding.code)).collect();
        let expected = expected.map(|(at, code)| (format!("/item/0/answerOption/1{at}"), code));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{bad}");
    }
    // The answers to a boolean have no options, so weights there would be lost.
    let found = definition(&form(json!([{"linkId": "a", "type": "boolean", "answerOption": [fine]}])), "own");
    assert_eq!(found.unwrap_err()[0].pointer, "/item/0/answerOption");
}

#[test]
fn an_option_that_stands_for_a_missing_answer_goes_out_and_comes_back_as_one() {
    let own = imported(&form(json!([{"linkId": "a", "type": "choice", "answerOption": [
        option("x", WEIGHT, json!(1)), option("y", WEIGHT, json!(2)),
        {"valueCoding": {"code": "z"}, "extension": [{"url": "urn:vigil:missing", "valueBoolean": true}]}]}])));
    let resource = questionnaire(&own);
    assert_eq!(resource["item"][0]["answerOption"][2]["extension"][0]["url"], "urn:vigil:missing");
    let again = definition(&resource, "own").unwrap();
    assert_eq!(again["items"][0]["options"][2]["missing"], true);
}

#[test]
fn everything_that_cannot_be_taken_over_is_told_at_once() {
    let mut resource = form(json!([
        {"linkId": "a", "type": "string"},
        {"linkId": "b c", "type": "boolean", "repeats": true},
        {"linkId": "d", "type": "boolean", "enableWhen": [{"question": "a"}]},
        {"linkId": "d", "type": "boolean"},
        {"linkId": "e", "type": "integer"},
        {"linkId": "f", "type": "choice", "answerValueSet": "http://example.org/vs"},
        {"linkId": "g", "type": "choice", "answerOption": [{"valueString": "x"}, {"valueCoding": {"display": "y"}}]},
        {"linkId": "h", "type": "choice"},
        {"type": "boolean"},
        {"linkId": "i", "type": "open-choice"},
    ]));
    resource.as_object_mut().unwrap().remove("version");
    resource.as_object_mut().unwrap().remove("title");
    resource["implicitRules"] = json!("http://example.org/rules");
    let found = definition(&resource, "own").unwrap_err();
    let found: Vec<(&str, Code)> = found.iter().map(|finding| (finding.pointer.as_str(), finding.code)).collect();
    let expected = [
        ("/implicitRules", Code::Unknown),
        ("", Code::Required),
        ("", Code::Required),
        ("/item/0/type", Code::Choice),
        ("/item/1/repeats", Code::Unknown),
        ("/item/1/linkId", Code::Format),
        ("/item/2/enableWhen", Code::Unknown),
        ("/item/3/linkId", Code::Conflict),
        ("/item/4", Code::Required),
        ("/item/5/answerValueSet", Code::Choice),
        ("/item/6/answerOption/0", Code::Choice),
        ("/item/6/answerOption/1/valueCoding", Code::Required),
        ("/item/7", Code::Required),
        ("/item/8", Code::Required),
        ("/item/9/type", Code::Choice),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_the_validator_finds_is_told_where_it_comes_from() {
    let twice = json!([{"linkId": "g", "type": "group", "item": [
        {"linkId": "a", "type": "choice", "answerOption": [option("x", WEIGHT, json!(1)), option("x", WEIGHT, json!(2))]},
    ]}]);
    let found = definition(&form(twice), "own").unwrap_err();
    assert_eq!((found.len(), found[0].pointer.as_str(), found[0].code), (1, "/item/0/item/0", Code::Conflict));
    assert_eq!(definition(&json!({}), "own").unwrap_err()[0].pointer, "/resourceType");
    let none = form(json!([{"linkId": "t", "type": "display"}]));
    assert_eq!(definition(&none, "own").unwrap_err()[0].pointer, "/item");
    let mut deep = json!([{"linkId": "a", "type": "boolean"}]);
    for _ in 0..20 {
        deep = json!([{"linkId": "g", "type": "group", "item": deep}]);
    }
    assert_eq!(definition(&form(deep), "own").unwrap_err()[0].code, Code::Range);
}
