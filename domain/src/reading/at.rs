//! A value of a document, with its position.
//!
//! Guarantee: a fault is reported with the JSON pointer of its value, and reading continues after it. No pointer is
//! built for a correct value.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Write as _, ops::RangeInclusive};

use serde_json::{Map, Value};

use super::Path;
use crate::number::whole;
use crate::{Code, Finding};

/// The limit for numbers in a definition. It ensures that no sum overflows.
const LARGEST: f64 = 1e9;

/// The longest run that `"q1..q40"` may stand for, and the most items an instrument may have.
pub(crate) const MOST_ITEMS: usize = 1000;

/// The faults of one definition, in the order of reading.
pub(crate) type Faults = Vec<Finding>;

/// A value and its place.
#[derive(Clone, Copy)]
pub(crate) struct At<'v, 'p> {
    /// The value.
    pub(crate) value: &'v Value,
    pub(super) path: Path<'p>,
}

impl<'v, 'p> At<'v, 'p> {
    /// A value at this place.
    pub(super) fn new(value: &'v Value, path: Path<'p>) -> Self {
        At { value, path }
    }

    /// The document itself.
    pub(crate) fn root(value: &'v Value) -> Self {
        At { value, path: Path::Root }
    }

    /// The JSON pointer.
    pub(crate) fn pointer(&self) -> String {
        self.path.pointer()
    }

    /// Reports a fault here.
    pub(crate) fn fault(&self, faults: &mut Faults, code: Code, detail: impl Into<String>) {
        faults.push(Finding::new(self.pointer(), code, detail));
    }

