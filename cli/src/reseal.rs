//! After a change of the identity key: wraps the keys of all subjects with the new one, and seals the stored identities with
//! it. Contents stay as they are: the keys that sealed them do not change.
//!
//! Guarantee: a record is replaced only if it is, byte for byte, the record that was opened, and then whole or not at all. A
//! record that no key opens stays as it is. It may run beside the application, and may be interrupted and repeated: records
//! that the present key sealed stay as they are.
//!
//! Mechanism: it lists the store page by page, which its components cannot, and replaces the records of a page in one
//! transaction, each if it is still what was read.
//!
//! Not for entries that wait in Redis: they carry identities sealed with the key of their time, and their worker stores
//! them so. It is to be run when the queue is empty, or again.

use std::rc::Rc;

use anyhow::{Result, bail};
use domain::ids::Pseudonym;
use platform::kv::{self, Location, Replacement, Store};
use state::identity::{KeyRing, Resealed};
use state::wire::sealed::Opener;

use crate::PAGE;

/// The number of times that a record is read again while it is being written.
const TRIES: usize = 10;

/// The numbers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sealed with an older key; now with the present one, unless nothing was to be written.
    pub resealed: u64,
    /// Sealed with the present key before, or erased.
    pub current: u64,
    /// Opened by none of the keys.
    pub unreadable: u64,
}

/// Seals what the older keys open with the present one: the keys of subjects, then the identities. `write` false only
/// counts.
///
/// # Errors
/// When the store is not there or cannot be used. What was written before stays written.
pub fn run(location: &Location, ring: &Rc<KeyRing>, write: bool) -> Result<Counts> {
    crate::block_on(async {
        kv::open_at(location)?;
        let store = Store::open().await?;
        let mut work = Resealing { ring, write, counts: Counts::default() };
        for prefix in [KEYS, SUBJECTS] {
            let mut listing = kv::list(prefix)?;
            loop {
                let mut page = listing.next_page(PAGE)?;
                if page.is_empty() {
                    break;
                }
                // Beside a subject lie its links and the certificate of its erasure, which hold no identity.
                page.retain(|(key, _)| key.matches('/').count() == 1);
                work.page(&store, page).await?;
            }
        }
        Ok(work.counts)
    })
}

/// The records of keys, and those of identities.
const KEYS: &str = "subject-keys/";
const SUBJECTS: &str = "subject/";

struct Resealing<'a> {
    ring: &'a Rc<KeyRing>,
    write: bool,
    counts: Counts,
}

