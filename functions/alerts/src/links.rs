//! `GET` and `POST /v1/acknowledge/{token}`: the acknowledgement link in a message, as JSON or as a web page.
//!
//! Guarantee: the link shows no more about the patient than its message did, however often it is opened. Only a `POST`
//! acknowledges, once, and only before the link expires. So a scanner that follows links in mail acknowledges nothing.
//! No API key is needed: the token is the key, for one alert, one opening of it and one receiver.

use domain::Timestamp;
use domain::alert::link::{Grant, Refusal};
use domain::alert::message::told;
use domain::alert::page::{About, Done, Page, STYLE};
use domain::alert::state::{Act, Event, Ignored, Phase};
use domain::alert::template::Language;
use domain::alert::zone::Clock;
#[cfg(feature = "schema")]
use domain::schema::Time;
use platform::http::{Incoming, Reply, accept};
use platform::kv::Store;
use platform::redis::text;
use platform::{clock, log};
use serde::Serialize;
use state::alerts::change::Change;
use state::alerts::{self, Happening, Loaded, facts_of, plan_of};
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::names;
use state::wire::entry::{Alert, Happened};

use crate::alerts::{Acted, note};
use crate::config::Config;

/// The prefix of every link.
pub(crate) const PATH: &str = "/v1/acknowledge/";

/// The language of the page, if the client prefers a page to JSON. The page of an alert uses the language of the
/// alert's message, unless the query asks for one.
pub(crate) fn page(incoming: &Incoming) -> Option<Language> {
    let wanted = accept::media_type(incoming.header("accept"), &["application/json", "text/html"]);
    if wanted != Some("text/html") || !incoming.path.starts_with(PATH) {
        return None;
    }
    let language = accept::language(incoming.header("accept-language"), &Language::ALL.map(Language::as_str));
    Some(chosen(incoming).ok().flatten().or_else(|| language.and_then(Language::parse)).unwrap_or(Language::En))
}

/// The language that the query asks for: the page links to itself in the other one.
fn chosen(incoming: &Incoming) -> Result<Option<Language>, Problem> {
    let mut query = Query::read(&incoming.query, &["lang"]);
    let language = query.take("lang", "en or zh", Language::parse);
    query.finish().map(|()| language)
}

/// The page for an error.
pub(crate) fn failed(language: Language, problem: Problem) -> Reply {
    let page = if problem.status() < 500 { Page::Unknown } else { Page::Failed };
    let reply = shown(problem.status(), language, &page);
    problem.into_header().into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
}

fn shown(status: u16, language: Language, page: &Page<'_>) -> Reply {
    let reply = Reply::new(status, "text/html; charset=utf-8", page.html(language)).page(STYLE);
    let reply = reply.header("content-language", language.as_str()).header("vary", "accept, accept-language");
    reply.header("cache-control", "no-store")
}

/// A link, resolved: its grant and its alert.
struct Link {
    grant: Grant,
    store: Store,
    alert: Alert,
    found: Loaded,
}

/// The alert that a link is about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LinkPage<'a> {
    alert_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Phase"))]
    state: &'static str,
    /// The time when the submission arrived, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: &'a str,
    /// The time when the link expires.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    expires_at: String,
    /// Whether the link acknowledged already.
    used: bool,
}

/// Why a link does not acknowledge.
enum Refused {
    Link(Refusal),
    Resolved,
}

