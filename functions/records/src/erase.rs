//! `DELETE /v1/submissions/{id}`: removes the content of a submission everywhere, for good.
//!
//! Guarantee: when the answer is 200, no record, alert or waiting entry holds the content, the door answers 410 to a
//! resend, and the audit chain has the erasure with its reason. If a request fails before that, a repeated request
//! continues where it stopped. A worker drops an erased entry that is still on its way; see `state::erasure`.
//!
//! This stays: the fact that there was a submission, its study, site and time, and its audit chain, which holds hashes.
//! The subject's sealed identity also stays, because all of the subject's submissions use it.

use domain::Timestamp;
use domain::ids::{SiteId, StudyId, SubmissionId};
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
use state::subjects::timeline::{self, Listed};
use state::wire::entry::{Record, State};
use state::wire::idempotency::IdempotencyRecord;

use crate::config::Config;
use crate::submission;

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

/// Erases a submission that the key covers.
pub(crate) async fn erase(
    config: &Config,
    principal: &Principal,
    id: &str,
    incoming: Incoming,
) -> Result<Reply, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let body = incoming.body(LONGEST_BODY).await.map_err(|error| Problem::unread(error, LONGEST_BODY))?;
    let reason = erasure::reason(&body)?;
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let id = &SubmissionId::from(id);
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record: Option<Record> = store.get(&names::submission(id)).await.map_err(|error| unavailable(&error))?;
    let filed = record.as_ref().map(|it| &it.submission);
    let filed = filed.and_then(|it| Some((it.subject.clone(), Listed::of(it)?.member())));
    let place = match record {
        Some(Record { submission, .. }) => Some((submission.study_id, submission.site_id, submission.received_at)),
        None => {
            let known = submission::remembered(config, id).await?;
            known.map(|it| (it.study.into(), it.site.into(), it.received_at.rfc3339()))
        }
    };
    let place = place.filter(|(study, site, _)| principal.covers(study, site));
    let Some((study, site, received_at)) = place else { return Err(Problem::not_found()) };

    let wanted = Erasure {
        at: clock::now().rfc3339(),
        actor: principal.actor.clone(),
        reason,
        tombstone: erasure::tombstone(id, &study, &site, &received_at).map_err(|error| unavailable(&error))?,
    };
    let arrived = Timestamp::parse(&received_at).unwrap_or_else(clock::now);
    let record = IdempotencyRecord { study: study.as_str(), site: site.as_str(), received_at: arrived, content: None };
    let erased = carry_out(config, &store, id, &record, &wanted).await.map_err(|error| unavailable(&error))?;
    if let Some((subject, member)) = filed {
        timeline::remove(&config.redis, &subject, member).await.map_err(|error| unavailable(&error))?;
    }
    let hash = platform::digest::hex(&platform::digest::digest(erased.tombstone.as_bytes()));
    let event = Event { kind: Kind::Erased, site: site.clone(), what: String::new(), submission: id.clone(), hash };
    journal::append(&config.redis, &store, &study, &[event]).await.map_err(|error| unavailable(&error))?;
    log::info("submission-erased").submission(id).key(&principal.id).write();
    let shown = Erased {
        submission_id: id,
        state: State::Erased,
        study_id: &study,
        site_id: &site,
        received_at: &received_at,
        erased_at: &erased.at,
    };
    Ok(Reply::json(200, &shown))
}

async fn carry_out(
    config: &Config,
    store: &Store,
    id: &SubmissionId,
    record: &IdempotencyRecord<&str>,
    wanted: &Erasure,
) -> Result<Erasure, Error> {
    let redis = &config.redis;
    let erasure = erasure::erase(redis, id, record, wanted).await?;
    let entity = names::submission(id);
    erasure::remove_alerts(redis, store, erasure::alerts_of(store, id).await?).await?;
    kv::remove_all(&erasure::beside(id))?;
    let mut batch = Batch::default();
    erasure::bury(redis, store, &mut batch, &entity, &erasure).await?;
    kv::put_all(&mut batch)?;
    erasure::sweep(redis, "submissionId", id.as_str()).await?;
    Ok(erasure)
}
