//! `DELETE /v1/imaging/analyses/{id}` with a reason: removes the result of an analysis everywhere, for good.
//!
//! Guarantee: that of `state::imaging::erasure`, when the answer is 200. If a request fails before that, a repeated
//! request continues where it stopped.
//!
//! An analysis belongs to a subject and not to a submission: erasing a submission leaves it. Data that the service or the
//! requester already received is out of reach.

use domain::ids::AnalysisId;
#[cfg(feature = "schema")]
use domain::schema::Time;
use platform::deadline::Deadline;
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{clock, log};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::{not_held, unavailable};
use state::imaging::erasure;
use state::wire::analysis::AnalysisState;

use crate::ai;
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
        (false, true) => state::erasure::reason(&body).map(Some),
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
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let now = clock::now().rfc3339();
    let found = erasure::tombstone(&config.redis, &store, &id, &now).await.map_err(|error| unavailable(&error))?;
    let found = found.filter(|found| principal.covers(&found.study_id, &found.site_id));
    let tombstone = found.ok_or_else(Problem::not_found)?;
    not_held(&config.redis, &tombstone.study_id).await?;
    let why = (reason, principal.meaning.as_deref());
    let erased = erasure::erase(&config.redis, &store, &tombstone, &principal.actor, why, true).await;
    let erased = erased.map_err(|error| unavailable(&error))?;
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
