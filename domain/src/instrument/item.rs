//! Items: the allowed answers and their weights.
//!
//! Guarantee: an answer counts the explicit weight in its item, never the order of codes. A value is an answer only if
//! the item lists it or its range contains it.

use alloc::{
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::iter;

use super::{
    condition::Condition,
    range::{Span, is_whole},
};
use crate::Code;
use crate::reading::{At, Faults, MOST_ITEMS};

/// An answer option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) code: Option<String>,
    /// In the definition's first language.
    pub(crate) label: Option<String>,
    pub(crate) value: f64,
    /// Its weight; `None` for an option that stands for a missing answer ("not applicable").
    pub(crate) weight: Option<f64>,
}

/// The condition under which an unanswered item is not missing, and its weight then.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Skip {
    pub(crate) when: Condition,
    pub(crate) counts: f64,
}

/// An item of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) loinc: Option<String>,
    /// In the definition's first language.
    pub(crate) text: Option<String>,
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) decimal: bool,
    pub(crate) options: Arc<[Choice]>,
    pub(crate) recode: Vec<(f64, f64)>,
    /// Values that mean "not answered", such as 8 and 9 in FACIT instruments.
    pub(crate) missing_values: Vec<f64>,
    pub(crate) required: bool,
    pub(crate) skip: Option<Skip>,
    /// The definition of the item has a fault, so nothing is derived from it.
    pub(crate) faulty: bool,
    /// Fast path: every whole figure in this span is an answer with itself as weight.
    pub(crate) direct: Option<(f64, f64)>,
}

const MEMBERS: [&str; 12] = [
    "id",
    "ids",
    "text",
    "loinc",
    "range",
    "decimal",
    "options",
    "recode",
    "missingValues",
    "required",
    "skip",
    "note",
];

impl Item {
    /// The figures that are allowed as answers.
    pub(crate) fn raw_span(&self) -> Span {
        let options = Span::of(self.options.iter().filter(|choice| choice.weight.is_some()).map(|choice| choice.value));
        let range = self.range.map(|(low, high)| Span { low, high, whole: !self.decimal });
        options.or(range).unwrap_or(Span { low: 0.0, high: 0.0, whole: true })
    }

    /// The figures that an answer can count, including a skip.
    pub(crate) fn counted_span(&self) -> Span {
        let weights = Span::of(self.options.iter().filter_map(|choice| choice.weight));
        let recoded = Span::of(self.recode.iter().map(|(_, to)| *to));
        let answered = recoded.or(weights).unwrap_or_else(|| self.raw_span());
        match &self.skip {
            Some(skip) => answered.join(Span { low: skip.counts, high: skip.counts, whole: true }),
            None => answered,
        }
    }

    /// The weight of the answer `raw`.
    pub(crate) fn counted(&self, raw: f64) -> f64 {
        if let Some((_, to)) = self.recode.iter().find(|(from, _)| *from == raw) {
            return *to;
        }
        let option = self.options.iter().find(|choice| choice.value == raw);
        option.and_then(|choice| choice.weight).unwrap_or(raw)
    }

    /// The span in which every whole figure is an answer with itself as weight.
    fn direct(&self) -> Option<(f64, f64)> {
        if !self.recode.is_empty() || !self.missing_values.is_empty() || self.decimal {
            return None;
        }
        let [first, .., last] = self.options.as_ref() else { return self.range.filter(|_| self.options.is_empty()) };
        let plain = |choice: &Choice| choice.weight == Some(choice.value) && is_whole(choice.value);
        let gapless = self.options.windows(2).all(|pair| matches!(pair, [a, b] if b.value == a.value + 1.0));
        (gapless && self.options.iter().all(plain)).then_some((first.value, last.value))
    }

    /// The allowed answers, in words.
    pub(crate) fn rule(&self) -> String {
        if !self.options.is_empty() {
            let values: Vec<String> = self.options.iter().map(|choice| choice.value.to_string()).collect();
            let coded = self.options.iter().any(|choice| choice.code.is_some());
            return format!("one of {}{}", values.join(", "), if coded { ", or the code of an option" } else { "" });
        }
        let Span { low, high, whole } = self.raw_span();
        format!("a {} from {low} to {high}", if whole { "whole number" } else { "number" })
    }
}

