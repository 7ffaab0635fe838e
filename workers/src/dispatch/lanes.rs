//! Lanes: work that waits for a slot at its receiver, one lane for each receiver.
//!
//! Guarantee: no receiver delays another. A lane is bounded in length and time, the rest goes back to the clock, and
//! every lane asks for its own slots. Work for one receiver is called in order of arrival, critical work first.
//! Notifications of analyses and events take no place of an alert: the lanes of each are bounded together, and their calls
//! come on top of those that a worker may make for alerts, which are asked for first.
//!
//! Backpressure: work that goes back returns when the lane may have room for it, estimated from the pace of its
//! finished calls. If it returned sooner, the worker would only take it and put it back.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::alert::breaker::Gauge;
use domain::alert::retry::Outcome;
use domain::alert::routes::Receiver;
use domain::alert::state::Hold;
use domain::ids::ReceiverId;
use platform::{Error, clock};
use state::alerts::receivers::{self, Admitted, CallRequest, Closed};
use state::queue::holder::Holder;

use crate::dispatch::config::{Config, LONGEST_WAIT, Rules};
use crate::dispatch::job::{Happened, Task, What};

/// The most work that waits for one receiver in a worker.
const LONGEST_LANE: usize = 256;
/// The pause before the next request for a slot, if other instances hold all of them.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The bounds of the delay for work that found no room or no slot in time: the lower one where calls end quickly, the
/// upper one where none end. The delay is random, so that not all work returns at once.
const PUT_BACK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// The most notifications of analyses, and the most events, that wait in a worker.
const MOST_NOTIFICATIONS: usize = 1024;
/// The most of each that it calls at the same time.
const ANALYSIS_CALLS: usize = 16;
const EVENT_CALLS: usize = 64;
/// The most calls at the same time to one address of requesters of analyses, over all instances.
const ADDRESS_CALLS: u32 = 4;

/// The time that a lane's calls must have run before their pace is known.
const PACE_KNOWN_AFTER: Duration = Duration::from_secs(1);

/// The target of a lane. The lanes of alerts come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LaneId {
    /// A receiver of alerts, by its id.
    Receiver(ReceiverId),
    /// A configured address of requesters of analyses, by its id.
    Analyses(ReceiverId),
    /// A receiver of events, by its id.
    Events(ReceiverId),
}

/// What lanes share their bounds by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Alerts,
    Analyses,
    Events,
}

impl LaneId {
    /// The receiver, as all instances know it.
    pub(crate) fn receiver(&self) -> &ReceiverId {
        let (LaneId::Receiver(id) | LaneId::Analyses(id) | LaneId::Events(id)) = self;
        id
    }

    fn class(&self) -> Class {
        match self {
            LaneId::Receiver(_) => Class::Alerts,
            LaneId::Analyses(_) => Class::Analyses,
            LaneId::Events(_) => Class::Events,
        }
    }
}

/// The limits of calls to a receiver.
struct Target {
    concurrency: u32,
    per_minute: Option<u32>,
    longest: Duration,
}

struct Lane {
    waiting: VecDeque<Task>,
    running: usize,
    /// Slots of finished calls whose outcomes are not yet written.
    back: Vec<String>,
    closed_until: Option<Instant>,
    gauge: Gauge,
    /// The time when the lane became non-empty, and the number of calls that have ended since.
    since: Instant,
    ended: u32,
}

/// All lanes of a worker.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<LaneId, Lane>,
    waiting: usize,
}

/// A task that holds a slot.
pub(crate) struct Placed {
    pub(crate) task: Task,
    pub(crate) place: String,
    pub(crate) longest: Duration,
}

impl Lanes {
    /// The number of waiting tasks.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Queues a task for a slot. If the lane is full, returns the task that is put back.
    pub(crate) fn push(&mut self, task: Task) -> Option<Happened> {
        let id = task.lane();
        let class = id.class();
        let alike = self.lanes.iter().filter(|(id, _)| id.class() == class).map(|(_, lane)| lane.waiting.len());
        let full = class != Class::Alerts && alike.sum::<usize>() >= MOST_NOTIFICATIONS;
        let lane = self.lanes.entry(id).or_insert_with(Lane::new);
        lane.insert(task);
        self.waiting += 1;
        if lane.waiting.len() <= LONGEST_LANE && !full {
            return None;
        }
        let last = lane.waiting.pop_back()?;
        self.waiting -= 1;
        Some(put_back(last, lane.put_back_for()))
    }

    /// Notes that a call has ended. The next call can have its slot even before the outcome is written.
    pub(crate) fn ended(&mut self, happened: &Happened) {
        let What::Called { place, .. } = &happened.what else { return };
        let lane = self.lanes.entry(happened.task.lane()).or_insert_with(Lane::new);
        lane.ended += 1;
        lane.running = lane.running.saturating_sub(1);
        lane.back.push(place.clone());
    }

