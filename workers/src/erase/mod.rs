//! Erasure, for good: of a submission, of a subject, of a study, and of subjects whose retention is over.
//!
//! Guarantee: [`subject`] is the only erasure of a subject, whoever asks for it. When it says that a subject is erased,
//! nothing of it is stored but tombstones, audit chains and the certificate, and nothing that came before waits. An erasure
//! that broke off at any moment is continued by the next call. The first call's time, actor and reason stand.
//!
//! Mechanism: each submission and analysis is erased as if it were erased alone, and leaves the subject's list last. What
//! still waits to be scored is waited for, until the queue has nothing of the site that came before; then it is in the list.
//! The keys of the subject are destroyed first, so that copies of what they sealed open nowhere. By its age they are destroyed
//! last, and only if nothing of the subject is stored and nothing of its site waits to be scored: what comes in meanwhile is
//! kept, and may be sealed with them. The identity goes last, in one transaction with the certificate.
//!
//! A study waits for its queues once, before its first subject and after its last, and looks through due entries and dead
//! letters once: they are common to all studies and may be long.

pub mod retention;
pub mod study;
pub mod submission;

use std::time::Duration;

use domain::ids::{AnalysisId, KeyId, SubmissionId};
use platform::deadline::Deadline;
use platform::kv::{self, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use state::erasure;
use state::erasure::subject::{self as progress, Begun, Certificate, List, Progress};
use state::imaging::erasure as analysis;
use state::imaging::jobs;
use state::lock::Lock;
use state::names::{self, Queue};
use state::queue;
use state::subjects::links::{self, Changed};
use state::subjects::timeline::{self, Filter};
use state::wire::entry::Subject;

use submission::{Author, Target};

/// The number of submissions or analyses that are read from a list at once.
const PAGE: u32 = 50;
/// The pause before something that waits for a worker is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// How a subject is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By itself.
    Alone,
    /// With its study, which waits for queues and sweeps what is due for all subjects together.
    OfStudy,
    /// By its age: what came after the erasure began is spared.
    ByAge,
}

/// The outcome of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left.
    Erased(Certificate),
    /// So much is left, as far as it is known: call again. By its age, it is what came meanwhile and is kept.
    Left(u64),
}

/// A part of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Done,
    /// There was no time for all.
    Open,
    Spared,
}

/// Carries on, until the deadline, the erasure of studies, and of subjects whose retention is over. Returns whether the
/// clock has to go on for that.
///
/// # Errors
/// When Redis or the store is unavailable; the next call goes on.
pub async fn carry_on(redis: &Redis, deadline: Deadline) -> Result<bool, Error> {
    let (studies, kept) = (erasure::study::studies(redis).await?, retention::in_force(redis).await?);
    let looks = kept.is_some() && retention::is_due(redis).await?;
    let broken_off = !progress::broken_off(redis).await?.is_empty();
    if !studies.is_empty() || looks || broken_off {
        let Some(lock) = Lock::take(redis, names::ERASURE_LOCK, progress::LEASE).await? else { return Ok(true) };
        let carried = async {
            let store = Store::open().await?;
            progress::complete(redis).await?;
            study::carry_on(redis, &store, &studies, deadline).await?;
            match &kept {
                Some((version, kept)) if looks => retention::carry_on(redis, &store, (version, kept), deadline).await,
                _ => Ok(()),
            }
        };
        let carried = carried.await;
        lock.release(redis).await?;
        carried?;
    }
    Ok(!studies.is_empty() || kept.is_some())
}

/// Erases a subject, as far as there is time before `last`: at least one submission or analysis.
///
/// # Errors
/// When Redis or the store is unavailable; calling it again is safe.
pub async fn subject(
    redis: &Redis,
    store: &Store,
    subject: &Subject,
    begun: Begun,
    how: How,
    last: Deadline,
) -> Result<Outcome, Error> {
    if let Some(certificate) = progress::standing(redis, store, subject).await? {
        progress::ended(redis, subject).await?;
        return Ok(Outcome::Erased(certificate));
    }
    let pseudonym = &subject.subject;
    let mut progress = progress::begin(redis, pseudonym, &begun).await?;
    loop {
        if how != How::ByAge {
            progress::destroy_keys(redis, store, pseudonym, &mut progress).await?;
        }
        let work = Work { redis, store, subject, progress: &progress, how, last };
        let (part, mut left) = work.round().await?;
        if part == Part::Spared {
            progress::break_off(redis, pseudonym).await?;
            return Ok(Outcome::Left(left));
        }
        if left == 0 && how == How::ByAge {
            // What came in meanwhile is in a list in the next round, and is spared, or is another subject's.
            left = u64::from(!progress::destroy_unused_keys(redis, store, subject).await?);
        } else if left == 0 {
            // New keys are those of a document that came in meanwhile: it is in the list now, or will be.
            left = u64::from(progress::has_keys(store, pseudonym).await?);
        }
        if left == 0 {
            return progress::end(redis, store, subject, &progress.begun).await.map(Outcome::Erased);
        }
        if work.is_late() {
            return Ok(Outcome::Left(left));
        }
        clock::sleep(PAUSE).await;
    }
}

/// The erasure of a subject, within a call.
struct Work<'a> {
    redis: &'a Redis,
    store: &'a Store,
    subject: &'a Subject,
    progress: &'a Progress,
    how: How,
    last: Deadline,
}

