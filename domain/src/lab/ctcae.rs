//! CTCAE v5.0 (National Cancer Institute, 27 November 2017) for the usual panel.
//!
//! Every limit here was compared with the text of the terms as the statistical package admiral quotes it (pharmaverse,
//! `data-raw/adlb_grading/ncictcaev5.json`), and they agree. If a figure does not decide the grade, that package takes
//! the worst case: there, hypokalaemia is at least grade 2, and hyponatraemia of 125 to 129 is grade 3.
//!
//! The figure of a limit does not itself belong to the worse grade: "<100 - 80 g/L" is grade 2 down to and including
//! 80, ">3.0 - 5.0 x ULN" up to and including 5.0. If CTCAE prints a limit in several units, the limit in the result's
//! unit applies, not a converted one.
//!
//! Decisions where the text is open:
//! - Printed limits apply regardless of the limits of normal.
//! - Facts that a figure does not show decide nothing: symptoms, transfusion, intervention, hospitalisation. So anaemia
//!   has no grade 4, hypokalaemia no grade 2, and hyponatraemia from 125 to below 130 is grade 2, with or without
//!   symptoms.
//! - Hyponatraemia's whole numbers (125-129, 120-124) are read as below 130 and below 125.
//! - Hyperglycaemia is graded only by its treatment, so a figure above the upper limit of normal is not graded.
//! - Alanine and aspartate aminotransferase and bilirubin are graded by multiples of the baseline if the baseline is
//!   known to be abnormal. Otherwise the baseline is taken as normal; if it is unknown, the reason says so. For
//!   creatinine, multiples of the baseline and of the upper limit of normal both count; the worse grade applies.
//! - A figure that was never measured in its unit is not called normal, because the unit may be wrong.
//! - Haemoglobin increased is not graded: it is a rise above baseline or normal, and no other term of the panel works
//!   like that.

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};

use serde_json::{Value, json};

use super::{Baseline, Grade, Measured, Quantity};
use crate::{instrument::condition::Test, number::figure, report::units, severity::worst_first};

/// The limit of a grade. The grade begins beyond it.
enum Limit {
    /// No figure leads to this grade.
    None,
    /// The limit of normal.
    Normal,
    /// A printed limit, in each unit.
    Printed(&'static [(&'static str, f64)]),
    /// A multiple of the upper limit of normal.
    Times(f64),
}

/// The effect of a known baseline.
enum ByBaseline {
    Nothing,
    /// An abnormal baseline replaces the limits of normal. Grade 1 begins at or beyond the first limit, the other
    /// grades beyond theirs.
    Abnormal {
        first_included: bool,
        limits: [f64; 4],
    },
    /// Multiples of the baseline count in addition. Grade 1 has no figure.
    Beside {
        two: f64,
        three: f64,
    },
}

struct Term {
    name: &'static str,
    code: &'static str,
    low: bool,
    /// The limits of grades 1 to 4.
    limits: [Limit; 4],
    by_baseline: ByBaseline,
    /// Beyond normal, the treatment decides the grade, not the figure.
    by_treatment: bool,
}

const fn low(name: &'static str, code: &'static str, two: Limit, three: Limit, four: Limit) -> Term {
    let limits = [Limit::Normal, two, three, four];
    Term { name, code, low: true, limits, by_baseline: ByBaseline::Nothing, by_treatment: false }
}

const fn high(name: &'static str, code: &'static str, two: Limit, three: Limit, four: Limit) -> Term {
    Term { low: false, ..low(name, code, two, three, four) }
}

const fn times(name: &'static str, code: &'static str, limits: [f64; 3], by_baseline: ByBaseline) -> Term {
    let [two, three, four] = limits;
    let normal = high(name, code, Limit::Times(two), Limit::Times(three), Limit::Times(four));
    Term { by_baseline, ..normal }
}

const fn aminotransferase(name: &'static str, code: &'static str) -> Term {
    let abnormal = ByBaseline::Abnormal { first_included: true, limits: [1.5, 3.0, 5.0, 20.0] };
    times(name, code, [3.0, 5.0, 20.0], abnormal)
}

macro_rules! printed {
    ($($unit:literal: $limit:literal),+) => { Limit::Printed(&[$(($unit, $limit)),+]) };
}

/// One limit for a count in thousands, in all units of cells.
macro_rules! cells {
    ($limit:literal) => {
        Limit::Printed(&[("10*9/L", $limit), ("10*3/uL", $limit), ("/uL", $limit * 1000.0)])
    };
}

/// One limit for an electrolyte.
macro_rules! mmol {
    ($limit:literal) => {
        Limit::Printed(&[("mmol/L", $limit), ("meq/L", $limit)])
    };
}

