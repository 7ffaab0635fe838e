//! Parameters: the values that an instrument needs besides the answers.
//!
//! Guarantee: a parameter that is not given and has no default stays unknown. A score that depends on it reports this
//! and assumes nothing.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::Instrument;
use crate::reading::{At, Faults, escape};
use crate::{Code, Finding};

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Choice(Vec<String>),
    Number {
        low: f64,
        high: f64,
    },
    /// The definition of the parameter has a fault, so nothing is derived from it.
    Faulty,
}

/// A parameter of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) default: Option<String>,
}

/// A parameter's value, ready for the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Setting {
    Choice(u16),
    Number(f64),
}

/// The parameters of one scoring, checked against the definition, defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    settings: Vec<Option<Setting>>,
    texts: Vec<(String, String)>,
}

impl Parameters {
    /// Name and value of every parameter in force, including defaults: the provenance of a score. A number is always
    /// written in one way, however it was given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(id, value)| (id.as_str(), value.as_str()))
    }

    pub(crate) fn setting(&self, parameter: u16) -> Option<Setting> {
        self.settings.get(usize::from(parameter)).copied().flatten()
    }
}

impl Parameter {
    /// Reads one parameter.
    pub(crate) fn read(at: At<'_, '_>, faults: &mut Faults) -> Option<Parameter> {
        if !at.object(faults, &["id", "title", "choices", "range", "default"]) {
            return None;
        }
        let id = at.need("id", faults)?.name(faults)?.to_string();
        if let Some(title) = at.get("title") {
            title.words(faults);
        }
        let kind = match (at.get("choices"), at.get("range")) {
            (Some(choices), None) => {
                let mut known: Vec<String> = Vec::new();
                for choice in choices.filled_list(faults) {
                    let Some(name) = choice.name(faults) else { continue };
                    if known.iter().any(|other| other == name) {
                        choice.fault(faults, Code::Conflict, "a choice is listed once");
                    }
                    known.push(name.to_string());
                }
                Kind::Choice(known)
            }
            (None, Some(range)) => match range.pair(false, faults) {
                Some((low, high)) => Kind::Number { low, high },
                None => Kind::Faulty,
            },
            _ => {
                at.fault(faults, Code::Required, "needs either \"choices\" or \"range\"");
                Kind::Faulty
            }
        };
        let mut parameter = Parameter { id, kind, default: None };
        if let Some(default) = at.get("default")
            && let Some(text) = default.text(faults)
            && parameter.kind != Kind::Faulty
        {
            if let Err(rule) = parameter.setting(text) {
                default.fault(faults, Code::Choice, rule);
            }
            parameter.default = Some(text.to_string());
        }
        Some(parameter)
    }

    /// The setting for `text`; if it is not allowed, the rule in words.
    fn setting(&self, text: &str) -> Result<Setting, String> {
        match &self.kind {
            Kind::Choice(choices) => choices
                .iter()
                .position(|choice| choice == text)
                .and_then(|position| u16::try_from(position).ok())
                .map(Setting::Choice)
                .ok_or_else(|| format!("must be one of {}", choices.join(", "))),
            Kind::Number { low, high } => text
                .parse()
                .ok()
                .filter(|number| (*low..=*high).contains(number))
                .map(Setting::Number)
                .ok_or_else(|| format!("a number from {low} to {high}")),
            Kind::Faulty => Err(String::new()),
        }
    }
}

impl Instrument {
    /// Checks `given` against the definition and fills in the defaults.
    ///
    /// # Errors
    /// A finding for each name that the instrument does not have and for each value that it does not allow. Pointers
    /// are relative to the object of parameters.
    pub fn parameters(&self, given: &BTreeMap<String, String>) -> Result<Parameters, Vec<Finding>> {
        let mut faults = Faults::new();
        for id in given.keys().filter(|id| !self.parameters.iter().any(|known| known.id == **id)) {
            faults.push(Finding::new(format!("/{}", escape(id)), Code::Unknown, "no parameter of this instrument"));
        }
        let mut parameters = Parameters::default();
        for parameter in &self.parameters {
            let text = given.get(&parameter.id).or(parameter.default.as_ref());
            let setting = match text.map(|text| parameter.setting(text)) {
                None => None,
                Some(Ok(setting)) => Some(setting),
                Some(Err(rule)) => {
                    faults.push(Finding::new(format!("/{}", escape(&parameter.id)), Code::Choice, rule));
                    None
                }
            };
            parameters.settings.push(setting);
            match (text, setting) {
                (Some(_), Some(Setting::Number(number))) => {
                    parameters.texts.push((parameter.id.clone(), number.to_string()));
                }
                (Some(text), _) => parameters.texts.push((parameter.id.clone(), text.clone())),
                (None, _) => {}
            }
        }
        if faults.is_empty() { Ok(parameters) } else { Err(faults) }
    }
}
