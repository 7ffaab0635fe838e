//! Imports a FHIR `Questionnaire` as an instrument definition: the items, the allowed answers and their weights.
//!
//! Guarantee: the definition contains only facts from the resource. An answer counts its explicit weight (`itemWeight`,
//! or R4's `ordinalValue`), never its position in the list. If some options of an item have a weight, every option has
//! one or says that it stands for a missing answer. If the resource contains something that a definition cannot
//! express (a condition, a repetition, free text that counts), this is a finding and is not dropped silently. All
//! findings are reported at once.
//!
//! The sum of all weights becomes the score `total`. It needs every answer, because a `Questionnaire` has no scoring
//! rules. The score `complete` says whether everything is answered. The operator adds bands, reversals, prorating and
//! alerts. Display texts are left out. Items that the form computes are left out too, and a note lists them.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use serde_json::{Map, Value, json};

use super::{
    LOINC, codes,
    questionnaire::{MAX_VALUE, MIN_VALUE},
    response::DEEPEST,
    weights,
};
use crate::instrument::range::figure;
use crate::reading::{At, Faults, MOST_ITEMS, is_name};
use crate::{Code, Finding, Instrument};

/// Creates the definition of the instrument `id`.
///
/// # Errors
/// Every fault, with pointers into the resource.
pub fn definition(resource: &Value, id: &str) -> Result<Value, Vec<Finding>> {
    let mut import = Import { resource, faults: Faults::new(), items: Vec::new(), left_out: Vec::new() };
    let root = At::root(resource);
    if resource.get("resourceType").is_none_or(|kind| kind != "Questionnaire") {
        return Err(Vec::from([Finding::new("/resourceType", Code::Choice, "must be a Questionnaire")]));
    }
    import.unsaid(&root, &["implicitRules", "modifierExtension"]);
    let version = root.need("version", &mut import.faults).and_then(|at| at.words(&mut import.faults));
    let title = ["title", "name"].iter().find_map(|key| resource.get(*key)?.as_str());
    if title.is_none() {
        root.need("title", &mut import.faults);
    }
    if let Some(items) = root.need("item", &mut import.faults) {
        import.items(&items, 1);
        if import.items.is_empty() && import.faults.is_empty() {
            items.fault(&mut import.faults, Code::Required, "at least one item that is answered");
        }
    }
    if !import.faults.is_empty() {
        return Err(import.faults);
    }
    let text = |key: &str| resource.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let source = match (text("url"), version) {
        (Some(url), Some(version)) => format!("{url}|{version}"),
        _ => String::from("A FHIR Questionnaire"),
    };
    let definition = json!({
        "id": id,
        "version": version,
        "title": title,
        "licence": text("copyright").unwrap_or("Not stated in the Questionnaire."),
        "languages": [text("language").unwrap_or("und")],
        "sources": [source],
        "notes": import.notes(),
        "items": import.items.iter().map(|item| &item.definition).collect::<Vec<_>>(),
        "scores": import.scores(),
    });
    import.settle(definition)
}

/// An imported item.
struct ImportedItem {
    id: String,
    /// Its JSON pointer in the resource.
    place: String,
    /// Its answers have weights.
    weighted: bool,
    /// Its options have neither weights nor figures, so they are numbered.
    numbered: bool,
    definition: Value,
}

struct Import<'r> {
    resource: &'r Value,
    faults: Faults,
    items: Vec<ImportedItem>,
    left_out: Vec<String>,
}

impl<'r> Import<'r> {
    /// Reports members that change the meaning and that a definition cannot express.
    fn unsaid(&mut self, at: &At<'_, '_>, members: &[&str]) {
        for member in members.iter().filter_map(|member| at.get(member)) {
            member.fault(&mut self.faults, Code::Unknown, "cannot be said in a definition");
        }
    }

    fn items(&mut self, list: &At<'_, '_>, depth: usize) {
        if depth > DEEPEST {
            return list.fault(&mut self.faults, Code::Range, format!("items are nested at most {DEEPEST} deep"));
        }
        for at in list.list(&mut self.faults) {
            if self.items.len() == MOST_ITEMS {
                return list.fault(&mut self.faults, Code::Range, format!("at most {MOST_ITEMS} items"));
            }
            self.item(&at);
            if let Some(nested) = at.get("item") {
                self.items(&nested, depth + 1);
            }
        }
    }

