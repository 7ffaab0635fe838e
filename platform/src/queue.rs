//! The queues: Redis streams that hand every entry to one worker at a time until somebody has finished it.
//!
//! Guarantee: what [`Door::enqueue`] calls `Queued` stays in its stream until [`finish()`] ends it. Between the two it may be
//! handed out more than once, never to two workers within one lease. What follows from an entry (alerts, a later
//! attempt, a dead letter) happens in the same script that ends it: whole, or not at all, and once.
//!
//! Mechanism: one Lua script per step, in the files beside this one, replying with a flat list that pure functions
//! here read. A *bell* is a published message that starts a worker; a mark keeps bells from piling up, and it goes away
//! in the very script that finds nothing to hand out, so that no entry can slip in between. A *lease* is the time that
//! an entry has been in its consumer group's pending list; the clock rings for those that have been there too long.
//!
//! Not for: order (entries are handed out in turn, but finish when they finish), nor exactly-once: a worker that dies
//! after storing and before finishing makes the next one store the same bytes again.

mod door;
mod finish;
mod together;

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use spin_sdk::redis::RedisResult;

use crate::clock;
use crate::error::{Error, Kind};
use crate::names::{self, Queue};
use crate::redis::{Redis, number, text};
pub use door::{Amends, Door, Enqueued, Submission};
pub use finish::{Ended, Finished, FollowUps, finish};

/// A bell that rang without waking anybody may ring again after this.
pub(crate) const BELL: Duration = Duration::from_secs(2);
/// A clock that has not ticked for this long is taken for dead.
pub(crate) const CLOCK: Duration = Duration::from_secs(5);
/// Stands between the submissions of one entry. No JSON has it in it.
const SEPARATOR: char = '\n';
/// The most due entries that one tick moves.
const MOST_DUE: i64 = 1000;

pub(crate) fn millis(duration: Duration) -> spin_sdk::redis::RedisParameter {
    number(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// What announces a tick. No two are alike, so that a late message is never taken for a new one.
pub(crate) fn announcement() -> spin_sdk::redis::RedisParameter {
    text(format!("next {:032x}", clock::random_bits()))
}

pub(crate) fn nonsense(script: &'static str) -> Error {
    Error::new("redis", Kind::Away, format_args!("unexpected reply of the script {script}"))
}

pub(crate) fn string(value: &RedisResult) -> Option<String> {
    match value {
        RedisResult::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
        RedisResult::Status(text) => Some(text.clone()),
        RedisResult::Int64(number) => Some(number.to_string()),
        RedisResult::Nil => None,
    }
}

pub(crate) fn integer(value: &RedisResult) -> Option<i64> {
    match value {
        RedisResult::Int64(number) => Some(*number),
        other => string(other)?.parse().ok(),
    }
}

/// An entry that this worker holds until the lease ends, or a submission of one that holds several.
#[derive(Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The entry's id in the stream. Submissions that share an entry are claimed together, and end together.
    pub id: String,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// The entry, as it was enqueued. Bytes that are no text are an entry nobody can read.
    pub payload: Bytes,
}

/// How to claim.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// So many submissions, alerts or analyses; more only where an entry holds several.
    pub count: usize,
    /// Claims older than this have ended.
    pub lease: Duration,
    /// Whether to look for ended leases first. It costs a look at the pending list, so once a drain is enough.
    pub reclaim: bool,
    /// Whether the worker leaves if there is nothing: then the bell must ring for the next entry.
    pub leave: bool,
}

/// Takes entries to work on. Gives also the revision of the settings in force, for [`crate::settings::Settings::at`].
///
/// # Errors
/// [`Kind::Away`]. What may have been claimed comes back after its lease.
pub async fn claim(redis: &Redis, queue: Queue, how: Claim) -> Result<(String, Vec<Claimed>), Error> {
    let flag = |on: bool| text(if on { "1" } else { "0" });
    let arguments =
        vec![text(names::GROUP), text(how.count.to_string()), millis(how.lease), flag(how.reclaim), flag(how.leave)];
    let keys = [queue.stream(), queue.bell(), names::SETTINGS, names::MORE];
    let reply = redis.eval(lua!("queue/claim.lua"), &keys, arguments).await?;
    claimed(reply).ok_or_else(|| nonsense("claim"))
}

fn claimed(reply: Vec<RedisResult>) -> Option<(String, Vec<Claimed>)> {
    let mut entries = Vec::with_capacity(reply.len() / 4);
    let mut values = reply.into_iter();
    let revision = string(&values.next()?)?;
    while let Some(id) = values.next() {
        let id = string(&id)?;
        let attempt = u32::try_from(integer(&values.next()?)?).ok()?;
        let (number, payload) = (integer(&values.next()?)?, values.next()?);
        let RedisResult::Binary(payload) = payload else { return None };
        let mut rest = Bytes::from(payload);
        while number > 1
            && let Some(end) = memchr::memchr(SEPARATOR as u8, &rest)
        {
            let line = rest.split_to(end);
            rest.advance(1);
            entries.push(Claimed { id: id.clone(), attempt, payload: line });
        }
        entries.push(Claimed { id, attempt, payload: rest });
    }
    Some((revision, entries))
}

/// Gives entries back that could not be finished through no fault of their own: the store was away. They are handed out
/// again after `pause`, and the attempt is not counted, so that no outage makes a dead letter of what it delays.
///
/// # Errors
/// [`Kind::Away`]. The entries come back after their lease, and the attempt is counted.
pub async fn release(
    redis: &Redis,
    queue: Queue,
    ids: impl IntoIterator<Item = String>,
    lease: Duration,
    pause: Duration,
) -> Result<(), Error> {
    let mut arguments = vec![text(names::GROUP), millis(lease.saturating_sub(pause))];
    arguments.extend(ids.into_iter().map(text));
    if arguments.len() == 2 {
        return Ok(());
    }
    redis.eval(lua!("queue/release.lua"), &[queue.stream()], arguments).await.map(|_| ())
}

