//! Settings: configuration documents and instruments that operators change while Vigil runs.
//!
//! Guarantee: stored settings are in force for everything that is taken in or claimed afterwards, in every instance.
//! Nothing is decided by a mixture of old and new: a [`Settings`] is one state of all settings. A version is immutable.
//! Two concurrent changes come one after the other.
//!
//! Mechanism: an index at `settings` in the store lists the documents and instruments, with the version of each that is
//! in force. Contents are stored under keys of their own. Redis holds a copy of the index under a random revision.
//! Scripts that run anyway compare or return that revision (`enqueue.lua`, `claim.lua`), so an instance learns of a
//! change with its next action, without an extra call. HTTP components read the copy, so they never wait for the store
//! behind a worker's transaction. If Redis has lost the copy, the first reader restores it.
//!
//! Until the first change the revision is a fixed word, and nothing is read at all.
//!
//! Studies have documents of their own, which may decide otherwise for the study: [`studies`].

mod contents;
pub mod studies;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread::LocalKey;
use std::time::Duration;

use domain::ids::{InstrumentId, KeyId, StudyId};
use domain::retention::Retentions;
use domain::settings::Document;
use domain::{Instrument, library};
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, flat, string, text, whether};
use platform::{Error, Kind, clock, log};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::audit::{self, Action, Change};
use crate::lock::Lock;
use crate::names;
use contents::Known;

pub use contents::Content;

/// The revision of settings that were never changed.
const UNCHANGED: &str = "unchanged";
/// The time that a change may take before another may begin.
const LEASE: Duration = Duration::from_secs(10);

/// A document's version that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number; the first is 1.
    pub version: u64,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// In force since, RFC 3339 in UTC.
    pub at: String,
    /// The id of the key that stored it.
    pub by: KeyId,
}

/// The stored versions of an instrument, beside the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The default version; none if the built-in one is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// All of them, by their names.
    pub stored: BTreeMap<String, Stored>,
}

/// A stored version of an instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// SHA-256 of the definition, hex.
    pub sha256: String,
    /// The time when it was stored, RFC 3339 in UTC.
    pub at: String,
    /// The id of the key that stored it.
    pub by: KeyId,
}

/// The index of all settings: what exists and what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    revision: String,
    /// Documents by name.
    pub documents: BTreeMap<String, Version>,
    /// Instruments by id.
    pub instruments: BTreeMap<InstrumentId, Versions>,
    /// The studies in which reads of programs are not recorded, by the document `access` in force: see
    /// [`crate::edge::looks`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrecorded: Vec<StudyId>,
}

/// One state of all settings.
#[derive(Clone)]
pub struct Settings(Rc<State>);

struct State {
    /// The revision of this state in Redis.
    revision: String,
    index: Index,
}

thread_local! {
    static KNOWN: RefCell<Option<Settings>> = const { RefCell::new(None) };
    /// The instruments that this instance has read: stored ones by their keys in the store, built-in ones by their ids.
    /// No collision is possible: an id has no slash, and a key has one.
    static INSTRUMENTS: Known<Instrument> = const { RefCell::new(BTreeMap::new()) };
}

impl Settings {
    fn of(revision: String, index: Index) -> Self {
        let settings = Settings(Rc::new(State { revision, index }));
        KNOWN.set(Some(settings.clone()));
        settings
    }

    /// The settings that this instance knows. They may be old: a caller that decides by them lets a script compare the
    /// revision.
    pub fn known() -> Self {
        let fresh = || Settings::of(UNCHANGED.to_owned(), Index::default());
        KNOWN.with_borrow(Clone::clone).unwrap_or_else(fresh)
    }

