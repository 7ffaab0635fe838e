//! From claimed entries to work: raises alerts, ends entries whose work is over, and collects the jobs.

use domain::ids::AlertId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Instant;

use domain::alert::retry::{GiveUp, Outcome};
use domain::alert::state::{Delivery, Event, Hold, Phase, State, Status, Work as Owed};
use domain::{Severity, Timestamp};
use platform::kv::Store;
use platform::{Error, clock, log};
use state::alerts::change::{self, Change};
use state::alerts::{self, Happening, Loaded, Raising, Reserve};
use state::health::self_check;
use state::names;
use state::queue::Claimed;
use state::queue::holder::Holder;
use state::wire::entry::{Alert, Attempts, Due, Work};
use state::wire::queued::DispatchEntry;

use crate::dispatch::config::{Config, Rules};
use crate::dispatch::job::{Case, Happened, Job, Lease, Task, What};
use crate::dispatch::notification;

/// Alerts that this worker holds, so that two jobs for one alert share its state.
#[derive(Default)]
pub(crate) struct Cases(BTreeMap<AlertId, Weak<Case>>);

impl Cases {
    fn known(&self, id: &AlertId) -> Option<Rc<Case>> {
        self.0.get(id)?.upgrade()
    }

    fn add(&mut self, alert: Alert, found: Loaded) -> Rc<Case> {
        // Alerts without a job are forgotten when there are many.
        if self.0.len() > 4096 {
            self.0.retain(|_, case| case.strong_count() > 0);
        }
        let id = alert.alert_id.clone();
        let case = Rc::new(Case { alert, found: RefCell::new(found) });
        self.0.insert(id, Rc::downgrade(&case));
        case
    }
}

/// Claimed entries, sorted. Unreadable entries, and those that were handed out too often, become dead letters.
#[derive(Default)]
pub(crate) struct Entries {
    /// Self-checks.
    pub(crate) probes: Vec<(String, Alert)>,
    pub(crate) raised: Vec<(String, Alert)>,
    pub(crate) due: Vec<(String, Due)>,
    pub(crate) notifications: Vec<notification::Claimed>,
    pub(crate) changes: Vec<Change>,
}

impl Entries {
    pub(crate) fn read(claimed: Vec<Claimed>, max_attempts: u32) -> Self {
        let mut entries = Entries::default();
        for entry in claimed {
            let exhausted = entry.attempt > max_attempts;
            let (reason, alert) = match platform::json::read::<DispatchEntry>(&entry.payload) {
                Ok(DispatchEntry::Alert(alert)) if self_check::is_probe(&alert.study_id) => {
                    entries.probes.push((entry.id, alert));
                    continue;
                }
                Ok(DispatchEntry::Alert(alert)) if !exhausted => {
                    entries.raised.push((entry.id, alert));
                    continue;
                }
                Ok(DispatchEntry::Due(due)) if !exhausted => {
                    entries.due.push((entry.id, due));
                    continue;
                }
                Ok(DispatchEntry::Notification(notification)) => {
                    let Claimed { id: entry, attempt: handed_out, .. } = entry;
                    entries.notifications.push(notification::Claimed { entry, handed_out, notification });
                    continue;
                }
                Ok(DispatchEntry::Alert(Alert { alert_id, .. }) | DispatchEntry::Due(Due { alert_id, .. })) => {
                    ("attempts-exhausted", Some(alert_id))
                }
                Ok(DispatchEntry::GivenUp(_)) | Err(_) => ("unreadable-entry", None),
            };
            entries.give_up(&entry, reason, alert.as_ref().map(AlertId::as_str));
        }
        entries
    }

    /// Ends an entry with a dead letter.
    fn give_up(&mut self, entry: &Claimed, reason: &'static str, alert: Option<&str>) {
        let line = log::error("alert-dead").outcome(reason);
        alert.map_or(line, |id| log::error("alert-dead").outcome(reason).alert(id)).write();
        let mut change = Change::default();
        change.dead(reason, &String::from_utf8_lossy(&entry.payload));
        change.end(&entry.id);
        self.changes.push(change);
    }
}

