//! A change in Redis: its conditions, and its commands.
//!
//! Guarantee: a change is made completely or not at all, and says which. The same script also rings for entries that
//! the change puts onto the stream, and keeps the clock going for work that is due later.

use std::time::Duration;

use domain::alert::link::Grant;
use domain::ids::StudyId;
use platform::Error;
use platform::redis::{Parameter, Redis, flat, integer, unexpected};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::journal::Event;
use crate::names::{self, Queue};
use crate::queue::holder::Holder;
use crate::queue::{BELL, CLOCK, announcement};
use crate::wire::entry::{Alert, Due};
use crate::wire::queued::DispatchEntry;

/// A change of what lies in Redis.
#[derive(Debug, Default)]
pub struct Change {
    conditions: Vec<(String, String)>,
    commands: Vec<Vec<String>>,
    pushes: bool,
    delays: bool,
}

impl Change {
    /// Adds a condition: the value at this key begins with `expected`; with an empty `expected`, there is no value.
    pub(crate) fn only_if(&mut self, key: String, expected: impl Into<String>) {
        self.conditions.push((key, expected.into()));
    }

    pub(crate) fn command<const N: usize>(&mut self, words: [&str; N]) {
        self.commands.push(words.into_iter().map(str::to_owned).collect());
    }

    /// Puts work onto the dispatch queue, in the flow of an alert.
    ///
    /// # Errors
    /// [`platform::Kind::Refused`] when it cannot be written as JSON.
    pub fn push(&mut self, alert: &Alert, due: &Due) -> Result<(), Error> {
        self.push_text(alert, &DispatchEntry::Due(due).line()?);
        Ok(())
    }

    pub(crate) fn push_text(&mut self, alert: &Alert, payload: &str) {
        self.command(["APPEND", &alert.flow(), payload]);
        self.pushes = true;
    }

    /// Schedules work for a time, milliseconds since the epoch. It comes back onto the dispatch queue then, in the flow
    /// of its alert.
    ///
    /// # Errors
    /// [`platform::Kind::Refused`] when it cannot be written as JSON.
    pub fn delay(&mut self, at: i64, alert: &Alert, due: &Due) -> Result<(), Error> {
        self.command(["ZADD", names::DUE, &at.to_string(), &member(alert, due)?]);
        self.delays = true;
        Ok(())
    }

    /// Reserves work for a worker: it is due at once if that worker dies.
    ///
    /// # Errors
    /// [`platform::Kind::Refused`] when it cannot be written as JSON.
    pub fn reserve(&mut self, holder: &Holder, alert: &Alert, due: &Due) -> Result<(), Error> {
        self.command(["SADD", &names::reserved(holder.name()), &member(alert, due)?]);
        self.delays = true;
        Ok(())
    }

    /// Undoes [`Change::reserve`].
    ///
    /// # Errors
    /// [`platform::Kind::Refused`] when it cannot be written as JSON.
    pub fn done(&mut self, holder: &Holder, alert: &Alert, due: &Due) -> Result<(), Error> {
        let member = member(alert, due)?;
        self.command(["SREM", &names::reserved(holder.name()), &member]);
        // If the worker was declared dead, the work is among the due entries.
        self.command(["ZREM", names::DUE, &member]);
        Ok(())
    }

    /// Appends an entry to the journal of a study.
    pub(crate) fn journal(&mut self, study: &StudyId, event: &Event) {
        self.command(["JOURNAL", study.as_str(), &event.line()]);
        // The clock looks for subscribers.
        self.delays = true;
    }

    /// Ends an entry of the dispatch queue, whoever holds it, because its work is done.
    pub fn end(&mut self, entry: &str) {
        self.command(["END", entry]);
    }

    /// Leaves a dead letter. The reason is a fixed word.
    pub fn dead(&mut self, reason: &str, payload: &str) {
        let queue = Queue::Dispatch.name();
        self.command(["XADD", names::DEAD, "*", "q", queue, "reason", reason, "d", payload]);
    }

    /// Removes dead letters that are replayed with this change.
    pub fn unbury(&mut self, letters: &[String]) {
        for letter in letters {
            self.command(["XDEL", names::DEAD, letter]);
        }
    }

    /// Uses a link. The change is made only if the link was never used. Remembered for `ms`.
    pub fn use_link(&mut self, grant: &Grant, ms: u64) {
        let key = names::link_used(grant.use_key());
        self.only_if(key.clone(), "");
        self.command(["SET", &key, "1", "PX", &ms.max(1).to_string()]);
    }

    /// Whether the change is empty.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

/// Work, as the clock's set stores it.
fn member(alert: &Alert, due: &Due) -> Result<String, Error> {
    Ok(names::due(Queue::Dispatch, &alert.flow(), &DispatchEntry::Due(due).line()?))
}

/// Makes changes, in their order. Returns for each whether its conditions held.
///
/// # Errors
/// [`platform::Kind::Unavailable`]: they may have been made.
pub async fn make(redis: &Redis, changes: &[Change]) -> Result<Vec<bool>, Error> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let queue = Queue::Dispatch;
    let script = StepScript {
        bell: queue.bell(),
        clock: names::CLOCK,
        all: names::ALERTS,
        next: names::ALERTS_NEXT,
        facts: names::ALERT_FACTS,
        revisions: names::ALERT_REVISIONS,
        channel: queue.channel(),
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        announcement: announcement(),
        phases: names::alerts_of(""),
        counts: names::ALERT_COUNTS,
        urgent: names::URGENT_ALERTS,
        changes,
    };
    let reply = script.run(redis).await?;
    let made: Vec<bool> = reply.iter().filter_map(integer).map(|made| made == 1).collect();
    if made.len() == changes.len() { Ok(made) } else { Err(unexpected("alerts/step.lua")) }
}

script! {
    StepScript<'a> = after flows "alerts/step.lua",
    keys {
        bell: &'static str,
        clock: &'static str,
        all: &'static str,
        next: &'static str,
        facts: &'static str,
        revisions: &'static str,
    }
    args {
        channel: &'static str,
        bell_lasts: Duration,
        clock_channel: &'static str,
        clock_lasts: Duration,
        announcement: String,
        phases: String,
        counts: &'static str,
        urgent: &'static str,
        changes: &'a [Change],
    }
    reply Vec<RedisResult>, by flat
}

impl Parameter for Change {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        (self.pushes, self.delays, self.conditions.len()).add_to(into);
        self.conditions.add_to(into);
        self.commands.len().add_to(into);
        for words in &self.commands {
            words.len().add_to(into);
            words.add_to(into);
        }
    }
}
