//! Parses a value set of a preference index.

use alloc::{format, sync::Arc, vec::Vec};

use super::{
    method::{Crosswalk, Extra, ValueSet},
    range::Span,
    scores::Reader,
};
use crate::Code;
use crate::reading::{At, Faults};

const MEMBERS: [&str; 8] = ["source", "note", "combine", "start", "levels", "extras", "states", "direct"];

/// The most states that a crosswalk may map to, because it goes through all of them.
const MOST_STATES: usize = 10_000;

/// The terms and their members.
const EXTRAS: [(&str, &[&str]); 6] = [
    ("any", &["term", "level", "value"]),
    ("each", &["term", "level", "values"]),
    ("present", &["term", "some", "none", "value"]),
    ("count", &["term", "from", "to", "less", "power", "given", "value"]),
    ("product", &["term", "dimensions", "value"]),
    ("together", &["term", "dimensions", "levels", "value"]),
];

/// The dimensions that value sets are read for.
pub(crate) struct Dimensions {
    pub(crate) items: Vec<u16>,
    /// The number of levels that each dimension can be answered with.
    pub(crate) levels: Vec<usize>,
    /// The mapping of the answers, applied before a set values them.
    pub(crate) crosswalk: Option<Arc<Crosswalk>>,
}

/// Reads the shares of a crosswalk: a list for each dimension, which has a list for each level, which has shares that
/// add up to 1.
pub(crate) fn read_crosswalk(at: At<'_, '_>, levels: &[usize], faults: &mut Faults) -> Option<Arc<Crosswalk>> {
    if !at.object(faults, &["source", "shares"]) {
        return None;
    }
    if let Some(source) = at.need("source", faults) {
        source.words(faults);
    }
    let before = faults.len();
    let shares_at = at.need("shares", faults)?;
    let mut shares = Crosswalk::new();
    for dimension in shares_at.list(faults) {
        let rows = dimension.list(faults);
        let figures: Vec<Vec<f64>> = rows.iter().map(|row| row.numbers(faults)).collect();
        for (row, figures) in rows.iter().zip(&figures) {
            let one = (figures.iter().sum::<f64>() - 1.0).abs() <= 1e-6 && figures.iter().all(|share| *share >= 0.0);
            if !one && faults.len() == before {
                row.fault(faults, Code::Range, "shares of 0 or more that add up to 1");
            }
        }
        shares.push(figures);
    }
    let known = shares.len() == levels.len() && shares.iter().zip(levels).all(|(rows, levels)| rows.len() == *levels);
    let widths = |rows: &Vec<Vec<f64>>| rows.windows(2).all(|pair| matches!(pair, [a, b] if a.len() == b.len()));
    if faults.len() == before && !(known && shares.iter().all(widths)) {
        shares_at.fault(faults, Code::Range, "for each dimension a list for each level, all of one length");
    }
    let states = shares.iter().flat_map(|rows| rows.first()).try_fold(1usize, |all, row| all.checked_mul(row.len()));
    if states.is_none_or(|states| states > MOST_STATES) {
        shares_at.fault(faults, Code::Range, format!("at most {MOST_STATES} states to map to"));
    }
    (faults.len() == before).then(|| Arc::new(shares))
}

