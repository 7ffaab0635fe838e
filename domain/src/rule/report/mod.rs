//! Alert rules on reports: adverse events, laboratory results, diaries.
//!
//! Guarantee: as for instruments, a rule raises its alert exactly if its condition is known to hold. The built-in rules
//! are data in `domain/rules/`; a study's own rules have the same form.

mod condition;
mod facts;

use alloc::vec::Vec;

use serde_json::Value;

pub(crate) use condition::{Condition, read};
pub use facts::Facts;

use super::Alert;
use crate::instrument::rules::{Ruled, When, read_list};
use crate::reading::{At, Faults};
use crate::severity::worst_first;
use crate::{Finding, intake::ReportKind};

/// A rule on a kind of report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRule(pub(crate) Ruled<Condition>);

impl ReportRule {
    /// The rule's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }
}

/// The built-in rules for a kind of report. Kinds that cannot be evaluated have none.
///
/// # Errors
/// Their faults. They occur only if Vigil was built with invalid rules; a test prevents this.
pub fn built_in(kind: ReportKind) -> Result<Vec<ReportRule>, Vec<Finding>> {
    let list = written(kind)?;
    let mut faults = Faults::new();
    let when: When<'_, Condition> = &|at, faults| read(at, kind, faults);
    let rules = read_list(At::root(&list), when, &mut faults);
    if faults.is_empty() { Ok(rules.into_iter().map(ReportRule).collect()) } else { Err(faults) }
}

/// The same rules as JSON: a list.
///
/// # Errors
/// As [`built_in`].
pub fn written(kind: ReportKind) -> Result<Value, Vec<Finding>> {
    let text = match kind {
        ReportKind::AdverseEvent => include_str!("../../../rules/adverse-event.json"),
        ReportKind::Lab => include_str!("../../../rules/lab.json"),
        ReportKind::Diary | ReportKind::Generic => return Ok(Value::Array(Vec::new())),
    };
    serde_json::from_str(text).map_err(|_| Vec::from([Finding::new("", crate::Code::Format, "not JSON")]))
}

/// The alerts that `rules` raise, the most severe first.
pub fn alerts<'a>(rules: &'a [ReportRule], facts: &Facts<'_>) -> Vec<Alert<'a>> {
    let raised = rules.iter().filter(|rule| facts.holds(&rule.0.when) == Some(true));
    worst_first(raised.map(|rule| rule.0.raise(facts.reason(&rule.0.when))), |alert| alert.severity)
}