    fn item(&mut self, at: &At<'_, '_>) {
        self.unsaid(at, &["modifierExtension", "enableWhen"]);
        if at.get("repeats").is_some_and(|repeats| *repeats.value != Value::Bool(false)) {
            self.unsaid(at, &["repeats"]);
        }
        let Some(kind_at) = at.need("type", &mut self.faults) else { return };
        let kind = kind_at.text(&mut self.faults).unwrap_or_default();
        if matches!(kind, "" | "group" | "display") {
            return;
        }
        if at.value.get("readOnly") == Some(&Value::Bool(true)) {
            let link_id = at.value.get("linkId").and_then(Value::as_str);
            return self.left_out.push(link_id.unwrap_or_default().to_string());
        }
        let loinc = loinc(at.value);
        let Some((id, loinc)) = self.id(at, loinc) else { return };
        let mut definition = Map::from_iter([(String::from("id"), Value::from(id.as_str()))]);
        if let Some(code) = loinc {
            definition.insert("loinc".into(), code.into());
        }
        let text = at.value.get("text").and_then(Value::as_str).map(str::trim);
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            definition.insert("text".into(), text.into());
        }
        if at.value.get("required") == Some(&Value::Bool(true)) {
            definition.insert("required".into(), true.into());
        }
        let (mut weighted, mut numbered) = (false, false);
        match kind {
            "choice" | "coding" | "integer" | "decimal" if at.get("answerOption").is_some() => {
                let Some(options) = at.get("answerOption") else { return };
                let options = options.filled_list(&mut self.faults);
                let read: Vec<_> = options.iter().filter_map(|option| self.option(option)).collect();
                (weighted, numbered) = self.put_options(&mut definition, &read);
            }
            "choice" | "coding" => {
                let Some(read) = self.contained(at) else { return };
                (weighted, numbered) = self.put_options(&mut definition, &read);
            }
            "integer" | "decimal" => {
                let bounds = [MIN_VALUE, MAX_VALUE].map(|url| extension(at.value, url));
                let [Some(low), Some(high)] = bounds else {
                    return at.fault(&mut self.faults, Code::Required, "needs the extensions minValue and maxValue");
                };
                definition.insert("range".into(), json!([figure(low), figure(high)]));
                if kind == "decimal" {
                    definition.insert("decimal".into(), true.into());
                }
            }
            "boolean" => {
                self.unsaid(at, &["answerOption", "answerValueSet"]);
                definition.insert("range".into(), json!([0, 1]));
            }
            _ => {
                let rule = "must be choice, integer, decimal or boolean: other answers are not scored";
                return kind_at.fault(&mut self.faults, Code::Choice, rule);
            }
        }
        let definition = Value::Object(definition);
        self.items.push(ImportedItem { id, place: at.pointer(), weighted, numbered, definition });
    }

    /// The id of an item and its LOINC code. If the link id is not a valid name, it may end in the LOINC code; answers
    /// then find the item by this code.
    fn id(&mut self, at: &At<'_, '_>, loinc: Option<&str>) -> Option<(String, Option<String>)> {
        let link_at = at.need("linkId", &mut self.faults)?;
        let link_id = link_at.text(&mut self.faults)?;
        let last = link_id.rsplit('/').next().unwrap_or_default();
        let id = if is_name(link_id) {
            link_id
        } else if codes::is_loinc(last) && loinc.is_none_or(|code| code == last) {
            last
        } else {
            let rule = "1 to 64 letters, digits, _, -, + or single dots, or a path that ends in the item's LOINC code";
            link_at.fault(&mut self.faults, Code::Format, rule);
            return None;
        };
        if self.items.iter().any(|known| known.id == id) {
            link_at.fault(&mut self.faults, Code::Conflict, "a link id is there once");
            return None;
        }
        let loinc = loinc.or_else(|| (id != link_id).then_some(last));
        Some((id.to_string(), loinc.map(String::from)))
    }

    fn option(&mut self, at: &At<'_, '_>) -> Option<Choice> {
        self.unsaid(at, &["modifierExtension"]);
        // The weight is at the option or at its value.
        if let Some(coding) = at.get("valueCoding") {
            let weight = weights::weight(&[at, &coding], &mut self.faults).ok()?;
            return self.coded(&coding, at, weight);
        }
        let Some(value) = at.value.get("valueInteger").and_then(Value::as_f64) else {
            at.fault(&mut self.faults, Code::Choice, "needs valueCoding or valueInteger");
            return None;
        };
        let beside = at.get("_valueInteger");
        let weight = match &beside {
            Some(beside) => weights::weight(&[at, beside], &mut self.faults),
            None => weights::weight(&[at], &mut self.faults),
        };
        let missing = weights::is_missing(at.value, None);
        Some(Choice { place: at.pointer(), code: None, label: None, value: Some(value), weight: weight.ok()?, missing })
    }

    /// A code with its label, from an option or a value set.
    fn coded(&mut self, at: &At<'_, '_>, option: &At<'_, '_>, weight: Option<f64>) -> Option<Choice> {
        let code = at.need("code", &mut self.faults)?.words(&mut self.faults)?.to_string();
        let label = at.value.get("display").and_then(Value::as_str).map(str::trim).filter(|label| !label.is_empty());
        let missing = weights::is_missing(option.value, Some(at.value));
        let label = label.map(String::from);
        Some(Choice { place: option.pointer(), code: Some(code), label, value: None, weight, missing })
    }

    /// Adds options to an item. Returns whether they have weights, and whether they had to be numbered.
    fn put_options(&mut self, definition: &mut Map<String, Value>, options: &[Choice]) -> (bool, bool) {
        let weighted = options.iter().any(|option| option.weight.is_some());
        for option in options.iter().filter(|option| weighted && option.weight.is_none() && !option.missing) {
            let rule =
                "a weight, as other options here have one, or the extension urn:vigil:missing if it is no answer";
            self.faults.push(Finding::new(option.place.as_str(), Code::Required, rule));
        }
        put_options(definition, options)
    }

    /// The options of a value set that the resource contains.
    fn contained(&mut self, item: &At<'_, '_>) -> Option<Vec<Choice>> {
        let Some(at) = item.get("answerValueSet") else {
            item.fault(&mut self.faults, Code::Required, "needs answerOption");
            return None;
        };
        let id = at.value.as_str().and_then(|reference| reference.strip_prefix('#'));
        let root = At::root(self.resource);
        let contained = root.get("contained").filter(|contained| contained.value.is_array());
        let all = contained.as_ref().map(|contained| contained.list(&mut self.faults)).unwrap_or_default();
        let set = all.iter().find(|set| id.is_some() && set.value.get("id").and_then(Value::as_str) == id);
        let compose = set.and_then(|set| set.get("compose"));
        let listed = compose.as_ref().filter(|compose| compose.get("exclude").is_none());
        let Some(include) = listed.and_then(|compose| compose.get("include")) else {
            at.fault(&mut self.faults, Code::Choice, "must be a value set that is contained and lists its codes");
            return None;
        };
        let mut options = Vec::new();
        for part in include.list(&mut self.faults) {
            let Some(concepts) = part.need("concept", &mut self.faults) else { continue };
            let concepts = concepts.filled_list(&mut self.faults);
            options.extend(concepts.iter().filter_map(|concept| {
                let weight = weights::weight(&[concept], &mut self.faults).ok()?;
                self.coded(concept, concept, weight)
            }));
        }
        Some(options)
    }

    /// The notes for readers of the definition.
    fn notes(&self) -> Vec<String> {
        let listed = |items: Vec<&str>| items.join(", ");
        let mut notes = Vec::from([String::from(
            "ImportedItem over from a FHIR Questionnaire, which has no rules for scoring: total is the sum of all weights and needs every answer.",
        )]);
        let numbered: Vec<&str> = self.items.iter().filter(|item| item.numbered).map(|item| item.id.as_str()).collect();
        if !numbered.is_empty() {
            notes.push(format!(
                "Options without weights are numbered as they come, and count in no score: {}.",
                listed(numbered)
            ));
        }
        if !self.left_out.is_empty() {
            let left_out = self.left_out.iter().map(String::as_str).collect();
            notes.push(format!("Computed by the form and left out: {}.", listed(left_out)));
        }
        notes
    }

    fn scores(&self) -> Vec<Value> {
        let ids = |which: &dyn Fn(&&ImportedItem) -> bool| -> Vec<&str> {
            self.items.iter().filter(which).map(|item| item.id.as_str()).collect()
        };
        let weighted = ids(&|item| item.weighted);
        let complete = json!({
            "id": "complete", "title": "Everything is answered", "method": "flag",
            "when": {"missing": ids(&|_| true), "atMost": 0}
        });
        let total = json!({"id": "total", "title": "Sum of all weights", "method": "sum", "items": weighted});
        if weighted.is_empty() { Vec::from([complete]) } else { Vec::from([total, complete]) }
    }

    /// Returns the definition if it is valid. Otherwise reports the validator's findings with pointers into the
    /// resource.
    fn settle(self, definition: Value) -> Result<Value, Vec<Finding>> {
        let Err(found) = Instrument::from_json(definition.to_string().as_bytes()) else { return Ok(definition) };
        let placed = |finding: Finding| {
            let mut steps = finding.pointer.split('/').skip(1);
            let pointer = match (steps.next(), steps.next().and_then(|step| step.parse::<usize>().ok())) {
                (Some("items"), Some(nth)) => self.items.get(nth).map(|item| item.place.clone()),
                (Some(member @ ("version" | "title")), _) => Some(format!("/{member}")),
                _ => None,
            };
            Finding { pointer: pointer.unwrap_or_default(), ..finding }
        };
        Err(found.into_iter().map(placed).collect())
    }
}

