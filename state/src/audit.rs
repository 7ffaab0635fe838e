//! Audit chains in the store: every action on an entity, with its actor, time and reason, as a chain of records.
//!
//! Guarantee: a record is written once and never overwritten with other bytes. Two concurrent appends come one after
//! the other. If workers crash between two steps, the next append closes the gap.
//!
//! Mechanism: a record is stored at `audit/<entity>/<n>`, together with the data that it describes. An append first
//! claims the number: one script compares and sets the chain's head in Redis. The head holds the whole last record, and those
//! before it that were not stored yet when it was claimed. The store's own compare-and-swap is not safe, so the head decides;
//! it also shows if the end of a chain was cut off. Some first records can be written by one worker only, always with the
//! same bytes: these need no head. The first record of a submission is not even stored before another follows it: the
//! submission says who sent it and when, and the journal has the hash of what was stored ([`first_of_submission`]).
//!
//! The script that claims a number also appends a line with the record's hash to a journal beside those of studies. So the
//! signed heads of journals cover all chains, against somebody who can write both Redis and the store.

use domain::audit;
use domain::ids::KeyId;
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::percent::{decode, encode};
use platform::redis::{Redis, text, whether};
use platform::{Error, Kind, clock};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::wire::entry::{Outline, State};
#[cfg(feature = "schema")]
use domain::schema::{Sha256, Time};

/// The action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "kebab-case", inline))]
pub enum Action {
    /// A submission was stored.
    Submitted,
    /// A submission that corrects an earlier one was stored.
    Amended,
    /// A later submission replaced this one.
    Superseded,
    /// Its content was removed.
    Erased,
    /// The analysis of an image ended, with or without a result.
    Analysed,
    /// An analysis was cancelled before it had ended.
    Cancelled,
    /// A subject's identity was opened.
    IdentityOpened,
    /// Another change: configuration, instruments.
    Changed,
    /// A subject was linked to another one as the same person.
    Linked,
    /// Such a link was removed.
    Unlinked,
    /// Dead letters were replayed.
    Replayed,
    /// A receiver that asked to get no more messages was enabled again.
    Enabled,
    /// A test message was sent to a receiver.
    Tested,
    /// A key was created.
    Created,
    /// A key was withdrawn.
    Withdrawn,
}

impl Action {
    /// The action, as records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Submitted => "submitted",
            Action::Amended => "amended",
            Action::Superseded => "superseded",
            Action::Erased => "erased",
            Action::Analysed => "analysed",
            Action::Cancelled => "cancelled",
            Action::IdentityOpened => "identity-opened",
            Action::Changed => "changed",
            Action::Linked => "linked",
            Action::Unlinked => "unlinked",
            Action::Replayed => "replayed",
            Action::Enabled => "enabled",
            Action::Tested => "tested",
            Action::Created => "created",
            Action::Withdrawn => "withdrawn",
        }
    }
}

/// A change to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// When, RFC 3339 in UTC.
    pub at: &'a str,
    /// The id of the key that did it.
    pub actor: &'a KeyId,
    /// The action.
    pub action: Action,
    /// Why.
    pub reason: Option<&'a str>,
    /// The meaning of the person's signature.
    pub meaning: Option<&'a str>,
    /// Another entity that takes part in it.
    pub refers_to: Option<&'a str>,
    /// SHA-256 of the entity's record before, hex.
    pub old: Option<&'a str>,
    /// SHA-256 of the entity's record after, hex.
    pub new: Option<&'a str>,
}

impl<'a> Change<'a> {
    /// An action without a reason and without hashes.
    pub fn new(at: &'a str, actor: &'a KeyId, action: Action) -> Self {
        Change { at, actor, action, reason: None, meaning: None, refers_to: None, old: None, new: None }
    }
}

