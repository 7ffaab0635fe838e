//! Dispatch: delivers each alert to all its receivers, with retries, until it is delivered, acknowledged, or visibly
//! given up. Notifies the requesters of analyses and the subscribers of events in the same way (`notification.rs`).
//!
//! Guarantee: at least once, always under the same `webhook-id`. An alert is delivered, or visibly waits with the time
//! of its next attempt, or is a dead letter with its reason; nothing is dropped silently. Each message is sent under
//! one state of the settings.
//!
//! Mechanism: raising an alert means that admission decides on it and the store has it, with the work that is due. This
//! worker does the work that is due at once; if it dies, that work becomes due again. Every receiver has a lane: its
//! calls run in parallel up to its limit, and waiting calls delay no other receiver. Each outcome is stored first; then
//! one script writes it with its follow-ups.
//!
//! Not for: exactly-once. If a host dies between a receiver's answer and the script that writes it, the receiver gets
//! the message twice; the same `webhook-id` lets it detect the duplicate.

mod analysis;
mod arrived;
mod call;
mod config;
mod erased;
mod event;
mod intake;
mod job;
mod lanes;
mod notification;
mod ping;
mod settle;

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::ids::AlertId;
use futures::StreamExt;
use futures::future::{Either, FutureExt, LocalBoxFuture, select};
use futures::stream::FuturesUnordered;
use platform::deadline::Deadline;
use platform::kv::Store;
use platform::variables::{Reader, load};
use platform::{Error, clock};
use state::edge::looks;
use state::events;
use state::names::Queue;
use state::queue::holder::{Holder, RENEWAL};
use state::queue::{self, Claim};

use config::{Config, LONGEST_WAIT, Rules};
use intake::{Cases, Entries};
use job::{Happened, Job, Task};
use lanes::Lanes;
pub use ping::ping;

/// The time that a drain runs before it waits for a quiet moment to leave.
pub const BUDGET: Duration = Duration::from_secs(5);
/// The pause between two looks for new work while calls run: this worker hears no bell then.
const LOOK: Duration = Duration::from_millis(10);
/// The pause between two looks for events while there is other work.
const FOLLOW: Duration = Duration::from_millis(100);
/// The most entries of one claim, and the most work that a worker holds.
const MOST_CLAIMED: usize = 128;
const MOST_HELD: usize = 4096;
/// The most outcomes of one write. Calls that end during a write leave their slots unused until it is done.
const MOST_WRITTEN: usize = 64;
/// If Redis or the store is unavailable, claimed entries are tried again after this.
const PAUSE: Duration = Duration::from_secs(5);

/// Reads the variables, to find their faults.
pub async fn read(reader: &mut Reader) {
    Config::read(reader).await;
}

/// The moment at which a drain ends although there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A worker continues while calls run, however long a receiver takes: no other worker hears of new alerts before
    /// this one leaves. It leaves at the first quiet moment after [`BUDGET`].
    Quiet,
    /// An operator's round takes no new work after [`BUDGET`], and ends when its running calls have ended.
    Budget,
}

/// Sends waiting work. Returns how much work was done.
///
/// # Errors
/// When Redis or the store is unavailable; claimed entries come back.
pub fn drain(until: Until) -> LocalBoxFuture<'static, Result<usize, Error>> {
    Box::pin(send(until))
}

async fn send(until: Until) -> Result<usize, Error> {
    let config = Rc::new(load(Config::read).await?);
    let mut worker = Worker {
        config,
        holder: Rc::new(Holder::new()),
        store: Store::open().await?,
        rules: None,
        cases: Cases::default(),
        lanes: Lanes::default(),
        calls: FuturesUnordered::new(),
        ended: Vec::new(),
        unwritten: VecDeque::new(),
        claimed: BTreeSet::new(),
        followed: Instant::now(),
        total: 0,
    };
    let result = worker.run(until).await;
    let Worker { config, holder, claimed, .. } = worker;
    if result.is_err() {
        // The cause is not theirs: they come back without counting the attempt. If the release fails, their lease
        // returns them.
        let _ = queue::release(&config.redis, Queue::Dispatch, &holder, claimed, PAUSE).await;
        return result;
    }
    holder.leave(&config.redis).await?;
    result
}

type Calls = FuturesUnordered<LocalBoxFuture<'static, Happened>>;

/// Runs some work while calls go on.
async fn beside<T>(calls: &mut Calls, ended: &mut Vec<Happened>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    while !calls.is_empty() {
        match select(work.as_mut(), calls.next()).await {
            Either::Left((done, _)) => return done,
            Either::Right((next, _)) => ended.extend(next),
        }
    }
    work.await
}

