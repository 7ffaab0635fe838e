//! Instruments: a questionnaire as data, validated as a whole and compiled to positions.
//!
//! Guarantee: an [`Instrument`] exists only if the validator finds no fault in its definition. All faults of a
//! definition are reported at once, each with its JSON pointer. There is no expression language: [`method`] and
//! [`condition`] list everything that a definition can express, so a reviewer can read it and the validator can check
//! it.

pub(crate) mod condition;
pub(crate) mod item;
pub(crate) mod method;
mod methods;
pub(crate) mod names;
pub(crate) mod parameter;
pub(crate) mod range;
pub(crate) mod rules;
mod scores;
mod value_set;

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use sha2::{Digest as _, Sha256};

use self::{
    condition::{Condition, Scope},
    item::{Item, Skip},
    method::ScoreDef,
    names::Names,
    parameter::Parameter,
    rules::{Rule, read_rules},
    scores::Reader,
};
use crate::reading::{At, Faults};
use crate::{
    Code, Finding, hex,
    ids::InstrumentId,
    intake::ReportKind,
    reading::{Json, Limits},
};

/// The members of a definition.
const MEMBERS: [&str; 12] = [
    "id",
    "version",
    "title",
    "licence",
    "languages",
    "sources",
    "notes",
    "optionLists",
    "items",
    "parameters",
    "scores",
    "alerts",
];

/// A validated definition, ready to score with.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    id: InstrumentId,
    version: String,
    title: String,
    licence: String,
    hash: String,
    pub(crate) items: Vec<Item>,
    /// Positions of items, sorted by id.
    by_id: Vec<u16>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) scores: Vec<ScoreDef>,
    pub(crate) rules: Vec<Rule>,
    /// Each parameter that selects a value set, with the choices that do so.
    pub(crate) sets: Vec<(u16, u16)>,
    pub(crate) has_skips: bool,
    pub(crate) has_required: bool,
}

impl Instrument {
    /// Reads and validates a definition.
    ///
    /// # Errors
    /// A finding for each fault, with the JSON pointer of the value that has it.
    pub fn from_json(definition: &[u8]) -> Result<Instrument, Vec<Finding>> {
        Instrument::from_hashed(definition, Sha256::digest(definition).into())
    }

    /// As [`Instrument::from_json`], with the SHA-256 of the definition already known.
    pub(crate) fn from_hashed(definition: &[u8], sha256: [u8; 32]) -> Result<Instrument, Vec<Finding>> {
        let Json { value: root, mut faults, .. } = Json::read(definition, Limits::DEFINITION)?;
        let instrument = read(At::root(&root), hex(&sha256), &mut faults);
        match instrument {
            Some(instrument) if faults.is_empty() => Ok(instrument),
            _ => Err(faults),
        }
    }

    /// The instrument's id.
    pub fn id(&self) -> &InstrumentId {
        &self.id
    }

    /// The version of the definition.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The instrument's name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The terms under which it may be used.
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// SHA-256 of the definition as it was read, in hex: the output of `sha256sum` for the file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Ids of the items, in the order of the definition.
    pub fn item_ids(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.id.as_str())
    }

    /// The id of the item with this LOINC code.
    pub fn item_with_loinc(&self, code: &str) -> Option<&str> {
        self.items.iter().find(|item| item.loinc.as_deref() == Some(code)).map(|item| item.id.as_str())
    }

    /// Ids of the scores, in the order of the definition.
    pub fn score_ids(&self) -> impl Iterator<Item = &str> {
        self.scores.iter().map(|score| score.id.as_str())
    }

    /// Ids of the parameters, in the order of the definition.
    pub fn parameter_ids(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.id.as_str())
    }

    /// The title of a score, where the definition gives one.
    pub fn score_title(&self, id: &str) -> Option<&str> {
        self.score_def(id)?.title.as_deref()
    }

    /// The source of a score's figures, if it has its own, such as the paper of a value set.
    pub fn score_source(&self, id: &str) -> Option<&str> {
        self.score_def(id)?.source.as_deref()
    }

    /// The lowest and the highest figure a score can have, before rounding.
    pub fn score_range(&self, id: &str) -> Option<(f64, f64)> {
        self.score_def(id)?.span.map(|span| (span.low, span.high))
    }

    fn score_def(&self, id: &str) -> Option<&ScoreDef> {
        self.scores.iter().find(|score| score.id == id)
    }

    /// The position of the item `id`. The caller passes `next` again on each call; it moves along the sorted names. A
    /// caller that asks in this order, and skips at most one name in a row, gets its answer without a search.
    pub(crate) fn position(&self, next: &mut usize, id: &str) -> Option<usize> {
        let key = |position: &u16| self.items.get(usize::from(*position)).map_or("", |item| item.id.as_str());
        let ahead = self.by_id.iter().skip(*next).take(2).position(|position| key(position) == id);
        let found = match ahead {
            Some(ahead) => *next + ahead,
            None => self.by_id.binary_search_by(|position| key(position).cmp(id)).ok()?,
        };
        *next = found + 1;
        self.by_id.get(found).copied().map(usize::from)
    }
}

