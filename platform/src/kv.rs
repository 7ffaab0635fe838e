//! The key-value store: the truth about submissions, subjects and alerts, as JSON under typed keys.
//!
//! Workers write with [`put_all`], one transaction for a whole batch, which blocks the instance. Functions that answer
//! HTTP read with [`Store`], which does not. No function lists keys, or compares and swaps: not every store that Spin
//! supports does these safely.
//!
//! Natively the same store is opened where Spin keeps it, by [`open_at`]; there it can be listed, and records be replaced.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod spin;

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::{digest, hex};
use crate::error::{Error, Kind};
use crate::json;

#[cfg(not(target_family = "wasm"))]
pub use native::{Added, Listing, Location, Part, Replacement, add_from, copy_to, list, open_at, replace_each, scrub};
#[cfg(not(target_family = "wasm"))]
use native::{Batches, Single};
#[cfg(target_family = "wasm")]
use spin::{Batches, Single};

/// The key-value store that every component uses.
pub const STORE: &str = "default";
/// The time that the store may take for one part of a batch.
const PART: Duration = Duration::from_millis(500);
/// The least and the most bytes of a part.
const LEAST_PART: usize = 64 << 10;
const MOST_PART: usize = 16 << 20;

thread_local! {
    /// The most bytes that the next part may have.
    static LARGEST_PART: Cell<usize> = const { Cell::new(2 << 20) };
}

/// The store, for reading.
pub struct Store(Single);

impl Store {
    /// Opens the store.
    ///
    /// # Errors
    /// [`Kind::Refused`] when spin.toml does not grant it; natively, when none was opened.
    pub async fn open() -> Result<Self, Error> {
        Single::open().await.map(Store)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or holds something else under this key.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.bytes(key).await?.map(|bytes| read(&bytes)).transpose()
    }

    /// The bytes under a key, as they are.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer.
    pub async fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key).await
    }

    /// Writes records one after the other, without blocking the instance.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not take one of them; those before it are written.
    pub async fn put_each(&self, batch: &Batch) -> Result<(), Error> {
        for (key, value) in &batch.records {
            self.0.set(key, value).await?;
        }
        Ok(())
    }

    /// Writes one small value; for checks, not for records.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not take it.
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value).await
    }
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::new("key-value", Kind::Unavailable, error)
}

/// Records to be written together.
#[derive(Default)]
pub struct Batch {
    records: Vec<(String, Vec<u8>)>,
    /// The buffer for one record; the batch keeps a copy of exact length.
    written: Vec<u8>,
}

impl Batch {
    /// Adds all records of another batch.
    pub fn append(&mut self, mut other: Batch) {
        self.records.append(&mut other.records);
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be written as JSON.
    pub fn put(&mut self, key: String, record: &impl Serialize) -> Result<(), Error> {
        let bytes = self.write(record)?;
        self.records.push((key, bytes));
        Ok(())
    }

    /// Adds a record that is JSON already.
    pub fn put_text(&mut self, key: String, record: String) {
        self.records.push((key, record.into_bytes()));
    }

    /// Adds a record and gives the SHA-256 of its bytes, hex.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be written as JSON.
    pub fn put_hashed(&mut self, key: String, record: &impl Serialize) -> Result<String, Error> {
        let bytes = self.write(record)?;
        let hash = hex(&digest(&bytes));
        self.records.push((key, bytes));
        Ok(hash)
    }

    fn write(&mut self, record: &impl Serialize) -> Result<Vec<u8>, Error> {
        self.written.clear();
        json::write(&mut self.written, record).map_err(unwritten)?;
        Ok(self.written.clone())
    }

    /// Whether a record of this key is in the batch.
    pub fn holds(&self, key: &str) -> bool {
        self.records.iter().any(|(own, _)| own == key)
    }

    /// Takes the records of these keys out of the batch.
    pub fn remove(&mut self, keys: &[String]) {
        self.records.retain(|(own, _)| !keys.contains(own));
    }

    /// The record of a key in the batch, if there is one.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<Result<T, Error>> {
        self.bytes(key).map(read)
    }

    /// The bytes of a key in the batch, if there are some.
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.records.iter().rev().find(|(own, _)| own == key).map(|(_, bytes)| bytes.as_slice())
    }

    /// Puts the records into the order of their keys, those under one key as they came.
    ///
    /// Thousands of keys begin alike, and to compare them as texts is what takes long. Here few are looked at a second
    /// time.
    fn sort(&mut self) {
        let keys = self.records.iter().enumerate().map(|(place, (key, _))| (beginning(key), place));
        let mut order: Vec<([u64; 3], usize)> = keys.collect();
        let key = |place: usize| self.records.get(place).map(|(key, _)| key);
        order.sort_unstable_by(|(one, here), (other, there)| {
            one.cmp(other).then_with(|| (key(*here), here).cmp(&(key(*there), there)))
        });
        let records = order.iter().filter_map(|(_, place)| self.records.get_mut(*place).map(std::mem::take));
        self.records = records.collect();
    }
}

