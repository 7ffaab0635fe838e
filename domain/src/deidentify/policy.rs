//! A study's own de-identification rules, beyond the built-in tables: the configuration document `deidentification`.
//!
//! ```json
//! {"studies": {"S-1": {"shiftDays": 30,
//!                      "diary": {"note": "drop", "symptoms/*/since": "generalise"},
//!                      "generic": {"visitDate": "shift", "Site Nurse": "pseudonymise"},
//!                      "genericOnly": ["visit", "painScore"]}}}
//! ```
//!
//! Guarantee: a document can only make de-identification stricter, never weaker. A member that identifies the patient
//! stays dropped or pseudonymised. Free text stays scrubbed. Words and figures that rules read stay. In a study that
//! shifts dates, no date keeps its value: the difference to a shifted date would reveal the shift of all dates.
//!
//! Members of `diary`, `adverse-event` and `lab` are named by their path, with `*` for any entry of a list. Members of
//! `generic` are named by their name at any depth, in upper or lower case, with or without `_`, `-` and spaces.
//!
//! `genericOnly` is an allow list: a member of a generic report that neither it nor `generic` names is left out with all
//! that it contains. It keeps nothing that is left out without it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::dates::Shift;
use super::table::{self, Path, Pointer, Treatment};
use crate::finding::{Code, Finding};
use crate::ids::{NAME_RULE, is_name};
use crate::intake::ReportKind;
use crate::number::whole;
use crate::reading::pointer;

/// An action that a study may choose for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Keeps the built-in treatment.
    Keep,
    Shift,
    Generalise,
    Pseudonymise,
    Drop,
}

impl Action {
    const ALL: [Action; 5] = [Action::Keep, Action::Shift, Action::Generalise, Action::Pseudonymise, Action::Drop];

    fn as_str(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Shift => "shift",
            Action::Generalise => "generalise",
            Action::Pseudonymise => "pseudonymise",
            Action::Drop => "drop",
        }
    }

    /// The actions that a study may choose for a member with this built-in treatment.
    fn allowed(kind: ReportKind, built_in: Treatment) -> &'static [Action] {
        use Action::{Drop, Generalise, Keep, Pseudonymise};
        match built_in {
            Treatment::Fixed => &[Keep],
            Treatment::Keep => &[Keep, Drop],
            // Only the study knows the meaning of a name in a generic report.
            Treatment::Scrub if kind == ReportKind::Generic => &Action::ALL,
            Treatment::Scrub => &[Keep, Pseudonymise, Drop],
            Treatment::Date | Treatment::Shift | Treatment::Year => &Action::ALL,
            Treatment::BirthYear | Treatment::PostcodeArea => &[Generalise, Pseudonymise, Drop],
            Treatment::Pseudonymise => &[Pseudonymise, Drop],
            Treatment::Omit | Treatment::Drop | Treatment::DropName => &[Drop],
        }
    }

    /// The resulting treatment. The built-in treatment wins if it is stricter.
    fn over(self, kind: ReportKind, built_in: Treatment) -> Treatment {
        if !Action::allowed(kind, built_in).contains(&self) {
            return built_in;
        }
        match (self, built_in) {
            (Action::Keep, kept) => kept,
            (Action::Shift, _) => Treatment::Shift,
            (Action::Generalise, Treatment::BirthYear | Treatment::PostcodeArea) => built_in,
            (Action::Generalise, _) => Treatment::Year,
            (Action::Pseudonymise, _) => Treatment::Pseudonymise,
            (Action::Drop, Treatment::DropName | Treatment::Drop) => built_in,
            (Action::Drop, Treatment::Pseudonymise) => Treatment::Drop,
            (Action::Drop, _) => Treatment::Omit,
        }
    }
}

/// The member with the allow list.
const ONLY: &str = "genericOnly";

/// The rules of all studies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    studies: BTreeMap<String, Study>,
}

/// The rules of one study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Study {
    shift_days: Option<u16>,
    /// Rules for the kinds with a schema, by path.
    known: Vec<(ReportKind, Path, Action)>,
    /// Rules for generic reports, by folded name.
    generic: BTreeMap<String, Action>,
    /// The folded names of the members of generic reports that stay. None: all.
    generic_only: Option<BTreeSet<String>>,
}

impl Policy {
    /// Reads the document.
    ///
    /// # Errors
    /// All faults of the document, with pointers from its root.
    pub fn read(document: &Value) -> Result<Self, Vec<Finding>> {
        let mut faults = Vec::new();
        let mut policy = Policy::default();
        for (member, value) in object(document, "", &mut faults).into_iter().flatten() {
            if member != "studies" {
                faults.push(Finding::new(pointer(member), Code::Unknown, "is not a member of this document"));
                continue;
            }
            for (id, study) in object(value, "/studies", &mut faults).into_iter().flatten() {
                let at = format!("/studies{}", pointer(id));
                if !is_name(id) {
                    faults.push(Finding::new(at.as_str(), Code::Format, NAME_RULE));
                }
                policy.studies.insert(id.clone(), Study::read(study, &at, &mut faults));
            }
        }
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    /// The rules of a study, if it has any.
    pub fn study(&self, id: &str) -> Option<&Study> {
        self.studies.get(id)
    }
}

impl Study {
    fn read(value: &Value, at: &str, faults: &mut Vec<Finding>) -> Self {
        let mut study = Study::default();
        let Some(members) = object(value, at, faults) else { return study };
        if let Some(days) = members.get("shiftDays") {
            let fitting = whole(days).and_then(|days| u16::try_from(days).ok()).filter(|days| (1..=365).contains(days));
            if fitting.is_none() {
                let code = if days.is_number() { Code::Range } else { Code::Type };
                faults.push(Finding::new(format!("{at}/shiftDays"), code, "must be a whole number from 1 to 365"));
            }
            study.shift_days = fitting;
        }
        // The check also runs when the number is invalid, so that no fault hides another.
        let shifts = members.contains_key("shiftDays");
        study.generic_only = members.get(ONLY).map(|value| read_only(value, &format!("{at}/{ONLY}"), faults));
        for (member, value) in members.iter().filter(|(member, _)| !["shiftDays", ONLY].contains(&member.as_str())) {
            let at = format!("{at}{}", pointer(member));
            match ReportKind::parse(member) {
                Some(kind) => study.read_kind(kind, value, &at, shifts, faults),
                None => {
                    let rule =
                        format!("must be shiftDays, {ONLY}, {}", ReportKind::ALL.map(ReportKind::as_str).join(", "));
                    faults.push(Finding::new(at, Code::Unknown, rule));
                }
            }
        }
        study
    }

