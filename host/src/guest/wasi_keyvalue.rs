//! `wasi:keyvalue/store` and `/batch`: translation only, the store is in [`crate::store`].
//!
//! These calls are synchronous: while one waits for the disk, the whole instance waits, as in Spin.

use wasmtime::component::Resource;

use super::Guest;
use super::bindings::wasi::keyvalue::{batch, store};
use super::key_value::{Opened, Refusal};
use crate::store::Store;
use store::{Error, KeyResponse};

impl Guest {
    fn bucket(&self, bucket: &Resource<Opened>) -> Result<Store, Error> {
        let opened = self.table.get(bucket).map_err(|_| Error::NoSuchStore)?;
        Ok(opened.0.clone())
    }
}

impl store::Host for Guest {
    async fn open(&mut self, identifier: String) -> Result<Resource<Opened>, Error> {
        let opened = self.open_store(&identifier).map_err(|refusal| match refusal {
            Refusal::AccessDenied => Error::AccessDenied,
            Refusal::NoSuchStore => Error::NoSuchStore,
        })?;
        self.table.push(opened).map_err(|_| Error::Other("store table full".to_owned()))
    }
}

impl store::HostBucket for Guest {
    async fn get(&mut self, bucket: Resource<Opened>, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.bucket(&bucket)?.get(key).await.map_err(Error::Other)
    }

    async fn set(&mut self, bucket: Resource<Opened>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.bucket(&bucket)?.set(key, value).await.map_err(Error::Other)
    }

    async fn delete(&mut self, bucket: Resource<Opened>, key: String) -> Result<(), Error> {
        self.bucket(&bucket)?.delete(vec![key]).await.map_err(Error::Other)
    }

    async fn exists(&mut self, bucket: Resource<Opened>, key: String) -> Result<bool, Error> {
        self.bucket(&bucket)?.exists(key).await.map_err(Error::Other)
    }

    async fn list_keys(&mut self, bucket: Resource<Opened>, cursor: Option<String>) -> Result<KeyResponse, Error> {
        if cursor.is_some() {
            return Err(Error::Other("list_keys: cursor not supported".to_owned()));
        }
        let keys = self.bucket(&bucket)?.keys().await.map_err(Error::Other)?;
        Ok(KeyResponse { keys, cursor: None })
    }

    async fn drop(&mut self, bucket: Resource<Opened>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl batch::Host for Guest {
    async fn get_many(
        &mut self,
        bucket: Resource<Opened>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        self.bucket(&bucket)?.get_many(keys).await.map_err(Error::Other)
    }

    async fn set_many(&mut self, bucket: Resource<Opened>, key_values: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.bucket(&bucket)?.set_many(key_values).await.map_err(Error::Other)
    }

    async fn delete_many(&mut self, bucket: Resource<Opened>, keys: Vec<String>) -> Result<(), Error> {
        self.bucket(&bucket)?.delete(keys).await.map_err(Error::Other)
    }
}
