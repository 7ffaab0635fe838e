//! Publishes an instrument as a FHIR `Questionnaire`: the items, the allowed answers and their weights.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::{ITEM_WEIGHT, LOINC, MISSING, answer_system, codes};
use crate::Instrument;
use crate::instrument::item::{Item, values_of};
use crate::instrument::range::figure;

pub(super) const MIN_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
pub(super) const MAX_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";

/// The resource. It contains texts and codes if the definition has them.
pub fn questionnaire(instrument: &Instrument) -> Value {
    let id = instrument.id().as_str();
    let items: Vec<Value> = instrument.items.iter().map(|entry| item(id, entry)).collect();
    let mut resource = json!({
        "resourceType": "Questionnaire",
        "id": id,
        "url": codes::canonical(id),
        "version": instrument.version(),
        "title": instrument.title(),
        "status": "active",
        "subjectType": ["Patient"],
        "copyright": instrument.licence(),
        "item": items,
    });
    if let Some((code, members)) = codes::panel(id).zip(resource.as_object_mut()) {
        members.insert("code".into(), json!([{"system": LOINC, "code": code}]));
    }
    resource
}

fn item(instrument: &str, item: &Item) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.into(), value);
    put("linkId", item.id.as_str().into());
    if let Some(code) = &item.loinc {
        put("code", json!([{"system": LOINC, "code": code}]));
    }
    if let Some(text) = &item.text {
        put("text", text.as_str().into());
    }
    if item.required {
        put("required", true.into());
    }
    let span = item.raw_span();
    let coded = !item.options.is_empty() && item.options.iter().all(|choice| choice.code.is_some());
    let options = match (coded, span.whole) {
        (true, _) => coded_options(instrument, item),
        (false, true) => counted_options(item),
        (false, false) => Vec::new(),
    };
    let kind = if coded {
        "choice"
    } else if span.whole {
        "integer"
    } else {
        "decimal"
    };
    put("type", kind.into());
    if options.is_empty() {
        let member = if span.whole { "valueInteger" } else { "valueDecimal" };
        let bound = |url: &str, x: f64| {
            Value::Object(Map::from_iter([(String::from("url"), url.into()), (String::from(member), figure(x))]))
        };
        put("extension", json!([bound(MIN_VALUE, span.low), bound(MAX_VALUE, span.high)]));
    } else {
        put("answerOption", options.into());
    }
    Value::Object(members)
}

/// Options by their codes. An option that stands for a missing answer has no weight, and says so.
fn coded_options(instrument: &str, item: &Item) -> Vec<Value> {
    let options = item.options.iter().filter_map(|choice| {
        let code = choice.code.as_deref()?;
        let mut coding = Map::from_iter([
            (String::from("system"), answer_system(instrument, code).into()),
            (String::from("code"), code.into()),
        ]);
        if let Some(label) = &choice.label {
            coding.insert("display".into(), label.as_str().into());
        }
        let weight = choice.weight.map(|_| item.counted(choice.value));
        Some(weighted("valueCoding", Value::Object(coding), weight))
    });
    options.collect()
}

/// Options by their figures: listed figures, and figures whose weight differs from the figure.
fn counted_options(item: &Item) -> Vec<Value> {
    if item.options.is_empty() && item.recode.is_empty() {
        return Vec::new();
    }
    let option = |value: f64| weighted("valueInteger", figure(value), Some(item.counted(value)));
    values_of(item).into_iter().map(option).collect()
}

fn weighted(member: &str, value: Value, weight: Option<f64>) -> Value {
    let extension = match weight {
        Some(weight) => json!([{"url": ITEM_WEIGHT, "valueDecimal": figure(weight)}]),
        None => json!([{"url": MISSING, "valueBoolean": true}]),
    };
    Value::Object(Map::from_iter([(String::from(member), value), (String::from("extension"), extension)]))
}
