//! Compares a file with what its manifest says.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use quick_xml::events::Event;
use quick_xml::name::QName;

use super::Report;
use crate::export::folder::measure;
use crate::export::manifest::{Beside, Format, Holds, Manifest, Written};

/// Compares length, hash and the number of rows.
pub(super) fn compare(dir: &Path, manifest: &Manifest, file: &Written, report: &mut Report<impl Write>) -> Result<()> {
    report.found.files += 1;
    let path = dir.join(&file.name);
    if !file.is_below() || !path.is_file() {
        return Ok(report.fault(&file.name, "is not there")?);
    }
    let (bytes, sha256) = measure(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes != file.bytes {
        report.fault(&file.name, &format!("has {bytes} bytes instead of {}", file.bytes))?;
    }
    if sha256 != file.sha256 {
        report.fault(&file.name, "has another SHA-256")?;
    }
    let rows = rows(&path, file.holds).with_context(|| format!("cannot read {}", path.display()))?;
    if rows != file.rows {
        let shown = |rows: Option<u64>| rows.map_or("no".to_owned(), |rows| rows.to_string());
        report.fault(&file.name, &format!("has {} rows instead of {}", shown(rows), shown(file.rows)))?;
    }
    if file.holds == Holds::Submissions(Format::Ndjson) && file.rows != Some(manifest.rows) {
        report.fault(&manifest.title(), "counts other submissions than its file of JSON lines")?;
    }
    Ok(())
}

/// The number of forms in ODM.
fn forms(path: &Path) -> Option<u64> {
    let (mut reader, mut piece, mut forms) = (quick_xml::Reader::from_file(path).ok()?, Vec::new(), 0);
    loop {
        match reader.read_event_into(&mut piece).ok()? {
            Event::Start(start) if start.name() == QName("FormData") => forms += 1,
            Event::Eof => return Some(forms),
            _ => {}
        }
        piece.clear();
    }
}

/// The number of rows of a file, where it has rows. What cannot be read has none: its hash tells.
fn rows(path: &Path, holds: Holds) -> Result<Option<u64>> {
    Ok(match holds {
        Holds::Beside(Beside::Definition | Beside::Codebook) => None,
        Holds::Beside(Beside::Changes) => Some(lines(path)?),
        // The last line counts the others.
        Holds::Submissions(Format::Ndjson) => Some(lines(path)?.saturating_sub(1)),
        Holds::Submissions(Format::CsvWide | Format::CsvLong) => records(path),
        Holds::Submissions(Format::Odm) => forms(path),
        Holds::Submissions(Format::Parquet) => SerializedFileReader::new(File::open(path)?)
            .ok()
            .and_then(|file| u64::try_from(file.metadata().file_metadata().num_rows()).ok()),
    })
}

fn lines(path: &Path) -> Result<u64> {
    let (mut input, mut lines) = (BufReader::with_capacity(1 << 16, File::open(path)?), 0);
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            return Ok(lines);
        }
        lines += piece.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        let length = piece.len();
        input.consume(length);
    }
}

fn records(path: &Path) -> Option<u64> {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).flexible(true).from_path(path).ok()?;
    let (mut record, mut records) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).ok()? {
        records += 1;
    }
    Some(records)
}
