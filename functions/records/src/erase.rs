//! `DELETE /v1/submissions/{id}`: removes the content of a submission everywhere, for good.
//!
//! Guarantee: when the answer is 200, no record, alert or waiting entry holds the content, the door answers 410 to a
//! resend, and the audit chain has the erasure with its reason. If a request fails before that, a repeated request
//! continues where it stopped. A worker drops an erased entry that is still on its way; see `state::erasure`.
//!
//! This stays: the fact that there was a submission, its study, site and time, and its audit chain, which holds hashes.
//! The subject's sealed identity also stays, because all of the subject's submissions use it: see `erase_subject`.

use domain::Timestamp;
use domain::ids::{KeyId, Pseudonym, SiteId, StudyId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time, Uuid};
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::erasure::{self, Erasure};
use state::identity::is_id;
use state::journal::{self, Event, Kind};
use state::names;
use state::subjects::expected;
use state::subjects::timeline::{self, Listed};
use state::wire::entry::{Record, State};
use state::wire::idempotency::{self, IdempotencyRecord};
use state::wire::sealed::{StoredRecord, StoredSubmission};

use crate::config::Config;

/// The longest body, bytes.
const LONGEST_BODY: usize = 4096;

/// A submission that was erased.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Erased<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    submission_id: &'a SubmissionId,
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("const" = "erased")))]
    state: State,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    /// The time of arrival, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: &'a str,
    /// The time of the first erasure, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    erased_at: &'a str,
}

/// A submission that is to be erased, where it is stored or waits.
pub(crate) struct Target {
    id: SubmissionId,
    study: StudyId,
    site: SiteId,
    received_at: String,
    /// The submission, if it is stored.
    stored: Option<StoredSubmission>,
}

impl Target {
    /// Finds a submission; none if it is not known.
    pub(crate) async fn find(config: &Config, store: &Store, id: &SubmissionId) -> Result<Option<Self>, Error> {
        let (id, record) = (id.clone(), store.get::<StoredRecord>(&names::submission(id)).await?);
        if let Some(Record { submission, .. }) = record {
            let (study, site, received_at) =
                (submission.study_id.clone(), submission.site_id.clone(), submission.received_at.clone());
            return Ok(Some(Target { id, study, site, received_at, stored: Some(submission) }));
        }
        let known = idempotency::read(&config.redis, &id).await?;
        Ok(known.map(|known| Target {
            id,
            study: known.study.into(),
            site: known.site.into(),
            received_at: known.received_at.rfc3339(),
            stored: None,
        }))
    }

    /// Its subject, and its entry in the timeline; none if it has none.
    fn filed(&self) -> Option<(&Pseudonym, String)> {
        let stored = self.stored.as_ref()?;
        Some((&stored.subject, Listed::of(stored)?.member()))
    }
}

/// The author, time and reason of an erasure.
pub(crate) struct Author<'a> {
    pub(crate) at: &'a str,
    pub(crate) actor: &'a KeyId,
    pub(crate) reason: &'a str,
    /// The meaning of the person's signature.
    pub(crate) meaning: Option<&'a str>,
}

/// Erases a submission that the key covers.
pub(crate) async fn erase(
    config: &Config,
    principal: &Principal,
    id: &str,
    incoming: Incoming,
) -> Result<Reply, Problem> {
    let reason = reason(incoming).await?;
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let found = Target::find(config, &store, &id.into()).await.map_err(|error| unavailable(&error))?;
    let found = found.filter(|found| principal.covers(&found.study, &found.site));
    let target = found.ok_or_else(Problem::not_found)?;
    let meaning = principal.meaning.as_deref();
    let author = Author { at: &clock::now().rfc3339(), actor: &principal.actor, reason: &reason, meaning };
    let erased = erase_one(config, &store, &target, &author).await.map_err(|error| unavailable(&error))?;
    if let Some((subject, member)) = target.filed() {
        timeline::remove(&config.redis, subject, member).await.map_err(|error| unavailable(&error))?;
    }
    log::info("submission-erased").submission(&target.id).key(&principal.id).write();
    let shown = Erased {
        submission_id: &target.id,
        state: State::Erased,
        study_id: &target.study,
        site_id: &target.site,
        received_at: &target.received_at,
        erased_at: &erased.at,
    };
    Ok(Reply::json(200, &shown))
}

/// The reason in the body of a request.
pub(crate) async fn reason(incoming: Incoming) -> Result<String, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let body = incoming.body(LONGEST_BODY).await.map_err(|error| Problem::unread(error, LONGEST_BODY))?;
    erasure::reason(&body)
}

/// Erases a submission, but for its entry in its subject's timeline, which goes last: it leads a repeated call here.
/// Returns the erasure that holds, which is the first.
pub(crate) async fn erase_one(
    config: &Config,
    store: &Store,
    target: &Target,
    author: &Author<'_>,
) -> Result<Erasure, Error> {
    let (redis, id, study, site) = (&config.redis, &target.id, &target.study, &target.site);
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
    erasure::sweep(redis, "submissionId", id.as_str()).await?;
    let hash = platform::digest::hex(&platform::digest::digest(erasure.tombstone.as_bytes()));
    let (what, alerts) = (String::new(), String::new());
    let event = Event { kind: Kind::Erased, site: site.clone(), what, submission: id.clone(), hash, alerts };
    journal::append(redis, store, study, &[event]).await?;
    Ok(erasure)
}
