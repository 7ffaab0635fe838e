//! For a pseudonym key that was lost for good: takes its mark away, so that another key may take its place.
//!
//! Guarantee: nothing else changes. The next component that starts writes the mark of the key that it has. The pseudonyms
//! that were made before stay; the same patients get others from then on, which an administrator may link.

use anyhow::Result;
use platform::kv::{self, Location};
use platform::redis::{PATIENCE, Redis, text};
use state::names;

/// Takes the mark of the key out of the store and of Redis.
///
/// # Errors
/// When the store or Redis is unavailable; doing it again is safe.
pub fn forget(location: &Location, redis_url: &str) -> Result<()> {
    crate::block_on(async {
        kv::open_at(location)?;
        // The store first: a component that starts in between finds the old mark in Redis.
        kv::remove_all(&[names::PSEUDONYM_KEY_MARK.to_owned()])?;
        let redis = Redis::patient(redis_url, PATIENCE);
        redis.command("DEL", vec![text(names::PSEUDONYM_KEY)]).await?;
        Ok(())
    })
}