impl Resealing<'_> {
    /// Reseals records, those again that somebody else writes in the meantime.
    async fn page(&mut self, store: &Store, mut records: Vec<(String, Vec<u8>)>) -> Result<()> {
        for _ in 0..TRIES {
            let mut changed = Vec::new();
            for key in self.replace(store, records).await? {
                let now = store.bytes(&key).await?;
                changed.extend(now.map(|now| (key, now)));
            }
            if changed.is_empty() {
                return Ok(());
            }
            records = changed;
        }
        bail!("a record is being written all the time: is the application still running with the older key?")
    }

    /// Writes records that are still what was opened. Gives the keys of those that are not.
    async fn replace(&mut self, store: &Store, records: Vec<(String, Vec<u8>)>) -> Result<Vec<String>> {
        let mut changes = Vec::new();
        for (key, old) in records {
            match self.resealed(store, &key, &old).await {
                Resealed::Current => self.counts.current += 1,
                Resealed::Unreadable => self.counts.unreadable += 1,
                Resealed::Now(_) if !self.write => self.counts.resealed += 1,
                Resealed::Now(new) => changes.push(Replacement { key, old, new: new.into_bytes() }),
            }
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let replaced = kv::replace_each(&changes)?;
        let (done, changed): (Vec<_>, Vec<_>) = changes.into_iter().zip(replaced).partition(|(_, replaced)| *replaced);
        self.counts.resealed += u64::try_from(done.len())?;
        Ok(changed.into_iter().map(|(change, _)| change.key).collect())
    }

    async fn resealed(&self, store: &Store, key: &str, record: &[u8]) -> Resealed {
        if let Some(subject) = key.strip_prefix(KEYS) {
            return self.ring.rewrap(&subject.into(), record);
        }
        let subject = Pseudonym::from(key.strip_prefix(SUBJECTS).unwrap_or_default());
        // Keys that nothing opens are counted where they are; the identity is not readable without them.
        let keys = Opener::new(self.ring).keys(store, &subject).await.ok().flatten();
        self.ring.reseal(record, keys.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platform::kv::Batch;

    use state::identity::{IdentityKey, Subject};
    use state::names;

    use super::*;
    use crate::tests::on_both_stores;

    fn key(byte: u8) -> IdentityKey {
        IdentityKey::new(vec![byte; 32])
    }

    fn ring(keys: &[u8]) -> Rc<KeyRing> {
        Rc::new(KeyRing::new(key(keys[0]), keys[1..].iter().copied().map(key).collect()))
    }

    fn record(key: &IdentityKey, number: u32) -> String {
        let subject = format!("{number:032x}");
        let sealed = key.seal(&"A".into(), &subject.as_str().into(), "patient").unwrap();
        format!(r#"{{"subject":"{subject}","studyId":"A","siteId":"1","sealed":"{sealed}"}}"#)
    }

    fn fill(records: impl IntoIterator<Item = (String, String)>) {
        let mut batch = Batch::default();
        for (key, value) in records {
            batch.put_text(key, value);
        }
        kv::put_all(&mut batch).unwrap();
    }

    fn stored(key: &str) -> Vec<u8> {
        crate::block_on(async { Ok(Store::open().await?.bytes(key).await?) }).unwrap().unwrap()
    }

    #[test]
    fn all_pages_are_resealed_and_nothing_else_is_touched() {
        on_both_stores(|location, _| {
            let subjects = (0..3 * PAGE + 1).map(|number| (format!("subject/{number:032x}"), record(&key(1), number)));
            let foreign = ["subject", "subject0", "subjects/1", "alert/1", "subject/1/links"];
            let foreign = foreign.map(|name| (name.to_owned(), record(&key(1), 1)));
            let lost = [("subject/x".to_owned(), record(&key(9), 7)), ("subject/y".to_owned(), "{}".to_owned())];
            fill(subjects.chain(foreign).chain(lost));
            let all = u64::from(3 * PAGE + 1);
            let found = Counts { resealed: all, current: 0, unreadable: 2 };
            assert_eq!(run(location, &ring(&[2, 3, 1]), false).unwrap(), found);
            assert_eq!(run(location, &ring(&[2, 3, 1]), true).unwrap(), found);
            let found = Counts { resealed: 0, current: all, unreadable: 2 };
            assert_eq!(run(location, &ring(&[2]), true).unwrap(), found);
            assert_eq!(stored("subject0"), record(&key(1), 1).into_bytes());
            assert_eq!(stored("subject/1/links"), record(&key(1), 1).into_bytes());
        });
    }

    #[test]
    fn what_was_written_in_the_meantime_is_looked_at_again() {
        on_both_stores(|_, _| {
            let name = format!("subject/{:032x}", 5);
            fill([(name.clone(), record(&key(4), 5))]);
            let ring = ring(&[2, 1, 4]);
            let mut work = Resealing { ring: &ring, write: true, counts: Counts::default() };
            let seen = || vec![(name.clone(), record(&key(1), 5).into_bytes())];
            let changed = crate::block_on(async { work.replace(&Store::open().await?, seen()).await }).unwrap();
            assert_eq!(changed, std::slice::from_ref(&name));
            assert_eq!((work.counts, stored(&name)), (Counts::default(), record(&key(4), 5).into_bytes()));
            crate::block_on(async { work.page(&Store::open().await?, seen()).await }).unwrap();
            assert_eq!(work.counts, Counts { resealed: 1, ..Counts::default() });
            assert_eq!(stored(&name), record(&key(2), 5).into_bytes());
        });
    }

    #[test]
    fn an_erased_identity_is_left_as_it_is() {
        on_both_stores(|location, _| {
            let name = format!("subject/{:032x}", 6);
            let erased = format!(r#"{{"subject":"{:032x}","studyId":"A","siteId":"1","sealed":""}}"#, 6);
            fill([(name.clone(), erased.clone()), (format!("{name}/erased"), "{}".to_owned())]);
            let found = Counts { resealed: 0, current: 1, unreadable: 0 };
            assert_eq!(run(location, &ring(&[2, 1]), true).unwrap(), found);
            assert_eq!(stored(&name), erased.into_bytes());
        });
    }

    #[test]
    fn the_keys_of_subjects_are_wrapped_again_and_contents_stay() {
        on_both_stores(|location, _| {
            let subject = Pseudonym::from(format!("{:032x}", 7).as_str());
            let (wrapped, keys) = ring(&[1]).make(&subject, &[[5; 36]; 2]).unwrap();
            let content = serde_json::Map::from_iter([("q1".to_owned(), 3.into())]);
            let sealed = keys.seal_content(&"s".into(), &content).unwrap();
            let inner: Subject = serde_json::from_str(&record(&key(1), 7)).unwrap();
            let twice = Subject { sealed: keys.seal_identity(&subject, &inner.sealed).unwrap(), ..inner };
            fill([
                (names::subject_keys(&subject), kv::json(&wrapped).unwrap()),
                (names::subject(&subject), kv::json(&twice).unwrap()),
            ]);
            let all = Counts { resealed: 2, ..Counts::default() };
            assert_eq!(run(location, &ring(&[2]), false).unwrap(), Counts { unreadable: 2, ..Counts::default() });
            assert_eq!(run(location, &ring(&[2, 1]), true).unwrap(), all);
            assert_eq!(run(location, &ring(&[2]), true).unwrap(), Counts { current: 2, ..Counts::default() });
            let now = crate::block_on(async {
                let (store, opener) = (Store::open().await?, Opener::new(&ring(&[2])));
                let now: Subject = store.get(&names::subject(&subject)).await?.unwrap();
                let keys = opener.keys(&store, &subject).await?.unwrap();
                Ok((opener.identity(&store, &now).await?, keys.open_content(&"s".into(), &sealed)))
            });
            assert_eq!(now.unwrap(), (Some("patient".to_owned()), Some(content)));
        });
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = |dir: &Path| Location::StateDir(dir.to_owned());
        assert!(run(&nowhere(folder.path()), &ring(&[1]), true).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(run(&Location::Redis("redis://127.0.0.1:1".to_owned()), &ring(&[1]), true).is_err());
    }
}
