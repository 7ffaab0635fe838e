//! The documents of studies: their versions, what is in force of them, and the settings that a study has of its own.
//!
//! Guarantee: a version is immutable, has its record in the study's audit chain, and is in force for everything that is
//! taken in or claimed after the answer, in every instance. A change of one study costs the others nothing.
//!
//! Mechanism: the store has each version, and an index for each study with all versions and, in a form that needs no
//! reading, what Redis is given of the one in force. Redis has a hash for each study: its state and its sites, by which the
//! door's script decides, and its own settings under a revision. What an instance knows of these settings may be old: the
//! door's script compares the revision, and a worker asks for the revisions of all studies of a batch at once.
//!
//! If Redis has lost everything, the first reader of the settings restores the studies from the store, too.

mod change;
mod own;

use std::collections::BTreeMap;

use domain::ids::{KeyId, StudyId};
use domain::study::Study;
use platform::digest::{digest, hex};
use platform::kv::Store;
use platform::redis::{Redis, string, text, unexpected, whether};
use platform::{Error, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lock::Lock;
use crate::names;
use crate::settings::{LEASE, Version};

pub use change::{Draft, change};
pub use own::{Own, of_all};

/// A study, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Line {
    /// Its id.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Name"))]
    pub study_id: StudyId,
    /// Its title.
    pub title: String,
    /// `draft`, `live`, `paused` or `closed`.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["draft", "live", "paused", "closed"])))]
    pub state: String,
    /// The number of its sites.
    pub sites: usize,
    /// The version of its document.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub version: u64,
    /// In force since, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Time"))]
    pub at: String,
    /// The key or the person that stored it.
    pub by: KeyId,
}

/// What Redis is given of a version, in the order of the script's arguments after the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Published([String; 8]);

impl Published {
    fn text(&self, number: usize) -> &str {
        self.0.get(number).map_or("", String::as_str)
    }

    /// When the study was closed, milliseconds as a text; empty if it is open.
    fn closed(&self) -> &str {
        self.text(4)
    }

    /// The sites, each with `-` or when it was closed.
    fn sites(&self) -> BTreeMap<&str, &str> {
        let mut words = self.text(7).split(' ');
        std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect()
    }
}

/// The index of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// All versions, the first one first. The last one is in force.
    pub versions: Vec<Version>,
    published: Published,
}

impl Index {
    /// The index of a study; none if it has no document.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn stored(store: &Store, study: &StudyId) -> Result<Option<Self>, Error> {
        store.get(&names::study_index(study)).await
    }

    /// Whether it says of the version in force what this content says, for `vigilctl verify`.
    pub fn is_of(&self, id: &StudyId, content: &[u8]) -> bool {
        let Ok(document) = platform::json::read::<Value>(content) else { return false };
        let (Ok(study), Some(current)) = (Study::read(&document), self.current()) else { return false };
        let draft = Draft { id, study: &study, document: &document, content: String::new() };
        // Sites and studies that were closed keep their times.
        change::published(&draft, current, Some(&self.published), 0).is_ok_and(|made| made == self.published)
    }

    /// Whether Redis has what it says.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn is_in_force(&self, redis: &Redis, study: &StudyId) -> Result<bool, Error> {
        let reply = redis.command("HGETALL", vec![text(names::study(study))]).await?;
        let pairs = reply.as_chunks::<2>().0.iter().map(|[field, value]| Some((string(field)?, string(value)?)));
        let known: Option<BTreeMap<String, String>> = pairs.collect();
        let fields = ["revision", "state", "closed", "own", "settings"].into_iter().map(str::to_owned);
        let mut said: BTreeMap<String, String> =
            fields.enumerate().map(|(at, field)| (field, self.published.text(at + 2).to_owned())).collect();
        for (site, closed) in self.published.sites() {
            said.insert(["site:", site].concat(), closed.to_owned());
        }
        Ok(known == Some(said))
    }

    /// The version in force.
    pub fn current(&self) -> Option<&Version> {
        self.versions.last()
    }
}

/// The part of an index that is put in force.
#[derive(Deserialize)]
struct InForce {
    published: Published,
}

