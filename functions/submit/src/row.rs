//! Reads the rows of a batch from the wire, one after another. Each row is a report or a response.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use domain::intake::Shape;
use domain::reading::{Json, Limits, is_foreign};
use domain::rows::{Format, Row, Splitter};
use domain::selection;
use domain::{Code, Finding, Timestamp};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{BodyError, BodyStream, Incoming};
use serde_json::{Map, Value};
use state::edge::problem::{Problem, ProblemType};
use state::settings::Settings;

use crate::config::Config;
use crate::document::{Accepted, Known};

/// The longest batch, bytes.
pub(crate) const LARGEST: usize = 8 * 1024 * 1024;
/// The longest time without a byte, and the longest time of a request beside the time for its bytes.
const IDLE: Duration = Duration::from_secs(10);
/// The slowest line that a whole request is given the time for, bytes per second.
const SLOWEST: usize = 8 * 1024;
/// The most findings that are reported for one row.
const MOST_OF_ROW: usize = 100;
/// The most bytes that the findings of a batch take in its answer.
const MOST_OF_BATCH: usize = 512 * 1024;
/// The bytes of a finding beside its texts.
const AROUND: usize = 64;

/// Why the batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All rows were read.
    Complete,
    /// The rest is not an array of rows.
    Malformed,
    /// The body is not in UTF-8, so there are no rows.
    Foreign,
    /// The sender closed the connection.
    BrokenOff,
    /// The batch is too long.
    TooLarge,
    /// The batch has too many rows.
    TooManyRows,
    /// Time is up.
    Deadline,
    /// The queue is full.
    Capacity,
    /// The key has too many submissions waiting.
    Quota,
    /// The rate limit is reached; the next row is possible after so many seconds.
    Limited(u32),
    /// The queue cannot be reached.
    Unavailable,
}

/// The names of all ends.
#[cfg(feature = "schema")]
pub(crate) const ENDS: [&str; 10] = [
    "complete",
    "malformed",
    "broken-off",
    "too-large",
    "too-many-rows",
    "deadline",
    "capacity",
    "quota",
    "limited",
    "unavailable",
];

impl End {
    /// Its name in answers and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Malformed | End::Foreign => "malformed",
            End::BrokenOff => "broken-off",
            End::TooLarge => "too-large",
            End::TooManyRows => "too-many-rows",
            End::Deadline => "deadline",
            End::Capacity => "capacity",
            End::Quota => "quota",
            End::Limited(_) => "limited",
            End::Unavailable => "unavailable",
        }
    }

    /// The problem to answer with if no row was accepted.
    pub(crate) fn problem(self, most_rows: usize) -> Problem {
        let (kind, detail) = match self {
            End::Complete | End::Malformed => {
                (ProblemType::Malformed, "send a JSON array of rows, or one JSON object per line".to_owned())
            }
            End::BrokenOff => (ProblemType::Malformed, "the body broke off".to_owned()),
            End::Foreign => (ProblemType::UnsupportedMediaType, "send it in UTF-8".to_owned()),
            End::TooLarge => (ProblemType::TooLarge, format!("the limit is {LARGEST} bytes")),
            End::TooManyRows => (ProblemType::TooLarge, format!("the limit is {most_rows} rows")),
            End::Deadline => (ProblemType::Unavailable, "time was up, nothing was accepted, send it again".to_owned()),
            End::Capacity => (ProblemType::Busy, "the queue is full, nothing was stored".to_owned()),
            End::Quota => return Problem::over_quota(),
            End::Limited(seconds) => return Problem::rate_limited(seconds),
            End::Unavailable => return crate::unavailable(),
        };
        Problem::new(kind, detail)
    }
}

/// The time that an upload is given: it grows with the bytes that come, so a slow line gets to its end, and a sender that
/// only holds the connection does not.
struct Pace {
    began: Instant,
    /// The time by which the client wants the answer, or by which the largest batch on the slowest line is in.
    latest: Deadline,
    received: usize,
    /// The time by which the request must be answered, by the bytes that have come.
    deadline: Deadline,
}

impl Pace {
    fn of(incoming: &Incoming) -> Self {
        let longest = IDLE + Duration::from_secs((LARGEST / SLOWEST) as u64);
        let latest = Deadline::after_or_sooner(longest, incoming.header(HEADER));
        Pace { began: Instant::now(), latest, received: 0, deadline: latest.cap(IDLE) }
    }

    /// Notes that bytes came: the request may take the time for all that have come, but no longer than [`IDLE`] from now.
    fn received(&mut self, bytes: usize) {
        self.received += bytes;
        let whole = IDLE + Duration::from_millis((self.received * 1000 / SLOWEST) as u64);
        self.deadline = self.latest.cap(IDLE.min(whole.saturating_sub(self.began.elapsed())));
    }
}

/// The rows of a body.
pub(crate) struct Rows {
    pace: Pace,
    stream: BodyStream,
    /// `None` when the body has ended.
    splitter: Option<Splitter>,
    waiting: VecDeque<Row>,
    malformed: bool,
}

impl Rows {
    /// The rows of a request, whose content type says how they are framed.
    pub(crate) fn of(incoming: Incoming) -> Result<Self, Problem> {
        let format = match incoming.content_type().as_str() {
            "application/json" => Format::Array,
            "application/x-ndjson" | "application/jsonl" => Format::Lines,
            _ => {
                let detail = "send application/json or application/x-ndjson";
                return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
            }
        };
        let pace = Pace::of(&incoming);
        let stream = incoming.into_stream(LARGEST).map_err(|error| Problem::unread(error, LARGEST))?;
        let splitter = Some(Splitter::new(format, crate::LONGEST_BODY));
        Ok(Rows { pace, stream, splitter, waiting: VecDeque::new(), malformed: false })
    }