pub(crate) async fn answer(config: &Config, incoming: Incoming, token: &str) -> Result<Reply, Problem> {
    let (chosen, page) = (chosen(&incoming)?, page(&incoming));
    let mut link = Link::open(config, token).await?;
    let posted = incoming.method == "POST";
    let note = if posted { note(incoming).await? } else { None };
    let done = match link.grant.check(link.found.state.opening(), false, clock::now()) {
        Err(refusal) => Err(Refused::Link(refusal)),
        Ok(()) if posted => link.acknowledge(config, note.as_deref()).await?.map(Some),
        Ok(()) => Ok(None),
    };
    if let Some(language) = page {
        return link.page(config, (chosen, language), done.as_ref().map(|_| ())).await;
    }
    let reply = match done {
        Ok(Some(acknowledged)) => acknowledged.reply(&link),
        Ok(None) => Reply::json(200, &link.document(config).await?),
        Err(refused) => return Err(refused.into()),
    };
    // The address is a secret: no cache stores it, and no linked page sees it as a referrer.
    let reply = reply.header("cache-control", "no-store");
    Ok(reply.header("referrer-policy", "no-referrer").header("vary", "accept, accept-language"))
}

/// An acknowledgement: its entry in the history, and whether this request made it.
struct Acknowledged {
    entry: Option<Happened>,
    changed: bool,
}

impl Acknowledged {
    /// The answer. It leaves out the note, which may be somebody else's, and the assignee, whom the message did not tell.
    fn reply(&self, link: &Link) -> Reply {
        let mut acted = Acted::new(link.alert.alert_id.as_str(), &link.found.state, self.entry.as_ref(), self.changed);
        (acted.note, acted.assignee) = (None, None);
        Reply::json(200, &acted)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let detail = match refused {
            Refused::Link(Refusal::Expired) => "link-expired: acknowledge it with a key, or by a newer message",
            Refused::Link(Refusal::Used) => "link-used: it acknowledges once",
            Refused::Link(Refusal::Superseded) => "link-superseded: the alert was opened again since",
            Refused::Resolved => "the alert is resolved",
        };
        Problem::new(ProblemType::Conflict, detail)
    }
}

impl Link {
    async fn open(config: &Config, token: &str) -> Result<Link, Problem> {
        let grant = config.link_key.as_ref().and_then(|key| key.open(token)).ok_or_else(Problem::not_found)?;
        let store = Store::open().await.map_err(|error| unavailable(&error))?;
        let alert: Option<Alert> = store.get(&names::alert(&grant.alert)).await.map_err(|error| unavailable(&error))?;
        let alert = alert.ok_or_else(Problem::not_found)?;
        let found = alerts::load(&config.redis, &store, &grant.alert).await.map_err(|error| unavailable(&error))?;
        Ok(Link { grant, store, alert, found: found.ok_or_else(Problem::not_found)? })
    }

