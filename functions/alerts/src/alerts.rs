//! `GET /v1/alerts/{id}` and the actions of clinicians on an alert: acknowledge, resolve, reopen, note,
//! assign.
//!
//! Guarantee: a key sees and changes only the alerts of its study and site; all others look as if they did not exist.
//! One step changes the alert's state and adds the action to its history, with author, time and note. The same action a
//! second time changes nothing and gets the same answer.

use domain::Timestamp;
use domain::alert::state::{Act, Event, Ignored, Phase, State};
use domain::ids::{Pseudonym, SiteId, StudyId, is_name};
use domain::reading::{Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use domain::scrub::{self, Class, Own, Removed};
use domain::{Code, Finding};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{Error, clock, log};
use serde::Serialize;
use state::alerts::change::Change;
use state::alerts::{self, Happening};
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{self, unavailable};
use state::edge::sessions::Names;
use state::identity::is_id;
use state::names;
use state::wire::entry::{Alert, Delivery, Happened};

use crate::behind::{Behind, Include};
use crate::config::Config;

/// The longest note and the longest assignee, characters, and the longest body, bytes.
const LONGEST_NOTE: usize = 1000;
const LONGEST_ASSIGNEE: usize = 100;
const LARGEST: usize = 8 * 1024;

/// An alert with its deliveries and the actions on it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AlertShown<'a> {
    alert_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: &'a str,
    /// `queued`: it is stored, but not raised yet.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = STATES)))]
    state: &'a str,
    /// Why it is suppressed or dead.
    reason_of_state: Option<&'a str>,
    submission_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    /// The patient's pseudonym in this study.
    subject: &'a Pseudonym,
    /// The instrument, or the kind of report.
    instrument: &'a str,
    rule: &'a str,
    /// Names the text that a message shows.
    text_key: &'a str,
    /// The reason in words.
    reason: &'a str,
    /// The time when the submission arrived, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: &'a str,
    /// The number of times that it was opened again.
    opening: u32,
    /// The time when the first receiver took it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    delivered_at: Option<String>,
    /// The time when something is due next.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    next_at: Option<String>,
    /// The alert with whose message it is grouped.
    leader: Option<&'a str>,
    /// The person or team that looks after it.
    assignee: Option<&'a str>,
    deliveries: Vec<Delivery>,
    history: Vec<Happened>,
    #[serde(flatten)]
    behind: Behind,
}

/// The states of an alert that is shown.
#[cfg(feature = "schema")]
const STATES: [&str; 8] = ["queued", "suppressed", "grouped", "open", "delivered", "dead", "acknowledged", "resolved"];

/// The answer to an action: the action, its author and its time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Acted<'a> {
    alert_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Phase"))]
    state: &'static str,
    /// Whether this request did it.
    changed: bool,
    /// A key or a person, or `link:` and the receiver whose link it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'a str>,
    /// The meaning of the person's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'a str>,
    /// The person or team that looks after it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assignee: Option<&'a str>,
}

impl<'a> Acted<'a> {
    /// The answer for an alert in this state, whose history has this entry.
    pub(crate) fn new(id: &'a str, state: &'a State, entry: Option<&'a Happened>, changed: bool) -> Self {
        Acted {
            alert_id: id,
            state: state.phase().as_str(),
            changed,
            by: entry.and_then(|entry| entry.by.as_deref()),
            by_name: entry.and_then(|entry| entry.by_name.as_deref()),
            at: entry.map(|entry| entry.at.as_str()),
            note: entry.and_then(|entry| entry.note.as_deref()),
            meaning: entry.and_then(|entry| entry.meaning.as_deref()),
            assignee: state.assignee(),
        }
    }
}

