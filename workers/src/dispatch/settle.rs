//! Settles finished work: turns all results into steps, stores them, and writes them together.

use domain::alert::retry::Outcome;
use domain::alert::state::{Delivery, Effect, Ignored, State, Status, Step};
use platform::kv::{Batch, Store};
use platform::{Error, clock, log};
use state::alerts::change::{self, Change};
use state::alerts::receivers;
use state::alerts::{self, Happening, Loaded, Stepped};
use state::names;
use state::queue::holder::Holder;
use state::wire::entry::{Due, Work};

use crate::dispatch::config::Config;
use crate::dispatch::erased;
use crate::dispatch::job::{Happened, Job, Task, What};
use crate::dispatch::lanes::{LaneId, Lanes};
use crate::dispatch::notification;

/// A step to be written.
struct Pending {
    job: Job,
    what: What,
    before: Loaded,
    step: Step,
}

/// Stores and writes results. Returns how many jobs ended.
pub(crate) async fn settle(
    config: &Config,
    store: &Store,
    holder: &Holder,
    lanes: &mut Lanes,
    happened: Vec<Happened>,
) -> Result<usize, Error> {
    if happened.is_empty() {
        return Ok(0);
    }
    let (now, count) = (clock::now(), happened.len());
    let (mut others, mut batch, mut pending) = (Vec::new(), Batch::default(), Vec::new());
    let mut notifications = Vec::new();
    for Happened { mut task, what } in happened {
        let mut always = Change::default();
        ended(&mut task, &what, lanes, now, &mut always);
        let mut job = match task {
            Task::Alert(job) => job,
            Task::Notification(job) => {
                others.push(always);
                notifications.push((*job, what));
                continue;
            }
        };
        let before = job.case.found.borrow().clone();
        let plan = alerts::plan_of(&job.rules.routes, &job.case.alert);
        let step = job.event(&what).ok_or(Ignored::Stale).and_then(|event| before.state.step(&plan, &event, now));
        record(&mut job, &what, step.as_ref().ok(), &mut batch)?;
        match step {
            Ok(step) => {
                note(&job, &what, &step);
                job.case.found.replace(before.after(&step));
                pending.push(Pending { job, what, before, step });
            }
            // Another worker was faster, or the same step ran twice.
            Err(_) => job.lease.end(&job.case.alert, &mut always)?,
        }
        others.push(always);
    }
    let notified = notification::record(config, holder, notifications, &mut batch).await?;
    let mut steps = Vec::with_capacity(pending.len());
    for Pending { job, before, step, .. } in &pending {
        let mut change = Change::default();
        finish(job, &step.state, &mut change)?;
        steps.push(Stepped { alert: &job.case.alert, found: before, step, change });
    }
    let written = alerts::write(&config.redis, others, steps, batch, now).await?;
    notification::finish(config, holder, notified).await?;
    for (Pending { job, what, .. }, written) in pending.iter().zip(written) {
        if written {
            job.case.found.borrow_mut().written();
        } else {
            again(config, store, job, what).await?;
        }
    }
    erased::after(config, store, pending.iter().map(|it| &it.job.case.alert)).await?;
    Ok(count)
}

/// The part of a call's change that does not depend on the alert.
fn ended(task: &mut Task, what: &What, lanes: &mut Lanes, now: domain::Timestamp, change: &mut Change) {
    let What::Called { outcome, attempt, place } = what else { return };
    let (lane, limits) = (task.lane(), task.rules().routes.breaker);
    let gauge = lanes.written(&lane, place);
    receivers::ended(change, lane.receiver(), place, gauge, &limits, outcome.healthy(), now);
    receivers::remember(change, lane.receiver(), attempt);
    alerts::attempted(change, task.channel(), &attempt.outcome);
    if matches!(lane, LaneId::Events(_)) && matches!(outcome, Outcome::Answered { status: 410, .. }) {
        receivers::disable(change, lane.receiver(), now);
        log::error("receiver-disabled").receiver(lane.receiver()).outcome("receiver-gone").write();
    }
}

