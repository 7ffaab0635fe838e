//! Analyses of images as jobs: their state in Redis until they have a record.
//!
//! Guarantee: an analysis is on its stream or refused; it is cancelled or ends, never both. The record in the store has
//! the result; the state here only shows the progress before that.

use domain::ids::{AlertId, Pseudonym, SiteId, StudyId};
use std::time::Duration;

use platform::Error;
use platform::redis::{Redis, Seconds, flat, integer, number, one, string, text, unexpected};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spin_sdk::redis::RedisResult;

use crate::erasure::Erasure;
use crate::names::{self, Queue};
use crate::queue::{BELL, CLOCK, announcement};
use crate::wire::entry::{Attempt, Attempts};

/// How long Redis remembers an analysis. Within this time a resend under its id is recognised.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

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
    pub analysis_id: String,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The subject's pseudonym.
    pub subject: Pseudonym,
    /// The subject's identity, sealed.
    pub sealed: String,
    /// Which service.
    pub service: String,
    /// Whether it goes before analyses that are not urgent.
    pub stat: bool,
    /// The image.
    pub image: Image,
    /// The webhook for the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// When it was requested, RFC 3339 in UTC.
    pub requested_at: String,
    /// The id of the key that requested it.
    #[serde(default)]
    pub key: String,
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

/// An entry of the worker's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueEntry {
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
    pub receiver: String,
    /// Its state.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["pending", "delivered", "dead"])))]
    pub state: String,
    /// Why it waits, or was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it is tried again, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Time>"))]
    pub next_at: Option<String>,
    /// The attempts.
    #[serde(flatten)]
    pub attempts: Attempts,
}

