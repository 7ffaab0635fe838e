//! The timer that Spin does not have.
//!
//! Guarantee: while anything waits, a tick follows within about a second, and two ticks never run at once, even if many
//! hosts listen. A tick pauses, moves due entries onto their queues, and rings for entries that nobody works on because
//! their bell was lost or their worker died. It publishes the next tick while there is anything to watch. It also
//! reports alerts that are overdue, keeps dead letters bounded, and sends the self-check. With a self-check there is
//! always something to watch.
//!
//! If a tick dies with its host, the clock's mark expires, and the next submission, the readiness check or `POST
//! /v1/ops/drain` starts the clock again.
//!
//! Not for: precision. Due work happens up to a tick late.

use std::time::Duration;

use platform::config::{self, Reader};
use platform::redis::{PATIENCE, Redis};
use platform::{Error, clock, log};
use state::health::self_check;
use state::health::watch::{self, Bounds};
use state::queue;
use state::queue::{ClockLease, Enqueued};

/// The pause between two ticks.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs one tick, if no other host does; `message` says which tick was announced.
///
/// # Errors
/// When a variable is not sound or Redis is unavailable.
pub async fn tick(message: &[u8]) -> Result<(), Error> {
    let own = Clock::load().await?;
    let Some(running) = queue::lease_clock(&own.redis, message).await? else {
        // Another host ticks, or this message is late.
        return Ok(());
    };
    if !queue::is_urgent(message) {
        clock::sleep(PAUSE).await;
    }
    own.round(Some(&running)).await.map(|_| ())
}

/// The part of Vigil that looks after everything with a due time.
pub struct Clock {
    redis: Redis,
    bounds: Bounds,
    /// The interval of the self-check; zero for none.
    self_check: Duration,
    capacity: u64,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// How many due entries it moved onto their streams.
    pub moved: usize,
    /// How many alerts were overdue.
    pub overdue: usize,
}

impl Clock {
    /// Loads the clock's configuration from the variables.
    ///
    /// # Errors
    /// When they are not sound.
    pub async fn load() -> Result<Self, Error> {
        Ok(config::load(Self::read).await?)
    }

    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        Clock {
            redis: Redis::patient(&reader.redis().await, PATIENCE),
            bounds: Bounds {
                grace: reader.seconds("alert_grace_seconds", 1..=86_400).await,
                dead_letters: reader.number("dead_letters_most", 100..=100_000_000).await,
                dead_letters_kept: Duration::from_secs(86_400u64 * reader.number("dead_letters_days", 1..=3650).await),
            },
            self_check: reader.seconds("self_check_seconds", 0..=86_400).await,
            capacity: reader.number("queue_capacity", 1..=1_000_000_000).await,
        }
    }

    /// Runs one round. `running` is the lease of the running tick, none for a round outside the clock.
    ///
    /// # Errors
    /// When Redis is unavailable; the next round does the rest.
    pub async fn round(&self, running: Option<&ClockLease>) -> Result<Round, Error> {
        let (redis, always) = (&self.redis, !self.self_check.is_zero());
        let done = queue::tick(redis, clock::now().millis(), always, running).await?;
        if done.moved > 0 {
            log::info("due-moved").count(done.moved).write();
        }
        let watched = watch::round(redis, clock::now().millis(), self.bounds).await?;
        for alert in &watched.overdue {
            log::error("alert-overdue").alert(alert).write();
        }
        if watched.trimmed > 0 {
            log::warn("dead-letters-trimmed").count(watched.trimmed).write();
        }
        if always
            && self_check::send(redis, self.capacity, self.self_check, clock::now()).await? == Some(Enqueued::Full)
        {
            log::warn("self-check-not-sent").outcome("full").write();
        }
        Ok(Round { moved: done.moved, overdue: watched.overdue.len() })
    }
}
