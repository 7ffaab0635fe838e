//! Parses answers.
//!
//! Guarantee: a value that its item does not allow is a finding. It never counts as a missing answer and never as a
//! figure. Findings state the allowed values and never the value that was sent.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use serde_json::{Map, Number, Value};

use super::Known;
use crate::reading::escape;
use crate::{
    Code, Finding, Instrument,
    instrument::{item::Item, range::is_whole},
};

/// The state of one item.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Slot {
    Missing,
    /// An answer, and its weight.
    Answered {
        raw: f64,
        counted: f64,
    },
    /// Not answered, because another answer made it unnecessary; the weight for that case.
    Skipped {
        counts: f64,
    },
}

/// The answers to one instrument, one place for each of its items.
#[derive(Clone, PartialEq)]
pub struct Answers {
    slots: Vec<Slot>,
}

/// Patient data: never printed.
impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers(..)")
    }
}

impl Answers {
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn slot(&self, item: u16) -> Slot {
        self.slots.get(usize::from(item)).copied().unwrap_or(Slot::Missing)
    }

    /// The number of answered items.
    pub fn answered(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Answered { .. })).count()
    }
}

impl Instrument {
    /// Reads answers in the form `{"q1": 0, "q2": null, ...}`: a number or the code of an option for each item. An item
    /// that is absent or `null` is missing.
    ///
    /// # Errors
    /// A finding for each fault, pointers relative to the object of answers.
    pub fn read(&self, answers: &Map<String, Value>) -> Result<Answers, Vec<Finding>> {
        let mut slots = Vec::new();
        slots.resize(self.items.len(), Slot::Missing);
        let mut faults = Vec::new();
        // Answers and items are in the order of their ids.
        let mut next = 0;
        for (id, value) in answers {
            let position = self.position(&mut next, id);
            let Some((position, item)) = position.and_then(|at| Some((at, self.items.get(at)?))) else {
                faults.push(Finding::new(format!("/{}", escape(id)), Code::Unknown, "no item of this instrument"));
                continue;
            };
            match (read_answer(item, value), slots.get_mut(position)) {
                (Ok(Some(raw)), Some(slot)) => {
                    let counted = if item.direct.is_some() { raw } else { item.counted(raw) };
                    *slot = Slot::Answered { raw, counted };
                }
                (Ok(_), _) => {}
                (Err(code), _) => faults.push(Finding::new(format!("/{}", escape(id)), code, item.rule())),
            }
        }
        let mut answers = Answers { slots };
        if self.has_skips {
            self.skip(&mut answers);
        }
        if self.has_required {
            let slots = self.items.iter().zip(&answers.slots);
            for (item, _) in slots.filter(|(item, slot)| item.required && **slot == Slot::Missing) {
                // An answer that is present but wrong already has a finding.
                let pointer = format!("/{}", escape(&item.id));
                if !faults.iter().any(|fault| fault.pointer == pointer) {
                    faults.push(Finding::new(pointer, Code::Required, item.rule()));
                }
            }
        }
        if faults.is_empty() { Ok(answers) } else { Err(faults) }
    }

    /// An answer given as text, such as a table field: the code of an option, else a number, else the text unchanged.
    pub fn answer_of(&self, item: &str, text: &str) -> Value {
        let item = self.position(&mut 0, item).and_then(|position| self.items.get(position));
        let coded = item.is_some_and(|item| item.options.iter().any(|choice| choice.code.as_deref() == Some(text)));
        let number = if coded { None } else { text.parse().ok().and_then(Number::from_f64) };
        number.map_or_else(|| Value::from(text), Value::Number)
    }

    /// Marks the items that the form skipped. The conditions use the given answers, not other skips.
    fn skip(&self, answers: &mut Answers) {
        let known = Known { items: &[], defs: &[], ..Known::of(self, answers) };
        let skipped: Vec<(usize, f64)> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(position, item)| Some((position, item.skip.as_ref()?)))
            .filter(|(_, skip)| known.holds(&skip.when) == Some(true))
            .map(|(position, skip)| (position, skip.counts))
            .collect();
        for (position, counts) in skipped {
            if let Some(slot) = answers.slots.get_mut(position)
                && *slot == Slot::Missing
            {
                *slot = Slot::Skipped { counts };
            }
        }
    }
}

/// The answer as a figure; `None` when it is missing.
fn read_answer(item: &Item, value: &Value) -> Result<Option<f64>, Code> {
    let raw = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64().ok_or(Code::Range)? + 0.0, // -0 is 0
        Value::String(code) => {
            if !item.options.iter().any(|choice| choice.code.is_some()) {
                return Err(Code::Type);
            }
            let choice = item.options.iter().find(|choice| choice.code.as_ref() == Some(code));
            let choice = choice.ok_or(Code::Choice)?;
            return Ok(choice.weight.map(|_| choice.value));
        }
        _ => return Err(Code::Type),
    };
    if let Some((low, high)) = item.direct {
        return if low <= raw && raw <= high && is_whole(raw) { Ok(Some(raw)) } else { Err(Code::Range) };
    }
    if item.missing_values.contains(&raw) {
        return Ok(None);
    }
    if !item.options.is_empty() {
        let choice = item.options.iter().find(|choice| choice.value == raw).ok_or(Code::Range)?;
        return Ok(choice.weight.map(|_| raw));
    }
    if item.raw_span().contains(raw) { Ok(Some(raw)) } else { Err(Code::Range) }
}
