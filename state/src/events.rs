//! Events: what subscribers are told of, read from the journals of studies.
//!
//! Guarantee: a subscription is told of every event since it began, at least once, always under one message id. Nothing
//! is done for events where a submission is taken in or scored.
//!
//! Mechanism: the journal is the queue. A subscription has a position in each journal. Dispatch reads on from there, and one
//! script puts messages onto its queue and moves the position. At most 256 messages of a subscription wait;
//! the rest stays in the journal, however long a receiver is away. Scripts that append to a journal leave a mark; the clock
//! looks for it and rings. The store has positions, too, up to which all messages were sent: if Redis was lost, a
//! subscription goes on from there.
//!
//! Not for: order. Messages are sent side by side, and a failed one later.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ids::{AlertId, StudyId};
use domain::subscriptions::{EventType, Subscription, Subscriptions};
use platform::Error;
use platform::kv::{self, Batch, Store};
use platform::redis::{Parameter, Redis, integer, nothing, string, text, whole};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::identity;
use crate::journal::{Event, Position, Reader};
use crate::names;
use crate::queue::{CLOCK, announcement};
use crate::wire::queued::{About, DispatchEntry, Notification, QueuedEvent};

/// The most messages of a subscription that wait to be sent.
const MOST_WAITING: usize = 256;
/// The most entries of a journal that one call reads for a subscription.
const MOST_READ: usize = 8192;

/// How far a subscription is in a journal, as the store has it: everything before was sent or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    /// The time of its first event, milliseconds since the epoch.
    since: i64,
    position: String,
}

/// A journal with something that a subscription has not been told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The place of the subscription in the document.
    number: usize,
    study: StudyId,
    /// How far it is, as Redis has it; empty if it has nothing.
    stored: String,
    position: Position,
    end: Position,
    room: usize,
}

