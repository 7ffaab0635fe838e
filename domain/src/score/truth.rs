//! Deciding conditions over what is known.
//!
//! Guarantee: what is not known decides nothing. The answer is true, false or unknown.

use super::{Answers, Score, answers::Slot};
use crate::{
    History, Parameters,
    instrument::{
        condition::{Condition, Given, Since},
        method::ScoreDef,
        parameter::Setting,
    },
};

/// What a condition is decided on.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    pub(crate) answers: &'k Answers,
    pub(crate) scores: &'k [Score<'k>],
    pub(crate) defs: &'k [ScoreDef],
    pub(crate) parameters: Option<&'k Parameters>,
    pub(crate) history: Option<&'k History>,
}

impl<'k> Known<'k> {
    /// Whether `condition` holds; `None` when that cannot be known.
    pub(crate) fn holds(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Item { item, test } => match self.answers.slot(*item) {
                Slot::Answered { raw, .. } => Some(test.holds(raw)),
                Slot::Missing | Slot::Skipped { .. } => None,
            },
            Condition::Unanswered { item, is } => Some((self.answers.slot(*item) == Slot::Missing) == *is),
            Condition::Missing { items, test } => {
                Some(test.holds(self.count(items, |slot| matches!(slot, Slot::Missing))))
            }
            Condition::Answered { items, test } => {
                Some(test.holds(self.count(items, |slot| matches!(slot, Slot::Answered { .. }))))
            }
            Condition::Score { score, test } => Some(test.holds(self.score(*score)?.exact()?)),
            Condition::Flag { score, is } => Some(self.score(*score)?.flag()? == *is),
            Condition::Band { score, bands } => {
                let found = self.score(*score)?.band?;
                let named = self.defs.get(usize::from(*score))?;
                Some(bands.iter().filter_map(|band| named.bands.get(usize::from(*band))).any(|band| band.id == found))
            }
            Condition::Unscored { score, is } => Some(self.score(*score)?.value.is_none() == *is),
            Condition::Change { score, since, test } => {
                let (now, then) = self.change(*score, *since)?;
                Some(test.holds(now - then))
            }
            Condition::Parameter { parameter, given } => match (given, self.parameters?.setting(*parameter)?) {
                (Given::Choice(choices), Setting::Choice(choice)) => Some(choices.contains(&choice)),
                (Given::Number(test), Setting::Number(number)) => Some(test.holds(number)),
                _ => None,
            },
            Condition::All(parts) => self.combine(parts, false),
            Condition::Any(parts) => self.combine(parts, true),
            Condition::Not(part) => self.holds(part).map(|holds| !holds),
        }
    }

    /// `any` when `decisive` is true, `all` when it is false.
    fn combine(&self, parts: &[Condition], decisive: bool) -> Option<bool> {
        let mut unknown = false;
        for part in parts {
            match self.holds(part) {
                Some(holds) if holds == decisive => return Some(decisive),
                Some(_) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(!decisive)
    }

    /// How many of `items` are as asked.
    pub(crate) fn count(&self, items: &[u16], asked: impl Fn(Slot) -> bool) -> f64 {
        let count = items.iter().filter(|item| asked(self.answers.slot(**item))).count();
        u32::try_from(count).map_or(f64::INFINITY, f64::from)
    }

    /// The figure now and then, both as they are given out: the earlier one is known in no other form.
    pub(crate) fn change(&self, score: u16, since: Since) -> Option<(f64, f64)> {
        let score = self.score(score)?;
        let history = self.history?;
        let earlier = match since {
            Since::Previous => &history.previous,
            Since::Baseline => &history.baseline,
        };
        Some((score.number()?, *earlier.get(score.id)?))
    }

    /// The score at a position of the definition. Scores are where the definition has them, except behind value sets that
    /// were not asked for.
    pub(crate) fn score(&self, position: u16) -> Option<&'k Score<'k>> {
        let id = self.defs.get(usize::from(position))?.id.as_str();
        let there = self.scores.get(usize::from(position)).filter(|score| score.id == id);
        there.or_else(|| self.scores.iter().find(|score| score.id == id))
    }
}