/// Raises alerts. This worker does the work that is due at once.
pub(crate) async fn raise(
    config: &Config,
    holder: &Rc<Holder>,
    store: &Store,
    rules: &Rc<Rules>,
    cases: &mut Cases,
    raised: Vec<(String, Alert)>,
) -> Result<Vec<Job>, Error> {
    if raised.is_empty() {
        return Ok(Vec::new());
    }
    let now = clock::now();
    let raisings: Vec<Raising<'_>> = raised.iter().map(|(id, alert)| Raising { alert, entry: Some(id) }).collect();
    let taken = Reserve::By(holder);
    let found = alerts::raise_all(&config.redis, store, &rules.routes, &rules.silences, &raisings, taken, now).await?;
    let mut jobs = Vec::new();
    for ((_, alert), raised) in raised.into_iter().zip(found) {
        let state = &raised.found.state;
        if let Phase::Dead(why) = state.phase() {
            log::error("alert-dead").trace(&alert.trace).alert(&alert.alert_id).outcome(why.as_str()).write();
        }
        if !raised.fresh {
            continue;
        }
        let due = state.due().into_iter().filter(|due| due.at <= now && matches!(due.work, Owed::Deliver { .. }));
        let works: Vec<Work> = due.map(|due| due.work.into()).collect();
        if works.is_empty() {
            continue;
        }
        let case = cases.add(alert, raised.found);
        jobs.extend(works.into_iter().map(|work| {
            let due = Due {
                alert_id: case.alert.alert_id.clone(),
                submission_id: case.alert.submission_id.clone(),
                work: work.clone(),
            };
            job(&case, rules, Lease::Reserved(Rc::clone(holder), due), work)
        }));
    }
    Ok(jobs)
}

fn job(case: &Rc<Case>, rules: &Rc<Rules>, lease: Lease, work: Work) -> Job {
    let (case, rules, since) = (Rc::clone(case), Rc::clone(rules), Instant::now());
    Job { case, rules, lease, work, attempts: Attempts::default(), members: Vec::new(), since }
}

/// Checks whether due work is still due, and what to do.
pub(crate) async fn due(
    config: &Config,
    store: &Store,
    rules: &Rc<Rules>,
    cases: &mut Cases,
    due: Vec<(String, Due)>,
) -> Result<(Vec<Job>, Vec<Change>), Error> {
    let ids = due.iter().map(|(_, due)| &due.alert_id);
    let unknown: Vec<&AlertId> = ids.filter(|id| cases.known(id).is_none()).collect();
    let states = alerts::find(&config.redis, store, &unknown).await?;
    let mut found: BTreeMap<AlertId, Rc<Case>> = BTreeMap::new();
    for (id, state) in unknown.into_iter().zip(states) {
        if let (Some(state), Some(alert)) = (state, store.get::<Alert>(&names::alert(id)).await?) {
            found.insert(id.clone(), cases.add(alert, state));
        }
    }
    let (mut jobs, mut changes) = (Vec::new(), Vec::new());
    for (entry, due) in due {
        let case = found.get(&due.alert_id).map(Rc::clone).or_else(|| cases.known(&due.alert_id));
        let mut over = Change::default();
        over.end(&entry);
        match (case, due.work) {
            (case, Work::Carry) => {
                carry(config, store, rules, &due.alert_id, case).await?;
                changes.push(over);
            }
            (None, _) => changes.push(over),
            (Some(case), Work::Look) => {
                // Puts lost work onto the queue again. If a worker still holds it, its next step makes this entry
                // stale.
                let state = &case.found.borrow().state;
                for owed in state.due().into_iter().filter(|owed| owed.at <= clock::now()) {
                    let (alert_id, submission_id) = (due.alert_id.clone(), case.alert.submission_id.clone());
                    over.push(&case.alert, &Due { alert_id, submission_id, work: owed.work.into() })?;
                }
                changes.push(over);
            }
            (Some(case), work) => {
                let owed = case.found.borrow().state.due().into_iter().any(|owed| Work::from(owed.work) == work);
                if owed { jobs.push(job(&case, rules, Lease::Entry(entry), work)) } else { changes.push(over) }
            }
        }
    }
    for job in &mut jobs {
        let Some(receiver) = job.receiver() else { continue };
        let key = names::delivery(&job.case.alert.alert_id, receiver);
        job.attempts = store.get(&key).await?.unwrap_or_default();
    }
    // A critical alert is never grouped, so no others go with its message.
    let mut leading: Vec<&mut Job> =
        jobs.iter_mut().filter(|job| job.severity() != Severity::Critical && job.receiver().is_some()).collect();
    let leaders: Vec<AlertId> = leading.iter().map(|job| job.case.alert.alert_id.clone()).collect();
    let leaders: Vec<&AlertId> = leaders.iter().collect();
    let groups = alerts::close_groups(&config.redis, &leaders).await?;
    for (job, members) in leading.iter_mut().zip(groups) {
        for id in members {
            job.members.extend(store.get::<Alert>(&names::alert(&id)).await?);
        }
    }
    Ok((jobs, changes))
}

