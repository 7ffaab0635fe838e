//! Reads the items of a response: maps each item to one of ours, and each answer to its weight.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::super::codes::{self, Form};
use super::super::{ITEM_WEIGHT, LOINC, ORDINAL_VALUE, answer_system};
use super::{DEEPEST, full, given, known};
use crate::instrument::item::{Choice, Item, values_of};
use crate::instrument::range::figure;
use crate::reading::{At, Faults, escape};
use crate::{Code, Finding, Instrument};

/// The members of an item in FHIR R4, and `code`, which some senders copy from their questionnaire.
const ITEM: [&str; 9] =
    ["id", "extension", "modifierExtension", "linkId", "definition", "text", "answer", "item", "code"];
/// The types of an answer's value. An instrument can accept the first four.
const VALUES: [&str; 12] = [
    "valueCoding",
    "valueInteger",
    "valueDecimal",
    "valueBoolean",
    "valueDate",
    "valueDateTime",
    "valueTime",
    "valueString",
    "valueUri",
    "valueAttachment",
    "valueQuantity",
    "valueReference",
];
/// The members of an answer in FHIR R4 besides its value.
const ANSWER: [&str; 4] = ["id", "extension", "modifierExtension", "item"];

/// The answers of a response by our item ids, and the place of each in the resource.
pub(super) struct Read {
    pub(super) answers: Map<String, Value>,
    pub(super) places: BTreeMap<String, String>,
}

/// Reads all items. Without an instrument, only their form is checked.
pub(super) fn read(
    root: &At<'_, '_>,
    instrument: Option<&Instrument>,
    form: Option<&'static Form>,
    faults: &mut Faults,
) -> Read {
    let read = Read { answers: Map::new(), places: BTreeMap::new() };
    let mut walk = Walk { instrument, form, read, faults };
    if let Some(items) = given(root, "item") {
        walk.items(&items, 1);
    }
    walk.read
}

struct Walk<'w> {
    instrument: Option<&'w Instrument>,
    form: Option<&'static Form>,
    read: Read,
    faults: &'w mut Faults,
}

/// The relation of an item to the instrument.
#[derive(Clone, Copy)]
enum Named<'w> {
    Item(&'w Item),
    /// A score: Vigil computes it, and never reads it.
    Computed,
    /// No relation. This is allowed for a group or a text without an answer.
    Unknown,
    /// There is already a finding, or there is no instrument to compare with.
    Unjudged,
}

impl<'w> Walk<'w> {
    fn items(&mut self, list: &At<'_, '_>, depth: usize) {
        if depth > DEEPEST {
            return list.fault(self.faults, Code::Range, format!("items are nested at most {DEEPEST} deep"));
        }
        for item in list.list(self.faults) {
            if full(self.faults) {
                break;
            }
            self.item(&item, depth);
        }
    }

    fn item(&mut self, item: &At<'_, '_>, depth: usize) {
        if !known(item, &ITEM, self.faults) {
            return;
        }
        let named = self.name(item);
        let answer = given(item, "answer");
        let answers = answer.as_ref().map(|at| at.list(self.faults)).unwrap_or_default();
        for answer in &answers {
            if full(self.faults) {
                break;
            }
            if known(answer, &[ANSWER.as_slice(), &VALUES].concat(), self.faults)
                && let Some(nested) = given(answer, "item")
            {
                self.items(&nested, depth + 1);
            }
        }
        match (named, answers.as_slice(), &answer) {
            (Named::Item(ours), [answer], _) => self.answer(ours, answer),
            (Named::Item(_), [_, ..], Some(all)) => all.fault(self.faults, Code::Conflict, "one answer"),
            (Named::Unknown, [_, ..], _) => {
                let pointer = format!("{}/linkId", item.pointer());
                self.faults.push(Finding::new(pointer, Code::Unknown, "no item of this instrument"));
            }
            _ => {}
        }
        if let Some(nested) = given(item, "item") {
            self.items(&nested, depth + 1);
        }
    }