script! {
    PendingScript<'a> = after flows "events/pending.lua",
    keys { settings: &'static str, positions: &'static str, disabled: &'static str }
    args { revision: &'a str, waiting: &'static str, most: usize, subscriptions: Listed<'a> }
    reply Vec<Pending>, by |reply| pending_of(&reply)
}

script! {
    EnqueueScript = after flows "events/enqueue.lua",
    keys { positions: &'static str, waiting: String }
    args { of: String, stored: String, next: String, messages: Vec<[String; 3]> }
    reply usize, by whole
}

script! {
    ReplayScript<'a> = after flows "events/replay.lua",
    keys { positions: &'static str }
    args { id: &'a str, since: i64, position: String, count: usize, studies: Vec<String> }
    reply (), by nothing
}

script! {
    LookScript = after flows "events/look.lua",
    keys { clock: &'static str }
    args { clock_channel: &'static str, clock_lasts: Duration, announcement: String }
    reply (), by nothing
}

/// Subscriptions as a script takes them.
struct Listed<'a>(&'a [Subscription]);

impl Parameter for Listed<'_> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        for subscription in self.0 {
            let studies = subscription.studies.as_deref().unwrap_or_default();
            into.push(text(subscription.id.as_str()));
            into.push(text(subscription.receiver.as_str()));
            into.push(text(subscription.since_ms().to_string()));
            into.push(text(since(subscription).to_string()));
            into.push(text(studies.len().to_string()));
            into.extend(studies.iter().map(|study| text(study.as_str())));
        }
    }
}

/// The position before the first event of a subscription.
fn since(subscription: &Subscription) -> Position {
    Position::before(u64::try_from(subscription.since_ms()).unwrap_or_default())
}

fn pending_of(reply: &[RedisResult]) -> Option<Vec<Pending>> {
    let (all, []) = reply.as_chunks::<6>() else { return None };
    let one = |[number, study, stored, position, end, room]: &[RedisResult; 6]| {
        Some(Pending {
            number: usize::try_from(integer(number)?).ok()?,
            study: string(study)?.into(),
            stored: string(stored)?,
            position: Position::parse(&string(position)?)?,
            end: Position::parse(&string(end)?)?,
            room: usize::try_from(integer(room)?).ok()?,
        })
    };
    all.iter().map(one).collect()
}

/// Finds what these subscriptions have not been told of, and have room for. `revision` is that of the settings that have
/// them.
///
/// # Errors
/// When Redis is unavailable.
pub async fn pending(redis: &Redis, subscriptions: &Subscriptions, revision: &str) -> Result<Vec<Pending>, Error> {
    let script = PendingScript {
        settings: names::SETTINGS,
        positions: names::EVENTS,
        disabled: names::DISABLED,
        revision,
        waiting: names::EVENTS_WAITING,
        most: MOST_WAITING,
        subscriptions: Listed(subscriptions.all()),
    };
    script.run(redis).await
}

/// Puts messages about what is pending onto the dispatch queue. Returns how many.
///
/// # Errors
/// When Redis or the store is unavailable. Messages may have been put there.
pub async fn enqueue(
    redis: &Redis,
    store: &Store,
    subscriptions: &Subscriptions,
    pending: Vec<Pending>,
) -> Result<usize, Error> {
    let (mut count, mut used, mut batch) = (0, BTreeMap::<usize, usize>::new(), Batch::default());
    for one in pending {
        let Some(subscription) = subscriptions.all().get(one.number) else { continue };
        let used = used.entry(one.number).or_default();
        let room = one.room.saturating_sub(*used);
        if room == 0 {
            continue;
        }
        let key = names::events_position(&subscription.id, &one.study);
        let position = begin(store, &key, subscription, &one).await?;
        let (next, messages) = read(redis, store, subscription, &one, position, room).await?;
        let since = subscription.since_ms();
        if one.room == MOST_WAITING {
            // Nothing waits: everything before was sent or given up.
            batch.put(key, &Stored { since, position: position.to_string() })?;
        }
        *used += messages.len();
        let script = EnqueueScript {
            positions: names::EVENTS,
            waiting: names::events_waiting(&subscription.id),
            of: format!("{} {}", subscription.id, one.study),
            stored: one.stored,
            next: format!("{since} {next}"),
            messages,
        };
        count += script.run(redis).await?;
    }
    kv::put_all(&mut batch)?;
    Ok(count)
}

/// The position from which a subscription reads on. If Redis has none, the store may have it.
async fn begin(store: &Store, key: &str, subscription: &Subscription, one: &Pending) -> Result<Position, Error> {
    if !one.stored.is_empty() {
        return Ok(one.position);
    }
    let stored: Option<Stored> = store.get(key).await?;
    let same = stored.filter(|stored| stored.since == subscription.since_ms());
    Ok(same.and_then(|stored| Position::parse(&stored.position)).unwrap_or(one.position))
}

/// Reads a journal on from a position. Gives the position afterwards, and a message for each event of the subscription:
/// its id, its flow, its entry.
async fn read(
    redis: &Redis,
    store: &Store,
    subscription: &Subscription,
    one: &Pending,
    mut position: Position,
    room: usize,
) -> Result<(Position, Vec<[String; 3]>), Error> {
    let mut journal = Reader::open(redis, store, &one.study).await?;
    let (mut messages, mut looked_at) = (Vec::new(), 0);
    while looked_at < MOST_READ {
        let events = journal.after(position).await?;
        if events.is_empty() {
            // No entry is there: what is at the end was removed, or another version wrote it.
            return Ok((position.max(one.end), messages));
        }
        looked_at += events.len();
        for (at, event) in events {
            if messages.len() == room {
                return Ok((position, messages));
            }
            position = at;
            if event.kind.event_type().is_some_and(|it| subscription.events.contains(&it)) {
                messages.push(message(subscription, &one.study, at, event)?);
            }
        }
    }
    Ok((position, messages))
}

fn message(subscription: &Subscription, study: &StudyId, at: Position, event: Event) -> Result<[String; 3], Error> {
    let Event { kind, site, what, submission, hash, .. } = event;
    let id = identity::message_id(&[subscription.id.as_str(), kind.as_str(), submission.as_str(), &what, &hash]);
    let (alert, topic) = if kind.is_of_alert() { (Some(AlertId::from(what)), None) } else { (None, Some(what)) };
    let queued = QueuedEvent {
        id: id.clone(),
        subscription: subscription.id.clone(),
        kind: kind.as_str().to_owned(),
        at: at.to_string(),
        submission,
        alert,
        topic: topic.filter(|topic| !topic.is_empty()),
    };
    let notification = Notification {
        about: About::Event(queued),
        study_id: study.clone(),
        site_id: site,
        trace: String::new(),
        made: 0,
        since: None,
        failing: None,
    };
    Ok([id, notification.flow(), DispatchEntry::Notification(&notification).line()?])
}

/// The number of events of each type that a subscription would be told of again, since a time in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// By type.
    pub of: BTreeMap<EventType, u64>,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// Counts the events of a subscription since a time, up to about `most` entries of journals.
///
/// # Errors
/// When Redis or the store is unavailable.
pub async fn count(
    redis: &Redis,
    store: &Store,
    subscription: &Subscription,
    since_ms: u64,
    most: usize,
) -> Result<Counted, Error> {
    let studies = match &subscription.studies {
        Some(studies) => studies.clone(),
        None => {
            let studies = redis.command("HKEYS", vec![text(names::JOURNALS)]).await?;
            let of_studies = studies.iter().filter_map(string).filter(|study| !study.starts_with(names::ASIDE));
            of_studies.map(StudyId::from).collect()
        }
    };
    let (mut counted, mut looked_at) = (Counted::default(), 0);
    for study in &studies {
        let (mut journal, mut position) = (Reader::open(redis, store, study).await?, Position::before(since_ms));
        loop {
            let events = journal.after(position).await?;
            let Some((last, _)) = events.last() else { break };
            if looked_at >= most {
                counted.more = true;
                return Ok(counted);
            }
            (position, looked_at) = (*last, looked_at + events.len());
            let types = events.iter().filter_map(|(_, event)| event.kind.event_type());
            for kind in types.filter(|kind| subscription.events.contains(kind)) {
                *counted.of.entry(kind).or_default() += 1;
            }
        }
    }
    Ok(counted)
}

/// Puts a subscription back to a time, milliseconds since the epoch: it is told again of all that came since, under the
/// same ids.
///
/// # Errors
/// When Redis is unavailable; doing it again is safe.
pub async fn replay(redis: &Redis, subscription: &Subscription, since_ms: u64) -> Result<(), Error> {
    let studies: Vec<String> = subscription.studies.iter().flatten().map(|study| study.to_string()).collect();
    let script = ReplayScript {
        positions: names::EVENTS,
        id: subscription.id.as_str(),
        since: subscription.since_ms(),
        position: Position::before(since_ms).to_string(),
        count: studies.len(),
        studies,
    };
    script.run(redis).await?;
    look(redis).await
}

/// Sees to it that the clock looks for events of which subscriptions have not been told.
///
/// # Errors
/// When Redis is unavailable; doing it again is safe.
pub async fn look(redis: &Redis) -> Result<(), Error> {
    let (clock_channel, clock_lasts) = (names::CLOCK_CHANNEL, CLOCK);
    LookScript { clock: names::CLOCK, clock_channel, clock_lasts, announcement: announcement() }.run(redis).await
}

/// Sees to it that the clock looks for keys that end soon.
///
/// # Errors
/// When Redis is unavailable: then it looks within an hour.
pub async fn look_for_ending_keys(redis: &Redis) -> Result<(), Error> {
    redis.command("DEL", vec![text(names::KEYS_LOOKED)]).await?;
    look(redis).await
}

/// The state of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The number of messages that wait to be sent.
    pub waiting: u64,
    /// Whether a journal has something of which it has not been told.
    pub is_behind: bool,
}

/// Reads the states of subscriptions, in the document's order.
///
/// # Errors
/// When Redis is unavailable.
pub async fn progress(redis: &Redis, subscriptions: &Subscriptions, revision: &str) -> Result<Vec<Progress>, Error> {
    let pending = pending(redis, subscriptions, revision).await?;
    let mut all = Vec::with_capacity(subscriptions.all().len());
    for (number, subscription) in subscriptions.all().iter().enumerate() {
        let waiting = redis.command("SCARD", vec![text(names::events_waiting(&subscription.id))]).await?;
        let waiting = waiting.first().and_then(integer).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        let full = waiting >= u64::try_from(MOST_WAITING).unwrap_or(u64::MAX);
        all.push(Progress { waiting, is_behind: full || pending.iter().any(|one| one.number == number) });
    }
    Ok(all)
}