    /// The settings of a revision that a script returned: the known ones, or the ones in force now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn at(redis: &Redis, revision: &str) -> Result<Self, Error> {
        let known = Settings::known();
        if known.revision() == revision { Ok(known) } else { Settings::in_force(redis).await }
    }

    /// The settings in force now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn in_force(redis: &Redis) -> Result<Self, Error> {
        let mut copy = CopyScript { settings: names::SETTINGS, stored: None }.run(redis).await?;
        if copy.is_empty() {
            let store = Store::open().await?;
            // Before the settings, because whoever finds settings looks for nothing else that was lost.
            Box::pin(studies::restore(redis, &store)).await?;
            let index = Index::stored(&store).await?;
            let stored = Some((index.revision.clone(), kv::json(&index)?, index.unrecorded()));
            copy = CopyScript { settings: names::SETTINGS, stored }.run(redis).await?;
        }
        let [RedisResult::Binary(revision), RedisResult::Binary(index)] = copy.as_slice() else {
            return Err(unreadable());
        };
        let revision = String::from_utf8(revision.clone()).map_err(|_| unreadable())?;
        let known = Settings::known();
        if known.revision() == revision {
            return Ok(known);
        }
        let index = platform::json::read(index).map_err(|_| unreadable())?;
        Ok(Settings::of(revision, index))
    }

    /// The revision, for scripts.
    pub fn revision(&self) -> &str {
        &self.0.revision
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.0.index
    }

    /// The version in force of the document that is read as `T`; none if it was never stored.
    pub fn version<T: Content>(&self) -> Option<&Version> {
        self.index().documents.get(T::DOCUMENT.as_str())
    }

    /// The document in force that is read as `T`; none if it was never stored. It is read once for each version and
    /// instance.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the document cannot be loaded or read. Deciding without it would be wrong.
    pub async fn document<T: Content>(&self, redis: &Redis) -> Result<Option<Rc<T>>, Error> {
        let Some(version) = self.version::<T>() else { return Ok(None) };
        let key = names::config(T::DOCUMENT.as_str(), version.version);
        let read = |bytes: &[u8]| T::read(&platform::json::read(bytes).ok()?);
        content(redis, T::known(), key, read).await.map(Some)
    }

    /// The instrument that a text names, in this version or in the one in force; none if it does not exist.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when it cannot be loaded or read.
    pub async fn instrument(
        &self,
        redis: &Redis,
        id: &str,
        version: Option<&str>,
    ) -> Result<Option<Rc<Instrument>>, Error> {
        let own = self.index().instruments.get_key_value(id);
        let version = version.or_else(|| own?.1.current.as_deref());
        if let (Some((id, own)), Some(version)) = (own, version)
            && own.stored.contains_key(version)
        {
            let key = names::instrument(id, version);
            let read = |bytes: &[u8]| Instrument::from_json(bytes).ok();
            return content(redis, &INSTRUMENTS, key, read).await.map(Some);
        }
        let built_in = built_in(id);
        Ok(built_in.filter(|built_in| version.is_none_or(|version| version == built_in.version())))
    }

    /// The definition of a version of an instrument, as it was stored or as it is built in; none if it does not exist.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when it cannot be loaded.
    pub async fn definition(&self, redis: &Redis, id: &str, version: &str) -> Result<Option<Vec<u8>>, Error> {
        if let Some((id, own)) = self.index().instruments.get_key_value(id)
            && own.stored.contains_key(version)
        {
            return bytes(redis, &names::instrument(id, version)).await;
        }
        let is_built_in = built_in(id).is_some_and(|built_in| built_in.version() == version);
        Ok(is_built_in.then(|| library::definition(id)).flatten())
    }
}

/// Whether nothing of a study may be erased.
///
/// # Errors
/// [`Kind::Unavailable`] when that cannot be known.
pub async fn is_held(redis: &Redis, study: &StudyId) -> Result<bool, Error> {
    let retentions = Settings::in_force(redis).await?.document::<Retentions>(redis).await?;
    Ok(retentions.is_some_and(|retentions| retentions.of(study).hold))
}