    /// Notes that a call's outcome is being written. The outcome may show that the receiver is well and open the lane.
    pub(crate) fn written(&mut self, id: &LaneId, place: &str) -> &mut Gauge {
        let lane = self.lanes.entry(id.clone()).or_insert_with(Lane::new);
        lane.back.retain(|it| it != place);
        lane.closed_until = None;
        &mut lane.gauge
    }

    /// Puts back all waiting work.
    pub(crate) fn clear(&mut self) -> Vec<Happened> {
        self.put_back(Duration::ZERO)
    }

    /// Puts back work that has waited longer than this.
    pub(crate) fn put_back(&mut self, longest: Duration) -> Vec<Happened> {
        let mut back = Vec::new();
        for lane in self.lanes.values_mut() {
            if lane.waiting.iter().all(|task| task.since().elapsed() <= longest) {
                continue;
            }
            let pause = lane.put_back_for();
            let late: (VecDeque<Task>, _) = lane.waiting.drain(..).partition(|task| task.since().elapsed() > longest);
            lane.waiting = late.1;
            back.extend(late.0.into_iter().map(|task| put_back(task, pause)));
        }
        self.waiting -= back.len();
        back
    }

    /// Requests slots for the waiting work, as far as the worker may make more calls.
    pub(crate) async fn places(
        &mut self,
        config: &Config,
        holder: &Holder,
        rules: &Rc<Rules>,
    ) -> Result<(Vec<Placed>, Vec<Happened>), Error> {
        let (mut placed, mut happened) = (Vec::new(), Vec::new());
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.running + lane.back.len() > 0);
        let wanted = self.wanted(config, rules, &mut happened);
        let now = clock::now();
        let asked: Vec<CallRequest<'_>> = wanted
            .iter()
            .map(|(id, Target { concurrency, per_minute, longest }, count)| CallRequest {
                receiver: id.receiver(),
                count: *count,
                concurrency: *concurrency,
                per_minute: *per_minute,
                // A little longer than the call: if the slot came back early, one call too many could run.
                longest_ms: u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(500),
                back: self.lanes.get_mut(id).map(|lane| std::mem::take(&mut lane.back)).unwrap_or_default(),
            })
            .collect();
        let admitted = receivers::admit(&config.redis, holder, &rules.routes.breaker, &asked, now).await?;
        for ((id, Target { longest, .. }, _), admitted) in wanted.iter().zip(admitted) {
            let Some(lane) = self.lanes.get_mut(id) else { continue };
            let before = lane.waiting.len();
            for place in &admitted.places {
                let Some(task) = lane.waiting.pop_front() else { break };
                lane.running += 1;
                placed.push(Placed { task, place: place.clone(), longest: *longest });
            }
            happened.extend(lane.closed(admitted, now));
            self.waiting -= before - lane.waiting.len();
        }
        Ok((placed, happened))
    }

    /// The number of slots that each lane wants. Work whose receiver is gone has its result at once.
    fn wanted(
        &mut self,
        config: &Config,
        rules: &Rc<Rules>,
        happened: &mut Vec<Happened>,
    ) -> Vec<(LaneId, Target, usize)> {
        let left = |class: Class, most: usize| -> usize {
            let alike = self.lanes.iter().filter(|(id, _)| id.class() == class);
            most.saturating_sub(alike.map(|(_, lane)| lane.running).sum())
        };
        let mut alerts = left(Class::Alerts, config.concurrency);
        let mut analyses = left(Class::Analyses, ANALYSIS_CALLS);
        let mut events = left(Class::Events, EVENT_CALLS);
        let mut wanted = Vec::new();
        for (id, lane) in &mut self.lanes {
            let left = match id.class() {
                Class::Alerts => &mut alerts,
                Class::Analyses => &mut analyses,
                Class::Events => &mut events,
            };
            if lane.waiting.is_empty() || *left == 0 || lane.closed_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            let Some(target) = lane.target(id, config, rules) else {
                self.waiting -= lane.waiting.len();
                happened.extend(lane.waiting.drain(..).map(gone));
                continue;
            };
            let concurrency = usize::try_from(target.concurrency).unwrap_or(0);
            let count = lane.waiting.len().min(concurrency.saturating_sub(lane.running)).min(*left);
            if count > 0 {
                *left -= count;
                wanted.push((id.clone(), target, count));
            }
        }
        wanted
    }
}

impl Lane {
    /// Adds a task. Critical ones come first; tasks of equal urgency alternate between senders, so that a sender with
    /// many does not delay a sender with one.
    fn insert(&mut self, task: Task) {
        let (critical, flow) = (task.is_critical(), task.flow());
        let alike = self.waiting.iter().filter(|it| it.is_critical() == critical);
        let round = alike.filter(|it| it.flow() == flow).count();
        let mut rounds: BTreeMap<String, usize> = BTreeMap::new();
        let place = self.waiting.iter().position(|it| {
            if it.is_critical() != critical {
                return critical;
            }
            let before = rounds.entry(it.flow()).or_default();
            *before += 1;
            *before > round + 1
        });
        self.waiting.insert(place.unwrap_or(self.waiting.len()), task);
    }

