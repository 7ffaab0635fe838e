//! Silences: for a limited time, matching alerts are recorded and not sent.
//!
//! Guarantee: a silence states its matchers, its author, its reason and its end. No silence matches everything, and
//! none lasts for ever. A silence covers critical alerts only if it says so itself.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::Value;

use super::routes::Facts;
use crate::ids;
use crate::reading::{At, Faults, is_name};
use crate::{Code, Finding, Severity, Timestamp, scrub};

/// The longest silence, milliseconds: 30 days.
pub const LONGEST_MS: u64 = 30 * 86_400_000;

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// The matchers; all of them must match.
    pub matchers: Vec<Matcher>,
    /// The first moment at which it applies.
    pub start: Timestamp,
    /// The first moment at which it no longer applies.
    pub end: Timestamp,
    /// The author.
    pub author: String,
    /// The reason.
    pub comment: String,
    /// Whether it silences critical alerts too.
    pub critical: bool,
}

/// A property of an alert and its accepted values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The property.
    pub property: Property,
    /// The accepted values; they match exactly.
    pub values: Vec<String>,
}

/// A property of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// The study.
    Study,
    /// The site.
    Site,
    /// The severity.
    Severity,
    /// The instrument.
    Instrument,
    /// The rule.
    Rule,
    /// The subject's pseudonym.
    Subject,
}

impl Property {
    /// All properties.
    pub const ALL: [Property; 6] =
        [Property::Study, Property::Site, Property::Severity, Property::Instrument, Property::Rule, Property::Subject];

    /// The property's name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Property::Study => "study",
            Property::Site => "site",
            Property::Severity => "severity",
            Property::Instrument => "instrument",
            Property::Rule => "rule",
            Property::Subject => "subject",
        }
    }

    fn of<'a>(self, facts: &Facts<'a>) -> &'a str {
        match self {
            Property::Study => facts.study,
            Property::Site => facts.site,
            Property::Severity => facts.severity.as_str(),
            Property::Instrument => facts.instrument,
            Property::Rule => facts.rule,
            Property::Subject => facts.subject,
        }
    }
}

impl Silence {
    /// Whether this silence covers the alert now.
    pub fn covers(&self, facts: &Facts<'_>, now: Timestamp) -> bool {
        let about = |matcher: &Matcher| matcher.values.iter().any(|it| it == matcher.property.of(facts));
        (self.start..self.end).contains(&now)
            && (self.critical || facts.severity != Severity::Critical)
            && !self.matchers.is_empty()
            && self.matchers.iter().all(about)
    }

    /// Parses a silence: `{"id", "matchers": {"site": ["01"], ...}, "start", "end", "author", "comment", "critical"?}`.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read(document: &Value) -> Result<Silence, Vec<Finding>> {
        let mut faults = Faults::new();
        let silence = silence(At::root(document), &mut faults);
        silence.filter(|_| faults.is_empty()).ok_or(faults)
    }

    /// Parses a list of silences.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read_all(document: &Value) -> Result<Vec<Silence>, Vec<Finding>> {
        let mut faults = Faults::new();
        let mut silences: Vec<Silence> = Vec::new();
        for at in At::root(document).list(&mut faults) {
            let Some(read) = silence(at, &mut faults) else { continue };
            if silences.iter().any(|other| other.id == read.id) {
                at.fault(&mut faults, Code::Conflict, "an id is there once");
            }
            silences.push(read);
        }
        if faults.is_empty() { Ok(silences) } else { Err(faults) }
    }
}

fn silence(at: At<'_, '_>, faults: &mut Faults) -> Option<Silence> {
    if !at.object(faults, &["id", "matchers", "start", "end", "author", "comment", "critical"]) {
        return None;
    }
    let id = at.need("id", faults).and_then(|at| at.name(faults));
    let matchers = at.need("matchers", faults).map(|at| matchers(at, faults));
    let mut time = |member| {
        let at = at.need(member, faults)?;
        let read = Timestamp::parse(at.text(faults)?);
        if read.is_none() {
            at.fault(faults, Code::Format, "must be a time as RFC 3339 with an offset");
        }
        read
    };
    let (start, end) = (time("start"), time("end"));
    if let (Some(start), Some(end)) = (start, end)
        && !(1..=LONGEST_MS).contains(&end.ms_since(start))
    {
        at.fault(faults, Code::Conflict, "\"end\" is after \"start\", by 30 days at most");
    }
    let mut words = |member, longest: usize| {
        let at = at.need(member, faults)?;
        let words = at.words(faults)?;
        if words.chars().count() > longest {
            at.fault(faults, Code::Range, alloc::format!("at most {longest} characters"));
        }
        Some(words)
    };
    let (author, comment) = (words("author", 100), words("comment", 1000));
    let critical = at.get("critical").map_or(Some(false), |at| at.flag(faults));
    Some(Silence {
        id: id?.to_string(),
        matchers: matchers?,
        start: start?,
        end: end?,
        author: author?.to_string(),
        comment: comment?.to_string(),
        critical: critical?,
    })
}

