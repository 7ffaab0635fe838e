//! `GET /v1/whoami`: the key or the person who asks, the role, and the study and site that it covers.
//!
//! Guarantee: it answers everybody whom Vigil knows.

use domain::Timestamp;
use domain::access::{Grant, Person};
#[cfg(feature = "schema")]
use domain::schema::{NameOrAll, Time};
use platform::Error;
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use serde::Serialize;
use state::edge::auth::{Principal, Role};
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;

use crate::config::Config;
use crate::sessions;

/// The holder of a key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Holder<'a> {
    /// The key's id, which logs, histories and audit chains show.
    key_id: &'a str,
    role: Role,
    /// The study that the key covers, `*` for all.
    #[cfg_attr(feature = "schema", schemars(with = "NameOrAll"))]
    study: &'a str,
    /// The site that the key covers, `*` for all.
    #[cfg_attr(feature = "schema", schemars(with = "NameOrAll"))]
    site: &'a str,
    /// The person, in a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// When the key or the session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    expires_at: Option<String>,
    /// All that the person may be here.
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<Grant>>,
    /// The number of the session's grant among `grants`, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<usize>,
}

/// Shows who asks.
pub(crate) async fn show(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let grants = match &principal.person {
        Some(person) => Some(grants(config, principal, person).await.map_err(|error| unavailable(&error))?),
        None => None,
    };
    let (study, site) = principal.scope();
    let holder = Holder {
        key_id: principal.id.as_str(),
        role: principal.role(),
        study,
        site,
        person: principal.person.as_ref(),
        session_id: principal.person.as_ref().map(|_| principal.id.as_str()),
        expires_at: principal.expires_ms.map(|at| Timestamp::from_millis(at).rfc3339()),
        grant: grants.as_ref().and_then(|grants| grants.iter().position(|grant| *grant == principal.grant)),
        grants,
    };
    Ok(Reply::json(200, &holder).header("cache-control", "no-store"))
}

/// The person's grants now, by the groups that they had when the session began.
async fn grants(config: &Config, principal: &Principal, person: &Person) -> Result<Vec<Grant>, Error> {
    let record = state::edge::sessions::load(&Store::open().await?, &principal.id).await?;
    let groups = record.map(|record| record.groups).unwrap_or_default();
    sessions::grants(&config.redis, person, &groups).await
}