const TERMS: &[Term] = &[
    low(
        "anaemia",
        "718-7",
        printed!("g/L": 100.0, "g/dL": 10.0, "mmol/L": 6.2),
        printed!("g/L": 80.0, "g/dL": 8.0, "mmol/L": 4.9),
        Limit::None,
    ),
    low("neutrophil count decreased", "751-8", cells!(1.5), cells!(1.0), cells!(0.5)),
    low("platelet count decreased", "777-3", cells!(75.0), cells!(50.0), cells!(25.0)),
    aminotransferase("alanine aminotransferase increased", "1742-6"),
    aminotransferase("aspartate aminotransferase increased", "1920-8"),
    times(
        "blood bilirubin increased",
        "1975-2",
        [1.5, 3.0, 10.0],
        ByBaseline::Abnormal { first_included: false, limits: [1.0, 1.5, 3.0, 10.0] },
    ),
    times("creatinine increased", "2160-0", [1.5, 3.0, 6.0], ByBaseline::Beside { two: 1.5, three: 3.0 }),
    high("hyperkalaemia", "2823-3", mmol!(5.5), mmol!(6.0), mmol!(7.0)),
    low("hypokalaemia", "2823-3", Limit::None, mmol!(3.0), mmol!(2.5)),
    high("hypernatraemia", "2951-2", mmol!(150.0), mmol!(155.0), mmol!(160.0)),
    low("hyponatraemia", "2951-2", mmol!(130.0), mmol!(125.0), mmol!(120.0)),
    low(
        "hypoglycaemia",
        "2345-7",
        printed!("mmol/L": 3.0, "mg/dL": 55.0),
        printed!("mmol/L": 2.2, "mg/dL": 40.0),
        printed!("mmol/L": 1.7, "mg/dL": 30.0),
    ),
    Term { by_treatment: true, ..high("hyperglycaemia", "2345-7", Limit::None, Limit::None, Limit::None) },
];

/// Whether CTCAE grades this analyte here.
pub(crate) fn grades(code: &str) -> bool {
    units::of(code).is_some_and(|known| TERMS.iter().any(|term| term.code == known.analyte.code))
}

/// The CTCAE limits of an analyte, for readers of the panel.
pub(super) fn limits(code: &str) -> Vec<Value> {
    let terms = TERMS.iter().filter(|term| term.code == code);
    terms.map(|term| json!({"term": term.name, "side": term.side(), "grades": term.listed()})).collect()
}

