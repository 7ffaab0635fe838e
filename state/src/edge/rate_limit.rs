//! Rate limits of the API: a token bucket for each key. Redis holds it, so all instances share it.

use std::time::Duration;

use platform::redis::{Redis, number};
use platform::{Error, Kind};
use spin_sdk::redis::RedisResult;

use crate::names;

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
/// [`Kind::Unavailable`].
pub async fn take(redis: &Redis, name: &str, limit: Limit) -> Result<Option<Duration>, Error> {
    let interval = i64::try_from(limit.interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let arguments = vec![number(limit.burst.into()), number(interval)];
    let reply = redis.eval(lua!("edge/rate_limit.lua"), &[&names::bucket(name)], arguments).await?;
    match reply.first() {
        Some(RedisResult::Int64(0)) => Ok(None),
        Some(RedisResult::Int64(wait)) => Ok(Some(Duration::from_millis(u64::try_from(*wait).unwrap_or(0)))),
        _ => Err(Error::new("redis", Kind::Unavailable, "unexpected reply of the script limit")),
    }
}