/// A record as it is stored, at `audit/<entity>/<n>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AuditRecord"))]
pub struct Record<T = String> {
    /// The entity of the chain.
    pub entity: T,
    /// Its position; the first is 0.
    pub n: u64,
    /// When, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: T,
    /// The id of the key that did it.
    pub actor: T,
    /// The action.
    #[cfg_attr(feature = "schema", schemars(with = "Action"))]
    pub action: T,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<T>,
    /// The meaning of the person's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<T>,
    /// Another entity that takes part in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<T>,
    /// Hash of the entity's record before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Sha256>"))]
    pub old_hash: Option<T>,
    /// Hash of the entity's record after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Sha256>"))]
    pub new_hash: Option<T>,
    /// Hash of the record before; empty for the first.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^([0-9a-f]{64})?$")))]
    pub previous: T,
    /// Its own hash.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    pub hash: String,
}

impl<'a> Record<&'a str> {
    /// The record of a change that follows `last`.
    pub fn after(last: Option<&'a Record>, entity: &'a str, change: &Change<'a>) -> Self {
        let mut record = Record {
            entity,
            n: last.map_or(0, |last| last.n.saturating_add(1)),
            at: change.at,
            actor: change.actor.as_str(),
            action: change.action.as_str(),
            reason: change.reason,
            meaning: change.meaning,
            refers_to: change.refers_to,
            old_hash: change.old,
            new_hash: change.new,
            previous: last.map_or("", |last| &last.hash),
            hash: String::new(),
        };
        record.hash = record.members().hash();
        record
    }

    /// An owned copy, which outlives the described data.
    pub fn owned(self) -> Record {
        let Record { n, hash, .. } = self;
        let [entity, at, actor, action, previous] =
            [self.entity, self.at, self.actor, self.action, self.previous].map(str::to_owned);
        let [reason, meaning, refers_to, old_hash, new_hash] =
            [self.reason, self.meaning, self.refers_to, self.old_hash, self.new_hash]
                .map(|text| text.map(str::to_owned));
        Record { entity, n, at, actor, action, reason, meaning, refers_to, old_hash, new_hash, previous, hash }
    }
}

impl<T: AsRef<str>> Record<T> {
    /// The record in the form of the rules.
    pub fn members(&self) -> audit::Record<'_> {
        fn maybe<T: AsRef<str>>(text: &Option<T>) -> Option<&str> {
            text.as_ref().map(AsRef::as_ref)
        }
        audit::Record {
            entity: self.entity.as_ref(),
            number: self.n,
            at: self.at.as_ref(),
            actor: self.actor.as_ref(),
            action: self.action.as_ref(),
            reason: maybe(&self.reason),
            meaning: maybe(&self.meaning),
            refers_to: maybe(&self.refers_to),
            old: maybe(&self.old_hash),
            new: maybe(&self.new_hash),
            previous: self.previous.as_ref(),
        }
    }
}

/// Adds to a batch the first record of an entity. Nobody else writes that record with other bytes.
///
/// # Errors
/// [`Kind::Refused`] when it cannot be written as JSON.
pub fn begin(batch: &mut Batch, entity: &str, change: &Change<'_>) -> Result<(), Error> {
    batch.put(names::audit(entity, 0), &Record::after(None, entity, change))
}

/// The first record of a submission's chain: the submission as it was stored, and the hash of that, hex. None if the
/// bytes are no submission, or a tombstone.
pub fn first_of_submission(bytes: &[u8], hash: Option<&str>) -> Option<Record> {
    let stored: Outline = platform::json::read(bytes).ok()?;
    if !matches!(stored.state, State::Scored | State::Failed) {
        return None;
    }
    let submission = &stored.submission;
    let amends = submission.amends.as_ref().map(names::submission);
    let change = Change {
        reason: submission.amends_reason.as_deref(),
        refers_to: amends.as_deref(),
        new: hash,
        ..Change::new(
            &submission.received_at,
            &submission.key,
            if amends.is_some() { Action::Amended } else { Action::Submitted },
        )
    };
    Some(Record::after(None, &names::submission(&submission.submission_id), &change).owned())
}

