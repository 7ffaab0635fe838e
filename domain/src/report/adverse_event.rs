//! An adverse event, with the fields that safety databases ask for.

use alloc::vec::Vec;

use super::patient;
use crate::finding::{Code, Finding};
use crate::reading::Object;
use crate::time::Timestamp;

/// ICH E2A: the criteria of a serious event.
pub(crate) const CRITERIA: [&str; 6] =
    ["death", "life-threatening", "hospitalisation", "disability", "congenital-anomaly", "medically-important"];
const RELATEDNESS: [&str; 5] = ["not-related", "unlikely", "possible", "probable", "definite"];
pub(crate) const OUTCOMES: [&str; 6] =
    ["recovered", "recovering", "recovered-with-sequelae", "not-recovered", "fatal", "unknown"];
const ACTIONS: [&str; 6] = ["none", "dose-reduced", "dose-interrupted", "drug-withdrawn", "not-applicable", "unknown"];

pub(super) fn check(mut event: Object<'_>, now: Timestamp, faults: &mut Vec<Finding>) {
    for member in ["term", "onset", "grade", "serious", "relatedness", "outcome", "actionTaken"] {
        event.require(faults, member);
    }
    event.text(faults, "term", 500);
    let onset = event.moment(faults, "onset", now);
    let end = event.moment(faults, "end", now);
    let ongoing = event.flag(faults, "ongoing");
    let grade = event.whole(faults, "grade", 1, 5);
    let serious = event.flag(faults, "serious");
    let criteria = criteria(&mut event, faults);
    event.choice(faults, "relatedness", &RELATEDNESS);
    let outcome = event.choice(faults, "outcome", &OUTCOMES);
    event.choice(faults, "actionTaken", &ACTIONS);
    event.text(faults, "note", 20_000);
    patient(&mut event, faults);

    if let (Some(onset), Some(end)) = (onset, end)
        && end.is_before(onset)
    {
        event.fault(faults, "end", Code::Conflict, "must not be before the onset");
    }
    check_course(&event, outcome, end.is_some(), ongoing, faults);
    if let (Some(grade), Some(outcome)) = (grade, outcome)
        && (grade == 5) != (outcome == "fatal")
    {
        event.fault(faults, "grade", Code::Conflict, "is 5 if and only if the outcome is fatal");
    }
    check_seriousness(&event, outcome, serious, criteria.as_deref(), faults);
    event.finish(faults);
}

/// Compares the outcome with the end of the event (ICH E2B, E.i.5 and E.i.7).
fn check_course(
    event: &Object<'_>,
    outcome: Option<&str>,
    ended: bool,
    ongoing: Option<bool>,
    faults: &mut Vec<Finding>,
) {
    let over = matches!(outcome, Some("recovered" | "recovered-with-sequelae" | "fatal"));
    let mut conflict = |member: &str, rule: &str| event.fault(faults, member, Code::Conflict, rule);
    match ongoing {
        Some(true) if ended => conflict("ongoing", "an event that has an end is not ongoing"),
        Some(true) if over => conflict("ongoing", "an event that is recovered or fatal is not ongoing"),
        Some(false) if outcome == Some("not-recovered") => {
            conflict("ongoing", "an event not recovered from is ongoing")
        }
        _ => {}
    }
    if ended && outcome == Some("not-recovered") {
        conflict("end", "an event not recovered from has no end");
    }
}

/// Compares seriousness, its criteria and the outcome (ICH E2A; ICH E2B, E.i.3.2 and E.i.7).
fn check_seriousness(
    event: &Object<'_>,
    outcome: Option<&str>,
    serious: Option<bool>,
    criteria: Option<&[&str]>,
    faults: &mut Vec<Finding>,
) {
    let mut conflict = |member: &str, rule: &str| event.fault(faults, member, Code::Conflict, rule);
    let fatal = outcome == Some("fatal");
    match (serious, criteria) {
        (Some(true), Some([])) => conflict("seriousnessCriteria", "a serious event needs at least one criterion"),
        (Some(false), Some([_, ..])) => conflict("serious", "must be true when a seriousness criterion is given"),
        (Some(false), _) if fatal => conflict("serious", "must be true when the outcome is fatal"),
        _ => {}
    }
    if criteria.is_some_and(|given| given.contains(&"death")) && outcome.is_some() && !fatal {
        conflict("outcome", "must be fatal when death is a seriousness criterion");
    }
}

/// The criteria; none if one of them is invalid.
fn criteria(event: &mut Object<'_>, faults: &mut Vec<Finding>) -> Option<Vec<&'static str>> {
    let member = "seriousnessCriteria";
    let before = faults.len();
    let mut given = Vec::new();
    event.list(faults, member, CRITERIA.len(), |at, faults| {
        let found = at.choice(&CRITERIA, faults).and_then(|place| CRITERIA.get(place));
        match found {
            Some(word) if given.contains(word) => at.fault(faults, Code::Conflict, "stands there twice"),
            Some(word) => given.push(*word),
            None => {}
        }
    });
    (faults.len() == before).then_some(given)
}