/// The most values that are listed for one item.
const MOST_VALUES: usize = 256;

/// Shared lists of options, by name. A list with a fault is `None`.
pub(crate) type Lists = Vec<(String, Option<Arc<[Choice]>>)>;

/// Reads `optionLists`.
pub(crate) fn read_lists(at: Option<At<'_, '_>>, languages: &[&str], faults: &mut Faults) -> Lists {
    let Some(at) = at else { return Lists::new() };
    let mut lists = Lists::new();
    for (name, list) in at.members(faults) {
        let before = faults.len();
        let options = read_options(list, languages, faults);
        lists.push((name.to_string(), (faults.len() == before).then_some(options)));
    }
    lists
}

/// Reads the items; skips are read later, when all items have names.
pub(crate) fn read_items(at: At<'_, '_>, lists: &Lists, languages: &[&str], faults: &mut Faults) -> Vec<Item> {
    let elements = at.filled_list(faults);
    let mut items: Vec<Item> = Vec::with_capacity(elements.len());
    for element in elements {
        let Some((ids, item)) = read_item(element, lists, languages, faults) else { continue };
        let alike = iter::repeat_n(item, ids.len());
        for (id, item) in ids.into_iter().zip(alike) {
            if items.iter().any(|known| known.id == id) {
                element.fault(faults, Code::Conflict, format!("item \"{id}\" is defined twice"));
            } else {
                items.push(Item { id, ..item });
            }
        }
    }
    if items.len() > MOST_ITEMS {
        at.fault(faults, Code::Range, format!("at most {MOST_ITEMS} items"));
        items.truncate(MOST_ITEMS);
    }
    items
}

/// Reads an element of the list: its content, and the ids that it applies to.
fn read_item(at: At<'_, '_>, lists: &Lists, languages: &[&str], faults: &mut Faults) -> Option<(Vec<String>, Item)> {
    if !at.object(faults, &MEMBERS) {
        return None;
    }
    let mut ids: Vec<String> = Vec::new();
    match (at.get("id"), at.get("ids")) {
        (Some(id), None) => ids.extend(id.name(faults).map(String::from)),
        (None, Some(list)) => list.names(faults, |id, _, _| ids.push(id.to_string())),
        _ => {
            at.fault(faults, Code::Required, "needs either \"id\" or \"ids\"");
        }
    }
    let before = faults.len();
    let range = at.get("range").and_then(|range| range.pair(false, faults));
    let flag = |key: &str, faults: &mut Faults| at.get(key).and_then(|at| at.flag(faults)).unwrap_or(false);
    let words = |key: &str, faults: &mut Faults| at.get(key).and_then(|at| at.words(faults));
    let text = at.get("text").and_then(|text| read_wording(text, languages, faults)).map(String::from);
    let mut item = Item {
        id: String::new(),
        loinc: words("loinc", faults).map(String::from),
        text,
        range,
        decimal: flag("decimal", faults),
        options: Arc::from([]),
        recode: Vec::new(),
        missing_values: at.get("missingValues").map(|at| at.numbers(faults)).unwrap_or_default(),
        required: flag("required", faults),
        skip: None,
        faulty: false,
        direct: None,
    };
    if let Some(options) = at.get("options") {
        let shared = options.value.as_str().map(|name| lists.iter().find(|(known, _)| known == name));
        item.options = match shared {
            Some(Some((_, Some(list)))) => list.clone(),
            Some(Some((_, None))) => {
                item.faulty = true;
                item.options
            }
            Some(None) => {
                options.fault(faults, Code::Unknown, "no option list has this name");
                item.options
            }
            None => read_options(options, languages, faults),
        };
    }
    if item.range.is_none() && at.get("options").is_none() && faults.len() == before {
        at.fault(faults, Code::Required, "needs \"range\" or \"options\"");
    }
    if let Some((low, high)) = item.range {
        if !item.decimal && [low, high].into_iter().any(|bound| !is_whole(bound)) {
            at.fault(faults, Code::Conflict, "whole bounds, or \"decimal\": true");
        }
        let outside = |figure: &f64| !(low..=high).contains(figure);
        let options = at.get("options");
        let at = options.unwrap_or(at);
        for (n, choice) in item.options.iter().enumerate() {
            if choice.weight.as_ref().is_some_and(outside) {
                at.fault(faults, Code::Range, format!("the weight of option {} lies outside {low} to {high}", n + 1));
            }
        }
    }
    if let Some(recode) = at.get("recode") {
        item.recode = read_map(recode, faults);
        let uncovered = values_of(&item).into_iter().any(|x| !item.recode.iter().any(|(from, _)| *from == x));
        if item.decimal || values_of(&item).len() > MOST_VALUES {
            recode.fault(faults, Code::Conflict, "only up to 256 whole answers are recoded one by one");
        } else if uncovered && !item.faulty && faults.len() == before {
            recode.fault(faults, Code::Conflict, "every possible answer is recoded");
        }
    }
    item.faulty |= faults.len() > before;
    item.direct = item.direct();
    Some((ids, item))
}

