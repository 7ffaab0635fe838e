//! `GET /v1/alerts`, `GET /v1/alerts/{id}` and the actions of clinicians on an alert: acknowledge, resolve, reopen.
//!
//! Guarantee: a key sees and changes only the alerts of its study and site; all others look as if they did not exist.
//! One step changes the alert's state and adds the action to its history, with author, time and note. The same action a
//! second time changes nothing and gets the same answer.

use domain::Timestamp;
use domain::alert::state::{Act, Event, Ignored, Phase, State};
use domain::ids::is_name;
use domain::reading::{Json, Limits, Object};
use domain::scrub::{Own, Removed, scrub};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{Error, clock, log};
use serde_json::{Value, json};
use state::alerts::change::Change;
use state::alerts::{self, Filter, Happening, Loaded};
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::names;
use state::subjects::pages::Cursor;
use state::wire::entry::Alert;

use crate::config::Config;

/// The longest note, characters, and the longest body, bytes.
const LONGEST_NOTE: usize = 1000;
const LARGEST: usize = 8 * 1024;

/// A page of alerts, the newest first.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["state", "severity", "study", "site", "since", "limit", "cursor"]);
    let name = |text: &str| is_name(text).then(|| text.to_owned());
    let phase =
        query.take("state", &Phase::WORDS.join(", "), |text| Phase::WORDS.into_iter().find(|word| *word == text));
    let (study, site) = (query.take("study", "a study", name), query.take("site", "a site", name));
    let (severity, since_ms, limit) = (query.severity(), query.since(), query.limit());
    let cursor = query.cursor(Cursor::parse);
    query.finish()?;
    let own = |own: Option<&str>, asked: &Option<String>| own.is_none() || asked.is_none() || own == asked.as_deref();
    let mut page = (Vec::new(), None);
    // A filter outside the key's scope finds nothing.
    if own(principal.study(), &study) && own(principal.site(), &site) {
        let filter = Filter {
            phase,
            severity,
            study: study.or_else(|| principal.study().map(str::to_owned)),
            site: site.or_else(|| principal.site().map(str::to_owned)),
            since_ms,
        };
        page =
            alerts::list(&config.redis, &filter, cursor.as_ref(), limit).await.map_err(|error| unavailable(&error))?;
    }
    let (listed, next) = page;
    let one = |alert: &alerts::Listed| {
        json!({
            "alertId": alert.id,
            "severity": alert.severity,
            "state": alert.phase,
            "studyId": alert.study,
            "siteId": alert.site,
            "receivedAt": Timestamp::from_millis(alert.at_ms).rfc3339(),
        })
    };
    let listed: Vec<Value> = listed.iter().map(one).collect();
    let document = json!({"alerts": listed, "cursor": next.as_ref().map(Cursor::show), "more": next.is_some()});
    Ok(Reply::json(200, &document).header("cache-control", "no-store"))
}

/// Shows an alert, with its deliveries and the actions on it.
pub(crate) async fn show(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let alert = covered(&store, principal, id).await?;
    let found = alerts::load(&config.redis, &store, id).await.map_err(|error| unavailable(&error))?;
    let document = shown(&store, &alert, found.as_ref()).await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &document).header("cache-control", "no-store"))
}

/// Acknowledges, resolves or reopens an alert, with a note.
pub(crate) async fn attend(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
    act: Operation,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let alert = covered(&store, principal, id).await?;
    let note = note(incoming).await?;
    done(config, &store, principal, &alert, act, note.as_deref()).await
}