/// The result of an analysis, at `analysis/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis<R = Value> {
    /// `done`, `failed`, `cancelled` or `erased`.
    pub state: String,
    /// Its id.
    pub analysis_id: String,
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
    /// When it was requested, RFC 3339 in UTC.
    pub requested_at: String,
    /// When it ended or was erased, RFC 3339 in UTC.
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
    /// The known state of an analysis that has no record: it has not ended.
    pub fn of(id: &str, facts: Facts) -> Self {
        Analysis {
            state: String::new(),
            analysis_id: id.to_owned(),
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
        (self.state, self.ended_at) = ("erased".to_owned(), at);
        (self.subject, self.reason, self.result) = (Pseudonym::default(), None, None);
        (self.alerts, self.attempts, self.webhook) = (Vec::new(), Vec::new(), None);
    }

    /// An analysis that ended.
    pub fn ended(job: &Job, state: &str, at: String, attempts: Vec<Attempt>) -> Self {
        Analysis {
            state: state.to_owned(),
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

/// The outcome of an analysis at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    Queued,
    /// It was there already, with the same content.
    Duplicate,
    /// Other content is there under this id.
    Conflict,
    /// Too many wait; nothing was written.
    Full,
    /// It was erased, and stays so.
    Erased,
}

/// Takes an analysis in. `hash` stands for its content.
///
/// # Errors
/// When Redis is unavailable: nothing is known to have been written.
pub async fn enqueue(redis: &Redis, job: &Job, hash: &str, capacity: u64) -> Result<Enqueued, Error> {
    let queue = job.queue();
    let other = if job.stat { Queue::Imaging } else { Queue::ImagingStat };
    let work = QueueEntry { job: job.clone(), attempts: Vec::new() };
    // The facts to show before there is a record. They contain nothing of the image, the webhook or the subject.
    let facts = serde_json::json!({
        "study": job.study_id, "site": job.site_id, "service": job.service, "stat": job.stat, "at": job.requested_at,
    });
    let script = EnqueueScript {
        job: names::job(&job.analysis_id),
        line: names::JOBS_WAITING,
        bell: queue.bell(),
        clock: names::CLOCK,
        erased: names::ERASED,
        of_subject: names::analyses_of(&job.subject),
        id: &job.analysis_id,
        hash,
        facts: facts.to_string(),
        remembered: Seconds(REMEMBERED),
        capacity,
        work: platform::kv::json(&work)?,
        class: if job.stat { "0" } else { "1" },
        channel: queue.channel(),
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        announcement: announcement(),
        queue: queue.name(),
        other: other.name(),
        flow: job.flow(),
    };
    script.run(redis).await
}

script! {
    EnqueueScript<'a> = after flows "imaging/jobs/enqueue.lua",
    keys {
        job: String,
        line: &'static str,
        bell: &'static str,
        clock: &'static str,
        erased: &'static str,
        of_subject: String,
    }
    args {
        id: &'a str,
        hash: &'a str,
        facts: String,
        remembered: Seconds,
        capacity: u64,
        work: String,
        class: &'static str,
        channel: &'static str,
        bell_lasts: Duration,
        clock_channel: &'static str,
        clock_lasts: Duration,
        announcement: String,
        queue: &'static str,
        other: &'static str,
        flow: String,
    }
    reply Enqueued, by |reply| enqueued(&one(reply)?)
}

fn enqueued(word: &str) -> Option<Enqueued> {
    match word {
        "queued" => Some(Enqueued::Queued),
        "duplicate" => Some(Enqueued::Duplicate),
        "conflict" => Some(Enqueued::Conflict),
        "full" => Some(Enqueued::Full),
        "erased" => Some(Enqueued::Erased),
        _ => None,
    }
}

/// The ids of the latest analyses requested for a subject, at most `limit`, the latest first.
///
/// # Errors
/// When Redis is unavailable.
pub async fn of_subject(redis: &Redis, subject: &Pseudonym, limit: u32) -> Result<Vec<String>, Error> {
    let last = i64::from(limit) - 1;
    let arguments = vec![text(names::analyses_of(subject)), number(0), number(last)];
    let reply = redis.command("ZREVRANGE", arguments).await?;
    reply.iter().map(string).collect::<Option<_>>().ok_or_else(|| unexpected("ZREVRANGE"))
}

/// The next state of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A call is under way.
    Running,
    /// It waits again, until this moment, milliseconds since the epoch.
    Again(i64),
    /// It ends, and can no longer be cancelled.
    Ending,
}

/// Moves an analysis on; false if it was cancelled. `took` is how long the service needed.
///
/// # Errors
/// When Redis is unavailable.
pub async fn go_on(
    redis: &Redis,
    job: &Job,
    next: Next,
    attempts: usize,
    took: Option<Duration>,
) -> Result<bool, Error> {
    let (state, again) = match next {
        Next::Running => ("running", String::new()),
        Next::Again(at) => ("queued", at.to_string()),
        Next::Ending => ("ending", String::new()),
    };
    let script = MoveScript {
        job: names::job(&job.analysis_id),
        line: names::JOBS_WAITING,
        durations: names::JOBS_TOOK,
        id: &job.analysis_id,
        state,
        attempts,
        again,
        service: &job.service,
        took: took.map(|took| took.as_millis().to_string()).unwrap_or_default(),
    };
    Ok(script.run(redis).await? != "cancelled")
}

script! {
    MoveScript<'a> = "imaging/jobs/move.lua",
    keys { job: String, line: &'static str, durations: &'static str }
    args {
        id: &'a str,
        state: &'static str,
        attempts: usize,
        again: String,
        service: &'a str,
        took: String,
    }
    reply String, by one
}

script! {
    CancelScript<'a> = "imaging/jobs/cancel.lua",
    keys { job: String, line: &'static str }
    args { id: &'a str, at: &'a str, by: &'a str }
    reply Option<(String, String)>, by |reply| cancellation(&reply)
}

script! {
    EraseScript<'a> = "imaging/jobs/erase.lua",
    keys { job: String, line: &'static str, erased: &'static str }
    args { id: &'a str, erasure: String }
    reply (Erasure, Option<String>), by |reply| erasure_that_holds(&reply)
}

script! {
    StatesScript = "imaging/jobs/states.lua",
    keys { jobs: Vec<String> }
    args {}
    reply Vec<RedisResult>, by flat
}

script! {
    LookScript<'a> = "imaging/jobs/look.lua",
    keys { job: String, line: &'static str, durations: &'static str }
    args { id: &'a str }
    reply Option<Progress>, by |reply| progress(&reply)
}

/// Cancels an analysis that waits or runs, at `at` by the key `by`. Returns the time and the key of the first
/// cancellation; none if it has ended or Redis does not know it.
///
/// # Errors
/// When Redis is unavailable.
pub async fn cancel(redis: &Redis, id: &str, at: &str, by: &str) -> Result<Option<(String, String)>, Error> {
    CancelScript { job: names::job(id), line: names::JOBS_WAITING, id, at, by }.run(redis).await
}

fn cancellation(reply: &[RedisResult]) -> Option<Option<(String, String)>> {
    let [state, at, by] = reply else { return None };
    let (state, at, by) = (string(state)?, string(at)?, string(by)?);
    Some((state == "cancelled" && !at.is_empty()).then_some((at, by)))
}

/// Begins an erasure. From then on the door refuses the analysis, and no worker continues it. Returns the erasure that
/// holds, which is the first, and the `hash` that was given to [`enqueue`], if Redis still knows it.
///
/// # Errors
/// When Redis is unavailable; calling it again is safe.
pub async fn erase(redis: &Redis, id: &str, erasure: &Erasure) -> Result<(Erasure, Option<String>), Error> {
    let erasure = platform::kv::json(erasure)?;
    let (line, erased) = (names::JOBS_WAITING, names::ERASED);
    EraseScript { job: names::job(id), line, erased, id, erasure }.run(redis).await
}

fn erasure_that_holds(reply: &[RedisResult]) -> Option<(Erasure, Option<String>)> {
    let [holds, hash] = reply else { return None };
    Some((serde_json::from_str(&string(holds)?).ok()?, string(hash).filter(|hash| !hash.is_empty())))
}

/// Whether each of these analyses was cancelled.
///
/// # Errors
/// When Redis is unavailable.
pub async fn cancelled(redis: &Redis, ids: &[String]) -> Result<Vec<bool>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let reply = StatesScript { jobs: ids.iter().map(names::job).collect() }.run(redis).await?;
    Ok(reply.iter().map(|state| string(state).as_deref() == Some("cancelled")).collect())
}

/// The progress of an analysis that has no record yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// `queued`, `running` or `cancelled`.
    pub state: String,
    /// Attempts at the service.
    pub attempts: u32,
    /// When it is tried again, milliseconds since the epoch.
    pub next_ms: Option<i64>,
    /// How many wait before it.
    pub before: Option<u64>,
    /// The recent duration of a call of its service, milliseconds.
    pub took_ms: Option<u64>,
    /// The facts that the door remembers.
    pub facts: Facts,
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
    /// When it was requested.
    pub at: String,
}

/// Returns the progress of an analysis; none if Redis does not know it.
///
/// # Errors
/// When Redis is unavailable.
pub async fn look(redis: &Redis, id: &str) -> Result<Option<Progress>, Error> {
    let (line, durations) = (names::JOBS_WAITING, names::JOBS_TOOK);
    LookScript { job: names::job(id), line, durations, id }.run(redis).await
}

fn progress(reply: &[RedisResult]) -> Option<Option<Progress>> {
    let [state, attempts, next, before, facts, took] = reply else {
        return reply.is_empty().then_some(None);
    };
    let facts = serde_json::from_str(&string(facts)?).ok()?;
    let state = string(state)?;
    Some(Some(Progress {
        state: if state == "ending" { "running".to_owned() } else { state },
        attempts: integer(attempts).and_then(|count| count.try_into().ok()).unwrap_or(0),
        next_ms: integer(next),
        before: integer(before).and_then(|count| count.try_into().ok()),
        took_ms: integer(took).and_then(|took| took.try_into().ok()),
        facts,
    }))
}