/// The grades of a report's results, one per result, with the reason if there is no grade. `baselines` are the
/// subject's first results, if they are known.
pub fn grade(results: &[Measured<'_>], baselines: &[Baseline]) -> Vec<Grade> {
    results.iter().enumerate().map(|(index, result)| one(index, result, baselines)).collect()
}

/// The verdict of one term on a result.
enum Verdict {
    Graded { grade: u8, or_more: bool, reason: String },
    Open(String),
}

fn one(index: usize, result: &Measured<'_>, baselines: &[Baseline]) -> Grade {
    let analyte = result.analyte().map(|analyte| analyte.code);
    let mut terms = TERMS.iter().filter(|term| Some(term.code) == analyte).peekable();
    let mut found = Grade {
        result: index,
        code: result.code.to_owned(),
        analyte,
        grade: Some(0),
        or_more: false,
        term: None,
        reason: "within the limits of CTCAE v5.0".to_owned(),
    };
    let not_graded = |reason: &str, found: Grade| Grade { grade: None, reason: reason.to_owned(), ..found };
    if analyte.is_none() {
        return not_graded("analyte not known", found);
    }
    if terms.peek().is_none() {
        return not_graded("CTCAE v5.0 grades are not given for this analyte", found);
    }
    let Some(quantity) = result.quantity else { return not_graded("the value is not a figure", found) };
    let mut open = Vec::new();
    for term in terms {
        match term.grade(result, quantity, baselines) {
            Verdict::Graded { grade, or_more, reason } if grade > 0 => {
                let more = if or_more { " or more" } else { "" };
                let reason = format!("{}, CTCAE v5.0 {} grade {grade}{more}: {reason}", result.words(), term.name);
                return Grade { grade: Some(grade), or_more, term: Some(term.name), reason, ..found };
            }
            Verdict::Graded { .. } => {}
            Verdict::Open(reason) => open.push(reason),
        }
    }
    if open.is_empty() && result.is_impossible() {
        found = not_graded("no such figure was ever measured in this unit: compare both", found);
    }
    if !open.is_empty() {
        found = Grade { grade: None, reason: open.join("; "), ..found };
    }
    found
}

/// The beginning of a grade in figures and in words.
struct Bound {
    grade: u8,
    /// The test that a figure beyond the limit passes, or the reason why there is no test.
    test: Result<(Quantity, Test), &'static str>,
    words: String,
}

impl Term {
    /// The side of a limit that is worse.
    fn side(&self) -> &'static str {
        if self.low { "below" } else { "above" }
    }

    /// The grades and their limits: the limit of normal, a printed limit, or multiples of normal.
    fn listed(&self) -> Vec<Value> {
        if self.by_treatment {
            return Vec::new();
        }
        let normal = if self.low { "lower-limit" } else { "upper-limit" };
        let listed = |(grade, limit): (u8, &Limit)| match limit {
            Limit::None => None,
            Limit::Normal => Some(json!({"grade": grade, "of": normal, "times": 1})),
            Limit::Times(times) => Some(json!({"grade": grade, "of": normal, "times": times})),
            Limit::Printed(units) => {
                let printed = units.iter().map(|(unit, limit)| json!({"unit": unit, "limit": limit}));
                Some(json!({"grade": grade, "printed": printed.collect::<Vec<_>>()}))
            }
        };
        (1..).zip(&self.limits).filter_map(listed).collect()
    }

    fn grade(&self, result: &Measured<'_>, quantity: Quantity, baselines: &[Baseline]) -> Verdict {
        let baseline = baselines.iter().find(|baseline| baseline.code == self.code);
        let mut bounds = match (&self.by_baseline, baseline) {
            (ByBaseline::Abnormal { first_included, limits }, Some(known)) if known.abnormal == Some(true) => {
                multiples(result, known, (1..).zip(limits.iter().copied()), *first_included)
            }
            _ => self.bounds(result, quantity),
        };
        if let (ByBaseline::Beside { two, three }, Some(known)) = (&self.by_baseline, baseline) {
            bounds.extend(multiples(result, known, [(2, *two), (3, *three)], false));
        }
        let mut open: Option<&'static str> = None;
        for bound in worst_first(bounds.into_iter(), |bound| bound.grade) {
            let passed = bound.test.and_then(|(quantity, test)| quantity.passes(&test).ok_or(OPEN));
            match passed {
                Ok(true) if self.by_treatment => return Verdict::Open(BY_TREATMENT.to_owned()),
                Ok(true) => {
                    let assumed = matches!(self.by_baseline, ByBaseline::Abnormal { .. })
                        && baseline.is_none_or(|baseline| baseline.abnormal.is_none());
                    let assumed = if assumed { " (baseline not known, taken as normal)" } else { "" };
                    let reason = format!("{}{assumed}", bound.words);
                    return Verdict::Graded { grade: bound.grade, or_more: open.is_some(), reason };
                }
                Ok(false) => {}
                Err(reason) => open = open.or(Some(reason)),
            }
        }
        match open {
            Some(reason) => Verdict::Open(reason.to_owned()),
            None => Verdict::Graded { grade: 0, or_more: false, reason: String::new() },
        }
    }

    /// The bounds of the grades by printed limits and limits of normal.
    fn bounds(&self, result: &Measured<'_>, quantity: Quantity) -> Vec<Bound> {
        let side = self.side();
        let beyond = |limit: f64| {
            let (below, above) = if self.low { (Some(limit), None) } else { (None, Some(limit)) };
            Test { below, above, ..Test::default() }
        };
        let (normal, name, absent) = if self.low {
            (result.low, "lower limit of normal", "no lower limit of normal is given")
        } else {
            (result.high, "upper limit of normal", "no upper limit of normal is given")
        };
        let mut bounds = Vec::new();
        for (grade, limit) in (1..).zip(&self.limits) {
            let (test, words) = match limit {
                Limit::None => continue,
                Limit::Normal => {
                    let test = normal.map(|normal| (quantity, beyond(normal))).ok_or(absent);
                    (test, format!("{side} the {name} ({})", normal.map(figure).unwrap_or_default()))
                }
                Limit::Printed(units) => {
                    let printed = units.iter().find(|(unit, _)| *unit == result.unit);
                    let test = printed.map(|(_, limit)| (quantity, beyond(*limit))).ok_or("the unit is not known");
                    let printed = printed.map(|(unit, limit)| format!("{limit} {unit}")).unwrap_or_default();
                    (test, format!("{side} {printed}"))
                }
                Limit::Times(times) => {
                    let test = result.times_limit(true).map(|ratio| (ratio, beyond(*times))).ok_or(absent);
                    (test, format!("{side} {times} times the {name} ({})", normal.map(figure).unwrap_or_default()))
                }
            };
            bounds.push(Bound { grade, test, words });
        }
        bounds
    }
}

const OPEN: &str = "the figure is open to one side, and the grade with it";
const BY_TREATMENT: &str =
    "above the upper limit of normal, and CTCAE v5.0 grades hyperglycaemia by its treatment, not by a figure";

/// The bounds of the grades by multiples of the baseline.
fn multiples(
    result: &Measured<'_>,
    baseline: &Baseline,
    limits: impl IntoIterator<Item = (u8, f64)>,
    first_included: bool,
) -> Vec<Bound> {
    let unit = result.analyte().and_then(|analyte| analyte.units().next());
    let quantity = unit.and_then(|unit| result.quantity_in(unit)).filter(|_| baseline.figure > 0.0);
    let bound = |(grade, times): (u8, f64)| {
        let included = first_included && grade == 1;
        let (at_least, above) = if included { (Some(times), None) } else { (None, Some(times)) };
        let ratio = quantity.map(|quantity| quantity.times(1.0 / baseline.figure));
        let test = ratio.map(|ratio| (ratio, Test { at_least, above, ..Test::default() }));
        let side = if included { "at least" } else { "above" };
        let words = format!("{side} {times} times the baseline");
        Bound { grade, test: test.ok_or("the baseline cannot be compared with"), words }
    };
    limits.into_iter().map(bound).collect()
}
