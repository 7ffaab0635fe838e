//! The queues: Redis streams. Each entry is handed to one worker at a time until it is finished.
//!
//! Guarantee: a submission that [`Door::enqueue`] reports as `Queued` stays in its stream until [`finish()`] ends it.
//! Until then it may be handed out more than once, but never to two live workers. The script that ends an entry also
//! runs its follow-ups (alerts, a later attempt, a dead letter): all or nothing, and once. One API key, study or site
//! delays another by one turn, not by all its waiting entries: see `flows.lua`.
//!
//! Mechanism: one Lua script per step, in the files beside this one. Each replies with a flat list that pure functions
//! here read. A *bell* is a published message that starts a worker. A mark keeps bells from piling up. The script that
//! finds nothing to hand out deletes the mark itself, so no entry can slip in between. The stream has the unfinished
//! entries; a *flow* has the ids of one sender's waiting entries; a hash has the holders of the others. The entries of
//! a dead worker ([`crate::queue::holder`]) wait again.
//!
//! Not for: order (entries are handed out in turn, but finish in any order), nor exactly-once: if a worker dies after
//! storing and before finishing, the next worker stores the same bytes again.

mod door;
mod finish;
pub mod flows;
mod group_commit;
pub mod holder;
mod pin;
pub mod rate_limit;
pub mod subject_keys;
mod taken;

use std::cell::Cell;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use platform::redis::{Parameter, Redis, flat, integer, nothing, string, text, unexpected, whether};
use platform::{Error, clock};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::names::{self, Queue};
use crate::queue::holder::{Holder, LEASE};
pub use door::{Amends, Door, Enqueued, Submission, cost};
pub use finish::{Ended, Finished, FollowUps, finish};
pub use pin::pin;
pub use taken::{NotTaken, Studies, UNCOMPARED};

/// A bell that woke no worker may ring again after this.
pub(crate) const BELL: Duration = Duration::from_secs(2);
/// A clock that has not ticked for this long is declared dead.
pub(crate) const CLOCK: Duration = Duration::from_secs(3);
/// Separates the submissions of one entry. JSON never contains it here.
const SEPARATOR: char = '\n';
/// The most due entries that one tick moves. If a tick reaches this limit, the next tick is urgent: one sender's many
/// due entries must not delay those of another.
const MOST_DUE: usize = 1000;
/// The highest total cost of one claim: see [`Submission::cost`].
const MOST_COST: usize = 4 << 20;
/// The cost that one sender gets per turn: a hundred small submissions, or a large one.
const TURN: usize = 64 << 10;

/// The announcement of a tick. Announcements are unique, so a late message is never mistaken for a new one.
pub(crate) fn announcement() -> String {
    format!("next {:032x}", clock::random_bits())
}

/// An entry that this worker holds, or one submission of a shared entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The entry's id in the stream. Submissions that share an entry are claimed together, and end together.
    pub id: String,
    /// The number of this attempt; the first is 1.
    pub attempt: u32,
    /// The entry, as it was enqueued. An entry that is not text is unreadable.
    pub payload: Bytes,
}

/// The limits of a claim.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The most submissions, alerts or analyses. A shared entry may exceed it.
    pub count: usize,
    /// The holder of the claimed entries.
    pub holder: &'a Holder,
    /// Whether the worker leaves if it finds nothing: then the bell must ring for the next entry.
    pub leave: bool,
}

/// Claims entries of the senders whose turn it is. Returns also the revision of the settings in force, for
/// [`crate::settings::Settings::at`].
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable). Entries that were claimed all the same come back when their holder is
/// declared dead.
pub async fn claim(redis: &Redis, queue: Queue, how: Claim<'_>) -> Result<(String, Vec<Claimed>), Error> {
    let Claim { count, holder, leave } = how;
    let script = ClaimScript {
        bell: queue.bell(),
        settings: names::SETTINGS,
        queue: queue.name(),
        holder: holder.name(),
        known: holder.told(),
        lease: LEASE,
        most: count,
        most_cost: MOST_COST,
        turn: TURN,
        leave,
        number: holder.next_claim(),
        again: Again::default(),
    };
    script.run(redis).await
}

script! {
    ClaimScript<'a> = after flows "queue/claim.lua",
    keys { bell: &'static str, settings: &'static str }
    args {
        queue: &'static str,
        holder: &'a str,
        known: bool,
        lease: Duration,
        most: usize,
        most_cost: usize,
        turn: usize,
        leave: bool,
        number: u32,
        again: Again,
    }
    reply (String, Vec<Claimed>), by claimed
}

/// Whether a script is sent for the second time, because there was no reply.
#[derive(Default)]
struct Again(Cell<bool>);

impl Parameter for Again {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.0.replace(true).add_to(into);
    }
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

/// The entries among these that a worker still holds. A worker that was declared dead and goes on has lost them, and must
/// not store its results.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn held(redis: &Redis, queue: Queue, holder: &Holder, ids: &[&str]) -> Result<Vec<bool>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let arguments = [text([names::HELD, queue.name()].concat())].into_iter().chain(ids.iter().map(|id| text(*id)));
    let reply = redis.command("HMGET", arguments.collect()).await?;
    let own = |value: &RedisResult| string(value).is_some_and(|it| it.split('.').next() == Some(holder.name()));
    if reply.len() == ids.len() { Ok(reply.iter().map(own).collect()) } else { Err(unexpected("HMGET")) }
}

