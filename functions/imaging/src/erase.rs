//! `DELETE /v1/imaging/analyses/{id}` with a reason: removes the result of an analysis everywhere, for good.
//!
//! Guarantee: when the answer is 200, no record, image, alert or waiting entry holds the result. The door answers 410
//! to a resend, a running call is dropped, and the audit chain has the erasure with its reason. If a request fails
//! before that, a repeated request continues where it stopped. A worker that stores the result meanwhile checks for an
//! erasure afterwards, and cleans up.
//!
//! This stays: the fact that there was an analysis, by which service, in which study and site, and its audit chain. An
//! analysis belongs to a subject and not to a submission: erasing a submission leaves it. Data that the service or the
//! requester already received is out of reach.

use domain::ids::{AlertId, AnalysisId};
#[cfg(feature = "schema")]
use domain::schema::Time;
use platform::deadline::Deadline;
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::erasure::{self, Erasure};
use state::imaging::jobs;
use state::names;
use state::wire::analysis::{Analysis, AnalysisState};

use crate::ai;
use crate::analyses::record;
use crate::config::Config;

/// The longest body, bytes.
const LONGEST_BODY: usize = 4096;

/// The reason of a request; `None` if the request has no body and only cancels.
pub(crate) async fn reason(incoming: Incoming, deadline: Deadline) -> Result<Option<String>, Problem> {
    let json = incoming.is_json();
    let body = ai::body(incoming, LONGEST_BODY, deadline).await?;
    match (body.is_empty(), json) {
        (true, _) => Ok(None),
        (false, false) => Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json")),
        (false, true) => erasure::reason(&body).map(Some),
    }
}

/// An analysis that was erased.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(crate) struct AnalysisErased<'a> {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    analysis_id: &'a AnalysisId,
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("const" = "erased")))]
    state: AnalysisState,
    study_id: &'a str,
    site_id: &'a str,
    /// The time of the first erasure, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    erased_at: &'a str,
}

/// Erases an analysis that the key covers, in any state.
pub(crate) async fn erase(config: &Config, principal: &Principal, id: &str, reason: &str) -> Result<Reply, Problem> {
    let id = AnalysisId::parse(id).ok_or_else(Problem::not_found)?;
    let mut tombstone = match record(principal, &id).await? {
        Some(record) => record,
        None => {
            let progress = jobs::look(&config.redis, &id).await.map_err(|error| unavailable(&error))?;
            let facts = progress.map(|progress| progress.facts);
            let facts = facts.filter(|facts| principal.covers(&facts.study, &facts.site));
            Analysis::of(id.clone(), AnalysisState::Queued, facts.ok_or_else(Problem::not_found)?)
        }
    };
    tombstone.bury(clock::now().rfc3339());
    let erased = carry_out(config, principal, &tombstone, reason).await.map_err(|error| unavailable(&error))?;
    log::info("analysis-erased").submission(&id).key(&principal.id).write();
    let shown = AnalysisErased {
        analysis_id: &id,
        state: AnalysisState::Erased,
        study_id: tombstone.study_id.as_str(),
        site_id: tombstone.site_id.as_str(),
        erased_at: &erased.at,
    };
    Ok(Reply::json(200, &shown))
}

async fn carry_out(config: &Config, principal: &Principal, to: &Analysis, reason: &str) -> Result<Erasure, Error> {
    let (redis, id) = (&config.redis, &to.analysis_id);
    let wanted = Erasure {
        at: to.ended_at.clone(),
        actor: principal.actor.clone(),
        reason: reason.to_owned(),
        tombstone: kv::json(to)?,
    };
    let (erasure, hash) = jobs::erase(redis, id, &wanted).await?;
    let store = Store::open().await?;
    // Read again: until the erasure was known, a worker may have stored the result.
    let found: Option<Analysis> = store.get(&names::analysis(id)).await?;
    bury(config, &store, id, &erasure, found.map(|found| found.alerts).unwrap_or_default()).await?;
    if let Some(hash) = hash {
        kv::remove_all(&[names::analysis_image(id, hash)])?;
    }
    for member in ["analysisId", "submissionId"] {
        erasure::sweep(redis, member, id.as_str()).await?;
    }
    Ok(erasure)
}

/// Puts the tombstone in place of the result, and removes its alerts and notifications.
async fn bury(
    config: &Config,
    store: &Store,
    id: &AnalysisId,
    erasure: &Erasure,
    alerts: Vec<AlertId>,
) -> Result<(), Error> {
    erasure::remove_alerts(&config.redis, store, alerts).await?;
    kv::remove_all(&[names::analysis_webhook(id)])?;
    let mut batch = Batch::default();
    erasure::bury(&config.redis, store, &mut batch, &names::analysis(id), erasure).await?;
    kv::put_all(&mut batch)
}

/// For a worker that has just stored a result: returns whether the analysis was erased meanwhile. If so, removes
/// everything and drops all follow-ups.
pub(crate) async fn after(config: &Config, id: &AnalysisId, stored: &Batch) -> Result<bool, Error> {
    let Some(erasure) = erasure::find(&config.redis, &[&id.clone().into_submission()]).await?.remove(id.as_str())
    else {
        return Ok(false);
    };
    let alerts = stored.get::<Analysis>(&names::analysis(id)).and_then(Result::ok).map(|record| record.alerts);
    bury(config, &Store::open().await?, id, &erasure, alerts.unwrap_or_default()).await?;
    log::info("analysis-dropped").submission(id).outcome("erased").write();
    Ok(true)
}
