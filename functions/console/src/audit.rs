//! `GET /v1/audit/{entity}`: the audit chain of an entity, and whether it is complete.
//!
//! Guarantee: the answer always reports a record that was changed, moved, or removed from the middle. It reports a
//! removed end if the chain has a head, because the head is in Redis and not in the store: `tail` is `confirmed` then.
//! The content of a submission is compared with the hash in its last record. The first record of a submission is not stored
//! before another follows it: it is made from the submission and from the journal, which has the hash of what was stored.
//! A stored first record must have that hash, too.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::audit::{self, Fault, Head, Slot};
use domain::ids::{SiteId, StudyId, SubmissionId, is_name};
use domain::library;
use platform::Error;
use platform::digest::{digest, hex};
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use state::audit::{Record, first_of_submission, head};
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use state::edge::sessions::Names;
use state::identity::{is_id, is_pseudonym};
use state::journal;
use state::names;
use state::settings::{Settings, studies};
use state::wire::analysis::Analysis;
use state::wire::entry::{Outline, Rescored, State, Subject};
use state::wire::idempotency::{self, Remembered};

use crate::config::Config;

/// Records cannot be listed, so they are read by number. Without a head, a gap longer than this counts as the end.
const LONGEST_GAP: usize = 16;
/// The most records that one answer holds.
const MOST: u64 = 10_000;

/// The records of an entity, verified.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AuditTrail<'a> {
    entity: &'a str,
    /// The chain is whole, and the content is what its last record says.
    verified: bool,
    /// All records are shown.
    complete: bool,
    /// Whether it is known that the end was not cut off.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["confirmed", "unconfirmed"])))]
    tail: &'static str,
    /// The content, compared with the last record; null when no record says anything about it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["unchanged", "changed", "missing", null])))]
    content: Option<&'static str>,
    faults: Vec<ChainFault>,
    records: Vec<&'a Record>,
    /// The names of the persons among the actors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<String, String>,
}

/// A fault of a chain.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ChainFault {
    /// The number of the record.
    n: u64,
    fault: &'static str,
}

/// Shows an entity's chain to a key that covers the entity.
pub(crate) async fn show(config: &Config, principal: &Principal, kind: &str, name: &str) -> Result<Reply, Problem> {
    if !is_name(kind) || !is_name(name) {
        return Err(Problem::not_found());
    }
    let entity = &format!("{kind}/{name}");
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let content = content(config, &store, kind, name).await.map_err(|error| unavailable(&error))?;
    let submission = match kind {
        "submission" => Arrived::find(config, name, content.as_deref()).await.map_err(|error| unavailable(&error))?,
        _ => None,
    };
    let place = match (&submission, &content) {
        (Some(submission), _) => Some((submission.study.clone(), submission.site.clone())),
        // The chain of a study is that of all its sites, also after its erasure.
        (None, _) if kind == "study" => Some((name.into(), "*".into())),
        (None, Some(content)) => place(kind, content),
        (None, None) => None,
    };
    look(principal, kind, name, place.as_ref());
    if !principal.covers_all() && !place.is_some_and(|(study, site)| principal.covers(&study, &site)) {
        return Err(Problem::not_found());
    }

    let head = head(&config.redis, entity).await.map_err(|error| unavailable(&error))?;
    let (mut found, complete) = read(&store, entity, head.as_ref()).await.map_err(|error| unavailable(&error))?;
    let journaled = match submission {
        Some(submission) => submission.journaled(config, &store).await.map_err(|error| unavailable(&error))?,
        None => None,
    };
    if found.is_empty() && head.is_none() {
        let first = match (kind, &content) {
            ("submission", Some(content)) => first_of_submission(content, journaled.as_deref()),
            _ => None,
        };
        match first {
            Some(first) => found.push(Found::Record(Box::new(first))),
            // The first record is stored together with the content, so it must have existed; and what the journal names
            // was stored.
            None if journaled.is_some() => found.push(Found::Missing),
            None if matches!(kind, "submission" | "analysis") && content.is_some() => found.push(Found::Missing),
            None => return Err(Problem::not_found()),
        }
    }
    let slots: Vec<Slot<'_>> = found.iter().map(Found::slot).collect();
    let end = head.as_ref().filter(|_| complete).map(|head| Head { number: head.n, hash: &head.hash });
    let mut faults = audit::verify(entity, &slots, end);
    if let (Some(journaled), Some(Found::Record(first))) = (&journaled, found.first())
        && first.new_hash.as_ref().is_some_and(|hash| hash != journaled)
    {
        faults.insert(0, (0, Fault::Changed));
    }
    let last_hash = found.iter().rev().find_map(|found| match found {
        Found::Record(record) => record.new_hash.as_deref(),
        Found::Missing | Found::Unreadable => None,
    });
    let last_hash = last_hash.or(journaled.as_deref());
    let compared = compare(complete, last_hash, content.as_deref());
    let verified = complete && faults.is_empty() && !matches!(compared, Some("changed" | "missing"));
    if !verified {
        platform::log::error("audit-not-verified")
            .key(&principal.id)
            .outcome(name_of(kind))
            .count(faults.len())
            .write();
    }
    let records: Vec<&Record> = found.iter().filter_map(Found::record).collect();
    let names = names_of(&store, &records).await.map_err(|error| unavailable(&error))?;
    let fault = |&(n, fault): &(u64, Fault)| ChainFault { n, fault: fault.as_str() };
    let trail = AuditTrail {
        entity,
        verified,
        complete,
        tail: if end.is_some() { "confirmed" } else { "unconfirmed" },
        content: compared,
        faults: faults.iter().map(fault).collect(),
        records,
        names,
    };
    Ok(Reply::json(200, &trail).header("cache-control", "no-store"))
}

