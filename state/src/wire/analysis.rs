//! The formats of an analysis of an image: as it was requested, as it waits, and as it ended.

use domain::ids::{AlertId, AnalysisId, KeyId, Pseudonym, ReceiverId, SiteId, StudyId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{self, Queue};
use crate::wire::entry::{Attempt, Attempts, DeliveryState};

/// The image to analyse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Image {
    /// The service fetches it from here.
    Url(String),
    /// The store has it.
    #[serde(rename_all = "camelCase")]
    Stored {
        /// Under this key.
        key: String,
        /// Of this type.
        media_type: String,
    },
}

/// An analysis, as it was requested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub analysis_id: AnalysisId,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The subject's pseudonym.
    pub subject: Pseudonym,
    /// The subject's identity, sealed.
    pub sealed: String,
    /// The service.
    pub service: String,
    /// Whether it goes before analyses that are not urgent.
    pub stat: bool,
    /// The image.
    pub image: Image,
    /// The webhook for the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The time of the request, RFC 3339 in UTC.
    pub requested_at: String,
    /// The id of the key that requested it.
    #[serde(default)]
    pub key: KeyId,
    /// W3C trace context.
    pub trace: String,
}

impl Job {
    /// The queue in which it waits.
    pub fn queue(&self) -> Queue {
        if self.stat { Queue::ImagingStat } else { Queue::Imaging }
    }

    /// Its flow in that queue.
    pub fn flow(&self) -> String {
        names::flow(&self.key, &self.study_id, &self.site_id)
    }
}

/// An analysis on its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedAnalysis {
    /// The analysis.
    pub job: Job,
    /// The calls of the service so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// The outcome of notifying the requester, at `analysis/<id>/webhook`. Written by `dispatch`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Notified {
    /// Replaces the URL, which may contain a secret.
    pub receiver: ReceiverId,
    /// Its state.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["pending", "delivered", "dead"])))]
    pub state: DeliveryState,
    /// Why it waits, or was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time of the next attempt, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Time>"))]
    pub next_at: Option<String>,
    /// The attempts.
    #[serde(flatten)]
    pub attempts: Attempts,
}

/// The state of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnalysisState {
    /// It waits for a free place, or for the next attempt.
    Queued,
    /// Its service is called.
    Running,
    /// It has a result.
    Done,
    /// It has none; see `reason`.
    Failed,
    /// Its requester withdrew it.
    Cancelled,
    /// Its result was removed.
    Erased,
}

/// The result of an analysis, at `analysis/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis<R = Value> {
    /// Its outcome.
    pub state: AnalysisState,
    /// Its id.
    pub analysis_id: AnalysisId,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The subject's pseudonym; empty when it was cancelled or erased.
    #[serde(default, skip_serializing_if = "Pseudonym::is_empty")]
    pub subject: Pseudonym,
    /// The service.
    pub service: String,
    /// `stat` or `routine`.
    pub priority: String,
    /// The time of the request, RFC 3339 in UTC.
    pub requested_at: String,
    /// The time of its end or erasure, RFC 3339 in UTC.
    pub ended_at: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The service's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<R>,
    /// The ids of the alerts that it raised.
    pub alerts: Vec<AlertId>,
    /// The attempts at the service.
    pub attempts: Vec<Attempt>,
    /// The state of notifying the requester. It is stored separately and filled in for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Notified>,
}

impl Analysis {
    /// An analysis in this state that has no record yet.
    pub fn of(id: AnalysisId, state: AnalysisState, facts: Facts) -> Self {
        Analysis {
            state,
            analysis_id: id,
            study_id: facts.study,
            site_id: facts.site,
            subject: Pseudonym::default(),
            service: facts.service,
            priority: priority(facts.stat),
            requested_at: facts.at,
            ended_at: String::new(),
            reason: None,
            result: None,
            alerts: Vec::new(),
            attempts: Vec::new(),
            webhook: None,
        }
    }

    /// Removes everything except the fact that there was an analysis.
    pub fn bury(&mut self, at: String) {
        (self.state, self.ended_at) = (AnalysisState::Erased, at);
        (self.subject, self.reason, self.result) = (Pseudonym::default(), None, None);
        (self.alerts, self.attempts, self.webhook) = (Vec::new(), Vec::new(), None);
    }

    /// An analysis that ended.
    pub fn ended(job: &Job, state: AnalysisState, at: String, attempts: Vec<Attempt>) -> Self {
        Analysis {
            state,
            analysis_id: job.analysis_id.clone(),
            study_id: job.study_id.clone(),
            site_id: job.site_id.clone(),
            subject: job.subject.clone(),
            service: job.service.clone(),
            priority: priority(job.stat),
            requested_at: job.requested_at.clone(),
            ended_at: at,
            reason: None,
            result: None,
            alerts: Vec::new(),
            attempts,
            webhook: None,
        }
    }
}

fn priority(stat: bool) -> String {
    if stat { "stat" } else { "routine" }.to_owned()
}

/// The facts about an analysis that the door remembers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// The study.
    pub study: StudyId,
    /// The site.
    pub site: SiteId,
    /// The service.
    pub service: String,
    /// Whether it goes before analyses that are not urgent.
    pub stat: bool,
    /// The time of the request.
    pub at: String,
}
