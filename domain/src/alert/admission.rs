//! Admission of a raised alert: send it, send it together with others, or only record it.
//!
//! Guarantee: every alert gets exactly one of these decisions, with the reason. A critical alert never waits for
//! others. It is only recorded if a silence or a repeat interval of its own rule says so.
//!
//! The checks run in this order: severities that the document routes to nobody, silences, repetitions, groups.
//! Therefore a silenced alert does not begin a repeat interval, and an alert that is only recorded does not begin a
//! group.

use crate::ids::AlertId;
use alloc::format;
use alloc::string::{String, ToString as _};

use sha2::{Digest, Sha256};

use super::routes::{Facts, Plan};
use super::silence::Silence;
use crate::{Severity, Timestamp};

/// The decision about a raised alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Send it at once.
    Send,
    /// Send it when its group closes, together with the alerts that join until then.
    Lead {
        /// The time when the group closes.
        closes_at: Timestamp,
    },
    /// It joins the message of another alert.
    Join {
        /// The id of that alert.
        leader: AlertId,
    },
    /// It is recorded and not sent.
    Suppress(Suppressed),
}

/// Why an alert is only recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suppressed {
    /// The document routes its severity to nobody.
    NotRouted,
    /// A silence covers it.
    Silenced {
        /// The id of the silence.
        by: String,
    },
    /// The same rule was sent for the same subject within the repeat interval.
    Repeated {
        /// The id of the alert that was sent.
        of: String,
    },
}

impl Suppressed {
    /// The reason, as it is written in records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Suppressed::NotRouted => "not-routed",
            Suppressed::Silenced { .. } => "silenced",
            Suppressed::Repeated { .. } => "repeated",
        }
    }

    /// The id of the silence or of the earlier alert that is the reason.
    pub fn because_of(&self) -> Option<&str> {
        match self {
            Suppressed::NotRouted => None,
            Suppressed::Silenced { by } => Some(by),
            Suppressed::Repeated { of } => Some(of),
        }
    }
}

/// The last alert of a rule that was sent for a subject. Alerts that were only recorded are not kept here: the interval
/// starts when people were notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// The time when it was sent.
    pub at: Timestamp,
    /// Its severity.
    pub severity: Severity,
    /// Its id.
    pub alert: AlertId,
}

impl Last {
    /// Writes it as one text, for a Redis string that expires with the interval.
    pub fn write(&self) -> String {
        format!("{} {} {}", self.at.millis(), self.severity.as_str(), self.alert)
    }

    /// Reads what [`Last::write`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let at = Timestamp::from_millis(words.next()?.parse().ok()?);
        Some(Last { at, severity: Severity::parse(words.next()?)?, alert: words.next()?.into() })
    }

    /// Whether a new alert of the same rule and subject is only recorded. A more severe alert is sent.
    pub fn covers(&self, severity: Severity, interval_ms: u64, now: Timestamp) -> bool {
        severity <= self.severity && self.at <= now && now.ms_since(self.at) < interval_ms
    }
}

/// The open group of a subject and a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The time when its message is sent.
    pub closes_at: Timestamp,
    /// The alert that leads the group; the message goes out under its id.
    pub leader: AlertId,
}

impl Group {
    /// Writes it as one text, for a Redis string that expires with the window.
    pub fn write(&self) -> String {
        format!("{} {}", self.closes_at.millis(), self.leader)
    }

    /// Reads what [`Group::write`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, leader) = text.split_once(' ')?;
        Some(Group { closes_at: Timestamp::from_millis(at.parse().ok()?), leader: leader.into() })
    }
}

/// The key of the last alert of this rule for this subject: 32 hex digits.
pub fn repeat_key(facts: &Facts<'_>) -> String {
    key(&[facts.study, facts.subject, facts.instrument, facts.rule])
}

/// The key of the group of this subject and route: 32 hex digits.
pub fn group_key(facts: &Facts<'_>, plan: &Plan<'_>) -> String {
    // An id has no comma, so the joined text is unambiguous.
    key(&[facts.study, facts.site, facts.subject, &plan.receivers.join(",")])
}

fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Decides whether an alert is sent, grouped or only recorded. `last` and `group` are the values stored under
/// [`repeat_key`] and [`group_key`].
///
/// The caller writes the result in one step with the alert's state. After `Send` and `Lead` it writes the alert as
/// [`Last`] for `plan.repeat_ms`. After `Lead` it also writes the alert as [`Group`] until `closes_at`, unless another
/// group is already there.
pub fn admit(
    facts: &Facts<'_>,
    plan: &Plan<'_>,
    silences: &[Silence],
    last: Option<&Last>,
    group: Option<&Group>,
    now: Timestamp,
) -> Admission {
    if plan.routed && plan.receivers.is_empty() {
        return Admission::Suppress(Suppressed::NotRouted);
    }
    if let Some(silence) = silences.iter().find(|silence| silence.covers(facts, now)) {
        return Admission::Suppress(Suppressed::Silenced { by: silence.id.clone() });
    }
    if let Some(last) = last.filter(|last| last.covers(facts.severity, plan.repeat_ms, now)) {
        return Admission::Suppress(Suppressed::Repeated { of: last.alert.to_string() });
    }
    if facts.severity == Severity::Critical || plan.group_ms == 0 {
        return Admission::Send;
    }
    match group {
        // A wrong clock opened a group that closes later than any window from now.
        Some(group) if now < group.closes_at && group.closes_at <= now.plus_ms(plan.group_ms) => {
            Admission::Join { leader: group.leader.clone() }
        }
        _ => Admission::Lead { closes_at: now.plus_ms(plan.group_ms) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::routes::Routes;
    use alloc::vec::Vec;
    use serde_json::json;

    fn facts(severity: Severity) -> Facts<'static> {
        Facts { study: "S", site: "01", subject: "p7", instrument: "phq-9", rule: "severe", severity }
    }

    fn routes() -> Routes {
        Routes::read(&json!({
            "receivers": {"sms": {"channel": "sms", "url": "https://example.org/"}},
            "defaults": {
                "routes": {"critical": ["sms"], "high": ["sms"], "moderate": ["sms"], "info": []},
                "repeatSeconds": 60,
            },
            "studies": {"S2": {"repeatSecondsByRule": {"phq-9/severe": 10}}},
        }))
        .unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn check(facts: Facts<'_>, last: Option<Last>, group: Option<Group>, now: i64, expected: Admission) {
        let routes = routes();
        let plan = routes.plan(&facts);
        assert_eq!(admit(&facts, &plan, &[], last.as_ref(), group.as_ref(), at(now)), expected);
    }

    fn last(severity: Severity) -> Option<Last> {
        Some(Last { at: at(0), severity, alert: "a-1".into() })
    }

    #[test]
    fn a_critical_alert_is_sent_at_once() {
        let group = Some(Group { closes_at: at(9_000), leader: "a-1".into() });
        check(facts(Severity::Critical), last(Severity::Critical), group, 1, Admission::Send);
    }

    #[test]
    fn the_same_rule_again_is_recorded_unless_it_is_worse_or_its_time_is_over() {
        let repeated = || Admission::Suppress(Suppressed::Repeated { of: "a-1".into() });
        check(facts(Severity::High), last(Severity::High), None, 59_999, repeated());
        check(facts(Severity::Moderate), last(Severity::High), None, 1, repeated());
        let lead = |now: i64| Admission::Lead { closes_at: at(now + 30_000) };
        check(facts(Severity::High), last(Severity::High), None, 60_000, lead(60_000));
        check(facts(Severity::High), last(Severity::Moderate), None, 1, lead(1));
        check(facts(Severity::High), last(Severity::High), None, -1, lead(-1));
        let own = Facts { study: "S2", ..facts(Severity::Critical) };
        check(own, last(Severity::Critical), None, 9_999, repeated());
        check(own, last(Severity::Critical), None, 10_000, Admission::Send);
    }

    #[test]
    fn alerts_within_the_window_go_together() {
        let group = |closes_at| Some(Group { closes_at: at(closes_at), leader: "a-1".into() });
        check(facts(Severity::High), None, group(30_000), 29_999, Admission::Join { leader: "a-1".into() });
        check(facts(Severity::High), None, group(30_000), 30_000, Admission::Lead { closes_at: at(60_000) });
        check(facts(Severity::High), None, group(90_000_000), 0, Admission::Lead { closes_at: at(30_000) });
    }

    #[test]
    fn silenced_and_not_routed_is_recorded_with_its_reason() {
        check(facts(Severity::Info), None, None, 0, Admission::Suppress(Suppressed::NotRouted));
        let silence = Silence::read(&json!({
            "id": "s1", "matchers": {"subject": ["p7"]}, "start": "1970-01-01T00:00:00Z",
            "end": "1970-01-02T00:00:00Z", "author": "a", "comment": "c",
        }));
        let (routes, silences) = (routes(), Vec::from([silence.unwrap()]));
        let admitted = |severity| {
            let facts = facts(severity);
            admit(&facts, &routes.plan(&facts), &silences, None, None, at(5))
        };
        assert_eq!(admitted(Severity::High), Admission::Suppress(Suppressed::Silenced { by: "s1".into() }));
        assert_eq!(admitted(Severity::Critical), Admission::Send);
    }

    #[test]
    fn what_is_kept_is_read_back_and_named_apart() {
        let last = last(Severity::High).unwrap();
        assert_eq!(Last::parse(&last.write()), Some(last));
        let group = Group { closes_at: at(-5), leader: "a 1".into() };
        assert_eq!(Group::parse(&group.write()), Some(group));
        assert_eq!((Last::parse("x"), Last::parse("1 bad a"), Group::parse("1")), (None, None, None));
        let (one, other) =
            (facts(Severity::High), Facts { rule: "", instrument: "phq-9severe", ..facts(Severity::High) });
        assert_ne!(repeat_key(&one), repeat_key(&other));
        assert_eq!(repeat_key(&one).len(), 32);
    }
}
