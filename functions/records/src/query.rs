//! What a query says, and nothing that is not known.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use domain::{Code, Finding};
use platform::percent::decode;
use platform::problem::Problem;
use platform::query::unknown;

/// The parameters of a query, each given once. Faults are collected until [`Query::checked`].
pub(crate) struct Query {
    given: BTreeMap<String, String>,
    faults: Vec<Finding>,
}

impl Query {
    /// Reads a query whose parameters are among `known`.
    pub(crate) fn read(query: &str, known: &[&str]) -> Self {
        let mut read = Query { given: BTreeMap::new(), faults: Vec::new() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !known.contains(&name) {
                read.faults.push(unknown(name, known));
                continue;
            }
            let Some(value) = decode(value) else {
                read.fault(name, Code::Format, "must be percent-encoded UTF-8");
                continue;
            };
            if read.given.insert(name.to_owned(), value).is_some() {
                read.fault(name, Code::Conflict, "is given once");
            }
        }
        read
    }

    /// Notes a fault of a parameter.
    pub(crate) fn fault(&mut self, name: &str, code: Code, rule: &str) {
        self.faults.push(Finding::new("", code, format!("{name} {rule}")));
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// Whether a parameter is there, and not `false`.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.text(name) {
            Some("true" | "") => true,
            None | Some("false") => false,
            Some(_) => {
                self.fault(name, Code::Choice, "must be true or false");
                false
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, name: &str, absent: u32, bounds: RangeInclusive<u32>) -> u32 {
        let Some(text) = self.text(name) else { return absent };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let rule = format!("must be a number from {} to {}", bounds.start(), bounds.end());
                self.fault(name, Code::Range, &rule);
                absent
            }
        }
    }

    /// All faults of the query, if there are any.
    pub(crate) fn checked(&mut self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(std::mem::take(&mut self.faults))) }
    }
}
