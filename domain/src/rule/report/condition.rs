//! The conditions of a rule on a report. There is no expression language: this list is complete.
//!
//! | kind | condition |
//! |---|---|
//! | adverse event | `{"grade": "event", TEST}`, `{"serious": true}` |
//! | | `{"criterion": ["death"]}`, `{"outcome": ["fatal"]}` |
//! | laboratory | `{"grade": "any" or LOINC code, TEST}`: by CTCAE v5.0 |
//! | | `{"analyte": LOINC code, "unit": UCUM code, TEST}`: converted into this unit |
//! | | `{"analyte": LOINC code, "of": "upper-limit" or "lower-limit", TEST}`: so many times the limit of normal |
//! | diary | `{"symptom": "any" or name, TEST}`: severity from 0 to 10 |
//! | all | `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` |
//!
//! TEST is any of `atLeast`, `above`, `atMost`, `below`, `is`, `in`. If there are several results of one analyte, or
//! several symptoms of one name, one of them has to pass.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use crate::reading::{At, Faults};
use crate::{
    Code,
    instrument::{
        condition::{Test, read_test},
        range::Span,
    },
    intake::ReportKind,
    lab::{self, Measured, Quantity},
    report::{CRITERIA, OUTCOMES, units},
};

/// The measure of an analyte that is tested.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Limit {
    Unit(String),
    Upper,
    Lower,
}

impl Limit {
    /// The result by this measure, if it has one.
    pub(super) fn of(&self, result: &Measured<'_>) -> Option<Quantity> {
        match self {
            Limit::Unit(unit) => result.quantity_in(unit),
            Limit::Upper => result.times_limit(true),
            Limit::Lower => result.times_limit(false),
        }
    }
}

/// A condition on a report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    EventGrade(Test),
    Serious(bool),
    Criterion(Vec<&'static str>),
    Outcome(Vec<&'static str>),
    ResultGrade { code: Option<String>, test: Test },
    Analyte { code: String, limit: Limit, test: Test },
    Symptom { name: Option<String>, test: Test },
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

const TESTS: [&str; 6] = ["atLeast", "above", "atMost", "below", "is", "in"];

fn subjects(kind: ReportKind) -> &'static [&'static str] {
    match kind {
        ReportKind::AdverseEvent => &["grade", "serious", "criterion", "outcome", "all", "any", "not"],
        ReportKind::Lab => &["grade", "analyte", "all", "any", "not"],
        ReportKind::Diary => &["symptom", "all", "any", "not"],
        ReportKind::Generic => &[],
    }
}

/// Reads a condition; none when a fault was reported.
pub(crate) fn read(at: At<'_, '_>, kind: ReportKind, faults: &mut Faults) -> Option<Condition> {
    let Some(object) = at.value.as_object() else {
        at.fault(faults, Code::Type, "must be a JSON object: a condition");
        return None;
    };
    let asked: Vec<&str> = subjects(kind).iter().copied().filter(|subject| object.contains_key(*subject)).collect();
    let [subject] = asked.as_slice() else {
        let rule = format!("a condition has exactly one of: {}", subjects(kind).join(", "));
        at.fault(faults, Code::Required, rule);
        return None;
    };
    let before = faults.len();
    let mut known = Vec::from([*subject]);
    match *subject {
        "grade" | "symptom" => known.extend(TESTS),
        "analyte" => {
            known.extend(TESTS);
            known.extend(["unit", "of"]);
        }
        _ => {}
    }
    at.object(faults, &known);
    let parts = |at: At<'_, '_>, faults: &mut Faults| -> Vec<Condition> {
        at.filled_list(faults).into_iter().filter_map(|part| read(part, kind, faults)).collect()
    };
    let value = at.get(subject)?;
    let grades = Span { low: 0.0, high: 5.0, whole: true };
    let found = match *subject {
        "all" => Condition::All(parts(value, faults)),
        "any" => Condition::Any(parts(value, faults)),
        "not" => Condition::Not(Box::new(read(value, kind, faults)?)),
        "serious" => Condition::Serious(value.flag(faults)?),
        "criterion" => Condition::Criterion(words(value, &CRITERIA, faults)),
        "outcome" => Condition::Outcome(words(value, &OUTCOMES, faults)),
        "grade" if kind == ReportKind::AdverseEvent => {
            value.choice(&["event"], faults)?;
            Condition::EventGrade(read_test(at, Some(grades), faults)?)
        }
        "grade" => {
            let code = value.text(faults)?;
            if code != "any" && !lab::grades(code) {
                value.fault(faults, Code::Choice, "\"any\", or the LOINC code of an analyte that CTCAE grades here");
            }
            let test = read_test(at, Some(Span { high: 4.0, ..grades }), faults)?;
            Condition::ResultGrade { code: (code != "any").then(|| code.into()), test }
        }
        "analyte" => read_analyte(at, value, faults)?,
        _ => {
            let name = value.words(faults)?.trim();
            let test = read_test(at, Some(Span { high: 10.0, ..grades }), faults)?;
            Condition::Symptom { name: (name != "any").then(|| name.into()), test }
        }
    };
    (faults.len() == before).then_some(found)
}

fn words(at: At<'_, '_>, known: &[&'static str], faults: &mut Faults) -> Vec<&'static str> {
    let words = at.filled_list(faults).into_iter().filter_map(|at| at.choice(known, faults));
    words.collect::<Vec<_>>().into_iter().filter_map(|position| known.get(position).copied()).collect()
}

fn read_analyte(at: At<'_, '_>, value: At<'_, '_>, faults: &mut Faults) -> Option<Condition> {
    let code = value.text(faults)?;
    if !units::is_code(code) {
        value.fault(faults, Code::Format, "must be a LOINC code, or a local one of letters, digits, '.', '_', '-'");
    }
    let limit = match (at.get("unit"), at.get("of")) {
        (Some(unit), None) => {
            let given = unit.text(faults)?;
            match units::of(code) {
                Some(known) if !known.units().any(|known| known == given) => {
                    let units: Vec<&str> = known.units().collect();
                    unit.fault(faults, Code::Choice, format!("must be one of {}", units.join(", ")));
                }
                None if !units::is_unit(given) => unit.fault(faults, Code::Format, "must be a UCUM code"),
                _ => {}
            }
            Limit::Unit(given.into())
        }
        (None, Some(of)) => match of.choice(&["upper-limit", "lower-limit"], faults)? {
            0 => Limit::Upper,
            _ => Limit::Lower,
        },
        _ => {
            at.fault(faults, Code::Required, "needs either \"unit\" or \"of\"");
            return None;
        }
    };
    Some(Condition::Analyte { code: code.into(), limit, test: read_test(at, None, faults)? })
}
