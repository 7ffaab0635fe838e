//! Linked subjects. A patient who moves to another site is a subject of each site; a link says that these are one
//! person.
//!
//! Guarantee: a link is made and taken back by an explicit act, with a record in the audit chain of both subjects. The
//! decisions for a person (series, changes, overdue submissions) use all its subjects. A key sees no more than before.
//!
//! Mechanism: each subject's links are stored at `subject/<pseudonym>/links`. No link closes a circle, so taking one
//! back splits a person in two. A hash in Redis holds, for every linked subject, all subjects of the person. It is
//! derived from the records. For a subject without links it costs one lookup, in a script that runs anyway or beside
//! it.

use domain::ids::{KeyId, Pseudonym, SiteId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, string, text, unexpected, whether};
use platform::{Error, Kind};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::audit::{self, Action, Change};
use crate::lock::Lock;
use crate::names;
use crate::wire::entry::Subject;
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};

/// The most subjects of a person.
pub const MOST: usize = 16;
/// The time that a change may take before another may begin; longer than any request.
const LEASE: Duration = Duration::from_secs(10);
/// The time that reading all links may take.
const LONG_LEASE: Duration = Duration::from_secs(60);

/// The links of a subject, at `subject/<pseudonym>/links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// In the order in which they were made.
    pub links: Vec<Link>,
}

/// A link to another subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Link {
    /// The other subject's pseudonym.
    pub to: Pseudonym,
    /// The other subject's site.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub site_id: SiteId,
    /// The time when it was made, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: String,
    /// The id of the key by which it was made.
    pub by: KeyId,
    /// Why.
    pub reason: String,
}

/// A subject of a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its pseudonym.
    pub subject: Pseudonym,
    /// Its site.
    pub site: SiteId,
}

/// All subjects of a subject's person, in the order of their pseudonyms; empty if the subject has no links.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn person(redis: &Redis, subject: &Pseudonym) -> Result<Vec<Member>, Error> {
    let reply = redis.command("HGET", vec![text(names::LINKS), text(subject.as_str())]).await?;
    match reply.first() {
        None | Some(RedisResult::Nil) => Ok(Vec::new()),
        Some(found) => string(found)
            .as_deref()
            .and_then(read)
            .ok_or_else(|| Error::new("redis", Kind::Unavailable, "unexpected links")),
    }
}

/// A subject, and the same person's other subjects at the sites that `covers` names.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn covered(
    redis: &Redis,
    subject: &Pseudonym,
    covers: impl Fn(&SiteId) -> bool,
) -> Result<Vec<Pseudonym>, Error> {
    let mut person = person(redis, subject).await?;
    person.retain(|member| member.subject != *subject && covers(&member.site));
    let others = person.into_iter().map(|member| member.subject);
    Ok(std::iter::once(subject.clone()).chain(others).collect())
}

fn read(text: &str) -> Option<Vec<Member>> {
    let words: Vec<&str> = text.split(' ').collect();
    let (pairs, rest) = words.as_chunks::<2>();
    let member = |[subject, site]: &[&str; 2]| Member { subject: (*subject).into(), site: (*site).into() };
    rest.is_empty().then(|| pairs.iter().map(member).collect())
}

/// The members of a person, as the hash stores them.
fn write<'a>(person: impl IntoIterator<Item = (&'a Pseudonym, &'a SiteId)>) -> String {
    let words: Vec<String> = person.into_iter().map(|(subject, site)| format!("{subject} {site}")).collect();
    words.join(" ")
}

/// The outcome of a change of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is made.
    Made,
    /// Nothing to do: they are linked already, perhaps through others; or there is no link to take back.
    Already,
    /// The person would have too many subjects.
    TooMany,
    /// Others kept changing links; nothing was stored.
    Busy,
}

/// The author of a change, its time and its reason.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// When, RFC 3339 in UTC.
    pub at: &'a str,
    /// The id of the key.
    pub by: &'a KeyId,
    /// Why.
    pub reason: &'a str,
}

/// Links two subjects, or takes their link back. Both exist, and belong to one study.
///
/// # Errors
/// [`Kind::Unavailable`]. The change may be stored but not in force; a second call puts it in force.
pub async fn change(
    redis: &Redis,
    link: bool,
    one: &Subject,
    other: &Subject,
    said: Author<'_>,
) -> Result<Changed, Error> {
    let Some(lock) = Lock::take(redis, names::LINKS_LOCK, LEASE).await? else { return Ok(Changed::Busy) };
    let store = Store::open().await?;
    let outcome = store_change(redis, &store, link, one, other, said).await?;
    // Runs even if there was nothing to store: an earlier attempt may have stopped here.
    let mut people = Vec::new();
    for subject in [one, other] {
        let person = gather(&store, subject).await?;
        let members = members(&person);
        people.extend(person.into_keys().map(|subject| (subject, members.clone())));
    }
    publish(redis, &lock, &people).await?;
    Ok(outcome)
}

