//! The timer that Spin does not have.
//!
//! Guarantee: while anything waits, a tick follows within about a second, and two ticks never run at once, even if many
//! hosts listen. A tick pauses, moves due entries onto their queues, and rings for entries that nobody works on because
//! their bell was lost or their worker died. It publishes the next tick while there is anything to watch. It also
//! rings for events of which subscribers have not been told, reports alerts that are overdue, keeps dead letters bounded,
//! forgets old idempotency records, sends the self-check, takes a sample of the figures once a minute, and moves full
//! segments of journals into the store. While it pauses, it carries on the erasure of studies, and of subjects whose retention
//! is over. Once an hour it warns of keys that end soon. With a self-check or a log key there is always something to watch. With a log key
//! a tick also signs the heads of the journals; a round outside the clock does not, so that no other component has the key.
//!
//! If a tick dies with its host, the clock's mark expires, and the next submission, the readiness check or `POST
//! /v1/ops/drain` starts the clock again.
//!
//! Not for: precision. Due work happens up to a tick late.

mod expiring;

use std::time::Duration;

use domain::subscriptions::Subscriptions;
use platform::deadline::Deadline;
use platform::redis::Redis;
use platform::variables::{Reader, load};
use platform::{Error, clock, log};
use state::events;
use state::figures::hour;
use state::health::self_check;
use state::health::watch::{self, Bounds};
use state::journal::{self, Signer};
use state::names::Queue;
use state::queue;
use state::queue::{ClockLease, Enqueued};
use state::settings::Settings;
use state::variables;
use state::wire::idempotency;

use crate::erase;

/// The pause between two ticks.
const PAUSE: Duration = Duration::from_secs(1);
/// For so long a tick carries erasures on: what is begun then ends within the pause.
const STEP: Duration = Duration::from_millis(900);

/// Runs one tick, if no other host does; `message` says which tick was announced.
///
/// # Errors
/// When a variable is not sound or Redis is unavailable.
pub async fn tick(message: &[u8]) -> Result<(), Error> {
    let Ticker { clock: own, signer } = load(Ticker::read).await?;
    let Some(running) = queue::lease_clock(&own.redis, message).await? else {
        // Another host ticks, or this message is late.
        return Ok(());
    };
    // Erasing uses the pause, so it delays nothing that is due. An urgent tick has none: it lets the next one look.
    let (goes_on, own) = (queue::is_urgent(message) || erasing(&own.redis).await, own);
    let own = Clock { goes_on: own.goes_on || goes_on, ..own };
    own.round(Some(&running)).await?;
    if let Some(signer) = signer {
        signer.sign(&own.redis).await?;
    }
    Ok(())
}

/// Pauses, and carries erasures on meanwhile. Returns whether the clock has to go on for them.
async fn erasing(redis: &Redis) -> bool {
    let (carried, ()) = futures::join!(erase::carry_on(redis, Deadline::after(STEP)), clock::sleep(PAUSE));
    carried.unwrap_or_else(|error| {
        log::warn("erasure-interrupted").cause(&error).write();
        true
    })
}

/// The clock, and the key by which it signs.
pub struct Ticker {
    clock: Clock,
    signer: Option<Signer>,
}

impl Ticker {
    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        let (clock, key) = (Clock::read(reader).await, reader.read(&variables::LOG_KEY).await);
        let signer = key.and_then(|key| Signer::new(&key));
        // The last lines are signed, too, while nothing else is to be done.
        Ticker { clock: Clock { goes_on: signer.is_some(), ..clock }, signer }
    }
}

/// The part of Vigil that looks after everything with a due time.
pub struct Clock {
    redis: Redis,
    bounds: Bounds,
    /// The interval of the self-check; zero for none.
    self_check: Duration,
    /// Whether it goes on although nothing waits: it signs heads of journals, or erases.
    goes_on: bool,
    capacity: u64,
    /// The time for which idempotency records are kept.
    remembered: Duration,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// The number of due entries that it moved onto their streams.
    pub moved: usize,
    /// The number of overdue alerts.
    pub overdue: usize,
}

impl Clock {
    /// Loads the clock's configuration from the variables.
    ///
    /// # Errors
    /// When they are not sound.
    pub async fn load() -> Result<Self, Error> {
        Ok(load(Self::read).await?)
    }

    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        Clock {
            redis: variables::redis(reader).await,
            bounds: Bounds {
                grace: reader.read(&variables::ALERT_GRACE_SECONDS).await,
                dead_letters: reader.read(&variables::DEAD_LETTERS_MOST).await,
                dead_letters_kept: reader.read(&variables::DEAD_LETTERS_DAYS).await,
            },
            self_check: reader.read(&variables::SELF_CHECK_SECONDS).await,
            goes_on: false,
            capacity: reader.read(&variables::QUEUE_CAPACITY).await,
            remembered: reader.read(&variables::ONCE_DAYS).await,
        }
    }

    /// Runs one round. `running` is the lease of the running tick, none for a round outside the clock.
    ///
    /// # Errors
    /// When Redis is unavailable; the next round does the rest.
    pub async fn round(&self, running: Option<&ClockLease>) -> Result<Round, Error> {
        let (redis, checks) = (&self.redis, !self.self_check.is_zero());
        // First, so that the same round sees that there is something to tell. A store that is away stops no other work.
        match expiring::warn(redis, clock::now().millis()).await {
            Ok(0) => {}
            Ok(warned) => log::info("keys-expiring").count(warned).write(),
            Err(error) => log::warn("keys-expiring-not-told").cause(&error).write(),
        }
        let done = queue::tick(redis, clock::now().millis(), checks || self.goes_on, running).await?;
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
        let forgotten = idempotency::sweep(redis, clock::now().millis(), self.remembered).await?;
        if forgotten > 0 {
            log::info("idempotency-records-forgotten").count(forgotten).write();
        }
        if checks
            && self_check::send(redis, self.capacity, self.self_check, clock::now()).await? == Some(Enqueued::Full)
        {
            log::warn("self-check-not-sent").outcome("full").write();
        }
        if done.events {
            let settings = Settings::in_force(redis).await?;
            let subscriptions = settings.document::<Subscriptions>(redis).await?.unwrap_or_default();
            if !events::pending(redis, &subscriptions, settings.revision()).await?.is_empty() {
                queue::ring(redis, Queue::Dispatch).await?;
            }
        }
        hour::sample(redis, clock::now().millis(), !done.watching).await?;
        // Last: it needs the store, and what a person waits for does not wait for that.
        let sealed = journal::seal(redis).await?;
        if sealed > 0 {
            log::info("journal-sealed").count(sealed).write();
        }
        Ok(Round { moved: done.moved, overdue: watched.overdue.len() })
    }
}
