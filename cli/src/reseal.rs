//! After a change of the identity key: seals the stored identities with the new one.
//!
//! Guarantee: a record is changed only if it is, byte for byte, what was opened, and then whole or not at all; what no
//! key opens stays as it is. It may run beside the application and be broken off and repeated: what is sealed with the
//! present key is left alone.
//!
//! Mechanism: the store has no listing that its components could use, so the operator's tool reads the file itself. It
//! takes a page of keys at a time and holds the file only while it writes one.
//!
//! Not for entries that wait in Redis: they carry identities sealed with the key of their time, and their worker stores
//! them so. It is to be run when the queue is empty, or again.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use state::identity::{IdentityKey, Resealed, reseal};

use crate::store::{BUSY_TIMEOUT, FILE, LABEL};

/// How many records are opened at a time.
const PAGE: u32 = 256;
const LIST: &str = "SELECT key, value FROM spin_key_value WHERE store = ?1 AND key > ?2 AND key < 'subject0'
    ORDER BY key LIMIT ?3";
const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const REPLACE: &str = "UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2 AND value = ?4";

/// What was found, and done to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sealed with an older key; now with the present one, unless nothing was to be written.
    pub resealed: u64,
    /// Sealed with the present key before.
    pub current: u64,
    /// Opened by none of the keys.
    pub unreadable: u64,
}

/// Seals what the older keys open with the present one. `write` false only counts.
///
/// # Errors
/// When the file is not there or cannot be used. What was written before stays written.
pub fn run(state_dir: &Path, present: &IdentityKey, older: &[IdentityKey], write: bool) -> Result<Counts> {
    let file = state_dir.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let store = Connection::open_with_flags(&file, flags);
    let mut store = store.with_context(|| format!("cannot open the store {}", file.display()))?;
    store.busy_timeout(BUSY_TIMEOUT)?;
    let (mut counts, mut last) = (Counts::default(), "subject/".to_owned());
    loop {
        let page = page(&store, &last).with_context(|| format!("cannot read {}", file.display()))?;
        let Some((key, _)) = page.last() else { return Ok(counts) };
        last.clone_from(key);
        let mut changes = Vec::new();
        // Beside a subject lie its links, which hold no identity.
        for (key, record) in page.into_iter().filter(|(key, _)| key.matches('/').count() == 1) {
            match reseal(&record, present, older) {
                Resealed::Current => counts.current += 1,
                Resealed::Unreadable => counts.unreadable += 1,
                Resealed::Now(_) if !write => counts.resealed += 1,
                Resealed::Now(new) => changes.push((key, record, new)),
            }
        }
        for (key, record) in replace(&mut store, changes, &mut counts)? {
            again(&mut store, key, record, (present, older), &mut counts)?;
        }
    }
}

fn page(store: &Connection, last: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let mut list = store.prepare_cached(LIST)?;
    list.query_map(params![LABEL, last, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Writes records that are still what was opened. Gives those that are not, as they are now.
fn replace(
    store: &mut Connection,
    changes: Vec<(String, Vec<u8>, String)>,
    counts: &mut Counts,
) -> Result<Vec<(String, Vec<u8>)>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut done, mut changed) = (0, Vec::new());
    for (key, record, new) in changes {
        if transaction.prepare_cached(REPLACE)?.execute(params![LABEL, key, new.into_bytes(), record])? == 1 {
            done += 1;
        } else {
            let now = transaction.prepare_cached(GET)?.query_row([LABEL, &key], |row| row.get(0)).optional()?;
            changed.extend(now.map(|now| (key, now)));
        }
    }
    transaction.commit()?;
    counts.resealed += done;
    Ok(changed)
}

/// A record that somebody else wrote in the meantime.
fn again(
    store: &mut Connection,
    key: String,
    mut record: Vec<u8>,
    (present, older): (&IdentityKey, &[IdentityKey]),
    counts: &mut Counts,
) -> Result<()> {
    for _ in 0..10 {
        match reseal(&record, present, older) {
            Resealed::Current => counts.current += 1,
            Resealed::Unreadable => counts.unreadable += 1,
            Resealed::Now(new) => match replace(store, vec![(key.clone(), record, new)], counts)?.pop() {
                Some((_, now)) => {
                    record = now;
                    continue;
                }
                None => return Ok(()),
            },
        }
        return Ok(());
    }
    bail!("a record is being written all the time: is the application still running with the older key?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> IdentityKey {
        IdentityKey::new(vec![byte; 32])
    }

    fn record(key: &IdentityKey, number: u32) -> Vec<u8> {
        let subject = format!("{number:032x}");
        let sealed = key.seal("A", &subject, "patient").unwrap();
        format!(r#"{{"subject":"{subject}","studyId":"A","siteId":"1","sealed":"{sealed}"}}"#).into_bytes()
    }

    fn filled(records: impl Iterator<Item = (String, Vec<u8>)>) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let store = Connection::open(folder.path().join(FILE)).unwrap();
        store
            .execute("CREATE TABLE spin_key_value (store TEXT, key TEXT, value BLOB, PRIMARY KEY (store, key))", [])
            .unwrap();
        for (key, value) in records {
            store.execute("INSERT INTO spin_key_value VALUES ('default', ?1, ?2)", params![key, value]).unwrap();
        }
        (folder, store)
    }

    #[test]
    fn all_pages_are_resealed_and_nothing_else_is_touched() {
        let subjects = (0..3 * PAGE + 1).map(|number| (format!("subject/{number:032x}"), record(&key(1), number)));
        let foreign =
            ["subject", "subject0", "subjects/1", "alert/1"].map(|name| (name.to_owned(), record(&key(1), 1)));
        let lost = [("subject/x".to_owned(), record(&key(9), 7)), ("subject/y".to_owned(), b"{}".to_vec())];
        let (folder, store) = filled(subjects.chain(foreign).chain(lost));
        let (all, state) = (u64::from(3 * PAGE + 1), folder.path());
        let found = Counts { resealed: all, current: 0, unreadable: 2 };
        assert_eq!(run(state, &key(2), &[key(3), key(1)], false).unwrap(), found);
        assert_eq!(run(state, &key(2), &[key(3), key(1)], true).unwrap(), found);
        assert_eq!(run(state, &key(2), &[], true).unwrap(), Counts { resealed: 0, current: all, unreadable: 2 });
        let kept = store.query_row("SELECT value FROM spin_key_value WHERE key = 'subject0'", [], |row| row.get(0));
        assert_eq!(kept, Ok(record(&key(1), 1)));
    }

    #[test]
    fn what_was_written_in_the_meantime_is_looked_at_again() {
        let name = format!("subject/{:032x}", 5);
        let (_folder, mut store) = filled([(name.clone(), record(&key(4), 5))].into_iter());
        let mut counts = Counts::default();
        let changes = vec![(name.clone(), record(&key(1), 5), String::new())];
        let changed = replace(&mut store, changes, &mut counts).unwrap();
        assert_eq!((changed.as_slice(), counts), ([(name.clone(), record(&key(4), 5))].as_slice(), Counts::default()));
        let older = [key(1), key(4)];
        again(&mut store, name, record(&key(1), 5), (&key(2), &older), &mut counts).unwrap();
        assert_eq!(counts, Counts { resealed: 1, ..Counts::default() });
        let value = store.query_row("SELECT value FROM spin_key_value", [], |row| row.get(0));
        assert_eq!(value, Ok(record(&key(2), 5)));
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(folder.path(), &key(1), &[], true).is_err());
        assert!(!folder.path().join(FILE).exists());
    }
}
