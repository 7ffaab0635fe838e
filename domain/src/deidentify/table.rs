//! The built-in treatment of each member. It applies unless a study asks for another.

use alloc::borrow::Cow;
use core::iter;

use super::names;
use crate::intake::ReportKind;

/// The treatment of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It stays as it is, and a study cannot change this: a word of a list that rules read.
    Fixed,
    /// It stays as it is.
    Keep,
    /// A day or a time. It stays, or is shifted if the study asks for that.
    Date,
    /// It is shifted by the subject's own number of days, or left out if it is not a date.
    Shift,
    /// Only the year of the date stays; any other text is left out.
    Year,
    /// Identities are removed from its text.
    Scrub,
    /// It is left out.
    Omit,
    /// It identifies somebody: it is left out, and searched for elsewhere.
    Drop,
    /// The patient's name: it is left out, and its parts are searched for elsewhere.
    DropName,
    /// A pseudonym replaces it, the same for the same value; the value is searched for elsewhere.
    Pseudonymise,
    /// Only the year of the date of birth stays; for people aged ninety or more only `90+`.
    BirthYear,
    /// Only the first two characters of the postcode stay.
    PostcodeArea,
}

use Treatment::{BirthYear, Date, Drop, DropName, Fixed, Keep, PostcodeArea, Pseudonymise, Scrub};

/// Members by their path.
type Table = &'static [(Path, Treatment)];
/// The path of a member from the root of the data; `*` is any entry of a list.
pub(super) type Path = &'static [&'static str];

/// A place in a report's data: one step, and the place that contains it.
#[derive(Clone, Copy)]
pub(super) struct Pointer<'p> {
    /// None at the root.
    pub(super) within: Option<&'p Pointer<'p>>,
    /// The name of a member, or `*`.
    pub(super) name: &'p str,
}

impl<'p> Pointer<'p> {
    /// Any entry of a list.
    pub(super) fn entry(list: &'p Pointer<'p>) -> Self {
        Pointer { within: Some(list), name: "*" }
    }

    /// Whether this place has this path.
    pub(super) fn is(self, path: &[&str]) -> bool {
        self.upwards().eq(path.iter().rev().copied())
    }

    /// Its steps, from the last to the first.
    fn upwards(self) -> impl Iterator<Item = &'p str> {
        iter::successors(Some(self), |place| place.within.copied()).map(|place| place.name)
    }
}

const PATIENT: Table = &[
    (&["patient", "name"], DropName),
    (&["patient", "birthDate"], BirthYear),
    (&["patient", "sex"], Keep),
    (&["patient", "postcode"], PostcodeArea),
    (&["patient", "address"], Drop),
    (&["patient", "phone"], Drop),
    (&["patient", "email"], Drop),
    (&["patient", "mrn"], Pseudonymise),
];
const DIARY: Table = &[
    (&["medication", "*", "name"], Scrub),
    (&["medication", "*", "dose"], Scrub),
    (&["medication", "*", "takenAt"], Date),
    (&["symptoms", "*", "name"], Scrub),
    (&["symptoms", "*", "since"], Date),
    (&["note"], Scrub),
];
const ADVERSE_EVENT: Table = &[
    (&["term"], Scrub),
    (&["onset"], Date),
    (&["end"], Date),
    (&["seriousnessCriteria", "*"], Fixed),
    (&["relatedness"], Fixed),
    (&["outcome"], Fixed),
    (&["actionTaken"], Fixed),
    (&["note"], Scrub),
];
const LAB: Table = &[
    (&["results", "*", "collectedAt"], Date),
    (&["results", "*", "comparator"], Fixed),
    (&["results", "*", "comment"], Scrub),
    (&["laboratory"], Scrub),
    (&["specimenId"], Pseudonymise),
    (&["note"], Scrub),
];

fn of_kind(kind: ReportKind) -> Table {
    match kind {
        ReportKind::Diary => DIARY,
        ReportKind::AdverseEvent => ADVERSE_EVENT,
        ReportKind::Lab => LAB,
        ReportKind::Generic => &[],
    }
}

/// The built-in treatment of the member at this place.
pub(super) fn treatment(kind: ReportKind, place: Pointer<'_>) -> Treatment {
    if kind == ReportKind::Generic {
        return names::treatment(place.upwards().filter(|name| *name != "*"));
    }
    let found = of_kind(kind).iter().chain(PATIENT).find(|(known, _)| place.is(known));
    found.map_or(Scrub, |(_, treatment)| *treatment)
}

/// The member that a study names as `a/*/b`, of a kind other than `generic`.
pub(super) fn member(kind: ReportKind, name: &str) -> Option<(Path, Treatment)> {
    of_kind(kind).iter().chain(PATIENT).find(|(path, _)| name.split('/').eq(path.iter().copied())).copied()
}

/// The name that decides the treatment of a member of a generic report: the last name of its path.
pub(super) fn deciding(place: Pointer<'_>) -> Cow<'_, str> {
    place.upwards().find(|name| *name != "*").map(folded).unwrap_or_default()
}

/// A name in one form, without `_`, `-` and spaces.
pub(super) fn folded(name: &str) -> Cow<'_, str> {
    let is_left_out = |c: char| matches!(c, '_' | '-' | ' ');
    if name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && !is_left_out(b.into())) {
        return Cow::Borrowed(name);
    }
    let mut folded = crate::scrub::folded(name);
    folded.retain(|c| !is_left_out(c));
    Cow::Owned(folded)
}
