//! Lanes: work that waits for a slot at its receiver, one lane for each receiver.
//!
//! Guarantee: no receiver delays another. A lane is bounded in length and time, the rest goes back to the clock, and
//! every lane asks for its own slots. Work for one receiver is called in order of arrival, critical work first.
//!
//! Backpressure: work that goes back returns when the lane may have room for it, estimated from the pace of its
//! finished calls. If it returned sooner, the worker would only take it and put it back.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::alert::breaker::Gauge;
use domain::alert::retry::Outcome;
use domain::alert::state::Hold;
use domain::{Severity, Timestamp};
use platform::{Error, clock};
use state::alerts::receivers::{self, Admitted, CallRequest, Closed};
use state::queue::holder::Holder;

use crate::dispatch::config::{Config, LONGEST_WAIT, Rules};
use crate::dispatch::job::{Happened, Job, What};

/// The most work that waits for one receiver in a worker.
const LONGEST_LANE: usize = 256;
/// The pause before the next request for a slot, if other instances hold all of them.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The bounds of the delay for work that found no room or no slot in time: the lower one where calls end quickly, the
/// upper one where none end. The delay is random, so that not all work returns at once.
const PUT_BACK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How long a lane's calls must have run before their pace is known.
const PACE_KNOWN_AFTER: Duration = Duration::from_secs(1);

struct Lane {
    waiting: VecDeque<Job>,
    running: usize,
    /// Slots of finished calls whose outcomes are not yet written.
    back: Vec<String>,
    closed_until: Option<Instant>,
    gauge: Gauge,
    /// When the lane became non-empty, and how many calls have ended since.
    since: Instant,
    ended: u32,
}

/// All lanes of a worker.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    waiting: usize,
}

/// A job that holds a slot.
pub(crate) struct Placed {
    pub(crate) job: Job,
    pub(crate) place: String,
    pub(crate) longest: Duration,
}

impl Lanes {
    /// The number of waiting jobs.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Queues a job for a slot. If the lane is full, returns the job that is put back.
    pub(crate) fn push(&mut self, job: Job) -> Option<Happened> {
        let lane = self.lanes.entry(job.receiver().to_owned()).or_insert_with(Lane::new);
        lane.insert(job);
        self.waiting += 1;
        if lane.waiting.len() <= LONGEST_LANE {
            return None;
        }
        let last = lane.waiting.pop_back()?;
        self.waiting -= 1;
        Some(put_back(last, lane.put_back_for()))
    }

    /// Notes that a call has ended. The next call can have its slot even before the outcome is written.
    pub(crate) fn ended(&mut self, happened: &Happened) {
        let What::Called { place, .. } = &happened.what else { return };
        let lane = self.lanes.entry(happened.job.receiver().to_owned()).or_insert_with(Lane::new);
        lane.ended += 1;
        lane.running = lane.running.saturating_sub(1);
        lane.back.push(place.clone());
    }

