//! Alert rules: the answers and scores about which a clinician must be notified.
//!
//! Guarantee: a rule raises its alert exactly if its condition is known to hold, with the reason in words. An unknown
//! condition raises nothing; therefore a missing critical item has a rule of its own. A rule marked `always` can
//! neither be switched off nor replaced.

pub mod overdue;
pub mod report;
pub mod studies;
mod words;

use alloc::{string::String, vec::Vec};

use crate::{
    Answers, History, Instrument, Rule, Score, Severity,
    instrument::{condition::Condition, rules::Ruled},
    score::Known,
    severity::worst_first,
};

/// A rule that holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alert<'a> {
    /// The rule's id.
    pub rule: &'a str,
    /// Its severity.
    pub severity: Severity,
    /// The key of the fixed text for people.
    pub text_key: &'a str,
    /// The reason: figures and rule in words, such as "item q9 is 1, rule: 1 or more". Patient data.
    pub reason: String,
    /// The rule cannot be switched off.
    pub always: bool,
}

impl<C> Ruled<C> {
    /// The alert of this rule, with a reason.
    fn raise(&self, reason: String) -> Alert<'_> {
        Alert { rule: &self.id, severity: self.severity, text_key: &self.text_key, reason, always: self.always }
    }
}

impl Instrument {
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
        let known = Known { scores, history, ..Known::of(self, answers) };
        let raised = rules.iter().filter(|rule| known.holds(&rule.0.when) == Some(true));
        let alerts = raised.map(|rule| rule.0.raise(words::reason(self, &known, &rule.0.when)));
        worst_first(alerts, |alert| alert.severity)
    }

    /// The rules that cannot be decided without the earlier responses, for a caller that could not load them.
    pub fn undecided<'a>(&self, rules: &'a [Rule], answers: &Answers, scores: &[Score]) -> Vec<&'a Rule> {
        let known = Known { scores, ..Known::of(self, answers) };
        let asks = |leaf: &&Condition| match leaf {
            Condition::Change { score, .. } => known.score(*score).is_some_and(|score| score.number().is_some()),
            _ => false,
        };
        let open = |rule: &&Rule| {
            rule.needs_history() && known.holds(&rule.0.when).is_none() && rule.0.when.leaves().iter().any(asks)
        };
        rules.iter().filter(open).collect()
    }
}
