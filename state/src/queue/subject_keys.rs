//! Who makes the keys of a subject, and how workers that meet agree on them.
//!
//! Guarantee: all workers seal what they store of a subject with the same keys, which the store has not later than what they
//! sealed. Nothing that is finished after a subject's keys were destroyed stays sealed with them.
//!
//! Mechanism: a worker that finds no keys makes some and pins them (`pin`): the first that are pinned stand. Then it reads the
//! store once more: pins are deleted only after the keys are stored, so it cannot miss keys that another worker stored in
//! between. Erasing a subject counts up a number in Redis, with the subject's name; a worker asks before each batch, and again
//! before it stores new keys and before it ends one, whose keys were destroyed since. Such entries wait again and get new keys.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use domain::ids::Pseudonym;
use platform::kv::{self, Batch};
use platform::redis::{Redis, integer, string};
use platform::{Error, Kind, clock};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::queue::FollowUps;
use crate::queue::holder::Holder;
use crate::queue::pin::pin;
use crate::wire::sealed::{KeyRing, Random, SubjectKeys, WrappedKeys, unwrap};

/// The most subjects whose keys are remembered.
const MOST_SUBJECTS: usize = 20_000;

/// The most subjects of one reply.
const MOST_DESTROYED: usize = 5000;

/// The number of the last destruction of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destructions(i64);

script! {
    DestroyedScript = "queue/destroyed.lua",
    keys { destroyed: &'static str }
    args { since: i64, most: usize }
    reply (Destructions, BTreeSet<Pseudonym>), by |reply| read(&reply)
}

fn read(reply: &[RedisResult]) -> Option<(Destructions, BTreeSet<Pseudonym>)> {
    let (last, subjects) = reply.split_first()?;
    let subjects: Option<BTreeSet<Pseudonym>> = subjects.iter().map(|one| string(one).map(Pseudonym::from)).collect();
    Some((Destructions(integer(last)?), subjects?))
}

/// The subjects whose keys were destroyed since, and the number of the last one.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn destroyed(redis: &Redis, since: Destructions) -> Result<(Destructions, BTreeSet<Pseudonym>), Error> {
    destroyed_by(redis, since, MOST_DESTROYED).await
}

/// As [`destroyed`], with this many subjects in one reply.
async fn destroyed_by(
    redis: &Redis,
    mut since: Destructions,
    most: usize,
) -> Result<(Destructions, BTreeSet<Pseudonym>), Error> {
    let mut all = BTreeSet::new();
    loop {
        let script = DestroyedScript { destroyed: names::KEYS_DESTROYED, since: since.0, most };
        let (last, subjects) = script.run(redis).await?;
        let is_last = subjects.len() < most || last == since;
        all.extend(subjects);
        since = last;
        if is_last {
            return Ok((since, all));
        }
    }
}

/// Takes keys of these subjects that were destroyed since, and the identities that they sealed, out of a batch that is to be
/// stored: there may be newer ones. Returns whether any subject's were destroyed. Its entries must not end.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn drop_destroyed(
    redis: &Redis,
    since: Destructions,
    subjects: &BTreeSet<Pseudonym>,
    batch: &mut Batch,
) -> Result<bool, Error> {
    if subjects.is_empty() {
        return Ok(false);
    }
    let (_, destroyed) = destroyed(redis, since).await?;
    let gone = subjects.intersection(&destroyed);
    let gone: Vec<String> = gone.flat_map(|subject| [names::subject_keys(subject), names::subject(subject)]).collect();
    batch.remove(&gone);
    Ok(!gone.is_empty())
}

/// The keys of a subject in a worker's hands.
struct Held {
    keys: SubjectKeys,
    /// What is to be stored with the first record.
    unstored: Option<WrappedKeys>,
}

/// Keys that were made, with their record.
type Made = (WrappedKeys, SubjectKeys);

/// The keys of the subjects that a worker has met.
pub struct HeldKeys {
    ring: Rc<KeyRing>,
    held: HashMap<Pseudonym, Held>,
    /// Those whose keys no key of the installation opens.
    unopened: BTreeSet<Pseudonym>,
    /// Those whose keys were put into a batch since [`HeldKeys::take_new`].
    new: BTreeSet<Pseudonym>,
    since: Destructions,
}

impl HeldKeys {
    /// Knows no subject yet.
    pub fn new(ring: Rc<KeyRing>) -> Self {
        HeldKeys {
            ring,
            held: HashMap::new(),
            unopened: BTreeSet::new(),
            new: BTreeSet::new(),
            since: Destructions(i64::MAX),
        }
    }

    /// Every key of the installation.
    pub fn ring(&self) -> &Rc<KeyRing> {
        &self.ring
    }

    /// The subjects whose new keys were put into batches since the last call. Right before such a batch is stored, the worker
    /// calls [`drop_destroyed`].
    pub fn take_new(&mut self) -> BTreeSet<Pseudonym> {
        std::mem::take(&mut self.new)
    }

    /// The last destruction of which it knows.
    pub fn since(&self) -> Destructions {
        self.since
    }