script! {
    PublishScript<'a> = "settings/studies/publish.lua",
    keys { lock: &'static str, lines: &'static str, own: &'static str, study: String }
    args { token: &'a str, published: &'a [String] }
    reply bool, by whether
}

/// Puts a version in force. Returns whether it is.
async fn publish(redis: &Redis, token: &str, study: &StudyId, published: &Published) -> Result<bool, Error> {
    let (lock, lines, own) = (names::STUDIES_LOCK, names::STUDIES, names::STUDIES_OWN);
    PublishScript { lock, lines, own, study: names::study(study), token, published: &published.0 }.run(redis).await
}

/// Puts the documents of studies in force that Redis does not have. Returns how many studies have a document.
///
/// # Errors
/// [`Kind::Unavailable`]. What was put back stays; doing it again is safe.
pub async fn restore(redis: &Redis, store: &Store) -> Result<usize, Error> {
    let all: Vec<StudyId> = store.get(names::STUDIES_INDEX).await?.unwrap_or_default();
    for study in &all {
        if let Some(InForce { published }) = store.get(&names::study_index(study)).await? {
            publish(redis, "", study, &published).await?;
        }
    }
    Ok(all.len())
}

/// Puts the documents of the store in force where Redis has others or none. Returns of how many studies it had others.
///
/// # Errors
/// [`Kind::Unavailable`]; [`Kind::TimedOut`] while others change studies. Doing it again is safe.
pub async fn put_back(redis: &Redis, store: &Store) -> Result<usize, Error> {
    let (all, mut changed): (Vec<StudyId>, _) = (store.get(names::STUDIES_INDEX).await?.unwrap_or_default(), 0);
    for study in &all {
        changed += usize::from(put_one_back(redis, store, study).await?);
    }
    Ok(changed)
}

/// Puts what the store has of a study in force, under the lock. Returns whether Redis had something else.
async fn put_one_back(redis: &Redis, store: &Store, study: &StudyId) -> Result<bool, Error> {
    let busy = || Error::new("studies", Kind::TimedOut, "others change studies all the time");
    let lock = Lock::take(redis, names::STUDIES_LOCK, LEASE).await?.ok_or_else(busy)?;
    let known = revision(redis, study).await?;
    match store.get::<InForce>(&names::study_index(study)).await? {
        Some(InForce { published }) if known.as_deref() != Some(published.text(2)) => {
            publish(redis, lock.token(), study, &published).await
        }
        _ => lock.release(redis).await.map(|()| false),
    }
}

/// The revision of a study that Redis has.
async fn revision(redis: &Redis, study: &StudyId) -> Result<Option<String>, Error> {
    let known = redis.command("HGET", vec![text(names::study(study)), text("revision")]).await?;
    Ok(known.first().and_then(string))
}

/// The index of a study whose last version is in force; none if it has no document. If a host died when it had stored a version
/// and not put it in force, it comes in force now.
///
/// # Errors
/// [`Kind::Unavailable`]; [`Kind::TimedOut`] while others change studies.
pub async fn in_force(redis: &Redis, store: &Store, study: &StudyId) -> Result<Option<Index>, Error> {
    let Some(index) = Index::stored(store, study).await? else { return Ok(None) };
    if revision(redis, study).await?.as_deref() == Some(index.published.text(2)) {
        return Ok(Some(index));
    }
    put_one_back(redis, store, study).await?;
    Index::stored(store, study).await
}

/// A page of studies, by their ids, of which `shown` tells whether they are shown; and whether there are more.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn list(
    redis: &Redis,
    after: &str,
    limit: usize,
    shown: impl Fn(&StudyId) -> bool,
) -> Result<(Vec<Line>, bool), Error> {
    let names = redis.command("HKEYS", vec![text(names::STUDIES)]).await?;
    let mut names: Vec<StudyId> = names.iter().filter_map(string).map(StudyId::from).collect();
    names.retain(|study| study.as_str() > after && shown(study));
    names.sort_unstable();
    let more = names.len() > limit;
    names.truncate(limit);
    if names.is_empty() {
        return Ok((Vec::new(), false));
    }
    let fields = [text(names::STUDIES)].into_iter().chain(names.iter().map(|study| text(study.as_str())));
    let lines = redis.command("HMGET", fields.collect()).await?;
    let lines = lines.iter().filter_map(string).map(|line| serde_json::from_str(&line));
    let lines = lines.collect::<Result<Vec<Line>, _>>().map_err(|_| unexpected("HMGET"))?;
    Ok((lines, more))
}

/// The text of a version.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn version(store: &Store, study: &StudyId, version: u64) -> Result<Option<Vec<u8>>, Error> {
    store.bytes(&names::study_version(study, version)).await
}

/// SHA-256 of a text, hex.
fn hash(text: &str) -> String {
    hex(&digest(text.as_bytes()))
}
