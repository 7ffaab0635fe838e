//! API keys as records: created and withdrawn while Vigil runs.
//!
//! Guarantee: a secret is shown once, when its key is created; what rests is its SHA-256. A key that was withdrawn, or whose
//! time has passed, is refused by every instance of every host within a second.
//!
//! Mechanism: the store has the record of each key, also of those that were withdrawn. Redis has those in force, by the
//! hashes of their secrets, as a line that every component reads fast; one script finds a key and notes the minute of its
//! use. An instance believes what it found for a second ([`super::auth::Keys`]). Without Redis none of these keys is
//! believed.

use domain::Timestamp;
use domain::access::{Grant, Person, Role};
use domain::ids::{KeyId, SiteId, StudyId};
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::digest::{digest, hex};
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use platform::{Error, clock, percent};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::names;

/// The beginning of every secret, by which people and scanners know it.
pub(super) const BEGINNING: &str = "vigil_";
/// The characters of a secret after its beginning: 32 random bytes.
const LENGTH: usize = 43;
/// The characters of a secret that a list shows.
const SHOWN: usize = BEGINNING.len() + 4;
/// The most keys in force.
pub const MOST: usize = 10_000;

/// A key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    /// The id, which logs and records show.
    pub key_id: KeyId,
    /// Its purpose.
    pub label: String,
    /// Its role.
    pub role: Role,
    /// The study that it covers, `*` for all.
    pub study: StudyId,
    /// The site that it covers, `*` for all.
    pub site: SiteId,
    /// The person or team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The time of its creation, RFC 3339 in UTC.
    pub created_at: String,
    /// The id of the key that created it.
    pub created_by: KeyId,
    /// The time at which it ends, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// The first characters of its secret.
    pub prefix: String,
    /// SHA-256 of its secret, hex.
    pub sha256: String,
    /// The time of its withdrawal, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<String>,
}

/// A key or a session in force, as Redis has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The id, which logs and records show.
    pub key_id: KeyId,
    /// Its role and scope.
    pub grant: Grant,
    /// The time at which it ends, milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// Whose session it is; none for a key.
    pub person: Option<Person>,
    /// When the person authenticated at the identity provider, seconds since the epoch; none if nothing proves it.
    pub authenticated: Option<i64>,
}

impl InForce {
    /// Reads what [`InForce::line`] writes.
    pub(super) fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let (&[id, role, study, site, expires], person) = words.split_first_chunk()?;
        let person = match person {
            [] => None,
            [issuer, subject, name] | [issuer, subject, name, _] => {
                let [issuer, subject, name] = [issuer, subject, name].map(|word| percent::decode(word));
                Some(Person { issuer: issuer?, subject: subject?, name: name? })
            }
            _ => return None,
        };
        let authenticated = words.get(8).map(|at| at.parse()).transpose().ok()?;
        Some(InForce {
            key_id: id.into(),
            grant: Grant { role: Role::parse(role)?, study: study.into(), site: site.into() },
            expires_ms: if expires == "-" { None } else { Some(expires.parse().ok()?) },
            person,
            authenticated,
        })
    }

    /// `<id> <role> <study> <site> <end or ->`, and for a session `<issuer> <subject> <name>`, and the time of the
    /// authentication if it is known. No part has a blank.
    pub(super) fn line(&self) -> String {
        let Grant { role, study, site } = &self.grant;
        let expires = self.expires_ms.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let line = [self.key_id.as_str(), role.as_str(), study.as_str(), site.as_str(), &expires].join(" ");
        match &self.person {
            None => line,
            Some(Person { issuer, subject, name }) => {
                let [issuer, subject, name] = [issuer, subject, name].map(|text| percent::encode(text));
                let authenticated = self.authenticated.map(|at| at.to_string());
                [line, issuer, subject, name].into_iter().chain(authenticated).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// Whether its time has passed.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_ms.is_some_and(|at| at <= now.millis())
    }
}

impl KeyRecord {
    /// The grant of the key.
    pub fn grant(&self) -> Grant {
        Grant { role: self.role, study: self.study.clone(), site: self.site.clone() }
    }

    fn line(&self) -> String {
        let (key_id, grant, expires_ms) = (self.key_id.clone(), self.grant(), self.expires_ms);
        InForce { key_id, grant, expires_ms, person: None, authenticated: None }.line()
    }
}

script! {
    FindScript<'a> = "edge/keys/find.lua",
    keys { all: &'static str, used: &'static str }
    args { sha256: &'a str, minute: i64 }
    reply Option<Option<InForce>>, by |reply| Some(found(&reply))
}

/// Nothing, or the key; none inside for one that cannot be read.
fn found(reply: &[RedisResult]) -> Option<Option<InForce>> {
    reply.first().map(|line| InForce::read(&string(line)?))
}

/// 256 random bits, as text.
pub(super) fn random() -> String {
    let bytes = [clock::random_bits().to_be_bytes(), clock::random_bits().to_be_bytes()].concat();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether a text is as long as what [`random`] gives.
pub(super) fn is_random(text: &str) -> bool {
    text.len() == LENGTH
}

/// A new secret.
pub fn secret() -> String {
    [BEGINNING, &random()].concat()
}

/// Whether a text has the form of a secret that [`secret`] makes.
pub fn is_secret(text: &str) -> bool {
    text.strip_prefix(BEGINNING).is_some_and(is_random)
}

/// The first characters of a secret, by which people find it again.
pub fn prefix(secret: &str) -> String {
    secret.chars().take(SHOWN).collect()
}

/// SHA-256 of a secret, hex.
pub fn hash(secret: &str) -> String {
    hex(&digest(secret.as_bytes()))
}

/// The key in force whose secret has this SHA-256.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn find(redis: &Redis, sha256: &[u8; 32]) -> Result<Option<InForce>, Error> {
    let (sha256, minute) = (hex(sha256), clock::now().millis() / 60_000);
    let script = FindScript { all: names::KEYS, used: names::KEYS_USED, sha256: &sha256, minute };
    match script.run(redis).await? {
        Some(None) => Err(unreadable()),
        Some(key) => Ok(key),
        None => Ok(None),
    }
}

/// Puts keys in force, which the store has.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub async fn enforce(redis: &Redis, keys: &[&KeyRecord]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut arguments = vec![text(names::KEYS)];
    for key in keys {
        arguments.extend([text(&key.sha256), text(key.line())]);
    }
    redis.command("HSET", arguments).await.map(drop)
}

/// Takes a key out of force. Nothing happens if it is not in force any more.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub async fn forget(redis: &Redis, key: &KeyRecord) -> Result<(), Error> {
    for hash in [names::KEYS, names::KEYS_USED] {
        redis.command("HDEL", vec![text(hash), text(&key.sha256)]).await?;
    }
    Ok(())
}

