//! A row of a list: a submission as the store has it now.

use domain::Timestamp;
use domain::ids::{InstrumentId, Pseudonym, SiteId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time, Uuid};
use platform::Error;
use platform::kv::Store;
use serde::Serialize;
use serde_json::{Map, Value};
use state::journal::{Event, Kind, Position};
use state::names;
use state::wire::entry::{Record, Score, State};

use crate::subject::ListedAlert;

/// A submission of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "StudySubmission"))]
pub(crate) struct Row {
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    pub(crate) submission_id: SubmissionId,
    /// The patient's pseudonym in this study; none once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Pseudonym>,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub(crate) site_id: SiteId,
    /// `response`, or the kind of report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// The instrument of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instrument: Option<InstrumentId>,
    /// The version that the answers were checked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instrument_version: Option<String>,
    /// The time of writing, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub(crate) authored_at: Option<String>,
    /// The time of arrival, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub(crate) received_at: String,
    pub(crate) state: ListState,
    /// The submission that took this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    pub(crate) superseded_by: Option<SubmissionId>,
    /// The submission whose place this one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    pub(crate) supersedes: Option<SubmissionId>,
    /// The answers of a response by item, or the data of a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scores: Option<Vec<Score>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alerts: Option<Vec<ListedAlert>>,
    /// The cursor after this row.
    pub(crate) cursor: String,
}

/// The state of a listed submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum ListState {
    Scored,
    Failed,
    Superseded,
    Erased,
}

impl ListState {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [ListState::Scored, ListState::Failed, ListState::Superseded, ListState::Erased]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ListState::Scored => "scored",
            ListState::Failed => "failed",
            ListState::Superseded => "superseded",
            ListState::Erased => "erased",
        }
    }
}

/// The parts of a submission that a list has beside its place and state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Include {
    pub(crate) content: bool,
    pub(crate) scores: bool,
    pub(crate) alerts: bool,
}

impl Include {
    pub(crate) const ALL: Include = Include { content: true, scores: true, alerts: false };

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut include = Include::default();
        for part in text.split(',') {
            match part {
                "content" => include.content = true,
                "scores" => include.scores = true,
                "alerts" => include.alerts = true,
                _ => return None,
            }
        }
        Some(include)
    }
}

impl Row {
    /// Reads the submission of an entry. None if it is not there any more, or a later entry speaks of it.
    pub(crate) async fn load(
        store: &Store,
        include: Include,
        at: Position,
        event: &Event,
        superseded_by: Option<SubmissionId>,
    ) -> Result<Option<Self>, Error> {
        let Some(record) = store.get::<Record>(&names::submission(&event.submission)).await? else { return Ok(None) };
        let state = match record.state {
            // It was scored after all: the entry of that is the submission's.
            State::Scored if event.kind == Kind::Failed => return Ok(None),
            State::Erased => ListState::Erased,
            _ if superseded_by.is_some() => ListState::Superseded,
            State::Failed => ListState::Failed,
            State::Scored | State::Queued => ListState::Scored,
        };
        let is_there = state != ListState::Erased;
        let alerts =
            if include.alerts && is_there { Some(ListedAlert::load(store, &record.alerts).await?) } else { None };
        let submission = record.submission;
        Ok(Some(Row {
            submission_id: submission.submission_id,
            subject: is_there.then_some(submission.subject),
            site_id: submission.site_id,
            kind: is_there.then_some(submission.kind),
            instrument: submission.instrument,
            instrument_version: submission.instrument_version,
            authored_at: is_there.then_some(submission.authored_at),
            received_at: submission.received_at,
            state,
            superseded_by,
            supersedes: submission.amends,
            content: (include.content && is_there).then_some(submission.content),
            scores: (include.scores && is_there).then_some(record.scores),
            alerts,
            cursor: at.to_string(),
        }))
    }

    /// The time of arrival, milliseconds since the epoch.
    pub(crate) fn received_ms(&self) -> i64 {
        Timestamp::parse(&self.received_at).map_or(0, Timestamp::millis)
    }
}
