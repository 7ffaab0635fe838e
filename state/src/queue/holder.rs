//! Who holds work, and proves that it lives.
//!
//! Guarantee: what a worker holds (entries of queues, work that it reserved, places at receivers and services) is nobody
//! else's while the worker lives, and somebody else's at most [`LEASE`] and a tick after it died. A worker that was stopped
//! and goes on finds that it holds nothing any more; that is not counted as an attempt.
//!
//! Mechanism: each drain, and each request that holds a place, has a name. One sorted set has the names, by when they are taken
//! for dead by Redis' own clock. Claiming and finishing renew the name; a worker that does something else for longer renews
//! it beside that. Whoever claims next, and the clock, lets what the dead held wait again (`queue/flows.lua`).

use crate::queue::flows;
use platform::redis::{Redis, millis, string, text, unexpected};
use platform::{Error, Kind, clock};
use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};

/// A worker that has not been heard of for this long is taken for dead.
pub const LEASE: Duration = Duration::from_secs(2);
/// A worker that does something else for long renews its name this often.
pub const RENEWAL: Duration = Duration::from_millis(600);

/// The name of one drain, or of one request that holds a place.
#[derive(Debug)]
pub struct Holder {
    name: String,
    renewed: Cell<Option<Instant>>,
    claims: Cell<u32>,
}

impl Holder {
    /// A name that nobody has.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Holder { name: format!("{:032x}", clock::random_bits()), renewed: Cell::new(None), claims: Cell::new(0) }
    }

    /// The name, in which there is neither a blank nor a colon nor a dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is time to renew it.
    pub fn is_stale(&self) -> bool {
        self.renewed.get().is_none_or(|at| at.elapsed() >= RENEWAL)
    }

    /// Whether Redis has been told of it. The caller tells now, by the script that it sends.
    pub(crate) fn told(&self) -> &'static str {
        if self.renewed.replace(Some(Instant::now())).is_some() { "1" } else { "0" }
    }

    /// The number of the next claim.
    pub(crate) fn next_claim(&self) -> u32 {
        self.claims.replace(self.claims.get().wrapping_add(1))
    }

    /// Says that it lives. Gives whether it still holds what it held: not if it was taken for dead meanwhile.
    ///
    /// # Errors
    /// [`platform::Kind::Away`].
    pub async fn renew(&self, redis: &Redis) -> Result<bool, Error> {
        let arguments = vec![text(&*self.name), text(self.told()), millis(LEASE)];
        let reply = flows::eval(redis, lua!("queue/renew.lua"), &[], arguments).await?;
        Ok(reply.first().and_then(string).ok_or_else(|| unexpected("renew"))? == "1")
    }

    /// Asks, if it has not been renewed for long, whether it still holds what it held. A worker that was stopped and goes on
    /// must not write what it made before: another may have done the work since.
    ///
    /// # Errors
    /// [`platform::Kind::Away`], also when it was taken for dead.
    pub async fn still_holds(&self, redis: &Redis) -> Result<(), Error> {
        if !self.is_stale() || self.renew(redis).await? {
            return Ok(());
        }
        Err(Error::new("queue", Kind::Away, "the worker was taken for dead, its entries are others' now"))
    }

    /// Leaves. What it holds without knowing of it, because a reply was lost, waits again.
    ///
    /// # Errors
    /// [`platform::Kind::Away`]: the name ends by itself.
    pub async fn leave(&self, redis: &Redis) -> Result<(), Error> {
        flows::eval(redis, lua!("queue/leave.lua"), &[], vec![text(&*self.name)]).await.map(|_| ())
    }

    /// Does something that may take long, and renews the name beside it. That Redis is away then does not end the work: it
    /// is told when the work ends.
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
