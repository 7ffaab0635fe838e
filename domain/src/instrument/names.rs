//! What a definition has named so far, and what the validator knows of it.

use alloc::{borrow::ToOwned as _, collections::BTreeMap, format, string::String, vec::Vec};

use super::{
    item::Item,
    method::ScoreDef,
    parameter::{Kind, Parameter},
    range::Span,
    walk::{At, Faults},
};
use crate::Code;

/// What is known of a score before it is compiled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A number in this span.
    Number(Span),
    /// A flag.
    Flag,
    /// A text.
    Text,
    /// A score with a fault of its own: nothing that refers to it is reported again.
    Faulty,
}

/// A score's name and shape.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) shape: Shape,
    pub(crate) bands: Vec<String>,
}

/// The names of one definition.
#[derive(Default)]
pub(crate) struct Names {
    /// `None` for an item with a fault.
    items: Vec<Option<Span>>,
    item_ids: BTreeMap<String, u16>,
    parameters: Vec<Parameter>,
    scores: Vec<Named>,
    score_ids: BTreeMap<String, u16>,
    /// Every score id of the definition, so that a reference to a later one can say so.
    later: Vec<String>,
}

impl Names {
    pub(crate) fn with(items: &[Item], parameters: &[Parameter], later: Vec<String>) -> Names {
        let ids = items.iter().enumerate().filter_map(|(n, item)| Some((item.id.clone(), u16::try_from(n).ok()?)));
        Names {
            item_ids: ids.collect(),
            items: items.iter().map(|item| (!item.faulty).then(|| item.raw_span())).collect(),
            parameters: parameters.to_vec(),
            later,
            ..Names::default()
        }
    }

    /// Makes a score known to what follows it.
    pub(crate) fn add_score(&mut self, id: &str, named: Named) {
        if let Ok(position) = u16::try_from(self.scores.len()) {
            self.score_ids.insert(id.to_owned(), position);
            self.scores.push(named);
        }
    }

    /// An item, by its id.
    pub(crate) fn item(&self, at: At<'_, '_>, faults: &mut Faults) -> Option<u16> {
        let id = at.text(faults)?;
        let found = self.item_ids.get(id).copied();
        if found.is_none() {
            at.fault(faults, Code::Unknown, "no item has this id");
        }
        found
    }

    /// Items, by a list of ids and runs; reports one named twice.
    pub(crate) fn items(&self, at: At<'_, '_>, faults: &mut Faults) -> Vec<u16> {
        let mut items = Vec::new();
        for (id, element) in at.names(faults) {
            match self.item_ids.get(&id) {
                None => element.fault(faults, Code::Unknown, format!("no item has the id \"{id}\"")),
                Some(item) if items.contains(item) => {
                    element.fault(faults, Code::Conflict, format!("item \"{id}\" is named twice"));
                }
                Some(item) => items.push(*item),
            }
        }
        items
    }

    /// An earlier score, by its id.
    pub(crate) fn score(&self, at: At<'_, '_>, faults: &mut Faults) -> Option<u16> {
        let id = at.text(faults)?;
        let found = self.score_ids.get(id).copied();
        if found.is_none() {
            let later = self.later.iter().any(|known| known == id);
            let detail = if later { "a score that comes earlier in the list" } else { "no score has this id" };
            at.fault(faults, if later { Code::Conflict } else { Code::Unknown }, detail);
        }
        found
    }

    /// A parameter, by its id.
    pub(crate) fn parameter(&self, at: At<'_, '_>, faults: &mut Faults) -> Option<u16> {
        let id = at.text(faults)?;
        let found = self.parameters.iter().position(|parameter| parameter.id == id);
        if found.is_none() {
            at.fault(faults, Code::Unknown, "no parameter has this id");
        }
        found.and_then(|position| u16::try_from(position).ok())
    }

    pub(crate) fn item_span(&self, item: u16) -> Option<Span> {
        self.items.get(usize::from(item)).copied().flatten()
    }

    pub(crate) fn is_flag(&self, score: u16) -> bool {
        self.scores.get(usize::from(score)).is_some_and(|named| named.shape == Shape::Flag)
    }

    /// Whether the score itself was read without a fault.
    pub(crate) fn known(&self, score: u16) -> bool {
        self.scores.get(usize::from(score)).is_some_and(|named| named.shape != Shape::Faulty)
    }

    pub(crate) fn span(&self, score: u16) -> Option<Span> {
        match self.scores.get(usize::from(score))?.shape {
            Shape::Number(span) => Some(span),
            _ => None,
        }
    }

    pub(crate) fn has_bands(&self, score: u16) -> bool {
        self.scores.get(usize::from(score)).is_some_and(|named| !named.bands.is_empty())
    }

    pub(crate) fn band(&self, score: u16, band: &str) -> Option<u16> {
        let bands = &self.scores.get(usize::from(score))?.bands;
        u16::try_from(bands.iter().position(|known| known == band)?).ok()
    }

    pub(crate) fn choices(&self, parameter: u16) -> Vec<&str> {
        match self.parameters.get(usize::from(parameter)).map(|parameter| &parameter.kind) {
            Some(Kind::Choice(choices)) => choices.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the parameter itself was read without a fault.
    pub(crate) fn known_parameter(&self, parameter: u16) -> bool {
        self.parameters.get(usize::from(parameter)).is_some_and(|parameter| parameter.kind != Kind::Faulty)
    }

    pub(crate) fn parameter_span(&self, parameter: u16) -> Option<Span> {
        match self.parameters.get(usize::from(parameter))?.kind {
            Kind::Number { low, high } => Some(Span { low, high, whole: true }),
            Kind::Choice(_) | Kind::Faulty => None,
        }
    }
}

impl Names {
    /// The names of an instrument that is compiled already.
    pub(crate) fn compiled(items: &[Item], parameters: &[Parameter], scores: &[ScoreDef]) -> Names {
        let mut names = Names::with(items, parameters, Vec::new());
        for score in scores {
            let bands = score.bands.iter().map(|band| band.id.clone()).collect();
            names.add_score(&score.id, Named { shape: score.shape(), bands });
        }
        names
    }
}
