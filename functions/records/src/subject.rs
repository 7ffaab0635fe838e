//! `GET /v1/subjects/{pseudonym}/submissions` and `GET /v1/subjects/{pseudonym}/scores`: the submissions of a subject,
//! page by page, and the course of one score, as numbers or as a small picture.
//!
//! Guarantee: a key that covers the subject sees everything that the same person sent at the sites that the key covers.
//! It does not matter which of the person's subjects the request names. The answer has nothing from other sites.

use std::cell::Cell;

use domain::Code;
use domain::ids::{InstrumentId, Pseudonym, SiteId, StudyId, is_name};
#[cfg(feature = "schema")]
use domain::schema::{Name, ScoreForm, Time};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde_json::Value;
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::is_pseudonym;
use state::names;
use state::subjects::course;
use state::subjects::timeline::{self, Filter, Listed};
use state::wire::entry::{Score, State, Subject};
use state::wire::row::ListedAlert;

use crate::config::Config;
use crate::spark;

/// A page of a subject's submissions.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SubmissionPage<'a> {
    subject: &'a str,
    /// `erased`, where everything of the subject was erased and nothing has come since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("const" = "erased")))]
    state: Option<&'static str>,
    submissions: Vec<ListedSubmission>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// A submission of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ListedSubmission {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    submission_id: String,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: SiteId,
    /// `response`, or the kind of report.
    kind: String,
    /// The instrument of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<InstrumentId>,
    /// The time of writing, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    authored_at: String,
    /// The time of arrival, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    received_at: String,
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["scored", "failed"])))]
    state: State,
    scores: Vec<Score>,
    alerts: Vec<ListedAlert>,
}

/// A page of the course of a score.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Series<'a> {
    subject: &'a str,
    /// The instrument and its score.
    score: &'a str,
    points: Vec<Point>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// One value of a series.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Point {
    #[serde(skip)]
    at_ms: i64,
    /// The time of writing.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    at: String,
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    submission_id: String,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: SiteId,
    #[cfg_attr(feature = "schema", schemars(with = "ScoreForm"))]
    value: Value,
    band: Option<String>,
    /// Whether it is scored; `prorated` with answers missing.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["scored", "prorated", "not-scored"])))]
    status: String,
}

/// The submissions of a subject, the latest first.
pub(crate) async fn submissions(call: Call<Config>) -> Result<Reply, Problem> {
    let (pseudonym, principal, config, incoming) = (call.segment(0), &call.principal, &call.config, &call.incoming);
    let mut query = Query::read(&incoming.query, &["cursor", "limit"]);
    let (after, limit) = (query.cursor(Listed::from_cursor), query.limit());
    query.finish()?;
    within(call.deadline, &config.redis, async {
        let (store, subjects) = subjects(config, principal, pseudonym).await?;
        let wanted = Filter { what: None, latest_first: true, after: after.as_ref(), limit };
        let (filed, more) =
            timeline::list(&config.redis, &subjects, wanted).await.map_err(|error| unavailable(&error))?;
        let submissions = shown(&store, &filed).await.map_err(|error| unavailable(&error))?;
        let cursor = filed.last().filter(|_| more).map(Listed::cursor);
        let erased =
            submissions.is_empty() && is_erased(&store, pseudonym).await.map_err(|error| unavailable(&error))?;
        let state = erased.then_some("erased");
        Ok(Reply::json(200, &SubmissionPage { subject: pseudonym, state, submissions, cursor, more }))
    })
    .await
}

/// Whether a subject has no identity any more.
async fn is_erased(store: &Store, pseudonym: &str) -> Result<bool, Error> {
    let subject: Option<Subject> = store.get(&names::subject(&pseudonym.into())).await?;
    Ok(subject.is_some_and(|subject| subject.sealed.is_empty()))
}