/// Adds the attempt to the stored ones.
fn record(job: &mut Job, what: &What, step: Option<&Step>, batch: &mut Batch) -> Result<(), Error> {
    let (What::Called { attempt, .. }, Some(receiver)) = (what, job.receiver()) else { return Ok(()) };
    let key = names::delivery(&job.case.alert.alert_id, receiver);
    let mut attempt = attempt.clone();
    attempt.next_at = step.and_then(|step| match step.state.delivery(receiver)?.status {
        Status::Waiting { at, .. } => Some(at.rfc3339()),
        _ => None,
    });
    job.attempts.push(attempt);
    batch.put(key, &job.attempts)
}

/// The change that goes with a step: it ends the job, and gives the grouped alerts their outcome.
fn finish(job: &Job, state: &State, change: &mut Change) -> Result<(), Error> {
    job.lease.end(&job.case.alert, change)?;
    let is_over = |it: &Delivery| !matches!(it.status, Status::Waiting { .. });
    if !job.members.is_empty() && job.receiver().and_then(|id| state.delivery(id)).is_some_and(is_over) {
        let (alert_id, submission_id) = (job.case.alert.alert_id.clone(), job.case.alert.submission_id.clone());
        change.push(&job.case.alert, &Due { alert_id, submission_id, work: Work::Carry })?;
    }
    Ok(())
}

/// Repeats a step that another worker's step overtook.
async fn again(config: &Config, store: &Store, job: &Job, what: &What) -> Result<(), Error> {
    let Some(event) = job.event(what) else { return Ok(()) };
    let (redis, routes, alert) = (&config.redis, &job.rules.routes, &job.case.alert);
    let more = || {
        let mut change = Change::default();
        finish(job, &job.case.found.borrow().state, &mut change)?;
        Ok(change)
    };
    let happening = Happening { alert, event: &event, now: clock::now(), lost: true };
    match alerts::apply(redis, store, routes, happening, more).await? {
        Ok(found) => {
            job.case.found.replace(found);
        }
        Err(_) => {
            let mut change = Change::default();
            job.lease.end(alert, &mut change)?;
            change::make(redis, &[change]).await?;
            // From here on, the state that the others made counts.
            if let Some(found) = alerts::load(redis, store, &alert.alert_id).await? {
                job.case.found.replace(found);
            }
        }
    }
    Ok(())
}

fn note(job: &Job, what: &What, step: &Step) {
    let (alert, receiver) = (&job.case.alert, job.receiver());
    for effect in &step.effects {
        if let Effect::Disable { receiver } = effect {
            log::error("receiver-disabled").receiver(receiver).outcome("receiver-gone").write();
        }
    }
    let status = receiver.and_then(|id| step.state.delivery(id)).map(|delivery| delivery.status);
    let (line, word) = match (what, status) {
        (What::Escalated, _) => (log::warn("alert-escalated"), "not-acknowledged"),
        (What::Held { why, .. }, _) => (log::info("alert-held"), why.as_str()),
        (_, Some(Status::Delivered { .. })) => (log::info("alert-delivered"), "delivered"),
        (_, Some(Status::GivenUp(reason))) => (log::error("alert-dead"), reason.as_str()),
        _ => (log::warn("alert-not-delivered"), "retry"),
    };
    let mut line = line.alert(&alert.alert_id).trace(&alert.trace).outcome(word);
    if let Some(receiver) = receiver {
        line = line.receiver(receiver);
    }
    if let Work::Deliver { attempt, .. } = &job.work {
        line = line.attempt(*attempt);
    }
    match what {
        What::Called { attempt, .. } => match attempt.status {
            Some(status) => line.status(status).write(),
            None => line.write(),
        },
        _ => line.write(),
    }
}
