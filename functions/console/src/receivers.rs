//! `GET /v1/receivers` and `POST /v1/receivers/{id}/enable`: the receivers of alerts, and whether they can be reached.
//!
//! Guarantee: the answer shows neither addresses nor secrets; it names a receiver by its id. The audit chain of a
//! receiver records that it was enabled again. An administrator of a study sees only the receivers that no other
//! study's settings name.

use domain::ids::is_name;
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::redis::{string, text};
use platform::{Error, clock};
use serde_json::{Value, json};
use state::alerts::receivers;
use state::audit::{self, Action as Audited};
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{reason, unavailable};
use state::names;

use crate::config::Config;
use crate::scope::has_receiver;

/// All receivers of the routes in force.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let shown = shown(config, principal).await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &json!({"receivers": shown})).header("cache-control", "no-store"))
}

async fn shown(config: &Config, principal: &Principal) -> Result<Vec<Value>, Error> {
    let routes = config.routes().await?;
    let (now, redis) = (clock::now(), &config.redis);
    let mut all = Vec::new();
    for receiver in routes.receivers().filter(|it| has_receiver(principal, &routes, &it.id)) {
        let gauge = receivers::gauge(redis, &receiver.id).await?;
        let (calls, failed) = gauge.counts(&routes.breaker, now);
        let range = vec![text(names::calls(&receiver.id)), text(format!("({}", now.millis())), text("+inf")];
        let running = redis.command("ZCOUNT", range).await?;
        let since = redis.command("HGET", vec![text(names::DISABLED), text(&receiver.id)]).await?;
        all.push(json!({
            "receiver": receiver.id,
            "channel": receiver.channel.as_str(),
            "disabledSince": since.first().and_then(string),
            "breaker": gauge.position(now).as_str(),
            "calls": calls,
            "failed": failed,
            "running": running.first().and_then(string).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0),
            "concurrency": receiver.concurrency,
            "ratePerMinute": receiver.per_minute,
        }));
    }
    Ok(all)
}

/// Enables a receiver again that answered 410. The alerts that it missed are dead letters and can be replayed.
pub(crate) async fn enable(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    Query::none(&incoming.query)?;
    let reason = reason(incoming)?;
    let routes = config.routes().await.map_err(|error| unavailable(&error))?;
    if !has_receiver(principal, &routes, id) {
        return Err(Problem::not_found());
    }
    let known = routes.receiver(id).is_some();
    let changed = async {
        let since = config.redis.command("HGET", vec![text(names::DISABLED), text(id)]).await?;
        if since.first().and_then(string).is_none() {
            return Ok(false);
        }
        let (store, at, mut batch) = (Store::open().await?, clock::now().rfc3339(), Batch::default());
        let (actor, reason) = (principal.id.as_str(), reason.as_deref());
        let change =
            audit::Change { at: &at, actor, action: Audited::Enabled, reason, refers_to: None, old: None, new: None };
        audit::append(&config.redis, &store, &mut batch, &format!("receiver/{id}"), &change).await?;
        kv::put_all(&mut batch)?;
        receivers::enable(&config.redis, id).await
    };
    let changed = changed.await.map_err(|error: Error| unavailable(&error))?;
    if !known && !changed {
        return Err(Problem::not_found());
    }
    Ok(Reply::json(200, &json!({"receiver": id, "enabled": true, "changed": changed})))
}
