//! The journal of a study: what happened to its submissions and alerts, in the order in which it was stored.
//!
//! Guarantee: an entry is in the journal only if the store has what it speaks of. Whoever follows the journal by a position
//! sees every entry once and skips none, however many workers and hosts write. If Redis was lost, what it had not sealed is
//! appended again when the indexes are rebuilt: some entries come again under a new position, and none is missing.
//!
//! Mechanism: the script that ends the entries of a stored batch appends to the study's stream in Redis. Redis runs one
//! script at a time, so positions grow in the order of storing. The clock moves full segments from the stream into the store
//! ([`seal()`]), so Redis holds the end of each journal only. It also signs how far the journals go ([`Signer`]).

mod back;
pub mod head;
mod lines;
mod seal;
mod sign;

use std::fmt;
use std::time::Duration;

use domain::ids::{SiteId, StudyId, SubmissionId};
use domain::subscriptions::EventType;
use platform::digest::{digest, hex, measure};
use platform::kv::Store;
use platform::redis::{Redis, string};
use platform::{Error, clock};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::names;
pub use seal::seal;
pub use sign::Signer;

/// The number of entries in a segment.
const SEGMENT: usize = 1024;
/// The most that the clocks of two machines are expected to differ, milliseconds.
pub const MOST_APART_MS: i64 = 600_000;
/// The pause before another look at the end of a journal.
const PAUSE: Duration = Duration::from_millis(50);

/// The place of an entry: the id of its entry in the stream, milliseconds of the server's clock and a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    milliseconds: u64,
    number: u64,
}

impl Position {
    /// The place after every entry.
    pub const END: Position = Position { milliseconds: u64::MAX, number: u64::MAX };

    /// The place before everything that came at this time or later, milliseconds since the epoch.
    pub fn before(milliseconds: u64) -> Self {
        let earlier = milliseconds.checked_sub(1).map(|milliseconds| Position { milliseconds, number: u64::MAX });
        earlier.unwrap_or_default()
    }

    /// The time, milliseconds since the epoch.
    pub fn milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// Reads what its `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (milliseconds, number) = text.split_once('-')?;
        let read = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        Some(Position { milliseconds: read(milliseconds)?, number: read(number)? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.number)
    }
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A submission was scored and stored.
    Scored,
    /// A submission was stored that cannot be scored.
    Failed,
    /// A later submission took a submission's place.
    Superseded,
    /// The content of a submission was removed.
    Erased,
    /// Somebody acknowledged an alert.
    Acknowledged,
    /// Somebody resolved an alert.
    Resolved,
    /// Somebody opened an alert again.
    Reopened,
    /// A key ends soon.
    KeyExpiring,
    /// An alert was raised because nothing came after a submission.
    Missed,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Scored,
        Kind::Failed,
        Kind::Superseded,
        Kind::Erased,
        Kind::Acknowledged,
        Kind::Resolved,
        Kind::Reopened,
        Kind::KeyExpiring,
        Kind::Missed,
    ];

    /// The kind that this word names.
    pub fn parse(text: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether a submission was stored; else one that was stored before changed.
    pub fn is_stored(self) -> bool {
        matches!(self, Kind::Scored | Kind::Failed)
    }

    /// Whether it is about an alert; else about a submission or a key.
    pub fn is_of_alert(self) -> bool {
        matches!(self, Kind::Acknowledged | Kind::Resolved | Kind::Reopened | Kind::Missed)
    }

    /// The event of which subscribers are told, if there is one.
    pub fn event_type(self) -> Option<EventType> {
        Some(match self {
            Kind::Scored => EventType::SubmissionScored,
            Kind::Failed => EventType::SubmissionFailed,
            Kind::Superseded => EventType::SubmissionAmended,
            Kind::Erased => EventType::SubmissionErased,
            Kind::Acknowledged => EventType::AlertAcknowledged,
            Kind::Resolved => EventType::AlertResolved,
            Kind::Reopened => EventType::AlertReopened,
            Kind::KeyExpiring => EventType::KeyExpiring,
            // The alert itself is what is sent.
            Kind::Missed => return None,
        })
    }

    /// The word for it, as alerts' histories have it, too.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Scored => "scored",
            Kind::Failed => "failed",
            Kind::Superseded => "superseded",
            Kind::Erased => "erased",
            Kind::Acknowledged => "acknowledged",
            Kind::Resolved => "resolved",
            Kind::Reopened => "reopened",
            Kind::KeyExpiring => "key-expiring",
            Kind::Missed => "missed",
        }
    }
}

/// An entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The kind.
    pub kind: Kind,
    /// The site of the submission.
    pub site: SiteId,
    /// The instrument or the kind of report; empty where it is not known any more. The id of the alert or key that it is about.
    pub what: String,
    /// The submission, or the one that raised the alert; empty for a key.
    pub submission: SubmissionId,
    /// SHA-256 of what was stored, hex; for a key the days that were left at most.
    pub hash: String,
    /// The hash of the stored alerts of a scored submission: see [`hash_of_alerts`]. Empty where there are none.
    pub alerts: String,
}

