//! `GET /v1/submissions/{id}`: the state of a submission, its content, its scores, its alerts and their deliveries.

use std::collections::BTreeMap;

use domain::alert::state::{Dead, Phase, State as AlertState};
use domain::ids::{Pseudonym, SiteId, StudyId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Flag, Name, Removed, Time, Uuid};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde_json::{Map, Value};
use state::edge::auth::{Action, Principal};
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::identity::is_id;
use state::wire::entry::{Alert, Delivery, Overdue, Record, Rescore, Rescored, Score, ScoredWith, State, Superseded};
use state::wire::evaluation::Evaluation;
use state::wire::idempotency::{self, Remembered};
use state::wire::sealed::Opener;
use state::{alerts, names};

use crate::config::Config;

/// A submission: its state, and for keys that may read, its content, scores and alerts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Submission<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    submission_id: &'a SubmissionId,
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["queued", "scored", "failed"])))]
    state: State,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    /// The time of arrival, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: &'a str,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
    /// The submission whose place this one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    supersedes: Option<&'a SubmissionId>,
    /// The submission that took this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    superseded_by: Option<SubmissionId>,
}

/// The result of a submission.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Detail<'a> {
    /// The patient's pseudonym in this study.
    subject: &'a Pseudonym,
    /// `response`, or the kind of report.
    kind: &'a str,
    /// The time of writing, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    authored_at: &'a str,
    /// The answers of a response by item, or the data of a report, as they are stored: without identities.
    content: &'a Map<String, Value>,
    scores: &'a [Score],
    alerts: Vec<AlertOf>,
    /// With what it was scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<&'a ScoredWith>,
    /// Scores by other versions of the instrument, made later.
    #[serde(skip_serializing_if = "Option::is_none")]
    rescored: Option<Vec<Rescore>>,
    /// Remarks about its times.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Flag>"))]
    flags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Removed"))]
    removed: &'a BTreeMap<String, u32>,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// An alert of a submission.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Alert"))]
struct AlertOf {
    alert_id: String,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: String,
    rule: String,
    /// The reason in words.
    reason: String,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = STATES)))]
    state: &'static str,
    /// Why it is suppressed or dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'static str>,
    deliveries: Vec<Delivery>,
}

/// The states of an alert, as submissions show it.
#[cfg(feature = "schema")]
const STATES: [&str; 8] =
    ["pending", "unrouted", "grouped", "suppressed", "delivered", "dead", "acknowledged", "resolved"];

/// Shows a submission to a key that covers it.
pub(crate) async fn show(config: &Config, principal: &Principal, id: &str) -> Result<Reply, Problem> {
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    principal.asks(Whose::default().id(id));
    let id = &SubmissionId::from(id);
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record = Opener::new(&config.ring).submission(&store, id).await.map_err(|error| unavailable(&error))?;
    if let Some(it) = record.as_ref().map(|record| &record.submission) {
        principal.asks(Whose::at(&it.study_id, &it.site_id).subject(it.subject.as_str()));
    }
    match record {
        Some(record) if principal.covers(&record.submission.study_id, &record.submission.site_id) => {
            if record.state == State::Erased {
                return Err(gone());
            }
            let full = principal.may(Action::Read);
            if full {
                principal.saw(Whose::default());
            }
            let shown = Submission::load(&store, &record, full).await.map_err(|error| unavailable(&error))?;
            Ok(Reply::json(200, &shown))
        }
        Some(_) => Err(Problem::not_found()),
        None => queued(config, principal, id).await,
    }
}

/// The problem of a submission that was erased.
pub(crate) fn gone() -> Problem {
    Problem::new(ProblemType::Gone, "it was erased")
}

/// A submission that is not stored yet is known only by the idempotency record of the door.
async fn queued(config: &Config, principal: &Principal, id: &SubmissionId) -> Result<Reply, Problem> {
    let remembered = idempotency::read(&config.redis, id).await.map_err(|error| unavailable(&error))?;
    let Remembered { study, site, received_at, erased } = remembered.ok_or_else(Problem::not_found)?;
    let (study, site) = (StudyId::from(study), SiteId::from(site));
    principal.asks(Whose::at(&study, &site));
    if !principal.covers(&study, &site) {
        return Err(Problem::not_found());
    }
    if erased {
        return Err(gone());
    }
    let shown = Submission {
        submission_id: id,
        state: State::Queued,
        study_id: &study,
        site_id: &site,
        received_at: &received_at.rfc3339(),
        detail: None,
        supersedes: None,
        superseded_by: None,
    };
    Ok(Reply::json(200, &shown))
}

impl<'a> Submission<'a> {
    /// A stored submission; without `full` in the short form, for a key that may follow it but not read it.
    async fn load(store: &Store, record: &'a Record, full: bool) -> Result<Self, Error> {
        let submission = &record.submission;
        let detail = if full { Some(Detail::load(store, record).await?) } else { None };
        let superseded: Option<Superseded> = store.get(&names::superseded(&submission.submission_id)).await?;
        Ok(Submission {
            submission_id: &submission.submission_id,
            state: record.state,
            study_id: &submission.study_id,
            site_id: &submission.site_id,
            received_at: &submission.received_at,
            detail,
            supersedes: submission.amends.as_ref(),
            superseded_by: superseded.map(|later| later.by),
        })
    }
}

impl<'a> Detail<'a> {
    async fn load(store: &Store, record: &'a Record) -> Result<Self, Error> {
        let submission = &record.submission;
        let overdue: Option<Overdue> = store.get(&names::overdue(&submission.submission_id)).await?;
        let mut alerts = Vec::with_capacity(record.alerts.len());
        for id in record.alerts.iter().chain(overdue.iter().flat_map(|overdue| &overdue.alerts)) {
            if let Some(alert) = store.get::<Alert>(&names::alert(id)).await? {
                alerts.push(shown(store, alert).await?);
            }
        }
        let rescored: Option<Rescored> = store.get(&names::rescored(&submission.submission_id)).await?;
        Ok(Detail {
            subject: &submission.subject,
            kind: &submission.kind,
            authored_at: &submission.authored_at,
            content: &submission.content,
            scores: &record.scores,
            alerts,
            instrument: record.scored_with.as_ref(),
            rescored: rescored.map(|rescored| rescored.rescored),
            flags: &submission.flags,
            removed: &submission.removed,
            evaluation: &record.evaluation,
            reason: record.reason.as_deref(),
        })
    }
}

async fn shown(store: &Store, alert: Alert) -> Result<AlertOf, Error> {
    let stored: Option<Value> = store.get(&names::stored_alert_state(&alert.alert_id)).await?;
    let state = stored.as_ref().and_then(AlertState::read);
    let (word, because) = match state.as_ref().map(AlertState::phase) {
        None | Some(Phase::Open) => ("pending", None),
        Some(Phase::Dead(Dead::NoReceiver)) => ("unrouted", None),
        Some(phase) => (phase.as_str(), phase.reason()),
    };
    let deliveries = match &state {
        Some(state) => alerts::deliveries(store, state).await?,
        None => Vec::new(),
    };
    let Alert { alert_id, severity, rule, reason, .. } = alert;
    Ok(AlertOf { alert_id: alert_id.into_string(), severity, rule, reason, state: word, because, deliveries })
}
