//! Notifications: the calls that tell requesters of the end of their analyses.
//!
//! Guarantee: at least once, always under the analysis' id, or a dead letter. What was erased is not told. Whatever their
//! addresses do, alerts do not wait for them: each configured address has a lane of its own, and the calls come on top of
//! those of alerts (see `lanes.rs`).
//!
//! Mechanism: the entry of the queue is the state: it says how many attempts were made. A result is stored; then the
//! script that ends the entry puts the next attempt among the due entries, or leaves a dead letter. Receivers, breakers,
//! slots and verdicts are those of alerts; the schedule is the one of alerts that are not critical.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Instant;

use domain::alert::retry::{self, GiveUp, Outcome, Verdict};
use domain::alert::routes::{Facts, Plan};
use domain::ids::{ReceiverId, SubmissionId};
use domain::{Severity, Timestamp};
use platform::http::Url;
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, log};
use serde::Deserialize;
use state::alerts::webhook;
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Finished, FollowUps};
use state::wire::analysis::{AnalysisState, Notified};
use state::wire::entry::{Attempts, DeliveryState, failing};
use state::wire::queued::{DispatchEntry, Notification};

use crate::dispatch::call::Request;
use crate::dispatch::config::{Config, Rules};
use crate::dispatch::job::{Happened, Task, What};
use crate::dispatch::lanes::LaneId;

/// A claimed entry.
pub(crate) struct Claimed {
    /// The entry of the stream.
    pub(crate) entry: String,
    /// The number of times that it was handed out.
    pub(crate) handed_out: u32,
    pub(crate) notification: Notification,
}

/// One notification that this worker holds.
pub(crate) struct Job {
    pub(crate) claimed: Claimed,
    pub(crate) rules: Rc<Rules>,
    /// The time when this worker got it.
    pub(crate) since: Instant,
    /// The attempts so far.
    attempts: Attempts,
    /// The record of the analysis, while a call needs it.
    record: Option<Vec<u8>>,
    lane: ReceiverId,
}

/// Reads the attempts so far. Returns the jobs that want a call, and the results of those that get none.
pub(crate) async fn take(
    config: &Config,
    store: &Store,
    rules: &Rc<Rules>,
    claimed: Vec<Claimed>,
) -> Result<(Vec<Task>, Vec<Happened>), Error> {
    let (mut tasks, mut happened) = (Vec::new(), Vec::new());
    for claimed in claimed {
        let notified: Option<Notified> = store.get(&names::analysis_webhook(&claimed.notification.analysis_id)).await?;
        let url = Url::parse(&claimed.notification.webhook).ok();
        let webhook = url.and_then(|url| config.webhooks.find(&url)).filter(|_| !config.is_worn_out(&claimed));
        let task = Task::Notification(Job {
            claimed,
            rules: Rc::clone(rules),
            since: Instant::now(),
            attempts: notified.map(|notified| notified.attempts).unwrap_or_default(),
            record: None,
            lane: webhook.map(|webhook| webhook.id.clone()).unwrap_or_default(),
        });
        match webhook {
            Some(_) => tasks.push(task),
            None => happened.push(Happened { task, what: What::NotCalled(Outcome::NotConfigured) }),
        }
    }
    Ok((tasks, happened))
}

impl Config {
    /// Whether an entry was handed out so often that it may be the one that brings workers down.
    fn is_worn_out(&self, claimed: &Claimed) -> bool {
        claimed.handed_out > self.max_attempts
    }
}

/// The part of an analysis' record that decides about its message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    state: AnalysisState,
    #[serde(borrow)]
    ended_at: &'a str,
}

impl Job {
    pub(crate) fn lane(&self) -> LaneId {
        LaneId::Analyses(self.lane.clone())
    }

    pub(crate) fn flow(&self) -> String {
        self.claimed.notification.flow()
    }

    /// Reads the content of the message.
    pub(crate) async fn load(&mut self, store: &Store) -> Result<(), Error> {
        self.record = store.bytes(&names::analysis(&self.claimed.notification.analysis_id)).await?;
        Ok(())
    }

    /// The request; the outcome if there can be none. Its body is the same at every attempt.
    pub(crate) fn request(&mut self, config: &Config, at: Timestamp) -> Result<Request, Outcome> {
        let Notification { analysis_id, webhook, trace, .. } = &self.claimed.notification;
        let url = Url::parse(webhook).map_err(|_| Outcome::NotConfigured)?;
        let secret = &config.webhooks.find(&url).ok_or(Outcome::NotConfigured)?.secret;
        let record = String::from_utf8(self.record.take().unwrap_or_default()).unwrap_or_default();
        let ended: Ended<'_> = serde_json::from_str(&record).map_err(|_| Outcome::Refused)?;
        if ended.state == AnalysisState::Erased {
            return Err(Outcome::NotConfigured);
        }
        let body = format!(r#"{{"data":{record},"timestamp":"{}","type":"analysis.ended"}}"#, ended.ended_at);
        let secrets = std::slice::from_ref(secret);
        let headers = webhook::headers(secrets, analysis_id.as_str(), at, ("application/json", &body), trace);
        Ok(Request { url, headers, body: body.into_bytes() })
    }

    /// The settings of mild alerts of the same site: a notification is tried again by their schedule.
    fn plan(&self) -> Plan<'_> {
        let Notification { study_id, site_id, .. } = &self.claimed.notification;
        let (study, site) = (study_id.as_str(), site_id.as_str());
        let facts = Facts { study, site, subject: "", instrument: "", rule: "", severity: Severity::Info };
        self.rules.routes.plan(&facts)
    }

