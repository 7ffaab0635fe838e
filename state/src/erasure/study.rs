//! The erasure of a study: a job that the clock carries on until nothing of the study is left.
//!
//! Guarantee: from when [`begin`] returned until the job ends, the doors take nothing in for the study. When its certificate
//! stands, nothing of the study is stored but tombstones, audit chains, journals and certificates, and nothing of it waits.
//!
//! Mechanism: a study's erasure is the erasure of its subjects, one after the other. Each leaves the index of the study's
//! subjects in the script that counts it. The index has a subject from when its first document or analysis came.
//!
//! Not for: erasing subjects. Its caller does that.

use domain::ids::{KeyId, Pseudonym, StudyId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, integer, nothing, number, one, string, text, unexpected, whether};
use platform::{Error, percent};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::erasure::subject::{Begun, Disk, record};
use crate::names::{self, Queue};

/// The number of due entries or dead letters that one script looks at.
const PAGE: u32 = 200;

/// The state of a study's erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum State {
    /// Something is left.
    Erasing,
    /// Nothing is left.
    Erased,
}

/// The erasure of a study, at `study/<study>/erasure`: the job, and its certificate once it is `erased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StudyErasure {
    /// The study.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub study: StudyId,
    /// How far it is.
    pub state: State,
    /// When it was asked for first, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub began_at: String,
    /// The id of the key, or the person, that asked for it.
    pub began_by: KeyId,
    /// Why, without the identities that were found in it.
    pub reason: String,
    /// The meaning of the person's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The number of subjects that were erased, with their identities.
    pub subjects: u64,
    /// The number of submissions that were erased with them.
    pub submissions: u64,
    /// The number of analyses that were erased with them.
    pub analyses: u64,
    /// The number of subjects that are left, while it is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// When nothing was left, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub erased_at: Option<String>,
    /// Whether the files of Redis and of the store may still have it: `pending` until `vigilctl scrub` has cleared them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// When they were cleared, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub cleared_at: Option<String>,
}

impl StudyErasure {
    fn new(study: &StudyId, begun: Begun, [subjects, submissions, analyses]: [u64; 3]) -> Self {
        let Begun { at, by, reason, meaning } = begun;
        StudyErasure {
            study: study.clone(),
            state: State::Erasing,
            began_at: at,
            began_by: by,
            reason,
            meaning,
            subjects,
            submissions,
            analyses,
            left: None,
            erased_at: None,
            disk: None,
            cleared_at: None,
        }
    }

    /// When, by whom and why it began.
    pub fn begun(&self) -> Begun {
        let StudyErasure { began_at, began_by, reason, meaning, .. } = self.clone();
        Begun { at: began_at, by: began_by, reason, meaning }
    }
}

script! {
    BeginStudyScript<'a> = "erasure/begin_study.lua",
    keys { studies: &'static str, progress: String }
    args { study: &'a str, begun: String }
    reply String, by one
}

script! {
    EndStudyScript<'a> = "erasure/end_study.lua",
    keys { studies: &'static str, progress: String }
    args { study: &'a str }
    reply (), by nothing
}

script! {
    WaitsScript<'a> = after flows "erasure/waits.lua",
    keys {}
    args { study: &'a str, queues: Vec<&'static str> }
    reply bool, by whether
}

script! {
    DueScript<'a> = after flows "erasure/due.lua",
    keys {}
    args { study: &'a str, encoded: &'a str, cursor: &'a str, most: u32 }
    reply String, by one
}

script! {
    LettersScript<'a> = "erasure/letters.lua",
    keys { dead: &'static str, erased: &'static str }
    args { study: &'a str, from: &'a str, most: u32 }
    reply String, by one
}

/// Begins the erasure of a study, unless it has begun.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn begin(redis: &Redis, study: &StudyId, begun: &Begun) -> Result<(), Error> {
    let (studies, progress) = (names::STUDIES_ERASING, names::erasing_study(study));
    let script = BeginStudyScript { studies, progress, study: study.as_str(), begun: kv::json(begun)? };
    script.run(redis).await.map(drop)
}

/// Stores that an erasure is under way, for the loss of Redis. Only the caller that carries it on does this, so no
/// certificate is overwritten.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn remember(store: &Store, job: &StudyErasure) -> Result<(), Error> {
    let key = names::study_erasure(&job.study);
    let known: Option<StudyErasure> = store.get(&key).await?;
    if known.is_some_and(|known| known.state == State::Erasing && known.begun() == job.begun()) {
        return Ok(());
    }
    let mut batch = Batch::default();
    batch.put(key, &StudyErasure { left: None, ..job.clone() })?;
    kv::put_all(&mut batch)
}

/// The studies whose erasure has begun and not ended.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn studies(redis: &Redis) -> Result<Vec<StudyId>, Error> {
    let reply = redis.command("SMEMBERS", vec![text(names::STUDIES_ERASING)]).await?;
    Ok(reply.iter().filter_map(|study| Some(string(study)?.into())).collect())
}

/// The erasure of a study that is under way; none if there is none.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn under_way(redis: &Redis, study: &StudyId) -> Result<Option<StudyErasure>, Error> {
    let wanted = [names::erasing_study(study).as_str(), "begun", "subjects", "submissions", "analyses"].map(text);
    let reply = redis.command("HMGET", wanted.into()).await?;
    let [begun, counts @ ..] = reply.as_slice() else { return Err(unexpected("HMGET")) };
    if matches!(begun, RedisResult::Nil) {
        return Ok(None);
    }
    let begun = string(begun).and_then(|begun| serde_json::from_str(&begun).ok());
    let count = |place: usize| {
        let count = counts.get(place).and_then(string).and_then(|count| count.parse().ok());
        count.unwrap_or_default()
    };
    let job = StudyErasure::new(study, begun.ok_or_else(|| unexpected("HMGET"))?, [count(0), count(1), count(2)]);
    Ok(Some(StudyErasure { left: Some(left(redis, study).await?), ..job }))
}

/// The erasure of a study: the one under way, or the last one; none if there never was one.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn last(redis: &Redis, store: &Store, study: &StudyId) -> Result<Option<StudyErasure>, Error> {
    match under_way(redis, study).await? {
        Some(job) => Ok(Some(job)),
        None => store.get(&names::study_erasure(study)).await,
    }
}

