//! Erasure: erased data must not come back, even if a worker still holds it.
//!
//! Guarantee: once [`erase`] has returned, the door refuses the submission. No worker leaves any of its data in the
//! store or sends it anywhere, even if it claimed the submission before.
//!
//! Mechanism: one script remembers the erasure in a hash and turns the door's idempotency record into a tombstone,
//! which never expires. A worker checks for erasures before it works on claimed entries, and again after it has stored
//! the results. Either one of the checks sees the erasure, or the erasure began after the store had the results and
//! removes them itself.
//!
//! Not for: copies elsewhere. It cannot reach data sent to a receiver, in a backup, or in Redis' append-only file until
//! that is rewritten.

mod keys;
pub mod study;
pub mod subject;

use domain::ids::{AlertId, KeyId, Pseudonym, SiteId, StudyId, SubmissionId};
use std::collections::BTreeMap;
use std::iter;

use domain::alert::admission::repeat_key;
use domain::reading::{Json, Limits, Object};
use domain::scrub;
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::redis::{Composed, Redis, one, string, text};
use platform::{Error, Kind, log};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::audit::{self, Action, Change};
use crate::edge::problem::Problem;
use crate::wire::entry::{Record, State, Submission};
use crate::wire::evaluation::Evaluation;
use crate::wire::idempotency::{self, IdempotencyRecord};
use crate::{alerts, names};

/// The longest reason or other text in a body, characters.
const LONGEST_TEXT: usize = 500;

/// An erasure: its actor, time and reason, and the remains of the submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The id of the key.
    pub actor: KeyId,
    /// Why.
    pub reason: String,
    /// The meaning of the person's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The record that replaces the submission's own, as it is stored. See [`tombstone`].
    pub tombstone: String,
}

/// The reason in a request's body: `{"reason": "..."}`.
///
/// # Errors
/// 400 when it is not JSON, 422 with every fault.
pub fn reason(body: &[u8]) -> Result<String, Problem> {
    let [reason] = texts(body, ["reason"])?;
    Ok(reason)
}

