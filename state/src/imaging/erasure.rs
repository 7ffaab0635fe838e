//! The erasure of an analysis: its result is removed everywhere, for good.
//!
//! Guarantee: when [`erase`] has returned, no record, image, alert or waiting notification holds the result. The door
//! refuses a resend, a running call is dropped, and the audit chain has the erasure with its reason. If it fails before
//! that, another call continues where it stopped.
//!
//! Mechanism: a script marks the analysis first. A worker that stores a result meanwhile calls [`after`], sees the mark
//! and cleans up.
//!
//! This stays: the fact that there was an analysis, by which service, in which study and site, and its audit chain.

use domain::ids::{AlertId, AnalysisId, KeyId};
use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, log};

use crate::erasure::{self, Erasure};
use crate::imaging::jobs;
use crate::names;
use crate::wire::analysis::{Analysis, AnalysisState};

/// The record that replaces an analysis, in any state, when it is erased at `at`; none if the analysis is not known.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn tombstone(redis: &Redis, store: &Store, id: &AnalysisId, at: &str) -> Result<Option<Analysis>, Error> {
    let mut found: Option<Analysis> = store.get(&names::analysis(id)).await?;
    if found.is_none() {
        let progress = jobs::look(redis, id).await?;
        found = progress.map(|progress| Analysis::of(id.clone(), AnalysisState::Queued, progress.facts));
    }
    if let Some(found) = &mut found {
        found.bury(at.to_owned());
    }
    Ok(found)
}

/// Erases an analysis. `tombstone` is that of [`tombstone`]. Returns the erasure that holds, which is the first. With
/// `sweeps` its due entries and dead letters are removed; else the caller does that.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn erase(
    redis: &Redis,
    store: &Store,
    tombstone: &Analysis,
    actor: &KeyId,
    (reason, meaning): (&str, Option<&str>),
    sweeps: bool,
) -> Result<Erasure, Error> {
    let id = &tombstone.analysis_id;
    let wanted = Erasure {
        at: tombstone.ended_at.clone(),
        actor: actor.clone(),
        reason: reason.to_owned(),
        meaning: meaning.map(str::to_owned),
        tombstone: kv::json(tombstone)?,
    };
    let (erasure, hash) = jobs::erase(redis, id, &wanted).await?;
    // Read again: until the erasure was known, a worker may have stored the result.
    let found: Option<Analysis> = store.get(&names::analysis(id)).await?;
    bury(redis, store, id, &erasure, found.map(|found| found.alerts).unwrap_or_default()).await?;
    if let Some(hash) = hash {
        kv::remove_all(&[names::analysis_image(id, hash)])?;
    }
    for member in ["analysisId", "submissionId"].into_iter().filter(|_| sweeps) {
        erasure::sweep(redis, member, id.as_str()).await?;
    }
    Ok(erasure)
}

/// Puts the tombstone in place of the result, and removes its alerts and notifications.
async fn bury(
    redis: &Redis,
    store: &Store,
    id: &AnalysisId,
    erasure: &Erasure,
    alerts: Vec<AlertId>,
) -> Result<(), Error> {
    erasure::remove_alerts(redis, store, alerts).await?;
    kv::remove_all(&[names::analysis_webhook(id)])?;
    let mut batch = Batch::default();
    erasure::bury(redis, store, &mut batch, &names::analysis(id), erasure).await?;
    kv::put_all(&mut batch)
}

/// For a worker that has just stored a result: returns whether the analysis was erased meanwhile. If so, removes
/// everything, also the identity if the whole subject was erased, and drops all follow-ups.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn after(redis: &Redis, id: &AnalysisId, stored: &Batch) -> Result<bool, Error> {
    let Some(erasure) = erasure::find(redis, &[&id.clone().into_submission()]).await?.remove(id.as_str()) else {
        return Ok(false);
    };
    let store = Store::open().await?;
    let record = stored.get::<Analysis>(&names::analysis(id)).and_then(Result::ok);
    let (subject, alerts) = record.map(|record| (record.subject, record.alerts)).unwrap_or_default();
    bury(redis, &store, id, &erasure, alerts).await?;
    if !subject.is_empty() {
        erasure::subject::again(redis, &store, &subject).await?;
    }
    log::info("analysis-dropped").submission(id).outcome("erased").write();
    Ok(true)
}
