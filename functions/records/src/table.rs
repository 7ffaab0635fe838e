//! A list as a table: CSV (RFC 4180) in UTF-8, one line for each response, or one for each answer and score.

use std::rc::Rc;

use domain::Instrument;
use domain::ids::InstrumentId;
use domain::spreadsheet;
use platform::Error;
use platform::redis::Redis;
use serde_json::Value;
use state::settings::Settings;
use state::wire::entry::Score;

use crate::row::Row;

/// The layout of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A line for each response to one instrument, with a column for each item and score.
    Wide,
    /// A line for each answer and each score.
    Long,
}

impl Layout {
    pub(crate) fn parse(text: &str) -> Option<Self> {
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
pub(crate) struct Table {
    /// The instrument of a wide table.
    instrument: Option<Rc<Instrument>>,
    bom: bool,
}

impl Table {
    /// A wide table of an instrument, or a long one without. None if there is no such instrument.
    pub(crate) async fn open(
        redis: &Redis,
        instrument: Option<&InstrumentId>,
        bom: bool,
    ) -> Result<Option<Self>, Error> {
        let Some(id) = instrument else { return Ok(Some(Table { instrument: None, bom })) };
        let found = Settings::in_force(redis).await?.instrument(redis, id.as_str(), None).await?;
        Ok(found.map(|instrument| Table { instrument: Some(instrument), bom }))
    }

    /// The line of names.
    pub(crate) fn head(&self) -> String {
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

    /// The lines of a submission.
    pub(crate) fn lines(&self, row: &Row) -> String {
        let common = common(row);
        let content = row.content.iter().flatten();
        let scores = row.scores.as_deref().unwrap_or_default();
        let Some(instrument) = &self.instrument else {
            let line = |cells: [String; 4]| spreadsheet::line_of(&[common.as_slice(), &cells].concat());
            let empty = String::new;
            let answers = content.map(|(name, value)| line([name.clone(), cell(value), empty(), empty()]));
            let scores = scores
                .iter()
                .map(|score| line([format!("score.{}", score.id), value(score), band(score), score.status.clone()]));
            let all: String = answers.chain(scores).collect();
            // A submission without content is a line, too.
            return if all.is_empty() { line([empty(), empty(), empty(), empty()]) } else { all };
        };
        let answer =
            |item: &str| row.content.as_ref().and_then(|content| content.get(item)).map(cell).unwrap_or_default();
        let mut cells = common;
        cells.extend(instrument.item_ids().map(answer));
        for id in instrument.score_ids() {
            let score = scores.iter().find(|score| score.id == id);
            cells
                .extend(score.map_or_else(Default::default, |score| [value(score), band(score), score.status.clone()]));
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

fn value(score: &Score) -> String {
    score.value.as_ref().map(cell).unwrap_or_default()
}

fn band(score: &Score) -> String {
    score.band.clone().unwrap_or_default()
}

/// A value as a cell: a text as it is, nothing for null, everything else as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
