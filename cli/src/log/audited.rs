//! Audit records, and what they say: settings, keys, erased subjects and studies.

use std::collections::BTreeMap;

use anyhow::Result;
use domain::access::Access;
use domain::ids::StudyId;
use domain::library;
use domain::settings::Document;
use platform::digest::{digest, hex};
use platform::kv::{self, Store};
use platform::redis::{Redis, string, text};
use serde_json::Value;
use state::audit::{self, Action, Record};
use state::erasure::study::{self, StudyErasure};
use state::erasure::subject::Certificate;
use state::names;
use state::settings::{Index, Versions, studies};
use state::wire::entry::{Outline, State};

use super::journals::Journals;
use super::{Fault, fault, readable};
use crate::PAGE;

/// The beginnings of the entities whose content is a version of a setting.
const SETTINGS: [&str; 3] = ["config/", "instrument/", STUDY];
/// The beginning of the entities that are studies. Their index has the entity's name.
const STUDY: &str = "study/";

/// The lines about audit records.
pub(super) struct Audited<'a> {
    lines: &'a BTreeMap<String, BTreeMap<u64, String>>,
}

/// The differences that were found.
#[derive(Default)]
pub(super) struct Outcome {
    /// Records that were compared.
    pub(super) count: u64,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Audited<'a> {
    /// The lines of these journals.
    pub(super) fn of(journals: &'a Journals) -> Self {
        Audited { lines: &journals.said.audited }
    }

    /// Compares audit records with the journal, and with the records that they are about.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub(super) async fn verify(&self, redis: &Redis, store: &Store) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        // The hash of each version of a setting, by its key, and the version that each entity was given last.
        let (mut versions, mut last) = (BTreeMap::new(), BTreeMap::new());
        for (entity, lines) in self.lines {
            let mut records = Vec::with_capacity(lines.len());
            for (n, hash) in lines {
                outcome.count += 1;
                records.extend(record(redis, store, entity, *n, hash, &mut outcome.faults).await?);
            }
            outcome.faults.extend(certified(store, entity, &records).await?);
            if SETTINGS.iter().any(|prefix| entity.starts_with(prefix)) {
                for Record { refers_to, new_hash, .. } in records {
                    if let (Some(key), Some(hash)) = (refers_to, new_hash) {
                        versions.insert(key.clone(), hash);
                        last.insert(entity.clone(), key);
                    }
                }
            } else {
                outcome.faults.extend(content(store, entity, &records).await?);
            }
        }
        settings(redis, store, &versions, &last, &mut outcome).await?;
        Ok(outcome)
    }
}

/// Reads the record of a line.
async fn record(
    redis: &Redis,
    store: &Store,
    entity: &str,
    n: u64,
    hash: &str,
    faults: &mut Vec<Fault>,
) -> Result<Option<Record>> {
    let key = names::audit(entity, n);
    let stored: Option<Record> = match store.bytes(&key).await? {
        Some(bytes) => match platform::json::read(&bytes) {
            Ok(record) => Some(record),
            Err(_) => {
                faults.push(fault(&key, "cannot be read"));
                return Ok(None);
            }
        },
        // The worker that claimed it may have died before it was stored; the next one stores it.
        None => audit::recent(redis, entity).await?.into_iter().find(|record| record.n == n),
    };
    let Some(record) = stored else {
        faults.push(fault(&key, "is missing"));
        return Ok(None);
    };
    if record.members().hash() == hash && record.hash == hash && record.entity == entity && record.n == n {
        return Ok(Some(record));
    }
    faults.push(fault(&key, "is other than its journal says"));
    Ok(None)
}

/// The fault of the certificate of an erasure that a chain has. After the erasure of a study its chain may go on.
async fn certified(store: &Store, entity: &str, records: &[Record]) -> Result<Option<Fault>> {
    let is_erasure = |record: &&Record| record.action == Action::Erased.as_str();
    let (kind, name) = entity.split_once('/').unwrap_or_default();
    let record = match kind {
        "study" => records.iter().rev().find(is_erasure),
        _ => records.last().filter(is_erasure),
    };
    let Some(record) = record else { return Ok(None) };
    let own = match kind {
        "subject" => {
            let own: Option<Certificate> = readable(store, &names::subject_erased(&name.into())).await?;
            own.map(|own| (own.erased_at, own.erased_by, own.reason))
        }
        "study" => {
            let own: Option<StudyErasure> = readable(store, &names::study_erasure(&name.into())).await?;
            if own.as_ref().is_some_and(|own| own.state == study::State::Erasing) {
                return Ok(None);
            }
            own.map(|own| (own.began_at, own.began_by, own.reason))
        }
        _ => return Ok(None),
    };
    let Some((at, by, reason)) = own else {
        return Ok(Some(fault(entity, "the certificate of its erasure is missing, or cannot be read")));
    };
    let is_so = at == record.at && by.as_str() == record.actor && record.reason.as_ref() == Some(&reason);
    Ok((!is_so).then(|| fault(entity, "the certificate of its erasure is other than its chain says")))
}

/// The faults of the record that a chain is about.
async fn content(store: &Store, entity: &str, records: &[Record]) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let Some(hash) = records.iter().rev().find_map(|record| record.new_hash.as_ref()) else { return Ok(faults) };
    match store.bytes(entity).await? {
        Some(stored) if hex(&digest(&stored)) == *hash => {}
        Some(_) => faults.push(fault(entity, "is other than its chain says")),
        None => {
            // Scores by other versions are removed with their submission.
            let of = entity.strip_prefix("rescored/").map(|id| names::submission(&id.into()));
            let of: Option<Outline> = match of {
                Some(key) => readable(store, &key).await?,
                None => None,
            };
            if of.is_none_or(|of| of.state != State::Erased) {
                faults.push(fault(entity, "is missing"));
            }
        }
    }
    Ok(faults)
}

