//! The parameters of a FHIR search: times with prefixes, codes, references and canonicals.
//!
//! Guarantee: a value that is not understood whole is refused. A search that ignores a parameter finds too much.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::response;
use crate::Timestamp;

/// The rule of a time, for findings.
pub const TIME: &str = "eq, ge, gt, le or lt with a date (2026, 2026-03, 2026-03-01; days of UTC) or a time with an offset, \
    with + written as %2B";

/// The span of time that all of a parameter's values leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The first millisecond of it.
    from: Option<i64>,
    /// The first millisecond after it.
    until: Option<i64>,
}

impl Times {
    /// Narrows the span by a value: a prefix (`eq` if there is none) and a time, which is as long as its precision.
    #[must_use]
    pub fn and(self, text: &str) -> Option<Self> {
        let (prefix, time) = match text.split_at_checked(2) {
            Some((prefix, time)) if prefix.bytes().all(|byte| byte.is_ascii_lowercase()) => (prefix, time),
            _ => ("eq", text),
        };
        let (first, after) = span(time)?;
        let (from, until) = match prefix {
            "eq" => (Some(first), Some(after)),
            "ge" => (Some(first), None),
            "gt" => (Some(after), None),
            "le" => (None, Some(after)),
            "lt" => (None, Some(first)),
            _ => return None,
        };
        let until = match (self.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Some(Times { from: self.from.max(from), until })
    }

    /// Whether a time is in the span.
    pub fn contain(self, time: &str) -> bool {
        let Some(at) = Timestamp::parse(time).map(Timestamp::millis) else { return self == Times::default() };
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// The first millisecond of a time, and the first one after it.
fn span(text: &str) -> Option<(i64, i64)> {
    let at = |text: &str| Timestamp::parse(text).map(Timestamp::millis);
    let start = |year: u32, month: u32| at(&alloc::format!("{year:04}-{month:02}-01T00:00:00Z"));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let day = 86_400_000;
    Some(match text.len() {
        4 => {
            let year = number(text)?;
            (start(year, 1)?, start(year, 12)? + 31 * day)
        }
        7 => {
            let (year, month) = text.split_once('-')?;
            let (year, month) = (number(year).filter(|_| year.len() == 4)?, number(month)?);
            let last = if month == 12 { start(year, 12)? + 31 * day } else { start(year, month + 1)? };
            (start(year, month)?, last)
        }
        10 => {
            let first = at(&[text, "T00:00:00Z"].concat())?;
            (first, first + day)
        }
        _ => {
            let (date, time) = text.split_at_checked(10)?;
            // FHIR allows minutes in a search, RFC 3339 does not.
            let (clock, offset) = time.split_at(time.find(['Z', 'z', '+', '-'])?);
            match clock.len() {
                6 => {
                    let first = at(&[date, clock, ":00", offset].concat())?;
                    (first, first + 60_000)
                }
                9 => at(text).map(|first| (first, first + 1000))?,
                _ => at(text).map(|first| (first, first + 1))?,
            }
        }
    })
}

/// A token: a code, with its system or without; the system may be empty, for a code that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    system: Option<String>,
    code: String,
}

/// Codes, any of which may be the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes(Vec<Token>);

impl Codes {
    /// Reads codes with commas between them, each `<code>` or `<system>|<code>`.
    pub fn parse(text: &str) -> Option<Self> {
        let token = |text: &str| {
            let (system, code) = match text.rsplit_once('|') {
                Some((system, code)) => (Some(system.to_owned()), code),
                None => (None, text),
            };
            (!code.is_empty()).then(|| Token { system, code: code.to_owned() })
        };
        text.split(',').map(token).collect::<Option<_>>().map(Codes)
    }

    /// Whether the code of a resource is one of these.
    pub fn take(&self, resource: &Value) -> bool {
        let codings = resource.pointer("/code/coding").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let member = |coding: &Value, name: &str| coding.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        codings.iter().any(|coding| {
            let (system, code) = (member(coding, "system").unwrap_or_default(), member(coding, "code"));
            self.0.iter().any(|token| {
                code.as_ref() == Some(&token.code) && token.system.as_ref().is_none_or(|asked| *asked == system)
            })
        })
    }
}

/// The instrument that a search names: its id or a canonical of it, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questionnaire {
    /// The id of the instrument.
    pub instrument: String,
    /// Its version.
    pub version: Option<String>,
}

impl Questionnaire {
    /// Reads a canonical, which may end in `|<version>`, or the id of an instrument.
    pub fn parse(text: &str) -> Option<Self> {
        let (instrument, version) = response::instrument_named(text)?;
        let version = version.map(ToOwned::to_owned);
        Some(Questionnaire { instrument: instrument.to_owned(), version })
    }
}

/// The id in a reference to a resource of this type, relative or absolute; of `bare` ones also without the type.
pub fn reference<'t>(text: &'t str, resource: &str, bare: bool) -> Option<&'t str> {
    let Some((kind, id)) = text.rsplit_once('/') else { return Some(text).filter(|_| bare) };
    let is_kind = kind == resource || kind.strip_suffix(resource).is_some_and(|base| base.ends_with('/'));
    is_kind.then_some(id)
}

