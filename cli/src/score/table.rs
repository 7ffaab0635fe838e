//! Comma-separated values: a header that names items and parameters, one response a line.
//!
//! A line end in quotes is part of its field; a quote that is not closed spoils one line, not the rest of the file. What
//! is written is safe to open in a spreadsheet: no cell is read as a formula.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use domain::{Alert, Code, Finding, ScoreValue, spreadsheet};
use serde_json::Map;

use super::lines::{Input as _, Line, Lines};
use super::records::Records;
use super::{Ended, Failure, Scored, Scorer, each_line, json::figure};

/// The content of a column.
enum Column {
    Id,
    Item(String),
    Parameter(String),
}

/// Scores comma-separated values.
pub(super) fn run(
    scorer: &Scorer,
    lines: Lines<BufReader<impl Read>>,
    mut output: impl Write,
) -> Result<Ended, Failure> {
    let mut records = Records::new(lines);
    let columns = match records.next()? {
        None => return Err(Failure::Usage("there is no header line".into())),
        Some(line) => columns(scorer, line).map_err(Failure::Usage)?,
    };
    records.expect(columns.len());
    let scores = asked_for(scorer, &columns);
    let ends = ["", ".status", ".band", ".reason"];
    let names = scores.iter().flat_map(|score| ends.map(|end| format!("{score}{end}")));
    let header: Vec<String> =
        ["id".into()].into_iter().chain(names).chain(["alerts".into(), "errors".into()]).collect();
    output.write_all(&record(&header)?)?;
    each_line(records, output, |line, output| {
        let row = read(scorer, &columns, line);
        let scored = row.scored;
        let clean = scored.is_ok();
        output.write_all(&record(&shown(row.id, &scores, scored))?)?;
        Ok(clean)
    })
}

/// Reads the header; every fault of it at once.
fn columns(scorer: &Scorer, line: Line<'_>) -> Result<Vec<Column>, String> {
    let header = line.text().and_then(fields).map_err(|why| format!("the header line: {why}"))?;
    let mut faults = Vec::new();
    let mut columns = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for name in &header {
        let item = scorer.instrument.item_ids().any(|item| item == name);
        let parameter = scorer.instrument.parameter_ids().any(|parameter| parameter == name);
        if seen.contains(&name) {
            faults.push(format!("the column {name:?} is there twice"));
        }
        seen.push(name);
        match (name, item, parameter) {
            ("id", false, false) => columns.push(Column::Id),
            (_, true, false) => columns.push(Column::Item(name.to_owned())),
            (_, false, true) => columns.push(Column::Parameter(name.to_owned())),
            (_, false, false) => faults.push(format!("the column {name:?} is no item and no parameter")),
            (_, true, true) => faults.push(format!("the column {name:?} is both an item and a parameter")),
        }
    }
    let mut absent = scorer.instrument.item_ids().filter(|item| !seen.contains(item)).collect::<Vec<_>>();
    if faults.is_empty() && absent.len() == scorer.instrument.item_ids().count() {
        faults.push("no column is an item".into());
    }
    if !faults.is_empty() {
        let items: Vec<&str> = scorer.instrument.item_ids().collect();
        faults.push(format!("the items of {} are: {}", scorer.instrument.id(), items.join(", ")));
        return Err(faults.join("\n"));
    }
    if !absent.is_empty() {
        let more = absent.len().saturating_sub(MOST_TOLD);
        absent.truncate(MOST_TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        eprintln!("vigil: without a column, and so missing in every line: {}{more}", absent.join(", "));
    }
    Ok(columns)
}

/// So many items without a column are told by name.
const MOST_TOLD: usize = 12;

/// The scores that get columns: those of the parameters, or all where lines bring their own.
fn asked_for<'a>(scorer: &'a Scorer, columns: &[Column]) -> Vec<&'a str> {
    if columns.iter().any(|column| matches!(column, Column::Parameter(_))) {
        return scorer.instrument.score_ids().collect();
    }
    scorer.instrument.score_ids_under(&scorer.parameters).collect()
}

/// A line's id and what it came to.
struct Row<'a> {
    id: String,
    scored: Result<Scored<'a>, Vec<Finding>>,
}

fn read<'a>(scorer: &'a Scorer, columns: &[Column], line: Line<'_>) -> Row<'a> {
    let record = match line.text().and_then(fields) {
        Ok(record) if record.len() == columns.len() => record,
        Ok(_) => return unreadable(format!("as many fields as the header: {}", columns.len())),
        Err(why) => return unreadable(why),
    };
    let mut id = String::new();
    let mut answers = Map::new();
    let mut parameters: Option<BTreeMap<String, String>> = None;
    for (column, text) in columns.iter().zip(&record) {
        match column {
            Column::Id => id.push_str(text),
            _ if text.is_empty() => {}
            Column::Item(item) => {
                answers.insert(item.clone(), scorer.instrument.answer_of(item, text));
            }
            Column::Parameter(name) => {
                parameters.get_or_insert_default().insert(name.clone(), text.to_owned());
            }
        }
    }
    Row { id, scored: scorer.score(&answers, parameters) }
}

fn unreadable<'a>(why: String) -> Row<'a> {
    let fault = Finding::new("", Code::Format, why);
    Row { id: String::new(), scored: Err(vec![fault]) }
}

/// The fields of a line, without space around them.
fn fields(line: &str) -> Result<StringRecord, String> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(line.as_bytes());
    let (mut record, mut rest) = (StringRecord::new(), StringRecord::new());
    match (reader.read_record(&mut record), reader.read_record(&mut rest)) {
        (Ok(true), Ok(false)) => Ok(record),
        _ => Err("not comma-separated values".into()),
    }
}

fn shown(id: String, scores: &[&str], scored: Result<Scored<'_>, Vec<Finding>>) -> Vec<String> {
    let mut record = vec![id];
    let (alerts, errors) = match &scored {
        Ok(scored) => {
            let mut of = scored.scores.iter().peekable();
            for id in scores {
                // Both are in the instrument's order; a score that was not asked for in this line is not there.
                match of.next_if(|score| score.id == *id) {
                    None => record.extend([const { String::new() }; 4]),
                    Some(score) => record.extend([
                        score.value.as_ref().map_or_else(String::new, text),
                        score.status.as_str().to_owned(),
                        score.band.unwrap_or_default().to_owned(),
                        score.status.reason().map_or("", |reason| reason.as_str()).to_owned(),
                    ]),
                }
            }
            (joined(scored.alerts.iter().map(alert)), String::new())
        }
        Err(faults) => {
            record.extend(vec![String::new(); 4 * scores.len()]);
            let told = |fault: &Finding| match fault.pointer.as_str() {
                "" => fault.detail.clone(),
                pointer => format!("{pointer}: {}", fault.detail),
            };
            (String::new(), joined(faults.iter().map(told)))
        }
    };
    record.extend([alerts, errors]);
    record
}

fn text(value: &ScoreValue<'_>) -> String {
    match value {
        ScoreValue::Number(number) => figure(*number).to_string(),
        ScoreValue::Text(text) => text.to_string(),
        ScoreValue::Flag(flag) => flag.to_string(),
    }
}

fn alert(alert: &Alert<'_>) -> String {
    format!("{} {}: {}", alert.severity.as_str(), alert.rule, alert.reason)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// A record as it is written.
fn record(fields: &[String]) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for field in fields {
        writer.write_field(spreadsheet::guarded(field).as_bytes())?;
    }
    writer.write_record(None::<&[u8]>)?;
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