/// Reads one value set.
pub(crate) fn read(reader: &mut Reader, at: At<'_, '_>, dimensions: &Dimensions) -> Option<ValueSet> {
    let faults = &mut *reader.faults;
    if !at.object(faults, &MEMBERS) {
        return None;
    }
    let direct = at.get("direct").map_or(Some(false), |at| at.flag(faults))?;
    let crosswalk = dimensions.crosswalk.clone().filter(|_| !direct);
    let mapped = crosswalk.iter().flat_map(|shares| shares.iter().map(|rows| rows.first().map_or(0, Vec::len)));
    let levels: &[usize] = if crosswalk.is_some() { &mapped.collect::<Vec<_>>() } else { &dimensions.levels };
    if let Some(source) = at.need("source", faults) {
        source.words(faults);
    }
    let product = match at.get("combine") {
        Some(combine) => combine.choice(&["sum", "product"], faults)? == 1,
        None => false,
    };
    let start = at.get("start").map_or(Some(1.0), |at| at.number(faults))?;
    let rows_at = at.need("levels", faults)?;
    let rows = rows_at.list(faults);
    if rows.len() != levels.len() {
        rows_at.fault(faults, Code::Range, format!("one list for each of {} dimensions", levels.len()));
        return None;
    }
    let mut coefficients = Vec::new();
    for (row, levels) in rows.iter().zip(levels) {
        let mut numbers = row.numbers(faults);
        // Level 1 is the reference and has no effect, unless a paper gives it a coefficient of its own.
        if numbers.len() + 1 == *levels {
            numbers.insert(0, if product { 1.0 } else { 0.0 });
        }
        if numbers.len() != *levels {
            row.fault(faults, Code::Range, format!("a coefficient for each level from 2 to {levels}"));
        }
        coefficients.push(numbers);
    }
    let extras = at.get("extras").map(|list| read_extras(list, levels, faults)).unwrap_or_default();
    let states = at.get("states").map(|states| read_states(states, levels, faults)).unwrap_or_default();
    let items = dimensions.items.clone();
    Some(ValueSet { items, product, start, levels: coefficients, extras, states, crosswalk })
}

/// Reads `{"12133": 0.154, ...}`.
fn read_states(at: At<'_, '_>, levels: &[usize], faults: &mut Faults) -> Vec<(Vec<f64>, f64)> {
    let mut states = Vec::new();
    for (name, value) in at.members(faults) {
        let digits: Vec<u32> = name.chars().filter_map(|c| c.to_digit(10)).collect();
        let known = digits.iter().zip(levels).all(|(digit, levels)| (1..=*levels).contains(&(*digit as usize)));
        if name.len() != levels.len() || digits.len() != levels.len() || !known {
            value.fault(faults, Code::Unknown, "a state is one level for each dimension");
        }
        states.extend(value.number(faults).map(|value| (digits.into_iter().map(f64::from).collect(), value)));
    }
    states
}

fn read_extras(at: At<'_, '_>, levels: &[usize], faults: &mut Faults) -> Vec<Extra> {
    let extras = at.filled_list(faults);
    extras.into_iter().filter_map(|extra| Term { at: extra, levels, faults }.read()).collect()
}

/// One term being read.
struct Term<'t, 'v, 'p> {
    at: At<'v, 'p>,
    levels: &'t [usize],
    faults: &'t mut Faults,
}

