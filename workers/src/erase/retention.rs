//! The erasure of subjects whose retention is over.
//!
//! Guarantee: a subject is erased when the last document of it came in longer ago than its study keeps, and not while the
//! study is under a legal hold. What comes in meanwhile is kept. The audit records name the version of the document
//! `retention` as the actor.
//!
//! Mechanism: the index of a study's subjects is sorted by when their last documents came in, so the next ones are at its
//! beginning and nothing is scanned.

use domain::ids::StudyId;
use domain::retention::Retentions;
use platform::deadline::Deadline;
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use platform::{Error, clock, log};
use state::erasure::study;
use state::erasure::subject::Begun;
use state::names;
use state::settings::Settings;
use state::wire::entry::Subject;

use super::study::known;
use super::{How, Outcome, oldest_waiting};

/// The most subjects of a study in one call: other work of the clock does not wait long.
const MOST: i64 = 5;
/// The pause before the next look when nobody is due, seconds.
const PAUSE: &str = "60";

/// Whether a look at all studies is due. Nobody else looks until [`PAUSE`] is over.
pub(super) async fn is_due(redis: &Redis) -> Result<bool, Error> {
    let mark = [names::RETENTION_LOOKED, "1", "NX", "EX", PAUSE].map(text);
    Ok(!matches!(redis.command("SET", mark.into()).await?.first(), None | Some(spin_sdk::redis::RedisResult::Nil)))
}

/// The retention that ends, with the name of the version that says so; none if everything is kept.
pub(super) async fn in_force(redis: &Redis) -> Result<Option<(String, std::rc::Rc<Retentions>)>, Error> {
    let settings = Settings::in_force(redis).await?;
    let Some(version) = settings.version::<Retentions>() else { return Ok(None) };
    let name = names::config("retention", version.version);
    let retentions = settings.document::<Retentions>(redis).await?;
    Ok(retentions.filter(|retentions| retentions.ends()).map(|retentions| (name, retentions)))
}

/// Erases a few subjects whose retention is over, after [`is_due`].
///
/// # Errors
/// When Redis or the store is unavailable; the next call goes on.
pub(super) async fn carry_on(
    redis: &Redis,
    store: &Store,
    (version, retentions): (&str, &Retentions),
    deadline: Deadline,
) -> Result<(), Error> {
    let mut found = false;
    for study in studies(redis).await? {
        let retention = retentions.of(&study);
        let Some(until_ms) = retention.until_ms(clock::now().millis()) else { continue };
        for pseudonym in study::subjects(redis, &study, until_ms, MOST).await? {
            found = true;
            if deadline.left().is_zero() {
                break;
            }
            let subject = known(redis, store, &study, &pseudonym).await?;
            let days = retention.days.unwrap_or_default();
            let reason = format!("its last document came in more than {days} days ago");
            if one(redis, store, &subject, until_ms, version, reason, deadline).await? {
                log::info("subject-erased").outcome("retention").write();
            }
        }
        if deadline.left().is_zero() {
            break;
        }
    }
    if found {
        // More may be due, or something waited for a worker: the next tick looks again.
        redis.command("DEL", vec![text(names::RETENTION_LOOKED)]).await?;
    }
    Ok(())
}

/// Erases a subject, unless something of it is on its way. Returns whether it is erased.
async fn one(
    redis: &Redis,
    store: &Store,
    subject: &Subject,
    until_ms: i64,
    version: &str,
    reason: String,
    deadline: Deadline,
) -> Result<bool, Error> {
    let begun = Begun { at: clock::now().rfc3339(), by: version.into(), reason, meaning: None };
    if oldest_waiting(redis, subject).await?.is_some() {
        return Ok(false);
    }
    // Read again: what was waiting a moment ago is in the index now.
    let last = study::last_came(redis, &subject.study_id, &subject.subject).await?;
    if last.is_none_or(|last| last > until_ms) {
        return Ok(false);
    }
    let outcome = super::subject(redis, store, subject, begun, How::ByAge, deadline).await?;
    Ok(matches!(outcome, Outcome::Erased(_)))
}

/// All studies that have a journal.
async fn studies(redis: &Redis) -> Result<Vec<StudyId>, Error> {
    let reply = redis.command("HKEYS", vec![text(names::JOURNALS)]).await?;
    let names = reply.iter().filter_map(string).filter(|name| !name.starts_with(names::ASIDE));
    Ok(names.map(StudyId::from).collect())
}
