//! After a change of the identity key: seals the stored identities with the new one.
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

use anyhow::{Result, bail};
use platform::kv::{self, Location, Replacement, Store};
use state::identity::{IdentityKey, Resealed, reseal};

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

/// Seals what the older keys open with the present one. `write` false only counts.
///
/// # Errors
/// When the store is not there or cannot be used. What was written before stays written.
pub fn run(location: &Location, present: &IdentityKey, older: &[IdentityKey], write: bool) -> Result<Counts> {
    crate::block_on(async {
        kv::open_at(location)?;
        let store = Store::open().await?;
        let mut work = Resealing { present, older, write, counts: Counts::default() };
        let mut listing = kv::list("subject/")?;
        loop {
            let mut page = listing.next_page(PAGE)?;
            if page.is_empty() {
                return Ok(work.counts);
            }
            // Beside a subject lie its links and the certificate of its erasure, which hold no identity.
            page.retain(|(key, _)| key.matches('/').count() == 1);
            work.page(&store, page).await?;
        }
    })
}

struct Resealing<'a> {
    present: &'a IdentityKey,
    older: &'a [IdentityKey],
    write: bool,
    counts: Counts,
}

impl Resealing<'_> {
    /// Reseals records, those again that somebody else writes in the meantime.
    async fn page(&mut self, store: &Store, mut records: Vec<(String, Vec<u8>)>) -> Result<()> {
        for _ in 0..TRIES {
            let mut changed = Vec::new();
            for key in self.replace(records)? {
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
    fn replace(&mut self, records: Vec<(String, Vec<u8>)>) -> Result<Vec<String>> {
        let mut changes = Vec::new();
        for (key, old) in records {
            match reseal(&old, self.present, self.older) {
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
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platform::kv::Batch;

    use super::*;
    use crate::tests::on_both_stores;

    fn key(byte: u8) -> IdentityKey {
        IdentityKey::new(vec![byte; 32])
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
            assert_eq!(run(location, &key(2), &[key(3), key(1)], false).unwrap(), found);
            assert_eq!(run(location, &key(2), &[key(3), key(1)], true).unwrap(), found);
            let found = Counts { resealed: 0, current: all, unreadable: 2 };
            assert_eq!(run(location, &key(2), &[], true).unwrap(), found);
            assert_eq!(stored("subject0"), record(&key(1), 1).into_bytes());
            assert_eq!(stored("subject/1/links"), record(&key(1), 1).into_bytes());
        });
    }

    #[test]
    fn what_was_written_in_the_meantime_is_looked_at_again() {
        on_both_stores(|_, _| {
            let name = format!("subject/{:032x}", 5);
            fill([(name.clone(), record(&key(4), 5))]);
            let older = [key(1), key(4)];
            let mut work = Resealing { present: &key(2), older: &older, write: true, counts: Counts::default() };
            let seen = || vec![(name.clone(), record(&key(1), 5).into_bytes())];
            assert_eq!(work.replace(seen()).unwrap(), std::slice::from_ref(&name));
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
            assert_eq!(run(location, &key(2), &[key(1)], true).unwrap(), found);
            assert_eq!(stored(&name), erased.into_bytes());
        });
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = |dir: &Path| Location::StateDir(dir.to_owned());
        assert!(run(&nowhere(folder.path()), &key(1), &[], true).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(run(&Location::Redis("redis://127.0.0.1:1".to_owned()), &key(1), &[], true).is_err());
    }
}
