//! Stores a new version of a study's document.

use domain::ids::{KeyId, StudyId};
use domain::study::{OWN, Place, State, Study};
use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, Kind, clock};
use serde_json::{Map, Value};

use super::{Index, Line, Published, hash, publish};
use crate::audit::{self, Action, Change};
use crate::lock::Lock;
use crate::names;
use crate::settings::{Changed, LEASE, Version};

/// A new version.
pub struct Draft<'a> {
    /// The study.
    pub id: &'a StudyId,
    /// Its document, read.
    pub study: &'a Study,
    /// Its document.
    pub document: &'a Value,
    /// The text of its document, as it is stored.
    pub content: String,
}

/// Stores a version and puts it in force. `check` gets the version in force, and may refuse. The record in the audit chain
/// is stored with it, with the reason and the meaning of a signature.
///
/// # Errors
/// [`Kind::Unavailable`]. The version may have been stored without being in force; storing it again is safe.
pub async fn change<R>(
    redis: &Redis,
    actor: &KeyId,
    (reason, meaning): (Option<&str>, Option<&str>),
    draft: Draft<'_>,
    check: impl FnOnce(Option<&Version>) -> Result<(), R>,
) -> Result<Changed<Version, R>, Error> {
    let Some(lock) = Lock::take(redis, names::STUDIES_LOCK, LEASE).await? else { return Ok(Changed::Busy) };
    let store = Store::open().await?;
    let before = Index::stored(&store, draft.id).await?;
    let current = before.as_ref().and_then(Index::current);
    if let Err(refusal) = check(current) {
        // An earlier change may have stopped when it was stored: its version comes in force now.
        if let Some(before) = &before {
            publish(redis, lock.token(), draft.id, &before.published).await?;
        }
        lock.release(redis).await?;
        return Ok(Changed::Refused(refusal));
    }
    let now = clock::now();
    let made = Version {
        version: current.map_or(0, |current| current.version).saturating_add(1),
        sha256: hash(&draft.content),
        at: now.rfc3339(),
        by: actor.clone(),
    };
    let old = current.map(|current| current.sha256.clone());
    let published = published(&draft, &made, before.as_ref().map(|before| &before.published), now.millis())?;
    let mut versions = before.map(|before| before.versions).unwrap_or_default();
    versions.push(made.clone());

    let (mut batch, index) = (Batch::default(), names::study_index(draft.id));
    if old.is_none() {
        let mut all: Vec<StudyId> = store.get(names::STUDIES_INDEX).await?.unwrap_or_default();
        if !all.contains(draft.id) {
            all.push(draft.id.clone());
            batch.put(names::STUDIES_INDEX.to_owned(), &all)?;
        }
    }
    let key = names::study_version(draft.id, made.version);
    let (refers_to, new) = (Some(key.as_str()), Some(made.sha256.as_str()));
    let change =
        Change { at: &made.at, actor, action: Action::Changed, reason, meaning, refers_to, old: old.as_deref(), new };
    batch.put_text(key.clone(), draft.content);
    let stored = Index { versions, published };
    batch.put(index.clone(), &stored)?;
    audit::append(redis, &store, &mut batch, &index, &change).await?;
    // The index is written whole: a host that was stopped here for longer than its lease would take back what others stored.
    if !lock.is_held(redis).await? {
        return Err(late());
    }
    kv::put_all(&mut batch)?;
    if publish(redis, lock.token(), draft.id, &stored.published).await? {
        return Ok(Changed::Made(made));
    }
    Err(late())
}

fn late() -> Error {
    Error::new("studies", Kind::TimedOut, "the change took too long")
}

/// What Redis is given of a version.
pub(super) fn published(
    draft: &Draft<'_>,
    made: &Version,
    before: Option<&Published>,
    now: i64,
) -> Result<Published, Error> {
    let study = draft.study;
    let closed = |is_closed: bool, earlier: &str| match (is_closed, earlier) {
        (false, _) => String::new(),
        (true, "" | "-") => now.to_string(),
        (true, earlier) => earlier.to_owned(),
    };
    let earlier = before.map(Published::sites).unwrap_or_default();
    let mut sites = String::with_capacity(study.sites.len() * 16);
    for site in &study.sites {
        let earlier = earlier.get(site.id.as_str()).copied().unwrap_or_default();
        let at = closed(site.place == Place::Closed, earlier);
        let at = if at.is_empty() { "-" } else { &at };
        let blank = if sites.is_empty() { "" } else { " " };
        sites.extend([blank, site.id.as_str(), " ", at]);
    }
    let own = OWN.into_iter().filter_map(|name| Some((name.to_owned(), draft.document.get(name)?.clone())));
    let own: Map<String, Value> = own.collect();
    let revision = [&made.version.to_string(), ".", made.sha256.get(..16).unwrap_or_default()].concat();
    let line = Line {
        study_id: draft.id.clone(),
        title: study.title.clone(),
        state: study.state.as_str().to_owned(),
        sites: study.sites.len(),
        version: made.version,
        at: made.at.clone(),
        by: made.by.clone(),
    };
    Ok(Published([
        draft.id.as_str().to_owned(),
        kv::json(&line)?,
        revision.clone(),
        study.state.as_str().to_owned(),
        closed(study.state == State::Closed, before.map_or("", Published::closed)),
        if own.is_empty() { String::new() } else { revision },
        if own.is_empty() { String::new() } else { kv::json(&own)? },
        sites,
    ]))
}