/// The course of one score of a subject, the oldest value first. The picture shows the latest values.
pub(crate) async fn series(call: Call<Config>) -> Result<Reply, Problem> {
    let (pseudonym, principal, config, incoming) = (call.segment(0), &call.principal, &call.config, &call.incoming);
    let mut query = Query::read(&incoming.query, &["score", "cursor", "limit"]);
    let (after, limit) = (query.cursor(Listed::from_cursor), query.limit());
    let score = query.text("score").unwrap_or_default();
    let asked = score.split_once('.').filter(|(instrument, score)| is_name(instrument) && is_name(score));
    let (instrument, id) = asked.unwrap_or_else(|| {
        let code = if score.is_empty() { Code::Required } else { Code::Format };
        query.fault("score", code, "must be {instrument}.{score}");
        ("", "")
    });
    query.finish()?;
    let picture = incoming.header("accept").is_some_and(|accept| accept.contains("image/svg+xml"));
    within(call.deadline, &config.redis, async {
        let (store, subjects) = subjects(config, principal, pseudonym).await?;
        let wanted = Filter { what: Some(instrument), latest_first: picture, after: after.as_ref(), limit };
        let listed = timeline::list(&config.redis, &subjects, wanted).await;
        let (mut filed, more) = listed.map_err(|error| unavailable(&error))?;
        let cursor = filed.last().filter(|_| more).map(Listed::cursor);
        if picture {
            filed.reverse();
        }
        let points = points(&store, &filed, id).await.map_err(|error| unavailable(&error))?;
        if picture {
            let line = points.iter().filter_map(|point| Some((point.at_ms, point.value.as_f64()?))).collect::<Vec<_>>();
            return Ok(Reply::new(200, "image/svg+xml", spark::line(&line)).page("").header("vary", "accept"));
        }
        let series = Series { subject: pseudonym, score: &score, points, cursor, more };
        Ok(Reply::json(200, &series).header("vary", "accept"))
    })
    .await
}

/// The store, and the subjects of the same person that the key covers; 404 if the key does not cover the subject.
pub(crate) async fn subjects(
    config: &Config,
    principal: &Principal,
    pseudonym: &str,
) -> Result<(Store, Vec<Pseudonym>), Problem> {
    if !is_pseudonym(pseudonym) {
        return Err(Problem::not_found());
    }
    principal.saw(Whose::default().subject(pseudonym));
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let subjects = covered(config, &store, principal, &pseudonym.into()).await.map_err(|error| unavailable(&error))?;
    Ok((store, subjects.ok_or_else(Problem::not_found)?))
}

/// The subjects of the same person that the key covers; none if it does not cover this one.
pub(crate) async fn covered(
    config: &Config,
    store: &Store,
    principal: &Principal,
    pseudonym: &Pseudonym,
) -> Result<Option<Vec<Pseudonym>>, Error> {
    let is_asked = Cell::new(true);
    let covers = |study: &StudyId, site: &SiteId| {
        // The first is the subject itself; others of the person follow.
        if is_asked.replace(false) {
            principal.asks(Whose::at(study, site));
        }
        principal.covers(study, site)
    };
    course::subjects(&config.redis, store, pseudonym, covers).await
}

/// Submissions as lists show them: with their scores and alerts.
pub(crate) async fn shown(store: &Store, filed: &[Listed]) -> Result<Vec<ListedSubmission>, Error> {
    let records = course::records(store, filed).await?;
    let mut shown = Vec::with_capacity(records.len());
    for record in records {
        let alerts = ListedAlert::load(store, &record.alerts).await?;
        let submission = record.submission;
        shown.push(ListedSubmission {
            submission_id: submission.submission_id.into_string(),
            site_id: submission.site_id,
            kind: submission.kind,
            instrument: submission.instrument,
            authored_at: submission.authored_at,
            received_at: submission.received_at,
            state: record.state,
            scores: record.scores,
            alerts,
        });
    }
    Ok(shown)
}

/// The values of one score, without those of superseded submissions.
async fn points(store: &Store, filed: &[Listed], score: &str) -> Result<Vec<Point>, Error> {
    let mut points = Vec::with_capacity(filed.len());
    for record in course::standing(store, filed).await? {
        let own = record.scores.into_iter().find(|own| own.id == score);
        let (Some(own), Some(at)) = (own, record.submission.placed_at()) else { continue };
        points.push(Point {
            at_ms: at.millis(),
            at: record.submission.authored_at,
            submission_id: record.submission.submission_id.into_string(),
            site_id: record.submission.site_id,
            value: own.value.unwrap_or_default(),
            band: own.band,
            status: own.status,
        });
    }
    Ok(points)
}
