//! Streams one DICOM file from the wire through the reader, and shows the part that is safe to show.
//!
//! The dictionary of attributes is from dicom-rs. Its readers are not used: they block the instance while they wait for
//! input, and hold the pixel data whole. The reader in `domain` takes pieces as they arrive.

use std::time::Duration;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use domain::dicom::{Fault, Guide, LONGEST_FILE, Pixels, Reader, Report, Vr};
use domain::ids::{NAME_RULE, StudyId};
use domain::{Code, Finding};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{BodyError, Incoming, Reply};
use platform::{log, memory};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::refusal_log;

use crate::config::Config;

/// The time limit of a whole request.
const TOTAL: Duration = Duration::from_secs(120);
/// The longest wait for the next piece.
const NEXT: Duration = Duration::from_secs(10);

pub(crate) async fn analyze(config: &Config, principal: &Principal, incoming: Incoming) -> Result<Reply, Problem> {
    if !incoming.is_type("application/dicom") && !incoming.is_type("application/octet-stream") {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/dicom"));
    }
    let study = study(config, principal, &incoming.query)?;
    let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
    let report = read(config, &study, incoming, deadline).await?;
    log::info("dicom-read").memory(memory::bytes()).write();
    Ok(Reply::new(200, "application/json", document(&report)))
}

/// The study in which unique identifiers are replaced: that of the key, or the one of the query. A key of all studies
/// that names none has replacements of its own, which are those of no study.
fn study(config: &Config, principal: &Principal, query: &str) -> Result<String, Problem> {
    let mut query = Query::read(query, &["study"]);
    let named = query.take("study", NAME_RULE.trim_start_matches("must be "), StudyId::parse);
    query.finish()?;
    let (own, _) = principal.scope();
    match named {
        Some(named) if principal.study().is_some_and(|own| *own != named) => {
            refusal_log::write(&config.redis, "foreign-scope", Some(&principal.id), ProblemType::Forbidden.as_str());
            Err(Problem::new(ProblemType::Forbidden, "the key does not cover this study"))
        }
        named => Ok(named.map_or_else(|| own.to_owned(), StudyId::into_string)),
    }
}

async fn read(config: &Config, study: &str, incoming: Incoming, deadline: Deadline) -> Result<Report, Problem> {
    let limit = usize::try_from(LONGEST_FILE).unwrap_or(usize::MAX);
    let mut stream = incoming.into_stream(limit).map_err(unread)?;
    let remap = |uid: &str| config.pseudonyms.uid(study, uid);
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

/// A file's content beside its attributes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct BesideMetadata<'a> {
    /// False when attributes were left out: values over 64 KiB, or more than 1 MiB in all.
    complete: bool,
    transfer_syntax: &'a str,
    deidentification: Deidentification,
    pixels: Option<PixelsShown<'a>>,
}

/// The number of attributes that were changed, and the rules.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Deidentification {
    profile: &'static str,
    removed: u32,
    emptied: u32,
    replaced: u32,
    remapped: u32,
}

/// The properties of the pixels.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct PixelsShown<'a> {
    rows: Option<u16>,
    columns: Option<u16>,
    /// Samples of a pixel; 3 for colours.
    samples_per_pixel: Option<u16>,
    frames: u32,
    /// Bits that a sample takes in the file.
    bits_allocated: Option<u16>,
    /// Bits of them that are used.
    bits_stored: Option<u16>,
    /// Whether samples are two's complement.
    signed: bool,
    rescale_slope: Option<f64>,
    rescale_intercept: Option<f64>,
    /// Their length in the file.
    bytes: u64,
    /// The number of fragments, if they are compressed.
    fragments: Option<u32>,
    /// Of stored values, before slope and intercept.
    statistics: Option<StatisticsShown<'a>>,
}

/// Statistics of native pixels of 8 or 16 bits.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct StatisticsShown<'a> {
    /// The number of samples.
    count: u64,
    min: i32,
    max: i32,
    mean: f64,
    histogram: Histogram<'a>,
}

/// Samples by their values.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Histogram<'a> {
    /// The beginning of the first bin.
    from: i32,
    /// The number of values of a bin.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    bin_width: u32,
    /// Samples in each bin.
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    counts: &'a [u64],
}

fn document(report: &Report) -> String {
    let counts = report.counts;
    let beside = BesideMetadata {
        complete: report.complete,
        transfer_syntax: &report.transfer_syntax,
        deidentification: Deidentification {
            profile: "Basic Application Level Confidentiality Profile",
            removed: counts.removed,
            emptied: counts.emptied,
            replaced: counts.replaced,
            remapped: counts.remapped,
        },
        pixels: report.pixels.as_ref().map(PixelsShown::of),
    };
    // Fails for maps whose keys are no texts, and this has none.
    let beside = serde_json::to_string(&beside).unwrap_or_default();
    // The attributes are JSON already, and may be long.
    ["{\"metadata\":", &report.metadata, ",", beside.strip_prefix('{').unwrap_or_default()].concat()
}

impl<'a> PixelsShown<'a> {
    fn of(pixels: &'a Pixels) -> Self {
        let layout = pixels.layout;
        PixelsShown {
            rows: layout.rows,
            columns: layout.columns,
            samples_per_pixel: layout.samples,
            frames: layout.frames.unwrap_or(1),
            bits_allocated: layout.allocated,
            bits_stored: layout.stored,
            signed: layout.signed,
            rescale_slope: layout.slope,
            rescale_intercept: layout.intercept,
            bytes: pixels.bytes,
            fragments: pixels.fragments,
            statistics: pixels.statistics.as_ref().map(|it| StatisticsShown {
                count: it.count,
                min: it.min,
                max: it.max,
                mean: it.mean,
                histogram: Histogram { from: it.min, bin_width: it.bin_width, counts: &it.histogram },
            }),
        }
    }
}