/// The built-in instrument that a text names, read at its first use in this instance.
pub fn built_in(id: &str) -> Option<Rc<Instrument>> {
    if let Some(known) = INSTRUMENTS.with_borrow(|all| all.get(id).cloned()) {
        return Some(known);
    }
    let read = library::instrument(id)?;
    let read =
        Rc::new(read.inspect_err(|faults| log::error("instrument-unreadable").count(faults.len()).write()).ok()?);
    INSTRUMENTS.with_borrow_mut(|all| all.insert(id.to_owned(), Rc::clone(&read)));
    Some(read)
}

/// A content, from this instance's memory, from Redis or from the store.
async fn content<T: 'static>(
    redis: &Redis,
    known: &'static LocalKey<Known<T>>,
    key: String,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Rc<T>, Error> {
    if let Some(known) = known.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(known);
    }
    let bytes = Box::pin(bytes(redis, &key)).await?;
    let Some(content) = bytes.as_deref().and_then(read).map(Rc::new) else {
        log::error("setting-unreadable").outcome("unreadable").write();
        return Err(unreadable());
    };
    known.with_borrow_mut(|all| all.insert(key, Rc::clone(&content)));
    Ok(content)
}

/// The bytes of a stored content.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn bytes(redis: &Redis, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let copy = redis.command("HGET", vec![text(names::SETTINGS), text(key)]).await?;
    if let Some(RedisResult::Binary(bytes)) = copy.into_iter().next() {
        return Ok(Some(bytes));
    }
    let stored = Store::open().await?.bytes(key).await?;
    if let Some(bytes) = &stored {
        let copy = spin_sdk::redis::RedisParameter::Binary(bytes.clone());
        redis.command("HSET", vec![text(names::SETTINGS), text(key), copy]).await?;
    }
    Ok(stored)
}

fn unreadable() -> Error {
    Error::new("settings", Kind::Unavailable, "the settings cannot be read")
}

/// Puts the settings of the store in force if Redis has others, because Redis was restored from an older backup.
/// Returns whether it had others. If Redis has none, the first reader restores them.
///
/// # Errors
/// [`Kind::Unavailable`]; [`Kind::TimedOut`] while others change the settings. Doing it again is safe.
pub async fn put_back(redis: &Redis) -> Result<bool, Error> {
    let busy = || Error::new("settings", Kind::TimedOut, "others change the settings all the time");
    let lock = Lock::take(redis, names::SETTINGS_LOCK, LEASE).await?.ok_or_else(busy)?;
    let index = Index::stored(&Store::open().await?).await?;
    let copy = CopyScript { settings: names::SETTINGS, stored: None }.run(redis).await?;
    let others = copy.first().and_then(string).is_some_and(|revision| revision != index.revision);
    if !others {
        lock.release(redis).await?;
        return Ok(false);
    }
    let shown = kv::json(&index)?;
    if publish(redis, &lock, index, shown).await? { Ok(true) } else { Err(busy()) }
}

