//! `vigilctl score`: the engine on files, for statisticians.
//!
//! Guarantee: for each line of the input there is one line of the output, in the same order, whatever the line holds; a
//! line that cannot be scored says why and stops nothing. Memory does not grow with the input. No Redis, no WebAssembly
//! and no configuration takes part, and the scores are those of the service, because the engine is the same.

mod json;
pub(crate) mod lines;
mod records;
mod source;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::time::{Duration, Instant};

use domain::{Alert, Finding, Instrument, Parameters, Score};
use serde_json::{Map, Value};

use self::lines::{Input, Line, Lines};

/// The input of a run, and its form.
#[derive(Debug)]
pub struct Job {
    /// The id of an instrument of the library, `id@version`, or the path of a definition.
    pub instrument: String,
    /// Parameters for every line that does not bring its own.
    pub parameters: Vec<(String, String)>,
    /// Comma-separated values instead of JSON lines, in and out.
    pub csv: bool,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every line is scored.
    Clean,
    /// Some lines have errors.
    WithErrors,
    /// Nobody reads the output any more.
    Unread,
}

/// Why nothing was scored, or not everything.
#[derive(Debug)]
pub enum Failure {
    /// The instrument, the parameters or the columns are wrong; all faults, one per line.
    Usage(String),
    /// Input or output broke.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(faults) => f.write_str(faults),
            Failure::Io(error) => write!(f, "input or output broke: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

/// Scores `input` to `output`. Remarks and progress go to standard error.
///
/// # Errors
/// A usage failure before anything is scored, or one of input and output.
pub fn run(job: &Job, input: impl Read, output: impl Write) -> Result<Ended, Failure> {
    let scorer = Scorer::of(job)?;
    let lines = Lines::new(BufReader::with_capacity(PIECE, input));
    let output = BufWriter::with_capacity(PIECE, output);
    let ended = if job.csv { table::run(&scorer, lines, output) } else { json::run(&scorer, lines, output) };
    match ended {
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::Unread),
        ended => ended,
    }
}

/// The number of bytes that are read and written at once.
const PIECE: usize = 1 << 16;

/// The instrument and what was said about all lines.
struct Scorer {
    instrument: Instrument,
    given: BTreeMap<String, String>,
    parameters: Parameters,
}

impl Scorer {
    fn of(job: &Job) -> Result<Self, Failure> {
        let instrument = source::instrument(&job.instrument).map_err(Failure::Usage)?;
        let mut given = BTreeMap::new();
        for (name, value) in &job.parameters {
            if given.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::Usage(format!("--param {name} is given twice")));
            }
        }
        let parameters = instrument.parameters(&given).map_err(|faults| {
            let name = |fault: &Finding| fault.pointer.strip_prefix('/').unwrap_or_default().to_owned();
            let faults = faults.iter().map(|fault| format!("--param {}: {}", name(fault), fault.detail));
            Failure::Usage(faults.collect::<Vec<_>>().join("\n"))
        })?;
        Ok(Scorer { instrument, given, parameters })
    }

    /// Scores one line. `own` are its own parameters, which win over those of the job. Findings point into
    /// `{"answers": ..., "parameters": ...}`.
    fn score(
        &self,
        answers: &Map<String, Value>,
        own: Option<BTreeMap<String, String>>,
    ) -> Result<Scored<'_>, Vec<Finding>> {
        let parameters = own.map(|own| {
            let mut given = self.given.clone();
            given.extend(own);
            self.instrument.parameters(&given).map_err(|faults| under("/parameters", faults))
        });
        let read = self.instrument.read(answers).map_err(|faults| under("/answers", faults));
        let (answers, parameters) = match (read, parameters) {
            (Ok(answers), None) => (answers, None),
            (Ok(answers), Some(Ok(parameters))) => (answers, Some(parameters)),
            (read, parameters) => {
                let mut faults = parameters.and_then(Result::err).unwrap_or_default();
                faults.extend(read.err().unwrap_or_default());
                return Err(faults);
            }
        };
        let scores = self.instrument.score(&answers, parameters.as_ref().unwrap_or(&self.parameters));
        let alerts = self.instrument.alerts(&answers, &scores, None);
        Ok(Scored { parameters, scores, alerts })
    }
}

/// A line's scores and alerts.
struct Scored<'a> {
    /// The parameters in force, where they are not those of the job.
    parameters: Option<Parameters>,
    scores: Vec<Score<'a>>,
    alerts: Vec<Alert<'a>>,
}

/// Findings, with what they point into put before them.
fn under(base: &str, faults: Vec<Finding>) -> Vec<Finding> {
    faults.into_iter().map(|fault| Finding { pointer: format!("{base}{}", fault.pointer), ..fault }).collect()
}

/// Writes one line of output for each line of input. `one` writes a line and tells whether it had no errors.
fn each_line<W: Write>(
    mut lines: impl Input,
    mut output: W,
    mut one: impl FnMut(Line<'_>, &mut W) -> io::Result<bool>,
) -> Result<Ended, Failure> {
    let mut progress = Progress::new();
    loop {
        // Whoever types or pipes line by line gets the answer to a line before giving the next.
        if lines.would_wait() {
            output.flush()?;
        }
        let Some(line) = lines.next()? else { break };
        let clean = one(line, &mut output)?;
        progress.count(clean);
    }
    output.flush()?;
    Ok(progress.end())
}

/// The progress of a run, for a person at a terminal.
struct Progress {
    lines: u64,
    with_errors: u64,
    /// The time of the next report; never if nobody watches.
    next: Option<Instant>,
    spoke: bool,
}

impl Progress {
    const PERIOD: Duration = Duration::from_millis(500);
    /// The clock is read once in so many lines.
    const STRIDE: u64 = 256;

    fn new() -> Self {
        let watched = io::stderr().is_terminal();
        Progress { lines: 0, with_errors: 0, next: watched.then(|| Instant::now() + Self::PERIOD), spoke: false }
    }

    fn count(&mut self, clean: bool) {
        self.lines += 1;
        self.with_errors += u64::from(!clean);
        if self.lines.is_multiple_of(Self::STRIDE) && self.next.is_some_and(|next| Instant::now() >= next) {
            self.next = Some(Instant::now() + Self::PERIOD);
            self.spoke = true;
            eprint!("\r{} lines, {} with errors", self.lines, self.with_errors);
        }
    }

    fn end(self) -> Ended {
        if self.next.is_some() {
            let again = if self.spoke { "\r" } else { "" };
            eprintln!("{again}{} lines, {} with errors", self.lines, self.with_errors);
        }
        if self.with_errors == 0 { Ended::Clean } else { Ended::WithErrors }
    }
}