fn matchers(at: At<'_, '_>, faults: &mut Faults) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    if !at.object(faults, &Property::ALL.map(Property::as_str)) {
        return matchers;
    }
    for property in Property::ALL {
        let Some(at) = at.get(property.as_str()) else { continue };
        let mut values = Vec::new();
        for value in at.filled_list(faults) {
            let Some(text) = value.words(faults) else { continue };
            if property == Property::Severity && Severity::parse(text).is_none() {
                value.fault(faults, Code::Choice, "must be one of info, moderate, high, critical");
            }
            // Rules and instruments may have a `+` in their names.
            if property != Property::Severity && !ids::is_name(text) && !is_name(text) {
                value.fault(faults, Code::Format, ids::NAME_RULE);
            }
            values.push(text.to_string());
        }
        matchers.push(Matcher { property, values });
    }
    if matchers.is_empty() {
        at.fault(faults, Code::Required, "needs at least one property: nothing silences everything");
    }
    matchers
}

/// Takes identities out of the comment of a silence, or of each in a list: no version of the settings is ever erased.
pub fn without_identities(silences: &mut Value) {
    match silences {
        Value::Array(list) => list.iter_mut().for_each(without_identities),
        Value::Object(silence) => {
            if let Some(Value::String(comment)) = silence.get_mut("comment") {
                *comment = scrub::free_text(core::mem::take(comment));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FACTS: Facts<'static> =
        Facts { study: "S", site: "01", subject: "p7", instrument: "phq-9", rule: "severe", severity: Severity::High };

    fn document() -> Value {
        json!({
            "id": "s1", "matchers": {"site": ["01", "02"], "rule": ["severe"]},
            "start": "2026-03-01T08:00:00+08:00", "end": "2026-03-02T00:00:00Z",
            "author": "admin-1", "comment": "drill at the site",
        })
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn it_covers_what_matches_all_its_properties_while_it_lasts() {
        let silence = Silence::read(&document()).unwrap();
        let noon = at("2026-03-01T12:00:00Z");
        assert!(silence.covers(&FACTS, noon) && silence.covers(&Facts { site: "02", ..FACTS }, noon));
        assert!(silence.covers(&FACTS, at("2026-03-01T00:00:00Z")));
        for (facts, now) in [
            (Facts { site: "03", ..FACTS }, noon),
            (Facts { rule: "other", ..FACTS }, noon),
            (Facts { severity: Severity::Critical, ..FACTS }, noon),
            (FACTS, at("2026-02-28T23:59:59Z")),
            (FACTS, at("2026-03-02T00:00:00Z")),
        ] {
            assert!(!silence.covers(&facts, now), "{facts:?}");
        }
        let loud = Silence { critical: true, ..silence };
        assert!(loud.covers(&Facts { severity: Severity::Critical, ..FACTS }, noon));
    }

    fn check(member: &str, value: Value, expected: &[(&str, Code)]) {
        let mut silence = document();
        silence[member] = value;
        let faults = Silence::read(&silence).unwrap_err();
        let found: Vec<(&str, Code)> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
        assert_eq!(found, expected, "{member}");
    }

    #[test]
    fn faults_are_told_at_once() {
        check("matchers", json!({}), &[("/matchers", Code::Required)]);
        check(
            "matchers",
            json!({"site": [], "patient": ["x"]}),
            &[("/matchers/patient", Code::Unknown), ("/matchers/site", Code::Range)],
        );
        check("matchers", json!({"severity": ["bad"]}), &[("/matchers/severity/0", Code::Choice)]);
        check("end", json!("2026-03-01T00:00:00Z"), &[("", Code::Conflict)]);
        check("end", json!("2026-04-01T00:00:00Z"), &[("", Code::Conflict)]);
        check("start", json!("today"), &[("/start", Code::Format)]);
        check("forever", json!(true), &[("/forever", Code::Unknown)]);
        let faults = Silence::read(&json!({})).unwrap_err();
        assert_eq!(faults.len(), 6);
        let twice = Silence::read_all(&json!([document(), document()])).unwrap_err();
        assert_eq!((twice.len(), twice[0].pointer.as_str()), (1, "/1"));
    }

    #[test]
    fn identities_are_taken_out_of_comments() {
        let mut silences = json!([{"comment": "call 13800138000"}, {"comment": 1}, {"comment": "drill"}, 7]);
        without_identities(&mut silences);
        assert_eq!(silences, json!([{"comment": "call [phone]"}, {"comment": 1}, {"comment": "drill"}, 7]));
    }
}