fn read(at: At<'_, '_>, hash: String, faults: &mut Faults) -> Option<Instrument> {
    if !at.object(faults, &MEMBERS) {
        return None;
    }
    let mut words = |key: &str| Some(at.need(key, faults)?.words(faults)?.to_string());
    let (version, title, licence) = (words("version"), words("title"), words("licence"));
    let id = at.need("id", faults).and_then(|at| {
        let id = at.name(faults)?;
        // An instrument and a report kind need different names: both appear in one list of a subject's submissions.
        if ReportKind::parse(id).is_some() {
            at.fault(faults, Code::Conflict, "a kind of report has this name");
        }
        Some(id.into())
    });
    let mut listed = |key: &str| -> Vec<&str> {
        let list = if key == "notes" { at.get(key) } else { at.need(key, faults) };
        let Some(list) = list else { return Vec::new() };
        let elements = if key == "notes" { list.list(faults) } else { list.filled_list(faults) };
        elements.iter().filter_map(|element| element.words(faults)).collect()
    };
    let (languages, _, _) = (listed("languages"), listed("sources"), listed("notes"));
    let lists = item::read_lists(at.get("optionLists"), &languages, faults);
    let items_at = at.need("items", faults);
    let mut items = items_at.map(|items| item::read_items(items, &lists, &languages, faults)).unwrap_or_default();
    let mut parameters: Vec<Parameter> = Vec::new();
    if let Some(list) = at.get("parameters") {
        for element in list.list(faults) {
            let Some(parameter) = Parameter::read(element, faults) else { continue };
            if parameters.iter().any(|known| known.id == parameter.id) {
                element.fault(faults, Code::Conflict, "a parameter is defined once");
                continue;
            }
            parameters.push(parameter);
        }
    }
    let scores_at = at.need("scores", faults);
    let later = scores_at.map(scores::ids).unwrap_or_default();
    if let Some(items_at) = items_at {
        read_skips(items_at, &mut items, faults);
    }
    let mut names = Names::with(&items, &parameters, later);
    if let Some(scores_at) = scores_at {
        Reader { items: &items, names: &mut names, faults, before: 0 }.read(scores_at);
    }
    let rules = at.get("alerts").map(|alerts| read_rules(alerts, &names, faults)).unwrap_or_default();
    let (by_id, scores) = names.into_parts();
    Some(Instrument {
        id: id?,
        version: version?,
        title: title?,
        licence: licence?,
        hash,
        by_id,
        has_skips: items.iter().any(|item| item.skip.is_some()),
        has_required: items.iter().any(|item| item.required),
        items,
        parameters,
        sets: scores.iter().filter_map(|score| score.only).collect(),
        scores,
        rules,
    })
}

/// Reads the skips of items, after all items have names.
fn read_skips(at: At<'_, '_>, items: &mut [Item], faults: &mut Faults) {
    let Some(elements) = at.value.as_array() else { return };
    if !elements.iter().any(|element| element.get("skip").is_some()) {
        return;
    }
    // A skip uses answers only.
    let names = Names::with(items, &[], Vec::new());
    let mut skips = Vec::new();
    let mut ignored = Faults::new();
    for element in at.list(&mut ignored) {
        let Some(skip_at) = element.get("skip") else { continue };
        if !skip_at.object(faults, &["when", "counts"]) {
            continue;
        }
        let when = skip_at.need("when", faults);
        let when = when.and_then(|when| Condition::read(when, Scope::Items, &names, faults));
        let counts = skip_at.need("counts", faults).and_then(|at| at.number(faults));
        let (Some(when), Some(counts)) = (when, counts) else { continue };
        let mut ids: Vec<String> = Vec::new();
        if let Some(list) = element.get("ids") {
            list.names(&mut ignored, |id, _, _| ids.push(id.to_string()));
        }
        ids.extend(element.get("id").and_then(|id| id.value.as_str()).map(String::from));
        skips.push((ids, Skip { when, counts }));
    }
    for (ids, skip) in skips {
        for item in items.iter_mut().filter(|item| ids.contains(&item.id)) {
            item.skip = Some(skip.clone());
        }
    }
}
