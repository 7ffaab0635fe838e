//! `DELETE /v1/submissions/{id}`: removes the content of a submission everywhere, for good.
//!
//! Guarantee: that of `workers::erase::submission`, when the answer is 200.
//!
//! This stays: the fact that there was a submission, its study, site and time, and its audit chain, which holds hashes.
//! The subject's sealed identity also stays, because all of the subject's submissions use it: see `erase_subject`.

use domain::ids::{SiteId, StudyId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time, Uuid};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{clock, log};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::{not_held, unavailable};
use state::erasure;
use state::identity::is_id;
use state::wire::entry::State;
use workers::erase::submission::{self, Author, Target};

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
    let found = Target::find(&config.redis, &store, &id.into()).await.map_err(|error| unavailable(&error))?;
    let found = found.filter(|found| principal.covers(&found.study, &found.site));
    let target = found.ok_or_else(Problem::not_found)?;
    let meaning = principal.meaning.as_deref();
    not_held(&config.redis, &target.study).await?;
    let author = Author { at: &clock::now().rfc3339(), actor: &principal.actor, reason: &reason, meaning };
    let erased = submission::erase_alone(&config.redis, &store, &target, author).await;
    let erased = erased.map_err(|error| unavailable(&error))?;
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
