//! Rate limits of the API: a token bucket for each key. Redis holds it, so all instances share it.

use std::time::Duration;

use platform::Error;
use platform::redis::{Redis, whole};

use crate::names;

script! {
    TakeScript = "edge/rate_limit.lua",
    keys { bucket: String }
    args { burst: u32, interval: Duration }
    reply u64, by whole
}

/// A bucket: its size, and the time to earn a token.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The most tokens in the bucket.
    pub burst: u32,
    /// The time to earn one token.
    pub interval: Duration,
}

impl Limit {
    /// A limit of `count` requests per minute.
    pub fn per_minute(count: u32) -> Self {
        Limit { burst: count, interval: Duration::from_secs(60) / count.max(1) }
    }
}

/// Takes a token out of the bucket `name`. If the bucket is empty, returns the time to wait.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn take(redis: &Redis, name: &str, limit: Limit) -> Result<Option<Duration>, Error> {
    let interval = limit.interval.max(Duration::from_millis(1));
    let wait = TakeScript { bucket: names::bucket(name), burst: limit.burst, interval }.run(redis).await?;
    Ok(Some(Duration::from_millis(wait)).filter(|wait| !wait.is_zero()))
}
