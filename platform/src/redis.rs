//! Redis, kept open for as long as the instance lives.
//!
//! Guarantee: a script is sent at most twice. A connection is opened when first needed, shared by all requests of the
//! instance, and dropped on any error; the script is then sent once more over a new one. Every script of Vigil may be
//! run twice without harm, so a reply that was lost on the way does no damage.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use spin_sdk::redis::{Connection, RedisParameter, RedisResult};

use crate::deadline::Deadline;
use crate::error::{Error, Kind};

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
        let Some(patience) = self.patience else { return self.attempt(name, arguments).await };
        match Deadline::after(patience).run(self.attempt(name, arguments)).await {
            Ok(result) => result,
            Err(timed_out) => {
                // The connection may hang for good; the next command opens another.
                self.forget();
                Err(Error::new("redis", Kind::TimedOut, timed_out))
            }
        }
    }

    async fn attempt(&self, name: &str, arguments: Vec<RedisParameter>) -> Result<Vec<RedisResult>, Error> {
        let connection = self.connection().await?;
        match connection.execute(name, arguments.clone()).await {
            Ok(reply) => Ok(reply),
            Err(_) => {
                OPEN.set(None);
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
        all.push(text(script));
        all.push(text(keys.len().to_string()));
        all.extend(keys.iter().map(|key| text(*key)));
        all.extend(arguments);
        self.command("EVAL", all).await
    }
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
