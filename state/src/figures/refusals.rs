//! Counts what never reaches a queue: documents refused for their faults or their length, keys refused for what they
//! are, and what a full queue or a limit turned away.
//!
//! Guarantee: counting costs the client nothing. A refusal is added to a small table of the instance and the reply goes
//! out; a task beside it hands the table to Redis. One such task runs in an instance at a time, and takes along whatever
//! was added while it was away, so that a flood of refusals becomes a few scripts and never a queue of them.
//!
//! Waiting for the next submission's script instead would save that task, and would lose the counts where they matter
//! most: at a door that lets nobody through. What cannot be handed over stays in the table for the next time; the end of
//! the instance loses it. These are counters, not the audit trail.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use spin_sdk::wasip3;

use crate::names;
use platform::deadline::Deadline;
use platform::log;
use platform::redis::{Redis, text};

/// The most that handing over may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most different counters that wait in an instance.
const MOST_WAITING: usize = 256;
/// The most counters there are.
const MOST_FIELDS: u32 = 100_000;
/// Stands for what is not known.
pub const UNKNOWN: &str = "*";

/// The field of a counter, and the one that stands for it where there are too many.
type Counter = (String, String);

#[derive(Default)]
struct Table {
    waiting: BTreeMap<Counter, u64>,
    running: bool,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::new(Table::default());
}

/// Counts a refusal by its outcome; none is no refusal of a submission. `study`, `site` and `kind` are [`UNKNOWN`] where they are not known; a study or a site must be one
/// that the key covers.
pub fn refused(redis: &Redis, outcome: Option<&'static str>, study: &str, site: &str, kind: &'static str) {
    if let Some(outcome) = outcome {
        count(redis, outcome, study, site, kind, 1);
    }
}

/// Adds to a counter.
pub fn count(redis: &Redis, outcome: &'static str, study: &str, site: &str, kind: &'static str, by: u64) {
    let field = format!("{outcome}|{study}|{site}|{kind}");
    add(redis, (field, format!("{outcome}|{UNKNOWN}|{UNKNOWN}|{kind}")), by);
}

/// Counts a call to one of the users' services, a name of the configuration, by how it ended.
pub fn called(redis: &Redis, service: &str, outcome: &'static str) {
    add(redis, (format!("call|{service}|{outcome}"), format!("call|{UNKNOWN}|{outcome}")), 1);
}

fn add(redis: &Redis, mut counter: Counter, by: u64) {
    let start = TABLE.with_borrow_mut(|table| {
        if table.waiting.len() >= MOST_WAITING && !table.waiting.contains_key(&counter) {
            counter.0.clone_from(&counter.1);
        }
        *table.waiting.entry(counter).or_default() += by;
        !std::mem::replace(&mut table.running, true)
    });
    if start {
        let redis = redis.clone();
        wasip3::spawn(async move { hand_over(&redis).await });
    }
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
        let mut arguments = vec![text(MOST_FIELDS.to_string())];
        for ((field, instead), by) in &taken {
            arguments.extend([text(field), text(instead), text(by.to_string())]);
        }
        let script = redis.eval(lua!("queue/tally.lua"), &[names::STATS], arguments);
        let failed = match Deadline::after(PATIENCE).run(script).await {
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
