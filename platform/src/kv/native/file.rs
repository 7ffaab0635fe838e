//! The SQLite file in which Spin keeps its key-value stores.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Result, Row, params};

use super::{Added, Part, Replacement};
use crate::error::{Error, Kind};
use crate::kv::STORE;

/// The file, below the state directory.
const FILE: &str = "sqlite_key_value.db";
/// The time to wait for another program's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The table, as Spin makes it.
const SCHEMA: &str = "CREATE TABLE spin_key_value (
    store TEXT NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (store, key)
)";
const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const SET: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (store, key) DO UPDATE SET value = ?3";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
const REPLACE: &str = "UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2 AND value = ?4";
const FIRST: &str = "SELECT key, value FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3
    ORDER BY key LIMIT ?4";
const NEXT: &str = "SELECT key, value FROM spin_key_value WHERE store = ?1 AND key > ?2 AND key < ?3
    ORDER BY key LIMIT ?4";

pub(super) struct File(Connection);

impl File {
    /// Opens the file of a state directory. It is not made.
    pub(super) fn open(dir: &Path) -> std::result::Result<Self, Error> {
        let file = dir.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let store = Connection::open_with_flags(&file, flags)?;
            store.busy_timeout(BUSY_TIMEOUT)?;
            Ok(File(store))
        };
        let refused = |error: rusqlite::Error| format!("cannot open the store {}: {error}", file.display());
        open().map_err(|error| Error::new("key-value", Kind::Refused, refused(error)))
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.prepare_cached(GET)?.query_row([STORE, key], |row| row.get(0)).optional()
    }

    pub(super) fn set(&self, records: &[(String, Vec<u8>)]) -> Result<()> {
        self.transaction(|| {
            let mut set = self.0.prepare_cached(SET)?;
            records.iter().try_for_each(|(key, value)| set.execute(params![STORE, key, value]).map(drop))
        })
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<()> {
        self.transaction(|| {
            let mut delete = self.0.prepare_cached(DELETE)?;
            keys.iter().try_for_each(|key| delete.execute([STORE, key]).map(drop))
        })
    }

    pub(super) fn replace(&self, replacements: &[Replacement]) -> Result<Vec<bool>> {
        self.transaction(|| {
            let mut replace = self.0.prepare_cached(REPLACE)?;
            let done = |Replacement { key, old, new }: &Replacement| replace.execute(params![STORE, key, new, old]);
            replacements.iter().map(done).map(|done| Ok(done? == 1)).collect()
        })
    }

    pub(super) fn page(&self, prefix: &str, last: Option<&str>, most: u32) -> Result<Vec<(String, Vec<u8>)>> {
        let mut list = self.0.prepare_cached(if last.is_some() { NEXT } else { FIRST })?;
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        list.query_map(params![STORE, last.unwrap_or(prefix), behind(prefix), most], row)?.collect()
    }

    /// Copies a part of the store into a new file. What is left out is never written there.
    pub(super) fn copy_to(&self, file: &Path, part: Part<'_>) -> Result<()> {
        let copy = Connection::open(file)?;
        copy.busy_timeout(BUSY_TIMEOUT)?;
        copy.execute("ATTACH ?1 AS source", [self.0.path()])?;
        copy.execute_batch(SCHEMA)?;
        let (prefix, holds) = match part {
            Part::All => ("", "1 OR ?1 = ?2"),
            Part::Without(prefix) => (prefix, "NOT (key >= ?1 AND key < ?2)"),
            Part::Only(prefix) => (prefix, "key >= ?1 AND key < ?2"),
        };
        let insert = format!(
            "INSERT INTO main.spin_key_value SELECT * FROM source.spin_key_value WHERE {holds} ORDER BY store, key"
        );
        copy.execute(&insert, [prefix, &behind(prefix)]).map(drop)
    }

    /// Adds records of another file whose keys begin so and that are not here, and counts those that are here with another
    /// value.
    pub(super) fn add_from(&self, file: &Path, prefix: &str) -> Result<Added> {
        self.0.execute("ATTACH ?1 AS source", [file.to_str()])?;
        let differ = "SELECT count(*) FROM source.spin_key_value AS theirs JOIN main.spin_key_value AS ours
            ON ours.store = theirs.store AND ours.key = theirs.key
            WHERE theirs.key >= ?1 AND theirs.key < ?2 AND theirs.value <> ours.value";
        let insert = "INSERT OR IGNORE INTO main.spin_key_value SELECT * FROM source.spin_key_value
            WHERE key >= ?1 AND key < ?2";
        let behind = behind(prefix);
        let added = self.transaction(|| {
            let differ: i64 = self.0.query_row(differ, [prefix, &behind], |row| row.get(0))?;
            Ok(Added { added: self.0.execute(insert, [prefix, &behind])?, differ: differ.unsigned_abs() })
        });
        self.0.execute_batch("DETACH source")?;
        added
    }

    /// Writes the file anew, without what was deleted, and empties its journal.
    pub(super) fn scrub(&self) -> std::result::Result<(), Error> {
        let vacuum = || {
            self.0.pragma_update(None, "secure_delete", "ON")?;
            let mode: String = self.0.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
            if mode == "wal" {
                self.0.execute_batch("VACUUM")?;
                return self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            }
            // Others keep their journal's file, with what it had. Whoever ends a transaction in this mode removes it.
            self.0.execute_batch("PRAGMA journal_mode = DELETE; VACUUM")?;
            Ok(0)
        };
        match vacuum() {
            Ok(0) => Ok(()),
            Ok(_) => Err(super::unavailable("others read its write-ahead log all the time; it was not emptied")),
            Err(error) => Err(super::unavailable(error)),
        }
    }

    fn transaction<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // From its beginning a writer, so that nobody writes between what it reads and what it writes.
        self.0.execute_batch("BEGIN IMMEDIATE")?;
        let end = |how| self.0.execute_batch(how);
        work().and_then(|done| end("COMMIT").map(|()| done)).inspect_err(|_| drop(end("ROLLBACK")))
    }
}

/// A text that is behind all keys that begin with this one: no key has the last of all characters in it.
fn behind(prefix: &str) -> String {
    let mut behind = prefix.to_owned();
    behind.push(char::MAX);
    behind
}
