//! `GET /v1/subscriptions` and `POST /v1/subscriptions/{id}/replay`: who is told of events, how far, and once more.
//!
//! Guarantee: a replay is recorded in the audit chain of the subscription before anything moves. A key with a limited
//! scope sees only the subscriptions that concern nothing but its own study.

use std::collections::BTreeMap;

use domain::ids::{ReceiverId, StudyId, SubscriptionId};
use domain::reading::{Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use domain::subscriptions::Subscription;
use domain::{Code, Timestamp};
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock};
use serde::Serialize;
use state::audit::{self, Action as Audited};
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{body, reason, unavailable};
use state::events;
use state::names;

use crate::config::Config;

/// The longest body, bytes.
const LARGEST: usize = 8 * 1024;
/// About the most entries of journals that are counted.
const MOST_COUNTED: usize = 200_000;

/// The subscriptions in force.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SubscriptionList {
    subscriptions: Vec<ShownSubscription>,
}

/// A subscription, and how far it is.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ShownSubscription {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    subscription: SubscriptionId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    receiver: ReceiverId,
    /// Null for all studies.
    studies: Option<Vec<StudyId>>,
    events: Vec<&'static str>,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["reference", "scores", "full"])))]
    content: &'static str,
    /// The time of its first event, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    since: Option<String>,
    /// Messages that wait to be sent, or to be sent again.
    waiting: u64,
    /// Whether there are events of which there is no message yet.
    behind: bool,
}

/// The events that a subscription is told of again, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "EventsReplayed"))]
pub(crate) struct Replayed {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    subscription: SubscriptionId,
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    since: String,
    dry_run: bool,
    /// How many, by event.
    counts: BTreeMap<&'static str, u64>,
    count: u64,
    /// Whether there are more than were counted.
    more: bool,
}

/// Whether the key covers everything that a subscription is told of.
pub(crate) fn covers(principal: &Principal, subscription: &Subscription) -> bool {
    let all = "*".into();
    match &subscription.studies {
        Some(studies) => studies.iter().all(|study| principal.covers(study, &all)),
        None => principal.covers_all(),
    }
}

/// Lists the subscriptions that the key covers.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let list = shown(config, principal).await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &list).header("cache-control", "no-store"))
}

async fn shown(config: &Config, principal: &Principal) -> Result<SubscriptionList, Error> {
    let (subscriptions, revision) = config.subscriptions().await?;
    let progress = events::progress(&config.redis, &subscriptions, &revision).await?;
    let all = subscriptions.all().iter().zip(progress);
    let subscriptions =
        all.filter(|(subscription, _)| covers(principal, subscription)).map(|(it, progress)| ShownSubscription {
            subscription: it.id.clone(),
            receiver: it.receiver.clone(),
            studies: it.studies.clone(),
            events: it.events.iter().map(|event| event.as_str()).collect(),
            content: it.detail.as_str(),
            since: it.since.map(Timestamp::rfc3339),
            waiting: progress.waiting,
            behind: progress.is_behind,
        });
    Ok(SubscriptionList { subscriptions: subscriptions.collect() })
}

/// Tells a subscription once more of all events since a time, or in a dry run counts them.
pub(crate) async fn replay(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(&incoming)?;
    let (subscriptions, _) = config.subscriptions().await.map_err(|error| unavailable(&error))?;
    let subscription = SubscriptionId::parse(id).and_then(|id| subscriptions.subscription(&id));
    let subscription = subscription.filter(|it| covers(principal, it)).ok_or_else(Problem::not_found)?;
    let (since, dry_run) = asked(Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?)?;
    let done = async {
        let store = Store::open().await?;
        let since_ms = u64::try_from(since.millis()).unwrap_or_default();
        let counted = events::count(&config.redis, &store, subscription, since_ms, MOST_COUNTED).await?;
        if !dry_run {
            let (at, mut batch) = (clock::now().rfc3339(), Batch::default());
            let (actor, reason) = (&principal.actor, reason.as_deref());
            let action = Audited::Replayed;
            let change = audit::Change { reason, ..audit::Change::new(&at, actor, action) };
            let entity = names::subscription_entity(&subscription.id);
            audit::append(&config.redis, &store, &mut batch, &entity, &change).await?;
            kv::put_all(&mut batch)?;
            events::replay(&config.redis, subscription, since_ms).await?;
        }
        Ok::<_, Error>(counted)
    };
    let counted = done.await.map_err(|error| unavailable(&error))?;
    let counts: BTreeMap<&str, u64> = counted.of.iter().map(|(event, count)| (event.as_str(), *count)).collect();
    let (count, more) = (counts.values().sum(), counted.more);
    let (subscription, since) = (subscription.id.clone(), since.rfc3339());
    Ok(Reply::json(200, &Replayed { subscription, since, dry_run, counts, count, more }))
}

/// Since when, and whether it is a dry run.
fn asked(document: Json) -> Result<(Timestamp, bool), Problem> {
    let Json { value, mut faults, .. } = document;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    members.require(&mut faults, "since");
    let since = members.form(&mut faults, "since", "must be a time as RFC 3339 with an offset", Timestamp::parse);
    let rule = (Code::Type, "must be true or false");
    let dry_run = members.read(&mut faults, "dryRun", rule, |value| value.as_bool());
    members.finish(&mut faults);
    match since {
        Some(since) if faults.is_empty() => Ok((since, dry_run.unwrap_or_default())),
        _ => Err(Problem::invalid(faults)),
    }
}