/// Whether a key of a study is no version of its document, but its index or the certificate of its erasure.
fn is_beside_versions(key: &str) -> bool {
    key.strip_prefix(STUDY).is_some_and(|rest| !rest.contains('/') || rest.ends_with("/erasure"))
}

/// Compares all versions, the index of those in force, and the copies that Redis has.
async fn settings(
    redis: &Redis,
    store: &Store,
    versions: &BTreeMap<String, String>,
    last: &BTreeMap<String, String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut stored = BTreeMap::new();
    for prefix in SETTINGS {
        let mut listing = kv::list(prefix)?;
        loop {
            let page = listing.next_page(PAGE)?;
            if page.is_empty() {
                break;
            }
            let page = page.into_iter().filter(|(key, _)| !is_beside_versions(key));
            stored.extend(page.map(|(key, value)| (key, hex(&digest(&value)))));
        }
    }
    for (key, hash) in &stored {
        outcome.count += 1;
        match versions.get(key) {
            None => outcome.faults.push(fault(key, "is in no journal")),
            Some(said) if said != hash => outcome.faults.push(fault(key, "is other than its chain says")),
            Some(_) => {}
        }
    }
    for key in versions.keys().filter(|key| !stored.contains_key(*key)) {
        outcome.faults.push(fault(key, "is missing"));
    }
    let index = store.bytes(names::SETTINGS_INDEX).await?;
    let read: Index = match &index {
        Some(bytes) => kv::read(bytes).unwrap_or_else(|_| {
            outcome.faults.push(fault(names::SETTINGS_INDEX, "cannot be read"));
            Index::default()
        }),
        None => Index::default(),
    };
    for (name, version) in &read.documents {
        let (entity, key) = (names::config_entity(name), names::config(name, version.version));
        if last.get(&entity) != Some(&key) || versions.get(&key) != Some(&version.sha256) {
            outcome.faults.push(fault(entity, "another version is in force than the last one of its chain"));
        }
    }
    for (id, Versions { current, .. }) in &read.instruments {
        let entity = names::instrument_entity(id);
        let built_in = || library::instrument(id.as_str())?.ok().map(|it| it.version().to_owned());
        let key = current.clone().or_else(built_in).map(|version| names::instrument(id, version));
        if last.get(&entity) != key.as_ref() {
            outcome.faults.push(fault(entity, "another version is in force than the last one of its chain"));
        }
    }
    if unrecorded(store, &read).await? != read.unrecorded {
        outcome.faults.push(fault(names::SETTINGS_INDEX, "names other studies without looks of services than access"));
    }
    let unused = last.keys().filter(|entity| {
        let document = entity.strip_prefix("config/").is_some_and(|name| read.documents.contains_key(name));
        let instrument = entity.strip_prefix("instrument/").is_some_and(|id| read.instruments.contains_key(id));
        !document && !instrument && !entity.starts_with(STUDY)
    });
    outcome.faults.extend(unused.map(|entity| fault(entity, "no version of it is in force")));
    studies(redis, store, last, outcome).await?;
    copies(redis, &read, versions, outcome).await
}

/// The studies in which reads by keys are not recorded, as the document in force names them.
async fn unrecorded(store: &Store, index: &Index) -> Result<Vec<StudyId>> {
    let name = Document::Access.as_str();
    let Some(version) = index.documents.get(name) else { return Ok(Vec::new()) };
    let content: Option<Value> = store.get(&names::config(name, version.version)).await?;
    let access = content.and_then(|content| Access::read(&content).ok());
    Ok(access.map(|access| access.unrecorded).unwrap_or_default())
}

/// Compares what is in force of each study with the last version of its chain.
async fn studies(redis: &Redis, store: &Store, last: &BTreeMap<String, String>, outcome: &mut Outcome) -> Result<()> {
    for (entity, key) in last {
        let Some(study) = entity.strip_prefix(STUDY).map(StudyId::from) else { continue };
        let Some(index) = studies::Index::stored(store, &study).await? else {
            outcome.faults.push(fault(entity, "no version of it is in force"));
            continue;
        };
        let current = index.current().map(|current| names::study_version(&study, current.version));
        if current.as_ref() != Some(key) {
            outcome.faults.push(fault(entity, "another version is in force than the last one of its chain"));
            continue;
        }
        let is_so = store.bytes(key).await?.is_some_and(|content| index.is_of(&study, &content));
        if !is_so {
            outcome.faults.push(fault(entity, "what is in force of it is other than its document says"));
        } else if !index.is_in_force(redis, &study).await? {
            outcome.faults.push(fault(format!("{entity} in Redis"), "is other than the store has"));
        }
    }
    Ok(())
}

/// Compares the copies by which decisions are made.
async fn copies(
    redis: &Redis,
    index: &Index,
    versions: &BTreeMap<String, String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let reply = redis.command("HGETALL", vec![text(names::SETTINGS)]).await?;
    for pair in reply.as_chunks::<2>().0 {
        let [field, value] = pair;
        let (Some(field), Some(value)) = (string(field), string(value)) else { continue };
        let is_so = match field.as_str() {
            "revision" => true,
            // Where nothing was ever stored, Redis has an index without anything, too.
            "index" => kv::read::<Index>(value.as_bytes())
                .is_ok_and(|copy| copy.documents == index.documents && copy.instruments == index.instruments),
            "unrecorded" => value == index.unrecorded(),
            key => versions.get(key).is_some_and(|hash| *hash == hex(&digest(value.as_bytes()))),
        };
        if !is_so {
            outcome.faults.push(fault(format!("{field} in Redis"), "is other than the store has"));
        }
    }
    Ok(())
}
