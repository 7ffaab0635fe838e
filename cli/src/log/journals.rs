//! The journals: whether their lines are those that heads cover, and what they say of records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

use anyhow::Result;
use domain::ids::StudyId;
use platform::kv::Store;
use platform::redis::Redis;
use state::audit::Line;
use state::journal::head::Running;
use state::journal::{Event, Kind, Position, Reader};
use state::names;

use super::Report;
use super::heads::{Heads, Marks};

/// The last line about a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    /// The hash of its record, hex.
    pub(super) hash: String,
    /// That of its alerts.
    pub(super) alerts: String,
}

/// The contents of the journals, by record.
#[derive(Default)]
pub(super) struct Said {
    pub(super) submissions: HashMap<String, Bound>,
    /// The hashes of the marks of superseded submissions.
    pub(super) superseded: BTreeMap<String, Vec<String>>,
    /// The hashes of alerts that silence raised, with their submissions.
    pub(super) missed: BTreeMap<String, (String, String)>,
    /// The last act on an alert.
    pub(super) closed: BTreeMap<String, Kind>,
    /// The hashes of audit records, by entity and number.
    pub(super) audited: BTreeMap<String, BTreeMap<u64, String>>,
}

/// A journal, as far as it was read.
#[derive(Default)]
struct Read {
    running: Running,
    /// The last position that a head covers rightly.
    covered: Position,
    covered_count: u64,
    /// Why it could not be read further.
    broken: Option<String>,
}

/// All journals.
pub(super) struct Journals {
    marks: Marks,
    read: BTreeMap<String, Read>,
    pub(super) said: Said,
}

impl Journals {
    /// The journals of these names, and those that heads name.
    pub(super) fn new(heads: &Heads, names: BTreeSet<String>) -> Self {
        let marks = heads.marks();
        let names = names.into_iter().chain(marks.keys().cloned());
        let read = names.map(|name| (name, Read::default())).collect();
        Journals { marks, read, said: Said::default() }
    }

    /// Reads what has come since the last call.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub(super) async fn read_on(&mut self, redis: &Redis, store: &Store) -> Result<()> {
        for (name, read) in &mut self.read {
            let study = StudyId::from(name.as_str());
            let mut reader = match Reader::open(redis, store, &study).await {
                Ok(reader) => reader,
                Err(error) => {
                    read.broken = Some(error.to_string());
                    continue;
                }
            };
            loop {
                let lines = match reader.lines_after(read.running.position).await {
                    Ok(lines) => lines,
                    Err(error) => {
                        read.broken = Some(error.to_string());
                        break;
                    }
                };
                if lines.is_empty() {
                    break;
                }
                for (at, line) in lines {
                    read.running.add(at, &line);
                    self.said.add(name, &line);
                    let Some(signed) = self.marks.get_mut(name).and_then(|marks| marks.get_mut(&at)) else { continue };
                    let now = read.running.mark(name, 0);
                    let before = signed.len();
                    signed.retain(|signed| signed.count != now.count || signed.hash != now.hash);
                    if signed.len() < before {
                        (read.covered, read.covered_count) = (at, now.count);
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of lines.
    pub(super) fn lines(&self) -> u64 {
        self.read.values().map(|read| read.running.count).sum()
    }

    /// The number of lines that no head covers.
    pub(super) fn uncovered(&self) -> u64 {
        self.read.values().map(|read| read.running.count.saturating_sub(read.covered_count)).sum()
    }

    /// Tells of journals that cannot be read, and of lines that are others than heads cover.
    ///
    /// # Errors
    /// When a fault cannot be told.
    pub(super) fn verify(&self, report: &mut Report<impl Write>) -> Result<()> {
        for (name, read) in &self.read {
            let whose = format!("journal {name}");
            if let Some(broken) = &read.broken {
                report.fault(&whose, &format!("cannot be read after {}: {broken}", read.running.position))?;
            }
            let marks = self.marks.get(name).into_iter().flatten();
            // Heads say nothing of a journal without lines.
            let open = marks.flat_map(|(at, signed)| signed.iter().map(move |signed| (at, signed)));
            let mut open: Vec<_> = open.filter(|(_, signed)| signed.count > 0).collect();
            open.sort_by_key(|(_, signed)| signed.head);
            let Some((at, first)) = open.first() else { continue };
            let fault = format!(
                "its lines up to {at} are others than head {} signed ({} heads differ; all is right up to {})",
                first.head,
                open.len(),
                read.covered,
            );
            report.fault(&whose, &fault)?;
        }
        Ok(())
    }
}

impl Said {
    /// Takes in a line. One that this version cannot read says nothing that it could compare.
    fn add(&mut self, journal: &str, line: &str) {
        if journal == names::AUDITED {
            if let Some(Line { entity, n, hash }) = Line::read(line) {
                self.audited.entry(entity).or_default().insert(n, hash);
            }
            return;
        }
        if journal.starts_with(names::ASIDE) {
            return;
        }
        let Some(Event { kind, what, submission, hash, alerts, .. }) = Event::read(line) else { return };
        let submission = submission.as_str().to_owned();
        match kind {
            Kind::Scored | Kind::Failed | Kind::Erased => {
                self.submissions.insert(submission, Bound { hash, alerts });
            }
            Kind::Superseded => {
                let marks = self.superseded.entry(submission).or_default();
                // A worker that found the mark there did not hash it again.
                marks.extend(Some(hash).filter(|hash| !hash.is_empty()));
            }
            Kind::Missed => drop(self.missed.insert(what, (hash, submission))),
            Kind::Acknowledged | Kind::Resolved | Kind::Reopened => drop(self.closed.insert(what, kind)),
            // Nothing is stored of it.
            Kind::KeyExpiring => {}
        }
    }
}
