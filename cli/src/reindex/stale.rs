//! What Redis lists and the store does not have: it is taken out of the indexes.
//!
//! Guarantee: nothing is taken out that is being written. A record is in the store before any index names it, so what an
//! index names and the store does not have was erased, or belongs to another store.

use anyhow::Result;
use domain::alert::state::Phase;
use rusqlite::Connection;
use serde::Deserialize;
use state::names;
use state::wire::entry::State;

use super::{Counts, read};

/// How many members one look at a key asks for.
const PAGE: u32 = 1000;

#[derive(Deserialize)]
struct Stored {
    state: State,
    submission: Whose,
}

#[derive(Deserialize)]
struct Whose {
    subject: String,
}

/// Takes out what is stale, and counts alerts again.
pub(super) fn take_out(store: &Connection, redis: &mut redis::Connection, counts: &mut Counts) -> Result<()> {
    for list in keys(redis, &names::filed("*"))? {
        let of_list = |stored: &Stored| list == names::filed(&stored.submission.subject);
        counts.stale_submissions += submissions(store, redis, &list, of_list)?;
    }
    for list in keys(redis, &names::responses("*", "*"))? {
        counts.stale_submissions += submissions(store, redis, &list, |_| true)?;
    }
    let phases = Phase::WORDS.map(names::alerts_of);
    for (list, phase) in [names::ALERTS.to_owned()].iter().chain(&phases).zip([""].iter().chain(&Phase::WORDS)) {
        for id in members(redis, list)? {
            let known = if read(store, &names::alert(&id))?.is_some() { "1" } else { "0" };
            let mut call = redis::cmd("EVAL");
            call.arg(include_str!("stale.lua")).arg(5);
            call.arg(names::ALERTS)
                .arg(names::ALERT_FACTS)
                .arg(names::ALERTS_NEXT)
                .arg(names::alert_state(&id))
                .arg(list);
            call.arg(&id).arg(known).arg(names::alerts_of("")).arg(phase);
            counts.stale_alerts += call.query::<u64>(redis)?;
        }
    }
    let mut recount = redis::cmd("EVAL");
    recount.arg(include_str!("recount.lua")).arg(2).arg(names::ALERT_FACTS).arg(names::ALERT_COUNTS);
    Ok(recount.query(redis)?)
}

/// Takes out of a list the submissions that are not stored, or do not belong there.
fn submissions(
    store: &Connection,
    redis: &mut redis::Connection,
    list: &str,
    belongs: impl Fn(&Stored) -> bool,
) -> Result<u64> {
    let mut stale = 0;
    for member in members(redis, list)? {
        // A subject's list tells also the site and the instrument.
        let id = member.split(' ').next().unwrap_or_default();
        let stored = read(store, &names::submission(id))?;
        let stored = stored.and_then(|record| serde_json::from_slice::<Stored>(&record).ok());
        if !stored.is_some_and(|stored| stored.state == State::Scored && belongs(&stored)) {
            stale += redis::cmd("ZREM").arg(list).arg(&member).query::<u64>(redis)?;
        }
    }
    Ok(stale)
}

fn keys(redis: &mut redis::Connection, pattern: &str) -> Result<Vec<String>> {
    let scan = redis::cmd("SCAN").cursor_arg(0).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE).clone();
    Ok(scan.iter::<String>(redis)?.collect::<redis::RedisResult<_>>()?)
}

fn members(redis: &mut redis::Connection, list: &str) -> Result<Vec<String>> {
    let scan = redis::cmd("ZSCAN").arg(list).cursor_arg(0).arg("COUNT").arg(PAGE).clone();
    let scored = scan.iter::<(String, f64)>(redis)?.collect::<redis::RedisResult<Vec<_>>>()?;
    Ok(scored.into_iter().map(|(member, _)| member).collect())
}
