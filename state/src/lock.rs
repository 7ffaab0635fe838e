//! Locks across all instances: one holder at a time, for the length of a lease.
//!
//! Not for: actions that must never happen twice. A holder that stalls for longer than the lease is no longer alone. So
//! the action under a lock must either be a script that compares the token, or be safe to repeat.

use std::time::Duration;

use platform::digest::hex;
use platform::redis::{Redis, nothing, string, text};
use platform::{Error, clock};
use spin_sdk::redis::RedisResult;

/// The pause between two attempts.
const WAIT: Duration = Duration::from_millis(50);
/// The number of attempts.
const WAITS: usize = 20;

script! {
    ReleaseScript<'a> = "lock/release.lua",
    keys { lock: &'a str }
    args { token: &'a str }
    reply (), by nothing
}

/// A lock that is held.
pub struct Lock {
    key: String,
    token: String,
}

impl Lock {
    /// Takes the lock; waits about a second if it is held. None if it stays held.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn take(redis: &Redis, key: impl Into<String>, lease: Duration) -> Result<Option<Self>, Error> {
        let lock = Lock { key: key.into(), token: hex(&clock::random_bits().to_be_bytes()) };
        let milliseconds = lease.as_millis().to_string();
        for wait in 0..=WAITS {
            let arguments = [lock.key.as_str(), &lock.token, "NX", "PX", &milliseconds];
            let reply = redis.command("SET", arguments.into_iter().map(text).collect()).await?;
            if !matches!(reply.first(), None | Some(RedisResult::Nil)) {
                return Ok(Some(lock));
            }
            if wait < WAITS {
                clock::sleep(WAIT).await;
            }
        }
        Ok(None)
    }

    /// The value of the lock while it is held, for scripts.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether it is still held. It may pass to somebody else in the next moment.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn is_held(&self, redis: &Redis) -> Result<bool, Error> {
        let holder = redis.command("GET", vec![text(&self.key)]).await?;
        Ok(holder.first().and_then(string).is_some_and(|holder| holder == self.token))
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`]; the lock expires by itself then.
    pub async fn release(self, redis: &Redis) -> Result<(), Error> {
        ReleaseScript { lock: &self.key, token: &self.token }.run(redis).await
    }
}