/// Decides work that needs no call: the steps of a chain, quiet hours, receivers that no longer exist.
pub(crate) fn sort(jobs: Vec<Job>, now: Timestamp) -> (Vec<Task>, Vec<Happened>) {
    let (mut calls, mut happened) = (Vec::new(), Vec::new());
    for job in jobs {
        let what = match (&job.work, job.route()) {
            (Work::Escalate { .. }, _) => Some(What::Escalated),
            (_, None) if job.receiver().is_some_and(|id| job.rules.routes.is_uncallable(id)) => {
                Some(What::NotCalled(Outcome::Refused))
            }
            (_, None) => Some(What::NotCalled(Outcome::NotConfigured)),
            (_, Some(receiver)) if !job.rules.reach(receiver) => Some(What::NotCalled(Outcome::Refused)),
            (_, Some(receiver)) => {
                let until = receiver.allowed_at(job.severity(), now);
                (until > now).then_some(What::Held { until, why: Hold::Quiet })
            }
        };
        match what {
            Some(what) => happened.push(Happened { task: Task::Alert(job), what }),
            None => calls.push(Task::Alert(job)),
        }
    }
    (calls, happened)
}

/// Tells the grouped alerts of a message its outcome. If the leading alert is gone, they are raised again.
async fn carry(
    config: &Config,
    store: &Store,
    rules: &Rc<Rules>,
    leader: &AlertId,
    case: Option<Rc<Case>>,
) -> Result<(), Error> {
    let outcome = case.as_ref().map(|case| outcome(&case.found.borrow().state));
    let members = alerts::close_groups(&config.redis, &[leader]).await?;
    for id in members.into_iter().flatten() {
        let Some(alert) = store.get::<Alert>(&names::alert(&id)).await? else { continue };
        match outcome {
            Some(Some(outcome)) => {
                let event = Event::Carried(outcome);
                let told = Happening { alert: &alert, event: &event, now: clock::now(), lost: false };
                // If the event is ignored, the alert had the outcome already.
                let _ = alerts::apply(&config.redis, store, &rules.routes, told, || Ok(Change::default())).await?;
            }
            // The message is still being delivered.
            Some(None) => {}
            None => {
                let found = alerts::load(&config.redis, store, &id).await?;
                let went_with_it = |found: &Loaded| *found.state.phase() == Phase::Grouped { leader: leader.clone() };
                if found.as_ref().is_some_and(went_with_it) {
                    alerts::raise_again(&config.redis, &alert).await?;
                }
            }
        }
    }
    Ok(())
}

/// The outcome of an alert's message: delivered to at least one receiver, or given up by all; none while it is being
/// delivered.
fn outcome(state: &State) -> Option<Result<(), GiveUp>> {
    let taken = |it: &Delivery| it.telling > 0 || matches!(it.status, Status::Delivered { .. });
    if state.deliveries().iter().any(taken) {
        return Some(Ok(()));
    }
    let mut given_up = None;
    for delivery in state.deliveries() {
        match delivery.status {
            Status::Waiting { .. } => return None,
            Status::GivenUp(reason) => given_up = Some(reason),
            _ => {}
        }
    }
    given_up.map(Err)
}

/// Makes independent changes.
pub(crate) async fn make(config: &Config, changes: Vec<Change>) -> Result<(), Error> {
    change::make(&config.redis, &changes).await.map(|_| ())
}
