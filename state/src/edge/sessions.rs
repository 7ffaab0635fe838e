//! Sessions: for a short while a person acts under one of their grants, after an identity provider has vouched for them; or a
//! client, after it has signed who it is.
//!
//! Guarantee: a session that ended, or whose time has passed, is refused by every instance of every host within a second.
//! After a person is signed out, no token that was issued before begins a session. Whoever reads a record finds the name
//! that the person had.
//!
//! Mechanism: a session is checked as a key is ([`super::keys`]): Redis has its line under the hash of its secret, and forgets
//! it at its end. The store has its record for ever, for those who ask later who acted. Without Redis no session is believed,
//! and a lost Redis ends them all.

use domain::access::{Access, Grant, Person};
use domain::ids::KeyId;
use std::collections::BTreeMap;

use platform::digest::{digest, hex};
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use platform::{Error, Kind, clock};
use serde::{Deserialize, Serialize};

use crate::edge::keys::{self, InForce};
use crate::names;

/// The beginning of every secret of a session.
pub(super) const BEGINNING: &str = "vigil_s_";
/// The most sessions at a time.
const MOST: u32 = 50_000;
/// For how long the sign-out of a person is remembered: longer than a token is good for.
const REMEMBERED_SECONDS: i64 = 7 * 86_400;

/// A session, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// The id, which logs show.
    pub session_id: KeyId,
    /// The person.
    #[serde(flatten)]
    pub person: Person,
    /// The grant under which the person acts.
    #[serde(flatten)]
    pub grant: Grant,
    /// The person's groups, as the provider named them.
    pub groups: Vec<String>,
    /// When it began, RFC 3339 in UTC.
    pub began_at: String,
    /// When the person authenticated at the identity provider, seconds since the epoch; none if nothing proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<i64>,
    /// When it ends, milliseconds since the epoch.
    pub expires_ms: i64,
}

/// A name for a person that tells nobody who it is: SHA-256 of issuer and subject, hex.
pub fn digest_of(person: &Person) -> String {
    hex(&digest([&*person.issuer, "|", &person.subject].concat().as_bytes()))
}

/// Takes a client's assertion as used, by the SHA-256 of its id (hex), for so many seconds. False if it was used before.
///
/// # Errors
/// [`Kind::Unavailable`]. It may be used then; the client signs another.
pub async fn use_once(redis: &Redis, assertion: &str, seconds: i64) -> Result<bool, Error> {
    let own = format!("{:032x}", clock::random_bits());
    let key = names::assertion(assertion);
    let seconds = seconds.max(1).to_string();
    let arguments = [key.as_str(), &own, "NX", "EX", &seconds].map(text).to_vec();
    redis.command("SET", arguments).await?;
    // A command that is sent again over a new connection finds its own mark.
    let kept = redis.command("GET", vec![text(key)]).await?;
    Ok(kept.first().and_then(string).is_some_and(|kept| kept == own))
}

/// The outcome of a request for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It began.
    Yes,
    /// The person was signed out after their token was issued.
    SignedOut,
    /// There are too many sessions.
    Full,
}

script! {
    BeginScript<'a> = "edge/sessions/begin.lua",
    keys { session: String, sessions: &'static str, signed_out: String }
    args { sha256: &'a str, line: String, expires_ms: i64, issued: i64, most: u32 }
    reply Begun, by |reply| begun(&string(reply.first()?)?)
}

fn begun(word: &str) -> Option<Begun> {
    match word {
        "begun" => Some(Begun::Yes),
        "signed-out" => Some(Begun::SignedOut),
        "full" => Some(Begun::Full),
        _ => None,
    }
}

/// A new secret of a session.
pub fn secret() -> String {
    [BEGINNING, &keys::random()].concat()
}

/// Whether a text has the form of a secret that [`secret`] makes.
pub fn is_secret(text: &str) -> bool {
    text.strip_prefix(BEGINNING).is_some_and(keys::is_random)
}

/// A new id of a session.
pub fn id() -> KeyId {
    format!("s-{:016x}", (clock::random_bits() >> 64) as u64).into()
}

/// The actor of a session, as records name it: `<issuer>|<subject>|<session>`.
pub fn actor(session: &KeyId, person: &Person) -> KeyId {
    [&person.issuer, "|", &person.subject, "|", session.as_str()].concat().into()
}

/// The names of the persons among actors. Each is read once.
pub struct Names<'a> {
    store: &'a Store,
    known: BTreeMap<String, Option<String>>,
}

impl<'a> Names<'a> {
    /// Reads names from this store.
    pub fn new(store: &'a Store) -> Self {
        Names { store, known: BTreeMap::new() }
    }

    /// The person's name of an actor that [`actor`] wrote; none for a key.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn of(&mut self, actor: &str) -> Result<Option<String>, Error> {
        let Some((_, session)) = actor.rsplit_once('|').filter(|(_, session)| is_id(session)) else { return Ok(None) };
        if let Some(name) = self.known.get(actor) {
            return Ok(name.clone());
        }
        let name = load(self.store, &session.into()).await?.map(|record| record.person.name);
        self.known.insert(actor.to_owned(), name.clone());
        Ok(name)
    }

    /// Writes the names of these actors into the places beside them.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn fill<'b>(
        &mut self,
        actors: impl IntoIterator<Item = (Option<&'b str>, &'b mut Option<String>)>,
    ) -> Result<(), Error> {
        for (actor, name) in actors {
            if let Some(actor) = actor {
                *name = self.of(actor).await?;
            }
        }
        Ok(())
    }
}