/// Gives back entries that could not be finished for a reason that is not theirs: the store was unavailable. They are
/// handed out again after `pause`. The attempt does not count, so an outage makes no dead letters.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable). The entries come back when their holder is declared dead.
pub async fn release(
    redis: &Redis,
    queue: Queue,
    holder: &Holder,
    ids: impl IntoIterator<Item = String>,
    pause: Duration,
) -> Result<(), Error> {
    let ids: Vec<String> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let rest = format!("~{:032x}", clock::random_bits());
    ReleaseScript { queue: queue.name(), holder: holder.name(), pause, rest, ids }.run(redis).await
}

script! {
    ReleaseScript<'a> = after flows "queue/release.lua",
    keys {}
    args { queue: &'static str, holder: &'a str, pause: Duration, rest: String, ids: Vec<String> }
    reply (), by nothing
}

script! {
    BehindScript<'a> = after flows "queue/behind.lua",
    keys {}
    args { queue: &'static str, count: usize, aside: &'a [&'a str], sites: &'a [String] }
    reply Vec<RedisResult>, by flat
}

/// For each of these `study|site`, finds when its oldest unfinished entry came in, milliseconds since the epoch. The
/// entries `aside` do not count.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn oldest_of(
    redis: &Redis,
    queue: Queue,
    aside: &[&str],
    sites: &[String],
) -> Result<Vec<Option<i64>>, Error> {
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let reply = BehindScript { queue: queue.name(), count: aside.len(), aside, sites }.run(redis).await?;
    if reply.len() != sites.len() {
        return Err(unexpected("behind"));
    }
    Ok(reply.iter().map(|id| string(id)?.split('-').next()?.parse().ok()).collect())
}

/// Rings for a queue, even if a bell is pending.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn ring(redis: &Redis, queue: Queue) -> Result<(), Error> {
    redis.command("PUBLISH", vec![text(queue.channel()), text("")]).await.map(|_| ())
}

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// The number of due entries that it moved onto their queues.
    pub moved: usize,
    /// Whether anything is left to watch.
    pub watching: bool,
    /// Whether a journal may have entries of which a subscription has not been told.
    pub events: bool,
}

/// Whether the announced tick must not wait: many entries are due, or it replaces a tick that may be dead.
pub fn is_urgent(message: &[u8]) -> bool {
    message.ends_with(b" now") || message.starts_with(b"tick ")
}

/// Starts the clock, if it stands still: there is something to watch.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn start_clock(redis: &Redis) -> Result<(), Error> {
    let (next, lasts) = (announcement(), CLOCK.as_millis().to_string());
    let mark = [names::CLOCK, &next, "NX", "PX", &lasts].map(text);
    let set = redis.command("SET", mark.into()).await?;
    if !matches!(set.first(), None | Some(RedisResult::Nil)) {
        redis.command("PUBLISH", [names::CLOCK_CHANNEL, &next].map(text).into()).await?;
    }
    Ok(())
}

/// The right to tick. One tick at a time holds it.
pub struct ClockLease(String);

/// Takes the clock's lease for the tick that a message on the clock's channel announces. Returns none if another host
/// took it or another tick was announced since.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn lease_clock(redis: &Redis, message: &[u8]) -> Result<Option<ClockLease>, Error> {
    let lease = format!("tick {:032x}", clock::random_bits());
    let script = LeaseScript { clock: names::CLOCK, announced: message, lease: &lease, lasts: CLOCK };
    Ok(script.run(redis).await?.then_some(ClockLease(lease)))
}

script! {
    LeaseScript<'a> = "queue/lease.lua",
    keys { clock: &'static str }
    args { announced: &'a [u8], lease: &'a str, lasts: Duration }
    reply bool, by whether
}

script! {
    TickScript<'a> = after flows "queue/tick.lua",
    keys { clock: &'static str, dead: &'static str, bells: [&'static str; Queue::ALL.len()] }
    args {
        now_ms: i64,
        bell_lasts: Duration,
        clock_channel: &'static str,
        clock_lasts: Duration,
        most: usize,
        running: &'a str,
        announcement: String,
        always: bool,
        queues: [(&'static str, &'static str); Queue::ALL.len()],
    }
    reply Ticked, by |reply| ticked(&reply)
}

/// Lets the entries of dead workers wait again, moves due entries, rings for waiting entries, and publishes the next
/// tick while anything is left to watch; `always` says that something is. `running` is the lease of the running tick,
/// none for a round outside the clock.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn tick(redis: &Redis, now_ms: i64, always: bool, running: Option<&ClockLease>) -> Result<Ticked, Error> {
    let script = TickScript {
        clock: names::CLOCK,
        dead: names::DEAD,
        bells: Queue::ALL.map(Queue::bell),
        now_ms,
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        most: MOST_DUE,
        running: running.map_or("", |lease| &lease.0),
        announcement: announcement(),
        always,
        queues: Queue::ALL.map(|queue| (queue.name(), queue.channel())),
    };
    script.run(redis).await
}

fn ticked(reply: &[RedisResult]) -> Option<Ticked> {
    let [moved, watching, events] = reply else { return None };
    let [watching, events] = [watching, events].map(|it| string(it).is_some_and(|it| it == "1"));
    Some(Ticked { moved: usize::try_from(integer(moved)?).ok()?, watching, events })
}

/// The arrival of a queue's oldest entry, milliseconds since the epoch; none if it is empty.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
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
        let reply = [RedisResult::Int64(2), binary("1"), binary("0")];
        assert_eq!(ticked(&reply), Some(Ticked { moved: 2, watching: true, events: false }));
        assert_eq!(ticked(&reply[..1]), None);
    }
}
