//! `GET /v1/alerts`: alerts page by page, the newest first or the most urgent first, with what an inbox shows of each.
//!
//! Guarantee: a key sees only the alerts of its study and site, and counts of those alone. A page has an `ETag`; while
//! nothing happened to any alert of its study and site, a client that knows it gets 304 after one read in Redis. Nothing
//! in a page depends on the time at which it is read.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::alert::state::{Phase, State, Status, Taken};
use domain::ids::{Pseudonym, ReceiverId, SiteId, StudyId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use platform::Error;
use platform::digest::{digest, hex};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use serde::Serialize;
use state::alerts::{self, Filter, Order};
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{is_known, unavailable};
use state::edge::sessions::Names;
use state::names::{self, AlertScope};
use state::subjects::pages::Cursor;
use state::wire::entry::{Alert, DeliveryState};

use crate::config::Config;

/// The number of records that are read at the same time.
const READS: usize = 16;

/// A page of alerts.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AlertPage<'a> {
    alerts: Vec<ListedAlert<'a>>,
    /// With `include=counts`: how many alerts the key covers in the study and site that were asked for, by state and
    /// severity. Other parts of the query do not count here.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<BTreeMap<String, BTreeMap<String, u64>>>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// An alert of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ListedAlert<'a> {
    alert_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Phase"))]
    state: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    /// The time when the submission arrived, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: String,
    /// The person or team that looks after it.
    assignee: Option<&'a str>,
    #[serde(flatten)]
    reason: Option<Why>,
    #[serde(flatten)]
    deliveries: Option<Deliveries>,
}

/// The reason of a listed alert; with `include=reason`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Why {
    submission_id: String,
    /// The patient's pseudonym in this study.
    subject: Pseudonym,
    /// The instrument, or the kind of report.
    instrument: String,
    rule: String,
    /// Names the text that a message shows.
    text_key: String,
    /// The reason in words.
    reason: String,
}

/// The receivers that were told of a listed alert, and the people who took it; with `include=deliveries`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Deliveries {
    /// The time when it was last opened.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    opened_at: String,
    /// The time when the first receiver took it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    delivered_at: Option<String>,
    /// The time when something is due next.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    next_at: Option<String>,
    /// The key or person that acknowledged it since it was last opened, or `link:` and the receiver whose link it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<String>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    acknowledged_at: Option<String>,
    /// The key or person that resolved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<String>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    resolved_at: Option<String>,
    deliveries: Vec<Told>,
}

/// A receiver of a listed alert.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Told {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    receiver: ReceiverId,
    /// Why this receiver gets it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["route", "failover", "escalation"])))]
    cause: String,
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("enum" = ["pending", "delivered", "dead", "withdrawn"]))
    )]
    state: DeliveryState,
    /// Why it waits, or was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The time when the receiver took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    delivered_at: Option<String>,
    /// The time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    next_at: Option<String>,
    /// The number of attempts so far.
    attempts: u32,
}

/// What a page shows beside the place of each alert.
#[derive(Debug, Clone, Copy, Default)]
struct Include {
    reason: bool,
    deliveries: bool,
    counts: bool,
}

/// A page of alerts.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    const KNOWN: &[&str] =
        &["state", "severity", "study", "site", "assignee", "since", "order", "include", "limit", "cursor"];
    let mut query = Query::read(&incoming.query, KNOWN);
    let phase =
        query.take("state", &Phase::WORDS.join(", "), |text| Phase::WORDS.into_iter().find(|word| *word == text));
    let (study, site) = (query.take("study", "a study", StudyId::parse), query.take("site", "a site", SiteId::parse));
    let assignee = query.take("assignee", "the name of a person or a team", |text| Some(text.to_owned()));
    let order = query.take("order", "newest or urgency", |text| match text {
        "newest" => Some(Order::Newest),
        "urgency" => Some(Order::Urgency),
        _ => None,
    });
    let [reason, deliveries, counts] = query.parts("include", ["reason", "deliveries", "counts"]);
    let include = Include { reason, deliveries, counts };
    let (severity, since_ms, limit) = (query.severity(), query.since(), query.limit());
    let cursor = query.cursor(Cursor::parse);
    query.finish()?;
    let whose = study.as_ref().or(principal.study()).map_or(Whose::default(), |it| Whose::default().study(it.as_str()));
    principal.saw(site.as_ref().or(principal.site()).map_or(whose, |it| whose.site(it.as_str())));
    // A filter outside the key's scope finds nothing.
    if !own(principal.study(), study.as_ref()) || !own(principal.site(), site.as_ref()) {
        let page = AlertPage { alerts: Vec::new(), counts: None, cursor: None, more: false };
        return Ok(Reply::json(200, &page).header("cache-control", "no-store"));
    }
    let filter = Filter {
        order: order.unwrap_or_default(),
        phase,
        severity,
        study: study.or_else(|| principal.study().cloned()),
        site: site.or_else(|| principal.site().cloned()),
        assignee,
        since_ms,
    };
    // Before the page is read: a change meanwhile gives the next request another revision.
    let revision = alerts::revision(&config.redis, filter.scope()).await.map_err(|error| unavailable(&error))?;
    let tag = tag(&revision, filter.scope(), &incoming.query);
    let reply = if is_known(incoming, &tag) {
        Reply::empty(304)
    } else {
        page(config, &filter, include, cursor.as_ref(), limit).await.map_err(|error| unavailable(&error))?
    };
    Ok(reply.header("etag", tag).header("cache-control", "no-store"))
}