script! {
    CopyScript = "settings_copy.lua",
    keys { settings: &'static str }
    args { stored: Option<(String, String, String)> }
    reply Vec<RedisResult>, by flat
}

script! {
    SettingsScript<'a> = "settings.lua",
    keys { lock: &'static str, settings: &'static str }
    args { token: &'a str, revision: String, index: String, unrecorded: String }
    reply bool, by whether
}

/// Puts an index in force, and gives the lock back. Returns whether the lock was still held.
async fn publish(redis: &Redis, lock: &Lock, index: Index, shown: String) -> Result<bool, Error> {
    let (settings, token, unrecorded) = (names::SETTINGS, lock.token(), index.unrecorded());
    let (revision, index) = (index.revision, shown);
    SettingsScript { lock: names::SETTINGS_LOCK, settings, token, revision, index, unrecorded }.run(redis).await
}

impl Index {
    async fn stored(store: &Store) -> Result<Self, Error> {
        let fresh = || Index { revision: UNCHANGED.to_owned(), ..Index::default() };
        Ok(store.get(names::SETTINGS_INDEX).await?.unwrap_or_else(fresh))
    }

    /// The studies in which reads of programs are not recorded, each between blanks, as Redis has them.
    pub fn unrecorded(&self) -> String {
        let names = self.unrecorded.iter().flat_map(|study| [study.as_str(), " "]);
        [" "].into_iter().chain(names).collect()
    }

    /// Replaces the content of a document in force, stored at `at` by the key `by`. Returns its version, and the draft
    /// to be stored.
    pub fn replace(&mut self, document: Document, content: &str, at: &str, by: &KeyId) -> (Version, Draft) {
        let name = document.as_str();
        let current = self.documents.get(name);
        let next = Version {
            version: current.map_or(0, |current| current.version).saturating_add(1),
            sha256: hex(&digest(content.as_bytes())),
            at: at.to_owned(),
            by: by.clone(),
        };
        let draft = Draft {
            key: names::config(name, next.version),
            content: content.to_owned(),
            entity: names::config_entity(name),
            before: current.map(|current| current.sha256.clone()),
        };
        self.documents.insert(name.to_owned(), next.clone());
        (next, draft)
    }
}

/// The result of a change.
pub enum Changed<T, R> {
    /// It is in force.
    Made(T),
    /// The caller refused it after it saw the settings in force.
    Refused(R),
    /// Others kept changing the settings; nothing was stored.
    Busy,
}

/// The contents that a change stores.
pub struct Draft {
    /// The key of the content in the store.
    pub key: String,
    /// The content.
    pub content: String,
    /// The audit chain.
    pub entity: String,
    /// SHA-256 of the content in force before, hex.
    pub before: Option<String>,
}

/// Changes the settings. `plan` gets the index in force, changes it and returns the draft to be stored, or refuses.
/// The record in the audit chain is stored with it, with the reason and the meaning of a signature.
///
/// # Errors
/// [`Kind::Unavailable`]. The change may have been stored without being in force; making it again is safe.
pub async fn change<T, R>(
    redis: &Redis,
    actor: &KeyId,
    (reason, meaning): (Option<&str>, Option<&str>),
    plan: impl FnOnce(&mut Index, &str) -> Result<(T, Draft), R>,
) -> Result<Changed<T, R>, Error> {
    let Some(lock) = Lock::take(redis, names::SETTINGS_LOCK, LEASE).await? else { return Ok(Changed::Busy) };
    let store = Store::open().await?;
    let mut index = Index::stored(&store).await?;
    let stored = index.clone();
    let at = clock::now().rfc3339();
    let (made, draft) = match plan(&mut index, &at) {
        Ok(planned) => planned,
        Err(refusal) => {
            // An earlier change may have stopped when it was stored. If its version was not put in force here, whoever reads
            // the one before could never name the one that they replace.
            let shown = kv::json(&stored)?;
            publish(redis, &lock, stored, shown).await?;
            lock.release(redis).await?;
            return Ok(Changed::Refused(refusal));
        }
    };
    index.revision = hex(&clock::random_bits().to_be_bytes());
    let mut batch = Batch::default();
    let hash = hex(&digest(draft.content.as_bytes()));
    batch.put_text(draft.key.clone(), draft.content);
    let shown = kv::json(&index)?;
    batch.put_text(names::SETTINGS_INDEX.to_owned(), shown.clone());
    let (old, new) = (draft.before.as_deref(), Some(hash.as_str()));
    // The version, so that the chain binds each to its content.
    let refers_to = Some(draft.key.as_str());
    let change = Change { at: &at, actor, action: Action::Changed, reason, meaning, refers_to, old, new };
    audit::append(redis, &store, &mut batch, &draft.entity, &change).await?;
    // The index is written whole: a host that was stopped here for longer than its lease would take back what others changed.
    if !lock.is_held(redis).await? {
        return Err(late());
    }
    kv::put_all(&mut batch)?;
    if publish(redis, &lock, index, shown).await? {
        return Ok(Changed::Made(made));
    }
    Err(late())
}

fn late() -> Error {
    Error::new("settings", Kind::TimedOut, "the change took too long")
}
