//! The key-value store without Spin: reads and writes the stores of Spin directly, the SQLite file and the Redis database.
//!
//! Guarantee: both places are read and written as Spin does it, so that it may be done beside an application that runs.
//! A batch is written whole or not at all. A listing has every record that is there from its beginning to its end, once,
//! in the order of the keys. What [`replace_each`] replaces is, byte for byte, what its caller has seen.
//!
//! Mechanism: the file has a table of stores, keys and values. In Redis the keys of the store are the keys of a database,
//! whatever the store is called. Redis lists keys in no order and some of them twice, so a listing there takes all keys with
//! its prefix into memory first.
//!
//! Everything here blocks. Not for: creating a store, or serving requests.

mod file;
mod server;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use file::File;
use server::Server;

use super::unavailable;
use crate::error::{Error, Kind};

/// The location of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In the SQLite file that Spin keeps in this state directory.
    StateDir(PathBuf),
    /// In the Redis database of this address, as a runtime configuration of Spin names it.
    Redis(String),
}

/// A record that is to be replaced by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Its key.
    pub key: String,
    /// The value that must be there.
    pub old: Vec<u8>,
    /// The value that replaces it.
    pub new: Vec<u8>,
}

enum Backend {
    File(File),
    Server(RefCell<Server>),
}

thread_local! {
    static OPEN: RefCell<Option<Rc<Backend>>> = const { RefCell::new(None) };
}

/// Opens the store that this thread uses from now on.
///
/// # Errors
/// [`Kind::Refused`] when there is none, or it cannot be reached.
pub fn open_at(location: &Location) -> Result<(), Error> {
    let place = match location {
        Location::StateDir(dir) => Backend::File(File::open(dir)?),
        Location::Redis(address) => Backend::Server(RefCell::new(Server::open(address)?)),
    };
    OPEN.set(Some(Rc::new(place)));
    Ok(())
}

fn opened() -> Result<Rc<Backend>, Error> {
    OPEN.with_borrow(Clone::clone).ok_or_else(|| Error::new("key-value", Kind::Refused, "no store was opened"))
}

pub(super) struct Single(Rc<Backend>);

impl Single {
    pub(super) async fn open() -> Result<Self, Error> {
        opened().map(Single)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match &*self.0 {
            Backend::File(file) => file.get(key).map_err(unavailable),
            Backend::Server(server) => server.borrow_mut().get(key).map_err(unavailable),
        }
    }

    pub(super) async fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Batches(Rc::clone(&self.0)).set(&[(key.to_owned(), value.to_vec())])
    }
}

pub(super) struct Batches(Rc<Backend>);

impl Batches {
    pub(super) fn open() -> Result<Self, Error> {
        opened().map(Batches)
    }

    pub(super) fn set(&self, records: &[(String, Vec<u8>)]) -> Result<(), Error> {
        match &*self.0 {
            Backend::File(file) => file.set(records).map_err(unavailable),
            Backend::Server(server) => server.borrow_mut().set(records).map_err(unavailable),
        }
    }

    /// The values of those keys that have one.
    pub(super) fn get(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let pair = |key: &String, value: Option<Vec<u8>>| value.map(|value| (key.clone(), value));
        match &*self.0 {
            Backend::File(file) => keys
                .iter()
                .filter_map(|key| file.get(key).map(|value| pair(key, value)).transpose())
                .collect::<Result<_, _>>()
                .map_err(unavailable),
            Backend::Server(server) => server.borrow_mut().read(keys).map_err(unavailable),
        }
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<(), Error> {
        match &*self.0 {
            Backend::File(file) => file.delete(keys).map_err(unavailable),
            Backend::Server(server) => server.borrow_mut().delete(keys).map_err(unavailable),
        }
    }
}

/// Replaces records that are still what the caller has seen, all of them in one transaction. Gives for each whether it was
/// replaced.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not do it.
pub fn replace_each(replacements: &[Replacement]) -> Result<Vec<bool>, Error> {
    match &*opened()? {
        Backend::File(file) => file.replace(replacements).map_err(unavailable),
        Backend::Server(server) => server.borrow_mut().replace(replacements).map_err(unavailable),
    }
}

/// Writes the file anew, so that nothing that was deleted is in it or in its journal. A Redis is asked otherwise.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not do it; [`Kind::Refused`] when it is no file.
pub fn scrub() -> Result<(), Error> {
    match &*opened()? {
        Backend::File(file) => file.scrub(),
        Backend::Server(_) => Err(no_file()),
    }
}

/// The records that a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// All.
    All,
    /// Those whose keys do not begin so.
    Without(&'a str),
    /// Those whose keys begin so.
    Only(&'a str),
}

/// Copies a part of the store's file into a new file, as it is at one moment.
///
/// # Errors
/// [`Kind::Refused`] when the store is no file; [`Kind::Unavailable`] when it cannot be copied.
pub fn copy_to(file: &Path, part: Part<'_>) -> Result<(), Error> {
    match &*opened()? {
        Backend::File(store) => store.copy_to(file, part).map_err(unavailable),
        Backend::Server(_) => Err(no_file()),
    }
}

/// What came of the records of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// How many were added.
    pub added: usize,
    /// How many the store has with another value. It keeps its own.
    pub differ: u64,
}

/// Adds the records of another file whose keys begin so, as far as the store does not have them.
///
/// # Errors
/// [`Kind::Refused`] when the store is no file; [`Kind::Unavailable`] when one of the files cannot be used.
pub fn add_from(file: &Path, prefix: &str) -> Result<Added, Error> {
    match &*opened()? {
        Backend::File(store) => store.add_from(file, prefix).map_err(unavailable),
        Backend::Server(_) => Err(no_file()),
    }
}

fn no_file() -> Error {
    Error::new("key-value", Kind::Refused, "the store is no file")
}

/// The records whose keys begin alike, page by page.
pub struct Listing {
    place: Rc<Backend>,
    prefix: String,
    /// The last key of the page before.
    last: Option<String>,
    /// The keys of the pages to come, the last one first, where the store cannot give them in order.
    keys: Vec<String>,
}

/// The records whose keys begin with `prefix`, in the order of their keys.
///
/// # Errors
/// [`Kind::Unavailable`] when the store does not answer.
pub fn list(prefix: &str) -> Result<Listing, Error> {
    let place = opened()?;
    let keys = match &*place {
        Backend::File(_) => Vec::new(),
        Backend::Server(server) => server.borrow_mut().keys(prefix).map_err(unavailable)?,
    };
    Ok(Listing { place, prefix: prefix.to_owned(), last: None, keys })
}

impl Listing {
    /// The next records, at most so many; none at the end.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer.
    pub fn next_page(&mut self, most: u32) -> Result<Vec<(String, Vec<u8>)>, Error> {
        match &*self.place {
            Backend::File(file) => {
                let page = file.page(&self.prefix, self.last.as_deref(), most).map_err(unavailable)?;
                self.last = page.last().map(|(key, _)| key.clone()).or(self.last.take());
                Ok(page)
            }
            Backend::Server(server) => loop {
                let rest = self.keys.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
                let mut keys = self.keys.split_off(rest);
                keys.reverse();
                let page = server.borrow_mut().read(&keys).map_err(unavailable)?;
                // A page of deleted keys does not end the listing.
                if !page.is_empty() || self.keys.is_empty() {
                    return Ok(page);
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
