//! Analyses as jobs: request, look up, cancel, erase.
//!
//! Guarantee: the answer is 202 only after the job is on a stream that Redis keeps on disk, and its image is in the
//! store.

use std::time::Duration;

use domain::ids::{AlertId, AnalysisId, KeyId, Pseudonym};
#[cfg(feature = "schema")]
use domain::schema::Time;
use platform::deadline::{Deadline, HEADER};
use platform::digest::{digest, hex};
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, log};
use serde::Serialize;
use serde_json::Value;
use state::edge::auth::{Action, Principal};
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::refusal_log;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::imaging::erasure;
use state::imaging::jobs::{self, Enqueued, Progress};
use state::wire::analysis::{Analysis, AnalysisState, Job, Notified};
use state::wire::entry::Attempt;
use state::{audit, names};

use crate::asked::{self, Request};
use crate::config::Config;
use crate::{ai, erase, subject};

/// The time limit of a whole request.
const TOTAL: Duration = Duration::from_secs(5);
/// The longest body, bytes: an image of 1 MiB as base64, and the members around it.
const LONGEST_BODY: usize = 1_500_000;

/// An analysis that is on disk.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AnalysisAccepted<'a> {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    analysis_id: &'a AnalysisId,
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("const" = "queued")))]
    state: AnalysisState,
}

/// An analysis. Before it ended: its attempts and its place; afterwards: what was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Analysis"))]
pub(crate) struct AnalysisShown<'a> {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    analysis_id: &'a AnalysisId,
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("enum" = ["queued", "running", "done", "failed", "cancelled"]))
    )]
    state: AnalysisState,
    study_id: &'a str,
    site_id: &'a str,
    /// The patient's pseudonym in this study.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Pseudonym>,
    service: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["stat", "routine"])))]
    priority: &'a str,
    /// The time of the request, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    requested_at: &'a str,
    /// The number of calls of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_made: Option<u32>,
    /// Its place among those that wait, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    place: Option<u64>,
    /// The time that it waits if calls take as long as of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_wait_ms: Option<u64>,
    /// The time of the next attempt, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    next_at: Option<String>,
    /// The time of its end, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    ended_at: Option<&'a str>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The result of the service, any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    /// The ids of the alerts that it raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<&'a [AlertId]>,
    /// The calls of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<&'a [Attempt]>,
    /// The state of the requester's notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'a Notified>,
}

/// Takes an analysis in.
pub(crate) async fn begin(call: Call<Config>) -> Result<Reply, Problem> {
    let (config, deadline) = (call.config, by(&call.incoming));
    within(deadline, &config.redis, accept(&config, &call.principal, call.incoming, deadline)).await
}

/// Shows the progress of an analysis, or its result.
pub(crate) async fn look(call: Call<Config>) -> Result<Reply, Problem> {
    let shown = show(&call.config, &call.principal, call.segment(0));
    within(by(&call.incoming), &call.config.redis, shown).await
}

/// Lists the analyses of a subject.
pub(crate) async fn of_subject(call: Call<Config>) -> Result<Reply, Problem> {
    let listed = subject::list(&call.config, &call.principal, call.segment(0));
    within(by(&call.incoming), &call.config.redis, listed).await
}

/// Cancels an analysis. With a reason, erases it, which needs an administrator.
pub(crate) async fn end(call: Call<Config>) -> Result<Reply, Problem> {
    let (id, deadline) = (call.segment(0).to_owned(), by(&call.incoming));
    let Call { config, principal, incoming, .. } = call;
    let work = async {
        match erase::reason(incoming, deadline).await? {
            None => cancel(&config, &principal, &id).await,
            Some(_) if !principal.may(Action::Erase) => {
                Err(Problem::new(ProblemType::Forbidden, "the role of this key does not cover this"))
            }
            Some(reason) => erase::erase(&config, &principal, &id, &reason).await,
        }
    };
    within(deadline, &config.redis, work).await
}

fn by(incoming: &Incoming) -> Deadline {
    Deadline::after_or_sooner(TOTAL, incoming.header(HEADER))
}

