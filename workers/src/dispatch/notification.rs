//! Notifications: the calls that tell systems of the end of their analyses, and of the events to which they subscribed.
//!
//! Guarantee: at least once, always under one id, or a dead letter. What was erased is not told. Whatever their addresses
//! do, alerts do not wait for them: each address has a lane of its own, and the calls come on top of those of alerts (see
//! `lanes.rs`).
//!
//! Mechanism: the entry of the queue is the state: it says how many attempts were made. A result is stored; then the
//! script that ends the entry puts the next attempt among the due entries, or leaves a dead letter. Receivers, breakers,
//! slots and verdicts are those of alerts; the schedule is the one of alerts that are not critical.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Instant;

use domain::alert::retry::{self, Failing, Failure, GiveUp, Outcome, Verdict};
use domain::alert::routes::{Facts, Plan};
use domain::ids::{ReceiverId, SubmissionId};
use domain::{Severity, Timestamp};
use platform::kv::{self, Batch, Store};
use platform::{Error, clock, log};
use state::edge::looks::Look;
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Finished, FollowUps};
use state::wire::analysis::Notified;
use state::wire::entry::{Attempts, DeliveryState};
use state::wire::queued::{About, DispatchEntry, Notification};

use crate::dispatch::call::Request;
use crate::dispatch::config::{Config, Rules};
use crate::dispatch::job::{Happened, Task, What};
use crate::dispatch::lanes::LaneId;
use crate::dispatch::{analysis, event};

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
    pub(crate) lane: LaneId,
    /// The attempts so far, as an analysis shows them.
    attempts: Attempts,
    /// The body of the message while a call needs it; none if there is nothing to tell.
    body: Option<String>,
}

