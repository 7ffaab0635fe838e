//! The names in a definition so far, and the validator's knowledge about each of them.

use alloc::{format, string::String, vec::Vec};

use super::{
    item::Item,
    method::ScoreDef,
    parameter::{Kind, Parameter},
    range::Span,
};
use crate::Code;
use crate::reading::{At, Faults};

/// The validator's knowledge of a score before it is compiled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A number in this span.
    Number(Span),
    /// A flag.
    Flag,
    /// A text.
    Text,
    /// A score with a fault of its own: references to it are not reported again.
    Faulty,
}

/// The names of one definition.
#[derive(Default)]
pub(crate) struct Names<'n> {
    /// `None` for an item with a fault.
    items: Vec<Option<Span>>,
    /// Sorted.
    item_ids: Vec<(&'n str, u16)>,
    parameters: &'n [Parameter],
    /// The scores of an instrument that is already compiled.
    compiled: &'n [ScoreDef],
    /// The scores read so far.
    read: Vec<ScoreDef>,
    /// The shapes of the scores.
    shapes: Vec<Shape>,
    /// Every score id of the definition. It tells a reference to a later score from an unknown id.
    later: Vec<&'n str>,
}

impl<'n> Names<'n> {
    pub(crate) fn with(items: &'n [Item], parameters: &'n [Parameter], later: Vec<&'n str>) -> Self {
        let ids = items.iter().enumerate().filter_map(|(n, item)| Some((item.id.as_str(), u16::try_from(n).ok()?)));
        let mut item_ids: Vec<_> = ids.collect();
        item_ids.sort_unstable();
        let items = items.iter().map(|item| (!item.faulty).then(|| item.raw_span())).collect();
        let read = Vec::with_capacity(later.len());
        Names { items, item_ids, parameters, read, later, ..Names::default() }
    }

    /// The names of an instrument that is already compiled.
    pub(crate) fn compiled(items: &'n [Item], parameters: &'n [Parameter], compiled: &'n [ScoreDef]) -> Self {
        let shapes = compiled.iter().map(ScoreDef::shape).collect();
        Names { compiled, shapes, ..Names::with(items, parameters, Vec::new()) }
    }

    /// Adds a score, so that later parts of the definition can refer to it.
    pub(crate) fn add_score(&mut self, score: ScoreDef, shape: Shape) {
        self.read.push(score);
        self.shapes.push(shape);
    }

    /// The scores, in the order of the definition.
    pub(crate) fn scores(&self) -> &[ScoreDef] {
        if self.compiled.is_empty() { &self.read } else { self.compiled }
    }

    /// Positions of the items, sorted by id, and the scores read.
    pub(crate) fn into_parts(self) -> (Vec<u16>, Vec<ScoreDef>) {
        (self.item_ids.into_iter().map(|(_, position)| position).collect(), self.read)
    }

    fn find(&self, id: &str) -> Option<u16> {
        let found = self.item_ids.binary_search_by_key(&id, |(known, _)| known).ok()?;
        self.item_ids.get(found).map(|(_, item)| *item)
    }

    fn shape(&self, score: u16) -> Option<&Shape> {
        self.shapes.get(usize::from(score))
    }

    /// An item, by its id.
    pub(crate) fn item(&self, at: At<'_, '_>, faults: &mut Faults) -> Option<u16> {
        let id = at.text(faults)?;
        let found = self.find(id);
        if found.is_none() {
            at.fault(faults, Code::Unknown, "no item has this id");
        }
        found
    }

    /// Items, by a list of ids and runs; reports an item that is named twice.
    pub(crate) fn items(&self, at: At<'_, '_>, faults: &mut Faults) -> Vec<u16> {
        let mut items = Vec::new();
        at.names(faults, |id, element, faults| match self.find(id) {
            None => element.fault(faults, Code::Unknown, format!("no item has the id \"{id}\"")),
            Some(item) if items.contains(&item) => {
                element.fault(faults, Code::Conflict, format!("item \"{id}\" is named twice"));
            }
            Some(item) => items.push(item),
        });
        items
    }

    /// An earlier score, by its id.
    pub(crate) fn score(&self, at: At<'_, '_>, faults: &mut Faults) -> Option<u16> {
        let id = at.text(faults)?;
        let found = self.scores().iter().rposition(|score| score.id == id).and_then(|found| u16::try_from(found).ok());
        if found.is_none() {
            let later = self.later.contains(&id);
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
        self.shape(score) == Some(&Shape::Flag)
    }

    /// Whether the score itself was read without a fault.
    pub(crate) fn known(&self, score: u16) -> bool {
        self.shape(score).is_some_and(|shape| *shape != Shape::Faulty)
    }

    pub(crate) fn span(&self, score: u16) -> Option<Span> {
        match self.shape(score)? {
            Shape::Number(span) => Some(*span),
            _ => None,
        }
    }

    pub(crate) fn has_bands(&self, score: u16) -> bool {
        self.scores().get(usize::from(score)).is_some_and(|score| !score.bands.is_empty())
    }

    pub(crate) fn band(&self, score: u16, band: &str) -> Option<u16> {
        let bands = &self.scores().get(usize::from(score))?.bands;
        u16::try_from(bands.iter().position(|known| known.id == band)?).ok()
    }

    pub(crate) fn choices(&self, parameter: u16) -> Vec<&'n str> {
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
