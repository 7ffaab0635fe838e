//! `GET /v1/dead-letters` and `POST /v1/dead-letters/replay`: lists dead letters and replays them.
//!
//! Guarantee: a replay is recorded in the audit chain `operations/dead-letters` before anything moves. The script that
//! removes a dead letter also puts it back on its queue. A dead letter that cannot be replayed stays, and the answer
//! gives the reason. An administrator of a study sees only the dead letters of that study.

use std::collections::BTreeMap;

use domain::alert::state::{Act, Event};
use domain::ids::{AlertId, AnalysisId, ReceiverId, SiteId, StudyId, SubmissionId, SubscriptionId};
use domain::reading::{Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use domain::{Code, Finding, Severity, Timestamp};
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock};
use serde::Serialize;
use serde_json::Value;
use state::alerts::change::Change;
use state::alerts::{self, Happening};
use state::audit::{self, Action as Audited};
use state::dead_letters::{self, About, Letter, is_id};
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{body, reason, unavailable};
use state::names;
use state::wire::entry::{Alert, DeadAlert};

use crate::config::Config;
use crate::scope::has_letter;

/// The longest body, bytes.
const LARGEST: usize = 64 * 1024;
/// The most dead letters that one request replays; the answer has a cursor for the rest.
const MOST: usize = 200;
/// The most dead letters that one answer examines for a key with a limited scope, read in groups of this size.
const MOST_LOOKED: usize = 5_000;
const LOOKED: usize = 100;
/// The audit chain of replays.
const ENTITY: &str = "operations/dead-letters";

/// A page of dead letters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct DeadLetters<'a> {
    dead_letters: Vec<ShownLetter<'a>>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// A dead letter: what it is about and why it was given up, not what it holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ShownLetter<'a> {
    id: &'a str,
    /// The time when it was given up, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    at: Option<String>,
    queue: &'a str,
    reason: &'a str,
    submission_id: Option<SubmissionId>,
    alert_id: Option<AlertId>,
    /// The severity of the alert.
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::Severity>"))]
    severity: Option<&'static str>,
    /// The study; null if nothing tells it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Name>"))]
    study_id: Option<StudyId>,
    /// The site.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Name>"))]
    site_id: Option<SiteId>,
    analysis_id: Option<AnalysisId>,
    /// The receiver to which delivery was given up.
    receiver: Option<ReceiverId>,
    /// The subscription whose receiver was not told of an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<SubscriptionId>,
}

/// The dead letters that were replayed, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Replayed {
    dry_run: bool,
    count: u64,
    /// Of a dry run: how many, by queue and reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<CountOf>>,
    /// Those that cannot be replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<Left>>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// The number of dead letters with this queue and reason.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct CountOf {
    queue: String,
    reason: String,
    count: u64,
}

/// A dead letter that cannot be replayed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Left {
    id: String,
    reason: &'static str,
}

/// A page of dead letters, the newest first.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let cursor = query.cursor(|text| is_id(text).then(|| text.to_owned()));
    query.finish()?;
    let page = page(config, principal, cursor, limit).await;
    let (letters, next) = page.map_err(|error| unavailable(&error))?;
    let shown = shown(config, &letters).await.map_err(|error| unavailable(&error))?;
    let page = DeadLetters { dead_letters: shown, more: next.is_some(), cursor: next };
    Ok(Reply::json(200, &page).header("cache-control", "no-store"))
}

/// Returns the principal's newest dead letters before a cursor, and the cursor of the next page. A page may be short if
/// most dead letters belong to others.
async fn page(
    config: &Config,
    principal: &Principal,
    mut cursor: Option<String>,
    limit: usize,
) -> Result<(Vec<Letter>, Option<String>), Error> {
    let at_once = if principal.covers_all() { limit } else { LOOKED };
    let (store, mut own) = (Store::open().await?, Vec::new());
    for _ in 0..MOST_LOOKED / LOOKED {
        let letters = dead_letters::before(&config.redis, cursor.as_deref(), at_once).await?;
        let more = letters.len() == at_once;
        for letter in letters {
            let id = letter.id.clone();
            if has_letter(&store, principal, &letter).await? {
                own.push(letter);
            }
            if own.len() == limit {
                return Ok((own, Some(id)));
            }
            cursor = Some(id);
        }
        if !more {
            return Ok((own, None));
        }
    }
    Ok((own, cursor))
}

