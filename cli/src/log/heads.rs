//! The heads: those of the store, the last one of Redis, and those that were kept elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use platform::digest::{digest, hex};
use platform::kv;
use platform::redis::{Redis, string, text};
use state::journal::Position;
use state::journal::head::{Head, Known, is_signed};
use state::names;

use super::Report;
use crate::PAGE;

/// The coverage of a journal by a head: its number, the number of lines, their hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) head: u64,
    pub(super) count: u64,
    pub(super) hash: String,
}

/// For each journal, what heads say of it, by positions.
pub(super) type Marks = BTreeMap<String, BTreeMap<Position, Vec<Signed>>>;

/// A head that was kept elsewhere.
struct Kept {
    name: String,
    document: String,
    head: Head,
}

/// All heads.
pub(super) struct Heads {
    /// Their documents, by their numbers.
    stored: BTreeMap<u64, String>,
    /// Records at the place of a head whose names are no numbers.
    misplaced: Vec<String>,
    kept: Vec<Kept>,
}

impl Heads {
    /// Reads the heads.
    ///
    /// # Errors
    /// When the store, Redis or a file cannot be read, or a file has no head.
    pub(super) async fn read(redis: &Redis, files: &[PathBuf]) -> Result<Self> {
        let mut heads = Heads { stored: BTreeMap::new(), misplaced: Vec::new(), kept: Vec::new() };
        for path in files {
            let name = path.display().to_string();
            let document = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            let document = document.trim_end().to_owned();
            let head = serde_json::from_str(&document).with_context(|| format!("{name} is no head"))?;
            heads.kept.push(Kept { name, document, head });
        }
        // Before those of the store: one that is signed meanwhile is in both.
        let last = redis.command("GET", vec![text(names::HEAD)]).await?;
        let last = last.first().and_then(string).and_then(|last| Known::read(&last));
        let prefix = names::head(0).trim_end_matches('0').to_owned();
        let mut listing = kv::list(&prefix)?;
        loop {
            let page = listing.next_page(PAGE)?;
            if page.is_empty() {
                break;
            }
            for (key, value) in page {
                let document = String::from_utf8_lossy(&value).into_owned();
                match key.strip_prefix(&prefix).and_then(|number| number.parse().ok()) {
                    Some(number) => drop(heads.stored.insert(number, document)),
                    None => heads.misplaced.push(key),
                }
            }
        }
        if let Some(last) = last {
            // The clock that signed it may have died before it was stored.
            heads.stored.entry(last.head.n).or_insert(last.document);
        }
        Ok(heads)
    }

    /// The number of heads of the installation.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.stored.len()).unwrap_or(u64::MAX)
    }

    fn readable(&self) -> impl Iterator<Item = (u64, Head)> {
        let read = |(number, document): (&u64, &String)| Some((*number, serde_json::from_str(document).ok()?));
        self.stored.iter().filter_map(read)
    }

    /// Verifies signatures, the chain, and that it has what was kept elsewhere.
    ///
    /// # Errors
    /// When a fault cannot be told.
    pub(super) fn verify(&self, keys: &[String], report: &mut Report<impl Write>) -> Result<()> {
        if self.stored.is_empty() {
            report.fault(&"heads", "there is none: nothing was signed, or all were removed")?;
        }
        for key in &self.misplaced {
            report.fault(key, "is no head")?;
        }
        let mut foreign: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let (mut expected, mut before): (u64, Option<&String>) = (1, None);
        for (number, document) in &self.stored {
            let whose = format!("head {number}");
            if *number > expected {
                report.fault(&whose, &format!("the heads from {expected} up to it are missing"))?;
                before = None;
            }
            let is_first = *number == 1;
            expected = number.saturating_add(1);
            match serde_json::from_str::<Head>(document) {
                Err(_) => report.fault(&whose, "cannot be read")?,
                Ok(head) => {
                    if head.n != *number {
                        report.fault(&whose, &format!("says that it is {}", head.n))?;
                    }
                    if !is_signed(document, &head.key) {
                        report.fault(&whose, "its signature is wrong")?;
                    } else if !keys.contains(&head.key) {
                        foreign.entry(head.key).or_insert((*number, 0)).1 += 1;
                    }
                    let linked = before.map(|before| hex(&digest(before.as_bytes())));
                    let linked = linked.or_else(|| is_first.then(String::new));
                    if linked.is_some_and(|linked| linked != head.previous) {
                        report.fault(&whose, "does not follow the one before it")?;
                    }
                }
            }
            before = Some(document);
        }
        for (key, (first, count)) in foreign {
            let fault =
                format!("was signed by {key}, which is not among --public-key ({count} heads from this one on)");
            report.fault(&format!("head {first}"), &fault)?;
        }
        for Kept { name, document, head } in &self.kept {
            if !is_signed(document, &head.key) || !keys.contains(&head.key) {
                report.fault(name, "is not signed by a key that is among --public-key")?;
            }
            match self.stored.get(&head.n) {
                Some(stored) if stored == document => {}
                Some(_) => report.fault(name, &format!("the store has another head {}", head.n))?,
                None => report.fault(name, &format!("the store does not have the head {}", head.n))?,
            }
        }
        Ok(())
    }

    /// The coverage of all journals by all heads.
    pub(super) fn marks(&self) -> Marks {
        let mut marks = Marks::new();
        let kept = self.kept.iter().map(|kept| (kept.head.n, kept.head.clone()));
        for (number, head) in self.readable().chain(kept) {
            for mark in head.journals {
                let Some(position) = Position::parse(&mark.position) else { continue };
                let signed = Signed { head: number, count: mark.count, hash: mark.hash };
                let at = marks.entry(mark.name).or_default().entry(position).or_default();
                if !at.contains(&signed) {
                    at.push(signed);
                }
            }
        }
        marks
    }
}