/// Whether there ever was anything of a study.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn is_known(redis: &Redis, study: &StudyId) -> Result<bool, Error> {
    let counters = ["counters|", study.as_str()].concat();
    let journal = redis.command("HEXISTS", vec![text(names::JOURNALS), text(study.as_str())]).await?;
    let counted = redis.command("HEXISTS", vec![text(names::STATS), text(counters)]).await?;
    let there = |reply: &[RedisResult]| reply.first().and_then(integer) == Some(1);
    Ok(there(&journal) || there(&counted) || left(redis, study).await? > 0)
}

/// The number of subjects of a study.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn left(redis: &Redis, study: &StudyId) -> Result<u64, Error> {
    let reply = redis.command("ZCARD", vec![text(names::subjects_of(study))]).await?;
    let count = reply.first().and_then(integer).and_then(|count| u64::try_from(count).ok());
    count.ok_or_else(|| unexpected("ZCARD"))
}

/// The subjects of a study whose last document came in at this time or before, milliseconds since the epoch, the earliest
/// first, at most so many.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn subjects(redis: &Redis, study: &StudyId, until_ms: i64, most: i64) -> Result<Vec<Pseudonym>, Error> {
    let bounds = [text(names::subjects_of(study)), text("-inf"), number(until_ms), text("LIMIT"), number(0)];
    let arguments = bounds.into_iter().chain([number(most)]).collect();
    let reply = redis.command("ZRANGEBYSCORE", arguments).await?;
    Ok(reply.iter().filter_map(|subject| Some(string(subject)?.into())).collect())
}

/// Notes that something of a subject came in at this time, milliseconds since the epoch, unless something came later.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn came(redis: &Redis, study: &StudyId, subject: &Pseudonym, at_ms: i64) -> Result<(), Error> {
    let index = [text(names::subjects_of(study)), text("GT"), number(at_ms), text(subject.as_str())];
    redis.command("ZADD", index.into()).await.map(drop)
}

/// When the last document of a subject came in, milliseconds since the epoch; none if none is known.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn last_came(redis: &Redis, study: &StudyId, subject: &Pseudonym) -> Result<Option<i64>, Error> {
    let reply = redis.command("ZSCORE", vec![text(names::subjects_of(study)), text(subject.as_str())]).await?;
    let score = reply.first().and_then(string).and_then(|score| score.parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is a whole number below 2^53")]
    Ok(score.map(|score| score as i64))
}

/// Whether submissions, alerts or analyses of a study wait on these queues, or are in the hands of a worker.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn waits(redis: &Redis, study: &StudyId, queues: &[Queue]) -> Result<bool, Error> {
    let queues = queues.iter().map(|queue| queue.name()).collect();
    WaitsScript { study: study.as_str(), queues }.run(redis).await
}

/// Removes the due entries and dead letters of a study.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn sweep(redis: &Redis, study: &StudyId) -> Result<(), Error> {
    let encoded = percent::encode(study.as_str());
    let mut cursor = "0".to_owned();
    loop {
        let script = DueScript { study: study.as_str(), encoded: &encoded, cursor: &cursor, most: PAGE };
        cursor = script.run(redis).await?;
        if cursor == "0" {
            break;
        }
    }
    let (dead, erased, mut after) = (names::DEAD, names::ERASED, "-".to_owned());
    loop {
        let script = LettersScript { dead, erased, study: study.as_str(), from: &after, most: PAGE };
        let last = script.run(redis).await?;
        if last.is_empty() {
            return Ok(());
        }
        after = format!("({last}");
    }
}

/// Ends the erasure of a study of which nothing is left at `now`: writes the certificate, and the record of the study's
/// audit chain with it. Then the doors are open again.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn end(redis: &Redis, store: &Store, job: StudyErasure, now: String) -> Result<StudyErasure, Error> {
    let (study, begun) = (job.study.clone(), job.begun());
    let (state, disk) = (State::Erased, Some(Disk::Pending));
    let certificate = StudyErasure { state, left: None, erased_at: Some(now), disk, ..job };
    let mut batch = Batch::default();
    record(redis, store, &mut batch, &names::study_entity(&study), &begun).await?;
    batch.put(names::study_erasure(&study), &certificate)?;
    kv::put_all(&mut batch)?;
    let (studies, progress) = (names::STUDIES_ERASING, names::erasing_study(&study));
    EndStudyScript { studies, progress, study: study.as_str() }.run(redis).await?;
    Ok(certificate)
}
