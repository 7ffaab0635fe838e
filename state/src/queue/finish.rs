//! Ends entries, with their follow-ups.

use domain::ids::{StudyId, SubmissionId, SubscriptionId};
use std::time::Duration;

use platform::Error;
use platform::digest::hex;
use platform::redis::{Redis, integer, string};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};
use crate::queue::holder::{Holder, LEASE};
use crate::queue::{BELL, CLOCK, announcement};
use crate::wire::encoder::Pieces;

/// The follow-ups of an entry, in the form that the script reads. Each is written at once, because a worker has
/// thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowUps(Pieces);

impl FollowUps {
    fn one(&mut self, what: &str) -> &mut Pieces {
        if self.0.as_str().is_empty() {
            self.0 = Pieces::with_room(512);
        } else {
            self.0.raw(",");
        }
        self.0.raw("[\"").raw(what).raw("\",")
    }

    /// Appends this payload to the next queue, in the flow of the entry.
    pub fn push(&mut self, payload: &str) {
        self.one("push").text(payload).raw("]");
    }

    /// Appends this payload to the next queue, in this flow.
    pub fn push_in(&mut self, flow: &str, payload: &str) {
        self.one("push").text(payload).raw(",").text(flow).raw("]");
    }

    /// Brings this payload back at a time, milliseconds since the epoch, in this flow.
    pub fn delay(&mut self, until_ms: i64, flow: &str, payload: &str) {
        self.one("delay").number(until_ms).raw(",").text(flow).raw(",").text(payload).raw("]");
    }

    /// Writes a dead letter with a reason. The reason is a fixed word. The payload need not be text.
    pub fn dead(&mut self, reason: &'static str, payload: &[u8]) {
        self.one("dead").text(reason).raw(",").text(&hex(payload)).raw("]");
    }

    /// Adds this member to the index of this key, at a time in milliseconds since the epoch.
    pub fn index(&mut self, key: &str, at_ms: i64, member: &str) {
        self.one("index").text(key).raw(",").number(at_ms).raw(",").text(member).raw("]");
    }

    /// Adds this member to the index of this key, at a time in milliseconds since the epoch, unless it is there at a later one.
    pub fn latest(&mut self, key: &str, at_ms: i64, member: &str) {
        self.one("latest").text(key).raw(",").number(at_ms).raw(",").text(member).raw("]");
    }

    /// Appends a line to the journal of this study: see `journal::Event::line`.
    pub fn journal(&mut self, study: &StudyId, line: &str) {
        self.one("journal").text(study.as_str()).raw(",").text(line).raw("]");
    }

    /// Says that a message of a subscription does not wait any more.
    pub fn told(&mut self, subscription: &SubscriptionId, message: &str) {
        self.one("told").text(&names::events_waiting(subscription)).raw(",").text(message).raw("]");
    }

    /// Deletes the pinned decision of this submission or entry.
    pub fn unpin(&mut self, id: &str) {
        self.one("unpin").text(&names::pinned(id)).raw("]");
    }

    /// Adds one to this counter in the hash of this key.
    pub fn count(&mut self, key: &str, field: &str) {
        self.one("count").text(key).raw(",").text(field).raw("]");
    }
}

/// An entry that is done, with its follow-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The entry's id in the stream.
    pub id: String,
    /// The submission of the entry. If it was erased meanwhile, the entry is not ended and its follow-ups do not run.
    pub submission: Option<SubmissionId>,
    /// The follow-ups.
    pub follow_ups: FollowUps,
}

/// The result of a call of [`finish()`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The number of entries that this call ended: the worker still held them.
    pub count: usize,
    /// The submissions that were erased. Their entries are still claimed, with all other submissions in them.
    pub erased: Vec<SubmissionId>,
}

/// Ends entries and runs their follow-ups, in one script.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable). The entries come back when their holder is declared dead.
pub async fn finish(redis: &Redis, queue: Queue, holder: &Holder, entries: &[Finished]) -> Result<Ended, Error> {
    if entries.is_empty() {
        return Ok(Ended::default());
    }
    // Alerts and notifications are the only follow-ups that go to a queue, so there is one queue for them.
    let next = Queue::Dispatch;
    holder.told();
    let script = FinishScript {
        dead: names::DEAD,
        clock: names::CLOCK,
        next_bell: next.bell(),
        erased: names::ERASED,
        minutes: names::MINUTES,
        queue: queue.name(),
        holder: holder.name(),
        lease: LEASE,
        next: next.name(),
        next_channel: next.channel(),
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        announcement: announcement(),
        entries: told(entries),
    };
    script.run(redis).await
}

script! {
    FinishScript<'a> = after flows "queue/finish.lua",
    keys {
        dead: &'static str,
        clock: &'static str,
        next_bell: &'static str,
        erased: &'static str,
        minutes: &'static str,
    }
    args {
        queue: &'static str,
        holder: &'a str,
        lease: Duration,
        next: &'static str,
        next_channel: &'static str,
        bell_lasts: Duration,
        clock_channel: &'static str,
        clock_lasts: Duration,
        announcement: String,
        entries: String,
    }
    reply Ended, by |reply| ended(&reply)
}

/// Writes entries as the script reads them.
fn told(entries: &[Finished]) -> String {
    let room: usize = entries.iter().map(|one| one.follow_ups.0.as_str().len() + 80).sum();
    let mut told = Pieces::with_room(room);
    told.raw("[");
    for (place, Finished { id, submission, follow_ups }) in entries.iter().enumerate() {
        told.raw(if place == 0 { "[" } else { ",[" })
            .text(id)
            .raw(",")
            .text(submission.as_ref().map_or("", SubmissionId::as_str));
        told.raw(",[").raw(follow_ups.0.as_str()).raw("]]");
    }
    told.raw("]");
    told.finish()
}

fn ended(reply: &[RedisResult]) -> Option<Ended> {
    let (count, erased) = reply.split_first()?;
    let erased: Option<Vec<SubmissionId>> = erased.iter().map(|id| Some(string(id)?.into())).collect();
    Some(Ended { count: usize::try_from(integer(count)?).ok()?, erased: erased? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_and_what_follows_is_told_in_json() {
        let mut follow_ups = FollowUps::default();
        follow_ups.push("{\"a\":1}");
        follow_ups.push_in("*|k|A%2F1", "b");
        follow_ups.delay(5, "k|A|1", "later");
        follow_ups.dead("unreadable-entry", &[0, 255]);
        follow_ups.index("list", -1, "a b");
        follow_ups.latest("list", 7, "a");
        follow_ups.count("month", "day");
        follow_ups.unpin("s");
        let all = Finished { id: "1-0".into(), submission: Some("s".into()), follow_ups };
        let none = Finished { id: "2-0".into(), submission: None, follow_ups: FollowUps::default() };
        let expected = r#"[["1-0","s",[["push","{\"a\":1}"],["push","b","*|k|A%2F1"],["delay",5,"k|A|1","later"],["dead","unreadable-entry","00ff"],["index","list",-1,"a b"],["latest","list",7,"a"],["count","month","day"],["unpin","{vigil}:pinned:s"]]],["2-0","",[]]]"#;
        assert_eq!(told(&[all, none]), expected);
    }

    #[test]
    fn the_reply_of_a_finish_names_what_was_erased() {
        let reply = [RedisResult::Int64(2), RedisResult::Binary("A".into())];
        assert_eq!(ended(&reply), Some(Ended { count: 2, erased: vec!["A".into()] }));
        assert_eq!(ended(&[]), None);
    }
}
