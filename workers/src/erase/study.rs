//! The erasure of studies, which the clock carries on.
//!
//! Guarantee: a job that has begun is carried on until nothing of its study is left, over restarts and crashes, by one host
//! at a time. While the study is under a legal hold, it rests.

use domain::ids::{Pseudonym, StudyId};
use platform::deadline::Deadline;
use platform::kv::Store;
use platform::redis::Redis;
use platform::{Error, clock, log};
use state::erasure::study::{self, StudyErasure};
use state::imaging::erasure as analysis;
use state::imaging::jobs;
use state::names::{self, Queue};
use state::settings;
use state::wire::entry::Subject;

use super::{How, Outcome};

/// The number of subjects that are read at once.
const PAGE: i64 = 50;

/// Carries on the erasure of these studies until the deadline.
///
/// # Errors
/// When Redis or the store is unavailable; the next call goes on.
pub(super) async fn carry_on(
    redis: &Redis,
    store: &Store,
    studies: &[StudyId],
    deadline: Deadline,
) -> Result<(), Error> {
    for study in studies {
        let Some(job) = study::under_way(redis, study).await? else { continue };
        if settings::is_held(redis, study).await? {
            continue;
        }
        study::remember(store, &job).await?;
        if one(redis, store, job, deadline).await? {
            log::info("study-erased").write();
        }
    }
    Ok(())
}

/// Carries on the erasure of a study. Returns whether it has ended.
async fn one(redis: &Redis, store: &Store, job: StudyErasure, deadline: Deadline) -> Result<bool, Error> {
    let study = &job.study;
    // The doors are closed, so what waits to be scored becomes less. Then all subjects are in the index.
    if study::waits(redis, study, &[Queue::Score]).await? {
        return Ok(false);
    }
    loop {
        let page = study::subjects(redis, study, i64::MAX, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for pseudonym in page {
            if deadline.left().is_zero() {
                return Ok(false);
            }
            let subject = known(redis, store, study, &pseudonym).await?;
            let outcome = super::subject(redis, store, &subject, job.begun(), How::OfStudy, deadline).await?;
            if matches!(outcome, Outcome::Left(_)) {
                return Ok(false);
            }
        }
    }
    study::sweep(redis, study).await?;
    if study::waits(redis, study, &Queue::ALL).await? || study::left(redis, study).await? > 0 {
        return Ok(false);
    }
    let Some(job) = study::under_way(redis, study).await? else { return Ok(false) };
    study::end(redis, store, job, clock::now().rfc3339()).await?;
    Ok(true)
}

/// A subject of a study. One of which only an analysis waits has no record yet.
pub(super) async fn known(
    redis: &Redis,
    store: &Store,
    study: &StudyId,
    pseudonym: &Pseudonym,
) -> Result<Subject, Error> {
    if let Some(subject) = store.get(&names::subject(pseudonym)).await? {
        return Ok(subject);
    }
    let mut site = String::new().into();
    for id in jobs::of_subject(redis, pseudonym, 1).await? {
        if let Some(analysis) = analysis::tombstone(redis, store, &id, "").await? {
            site = analysis.site_id;
        }
    }
    Ok(Subject { subject: pseudonym.clone(), study_id: study.clone(), site_id: site, sealed: String::new() })
}
