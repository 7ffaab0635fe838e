//! Redis, kept open for as long as the instance lives.
//!
//! Guarantee: a script is sent at most twice. A connection is opened when first needed, shared by all requests of the
//! instance, and dropped on any error; the script is then sent once more over a new one. Every script of Vigil may be
//! run twice without harm, so a reply that was lost on the way does no damage.
//!
//! A script is first called by its hash, which spares sending it and reading it again. A server that does not know the
//! hash is a failure like any other: the second time the whole script is sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sha1::{Digest as _, Sha1};
use spin_sdk::redis::{Connection, RedisParameter, RedisResult};

use crate::deadline::Deadline;
use crate::error::{Error, Kind};
use crate::identity::hex;

/// A Redis server, by its address.
#[derive(Clone)]
pub struct Redis {
    address: Rc<str>,
    patience: Option<Duration>,
}

/// How long workers and reads wait for one command: a connection that hangs must not stop a worker for good.
pub const PATIENCE: Duration = Duration::from_secs(10);

thread_local! {
    static OPEN: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) };
    /// The hashes of the scripts that this instance has run, by their texts' places.
    static HASHES: RefCell<BTreeMap<*const u8, Rc<str>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Redis {
    /// The server at this address, for callers with a deadline of their own. Nothing is opened yet.
    pub fn new(address: &str) -> Self {
        Redis { address: address.into(), patience: None }
    }

    /// The server at this address; a command that takes longer than `patience` has failed.
    pub fn patient(address: &str, patience: Duration) -> Self {
        Redis { address: address.into(), patience: Some(patience) }
    }

    /// The same server, for a command that must not take longer than `patience`.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        let shorter = self.patience.map_or(patience, |own| own.min(patience));
        Redis { address: Rc::clone(&self.address), patience: Some(shorter) }
    }

    async fn connection(&self) -> Result<Rc<Connection>, Error> {
        if let Some(open) = OPEN.with_borrow(Clone::clone) {
            return Ok(open);
        }
        let opened = Connection::open(&self.address).await.map_err(away)?;
        let opened = Rc::new(opened);
        OPEN.set(Some(Rc::clone(&opened)));
        Ok(opened)
    }

    /// Forgets the connection: for a caller who gave up waiting on it.
    pub fn forget(&self) {
        OPEN.set(None);
    }

    /// Runs a command.
    ///
    /// # Errors
    /// [`Kind::Away`] when it failed twice, [`Kind::TimedOut`] when there was no answer in time.
    pub async fn command(&self, name: &str, arguments: Vec<RedisParameter>) -> Result<Vec<RedisResult>, Error> {
        self.patiently(self.attempt(name, arguments, None)).await
    }

    async fn patiently(
        &self,
        work: impl Future<Output = Result<Vec<RedisResult>, Error>>,
    ) -> Result<Vec<RedisResult>, Error> {
        let Some(patience) = self.patience else { return work.await };
        match Deadline::after(patience).run(work).await {
            Ok(result) => result,
            Err(timed_out) => {
                // The connection may hang for good; the next command opens another.
                self.forget();
                Err(Error::new("redis", Kind::TimedOut, timed_out))
            }
        }
    }

    /// Runs a command, and if it fails once more. A `script` is what the second time sends in place of its hash.
    async fn attempt(
        &self,
        name: &str,
        mut arguments: Vec<RedisParameter>,
        script: Option<&'static str>,
    ) -> Result<Vec<RedisResult>, Error> {
        let connection = self.connection().await?;
        match connection.execute(name, arguments.clone()).await {
            Ok(reply) => Ok(reply),
            Err(_) => {
                OPEN.set(None);
                let name = match (script, arguments.first_mut()) {
                    (Some(script), Some(first)) => {
                        *first = text(script);
                        "EVAL"
                    }
                    _ => name,
                };
                let result = self.connection().await?.execute(name, arguments).await;
                result.inspect_err(|_| OPEN.set(None)).map_err(away)
            }
        }
    }

    /// Runs a script.
    ///
    /// # Errors
    /// As [`Redis::command`].
    pub async fn eval(
        &self,
        script: &'static str,
        keys: &[&str],
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut all = Vec::with_capacity(2 + keys.len() + arguments.len());
        all.push(text(&*hash(script)));
        all.push(text(keys.len().to_string()));
        all.extend(keys.iter().map(|key| text(*key)));
        all.extend(arguments);
        self.patiently(self.attempt("EVALSHA", all, Some(script))).await
    }
}

/// What the server knows a script by.
fn hash(script: &'static str) -> Rc<str> {
    HASHES.with_borrow_mut(|hashes| {
        Rc::clone(hashes.entry(script.as_ptr()).or_insert_with(|| hex(&Sha1::digest(script)).into()))
    })
}

fn away(error: spin_sdk::redis::Error) -> Error {
    Error::new("redis", Kind::Away, error)
}

/// A parameter from a text.
pub fn text(value: impl Into<String>) -> RedisParameter {
    RedisParameter::Binary(value.into().into_bytes())
}

/// A parameter from a number.
pub fn number(value: i64) -> RedisParameter {
    RedisParameter::Binary(value.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_the_hash_that_the_server_gives_it() {
        // What `SCRIPT LOAD 'return 1'` says.
        assert_eq!(&*hash("return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