/// The record of a key.
///
/// # Errors
/// [`platform::Kind::Unavailable`], also when the store does not have it.
pub async fn load(store: &Store, id: &KeyId) -> Result<KeyRecord, Error> {
    store.get(&names::key(id)).await?.ok_or_else(unreadable)
}

/// All keys in force, by their ids, also those whose time has passed; each with the minute of its last use, milliseconds
/// since the epoch.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn all(redis: &Redis) -> Result<BTreeMap<KeyId, (InForce, Option<i64>)>, Error> {
    let pairs = async |hash: &'static str| {
        let reply = redis.command("HGETALL", vec![text(hash)]).await?;
        let (pairs, _) = reply.as_chunks::<2>();
        let pairs = pairs.iter().filter_map(|[field, value]| Some((string(field)?, string(value)?)));
        Ok::<_, Error>(pairs.collect::<BTreeMap<String, String>>())
    };
    let (lines, used) = (pairs(names::KEYS).await?, pairs(names::KEYS_USED).await?);
    let mut all = BTreeMap::new();
    for (sha256, line) in lines {
        let key = InForce::read(&line).ok_or_else(unreadable)?;
        let used = used.get(&sha256).and_then(|minute| minute.parse::<i64>().ok()).map(|minute| minute * 60_000);
        all.insert(key.key_id.clone(), (key, used));
    }
    Ok(all)
}

/// Puts stored keys back in force, apart from those that were withdrawn. Returns how many were not.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub async fn put_back(redis: &Redis, keys: &[KeyRecord]) -> Result<usize, Error> {
    let known = all(redis).await?;
    let is_missing = |key: &&KeyRecord| key.withdrawn_at.is_none() && !known.contains_key(&key.key_id);
    let missing: Vec<&KeyRecord> = keys.iter().filter(is_missing).collect();
    enforce(redis, &missing).await?;
    Ok(missing.len())
}

fn unreadable() -> Error {
    Error::new("keys", platform::Kind::Unavailable, "a record of a key cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_has_the_form_by_which_it_is_known() {
        let (one, other) = (secret(), secret());
        assert!(is_secret(&one) && is_secret(&other) && one != other);
        assert!(one.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(prefix(&one).len(), 10);
        for text in ["", "vigil_", "secret", &one[1..], &one[..one.len() - 1]] {
            assert!(!is_secret(text), "{text}");
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_ends_at_its_time() {
        let mut key = KeyRecord {
            key_id: "k".into(),
            label: "l".to_owned(),
            role: Role::Read,
            study: "*".into(),
            site: "*".into(),
            owner: None,
            created_at: String::new(),
            created_by: "a".into(),
            expires_ms: Some(5),
            prefix: String::new(),
            sha256: String::new(),
            withdrawn_at: None,
        };
        let at = Timestamp::from_millis;
        assert_eq!(key.line(), "k read * * 5");
        let in_force = InForce::read(&key.line()).unwrap();
        assert!(!in_force.has_expired(at(4)) && in_force.has_expired(at(5)));
        key.expires_ms = None;
        assert!(!InForce::read(&key.line()).unwrap().has_expired(at(i64::MAX)));
        let person = Person { issuer: "https://a".into(), subject: "a b".into(), name: "陈 静".into() };
        let session = InForce { person: Some(person), ..InForce::read("s read A 1 7").unwrap() };
        assert_eq!(InForce::read(&session.line()).as_ref(), Some(&session));
        let fresh = InForce { authenticated: Some(1_772_438_400), ..session.clone() };
        assert_eq!(fresh.line(), [&*session.line(), " 1772438400"].concat());
        assert_eq!(InForce::read(&fresh.line()), Some(fresh));
        for line in [
            "k read A 1 7 i s n soon",
            "k read A 1 7 i s n 1 2",
            "k read A 1 7 i s",
            "",
            "k read * *",
            "k king * * -",
            "k read * * soon",
            "k read * * - -",
        ] {
            assert_eq!(InForce::read(line), None, "{line}");
        }
    }
}
