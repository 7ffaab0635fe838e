//! Which subjects are one person, put together again from the links in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use rusqlite::Connection;
use state::names;
use state::subjects::links::{self, Links};
use state::wire::entry::Subject;

use super::{Counts, each, read};

/// How long the links are locked at most, and how often and after which time it is tried to lock them.
const LOCKED_MS: u32 = 60_000;
const TRIES: u32 = 100;
const WAIT: Duration = Duration::from_millis(200);

/// Writes the hash of linked subjects as the store has it. What it has of others is taken out.
pub(super) fn put_back(store: &Connection, redis: &mut redis::Connection, counts: &mut Counts) -> Result<()> {
    // Nobody links anybody meanwhile.
    let lock = || redis::cmd("SET").arg(names::LINKS_LOCK).arg("reindex").arg("NX").arg("PX").arg(LOCKED_MS).clone();
    let mut tries = 0;
    while lock().query::<Option<String>>(redis)?.is_none() {
        tries += 1;
        ensure!(tries < TRIES, "somebody links subjects all the time: try again");
        std::thread::sleep(WAIT);
    }
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    each(store, "subject/", "subject0", |key, value| {
        let subject = key.strip_prefix("subject/").and_then(|rest| rest.strip_suffix("/links"));
        match (subject, serde_json::from_slice::<Links>(value)) {
            (None, _) => {}
            (Some(subject), Ok(own)) if !own.links.is_empty() => {
                links.insert(subject.to_owned(), own.links.into_iter().map(|link| link.to).collect());
            }
            (Some(_), Ok(_)) => {}
            (Some(_), Err(_)) => counts.unreadable += 1,
        }
        Ok(())
    })?;
    let known: BTreeMap<String, String> = redis::cmd("HGETALL").arg(names::LINKS).query(redis)?;
    let mut found = BTreeMap::new();
    for subject in links.keys() {
        let person = links::write(&person(store, &links, subject)?);
        if known.get(subject) != Some(&person) {
            let _: u64 = redis::cmd("HSET").arg(names::LINKS).arg(subject).arg(&person).query(redis)?;
            counts.linked += 1;
        }
        found.insert(subject, person);
    }
    for stale in known.keys().filter(|subject| !found.contains_key(subject)) {
        let _: u64 = redis::cmd("HDEL").arg(names::LINKS).arg(stale).query(redis)?;
        counts.linked += 1;
    }
    let _: u64 = redis::cmd("DEL").arg(names::LINKS_LOCK).query(redis)?;
    Ok(())
}

/// The subjects of a person, each with its site.
fn person(
    store: &Connection,
    links: &BTreeMap<String, Vec<String>>,
    subject: &str,
) -> Result<BTreeMap<String, String>> {
    let (mut person, mut open) = (BTreeMap::new(), vec![subject.to_owned()]);
    while let Some(subject) = open.pop() {
        let record = read(store, &names::subject(&subject))?;
        let Some(record) = record.and_then(|record| serde_json::from_slice::<Subject>(&record).ok()) else { continue };
        if person.insert(subject.clone(), record.site_id).is_none() {
            open.extend(links.get(&subject).into_iter().flatten().cloned());
        }
    }
    Ok(person)
}
