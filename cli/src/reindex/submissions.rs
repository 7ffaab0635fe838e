//! What follows from the submissions in the store: the lists of subjects and of a study's responses, the marks of those
//! that were superseded, the memory of those that were erased, and the counters of months.

use std::collections::BTreeMap;

use anyhow::Result;
use domain::Timestamp;
use rusqlite::Connection;
use serde::Deserialize;
use state::audit::{self, Action};
use state::erasure::Erasure;
use state::figures::monthly;
use state::names;
use state::subjects::timeline::Filed;
use state::wire::entry::{Record, State, Superseded};

use super::awaited::Awaited;
use super::{Counts, each, read};

/// Counters by their hash and field, as the store has them.
type Months = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Deserialize)]
struct Raised {
    severity: String,
}

/// Puts into Redis what it lost of them.
pub(super) fn put_back(store: &Connection, redis: &mut redis::Connection, counts: &mut Counts) -> Result<()> {
    let awaited = Awaited::read(store)?;
    let mut months = Months::new();
    each(store, "submission/", "submission0", |key, value| match key.strip_prefix("submission/") {
        Some(id) if !id.contains('/') => {
            let Ok(record) = serde_json::from_slice::<Record>(value) else {
                counts.unreadable += 1;
                return Ok(());
            };
            count(store, &record, &mut months)?;
            counts.awaited += u64::from(awaited.submission(redis, &record)?);
            match record.state {
                State::Scored => list(redis, &record, counts),
                State::Erased => erased(store, redis, &record, value, counts),
                State::Queued | State::Failed => Ok(()),
            }
        }
        Some(id) => {
            let superseded = id.strip_suffix("/superseded").zip(serde_json::from_slice::<Superseded>(value).ok());
            if let Some((id, Superseded { by, .. })) = superseded {
                let mark = names::superseded_mark(id);
                counts.superseded += redis::cmd("SETNX").arg(mark).arg(by).query::<u64>(redis)?;
            }
            Ok(())
        }
        None => Ok(()),
    })?;
    for (hash, fields) in months {
        let mut raise = redis::cmd("EVAL");
        raise.arg(include_str!("counters.lua")).arg(1).arg(hash);
        for (field, count) in fields {
            raise.arg(field).arg(count);
        }
        counts.counters += raise.query::<u64>(redis)?;
    }
    Ok(())
}

fn list(redis: &mut redis::Connection, record: &Record, counts: &mut Counts) -> Result<()> {
    let submission = &record.submission;
    counts.submissions += 1;
    if let Some(filed) = Filed::of(submission) {
        let mut add = redis::cmd("ZADD");
        add.arg(names::filed(&submission.subject)).arg("NX").arg(filed.at_ms).arg(filed.member());
        counts.listed += add.query::<u64>(redis)?;
    }
    if let (Some(instrument), Some(received)) = (&submission.instrument, Timestamp::parse(&submission.received_at)) {
        counts.responses += 1;
        let mut add = redis::cmd("ZADD");
        add.arg(names::responses(&submission.study_id, instrument)).arg("NX");
        add.arg(received.millis()).arg(&submission.submission_id);
        counts.responses_indexed += add.query::<u64>(redis)?;
    }
    Ok(())
}

/// Remembers an erasure as it was remembered when it was made, so that no resend and no worker brings back what is gone.
fn erased(
    store: &Connection,
    redis: &mut redis::Connection,
    record: &Record,
    tombstone: &[u8],
    counts: &mut Counts,
) -> Result<()> {
    let submission = &record.submission;
    let entity = names::submission(&submission.submission_id);
    let mut n = 0;
    while let Some(change) = read(store, &names::audit(&entity, n))? {
        n += 1;
        let Ok(change) = serde_json::from_slice::<audit::Record>(&change) else { continue };
        if change.action != Action::Erased.as_str() {
            continue;
        }
        let erasure = Erasure {
            at: change.at,
            actor: change.actor,
            reason: change.reason.unwrap_or_default(),
            tombstone: String::from_utf8_lossy(tombstone).into_owned(),
        };
        let mut remember = redis::cmd("EVAL");
        remember.arg(include_str!("erased.lua")).arg(2).arg(names::once(&submission.submission_id)).arg(names::ERASED);
        remember.arg(&submission.submission_id).arg(serde_json::to_string(&erasure)?);
        remember.arg(format!("{} {} {}", submission.study_id, submission.site_id, submission.received_at));
        counts.erased += remember.query::<u64>(redis)?;
        return Ok(());
    }
    counts.unreadable += 1;
    Ok(())
}

/// Counts a submission as the script does that finishes it. One that was erased stays counted; its alerts are not known
/// any more.
fn count(store: &Connection, record: &Record, months: &mut Months) -> Result<()> {
    let submission = &record.submission;
    if record.state == State::Failed {
        return Ok(());
    }
    let Some((month, field)) = monthly::submission(&submission.received_at, &submission.site_id) else { return Ok(()) };
    let mut fields = vec![field];
    for id in &record.alerts {
        let alert = read(store, &names::alert(id))?.and_then(|alert| serde_json::from_slice::<Raised>(&alert).ok());
        fields.extend(alert.map(|alert| monthly::alert(&alert.severity)));
    }
    let counters = months.entry(names::month(&submission.study_id, month)).or_default();
    for field in fields {
        *counters.entry(field).or_default() += 1;
    }
    Ok(())
}
