//! The erasure of a subject: how far it is, and the certificate at its end.
//!
//! Guarantee: its keys are destroyed first ([`destroy_keys`]), by its age last ([`destroy_unused_keys`]), which makes copies of
//! its contents and its identity unreadable wherever they are. The certificate is written in one transaction with the removal
//! of the sealed identity, so a subject whose certificate stands is erased. An erasure that broke off is continued by the next
//! call, with the same time, actor and reason. Nothing is counted twice.
//!
//! Mechanism: a hash in Redis says that the erasure has begun, and counts. What is erased leaves the subject's lists in
//! the script that counts it. A worker that stored the identity with work that was erased meanwhile calls [`again`]: it
//! sees that the erasure has begun, or it stored before that.
//!
//! Not for: erasing submissions and analyses. Its caller does that.

use std::time::Duration;

use domain::ids::{KeyId, Pseudonym, SiteId, StudyId, SubmissionId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use platform::Error;
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, integer, nothing, number, string, text, unexpected};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::audit::{self, Action, Change};
use crate::lock::Lock;
use crate::names::{self, Queue};
use crate::wire::entry::Subject;

pub use super::keys::{broken_off, complete, destroy_keys, destroy_unused_keys, has_keys};

/// For so long one host alone carries erasures on, longer than a step.
pub const LEASE: Duration = Duration::from_secs(10);
/// The number of entries of a queue that one script looks at.
const PAGE: u32 = 500;

/// When, by whom and why the erasure of a subject began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The key or person that did it.
    pub by: KeyId,
    /// Why.
    pub reason: String,
    /// The meaning of the person's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
}

/// An erasure that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// When, by whom and why.
    pub begun: Begun,
    /// What came in before this time, by the clock of Redis, is waited for: when it began, or when the subject's keys were
    /// destroyed last. Milliseconds since the epoch.
    pub began_ms: i64,
    /// The number of submissions that are erased.
    pub submissions: u64,
    /// The number of analyses that are erased.
    pub analyses: u64,
    /// Whether the keys of the subject were destroyed.
    pub keys_destroyed: bool,
}

/// The state of a subject that is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Erased {
    /// Nothing is left.
    Erased,
}

/// The progress of an erasure on the disks of Redis and of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Disk {
    /// Their files may have what was erased until `vigilctl scrub` has cleared them.
    Pending,
    /// They were cleared since.
    Cleared,
}

/// The certificate that a subject is erased, at `subject/<pseudonym>/erased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ErasureCertificate"))]
pub struct Certificate {
    /// The subject.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Pseudonym"))]
    pub pseudonym: Pseudonym,
    /// Its study.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub study: StudyId,
    /// Its site.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub site: SiteId,
    /// Always `erased`.
    pub state: Erased,
    /// When the erasure was asked for first, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub erased_at: String,
    /// The id of the key, or the person, that asked for it.
    pub erased_by: KeyId,
    /// The number of submissions that were erased.
    pub submissions: u64,
    /// The number of analyses that were erased.
    pub analyses: u64,
    /// That the sealed identity is erased.
    pub identity: bool,
    /// Why, without the identities that were found in it.
    pub reason: String,
    /// Whether the files of Redis and of the store may still have it: `pending` until `vigilctl scrub` has cleared them.
    pub disk: Disk,
    /// When they were cleared, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub cleared_at: Option<String>,
}

/// A list of a subject from which erased things are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Its submissions.
    Submissions,
    /// Its submissions that cannot be scored.
    Failed,
    /// Its analyses.
    Analyses,
}

/// The lists of a subject.
pub(super) fn lists(subject: &Pseudonym) -> [String; 3] {
    [names::filed(subject), names::failed(subject), names::analyses_of(subject)]
}

script! {
    BeginScript = "erasure/begin.lua",
    keys { progress: String }
    args { begun: String }
    reply Progress, by |reply| progress(&reply)
}

script! {
    TookScript<'a> = "erasure/took.lua",
    keys { list: String, progress: String }
    args { member: &'a str, counter: &'static str }
    reply (), by nothing
}