/// Whether a text has the form of an id that [`id`] makes.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("s-").is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Begins a session whose secret has this SHA-256, hex; `issued` is when its token was issued, seconds since the epoch.
///
/// # Errors
/// [`Kind::Unavailable`]. A record may be left in the store, of a session that nobody can use.
pub async fn begin(
    redis: &Redis,
    store: &Store,
    session: &SessionRecord,
    sha256: &str,
    issued: i64,
) -> Result<Begun, Error> {
    let record = platform::kv::json(session)?;
    store.put(&names::session_record(&session.session_id), record.as_bytes()).await?;
    let in_force = InForce {
        key_id: session.session_id.clone(),
        grant: session.grant.clone(),
        expires_ms: Some(session.expires_ms),
        person: Some(session.person.clone()),
        authenticated: session.authenticated,
    };
    let script = BeginScript {
        session: names::session(sha256),
        sessions: names::SESSIONS,
        signed_out: names::signed_out(&digest_of(&session.person)),
        sha256,
        line: in_force.line(),
        expires_ms: session.expires_ms,
        issued,
        most: MOST,
    };
    script.run(redis).await
}

/// The session in force whose secret has this SHA-256.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn find(redis: &Redis, sha256: &[u8; 32]) -> Result<Option<InForce>, Error> {
    let reply = redis.command("GET", vec![text(names::session(&hex(sha256)))]).await?;
    let Some(line) = reply.first().and_then(string) else { return Ok(None) };
    InForce::read(&line).map(Some).ok_or_else(unreadable)
}

/// All sessions in force, each with the SHA-256 of its secret, hex.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn all(redis: &Redis) -> Result<Vec<(String, InForce)>, Error> {
    let now = clock::now().millis().to_string();
    let hashes = redis.command("ZRANGEBYSCORE", vec![text(names::SESSIONS), text(now), text("+inf")]).await?;
    let hashes: Vec<String> = hashes.iter().filter_map(string).collect();
    let mut found = Vec::with_capacity(hashes.len());
    for part in hashes.chunks(1000) {
        let lines = redis.command("MGET", part.iter().map(|hash| text(names::session(hash))).collect()).await?;
        for (hash, line) in part.iter().zip(&lines) {
            // One that ended meanwhile has no line.
            if let Some(line) = string(line) {
                found.push((hash.clone(), InForce::read(&line).ok_or_else(unreadable)?));
            }
        }
    }
    Ok(found)
}

/// The record of a session, whether it is in force or not.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn load(store: &Store, id: &KeyId) -> Result<Option<SessionRecord>, Error> {
    store.get(&names::session_record(id)).await
}

/// Ends a session. Nothing happens if it is not in force any more.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn end(redis: &Redis, sha256: &str) -> Result<(), Error> {
    redis.command("DEL", vec![text(names::session(sha256))]).await?;
    redis.command("ZREM", vec![text(names::SESSIONS), text(sha256)]).await.map(drop)
}

/// Refuses every token of a person that was issued until now.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn refuse_tokens(redis: &Redis, person: &Person) -> Result<(), Error> {
    let now = (clock::now().millis() / 1000).to_string();
    let arguments =
        vec![text(names::signed_out(&digest_of(person))), text(now), text("EX"), text(REMEMBERED_SECONDS.to_string())];
    redis.command("SET", arguments).await.map(drop)
}

/// Ends the sessions whose grants the document does not give any more. Returns how many.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn keep_granted(redis: &Redis, store: &Store, access: &Access) -> Result<usize, Error> {
    let mut ended = 0;
    for (hash, session) in all(redis).await? {
        let record = load(store, &session.key_id).await?;
        let is_granted = record.is_some_and(|SessionRecord { person, grant, groups, .. }| {
            access.grants(&person.issuer, &person.subject, &groups).contains(&grant)
        });
        if !is_granted {
            end(redis, &hash).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

fn unreadable() -> Error {
    Error::new("sessions", Kind::Unavailable, "a session cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_a_session_is_none_of_a_key() {
        let (session, key) = (secret(), keys::secret());
        assert!(is_secret(&session) && !keys::is_secret(&session));
        assert!(keys::is_secret(&key) && !is_secret(&key));
    }

    #[test]
    fn an_actor_names_the_session_whatever_the_subject_is() {
        let person = Person { issuer: "https://a.example".into(), subject: "auth0|7 8".into(), name: "N".into() };
        let session = id();
        let actor = actor(&session, &person);
        assert_eq!(actor.as_str(), format!("https://a.example|auth0|7 8|{session}"));
        let (_, last) = actor.as_str().rsplit_once('|').unwrap();
        assert!(is_id(last) && last == session.as_str());
        for text in ["", "s-", "k-0123456789abcdef", "s-0123456789abcde", "s-0123456789abcdeg"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