impl Term<'_, '_, '_> {
    fn read(mut self) -> Option<Extra> {
        let at = self.at;
        let names = EXTRAS.map(|(name, _)| name);
        let kind = at.need("term", self.faults)?.choice(&names, self.faults)?;
        let (name, members) = EXTRAS.get(kind)?;
        at.object(self.faults, members);
        match *name {
            "any" => Some(Extra::Any { level: self.level("level")?, value: self.value()? }),
            "each" => {
                let level = self.level("level")?;
                let list = at.need("values", self.faults)?;
                let values = list.numbers(self.faults);
                if values.len() != self.levels.len() {
                    list.fault(self.faults, Code::Range, "must have a value for each dimension");
                }
                Some(Extra::Each { level, values })
            }
            "present" => {
                let (some, none) = (self.list("some"), self.list("none"));
                if some.is_empty() && none.is_empty() {
                    at.fault(self.faults, Code::Required, "needs \"some\" or \"none\"");
                }
                Some(Extra::Present { some, none, value: self.value()? })
            }
            "count" => {
                let from = self.level("from")?;
                let to = if at.get("to").is_some() { self.level("to")? } else { f64::from(self.most()) };
                let given = if at.get("given").is_some() { Some(self.level("given")?) } else { None };
                let mut whole = |key: &str, low, high, otherwise| match at.get(key) {
                    Some(at) => at.whole(low, high, self.faults),
                    None => Some(otherwise),
                };
                let (less, power) = (whole("less", 0, 20, 0)?, whole("power", 1, 3, 1)?);
                Some(Extra::Count { from, to, less, power, given, value: self.value()? })
            }
            "product" => match self.dimensions()?.as_slice() {
                [x, y] => Some(Extra::Product { x: *x, y: *y, value: self.value()? }),
                _ => {
                    at.fault(self.faults, Code::Range, "must name two dimensions");
                    None
                }
            },
            _ => {
                let dimensions = self.dimensions()?;
                let levels = self.list("levels");
                if levels.len() != dimensions.len() {
                    at.fault(self.faults, Code::Range, "must have a level for each dimension named");
                }
                Some(Extra::Together { at: dimensions.into_iter().zip(levels).collect(), value: self.value()? })
            }
        }
    }

    /// The worst level.
    fn most(&self) -> u16 {
        self.levels.iter().copied().max().and_then(|most| u16::try_from(most).ok()).unwrap_or(1)
    }

    fn level(&mut self, key: &str) -> Option<f64> {
        let most = self.most();
        self.at.need(key, self.faults)?.whole(1, most, self.faults).map(f64::from)
    }

    fn value(&mut self) -> Option<f64> {
        self.at.need("value", self.faults)?.number(self.faults)
    }

    /// A list of levels; empty if it is absent.
    fn list(&mut self, key: &str) -> Vec<f64> {
        let most = self.most();
        let Some(list) = self.at.get(key) else { return Vec::new() };
        let elements = list.filled_list(self.faults);
        elements.iter().filter_map(|at| at.whole(1, most, self.faults)).map(f64::from).collect()
    }

    /// Dimensions by number, from 1, each at most once.
    fn dimensions(&mut self) -> Option<Vec<usize>> {
        let last = u16::try_from(self.levels.len()).ok()?;
        let list = self.at.need("dimensions", self.faults)?;
        let elements = list.filled_list(self.faults);
        let mut found: Vec<usize> = Vec::new();
        for element in elements {
            let dimension = usize::from(element.whole(1, last, self.faults)?) - 1;
            if found.contains(&dimension) {
                element.fault(self.faults, Code::Conflict, "a dimension is named once");
            }
            found.push(dimension);
        }
        Some(found)
    }
}

/// A span that contains every index of this set. It is wider than necessary if some terms cannot occur together.
pub(crate) fn span(set: &ValueSet) -> Span {
    let mut span = Span { low: set.start, high: set.start, whole: false };
    let mut apply = |figures: &[f64]| {
        let low = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let high = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if set.product {
            let ends = [span.low * low, span.low * high, span.high * low, span.high * high];
            span.low = ends.into_iter().fold(f64::INFINITY, f64::min);
            span.high = ends.into_iter().fold(f64::NEG_INFINITY, f64::max);
        } else {
            span.low += low;
            span.high += high;
        }
    };
    for row in set.levels.iter().filter(|row| !row.is_empty()) {
        apply(row);
    }
    let nothing = if set.product { 1.0 } else { 0.0 };
    let dimensions = u16::try_from(set.items.len()).unwrap_or(u16::MAX);
    for extra in &set.extras {
        match extra {
            Extra::Any { value, .. } | Extra::Together { value, .. } | Extra::Present { value, .. } => {
                apply(&[nothing, *value]);
            }
            Extra::Each { values, .. } => values.iter().for_each(|value| apply(&[nothing, *value])),
            Extra::Count { less, power, value, .. } => {
                let most = f64::from(dimensions.saturating_sub(*less));
                apply(&[nothing, value * (0..*power).fold(1.0, |all, _| all * most), *value]);
            }
            Extra::Product { x, y, value } => {
                let levels = |n: usize| set.levels.get(n).map_or(0, Vec::len);
                let most = |n: usize| f64::from(u16::try_from(levels(n)).unwrap_or(u16::MAX)) - 1.0;
                apply(&[nothing, value * most(*x) * most(*y), *value]);
            }
        }
    }
    for (_, value) in &set.states {
        span.low = span.low.min(*value);
        span.high = span.high.max(*value);
    }
    span
}
