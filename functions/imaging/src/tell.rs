//! Notifies the requester of the end of an analysis, signed, with retries until it is delivered or given up.

use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::alert::retry::{self, GiveUp, Verdict};
use platform::deadline::Deadline;
use platform::digest::{digest, hex};
use platform::http::Url;
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, http, log};
use serde_json::json;
use state::alerts::webhook;
use state::imaging::jobs::{Analysis, Notified, QueueEntry};
use state::names;
use state::queue::FollowUps;
use state::wire::entry::{Attempt, failing};

use crate::config::Config;
use crate::worker::End;

/// The deadline of one call.
const DEADLINE: Duration = Duration::from_secs(10);
/// The most bytes that are read of an answer: only its status matters.
const LONGEST_ANSWER: usize = 1024;

pub(crate) async fn attempt(config: &Config, mut work: QueueEntry, handed_out: u32) -> Result<End, Error> {
    let id = work.job.analysis_id.clone();
    let nothing = || Ok(End::Finished(Batch::default(), FollowUps::default(), Vec::new()));
    let Some(address) = work.job.webhook.clone() else { return nothing() };
    let record: Option<Analysis> = Store::open().await?.get(&names::analysis(&id)).await?;
    let Some(record) = record.filter(|record| record.state != "erased") else { return nothing() };
    let (began, at) = (Instant::now(), clock::now());
    // An address that was removed from the configuration meanwhile is no longer called.
    let url = Url::parse(&address).ok();
    let target = url.and_then(|url| config.webhook(&url).map(|secret| (url.clone(), secret)));
    let Some((url, secret)) = target else {
        return follow(&work, Verdict::GiveUp(GiveUp::NotConfigured), &address);
    };
    if handed_out > config.max_attempts {
        return follow(&work, Verdict::GiveUp(GiveUp::Exhausted), &address);
    }
    let body = message(&record)?;
    let headers = webhook::headers(secret, &id, at, &body, &work.job.trace);
    let deadline = Deadline::after(DEADLINE);
    let answer = http::post(&url, &headers, body.into_bytes(), LONGEST_ANSWER, deadline).await;
    let (outcome, word, status) = webhook::outcome(&answer);
    let number = u32::try_from(work.attempts.len() + 1).unwrap_or(u32::MAX);
    let ended = retry::Attempt { number, elapsed_ms: 0, failing: failing(&work.attempts) };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    work.attempts.push(Attempt {
        at: at.rfc3339(),
        took_ms,
        outcome: word.to_owned(),
        reason: outcome.reason().map(str::to_owned),
        status,
        answer: String::new(),
        next_at: None,
    });
    follow(&work, config.schedule.decide(outcome, ended, clock::chance()), &address)
}

/// The message has the same bytes at every attempt.
fn message(record: &Analysis) -> Result<String, Error> {
    kv::json(&json!({"type": "analysis.ended", "timestamp": record.ended_at, "data": record}))
}

fn follow(work: &QueueEntry, verdict: Verdict, address: &str) -> Result<End, Error> {
    let mut delivery = Notified {
        receiver: hex(digest(address.as_bytes()).first_chunk::<8>().unwrap_or(&[0; 8])),
        state: "delivered".to_owned(),
        reason: None,
        next_at: None,
        attempts: work.attempts.clone(),
    };
    let id = &work.job.analysis_id;
    let mut follow_ups = FollowUps::default();
    match verdict {
        Verdict::Delivered => {}
        Verdict::Retry { after_ms, .. } => {
            let at = clock::now().millis().saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
            delivery.state = "pending".to_owned();
            delivery.next_at = Some(Timestamp::from_millis(at).rfc3339());
            follow_ups.delay(at, &work.job.flow(), &kv::json(work)?);
        }
        Verdict::GiveUp(reason) => {
            log::error("webhook-dead").submission(id).receiver(&delivery.receiver).outcome(reason.as_str()).write();
            delivery.state = "dead".to_owned();
            delivery.reason = Some(reason.as_str().to_owned());
            follow_ups.dead(reason.as_str(), kv::json(work)?.as_bytes());
        }
    }
    let mut batch = Batch::default();
    batch.put(names::analysis_webhook(id), &delivery)?;
    Ok(End::Finished(batch, follow_ups, Vec::new()))
}