    /// Notes that a call's outcome is being written. The outcome may show that the receiver is well and open the lane.
    pub(crate) fn written(&mut self, receiver: &str, place: &str) -> &mut Gauge {
        let lane = self.lanes.entry(receiver.to_owned()).or_insert_with(Lane::new);
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
            if lane.waiting.iter().all(|job| job.since.elapsed() <= longest) {
                continue;
            }
            let pause = lane.put_back_for();
            let late: (VecDeque<Job>, _) = lane.waiting.drain(..).partition(|job| job.since.elapsed() > longest);
            lane.waiting = late.1;
            back.extend(late.0.into_iter().map(|job| put_back(job, pause)));
        }
        self.waiting -= back.len();
        back
    }

    /// Requests slots for the waiting work, at most `room`.
    pub(crate) async fn places(
        &mut self,
        config: &Config,
        holder: &Holder,
        rules: &Rc<Rules>,
        room: usize,
    ) -> Result<(Vec<Placed>, Vec<Happened>), Error> {
        let (mut placed, mut happened) = (Vec::new(), Vec::new());
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.running + lane.back.len() > 0);
        let mut wanted = Vec::new();
        let mut left = room;
        for (id, lane) in &mut self.lanes {
            if lane.waiting.is_empty() || left == 0 || lane.closed_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            // The settings in force decide. A receiver that was removed since is called under the settings of its job.
            let in_force = (rules.routes.receiver(id).is_some() || rules.routes.is_uncallable(id)).then_some(rules);
            for job in &mut lane.waiting {
                job.rules = Rc::clone(in_force.unwrap_or(&job.rules));
            }
            let own = lane.waiting.front().map(|job| Rc::clone(&job.rules));
            let Some(own) = own.filter(|own| own.routes.receiver(id).is_some()) else {
                self.waiting -= lane.waiting.len();
                let gone = lane.waiting.drain(..);
                happened.extend(gone.map(|job| {
                    let uncallable = job.rules.routes.is_uncallable(id);
                    let outcome = if uncallable { Outcome::Refused } else { Outcome::NotConfigured };
                    Happened { job, what: What::NotCalled(outcome) }
                }));
                continue;
            };
            let concurrency = own.routes.receiver(id).map_or(0, |it| usize::try_from(it.concurrency).unwrap_or(0));
            let count = lane.waiting.len().min(concurrency.saturating_sub(lane.running)).min(left);
            if count > 0 {
                left -= count;
                wanted.push((id.clone(), own, count));
            }
        }
        let now = clock::now();
        let (mut asked, mut longest_calls) = (Vec::new(), Vec::new());
        for (id, rules, count) in &wanted {
            let Some(receiver) = rules.routes.receiver(id) else { continue };
            let longest = Duration::from_millis(receiver.deadline_ms);
            // A little longer than the call: if the slot came back early, one call too many could run.
            let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(500);
            let back = self.lanes.get_mut(id).map(|lane| std::mem::take(&mut lane.back)).unwrap_or_default();
            asked.push(CallRequest { receiver, count: *count, longest_ms, back });
            longest_calls.push(longest);
        }
        let limits = rules.routes.breaker;
        let admitted = receivers::admit(&config.redis, holder, &limits, &asked, now).await?;
        for ((CallRequest { receiver, .. }, longest), admitted) in asked.into_iter().zip(longest_calls).zip(admitted) {
            let Some(lane) = self.lanes.get_mut(&receiver.id) else { continue };
            let before = lane.waiting.len();
            for place in &admitted.places {
                let Some(job) = lane.waiting.pop_front() else { break };
                lane.running += 1;
                placed.push(Placed { job, place: place.clone(), longest });
            }
            happened.extend(lane.closed(admitted, now));
            self.waiting -= before - lane.waiting.len();
        }
        Ok((placed, happened))
    }
}

impl Lane {
    /// Adds a job. Critical jobs come first; jobs of equal urgency alternate between senders, so that a sender with
    /// many jobs does not delay a sender with one.
    fn insert(&mut self, job: Job) {
        let class = |job: &Job| job.severity() != Severity::Critical;
        let flow = job.case.alert.flow();
        let alike = self.waiting.iter().filter(|it| class(it) == class(&job));
        let round = alike.filter(|it| it.case.alert.flow() == flow).count();
        let mut rounds: BTreeMap<String, usize> = BTreeMap::new();
        let place = self.waiting.iter().position(|it| {
            if class(it) != class(&job) {
                return class(it);
            }
            let before = rounds.entry(it.case.alert.flow()).or_default();
            *before += 1;
            *before > round + 1
        });
        self.waiting.insert(place.unwrap_or(self.waiting.len()), job);
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

    /// Decides about the jobs that got no slot.
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
                gone.map(|job| Happened { job, what: What::NotCalled(Outcome::Disabled) }).collect()
            }
            Some(Closed::Rate(until)) => {
                if wait(until) <= LONGEST_WAIT {
                    self.closed_until = Some(Instant::now() + wait(until));
                    return Vec::new();
                }
                self.hold(|_| true, until, Hold::Rate)
            }
            Some(Closed::Breaker(until)) => {
                // One trial call decides for the jobs behind it. Meanwhile critical jobs go to the next receiver.
                if wait(until) <= LONGEST_WAIT {
                    self.closed_until = Some(Instant::now() + wait(until));
                    return self.hold(|job| job.severity() == Severity::Critical, until, Hold::Breaker);
                }
                self.hold(|_| true, until, Hold::Breaker)
            }
        }
    }

    fn hold(&mut self, which: impl Fn(&Job) -> bool, until: i64, why: Hold) -> Vec<Happened> {
        let (held, left): (Vec<Job>, Vec<Job>) = self.waiting.drain(..).partition(which);
        self.waiting.extend(left);
        let until = Timestamp::from_millis(until);
        held.into_iter().map(|job| Happened { job, what: What::Held { until, why } }).collect()
    }
}

fn put_back(job: Job, pause: Duration) -> Happened {
    let until = clock::now().plus_ms((pause.as_millis() as f64 * clock::chance()) as u64);
    Happened { job, what: What::Held { until, why: Hold::Concurrency } }
}
