//! The forms of submissions in ODM: one for each version of an instrument that scored rows, one for each kind of report.

use std::collections::BTreeMap;

use domain::Instrument;
use domain::codebook::{Codebook, Figure, Range, Variable};
use serde_json::{Map, Value};
use state::wire::entry::Score;
use state::wire::table::cell;

use super::xml::legal;

/// The most items of a kind of report. What a sender makes up beyond that is one item together.
const MOST_ITEMS: usize = 1000;
/// The name of that item.
const REST: &str = "*";

/// The type of an item's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    Datetime,
    /// A score that had no value so far.
    Unknown,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Text | Kind::Unknown => "text",
            Kind::Integer => "integer",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Datetime => "datetime",
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Number(_) => Kind::Float,
            Value::Bool(_) => Kind::Boolean,
            _ => Kind::Text,
        }
    }
}

/// A value of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) coded: String,
    pub(super) decode: String,
    /// Its figure, where answers may be that.
    pub(super) figure: Option<f64>,
}

/// The values that an item may have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    pub(super) oid: String,
    pub(super) kind: Kind,
    pub(super) choices: Vec<Choice>,
}

/// An item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) oid: String,
    /// Unique among all items.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) question: Option<String>,
    pub(super) loinc: Option<String>,
    pub(super) required: bool,
    /// The place of its list in the form.
    pub(super) list: Option<usize>,
    /// The length of the longest text that it had.
    pub(super) longest: usize,
}

/// A form.
#[derive(Debug)]
pub(super) struct Form {
    /// Its OID without `F.`.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) answers: Vec<Item>,
    pub(super) scores: Vec<Item>,
    pub(super) lists: Vec<List>,
    /// The places of answers by their ids.
    places: BTreeMap<String, usize>,
}

/// The OIDs and values of items.
pub(super) type Values = Vec<(String, String)>;

impl Form {
    /// The form of a kind of report, or of responses that nothing scored. It has the items that come.
    pub(super) fn open(name: &str) -> Self {
        let (name, title) = (name.to_owned(), name.to_owned());
        let (answers, scores, lists, places) = Default::default();
        Form { name, title, answers, scores, lists, places }
    }

    /// The form of a version of an instrument.
    pub(super) fn of(instrument: &Instrument) -> Self {
        let codebook = Codebook::of(instrument);
        let mut form = Form::open(&format!("{}@{}", codebook.instrument, codebook.version));
        codebook.title.clone_into(&mut form.title);
        for variable in &codebook.items {
            form.answer(variable);
        }
        for figure in &codebook.scores {
            form.score(figure);
        }
        form
    }

    fn item(&self, id: &str, kind: Kind) -> Item {
        let oid = format!("I.{}.{id}", self.name);
        let name = format!("{} {id}", self.name);
        Item { oid, name, kind, question: None, loinc: None, required: false, list: None, longest: 1 }
    }

    fn add(&mut self, id: &str, item: Item) -> usize {
        let place = self.answers.len();
        self.places.insert(id.to_owned(), place);
        self.answers.push(item);
        place
    }

    /// The place of a list of these values.
    fn list(&mut self, kind: Kind, choices: Vec<Choice>) -> Option<usize> {
        if choices.is_empty() {
            return None;
        }
        let same = |list: &List| list.kind == kind && list.choices == choices;
        if let Some(place) = self.lists.iter().position(same) {
            return Some(place);
        }
        let oid = format!("CL.{}.{}", self.name, self.lists.len() + 1);
        self.lists.push(List { oid, kind, choices });
        Some(self.lists.len() - 1)
    }