/// SHA-256 of the hashes of alerts' records (hex), in the order in which their submission names them; empty for none.
pub fn hash_of_alerts(records: &[String]) -> String {
    if records.is_empty() { String::new() } else { hex(&measure(records).1) }
}

impl Event {
    /// The entry as it is stored: words between single blanks. No part has a blank.
    pub fn line(&self) -> String {
        let Event { kind, site, what, submission, hash, alerts } = self;
        let mut line = [kind.as_str(), site.as_str(), what, submission.as_str(), hash].join(" ");
        if !alerts.is_empty() {
            line.extend([" ", alerts]);
        }
        line
    }

    /// Reads what [`line`](Event::line) wrote; none if another version wrote it.
    pub fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let (words, alerts) = match words.as_slice() {
            [words @ .., alerts] if words.len() == 5 => (words, *alerts),
            words => (words, ""),
        };
        let [kind, site, what, submission, hash] = words else { return None };
        Some(Event {
            kind: Kind::parse(kind)?,
            site: (*site).into(),
            what: (*what).to_owned(),
            submission: (*submission).into(),
            hash: (*hash).to_owned(),
            alerts: alerts.to_owned(),
        })
    }
}

/// The segments of a journal, at `journal/<study>`: the last position of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    segments: Vec<String>,
    /// SHA-256 of the last segment as it is stored, hex.
    hash: String,
}

impl Index {
    async fn stored(store: &Store, study: &StudyId) -> Result<Self, Error> {
        let mut index: Index = store.get(&names::journal_index(study)).await?.unwrap_or_default();
        // A host that was stopped and went on may have written an older index. The segment of a number has the same bytes
        // whoever writes it, so the segments say what the index lacks.
        while let Some(bytes) = store.bytes(&names::journal_segment(study, index.next())).await? {
            let segment: Option<Segment> = platform::json::read(&bytes).ok();
            let last = segment.as_ref().and_then(|it| it.entries.last()).and_then(|it| it.split_once(' '));
            let Some((last, _)) = last else { return Err(broken("a segment of the journal is broken")) };
            index.segments.push(last.to_owned());
            index.hash = hex(&digest(&bytes));
        }
        Ok(index)
    }

    /// The number of the next segment.
    fn next(&self) -> u64 {
        u64::try_from(self.segments.len() + 1).unwrap_or(u64::MAX)
    }

    fn last(&self) -> Position {
        self.segments.last().and_then(|last| Position::parse(last)).unwrap_or_default()
    }

    /// The number of the first segment, from 1, that does not end at or before a position.
    fn after(&self, position: Position) -> Option<u64> {
        self.first(|last| last <= position)
    }

    /// The number of the first segment, from 1, whose last position is not an early one.
    fn first(&self, is_early: impl Fn(Position) -> bool) -> Option<u64> {
        let place = self.segments.partition_point(|last| Position::parse(last).is_none_or(&is_early));
        (place < self.segments.len()).then(|| u64::try_from(place + 1).ok())?
    }
}

/// A segment, at `journal/<study>/<number>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    study: StudyId,
    number: u64,
    /// SHA-256 of the segment before, hex; empty for the first.
    previous: String,
    /// Positions and entries, `<position> <entry>`.
    entries: Vec<String>,
}

/// Entries with their positions.
pub type Entries = Vec<(Position, String)>;

