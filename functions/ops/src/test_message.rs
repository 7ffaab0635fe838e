//! `POST /v1/receivers/{id}/test`: sends a test message to a receiver of alerts or events, and tells what came back.
//!
//! Guarantee: the message cannot be taken for an alert, and the audit chain of the receiver says who sent it. See
//! `workers::dispatch::ping`.

use domain::ids::ReceiverId;
#[cfg(feature = "schema")]
use domain::schema::Name;
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock};
use serde::Serialize;
use state::audit::{self, Action};
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::wire::entry::Attempt;
use workers::dispatch;

use crate::config::Config;

/// A test message, and what came back.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Tested<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    receiver: &'a ReceiverId,
    attempt: Attempt,
}

/// Sends a test message, for a key that covers everything: a receiver may be that of all studies.
pub(crate) async fn send(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    principal.must_cover_all()?;
    Query::none(&incoming.query)?;
    let id = ReceiverId::parse(id).ok_or_else(Problem::not_found)?;
    let sent = async {
        let Some(attempt) = dispatch::ping(&id).await? else { return Ok(None) };
        let (store, at, mut batch) = (Store::open().await?, clock::now().rfc3339(), Batch::default());
        let (actor, action) = (&principal.actor, Action::Tested);
        let change = audit::Change::new(&at, actor, action);
        audit::append(&config.redis, &store, &mut batch, &format!("receiver/{id}"), &change).await?;
        kv::put_all(&mut batch)?;
        Ok(Some(attempt))
    };
    let sent = sent.await.map_err(|error: Error| unavailable(&error))?;
    let attempt = sent.ok_or_else(Problem::not_found)?;
    Ok(Reply::json(200, &Tested { receiver: &id, attempt }))
}
