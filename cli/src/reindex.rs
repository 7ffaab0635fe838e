//! Rebuilds the indexes in Redis from the store: for a Redis that was lost or put back from a backup.
//!
//! Guarantee: it may run beside the application, and may be interrupted and repeated. A state of an alert in Redis stays as
//! it is; one script puts a missing state back. An alert that the store has but nobody raised is raised. Index entries
//! without a record in the store are removed. Counters of months are raised to the numbers of the store and never lowered:
//! they are right if nothing was finished meanwhile, or after another run. The settings in force are those of the store. The
//! store is only read.
//!
//! Mechanism: it lists the store page by page, which its components cannot, and gives each record to the function of `state`
//! by which the application keeps the index.
//!
//! Expected submissions are scheduled again by the rules in force.
//!
//! Not for what only Redis has: submissions that were queued, dead letters, counters of the doors.

mod erasures;
mod stale;
mod submissions;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use platform::clock;
use platform::kv::{self, Location, Store};
use platform::redis::{PATIENCE, Redis};
use state::alerts::rebuild::{Rebuilt, rebuild};
use state::edge::keys::KeyRecord;
use state::queue;
use state::settings;
use state::settings::studies;
use state::subjects::links::{self, Links};
use state::wire::entry::Alert;

use crate::PAGE;

/// The numbers of a run.
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
    /// Submissions after which something is expected that were put into the indexes.
    pub expected: u64,
    /// Submissions in the store that were scored.
    pub submissions: u64,
    /// Submissions that were put into the lists of their subjects.
    pub listed: u64,
    /// Submissions that were marked as superseded.
    pub superseded: u64,
    /// Subjects whose person Redis did not know, or knew otherwise.
    pub linked: u64,
    /// Submissions that the journal of their study did not have.
    pub journaled: u64,
    /// Submissions that the door did not remember.
    pub remembered: u64,
    /// API keys that were not in force.
    pub keys: u64,
    /// Erasures that Redis did not know of.
    pub erased: u64,
    /// Counters of months that were too low.
    pub counters: u64,
    /// Entries of submissions that the store does not have, taken out of the indexes.
    pub stale_submissions: u64,
    /// Entries of alerts that the store does not have, or in another state, taken out of the indexes.
    pub stale_alerts: u64,
    /// Whether Redis had other settings than the store.
    pub settings: bool,
    /// Studies of which Redis had another document than the store, or none.
    pub studies: u64,
    /// Records that are no alert or submission as this version writes them.
    pub unreadable: u64,
}

/// Rebuilds the indexes.
///
/// # Errors
/// When the store or Redis is unavailable. What was written before stays written.
pub fn run(location: &Location, redis_url: &str) -> Result<Counts> {
    crate::block_on(async {
        kv::open_at(location)?;
        let (redis, store) = (Redis::patient(redis_url, PATIENCE), Store::open().await?);
        let mut counts = Counts { settings: settings::put_back(&redis).await?, ..Counts::default() };
        counts.studies = u64::try_from(studies::put_back(&redis, &store).await?)?;
        keys(&redis, &mut counts).await?;
        erasures::put_back(&redis, &mut counts).await?;
        alerts(&redis, &store, &mut counts).await?;
        submissions::put_back(&redis, &store, &mut counts).await?;
        linked(&redis, &mut counts).await?;
        // Last: what was erased while the others were read is found here.
        stale::take_out(&redis, &store, &mut counts).await?;
        // Somebody looks at what was put back.
        queue::tick(&redis, clock::now().millis(), false, None).await?;
        Ok(counts)
    })
}

async fn keys(redis: &Redis, counts: &mut Counts) -> Result<()> {
    let (mut listing, mut keys) = (kv::list("key/")?, Vec::new());
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (_, value) in &page {
            match serde_json::from_slice::<KeyRecord>(value) {
                Ok(key) => keys.push(key),
                Err(_) => counts.unreadable += 1,
            }
        }
    }
    counts.keys += u64::try_from(state::edge::keys::put_back(redis, &keys).await?)?;
    Ok(())
}

async fn alerts(redis: &Redis, store: &Store, counts: &mut Counts) -> Result<()> {
    let mut listing = kv::list("alert/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        let mut alerts = Vec::with_capacity(page.len());
        // Below an alert lie its state and history.
        for (_, value) in page.iter().filter(|(key, _)| key.matches('/').count() == 1) {
            match serde_json::from_slice::<Alert>(value) {
                Ok(alert) => alerts.push(alert),
                Err(_) => counts.unreadable += 1,
            }
        }
        counts.alerts += u64::try_from(alerts.len())?;
        for rebuilt in rebuild(redis, store, &alerts, clock::now()).await? {
            match rebuilt {
                Rebuilt::There => {}
                Rebuilt::Indexed => counts.indexed += 1,
                Rebuilt::Restored => counts.restored += 1,
                Rebuilt::Raised => counts.raised += 1,
                Rebuilt::Unreadable => counts.unreadable += 1,
            }
        }
    }
}

/// The number of attempts to lock the links.
const TRIES: usize = 20;

async fn linked(redis: &Redis, counts: &mut Counts) -> Result<()> {
    let mut linked = BTreeSet::new();
    let mut listing = kv::list("subject/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (key, value) in &page {
            let subject = key.strip_prefix("subject/").and_then(|rest| rest.strip_suffix("/links"));
            match (subject, serde_json::from_slice::<Links>(value)) {
                (Some(subject), Ok(own)) if !own.links.is_empty() => drop(linked.insert(subject.into())),
                (Some(_), Err(_)) => counts.unreadable += 1,
                _ => {}
            }
        }
    }
    for _ in 0..TRIES {
        if let Some(corrected) = links::put_back(redis, linked.clone()).await? {
            counts.linked += corrected;
            return Ok(());
        }
    }
    None.context("somebody links subjects all the time: try again")
}

#[cfg(test)]
mod tests;