/// The tag of a page: what it depends on, and the version of this program, which says how it looks.
fn tag(revision: &str, scope: AlertScope<'_>, query: &str) -> String {
    let whole = [env!("CARGO_PKG_VERSION"), revision, &scope.to_string(), query].join("\n");
    format!("\"{}\"", hex(digest(whole.as_bytes()).get(..16).unwrap_or_default()))
}

async fn page(
    config: &Config,
    filter: &Filter,
    include: Include,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Reply, Error> {
    let redis = &config.redis;
    let (listed, next) = alerts::list(redis, filter, cursor, limit).await?;
    let mut shown: Vec<ListedAlert<'_>> = listed.iter().map(ListedAlert::of).collect();
    if include.reason || include.deliveries {
        let store = Store::open().await?;
        if include.reason {
            let reads = listed.iter().map(async |listed| store.get::<Alert>(&names::alert(&listed.id)).await);
            let records: Vec<Option<Alert>> = stream::iter(reads).buffered(READS).try_collect().await?;
            for (shown, record) in shown.iter_mut().zip(records) {
                shown.reason = record.map(Why::of);
            }
        }
        if include.deliveries {
            let ids: Vec<_> = listed.iter().map(|listed| &listed.id).collect();
            let mut names = Names::new(&store);
            for (shown, found) in shown.iter_mut().zip(alerts::find(redis, &store, &ids).await?) {
                let Some(found) = found else { continue };
                let mut deliveries = Deliveries::of(&found.state);
                let Deliveries { acknowledged_by, acknowledged_by_name, resolved_by, resolved_by_name, .. } =
                    &mut deliveries;
                let taken = [(&*acknowledged_by, acknowledged_by_name), (&*resolved_by, resolved_by_name)];
                names.fill(taken.map(|(by, name)| (by.as_deref(), name))).await?;
                shown.deliveries = Some(deliveries);
            }
        }
    }
    let mut counts = None;
    if include.counts {
        let counts = counts.insert(BTreeMap::<String, BTreeMap<String, u64>>::new());
        for (phase, severity, count) in alerts::counts(redis, filter.scope()).await? {
            counts.entry(phase).or_default().insert(severity, count);
        }
    }
    let page = AlertPage { alerts: shown, counts, cursor: next.as_ref().map(Cursor::show), more: next.is_some() };
    Ok(Reply::json(200, &page))
}

/// Whether a filter stays within the key's scope.
fn own<T: PartialEq>(own: Option<&T>, asked: Option<&T>) -> bool {
    own.is_none() || asked.is_none() || own == asked
}

impl<'a> ListedAlert<'a> {
    fn of(alert: &'a alerts::Listed) -> Self {
        ListedAlert {
            alert_id: alert.id.as_str(),
            severity: &alert.severity,
            state: &alert.phase,
            study_id: &alert.study,
            site_id: &alert.site,
            received_at: Timestamp::from_millis(alert.at_ms).rfc3339(),
            assignee: alert.assignee.as_deref(),
            reason: None,
            deliveries: None,
        }
    }
}

impl Why {
    fn of(alert: Alert) -> Self {
        let Alert { submission_id, subject, instrument, rule, text_key, reason, .. } = alert;
        Why { submission_id: submission_id.into_string(), subject, instrument, rule, text_key, reason }
    }
}

impl Deliveries {
    fn of(state: &State) -> Self {
        let next = state.due().into_iter().map(|due| due.at).min();
        let by = |taken: Option<&Taken>| taken.map(|taken| taken.by.clone());
        let at = |taken: Option<&Taken>| taken.map(|taken| taken.at.rfc3339());
        let (acknowledged, resolved) = (state.acknowledged(), state.resolved());
        Deliveries {
            acknowledged_by: by(acknowledged),
            acknowledged_by_name: None,
            acknowledged_at: at(acknowledged),
            resolved_by: by(resolved),
            resolved_by_name: None,
            resolved_at: at(resolved),
            opened_at: state.opened_at().rfc3339(),
            delivered_at: state.delivered_at().map(Timestamp::rfc3339),
            next_at: next.map(Timestamp::rfc3339),
            deliveries: state.deliveries().iter().map(Told::of).collect(),
        }
    }
}

impl Told {
    fn of(delivery: &domain::alert::state::Delivery) -> Self {
        let shown = alerts::shown(delivery);
        let delivered_at = match delivery.status {
            Status::Delivered { at } => Some(at.rfc3339()),
            _ => None,
        };
        Told {
            receiver: shown.receiver,
            cause: shown.cause,
            state: shown.state,
            reason: shown.reason,
            delivered_at,
            next_at: shown.next_at,
            attempts: delivery.attempts,
        }
    }
}
