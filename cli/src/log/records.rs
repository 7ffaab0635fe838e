//! Submissions and alerts: whether they are what the journals of their studies say.

use std::collections::BTreeSet;

use anyhow::Result;
use domain::alert::state::{Phase, State as AlertState};
use domain::ids::{AlertId, SubmissionId};
use platform::digest::{digest, hex};
use platform::kv::{self, Store};
use platform::redis::{Redis, string, text};
use serde_json::Value;
use state::journal::{Kind, hash_of_alerts};
use state::names;
use state::wire::entry::{Alert, Outline, State};

use super::journals::Journals;
use super::{Fault, fault, readable};
use crate::PAGE;

/// The findings of a first look: some may be only late.
#[derive(Default)]
pub(super) struct Look {
    /// Records that were compared.
    pub(super) count: u64,
    /// Submissions to look at again.
    pub(super) suspects: BTreeSet<String>,
}

/// Compares all submissions and alerts of the store with the journals.
///
/// # Errors
/// When Redis or the store is unavailable.
pub(super) async fn verify(redis: &Redis, store: &Store, journals: &Journals) -> Result<Look> {
    let (mut look, mut seen) = (Look::default(), BTreeSet::new());
    let mut listing = kv::list(names::SUBMISSION)?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (key, value) in page {
            let Some(id) = key.strip_prefix(names::SUBMISSION).filter(|id| !id.contains('/')) else { continue };
            look.count += 1;
            seen.insert(id.to_owned());
            if !submission(store, journals, id, Some(value)).await?.is_empty() {
                look.suspects.insert(id.to_owned());
            }
        }
    }
    let said = &journals.said;
    let missing = said.submissions.keys().chain(said.superseded.keys()).filter(|id| !seen.contains(*id));
    look.suspects.extend(missing.cloned());
    let mut listing = kv::list("alert/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (key, value) in page.iter().filter(|(key, _)| key.matches('/').count() == 1) {
            look.count += 1;
            let faults = alert(redis, store, journals, key, value).await?;
            look.suspects.extend(Some(key.clone()).filter(|_| !faults.is_empty()));
        }
    }
    for (id, (_, submission)) in &said.missed {
        if !missed(store, journals, id, submission).await?.is_empty() {
            look.suspects.insert(names::alert(&AlertId::from(id.as_str())));
        }
    }
    Ok(look)
}

/// Looks again at what was not as it should be, submissions by their ids and alerts by their keys.
///
/// # Errors
/// When Redis or the store is unavailable.
pub(super) async fn again(
    redis: &Redis,
    store: &Store,
    journals: &Journals,
    suspects: &BTreeSet<String>,
) -> Result<BTreeSet<Fault>> {
    let mut faults = BTreeSet::new();
    for suspect in suspects {
        let Some(id) = suspect.strip_prefix("alert/") else {
            let stored = store.bytes(&names::submission(&SubmissionId::from(suspect.as_str()))).await?;
            faults.extend(submission(store, journals, suspect, stored).await?);
            continue;
        };
        if let Some(stored) = store.bytes(suspect).await? {
            faults.extend(alert(redis, store, journals, suspect, &stored).await?);
        }
        if let Some((_, submission)) = journals.said.missed.get(id) {
            faults.extend(missed(store, journals, id, submission).await?);
        }
    }
    Ok(faults)
}

