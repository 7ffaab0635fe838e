//! Laboratory results and their severity by CTCAE v5.0.
//!
//! Guarantee: a grade is given only if the published figures decide it, with the reason in words. Otherwise the result
//! is not graded and states why: the analyte is unknown or has no grades, a required limit of normal is missing, the
//! result is not a figure, or a "more than" or "less than" leaves the grade open. Nothing is guessed, and no result is
//! left out.

mod ctcae;

mod panel;

use alloc::{string::String, vec::Vec};

use serde_json::{Map, Value};

use crate::report::figure::{self, Comparator};
use crate::{
    instrument::condition::Test,
    report::units::{self, Analyte, Coded},
};
pub use ctcae::grade;
pub(crate) use ctcae::grades;
pub use panel::panel;

/// A figure, or all figures on one side of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    figure: f64,
    comparator: Option<Comparator>,
}

/// The relative step past an exclusive bound. It is larger than the difference up to which two figures count as equal.
const PAST: f64 = 1e-6;

impl Quantity {
    /// Whether it passes `test`. None if only some of the possible figures pass.
    pub(crate) fn passes(self, test: &Test) -> Option<bool> {
        let past = PAST * self.figure.abs().max(1.0);
        let (end, far) = match self.comparator {
            None => return Some(test.holds(self.figure)),
            Some(Comparator::Below) => (self.figure - past, f64::NEG_INFINITY),
            Some(Comparator::AtMost) => (self.figure, f64::NEG_INFINITY),
            Some(Comparator::AtLeast) => (self.figure, f64::INFINITY),
            Some(Comparator::Above) => (self.figure + past, f64::INFINITY),
        };
        let two_sided =
            (test.at_least.is_some() || test.above.is_some()) && (test.at_most.is_some() || test.below.is_some());
        match (test.holds(end), test.holds(far)) {
            (true, true) => Some(true),
            // Figures between the two ends may still pass.
            (false, false) if !two_sided && test.one_of.is_empty() => Some(false),
            _ => None,
        }
    }

    /// The same quantity in another unit.
    fn times(self, factor: f64) -> Self {
        Quantity { figure: self.figure * factor, ..self }
    }

    /// In words, such as "7.2" or "less than 5".
    fn words(self) -> String {
        let before = match self.comparator {
            None => "",
            Some(Comparator::Below) => "less than ",
            Some(Comparator::AtMost) => "at most ",
            Some(Comparator::AtLeast) => "at least ",
            Some(Comparator::Above) => "more than ",
        };
        alloc::format!("{before}{}", crate::number::figure(self.figure))
    }
}

/// One result of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<'r> {
    code: &'r str,
    known: Option<Coded>,
    unit: &'r str,
    quantity: Option<Quantity>,
    low: Option<f64>,
    high: Option<f64>,
}

impl<'r> Measured<'r> {
    /// The results in a report's data, in its order. It skips results without the form that [`crate::report::check`]
    /// requires.
    pub fn list(data: &'r Map<String, Value>) -> Vec<Measured<'r>> {
        let results = data.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        results.iter().map(Measured::read).collect()
    }

    fn read(result: &'r Value) -> Self {
        let text = |member: &str| result.get(member).and_then(Value::as_str).unwrap_or_default();
        let limit = |member: &str| result.get("referenceRange")?.get(member)?.as_f64();
        let (code, comparator) = (text("code"), Comparator::parse(text("comparator")));
        let known = units::of(code);
        let quantity = match result.get("value") {
            // The text of an unknown analyte may be anything.
            Some(Value::String(text)) if known.is_some() => figure::read(text),
            value => value.and_then(Value::as_f64).map(|figure| (None, figure)),
        };
        Measured {
            code,
            known,
            unit: text("unit"),
            quantity: quantity.map(|(written, figure)| Quantity { figure, comparator: written.or(comparator) }),
            low: limit("low"),
            high: limit("high"),
        }
    }

    /// Whether a rule on `code` applies to this result: by its own code, or by the panel's code for its analyte.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code || self.analyte().is_some_and(|analyte| analyte.code == code)
    }

    fn analyte(&self) -> Option<&'static Analyte> {
        self.known.map(|known| known.analyte)
    }

    /// Whether it is more than was ever measured. Then the unit or the figure is wrong.
    fn is_impossible(&self) -> bool {
        let found = self.analyte().zip(self.quantity);
        found.is_some_and(|(analyte, quantity)| analyte.is_impossible(quantity.figure, self.unit))
    }

    /// The analyte in words, or its code.
    pub(crate) fn name(&self) -> &'r str {
        self.analyte().map_or(self.code, |analyte| analyte.name)
    }

    /// The result in `unit`. The result of an unknown analyte has only its own unit.
    pub(crate) fn quantity_in(&self, unit: &str) -> Option<Quantity> {
        let quantity = self.quantity?;
        match self.analyte() {
            Some(analyte) => Some(quantity.times(analyte.convert(1.0, self.unit, unit)?)),
            None => (self.unit == unit).then_some(quantity),
        }
    }

    /// The result as a multiple of its upper or lower limit of normal.
    pub(crate) fn times_limit(&self, upper: bool) -> Option<Quantity> {
        let limit = if upper { self.high } else { self.low };
        let limit = limit.filter(|limit| *limit > 0.0)?;
        Some(self.quantity?.times(1.0 / limit))
    }

    /// The result in words, such as "potassium is 7.2 mmol/L". Patient data.
    pub(crate) fn words(&self) -> String {
        let figure = self.quantity.map(Quantity::words).unwrap_or_default();
        alloc::format!("{} is {figure} {}", self.name(), self.unit)
    }
}

/// A subject's first result of an analyte, taken before the study's interventions.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// The panel's code.
    code: &'static str,
    /// In the analyte's first unit.
    figure: f64,
    /// Whether it is above its own upper limit of normal; none if it had no limit.
    abnormal: Option<bool>,
}

impl Baseline {
    /// The baselines from the results of one report: exact figures of known analytes, the first of each.
    pub fn of(results: &[Measured<'_>]) -> Vec<Baseline> {
        let mut found: Vec<Baseline> = Vec::new();
        for result in results {
            let exact = result.quantity.filter(|quantity| quantity.comparator.is_none());
            let (Some(quantity), Some(analyte)) = (exact, result.analyte()) else { continue };
            let Some(unit) = analyte.units().next() else { continue };
            let Some(figure) = analyte.convert(quantity.figure, result.unit, unit) else { continue };
            if !found.iter().any(|known| known.code == analyte.code) {
                let above = |high| Test { above: Some(high), ..Test::default() }.holds(quantity.figure);
                found.push(Baseline { code: analyte.code, figure, abnormal: result.high.map(above) });
            }
        }
        found
    }
}

/// The CTCAE grade of one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grade {
    /// The index of the result in the report, from 0.
    pub result: usize,
    /// The code of the result.
    pub code: String,
    /// The panel's code for the analyte; none if the analyte is unknown.
    pub analyte: Option<&'static str>,
    /// 0 to 4; none when not graded.
    pub grade: Option<u8>,
    /// The grade may be worse, because the figure is open to that side.
    pub or_more: bool,
    /// The CTCAE term of a grade above 0.
    pub term: Option<&'static str>,
    /// The reason, in words. Patient data.
    pub reason: String,
}

impl Grade {
    /// `graded` or `not-graded`.
    pub fn status(&self) -> &'static str {
        if self.grade.is_some() { "graded" } else { "not-graded" }
    }
}