/// The ids of entries that came in up to a time, milliseconds since the epoch, and are in the hands of workers; the oldest
/// first, at most `most`.
///
/// # Errors
/// [`Kind::Away`].
pub async fn held(redis: &Redis, queue: Queue, until_ms: i64, most: usize) -> Result<Vec<String>, Error> {
    let until = until_ms.max(0).to_string();
    let arguments = [queue.stream(), names::GROUP, "-", &until, &most.to_string()].map(text);
    let reply = redis.command("XPENDING", arguments.into()).await?;
    let (entries, rest) = reply.as_chunks::<4>();
    let ids: Option<Vec<String>> = entries.iter().map(|[id, ..]| string(id)).collect();
    ids.filter(|_| rest.is_empty()).ok_or_else(|| nonsense("XPENDING"))
}

/// Rings for a queue, whether a bell is pending or not.
///
/// # Errors
/// [`Kind::Away`].
pub async fn ring(redis: &Redis, queue: Queue) -> Result<(), Error> {
    redis.command("PUBLISH", vec![text(queue.channel()), text("")]).await.map(|_| ())
}

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// Entries that were due and are on their stream now.
    pub moved: usize,
    /// Whether anything is left to watch.
    pub watching: bool,
}

/// The right to tick, held by one tick at a time.
pub struct ClockLease(String);

/// Takes the clock's lease for the tick that a message on the clock's channel announces; none if it is not to be had,
/// because another host took it or another tick was announced since.
///
/// # Errors
/// [`Kind::Away`].
pub async fn lease_clock(redis: &Redis, message: &[u8]) -> Result<Option<ClockLease>, Error> {
    let lease = format!("tick {:032x}", clock::random_bits());
    let announced = spin_sdk::redis::RedisParameter::Binary(message.to_vec());
    let arguments = vec![announced, text(lease.clone()), millis(CLOCK)];
    let reply = redis.eval(lua!("queue/lease.lua"), &[names::CLOCK], arguments).await?;
    let taken = reply.first().and_then(string).ok_or_else(|| nonsense("lease"))?;
    Ok((taken == "1").then_some(ClockLease(lease)))
}

/// Moves what is due, rings for what waits undelivered or beyond its lease, and publishes the next tick while anything
/// is left to watch; `always` says that something is. `running` is the lease of the running tick, none for a round outside
/// the clock.
///
/// # Errors
/// [`Kind::Away`].
pub async fn tick(
    redis: &Redis,
    now_ms: i64,
    lease: Duration,
    always: bool,
    running: Option<&ClockLease>,
) -> Result<Ticked, Error> {
    let mut keys = vec![names::CLOCK, names::DUE];
    let mut arguments = vec![
        text(names::GROUP),
        number(now_ms),
        millis(lease),
        millis(BELL),
        text(names::CLOCK_CHANNEL),
        millis(CLOCK),
        number(MOST_DUE),
        text(running.map(|lease| lease.0.clone()).unwrap_or_default()),
        announcement(),
        text(if always { "1" } else { "0" }),
    ];
    for queue in Queue::ALL {
        keys.extend([queue.stream(), queue.bell()]);
        arguments.extend([text(queue.name()), text(queue.channel())]);
    }
    keys.push(names::DEAD);
    let reply = redis.eval(lua!("queue/tick.lua"), &keys, arguments).await?;
    ticked(&reply).ok_or_else(|| nonsense("tick"))
}

fn ticked(reply: &[RedisResult]) -> Option<Ticked> {
    let [moved, watching] = reply else { return None };
    Some(Ticked { moved: usize::try_from(integer(moved)?).ok()?, watching: string(watching)? == "1" })
}

/// When the oldest entry of a queue came in, milliseconds since the epoch; none when it is empty.
///
/// # Errors
/// [`Kind::Away`].
pub async fn oldest(redis: &Redis, queue: Queue) -> Result<Option<i64>, Error> {
    let arguments = vec![text(queue.stream()), text("-"), text("+"), text("COUNT"), text("1")];
    let reply = redis.command("XRANGE", arguments).await?;
    let id = reply.first().and_then(string);
    Ok(id.and_then(|id| id.split('-').next().and_then(|millis| millis.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(text: &str) -> RedisResult {
        RedisResult::Binary(text.into())
    }

    #[test]
    fn claims_come_as_a_flat_list_of_fours() {
        let number = RedisResult::Int64;
        let reply = vec![
            binary("r"),
            binary("1-0"),
            number(1),
            number(1),
            binary("a\nb"),
            binary("2-0"),
            binary("3"),
            binary("2"),
            binary("b\nc"),
        ];
        let (revision, entries) = claimed(reply.clone()).unwrap();
        assert_eq!(revision, "r");
        let claimed_as =
            |id: &str, attempt, payload: &'static str| Claimed { id: id.into(), attempt, payload: payload.into() };
        assert_eq!(entries, [claimed_as("1-0", 1, "a\nb"), claimed_as("2-0", 3, "b"), claimed_as("2-0", 3, "c")]);
        assert_eq!(claimed(vec![binary("")]), Some((String::new(), Vec::new())));
        assert_eq!(claimed(reply[..4].to_vec()), None);
        assert_eq!(claimed(Vec::new()), None);
    }

    #[test]
    fn a_ticks_reply_is_read() {
        let reply = [RedisResult::Int64(2), binary("1")];
        assert_eq!(ticked(&reply), Some(Ticked { moved: 2, watching: true }));
        assert_eq!(ticked(&reply[..1]), None);
    }
}
