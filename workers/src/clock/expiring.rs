//! Warnings of keys that end soon, as events: 14 and 7 days before.
//!
//! Guarantee: each key in force is warned of once for each threshold, whatever the number of hosts; one that has both
//! behind it already only for the later one. After a crash, or the loss of Redis, a warning may come again, as another
//! entry with the same message id.
//!
//! Mechanism: the clock looks once an hour, and soon after a key was created. A warning is an entry in the journal of the
//! key's study; that of a key for all studies is in the journal `*`, which subscriptions without `studies` read. Redis
//! remembers the thresholds of which subscribers were told.

use std::collections::BTreeMap;

use platform::Error;
use platform::kv::Store;
use platform::redis::{Redis, string, text};
use spin_sdk::redis::RedisResult;
use state::edge::keys;
use state::journal::{self, Event, Kind};
use state::names;

/// The days before its end at which subscribers hear of a key, the latest first.
const THRESHOLDS: [i64; 2] = [7, 14];
const DAY_MS: i64 = 86_400_000;
/// The pause between two looks, seconds.
const PAUSE: &str = "3600";

/// Looks for keys that end soon, unless somebody did within the last hour. Returns the number of warnings.
///
/// # Errors
/// When Redis or the store is unavailable; the next tick looks again.
pub(super) async fn warn(redis: &Redis, now_ms: i64) -> Result<usize, Error> {
    // A key that is created meanwhile removes the mark, so the mark comes first. Of two who look at once, one sets it: a round
    // outside the clock may run beside it.
    let mark = redis.command("SET", [names::KEYS_LOOKED, "1", "NX", "EX", PAUSE].map(text).into()).await?;
    if matches!(mark.first(), None | Some(RedisResult::Nil)) {
        return Ok(0);
    }
    let warned = told(redis, now_ms).await;
    if warned.is_err() {
        redis.command("DEL", vec![text(names::KEYS_LOOKED)]).await?;
    }
    warned
}

async fn told(redis: &Redis, now_ms: i64) -> Result<usize, Error> {
    let reply = redis.command("HGETALL", vec![text(names::KEYS_WARNED)]).await?;
    let (pairs, _) = reply.as_chunks::<2>();
    let pairs = pairs.iter().filter_map(|[key, days]| Some((string(key)?, string(days)?.parse().ok()?)));
    let (before, all) = (pairs.collect::<BTreeMap<String, i64>>(), keys::all(redis).await?);
    for key in before.keys().filter(|key| !all.contains_key(key.as_str())) {
        redis.command("HDEL", vec![text(names::KEYS_WARNED), text(key)]).await?;
    }
    let (mut store, mut count) = (None, 0);
    for (id, (key, _)) in all {
        let last = before.get(id.as_str()).copied();
        let Some(days) = key.expires_ms.and_then(|at| due(at - now_ms, last)) else { continue };
        let store = match &mut store {
            Some(store) => store,
            none => none.insert(Store::open().await?),
        };
        let event = Event {
            kind: Kind::KeyExpiring,
            site: key.grant.site,
            what: id.as_str().to_owned(),
            submission: String::new().into(),
            hash: days.to_string(),
            alerts: String::new(),
        };
        journal::append(redis, store, &key.grant.study, &[event]).await?;
        let mark = vec![text(names::KEYS_WARNED), text(id.as_str()), text(days.to_string())];
        redis.command("HSET", mark).await?;
        count += 1;
    }
    Ok(count)
}

/// The threshold of which to tell now, days; `last` is that of which was told.
fn due(left_ms: i64, last: Option<i64>) -> Option<i64> {
    let reached = THRESHOLDS.into_iter().find(|days| left_ms <= days * DAY_MS)?;
    (left_ms > 0 && last.is_none_or(|last| reached < last)).then_some(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_told_once_and_the_passed_one_not_at_all() {
        for (days, last, expected) in [
            (20, None, None),
            (14, None, Some(14)),
            (10, None, Some(14)),
            (10, Some(14), None),
            (7, Some(14), Some(7)),
            (6, None, Some(7)),
            (6, Some(7), None),
            (1, Some(7), None),
            (0, Some(7), None),
            (-1, None, None),
        ] {
            assert_eq!(due(days * DAY_MS, last), expected, "{days} {last:?}");
        }
    }
}
