//! `GET /v1/submissions/{id}`: the state of a submission, its scores, its alerts and their deliveries.

use domain::alert::state::{Dead, Phase, State as AlertState};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use platform::redis::text;
use serde_json::{Value, json};
use spin_sdk::redis::RedisResult;
use state::edge::auth::{Action, Principal};
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::identity::is_id;
use state::wire::entry::{Alert, Outline, Overdue, Rescored, State, Superseded};
use state::wire::idempotency::IdempotencyRecord;
use state::{alerts, names};

use crate::config::Config;

/// Shows a submission to a key that covers it.
pub(crate) async fn show(config: &Config, principal: &Principal, id: &str) -> Result<Reply, Problem> {
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record: Option<Outline> = store.get(&names::submission(id)).await.map_err(|error| unavailable(&error))?;
    match record {
        Some(record) if principal.covers(&record.submission.study_id, &record.submission.site_id) => {
            if record.state == State::Erased {
                return Err(gone());
            }
            let mut detail = if principal.may(Action::Read) {
                full(&store, &record).await.map_err(|error| unavailable(&error))?
            } else {
                brief(&record)
            };
            versions(&store, &record, &mut detail).await.map_err(|error| unavailable(&error))?;
            Ok(Reply::json(200, &detail))
        }
        Some(_) => Err(Problem::not_found()),
        None => queued(config, principal, id).await,
    }
}

/// Reads the idempotency record that the door left for a submission.
pub(crate) async fn marked(config: &Config, id: &str) -> Result<Option<IdempotencyRecord>, Problem> {
    let reply = config.redis.command("GET", vec![text(names::once(id))]).await.map_err(|error| unavailable(&error))?;
    let Some(RedisResult::Binary(mark)) = reply.first() else { return Ok(None) };
    Ok(IdempotencyRecord::read(&String::from_utf8_lossy(mark)).map(IdempotencyRecord::owned))
}

fn gone() -> Problem {
    Problem::new(ProblemType::Gone, "it was erased")
}

/// A submission that is not stored yet is known only by the idempotency record of the door.
async fn queued(config: &Config, principal: &Principal, id: &str) -> Result<Reply, Problem> {
    let mark = marked(config, id).await?.filter(|mark| principal.covers(&mark.study, &mark.site));
    let mark = mark.ok_or_else(Problem::not_found)?;
    if mark.content.is_none() {
        return Err(gone());
    }
    let document = json!({
        "submissionId": id,
        "state": State::Queued,
        "studyId": mark.study,
        "siteId": mark.site,
        "receivedAt": mark.received_at,
    });
    Ok(Reply::json(200, &document))
}

/// Adds which submission this one replaced, and which one replaced it.
async fn versions(store: &Store, record: &Outline, document: &mut Value) -> Result<(), Error> {
    let submission = &record.submission;
    let superseded: Option<Superseded> = store.get(&names::superseded(&submission.submission_id)).await?;
    let supersedes = submission.amends.as_ref().map(|id| ("supersedes", json!(id)));
    let superseded_by = superseded.map(|by| ("supersededBy", json!(by.by)));
    if let Value::Object(members) = document {
        members.extend(supersedes.into_iter().chain(superseded_by).map(|(name, id)| (name.to_owned(), id)));
    }
    Ok(())
}

/// The short form, for a key that may follow a submission but not read it.
fn brief(record: &Outline) -> Value {
    let submission = &record.submission;
    json!({
        "submissionId": submission.submission_id,
        "state": record.state,
        "studyId": submission.study_id,
        "siteId": submission.site_id,
        "receivedAt": submission.received_at,
    })
}

async fn full(store: &Store, record: &Outline) -> Result<Value, Error> {
    let overdue: Option<Overdue> = store.get(&names::overdue(&record.submission.submission_id)).await?;
    let mut alerts = Vec::with_capacity(record.alerts.len());
    for id in record.alerts.iter().chain(overdue.iter().flat_map(|overdue| &overdue.alerts)) {
        if let Some(alert) = store.get::<Alert>(&names::alert(id)).await? {
            alerts.push(shown(store, &alert).await?);
        }
    }
    let submission = &record.submission;
    let mut document = brief(record);
    if let Value::Object(members) = &mut document {
        members.extend([
            ("subject".to_owned(), json!(submission.subject)),
            ("kind".to_owned(), json!(submission.kind)),
            ("authoredAt".to_owned(), json!(submission.authored_at)),
            ("scores".to_owned(), json!(record.scores)),
            ("alerts".to_owned(), Value::Array(alerts)),
        ]);
        if let Some(scored_with) = &record.scored_with {
            members.insert("instrument".to_owned(), json!(scored_with));
        }
        if let Some(rescored) = store.get::<Rescored>(&names::rescored(&submission.submission_id)).await? {
            members.insert("rescored".to_owned(), json!(rescored.rescored));
        }
        if !submission.flags.is_empty() {
            members.insert("flags".to_owned(), json!(submission.flags));
        }
        if !submission.removed.is_empty() {
            members.insert("removed".to_owned(), json!(submission.removed));
        }
        if let Value::Object(evaluation) = json!(record.evaluation) {
            members.extend(evaluation);
        }
        if let Some(reason) = &record.reason {
            members.insert("reason".to_owned(), json!(reason));
        }
    }
    Ok(document)
}

async fn shown(store: &Store, alert: &Alert) -> Result<Value, Error> {
    let stored: Option<Value> = store.get(&names::stored_alert_state(&alert.alert_id)).await?;
    let state = stored.as_ref().and_then(AlertState::read);
    let (word, reason) = match state.as_ref().map(AlertState::phase) {
        None | Some(Phase::Open) => ("pending", None),
        Some(Phase::Dead(Dead::NoReceiver)) => ("unrouted", None),
        Some(phase) => (phase.as_str(), phase.reason()),
    };
    let deliveries = match &state {
        Some(state) => alerts::deliveries(store, state).await?,
        None => Vec::new(),
    };
    let mut shown = json!({
        "alertId": alert.alert_id,
        "severity": alert.severity,
        "rule": alert.rule,
        "reason": alert.reason,
        "state": word,
        "deliveries": deliveries,
    });
    if let (Some(members), Some(reason)) = (shown.as_object_mut(), reason) {
        members.insert("because".to_owned(), reason.into());
    }
    Ok(shown)
}