/// Shows an alert, with its deliveries and the actions on it, and with what stands behind it.
pub(crate) async fn show(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["include"]);
    let [content, course] = query.parts("include", ["content", "course"]);
    query.finish()?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let alert = covered(&store, principal, id).await?;
    principal.saw(Whose::default());
    let shown = async {
        let found = alerts::load(&config.redis, &store, &alert.alert_id).await?;
        let (mut deliveries, mut history) = (Vec::new(), Vec::new());
        if let Some(found) = &found {
            deliveries = alerts::deliveries(&store, &found.state).await?;
            history = named(&store, alerts::history(&store, found).await?).await?;
        }
        let include = Include { content, course };
        let behind = Behind::load(config, &store, principal, &alert, include).await?;
        Ok::<_, Error>((found, deliveries, history, behind))
    };
    let (found, deliveries, history, behind) = shown.await.map_err(|error| unavailable(&error))?;
    let shown = AlertShown::new(&alert, found.as_ref().map(|found| &found.state), deliveries, history);
    let document = AlertShown { behind, ..shown };
    Ok(Reply::json(200, &document).header("cache-control", "no-store"))
}

/// Acknowledges, resolves or reopens an alert, with or without a note, or adds a note alone.
pub(crate) async fn attend(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
    (what, event): Operation,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let alert = covered(&store, principal, id).await?;
    let note = note(incoming).await?;
    if what == NOTE.0 && note.is_none() {
        return Err(Problem::invalid(vec![Finding::new("/note", Code::Required, "is required")]));
    }
    let (by, meaning) = (principal.actor.as_str(), principal.meaning.as_deref());
    let event = event(Act { by, note: note.as_deref(), meaning });
    done(config, &store, principal, &alert, what, &event).await
}

/// Assigns an alert to a person or a team, or to nobody.
pub(crate) async fn assign(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let alert = covered(&store, principal, id).await?;
    let body = request::body(incoming, LARGEST).await?;
    let Json { value, mut faults, .. } = Problem::json(&body, Limits::REQUEST)?;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    let rule = format!(
        "must be the name of a person or a team of 1 to {LONGEST_ASSIGNEE} characters, without a number that identifies \
         somebody"
    );
    let to = members.form(&mut faults, "to", &rule, assignee);
    members.finish(&mut faults);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let event = Event::Assigned { to, act: Act { by: principal.actor.as_str(), note: None, meaning: None } };
    done(config, &store, principal, &alert, "assigned", &event).await
}

/// The name of a person or a team. It is kept as it is, because scrubbing might change a name. So a text with something
/// that scrubbing would take out is none, but for an e-mail address, by which many are known.
fn assignee(text: &str) -> Option<&str> {
    let text = text.trim();
    let mut found = Removed::default();
    scrub::scrub(text, &Own::new(), &mut found);
    let fits = (1..=LONGEST_ASSIGNEE).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    (fits && found.iter().all(|(class, _)| class == Class::Email)).then_some(text)
}

