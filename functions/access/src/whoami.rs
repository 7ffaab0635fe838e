//! `GET /v1/whoami`: the key that asks, its role, and the study and site that it covers.
//!
//! Guarantee: it answers every key that Vigil knows.

#[cfg(feature = "schema")]
use domain::schema::NameOrAll;
use platform::http::{Incoming, Reply};
use serde::Serialize;
use state::edge::auth::{Principal, Role};
use state::edge::problem::Problem;
use state::edge::query::Query;

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
}

/// Shows who asks.
pub(crate) fn show(principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let (study, site) = principal.scope();
    let holder = Holder { key_id: principal.id.as_str(), role: principal.role(), study, site };
    Ok(Reply::json(200, &holder).header("cache-control", "no-store"))
}
