//! Work that waits for a place at its receiver, a lane for each receiver.
//!
//! Guarantee: no receiver holds up another one: a lane is bounded in length and time, what does not fit goes back to the
//! clock, and every lane asks for places of its own. Work for one receiver is called in the order in which it came.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::alert::breaker::Gauge;
use domain::alert::retry::Outcome;
use domain::alert::state::Hold;
use domain::{Severity, Timestamp};
use platform::receivers::{self, Admitted, Closed};
use platform::{Error, clock};

use crate::config::{Config, Rules};
use crate::job::{Happened, Job, What};

/// The most that waits for one receiver in a worker.
const LONGEST_LANE: usize = 256;
/// How soon to ask again for a place that other instances have taken.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long work is put back that found no place in time: about a second, so that not all of it comes at once.
const PUT_BACK_MS: f64 = 2_000.0;

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Job>,
    running: usize,
    closed_until: Option<Instant>,
    gauge: Gauge,
}

/// All lanes of a worker.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    waiting: usize,
}

/// A job that has its place.
pub(crate) struct Placed {
    pub(crate) job: Job,
    pub(crate) place: String,
    pub(crate) longest: Duration,
}

impl Lanes {
    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Lets work wait for its place; gives what becomes of it where the lane is full.
    pub(crate) fn push(&mut self, job: Job) -> Option<Happened> {
        let lane = self.lanes.entry(job.receiver().to_owned()).or_default();
        if lane.waiting.len() >= LONGEST_LANE {
            return Some(put_back(job));
        }
        lane.waiting.push_back(job);
        self.waiting += 1;
        None
    }

    /// Takes note that a call has ended.
    pub(crate) fn ended(&mut self, receiver: &str) -> &mut Gauge {
        let lane = self.lanes.entry(receiver.to_owned()).or_default();
        lane.running = lane.running.saturating_sub(1);
        lane.closed_until = None;
        &mut lane.gauge
    }

    /// Puts back everything that waits.
    pub(crate) fn clear(&mut self) -> Vec<Happened> {
        self.waiting = 0;
        self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)).map(put_back).collect()
    }

    /// Puts back what has waited too long.
    pub(crate) fn put_back(&mut self, config: &Config) -> Vec<Happened> {
        let longest = config.longest_wait();
        let mut back = Vec::new();
        for lane in self.lanes.values_mut() {
            while lane.waiting.front().is_some_and(|job| job.since.elapsed() > longest) {
                back.extend(lane.waiting.pop_front().map(put_back));
            }
        }
        self.waiting -= back.len();
        back
    }

    /// Asks for places for what waits, at most `room` of them.
    pub(crate) async fn places(
        &mut self,
        config: &Config,
        rules: &Rc<Rules>,
        room: usize,
    ) -> Result<(Vec<Placed>, Vec<Happened>), Error> {
        let (mut placed, mut happened) = (Vec::new(), Vec::new());
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.running > 0);
        let mut wanted = Vec::new();
        let mut left = room;
        for (id, lane) in &mut self.lanes {
            if lane.waiting.is_empty() || left == 0 || lane.closed_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            // What is in force decides; a receiver that is there no more is told by what the work was begun with.
            let in_force = rules.routes.receiver(id).map(|_| rules);
            for job in &mut lane.waiting {
                job.rules = Rc::clone(in_force.unwrap_or(&job.rules));
            }
            let own = lane.waiting.front().map(|job| Rc::clone(&job.rules));
            let Some(own) = own.filter(|own| own.routes.receiver(id).is_some()) else {
                self.waiting -= lane.waiting.len();
                let gone = lane.waiting.drain(..);
                happened.extend(gone.map(|job| Happened { job, what: What::NotCalled(Outcome::NotConfigured) }));
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
        let longest_call = config.longest_call();
        let mut asked = Vec::new();
        for (id, rules, count) in &wanted {
            let Some(receiver) = rules.routes.receiver(id) else { continue };
            let longest = Duration::from_millis(receiver.deadline_ms).min(longest_call);
            // Somewhat more than the call: a place that comes back early would be one too many.
            let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(500);
            asked.push(((receiver, *count, longest_ms), longest));
        }
        let limits = rules.routes.breaker;
        let questions: Vec<_> = asked.iter().map(|(question, _)| *question).collect();
        let admitted = receivers::admit(&config.redis, &limits, &questions, now).await?;
        for (((receiver, ..), longest), admitted) in asked.into_iter().zip(admitted) {
            let Some(lane) = self.lanes.get_mut(&receiver.id) else { continue };
            let before = lane.waiting.len();
            for place in &admitted.places {
                let Some(job) = lane.waiting.pop_front() else { break };
                lane.running += 1;
                placed.push(Placed { job, place: place.clone(), longest });
            }
            happened.extend(lane.closed(admitted, config, now));
            self.waiting -= before - lane.waiting.len();
        }
        Ok((placed, happened))
    }
}

impl Lane {
    /// What becomes of those that got no place.
    fn closed(&mut self, admitted: Admitted, config: &Config, now: Timestamp) -> Vec<Happened> {
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
                if wait(until) <= config.longest_wait() {
                    self.closed_until = Some(Instant::now() + wait(until));
                    return Vec::new();
                }
                self.hold(|_| true, until, Hold::Rate)
            }
            Some(Closed::Breaker(until)) => {
                // A call that tries decides for those behind it; critical ones go to the next receiver meanwhile.
                if wait(until) <= config.longest_wait() {
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

fn put_back(job: Job) -> Happened {
    let until = clock::now().plus_ms((PUT_BACK_MS * clock::chance()) as u64);
    Happened { job, what: What::Held { until, why: Hold::Concurrency } }
}