async fn accept(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    deadline: Deadline,
) -> Result<Reply, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let trace = incoming.trace.clone();
    let body = ai::body(incoming, LONGEST_BODY, deadline).await?;
    let Request { job, image, hash } = asked::read(config, &body, &principal.id, &trace)?;
    drop(body);
    if !principal.covers(&job.study_id, &job.site_id) {
        refusal_log::write(&config.redis, "foreign-scope", Some(&principal.id), ProblemType::Forbidden.as_str());
        return Err(Problem::new(ProblemType::Forbidden, "the key does not cover this study and site"));
    }
    // A known analysis does not need its image again.
    let known = jobs::look(&config.redis, &job.analysis_id).await.map_err(|error| unavailable(&error))?;
    if known.is_none() {
        taken_in(config, &job).await?;
    }
    let stored = image.filter(|_| known.is_none());
    if let Some(image) = &stored {
        let store = Store::open().await.map_err(|error| unavailable(&error))?;
        let key = names::analysis_image(&job.analysis_id, &hash);
        store.put(&key, image).await.map_err(|error| unavailable(&error))?;
    }
    let enqueued =
        jobs::enqueue(&config.redis, &job, &hash, config.capacity).await.map_err(|error| unavailable(&error))?;
    match enqueued {
        Enqueued::Queued | Enqueued::Duplicate => {
            let location = format!("/v1/imaging/analyses/{}", job.analysis_id);
            let shown = AnalysisAccepted { analysis_id: &job.analysis_id, state: AnalysisState::Queued };
            Ok(Reply::json(202, &shown).header("location", location))
        }
        Enqueued::Conflict => Err(Problem::new(ProblemType::Conflict, "another content was received under this id")),
        Enqueued::Full | Enqueued::Erased | Enqueued::Erasing => {
            if stored.is_some() {
                let key = names::analysis_image(&job.analysis_id, &hash);
                kv::remove_all(&[key]).map_err(|error| unavailable(&error))?;
            }
            Err(match enqueued {
                Enqueued::Erased => gone(),
                Enqueued::Erasing => Problem::study_erasing(),
                _ => Problem::new(ProblemType::Busy, "the queue is full, nothing was stored"),
            })
        }
    }
}

/// Whether its study and site take an analysis in that is requested now.
async fn taken_in(config: &Config, job: &Job) -> Result<(), Problem> {
    let scope = [job.study_id.as_str(), "|", job.site_id.as_str()].concat();
    let told = config.studies.not_taken(&config.redis, &[(scope, clock::now().millis())]).await;
    let why = told.map_err(|error| unavailable(&error))?.into_iter().next().flatten();
    why.map_or(Ok(()), |why| Err(Problem::new(ProblemType::NotTaken, why.reason())))
}

fn gone() -> Problem {
    Problem::new(ProblemType::Gone, "it was erased")
}

async fn show(config: &Config, principal: &Principal, id: &str) -> Result<Reply, Problem> {
    let id = AnalysisId::parse(id).ok_or_else(Problem::not_found)?;
    principal.asks(Whose::default().id(id.as_str()));
    match record(principal, &id).await? {
        Some(record) if record.state == AnalysisState::Erased => return Err(gone()),
        Some(record) => {
            if principal.may(Action::Read) {
                principal.saw(Whose::default());
            }
            return Ok(Reply::json(200, &AnalysisShown::of(&record, principal)));
        }
        None => {}
    }
    let progress = jobs::look(&config.redis, &id).await.map_err(|error| unavailable(&error))?;
    if let Some(progress) = &progress {
        principal.asks(Whose::at(&progress.facts.study, &progress.facts.site));
    }
    let progress = progress.filter(|progress| principal.covers(&progress.facts.study, &progress.facts.site));
    progress
        .map(|progress| Reply::json(200, &AnalysisShown::waiting(config, &id, &progress)))
        .ok_or_else(Problem::not_found)
}

/// The stored result of an analysis, for a key that covers it.
async fn record(principal: &Principal, id: &AnalysisId) -> Result<Option<Analysis>, Problem> {
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record: Option<Analysis> = store.get(&names::analysis(id)).await.map_err(|error| unavailable(&error))?;
    let Some(mut record) = record else { return Ok(None) };
    principal.asks(Whose::at(&record.study_id, &record.site_id).subject(record.subject.as_str()));
    if !principal.covers(&record.study_id, &record.site_id) {
        return Err(Problem::not_found());
    }
    record.webhook = store.get::<Notified>(&names::analysis_webhook(id)).await.map_err(|error| unavailable(&error))?;
    Ok(Some(record))
}

impl<'a> AnalysisShown<'a> {
    /// An analysis that ended. A key that may only send sees that it ended, but not its result.
    fn of(record: &'a Analysis, principal: &Principal) -> Self {
        let reads = principal.may(Action::Read);
        AnalysisShown {
            analysis_id: &record.analysis_id,
            state: record.state,
            study_id: record.study_id.as_str(),
            site_id: record.site_id.as_str(),
            subject: Some(&record.subject).filter(|subject| reads && !subject.is_empty()),
            service: &record.service,
            priority: &record.priority,
            requested_at: &record.requested_at,
            attempts_made: None,
            place: None,
            expected_wait_ms: None,
            next_at: None,
            ended_at: Some(&record.ended_at),
            reason: record.reason.as_deref(),
            result: record.result.as_ref().filter(|_| reads),
            alerts: Some(record.alerts.as_slice()).filter(|_| reads),
            attempts: Some(&record.attempts),
            webhook: record.webhook.as_ref(),
        }
    }

