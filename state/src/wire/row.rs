//! A row of a list or an export: a submission as the store has it now.

use domain::Timestamp;
use domain::ids::{AlertId, InstrumentId, Pseudonym, SiteId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time, Uuid};
use futures::future::try_join_all;
use platform::Error;
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::names;
use crate::wire::entry::{Alert, Score, ScoredWith, State};
use crate::wire::sealed::{Opener, StoredRecord, without_content};

/// A submission of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "StudySubmission"))]
pub struct Row {
    /// The submission.
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    pub submission_id: SubmissionId,
    /// The patient's pseudonym in this study; none once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pseudonym>,
    /// The site.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub site_id: SiteId,
    /// `response`, or the kind of report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The instrument of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument: Option<InstrumentId>,
    /// The version that the answers were checked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_version: Option<String>,
    /// The time of writing, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub authored_at: Option<String>,
    /// The time of arrival, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub received_at: String,
    /// The state.
    pub state: ListState,
    /// The submission that took this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    pub superseded_by: Option<SubmissionId>,
    /// The submission whose place this one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    pub supersedes: Option<SubmissionId>,
    /// The answers of a response by item, or the data of a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Map<String, Value>>,
    /// The scores, in the instrument's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Vec<Score>>,
    /// The instrument and parameters that scored it; with the scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scored_with: Option<ScoredWith>,
    /// The alerts that it raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<ListedAlert>>,
    /// The cursor after this row.
    pub cursor: String,
}

/// The state of a listed submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ListState {
    /// It is scored and stored.
    Scored,
    /// It cannot be scored.
    Failed,
    /// A later submission took its place.
    Superseded,
    /// Its content was removed.
    Erased,
}

impl ListState {
    /// Reads what [`ListState::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        [ListState::Scored, ListState::Failed, ListState::Superseded, ListState::Erased]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
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
pub struct Include {
    /// Answers or data.
    pub content: bool,
    /// Scores, and what they were made with.
    pub scores: bool,
    /// Alerts.
    pub alerts: bool,
}

impl Include {
    /// The parts of a table.
    pub const TABLE: Include = Include { content: true, scores: true, alerts: false };
    /// Every part.
    pub const ALL: Include = Include { content: true, scores: true, alerts: true };
}

impl Row {
    /// Reads the submission of an entry of the journal, which told that it was scored or that it failed. None if it is not
    /// there any more, or a later entry speaks of it.
    ///
    /// # Errors
    /// When the store is unavailable.
    pub async fn load(
        (store, opener): (&Store, &Opener),
        include: Include,
        (id, failed): (&SubmissionId, bool),
        superseded_by: Option<SubmissionId>,
        cursor: String,
    ) -> Result<Option<Self>, Error> {
        let Some(record) = store.get::<StoredRecord>(&names::submission(id)).await? else { return Ok(None) };
        let record = match include.content {
            true => opener.open(store, record).await?,
            false => without_content(record),
        };
        let state = match record.state {
            // It was scored after all: the entry of that is the submission's.
            State::Scored if failed => return Ok(None),
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
            scored_with: record.scored_with.filter(|_| include.scores && is_there),
            alerts,
            cursor,
        }))
    }

    /// The time of arrival, milliseconds since the epoch.
    pub fn received_ms(&self) -> i64 {
        Timestamp::parse(&self.received_at).map_or(0, Timestamp::millis)
    }
}

/// The submissions that took the place of these, where there are some.
///
/// # Errors
/// When Redis is unavailable.
pub async fn superseded(redis: &Redis, ids: &[&SubmissionId]) -> Result<Vec<Option<SubmissionId>>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys = ids.iter().map(|id| text(names::superseded_mark(id))).collect();
    let marks = redis.command("MGET", keys).await?;
    Ok(marks.iter().map(|mark| string(mark).map(SubmissionId::from)).collect())
}

/// The last line of a stream of rows.
#[derive(Debug, Serialize, Deserialize)]
pub struct StreamEnd {
    /// Its only member.
    pub end: End,
}

/// The count and the hash at the end of a stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct End {
    /// The number of rows.
    pub rows: u64,
    /// SHA-256 of the rows with their line ends, hex.
    pub sha256: String,
    /// The cursor after all of them.
    pub cursor: String,
}

impl StreamEnd {
    /// The last line.
    pub fn of(rows: u64, sha256: String, cursor: String) -> Self {
        StreamEnd { end: End { rows, sha256, cursor } }
    }
}

/// An alert of a listed submission.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct ListedAlert {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    alert_id: String,
    #[cfg_attr(feature = "schema", schemars(with = "domain::Severity"))]
    severity: String,
    rule: String,
    /// The reason in words.
    reason: String,
}

impl ListedAlert {
    /// Reads the alerts of a submission.
    ///
    /// # Errors
    /// When the store is unavailable.
    pub async fn load(store: &Store, ids: &[AlertId]) -> Result<Vec<Self>, Error> {
        let reads = ids.iter().map(async |id| store.get::<Alert>(&names::alert(id)).await);
        let alerts = try_join_all(reads).await?.into_iter().flatten();
        let listed = |Alert { alert_id, severity, rule, reason, .. }| ListedAlert {
            alert_id: AlertId::into_string(alert_id),
            severity,
            rule,
            reason,
        };
        Ok(alerts.map(listed).collect())
    }
}