/// One action: its name in the history, and its event.
pub(crate) type Operation = (&'static str, for<'a> fn(Act<'a>) -> Event<'a>);

pub(crate) const ACKNOWLEDGE: Operation = ("acknowledged", |act| Event::Acknowledged(act));
pub(crate) const RESOLVE: Operation = ("resolved", |act| Event::Resolved(act));
pub(crate) const REOPEN: Operation = ("reopened", |act| Event::Reopened(act));
pub(crate) const NOTE: Operation = ("noted", |act| Event::Noted(act));

async fn done(
    config: &Config,
    store: &Store,
    principal: &Principal,
    alert: &Alert,
    what: &'static str,
    event: &Event<'_>,
) -> Result<Reply, Problem> {
    let routes = config.routes().await.map_err(|error| unavailable(&error))?;
    let happening = Happening { alert, event, now: clock::now(), lost: false };
    let applied = alerts::apply(&config.redis, store, &routes, happening, || Ok(Change::default())).await;
    let ignored = applied.map_err(|error| unavailable(&error))?.err();
    let found = alerts::load(&config.redis, store, &alert.alert_id).await.map_err(|error| unavailable(&error))?;
    let conflict = |detail: &str| Err(Problem::new(ProblemType::Conflict, detail));
    let Some(found) = found else { return conflict("the alert is not raised yet, send it again") };
    match ignored {
        None => log::info("alert-attended").alert(&alert.alert_id).key(&principal.id).outcome(what).write(),
        Some(Ignored::AlreadyAcknowledged | Ignored::AlreadyNoted | Ignored::AlreadyAssigned) => {}
        Some(Ignored::AlreadyResolved) if what == "resolved" => {}
        Some(Ignored::AlreadyResolved) => return conflict("the alert is resolved; reopen it first"),
        // A second reopening changes nothing and succeeds.
        Some(Ignored::NotClosed) if found.state.opening() > 0 => {}
        Some(Ignored::NotClosed) => return conflict("the alert is not closed, nothing is to be opened again"),
        Some(_) => return conflict("the alert changed meanwhile, look at it again"),
    }
    let history = async { named(store, alerts::history(store, &found).await?).await };
    let history = history.await.map_err(|error| unavailable(&error))?;
    let entry = history.iter().rev().find(|entry| entry.what == what);
    Ok(Reply::json(200, &Acted::new(alert.alert_id.as_str(), &found.state, entry, ignored.is_none())))
}

/// The history with the names of persons.
async fn named(store: &Store, mut history: Vec<Happened>) -> Result<Vec<Happened>, Error> {
    Names::new(store).fill(history.iter_mut().map(|entry| (entry.by.as_deref(), &mut entry.by_name))).await?;
    Ok(history)
}

/// An alert that the key covers.
async fn covered(store: &Store, principal: &Principal, id: &str) -> Result<Alert, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    if is_id(id) {
        principal.asks(Whose::default().id(id));
    }
    let alert: Option<Alert> = store.get(&names::alert(&id.into())).await.map_err(|error| unavailable(&error))?;
    if let Some(it) = &alert {
        principal.asks(Whose::at(&it.study_id, &it.site_id).subject(it.subject.as_str()));
    }
    alert.filter(|alert| principal.covers(&alert.study_id, &alert.site_id)).ok_or_else(Problem::not_found)
}

impl<'a> AlertShown<'a> {
    fn new(alert: &'a Alert, state: Option<&'a State>, deliveries: Vec<Delivery>, history: Vec<Happened>) -> Self {
        let phase = state.map(State::phase);
        let next = state.and_then(|state| state.due().into_iter().map(|due| due.at).min());
        let leader = match phase {
            Some(Phase::Grouped { leader }) => Some(leader.as_str()),
            _ => None,
        };
        AlertShown {
            alert_id: alert.alert_id.as_str(),
            severity: &alert.severity,
            state: phase.map_or("queued", Phase::as_str),
            reason_of_state: phase.and_then(Phase::reason),
            submission_id: alert.submission_id.as_str(),
            study_id: &alert.study_id,
            site_id: &alert.site_id,
            subject: &alert.subject,
            instrument: &alert.instrument,
            rule: &alert.rule,
            text_key: &alert.text_key,
            reason: &alert.reason,
            received_at: &alert.received_at,
            opening: state.map_or(0, State::opening),
            delivered_at: state.and_then(State::delivered_at).map(Timestamp::rfc3339),
            next_at: next.map(Timestamp::rfc3339),
            leader,
            assignee: state.and_then(State::assignee),
            deliveries,
            history,
            behind: Behind::default(),
        }
    }
}

/// Reads the note of an action: `{"note"?}`, or no body. Removes text that identifies a patient.
pub(crate) async fn note(incoming: Incoming) -> Result<Option<String>, Problem> {
    let is_json = incoming.is_json();
    let body = incoming.body(LARGEST).await.map_err(|error| Problem::unread(error, LARGEST))?;
    if body.is_empty() {
        return Ok(None);
    }
    if !is_json {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json, or no body"));
    }
    let Json { value, mut faults, .. } = Problem::json(&body, Limits::REQUEST)?;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    let rule = format!("must be a text of 1 to {LONGEST_NOTE} characters");
    let note = members.form(&mut faults, "note", &rule, |text| {
        let text = text.trim();
        let fits = (1..=LONGEST_NOTE).contains(&text.chars().count());
        (fits && !text.chars().any(|c| c.is_control() && c != '\n')).then(|| text.to_owned())
    });
    members.finish(&mut faults);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    Ok(note.map(scrub::free_text))
}
