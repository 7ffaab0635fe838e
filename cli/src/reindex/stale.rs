//! Removes index entries in Redis that have no record in the store.
//!
//! Guarantee: it removes nothing that is being written. A record is in the store before any index names it, so an entry
//! without a record was erased, or belongs to another store.

use anyhow::{Context as _, Result};
use domain::alert::state::Phase;
use domain::ids::{AlertId, Pseudonym, SubmissionId};
use platform::kv::Store;
use platform::redis::{Redis, integer, string, text};
use serde::Deserialize;
use spin_sdk::redis::RedisParameter;
use state::alerts::rebuild;
use state::names;
use state::wire::entry::State;

use super::Counts;

/// The number of members that one look at a key asks for.
const PAGE: u32 = 1000;

#[derive(Deserialize)]
struct Stored {
    state: State,
    submission: Whose,
}

#[derive(Deserialize)]
struct Whose {
    subject: Pseudonym,
}

/// Takes out what is stale, and counts alerts again.
pub(super) async fn take_out(redis: &Redis, store: &Store, counts: &mut Counts) -> Result<()> {
    for list in keys(redis, &names::filed(&"*".into())).await? {
        let of_list = |stored: &Stored| list == names::filed(&stored.submission.subject);
        counts.stale_submissions += submissions(redis, store, &list, of_list).await?;
    }
    let phases = Phase::WORDS.map(|phase| (names::alerts_of(phase), Some(phase)));
    for (index, phase) in [(names::ALERTS.to_owned(), None)].into_iter().chain(phases) {
        let (mut unknown, mut known) = (Vec::new(), Vec::new());
        for id in members(redis, &index).await?.into_iter().map(AlertId::from) {
            let stored = store.bytes(&names::alert(&id)).await?.is_some();
            if stored { known.push(id) } else { unknown.push(id) }
        }
        for some in unknown.chunks(PAGE as usize) {
            counts.stale_alerts += rebuild::take_out(redis, &index, some).await?;
        }
        let Some(phase) = phase else { continue };
        for some in known.chunks(PAGE as usize) {
            counts.stale_alerts += rebuild::take_misplaced(redis, phase, some).await?;
        }
    }
    rebuild::recount(redis).await?;
    Ok(())
}

/// Takes out of a list the submissions that are not stored, or do not belong there.
async fn submissions(redis: &Redis, store: &Store, list: &str, belongs: impl Fn(&Stored) -> bool) -> Result<u64> {
    let mut stale = Vec::new();
    for member in members(redis, list).await? {
        // A subject's list tells also the site and the instrument.
        let id = SubmissionId::from(member.split(' ').next().unwrap_or_default());
        let stored = store.bytes(&names::submission(&id)).await?;
        let stored = stored.and_then(|record| serde_json::from_slice::<Stored>(&record).ok());
        if !stored.is_some_and(|stored| stored.state == State::Scored && belongs(&stored)) {
            stale.push(member);
        }
    }
    let mut gone = 0;
    for some in stale.chunks(PAGE as usize) {
        let arguments = [text(list)].into_iter().chain(some.iter().map(text)).collect();
        let reply = redis.command("ZREM", arguments).await?;
        gone += u64::try_from(reply.first().and_then(integer).unwrap_or(0))?;
    }
    Ok(gone)
}

async fn keys(redis: &Redis, pattern: &str) -> Result<Vec<String>> {
    scan(redis, "SCAN", &[], &["MATCH", pattern]).await
}

async fn members(redis: &Redis, index: &str) -> Result<Vec<String>> {
    let members = scan(redis, "ZSCAN", &[index], &[]).await?;
    // Each comes with its score.
    Ok(members.into_iter().step_by(2).collect())
}

async fn scan(redis: &Redis, command: &str, key: &[&str], pattern: &[&str]) -> Result<Vec<String>> {
    let (mut all, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let count = PAGE.to_string();
        let words = key.iter().copied().chain([cursor.as_str()]).chain(pattern.iter().copied());
        let arguments: Vec<RedisParameter> = words.chain(["COUNT", &count]).map(text).collect();
        let reply = redis.command(command, arguments).await?;
        let (next, found) = reply.split_first().with_context(|| format!("unexpected reply of {command}"))?;
        all.extend(found.iter().filter_map(string));
        cursor = string(next).with_context(|| format!("unexpected reply of {command}"))?;
        if cursor == "0" {
            return Ok(all);
        }
    }
}