    /// An analysis that has not ended.
    fn waiting(config: &Config, id: &'a AnalysisId, progress: &'a Progress) -> Self {
        let facts = &progress.facts;
        let service = config.services.get(&facts.service);
        let parallel = service.map_or(1, |service| u64::from(service.limit)).min(config.concurrency as u64).max(1);
        // Before the first answer, the deadline is the best estimate.
        let usual = progress.took_ms.or(service.map(|service| service.deadline.as_millis() as u64)).unwrap_or(0);
        let before = progress.before.filter(|_| progress.state == AnalysisState::Queued);
        let next = progress.next_ms.filter(|_| before.is_some());
        AnalysisShown {
            analysis_id: id,
            state: progress.state,
            study_id: facts.study.as_str(),
            site_id: facts.site.as_str(),
            subject: None,
            service: &facts.service,
            priority: if facts.stat { "stat" } else { "routine" },
            requested_at: &facts.at,
            attempts_made: Some(progress.attempts),
            place: before.map(|before| before + 1),
            expected_wait_ms: before.map(|before| (before / parallel).saturating_mul(usual)),
            next_at: next.map(|next| domain::Timestamp::from_millis(next).rfc3339()),
            ended_at: None,
            reason: None,
            result: None,
            alerts: None,
            attempts: None,
            webhook: None,
        }
    }
}

async fn cancel(config: &Config, principal: &Principal, id: &str) -> Result<Reply, Problem> {
    let id = AnalysisId::parse(id).ok_or_else(Problem::not_found)?;
    let ended = |record: Analysis| match record.state {
        AnalysisState::Cancelled => Ok(Reply::json(200, &AnalysisShown::of(&record, principal))),
        AnalysisState::Erased => Err(gone()),
        AnalysisState::Queued | AnalysisState::Running | AnalysisState::Done | AnalysisState::Failed => {
            Err(Problem::new(ProblemType::Conflict, "it has ended and cannot be cancelled"))
        }
    };
    if let Some(record) = record(principal, &id).await? {
        return ended(record);
    }
    let progress = jobs::look(&config.redis, &id).await.map_err(|error| unavailable(&error))?;
    let facts = progress.ok_or_else(Problem::not_found)?.facts;
    if !principal.covers(&facts.study, &facts.site) {
        return Err(Problem::not_found());
    }
    let now = clock::now().rfc3339();
    let cancelled =
        jobs::cancel(&config.redis, &id, &now, &principal.actor).await.map_err(|error| unavailable(&error))?;
    let Some((ended_at, by)) = cancelled else {
        return Err(Problem::new(ProblemType::Conflict, "it has ended and cannot be cancelled"));
    };
    let record = Analysis { ended_at, ..Analysis::of(id.clone(), AnalysisState::Cancelled, facts) };
    // Two concurrent cancellations write the same bytes.
    let mut batch = Batch::default();
    let audited = audited(config, &mut batch, &record, audit::Action::Cancelled, &by).await;
    audited.map_err(|error| unavailable(&error))?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    store.put_each(&batch).await.map_err(|error| unavailable(&error))?;
    if erasure::after(&config.redis, &id, &batch).await.map_err(|error| unavailable(&error))? {
        return Err(gone());
    }
    log::info("analysis-cancelled").key(&principal.id).write();
    Ok(Reply::json(200, &AnalysisShown::of(&record, principal)))
}

/// Adds the end of an analysis to the batch and to its audit chain: as the first record, unless it failed before.
pub(crate) async fn audited(
    config: &Config,
    batch: &mut Batch,
    record: &Analysis,
    action: audit::Action,
    actor: &KeyId,
) -> Result<(), Error> {
    let entity = names::analysis(&record.analysis_id);
    let hash = batch.put_hashed(entity.clone(), record)?;
    let store = Store::open().await?;
    let before = store.bytes(&entity).await?.map(|before| hex(&digest(&before))).filter(|before| *before != hash);
    let change = audit::Change {
        reason: record.reason.as_deref(),
        old: before.as_deref(),
        new: Some(&hash),
        ..audit::Change::new(&record.ended_at, actor, action)
    };
    match before {
        None => audit::begin(batch, &entity, &change),
        Some(_) => audit::append(&config.redis, &store, batch, &entity, &change).await.map(|_| ()),
    }
}
