//! Redis, kept open for as long as the instance lives.
//!
//! Guarantee: a script is sent at most twice. A connection is opened when first needed, shared by all requests of the
//! instance, and dropped on any error; the script is then sent once more over a new one. Every script of Vigil may be
//! run twice without harm, so a reply that was lost on the way does no damage.
//!
//! A script is first called by its hash, which spares sending it and reading it again. A server that does not know the
//! hash is a failure like any other: the second time the whole script is sent.
//!
//! Natively the connection is that of a client library (see `redis/native.rs`), and everything else is the same.

#[cfg(not(target_family = "wasm"))]
mod native;
mod script;

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use spin_sdk::redis::Connection;
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::deadline::Deadline;
use crate::error::{Error, Kind};
#[cfg(not(target_family = "wasm"))]
use native::Connection;

pub use script::{Composed, Parameter, Parameters, Script, Seconds, flat, nothing, one, total, whether, whole};

/// A Redis server, by its address.
#[derive(Clone)]
pub struct Redis {
    address: Rc<str>,
    patience: Option<Duration>,
}

/// The time that workers and reads wait for one command: a connection that hangs must not stop a worker for good.
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

    /// The same server, for a command that must not take longer than `patience`.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        let shorter = self.patience.map_or(patience, |own| own.min(patience));
        Redis { address: Rc::clone(&self.address), patience: Some(shorter) }
    }

    async fn connection(&self) -> Result<Rc<Connection>, Error> {
        if let Some(open) = OPEN.with_borrow(Clone::clone).filter(|open| is_to(open, &self.address)) {
            return Ok(open);
        }
        // Rare, and large: on its own, so that no request carries the room for it.
        let opened = Box::pin(Connection::open(&self.address)).await.map_err(unavailable)?;
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
    /// [`Kind::Unavailable`] when it failed twice, [`Kind::TimedOut`] when there was no answer in time.
    pub async fn command(&self, name: &str, arguments: Vec<RedisParameter>) -> Result<Vec<RedisResult>, Error> {
        let send = async |connection: &Connection, _| connection.execute(name, arguments.clone()).await;
        self.patiently(pin!(self.attempt(send))).await
    }

    async fn patiently(
        &self,
        work: Pin<&mut impl Future<Output = Result<Vec<RedisResult>, Error>>>,
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

    /// Does something with the connection, and if it fails once more with a fresh one. `first` says whether it is the
    /// first time.
    async fn attempt(&self, work: impl AsyncFn(&Connection, bool) -> Reply) -> Result<Vec<RedisResult>, Error> {
        let connection = self.connection().await?;
        match work(&connection, true).await {
            Ok(reply) => Ok(reply),
            Err(_) => {
                OPEN.set(None);
                let connection = self.connection().await?;
                work(&connection, false).await.inspect_err(|_| OPEN.set(None)).map_err(unavailable)
            }
        }
    }

    /// Runs a script. `parameters` gives its keys and arguments, for each time that it is sent.
    ///
    /// # Errors
    /// As [`Redis::command`].
    pub async fn run(
        &self,
        script: Script<'_>,
        parameters: &dyn Fn() -> Parameters,
    ) -> Result<Vec<RedisResult>, Error> {
        let send = async |connection: &Connection, first: bool| {
            let Parameters { keys, arguments } = parameters();
            let (command, name) = if first { ("EVALSHA", script.hash.to_owned()) } else { ("EVAL", script.text()) };
            let head = [text(name), text(keys.len().to_string())];
            connection.execute(command, head.into_iter().chain(keys).chain(arguments)).await
        };
        self.patiently(pin!(self.attempt(send))).await
    }
}

/// Whether a connection is one to this server: an instance has one server, a native process may have several.
#[cfg(target_family = "wasm")]
fn is_to(_: &Connection, _: &str) -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
fn is_to(open: &Connection, address: &str) -> bool {
    open.is_to(address)
}

type Reply = Result<Vec<RedisResult>, spin_sdk::redis::Error>;

fn unavailable(error: spin_sdk::redis::Error) -> Error {
    Error::new("redis", Kind::Unavailable, error)
}

/// A parameter from a text.
pub fn text(value: impl Into<String>) -> RedisParameter {
    RedisParameter::Binary(value.into().into_bytes())
}

/// A parameter from a duration, in whole milliseconds.
pub fn millis(duration: Duration) -> RedisParameter {
    number(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// A parameter from a number.
pub fn number(value: i64) -> RedisParameter {
    RedisParameter::Binary(value.to_string().into_bytes())
}

/// The error of a script whose reply is not what it gives.
pub fn unexpected(script: &'static str) -> Error {
    Error::new("redis", Kind::Unavailable, format_args!("unexpected reply of the script {script}"))
}

/// A text of a reply; a number as its digits.
pub fn string(value: &RedisResult) -> Option<String> {
    match value {
        RedisResult::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
        RedisResult::Status(text) => Some(text.clone()),
        RedisResult::Int64(number) => Some(number.to_string()),
        RedisResult::Nil => None,
    }
}

/// A whole number of a reply.
pub fn integer(value: &RedisResult) -> Option<i64> {
    match value {
        RedisResult::Int64(number) => Some(*number),
        other => string(other)?.parse().ok(),
    }
}