script! {
    ClaimScript<'a> = "audit.lua",
    keys { head: &'a str, journals: &'static str, journal: String }
    args { seen: &'a str, claim: String, name: &'static str, line: String }
    reply bool, by whether
}

/// The line of the journal [`names::AUDITED`] about a record: entity, number, hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The entity of the chain.
    pub entity: String,
    /// The record's position in the chain.
    pub n: u64,
    /// The record's own hash.
    pub hash: String,
}

impl Line {
    fn of<T: AsRef<str>>(record: &Record<T>) -> String {
        [&encode(record.entity.as_ref()), &record.n.to_string(), &record.hash].map(String::as_str).join(" ")
    }

    /// Reads a line; none if another version wrote it.
    pub fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [entity, n, hash] = words.as_slice() else { return None };
        Some(Line { entity: decode(entity)?, n: n.parse().ok()?, hash: (*hash).to_owned() })
    }
}

/// The number of times that an append is retried after others were faster.
const PATIENCE: usize = 64;
/// The most records that a head holds beside the last one: more than are ever claimed and not stored at the same time.
const MOST_UNSTORED: usize = 64;

/// Claims the next position in an entity's chain and adds the record to a batch, which the caller stores.
///
/// # Errors
/// [`Kind::Unavailable`]. The position may be claimed then; the next append stores the record.
pub async fn append(
    redis: &Redis,
    store: &Store,
    batch: &mut Batch,
    entity: &str,
    change: &Change<'_>,
) -> Result<Record, Error> {
    let key = names::audit_head(entity);
    for _ in 0..PATIENCE {
        let claimed = head_text(redis, entity).await?;
        let recent = claimed.as_deref().map(parsed).transpose()?.unwrap_or_default();
        // Whoever claimed these may have died before they were stored. An existing record is left as it is: if somebody
        // changed it, that must stay visible.
        let mut unstored = Vec::new();
        for record in &recent {
            if store.bytes(&names::audit(entity, record.n)).await?.is_none() {
                unstored.push(record);
            }
        }
        let last = match recent.first() {
            Some(last) => Some(last.clone()),
            None => match last_stored(store, batch, entity).await? {
                None => implied(store, batch, entity).await?,
                last => last,
            },
        };
        let next = Record::after(last.as_ref(), entity, change);
        // Claims must be unique, but records may be equal: a clinician can look twice within a millisecond.
        let mut claim = format!("{:032x} {}", clock::random_bits(), kv::json(&next)?);
        for record in unstored.iter().take(MOST_UNSTORED) {
            claim.push('\n');
            claim.push_str(&kv::json(record)?);
        }
        let seen = claimed.as_deref().unwrap_or_default();
        let (journals, journal) = (names::JOURNALS, names::journal(&names::AUDITED.into()));
        let (name, line) = (names::AUDITED, Line::of(&next));
        let script = ClaimScript { head: &key, journals, journal, seen, claim, name, line };
        if !script.run(redis).await? {
            continue;
        }
        for record in unstored {
            let key = names::audit(entity, record.n);
            if !batch.holds(&key) {
                batch.put(key, record)?;
            }
        }
        batch.put(names::audit(entity, next.n), &next)?;
        return Ok(next.owned());
    }
    Err(Error::new("audit", Kind::Unavailable, "others append all the time"))
}

/// The head of an entity's chain: its last record, if the chain was ever appended to.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn head(redis: &Redis, entity: &str) -> Result<Option<Record>, Error> {
    Ok(recent(redis, entity).await?.into_iter().next())
}

/// The records in the head of an entity's chain: the last one first, then those that were not stored when it was claimed.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn recent(redis: &Redis, entity: &str) -> Result<Vec<Record>, Error> {
    Ok(head_text(redis, entity).await?.as_deref().map(parsed).transpose()?.unwrap_or_default())
}

async fn head_text(redis: &Redis, entity: &str) -> Result<Option<String>, Error> {
    let reply = redis.command("GET", vec![text(names::audit_head(entity))]).await?;
    match reply.into_iter().next() {
        Some(RedisResult::Binary(bytes)) => String::from_utf8(bytes).map(Some).map_err(|_| unreadable()),
        _ => Ok(None),
    }
}

