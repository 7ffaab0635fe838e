//! Rows as a table: CSV (RFC 4180) in UTF-8, one line for each response, or one for each answer and score.

use std::borrow::Cow;
use std::rc::Rc;

use domain::Instrument;
use domain::spreadsheet;
use serde_json::Value;

use crate::wire::entry::Score;
use crate::wire::row::Row;

/// The layout of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A line for each response to one instrument, with a column for each item and score.
    Wide,
    /// A line for each answer and each score.
    Long,
}

impl Layout {
    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "wide" => Some(Layout::Wide),
            "long" => Some(Layout::Long),
            _ => None,
        }
    }
}

/// The columns that every line has.
const COMMON: [&str; 11] = [
    "submissionId",
    "subject",
    "siteId",
    "kind",
    "instrument",
    "instrumentVersion",
    "authoredAt",
    "receivedAt",
    "state",
    "supersededBy",
    "cursor",
];

/// Writes a table.
pub struct Table {
    /// The instrument of a wide table.
    instrument: Option<Rc<Instrument>>,
    bom: bool,
}

impl Table {
    /// A wide table of an instrument, or a long one without.
    pub fn new(instrument: Option<Rc<Instrument>>, bom: bool) -> Self {
        Table { instrument, bom }
    }

    /// The line of names.
    pub fn head(&self) -> String {
        let mut names: Vec<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
        match &self.instrument {
            Some(instrument) => {
                names.extend(instrument.item_ids().map(str::to_owned));
                for score in instrument.score_ids() {
                    names.extend([format!("score.{score}"), format!("band.{score}"), format!("status.{score}")]);
                }
            }
            None => names.extend(["name", "value", "band", "status"].map(str::to_owned)),
        }
        let mark = if self.bom { "\u{feff}" } else { "" };
        [mark, &spreadsheet::line_of(&names)].concat()
    }

    /// The number of lines of a submission.
    pub fn count(&self, row: &Row) -> usize {
        if self.instrument.is_some() { 1 } else { cells(row).len() }
    }

    /// The lines of a submission.
    pub fn lines(&self, row: &Row) -> String {
        let common = common(row);
        let Some(instrument) = &self.instrument else {
            let line = |Cell { name, value, band, status }: Cell<'_>| {
                let value = value.map(cell).unwrap_or_default();
                let cells = [name.into_owned(), value, band.to_owned(), status.to_owned()];
                spreadsheet::line_of(&[common.as_slice(), &cells].concat())
            };
            return cells(row).into_iter().map(line).collect();
        };
        let scores = row.scores.as_deref().unwrap_or_default();
        let answer =
            |item: &str| row.content.as_ref().and_then(|content| content.get(item)).map(cell).unwrap_or_default();
        let mut cells = common;
        cells.extend(instrument.item_ids().map(answer));
        for id in instrument.score_ids() {
            let score = scores.iter().find(|score| score.id == id);
            let shown = |score: &Score| {
                let value = score.value.as_ref().map(cell).unwrap_or_default();
                [value, score.band.clone().unwrap_or_default(), score.status.clone()]
            };
            cells.extend(score.map_or_else(Default::default, shown));
        }
        spreadsheet::line_of(&cells)
    }
}

fn common(row: &Row) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        row.submission_id.to_string(),
        row.subject.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.site_id.to_string(),
        text(&row.kind),
        row.instrument.as_ref().map(ToString::to_string).unwrap_or_default(),
        text(&row.instrument_version),
        text(&row.authored_at),
        row.received_at.clone(),
        row.state.as_str().to_owned(),
        row.superseded_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.cursor.clone(),
    ]
}

/// A line of a long table.
#[derive(Debug)]
pub struct Cell<'a> {
    /// An item, a member of the data, or `score.` and a score.
    pub name: Cow<'a, str>,
    /// The answer, the member or the score.
    pub value: Option<&'a Value>,
    /// The band of a score.
    pub band: &'a str,
    /// The status of a score.
    pub status: &'a str,
}

/// The lines of a submission: one for each answer or member, then one for each score. A submission without any has an
/// empty one.
pub fn cells(row: &Row) -> Vec<Cell<'_>> {
    let content = row.content.iter().flatten();
    let answers = content.map(|(name, value)| Cell { name: name.into(), value: Some(value), band: "", status: "" });
    let scores = row.scores.iter().flatten().map(|score| Cell {
        name: format!("score.{}", score.id).into(),
        value: score.value.as_ref(),
        band: score.band.as_deref().unwrap_or_default(),
        status: &score.status,
    });
    let mut cells: Vec<Cell<'_>> = answers.chain(scores).collect();
    if cells.is_empty() {
        cells.push(Cell { name: "".into(), value: None, band: "", status: "" });
    }
    cells
}

/// The text of a value: a text as it is, nothing for null, everything else as JSON.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