    /// The subjects of the last call of [`HeldKeys::load`] whose keys no key of the installation opens. Nothing of them can
    /// be stored until it has the right one; others need not wait for that.
    pub fn unopened(&self) -> &BTreeSet<Pseudonym> {
        &self.unopened
    }

    /// Gets the keys of subjects, and makes those that are missing. Returns the subjects whose keys were destroyed since the
    /// last call.
    ///
    /// # Errors
    /// [`Kind::Unavailable`], also when the worker was declared dead.
    pub async fn load(
        &mut self,
        redis: &Redis,
        holder: &Holder,
        subjects: BTreeSet<&Pseudonym>,
    ) -> Result<BTreeSet<Pseudonym>, Error> {
        let (since, destroyed) = destroyed(redis, self.since).await?;
        self.since = since;
        self.unopened.clear();
        if self.held.len() > MOST_SUBJECTS {
            self.held.clear();
        }
        self.held.retain(|subject, _| !destroyed.contains(subject));
        let wanted: Vec<&Pseudonym> =
            subjects.into_iter().filter(|subject| !self.held.contains_key(*subject)).collect();
        let missing: Vec<&Pseudonym> = self.take_stored(&wanted)?.into_iter().collect();
        if missing.is_empty() {
            return Ok(destroyed);
        }
        let mut made = self.make(&missing)?;
        let pins = made.iter().map(|(subject, made)| Ok((subject.to_string(), kv::json(&made.0)?)));
        let pins: Vec<(String, String)> = pins.collect::<Result<_, Error>>()?;
        let standing = pin(redis, holder, &pins).await?;
        for ((subject, made), standing) in made.iter_mut().zip(standing) {
            if let Some(standing) = standing {
                let wrapped: WrappedKeys = kv::read(standing.as_bytes())?;
                match unwrap(&self.ring, subject, &wrapped) {
                    Ok(keys) => *made = (wrapped, keys),
                    Err(_) => drop(self.unopened.insert((*subject).clone())),
                }
            }
        }
        // Whoever stored keys meanwhile may have deleted the pin, before or after this one was made.
        let missing = self.take_stored(&missing)?;
        for (subject, (unstored, keys)) in made {
            if missing.contains(&subject) && !self.unopened.contains(subject) {
                self.held.insert(subject.clone(), Held { keys, unstored: Some(unstored) });
            }
        }
        Ok(destroyed)
    }

    /// Makes keys of chance.
    fn make<'a>(&self, subjects: &[&'a Pseudonym]) -> Result<Vec<(&'a Pseudonym, Made)>, Error> {
        let random = clock::random_bytes(subjects.len() * size_of::<Random>());
        let keys = subjects.iter().zip(random.as_chunks().0.as_chunks().0);
        let made = keys.map(|(subject, random)| Some((*subject, self.ring.make(subject, random)?)));
        made.collect::<Option<_>>().ok_or_else(|| Error::new("seal", Kind::Refused, "keys cannot be made"))
    }

    /// Takes the keys that are stored. Returns the subjects that have none there.
    fn take_stored<'a>(&mut self, subjects: &[&'a Pseudonym]) -> Result<BTreeSet<&'a Pseudonym>, Error> {
        let names: Vec<String> = subjects.iter().map(|subject| names::subject_keys(subject)).collect();
        let mut missing = BTreeSet::new();
        for (subject, stored) in subjects.iter().zip(kv::get_all(&names)?) {
            match stored {
                Some(stored) => {
                    let keys = kv::read(&stored).and_then(|wrapped| unwrap(&self.ring, subject, &wrapped));
                    match keys {
                        Ok(keys) => drop(self.held.insert((*subject).clone(), Held { keys, unstored: None })),
                        Err(_) => drop(self.unopened.insert((*subject).clone())),
                    }
                }
                None => drop(missing.insert(*subject)),
            }
        }
        Ok(missing)
    }

    /// The keys of a subject that was loaded.
    pub fn get(&self, subject: &Pseudonym) -> Option<&SubjectKeys> {
        self.held.get(subject).map(|held| &held.keys)
    }

    /// Adds the keys of a subject to the batch that has its first record, and says that they need not stay pinned when that
    /// is stored. Returns the keys.
    ///
    /// # Errors
    /// [`Kind::Refused`] when they were not loaded.
    pub fn put(
        &mut self,
        subject: &Pseudonym,
        batch: &mut Batch,
        follow_ups: &mut FollowUps,
    ) -> Result<&SubjectKeys, Error> {
        let held = self.held.get_mut(subject);
        let held = held.ok_or_else(|| Error::new("seal", Kind::Refused, "the keys of a subject were not loaded"))?;
        if let Some(unstored) = held.unstored.take() {
            batch.put(names::subject_keys(subject), &unstored)?;
            follow_ups.unpin(subject.as_str());
            self.new.insert(subject.clone());
        }
        Ok(&held.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destructions_are_read_as_the_script_gives_them() {
        let text = |text: &str| RedisResult::Binary(text.as_bytes().to_vec());
        let read_all = read(&[text("7"), text("p"), text("q")]);
        assert_eq!(read_all, Some((Destructions(7), ["p".into(), "q".into()].into())));
        assert_eq!((read(&[text("0")]), read(&[])), (Some((Destructions(0), BTreeSet::new())), None));
    }
}