/// An option of the resource.
struct Choice {
    /// Its JSON pointer in the resource.
    place: String,
    code: Option<String>,
    label: Option<String>,
    /// The figure of an option that is a number.
    value: Option<f64>,
    weight: Option<f64>,
    /// It says that it stands for a missing answer.
    missing: bool,
}

/// Adds options to an item. Returns whether they have weights, and whether they had to be numbered.
///
/// The figure of an option identifies it. If all weights differ, the weight is this figure. Among options with weights,
/// an option without a weight stands for a missing answer ("not applicable").
fn put_options(definition: &mut Map<String, Value>, options: &[Choice]) -> (bool, bool) {
    let weights: Vec<f64> = options.iter().filter_map(|option| option.weight).collect();
    let weighted = !weights.is_empty();
    let same = |(nth, weight): (usize, &f64)| weights.iter().take(nth).any(|earlier| earlier == weight);
    let by_weight = weighted && !weights.iter().enumerate().any(same);
    let mut next = weights.iter().copied().filter(|_| by_weight).fold(-1.0, f64::max);
    let mut listed = Vec::new();
    for option in options {
        let value = match (option.value, option.weight) {
            (Some(value), _) => value,
            (None, Some(weight)) if by_weight => weight,
            _ => {
                next = crate::number::floor(next) + 1.0;
                next
            }
        };
        let mut members = Map::from_iter([(String::from("value"), figure(value))]);
        match option.weight {
            Some(weight) => drop(members.insert("weight".into(), figure(weight))),
            None if weighted => drop(members.insert("missing".into(), true.into())),
            None => {}
        }
        if let Some(code) = &option.code {
            members.insert("code".into(), code.as_str().into());
        }
        if let Some(label) = &option.label {
            members.insert("label".into(), label.as_str().into());
        }
        listed.push(Value::Object(members));
    }
    let numbered = !weighted && options.iter().any(|option| option.value.is_none());
    definition.insert("options".into(), listed.into());
    (weighted, numbered)
}

/// The numeric value of an extension.
fn extension(value: &Value, url: &str) -> Option<f64> {
    let extensions = value.get("extension")?.as_array()?;
    let found = extensions.iter().find(|extension| extension.get("url").is_some_and(|known| known == url))?;
    ["valueDecimal", "valueInteger"].iter().find_map(|member| found.get(*member)?.as_f64())
}

/// The LOINC code of an item.
fn loinc(item: &Value) -> Option<&str> {
    let mut codings = item.get("code")?.as_array()?.iter();
    codings.find(|coding| coding.get("system").is_some_and(|system| system == LOINC))?.get("code")?.as_str()
}
