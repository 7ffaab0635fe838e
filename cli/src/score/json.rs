//! JSON lines: `{"id"?, "answers": {...}, "parameters"?: {...}}` in, scores or errors out.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};

use domain::reading::{Json, Limits};
use domain::{Alert, Code, Finding, Parameters, Score, ScoreValue};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::lines::{Line, Lines};
use super::{Ended, Failure, Scored, Scorer, each_line};

/// Scores JSON lines.
pub(super) fn run(scorer: &Scorer, lines: Lines<BufReader<impl Read>>, output: impl Write) -> Result<Ended, Failure> {
    let mut passed_over = Vec::new();
    each_line(lines, output, |line, output| {
        let (id, scored) = match read(line, &mut passed_over) {
            Err(faults) => (None, Err(faults)),
            Ok(row) if !row.faults.is_empty() => {
                // The faults of the rest are reported with them.
                let mut faults = row.faults;
                faults.extend(scorer.score(&row.answers, row.parameters).err().unwrap_or_default());
                (row.id, Err(faults))
            }
            Ok(row) => (row.id, scorer.score(&row.answers, row.parameters)),
        };
        let clean = scored.is_ok();
        match scored {
            Ok(scored) => serde_json::to_writer(&mut *output, &Shown { scorer, id, scored })?,
            Err(faults) => {
                let faults: Value = faults.iter().map(shown_fault).collect();
                let line = id.map_or_else(|| json!({"errors": faults}), |id| json!({"id": id, "errors": faults}));
                serde_json::to_writer(&mut *output, &line)?;
            }
        }
        output.write_all(b"\n")?;
        Ok(clean)
    })
}

/// The content of a line.
#[derive(Default)]
struct Row {
    id: Option<Value>,
    answers: Map<String, Value>,
    parameters: Option<BTreeMap<String, String>>,
    faults: Vec<Finding>,
}

/// Reads a line. A member that means nothing here is passed over, and its name is told once.
fn read(line: Line<'_>, passed_over: &mut Vec<String>) -> Result<Row, Vec<Finding>> {
    let text = line.text().map_err(|why| vec![Finding::new("", Code::Format, why)])?;
    let mut row = Row::default();
    let Json { value, faults, .. } = Json::read(text.as_bytes(), Limits::DOCUMENT)?;
    row.faults = faults;
    let Value::Object(members) = value else {
        return Err(vec![Finding::new("", Code::Type, "an object with answers")]);
    };
    let mut answers = None;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("id", Value::Null) | ("parameters" | "params", Value::Null) => {}
            ("id", id @ (Value::String(_) | Value::Number(_))) => row.id = Some(id),
            ("id", _) => row.faults.push(Finding::new("/id", Code::Type, "a text or a number")),
            ("answers", Value::Object(given)) => answers = Some(given),
            ("answers", _) => {
                row.faults.push(Finding::new("/answers", Code::Type, "must be a JSON object"));
                answers = Some(Map::new());
            }
            ("parameters" | "params", _) if row.parameters.is_some() => {
                row.faults.push(Finding::new("/params", Code::Conflict, "either \"parameters\" or \"params\""));
            }
            ("parameters" | "params", Value::Object(given)) => {
                row.parameters = Some(parameters(given, &mut row.faults));
            }
            ("parameters" | "params", _) => {
                row.faults.push(Finding::new("/parameters", Code::Type, "must be a JSON object"));
            }
            _ if passed_over.contains(&name) || passed_over.len() == MOST_TOLD => {}
            _ => {
                eprintln!("vigil: the member {name:?} means nothing here and is passed over");
                passed_over.push(name);
            }
        }
    }
    match answers {
        Some(answers) => row.answers = answers,
        None => row.faults.push(Finding::new("/answers", Code::Required, "is required")),
    }
    Ok(row)
}

/// So many members that mean nothing are told; the next are only passed over.
const MOST_TOLD: usize = 32;

/// Parameters as the engine takes them: numbers and flags as they are written.
fn parameters(given: Map<String, Value>, faults: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in given {
        match value {
            Value::Null => {}
            Value::String(text) => drop(found.insert(name, text)),
            Value::Number(number) => drop(found.insert(name, number.to_string())),
            _ => {
                let pointer = format!("/parameters{}", domain::reading::pointer(&name));
                faults.push(Finding::new(pointer, Code::Type, "a text or a number"));
            }
        }
    }
    found
}

fn shown_fault(fault: &Finding) -> Value {
    json!({"pointer": fault.pointer, "code": fault.code.as_str(), "detail": fault.detail})
}

/// A figure as JSON has it, a whole one without a fraction.
pub(super) fn figure(x: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if x.fract() == 0.0 && x.abs() < 1e15 { Value::from(x as i64) } else { Value::from(x) }
}

/// A line of output.
struct Shown<'a> {
    scorer: &'a Scorer,
    id: Option<Value>,
    scored: Scored<'a>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        if let Some(id) = &self.id {
            line.serialize_entry("id", id)?;
        }
        line.serialize_entry("scores", &Scores(&self.scored.scores))?;
        let alerts: Vec<Value> = self.scored.alerts.iter().map(shown_alert).collect();
        line.serialize_entry("alerts", &alerts)?;
        let parameters = self.scored.parameters.as_ref().unwrap_or(&self.scorer.parameters);
        line.serialize_entry("scoredWith", &With(&self.scorer.instrument, parameters))?;
        line.end()
    }
}

fn shown_alert(alert: &Alert<'_>) -> Value {
    json!({"rule": alert.rule, "severity": alert.severity.as_str(), "textKey": alert.text_key, "reason": alert.reason})
}

/// Scores by id, in the instrument's order.
struct Scores<'a>(&'a [Score<'a>]);

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|score| (score.id, One(score))))
    }
}

struct One<'a>(&'a Score<'a>);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let One(score) = self;
        let mut members = serializer.serialize_map(None)?;
        match &score.value {
            None => members.serialize_entry("value", &())?,
            Some(ScoreValue::Number(number)) => members.serialize_entry("value", &figure(*number))?,
            Some(ScoreValue::Text(text)) => members.serialize_entry("value", &**text)?,
            Some(ScoreValue::Flag(flag)) => members.serialize_entry("value", flag)?,
        }
        if let Some(band) = score.band {
            members.serialize_entry("band", band)?;
        }
        members.serialize_entry("status", score.status.as_str())?;
        if let Some(reason) = score.status.reason() {
            members.serialize_entry("reason", reason.as_str())?;
        }
        members.serialize_entry("answered", &score.answered)?;
        members.serialize_entry("missing", &score.missing)?;
        members.end()
    }
}

/// The provenance of a line's scores.
struct With<'a>(&'a domain::Instrument, &'a Parameters);

impl Serialize for With<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let With(instrument, parameters) = self;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("id", instrument.id())?;
        members.serialize_entry("version", instrument.version())?;
        members.serialize_entry("hash", instrument.hash())?;
        if parameters.iter().next().is_some() {
            members.serialize_entry("parameters", &Named(parameters))?;
        }
        members.end()
    }
}

struct Named<'a>(&'a Parameters);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}
