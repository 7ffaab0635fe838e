//! The queues: Redis streams that hand every entry to one worker at a time until somebody has finished it.
//!
//! Guarantee: what [`Door::enqueue`] calls `Queued` stays in its stream until [`finish()`] ends it. Between the two it may be
//! handed out more than once, never to two workers that live. What follows from an entry (alerts, a later attempt, a dead
//! letter) happens in the same script that ends it: whole, or not at all, and once. What one API key, study or site sends
//! delays what another sends by a turn, not by all that waits: see `flows.lua`.
//!
//! Mechanism: one Lua script per step, in the files beside this one, replying with a flat list that pure functions
//! here read. A *bell* is a published message that starts a worker; a mark keeps bells from piling up, and it goes away
//! in the very script that finds nothing to hand out, so that no entry can slip in between. The stream has the entries that
//! are not finished; a *flow* has the ids of those of one sender that wait; a hash says who holds the others. What a worker
//! held that died ([`crate::queue::holder`]) waits again.
//!
//! Not for: order (entries are handed out in turn, but finish when they finish), nor exactly-once: a worker that dies
//! after storing and before finishing makes the next one store the same bytes again.

mod door;
mod finish;
pub mod flows;
mod group_commit;
pub mod holder;
mod pin;
pub mod rate_limit;

use std::cell::Cell;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};
use crate::queue::holder::{Holder, LEASE};
pub use door::{Amends, Door, Enqueued, Submission, cost};
pub use finish::{Ended, Finished, FollowUps, finish};
pub use pin::pin;
use platform::redis::{Redis, integer, millis, number, string, text, unexpected};
use platform::{Error, clock};

/// A bell that rang without waking anybody may ring again after this.
pub(crate) const BELL: Duration = Duration::from_secs(2);
/// A clock that has not ticked for this long is taken for dead.
pub(crate) const CLOCK: Duration = Duration::from_secs(3);
/// Stands between the submissions of one entry. No JSON has it in it.
const SEPARATOR: char = '\n';
/// The most due entries that one tick moves. The tick after one that moved so many is urgent: whoever has a great deal due must
/// not keep what another is owed waiting.
const MOST_DUE: usize = 1000;
/// The most that is claimed together, by cost: see [`Submission::cost`].
const MOST_COST: usize = 4 << 20;
/// What one sender gets before it is the next one's turn, by cost: a hundred small submissions, or a large one.
const TURN: usize = 64 << 10;

/// What announces a tick. No two are alike, so that a late message is never taken for a new one.
pub(crate) fn announcement() -> spin_sdk::redis::RedisParameter {
    text(format!("next {:032x}", clock::random_bits()))
}

/// An entry that this worker holds, or a submission of one that holds several.
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
pub struct Claim<'a> {
    /// So many submissions, alerts or analyses; more only where an entry holds several.
    pub count: usize,
    /// Who holds them then.
    pub holder: &'a Holder,
    /// Whether the worker leaves if there is nothing: then the bell must ring for the next entry.
    pub leave: bool,
}

