//! Alert rules: which answers and scores a clinician must hear of.
//!
//! Guarantee: a rule raises its alert exactly when its condition is known to hold, with the reason in words. What is not
//! known raises nothing, which is why a missing critical item has a rule of its own. A rule marked `always` can neither
//! be switched off nor replaced.

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

/// Earlier scores of the same patient, by score id, as they were given out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Of the response before this one.
    pub previous: BTreeMap<String, f64>,
    /// Of the first response.
    pub baseline: BTreeMap<String, f64>,
    /// The response before is of another site. A reason then gives no figure from which its score follows.
    pub previous_elsewhere: bool,
    /// The first response is of another site.
    pub baseline_elsewhere: bool,
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

/// What any rule has, on whatever its condition is decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ruled<C> {
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) text_key: String,
    pub(crate) always: bool,
    pub(crate) when: C,
}

impl<C> Ruled<C> {
    /// Its alert, for a reason.
    fn raise(&self, reason: String) -> Alert<'_> {
        Alert { rule: &self.id, severity: self.severity, text_key: &self.text_key, reason, always: self.always }
    }
}

/// A rule of an instrument, or of a study for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule(pub(crate) Ruled<Condition>);

impl Rule {
    /// The rule's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// How bad it is when it holds.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// Whether it cannot be switched off.
    pub fn always(&self) -> bool {
        self.0.always
    }

    /// Names the fixed text for people.
    pub fn text_key(&self) -> &str {
        &self.0.text_key
    }

    /// Whether it asks for a change since an earlier response.
    pub fn needs_history(&self) -> bool {
        self.0.when.asks_for_change()
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
        let known = Known { scores, history, ..Known::of(self, answers) };
        let raised = rules.iter().filter(|rule| known.holds(&rule.0.when) == Some(true));
        let alerts = raised.map(|rule| rule.0.raise(words::reason(self, &known, &rule.0.when)));
        worst_first(alerts, |alert| alert.severity)
    }

    /// The rules that nobody can decide without the earlier responses: for a caller who could not have them.
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

/// The highest rank first, those of one rank in the order they came. There are few of them, and the general way of sorting
/// is 4 KB of code for each type.
pub(crate) fn worst_first<T, R: Ord>(found: impl Iterator<Item = T>, rank: impl Fn(&T) -> R) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::new();
    for one in found {
        let place = sorted.partition_point(|other| rank(other) >= rank(&one));
        sorted.insert(place, one);
    }
    sorted
}