/// The faults of a submission, its mark and its alerts.
async fn submission(store: &Store, journals: &Journals, id: &str, stored: Option<Vec<u8>>) -> Result<Vec<Fault>> {
    let (submission, mut faults) = (SubmissionId::from(id), Vec::new());
    let key = names::submission(&submission);
    if let Some(marks) = journals.said.superseded.get(id).filter(|marks| !marks.is_empty()) {
        let mark = store.bytes(&names::superseded(&submission)).await?;
        match mark.map(|mark| hex(&digest(&mark))) {
            Some(mark) if marks.contains(&mark) => {}
            Some(_) => faults.push(fault(&key, "its mark of what took its place is other than its journal says")),
            None => faults.push(fault(&key, "its mark of what took its place is missing")),
        }
    }
    let Some(bound) = journals.said.submissions.get(id) else {
        if stored.is_some() {
            faults.push(fault(&key, "is in no journal"));
        }
        return Ok(faults);
    };
    let Some(stored) = stored else {
        faults.push(fault(&key, "is missing"));
        return Ok(faults);
    };
    if hex(&digest(&stored)) != bound.hash && !bound.hash.is_empty() {
        faults.push(fault(&key, "is other than its journal says"));
        return Ok(faults);
    }
    let Ok(Outline { state: State::Scored, alerts, .. }) = platform::json::read(&stored) else { return Ok(faults) };
    let mut hashes = Vec::with_capacity(alerts.len());
    for alert in &alerts {
        match store.bytes(&names::alert(alert)).await? {
            Some(alert) => hashes.push(hex(&digest(&alert))),
            None => faults.push(fault(names::alert(alert), "is missing")),
        }
    }
    if hashes.len() == alerts.len() && hash_of_alerts(&hashes) != bound.alerts {
        let whose: Vec<String> = alerts.iter().map(names::alert).collect();
        let what = if whose.len() > 1 { "one of them is other" } else { "is other" };
        faults.push(fault(whose.join(", "), &format!("{what} than the journal says of submission {id}")));
    }
    Ok(faults)
}

/// The faults of an alert that silence raised.
async fn missed(store: &Store, journals: &Journals, id: &str, submission: &str) -> Result<Vec<Fault>> {
    let key = names::alert(&AlertId::from(id));
    let Some((hash, _)) = journals.said.missed.get(id) else { return Ok(Vec::new()) };
    if let Some(stored) = store.bytes(&key).await? {
        let is_other = hex(&digest(&stored)) != *hash;
        return Ok(is_other.then(|| fault(&key, "is other than its journal says")).into_iter().collect());
    }
    // It was removed with its submission.
    let of: Option<Outline> = readable(store, &names::submission(&SubmissionId::from(submission))).await?;
    let is_erased = of.is_some_and(|of| of.state == State::Erased);
    Ok((!is_erased).then(|| fault(&key, "is missing")).into_iter().collect())
}

/// The faults of a stored alert: whether it was raised, and whether its states have its severity and what was done with it.
async fn alert(redis: &Redis, store: &Store, journals: &Journals, key: &str, stored: &[u8]) -> Result<Vec<Fault>> {
    let Ok(Alert { alert_id, submission_id, severity, .. }) = platform::json::read(stored) else {
        return Ok(vec![fault(key, "cannot be read")]);
    };
    let mut faults = Vec::new();
    if names::alert(&alert_id) != key {
        faults.push(fault(key, "is another alert"));
    }
    let is_missed = journals.said.missed.contains_key(alert_id.as_str());
    // One that an analysis raised is in no journal.
    if !is_missed && journals.said.submissions.contains_key(submission_id.as_str()) {
        let of: Option<Outline> = readable(store, &names::submission(&submission_id)).await?;
        if of.is_none_or(|of| !of.alerts.contains(&alert_id)) {
            faults.push(fault(key, "was raised by no line of a journal"));
        }
    }
    let in_store = store.bytes(&names::stored_alert_state(&alert_id)).await?;
    let in_store = in_store.map(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let in_redis = redis.command("GET", vec![text(names::alert_state(&alert_id))]).await?;
    let in_redis = in_redis.first().and_then(string);
    let in_redis = in_redis.map(|it| serde_json::from_str::<Value>(it.split_once(' ')?.1).ok());
    for (place, state) in [("the store", in_store), ("Redis", in_redis)] {
        let Some(state) = state else { continue };
        let Some(state) = state.as_ref().and_then(AlertState::read) else {
            faults.push(fault(key, &format!("its state in {place} cannot be read")));
            continue;
        };
        if state.severity().as_str() != severity {
            faults.push(fault(key, &format!("its state in {place} has another severity")));
        }
        let is_so = match journals.said.closed.get(alert_id.as_str()) {
            None => true,
            Some(Kind::Acknowledged) => matches!(state.phase(), Phase::Acknowledged),
            Some(Kind::Resolved) => matches!(state.phase(), Phase::Resolved),
            Some(_) => !matches!(state.phase(), Phase::Acknowledged | Phase::Resolved),
        };
        if !is_so {
            faults.push(fault(key, &format!("its state in {place} is other than its journal says")));
        }
    }
    Ok(faults)
}