struct Worker {
    config: Rc<Config>,
    holder: Rc<Holder>,
    store: Store,
    rules: Option<Rc<Rules>>,
    cases: Cases,
    lanes: Lanes,
    calls: Calls,
    /// Calls that ended during other work.
    ended: Vec<Happened>,
    /// Results still to be written.
    unwritten: VecDeque<Happened>,
    /// Entries that were claimed and, as far as this worker knows, are not ended.
    claimed: BTreeSet<String>,
    /// When it looked for events.
    followed: Instant,
    total: usize,
}

impl Worker {
    async fn run(&mut self, until: Until) -> Result<usize, Error> {
        let mut deadline = Deadline::after(BUDGET);
        loop {
            let mut open = !deadline.left().is_zero();
            if !open && until == Until::Quiet && !self.is_idle() {
                // A worker that stays longer than planned must not work with old variables.
                self.config = Rc::new(load(Config::read).await?);
                (self.rules, deadline, open) = (None, Deadline::after(BUDGET), true);
            }
            let room = MOST_HELD
                .saturating_sub(self.lanes.waiting() + self.calls.len() + self.unwritten.len())
                .min(MOST_CLAIMED);
            let look = open && room > 0;
            let mut took = 0;
            if look {
                took = self.take(room).await?;
                if took == 0 && self.is_idle() {
                    return Ok(self.total);
                }
            } else if self.is_idle() {
                queue::ring(&self.config.redis, Queue::Dispatch).await?;
                return Ok(self.total);
            }
            if self.holder.is_stale() {
                self.holder.renew(&self.config.redis).await?;
            }
            let back = if open { self.lanes.put_back(LONGEST_WAIT) } else { self.lanes.clear() };
            self.unwritten.extend(back);
            if took == 0 && self.ended.is_empty() && self.unwritten.is_empty() {
                // Without room or time left, it must not look for more work.
                let pause = if look || self.lanes.waiting() > 0 { LOOK } else { RENEWAL };
                if let Either::Left((Some(first), _)) = select(self.calls.next(), pin!(clock::sleep(pause))).await {
                    self.ended.push(first);
                }
            }
            while let Some(Some(next)) = self.calls.next().now_or_never() {
                self.ended.push(next);
            }
            // Receivers do not wait for the store: the next calls begin before the outcomes of the last ones are
            // written.
            for ended in self.ended.drain(..) {
                self.lanes.ended(&ended);
                self.unwritten.push_back(ended);
            }
            let held = self.call().await?;
            self.unwritten.extend(held);
            let some = self.unwritten.len().min(MOST_WRITTEN);
            let some = self.unwritten.drain(..some).collect();
            self.settle(some).await?;
        }
    }

    fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.ended.is_empty() && self.unwritten.is_empty() && self.lanes.waiting() == 0
    }

    /// Claims entries, and queues their work in the lanes. Returns how many entries there were.
    async fn take(&mut self, room: usize) -> Result<usize, Error> {
        let holder = Rc::clone(&self.holder);
        let how = Claim { count: room, holder: &holder, leave: self.is_idle() };
        let (revision, claimed) = queue::claim(&self.config.redis, Queue::Dispatch, how).await?;
        let rules = Rules::at(&self.config, &revision, self.rules.as_ref()).await?;
        self.rules = Some(Rc::clone(&rules));
        let told = self.follow(&rules, claimed.is_empty() && self.is_idle()).await?;
        if claimed.is_empty() {
            return Ok(told);
        }
        let count = claimed.len();
        self.claimed.extend(claimed.iter().map(|entry| entry.id.clone()));
        let ids: Vec<String> = claimed.iter().map(|entry| entry.id.clone()).collect();

        let (config, store) = (&self.config, &self.store);
        let mut entries = Entries::read(claimed, config.max_attempts);
        let (calls, ended) = (&mut self.calls, &mut self.ended);
        let probes = std::mem::take(&mut entries.probes);
        let own = probes.len();
        entries.changes.extend(beside(calls, ended, arrived::note(store, probes)).await?);
        let entries = beside(calls, ended, erased::split(config, store, entries)).await?;
        let mut changes = entries.changes;
        let all: Vec<_> = entries.raised.iter().map(|(_, alert)| alert.clone()).collect();
        let raise = intake::raise(config, &holder, store, &rules, &mut self.cases, entries.raised);
        let mut jobs = beside(calls, ended, raise).await?;
        let due = intake::due(config, store, &rules, &mut self.cases, entries.due);
        let (due, over) = beside(calls, ended, due).await?;
        changes.extend(over);
        jobs.extend(due);
        intake::make(config, changes).await?;
        // Alerts that are called are checked again when the call has ended.
        let called: BTreeSet<&AlertId> = jobs.iter().map(|job| &job.case.alert.alert_id).collect();
        erased::after(config, store, all.iter().filter(|alert| !called.contains(&alert.alert_id))).await?;

        let notifications = entries.notifications;
        let entries = jobs.iter().filter_map(Job::entry).chain(notifications.iter().map(|it| it.entry.as_str()));
        let held: BTreeSet<String> = entries.map(str::to_owned).collect();
        for id in ids.iter().filter(|id| !held.contains(*id)) {
            self.claimed.remove(id);
        }
        // An alert that is raised and called at once counts once, when it was called.
        let raised: BTreeSet<&AlertId> =
            jobs.iter().filter(|job| job.entry().is_none()).map(|job| &job.case.alert.alert_id).collect();
        self.total += count.saturating_sub(own + held.len() + raised.len());
        let (calls, mut happened) = intake::sort(jobs, clock::now());
        for task in calls {
            happened.extend(self.lanes.push(task));
        }
        self.settle(happened).await?;
        self.notify(notifications, &rules).await?;
        Ok(count)
    }

    /// Puts messages about events onto the queue as far as subscriptions have room for them. Returns how many.
    async fn follow(&mut self, rules: &Rules, is_last: bool) -> Result<usize, Error> {
        if rules.subscriptions.all().is_empty() || (self.followed.elapsed() < FOLLOW && !is_last) {
            return Ok(0);
        }
        self.followed = Instant::now();
        let (redis, store, subscriptions) = (&self.config.redis, &self.store, &rules.subscriptions);
        let work = async {
            let pending = events::pending(redis, subscriptions, rules.revision()).await?;
            events::enqueue(redis, store, subscriptions, pending).await
        };
        beside(&mut self.calls, &mut self.ended, work).await
    }

    /// Queues notifications in the lanes, once the calls of alerts that can begin have begun.
    async fn notify(&mut self, claimed: Vec<notification::Claimed>, rules: &Rc<Rules>) -> Result<(), Error> {
        if claimed.is_empty() {
            return Ok(());
        }
        let held = self.call().await?;
        self.unwritten.extend(held);
        let take = notification::take(&self.config, &self.store, rules, claimed);
        let (tasks, refused) = beside(&mut self.calls, &mut self.ended, take).await?;
        self.unwritten.extend(refused);
        for task in tasks {
            self.unwritten.extend(self.lanes.push(task));
        }
        Ok(())
    }

    /// Begins calls as far as their receivers have slots. Returns the results of jobs that are not called.
    async fn call(&mut self) -> Result<Vec<Happened>, Error> {
        let Some(rules) = self.rules.clone().filter(|_| self.lanes.waiting() > 0) else {
            return Ok(Vec::new());
        };
        let (placed, happened) = self.lanes.places(&self.config, &self.holder, &rules).await?;
        let (mut looks, mut looking) = (Vec::new(), Vec::new());
        for mut placed in placed {
            let mut look = None;
            if let Task::Notification(job) = &mut placed.task {
                look = beside(&mut self.calls, &mut self.ended, job.load(&self.config, &self.store)).await?;
            }
            if let Some(look) = look {
                looks.push(look);
                looking.push(placed);
                continue;
            }
            self.calls.push(call::attempt(Rc::clone(&self.config), placed).boxed_local());
        }
        // What shows persons' data is sent once that is recorded; nothing else waits for it.
        beside(&mut self.calls, &mut self.ended, looks::record_all(&self.config.redis, &looks)).await?;
        for placed in looking {
            self.calls.push(call::attempt(Rc::clone(&self.config), placed).boxed_local());
        }
        Ok(happened)
    }

    async fn settle(&mut self, happened: Vec<Happened>) -> Result<(), Error> {
        let ids: Vec<String> = happened.iter().filter_map(|it| it.task.entry()).map(str::to_owned).collect();
        let settle = settle::settle(&self.config, &self.store, &self.holder, &mut self.lanes, happened);
        self.total += beside(&mut self.calls, &mut self.ended, settle).await?;
        for id in ids {
            self.claimed.remove(&id);
        }
        Ok(())
    }
}