/// Takes entries to work on, of the senders whose turn it is. Gives also the revision of the settings in force, for
/// [`crate::settings::Settings::at`].
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away). What may have been claimed comes back when its holder is taken for dead.
pub async fn claim(redis: &Redis, queue: Queue, how: Claim<'_>) -> Result<(String, Vec<Claimed>), Error> {
    let Claim { count, holder, leave } = how;
    let (known, number, sent) = (holder.told(), holder.next_claim(), Cell::new(false));
    let arguments = || {
        vec![
            text(queue.name()),
            text(holder.name()),
            text(known),
            millis(LEASE),
            text(count.to_string()),
            text(MOST_COST.to_string()),
            text(TURN.to_string()),
            text(if leave { "1" } else { "0" }),
            text(number.to_string()),
            text(if sent.replace(true) { "1" } else { "0" }),
        ]
    };
    let reply = flows::eval_again(redis, lua!("queue/claim.lua"), &[queue.bell(), names::SETTINGS], arguments).await?;
    claimed(reply).ok_or_else(|| unexpected("claim"))
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
/// [`Kind::Away`](platform::Kind::Away). The entries come back when their holder is taken for dead.
pub async fn release(
    redis: &Redis,
    queue: Queue,
    holder: &Holder,
    ids: impl IntoIterator<Item = String>,
    pause: Duration,
) -> Result<(), Error> {
    let rest = format!("~{:032x}", clock::random_bits());
    let mut arguments = vec![text(queue.name()), text(holder.name()), millis(pause), text(rest)];
    let fixed = arguments.len();
    arguments.extend(ids.into_iter().map(text));
    if arguments.len() == fixed {
        return Ok(());
    }
    flows::eval(redis, lua!("queue/release.lua"), &[], arguments).await.map(|_| ())
}

/// When the oldest entry came in that is not finished, milliseconds since the epoch, for each of these `study|site`. The
/// entries `aside` do not count.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away).
pub async fn oldest_of(
    redis: &Redis,
    queue: Queue,
    aside: &[&str],
    sites: &[String],
) -> Result<Vec<Option<i64>>, Error> {
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let mut arguments = vec![text(queue.name()), text(aside.len().to_string())];
    arguments.extend(aside.iter().map(|id| text(*id)));
    arguments.extend(sites.iter().map(text));
    let reply = flows::eval(redis, lua!("queue/behind.lua"), &[], arguments).await?;
    if reply.len() != sites.len() {
        return Err(unexpected("behind"));
    }
    Ok(reply.iter().map(|id| string(id)?.split('-').next()?.parse().ok()).collect())
}

/// Rings for a queue, whether a bell is pending or not.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away).
pub async fn ring(redis: &Redis, queue: Queue) -> Result<(), Error> {
    redis.command("PUBLISH", vec![text(queue.channel()), text("")]).await.map(|_| ())
}

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// Entries that were due and are on their queue now.
    pub moved: usize,
    /// Whether anything is left to watch.
    pub watching: bool,
}

/// Whether the tick that a message announces is not to wait: so much is due, or it takes the place of a tick that may be dead.
pub fn is_urgent(message: &[u8]) -> bool {
    message.ends_with(b" now") || message.starts_with(b"tick ")
}

/// The right to tick, held by one tick at a time.
pub struct ClockLease(String);

/// Takes the clock's lease for the tick that a message on the clock's channel announces; none if it is not to be had,
/// because another host took it or another tick was announced since.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away).
pub async fn lease_clock(redis: &Redis, message: &[u8]) -> Result<Option<ClockLease>, Error> {
    let lease = format!("tick {:032x}", clock::random_bits());
    let announced = spin_sdk::redis::RedisParameter::Binary(message.to_vec());
    let arguments = vec![announced, text(lease.clone()), millis(CLOCK)];
    let reply = redis.eval(lua!("queue/lease.lua"), &[names::CLOCK], arguments).await?;
    let taken = reply.first().and_then(string).ok_or_else(|| unexpected("lease"))?;
    Ok((taken == "1").then_some(ClockLease(lease)))
}

/// Lets what dead workers held wait again, moves what is due, rings for what waits, and publishes the next tick while anything
/// is left to watch; `always` says that something is. `running` is the lease of the running tick, none for a round outside
/// the clock.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away).
pub async fn tick(redis: &Redis, now_ms: i64, always: bool, running: Option<&ClockLease>) -> Result<Ticked, Error> {
    let mut keys = vec![names::CLOCK, names::DEAD];
    let mut arguments = vec![
        number(now_ms),
        millis(BELL),
        text(names::CLOCK_CHANNEL),
        millis(CLOCK),
        text(MOST_DUE.to_string()),
        text(running.map(|lease| lease.0.clone()).unwrap_or_default()),
        announcement(),
        text(if always { "1" } else { "0" }),
    ];
    for queue in Queue::ALL {
        keys.push(queue.bell());
        arguments.extend([text(queue.name()), text(queue.channel())]);
    }
    let reply = flows::eval(redis, lua!("queue/tick.lua"), &keys, arguments).await?;
    ticked(&reply).ok_or_else(|| unexpected("tick"))
}

fn ticked(reply: &[RedisResult]) -> Option<Ticked> {
    let [moved, watching] = reply else { return None };
    Some(Ticked { moved: usize::try_from(integer(moved)?).ok()?, watching: string(watching)? == "1" })
}

/// When the oldest entry of a queue came in, milliseconds since the epoch; none when it is empty.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away).
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