/// The names of the persons among the actors of records.
async fn names_of(store: &Store, records: &[&Record]) -> Result<BTreeMap<String, String>, Error> {
    let (mut names, mut known) = (BTreeMap::new(), Names::new(store));
    for record in records {
        if let Some(name) = known.of(&record.actor).await? {
            names.insert(record.actor.clone(), name);
        }
    }
    Ok(names)
}

/// Tells whose chain it is, if it is that of a person's data.
fn look(principal: &Principal, kind: &str, name: &str, place: Option<&(StudyId, SiteId)>) {
    let whose = match kind {
        "subject" if is_pseudonym(name) => Whose::default().subject(name),
        "submission" | "analysis" | "rescored" if is_id(name) => Whose::default().id(name),
        _ => return,
    };
    principal.saw(whose);
    if let Some((study, site)) = place {
        principal.saw(Whose::at(study, site));
    }
}

/// The number of further looks for the journal's entry of a submission that was just stored.
const PATIENCE: usize = 9;

/// A submission that came in.
struct Arrived {
    id: SubmissionId,
    study: StudyId,
    site: SiteId,
    received_at: Option<Timestamp>,
    /// Whether its record is stored, as it was scored or failed.
    is_stored: bool,
}

impl Arrived {
    /// Finds a submission by its record, or by the door's memory of it if that is gone.
    async fn find(config: &Config, id: &str, content: Option<&[u8]>) -> Result<Option<Self>, Error> {
        let id = SubmissionId::from(id);
        if let Some(Ok(Outline { state, submission, .. })) = content.map(platform::json::read::<Outline>) {
            let (study, site) = (submission.study_id, submission.site_id);
            let received_at = Timestamp::parse(&submission.received_at);
            let is_stored = matches!(state, State::Scored | State::Failed);
            return Ok(Some(Arrived { id, study, site, received_at, is_stored }));
        }
        let remembered = idempotency::read(&config.redis, &id).await?;
        Ok(remembered.map(|Remembered { study, site, received_at, .. }| Arrived {
            id,
            study: study.into(),
            site: site.into(),
            received_at: Some(received_at),
            is_stored: false,
        }))
    }

    /// The hash of its record by the journal of its study; none if the journal does not have it.
    async fn journaled(&self, config: &Config, store: &Store) -> Result<Option<String>, Error> {
        let received = self.received_at.map(Timestamp::millis).unwrap_or_default();
        let patience = if self.is_stored { PATIENCE } else { 0 };
        let event = journal::stored(&config.redis, store, &self.study, &self.id, received, patience).await?;
        Ok(event.map(|event| event.hash).filter(|hash| !hash.is_empty()))
    }
}

/// The current content of an entity; for settings, the version in force.
async fn content(config: &Config, store: &Store, kind: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    if kind == "study" {
        let study = StudyId::from(name);
        let current = studies::Index::stored(store, &study).await?.and_then(|index| index.current().cloned());
        return match current {
            Some(current) => studies::version(store, &study, current.version).await,
            None => Ok(None),
        };
    }
    if !matches!(kind, "config" | "instrument") {
        return store.bytes(&format!("{kind}/{name}")).await;
    }
    let settings = Settings::in_force(&config.redis).await?;
    let index = settings.index();
    let version = index.documents.get(name).filter(|_| kind == "config").map(|version| version.version);
    let own = index.instruments.get_key_value(name).filter(|_| kind == "instrument");
    let current = own.map(|(id, own)| (id, own.current.as_deref()));
    match (version, current) {
        (Some(version), _) => store.bytes(&names::config(name, version)).await,
        (None, Some((id, Some(version)))) => store.bytes(&names::instrument(id, version)).await,
        (None, _) => Ok(library::definition(name)),
    }
}

/// The kind of an entity, as a fixed word for the log.
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
        "key" => "key",
        "study" => "study",
        _ => "other",
    }
}

/// The study and the site that an entity belongs to.
fn place(kind: &str, content: &[u8]) -> Option<(StudyId, SiteId)> {
    match kind {
        "subject" => {
            let subject: Subject = platform::json::read(content).ok()?;
            Some((subject.study_id, subject.site_id))
        }
        "analysis" => {
            let analysis: Analysis<IgnoredAny> = platform::json::read(content).ok()?;
            Some((analysis.study_id, analysis.site_id))
        }
        "rescored" => {
            let rescored: Rescored = platform::json::read(content).ok()?;
            Some((rescored.study_id, rescored.site_id))
        }
        "key" => {
            let key: Map<String, Value> = platform::json::read(content).ok()?;
            let [study, site] = ["study", "site"].map(|name| key.get(name).and_then(Value::as_str));
            Some((study?.into(), site?.into()))
        }
        _ => None,
    }
}

/// Compares the content with the last record; `None` if no record has a hash of it.
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

/// Reads a chain up to its head, and beyond it up to a gap. Also returns whether it was read to its end.
async fn read(store: &Store, entity: &str, head: Option<&Record>) -> Result<(Vec<Found>, bool), platform::Error> {
    let (mut found, mut gap) = (Vec::new(), 0);
    for n in 0.. {
        if n >= MOST {
            return Ok((found, false));
        }
        match store.bytes(&names::audit(entity, n)).await? {
            Some(bytes) => {
                gap = 0;
                found.push(platform::json::read(&bytes).map_or(Found::Unreadable, Found::Record));
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
    // Only the head can show that records are missing at the end.
    while matches!(found.last(), Some(Found::Missing)) {
        found.pop();
    }
    Ok((found, true))
}
