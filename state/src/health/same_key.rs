//! The key of the pseudonyms: whether it is still the one by which this installation's pseudonyms were made.
//!
//! Guarantee: a component that finds another key does nothing at all and says so, as with any variable that is wrong; so no
//! patient gets a second pseudonym. `/readyz` compares each time that it is asked.
//!
//! Mechanism: the store keeps a mark of the key, a hash from which nobody learns it; the first component that finds none
//! writes its own. Redis has a copy, which also decides whose mark is the first. `vigilctl forget-pseudonym-key` takes both
//! away, for a key that was lost for good.
//!
//! Not for: a Redis or a store that is away. Then a component goes on with the key that it has, because nothing can be
//! submitted, and whoever asks next compares again.

use std::time::Duration;

use platform::deadline::{Deadline, TimedOut};
use platform::digest::{digest, hex};
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use platform::variables::Reader;
use platform::{Error, log};

use crate::names;
use crate::variables;

/// The longest time for a comparison.
const PATIENCE: Duration = Duration::from_secs(1);
/// Stands before the key in what is hashed.
const LABEL: &[u8] = b"vigil mark of the pseudonym key\0";
/// The rule that another key breaks.
const OTHER: &str = "is not the key by which the pseudonyms of this installation were made: put that one back";

/// Reads the variable `pseudonym_key`, and compares the key with the mark of the one in use.
pub async fn pseudonym_key(reader: &mut Reader, redis: &Redis) -> Vec<u8> {
    let key = reader.read(&variables::PSEUDONYM_KEY).await;
    if key.is_empty() {
        return key;
    }
    let own = hex(&digest(&[LABEL, &key].concat()));
    match Deadline::after(PATIENCE).run(known(redis, &own)).await {
        Ok(Ok(known)) if known == own => {}
        Ok(Ok(_)) => reader.fault(variables::PSEUDONYM_KEY.name, OTHER),
        Ok(Err(error)) => log::warn("pseudonym-key-not-compared").cause(&error).write(),
        Err(TimedOut) => redis.forget(),
    }
    key
}

/// The mark of the key in use: the own one, if there was none.
async fn known(redis: &Redis, own: &str) -> Result<String, Error> {
    let kept = async || {
        let reply = redis.command("GET", vec![text(names::PSEUDONYM_KEY)]).await?;
        Ok::<_, Error>(reply.first().and_then(string))
    };
    if let Some(known) = kept().await? {
        return Ok(known);
    }
    let store = Store::open().await?;
    let stored = store.bytes(names::PSEUDONYM_KEY_MARK).await?;
    let stored = stored.map(|mark| String::from_utf8_lossy(&mark).into_owned());
    let mark = stored.as_deref().unwrap_or(own);
    redis.command("SET", [names::PSEUDONYM_KEY, mark, "NX"].map(text).to_vec()).await?;
    // Of two hosts with different keys, the one whose mark was written is right.
    let known = kept().await?.unwrap_or_else(|| mark.to_owned());
    if stored.is_none() {
        store.put(names::PSEUDONYM_KEY_MARK, known.as_bytes()).await?;
    }
    Ok(known)
}
