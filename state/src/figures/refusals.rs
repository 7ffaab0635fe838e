//! Counts refusals, which never reach a queue: documents with faults or too long, keys that are unknown or not allowed,
//! and submissions refused by a full queue or a rate limit.
//!
//! Guarantee: counting does not delay the client. A refusal is added to a small table of the instance, and the reply
//! goes out. A background task writes the table to Redis. One such task runs per instance at a time. It also takes the
//! refusals added while it was writing, so a flood of refusals needs few scripts and never builds a queue of them.
//!
//! An alternative would be to send the counts with the next submission's script. That saves the task, but loses the
//! counts when they matter most: when the door refuses everybody. If a write fails, the counts stay in the table for
//! the next write; when the instance ends, they are lost. These are counters, not the audit trail.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use platform::deadline::Deadline;
use platform::log;
use platform::redis::{Redis, nothing};
use spin_sdk::wasip3;

use crate::names;

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most different counters that wait in an instance.
const MOST_WAITING: usize = 256;
/// Stands for an unknown value.
pub const UNKNOWN: &str = "*";

#[derive(Default)]
struct Table {
    waiting: BTreeMap<String, u64>,
    running: bool,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::new(Table::default());
}

/// Counts a refusal by its outcome; none means that it was no refusal of a submission. `study`, `site` and `kind` are
/// [`UNKNOWN`] if they are not known. A known study or site must be one that the key covers.
pub fn refused(redis: &Redis, outcome: Option<&'static str>, study: &str, site: &str, kind: &'static str) {
    if let Some(outcome) = outcome {
        count(redis, outcome, study, site, kind, 1);
    }
}

/// Adds to a counter.
pub fn count(redis: &Redis, outcome: &'static str, study: &str, site: &str, kind: &'static str, by: u64) {
    let field = format!("{outcome}|{study}|{site}|{kind}");
    add(redis, field, || format!("{outcome}|{UNKNOWN}|{UNKNOWN}|{kind}"), by);
}

/// Counts a call to one of the users' services, named in the configuration, by its outcome.
pub fn called(redis: &Redis, service: &str, outcome: &'static str) {
    add(redis, format!("call|{service}|{outcome}"), || format!("call|{UNKNOWN}|{outcome}"), 1);
}

/// Adds to the counter of this field, or to its substitute when too many different ones wait.
fn add(redis: &Redis, field: String, substitute: impl FnOnce() -> String, by: u64) {
    let start = TABLE.with_borrow_mut(|table| {
        let full = table.waiting.len() >= MOST_WAITING && !table.waiting.contains_key(&field);
        *table.waiting.entry(if full { substitute() } else { field }).or_default() += by;
        !std::mem::replace(&mut table.running, true)
    });
    if start {
        let redis = redis.clone();
        wasip3::spawn(async move { hand_over(&redis).await });
    }
}

script! {
    TallyScript<'a> = after flows "queue/tally.lua",
    keys { stats: &'static str }
    args { counters: &'a BTreeMap<String, u64> }
    reply (), by nothing
}

async fn hand_over(redis: &Redis) {
    loop {
        let taken = TABLE.with_borrow_mut(|table| {
            table.running = !table.waiting.is_empty();
            std::mem::take(&mut table.waiting)
        });
        if taken.is_empty() {
            return;
        }
        let script = TallyScript { stats: names::STATS, counters: &taken };
        let failed = match Deadline::after(PATIENCE).run(script.run(redis)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(timed_out) => {
                redis.forget();
                Some(timed_out.to_string())
            }
        };
        if let Some(cause) = failed {
            log::warn("counters-kept-back").cause(&cause).write();
            TABLE.with_borrow_mut(|table| {
                for (counter, by) in taken {
                    *table.waiting.entry(counter).or_default() += by;
                }
                table.running = false;
            });
            return;
        }
    }
}
