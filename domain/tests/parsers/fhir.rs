//! FHIR resources: a valid one gives its answers, an invalid one is refused at the place of its fault.

use std::cell::RefCell;

use domain::fhir::response::{Response, Scope};
use domain::intake::{Envelope, Shape};
use domain::selection::Selection;
use domain::{Finding, Instrument, library};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::choices::{Choices, bytes};
use crate::config;
use crate::samples::places;

thread_local! {
    static PHQ9: RefCell<Instrument> = RefCell::new(Instrument::from_json(&library::definition("phq-9").unwrap()).unwrap());
}

const CODES: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];
const LINKS: [&str; 9] =
    ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
const AMENDED: &str = "5c7362ef-435e-41c5-9ea5-9ccbc948cf95";

/// Reads a resource in the same way as the door, for a key with one study and any site.
fn read(resource: &Value) -> Result<Envelope, Vec<Finding>> {
    PHQ9.with_borrow(|phq9| {
        let response = Response::open(resource);
        let instrument = response.instrument().filter(|id| *id == "phq-9").map(|_| phq9);
        let mut translation = response.translate(instrument, Scope { study: Some("S-1"), ..Scope::default() });
        let check = |answers: &Map<String, Value>| match instrument {
            Some(instrument) => instrument.read(answers).err().unwrap_or_default(),
            None => Vec::new(),
        };
        let mut document = translation.take_document();
        let selection = Selection::take(&mut document, instrument);
        let read = match (Shape::Response.read(document, check), selection) {
            (Ok(envelope), Ok(_)) => Ok(envelope),
            (read, selection) => {
                let mut faults = read.err().unwrap_or_default();
                faults.extend(selection.err().unwrap_or_default());
                Err(faults)
            }
        };
        translation.settle(read)
    })
}

/// A valid resource, and its answers by the instrument's items.
fn resource(choices: &mut Choices<'_>) -> (Value, Vec<Option<usize>>) {
    let answers: Vec<Option<usize>> =
        (0..9).map(|_| choices.below(6).checked_sub(1).map(|answer| answer % 4)).collect();
    let mut items: Vec<Value> = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        let Some(answer) = answer else { continue };
        let value = match choices.below(3) {
            0 => json!({"valueCoding": {"system": "http://loinc.org", "code": CODES[*answer]}}),
            1 => json!({"valueInteger": answer}),
            _ => json!({"valueDecimal": answer}),
        };
        let link = if choices.once_in(2) { format!("/{}", LINKS[n]) } else { format!("q{}", n + 1) };
        items.push(json!({"linkId": link, "text": "?", "answer": [value]}));
        if choices.once_in(4) {
            items = vec![json!({"linkId": format!("group-{n}"), "item": items})];
        }
    }
    let mut resource = json!({
        "resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": choices.one_of(&["http://loinc.org/q/44249-1|2.77", "urn:vigil:questionnaire:phq-9|1.0.0"]),
        "subject": {"reference": "Patient/p-1"}, "authored": "2026-03-01T08:00:00+08:00", "item": items,
        "extension": [{"url": "urn:vigil:site", "valueString": "01"}],
    });
    if choices.once_in(2) {
        resource["identifier"] = json!({"value": "r-1"});
    }
    if choices.once_in(3) {
        resource["status"] = json!("amended");
        let amends = match choices.once_in(2) {
            true => json!({"url": "urn:vigil:amends", "valueString": AMENDED}),
            false => {
                json!({"url": "urn:vigil:amends", "valueReference": {"reference": format!("QuestionnaireResponse/{AMENDED}")}})
            }
        };
        resource["extension"].as_array_mut().unwrap().insert(choices.below(2), amends);
    }
    (resource, answers)
}