script! {
    EndScript<'a> = "erasure/end.lua",
    keys { progress: String, of_study: String, subjects: String, lists: [String; 3] }
    args { subject: &'a str }
    reply (), by nothing
}

script! {
    WaitingScript<'a> = "erasure/waiting.lua",
    keys { stream: &'static str }
    args { from: &'a str, most: u32, needle: &'a str }
    reply (String, u64), by |reply| waits(&reply)
}

fn progress(reply: &[RedisResult]) -> Option<Progress> {
    let [begun, began, submissions, analyses, destroyed] = reply else { return None };
    let count = |count: &RedisResult| integer(count)?.try_into().ok();
    Some(Progress {
        begun: serde_json::from_str(&string(begun)?).ok()?,
        began_ms: integer(began)?,
        submissions: count(submissions)?,
        analyses: count(analyses)?,
        keys_destroyed: integer(destroyed)? == 1,
    })
}

fn waits(reply: &[RedisResult]) -> Option<(String, u64)> {
    let [last, count] = reply else { return None };
    Some((string(last)?, integer(count)?.try_into().ok()?))
}

/// The certificate of a subject that is erased and of which nothing has come since.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn standing(redis: &Redis, store: &Store, subject: &Subject) -> Result<Option<Certificate>, Error> {
    let pseudonym = &subject.subject;
    if !subject.sealed.is_empty() || has_begun(redis, pseudonym).await? || left(redis, pseudonym).await? > 0 {
        return Ok(None);
    }
    if has_keys(store, pseudonym).await? {
        return Ok(None);
    }
    store.get(&names::subject_erased(pseudonym)).await
}

/// Begins the erasure of a subject. Returns the erasure that holds: the one that has begun and has not ended.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn begin(redis: &Redis, subject: &Pseudonym, begun: &Begun) -> Result<Progress, Error> {
    BeginScript { progress: names::erasing(subject), begun: kv::json(begun)? }.run(redis).await
}

/// Takes something that is erased off a list of its subject, where it is stored as this member, and counts it.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn took(redis: &Redis, subject: &Pseudonym, list: List, member: &str) -> Result<(), Error> {
    let (list, counter) = match list {
        List::Submissions => (names::filed(subject), "submissions"),
        List::Failed => (names::failed(subject), "submissions"),
        List::Analyses => (names::analyses_of(subject), "analyses"),
    };
    TookScript { list, progress: names::erasing(subject), member, counter }.run(redis).await
}

/// The ids of the submissions of a subject that were stored and cannot be scored, at most `limit`.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn failed(redis: &Redis, subject: &Pseudonym, limit: u32) -> Result<Vec<String>, Error> {
    let last = i64::from(limit) - 1;
    let reply = redis.command("ZRANGE", vec![text(names::failed(subject)), number(0), number(last)]).await?;
    reply.iter().map(string).collect::<Option<_>>().ok_or_else(|| unexpected("ZRANGE"))
}

/// Removes an erased submission from those of its subject that cannot be scored.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn unlist_failed(redis: &Redis, subject: &Pseudonym, id: &SubmissionId) -> Result<(), Error> {
    redis.command("ZREM", vec![text(names::failed(subject)), text(id.as_str())]).await.map(|_| ())
}

/// The number of submissions and analyses in the lists of a subject.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn left(redis: &Redis, subject: &Pseudonym) -> Result<u64, Error> {
    let mut count = 0;
    for list in lists(subject) {
        let reply = redis.command("ZCARD", vec![text(list)]).await?;
        let own = reply.first().and_then(integer).and_then(|own| u64::try_from(own).ok());
        count += own.ok_or_else(|| unexpected("ZCARD"))?;
    }
    Ok(count)
}

/// The number of analyses and alerts of a subject that wait for a worker, or are in its hands.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn waiting(redis: &Redis, subject: &Pseudonym) -> Result<u64, Error> {
    let needle = needle(subject);
    let mut all = 0;
    for queue in [Queue::ImagingStat, Queue::Imaging, Queue::Dispatch] {
        let mut from = "-".to_owned();
        loop {
            let script = WaitingScript { stream: queue.stream(), from: &from, most: PAGE, needle: &needle };
            let (last, count) = script.run(redis).await?;
            all += count;
            if last.is_empty() {
                break;
            }
            from = format!("({last}");
        }
    }
    Ok(all)
}

/// The member that names a subject, as serde writes it.
fn needle(subject: &Pseudonym) -> String {
    format!("\"subject\":\"{subject}\"")
}

async fn has_begun(redis: &Redis, subject: &Pseudonym) -> Result<bool, Error> {
    let reply = redis.command("EXISTS", vec![text(names::erasing(subject))]).await?;
    Ok(reply.first().and_then(integer).ok_or_else(|| unexpected("EXISTS"))? == 1)
}

/// Ends the erasure of a subject of which nothing is left: removes the sealed identity, and writes the certificate and
/// the record of the subject's audit chain with it. `begun` is what [`begin`] returned.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn end(redis: &Redis, store: &Store, subject: &Subject, begun: &Begun) -> Result<Certificate, Error> {
    let (pseudonym, entity) = (subject.subject.clone(), names::subject(&subject.subject));
    if !has_begun(redis, &pseudonym).await?
        && let Some(certificate) = store.get(&names::subject_erased(&pseudonym)).await?
    {
        // Another call ended it.
        return Ok(certificate);
    }
    let Progress { begun, submissions, analyses, .. } = begin(redis, &pseudonym, begun).await?;
    let mut batch = Batch::default();
    record(redis, store, &mut batch, &entity, &begun).await?;
    let certificate = Certificate {
        pseudonym: pseudonym.clone(),
        study: subject.study_id.clone(),
        site: subject.site_id.clone(),
        state: Erased::Erased,
        erased_at: begun.at,
        erased_by: begun.by,
        submissions,
        analyses,
        identity: true,
        reason: begun.reason,
        disk: Disk::Pending,
        cleared_at: None,
    };
    batch.put(entity, &forgotten(subject))?;
    batch.put(names::subject_erased(&pseudonym), &certificate)?;
    kv::put_all(&mut batch)?;
    ended(redis, subject).await?;
    Ok(certificate)
}

