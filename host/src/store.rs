//! The key-value store: one SQLite file, with the same table layout as Spin's store.
//!
//! Guarantee: a write that was answered is on the disk (with SQLite's defaults: a rollback journal and
//! `synchronous = FULL`), `set_many` happens whole or not at all, and several processes may share the file.
//!
//! Mechanism: one thread owns the connection and handles one request after another, so no request blocks the async
//! workers and no request queues for a lock. The first request opens the file. If another process has the file locked,
//! this one waits.
//!
//! Not for: compare-and-swap, which is not safe in Spin, or listing under load: all keys are read at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

/// The time that a request waits while another process holds the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (store, key)
)";
const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const SET: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (store, key) DO UPDATE SET value = ?3";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
const EXISTS: &str = "SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2";
const KEYS: &str = "SELECT key FROM spin_key_value WHERE store = ?1";

/// The label of the only store.
pub(crate) const LABEL: &str = "default";
/// The file in the state directory; Spin uses the same name.
pub(crate) const FILE: &str = "sqlite_key_value.db";

type Job = Box<dyn FnOnce(&mut anyhow::Result<Connection>) + Send>;

/// A handle on the store; clones share the connection.
#[derive(Clone)]
pub(crate) struct Store(mpsc::UnboundedSender<Job>);

/// Why a request failed, in the store's words.
pub(crate) type Failure = String;

impl Store {
    /// A store in `folder`, which is created if it does not exist.
    pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.to_owned();
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        std::thread::Builder::new().name("key-value".to_owned()).spawn(move || {
            let mut connection = None;
            while let Some(job) = queue.blocking_recv() {
                let mut opened = connection.take().map_or_else(|| open(&folder), Ok);
                job(&mut opened);
                // If opening failed, the next job tries again.
                connection = opened.ok();
            }
        })?;
        Ok(Self(jobs))
    }

    /// The value of a key.
    pub(crate) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, Failure> {
        self.run(move |connection| {
            connection.prepare_cached(GET)?.query_row([LABEL, &key], |row| row.get(0)).optional()
        })
        .await
    }

    /// The values of those keys that have one; Spin also omits the others from the list.
    pub(crate) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(GET)?;
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                if let Some(value) = statement.query_row([LABEL, &key], |row| row.get(0)).optional()? {
                    found.push((key, Some(value)));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Gives a key a value.
    pub(crate) async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Failure> {
        self.run(move |connection| connection.prepare_cached(SET)?.execute(params![LABEL, key, value]).map(drop)).await
    }

    /// Sets many keys in one transaction.
    pub(crate) async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut statement = transaction.prepare_cached(SET)?;
                for (key, value) in entries {
                    statement.execute(params![LABEL, key, value])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// Deletes keys, in one transaction.
    pub(crate) async fn delete(&self, keys: Vec<String>) -> Result<(), Failure> {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut statement = transaction.prepare_cached(DELETE)?;
                for key in keys {
                    statement.execute([LABEL, &key])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// Whether a key has a value.
    pub(crate) async fn exists(&self, key: String) -> Result<bool, Failure> {
        self.run(move |connection| connection.prepare_cached(EXISTS)?.exists([LABEL, &key])).await
    }

    /// All keys.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, Failure> {
        self.run(move |connection| connection.prepare_cached(KEYS)?.query_map([LABEL], |row| row.get(0))?.collect())
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = match connection {
                Ok(connection) => work(connection).map_err(|error| error.to_string()),
                Err(error) => Err(format!("{error:#}")),
            };
            _ = answer.send(result);
        });
        self.0.send(job).map_err(|_| "the store has ended".to_owned())?;
        done.await.map_err(|_| "the store has ended".to_owned())?
    }
}

fn open(folder: &PathBuf) -> anyhow::Result<Connection> {
    let file = folder.join(FILE);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let connection = Connection::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The journal's file is kept: creating and deleting it would cost each write a tenth of its time.
    connection.pragma_update(None, "journal_mode", "PERSIST")?;
    connection.execute(SCHEMA, []).with_context(|| format!("cannot use {}", file.display()))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_set_is_read_back_by_another_that_shares_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Store::in_folder(folder.path()).unwrap(), Store::in_folder(folder.path()).unwrap());
        one.set("a".into(), vec![1]).await.unwrap();
        one.set_many(vec![("b".into(), vec![2]), ("a".into(), vec![3])]).await.unwrap();
        assert_eq!(other.get("a".into()).await.unwrap(), Some(vec![3]));
        let many = other.get_many(vec!["b".into(), "none".into()]).await.unwrap();
        assert_eq!(many, [("b".to_owned(), Some(vec![2]))]);
        other.delete(vec!["a".into()]).await.unwrap();
        assert!(!one.exists("a".into()).await.unwrap());
        assert_eq!(one.keys().await.unwrap(), ["b"]);
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_says_so_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let store = Store::in_folder(file.path()).unwrap();
        for _ in 0..2 {
            assert!(store.get("a".into()).await.unwrap_err().starts_with("cannot make"));
        }
    }
}