/// The texts in a request's body, an object with exactly these members, each one line of 1 to 500 characters. A `reason`
/// is returned without the identities that are found in it: it is kept for ever.
///
/// # Errors
/// 400 when it is not JSON, 422 with every fault.
pub fn texts<const N: usize>(body: &[u8], names: [&'static str; N]) -> Result<[String; N], Problem> {
    let Json { value, mut faults, .. } = Problem::json(body, Limits::REQUEST)?;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    let texts = names.map(|name| {
        members.require(&mut faults, name);
        let text = members.form(&mut faults, name, "must be 1 to 500 characters on one line", |text| {
            let text = text.trim();
            let fits = (1..=LONGEST_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
            fits.then_some(text)
        });
        let text = text.unwrap_or_default().to_owned();
        if name == "reason" { scrub::free_text(text) } else { text }
    });
    members.finish(&mut faults);
    if faults.is_empty() { Ok(texts) } else { Err(Problem::invalid(faults)) }
}

/// A record that names the submission's study and site and has no content.
///
/// # Errors
/// [`Kind::Refused`] when it cannot be written as JSON.
pub fn tombstone(
    submission_id: &SubmissionId,
    study_id: &StudyId,
    site_id: &SiteId,
    received_at: &str,
) -> Result<String, Error> {
    let own = str::to_owned;
    kv::json(&Record::<&str> {
        state: State::Erased,
        reason: None,
        submission: Submission {
            submission_id: submission_id.clone(),
            study_id: study_id.clone(),
            site_id: site_id.clone(),
            subject: Pseudonym::default(),
            kind: String::new(),
            instrument: None,
            instrument_version: None,
            parameters: BTreeMap::new(),
            authored_at: String::new(),
            received_at: own(received_at),
            key: KeyId::default(),
            hash: String::new(),
            amends: None,
            amends_reason: None,
            flags: Vec::new(),
            removed: BTreeMap::new(),
            content: serde_json::Map::new(),
            ordered_at: None,
        },
        scored_with: None,
        scores: Vec::new(),
        alerts: Vec::new(),
        evaluation: Evaluation::default(),
    })
}

/// Begins an erasure; the door keeps this record, which has no content. Returns the erasure that holds: the first, if
/// the submission was erased before.
///
/// # Errors
/// [`Kind::Unavailable`]; calling it again is safe.
pub async fn erase(
    redis: &Redis,
    submission_id: &SubmissionId,
    record: &IdempotencyRecord<&str>,
    erasure: &Erasure,
) -> Result<Erasure, Error> {
    let (erased, submission_id, erasure) = (names::ERASED, submission_id, kv::json(erasure)?);
    let given = idempotency::given(submission_id, &record.bytes());
    let script = Composed::new([&*idempotency::lua(false), lua!("erasure.lua")].concat());
    EraseScript { once: names::once(submission_id), erased, submission_id: submission_id.as_str(), erasure, given }
        .run(redis, &script)
        .await
}

script! {
    EraseScript<'a> = composed "erasure.lua",
    keys { once: String, erased: &'static str }
    args { submission_id: &'a str, erasure: String, given: Vec<u8> }
    reply Erasure, by |reply| read(reply.first()?)
}

script! {
    DeadScript<'a> = "erasure/dead.lua",
    keys { dead: &'static str }
    args { from: &'a str, most: u32, needle: &'a str }
    reply String, by one
}

/// Finds the erasures of these submissions.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn find(redis: &Redis, ids: &[&SubmissionId]) -> Result<BTreeMap<SubmissionId, Erasure>, Error> {
    let mut found = BTreeMap::new();
    for (id, value) in ids.iter().zip(ask(redis, ids).await?) {
        if !matches!(value, RedisResult::Nil) {
            // An unreadable erasure must not look like no erasure.
            found.insert((*id).to_owned(), read(&value).ok_or_else(|| unexpected("HMGET"))?);
        }
    }
    Ok(found)
}

/// Whether each of these submissions is erased.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn known(redis: &Redis, ids: &[&SubmissionId]) -> Result<Vec<bool>, Error> {
    let reply = ask(redis, ids).await?;
    Ok(reply.iter().map(|value| !matches!(value, RedisResult::Nil)).collect())
}

async fn ask(redis: &Redis, ids: &[&SubmissionId]) -> Result<Vec<RedisResult>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let arguments = iter::once(names::ERASED).chain(ids.iter().map(|id| id.as_str())).map(text).collect();
    let reply = redis.command("HMGET", arguments).await?;
    if reply.len() == ids.len() { Ok(reply) } else { Err(unexpected("HMGET")) }
}

fn read(value: &RedisResult) -> Option<Erasure> {
    match value {
        RedisResult::Binary(bytes) => platform::json::read(bytes).ok(),
        _ => None,
    }
}

fn unexpected(what: &'static str) -> Error {
    Error::new("redis", Kind::Unavailable, format_args!("unexpected reply of {what}"))
}

/// Adds to a batch the tombstone of an erased entity and the erasure's record in its audit chain.
///
/// # Errors
/// [`Kind::Unavailable`]; calling it again is safe, and appends nothing twice.
pub async fn bury(
    redis: &Redis,
    store: &Store,
    batch: &mut Batch,
    entity: &str,
    erasure: &Erasure,
) -> Result<(), Error> {
    // Must be read now: a worker may have stored it until the erasure was known.
    let before = store.bytes(entity).await?;
    let after = hex(&digest(erasure.tombstone.as_bytes()));
    let head = audit::head(redis, entity).await?;
    if let Some(head) = head.filter(|head| head.action == Action::Erased.as_str()) {
        // An earlier attempt got this far, but perhaps no further.
        batch.put_text(entity.to_owned(), erasure.tombstone.clone());
        return batch.put(names::audit(entity, head.n), &head);
    }
    let before = before.map(|bytes| hex(&digest(&bytes))).filter(|before| *before != after);
    let change = Change {
        reason: Some(&erasure.reason),
        meaning: erasure.meaning.as_deref(),
        old: before.as_deref(),
        new: Some(&after),
        ..Change::new(&erasure.at, &erasure.actor, Action::Erased)
    };
    audit::append(redis, store, batch, entity, &change).await?;
    // After it: the chain of a submission begins with what was stored before.
    batch.put_text(entity.to_owned(), erasure.tombstone.clone());
    Ok(())
}

/// Replaces erased submissions in the store by their tombstones, because a worker may have stored them meanwhile, or
/// may have died after that. `alerts` are the alerts that it may have stored with them: a tombstone that is already
/// there does not name them.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn clear(
    redis: &Redis,
    erased: &BTreeMap<SubmissionId, Erasure>,
    mut alerts: Vec<AlertId>,
) -> Result<(), Error> {
    if erased.is_empty() {
        return Ok(());
    }
    let store = Store::open().await?;
    let mut batch = Batch::default();
    for (id, erasure) in erased {
        alerts.extend(alerts_of(&store, id).await?);
        batch.put_text(names::submission(id), erasure.tombstone.clone());
        log::info("submission-dropped").submission(id).outcome("erased").write();
    }
    remove_alerts(redis, &store, alerts).await?;
    kv::remove_all(&erased.keys().flat_map(beside).collect::<Vec<_>>())?;
    kv::put_all(&mut batch)
}

/// The part of a submission's record that names its alerts.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raised {
    alerts: Vec<AlertId>,
}