/// Dead letters as they are shown. One read tells how severe their alerts are, and of which sites.
async fn shown<'a>(config: &Config, letters: &'a [Letter]) -> Result<Vec<ShownLetter<'a>>, Error> {
    let about: Vec<About> = letters.iter().map(Letter::about).collect();
    let ids: Vec<AlertId> = about.iter().filter_map(|about| about.alert.clone()).collect();
    let mut places = alerts::places(&config.redis, &ids).await?.into_iter();
    let mut of = |about: &About| about.alert.as_ref().and_then(|_| places.next().flatten());
    let shown = letters.iter().zip(about).map(|(letter, about)| {
        let (severity, place) =
            of(&about).map_or((None, None), |(severity, study, site)| (Some(severity), Some((study, site))));
        let (study_id, site_id) = about.place.or(place).unzip();
        ShownLetter {
            id: &letter.id,
            at: letter.at().map(Timestamp::rfc3339),
            queue: &letter.queue,
            reason: &letter.reason,
            submission_id: about.submission,
            alert_id: about.alert,
            severity: about.severity.or(severity).map(Severity::as_str),
            study_id,
            site_id,
            analysis_id: about.analysis,
            receiver: about.receiver,
            subscription: about.subscription,
        }
    });
    Ok(shown.collect())
}

/// Selection dead letters to replay.
enum Selection {
    Ids(Vec<String>),
    Since(i64),
}

struct Request {
    which: Selection,
    dry_run: bool,
    cursor: Option<String>,
}

/// Replays dead letters, or in a dry run says how many it would replay.
pub(crate) async fn replay(config: &Config, principal: &Principal, incoming: Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(&incoming)?;
    let wanted = Request::read(Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?)?;
    let done = if wanted.dry_run {
        counted(config, principal, &wanted).await
    } else {
        replayed(config, principal, reason.as_deref(), &wanted).await
    };
    done.map(|document| Reply::json(200, &document)).map_err(|error| unavailable(&error))
}

async fn counted(config: &Config, principal: &Principal, wanted: &Request) -> Result<Replayed, Error> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let (store, mut next) = (Store::open().await?, None);
    let mut own = async |letters: Vec<Letter>| {
        for letter in letters {
            if has_letter(&store, principal, &letter).await? {
                *counts.entry((letter.queue, letter.reason)).or_default() += 1;
            }
        }
        Ok::<_, Error>(())
    };
    match &wanted.which {
        Selection::Ids(ids) => own(dead_letters::find(&config.redis, ids).await?).await?,
        Selection::Since(since) if principal.covers_all() => {
            let found = dead_letters::count(&config.redis, *since).await?;
            counts.extend(found.into_iter().map(|(queue, reason, count)| ((queue, reason), count)));
        }
        Selection::Since(since) => {
            next = wanted.cursor.clone();
            for _ in 0..MOST_LOOKED / LOOKED {
                let letters = dead_letters::since(&config.redis, *since, next.as_deref(), LOOKED).await?;
                next = letters.last().filter(|_| letters.len() == LOOKED).map(|letter| letter.id.clone());
                own(letters).await?;
                if next.is_none() {
                    break;
                }
            }
        }
    }
    let count = counts.values().sum();
    let counts = counts.into_iter().map(|((queue, reason), count)| CountOf { queue, reason, count }).collect();
    Ok(Replayed { dry_run: true, count, counts: Some(counts), left: None, more: next.is_some(), cursor: next })
}

