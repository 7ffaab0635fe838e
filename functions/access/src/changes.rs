//! Changes of keys and sessions: in the store together with their audit records, then in force.

use domain::access::Person;
use domain::ids::KeyId;
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use state::audit::{self, Action, Change};
use state::edge::keys::{self, KeyRecord};
use state::edge::sessions;
use state::names;

/// Stores a key and puts it in force. False if there are too many: then nothing is stored.
///
/// # Errors
/// [`platform::Kind::Unavailable`]. The key may be in force.
pub(crate) async fn create(redis: &Redis, key: &KeyRecord, reason: Option<&str>) -> Result<bool, Error> {
    if keys::all(redis).await?.len() >= keys::MOST {
        return Ok(false);
    }
    let change = Change { reason, ..Change::new(&key.created_at, &key.created_by, Action::Created) };
    record(redis, &Store::open().await?, change, None, key).await?;
    keys::enforce(redis, &[key]).await?;
    Ok(true)
}

/// Withdraws a key.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub(crate) async fn withdraw(redis: &Redis, id: &KeyId, actor: &KeyId, reason: Option<&str>) -> Result<(), Error> {
    let (store, at) = (Store::open().await?, clock::now().rfc3339());
    let key = keys::load(&store, id).await?;
    let withdrawn = KeyRecord { withdrawn_at: Some(at.clone()), ..key.clone() };
    let change = Change { reason, ..Change::new(&at, actor, Action::Withdrawn) };
    // The store first: if this breaks off, the key is in force still, and whoever withdrew it does it again.
    record(redis, &store, change, Some(&key), &withdrawn).await?;
    keys::forget(redis, &key).await
}

/// Ends a session whose secret has this SHA-256, hex.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub(crate) async fn end(
    redis: &Redis,
    id: &KeyId,
    sha256: &str,
    actor: &KeyId,
    reason: Option<&str>,
) -> Result<(), Error> {
    withdrawn(redis, &names::session_record(id), actor, reason).await?;
    sessions::end(redis, sha256).await
}

/// Signs a person out: ends their sessions, and refuses the tokens that were issued until now. Returns how many ended.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub(crate) async fn sign_out(
    redis: &Redis,
    person: &Person,
    actor: &KeyId,
    reason: Option<&str>,
) -> Result<usize, Error> {
    withdrawn(redis, &names::person(&sessions::digest_of(person)), actor, reason).await?;
    // First, so that no session begins behind the look for those there are.
    sessions::refuse_tokens(redis, person).await?;
    let mut ended = 0;
    for (hash, session) in sessions::all(redis).await? {
        if session.person.is_some_and(|own| own.is(person)) {
            sessions::end(redis, &hash).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Adds to the audit chain of an entity that what it could do was taken away.
async fn withdrawn(redis: &Redis, entity: &str, actor: &KeyId, reason: Option<&str>) -> Result<(), Error> {
    let (store, at, mut batch) = (Store::open().await?, clock::now().rfc3339(), Batch::default());
    let change = Change { reason, ..Change::new(&at, actor, Action::Withdrawn) };
    audit::append(redis, &store, &mut batch, entity, &change).await?;
    kv::put_all(&mut batch)
}

/// Stores a key as it is after a change, together with the record of the change.
async fn record(
    redis: &Redis,
    store: &Store,
    change: Change<'_>,
    before: Option<&KeyRecord>,
    key: &KeyRecord,
) -> Result<(), Error> {
    let hash = |key: &KeyRecord| Ok::<_, Error>(hex(&digest(kv::json(key)?.as_bytes())));
    let (old, new) = (before.map(hash).transpose()?, hash(key)?);
    let change = Change { old: old.as_deref(), new: Some(&new), ..change };
    let (mut batch, entity) = (Batch::default(), names::key(&key.key_id));
    batch.put(entity.clone(), key)?;
    audit::append(redis, store, &mut batch, &entity, &change).await?;
    kv::put_all(&mut batch)
}