/// Returns the jobs that want a call, and the results of those that get none.
pub(crate) async fn take(
    config: &Config,
    store: &Store,
    rules: &Rc<Rules>,
    claimed: Vec<Claimed>,
) -> Result<(Vec<Task>, Vec<Happened>), Error> {
    let (mut tasks, mut happened) = (Vec::new(), Vec::new());
    for claimed in claimed {
        let (lane, attempts) = match &claimed.notification.about {
            About::Analysis(end) => (analysis::lane(config, end), analysis::attempts(store, end).await?),
            About::Event(event) => (event::lane(rules, event), Attempts::default()),
        };
        let (lane, refused) = match lane {
            Ok(lane) if config.is_worn_out(&claimed) => (lane, Some(Outcome::NotConfigured)),
            Ok(lane) => (lane, None),
            Err(outcome) => (LaneId::Analyses(ReceiverId::default()), Some(outcome)),
        };
        let (rules, since) = (Rc::clone(rules), Instant::now());
        let task = Task::Notification(Box::new(Job { claimed, rules, since, lane, attempts, body: None }));
        match refused {
            None => tasks.push(task),
            Some(outcome) => happened.push(Happened { task, what: What::NotCalled(outcome) }),
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

impl Job {
    pub(crate) fn flow(&self) -> String {
        self.claimed.notification.flow()
    }

    /// The channel, as metrics name it.
    pub(crate) fn channel(&self) -> &'static str {
        match self.claimed.notification.about {
            About::Analysis(_) => "analysis",
            About::Event(_) => "event",
        }
    }

    /// Reads the content of the message. Returns the look that must be recorded before it is sent.
    pub(crate) async fn load(&mut self, config: &Config, store: &Store) -> Result<Option<Look>, Error> {
        let notification = &self.claimed.notification;
        let (body, look) = match &notification.about {
            About::Analysis(end) => (analysis::body(store, end).await?, None),
            About::Event(event) => event::body(config, store, &self.rules, notification, event).await?.unzip(),
        };
        self.body = body;
        Ok(look.flatten())
    }

    /// The request; the outcome if there can be none.
    pub(crate) fn request(&mut self, config: &Config, at: Timestamp) -> Result<Request, Outcome> {
        let body = self.body.take().ok_or(Outcome::NotConfigured)?;
        match &self.claimed.notification.about {
            About::Analysis(end) => analysis::request(config, end, at, body, &self.claimed.notification.trace),
            About::Event(event) => event::request(&self.rules, event, at, body),
        }
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
        let (outcome, attempt) = match what {
            What::Held { until, why } => return Decision::Held { at: until, why: why.as_str() },
            What::Called { outcome, attempt, .. } => (outcome, Some(attempt)),
            What::NotCalled(_) | What::Escalated if config.is_worn_out(&self.claimed) => {
                return Decision::GivenUp(GiveUp::Exhausted);
            }
            What::NotCalled(outcome) => (outcome, None),
            What::Escalated => return Decision::GivenUp(GiveUp::NotConfigured),
        };
        let Notification { made, since, failing, .. } = &self.claimed.notification;
        let number = made.saturating_add(1);
        let elapsed_ms = since.map_or(0, |since| now.ms_since(Timestamp::from_millis(since)));
        let failing = failing
            .as_ref()
            .and_then(|(because, times)| Some(Failing { because: Failure::parse(because)?, times: *times }));
        let ended = retry::Attempt { number, elapsed_ms, failing };
        let decision = match self.plan().schedule.decide(outcome, ended, clock::chance()) {
            Verdict::Delivered => Decision::Delivered,
            Verdict::Retry { after_ms, because } => {
                let failing = Failing::after(failing, because);
                Decision::Again { at: now.plus_ms(after_ms), failing }
            }
            Verdict::GiveUp(reason) => Decision::GivenUp(reason),
        };
        if let Some(mut attempt) = attempt {
            if let Decision::Again { at, .. } = &decision {
                attempt.next_at = Some(at.rfc3339());
            }
            self.attempts.push(attempt);
        }
        decision
    }
}

/// The decision after a result.
enum Decision {
    Delivered,
    /// It is called at this time; the last attempt failed.
    Again {
        at: Timestamp,
        failing: Failing,
    },
    /// It is called at this time; that it waits does not count as an attempt.
    Held {
        at: Timestamp,
        why: &'static str,
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
    let Job { claimed: Claimed { entry, notification, .. }, attempts, rules, .. } = job;
    let (flow, made) = (notification.flow(), notification.made.saturating_add(1));
    let (receiver, about, trace) = match &notification.about {
        About::Analysis(end) => (end.receiver(), end.analysis_id.clone().into_submission(), &*notification.trace),
        About::Event(event) => (event::receiver(&rules, event), event.submission.clone(), ""),
    };
    let line = |line: log::Line| line.submission(&about).receiver(&receiver).trace(trace).attempt(made);
    let mut notified = Notified { receiver: receiver.clone(), attempts, ..Notified::default() };
    let (mut follow_ups, mut over) = (FollowUps::default(), true);
    let mut later = |at: Timestamp, why: &'static str, next: Notification| {
        (notified.reason, notified.next_at, over) = (Some(why.to_owned()), Some(at.rfc3339()), false);
        follow_ups.delay(at.millis(), &flow, &DispatchEntry::Notification(&next).line()?);
        Ok::<_, Error>(DeliveryState::Pending)
    };
    notified.state = match decision {
        Decision::Delivered => {
            line(log::info("webhook-delivered")).write();
            DeliveryState::Delivered
        }
        Decision::Again { at, failing } => {
            let why = failing.because.as_str();
            line(log::warn("webhook-not-delivered")).outcome(why).write();
            let since = notification.since.or(Some(now.millis()));
            let failing = Some((why.to_owned(), failing.times));
            later(at, why, Notification { made, since, failing, ..notification.clone() })?
        }
        Decision::Held { at, why } => {
            line(log::info("webhook-held")).outcome(why).write();
            later(at, why, notification.clone())?
        }
        Decision::GivenUp(GiveUp::NotConfigured) if matches!(notification.about, About::Event(_)) => {
            // Nobody subscribes any more, or the content was erased.
            line(log::info("event-dropped")).write();
            DeliveryState::Withdrawn
        }
        Decision::GivenUp(reason) => {
            line(log::error("webhook-dead")).outcome(reason.as_str()).write();
            notified.reason = Some(reason.as_str().to_owned());
            // Whoever replays it wants the whole schedule again.
            let again = Notification { made: 0, since: None, failing: None, ..notification.clone() };
            follow_ups.dead(reason.as_str(), DispatchEntry::Notification(&again).line()?.as_bytes());
            DeliveryState::Dead
        }
    };
    let submission = match notification.about {
        About::Analysis(end) => {
            batch.put(names::analysis_webhook(&end.analysis_id), &notified)?;
            // The script leaves the entry if the analysis was erased, as it does with submissions.
            Some(end.analysis_id.into_submission())
        }
        About::Event(event) => {
            if over {
                follow_ups.told(&event.subscription, &event.id);
            }
            None
        }
    };
    Ok(Finished { id: entry, submission, follow_ups })
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