/// Notes in Redis that the erasure of a subject has ended, and counts it for the erasure of its study. A subject of which
/// nothing is listed leaves the subjects of its study.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn ended(redis: &Redis, subject: &Subject) -> Result<(), Error> {
    let (pseudonym, study) = (&subject.subject, &subject.study_id);
    let (progress, lists) = (names::erasing(pseudonym), lists(pseudonym));
    let (of_study, subjects) = (names::erasing_study(study), names::subjects_of(study));
    EndScript { progress, of_study, subjects, lists, subject: pseudonym.as_str() }.run(redis).await
}

/// Breaks off the erasure of a subject of which something came meanwhile that is to be kept. What was erased stays so.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn break_off(redis: &Redis, subject: &Pseudonym) -> Result<(), Error> {
    redis.command("DEL", vec![text(names::erasing(subject))]).await.map(|_| ())
}

/// Adds to a batch the record of an ended erasure in the audit chain of a subject or a study.
pub(super) async fn record(
    redis: &Redis,
    store: &Store,
    batch: &mut Batch,
    entity: &str,
    begun: &Begun,
) -> Result<(), Error> {
    match audit::head(redis, entity).await? {
        // An earlier attempt got this far, but perhaps no further.
        Some(head) if head.action == Action::Erased.as_str() && head.at == begun.at => {
            batch.put(names::audit(entity, head.n), &head)
        }
        _ => {
            // No hashes: the record of a subject is written anew with each of its submissions.
            let change = Change {
                reason: Some(&begun.reason),
                meaning: begun.meaning.as_deref(),
                ..Change::new(&begun.at, &begun.by, Action::Erased)
            };
            audit::append(redis, store, batch, entity, &change).await.map(|_| ())
        }
    }
}

/// A subject without its identity.
fn forgotten(subject: &Subject) -> Subject {
    Subject { sealed: String::new(), ..subject.clone() }
}

/// For a worker that stored the identity of a subject together with something that was erased meanwhile: removes the
/// identity and the keys, if the subject is erased and nothing has come since.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn again(redis: &Redis, store: &Store, subject: &Pseudonym) -> Result<(), Error> {
    let erased = has_begun(redis, subject).await? || store.bytes(&names::subject_erased(subject)).await?.is_some();
    // While something is left, the erasure has not ended, and its end removes the identity.
    if !erased || left(redis, subject).await? > 0 {
        return Ok(());
    }
    let Some(stored) = store.get::<Subject>(&names::subject(subject)).await? else { return Ok(()) };
    let mut batch = Batch::default();
    batch.put(names::subject(subject), &forgotten(&stored))?;
    kv::put_all(&mut batch)?;
    // Without the lock they stay, with nothing that they sealed. They go with the next erasure, see `standing`.
    if let Some(lock) = Lock::take(redis, names::ERASURE_LOCK, LEASE).await? {
        let destroyed = destroy_unused_keys(redis, store, &stored).await;
        lock.release(redis).await?;
        destroyed?;
    }
    Ok(())
}

/// Removes the due entries and dead letters of a subject: looks for overdue documents, analyses and submissions that were
/// given up.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn sweep(redis: &Redis, subject: &Pseudonym) -> Result<(), Error> {
    super::sweep(redis, "subject", subject.as_str()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_is_read_as_the_script_gives_it() {
        let begun = Begun {
            at: "2026-03-02T00:00:00.000Z".to_owned(),
            by: "admin".into(),
            reason: "why".to_owned(),
            meaning: None,
        };
        let text = |text: &str| RedisResult::Binary(text.as_bytes().to_vec());
        let reply = [text(&kv::json(&begun).unwrap()), text("1772409600000"), text("7"), text("0"), text("1")];
        let expected =
            Progress { begun, began_ms: 1_772_409_600_000, submissions: 7, analyses: 0, keys_destroyed: true };
        assert_eq!(progress(&reply), Some(expected));
        assert_eq!((progress(&reply[..3]), progress(&[])), (None, None));
        assert_eq!(waits(&[text("1-0"), RedisResult::Int64(2)]), Some(("1-0".to_owned(), 2)));
    }
}