/// The beginning of a key, in the order of keys. It is long enough to tell most keys apart.
fn beginning(key: &str) -> [u64; 3] {
    let key = key.as_bytes();
    let short = || std::array::from_fn(|place| key.get(place).copied().unwrap_or(0));
    let bytes: [u8; 24] = key.first_chunk().copied().unwrap_or_else(short);
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

/// Reads a record.
///
/// # Errors
/// [`Kind::Unavailable`] when it is broken. The error does not quote it, as one of serde may: it is patient data.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    json::read(bytes).map_err(|error| unavailable(format_args!("a record is broken at byte {}", error.column())))
}

/// A record as JSON.
///
/// # Errors
/// [`Kind::Refused`] when it cannot be written as JSON.
pub fn json(record: &impl Serialize) -> Result<String, Error> {
    let mut written = Vec::with_capacity(256);
    json::write(&mut written, record).map_err(unwritten)?;
    String::from_utf8(written).map_err(unwritten)
}

fn unwritten(error: impl std::fmt::Display) -> Error {
    Error::new("json", Kind::Refused, error)
}

/// Writes a batch: all of it or nothing. Blocks the instance while it does.
///
/// In the order of the keys: a store that keeps them sorted then comes to each of its pages once. Of two records under
/// one key the later one stays.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not take it.
pub fn put_all(batch: &mut Batch) -> Result<(), Error> {
    if batch.records.is_empty() {
        return Ok(());
    }
    batch.sort();
    Batches::open()?.set(&batch.records)
}

/// Writes a batch in parts, each whole or not at all and none much longer than half a second, as the store has been so far.
/// Before each of them it does what `before` says. Blocks the instance while a part is written.
///
/// The order is that of the keys, as in [`put_all`]: the alerts of a submission are there before its own record is.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not take a part; those before it are written. As `before`.
pub async fn put_in_parts(batch: &mut Batch, before: impl AsyncFn() -> Result<(), Error>) -> Result<(), Error> {
    if batch.records.is_empty() {
        return Ok(());
    }
    batch.sort();
    let store = Batches::open()?;
    let size = |(key, value): &(String, Vec<u8>)| key.len() + value.len();
    while !batch.records.is_empty() {
        let (mut bytes, mut count) = (0, 0);
        for record in &batch.records {
            if count > 0 && bytes + size(record) > LARGEST_PART.get() {
                break;
            }
            (bytes, count) = (bytes + size(record), count + 1);
        }
        before().await?;
        let rest = batch.records.split_off(count);
        let began = Instant::now();
        store.set(&batch.records)?;
        batch.records = rest;
        LARGEST_PART.set(next_part(LARGEST_PART.get(), bytes, began.elapsed()));
    }
    Ok(())
}

/// The largest size of the next part, after one of so many bytes took so long.
fn next_part(largest: usize, bytes: usize, took: Duration) -> usize {
    let took = took.as_millis().max(1);
    let in_time = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(PART.as_millis()) / took;
    // A small part tells little about a large one: what it costs to begin is most of it.
    let next = if bytes * 4 < largest && took < PART.as_millis() { largest as u128 } else { in_time };
    usize::try_from(next).unwrap_or(usize::MAX).clamp(LEAST_PART, MOST_PART)
}

/// The most records of one call that reads many.
const READ_AT_ONCE: usize = 512;

/// The bytes under many keys, in their order. Blocks the instance while it reads.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not answer.
pub fn get_all(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut all = Vec::with_capacity(keys.len());
    for some in keys.chunks(READ_AT_ONCE) {
        // Some stores leave out what they do not have.
        let mut found: HashMap<String, Vec<u8>> = Batches::open()?.get(some)?.into_iter().collect();
        all.extend(some.iter().map(|key| found.remove(key)));
    }
    Ok(all)
}

/// Takes records away, all of them or none. Blocks the instance while it does.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not do it.
pub fn remove_all(keys: &[String]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    Batches::open()?.delete(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_is_as_large_as_the_store_is_fast() {
        let mb = 1 << 20;
        for (largest, bytes, took, expected) in [
            (2 * mb, 2 * mb, 50, 16 * mb),
            (2 * mb, 2 * mb, 500, 2 * mb),
            (2 * mb, 2 * mb, 5_000, mb / 5),
            (2 * mb, 10_000, 20, 2 * mb),
            (2 * mb, 10_000, 3_000, LEAST_PART),
            (2 * mb, 2 * mb, 0, MOST_PART),
        ] {
            let next = next_part(largest, bytes, Duration::from_millis(took));
            assert!(next.abs_diff(expected) < 100, "{largest} {bytes} {took}: {next}");
        }
    }

    proptest! {
        #[test]
        fn records_are_in_the_order_of_their_keys_and_those_under_one_key_as_they_came(
            keys in prop::collection::vec("(audit/submission/0123|subject/)?[0-2\u{0}é]{0,20}", 0..60),
        ) {
            let records: Vec<_> = keys.into_iter().zip(0u8..).map(|(key, number)| (key, vec![number])).collect();
            let mut batch = Batch { records: records.clone(), ..Batch::default() };
            batch.sort();
            let mut expected = records;
            expected.sort_by(|(one, _), (other, _)| one.cmp(other));
            prop_assert_eq!(batch.records, expected);
        }
    }
}
