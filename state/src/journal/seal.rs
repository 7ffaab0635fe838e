//! Seals journals: moves full segments from Redis into the store.
//!
//! Guarantee: a segment of a number has the same bytes whoever writes it, and is in the store before it leaves Redis.

use std::time::Duration;

use domain::ids::StudyId;
use platform::Error;
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, string};

use super::{AppendScript, Index, Position, SEGMENT, Segment, read};
use crate::lock::Lock;
use crate::names;

/// The most segments of a study that one call seals: it ends well before the lease does.
const MOST_SEALED: usize = 64;
/// The time for which one host seals.
const LEASE: Duration = Duration::from_secs(10);

script! {
    FullScript<'a> = "journal/full.lua",
    keys { journals: &'static str }
    args { prefix: &'a str, most: usize }
    reply Vec<StudyId>, by |reply| reply.iter().map(|study| Some(string(study)?.into())).collect()
}

script! {
    TrimScript<'a> = "journal/trim.lua",
    keys { journals: &'static str, journal: String }
    args { study: &'a str, last: String, next: String }
    reply (), by platform::redis::nothing
}

/// Moves full segments of all journals from Redis into the store. Returns how many.
///
/// # Errors
/// When Redis or the store is unavailable; the next call does the rest.
pub async fn seal(redis: &Redis) -> Result<usize, Error> {
    let full = FullScript { journals: names::JOURNALS, prefix: names::JOURNAL, most: 2 * SEGMENT };
    let studies = full.run(redis).await?;
    if studies.is_empty() {
        return Ok(0);
    }
    let Some(lock) = Lock::take(redis, names::JOURNAL_LOCK, LEASE).await? else { return Ok(0) };
    let store = Store::open().await?;
    let mut sealed = 0;
    for study in &studies {
        sealed += seal_one(redis, &store, study).await?;
    }
    lock.release(redis).await?;
    Ok(sealed)
}

async fn seal_one(redis: &Redis, store: &Store, study: &StudyId) -> Result<usize, Error> {
    let mut index = Index::stored(store, study).await?;
    let mut sealed = 0;
    loop {
        let (_, entries) = read(redis, study, Position::default(), 2 * SEGMENT).await?;
        if entries.first().is_some_and(|(first, _)| *first <= index.last()) {
            repair(redis, store, study, &index, &entries).await?;
            continue;
        }
        // The rest stays, for those who follow the journal.
        if entries.len() < 2 * SEGMENT || sealed == MOST_SEALED {
            return Ok(sealed);
        }
        let taken = entries.get(..SEGMENT).unwrap_or_default();
        let Some((last, _)) = taken.last() else { return Ok(sealed) };
        let number = index.next();
        let entries = taken.iter().map(|(at, line)| format!("{at} {line}")).collect();
        let segment = Segment { study: study.clone(), number, previous: index.hash.clone(), entries };
        let mut batch = Batch::default();
        index.hash = batch.put_hashed(names::journal_segment(study, number), &segment)?;
        index.segments.push(last.to_string());
        batch.put(names::journal_index(study), &index)?;
        kv::put_all(&mut batch)?;
        trim(redis, study, *last).await?;
        sealed += 1;
    }
}

/// Removes entries from Redis up to a position.
async fn trim(redis: &Redis, study: &StudyId, last: Position) -> Result<(), Error> {
    let next = Position { number: last.number.saturating_add(1), ..last };
    let (journals, journal) = (names::JOURNALS, names::journal(study));
    let (last, next) = (last.to_string(), next.to_string());
    TrimScript { journals, journal, study: study.as_str(), last, next }.run(redis).await
}

/// Mends the beginning of what Redis has where it lies before what is sealed: a host died between storing a segment and
/// trimming, or Redis was lost and its clock is behind. What is sealed is trimmed, and everything else appended again.
async fn repair(
    redis: &Redis,
    store: &Store,
    study: &StudyId,
    index: &Index,
    entries: &[(Position, String)],
) -> Result<(), Error> {
    let early = entries.iter().filter(|(at, _)| *at <= index.last());
    let mut lines = Vec::new();
    for (at, line) in early {
        let number = index.first(|last| last < *at).unwrap_or_default();
        let segment: Option<Segment> = store.get(&names::journal_segment(study, number)).await?;
        let own = format!("{at} {line}");
        if !segment.is_some_and(|segment| segment.entries.contains(&own)) {
            lines.push(line.clone());
        }
    }
    let (journal, after) = (names::journal(study), index.last().to_string());
    AppendScript { journal, study: study.as_str(), after, lines: &lines }.run(redis).await?;
    trim(redis, study, index.last()).await
}
