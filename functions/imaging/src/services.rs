//! The services that analyse images: the variable `ai_services`.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Severity;
use platform::deadline::Deadline;
use platform::http::Url;
use platform::variables::json;
use serde::Deserialize;
use state::imaging::semaphore;

/// The time that a slot is held beyond the longest call: the holder needs time to give it back.
const MARGIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Declared {
    url: String,
    limit: u32,
    #[serde(default = "half_a_minute")]
    deadline_ms: u64,
    #[serde(default)]
    alerts: Vec<DeclaredRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeclaredRule {
    rule: String,
    finding: String,
    at_least: f64,
    severity: String,
}

fn half_a_minute() -> u64 {
    30_000
}

/// A service that analyses images.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) url: Url,
    pub(crate) limit: u32,
    pub(crate) deadline: Duration,
    pub(crate) rules: Vec<Rule>,
}

/// An alert rule of a service: a number in the result that is at least this high.
pub(crate) struct Rule {
    pub(crate) id: String,
    /// The place of the number in the result: a JSON pointer.
    pub(crate) finding: String,
    pub(crate) at_least: f64,
    pub(crate) severity: Severity,
}

/// All services, by name.
pub(crate) type Services = BTreeMap<String, Service>;

impl Service {
    /// The service's slots, which all instances share.
    pub(crate) fn places(&self) -> semaphore::Service<'_> {
        semaphore::Service { name: &self.name, limit: self.limit, longest: self.deadline + MARGIN }
    }

    /// The deadline of a call that starts now.
    pub(crate) fn call(&self) -> Deadline {
        Deadline::after(self.deadline)
    }
}

/// Reads the variable `ai_services`.
pub(crate) fn read(text: &str) -> Result<Services, Vec<String>> {
    let rule = r#"must be a JSON object: name to {"url","limit","deadlineMs","alerts":[{"rule","finding","atLeast","severity"}]}"#;
    let declared: BTreeMap<String, Declared> = json(text, rule)?;
    let (mut services, mut faults) = (Services::new(), Vec::new());
    for (name, declared) in declared {
        let plain = |text: &str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !plain(&name) {
            faults.push("names services with 1 to 64 lower-case letters, digits and hyphens".to_owned());
            continue;
        }
        if !(1..=1000).contains(&declared.limit) {
            faults.push(format!("{name}: limit must be from 1 to 1000"));
        }
        if !(10..=600_000).contains(&declared.deadline_ms) {
            faults.push(format!("{name}: deadlineMs must be from 10 to 600000"));
        }
        let mut rules = Vec::new();
        for (index, declared) in declared.alerts.into_iter().enumerate() {
            let severity = Severity::parse(&declared.severity);
            let pointer = declared.finding.starts_with('/');
            match severity.filter(|_| plain(&declared.rule) && pointer && declared.at_least.is_finite()) {
                Some(severity) => rules.push(Rule {
                    id: declared.rule,
                    finding: declared.finding,
                    at_least: declared.at_least,
                    severity,
                }),
                None => faults.push(format!("{name}: alerts/{index} must name a rule, a JSON pointer and a severity")),
            }
        }
        let url = match Url::parse(&declared.url) {
            Ok(url) => url,
            Err(rule) => {
                faults.push(format!("at \"/{name}/url\": must be {rule}"));
                continue;
            }
        };
        let (limit, deadline) = (declared.limit, Duration::from_millis(declared.deadline_ms));
        services.insert(name.clone(), Service { name, url, limit, deadline, rules });
    }
    if faults.is_empty() { Ok(services) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_together_and_without_values() {
        let text = r#"{"a":{"url":"ftp://top.secret","limit":0,"alerts":[{"rule":"r","finding":"x","atLeast":1,"severity":"high"}]}}"#;
        let faults = read(text).err().unwrap();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(!faults.join(" ").contains("secret"));
        assert!(read("[]").is_err() && read(r#"{"A":{"url":"http://h","limit":1}}"#).is_err());
        let services = read(r#"{"chest":{"url":"http://h/","limit":10}}"#).ok().unwrap();
        assert_eq!(services["chest"].deadline, Duration::from_secs(30));
    }
}
