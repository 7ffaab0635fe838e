//! Alert rules: which answers and scores a clinician must hear of.
//!
//! Guarantee: a rule raises its alert exactly when its condition is known to hold, with the reason in words. What is not
//! known raises nothing, which is why a missing critical item has a rule of its own. A rule marked `always` cannot be
//! switched off.

mod read;
mod words;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

pub(crate) use read::read_rules;

use crate::{
    Answers, Finding, Instrument, Score,
    instrument::{condition::Condition, names::Names, walk::At},
    score::Known,
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Info,
    /// To be seen at the next occasion.
    Moderate,
    /// To be seen today.
    High,
    /// To be seen now.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Severity; 4] = [Severity::Info, Severity::Moderate, Severity::High, Severity::Critical];

    /// The severity as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Moderate => "moderate",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity that is written so.
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// Earlier scores of the same patient, by score id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Of the response before this one.
    pub previous: BTreeMap<String, f64>,
    /// Of the first response.
    pub baseline: BTreeMap<String, f64>,
}

/// A rule that holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alert<'a> {
    /// The rule's id.
    pub rule: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// Names the fixed text for people.
    pub text_key: &'a str,
    /// Why: figures and rule in words, such as "item q9 is 1, rule: 1 or more". Patient data.
    pub reason: String,
    /// The rule cannot be switched off.
    pub always: bool,
}

/// A rule of an instrument or of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) text_key: String,
    pub(crate) always: bool,
    pub(crate) when: Condition,
}

impl Rule {
    /// The rule's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How bad it is when it holds.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Whether it cannot be switched off.
    pub fn always(&self) -> bool {
        self.always
    }
}

impl Instrument {
    /// The rules of the instrument itself.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Reads further rules for this instrument, such as a study's own: a JSON list in the form of `alerts` in a
    /// definition. They are used with [`Instrument::alerts_by`].
    ///
    /// # Errors
    /// A finding for each fault, pointers from the root of the list.
    pub fn read_rules(&self, list: &serde_json::Value) -> Result<Vec<Rule>, Vec<Finding>> {
        let mut faults = Vec::new();
        let names = Names::compiled(&self.items, &self.parameters, &self.scores);
        let rules = read_rules(At::root(list), &names, &mut faults);
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }

    /// The alerts that the instrument's own rules raise, the most severe first.
    pub fn alerts<'a>(&'a self, answers: &Answers, scores: &[Score], history: Option<&History>) -> Vec<Alert<'a>> {
        self.alerts_by(&self.rules, answers, scores, history)
    }

    /// The alerts that `rules` raise, the most severe first.
    pub fn alerts_by<'a>(
        &self,
        rules: &'a [Rule],
        answers: &Answers,
        scores: &[Score],
        history: Option<&History>,
    ) -> Vec<Alert<'a>> {
        let known = Known { answers, scores, defs: &self.scores, parameters: None, history };
        let raised = rules.iter().filter(|rule| known.holds(&rule.when) == Some(true));
        let mut alerts: Vec<Alert<'a>> = raised
            .map(|rule| Alert {
                rule: &rule.id,
                severity: rule.severity,
                text_key: &rule.text_key,
                reason: words::reason(self, &known, &rule.when),
                always: rule.always,
            })
            .collect();
        alerts.sort_by_key(|alert| core::cmp::Reverse(alert.severity));
        alerts
    }
}

/// Takes out the alerts of rules that are switched off. Those marked `always` stay.
pub fn switch_off<'a>(alerts: Vec<Alert<'a>>, rules: &[&str]) -> Vec<Alert<'a>> {
    alerts.into_iter().filter(|alert| alert.always || !rules.contains(&alert.rule)).collect()
}