/// Whether this server answers in a format that `_format` may name. A `+` may have become a blank on its way.
pub fn is_format(text: &str) -> bool {
    matches!(text, "json" | "application/json" | "application/fhir+json" | "application/fhir json" | "text/json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn times(values: &[&str]) -> Option<Times> {
        values.iter().try_fold(Times::default(), |times, text| times.and(text))
    }

    #[test]
    fn a_time_is_as_long_as_its_precision() {
        let holds = |values: &[&str], time: &str| times(values).unwrap().contain(time);
        let (before, first, last, after) = (
            "2026-02-28T23:59:59.999Z",
            "2026-03-01T00:00:00.000Z",
            "2026-03-01T23:59:59.999Z",
            "2026-03-02T00:00:00.000Z",
        );
        for (value, expected) in [
            ("2026-03-01", [false, true, true, false]),
            ("eq2026-03-01", [false, true, true, false]),
            ("ge2026-03-01", [false, true, true, true]),
            ("gt2026-03-01", [false, false, false, true]),
            ("le2026-03-01", [true, true, true, false]),
            ("lt2026-03-01", [true, false, false, false]),
            ("2026", [true, true, true, true]),
            ("2026-03", [false, true, true, true]),
            ("2026-03-01T08:00+08:00", [false, true, false, false]),
            ("2026-03-01T00:00:00Z", [false, true, false, false]),
            ("2026-03-01T23:59:59.999Z", [false, false, true, false]),
            ("gt2026-02-28T23:59:59Z", [false, true, true, true]),
        ] {
            assert_eq!([before, first, last, after].map(|time| holds(&[value], time)), expected, "{value}");
        }
        assert!(holds(&["ge2026-03-01", "lt2026-03-02"], last) && !holds(&["ge2026-03-01", "lt2026-03-02"], after));
        assert!(!holds(&["ge2026-03-02", "2026-03-01"], last) && !holds(&["lt2026-03-01", "le2026-03-01"], first));
        assert!(holds(&["2025-12"], "2025-12-31T23:59:59.999Z") && !holds(&["2024"], "2025-01-01T00:00:00Z"));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for text in [
            "",
            "ge",
            "ne2026-03-01",
            "ap2026",
            "26",
            "2026-13",
            "2026-3-1",
            "2026-02-30",
            "2026-03-01T08:00",
            "x026",
            "2026-03-01T08:00:00",
            "2026-03-01T8Z",
            "2026-03-01,2026-03-02",
            "+026",
            "GE2026",
            "2026-03-01 08:00Z ",
            "ö2026",
            "20260-1",
        ] {
            assert_eq!(times(&[text]), None, "{text}");
        }
    }

    #[test]
    fn a_code_matches_with_its_system_or_without() {
        let resource =
            json!({"code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}, {"code": "own"}]}});
        for (text, expected) in [
            ("44261-6", true),
            ("http://loinc.org|44261-6", true),
            ("urn:x|44261-6", false),
            ("|44261-6", false),
            ("|own", true),
            ("x,44261-6", true),
            ("x", false),
        ] {
            assert_eq!(Codes::parse(text).unwrap().take(&resource), expected, "{text}");
        }
        for text in ["", "a,", "http://loinc.org|"] {
            assert_eq!(Codes::parse(text), None, "{text}");
        }
        assert!(!Codes::parse("x").unwrap().take(&json!({})));
    }

    #[test]
    fn an_instrument_is_named_by_its_id_or_a_canonical() {
        let named = |text: &str| Questionnaire::parse(text).map(|it| (it.instrument, it.version));
        let phq9 = |version: Option<&str>| Some(("phq-9".to_owned(), version.map(ToOwned::to_owned)));
        assert_eq!(named("phq-9"), phq9(None));
        assert_eq!(named("urn:vigil:questionnaire:phq-9|2.1"), phq9(Some("2.1")));
        assert_eq!(named("http://loinc.org/q/44249-1|2.77"), phq9(None));
        for text in ["", "http://x/", "a#b"] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_is_read_with_its_type() {
        for (text, bare, id) in [
            ("Patient/a", true, Some("a")),
            ("https://x.example/fhir/Patient/a", true, Some("a")),
            ("a", true, Some("a")),
            ("a", false, None),
            ("Group/a", true, None),
            ("xPatient/a", true, None),
        ] {
            assert_eq!(reference(text, "Patient", bare), id, "{text}");
        }
    }
}
