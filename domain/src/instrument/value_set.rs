//! Reading a value set of a preference index.

use alloc::{format, vec::Vec};

use super::{
    method::{Extra, ValueSet},
    range::Span,
    scores::Reader,
    walk::At,
};
use crate::Code;

const MEMBERS: [&str; 7] = ["source", "note", "start", "best", "levels", "extras", "title"];
const EXTRAS: [&str; 5] = ["any", "each", "count", "product", "together"];

/// Reads one value set over `items`, which have `levels` levels each.
pub(crate) fn read(reader: &mut Reader, at: At<'_, '_>, items: &[u16], levels: &[usize]) -> Option<ValueSet> {
    if !at.object(reader.faults, &MEMBERS) {
        return None;
    }
    if let Some(source) = at.need("source", reader.faults) {
        source.words(reader.faults);
    }
    let start = at.get("start").map_or(Some(1.0), |at| at.number(reader.faults));
    let best = at.get("best").and_then(|at| at.number(reader.faults));
    let mut coefficients = Vec::new();
    let rows_at = at.need("levels", reader.faults)?;
    let rows = rows_at.list(reader.faults);
    if rows.len() != levels.len() {
        rows_at.fault(reader.faults, Code::Range, format!("one list for each of {} dimensions", levels.len()));
        return None;
    }
    for (row, levels) in rows.iter().zip(levels) {
        let mut numbers = row.numbers(reader.faults);
        // Level 1 is the reference and costs nothing, unless a paper gives it a coefficient of its own.
        if numbers.len() + 1 == *levels {
            numbers.insert(0, 0.0);
        }
        if numbers.len() != *levels {
            row.fault(reader.faults, Code::Range, format!("a coefficient for each level from 2 to {levels}"));
        }
        coefficients.push(numbers);
    }
    let mut extras = Vec::new();
    if let Some(list) = at.get("extras") {
        for extra in list.filled_list(reader.faults) {
            extras.extend(read_extra(reader, extra, levels));
        }
    }
    Some(ValueSet { items: items.to_vec(), start: start?, best, levels: coefficients, extras })
}

fn read_extra(reader: &mut Reader, at: At<'_, '_>, levels: &[usize]) -> Option<Extra> {
    let dimensions = levels.len();
    let most = levels.iter().copied().max().and_then(|most| u16::try_from(most).ok()).unwrap_or(1);
    let kind = at.need("term", reader.faults)?.choice(&EXTRAS, reader.faults)?;
    let members: &[&str] = match kind {
        0 => &["term", "level", "value"],
        1 => &["term", "level", "values"],
        2 => &["term", "from", "to", "less", "power", "value"],
        3 => &["term", "dimensions", "value"],
        _ => &["term", "dimensions", "levels", "value"],
    };
    at.object(reader.faults, members);
    let level = |key: &str, reader: &mut Reader| {
        at.need(key, reader.faults).and_then(|at| at.whole(1, most, reader.faults)).map(f64::from)
    };
    let value = |reader: &mut Reader| at.need("value", reader.faults).and_then(|at| at.number(reader.faults));
    let named = |reader: &mut Reader, count: Option<usize>| -> Option<Vec<usize>> {
        let list = at.need("dimensions", reader.faults)?;
        let last = u16::try_from(dimensions).ok()?;
        let elements = list.list(reader.faults);
        let found: Vec<usize> =
            elements.iter().filter_map(|at| at.whole(1, last, reader.faults)).map(|n| usize::from(n) - 1).collect();
        if count.is_some_and(|count| count != elements.len()) || elements.is_empty() {
            list.fault(reader.faults, Code::Range, "two dimensions");
            return None;
        }
        (found.len() == elements.len()).then_some(found)
    };
    match kind {
        0 => Some(Extra::Any { level: level("level", reader)?, value: value(reader)? }),
        1 => {
            let level = level("level", reader)?;
            let list = at.need("values", reader.faults)?;
            let values = list.numbers(reader.faults);
            if values.len() != dimensions {
                list.fault(reader.faults, Code::Range, "a value for each dimension");
            }
            Some(Extra::Each { level, values })
        }
        2 => {
            let from = level("from", reader)?;
            let to = if at.get("to").is_some() { level("to", reader)? } else { f64::from(most) };
            let mut whole = |key: &str, low, high, otherwise| match at.get(key) {
                Some(at) => at.whole(low, high, reader.faults),
                None => Some(otherwise),
            };
            let (less, power) = (whole("less", 0, 20, 0)?, whole("power", 1, 3, 1)?);
            Some(Extra::Count { from, to, less, power, value: value(reader)? })
        }
        3 => match named(reader, Some(2))?.as_slice() {
            [x, y] => Some(Extra::Product { x: *x, y: *y, value: value(reader)? }),
            _ => None,
        },
        _ => {
            let named = named(reader, None)?;
            let levels = at.need("levels", reader.faults)?;
            let wanted: Vec<f64> = levels
                .list(reader.faults)
                .iter()
                .filter_map(|at| at.whole(1, most, reader.faults))
                .map(f64::from)
                .collect();
            if wanted.len() != named.len() {
                levels.fault(reader.faults, Code::Range, "a level for each dimension named");
            }
            Some(Extra::Together { at: named.into_iter().zip(wanted).collect(), value: value(reader)? })
        }
    }
}

/// A span no index of this set leaves; wider than need be where terms cannot occur together.
pub(crate) fn span(set: &ValueSet) -> Span {
    let mut span = Span { low: set.start, high: set.start, whole: false };
    let mut add = |figures: &[f64]| {
        span.low += figures.iter().copied().fold(f64::INFINITY, f64::min);
        span.high += figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    };
    for row in set.levels.iter().filter(|row| !row.is_empty()) {
        add(row);
    }
    let dimensions = u16::try_from(set.items.len()).unwrap_or(u16::MAX);
    for extra in &set.extras {
        match extra {
            Extra::Any { value, .. } | Extra::Together { value, .. } => add(&[0.0, *value]),
            Extra::Each { values, .. } => values.iter().for_each(|value| add(&[0.0, *value])),
            Extra::Count { less, power, value, .. } => {
                let most = f64::from(dimensions.saturating_sub(*less));
                add(&[0.0, value * (0..*power).fold(1.0, |all, _| all * most)]);
            }
            Extra::Product { x, y, value } => {
                let levels = |n: usize| set.levels.get(n).map_or(0, Vec::len);
                let most = |n: usize| f64::from(u16::try_from(levels(n)).unwrap_or(u16::MAX)) - 1.0;
                add(&[0.0, value * most(*x) * most(*y)]);
            }
        }
    }
    if let Some(best) = set.best {
        span.low = span.low.min(best);
        span.high = span.high.max(best);
    }
    span
}
