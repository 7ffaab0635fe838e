//! Computes the scores of JSON lines again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use domain::Instrument;
use domain::ids::SubmissionId;
use platform::digest::{Hasher, hex};
use serde::Deserialize;
use serde_json::{Map, Value};
use state::wire::entry::{Score, ScoredWith};
use state::wire::row::{End, StreamEnd};

use super::Report;
use crate::progress::Progress;
use crate::score::lines::{Input as _, Line, Lines};

/// Definitions of instruments, by their hashes.
pub(super) struct Definitions(BTreeMap<String, Instrument>);

impl Definitions {
    /// Reads the definitions of a folder.
    pub(super) fn read(folder: &Path, report: &mut Report<impl Write>) -> Result<Self> {
        let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        Definitions::of(&paths, report)
    }

    /// Reads definitions. One that is not there is missed where it is needed.
    pub(super) fn of(paths: &[PathBuf], report: &mut Report<impl Write>) -> Result<Self> {
        let mut all = BTreeMap::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            match Instrument::from_json(&fs::read(path)?) {
                Ok(instrument) => drop(all.insert(instrument.hash().to_owned(), instrument)),
                Err(_) => report.fault(&path.display(), "is not the definition of an instrument")?,
            }
        }
        Ok(Definitions(all))
    }
}

/// A row, as far as it is needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    submission_id: SubmissionId,
    #[serde(default)]
    instrument: Option<String>,
    state: String,
    #[serde(default)]
    content: Option<Map<String, Value>>,
    #[serde(default)]
    scores: Vec<Score>,
    #[serde(default)]
    scored_with: Option<ScoredWith>,
}

/// Verifies the rows of a file, and its last line.
pub(super) fn verify(
    path: &Path,
    name: &str,
    definitions: &Definitions,
    report: &mut Report<impl Write>,
) -> Result<()> {
    let file = File::open(path)?;
    let mut progress = Progress::new("rows", file.metadata()?.len());
    let mut lines = Lines::new(BufReader::with_capacity(1 << 16, file));
    let (mut hash, mut rows, mut read, mut end) = (Hasher::default(), 0, 0, None);
    while let Some(line) = lines.next()? {
        if end.is_some() {
            report.fault(&name, "goes on after its last line")?;
            break;
        }
        let Line::Text(text) = line else {
            report.fault(&format!("{name} line {}", rows + 1), "cannot be read")?;
            rows += 1;
            continue;
        };
        read += u64::try_from(text.len() + 1)?;
        if let Ok(StreamEnd { end: last }) = serde_json::from_str(text) {
            end = Some(last);
            continue;
        }
        hash.update(text.as_bytes());
        hash.update(b"\n");
        rows += 1;
        match serde_json::from_str::<Row>(text) {
            Ok(row) => {
                report.found.scores += u64::try_from(row.scores.len())?;
                for fault in row.faults(definitions) {
                    report.fault(&row.submission_id, &fault)?;
                }
            }
            // An error of serde may quote the line, and the line is patient data.
            Err(_) => report.fault(&format!("{name} line {rows}"), "is not a row")?,
        }
        progress.show(read, rows);
    }
    progress.end();
    report.found.rows += rows;
    match end {
        None => report.fault(&name, "has no last line: it broke off")?,
        Some(End { rows: told, sha256, .. }) => {
            if told != rows {
                report.fault(&name, &format!("has {rows} rows, and its last line says {told}"))?;
            }
            if sha256 != hex(&hash.finish()) {
                report.fault(&name, "has other rows than its last line hashed")?;
            }
        }
    }
    Ok(())
}

impl Row {
    /// What is not as it should be.
    fn faults(&self, definitions: &Definitions) -> Vec<String> {
        let one = |fault: String| vec![fault];
        let Some(with) = &self.scored_with else {
            return match (self.instrument.is_some() && self.state == "scored", self.scores.is_empty()) {
                (true, _) => one("does not say what scored it".to_owned()),
                (false, false) => one("has scores, and does not say what scored it".to_owned()),
                (false, true) => Vec::new(),
            };
        };
        let ScoredWith { id, version, hash, parameters } = with;
        let Some(instrument) = definitions.0.get(hash) else {
            return one(format!("was scored by the definition {hash} of {id} {version}, which is not here"));
        };
        if instrument.id().as_str() != id || instrument.version() != version || self.instrument.as_ref() != Some(id) {
            return one("was scored by the definition of another instrument or version".to_owned());
        }
        let Some(content) = &self.content else { return one("has no answers".to_owned()) };
        let Ok(answers) = instrument.read(content) else {
            return one("has answers that its definition does not take".to_owned());
        };
        let settled = instrument.parameters(parameters).ok();
        let settled = settled.filter(|settled| {
            settled.iter().eq(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        });
        let Some(settled) = settled else {
            return one("has parameters that its definition does not have in this form".to_owned());
        };
        let scores: Vec<Score> =
            instrument.score(&answers, &settled).iter().map(|score| Score::of(score).owned()).collect();
        differences(&self.scores, &scores)
    }
}

/// The scores that differ, and wherein.
fn differences(told: &[Score], computed: &[Score]) -> Vec<String> {
    let find = |scores: &[Score], id: &str| scores.iter().find(|score| score.id == id).cloned();
    let mut faults = Vec::new();
    for score in computed {
        let Some(told) = find(told, &score.id) else {
            faults.push(format!("score {} is missing", score.id));
            continue;
        };
        let members = [
            ("value", same(told.value.as_ref(), score.value.as_ref())),
            ("band", told.band == score.band),
            ("status", told.status == score.status),
            ("reason", told.reason == score.reason),
            ("answered", told.answered == score.answered),
            ("missing", told.missing == score.missing),
        ];
        let differ: Vec<&str> = members.iter().filter(|(_, same)| !same).map(|(member, _)| *member).collect();
        if !differ.is_empty() {
            faults.push(format!("score {} differs: {}", score.id, differ.join(", ")));
        }
    }
    for (place, score) in told.iter().enumerate() {
        let twice = told.iter().take(place).any(|before| before.id == score.id);
        if twice || find(computed, &score.id).is_none() {
            faults.push(format!("score {} should not be there", score.id));
        }
    }
    faults
}

/// Whether two values are the same. A number is the same however it is written.
fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one.and_then(Value::as_f64), other.and_then(Value::as_f64)) {
        (Some(one), Some(other)) => one == other,
        _ => one.filter(|it| !it.is_null()) == other.filter(|it| !it.is_null()),
    }
}
