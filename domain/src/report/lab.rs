//! Laboratory results.

use alloc::format;
use alloc::vec::Vec;

use serde_json::Value;

use super::figure::{self, Comparator};
use super::{MOST_ENTRIES, patient, units};
use crate::finding::{Code, Finding};
use crate::reading::Object;
use crate::time::Timestamp;

pub(super) fn check(mut lab: Object<'_>, now: Timestamp, faults: &mut Vec<Finding>) {
    lab.require(faults, "results");
    let before = faults.len();
    let results = lab.objects(faults, "results", MOST_ENTRIES, |result, faults| check_result(result, now, faults));
    if results == 0 && faults.len() == before && lab.get("results").is_some() {
        lab.fault(faults, "results", Code::Range, "must have at least one entry");
    }
    lab.text(faults, "laboratory", 200);
    lab.text(faults, "specimenId", 64);
    lab.text(faults, "note", 20_000);
    patient(&mut lab, faults);
    lab.finish(faults);
}

fn check_result(mut result: Object<'_>, now: Timestamp, faults: &mut Vec<Finding>) {
    for member in ["code", "value", "collectedAt"] {
        result.require(faults, member);
    }
    let code = result.text(faults, "code", 40);
    if let Some(code) = code
        && !units::is_code(code)
    {
        result.fault(
            faults,
            "code",
            Code::Format,
            "must be a LOINC code, or a local one of letters, digits, '.', '_', '-'",
        );
    }
    let known = code.and_then(units::of);
    let unit = result.text(faults, "unit", 40);
    if let Some(unit) = unit {
        match known {
            Some(known) if !known.units().any(|known| known == unit) => {
                let units: Vec<&str> = known.units().collect();
                let rule = format!("must be one of {} for this code (UCUM)", units.join(", "));
                result.fault(faults, "unit", Code::Choice, &rule);
            }
            None if !units::is_unit(unit) => result.fault(faults, "unit", Code::Format, "must be a UCUM code"),
            _ => {}
        }
    }
    let comparator = result.choice(faults, "comparator", &["<", "<=", ">=", ">"]).and_then(Comparator::parse);
    match known {
        Some(_) => known_value(&mut result, comparator, faults),
        None => unknown_value(&mut result, faults),
    }
    if let Some(mut range) = result.object(faults, "referenceRange") {
        let (low, high) = (range.number(faults, "low"), range.number(faults, "high"));
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            range.fault(faults, "high", Code::Conflict, "must not be below low");
        }
        range.finish(faults);
    }
    result.time(faults, "collectedAt", now);
    result.text(faults, "comment", 2000);
    result.finish(faults);
}

/// Reads the value of a known analyte: a figure in one of the analyte's units. The figure may be written as text.
fn known_value(result: &mut Object<'_>, comparator: Option<Comparator>, faults: &mut Vec<Finding>) {
    let Some(value) = result.get("value") else { return };
    if result.get("unit").is_none() {
        result.fault(faults, "unit", Code::Required, "is required for this analyte");
    }
    let (written, figure) = match value {
        Value::Number(number) => (None, number.as_f64()),
        Value::String(text) => figure::read(text).map_or((None, None), |(written, figure)| (written, Some(figure))),
        _ => return result.fault(faults, "value", Code::Type, "must be a number, or a figure as text"),
    };
    let Some(figure) = figure else {
        let rule = "must be a figure such as 7.2 or \"<0.5\": digits with at most one point, no three digits alone after it, no unit and no word";
        return result.fault(faults, "value", Code::Format, rule);
    };
    if written.is_some() && comparator.is_some() && written != comparator {
        result.fault(faults, "comparator", Code::Conflict, "contradicts the comparator in the value");
    }
    if figure < 0.0 {
        result.fault(faults, "value", Code::Range, "must not be below 0");
    }
}

/// Reads the value of an unknown analyte: a number with its unit, or words.
fn unknown_value(result: &mut Object<'_>, faults: &mut Vec<Finding>) {
    let given = result.get("unit").is_some();
    match result.get("value") {
        Some(Value::Number(_)) if !given => result.fault(faults, "unit", Code::Required, "is required with a number"),
        Some(Value::String(_)) => {
            result.text(faults, "value", 200);
            if given {
                result.fault(faults, "unit", Code::Conflict, "does not go with a value in words");
            }
        }
        Some(Value::Number(_)) | None => {}
        Some(_) => result.fault(faults, "value", Code::Type, "must be a number or a string"),
    }
}