    /// The time by which the request must be answered. It moves on while bytes come.
    pub(crate) fn deadline(&self) -> Deadline {
        self.pace.deadline
    }

    /// Returns the next row, or why there is none.
    pub(crate) async fn next(&mut self) -> Result<Row, End> {
        loop {
            let deadline = self.pace.deadline;
            if let Some(row) = self.waiting.pop_front() {
                // Buffered rows are read without waiting, so each read checks the time.
                return if deadline.left().is_zero() { Err(End::Deadline) } else { Ok(row) };
            }
            let Some(mut splitter) = self.splitter.take() else {
                return Err(if self.malformed { End::Malformed } else { End::Complete });
            };
            match deadline.run(self.stream.next()).await {
                Ok(Ok(Some(piece))) if self.pace.received == 0 && is_foreign(&piece) => return Err(End::Foreign),
                Ok(Ok(Some(piece))) => {
                    self.pace.received(piece.len());
                    let mut rows = Vec::new();
                    self.malformed = splitter.push(&piece, &mut rows).is_err();
                    self.waiting.extend(rows);
                    self.splitter = (!self.malformed).then_some(splitter);
                }
                Ok(Ok(None)) => match splitter.finish() {
                    Ok(last) => self.waiting.extend(last),
                    Err(_) => self.malformed = true,
                },
                Ok(Err(BodyError::TooLong)) => return Err(End::TooLarge),
                Ok(Err(BodyError::Broken | BodyError::Encoded | BodyError::Charset)) => return Err(End::BrokenOff),
                Err(TimedOut) => return Err(End::Deadline),
            }
        }
    }
}

/// Whether a row is a response; else it is a report.
pub(crate) fn is_response(members: &Map<String, Value>) -> bool {
    members.contains_key("instrument") || members.contains_key("answers")
}

/// Why a row cannot be read.
pub(crate) enum Unread {
    /// It breaks these rules.
    Faults(Vec<Finding>),
    /// Its instrument cannot be loaded at the moment.
    Unavailable,
}

impl From<Vec<Finding>> for Unread {
    fn from(findings: Vec<Finding>) -> Self {
        Unread::Faults(findings)
    }
}

/// Reads a row: a response if it has `instrument` or `answers`, else a report.
pub(crate) async fn read(config: &Config, settings: &Settings, row: &Row, now: Timestamp) -> Result<Accepted, Unread> {
    let fault = |code, rule: String| Unread::Faults(vec![Finding::new("", code, rule)]);
    let Row::Whole(bytes) = row else {
        return Err(fault(Code::Range, format!("must be at most {} bytes", crate::LONGEST_BODY)));
    };
    let mut document = Json::read(bytes, Limits::DOCUMENT).map_err(Vec::from)?;
    let Some(members) = document.value.as_object_mut() else {
        return Err(fault(Code::Type, "must be a JSON object".to_owned()));
    };
    if !is_response(members) {
        return Ok(alone(Known { shape: Shape::Report, instrument: None }.check(document, None, now))?);
    }
    let named = members.remove("instrument");
    let version = selection::version(&document.value);
    let named = match named {
        None | Some(Value::Null) => Err((Code::Required, "is required with answers")),
        Some(Value::String(id)) => {
            let found = crate::instrument(config, settings, &id, version).await.map_err(|_| Unread::Unavailable)?;
            found.ok_or((Code::Choice, "must be the id of an instrument"))
        }
        Some(_) => Err((Code::Type, "must be a string")),
    };
    let instrument = named.as_ref().ok().cloned();
    let checked = alone(Known { shape: Shape::Response, instrument }.check(document, None, now));
    match (named, checked) {
        (Ok(_), checked) => Ok(checked?),
        (Err((code, rule)), checked) => {
            let mut faults = checked.err().unwrap_or_default();
            faults.insert(0, Finding::new("/instrument", code, rule));
            Err(Unread::Faults(faults))
        }
    }
}

/// An amendment may conflict with stored data, so it is sent as a request of its own and not as a row.
fn alone(checked: Result<Accepted, Vec<Finding>>) -> Result<Accepted, Vec<Finding>> {
    let accepted = checked?;
    if accepted.envelope.amends.is_some() {
        return Err(vec![Finding::new("/amends", Code::Unknown, "an amendment is not sent in a batch but alone")]);
    }
    Ok(accepted)
}

/// The remaining room for findings, so that an answer cannot grow without bound.
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Budget(MOST_OF_BATCH)
    }

    /// Cuts findings beyond the budget. Returns how many were cut.
    pub(crate) fn cut(&mut self, findings: &mut Vec<Finding>) -> usize {
        let all = findings.len();
        let fits = |finding: &Finding| {
            let left = self.0.checked_sub(finding.pointer.len() + finding.detail.len() + AROUND);
            self.0 = left.unwrap_or(0);
            left.is_some()
        };
        let told = findings.iter().take(MOST_OF_ROW).map(fits).take_while(|fits| *fits).count();
        findings.truncate(told);
        findings.shrink_to_fit();
        all - told
    }
}