    /// Identifies the item: by our id, by the link id of a published form, or by a LOINC code as link id, definition or
    /// code.
    fn name(&mut self, item: &At<'_, '_>) -> Named<'w> {
        let link_id = given(item, "linkId").and_then(|at| at.value.as_str());
        let Some(link_id) = link_id.filter(|text| !text.is_empty()) else {
            let pointer = format!("{}/linkId", item.pointer());
            self.faults.push(Finding::new(pointer, Code::Required, "a string is required"));
            return Named::Unjudged;
        };
        let Some(instrument) = self.instrument else { return Named::Unjudged };
        let own = |id: &str| instrument.items.get(instrument.position(&mut 0, id)?).map(Named::Item);
        let by_loinc = |code: &str| {
            if !codes::is_loinc(code) {
                return None;
            }
            let found = instrument.items.iter().find(|item| item.loinc.as_deref() == Some(code)).map(Named::Item);
            found.or_else(|| codes::is_score(instrument.id().as_str(), code).then_some(Named::Computed))
        };
        let last = |text: &'_ str| by_loinc(text.rsplit('/').next().unwrap_or_default());
        let foreign = self.form.and_then(|form| match form.item(link_id) {
            Some(id) => own(id),
            None => form.computes(link_id).then_some(Named::Computed),
        });
        let definition = given(item, "definition").and_then(|at| at.value.as_str());
        let codings = item.value.get("code").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let codings = codings.iter().filter(|coding| coding.get("system").is_some_and(|system| system == LOINC));
        let named = [
            own(link_id).or(foreign).or_else(|| last(link_id)),
            definition.filter(|text| text.starts_with("http://loinc.org/")).and_then(last),
        ];
        let coded = codings.filter_map(|coding| by_loinc(coding.get("code")?.as_str()?));
        let mut found: Option<Named<'w>> = None;
        for named in named.into_iter().flatten().chain(coded) {
            match (found, named) {
                (Some(Named::Item(one)), Named::Item(other)) if one.id != other.id => {
                    item.fault(self.faults, Code::Conflict, "link id, definition and code name different items");
                    return Named::Unjudged;
                }
                (Some(_), _) => {}
                (None, named) => found = Some(named),
            }
        }
        found.unwrap_or(Named::Unknown)
    }

    fn answer(&mut self, ours: &Item, answer: &At<'_, '_>) {
        let Some(members) = answer.value.as_object() else { return };
        let place = format!("/answers/{}", escape(&ours.id));
        if self.read.places.contains_key(&place) {
            return answer.fault(self.faults, Code::Conflict, "this item is answered already");
        }
        let mut values = VALUES.into_iter().filter_map(|name| Some((name, given(answer, name)?)));
        let (name, value) = match (values.next(), values.next()) {
            (Some(one), None) => one,
            (Some(_), Some(_)) => return answer.fault(self.faults, Code::Conflict, "one value"),
            (None, _) => {
                // An answer whose absence is explained counts as missing, as if it were not there.
                let explained = |key: &String| key == "extension" || key.starts_with("_value");
                if !members.keys().any(explained) {
                    answer.fault(self.faults, Code::Required, "needs a value");
                }
                return;
            }
        };
        self.read.places.insert(place, value.pointer());
        let figure = match name {
            "valueCoding" => self.coding(ours, answer, &value),
            "valueInteger" | "valueDecimal" => self.number(name, &value),
            "valueBoolean" => self.boolean(ours, &value),
            _ => {
                let rule = "must be valueCoding, valueInteger, valueDecimal or valueBoolean";
                value.fault(self.faults, Code::Type, rule);
                None
            }
        };
        if let Some(figure) = figure {
            self.read.answers.insert(ours.id.clone(), figure);
        }
    }

    fn number(&mut self, name: &str, value: &At<'_, '_>) -> Option<Value> {
        let number = value.value.as_f64();
        let whole = value.value.is_i64() || value.value.is_u64();
        if number.is_none() || (name == "valueInteger" && !whole) {
            let rule = if name == "valueInteger" { "must be a whole number" } else { "must be a number" };
            value.fault(self.faults, Code::Type, rule);
            return None;
        }
        number.map(figure)
    }

    /// Reads yes as 1 and no as 0, for items that allow only 0 and 1.
    fn boolean(&mut self, ours: &Item, value: &At<'_, '_>) -> Option<Value> {
        let answer = value.value.as_bool();
        if answer.is_none() || values_of(ours) != [0.0, 1.0] {
            value.fault(self.faults, Code::Type, format!("must be {}", ours.rule()));
            return None;
        }
        answer.map(|yes| Value::from(u8::from(yes)))
    }

    /// The option with this code. The answer counts the weight of the option.
    fn coding(&mut self, ours: &Item, answer: &At<'_, '_>, coding: &At<'_, '_>) -> Option<Value> {
        if ours.options.iter().all(|choice| choice.code.is_none()) {
            let rule = format!("this item has no codes: send a valueInteger or valueDecimal, {}", ours.rule());
            coding.fault(self.faults, Code::Type, rule);
            return None;
        }
        let Some(code_at) = given(coding, "code") else {
            coding.fault(self.faults, Code::Required, "needs a code");
            return None;
        };
        let system_at = given(coding, "system");
        let system = system_at.as_ref().and_then(|at| at.value.as_str());
        let Some(code) = code_at.value.as_str() else {
            code_at.fault(self.faults, Code::Type, "must be a string");
            return None;
        };
        let foreign = self.form.and_then(|form| form.answer(system, code));
        let wanted = foreign.unwrap_or(code);
        let Some(choice) = ours.options.iter().find(|choice| choice.code.as_deref() == Some(wanted)) else {
            code_at.fault(self.faults, Code::Choice, "must be the code of an answer option of this item");
            return None;
        };
        if let Some(at) = system_at.filter(|_| foreign.is_none()) {
            let expected = answer_system(self.instrument.map_or("", |instrument| instrument.id().as_str()), wanted);
            if at.value != expected.as_str() {
                at.fault(self.faults, Code::Choice, format!("the code system of this answer is {expected}"));
                return None;
            }
        }
        self.weights(ours, choice, answer);
        self.weights(ours, choice, coding);
        Some(figure(choice.value))
    }

    /// A weight in the resource must equal the weight of the option. Another weight means another meaning.
    fn weights(&mut self, ours: &Item, choice: &Choice, at: &At<'_, '_>) {
        let extensions = given(at, "extension");
        for extension in extensions.as_ref().map(|at| at.list(self.faults)).unwrap_or_default() {
            if full(self.faults) {
                break;
            }
            let url = extension.value.get("url").and_then(Value::as_str);
            if url != Some(ITEM_WEIGHT) && url != Some(ORDINAL_VALUE) {
                continue;
            }
            let said = extension.value.get("valueDecimal").and_then(Value::as_f64);
            if choice.weight.is_some() && said != Some(ours.counted(choice.value)) {
                let rule = "the weight is not the one that the instrument gives this option";
                extension.fault(self.faults, Code::Conflict, rule);
            }
        }
    }
}
