//! Locks: one at a time, over all instances, for as long as a lease.
//!
//! Not for: what must never happen twice. Whoever stalls for longer than the lease is no longer alone; what follows from
//! a lock is decided by a script that compares the token, or bears being done twice.

use std::time::Duration;

use spin_sdk::redis::RedisResult;

use platform::digest::hex;
use platform::redis::{Redis, text};
use platform::{Error, clock};

/// How long to wait before asking again.
const WAIT: Duration = Duration::from_millis(50);
/// How often to ask again.
const WAITS: usize = 20;

/// A lock that is held.
pub struct Lock {
    key: String,
    token: String,
}

impl Lock {
    /// Takes the lock, waiting about a second for whoever holds it; none if they keep it.
    ///
    /// # Errors
    /// [`platform::Kind::Away`].
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

    /// What the lock holds while it is held, for scripts.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// [`platform::Kind::Away`]; it ends by itself then.
    pub async fn release(self, redis: &Redis) -> Result<(), Error> {
        let script = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return {}";
        redis.eval(script, &[&self.key], vec![text(self.token)]).await.map(|_| ())
    }
}
