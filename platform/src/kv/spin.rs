//! The key-value store as Spin gives it to a component.

use spin_sdk::experimental::wasi::keyvalue::{batch, store};

use super::{STORE, unavailable};
use crate::error::{Error, Kind};

/// For reading and for single writes, without blocking the instance.
pub(super) struct Single(spin_sdk::key_value::Store);

impl Single {
    pub(super) async fn open() -> Result<Self, Error> {
        let opened = spin_sdk::key_value::Store::open(STORE).await;
        opened.map(Single).map_err(|error| Error::new("key-value", Kind::Refused, error))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key).await.map_err(unavailable)
    }

    pub(super) async fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value).await.map_err(unavailable)
    }
}

/// For batches, each in one transaction, which blocks the instance.
pub(super) struct Batches(store::Bucket);

impl Batches {
    pub(super) fn open() -> Result<Self, Error> {
        let opened = store::open(STORE);
        opened.map(Batches).map_err(|error| Error::new("key-value", Kind::Refused, debug(&error)))
    }

    pub(super) fn set(&self, records: &[(String, Vec<u8>)]) -> Result<(), Error> {
        batch::set_many(&self.0, records).map_err(|error| unavailable(debug(&error)))
    }

    /// The values of those keys that have one.
    pub(super) fn get(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let found = batch::get_many(&self.0, keys).map_err(|error| unavailable(debug(&error)))?;
        Ok(found.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<(), Error> {
        batch::delete_many(&self.0, keys).map_err(|error| unavailable(debug(&error)))
    }
}

fn debug(error: &store::Error) -> String {
    format!("{error:?}")
}