    fn read_kind(&mut self, kind: ReportKind, value: &Value, at: &str, shifts: bool, faults: &mut Vec<Finding>) {
        for (name, value) in object(value, at, faults).into_iter().flatten() {
            let at = format!("{at}{}", pointer(name));
            let folded = table::folded(name);
            let known = match kind {
                ReportKind::Generic => {
                    (!folded.is_empty()).then(|| (&[] as Path, table::treatment(kind, Pointer { within: None, name })))
                }
                _ => table::member(kind, name),
            };
            let Some((path, built_in)) = known else {
                let rule = match kind {
                    ReportKind::Generic => "must be the name of a member",
                    _ => "is no member of this kind that a study can decide on",
                };
                faults.push(Finding::new(at, Code::Unknown, rule));
                continue;
            };
            let allowed = Action::allowed(kind, built_in);
            let action = value.as_str().and_then(|word| Action::ALL.into_iter().find(|action| action.as_str() == word));
            let Some(action) = action.filter(|action| allowed.contains(action)) else {
                let code = match (action, value) {
                    (Some(_), _) => Code::Forbidden,
                    (None, Value::String(_)) => Code::Choice,
                    (None, _) => Code::Type,
                };
                let words: Vec<&str> = allowed.iter().map(|action| action.as_str()).collect();
                faults.push(Finding::new(at, code, format!("must be one of {}", words.join(", "))));
                continue;
            };
            match action {
                Action::Shift if !shifts => {
                    let rule = "needs shiftDays, which says by how many days at most";
                    faults.push(Finding::new(at.as_str(), Code::Conflict, rule));
                }
                Action::Keep if shifts && built_in == Treatment::Date => {
                    let rule = "a date that stays would tell by how much the others are shifted";
                    faults.push(Finding::new(at.as_str(), Code::Conflict, rule));
                }
                _ => {}
            }
            if kind != ReportKind::Generic {
                self.known.push((kind, path, action));
            } else if self.generic.insert(folded.into_owned(), action).is_some() {
                faults.push(Finding::new(at, Code::Conflict, "stands there twice, written in another way"));
            }
        }
    }

    /// The shift of a subject in a study that shifts dates. `random` is a keyed function of study and subject.
    pub fn shift(&self, random: impl FnOnce() -> u64) -> Option<Shift> {
        self.shift_days.map(|most| Shift::of(random(), most))
    }

    /// The treatment of a member.
    pub(super) fn treatment(&self, kind: ReportKind, place: Pointer<'_>) -> Treatment {
        let built_in = table::treatment(kind, place);
        let action = match kind {
            ReportKind::Generic => {
                let name = table::deciding(place);
                let named = self.generic_only.as_ref().is_none_or(|only| only.contains(name.as_ref()));
                self.generic.get(name.as_ref()).or((!named).then_some(&Action::Drop))
            }
            _ => self.known.iter().find(|(of, known, _)| *of == kind && place.is(known)).map(|(_, _, action)| action),
        };
        let treatment = action.map_or(built_in, |action| action.over(kind, built_in));
        if treatment == Treatment::Date && self.shift_days.is_some() { Treatment::Shift } else { treatment }
    }
}

/// Reads the allow list.
fn read_only(value: &Value, at: &str, faults: &mut Vec<Finding>) -> BTreeSet<String> {
    let mut only = BTreeSet::new();
    let Some(names) = value.as_array() else {
        faults.push(Finding::new(at, Code::Type, "must be a list of names"));
        return only;
    };
    for (index, name) in names.iter().enumerate() {
        let fault = match name.as_str().map(table::folded) {
            None => Some((Code::Type, "must be a string")),
            Some(name) if name.is_empty() => Some((Code::Format, "must be the name of a member")),
            Some(name) => (!only.insert(name.into_owned()))
                .then_some((Code::Conflict, "stands there twice, perhaps written in another way")),
        };
        faults.extend(fault.map(|(code, rule)| Finding::new(format!("{at}/{index}"), code, rule)));
    }
    only
}

fn object<'v>(value: &'v Value, at: &str, faults: &mut Vec<Finding>) -> Option<&'v Map<String, Value>> {
    let members = value.as_object();
    if members.is_none() {
        faults.push(Finding::new(at, Code::Type, "must be a JSON object"));
    }
    members
}

#[cfg(test)]
mod tests;
