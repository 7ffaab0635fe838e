//! Indexes in Redis, made again from the store: for a Redis that was lost or put back from a backup.
//!
//! Guarantee: it may run beside the application, be broken off and repeated: what Redis has of an alert's state is left
//! as it is, what it has not is put there by one script. An alert that the store has and nobody raised is raised. What an
//! index names and the store does not have is taken out. Counters of months are raised to what the store has, and never
//! lowered: they are right when nothing was finished meanwhile, or after another run.
//!
//! Mechanism: the store has no listing that its components could use, so the operator's tool reads the file itself, a
//! page of keys at a time.
//!
//! Subjects of whom something is awaited are looked at again by the rules in force.
//!
//! Not for what only Redis has: submissions that were queued, dead letters, counters of the doors, once marks.

mod awaited;
mod linked;
mod stale;
mod submissions;

use std::path::Path;

use anyhow::{Context as _, Result};
use domain::Timestamp;
use domain::alert::state::State;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use serde_json::Value;
use state::names::{self, Queue};
use state::queue::flows;
use state::wire::entry::{self, Alert, Dispatch, Due};

use crate::store::{BUSY_TIMEOUT, FILE, LABEL};

/// How many records are read at a time.
const PAGE: u32 = 256;
const LIST: &str = "SELECT key, value FROM spin_key_value WHERE store = ?1 AND key > ?2 AND key < ?3
    ORDER BY key LIMIT ?4";
const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
/// How long Redis keeps the state of an alert that rests, seconds.
const KEPT_SECONDS: u32 = 2_592_000;

/// What was found, and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts in the store.
    pub alerts: u64,
    /// Alerts that were put into the indexes.
    pub indexed: u64,
    /// Alerts whose state was put back, with the indexes and with what is due.
    pub restored: u64,
    /// Alerts that nobody had raised.
    pub raised: u64,
    /// Responses in the store.
    pub responses: u64,
    /// Responses that were put into the indexes.
    pub responses_indexed: u64,
    /// Submissions after which something is awaited that were put into the indexes.
    pub awaited: u64,
    /// Submissions in the store that were scored.
    pub submissions: u64,
    /// Submissions that were put into the lists of their subjects.
    pub listed: u64,
    /// Submissions that were marked as superseded.
    pub superseded: u64,
    /// Subjects whose person Redis did not know, or knew otherwise.
    pub linked: u64,
    /// Erasures that Redis did not know of.
    pub erased: u64,
    /// Counters of months that were too low.
    pub counters: u64,
    /// Entries of submissions that the store does not have, taken out of the indexes.
    pub stale_submissions: u64,
    /// Entries of alerts that the store does not have, or in another state, taken out of the indexes.
    pub stale_alerts: u64,
    /// Records that are no alert or submission as this version writes them.
    pub unreadable: u64,
}

/// Makes the indexes again.
///
/// # Errors
/// When the store or Redis is away. What was written before stays written.
pub fn run(state_dir: &Path, redis_url: &str) -> Result<Counts> {
    let file = state_dir.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let store = Connection::open_with_flags(&file, flags);
    let store = store.with_context(|| format!("cannot open the store {}", file.display()))?;
    store.busy_timeout(BUSY_TIMEOUT)?;
    let mut redis = redis::Client::open(redis_url)?.get_connection().context("cannot reach Redis")?;
    let mut counts = Counts::default();
    each(&store, "alert/", "alert0", |key, value| {
        if key.matches('/').count() == 1 {
            alert(&store, &mut redis, value, &mut counts)?;
        }
        Ok(())
    })?;
    submissions::put_back(&store, &mut redis, &mut counts)?;
    linked::put_back(&store, &mut redis, &mut counts)?;
    // Last: what was erased while the others were read is found here.
    stale::take_out(&store, &mut redis, &mut counts)?;
    // Somebody looks at what was put back.
    let _: i64 = redis::cmd("PUBLISH").arg(Queue::Dispatch.channel()).arg("").query(&mut redis)?;
    let tick = "next reindex";
    let taken: Option<String> =
        redis::cmd("SET").arg(names::CLOCK).arg(tick).arg("NX").arg("PX").arg(5000).query(&mut redis)?;
    if taken.is_some() {
        let _: i64 = redis::cmd("PUBLISH").arg(names::CLOCK_CHANNEL).arg(tick).query(&mut redis)?;
    }
    Ok(counts)
}

/// Every record between two keys, in their order.
fn each(store: &Connection, from: &str, to: &str, mut work: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
    let mut last = from.to_owned();
    loop {
        let mut list = store.prepare_cached(LIST)?;
        let page: Vec<(String, Vec<u8>)> = list
            .query_map(params![LABEL, last, to, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()
            .context("cannot read the store")?;
        let Some((key, _)) = page.last() else { return Ok(()) };
        last.clone_from(key);
        for (key, value) in &page {
            work(key, value)?;
        }
    }
}

fn alert(store: &Connection, redis: &mut redis::Connection, value: &[u8], counts: &mut Counts) -> Result<()> {
    let Ok(alert) = serde_json::from_slice::<Alert>(value) else {
        counts.unreadable += 1;
        return Ok(());
    };
    counts.alerts += 1;
    let id = alert.alert_id.clone();
    let stored = read(store, &names::stored_alert_state(&id))?;
    let stored = stored.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let state = stored.as_ref().and_then(State::read);
    let due = state.as_ref().map(State::due).unwrap_or_default();
    let written = match (&state, &stored) {
        (Some(state), Some(value)) => format!("{} {value}", state.revision()),
        _ => String::new(),
    };
    let at = Timestamp::parse(&alert.received_at).map_or(0, Timestamp::millis);
    let facts = format!("{} {} {}", alert.severity, alert.study_id, alert.site_id);
    let next = due.iter().map(|due| due.at).min().map_or(String::new(), |at| at.millis().to_string());
    let mut call = redis::cmd("EVAL");
    call.arg(flows::before(include_str!("reindex/alert.lua"))).arg(6).arg(names::alert_state(&id));
    for key in [names::ALERTS, names::ALERT_FACTS, names::ALERT_COUNTS, names::ALERTS_NEXT, names::DUE] {
        call.arg(key);
    }
    call.arg(alert.flow()).arg(&id).arg(at).arg(facts).arg(names::alerts_of("")).arg(KEPT_SECONDS);
    call.arg(written).arg(state.as_ref().map_or("", |state| state.phase().as_str())).arg(next);
    call.arg(serde_json::to_string(&Dispatch { alert: alert.clone() })?);
    for due in due {
        let work: entry::Work = due.work.into();
        let payload = Due { alert_id: id.clone(), submission_id: alert.submission_id.clone(), work };
        let member = names::due(Queue::Dispatch, &alert.flow(), &serde_json::to_string(&payload)?);
        call.arg(due.at.millis()).arg(member);
    }
    let (done,): (String,) = call.query(redis)?;
    match done.as_str() {
        "indexed" => counts.indexed += 1,
        "restored" => counts.restored += 1,
        "raised" => counts.raised += 1,
        _ => {}
    }
    Ok(())
}

fn read(store: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(store.prepare_cached(GET)?.query_row([LABEL, key], |row| row.get(0)).optional()?)
}
