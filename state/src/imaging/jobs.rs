//! Analyses of images as jobs: their state in Redis until they have a record.
//!
//! Guarantee: an analysis is on its stream or refused; it is cancelled or ends, never both. The record in the store has
//! the result; the state here only shows the progress before that.

use domain::ids::{AnalysisId, KeyId, Pseudonym};
use std::time::Duration;

use platform::Error;
use platform::redis::{Redis, Seconds, flat, integer, number, one, string, text, unexpected};
use spin_sdk::redis::RedisResult;

use crate::erasure::Erasure;
use crate::names::{self, Queue};
use crate::queue::{BELL, CLOCK, announcement};
use crate::wire::analysis::{AnalysisState, Facts, Job, QueuedAnalysis};
use crate::wire::queued::ImagingEntry;

/// The time for which Redis remembers an analysis: a resend under its id is recognised.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

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
    /// Its study is being erased; nothing was written.
    Erasing,
}

/// Takes an analysis in. `hash` stands for its content.
///
/// # Errors
/// When Redis is unavailable: nothing is known to have been written.
pub async fn enqueue(redis: &Redis, job: &Job, hash: &str, capacity: u64) -> Result<Enqueued, Error> {
    let queue = job.queue();
    let other = if job.stat { Queue::Imaging } else { Queue::ImagingStat };
    let work = QueuedAnalysis { job: job.clone(), attempts: Vec::new() };
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
        studies_erasing: names::STUDIES_ERASING,
        subjects: names::subjects_of(&job.study_id),
        id: job.analysis_id.as_str(),
        hash,
        facts: facts.to_string(),
        remembered: Seconds(REMEMBERED),
        capacity,
        work: ImagingEntry::Analysis(&work).line()?,
        class: if job.stat { "0" } else { "1" },
        channel: queue.channel(),
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        announcement: announcement(),
        queue: queue.name(),
        other: other.name(),
        flow: job.flow(),
        study: job.study_id.as_str(),
        subject: job.subject.as_str(),
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
        studies_erasing: &'static str,
        subjects: String,
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
        study: &'a str,
        subject: &'a str,
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
        "erasing" => Some(Enqueued::Erasing),
        _ => None,
    }
}

/// The ids of the latest analyses requested for a subject, at most `limit`, the latest first.
///
/// # Errors
/// When Redis is unavailable.
pub async fn of_subject(redis: &Redis, subject: &Pseudonym, limit: u32) -> Result<Vec<AnalysisId>, Error> {
    let last = i64::from(limit) - 1;
    let arguments = vec![text(names::analyses_of(subject)), number(0), number(last)];
    let reply = redis.command("ZREVRANGE", arguments).await?;
    let ids: Option<Vec<AnalysisId>> = reply.iter().map(|id| Some(string(id)?.into())).collect();
    ids.ok_or_else(|| unexpected("ZREVRANGE"))
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
        id: job.analysis_id.as_str(),
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
    reply Option<(String, KeyId)>, by |reply| cancellation(&reply)
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
pub async fn cancel(redis: &Redis, id: &AnalysisId, at: &str, by: &KeyId) -> Result<Option<(String, KeyId)>, Error> {
    CancelScript { job: names::job(id), line: names::JOBS_WAITING, id: id.as_str(), at, by: by.as_str() }
        .run(redis)
        .await
}

fn cancellation(reply: &[RedisResult]) -> Option<Option<(String, KeyId)>> {
    let [state, at, by] = reply else { return None };
    let (state, at, by) = (string(state)?, string(at)?, string(by)?);
    Some((state == "cancelled" && !at.is_empty()).then_some((at, by.into())))
}

/// Begins an erasure. From then on the door refuses the analysis, and no worker continues it. Returns the erasure that
/// holds, which is the first, and the `hash` that was given to [`enqueue`], if Redis still knows it.
///
/// # Errors
/// When Redis is unavailable; calling it again is safe.
pub async fn erase(redis: &Redis, id: &AnalysisId, erasure: &Erasure) -> Result<(Erasure, Option<String>), Error> {
    let erasure = platform::kv::json(erasure)?;
    let (line, erased) = (names::JOBS_WAITING, names::ERASED);
    EraseScript { job: names::job(id), line, erased, id: id.as_str(), erasure }.run(redis).await
}

fn erasure_that_holds(reply: &[RedisResult]) -> Option<(Erasure, Option<String>)> {
    let [holds, hash] = reply else { return None };
    Some((serde_json::from_str(&string(holds)?).ok()?, string(hash).filter(|hash| !hash.is_empty())))
}

/// Whether each of these analyses was cancelled.
///
/// # Errors
/// When Redis is unavailable.
pub async fn cancelled(redis: &Redis, ids: &[AnalysisId]) -> Result<Vec<bool>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let reply = StatesScript { jobs: ids.iter().map(names::job).collect() }.run(redis).await?;
    Ok(reply.iter().map(|state| string(state).as_deref() == Some("cancelled")).collect())
}

/// The progress of an analysis that has no record yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Waiting, running or cancelled.
    pub state: AnalysisState,
    /// Attempts at the service.
    pub attempts: u32,
    /// The time of the next attempt, milliseconds since the epoch.
    pub next_ms: Option<i64>,
    /// The number of analyses that wait before it.
    pub before: Option<u64>,
    /// The recent duration of a call of its service, milliseconds.
    pub took_ms: Option<u64>,
    /// The facts that the door remembers.
    pub facts: Facts,
}

/// Returns the progress of an analysis; none if Redis does not know it.
///
/// # Errors
/// When Redis is unavailable.
pub async fn look(redis: &Redis, id: &AnalysisId) -> Result<Option<Progress>, Error> {
    let (line, durations) = (names::JOBS_WAITING, names::JOBS_TOOK);
    LookScript { job: names::job(id), line, durations, id: id.as_str() }.run(redis).await
}

fn progress(reply: &[RedisResult]) -> Option<Option<Progress>> {
    let [state, attempts, next, before, facts, took] = reply else {
        return reply.is_empty().then_some(None);
    };
    let facts = serde_json::from_str(&string(facts)?).ok()?;
    let state = match string(state)?.as_str() {
        "queued" => AnalysisState::Queued,
        "running" | "ending" => AnalysisState::Running,
        "cancelled" => AnalysisState::Cancelled,
        _ => return None,
    };
    Some(Some(Progress {
        state,
        attempts: integer(attempts).and_then(|count| count.try_into().ok()).unwrap_or(0),
        next_ms: integer(next),
        before: integer(before).and_then(|count| count.try_into().ok()),
        took_ms: integer(took).and_then(|took| took.try_into().ok()),
        facts,
    }))
}
