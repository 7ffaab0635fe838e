//! The erasure of a submission.
//!
//! Guarantee: when [`erase`] has returned, no record, alert or waiting entry holds the content, the door answers 410 to a
//! resend, and the audit chain has the erasure with its reason. If it fails before that, a repeated call continues where it
//! stopped. A worker drops an erased entry that is still on its way; see `state::erasure`.
//!
//! Not for: its entries in its subject's lists, which go last: they lead a repeated call here.

use domain::Timestamp;
use domain::ids::{KeyId, Pseudonym, SiteId, StudyId, SubmissionId};
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use state::erasure::{self, Erasure};
use state::journal::{self, Event, Kind};
use state::names;
use state::subjects::expected;
use state::subjects::timeline::Listed;
use state::wire::entry::Record;
use state::wire::idempotency::{self, IdempotencyRecord};
use state::wire::sealed::{StoredRecord, StoredSubmission};

/// A submission that is to be erased, where it is stored or waits.
pub struct Target {
    /// Its id.
    pub id: SubmissionId,
    /// Its study.
    pub study: StudyId,
    /// Its site.
    pub site: SiteId,
    /// When it came in, RFC 3339 in UTC.
    pub received_at: String,
    /// The submission, if it is stored.
    stored: Option<StoredSubmission>,
}

impl Target {
    /// Finds a submission; none if it is not known.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub async fn find(redis: &Redis, store: &Store, id: &SubmissionId) -> Result<Option<Self>, Error> {
        let (id, record) = (id.clone(), store.get::<StoredRecord>(&names::submission(id)).await?);
        if let Some(Record { submission, .. }) = record {
            let (study, site, received_at) =
                (submission.study_id.clone(), submission.site_id.clone(), submission.received_at.clone());
            return Ok(Some(Target { id, study, site, received_at, stored: Some(submission) }));
        }
        let known = idempotency::read(redis, &id).await?;
        Ok(known.map(|known| Target {
            id,
            study: known.study.into(),
            site: known.site.into(),
            received_at: known.received_at.rfc3339(),
            stored: None,
        }))
    }

    /// Its subject, and its entry in the timeline; none if it has none.
    pub fn filed(&self) -> Option<(&Pseudonym, String)> {
        let stored = self.stored.as_ref()?;
        Some((&stored.subject, Listed::of(stored)?.member()))
    }
}

/// The author, time and reason of an erasure.
#[derive(Clone, Copy)]
pub struct Author<'a> {
    /// When, RFC 3339 in UTC.
    pub at: &'a str,
    /// The key or person that did it.
    pub actor: &'a KeyId,
    /// Why.
    pub reason: &'a str,
    /// The meaning of the person's signature.
    pub meaning: Option<&'a str>,
}

/// Erases a submission, but for its entries in the lists of its subject and its due entries and dead letters: see
/// [`erasure::sweep`]. Returns the erasure that holds, which is the first.
///
/// # Errors
/// When Redis or the store is unavailable; calling it again is safe.
pub async fn erase(redis: &Redis, store: &Store, target: &Target, author: Author<'_>) -> Result<Erasure, Error> {
    let Target { id, study, site, .. } = target;
    let wanted = Erasure {
        at: author.at.to_owned(),
        actor: author.actor.clone(),
        reason: author.reason.to_owned(),
        meaning: author.meaning.map(str::to_owned),
        tombstone: erasure::tombstone(id, study, site, &target.received_at)?,
    };
    let arrived = Timestamp::parse(&target.received_at).unwrap_or_else(clock::now);
    let record = IdempotencyRecord { study: study.as_str(), site: site.as_str(), received_at: arrived, content: None };
    let erasure = erasure::erase(redis, id, &record, &wanted).await?;
    if let Some(stored) = &target.stored {
        expected::remove(redis, stored).await?;
    }
    erasure::remove_alerts(redis, store, erasure::alerts_of(store, id).await?).await?;
    kv::remove_all(&erasure::beside(id))?;
    let mut batch = Batch::default();
    erasure::bury(redis, store, &mut batch, &names::submission(id), &erasure).await?;
    kv::put_all(&mut batch)?;
    let hash = hex(&digest(erasure.tombstone.as_bytes()));
    let (what, alerts) = (String::new(), String::new());
    let event = Event { kind: Kind::Erased, site: site.clone(), what, submission: id.clone(), hash, alerts };
    journal::append(redis, store, study, &[event]).await?;
    Ok(erasure)
}

/// As [`erase`], with its due entries and dead letters, and its entries in the lists of its subject.
///
/// # Errors
/// When Redis or the store is unavailable; calling it again is safe.
pub async fn erase_alone(redis: &Redis, store: &Store, target: &Target, author: Author<'_>) -> Result<Erasure, Error> {
    let erased = erase(redis, store, target, author).await?;
    erasure::sweep(redis, "submissionId", target.id.as_str()).await?;
    if let Some((subject, member)) = target.filed() {
        state::subjects::timeline::remove(redis, subject, member).await?;
    }
    if let Some(stored) = &target.stored {
        erasure::subject::unlist_failed(redis, &stored.subject, &target.id).await?;
    }
    Ok(erased)
}