/// Writes the persons of these subjects, and gives the lock back.
async fn publish(redis: &Redis, lock: &Lock, people: &[(Pseudonym, String)]) -> Result<(), Error> {
    let people = people.iter().map(|(subject, person)| (subject.as_str(), person.as_str())).collect();
    let script = LinksScript { lock: names::LINKS_LOCK, links: names::LINKS, token: lock.token(), people };
    if script.run(redis).await? {
        return Ok(());
    }
    Err(Error::new("links", Kind::TimedOut, "the change took too long"))
}

script! {
    LinksScript<'a> = "subjects/links.lua",
    keys { lock: &'static str, links: &'static str }
    args { token: &'a str, people: Vec<(&'a str, &'a str)> }
    reply bool, by whether
}

/// Corrects the hash from the records, for these subjects and for all that it names: after Redis was lost or restored
/// from a backup. Returns for how many subjects the person was missing or wrong; none if others keep changing links.
///
/// # Errors
/// [`Kind::Unavailable`], [`Kind::TimedOut`]; doing it again is safe.
pub async fn put_back(redis: &Redis, linked: BTreeSet<Pseudonym>) -> Result<Option<u64>, Error> {
    let Some(lock) = Lock::take(redis, names::LINKS_LOCK, LONG_LEASE).await? else { return Ok(None) };
    let store = Store::open().await?;
    let reply = redis.command("HGETALL", vec![text(names::LINKS)]).await?;
    let pairs =
        reply.as_chunks::<2>().0.iter().map(|[subject, person]| Some((string(subject)?.into(), string(person)?)));
    let mut known: BTreeMap<Pseudonym, String> = pairs.collect::<Option<_>>().ok_or_else(|| unexpected("HGETALL"))?;
    let mut people = Vec::new();
    for subject in linked.into_iter().chain(known.keys().cloned()).collect::<BTreeSet<Pseudonym>>() {
        let person = match store.get::<Subject>(&names::subject(&subject)).await? {
            Some(subject) => members(&gather(&store, &subject).await?),
            None => String::new(),
        };
        if known.remove(&subject).unwrap_or_default() != person {
            people.push((subject, person));
        }
    }
    publish(redis, &lock, &people).await?;
    Ok(Some(u64::try_from(people.len()).unwrap_or(u64::MAX)))
}

/// A person as the hash stores it; empty for a subject without links.
fn members(person: &BTreeMap<Pseudonym, SiteId>) -> String {
    if person.len() > 1 { write(person) } else { String::new() }
}

async fn store_change(
    redis: &Redis,
    store: &Store,
    link: bool,
    one: &Subject,
    other: &Subject,
    said: Author<'_>,
) -> Result<Changed, Error> {
    let mut links: [Links; 2] = [of(store, &one.subject).await?, of(store, &other.subject).await?];
    if link {
        let (mine, theirs) = (gather(store, one).await?, gather(store, other).await?);
        if mine.contains_key(&other.subject) {
            return Ok(Changed::Already);
        }
        if mine.len() + theirs.len() > MOST {
            return Ok(Changed::TooMany);
        }
    } else if !links.iter().flat_map(|own| &own.links).any(|link| link.to == other.subject) {
        return Ok(Changed::Already);
    }
    let mut batch = Batch::default();
    for (own, [subject, to]) in links.iter_mut().zip([[one, other], [other, one]]) {
        own.links.retain(|known| known.to != to.subject);
        if link {
            let (to, site_id) = (to.subject.clone(), to.site_id.clone());
            let (at, by, reason) = (said.at.to_owned(), said.by.clone(), said.reason.to_owned());
            own.links.push(Link { to, site_id, at, by, reason });
        }
        batch.put(names::subject_links(&subject.subject), own)?;
        let change = Change {
            reason: Some(said.reason),
            refers_to: Some(&names::subject(&to.subject)),
            ..Change::new(said.at, said.by, if link { Action::Linked } else { Action::Unlinked })
        };
        audit::append(redis, store, &mut batch, &names::subject(&subject.subject), &change).await?;
    }
    kv::put_all(&mut batch)?;
    Ok(Changed::Made)
}

/// The links of a subject.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn of(store: &Store, subject: &Pseudonym) -> Result<Links, Error> {
    Ok(store.get(&names::subject_links(subject)).await?.unwrap_or_default())
}

/// The subjects of a person, each with its site, from the store.
async fn gather(store: &Store, subject: &Subject) -> Result<BTreeMap<Pseudonym, SiteId>, Error> {
    let mut person = BTreeMap::from([(subject.subject.clone(), subject.site_id.clone())]);
    let mut open = vec![subject.subject.clone()];
    while let Some(subject) = open.pop() {
        for link in of(store, &subject).await?.links {
            if person.insert(link.to.clone(), link.site_id).is_none() {
                open.push(link.to);
            }
        }
    }
    Ok(person)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_read_as_it_was_written() {
        let person = BTreeMap::from([("b".into(), "1".into()), ("a".into(), "2".into())]);
        let member = |subject: &str, site: &str| Member { subject: subject.into(), site: site.into() };
        assert_eq!(read(&write(&person)).unwrap(), [member("a", "2"), member("b", "1")]);
        assert_eq!(read("a 1 b"), None);
    }
}
