//! Streams one DICOM file from the wire through the reader, and shows the part that is safe to show.
//!
//! The dictionary of attributes is from dicom-rs. Its readers are not used: they block the instance while they wait for
//! input, and hold the pixel data whole. The reader in `domain` takes pieces as they arrive.

use std::time::Duration;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use domain::dicom::{Fault, Guide, LONGEST_FILE, Pixels, Reader, Report, Vr};
use domain::{Code, Finding};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{BodyError, Incoming, Reply};
use platform::{log, memory};
use serde_json::{Value, json};
use state::edge::problem::{Problem, ProblemType};

use crate::config::Config;

/// The time limit of a whole request.
const TOTAL: Duration = Duration::from_secs(120);
/// The longest wait for the next piece.
const NEXT: Duration = Duration::from_secs(10);

pub(crate) async fn analyze(config: &Config, incoming: Incoming) -> Result<Reply, Problem> {
    if !incoming.is_type("application/dicom") && !incoming.is_type("application/octet-stream") {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/dicom"));
    }
    let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
    let report = read(config, incoming, deadline).await?;
    log::info("dicom-read").memory(memory::bytes()).write();
    Ok(Reply::new(200, "application/json", document(&report)))
}

async fn read(config: &Config, incoming: Incoming, deadline: Deadline) -> Result<Report, Problem> {
    let limit = usize::try_from(LONGEST_FILE).unwrap_or(usize::MAX);
    let mut stream = incoming.into_stream(limit).map_err(unread)?;
    let remap = |uid: &str| config.pseudonyms.uid(uid);
    let mut reader = Reader::new(Guide { vr_of, remap: &remap });
    loop {
        let piece = deadline
            .cap(NEXT)
            .run(stream.next())
            .await
            .map_err(|TimedOut| Problem::new(ProblemType::RequestTimedOut, "the file did not arrive in time"))?;
        match piece.map_err(unread)? {
            Some(piece) => reader.push(&piece).map_err(refused)?,
            None => return reader.finish().map_err(refused),
        }
    }
}

fn unread(error: BodyError) -> Problem {
    Problem::unread(error, LONGEST_FILE)
}

fn refused(fault: Fault) -> Problem {
    let detail = format!("{}; it does not at byte {}", fault.problem.as_str(), fault.position);
    Problem::invalid(vec![Finding::new("", Code::Format, detail)])
}

/// The representation that the standard gives an attribute. If there are several, the dictionary gives the most
/// general.
fn vr_of(tag: u32) -> Option<Vr> {
    let tag = dicom_core::Tag((tag >> 16) as u16, tag as u16);
    Vr::parse(dicom_dictionary_std::StandardDataDictionary.by_tag(tag)?.vr().relaxed().to_string())
}

fn document(report: &Report) -> String {
    let counts = report.counts;
    let rest = json!({
        "transferSyntax": report.transfer_syntax,
        "complete": report.complete,
        "deidentification": {
            "profile": "Basic Application Level Confidentiality Profile",
            "removed": counts.removed,
            "emptied": counts.emptied,
            "replaced": counts.replaced,
            "remapped": counts.remapped,
        },
        "pixels": report.pixels.as_ref().map(pixels),
    })
    .to_string();
    // The attributes are JSON already, and may be long.
    ["{\"metadata\":", &report.metadata, ",", rest.strip_prefix('{').unwrap_or_default()].concat()
}

fn pixels(pixels: &Pixels) -> Value {
    let layout = pixels.layout;
    json!({
        "rows": layout.rows,
        "columns": layout.columns,
        "samplesPerPixel": layout.samples,
        "frames": layout.frames.unwrap_or(1),
        "bitsAllocated": layout.allocated,
        "bitsStored": layout.stored,
        "signed": layout.signed,
        "rescaleSlope": layout.slope,
        "rescaleIntercept": layout.intercept,
        "bytes": pixels.bytes,
        "fragments": pixels.fragments,
        "statistics": pixels.statistics.as_ref().map(|statistics| json!({
            "count": statistics.count,
            "min": statistics.min,
            "max": statistics.max,
            "mean": statistics.mean,
            "histogram": {"from": statistics.min, "binWidth": statistics.bin_width, "counts": statistics.histogram},
        })),
    })
}
