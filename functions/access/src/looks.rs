//! `GET /v1/access`: who looked at whose data, the latest looks first.
//!
//! Guarantee: a key sees the looks at what its study and site cover; those of which no study is known, only a key that
//! covers all. Whoever follows the cursor to the end sees every look once, however many come meanwhile.

use domain::Timestamp;
use domain::ids::{NAME_RULE, SiteId, StudyId, is_name};
#[cfg(feature = "schema")]
use domain::schema::{Name, Pseudonym, Time};
use platform::Error;
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use serde::Serialize;
use state::edge::auth::Principal;
#[cfg(feature = "schema")]
use state::edge::auth::Role;
use state::edge::looks::Look;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::sessions::Names;
use state::identity::is_pseudonym;
use state::journal::{MOST_APART_MS, Position, Reader};
use state::names;

use crate::config::Config;

/// The most pieces of the journal, of about a thousand looks each, that one answer goes through.
const MOST_PIECES: usize = 8;

/// A page of looks, the latest first.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LookPage {
    looks: Vec<LookShown>,
    /// The position where the list continues; null at its end.
    cursor: Option<String>,
    /// Whether there may be more. A page may have few looks or none, and more: go on with the cursor.
    more: bool,
}

/// A request that looked at data of persons, or was kept from it; or a message with such data.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Look"))]
struct LookShown {
    /// The time of the answer, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    at: String,
    /// The id of a key, a person with their session, or `subscription:` and the id of a subscription to events.
    actor: String,
    /// The person's name.
    #[serde(rename = "byName", skip_serializing_if = "Option::is_none")]
    by_name: Option<String>,
    /// Absent for a subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Role>"))]
    role: Option<String>,
    /// The method of the request; `GET` for `HEAD` as well.
    method: String,
    /// The pattern of the path. For a subscription, the type of the event of which it is told.
    path: String,
    /// The study; for a request that was refused, that of the key if nothing else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Name>"))]
    study: Option<String>,
    /// The site, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Name>"))]
    site: Option<String>,
    /// The subject, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Pseudonym>"))]
    subject: Option<String>,
    /// The submission, alert or analysis, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The status of the answer.
    status: u16,
    /// Why, where the request said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The filter of a list.
struct Filter<'a> {
    principal: &'a Principal,
    study: Option<String>,
    subject: Option<String>,
    actor: Option<String>,
    from: i64,
    to: i64,
}

/// Lists looks.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    const KNOWN: &[&str] = &["study", "subject", "actor", "from", "to", "cursor", "limit"];
    let mut query = Query::read(&incoming.query, KNOWN);
    let study = query.take("study", NAME_RULE, |text| is_name(text).then(|| text.to_owned()));
    let subject = query.take("subject", "a pseudonym", |text| is_pseudonym(text).then(|| text.to_owned()));
    let actor = query.take("actor", "the id of a key, or a person as looks name one", |text| Some(text.to_owned()));
    let from = query.time("from").unwrap_or(i64::MIN);
    let to = query.time("to").unwrap_or(i64::MAX);
    let (cursor, limit) = (query.cursor(Position::parse), query.limit());
    query.finish()?;
    let filter = Filter { principal, study, subject, actor, from, to };
    let page = async {
        let mut page = page(config, &filter, cursor, limit).await?;
        name(&mut page.looks).await?;
        Ok::<_, Error>(page)
    };
    let page = page.await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &page).header("cache-control", "no-store"))
}

async fn page(config: &Config, filter: &Filter<'_>, cursor: Option<Position>, limit: usize) -> Result<LookPage, Error> {
    let (store, journal) = (Store::open().await?, StudyId::from(names::LOOKS));
    let mut reader = Reader::open(&config.redis, &store, &journal).await?;
    let (first, end) = filter.bounds();
    let (mut before, mut looks) = (cursor.map_or(end, |cursor| cursor.min(end)), Vec::new());
    for _ in 0..MOST_PIECES {
        let lines = reader.lines_before(before).await?;
        if lines.is_empty() {
            return Ok(LookPage { looks, cursor: None, more: false });
        }
        for (at, line) in lines {
            if at < first {
                return Ok(LookPage { looks, cursor: None, more: false });
            }
            if let Some(look) = Look::read(&line).filter(|look| filter.takes(look)) {
                if looks.len() == limit {
                    return Ok(LookPage { looks, cursor: Some(before.to_string()), more: true });
                }
                looks.push(LookShown::of(look));
            }
            before = at;
        }
    }
    Ok(LookPage { looks, cursor: Some(before.to_string()), more: true })
}

/// Adds the names of persons.
async fn name(looks: &mut [LookShown]) -> Result<(), Error> {
    let actors = looks.iter_mut().map(|look| (Some(look.actor.as_str()), &mut look.by_name));
    Names::new(&Store::open().await?).fill(actors).await
}

impl Filter<'_> {
    /// Positions before and after all looks that may be taken: a position has the time of Redis, a look that of its host.
    fn bounds(&self) -> (Position, Position) {
        let first = u64::try_from(self.from.saturating_sub(MOST_APART_MS)).unwrap_or_default();
        let end = u64::try_from(self.to.saturating_add(MOST_APART_MS)).unwrap_or_default();
        let end = if self.to == i64::MAX { Position::END } else { Position::before(end) };
        (Position::before(first), end)
    }

    fn takes(&self, look: &Look) -> bool {
        let is = |asked: &Option<String>, own: &Option<String>| asked.is_none() || asked == own;
        let covered = match (&look.study, &look.site) {
            (Some(study), site) => {
                let site = SiteId::from(site.as_deref().unwrap_or_default());
                self.principal.covers(&StudyId::from(study.as_str()), &site)
            }
            (None, _) => self.principal.covers_all(),
        };
        covered
            && (self.from..self.to).contains(&look.at_ms)
            && is(&self.study, &look.study)
            && is(&self.subject, &look.subject)
            && self.actor.as_ref().is_none_or(|actor| *actor == look.actor)
    }
}

impl LookShown {
    fn of(look: Look) -> Self {
        let Look { at_ms, actor, role, method, path, study, site, subject, id, status, reason } = look;
        let at = Timestamp::from_millis(at_ms).rfc3339();
        LookShown { at, actor, by_name: None, role, method, path, study, site, subject, id, status, reason }
    }
}
