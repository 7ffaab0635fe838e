//! Holders: the names of workers, and their signs of life.
//!
//! Guarantee: while a worker lives, nobody else gets what it holds: entries of queues, work that it reserved, semaphore
//! slots at receivers and services. After it died, somebody else gets it within [`LEASE`] and a tick. A worker that was
//! stopped and goes on learns that it holds nothing any more; that does not count as an attempt.
//!
//! Mechanism: each drain has a name, and so has each request that holds a slot. One sorted set has the names, each with
//! the time at which it is declared dead, by Redis' own clock. Claiming and finishing renew the name. A worker that is
//! busy with something else renews it in the background. The next claim, and the clock, let the entries of dead holders
//! wait again (`queue/flows.lua`).

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use platform::redis::{Redis, nothing, whether};
use platform::{Error, Kind, clock};

/// A worker that gives no sign of life for this long is declared dead.
pub const LEASE: Duration = Duration::from_secs(2);
/// A worker that is busy with something else renews its name this often.
pub const RENEWAL: Duration = Duration::from_millis(600);

script! {
    RenewScript<'a> = after flows "queue/renew.lua",
    keys {}
    args { holder: &'a str, known: bool, lease: Duration }
    reply bool, by whether
}

script! {
    LeaveScript<'a> = after flows "queue/leave.lua",
    keys {}
    args { holder: &'a str }
    reply (), by nothing
}

/// The name of one drain, or of one request that holds a slot.
#[derive(Debug)]
pub struct Holder {
    name: String,
    renewed: Cell<Option<Instant>>,
    claims: Cell<u32>,
}

impl Holder {
    /// Creates a unique name.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Holder { name: format!("{:032x}", clock::random_bits()), renewed: Cell::new(None), claims: Cell::new(0) }
    }

    /// The name. It contains no blank, no colon and no dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name must be renewed.
    pub fn is_stale(&self) -> bool {
        self.renewed.get().is_none_or(|at| at.elapsed() >= RENEWAL)
    }

    /// Whether Redis knows the name already. The caller's next script tells Redis.
    pub(crate) fn told(&self) -> bool {
        self.renewed.replace(Some(Instant::now())).is_some()
    }

    /// The number of the next claim.
    pub(crate) fn next_claim(&self) -> u32 {
        self.claims.replace(self.claims.get().wrapping_add(1))
    }

    /// Renews the name. Returns whether the worker still holds what it held: not if it was declared dead meanwhile.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn renew(&self, redis: &Redis) -> Result<bool, Error> {
        RenewScript { holder: &self.name, known: self.told(), lease: LEASE }.run(redis).await
    }

    /// If the last renewal is long ago, asks whether the worker still holds what it held. A worker that was stopped and
    /// goes on must not write its old results: another worker may have done the work since.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`], also when it was declared dead.
    pub async fn still_holds(&self, redis: &Redis) -> Result<(), Error> {
        if !self.is_stale() || self.renew(redis).await? {
            return Ok(());
        }
        Err(declared_dead())
    }

    /// Leaves. If a claim's reply was lost, the worker holds entries without knowing it: these wait again.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`]: the name expires by itself.
    pub async fn leave(&self, redis: &Redis) -> Result<(), Error> {
        LeaveScript { holder: &self.name }.run(redis).await
    }

    /// Runs work that may take long, and renews the name meanwhile. If Redis is unavailable, the work still goes on;
    /// the caller learns of it when the work ends.
    pub async fn keep<T>(&self, redis: &Redis, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match select(work.as_mut(), pin!(clock::sleep(RENEWAL))).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), pending)) => match select(pending, pin!(self.renew(redis))).await {
                    Either::Left((done, _)) => return done,
                    Either::Right((_, _)) => {}
                },
            }
        }
    }
}

/// The error of a worker that was declared dead and goes on.
pub(super) fn declared_dead() -> Error {
    Error::new("queue", Kind::Unavailable, "the worker was taken for dead, its entries are others' now")
}
