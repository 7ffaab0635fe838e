//! Preference indices: the value of a health state in a value set.
//!
//! Guarantee: an index exists only if every dimension is answered. Indices are not clamped, because a state may be
//! worse than death.

use alloc::vec::Vec;

use super::{Known, answers::Slot};
use crate::instrument::method::{Extra, ValueSet};

/// The index of the answered health state; `None` if a dimension is missing.
pub(crate) fn of(set: &ValueSet, known: &Known) -> Option<f64> {
    let level = |item: &u16| match known.answers.slot(*item) {
        Slot::Answered { raw, .. } => Some(raw),
        Slot::Missing | Slot::Skipped { .. } => None,
    };
    let mut state = Vec::with_capacity(set.items.len());
    for item in &set.items {
        state.push(level(item)?);
    }
    match &set.crosswalk {
        None => Some(value(set, &state)),
        Some(shares) => {
            let rows = shares.iter().zip(&state).map(|(rows, level)| rows.get(position(*level)));
            let rows: Vec<&[f64]> = rows.map(|row| row.map_or([].as_slice(), Vec::as_slice)).collect();
            Some(expected(set, &rows, &mut Vec::with_capacity(state.len())))
        }
    }
}

/// The mean of the values of the states that `rows` map to, weighted by their shares. `state` is the part already
/// chosen.
fn expected(set: &ValueSet, rows: &[&[f64]], state: &mut Vec<f64>) -> f64 {
    let Some((row, rest)) = rows.split_first() else { return value(set, state) };
    let mut sum = 0.0;
    let mut level = 0.0;
    for share in *row {
        level += 1.0;
        if *share > 0.0 {
            state.push(level);
            sum += share * expected(set, rest, state);
            state.pop();
        }
    }
    sum
}

/// The list index of a level.
fn position(level: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a level of a dimension, 1 or more")]
    let position = level as usize;
    position.saturating_sub(1)
}

/// The sum or product of start value, level coefficients and further terms.
fn value(set: &ValueSet, state: &[f64]) -> f64 {
    if let Some((_, value)) = set.states.iter().find(|(fixed, _)| fixed == state) {
        return *value;
    }
    let mut value = set.start;
    let mut add = |figure: f64| value = if set.product { value * figure } else { value + figure };
    for (row, level) in set.levels.iter().zip(state) {
        row.get(position(*level)).copied().into_iter().for_each(&mut add);
    }
    let levels = || state.iter().copied();
    let level = |n: usize| state.get(n).copied();
    let occurs = |asked: &f64| levels().any(|x| x == *asked);
    for extra in &set.extras {
        match extra {
            Extra::Any { level, value } if levels().any(|x| x >= *level) => add(*value),
            Extra::Each { level, values } => {
                levels().zip(values).filter(|(x, _)| x >= level).for_each(|(_, value)| add(*value));
            }
            Extra::Present { some, none, value } if some.iter().all(occurs) && !none.iter().any(occurs) => add(*value),
            Extra::Count { from, to, less, power, given, value } => {
                let n = levels().filter(|x| (*from..=*to).contains(x)).count();
                let n = u32::try_from(n).map_or(0.0, f64::from) - f64::from(*less);
                if n > 0.0 && given.as_ref().is_none_or(occurs) {
                    add(value * (0..*power).fold(1.0, |all, _| all * n));
                }
            }
            Extra::Product { x, y, value } => {
                if let (Some(x), Some(y)) = (level(*x), level(*y)) {
                    add(value * (x - 1.0) * (y - 1.0));
                }
            }
            Extra::Together { at, value } if at.iter().all(|(n, exact)| level(*n) == Some(*exact)) => add(*value),
            Extra::Any { .. } | Extra::Present { .. } | Extra::Together { .. } => {}
        }
    }
    value
}
