//! Alert rules: the answers and scores about which a clinician must be notified.
//!
//! Guarantee: a rule raises its alert exactly if its condition is known to hold, with the reason in words. An unknown
//! condition raises nothing; therefore a missing critical item has a rule of its own. A rule marked `always` can
//! neither be switched off nor replaced.

pub mod overdue;
mod read;
pub mod report;
pub mod studies;
mod words;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

pub(crate) use read::read_rules;
pub(crate) use words::figure;

use crate::{
    Answers, Finding, Instrument, Score,
    instrument::{condition::Condition, names::Names, walk::At},
    score::Known,
};

/// The severity of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Info,
    /// To be seen at the next opportunity.
    Moderate,
    /// To be seen today.
    High,
    /// To be seen now.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Severity; 4] = [Severity::Info, Severity::Moderate, Severity::High, Severity::Critical];

    /// The severity's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Moderate => "moderate",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity with this name.
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// Earlier scores of the same patient, by score id, as they were published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The scores of the response before this one.
    pub previous: BTreeMap<String, f64>,
    /// The scores of the first response.
    pub baseline: BTreeMap<String, f64>,
    /// The response before is from another site. A reason then shows no figure from which its score can be computed.
    pub previous_elsewhere: bool,
    /// The first response is from another site.
    pub baseline_elsewhere: bool,
}

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

/// The members that all rules have, whatever their condition reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ruled<C> {
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) text_key: String,
    pub(crate) always: bool,
    pub(crate) when: C,
}

impl<C> Ruled<C> {
    /// The alert of this rule, with a reason.
    fn raise(&self, reason: String) -> Alert<'_> {
        Alert { rule: &self.id, severity: self.severity, text_key: &self.text_key, reason, always: self.always }
    }
}

/// A rule of an instrument, or a study's rule for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule(pub(crate) Ruled<Condition>);

impl Rule {
    /// The rule's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The severity of its alert.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// Whether the rule can never be switched off.
    pub fn always(&self) -> bool {
        self.0.always
    }

    /// The key of the fixed text for people.
    pub fn text_key(&self) -> &str {
        &self.0.text_key
    }

    /// Whether it uses a change since an earlier response.
    pub fn needs_history(&self) -> bool {
        self.0.when.asks_for_change()
    }
}

impl Instrument {
    /// The rules of the instrument itself.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Parses further rules for this instrument, such as a study's own: a JSON list in the form of `alerts` in a
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

/// Sorts by rank, the highest first, and keeps the order of equal ranks. The lists are short, and the general sort
/// costs 4 KB of code per type.
pub(crate) fn worst_first<T, R: Ord>(found: impl Iterator<Item = T>, rank: impl Fn(&T) -> R) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::new();
    for one in found {
        let place = sorted.partition_point(|other| rank(other) >= rank(&one));
        sorted.insert(place, one);
    }
    sorted
}