/// One action: its name in the history, and its event.
pub(crate) type Operation = (&'static str, for<'a> fn(Act<'a>) -> Event<'a>);

pub(crate) const ACKNOWLEDGE: Operation = ("acknowledged", |act| Event::Acknowledged(act));
pub(crate) const RESOLVE: Operation = ("resolved", |act| Event::Resolved(act));
pub(crate) const REOPEN: Operation = ("reopened", |act| Event::Reopened(act));

async fn done(
    config: &Config,
    store: &Store,
    principal: &Principal,
    alert: &Alert,
    (what, event): Operation,
    note: Option<&str>,
) -> Result<Reply, Problem> {
    let routes = config.routes().await.map_err(|error| unavailable(&error))?;
    let event = event(Act { by: &principal.id, note });
    let happening = Happening { alert, event: &event, now: clock::now(), lost: false };
    let applied = alerts::apply(&config.redis, store, &routes, happening, || Ok(Change::default())).await;
    let ignored = applied.map_err(|error| unavailable(&error))?.err();
    let found = alerts::load(&config.redis, store, &alert.alert_id).await.map_err(|error| unavailable(&error))?;
    let conflict = |detail: &str| Err(Problem::new(ProblemType::Conflict, detail));
    let Some(found) = found else { return conflict("the alert is not raised yet, send it again") };
    match ignored {
        None => log::info("alert-attended").alert(&alert.alert_id).key(&principal.id).outcome(what).write(),
        Some(Ignored::AlreadyAcknowledged) => {}
        Some(Ignored::AlreadyResolved) if what == "resolved" => {}
        Some(Ignored::AlreadyResolved) => return conflict("the alert is resolved; reopen it first"),
        // A second reopening changes nothing and succeeds.
        Some(Ignored::NotClosed) if found.state.opening() > 0 => {}
        Some(Ignored::NotClosed) => return conflict("the alert is not closed, nothing is to be opened again"),
        Some(_) => return conflict("the alert changed meanwhile, look at it again"),
    }
    let history = alerts::history(store, &found).await.map_err(|error| unavailable(&error))?;
    let entry = history.into_iter().rev().find(|entry| entry.get("what").and_then(Value::as_str) == Some(what));
    Ok(Reply::json(200, &acted(&alert.alert_id, &found.state, entry.as_ref(), ignored.is_none())))
}

/// The answer to an action: the action, its author and its time.
pub(crate) fn acted(id: &str, state: &State, entry: Option<&Value>, now: bool) -> Value {
    let mut document = json!({"alertId": id, "state": state.phase().as_str(), "changed": now});
    if let Some(members) = document.as_object_mut() {
        for member in ["by", "at", "note"] {
            members.extend(entry.and_then(|entry| Some((member.to_owned(), entry.get(member)?.clone()))));
        }
    }
    document
}

/// An alert that the key covers.
async fn covered(store: &Store, principal: &Principal, id: &str) -> Result<Alert, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    let alert: Option<Alert> = store.get(&names::alert(id)).await.map_err(|error| unavailable(&error))?;
    alert.filter(|alert| principal.covers(&alert.study_id, &alert.site_id)).ok_or_else(Problem::not_found)
}

async fn shown(store: &Store, alert: &Alert, found: Option<&Loaded>) -> Result<Value, Error> {
    let (mut deliveries, mut history) = (Vec::new(), Vec::new());
    if let Some(found) = found {
        deliveries = alerts::deliveries(store, &found.state).await?;
        history = alerts::history(store, found).await?;
    }
    let state = found.map(|found| &found.state);
    let phase = state.map(State::phase);
    let time = |at: Timestamp| Value::from(at.rfc3339());
    let next = state.and_then(|state| state.due().into_iter().map(|due| due.at).min());
    Ok(json!({
        "alertId": alert.alert_id,
        // The alert is stored, but not raised yet.
        "state": phase.map_or("queued", Phase::as_str),
        "reasonOfState": phase.and_then(Phase::reason),
        "severity": alert.severity,
        "submissionId": alert.submission_id,
        "studyId": alert.study_id,
        "siteId": alert.site_id,
        "subject": alert.subject,
        "instrument": alert.instrument,
        "rule": alert.rule,
        "textKey": alert.text_key,
        "reason": alert.reason,
        "receivedAt": alert.received_at,
        "opening": state.map_or(0, State::opening),
        "deliveredAt": state.and_then(State::delivered_at).map(time),
        "nextAt": next.map(time),
        "leader": phase.and_then(|phase| match phase {
            Phase::Grouped { leader } => Some(leader.as_str()),
            _ => None,
        }),
        "deliveries": deliveries,
        "history": history,
    }))
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
    let Json { value, mut faults } = Problem::json(&body, Limits::REQUEST)?;
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
    Ok(note.map(|note| scrub(&note, &Own::new(), &mut Removed::default()).unwrap_or(note)))
}
