//! Submissions as Parquet: a line for each answer, member and score, with times and numbers as such.
//!
//! Memory holds the lines of one row group.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use domain::Timestamp;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use state::wire::row::Row;
use state::wire::table::{Cell, cell, cells};

use super::folder::Part;

/// The number of lines in a row group.
const GROUP: usize = 1 << 15;

/// The columns: those of the long table, with the value as a number beside its text.
const SCHEMA: &str = "message submissions {
    optional binary submissionId (STRING);
    optional binary subject (STRING);
    optional binary siteId (STRING);
    optional binary kind (STRING);
    optional binary instrument (STRING);
    optional binary instrumentVersion (STRING);
    optional int64 authoredAt (TIMESTAMP(MILLIS, true));
    optional int64 receivedAt (TIMESTAMP(MILLIS, true));
    optional binary state (STRING);
    optional binary supersededBy (STRING);
    optional binary cursor (STRING);
    optional binary name (STRING);
    optional binary value (STRING);
    optional double number;
    optional binary band (STRING);
    optional binary status (STRING);
}";

/// The values of a column, and for each line whether it has one.
struct Column<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Column { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T: Clone> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn fill(&mut self, value: Option<&T>, lines: usize) {
        (0..lines).for_each(|_| self.push(value.cloned()));
    }

    /// Writes the column of this place, and empties it.
    fn write<D: DataType<T = T>>(&mut self, group: &mut SerializedRowGroupWriter<'_, Part>) -> Result<()> {
        let mut column = group.next_column()?.context("a column too many")?;
        column.typed::<D>().write_batch(&self.values, Some(&self.levels), None)?;
        self.values.clear();
        self.levels.clear();
        Ok(column.close()?)
    }
}

/// Writes a file.
pub(super) struct Writer {
    file: SerializedFileWriter<Part>,
    /// The columns before the times, between them and the values, and after the numbers.
    before: [Column<ByteArray>; 6],
    times: [Column<i64>; 2],
    after: [Column<ByteArray>; 5],
    number: Column<f64>,
    last: [Column<ByteArray>; 2],
}

impl Writer {
    pub(super) fn open(part: Part) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = SerializedFileWriter::new(part, Arc::new(parse_message_type(SCHEMA)?), Arc::new(properties))?;
        let (before, times, after) = Default::default();
        let (number, last) = Default::default();
        Ok(Writer { file, before, times, after, number, last })
    }

    /// Adds the lines of a submission.
    pub(super) fn take(&mut self, row: &Row) -> Result<()> {
        let cells = cells(row);
        let lines = cells.len();
        let text = |text: &str| ByteArray::from(text);
        let before = [
            Some(text(row.submission_id.as_str())),
            row.subject.as_ref().map(|it| text(it.as_str())),
            Some(text(row.site_id.as_str())),
            row.kind.as_deref().map(text),
            row.instrument.as_ref().map(|it| text(it.as_str())),
            row.instrument_version.as_deref().map(text),
        ];
        for (column, value) in self.before.iter_mut().zip(&before) {
            column.fill(value.as_ref(), lines);
        }
        let moment = |text: &str| Timestamp::parse(text).map(Timestamp::millis);
        let times = [row.authored_at.as_deref().and_then(moment), moment(&row.received_at)];
        for (column, value) in self.times.iter_mut().zip(&times) {
            column.fill(value.as_ref(), lines);
        }
        let [state, by, cursor, name, value] = &mut self.after;
        state.fill(Some(&text(row.state.as_str())), lines);
        by.fill(row.superseded_by.as_ref().map(|it| text(it.as_str())).as_ref(), lines);
        cursor.fill(Some(&text(&row.cursor)), lines);
        let [band, status] = &mut self.last;
        for Cell { name: own, value: given, band: of, status: how } in cells {
            let some = |it: &str| (!it.is_empty()).then(|| text(it));
            name.push(some(&own));
            value.push(given.filter(|it| !it.is_null()).map(|it| text(&cell(it))));
            self.number.push(given.and_then(Value::as_f64));
            band.push(some(of));
            status.push(some(how));
        }
        self.file.inner_mut().count(lines);
        if self.number.levels.len() >= GROUP { self.write() } else { Ok(()) }
    }

    /// Writes a row group.
    fn write(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.before {
            column.write::<ByteArrayType>(&mut group)?;
        }
        for column in &mut self.times {
            column.write::<Int64Type>(&mut group)?;
        }
        for column in &mut self.after {
            column.write::<ByteArrayType>(&mut group)?;
        }
        self.number.write::<DoubleType>(&mut group)?;
        for column in &mut self.last {
            column.write::<ByteArrayType>(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// The whole file.
    pub(super) fn end(mut self) -> Result<Part> {
        if !self.number.levels.is_empty() {
            self.write()?;
        }
        self.file.inner_mut().count(0);
        Ok(self.file.into_inner()?)
    }
}
