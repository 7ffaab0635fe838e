//! `GET /v1/receivers` and `POST /v1/receivers/{id}/enable`: the receivers of alerts and events, and whether they can be
//! reached.
//!
//! Guarantee: the answer shows neither addresses nor secrets; it names a receiver by its id. The audit chain of a
//! receiver records that it was enabled again. An administrator of a study sees only the receivers that no other
//! study's settings name.

use std::collections::BTreeMap;
use std::rc::Rc;

use domain::alert::routes::{Receiver, Routes};
use domain::ids::ReceiverId;
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use domain::subscriptions::Subscriptions;
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::redis::{string, text};
use platform::{Error, clock};
use serde::Serialize;
use state::alerts::receivers;
use state::audit::{self, Action as Audited};
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{reason, unavailable};
use state::events;
use state::names;
use state::wire::entry::Attempt;

use crate::config::Config;
use crate::subscriptions::covers;

/// A page of the receivers in force.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ReceiverList {
    receivers: Vec<ShownReceiver>,
    /// The cursor of the next page; null at the end.
    cursor: Option<ReceiverId>,
    /// Whether there is another page.
    more: bool,
}

/// A receiver, and whether it can be reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ShownReceiver {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    receiver: ReceiverId,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["webhook", "sms", "email", "fhir-communication"])))]
    channel: &'static str,
    /// Since when it gets nothing, because it answered 410.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    disabled_since: Option<String>,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["closed", "open", "half-open"])))]
    breaker: &'static str,
    /// Within the breaker's window.
    calls: u64,
    /// Calls within the breaker's window that failed.
    failed: u64,
    /// Calls that run at the moment.
    running: u64,
    /// The most calls at a time.
    concurrency: u32,
    /// The most calls in a minute; null if there is no limit.
    rate_per_minute: Option<u32>,
    /// The last attempts, 20 at most, the latest first, without answers.
    attempts: Vec<Attempt>,
}

/// A receiver that is enabled.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Enabled<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    receiver: &'a ReceiverId,
    enabled: bool,
    /// Whether it was disabled.
    changed: bool,
}

/// The receivers of alerts and of events in force.
struct Receivers {
    routes: Rc<Routes>,
    subscriptions: Rc<Subscriptions>,
}

impl Receivers {
    async fn in_force(config: &Config) -> Result<Self, Error> {
        Ok(Receivers { routes: config.routes().await?, subscriptions: config.subscriptions().await?.0 })
    }

    /// The ones that the key covers, by id: everything that can reach them.
    fn covered(&self, principal: &Principal) -> BTreeMap<&ReceiverId, &Receiver> {
        let all = self.subscriptions.receivers().chain(self.routes.receivers());
        all.filter(|it| self.covers(principal, &it.id)).map(|it| (&it.id, it)).collect()
    }

    fn covers(&self, principal: &Principal, id: &ReceiverId) -> bool {
        let places = self.routes.places(id);
        let of_events: Vec<_> = self.subscriptions.all().iter().filter(|it| it.receiver == *id).collect();
        principal.covers_all()
            || !(places.is_empty() && of_events.is_empty())
                && places.iter().all(|(study, site)| principal.covers(&(*study).into(), &(*site).into()))
                && of_events.iter().all(|subscription| covers(principal, subscription))
    }
}

/// The receivers of alerts and events in force, by id.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let cursor = query.cursor(ReceiverId::parse);
    query.finish()?;
    let list = page(config, principal, cursor.as_ref(), limit).await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &list).header("cache-control", "no-store"))
}

async fn page(
    config: &Config,
    principal: &Principal,
    after: Option<&ReceiverId>,
    limit: usize,
) -> Result<ReceiverList, Error> {
    let in_force = Receivers::in_force(config).await?;
    let (now, redis) = (clock::now(), &config.redis);
    let (mut all, mut more) = (Vec::<ShownReceiver>::new(), false);
    let covered = in_force.covered(principal);
    for receiver in covered.into_values().filter(|it| after.is_none_or(|after| it.id > *after)) {
        more = all.len() == limit;
        if more {
            break;
        }
        let gauge = receivers::gauge(redis, &receiver.id).await?;
        let (calls, failed) = gauge.counts(&in_force.routes.breaker, now);
        let range = vec![text(names::calls(&receiver.id)), text(format!("({}", now.millis())), text("+inf")];
        let running = redis.command("ZCOUNT", range).await?;
        let since = redis.command("HGET", vec![text(names::DISABLED), text(receiver.id.as_str())]).await?;
        all.push(ShownReceiver {
            receiver: receiver.id.clone(),
            channel: receiver.channel.as_str(),
            disabled_since: since.first().and_then(string),
            breaker: gauge.position(now).as_str(),
            calls,
            failed,
            running: running.first().and_then(string).and_then(|count| count.parse().ok()).unwrap_or(0),
            concurrency: receiver.concurrency,
            rate_per_minute: receiver.per_minute,
            attempts: receivers::attempts(redis, &receiver.id).await?,
        });
    }
    let cursor = all.last().filter(|_| more).map(|last| last.receiver.clone());
    Ok(ReceiverList { receivers: all, cursor, more })
}

/// Enables a receiver again that answered 410. Alerts that it missed are dead letters and can be replayed; events waited.
pub(crate) async fn enable(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    let id = ReceiverId::parse(id).ok_or_else(Problem::not_found)?;
    Query::none(&incoming.query)?;
    let reason = reason(incoming)?;
    let in_force = Receivers::in_force(config).await.map_err(|error| unavailable(&error))?;
    if !in_force.covers(principal, &id) {
        return Err(Problem::not_found());
    }
    let known = in_force.routes.receiver(&id).is_some() || in_force.subscriptions.receiver(&id).is_some();
    let changed = async {
        let since = config.redis.command("HGET", vec![text(names::DISABLED), text(id.as_str())]).await?;
        if since.first().and_then(string).is_none() {
            return Ok(false);
        }
        let (store, at, mut batch) = (Store::open().await?, clock::now().rfc3339(), Batch::default());
        let (actor, reason) = (&principal.actor, reason.as_deref());
        let change = audit::Change { reason, ..audit::Change::new(&at, actor, Audited::Enabled) };
        audit::append(&config.redis, &store, &mut batch, &format!("receiver/{id}"), &change).await?;
        kv::put_all(&mut batch)?;
        let enabled = receivers::enable(&config.redis, &id).await?;
        events::look(&config.redis).await?;
        Ok(enabled)
    };
    let changed = changed.await.map_err(|error: Error| unavailable(&error))?;
    if !known && !changed {
        return Err(Problem::not_found());
    }
    Ok(Reply::json(200, &Enabled { receiver: &id, enabled: true, changed }))
}
