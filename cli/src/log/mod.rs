//! `vigilctl verify --heads`: whether the store and Redis still have what was signed.
//!
//! Guarantee: it reads everything itself and believes no hash but those that it computes. It tells of a head that is
//! missing, unsigned or out of its place; of a journal whose lines are others than a head covers; and of a record that is
//! missing, other than its line says, or in no line: submissions, alerts, settings, keys, certificates. Each fault names the
//! entity; no content is shown. It may run beside the application, and only reads.
//!
//! Not for: lines of the last seconds, which no head covers yet, and what the journals do not bind: `docs/security.md` has
//! the list. A head that was kept elsewhere is what shows that all heads were thrown away and made again.

mod audited;
mod heads;
mod journals;
mod records;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use platform::clock;
use platform::kv::{self, Location, Store};
use platform::redis::{PATIENCE, Redis, string, text};
use serde::de::DeserializeOwned;
use state::names;

use audited::Audited;
use heads::Heads;
use journals::Journals;

/// The time that what was stored a moment ago may take to be in its journal.
const PAUSE: Duration = Duration::from_secs(4);

/// The store and Redis to be verified, and the keys for it.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Files with heads that were kept elsewhere.
    pub files: Vec<PathBuf>,
    /// The public keys by which heads may be signed, base64.
    pub keys: Vec<String>,
}

/// The numbers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Heads.
    pub heads: u64,
    /// Lines of journals.
    pub lines: u64,
    /// Lines that no head covers yet.
    pub uncovered: u64,
    /// Records that were compared.
    pub records: u64,
    /// The number of faults.
    pub faults: u64,
}

/// Tells and counts faults.
struct Report<W> {
    out: W,
    found: Found,
}

impl<W: Write> Report<W> {
    fn fault(&mut self, whose: &dyn Display, fault: &str) -> io::Result<()> {
        self.found.faults += 1;
        writeln!(self.out, "{whose}: {fault}")
    }
}

/// A fault of an entity.
type Fault = (String, String);

fn fault(whose: impl Display, fault: &str) -> Fault {
    (whose.to_string(), fault.to_owned())
}

/// A record; none if it is missing, or is no such record: its hash is compared where it is bound, and nothing else stops here.
async fn readable<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>> {
    Ok(store.bytes(key).await?.and_then(|bytes| kv::read(&bytes).ok()))
}

/// Verifies heads, journals and records. Each fault is a line of `out`.
///
/// # Errors
/// When the store, Redis or a file cannot be read.
pub fn run(job: &Job, location: &Location, redis_url: &str, out: impl Write) -> Result<Found> {
    let mut report = Report { out, found: Found::default() };
    crate::block_on(async {
        kv::open_at(location)?;
        let (redis, store) = (Redis::patient(redis_url, PATIENCE), Store::open().await?);
        let heads = Heads::read(&redis, &job.files).await?;
        heads.verify(&job.keys, &mut report)?;
        report.found.heads = heads.count();
        let mut journals = Journals::new(&heads, known(&redis).await?);
        journals.read_on(&redis, &store).await?;
        journals.verify(&mut report)?;
        report.found.lines = journals.lines();
        report.found.uncovered = journals.uncovered();

        let first = records::verify(&redis, &store, &journals).await?;
        let audited = Audited::of(&journals).verify(&redis, &store).await?;
        report.found.records = first.count + audited.count;
        if !first.suspects.is_empty() || !audited.faults.is_empty() {
            // A record that was stored or changed meanwhile is sound once its line is there.
            clock::sleep(PAUSE).await;
            journals.read_on(&redis, &store).await?;
        }
        for (whose, fault) in records::again(&redis, &store, &journals, &first.suspects).await? {
            report.fault(&whose, &fault)?;
        }
        if !audited.faults.is_empty() {
            for (whose, fault) in Audited::of(&journals).verify(&redis, &store).await?.faults {
                report.fault(&whose, &fault)?;
            }
        }
        Ok(())
    })?;
    Ok(report.found)
}

/// The journals that Redis knows.
async fn known(redis: &Redis) -> Result<BTreeSet<String>> {
    let reply = redis.command("HKEYS", vec![text(names::JOURNALS)]).await?;
    Ok(reply.iter().filter_map(string).collect())
}

#[cfg(test)]
mod tests;