/// The allowed values: all of them, or one more than can be listed.
pub(crate) fn values_of(item: &Item) -> Vec<f64> {
    if !item.options.is_empty() {
        return item.options.iter().filter(|choice| choice.weight.is_some()).map(|choice| choice.value).collect();
    }
    let Span { low, high, .. } = item.raw_span();
    let mut values = Vec::new();
    let mut value = low;
    while value <= high && values.len() <= MOST_VALUES {
        values.push(value);
        value += 1.0;
    }
    values
}

/// Reads `[[from, to], ...]`.
fn read_map(at: At<'_, '_>, faults: &mut Faults) -> Vec<(f64, f64)> {
    let mut map: Vec<(f64, f64)> = Vec::new();
    for pair in at.filled_list(faults) {
        match pair.numbers(faults).as_slice() {
            [from, _] if map.iter().any(|(known, _)| known == from) => {
                pair.fault(faults, Code::Conflict, "an answer is recoded once");
            }
            [from, to] => map.push((*from, *to)),
            _ => pair.fault(faults, Code::Range, "must be two numbers: the answer and what it counts"),
        }
    }
    map
}

fn read_options(at: At<'_, '_>, languages: &[&str], faults: &mut Faults) -> Arc<[Choice]> {
    let mut options: Vec<Choice> = Vec::new();
    for element in at.filled_list(faults) {
        if !element.object(faults, &["code", "label", "value", "weight", "missing"]) {
            continue;
        }
        let code = element.get("code").and_then(|at| at.words(faults)).map(String::from);
        let label = element.get("label").and_then(|label| read_wording(label, languages, faults)).map(String::from);
        let missing = element.get("missing").and_then(|at| at.flag(faults)).unwrap_or(false);
        let weight = element.get("weight").and_then(|at| at.number(faults));
        let value = element.get("value").and_then(|at| at.number(faults)).or(weight);
        let Some(value) = value else {
            if element.get("weight").is_none() && element.get("value").is_none() {
                element.fault(faults, Code::Required, "needs \"weight\" or \"value\"");
            }
            continue;
        };
        if missing && weight.is_some() {
            element.fault(faults, Code::Conflict, "an option that stands for a missing answer has no weight");
        }
        let twice = |known: &Choice| known.value == value || (code.is_some() && known.code == code);
        if options.iter().any(twice) {
            element.fault(faults, Code::Conflict, "code and value of an option are its own");
            continue;
        }
        let weight = if missing { None } else { weight.or(Some(value)) };
        options.push(Choice { code, label, value, weight });
    }
    options.into()
}

/// Checks a wording: a text in the first language, or `{"en": ..., "de": ...}` with every language of the definition.
/// Returns the text in the first language.
fn read_wording<'v>(at: At<'v, '_>, languages: &[&str], faults: &mut Faults) -> Option<&'v str> {
    if !at.value.is_object() {
        return at.words(faults);
    }
    at.object(faults, languages);
    let mut first = None;
    for language in languages {
        let words = at.need(language, faults).and_then(|wording| wording.words(faults));
        first = first.or(words);
    }
    first
}
