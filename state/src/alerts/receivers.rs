//! Receivers of alerts and notifications, shared by all instances: disabled receivers, results of calls, running calls.
//!
//! Guarantee: across all instances, no receiver gets more concurrent calls or more calls a minute than its limits. A
//! receiver whose breaker is open is tried by one call at a time. If a caller dies, its slot is free once the caller is
//! declared dead.
//!
//! Mechanism: one script takes semaphore slots for a whole batch of calls. The changes after a call go with the script
//! that writes its outcome ([`ended`]). `domain::alert::breaker` defines the breaker. The script does what
//! [`breaker::Gauge::admit`] says, because only a script can decide who gets the right to try.

use domain::Timestamp;
use domain::alert::breaker::{self, Gauge, Limits, Write};
use domain::ids::ReceiverId;
use platform::redis::{Parameter, Redis, flat, integer, string, text, unexpected};
use platform::{Error, clock, kv};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::alerts::change::Change;
use crate::names;
use crate::queue::holder::Holder;
use crate::wire::entry::Attempt;

/// The number of a receiver's attempts that are kept, and how long after the last one, seconds.
const ATTEMPTS: usize = 20;
const ATTEMPTS_KEPT_SECONDS: &str = "2592000";

/// Why a receiver is not called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It asked to get no more messages.
    Disabled,
    /// Its breaker is open until then, milliseconds since the epoch.
    Breaker(i64),
    /// It has reached its rate limit until then, milliseconds since the epoch.
    Rate(i64),
    /// It has reached its limit of concurrent calls.
    Concurrency,
}

/// The result of a request for slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The slots that were taken, one for each call.
    pub places: Vec<String>,
    /// Why there are not more slots.
    pub closed: Option<Closed>,
    /// The state of its calls.
    pub gauge: Gauge,
}

/// The calls that a worker wants to make to a receiver.
pub struct CallRequest<'a> {
    /// The receiver's id.
    pub receiver: &'a ReceiverId,
    /// The number of calls.
    pub count: usize,
    /// The most calls to it at the same time, over all instances.
    pub concurrency: u32,
    /// The most calls to it per minute. None: no limit.
    pub per_minute: Option<u32>,
    /// The longest that each may take, milliseconds.
    pub longest_ms: u64,
    /// Slots of finished calls, which are given back first.
    pub back: Vec<String>,
}

/// Requests slots for calls.
///
/// # Errors
/// [`platform::Kind::Unavailable`]. Slots that may have been taken come back after their time.
pub async fn admit(
    redis: &Redis,
    holder: &Holder,
    limits: &Limits,
    wanted: &[CallRequest<'_>],
    now: Timestamp,
) -> Result<Vec<Admitted>, Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let call = format!("{}:{:016x}", holder.name(), clock::random_bits() as u64);
    let of_each = |id: &ReceiverId| [names::breaker(id), names::calls(id), names::rate_of_receiver(id)];
    let script = AdmitScript {
        disabled: names::DISABLED,
        holders: names::HOLDERS,
        receivers: wanted.iter().map(|one| of_each(one.receiver)).collect(),
        now_ms: now.millis(),
        pause_ms: limits.pause_ms,
        call,
        wanted,
    };
    let reply = script.run(redis).await?;
    admitted(&reply, wanted.len()).ok_or_else(|| unexpected("alerts/receivers/admit.lua"))
}

script! {
    AdmitScript<'a> = "alerts/receivers/admit.lua",
    keys { disabled: &'static str, holders: &'static str, receivers: Vec<[String; 3]> }
    args { now_ms: i64, pause_ms: u64, call: String, wanted: &'a [CallRequest<'a>] }
    reply Vec<RedisResult>, by flat
}

impl Parameter for CallRequest<'_> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        let CallRequest { receiver, count, concurrency, per_minute, longest_ms, back } = self;
        let interval_ms = per_minute.map_or(0.0, |per_minute| 60_000.0 / f64::from(per_minute.max(1)));
        into.extend([
            text(receiver.as_str()),
            text(count.to_string()),
            text(longest_ms.to_string()),
            text(concurrency.to_string()),
            text(format!("{interval_ms:.3}")),
            text(back.len().to_string()),
        ]);
        back.add_to(into);
    }
}