    /// The alert as JSON, as far as the link may show it.
    async fn document(&self, config: &Config) -> Result<LinkPage<'_>, Problem> {
        let mark = config.redis.command("EXISTS", vec![text(names::link_used(self.grant.use_key()))]).await;
        let mark = mark.map_err(|error| unavailable(&error))?;
        let used = matches!(mark.first(), Some(spin_sdk::redis::RedisResult::Int64(1)));
        Ok(LinkPage {
            alert_id: self.alert.alert_id.as_str(),
            severity: &self.alert.severity,
            state: self.found.state.phase().as_str(),
            received_at: &self.alert.received_at,
            expires_at: self.grant.expires.rfc3339(),
            used,
        })
    }

    /// Acknowledges. Returns who acknowledged: this can be somebody else who was faster.
    async fn acknowledge(
        &mut self,
        config: &Config,
        note: Option<&str>,
    ) -> Result<Result<Acknowledged, Refused>, Problem> {
        let routes = config.routes().await.map_err(|error| unavailable(&error))?;
        let now = clock::now();
        let by = format!("link:{}", self.grant.receiver);
        let event = Event::Acknowledged(Act { by: &by, note, meaning: None });
        let more = || {
            let mut change = Change::default();
            change.use_link(&self.grant, self.grant.expires.ms_since(now));
            Ok(change)
        };
        let used = Happening { alert: &self.alert, event: &event, now, lost: false };
        let applied = alerts::apply(&config.redis, &self.store, &routes, used, more).await;
        let ignored = applied.map_err(|error| unavailable(&error))?.err();
        let found = alerts::load(&config.redis, &self.store, &self.alert.alert_id)
            .await
            .map_err(|error| unavailable(&error))?;
        self.found = found.ok_or_else(Problem::not_found)?;
        let entry = self.entry("acknowledged").await?;
        match ignored {
            None => {
                let line = log::info("alert-attended").alert(&self.alert.alert_id).receiver(&self.grant.receiver);
                line.outcome("acknowledged").write();
            }
            Some(Ignored::AlreadyAcknowledged) => {
                let own = entry.as_ref().and_then(|entry| entry.by.as_ref()) == Some(&by);
                // Somebody else acknowledged first: nothing is left to do, and the answer says who it was.
                if let Err(refusal) = self.grant.check(self.found.state.opening(), own, clock::now()) {
                    return Ok(Err(Refused::Link(refusal)));
                }
            }
            Some(_) => return Ok(Err(Refused::Resolved)),
        }
        Ok(Ok(Acknowledged { entry, changed: ignored.is_none() }))
    }

    /// The last entry of the history with this action.
    async fn entry(&self, what: &str) -> Result<Option<Happened>, Problem> {
        let history = alerts::history(&self.store, &self.found).await.map_err(|error| unavailable(&error))?;
        Ok(history.into_iter().rev().find(|entry| entry.what == what))
    }

    /// The page of the alert. If the alert is acknowledged or closed, the page says by whom, even if the link is no
    /// longer valid.
    async fn page(
        &self,
        config: &Config,
        (chosen, language): (Option<Language>, Language),
        done: Result<(), &Refused>,
    ) -> Result<Reply, Problem> {
        let (status, id) = (if done.is_ok() { 200 } else { 409 }, self.alert.alert_id.as_str());
        match done {
            Err(Refused::Link(Refusal::Expired)) => return Ok(shown(status, language, &Page::Expired(id))),
            Err(Refused::Link(Refusal::Superseded)) => return Ok(shown(status, language, &Page::Superseded(id))),
            Ok(()) | Err(Refused::Link(Refusal::Used) | Refused::Resolved) => {}
        }
        let (phase, alert) = (self.found.state.phase(), &self.alert);
        let entry = match phase {
            Phase::Acknowledged | Phase::Resolved => self.entry(phase.as_str()).await?,
            _ => None,
        };
        let routes = config.routes().await.map_err(|error| unavailable(&error))?;
        let (language, receiver) = (plan_of(&routes, alert).language, routes.receiver(&self.grant.receiver));
        let told = receiver.map(|receiver| told(&routes, receiver, language)).unwrap_or_default();
        let language = chosen.unwrap_or(language);
        let clock = receiver.map(|receiver| receiver.clock).unwrap_or_default();
        let about = About {
            severity: facts_of(alert).severity,
            study: alert.study_id.as_str(),
            site: alert.site_id.as_str(),
            subject: told.subject.then_some(alert.subject.as_str()),
            received_at: time(clock, Some(&alert.received_at)),
            rule: told.rule.then_some((alert.instrument.as_str(), alert.rule.as_str())),
            reason: told.reason.then_some(&alert.reason),
            id,
        };
        let by = entry.as_ref().and_then(|entry| Some((entry.by.as_deref()?, entry.at.as_str())));
        let who = by.map(|(by, at)| Done { by: by.strip_prefix("link:").ok_or(by), at: time(clock, Some(at)) });
        let page = match phase {
            Phase::Acknowledged => Page::Acknowledged(about, who),
            Phase::Resolved => Page::Resolved(about, who),
            _ => Page::Open(about),
        };
        Ok(shown(status, language, &page))
    }
}

/// Formats a time for readers.
fn time(clock: Clock, at: Option<&str>) -> String {
    at.and_then(Timestamp::parse).map(|at| clock.show(at)).unwrap_or_default()
}
