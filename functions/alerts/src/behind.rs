//! What stands behind an alert, for `include=content,course` of `GET /v1/alerts/{alert}`: the answers that raised it, and
//! the course of the scores.
//!
//! Guarantee: it shows what the key covers, as `GET /v1/submissions/{id}` and `GET /v1/subjects/{pseudonym}/scores` do. It
//! is bounded: the course has the last [`MOST`] submissions.

use domain::ids::{SiteId, SubmissionId};
use domain::intake::ReportKind;
#[cfg(feature = "schema")]
use domain::schema::{Name, Time, Uuid};
use platform::Error;
use platform::kv::Store;
use platform::redis::Redis;
use serde::Serialize;
use serde_json::{Map, Value};
use state::edge::auth::Principal;
use state::subjects::course;
use state::subjects::timeline::{self, Filter};
use state::wire::entry::{Alert, Outline, Record, Score, ScoredWith, State};
use state::wire::sealed::Opener;

use crate::config::Config;

/// The most submissions of a course.
const MOST: usize = 50;

/// What a request wants to see beside the alert.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Include {
    pub(crate) content: bool,
    pub(crate) course: bool,
}

/// What stands behind an alert.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Behind {
    #[serde(flatten)]
    raised_by: Option<RaisedBy>,
    /// With `include=course`.
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<Course>,
}

/// The submission that raised an alert, or the last one before the silence that raised it; with `include=content`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RaisedBy {
    /// `response`, or the kind of report.
    kind: String,
    /// The time of writing, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    authored_at: String,
    /// The answers of a response by item, or the data of a report, as they are stored: without identities.
    content: Map<String, Value>,
    /// The instrument and parameters that scored it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scored_with: Option<ScoredWith>,
}

/// The course of the scores of the alert's instrument.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Course {
    /// The last 50 submissions of the instrument by this person, at sites that the key covers, the oldest first; without
    /// superseded ones. None for a report, which has no scores.
    points: Vec<Scores>,
    /// Whether there are earlier ones: `GET /v1/subjects/{pseudonym}/scores` has them.
    more: bool,
}

/// The scores of one submission of a course.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Scores {
    /// The time of writing.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    at: String,
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    submission_id: SubmissionId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: SiteId,
    scores: Vec<Score>,
}

impl Behind {
    /// Reads what is wanted.
    pub(crate) async fn load(
        config: &Config,
        store: &Store,
        principal: &Principal,
        alert: &Alert,
        include: Include,
    ) -> Result<Self, Error> {
        let mut behind = Behind::default();
        if include.content {
            let record = Opener::new(&config.ring).submission(store, &alert.submission_id).await?;
            behind.raised_by = record.filter(|record| record.state != State::Erased).map(RaisedBy::of);
        }
        if include.course {
            behind.course = Some(Course::load(&config.redis, store, principal, alert).await?);
        }
        Ok(behind)
    }
}

impl RaisedBy {
    fn of(record: Record) -> Self {
        let submission = record.submission;
        RaisedBy {
            kind: submission.kind,
            authored_at: submission.authored_at,
            content: submission.content,
            scored_with: record.scored_with,
        }
    }
}

impl Course {
    async fn load(redis: &Redis, store: &Store, principal: &Principal, alert: &Alert) -> Result<Self, Error> {
        if ReportKind::parse(&alert.instrument).is_some() {
            return Ok(Course { points: Vec::new(), more: false });
        }
        let covers = |study: &_, site: &_| principal.covers(study, site);
        let subjects = course::subjects(redis, store, &alert.subject, covers).await?.unwrap_or_default();
        let wanted = Filter { what: Some(&alert.instrument), latest_first: true, after: None, limit: MOST };
        let (mut listed, more) = timeline::list(redis, &subjects, wanted).await?;
        listed.reverse();
        let records = course::standing(store, &listed).await?;
        let points = records.into_iter().filter(|record| !record.scores.is_empty()).map(Scores::of).collect();
        Ok(Course { points, more })
    }
}

impl Scores {
    fn of(record: Outline) -> Self {
        let submission = record.submission;
        Scores {
            at: submission.authored_at,
            submission_id: submission.submission_id,
            site_id: submission.site_id,
            scores: record.scores,
        }
    }
}