    /// The limits of the receiver, under the settings in force. A receiver of alerts that was removed since is called
    /// under the settings of its work. None: it is in neither.
    fn target(&mut self, id: &LaneId, config: &Config, rules: &Rc<Rules>) -> Option<Target> {
        let known = match id {
            LaneId::Receiver(id) => rules.routes.receiver(id).is_some() || rules.routes.is_uncallable(id),
            LaneId::Analyses(_) => true,
            LaneId::Events(id) => rules.subscriptions.receiver(id).is_some(),
        };
        if known {
            self.waiting.iter_mut().for_each(|task| *task.rules() = Rc::clone(rules));
        }
        let of = |receiver: &Receiver| Target {
            concurrency: receiver.concurrency,
            per_minute: receiver.per_minute,
            longest: Duration::from_millis(receiver.deadline_ms),
        };
        match id {
            LaneId::Receiver(id) => self.waiting.front_mut()?.rules().routes.receiver(id).map(of),
            LaneId::Events(id) => rules.subscriptions.receiver(id).map(of),
            LaneId::Analyses(id) => config.webhooks.has(id).then_some(Target {
                concurrency: ADDRESS_CALLS,
                per_minute: None,
                longest: config.routes.deadline,
            }),
        }
    }

    fn new() -> Self {
        Lane {
            waiting: VecDeque::new(),
            running: 0,
            back: Vec::new(),
            closed_until: None,
            gauge: Gauge::default(),
            since: Instant::now(),
            ended: 0,
        }
    }

    /// Estimates the time in which half of a full lane is called, by the pace so far.
    fn put_back_for(&self) -> Duration {
        let (least, most) = PUT_BACK;
        // No call has had time to end, so the pace is not known yet.
        let most = if self.since.elapsed() < PACE_KNOWN_AFTER { PACE_KNOWN_AFTER } else { most };
        let half = u32::try_from(LONGEST_LANE / 2).unwrap_or(u32::MAX);
        (self.since.elapsed() / self.ended.saturating_add(1)).saturating_mul(half).clamp(least, most)
    }

    /// Decides about the tasks that got no slot.
    fn closed(&mut self, admitted: Admitted, now: Timestamp) -> Vec<Happened> {
        self.gauge = admitted.gauge;
        let wait = |until: i64| Duration::from_millis(u64::try_from(until - now.millis()).unwrap_or(0));
        match admitted.closed {
            None => Vec::new(),
            Some(Closed::Concurrency) => {
                if self.running == 0 {
                    self.closed_until = Some(Instant::now() + ASK_AGAIN);
                }
                Vec::new()
            }
            Some(Closed::Disabled) => {
                let gone = self.waiting.drain(..);
                gone.map(|task| Happened { task, what: What::NotCalled(Outcome::Disabled) }).collect()
            }
            Some(Closed::Rate(until)) => {
                if wait(until) <= LONGEST_WAIT {
                    self.closed_until = Some(Instant::now() + wait(until));
                    return Vec::new();
                }
                self.hold(|_| true, until, Hold::Rate)
            }
            Some(Closed::Breaker(until)) => {
                // One trial call decides for the work behind it. Meanwhile critical alerts go to the next receiver.
                if wait(until) <= LONGEST_WAIT {
                    self.closed_until = Some(Instant::now() + wait(until));
                    return self.hold(Task::is_critical, until, Hold::Breaker);
                }
                self.hold(|_| true, until, Hold::Breaker)
            }
        }
    }

    fn hold(&mut self, which: impl Fn(&Task) -> bool, until: i64, why: Hold) -> Vec<Happened> {
        let (held, left): (Vec<Task>, Vec<Task>) = self.waiting.drain(..).partition(which);
        self.waiting.extend(left);
        let until = Timestamp::from_millis(until);
        held.into_iter().map(|task| Happened { task, what: What::Held { until, why } }).collect()
    }
}

fn put_back(task: Task, pause: Duration) -> Happened {
    let until = clock::now().plus_ms((pause.as_millis() as f64 * clock::chance()) as u64);
    Happened { task, what: What::Held { until, why: Hold::Concurrency } }
}

/// The result of a task whose receiver is not in the settings.
fn gone(mut task: Task) -> Happened {
    let uncallable = matches!(task.lane(), LaneId::Receiver(id) if task.rules().routes.is_uncallable(&id));
    let outcome = if uncallable { Outcome::Refused } else { Outcome::NotConfigured };
    Happened { task, what: What::NotCalled(outcome) }
}
