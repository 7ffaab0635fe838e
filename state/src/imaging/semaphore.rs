//! A distributed semaphore: slots at a service that allows few calls at once, across all instances and hosts.
//!
//! Guarantee: the number of held slots never exceeds the limit, and waiting tickets get slots in order of arrival. A
//! slot whose holder died is free again as soon as the holder is declared dead.
//!
//! Mechanism: three sorted sets in Redis: tickets that hold a slot, by the latest end of their calls; waiting tickets,
//! in order; and, for each waiting ticket, until when it counts as present. A ticket asks repeatedly, because a
//! blocking wait in Redis would need its own connection. A ticket that stops asking loses its turn. The further back a
//! ticket is, the less often it asks, so that hundreds of waiting tickets do not slow down the server and their
//! instances.

use std::time::{Duration, Instant};

use platform::redis::{Redis, nothing, whole};
use platform::{Error, clock};

use crate::names;
use crate::queue::holder::Holder;

/// The pause of the tickets that get the next slots. The group behind them waits twice as long, and so on.
const STEP: Duration = Duration::from_millis(15);
/// The longest pause between two requests: well below [`GONE`].
const LONGEST: Duration = Duration::from_millis(250);
/// A waiting ticket that has not asked for this long counts as gone.
const GONE: Duration = Duration::from_millis(1000);

/// A service with a limit.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Its name.
    pub name: &'a str,
    /// The most calls at once.
    pub limit: u32,
    /// The longest time that a slot is held: longer than the longest call.
    pub longest: Duration,
}

/// A slot at a service, to be given back by [`Permit::free`].
#[must_use = "a place that is not given back is kept as long as its holder lives"]
pub struct Permit {
    redis: Redis,
    keys: [String; 3],
    ticket: String,
}

/// Waits for a slot for as long as `patience`; none if none became free.
///
/// # Errors
/// When Redis is unavailable. A slot that may have been taken is free again when its holder is declared dead.
pub async fn take(
    redis: &Redis,
    holder: &Holder,
    service: Service<'_>,
    patience: Duration,
) -> Result<Option<Permit>, Error> {
    let keys = names::places(service.name);
    let ticket = format!("{}:{:032x}", holder.name(), clock::random_bits());
    let place = Permit { redis: redis.clone(), keys, ticket };
    holder.renew(redis).await?;
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let last = left.is_zero();
        match place.ask(service, last).await? {
            0 => return Ok(Some(place)),
            _ if last => return Ok(None),
            turn => clock::sleep(pause(turn, service.limit).min(left)).await,
        }
    }
}

/// The pause of the ticket at position `turn` in the line, the first being 1, for a service with this many slots.
fn pause(turn: i64, limit: u32) -> Duration {
    let rounds = u32::try_from(turn).unwrap_or(u32::MAX).div_ceil(limit.max(1));
    STEP.saturating_mul(rounds).min(LONGEST)
}

script! {
    TakeScript<'a> = "imaging/semaphore/take.lua",
    keys { held_line_seen: &'a [String; 3], holders: &'static str }
    args { ticket: &'a str, slots: u32, longest: Duration, gone: Duration, last: bool }
    reply i64, by whole
}

script! {
    FreeScript<'a> = "imaging/semaphore/free.lua",
    keys { held_line_seen: &'a [String; 3] }
    args { ticket: &'a str }
    reply (), by nothing
}

impl Permit {
    /// Asks for the slot: 0 if it is held, else the ticket's position in the line. With `last`, it leaves the line.
    async fn ask(&self, service: Service<'_>, last: bool) -> Result<i64, Error> {
        let script = TakeScript {
            held_line_seen: &self.keys,
            holders: names::HOLDERS,
            ticket: &self.ticket,
            slots: service.limit,
            longest: service.longest,
            gone: GONE,
            last,
        };
        script.run(&self.redis).await
    }

    /// Returns the slot back.
    ///
    /// # Errors
    /// When Redis is unavailable: the slot is free when its holder is declared dead.
    pub async fn free(self) -> Result<(), Error> {
        FreeScript { held_line_seen: &self.keys, ticket: &self.ticket }.run(&self.redis).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_farther_behind_asks_less_often_and_is_never_taken_for_gone() {
        for (turn, limit, expected) in [(1, 10, 15), (10, 10, 15), (11, 10, 30), (30, 10, 45), (1, 1, 15), (4, 1, 60)] {
            assert_eq!(pause(turn, limit), Duration::from_millis(expected), "{turn} of {limit}");
        }
        for (turn, limit) in [(i64::MAX, 1), (100_000, 3), (-1, 10), (5, 0)] {
            assert!(pause(turn, limit) * 2 < GONE, "{turn} of {limit}");
        }
    }
}
