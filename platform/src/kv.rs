//! The key-value store: the truth about submissions, subjects and alerts, as JSON under typed keys.
//!
//! Workers write with [`put_all`], one transaction for a whole batch, which blocks the instance. Functions that answer
//! HTTP read with [`Store`], which does not. No function lists keys, compares and swaps, or reads many at once: not
//! every store that Spin supports does these safely.

use serde::Serialize;
use serde::de::DeserializeOwned;
use spin_sdk::experimental::wasi::keyvalue::{batch, store};

use crate::error::{Error, Kind};
use crate::identity::{digest, hex};
use crate::names;

/// The store, for reading.
pub struct Store(spin_sdk::key_value::Store);

impl Store {
    /// Opens the store.
    ///
    /// # Errors
    /// [`Kind::Refused`] when spin.toml does not grant it.
    pub async fn open() -> Result<Self, Error> {
        let opened = spin_sdk::key_value::Store::open(names::STORE).await;
        opened.map(Store).map_err(|error| Error::new("key-value", Kind::Refused, error))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Kind::Away`] when the store does not answer, or holds something else under this key.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let bytes = self.bytes(key).await?;
        // What serde says may quote the record, and the record is patient data.
        let broken = |error: serde_json::Error| away(format_args!("a record is broken at byte {}", error.column()));
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(broken)).transpose()
    }

    /// The bytes under a key, as they are.
    ///
    /// # Errors
    /// [`Kind::Away`] when the store does not answer.
    pub async fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key).await.map_err(away)
    }

    /// Writes records one after the other, without blocking the instance.
    ///
    /// # Errors
    /// [`Kind::Away`] when the store does not take one of them; those before it are written.
    pub async fn put_each(&self, batch: &Batch) -> Result<(), Error> {
        for (key, value) in &batch.0 {
            self.0.set(key, value).await.map_err(away)?;
        }
        Ok(())
    }

    /// Writes one small value; for checks, not for records.
    ///
    /// # Errors
    /// [`Kind::Away`] when the store does not take it.
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value).await.map_err(away)
    }
}

fn away(error: impl std::fmt::Display) -> Error {
    Error::new("key-value", Kind::Away, error)
}

/// Records to be written together.
#[derive(Default)]
pub struct Batch(Vec<(String, Vec<u8>)>);

impl Batch {
    /// Adds all records of another batch.
    pub fn append(&mut self, mut other: Batch) {
        self.0.append(&mut other.0);
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be written as JSON.
    pub fn put(&mut self, key: String, record: &impl Serialize) -> Result<(), Error> {
        self.0.push((key, json(record)?.into_bytes()));
        Ok(())
    }

    /// Adds a record that is JSON already.
    pub fn put_text(&mut self, key: String, record: String) {
        self.0.push((key, record.into_bytes()));
    }

    /// Adds a record and gives the SHA-256 of its bytes, hex.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be written as JSON.
    pub fn put_hashed(&mut self, key: String, record: &impl Serialize) -> Result<String, Error> {
        let bytes = json(record)?.into_bytes();
        let hash = hex(&digest(&bytes));
        self.0.push((key, bytes));
        Ok(hash)
    }

    /// Whether a record of this key is in the batch.
    pub fn holds(&self, key: &str) -> bool {
        self.0.iter().any(|(own, _)| own == key)
    }

    /// The record of a key in the batch, if there is one.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<Result<T, Error>> {
        let (_, bytes) = self.0.iter().rev().find(|(own, _)| own == key)?;
        let broken = |error: serde_json::Error| away(format_args!("a record is broken at byte {}", error.column()));
        Some(serde_json::from_slice(bytes).map_err(broken))
    }
}

/// A record as JSON.
///
/// # Errors
/// [`Kind::Refused`] when it cannot be written as JSON.
pub fn json(record: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|error| Error::new("json", Kind::Refused, error))
}

/// Writes a batch: all of it or nothing. Blocks the instance while it does.
///
/// # Errors
/// [`Kind::Away`] when the store does not take it.
pub fn put_all(batch: &Batch) -> Result<(), Error> {
    if batch.0.is_empty() {
        return Ok(());
    }
    let bucket = store::open(names::STORE).map_err(|error| Error::new("key-value", Kind::Refused, debug(&error)))?;
    batch::set_many(&bucket, &batch.0).map_err(|error| away(debug(&error)))
}

/// Takes records away, all of them or none. Blocks the instance while it does.
///
/// # Errors
/// [`Kind::Away`] when the store does not do it.
pub fn remove_all(keys: &[String]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let bucket = store::open(names::STORE).map_err(|error| Error::new("key-value", Kind::Refused, debug(&error)))?;
    batch::delete_many(&bucket, keys).map_err(|error| away(debug(&error)))
}

fn debug(error: &store::Error) -> String {
    format!("{error:?}")
}
