//! Alert rules as data: their types, and how they are read.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    Instrument,
    condition::{Condition, Scope, Since, Test},
    names::Names,
    range::Span,
};
use crate::reading::{At, Faults};
use crate::{Code, Finding, Severity};

/// The members that all rules have, whatever their condition reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ruled<C> {
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) text_key: String,
    pub(crate) always: bool,
    pub(crate) when: C,
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
}

/// Reads a list of rules of an instrument.
pub(crate) fn read_rules(at: At<'_, '_>, names: &Names, faults: &mut Faults) -> Vec<Rule> {
    let rules = read_list(at, &|at, faults| condition(at, names, faults), faults);
    rules.into_iter().map(Rule).collect()
}

/// Reads the condition of an instrument's rule.
pub(crate) fn condition(at: At<'_, '_>, names: &Names, faults: &mut Faults) -> Option<Condition> {
    let condition = Condition::read(at, Scope::Rule, names, faults)?;
    if !reachable(&condition, names) {
        at.fault(faults, Code::Conflict, "never true: the parts of this rule exclude each other");
    }
    Some(condition)
}

/// Reads a condition.
pub(crate) type When<'w, C> = &'w dyn Fn(At<'_, '_>, &mut Faults) -> Option<C>;

/// Reads a list of rules; `when` reads their conditions.
pub(crate) fn read_list<C>(at: At<'_, '_>, when: When<'_, C>, faults: &mut Faults) -> Vec<Ruled<C>> {
    let mut rules: Vec<Ruled<C>> = Vec::new();
    for element in at.list(faults) {
        if !element.object(faults, &["id", "severity", "textKey", "always", "when", "note"]) {
            continue;
        }
        let id = element.need("id", faults);
        let id = id.and_then(|at| Some((at, at.name(faults)?)));
        let rule = read_rule(element, id.map_or("", |(_, id)| id), when, faults);
        if let Some((at, id)) = id {
            if rules.iter().any(|rule| rule.id == id) {
                at.fault(faults, Code::Conflict, "a rule is defined once");
            }
            rules.extend(rule);
        }
    }
    rules
}

/// Reads the rest of a rule.
pub(crate) fn read_rule<C>(at: At<'_, '_>, id: &str, when: When<'_, C>, faults: &mut Faults) -> Option<Ruled<C>> {
    let severities = Severity::ALL.map(Severity::as_str);
    let severity = at.need("severity", faults).and_then(|at| at.choice(&severities, faults));
    let text_key = at.need("textKey", faults).and_then(|at| at.name(faults));
    let always = at.get("always").map_or(Some(false), |at| at.flag(faults));
    let when = at.need("when", faults).and_then(|at| when(at, faults));
    let severity = severity.and_then(|position| Severity::ALL.get(position).copied());
    let (severity, text_key, always, when) = (severity?, text_key?, always?, when?);
    Some(Ruled { id: id.to_string(), severity, text_key: text_key.to_string(), always, when })
}

/// The figure that a bound applies to.
#[derive(PartialEq, Clone, Copy)]
enum Subject {
    Item(u16),
    Score(u16),
    Change(u16, Since),
}

/// Whether answers exist that satisfy `condition`. Only bounds on the same figure are compared. Single bounds outside
/// the range have been reported already.
fn reachable(condition: &Condition, names: &Names) -> bool {
    match condition {
        Condition::All(parts) => {
            let mut bounds: Vec<(Subject, Span, Vec<&Test>)> = Vec::new();
            for part in parts {
                let (subject, span, test) = match part {
                    Condition::Item { item, test } => (Subject::Item(*item), names.item_span(*item), test),
                    Condition::Score { score, test, .. } => (Subject::Score(*score), names.span(*score), test),
                    Condition::Change { score, since, test } => (Subject::Change(*score, *since), None, test),
                    _ => continue,
                };
                let anything = Span { low: f64::NEG_INFINITY, high: f64::INFINITY, whole: false };
                match bounds.iter_mut().find(|(known, ..)| *known == subject) {
                    Some((_, _, tests)) => tests.push(test),
                    None => bounds.push((subject, span.unwrap_or(anything), Vec::from([test]))),
                }
            }
            let contradicted = |asked: &Condition| match asked {
                Condition::Unanswered { item, is: true } => {
                    bounds.iter().any(|(subject, ..)| *subject == Subject::Item(*item))
                }
                Condition::Unscored { score, is: true } => {
                    bounds.iter().any(|(subject, ..)| *subject == Subject::Score(*score))
                }
                _ => false,
            };
            parts.iter().all(|part| reachable(part, names) && !contradicted(part))
                && bounds.iter().all(|(_, span, tests)| together(tests).possible(*span))
        }
        Condition::Any(parts) => parts.iter().any(|part| reachable(part, names)),
        _ => true,
    }
}

/// Joins all `tests` into one.
fn together(tests: &[&Test]) -> Test {
    let mut all = Test::default();
    let tighter = |a: Option<f64>, b: Option<f64>, max: bool| match (a, b) {
        (Some(a), Some(b)) => Some(if max { a.max(b) } else { a.min(b) }),
        (a, b) => a.or(b),
    };
    for test in tests {
        all.at_least = tighter(all.at_least, test.at_least, true);
        all.above = tighter(all.above, test.above, true);
        all.at_most = tighter(all.at_most, test.at_most, false);
        all.below = tighter(all.below, test.below, false);
    }
    let lists = tests.iter().filter(|test| !test.one_of.is_empty());
    if let Some(first) = lists.clone().next() {
        all.one_of = first.one_of.iter().copied().filter(|one| lists.clone().all(|test| test.holds(*one))).collect();
        if all.one_of.is_empty() {
            // No figure is in every list, so this bound lets nothing pass.
            all.at_least = Some(f64::INFINITY);
        }
    }
    all
}
