//! Rate limits: a bucket of tokens for each key, kept in Redis and so shared by all instances.

use std::time::Duration;

use spin_sdk::redis::RedisResult;

use crate::names;
use platform::redis::{Redis, number};
use platform::{Error, Kind};

/// A bucket: how many at once, and how long until the next one.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The most at once.
    pub burst: u32,
    /// How long one token takes to come back.
    pub interval: Duration,
}

impl Limit {
    /// So many in a minute.
    pub fn per_minute(count: u32) -> Self {
        Limit { burst: count, interval: Duration::from_secs(60) / count.max(1) }
    }
}

/// Takes a token out of the bucket `name`. Gives how long to wait when it is empty.
///
/// # Errors
/// [`Kind::Away`].
pub async fn take(redis: &Redis, name: &str, limit: Limit) -> Result<Option<Duration>, Error> {
    let interval = i64::try_from(limit.interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let arguments = vec![number(limit.burst.into()), number(interval)];
    let reply = redis.eval(lua!("edge/rate_limit.lua"), &[&names::bucket(name)], arguments).await?;
    match reply.first() {
        Some(RedisResult::Int64(0)) => Ok(None),
        Some(RedisResult::Int64(wait)) => Ok(Some(Duration::from_millis(u64::try_from(*wait).unwrap_or(0)))),
        _ => Err(Error::new("redis", Kind::Away, "unexpected reply of the script limit")),
    }
}