impl Work<'_> {
    fn is_late(&self) -> bool {
        self.last.left().is_zero()
    }

    fn author(&self) -> Author<'_> {
        let begun = &self.progress.begun;
        Author { at: &begun.at, actor: &begun.by, reason: &begun.reason, meaning: begun.meaning.as_deref() }
    }

    /// Whether something that came in at this time is to be kept.
    fn spares(&self, came_at: &str) -> bool {
        self.how == How::ByAge && came_at >= self.progress.begun.at.as_str()
    }

    /// Erases what is in the subject's lists, as far as there is time. Returns also how much is left then, or waits.
    async fn round(&self) -> Result<(Part, u64), Error> {
        let (redis, pseudonym) = (self.redis, &self.subject.subject);
        for list in [List::Submissions, List::Failed, List::Analyses] {
            let part = match list {
                List::Submissions | List::Failed => self.submissions(list).await?,
                List::Analyses => self.analyses().await?,
            };
            if part != Part::Done {
                return Ok((part, progress::left(redis, pseudonym).await?.max(1)));
            }
        }
        if !self.links().await? {
            return Ok((Part::Open, progress::left(redis, pseudonym).await?.max(1)));
        }
        let mut waits = 0;
        if self.how != How::OfStudy {
            progress::sweep(redis, pseudonym).await?;
            waits = u64::from(self.scores_wait().await?) + progress::waiting(redis, pseudonym).await?;
        }
        // Read last: what was waited for is in the list now.
        Ok((Part::Done, waits + progress::left(redis, pseudonym).await?))
    }

    /// The ids and members of the next submissions in a list.
    async fn listed(&self, list: List) -> Result<Vec<(SubmissionId, String)>, Error> {
        let pseudonym = &self.subject.subject;
        if list == List::Failed {
            let failed = progress::failed(self.redis, pseudonym, PAGE).await?;
            return Ok(failed.into_iter().map(|id| (id.as_str().into(), id)).collect());
        }
        let wanted = Filter { limit: PAGE as usize, ..Filter::default() };
        let (listed, _) = timeline::list(self.redis, std::slice::from_ref(pseudonym), wanted).await?;
        Ok(listed.into_iter().map(|one| (one.id.as_str().into(), one.member())).collect())
    }

    /// Erases the submissions in a list.
    async fn submissions(&self, list: List) -> Result<Part, Error> {
        let (redis, pseudonym) = (self.redis, &self.subject.subject);
        loop {
            let listed = self.listed(list).await?;
            if listed.is_empty() {
                return Ok(Part::Done);
            }
            for (id, member) in listed {
                if let Some(target) = Target::find(redis, self.store, &id).await? {
                    if self.spares(&target.received_at) {
                        return Ok(Part::Spared);
                    }
                    submission::erase(redis, self.store, &target, self.author()).await?;
                    if self.how != How::OfStudy {
                        erasure::sweep(redis, "submissionId", id.as_str()).await?;
                    }
                }
                progress::took(redis, pseudonym, list, &member).await?;
                if self.is_late() {
                    return Ok(Part::Open);
                }
            }
        }
    }

    /// Erases the analyses of the subject.
    async fn analyses(&self) -> Result<Part, Error> {
        let (redis, pseudonym) = (self.redis, &self.subject.subject);
        let Author { at, actor, reason, meaning } = self.author();
        loop {
            let ids: Vec<AnalysisId> = jobs::of_subject(redis, pseudonym, PAGE).await?;
            if ids.is_empty() {
                return Ok(Part::Done);
            }
            for id in ids {
                if let Some(tombstone) = analysis::tombstone(redis, self.store, &id, at).await? {
                    if self.spares(&tombstone.requested_at) {
                        return Ok(Part::Spared);
                    }
                    let sweeps = self.how != How::OfStudy;
                    analysis::erase(redis, self.store, &tombstone, actor, (reason, meaning), sweeps).await?;
                }
                progress::took(redis, pseudonym, List::Analyses, id.as_str()).await?;
                if self.is_late() {
                    return Ok(Part::Open);
                }
            }
        }
    }

    /// Takes back the links to other subjects. Returns false if others changed links meanwhile, so that some are left.
    async fn links(&self) -> Result<bool, Error> {
        let (redis, subject, author) = (self.redis, self.subject, self.author());
        let links = links::of(self.store, &subject.subject).await?.links;
        let said = links::Author { at: author.at, by: author.actor, reason: author.reason };
        for link in links {
            let other: Option<Subject> = self.store.get(&names::subject(&link.to)).await?;
            let Some(other) = other else { continue };
            if links::change(redis, false, subject, &other, said).await? == Changed::Busy {
                return Ok(false);
            }
        }
        kv::remove_all(&[names::subject_links(&subject.subject)])?;
        Ok(true)
    }

    /// Whether something of the site that came in before the erasure began waits to be scored.
    async fn scores_wait(&self) -> Result<bool, Error> {
        let oldest = oldest_waiting(self.redis, self.subject).await?;
        Ok(oldest.is_some_and(|oldest| oldest <= self.progress.began_ms))
    }
}

/// When the oldest submission of a subject's site came in that waits to be scored, milliseconds since the epoch.
async fn oldest_waiting(redis: &Redis, subject: &Subject) -> Result<Option<i64>, Error> {
    let flow = names::flow(&KeyId::default(), &subject.study_id, &subject.site_id);
    let site = flow.split_once('|').map_or_else(String::new, |(_, site)| site.to_owned());
    Ok(queue::oldest_of(redis, Queue::Score, &[], &[site]).await?.into_iter().flatten().next())
}
