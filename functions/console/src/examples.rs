//! Reads a definition as it is sent: alone, or with examples and the scores that they must give.

use std::collections::BTreeMap;

use domain::reading::pointer;
use domain::reading::{Json, Limits};
use domain::{Code, Finding, Instrument};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use state::edge::problem::Problem;
use state::wire::entry::Score;

/// The most examples.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    definition: &'a RawValue,
    #[serde(default)]
    examples: Vec<Example>,
}

/// Answers, and the scores that they must give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    answers: Map<String, Value>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// Expected values by score. A score that is not named here is not compared; `null` means not scored.
    #[serde(default)]
    scores: BTreeMap<String, Value>,
}

/// A definition, with its bytes as they were sent: scores record the hash of these bytes.
pub(crate) struct Sent<'a> {
    pub(crate) definition: &'a str,
    examples: Vec<Example>,
    wrapped: bool,
    /// Members beside the definition that appear more than once.
    repeated: Vec<Finding>,
}

impl<'a> Sent<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let Json { value, faults: mut repeated, .. } = Problem::json(body, Limits::DEFINITION)?;
        let wrapped = value.get("definition").is_some();
        let text = std::str::from_utf8(body).unwrap_or_default();
        if !wrapped {
            // The reader of the definition reports the members that it has more than once.
            return Ok(Sent { definition: text, examples: Vec::new(), wrapped, repeated: Vec::new() });
        }
        let envelope = serde_json::from_str::<Envelope<'_>>(text).map_err(|error| {
            let rule = format!(
                "must be {{\"definition\", \"examples\": [{{\"answers\", \"parameters\", \"scores\"}}]}}: line {}, column {}",
                error.line(),
                error.column()
            );
            repeated.push(Finding::new("", Code::Format, rule));
            Problem::invalid(std::mem::take(&mut repeated))
        })?;
        repeated.retain(|fault| !fault.pointer.starts_with("/definition/"));
        if envelope.examples.len() > MOST {
            let rule = format!("must be at most {MOST}");
            return Err(Problem::invalid(vec![Finding::new("/examples", Code::Range, rule)]));
        }
        Ok(Sent { definition: envelope.definition.get(), examples: envelope.examples, wrapped, repeated })
    }

    /// The definition alone.
    pub(crate) fn into_definition(self) -> &'a str {
        self.definition
    }

    /// Whether a member beside the definition appears more than once.
    pub(crate) fn repeats(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// The refusal for faults of the definition. Its pointers point into the body that was sent.
    pub(crate) fn refused(&self, mut faults: Vec<Finding>) -> Problem {
        if self.wrapped {
            for fault in &mut faults {
                fault.pointer.insert_str(0, "/definition");
            }
        }
        Problem::invalid([self.repeated.clone(), faults].concat())
    }
}

/// The scores of an example.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(crate) struct ScoredExample {
    /// The number of the example, from 0.
    index: usize,
    /// Whether its scores are those that it names.
    agrees: bool,
    scores: Vec<Score>,
    alerts: Vec<RaisedAlert>,
}

/// An alert that an example raises.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct RaisedAlert {
    rule: String,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: &'static str,
    reason: String,
}

/// The result of the examples.
pub(crate) struct Scored {
    pub(crate) shown: Vec<ScoredExample>,
    /// Scores that differ from the example.
    pub(crate) faults: Vec<Finding>,
}

/// Scores the examples.
pub(crate) fn score(instrument: &Instrument, sent: &Sent<'_>) -> Result<Scored, Problem> {
    let (mut shown, mut differing, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for (index, example) in sent.examples.iter().enumerate() {
        let at = format!("/examples/{index}");
        let moved = |faults: Vec<Finding>, member: &str| {
            let one = |fault: Finding| Finding { pointer: format!("{at}{member}{}", fault.pointer), ..fault };
            faults.into_iter().map(one).collect::<Vec<_>>()
        };
        let answers = instrument.read(&example.answers).map_err(|faults| moved(faults, ""));
        let parameters = instrument.parameters(&example.parameters).map_err(|faults| moved(faults, "/parameters"));
        let (answers, parameters) = match (answers, parameters) {
            (Ok(answers), Ok(parameters)) => (answers, parameters),
            (answers, parameters) => {
                invalid.extend(answers.err().into_iter().chain(parameters.err()).flatten());
                continue;
            }
        };
        let scores = instrument.score(&answers, &parameters);
        let alerts = instrument.alerts(&answers, &scores, None);
        let scores: Vec<Score<&str>> = scores.iter().map(Score::of).collect();
        for (id, said) in &example.scores {
            let found = scores.iter().find(|score| score.id == *id);
            let at = format!("{at}/scores{}", pointer(id));
            match found {
                None => invalid.push(Finding::new(at, Code::Unknown, "is no score of this instrument")),
                Some(found) if !same(found.value.as_ref(), said) => {
                    differing.push(Finding::new(at, Code::Conflict, "is scored otherwise"));
                }
                Some(_) => {}
            }
        }
        let raised = alerts.iter().map(|alert| RaisedAlert {
            rule: alert.rule.to_string(),
            severity: alert.severity.as_str(),
            reason: alert.reason.clone(),
        });
        let alerts = raised.collect();
        let agrees = !differing.iter().any(|fault: &Finding| fault.pointer.starts_with(&format!("{at}/")));
        let scores = scores.into_iter().map(Score::owned).collect();
        shown.push(ScoredExample { index, agrees, scores, alerts });
    }
    if invalid.is_empty() { Ok(Scored { shown, faults: differing }) } else { Err(Problem::invalid(invalid)) }
}

/// Whether a value is as the example says. Numbers are compared by value, so that 7 equals 7.0.
fn same(found: Option<&Value>, said: &Value) -> bool {
    match (found, said) {
        (None, Value::Null) => true,
        (Some(found), said) => match (found.as_f64(), said.as_f64()) {
            (Some(found), Some(said)) => (found - said).abs() < 1e-9,
            _ => found == said,
        },
        (None, _) => false,
    }
}