async fn replayed(
    config: &Config,
    principal: &Principal,
    reason: Option<&str>,
    wanted: &Request,
) -> Result<Replayed, Error> {
    let (found, next) = match &wanted.which {
        Selection::Ids(ids) => (dead_letters::find(&config.redis, ids).await?, None),
        Selection::Since(since) => {
            let letters = dead_letters::since(&config.redis, *since, wanted.cursor.as_deref(), MOST).await?;
            let next = letters.last().filter(|_| letters.len() == MOST).map(|letter| letter.id.clone());
            (letters, next)
        }
    };
    let (store, mut letters) = (Store::open().await?, Vec::new());
    for letter in found {
        if has_letter(&store, principal, &letter).await? {
            letters.push(letter);
        }
    }
    if !letters.is_empty() {
        let (at, mut batch) = (clock::now().rfc3339(), Batch::default());
        let actor = &principal.actor;
        let change = audit::Change { reason, ..audit::Change::new(&at, actor, Audited::Replayed) };
        audit::append(&config.redis, &store, &mut batch, ENTITY, &change).await?;
        kv::put_all(&mut batch)?;
    }
    // Several dead letters of one alert are one replay.
    let (mut entries, mut alerts): (Vec<&str>, BTreeMap<AlertId, Vec<String>>) = (Vec::new(), BTreeMap::new());
    for letter in &letters {
        match letter.given_up() {
            Some(DeadAlert { alert_id, .. }) => alerts.entry(alert_id).or_default().push(letter.id.clone()),
            None => entries.push(&letter.id),
        }
    }
    let mut count = dead_letters::requeue(&config.redis, &entries).await?;
    let mut left = Vec::new();
    if !alerts.is_empty() {
        let routes = config.routes().await?;
        for (alert, ids) in alerts {
            let why = match store.get::<Alert>(&names::alert(&alert)).await? {
                Some(alert) => {
                    let event = Event::Replayed(Act { by: principal.actor.as_str(), note: reason, meaning: None });
                    let more = || {
                        let mut change = Change::default();
                        change.unbury(&ids);
                        Ok(change)
                    };
                    let replayed = Happening { alert: &alert, event: &event, now: clock::now(), lost: false };
                    alerts::apply(&config.redis, &store, &routes, replayed, more).await?.err()
                }
                None => Some(domain::alert::state::Ignored::Stale),
            };
            match why {
                None => count += ids.len(),
                Some(why) => left.extend(ids.into_iter().map(|id| Left { id, reason: why.as_str() })),
            }
        }
    }
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Replayed { dry_run: false, count, counts: None, left: Some(left), more: next.is_some(), cursor: next })
}

impl Request {
    fn read(document: Json) -> Result<Self, Problem> {
        let Json { value, mut faults, .. } = document;
        let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
        let mut which = Vec::new();
        let rule = format!("must be a list of 1 to {MOST} ids of dead letters");
        which.extend(members.read(&mut faults, "ids", (Code::Format, &rule), |ids| {
            let id = |id: &Value| id.as_str().filter(|id| is_id(id)).map(str::to_owned);
            let mut ids: Vec<String> = ids.as_array()?.iter().map(id).collect::<Option<_>>()?;
            if !(1..=MOST).contains(&ids.len()) {
                return None;
            }
            ids.sort();
            ids.dedup();
            Some(Selection::Ids(ids))
        }));
        let rule = "must be a time as RFC 3339 with an offset";
        which.extend(members.read(&mut faults, "since", (Code::Format, rule), |since| {
            Some(Selection::Since(Timestamp::parse(since.as_str()?)?.millis()))
        }));
        let mut flag = |member: &'static str| {
            members.read(&mut faults, member, (Code::Type, "must be true or false"), Value::as_bool).unwrap_or(false)
        };
        let (all, dry_run) = (flag("all"), flag("dryRun"));
        which.extend(all.then_some(Selection::Since(0)));
        let cursor = members.form(&mut faults, "cursor", "must be the cursor of an earlier answer", |cursor| {
            is_id(cursor).then(|| cursor.to_owned())
        });
        members.finish(&mut faults);
        let one = which.pop().filter(|_| which.is_empty());
        if one.is_none() && faults.is_empty() {
            faults.push(Finding::new("", Code::Required, "needs one of \"ids\", \"since\" and \"all\": true"));
        }
        match one {
            Some(which) if faults.is_empty() => Ok(Request { which, dry_run, cursor }),
            _ => Err(Problem::invalid(faults)),
        }
    }
}
