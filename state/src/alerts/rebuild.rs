//! Rebuilds the alerts in Redis from the store, after Redis was lost or restored from a backup.
//!
//! Guarantee: a state in Redis is newer than the store and stays as it is. Each missing state is put back by one
//! script, with its due work and its indexes. An alert that the store has but nobody raised is raised. A rebuild may
//! run beside the application, and may be repeated.
//!
//! Not for: the application, which restores an alert when it needs it ([`super::restore`]).

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::alert::state::State;
use domain::ids::AlertId;
use futures::future::try_join_all;
use platform::digest::{digest, hex};
use platform::kv::Store;
use platform::redis::{Redis, integer, string, text, unexpected, whole};
use platform::{Error, Kind};

use super::change::{self, Change};
use super::{Loaded, TRIES, in_redis_or_stored, record};
use crate::names;
use crate::wire::entry::Alert;
use crate::wire::queued::DispatchEntry;

/// The result for one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// Nothing was missing.
    There,
    /// It was added to the indexes.
    Indexed,
    /// Its state was put back, with its indexes and due work.
    Restored,
    /// Nobody had raised it; dispatch raises it now.
    Raised,
    /// Nothing was done: its state cannot be read.
    Unreadable,
}

/// Puts the missing data of these alerts into Redis. Returns the result for each.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn rebuild(redis: &Redis, store: &Store, alerts: &[Alert], now: Timestamp) -> Result<Vec<Rebuilt>, Error> {
    let mut done: BTreeMap<usize, Rebuilt> = BTreeMap::new();
    for _ in 0..TRIES {
        let open: Vec<(usize, &Alert)> = alerts.iter().enumerate().filter(|(n, _)| !done.contains_key(n)).collect();
        if open.is_empty() {
            return Ok(done.into_values().collect());
        }
        let keys = open.iter().map(|(_, alert)| text(names::alert_state(&alert.alert_id))).collect();
        let values = redis.command("MGET", keys).await?;
        if values.len() != open.len() {
            return Err(unexpected("MGET"));
        }
        let (mut changes, mut steps) = (Vec::new(), Vec::new());
        for ((n, alert), value) in open.into_iter().zip(&values) {
            let rebuilt = match in_redis_or_stored(store, &alert.alert_id, value).await {
                Ok(found) => step(redis, store, alert, found.as_ref(), now, &mut changes).await?,
                Err(_) => {
                    // If the store answers here, the state itself is unreadable.
                    store.bytes(&names::stored_alert_state(&alert.alert_id)).await?;
                    Rebuilt::Unreadable
                }
            };
            match rebuilt {
                Rebuilt::There | Rebuilt::Unreadable => drop(done.insert(n, rebuilt)),
                _ => steps.push((n, rebuilt)),
            }
        }
        let made = change::make(redis, &changes).await?;
        done.extend(steps.into_iter().zip(made).filter(|(_, made)| *made).map(|(step, _)| step));
    }
    Err(Error::new("alerts", Kind::Unavailable, "others change the same alerts all the time"))
}

/// Adds the change that an alert needs. It is made only if the state is still the one that was read.
async fn step(
    redis: &Redis,
    store: &Store,
    alert: &Alert,
    found: Option<&Loaded>,
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Result<Rebuilt, Error> {
    let mut change = Change::default();
    let rebuilt = match found {
        None => {
            change.only_if(names::alert_state(&alert.alert_id), "");
            change.push_text(alert, &DispatchEntry::Alert(alert).line()?);
            Rebuilt::Raised
        }
        Some(found) if found.expected.is_empty() => {
            record::restored(alert, found, now, &mut change)?;
            // The journal may have lost how it came to this; its reader is told again rather than never.
            let stored = store.bytes(&names::stored_alert_state(&alert.alert_id)).await?.unwrap_or_default();
            record::journaled(alert, found.state.phase().as_str(), hex(&digest(&stored)), &mut change);
            Rebuilt::Restored
        }
        Some(found) if is_indexed(redis, alert, &found.state).await? => return Ok(Rebuilt::There),
        Some(found) => {
            change.only_if(names::alert_state(&alert.alert_id), found.expected.clone());
            record::index(alert, &found.state, &mut change);
            Rebuilt::Indexed
        }
    };
    changes.push(change);
    Ok(rebuilt)
}

async fn is_indexed(redis: &Redis, alert: &Alert, state: &State) -> Result<bool, Error> {
    let (id, phase) = (alert.alert_id.as_str(), names::alerts_of(state.phase().as_str()));
    let lookups = [("HGET", names::ALERT_FACTS), ("ZSCORE", names::ALERTS), ("ZSCORE", phase.as_str())];
    let lookups = lookups.map(|(command, key)| redis.command(command, vec![text(key), text(id)]));
    let found: Vec<Option<String>> =
        try_join_all(lookups).await?.iter().map(|reply| reply.first().and_then(string)).collect();
    let [facts, all, in_phase] = found.as_slice() else { return Err(unexpected("ZSCORE")) };
    Ok(all.is_some() && in_phase.is_some() && *facts == Some(record::facts(alert, state)))
}

/// Removes alerts that the store does not have from Redis, and from an index that may be the only one to name them.
/// Returns how many entries of this index were removed.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn take_out(redis: &Redis, index: &str, ids: &[AlertId]) -> Result<u64, Error> {
    if ids.is_empty() {
        return Ok(0);
    }
    let members = [text(index)].into_iter().chain(ids.iter().map(|id| text(id.as_str()))).collect();
    let gone = redis.command("ZREM", members).await?.first().and_then(integer);
    record::forget(redis, ids, &vec![String::new(); ids.len()]).await?;
    gone.and_then(|gone| u64::try_from(gone).ok()).ok_or_else(|| unexpected("ZREM"))
}

/// Removes alerts from the index of a phase that they are not in. Returns how many.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn take_misplaced(redis: &Redis, phase: &str, ids: &[AlertId]) -> Result<u64, Error> {
    let ids = ids.iter().map(AlertId::as_str).collect();
    MisplacedScript { facts: names::ALERT_FACTS, index: names::alerts_of(phase), phase, ids }.run(redis).await
}

script! {
    MisplacedScript<'a> = "alerts/misplaced.lua",
    keys { facts: &'static str, index: String }
    args { phase: &'a str, ids: Vec<&'a str> }
    reply u64, by whole
}

/// Counts alerts again, and makes the lists of urgent ones again, from the facts of each.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn recount(redis: &Redis) -> Result<(), Error> {
    let mut change = Change::default();
    change.command(["RECOUNT"]);
    change::make(redis, &[change]).await.map(drop)
}
