//! The facts of a report that rules use, and the evaluation of conditions on them.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use serde_json::{Map, Value};

use super::condition::{Condition, Limit};
use crate::{
    lab::{Grade, Measured},
    number::figure,
    rule::words::words,
};

/// The facts of a report without faults.
pub struct Facts<'r> {
    data: &'r Map<String, Value>,
    results: Vec<Measured<'r>>,
    grades: &'r [Grade],
}

impl<'r> Facts<'r> {
    /// The facts in the data of a report. `grades` are the grades of its laboratory results; other reports have none.
    pub fn of(data: &'r Map<String, Value>, grades: &'r [Grade]) -> Self {
        Facts { data, results: Measured::list(data), grades }
    }

    fn list(&self, member: &str) -> &'r [Value] {
        self.data.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn text(&self, member: &str) -> &'r str {
        self.data.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    fn grade(&self) -> Option<f64> {
        self.data.get("grade").and_then(Value::as_f64)
    }

    fn criteria<'c>(&self, asked: &'c [&'static str]) -> impl Iterator<Item = &'static str> + use<'r, 'c> {
        let given = self.list("seriousnessCriteria");
        asked.iter().copied().filter(|asked| given.iter().any(|given| given.as_str() == Some(asked)))
    }

    /// The severities of the symptoms of this name, or of all.
    fn severities<'n>(&self, name: Option<&'n str>) -> impl Iterator<Item = f64> + use<'r, 'n> {
        let same = move |symptom: &&Value| {
            let given = symptom.get("name").and_then(Value::as_str).unwrap_or_default().trim();
            name.is_none_or(|name| given.to_lowercase() == name.to_lowercase())
        };
        self.list("symptoms").iter().filter(same).filter_map(|symptom| symptom.get("severity")?.as_f64())
    }

    /// Whether `condition` holds; none if this is unknown.
    pub(super) fn holds(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::EventGrade(test) => Some(test.holds(self.grade()?)),
            Condition::Serious(is) => Some(self.data.get("serious")?.as_bool()? == *is),
            Condition::Criterion(asked) => Some(self.criteria(asked).next().is_some()),
            Condition::Outcome(asked) => Some(asked.contains(&self.text("outcome"))),
            Condition::Symptom { name, test } => any(self.severities(name.as_deref()).map(|x| Some(test.holds(x)))),
            Condition::ResultGrade { code, test } => any(self.grades_of(code.as_deref()).map(|grade| {
                let found = grade.grade.map(|grade| test.holds(f64::from(grade)))?;
                // A grade that may be worse may also pass.
                if grade.or_more && !found { None } else { Some(found) }
            })),
            Condition::Analyte { code, limit, test } => {
                any(self.results_of(code).map(|result| limit.of(result)?.passes(test)))
            }
            Condition::All(parts) => {
                let mut parts = parts.iter().map(|part| self.holds(part).map(|holds| !holds));
                any(&mut parts).map(|denied| !denied)
            }
            Condition::Any(parts) => any(parts.iter().map(|part| self.holds(part))),
            Condition::Not(part) => self.holds(part).map(|holds| !holds),
        }
    }

    fn grades_of<'c>(&self, code: Option<&'c str>) -> impl Iterator<Item = &'r Grade> + use<'r, 'c> {
        self.grades
            .iter()
            .filter(move |grade| code.is_none_or(|code| grade.code == code || grade.analyte == Some(code)))
    }

    fn results_of(&self, code: &str) -> impl Iterator<Item = &Measured<'r>> {
        self.results.iter().filter(move |result| result.is(code))
    }

    /// The reason why `condition` holds, in words. It contains no free text of the report.
    pub(super) fn reason(&self, condition: &Condition) -> String {
        match condition {
            Condition::EventGrade(test) => {
                format!("grade is {}, rule: {}", self.grade().map(figure).unwrap_or_default(), words(test))
            }
            Condition::Serious(true) => "the event is serious".to_string(),
            Condition::Serious(false) => "the event is not serious".to_string(),
            Condition::Criterion(asked) => {
                format!("seriousness criterion {}", self.criteria(asked).collect::<Vec<_>>().join(", "))
            }
            Condition::Outcome(_) => format!("the outcome is {}", self.text("outcome")),
            Condition::Symptom { name, test } => {
                let severities = self.severities(name.as_deref()).filter(|severity| test.holds(*severity));
                let worst = severities.fold(f64::NEG_INFINITY, f64::max);
                let symptom = name.as_ref().map(|name| format!("symptom {name}"));
                let symptom = symptom.unwrap_or_else(|| "a symptom".to_string());
                format!("{symptom} has severity {}, rule: {}", figure(worst), words(test))
            }
            Condition::ResultGrade { code, test } => {
                let grades = self.grades_of(code.as_deref());
                let held = grades.filter(|grade| grade.grade.is_some_and(|grade| test.holds(f64::from(grade))));
                held.map(|grade| grade.reason.as_str()).collect::<Vec<_>>().join("; ")
            }
            Condition::Analyte { code, limit, test } => {
                let held = self
                    .results_of(code)
                    .filter(|result| limit.of(result).and_then(|quantity| quantity.passes(test)) == Some(true));
                let results = held.map(Measured::words).collect::<Vec<_>>().join("; ");
                let unit = match limit {
                    Limit::Unit(unit) => unit.as_str(),
                    Limit::Upper => "times the upper limit of normal",
                    Limit::Lower => "times the lower limit of normal",
                };
                format!("{results}, rule: {} {unit}", words(test))
            }
            Condition::All(parts) => {
                // Negated parts add little to the parts that hold.
                let so = parts.iter().filter(|part| !matches!(part, Condition::Not(_)));
                let reasons: Vec<String> = so.map(|part| self.reason(part)).collect();
                if reasons.is_empty() {
                    "all that the rule denies is absent".to_string()
                } else {
                    reasons.join(" and ")
                }
            }
            Condition::Any(parts) => {
                let held = parts.iter().filter(|part| self.holds(part) == Some(true));
                held.map(|part| self.reason(part)).collect::<Vec<_>>().join(" and ")
            }
            Condition::Not(_) => "what the rule denies is absent".to_string(),
        }
    }
}

/// Whether one of these holds: unknown if none does and one is unknown.
fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for part in parts {
        match part {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(false)
}
