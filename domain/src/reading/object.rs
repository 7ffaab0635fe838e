//! Reads the members of a JSON object one by one and collects every fault. Members that were not read are unknown.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::{At, Faults, Path, pointer};
use crate::finding::{Code, Finding};
use crate::time::{Day, Timestamp};

/// Milliseconds of a minute, an hour, a day.
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The allowed clock skew: a sender's clock may be this far ahead of ours, milliseconds.
pub(crate) const SKEW_MS: i64 = 5 * MINUTE;

/// An object that is being read.
pub struct Object<'a> {
    members: &'a Map<String, Value>,
    path: Path<'a>,
    /// The members that were read.
    known: Vec<&'static str>,
}

/// A day or a moment: adverse event forms use both for dates.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    start: i64,
    is_day: bool,
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        if let Some(at) = Timestamp::parse(text) {
            return Some(Moment { start: at.millis(), is_day: false });
        }
        // A day in the calendar of RFC 3339.
        Some(Moment { start: Day::parse(text)?.millis(), is_day: true })
    }

    /// Whether this lies wholly before `other`, in every time zone in which the day may have been written.
    pub(crate) fn is_before(self, other: Moment) -> bool {
        match (self.is_day, other.is_day) {
            (true, true) | (false, false) => self.start < other.start,
            (true, false) => self.start + DAY + 12 * HOUR <= other.start,
            (false, true) => self.start < other.start - 14 * HOUR,
        }
    }

    /// Whether this is ahead of `now` by more than the allowed clock skew.
    pub(crate) fn is_ahead_of(self, now: Timestamp) -> bool {
        let earliest = if self.is_day { self.start - 14 * HOUR } else { self.start };
        earliest > now.millis().saturating_add(SKEW_MS)
    }
}

impl<'a> Object<'a> {
    /// The document itself.
    ///
    /// # Errors
    /// It is not an object.
    pub fn root(document: &'a Value) -> Result<Self, Finding> {
        let members = document.as_object();
        let members = members.ok_or_else(|| Finding::new("", Code::Type, "must be a JSON object"))?;
        Ok(Object::new(members, Path::Root))
    }

    pub(crate) fn new(members: &'a Map<String, Value>, path: Path<'a>) -> Self {
        Object { members, path, known: Vec::new() }
    }

    /// The pointer of a member.
    pub(crate) fn at(&self, member: &str) -> String {
        self.path.pointer() + &pointer(member)
    }

    pub(crate) fn fault(&self, faults: &mut Faults, member: &str, code: Code, rule: &str) {
        faults.push(Finding::new(self.at(member), code, rule));
    }

    /// A member, unless it is absent or null.
    pub fn get(&mut self, member: &'static str) -> Option<&'a Value> {
        let value = self.members.get(member)?;
        self.known.push(member);
        (!value.is_null()).then_some(value)
    }

    /// A member in a form of its own. Null is a value.
    pub fn read<T>(
        &mut self,
        faults: &mut Faults,
        member: &'static str,
        (code, rule): (Code, &str),
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.get(member)?;
        self.known.push(member);
        let read = read(value);
        if read.is_none() {
            self.fault(faults, member, code, rule);
        }
        read
    }

    /// A member with its place, unless it is absent or null.
    fn member(&mut self, member: &'static str) -> Option<At<'a, '_>> {
        let value = self.get(member)?;
        Some(At::new(value, Path::Key(&self.path, member)))
    }

    /// A text in a form of its own. Null is no member.
    pub fn form<T>(
        &mut self,
        faults: &mut Faults,
        member: &'static str,
        rule: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<T> {
        self.member(member)?.form(rule, faults, parse)
    }

    /// Reports a required member if it is missing.
    pub fn require(&mut self, faults: &mut Faults, member: &'static str) {
        if self.members.get(member).is_none_or(Value::is_null) {
            self.fault(faults, member, Code::Required, "is required");
        }
    }

    /// A text of at most so many characters.
    pub(crate) fn text(&mut self, faults: &mut Faults, member: &'static str, longest: usize) -> Option<&'a str> {
        self.member(member)?.text_within(longest, faults)
    }

    /// One of these words.
    pub fn choice(
        &mut self,
        faults: &mut Faults,
        member: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        words.get(self.member(member)?.choice(words, faults)?).copied()
    }

    /// A whole number between two bounds.
    pub(crate) fn whole(&mut self, faults: &mut Faults, member: &'static str, low: u16, high: u16) -> Option<u16> {
        self.member(member)?.whole(low, high, faults)
    }

    /// A number.
    pub(crate) fn number(&mut self, faults: &mut Faults, member: &'static str) -> Option<f64> {
        self.member(member)?.any_number(faults)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, faults: &mut Faults, member: &'static str) -> Option<bool> {
        self.member(member)?.flag(faults)
    }

    /// A day, or a time with an offset. It must not be in the future.
    pub(crate) fn moment(&mut self, faults: &mut Faults, member: &'static str, now: Timestamp) -> Option<Moment> {
        let at = self.member(member)?;
        let rule = "must be a day such as 2026-03-01 or an RFC 3339 time with an offset";
        let moment = at.form(rule, faults, Moment::parse)?;
        if moment.is_ahead_of(now) {
            at.fault(faults, Code::Range, "must not be in the future");
        }
        Some(moment)
    }

    /// A time with an offset. It must not be in the future by more than the allowed clock skew.
    pub(crate) fn time(&mut self, faults: &mut Faults, member: &'static str, now: Timestamp) -> Option<Timestamp> {
        let at = self.member(member)?;
        let rule = "must be an RFC 3339 time with an offset, such as 2026-03-01T08:00:00+08:00";
        let time = at.form(rule, faults, Timestamp::parse)?;
        if time.millis() > now.millis().saturating_add(SKEW_MS) {
            at.fault(faults, Code::Range, "must not be in the future by more than 5 minutes");
        }
        Some(time)
    }

    /// An object inside.
    pub fn object(&mut self, faults: &mut Faults, member: &'static str) -> Option<Object<'_>> {
        let at = self.member(member)?;
        at.map(faults).map(|members| Object::new(members, at.path))
    }

    /// A list of at most so many values, each read by `read`.
    pub(crate) fn list(
        &mut self,
        faults: &mut Faults,
        member: &'static str,
        most: usize,
        mut read: impl FnMut(&At<'a, '_>, &mut Faults),
    ) -> usize {
        let Some(list) = self.member(member) else { return 0 };
        let entries = list.list_within(most, faults);
        entries.iter().for_each(|at| read(at, faults));
        entries.len()
    }

    /// A list of objects, each read by `read`.
    pub(crate) fn objects(
        &mut self,
        faults: &mut Faults,
        member: &'static str,
        most: usize,
        mut read: impl FnMut(Object<'_>, &mut Faults),
    ) -> usize {
        self.list(faults, member, most, |at, faults| {
            if let Some(members) = at.map(faults) {
                read(Object::new(members, at.path), faults);
            }
        })
    }

    /// Ends the object and reports every member that was not read as unknown.
    pub fn finish(self, faults: &mut Faults) {
        for member in self.members.keys() {
            if !self.known.iter().any(|known| known == member) {
                self.fault(faults, member, Code::Unknown, "is not a member of this object");
            }
        }
    }
}
