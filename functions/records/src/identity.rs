//! `GET /v1/subjects/{pseudonym}/identity`: the identity of a subject, for the clinicians of the subject's site.
//!
//! Guarantee: nobody learns an identity without a record of it, with the reason that was given: the record is stored before the
//! answer is sent. A person gives a reason. Every request counts against the key's rate limit, found or not, so that nobody can guess pseudonyms.

use domain::ids::{Pseudonym, SiteId, StudyId};
#[cfg(feature = "schema")]
use domain::schema::{Identifier, Name};
use platform::http::{Incoming, Reply};
use platform::kv::{Batch, Store};
use platform::{Error, clock, log};
use serde::Serialize;
use state::audit::{self, Action, Change};
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::rate_limit::{self, Limit};
use state::edge::refusal_log;
use state::edge::request::unavailable;
use state::identity::{is_pseudonym, system_and_id};
use state::names;
use state::wire::entry::Subject;
use state::wire::sealed::Opener;

use crate::config::Config;
use crate::submission::gone;

/// The identity of a subject.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Identity<'a> {
    subject: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    #[cfg_attr(feature = "schema", schemars(with = "Identifier"))]
    patient_id: &'a str,
    /// Within which system the id names somebody, where that is not the site's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_system: Option<&'a str>,
}

/// Counts a request that links a pseudonym and a patient, whether it finds one or not.
///
/// # Errors
/// 429 when the key has made too many of them in a minute.
pub(crate) async fn may_look(config: &Config, principal: &Principal) -> Result<(), Problem> {
    let bucket = format!("identity:{}", principal.id);
    let limit = Limit::per_minute(config.identity_looks_per_minute);
    if let Some(wait) = rate_limit::take(&config.redis, &bucket, limit).await.map_err(|error| unavailable(&error))? {
        refusal_log::write(&config.redis, "identity-limit", Some(&principal.id), ProblemType::TooManyRequests.as_str());
        return Err(Problem::too_many_requests(wait));
    }
    Ok(())
}

/// Shows the identity of a subject.
pub(crate) async fn show(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    pseudonym: &str,
) -> Result<Reply, Problem> {
    principal.gives_reason(incoming)?;
    may_look(config, principal).await?;
    if !is_pseudonym(pseudonym) {
        return Err(Problem::not_found());
    }
    principal.saw(Whose::default().subject(pseudonym));
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let subject: Option<Subject> =
        store.get(&names::subject(&pseudonym.into())).await.map_err(|error| unavailable(&error))?;
    let Some(subject) = subject else { return Err(Problem::not_found()) };
    principal.saw(Whose::at(&subject.study_id, &subject.site_id));
    if !principal.covers(&subject.study_id, &subject.site_id) {
        refusal_log::write(&config.redis, "foreign-identity", Some(&principal.id), ProblemType::NotFound.as_str());
        return Err(Problem::not_found());
    }
    if subject.sealed.is_empty() {
        return Err(gone());
    }
    let patient = open(config, principal, &store, &subject).await?;
    let (patient_system, patient_id) = system_and_id(&patient);
    let document = Identity {
        subject: subject.subject.as_str(),
        study_id: &subject.study_id,
        site_id: &subject.site_id,
        patient_id,
        patient_system,
    };
    Ok(Reply::json(200, &document).header("cache-control", "no-store"))
}

/// Opens the sealed identity of a subject, and records that. Returns the patient's id, perhaps within a system.
///
/// # Errors
/// 503 when no key opens it, or the record cannot be stored.
pub(crate) async fn open(
    config: &Config,
    principal: &Principal,
    store: &Store,
    subject: &Subject,
) -> Result<String, Problem> {
    let opened_by = Opener::new(&config.ring).identity(store, subject).await;
    let Some(patient) = opened_by.map_err(|error| unavailable(&error))? else {
        log::error("identity-sealed").key(&principal.id).outcome("no-key-opens-it").write();
        return Err(Problem::new(ProblemType::Unavailable, "no configured key opens this identity"));
    };
    opened(config, principal, store, &subject.subject).await.map_err(|error| unavailable(&error))?;
    Ok(patient)
}

/// Stores the record that the identity is opened.
///
/// # Errors
/// When Redis or the store is unavailable: then nobody may learn it.
pub(crate) async fn opened(
    config: &Config,
    principal: &Principal,
    store: &Store,
    pseudonym: &Pseudonym,
) -> Result<(), Error> {
    let (at, reason) = (clock::now().rfc3339(), principal.look_reason());
    let change = Change { reason: reason.as_deref(), ..Change::new(&at, &principal.actor, Action::IdentityOpened) };
    let mut batch = Batch::default();
    audit::append(&config.redis, store, &mut batch, &names::subject(pseudonym), &change).await?;
    store.put_each(&batch).await
}