/// Makes one fault and returns the expected place of its finding.
fn spoil(choices: &mut Choices<'_>, resource: &mut Value) -> String {
    let fixed = [
        ("/status", json!("in-progress")),
        ("/status", json!(null)),
        ("/questionnaire", json!("http://example.org/Questionnaire/phq-9|0.1")),
        ("/questionnaire", json!(7)),
        ("/subject", json!({"reference": "Group/p-1"})),
        ("/subject", json!([])),
        ("/authored", json!("yesterday")),
        ("/authored", json!(null)),
        ("/author", json!({"reference": "Patient"})),
        ("/mood", json!("fine")),
        ("/implicitRules", json!("urn:other")),
        ("/modifierExtension", json!([{"url": "urn:not"}])),
        ("/extension", json!([])),
        ("/extension", json!([{"url": "urn:vigil:site"}])),
        ("/item", json!(7)),
    ];
    let (mut leaves, mut objects) = (Vec::new(), Vec::new());
    places(&resource["item"], "/item", &mut leaves, &mut objects);
    objects.retain(|at| at.ends_with("/0") && !at.contains("/code"));
    let item = (!objects.is_empty() && choices.once_in(2)).then(|| objects[choices.below(256) % objects.len()].clone());
    if let Some(at) = item {
        // In an item or an answer: a member that FHIR does not define there, or one that changes the meaning.
        let member = choices.one_of(&["zzz", "modifierExtension"]);
        resource.pointer_mut(&at).unwrap()[member] = json!([{"url": "urn:not"}]);
        return format!("{at}/{member}");
    }
    let (at, value) = &fixed[choices.below(fixed.len())];
    resource[at.trim_start_matches('/')] = value.clone();
    (*at).to_owned()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sound_resource_comes_to_its_answers(seed in bytes(60)) {
        let (resource, answers) = resource(&mut Choices::of(&seed));
        let envelope = read(&resource);
        prop_assert!(envelope.is_ok(), "{} {:?}", resource, envelope.err());
        let envelope = envelope.unwrap();
        prop_assert_eq!((envelope.study_id.as_str(), envelope.site_id.as_str(), envelope.patient_id.as_str()), ("S-1", "01", "p-1"));
        prop_assert_eq!(envelope.amends.is_some(), resource["status"] == "amended");
        for (n, answer) in answers.iter().enumerate() {
            let item = format!("q{}", n + 1);
            let alone = Map::from_iter(envelope.content.get(&item).map(|given| (item.clone(), given.clone())));
            let expected = Map::from_iter(answer.map(|answer| (item.clone(), json!(answer))));
            let read = |answers: &Map<String, Value>| PHQ9.with_borrow(|phq9| phq9.read(answers).map(|it| format!("{it:?}")));
            prop_assert_eq!(alone.len(), expected.len());
            prop_assert_eq!(read(&alone).unwrap(), read(&expected).unwrap(), "{} {}", item, resource);
        }
        prop_assert_eq!(envelope.content.len(), answers.iter().flatten().count());
    }

    #[test]
    fn a_faulty_resource_is_refused_at_the_place_of_its_fault(seed in bytes(70)) {
        let mut choices = Choices::of(&seed);
        let (mut resource, _) = resource(&mut choices);
        let at = spoil(&mut choices, &mut resource);
        let found = read(&resource).err().unwrap_or_default();
        prop_assert!(found.iter().any(|finding| finding.pointer.starts_with(&at)), "{} {} {:?}", at, resource, found);
    }

    #[test]
    fn no_change_of_a_resource_brings_it_down(seed in bytes(80)) {
        let mut choices = Choices::of(&seed);
        let (mut resource, _) = resource(&mut choices);
        for _ in 0..=choices.below(4) {
            let (mut leaves, mut objects) = (Vec::new(), Vec::new());
            places(&resource, "", &mut leaves, &mut objects);
            leaves.extend(objects);
            let from = leaves[(choices.below(256) * 7) % leaves.len()].clone();
            let to = leaves[(choices.below(256) * 11) % leaves.len()].clone();
            let value = match choices.below(4) {
                0 => json!(null),
                1 => json!(choices.below(9)),
                2 => json!([[{}]]),
                _ => resource.pointer(&from).unwrap().clone(),
            };
            *resource.pointer_mut(&to).unwrap() = value;
        }
        if let Ok(envelope) = read(&resource) {
            let answers = PHQ9.with_borrow(|phq9| phq9.read(&envelope.content).map(|_| ()));
            prop_assert!(answers.is_ok() && !envelope.patient_id.as_str().is_empty() && resource["resourceType"] == "QuestionnaireResponse");
        }
    }
}
