//! `GET /v1/audit/{entity}`: what was done to an entity, and whether that history is whole.
//!
//! A record that was changed, moved, or taken out of the middle is always told. That the end was cut off is told when
//! the chain has a head, which lies in Redis and not in the store: `tail` is `confirmed` then. A chain of the one record
//! that `score` wrote has none; that this record is gone is told as long as the submission itself is there. The content
//! of a submission is compared with the hash in its last record.

use domain::audit::{self, Fault, Head, Slot};
use domain::intake::is_name;
use domain::library;
use platform::audit::{Record, head};
use platform::auth::Principal;
use platform::entry::{Outline, Rescored, Subject};
use platform::http::Reply;
use platform::identity::{digest, hex};
use platform::jobs::Analysis;
use platform::kv::Store;
use platform::problem::Problem;
use platform::settings::Settings;
use platform::{Error, names};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::away;
use crate::config::Config;

/// Records are not listed but looked up; a gap longer than this counts as the end where no head tells otherwise.
const LONGEST_GAP: usize = 16;
/// The most records that one answer holds.
const MOST: u64 = 10_000;

/// Shows an entity's chain to somebody whose key covers the entity.
pub(crate) async fn show(config: &Config, principal: &Principal, entity: &str) -> Result<Reply, Problem> {
    let Some((kind, name)) = entity.split_once('/').filter(|(kind, name)| is_name(kind) && is_name(name)) else {
        return Err(Problem::not_found());
    };
    let store = Store::open().await.map_err(|error| away(&error))?;
    let content = content(config, &store, kind, name).await.map_err(|error| away(&error))?;
    if !principal.covers_all() {
        let place = content.as_deref().and_then(|content| place(kind, content));
        if !place.is_some_and(|(study, site)| principal.covers(&study, &site)) {
            return Err(Problem::not_found());
        }
    }

    let head = head(&config.redis, entity).await.map_err(|error| away(&error))?;
    let (mut found, complete) = read(&store, entity, head.as_ref()).await.map_err(|error| away(&error))?;
    if found.is_empty() && head.is_none() {
        match kind {
            // The first record is written with the content: it was there.
            "submission" | "analysis" if content.is_some() => found.push(Found::Missing),
            _ => return Err(Problem::not_found()),
        }
    }
    let slots: Vec<Slot<'_>> = found.iter().map(Found::slot).collect();
    let end = head.as_ref().filter(|_| complete).map(|head| Head { number: head.n, hash: &head.hash });
    let faults = audit::verify(entity, &slots, end);
    let last_hash = found.iter().rev().find_map(|found| match found {
        Found::Record(record) => record.new_hash.as_deref(),
        Found::Missing | Found::Unreadable => None,
    });
    let compared = compare(complete, last_hash, content.as_deref());
    let verified = complete && faults.is_empty() && !matches!(compared, Some("changed" | "missing"));
    if !verified {
        platform::log::error("audit-not-verified")
            .key(&principal.id)
            .outcome(name_of(kind))
            .count(faults.len())
            .write();
    }
    let faults: Vec<Value> =
        faults.iter().map(|(number, fault): &(u64, Fault)| json!({"n": number, "fault": fault.as_str()})).collect();
    let records: Vec<&Record> = found.iter().filter_map(Found::record).collect();
    let document = json!({
        "entity": format!("{kind}/{name}"),
        "verified": verified,
        "complete": complete,
        "tail": if end.is_some() { "confirmed" } else { "unconfirmed" },
        "content": compared,
        "faults": faults,
        "records": records,
    });
    Ok(Reply::json(200, &document).header("cache-control", "no-store"))
}

/// What is there of an entity now; of settings, the version in force.
async fn content(config: &Config, store: &Store, kind: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    if !matches!(kind, "config" | "instrument") {
        return store.bytes(&format!("{kind}/{name}")).await;
    }
    let settings = Settings::in_force(&config.redis).await?;
    let index = settings.index();
    let version = index.documents.get(name).filter(|_| kind == "config").map(|version| version.version);
    let current = index.instruments.get(name).filter(|_| kind == "instrument").map(|own| own.current.as_deref());
    match (version, current) {
        (Some(version), _) => store.bytes(&names::config(name, version)).await,
        (None, Some(Some(version))) => store.bytes(&names::instrument(name, version)).await,
        (None, _) => Ok(library::definition(name)),
    }
}

/// A fixed word for the log.
fn name_of(kind: &str) -> &'static str {
    match kind {
        "submission" => "submission",
        "subject" => "subject",
        "analysis" => "analysis",
        "rescored" => "rescored",
        "config" => "config",
        "instrument" => "instrument",
        "operations" => "operations",
        "receiver" => "receiver",
        _ => "other",
    }
}

/// The study and the site that an entity belongs to.
fn place(kind: &str, content: &[u8]) -> Option<(String, String)> {
    match kind {
        "submission" => {
            let record: Outline = serde_json::from_slice(content).ok()?;
            Some((record.submission.study_id, record.submission.site_id))
        }
        "subject" => {
            let subject: Subject = serde_json::from_slice(content).ok()?;
            Some((subject.study_id, subject.site_id))
        }
        "analysis" => {
            let analysis: Analysis<IgnoredAny> = serde_json::from_slice(content).ok()?;
            Some((analysis.study_id, analysis.site_id))
        }
        "rescored" => {
            let rescored: Rescored = serde_json::from_slice(content).ok()?;
            Some((rescored.study_id, rescored.site_id))
        }
        _ => None,
    }
}

/// Whether the content is what the last record says; none when no record says anything about it.
fn compare(complete: bool, hash: Option<&str>, content: Option<&[u8]>) -> Option<&'static str> {
    let hash = hash.filter(|_| complete)?;
    Some(match content {
        None => "missing",
        Some(content) if hex(&digest(content)) == hash => "unchanged",
        Some(_) => "changed",
    })
}

enum Found {
    Missing,
    Unreadable,
    Record(Box<Record>),
}

impl Found {
    fn slot(&self) -> Slot<'_> {
        match self {
            Found::Missing => Slot::Missing,
            Found::Unreadable => Slot::Unreadable,
            Found::Record(record) => Slot::Record(record.members(), &record.hash),
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Found::Record(record) => Some(record),
            Found::Missing | Found::Unreadable => None,
        }
    }
}

/// Reads a chain up to its head and beyond, up to a gap. Tells also whether that is all of it.
async fn read(store: &Store, entity: &str, head: Option<&Record>) -> Result<(Vec<Found>, bool), platform::Error> {
    let (mut found, mut gap) = (Vec::new(), 0);
    for n in 0.. {
        if n >= MOST {
            return Ok((found, false));
        }
        match store.bytes(&names::audit(entity, n)).await? {
            Some(bytes) => {
                gap = 0;
                found.push(serde_json::from_slice(&bytes).map_or(Found::Unreadable, Found::Record));
            }
            None => {
                gap += 1;
                found.push(Found::Missing);
            }
        }
        if gap >= LONGEST_GAP && head.is_none_or(|head| head.n <= n) {
            break;
        }
    }
    // What is missing at the end is the head's to tell.
    while matches!(found.last(), Some(Found::Missing)) {
        found.pop();
    }
    Ok((found, true))
}