script! {
    ReadScript<'a> = "journal/read.lua",
    keys { journals: &'static str, journal: String }
    args { study: &'a str, after: String, most: usize }
    reply (Position, Entries), by |reply| tail(&reply)
}

script! {
    AppendScript<'a> = after flows "journal/append.lua",
    keys { journal: String }
    args { study: &'a str, after: String, lines: &'a [String] }
    reply (), by platform::redis::nothing
}

fn tail(reply: &[RedisResult]) -> Option<(Position, Entries)> {
    let (sealed, rest) = reply.split_first()?;
    let (pairs, []) = rest.as_chunks::<2>() else { return None };
    let entries = pairs.iter().map(|[id, line]| Some((Position::parse(&string(id)?)?, string(line)?)));
    Some((Position::parse(&string(sealed)?)?, entries.collect::<Option<_>>()?))
}

/// Reads a journal.
pub struct Reader<'a> {
    redis: &'a Redis,
    store: &'a Store,
    study: &'a StudyId,
    index: Index,
}

impl<'a> Reader<'a> {
    /// Opens the journal of a study. A study without one has no entries.
    ///
    /// # Errors
    /// When the store is unavailable.
    pub async fn open(redis: &'a Redis, store: &'a Store, study: &'a StudyId) -> Result<Self, Error> {
        Ok(Reader { redis, store, study, index: Index::stored(store, study).await? })
    }

    /// About how many entries follow a position: those of whole segments, and as many as a segment has for the rest.
    pub fn about(&self, position: Position) -> u64 {
        let next = self.index.next();
        let segments = next - self.index.after(position).unwrap_or(next) + 1;
        segments.saturating_mul(SEGMENT as u64)
    }

    /// The entry that says that a submission was stored, after a position and up to another one or the end. The position
    /// moves to the last entry that was read.
    async fn stored(
        &mut self,
        submission: &SubmissionId,
        after: &mut Position,
        up_to: Option<Position>,
    ) -> Result<Option<Event>, Error> {
        while up_to.is_none_or(|up_to| *after <= up_to) {
            let events = self.after(*after).await?;
            let Some((last, _)) = events.last() else { break };
            *after = *last;
            let mut events = events.into_iter().map(|(_, event)| event);
            let found = events.find(|event| event.submission == *submission && event.kind.is_stored());
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Finds the entry that says that a submission was stored; the submission came in at this time, milliseconds. The entry
/// follows the storing within moments: `patience` is for how many further looks at the end of the journal it is waited for.
///
/// # Errors
/// When Redis or the store is unavailable.
pub async fn stored(
    redis: &Redis,
    store: &Store,
    study: &StudyId,
    submission: &SubmissionId,
    received_ms: i64,
    patience: usize,
) -> Result<Option<Event>, Error> {
    let mut journal = Reader::open(redis, store, study).await?;
    // It was stored after it came in, but the clocks of two machines may differ.
    let milliseconds = u64::try_from(received_ms.saturating_sub(MOST_APART_MS)).unwrap_or_default();
    let begin = Position::before(milliseconds);
    let mut after = begin;
    for look in 0..=patience {
        if look > 0 {
            clock::sleep(PAUSE).await;
        }
        if let Some(event) = journal.stored(submission, &mut after, None).await? {
            return Ok(Some(event));
        }
    }
    journal.stored(submission, &mut Position::default(), Some(begin)).await
}

fn broken(what: &'static str) -> Error {
    Error::new("key-value", platform::Kind::Unavailable, what)
}

/// An entry that this version cannot read is left out: another version wrote it.
fn events(entries: Entries) -> Vec<(Position, Event)> {
    entries.into_iter().filter_map(|(at, line)| Some((at, Event::read(&line)?))).collect()
}

/// The end of a journal that is still in Redis, after a position, and the last sealed position.
async fn read(redis: &Redis, study: &StudyId, after: Position, most: usize) -> Result<(Position, Entries), Error> {
    let (journals, journal) = (names::JOURNALS, names::journal(study));
    ReadScript { journals, journal, study: study.as_str(), after: after.to_string(), most }.run(redis).await
}

/// Appends entries to the journal of a study, for what is stored outside of a queue. Doing it again appends them again.
///
/// # Errors
/// When Redis is unavailable.
pub async fn append(redis: &Redis, store: &Store, study: &StudyId, events: &[Event]) -> Result<(), Error> {
    let lines: Vec<String> = events.iter().map(Event::line).collect();
    // A Redis that was lost must not begin before what is sealed.
    let after = Index::stored(store, study).await?.last().to_string();
    AppendScript { journal: names::journal(study), study: study.as_str(), after, lines: &lines }.run(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_shown_and_positions_are_in_order() {
        let position = Position { milliseconds: 1_772_352_000_000, number: 7 };
        assert_eq!(Position::parse(&position.to_string()), Some(position));
        assert!(Position { number: 10, ..position } > Position { number: 9, ..position });
        for text in ["", "1", "-", "1-", "-1", "a-1", "1-+1", "1-1-1", "99999999999999999999-1"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let event = Event {
            kind: Kind::Scored,
            site: "S-01".into(),
            what: "phq-9".to_owned(),
            submission: "6f2c1a52-5a52-5b7e-9f0a-1d2c3b4a5f60".into(),
            hash: "00ff".to_owned(),
            alerts: String::new(),
        };
        let erased = Event { kind: Kind::Erased, what: String::new(), hash: String::new(), ..event.clone() };
        let alerted = Event { alerts: hash_of_alerts(&["00".to_owned()]), ..event.clone() };
        for event in [event, erased, alerted] {
            assert_eq!(Event::read(&event.line()), Some(event));
        }
        assert_eq!(Event::read("scored S-01 phq-9"), None);
        assert_eq!(Event::read("sealed S-01 phq-9 a b"), None);
    }

    #[test]
    fn the_segment_of_a_position_is_found() {
        let index = Index { segments: ["5-1", "5-3", "9-0"].map(str::to_owned).to_vec(), hash: String::new() };
        let after = |text: &str| index.after(Position::parse(text).unwrap_or_default());
        let found = ["0-0", "5-0", "5-1", "5-2", "5-3", "8-9", "9-0", "9-1"].map(after);
        assert_eq!(found, [Some(1), Some(1), Some(2), Some(2), Some(3), Some(3), None, None]);
        assert_eq!(Index::default().after(Position::default()), None);
    }
}