    /// Decides what follows from a result. Keeps the attempt.
    fn verdict(&mut self, config: &Config, what: What, now: Timestamp) -> Decision {
        match what {
            What::Held { until, why } => Decision::Later { at: until, why: why.as_str(), counts: false },
            What::Called { outcome, mut attempt, .. } => {
                let Notification { made, since, .. } = self.claimed.notification;
                let all = &self.attempts.attempts;
                let first = all.len().saturating_sub(usize::try_from(made).unwrap_or(usize::MAX));
                let elapsed_ms = since.map_or(0, |since| now.ms_since(Timestamp::from_millis(since)));
                let failing = failing(all.get(first..).unwrap_or_default());
                let number = made.saturating_add(1);
                let ended = retry::Attempt { number, elapsed_ms, failing };
                let decision = match self.plan().schedule.decide(outcome, ended, clock::chance()) {
                    Verdict::Delivered => Decision::Delivered,
                    Verdict::Retry { after_ms, because } => {
                        Decision::Later { at: now.plus_ms(after_ms), why: because.as_str(), counts: true }
                    }
                    Verdict::GiveUp(reason) => Decision::GivenUp(reason),
                };
                if let Decision::Later { at, .. } = &decision {
                    attempt.next_at = Some(at.rfc3339());
                }
                self.attempts.push(attempt);
                decision
            }
            What::NotCalled(_) | What::Escalated if config.is_worn_out(&self.claimed) => {
                Decision::GivenUp(GiveUp::Exhausted)
            }
            What::NotCalled(_) | What::Escalated => Decision::GivenUp(GiveUp::NotConfigured),
        }
    }
}

/// The decision after a result.
enum Decision {
    Delivered,
    /// It is tried at this time. Only a call counts as an attempt.
    Later {
        at: Timestamp,
        why: &'static str,
        counts: bool,
    },
    GivenUp(GiveUp),
}

/// Adds results to what is stored. Returns the entries that [`finish`] ends. Results for entries that others hold by now
/// do not count.
pub(crate) async fn record(
    config: &Config,
    holder: &Holder,
    results: Vec<(Job, What)>,
    batch: &mut Batch,
) -> Result<Vec<Finished>, Error> {
    let ids: Vec<&str> = results.iter().map(|(job, _)| job.claimed.entry.as_str()).collect();
    let held = queue::held(&config.redis, Queue::Dispatch, holder, &ids).await?;
    let own = results.into_iter().zip(held).filter_map(|(result, held)| held.then_some(result));
    own.map(|(job, what)| ended(config, job, what, batch)).collect()
}

fn ended(config: &Config, mut job: Job, what: What, batch: &mut Batch) -> Result<Finished, Error> {
    let now = clock::now();
    let decision = job.verdict(config, what, now);
    let Job { claimed: Claimed { entry, notification, .. }, attempts, .. } = job;
    let (flow, receiver, id) = (notification.flow(), notification.receiver(), notification.analysis_id.clone());
    let line = |line: log::Line| {
        line.submission(&id).receiver(&receiver).trace(&notification.trace).attempt(notification.made.saturating_add(1))
    };
    let mut notified = Notified { receiver: receiver.clone(), attempts, ..Notified::default() };
    let mut follow_ups = FollowUps::default();
    notified.state = match decision {
        Decision::Delivered => {
            line(log::info("webhook-delivered")).write();
            DeliveryState::Delivered
        }
        Decision::Later { at, why, counts } => {
            let event = if counts { log::warn("webhook-not-delivered") } else { log::info("webhook-held") };
            line(event).outcome(why).write();
            (notified.reason, notified.next_at) = (Some(why.to_owned()), Some(at.rfc3339()));
            let next = match counts {
                true => Notification {
                    made: notification.made.saturating_add(1),
                    since: notification.since.or(Some(now.millis())),
                    ..notification
                },
                false => notification,
            };
            follow_ups.delay(at.millis(), &flow, &DispatchEntry::Notification(&next).line()?);
            DeliveryState::Pending
        }
        Decision::GivenUp(reason) => {
            line(log::error("webhook-dead")).outcome(reason.as_str()).write();
            notified.reason = Some(reason.as_str().to_owned());
            // Whoever replays it wants the whole schedule again.
            let again = Notification { made: 0, since: None, ..notification };
            follow_ups.dead(reason.as_str(), DispatchEntry::Notification(&again).line()?.as_bytes());
            DeliveryState::Dead
        }
    };
    batch.put(names::analysis_webhook(&id), &notified)?;
    // The script leaves the entry if the analysis was erased, as it does with submissions.
    Ok(Finished { id: entry, submission: Some(id.into_submission()), follow_ups })
}

/// Ends entries whose results are stored. What is stored of erased analyses is removed, and nothing follows.
pub(crate) async fn finish(config: &Config, holder: &Holder, mut entries: Vec<Finished>) -> Result<(), Error> {
    let end = async |entries: &[Finished]| queue::finish(&config.redis, Queue::Dispatch, holder, entries).await;
    let erased: BTreeSet<SubmissionId> = end(&entries).await?.erased.into_iter().collect();
    entries.retain(|one| one.submission.as_ref().is_some_and(|id| erased.contains(id)));
    for id in &erased {
        log::info("analysis-dropped").submission(id).outcome("erased").write();
    }
    kv::remove_all(&erased.iter().map(|id| names::analysis_webhook(&id.as_str().into())).collect::<Vec<_>>())?;
    let over = entries.into_iter().map(|one| Finished { submission: None, follow_ups: FollowUps::default(), ..one });
    end(&over.collect::<Vec<_>>()).await.map(|_| ())
}
