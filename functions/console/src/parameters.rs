//! The parameters of lists, all their faults at once.

use domain::{Code, Finding, Severity, Timestamp};
use platform::http::Incoming;
use platform::percent::decode;
use platform::problem::Problem;
use platform::query::unknown;

/// The parameters of a query, each taken out by whoever knows it; what is left is a fault.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    known: &'static [&'static str],
    faults: Vec<Finding>,
}

/// How many a page holds if nobody says, and at most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

impl Parameters {
    pub(crate) fn read(incoming: &Incoming, known: &'static [&'static str]) -> Self {
        let (mut given, mut faults) = (Vec::new(), Vec::new());
        for parameter in incoming.query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let twice = given.iter().any(|(other, _): &(String, String)| other == name);
            match decode(value) {
                _ if !known.contains(&name) => faults.push(unknown(name, known)),
                _ if twice => faults.push(Finding::new("", Code::Conflict, format!("{name} may stand there once"))),
                Some(value) if !value.is_empty() => given.push((name.to_owned(), value)),
                _ => faults.push(Finding::new("", Code::Format, format!("{name} must be a text in UTF-8, not empty"))),
            }
        }
        Parameters { given, known, faults }
    }

    /// A parameter made into what is wanted of it; `rule` says what it must be.
    pub(crate) fn take<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        debug_assert!(self.known.contains(&name));
        let place = self.given.iter().position(|(own, _)| own == name)?;
        let (_, value) = self.given.swap_remove(place);
        let read = read(&value);
        if read.is_none() {
            self.faults.push(Finding::new("", Code::Format, format!("{name} must be {rule}")));
        }
        read
    }

    pub(crate) fn limit(&mut self) -> usize {
        let rule = format!("1 to {LONGEST_PAGE}");
        let limit =
            self.take("limit", &rule, |text| text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit)));
        limit.unwrap_or(PAGE)
    }

    pub(crate) fn since(&mut self) -> Option<i64> {
        let rule = "a time as RFC 3339 with an offset, with + written as %2B";
        self.take("since", rule, Timestamp::parse).map(Timestamp::millis)
    }

    pub(crate) fn severity(&mut self) -> Option<Severity> {
        self.take("severity", "critical, high, moderate or info", Severity::parse)
    }

    /// Every fault, if there is one.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}
