//! The parameters of a query. Each must be known and given once; all faults are reported at once.

use std::fmt::Display;
use std::ops::RangeInclusive;

use domain::{Code, Finding, Severity, Timestamp};
use platform::percent::decode;

use crate::edge::problem::Problem;

/// The most of a parameter's name that a finding repeats, in characters.
const LONGEST_NAME: usize = 64;
/// The default and the highest page size of a list.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

/// The parameters of a query. Each reader takes out its own. Faults are collected until [`Query::finish`].
pub struct Query {
    given: Vec<(&'static str, String)>,
    known: &'static [&'static str],
    faults: Vec<Finding>,
}

impl Query {
    /// Reads a query, without its question mark, whose parameters are among `known`.
    pub fn read(query: &str, known: &'static [&'static str]) -> Self {
        Query::read_with(query, known, &[])
    }

    /// Reads a query of which some parameters may stand there several times, for [`Query::all`].
    pub fn read_with(query: &str, known: &'static [&'static str], repeated: &[&str]) -> Self {
        let mut read = Query { given: Vec::new(), known, faults: Vec::new() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                read.faults.push(unknown(name, known));
                continue;
            };
            if read.has(name) && !repeated.contains(name) {
                read.fault(name, Code::Conflict, "may stand there once");
                continue;
            }
            match decode(value) {
                Some(value) => read.given.push((name, value)),
                None => read.fault(name, Code::Format, "must be percent-encoded UTF-8"),
            }
        }
        read
    }

    /// Refuses any parameters.
    ///
    /// # Errors
    /// 422 with a finding for each of them.
    pub fn none(query: &str) -> Result<(), Problem> {
        Query::read(query, &[]).finish()
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, name: &str, code: Code, rule: impl Display) {
        self.faults.push(Finding::new("", code, format!("{name} {rule}")));
    }

    /// Whether a parameter is there and not read yet.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(own, _)| *own == name)
    }

    /// The text of a parameter, which may be empty.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(self.known.contains(&name));
        let place = self.given.iter().position(|(own, _)| *own == name)?;
        Some(self.given.swap_remove(place).1)
    }

    /// Converts a parameter with `read`; `rule` is the rule that a finding repeats.
    pub fn take<T>(&mut self, name: &'static str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text).filter(|_| !text.is_empty());
        if value.is_none() {
            self.fault(name, Code::Format, format_args!("must be {rule}"));
        }
        value
    }

    /// Folds all values of a parameter that may stand there several times into one; `rule` is the rule that a finding
    /// repeats.
    pub fn all<T: Copy>(&mut self, name: &'static str, rule: &str, none: T, and: impl Fn(T, &str) -> Option<T>) -> T {
        let mut all = none;
        while let Some(more) = self.text(name) {
            match and(all, &more) {
                Some(more) => all = more,
                None => self.fault(name, Code::Format, format_args!("must be {rule}")),
            }
        }
        all
    }

    /// Finds which of these parts a parameter names, with commas between them.
    pub fn parts<const N: usize>(&mut self, name: &'static str, parts: [&str; N]) -> [bool; N] {
        let rule = ["some of ", &parts.join(", "), " with commas between them"].concat();
        let read = |text: &str| {
            let known = |named: &str| parts.contains(&named);
            text.split(',').all(known).then(|| parts.map(|part| text.split(',').any(|named| named == part)))
        };
        self.take(name, &rule, read).unwrap_or([false; N])
    }

    /// Whether a parameter is present and not `false`.
    pub fn flag(&mut self, name: &'static str) -> bool {
        match self.text(name).as_deref() {
            Some("true" | "") => true,
            None | Some("false") => false,
            Some(_) => {
                self.fault(name, Code::Choice, "must be true or false");
                false
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&mut self, name: &'static str, absent: usize, bounds: RangeInclusive<usize>) -> usize {
        let Some(text) = self.text(name) else { return absent };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                self.fault(
                    name,
                    Code::Range,
                    format_args!("must be a number from {} to {}", bounds.start(), bounds.end()),
                );
                absent
            }
        }
    }

    /// The page size of a list: `limit`.
    pub fn limit(&mut self) -> usize {
        self.number("limit", PAGE, 1..=LONGEST_PAGE)
    }

    /// The position where a list continues: `cursor`.
    pub fn cursor<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.take("cursor", "the cursor of an earlier answer", read)
    }

    /// The earliest time: `since`, milliseconds since the epoch.
    pub fn since(&mut self) -> Option<i64> {
        self.time("since")
    }

    /// A time, milliseconds since the epoch.
    pub fn time(&mut self, name: &'static str) -> Option<i64> {
        let rule = "a time as RFC 3339 with an offset, with + written as %2B";
        self.take(name, rule, Timestamp::parse).map(Timestamp::millis)
    }

    /// The time before which something must be: `until`, milliseconds since the epoch.
    pub fn until(&mut self) -> Option<i64> {
        self.time("until")
    }

    /// The severity: `severity`.
    pub fn severity(&mut self) -> Option<Severity> {
        self.take("severity", "critical, high, moderate or info", Severity::parse)
    }

    /// Reports the faults of the query, if there are any.
    ///
    /// # Errors
    /// 422 with all of them.
    pub fn finish(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}

/// A parameter that a path does not know. The finding names it, so that several can be told apart; a long name is cut.
fn unknown(name: &str, known: &[&str]) -> Finding {
    let name: String = name.chars().take(LONGEST_NAME).collect();
    let rule = match known {
        [] => format!("{name} is not a parameter here: this path takes none"),
        known => format!("{name} is not a parameter here: the query may hold {}", known.join(", ")),
    };
    Finding::new("", Code::Unknown, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_told_by_its_name_and_a_long_one_is_cut() {
        let told = |name: &str, known: &[&str]| unknown(name, known).detail;
        assert_eq!(told("foo", &["limit", "cursor"]), "foo is not a parameter here: the query may hold limit, cursor");
        assert_eq!(told("%C3%A9", &[]), "%C3%A9 is not a parameter here: this path takes none");
        assert!(told(&"n".repeat(10_000), &[]).len() < 128);
    }

    #[test]
    fn every_fault_is_told_and_what_is_sound_is_read() {
        let read = |text: &str| {
            let mut query = Query::read(text, &["study", "limit", "partial", "since"]);
            let read = (query.text("study"), query.limit(), query.flag("partial"), query.since());
            (read, query.finish().err().map_or(0, |problem| problem.findings().len()))
        };
        assert_eq!(read(""), ((None, PAGE, false, None), 0));
        let all = "study=%E9%99%88&limit=7&partial&since=1970-01-01T00:00:01%2B00:00";
        assert_eq!(read(all), ((Some("陈".to_owned()), 7, true, Some(1000)), 0));
        assert_eq!(read("study=%zz&limit=0&limit=1&partial=1&since=&other=1").1, 6);
    }

    #[test]
    fn a_parameter_that_may_be_repeated_has_all_its_values_and_all_their_faults() {
        let sum = |text: &str| {
            let mut query = Query::read_with(text, &["a", "b"], &["a"]);
            let sum = query.all("a", "a number", 0, |sum, text| text.parse().ok().map(|it: i32| sum + it));
            (sum, query.finish().err().map_or(0, |problem| problem.findings().len()))
        };
        assert_eq!(sum(""), (0, 0));
        assert_eq!(sum("a=1&b=x&a=2"), (3, 0));
        assert_eq!(sum("a=1&a=x&b=x&b=x&a="), (1, 3));
    }
}