/// The keys of a submission's further records, except those of its alerts.
pub fn beside(submission_id: &SubmissionId) -> [String; 2] {
    [names::rescored(submission_id), names::overdue(submission_id)]
}

/// The alerts of a stored submission, including those of the silence after it.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn alerts_of(store: &Store, submission_id: &SubmissionId) -> Result<Vec<AlertId>, Error> {
    let mut alerts = Vec::new();
    for key in [names::submission(submission_id), names::overdue(submission_id)] {
        alerts.extend(store.get::<Raised>(&key).await?.unwrap_or_default().alerts);
    }
    Ok(alerts)
}

/// Removes alerts with their deliveries, from the store and from Redis. It must run before the tombstone is written,
/// which no longer names them.
///
/// # Errors
/// [`Kind::Unavailable`]; calling it again is safe.
pub async fn remove_alerts(redis: &Redis, store: &Store, ids: Vec<AlertId>) -> Result<(), Error> {
    let (mut keys, mut marks) = (Vec::new(), Vec::with_capacity(ids.len()));
    for id in &ids {
        let raised: Option<crate::wire::entry::Alert> = store.get(&names::alert(id)).await?;
        marks.push(raised.map(|raised| repeat_key(&alerts::facts_of(&raised))).unwrap_or_default());
        let stored: Option<serde_json::Value> = store.get(&names::stored_alert_state(id)).await?;
        if let Some(state) = stored.as_ref().and_then(domain::alert::state::State::read) {
            keys.extend(state.deliveries().iter().map(|it| names::delivery(id, &it.receiver)));
            keys.extend((0..state.entries()).map(|n| names::alert_history(id, n)));
        }
        keys.extend([names::stored_alert_state(id), names::alert(id)]);
    }
    alerts::forget(redis, &ids, &marks).await?;
    kv::remove_all(&keys)
}

/// Removes the due entries and dead letters of a submission, or of another thing with this id in this `member`. Entries
/// that wait for a worker stay: the worker drops them.
///
/// # Errors
/// [`Kind::Unavailable`]; calling it again is safe.
pub async fn sweep(redis: &Redis, member: &str, id: &str) -> Result<(), Error> {
    // The member as serde writes it, in an entry and in an alert.
    let needle = format!("\"{member}\":\"{id}\"");
    let mut cursor = text("0");
    loop {
        let pattern = format!("*{needle}*");
        let arguments = vec![text(names::DUE), cursor, text("MATCH"), text(pattern), text("COUNT"), text("1000")];
        let mut reply = redis.command("ZSCAN", arguments).await?.into_iter();
        let next = reply.next().as_ref().and_then(string).ok_or_else(|| unexpected("ZSCAN"))?;
        while let (Some(member), Some(_)) = (reply.next(), reply.next()) {
            if let RedisResult::Binary(member) = member {
                let member = spin_sdk::redis::RedisParameter::Binary(member);
                redis.command("ZREM", vec![text(names::DUE), member]).await?;
            }
        }
        if next == "0" {
            break;
        }
        cursor = text(next);
    }
    let mut after = "-".to_owned();
    loop {
        let last = DeadScript { dead: names::DEAD, from: &after, most: 500, needle: &needle }.run(redis).await?;
        if last.is_empty() {
            return Ok(());
        }
        after = format!("({last}");
    }
}