    /// The members; reports if this is not an object.
    pub(crate) fn map(&self, faults: &mut Faults) -> Option<&'v Map<String, Value>> {
        let map = self.value.as_object();
        if map.is_none() {
            self.fault(faults, Code::Type, "must be a JSON object");
        }
        map
    }

    /// Whether this is an object; reports if not. Also reports members that `known` does not list.
    pub(crate) fn object(&self, faults: &mut Faults, known: &[&str]) -> bool {
        self.object_of(faults, &[known])
    }

    /// As [`At::object`], with the known members in groups.
    pub(crate) fn object_of(&self, faults: &mut Faults, known: &[&[&str]]) -> bool {
        let Some(object) = self.map(faults) else { return false };
        for key in object.keys().filter(|key| !known.iter().any(|group| group.contains(&key.as_str()))) {
            self.member(key, self.value).fault(
                faults,
                Code::Unknown,
                format!("is not one of: {}", known.concat().join(", ")),
            );
        }
        true
    }

    /// The member `key`, if there is one.
    pub(crate) fn get<'s>(&'s self, key: &'s str) -> Option<At<'v, 's>> {
        self.value.get(key).map(|value| self.member(key, value))
    }

    /// The member `key`; reports its absence.
    pub(crate) fn need<'s>(&'s self, key: &'s str, faults: &mut Faults) -> Option<At<'v, 's>> {
        let found = self.get(key);
        if found.is_none() && self.value.is_object() {
            self.fault(faults, Code::Required, format!("needs \"{key}\""));
        }
        found
    }

    /// A value of this object, at the place of its member `key`.
    pub(crate) fn member<'s>(&'s self, key: &'s str, value: &'v Value) -> At<'v, 's> {
        At { value, path: Path::Key(&self.path, key) }
    }

    /// The elements; reports if this is not a list.
    pub(crate) fn list<'s>(&'s self, faults: &mut Faults) -> Vec<At<'v, 's>> {
        let Some(list) = self.value.as_array() else {
            self.fault(faults, Code::Type, "must be a JSON array");
            return Vec::new();
        };
        list.iter().enumerate().map(|(index, value)| At { value, path: Path::Index(&self.path, index) }).collect()
    }

    /// As [`At::list`], and reports a list with more than so many elements, of which none is read.
    pub(crate) fn list_within<'s>(&'s self, most: usize, faults: &mut Faults) -> Vec<At<'v, 's>> {
        if self.value.as_array().is_some_and(|list| list.len() > most) {
            self.fault(faults, Code::Range, format!("must have at most {most} entries"));
            return Vec::new();
        }
        self.list(faults)
    }

    /// As [`At::list`], and reports an empty list.
    pub(crate) fn filled_list<'s>(&'s self, faults: &mut Faults) -> Vec<At<'v, 's>> {
        if self.value.as_array().is_some_and(Vec::is_empty) {
            self.fault(faults, Code::Range, "must have at least one entry");
        }
        self.list(faults)
    }

    /// The members with their names; reports if this is not an object.
    pub(crate) fn members<'s>(&'s self, faults: &mut Faults) -> Vec<(&'v str, At<'v, 's>)>
    where
        'v: 's,
    {
        let Some(object) = self.map(faults) else { return Vec::new() };
        object.iter().map(|(key, value)| (key.as_str(), self.member(key, value))).collect()
    }

    /// A text.
    pub(crate) fn text(&self, faults: &mut Faults) -> Option<&'v str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.fault(faults, Code::Type, "must be a string");
        }
        text
    }

    /// A non-empty text.
    pub(crate) fn words(&self, faults: &mut Faults) -> Option<&'v str> {
        let text = self.text(faults)?;
        if text.trim().is_empty() {
            self.fault(faults, Code::Format, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A text of at most so many characters that is not blank.
    pub(crate) fn text_within(&self, longest: usize, faults: &mut Faults) -> Option<&'v str> {
        let text = self.text(faults)?;
        if text.trim().is_empty() || text.chars().count() > longest {
            self.fault(faults, Code::Range, format!("must be 1 to {longest} characters and not blank"));
            return None;
        }
        Some(text)
    }

    /// A text in a form of its own, which `rule` tells.
    pub(crate) fn form<T>(
        &self,
        rule: &str,
        faults: &mut Faults,
        parse: impl FnOnce(&'v str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(self.text(faults)?);
        if parsed.is_none() {
            self.fault(faults, Code::Format, rule);
        }
        parsed
    }

    /// A name: letters, digits, `_`, `-`, `.`, `+`, at most 64.
    pub(crate) fn name(&self, faults: &mut Faults) -> Option<&'v str> {
        let text = self.text(faults)?;
        if is_name(text) {
            return Some(text);
        }
        self.fault(faults, Code::Format, "must be 1 to 64 letters, digits, _, -, + or single dots");
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, faults: &mut Faults) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.fault(faults, Code::Type, "must be true or false");
        }
        flag
    }

    /// A number of any size.
    pub(crate) fn any_number(&self, faults: &mut Faults) -> Option<f64> {
        let number = self.value.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            self.fault(faults, Code::Type, "must be a number");
        }
        number
    }

    /// A number small enough that sums cannot overflow.
    pub(crate) fn number(&self, faults: &mut Faults) -> Option<f64> {
        let number = self.any_number(faults)?;
        if number.abs() > LARGEST {
            self.fault(faults, Code::Range, "must be a number from -1e9 to 1e9");
            return None;
        }
        Some(number)
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn whole(&self, low: u16, high: u16, faults: &mut Faults) -> Option<u16> {
        let whole = whole(self.value).and_then(|whole| u16::try_from(whole).ok());
        let whole = whole.filter(|whole| (low..=high).contains(whole));
        if whole.is_none() {
            let code = if self.value.is_number() { Code::Range } else { Code::Type };
            self.fault(faults, code, format!("must be a whole number from {low} to {high}"));
        }
        whole
    }

    /// Seconds within bounds, as milliseconds. Fractions are allowed because tests compress time.
    pub(crate) fn millis(&self, low: f64, high: f64, faults: &mut Faults) -> Option<u64> {
        let seconds = self.number(faults)?;
        if !(low..=high).contains(&seconds) {
            self.fault(faults, Code::Range, format!("must be seconds from {low} to {high}"));
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
        let millis = (seconds * 1000.0 + 0.5) as u64;
        Some(millis)
    }

    /// A list of numbers.
    pub(crate) fn numbers(&self, faults: &mut Faults) -> Vec<f64> {
        self.list(faults).iter().filter_map(|at| at.number(faults)).collect()
    }

    /// Two different numbers. The first must be below the second unless `descending` is allowed.
    pub(crate) fn pair(&self, descending: bool, faults: &mut Faults) -> Option<(f64, f64)> {
        let before = faults.len();
        let numbers = self.numbers(faults);
        match numbers.as_slice() {
            [low, high] if low < high || (descending && low > high) => Some((*low, *high)),
            _ => {
                if faults.len() == before {
                    self.fault(faults, Code::Range, "must be two numbers, the lower one first, not equal");
                }
                None
            }
        }
    }

    /// One of the `choices`, as its position.
    pub(crate) fn choice(&self, choices: &[&str], faults: &mut Faults) -> Option<usize> {
        let text = self.text(faults)?;
        let found = choices.iter().position(|choice| *choice == text);
        if found.is_none() {
            self.fault(faults, Code::Choice, format!("must be one of {}", choices.join(", ")));
        }
        found
    }

    /// Passes each name in this list to `each`, with its element. Runs such as `"q1..q9"` are written out.
    pub(crate) fn names(&self, faults: &mut Faults, mut each: impl FnMut(&str, &At<'v, '_>, &mut Faults)) {
        let mut name = String::new();
        for at in self.filled_list(faults) {
            let Some(text) = at.text(faults) else { continue };
            if let Some((stem, width, numbers)) = run(text) {
                for number in numbers {
                    name.clear();
                    name.push_str(stem);
                    // Writing to a string does not fail.
                    let _ = write!(name, "{number:0width$}");
                    each(&name, &at, faults);
                }
            } else if is_name(text) {
                each(text, &at, faults);
            } else {
                at.fault(faults, Code::Format, "must be a name, or a run such as \"q1..q9\"");
            }
        }
    }
}

/// Whether a text is a name in a definition.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    (1..=64).contains(&text.len()) && text.chars().all(allowed) && !text.contains("..")
}

/// A run such as `q1..q9`: the same letters, a minimum number of digits, a rising number. If the first number begins
/// with 0, all numbers have the same width.
fn run(text: &str) -> Option<(&str, usize, RangeInclusive<usize>)> {
    let (first, last) = text.split_once("..")?;
    let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let (from, to) = (first.strip_prefix(stem)?, last.strip_prefix(stem)?);
    let (low, high): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
    let width = if from.starts_with('0') && from.len() == to.len() { from.len() } else { 1 };
    let count = high.checked_sub(low)?.checked_add(1)?;
    (2..=MOST_ITEMS).contains(&count).then_some((stem, width, low..=high))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_run_of_names_is_written_out() {
        let check = |text: &str, expected: &[&str]| {
            let list = Value::from([text].as_slice());
            let (mut names, mut faults) = (Vec::new(), Faults::new());
            At::root(&list).names(&mut faults, |name, _, _| names.push(name.to_string()));
            assert_eq!(names, expected, "{text}");
            assert_eq!(faults.is_empty(), !expected.is_empty(), "{text}");
        };
        check("q9", &["q9"]);
        check("q9..q11", &["q9", "q10", "q11"]);
        check("g09..g10", &["g09", "g10"]);
        check("q3..q1", &[]);
        check("q1..p3", &[]);
        check("q1..q99999999999999999999", &[]);
        check("q1..q99999999", &[]);
    }
}
