//! Enrolments as CSV (RFC 4180): the columns of the first line, and the lines after it as rows in JSON.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::reading::pointer;
use crate::spreadsheet::guarded;
use crate::{Code, Finding};

/// The columns of every table; those of anchors begin with [`ANCHOR`].
const COLUMNS: [&str; 7] = ["patientId", "siteId", "language", "zone", "sms", "email", "other"];
/// The columns that a table must have.
const REQUIRED: [&str; 3] = ["patientId", "siteId", "language"];
/// Before the name of an anchor.
const ANCHOR: &str = "anchor:";
/// The most columns.
const MOST_COLUMNS: usize = 64;

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    /// A comma, or the semicolon that spreadsheets write where a comma is in numbers.
    separator: char,
}

impl Columns {
    /// Reads the first line.
    ///
    /// # Errors
    /// A finding for each column that is unknown, is there twice, or is missing; its pointer has the column's name.
    pub fn read(line: &str) -> Result<Self, Vec<Finding>> {
        let separator = if line.contains(';') && !line.contains(',') { ';' } else { ',' };
        let names = cells(line, separator).map_err(|fault| Vec::from([fault]))?;
        if names.len() > MOST_COLUMNS {
            return Err(Vec::from([Finding::new(
                "",
                Code::Range,
                format!("must have at most {MOST_COLUMNS} columns"),
            )]));
        }
        let mut faults = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if !COLUMNS.contains(&name.as_str()) && name.strip_prefix(ANCHOR).is_none_or(str::is_empty) {
                let rule = format!("is not one of: {}, {ANCHOR} with the name of an anchor", COLUMNS.join(", "));
                faults.push(Finding::new(pointer(name), Code::Unknown, rule));
            }
            if names.iter().take(place).any(|known| known == name) {
                faults.push(Finding::new(pointer(name), Code::Conflict, "is there twice"));
            }
        }
        for missing in REQUIRED.iter().filter(|name| !names.iter().any(|known| known == *name)) {
            faults.push(Finding::new(pointer(missing), Code::Required, "is required"));
        }
        if faults.is_empty() { Ok(Columns { names, separator }) } else { Err(faults) }
    }

    /// A line as the row in JSON, for [`super::Enrolment::read`]. An empty cell is no member.
    ///
    /// # Errors
    /// The line has more cells than there are columns, or a quote that is not closed.
    pub fn row(&self, line: &str) -> Result<Value, Finding> {
        let cells = cells(line, self.separator)?;
        if cells.len() > self.names.len() {
            return Err(Finding::new("", Code::Range, format!("must have at most {} cells", self.names.len())));
        }
        let (mut row, mut contact, mut anchors) = (Map::new(), Map::new(), Map::new());
        for (name, cell) in self.names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let (into, member) = match (name.as_str(), name.strip_prefix(ANCHOR)) {
                (_, Some(anchor)) => (&mut anchors, anchor),
                (name @ ("sms" | "email" | "other"), _) => (&mut contact, name),
                (name, _) => (&mut row, name),
            };
            into.insert(member.to_owned(), Value::from(cell));
        }
        if !contact.is_empty() {
            row.insert("contact".into(), contact.into());
        }
        row.insert("anchors".into(), anchors.into());
        Ok(row.into())
    }
}

/// The cells of a line, without blanks around them, and without the apostrophe that guards a cell from spreadsheets.
fn cells(line: &str, separator: char) -> Result<Vec<String>, Finding> {
    let (mut found, mut rest) = (Vec::new(), line);
    loop {
        let (cell, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted, separator)?,
            None => match rest.split_once(separator) {
                Some((cell, after)) => (cell.to_owned(), Some(after)),
                None => (rest.to_owned(), None),
            },
        };
        let cell = cell.trim_matches([' ', '\t', '\r']);
        let bare = cell.strip_prefix('\'').filter(|bare| guarded(bare) != *bare).unwrap_or(cell);
        found.push(bare.to_string());
        match after {
            Some(after) => rest = after,
            None => return Ok(found),
        }
    }
}

/// A cell whose opening quote is passed, and what comes after its separator.
fn quoted_cell(text: &str, separator: char) -> Result<(String, Option<&str>), Finding> {
    let broken = || Finding::new("", Code::Format, "is not CSV: a quote is not closed, or text follows one");
    let (mut cell, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('"').ok_or_else(broken)?;
        cell.push_str(before);
        if let Some(more) = after.strip_prefix('"') {
            cell.push('"');
            rest = more;
            continue;
        }
        let after = after.trim_start_matches(' ');
        if after.is_empty() {
            return Ok((cell, None));
        }
        return after.strip_prefix(separator).map(|after| (cell, Some(after))).ok_or_else(broken);
    }
}