    fn answer(&mut self, variable: &Variable<'_>) {
        let coded = !variable.options.is_empty() && variable.options.iter().all(|answer| answer.code.is_some());
        let figures = if variable.kind == "integer" { Kind::Integer } else { Kind::Float };
        let kind = if coded { Kind::Text } else { figures };
        let mut choices: Vec<Choice> = Vec::new();
        for answer in &variable.options {
            let code = answer.code.filter(|_| coded).map_or_else(|| text(&answer.value), str::to_owned);
            let decode = answer.label.or(answer.code).map_or_else(|| code.clone(), str::to_owned);
            choices.push(Choice { coded: code, decode, figure: answer.value.as_f64() });
        }
        let missing = variable.missing_values.iter().filter(|_| !choices.is_empty());
        let missing: Vec<Choice> = missing
            .map(|value| Choice { coded: text(value), decode: "not answered".to_owned(), figure: value.as_f64() })
            .filter(|choice| choices.iter().all(|known| known.coded != choice.coded))
            .collect();
        choices.extend(missing);
        let mut item = self.item(variable.id, kind);
        item.question = variable.text.map(str::to_owned);
        item.loinc = variable.loinc.map(str::to_owned);
        item.required = variable.required;
        item.list = self.list(kind, choices);
        self.add(variable.id, item);
    }

    fn score(&mut self, score: &Figure<'_>) {
        let own = format!("score.{}", score.id);
        let kind = if score.low.is_some() { Kind::Float } else { Kind::Unknown };
        let title = score.title.map(str::to_owned);
        let value = Item { question: title, ..self.item(&own, kind) };
        let choice = |Range { id, label, .. }: &Range<'_>| Choice {
            coded: (*id).to_owned(),
            decode: label.unwrap_or(id).to_owned(),
            figure: None,
        };
        let bands = self.list(Kind::Text, score.bands.iter().map(choice).collect());
        let band = bands.map(|list| Item { list: Some(list), ..self.item(&format!("band.{}", score.id), Kind::Text) });
        let status = self.item(&format!("status.{}", score.id), Kind::Text);
        self.scores.push(value);
        self.scores.extend(band);
        self.scores.push(status);
    }

    /// The values of answers, or of the members of data.
    pub(super) fn answers(&mut self, content: &Map<String, Value>) -> Values {
        let (mut values, mut rest) = (Values::new(), Map::new());
        for (id, value) in content.iter().filter(|(_, value)| !value.is_null()) {
            let id = &*legal(id);
            let place = match self.places.get(id) {
                Some(place) => *place,
                None if self.answers.len() < MOST_ITEMS && id != REST => self.add(id, self.item(id, Kind::Text)),
                None => {
                    rest.insert(id.to_owned(), value.clone());
                    continue;
                }
            };
            self.value(place, value, &mut values);
        }
        if !rest.is_empty() {
            let place = self.places.get(REST).copied().unwrap_or_else(|| self.add(REST, self.item(REST, Kind::Text)));
            self.value(place, &Value::Object(rest), &mut values);
        }
        values
    }

    fn value(&mut self, place: usize, value: &Value, values: &mut Values) {
        let Some(item) = self.answers.get_mut(place) else { return };
        let list = item.list.and_then(|list| self.lists.get(list));
        let number = value.as_f64();
        let choice = list.and_then(|list| {
            list.choices.iter().find(|choice| number.is_some() && choice.figure == number || value == &choice.coded)
        });
        let text = match choice {
            Some(choice) => choice.coded.clone(),
            None if item.kind == Kind::Text => cell(value),
            None => text(value),
        };
        item.longest = item.longest.max(text.chars().count());
        // A sender may spell a name in two ways of which XML has one.
        if values.iter().all(|(oid, _)| *oid != item.oid) {
            values.push((item.oid.clone(), text));
        }
    }

    /// The values of scores.
    pub(super) fn scores(&mut self, scores: &[Score]) -> Values {
        let mut values = Values::new();
        for score in scores {
            let own = [
                ("score", score.value.as_ref().map(text)),
                ("band", score.band.clone()),
                ("status", Some(score.status.clone())),
            ];
            for (what, text) in own {
                let oid = format!("I.{}.{what}.{}", self.name, score.id);
                let Some(item) = self.scores.iter_mut().find(|item| item.oid == oid) else { continue };
                let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
                item.longest = item.longest.max(text.chars().count());
                if let (Kind::Unknown, Some(value)) = (item.kind, &score.value) {
                    item.kind = Kind::of(value);
                }
                values.push((oid, text));
            }
        }
        values
    }
}

/// A value as ODM has it: a number without an exponent, and a whole one without a fraction.
fn text(value: &Value) -> String {
    value.as_f64().map_or_else(|| cell(value), |number| number.to_string())
}