fn admitted(reply: &[RedisResult], count: usize) -> Option<Vec<Admitted>> {
    let (mut all, mut values) = (Vec::with_capacity(count), reply.iter());
    for _ in 0..count {
        let (why, until) = (string(values.next()?)?, integer(values.next()?)?);
        let mut list = |of: usize| -> Option<Vec<String>> {
            let length = usize::try_from(integer(values.next()?)?).ok()?;
            let list: Option<Vec<String>> = values.by_ref().take(length * of).map(string).collect();
            list.filter(|list| list.len() == length * of)
        };
        let (places, fields) = (list(1)?, list(2)?);
        let closed = match why.as_str() {
            "" => None,
            "disabled" => Some(Closed::Disabled),
            "breaker" => Some(Closed::Breaker(until)),
            "rate" => Some(Closed::Rate(until)),
            "concurrency" => Some(Closed::Concurrency),
            _ => return None,
        };
        let pairs = fields.chunks(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
        all.push(Admitted { places, closed, gauge: Gauge::from_fields(pairs) });
    }
    values.next().is_none().then_some(all)
}

/// Adds the end of a call to a change: frees its slot, and updates the breaker if the call shows the receiver's health.
/// `gauge` is this caller's copy of the breaker's state.
pub fn ended(
    change: &mut Change,
    receiver: &ReceiverId,
    place: &str,
    gauge: &mut Gauge,
    limits: &Limits,
    healthy: Option<bool>,
    now: Timestamp,
) {
    change.command(["ZREM", &names::calls(receiver), place]);
    let Some(healthy) = healthy else { return };
    let key = names::breaker(receiver);
    let writes = gauge.after(limits, healthy, now);
    gauge.apply(&writes);
    for write in &writes {
        match write {
            Write::Add(field) => change.command(["HINCRBY", &key, field, "1"]),
            Write::Set(field, value) => change.command(["HSET", &key, field, value]),
            Write::Delete(field) => change.command(["HDEL", &key, field]),
        }
    }
    // Data of an unused receiver expires; an open breaker stays as long as it is open.
    let kept_ms = limits.window_ms.max(limits.pause_ms).saturating_mul(2);
    change.command(["PEXPIRE", &key, &kept_ms.to_string()]);
}

/// Adds an attempt to the last ones of its receiver, with a change. Its answer stays with the alert.
pub fn remember(change: &mut Change, receiver: &ReceiverId, attempt: &Attempt) {
    let Ok(attempt) = kv::json(&Attempt { answer: String::new(), ..attempt.clone() }) else { return };
    let key = names::attempts_at(receiver);
    change.command(["LPUSH", &key, &attempt]);
    change.command(["LTRIM", &key, "0", &(ATTEMPTS - 1).to_string()]);
    change.command(["EXPIRE", &key, ATTEMPTS_KEPT_SECONDS]);
}

/// The last attempts to reach a receiver, the latest first: figures, which go with Redis.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn attempts(redis: &Redis, receiver: &ReceiverId) -> Result<Vec<Attempt>, Error> {
    let range = vec![text(names::attempts_at(receiver)), text("0"), text("-1")];
    let reply = redis.command("LRANGE", range).await?;
    Ok(reply.iter().filter_map(string).filter_map(|attempt| serde_json::from_str(&attempt).ok()).collect())
}

/// Reads the state of a receiver's calls, without taking slots.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn gauge(redis: &Redis, receiver: &ReceiverId) -> Result<Gauge, Error> {
    let reply = redis.command("HGETALL", vec![text(names::breaker(receiver))]).await?;
    let words: Vec<String> = reply.iter().filter_map(string).collect();
    let pairs = words.chunks(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    Ok(Gauge::from_fields(pairs))
}

/// Adds to a change that a receiver asked to get no more messages.
pub fn disable(change: &mut Change, receiver: &ReceiverId, now: Timestamp) {
    change.command(["HSETNX", names::DISABLED, receiver.as_str(), &now.rfc3339()]);
}

/// Enables a receiver again that asked to get no more messages.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn enable(redis: &Redis, receiver: &ReceiverId) -> Result<bool, Error> {
    let reply = redis.command("HDEL", vec![text(names::DISABLED), text(receiver.as_str())]).await?;
    Ok(reply.first().and_then(integer) == Some(1))
}

const _: () = assert!(matches!(breaker::OPEN.as_bytes(), b"open") && matches!(breaker::PROBE.as_bytes(), b"probe"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_got_is_a_flat_list() {
        let binary = |text: &str| RedisResult::Binary(text.into());
        let number = RedisResult::Int64;
        let reply = [
            binary("breaker"),
            binary("1772352000000"),
            number(0),
            number(1),
            binary("open"),
            binary("1772352000000"),
            binary("concurrency"),
            binary("0"),
            number(1),
            binary("x:1"),
            number(0),
        ];
        let all = admitted(&reply, 2).unwrap();
        assert_eq!(all[0].closed, Some(Closed::Breaker(1_772_352_000_000)));
        assert_eq!(
            (all[1].places.as_slice(), &all[1].closed),
            (["x:1".to_owned()].as_slice(), &Some(Closed::Concurrency))
        );
        assert_ne!(all[0].gauge, Gauge::default());
        assert_eq!(admitted(&reply[..9], 2), None);
        assert_eq!(admitted(&reply, 1), None);
    }
}
