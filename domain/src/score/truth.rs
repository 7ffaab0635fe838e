//! Evaluates conditions with incomplete information.
//!
//! Guarantee: unknown facts decide nothing. The result is true, false or unknown.

use super::{Answers, Score, answers::Slot, evaluate::band, possible};
use crate::{
    History, Instrument, Parameters,
    instrument::{
        condition::{Condition, Given, Since},
        item::Item,
        method::{Method, ScoreDef},
        parameter::Setting,
    },
};

/// The facts that decide a condition.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    pub(crate) answers: &'k Answers,
    pub(crate) scores: &'k [Score<'k>],
    pub(crate) items: &'k [Item],
    pub(crate) defs: &'k [ScoreDef],
    pub(crate) parameters: Option<&'k Parameters>,
    pub(crate) history: Option<&'k History>,
    /// Only facts that no missing answer can change count: scores count by their least possible figure.
    pub(crate) certain: bool,
}

impl<'k> Known<'k> {
    /// The answers to an instrument, without further facts.
    pub(crate) fn of(instrument: &'k Instrument, answers: &'k Answers) -> Self {
        let (items, defs) = (&instrument.items, &instrument.scores);
        Known { answers, scores: &[], items, defs, parameters: None, history: None, certain: false }
    }

    /// Whether `condition` holds; `None` if this is unknown.
    pub(crate) fn holds(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Item { item, test } => match self.answers.slot(*item) {
                Slot::Answered { raw, .. } => Some(test.holds(raw)),
                Slot::Missing | Slot::Skipped { .. } => None,
            },
            Condition::Unanswered { item, .. } if self.may_change(&[*item]) => None,
            Condition::Unanswered { item, is } => Some((self.answers.slot(*item) == Slot::Missing) == *is),
            Condition::Missing { items, .. } | Condition::Answered { items, .. } if self.may_change(items) => None,
            Condition::Missing { items, test } => {
                Some(test.holds(self.count(items, |slot| matches!(slot, Slot::Missing))))
            }
            Condition::Answered { items, test } => {
                Some(test.holds(self.count(items, |slot| matches!(slot, Slot::Answered { .. }))))
            }
            Condition::Score { score, test, certain } => {
                let certain = *certain || (self.certain && test.is_upward());
                self.passes(*score, certain, |x| test.holds(x))
            }
            Condition::Unscored { score, .. } if self.certain && self.score(*score)?.missing > 0 => None,
            Condition::Flag { score, is, certain } => match self.score(*score)?.flag() {
                Some(flag) => Some(flag == *is),
                None if *is && (*certain || self.certain) => self.certainly(*score),
                None => None,
            },
            Condition::Band { score, bands, certain } => {
                let all = self.defs.get(usize::from(*score))?.bands.as_slice();
                let named = |found| bands.iter().any(|named| all.get(usize::from(*named)) == Some(found));
                self.passes(*score, *certain, |x| band(all, x).is_some_and(named))
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

    /// Whether a score passes. A `certain` test also passes by the least possible figure. This figure never fails the
    /// test, because the missing answers may add to it.
    fn passes(&self, position: u16, certain: bool, test: impl Fn(f64) -> bool) -> Option<bool> {
        let score = self.score(position)?;
        let exact = score.exact().filter(|_| !self.certain || score.missing == 0);
        let least = if certain { self.least(position) } else { None };
        match (exact, least) {
            (Some(x), least) => Some(test(least.map_or(x, |least| x.max(least)))),
            (None, Some(least)) => test(least).then_some(true),
            (None, None) => None,
        }
    }

    /// The least possible figure of a score with missing answers, if it can be computed.
    pub(crate) fn least(&self, position: u16) -> Option<f64> {
        let missing = self.score(position)?.missing > 0;
        if missing { possible::least(self, position) } else { None }
    }

    /// Whether one of `items` may still get an answer, while only unchangeable facts count.
    fn may_change(&self, items: &[u16]) -> bool {
        self.certain && items.iter().any(|item| !matches!(self.answers.slot(*item), Slot::Answered { .. }))
    }

    /// True if a flag without a value must be set for all possible values of the missing answers.
    fn certainly(&self, position: u16) -> Option<bool> {
        let (condition, known) = self.certain_flag(position)?;
        known.holds(condition).filter(|holds| *holds)
    }

    /// The condition of a flag, and the facts that decide it with certainty.
    pub(crate) fn certain_flag(&self, position: u16) -> Option<(&'k Condition, Known<'k>)> {
        let [case] = self.defs.get(usize::from(position))?.cases.as_slice() else { return None };
        let Method::Flag(condition) = &case.method else { return None };
        Some((condition, Known { certain: true, ..*self }))
    }

    /// Evaluates `any` if `decisive` is true, and `all` if it is false.
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

    /// The number of `items` that satisfy `asked`.
    pub(crate) fn count(&self, items: &[u16], asked: impl Fn(Slot) -> bool) -> f64 {
        let count = items.iter().filter(|item| asked(self.answers.slot(**item))).count();
        u32::try_from(count).map_or(f64::INFINITY, f64::from)
    }

    /// The present and the earlier figure, both as published: the earlier one is known in no other form.
    pub(crate) fn change(&self, score: u16, since: Since) -> Option<(f64, f64)> {
        let score = self.score(score)?;
        let history = self.history?;
        let earlier = match since {
            Since::Previous => &history.previous,
            Since::Baseline => &history.baseline,
        };
        Some((score.number()?, *earlier.get(score.id)?))
    }

    /// The score at a position of the definition. The positions agree, except behind value sets that were not selected.
    pub(crate) fn score(&self, position: u16) -> Option<&'k Score<'k>> {
        let id = self.defs.get(usize::from(position))?.id.as_str();
        let there = self.scores.get(usize::from(position)).filter(|score| score.id == id);
        there.or_else(|| self.scores.iter().find(|score| score.id == id))
    }
}
