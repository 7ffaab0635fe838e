//! The destruction of a subject's keys.
//!
//! Guarantee: nothing that a worker ends after that stays sealed with them. Of a subject whose documents are kept if they come
//! in meanwhile, only unused keys are destroyed.
//!
//! Mechanism: each destruction has a number in Redis, with the subject's name; see `queue::subject_keys`. It is counted before
//! the record of the keys is removed and after that, so a worker that read the record in between learns of it. Unused keys
//! have no number in between, but come after all numbers: workers end nothing of the subject until they have one.

use domain::ids::{KeyId, Pseudonym};
use platform::Error;
use platform::kv::{self, Store};
use platform::redis::{Redis, string, text, unexpected, whether, whole};

use super::subject::{Progress, lists};
use crate::names;
use crate::wire::entry::Subject;

/// The number of destructions of keys of which workers can learn.
const REMEMBERED: u32 = 10_000;
script! {
    DestroyScript<'a> = "erasure/destroy.lua",
    keys { progress: String, destroyed: &'static str, pinned: String }
    args { subject: &'a str, remembered: u32, removed: bool }
    reply i64, by whole
}

script! {
    DestroyUnusedScript<'a> = after flows "erasure/destroy_unused.lua",
    keys { destroyed: &'static str, pinned: String, lists: [String; 3] }
    args { subject: &'a str, site: &'a str }
    reply bool, by whether
}

/// Whether a subject has keys.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn has_keys(store: &Store, subject: &Pseudonym) -> Result<bool, Error> {
    Ok(store.bytes(&names::subject_keys(subject)).await?.is_some())
}

/// Destroys the keys of a subject: what they sealed opens nowhere any more. If documents come in meanwhile, workers make new
/// ones, and a later call destroys those. Workers that have destroyed keys in memory learn of it before they end anything.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn destroy_keys(
    redis: &Redis,
    store: &Store,
    subject: &Pseudonym,
    progress: &mut Progress,
) -> Result<(), Error> {
    if progress.keys_destroyed && !has_keys(store, subject).await? {
        return Ok(());
    }
    // Counted before as well: if this call breaks off, workers have dropped the keys already.
    count_destruction(redis, subject, false).await?;
    progress.began_ms = remove_keys(redis, subject).await?;
    progress.keys_destroyed = true;
    Ok(())
}

/// Destroys the keys of a subject of which nothing is stored and nothing can be on its way. Returns false if they are kept,
/// or if there are new ones: something came in meanwhile, and stays readable. The caller holds the lock of erasures.
///
/// Between its two scripts workers end nothing of the subject. If it breaks off there, [`complete`] goes on.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn destroy_unused_keys(redis: &Redis, store: &Store, subject: &Subject) -> Result<bool, Error> {
    let pseudonym = &subject.subject;
    let flow = names::flow(&KeyId::default(), &subject.study_id, &subject.site_id);
    let script = DestroyUnusedScript {
        destroyed: names::KEYS_DESTROYED,
        pinned: names::pinned(pseudonym.as_str()),
        lists: lists(pseudonym),
        subject: pseudonym.as_str(),
        site: flow.split_once('|').map_or("", |(_, site)| site),
    };
    if !script.run(redis).await? {
        return Ok(false);
    }
    remove_keys(redis, pseudonym).await?;
    Ok(!has_keys(store, pseudonym).await?)
}

/// Completes destructions of keys that broke off. The caller holds the lock of erasures.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); calling it again is safe.
pub async fn complete(redis: &Redis) -> Result<(), Error> {
    for subject in broken_off(redis).await? {
        remove_keys(redis, &subject).await?;
    }
    Ok(())
}

/// The subjects whose unused keys are being destroyed.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn broken_off(redis: &Redis) -> Result<Vec<Pseudonym>, Error> {
    let arguments = [names::KEYS_DESTROYED, "+inf", "+inf"].map(text).into();
    let reply = redis.command("ZRANGEBYSCORE", arguments).await?;
    let subjects = reply.iter().map(|one| string(one).map(Pseudonym::from));
    subjects.collect::<Option<_>>().ok_or_else(|| unexpected("ZRANGEBYSCORE"))
}

/// Removes the record of a subject's keys, and counts that. Returns when, by the clock of Redis.
async fn remove_keys(redis: &Redis, subject: &Pseudonym) -> Result<i64, Error> {
    kv::remove_all(&[names::subject_keys(subject)])?;
    count_destruction(redis, subject, true).await
}

/// Tells workers that the keys of a subject are destroyed.
async fn count_destruction(redis: &Redis, subject: &Pseudonym, removed: bool) -> Result<i64, Error> {
    DestroyScript {
        progress: names::erasing(subject),
        destroyed: names::KEYS_DESTROYED,
        pinned: names::pinned(subject.as_str()),
        subject: subject.as_str(),
        remembered: REMEMBERED,
        removed,
    }
    .run(redis)
    .await
}
