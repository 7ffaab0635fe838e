//! `spin:key-value/key-value`: translation only, the store is in [`crate::store`].

use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

use super::Guest;
use super::bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};
use crate::store::Store;

/// An opened store.
#[expect(unreachable_pub, reason = "the generated code exports it again")]
pub struct Opened(pub(super) Store);

/// Why a store may not be opened.
pub(super) enum Refusal {
    AccessDenied,
    NoSuchStore,
}

impl Guest {
    /// Opens a store for this component. The grant is checked first, so that a component learns nothing of other
    /// stores.
    pub(super) fn open_store(&self, label: &str) -> Result<Opened, Refusal> {
        if !self.component.stores.iter().any(|granted| granted == label) {
            return Err(Refusal::AccessDenied);
        }
        if label != "default" {
            return Err(Refusal::NoSuchStore);
        }
        Ok(Opened(self.component.store.clone()))
    }
}

impl Host for Guest {}

impl HostStore for Guest {
    async fn drop(&mut self, store: Resource<Opened>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl<T: Send> HostStoreWithStore<T> for HasSelf<Guest> {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Resource<Opened>, Error> {
        accessor.with(|mut access| {
            let guest = access.get();
            let opened = guest.open_store(&label).map_err(|refusal| match refusal {
                Refusal::AccessDenied => Error::AccessDenied,
                Refusal::NoSuchStore => Error::NoSuchStore,
            })?;
            guest.table.push(opened).map_err(|_| Error::StoreTableFull)
        })
    }

    async fn get(accessor: &Accessor<T, Self>, store: Resource<Opened>, key: String) -> Result<Option<Vec<u8>>, Error> {
        of(accessor, &store)?.get(key).await.map_err(Error::Other)
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Error> {
        of(accessor, &store)?.set(key, value).await.map_err(Error::Other)
    }

    async fn delete(accessor: &Accessor<T, Self>, store: Resource<Opened>, key: String) -> Result<(), Error> {
        of(accessor, &store)?.delete(vec![key]).await.map_err(Error::Other)
    }

    async fn exists(accessor: &Accessor<T, Self>, store: Resource<Opened>, key: String) -> Result<bool, Error> {
        of(accessor, &store)?.exists(key).await.map_err(Error::Other)
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let (keys, end) = match of(accessor, &store) {
            Err(error) => (Vec::new(), Err(error)),
            Ok(store) => match store.keys().await {
                Err(failure) => (Vec::new(), Err(Error::Other(failure))),
                Ok(keys) => (keys, Ok(())),
            },
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async move { wasmtime::error::Ok(end) })?;
            Ok((keys, end))
        })
    }
}

fn of<T>(accessor: &Accessor<T, HasSelf<Guest>>, store: &Resource<Opened>) -> Result<Store, Error> {
    accessor.with(|mut access| {
        let opened = access.get().table.get(store).map_err(|_| Error::NoSuchStore)?;
        Ok(opened.0.clone())
    })
}