/// The records in a head, a line each, after the random part of its claim.
fn parsed(text: &str) -> Result<Vec<Record>, Error> {
    let (_, records) = text.split_once(' ').ok_or_else(unreadable)?;
    let read = |record: &str| platform::json::read(record.as_bytes()).map_err(|_| unreadable());
    records.split('\n').map(read).collect()
}

fn unreadable() -> Error {
    Error::new("audit", Kind::Unavailable, "a record cannot be read")
}

/// The first record of a submission, of which none is stored yet. It is added to the batch.
async fn implied(store: &Store, batch: &mut Batch, entity: &str) -> Result<Option<Record>, Error> {
    if !entity.starts_with(names::SUBMISSION) {
        return Ok(None);
    }
    let content = match batch.bytes(entity) {
        Some(bytes) => Some(bytes.to_vec()),
        None => store.bytes(entity).await?,
    };
    let hash = |bytes: &[u8]| hex(&digest(bytes));
    let first = content.and_then(|bytes| first_of_submission(&bytes, Some(&hash(&bytes))));
    if let Some(first) = &first {
        batch.put(names::audit(entity, 0), first)?;
    }
    Ok(first)
}

/// The last record of a chain that has no head.
async fn last_stored(store: &Store, batch: &Batch, entity: &str) -> Result<Option<Record>, Error> {
    let mut last = None;
    for n in 0.. {
        let key = names::audit(entity, n);
        let found = match batch.get(&key) {
            Some(record) => Some(record?),
            None => store.get(&key).await?,
        };
        match found {
            Some(record) => last = Some(record),
            None => break,
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(actor: &KeyId, action: Action) -> Change<'_> {
        let at = "2026-03-01T00:00:00.000Z";
        Change { new: Some("00"), ..Change::new(at, actor, action) }
    }

    #[test]
    fn records_follow_each_other() {
        let first = Record::after(None, "submission/1", &change(&"k".into(), Action::Submitted)).owned();
        let second = Record::after(Some(&first), "submission/1", &change(&"k".into(), Action::Erased)).owned();
        assert_eq!((first.n, second.n, first.previous.as_str()), (0, 1, ""));
        assert_eq!(second.previous, first.hash);
        let slots = [&first, &second].map(|record| audit::Slot::Record(record.members(), &record.hash));
        assert_eq!(audit::verify("submission/1", &slots, None), []);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record =
            Record::after(None, "e", &Change { reason: Some("wrong form"), ..change(&"k".into(), Action::Amended) })
                .owned();
        let head = format!("00ff {}", kv::json(&record).unwrap());
        assert_eq!(parsed(&head).unwrap(), std::slice::from_ref(&record));
        assert!(!head.contains("meaning"), "{head}");
        let actor = "k".into();
        let signed = Change { meaning: Some("I approve this"), ..change(&actor, Action::Changed) };
        let signed = Record::after(Some(&record), "e", &signed).owned();
        let head = [format!("00ff {}", kv::json(&signed).unwrap()), kv::json(&record).unwrap()].join("\n");
        assert_eq!(parsed(&head).unwrap(), [signed.clone(), record.clone()]);
        assert_eq!(signed.hash, signed.members().hash());
        assert!(parsed("{}").is_err() && parsed("00ff {}").is_err());
        let line = Line::read(&Line::of(&record)).unwrap();
        assert_eq!((line.entity, line.n, line.hash), ("e".to_owned(), 0, record.hash));
    }

    #[test]
    fn an_action_is_spelled_alike_everywhere() {
        use Action::*;
        let changes = [Changed, Linked, Unlinked, Replayed, Enabled];
        let all = [Submitted, Amended, Superseded, Erased, Analysed, Cancelled, IdentityOpened];
        for action in all.into_iter().chain(changes) {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }
}
