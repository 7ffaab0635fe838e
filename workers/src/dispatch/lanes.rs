//! Work that waits for a place at its receiver, a lane for each receiver.
//!
//! Guarantee: no receiver holds up another one: a lane is bounded in length and time, what does not fit goes back to the
//! clock, and every lane asks for places of its own. Work for one receiver is called in the order in which it came, the
//! critical first.
//!
//! What goes back comes again when the lane may have room for it, by the pace at which its calls have ended: if it came
//! sooner, taking it and putting it back would be all that the worker does.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::alert::breaker::Gauge;
use domain::alert::retry::Outcome;
use domain::alert::state::Hold;
use domain::{Severity, Timestamp};
use platform::{Error, clock};
use state::alerts::receivers::{self, Admitted, Closed, Wanted};
use state::queue::holder::Holder;

use crate::dispatch::config::{Config, LONGEST_WAIT, Rules};
use crate::dispatch::job::{Happened, Job, What};

/// The most that waits for one receiver in a worker.
const LONGEST_LANE: usize = 256;
/// How soon to ask again for a place that other instances have taken.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Work that found no room or no place in time is put back for up to so long, at random, so that not all of it comes at
/// once: the least, where calls end quickly, and the most, where none do.
const PUT_BACK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How long calls of a lane must have been under way before their pace tells anything.
const PACE_KNOWN_AFTER: Duration = Duration::from_secs(1);

struct Lane {
    waiting: VecDeque<Job>,
    running: usize,
    /// Places of calls that have ended, until what became of them is written.
    back: Vec<String>,
    closed_until: Option<Instant>,
    gauge: Gauge,
    /// Since when there is something in it, and how many calls have ended since.
    since: Instant,
    ended: u32,
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

    /// Takes note that a call has ended: the next one can have its place, before what became of it is written.
    pub(crate) fn ended(&mut self, happened: &Happened) {
        let What::Called { place, .. } = &happened.what else { return };
        let lane = self.lanes.entry(happened.job.receiver().to_owned()).or_insert_with(Lane::new);
        lane.ended += 1;
        lane.running = lane.running.saturating_sub(1);
        lane.back.push(place.clone());
    }

    /// Takes note that it is being written what became of a call; what that tells of the receiver may open the lane.
    pub(crate) fn written(&mut self, receiver: &str, place: &str) -> &mut Gauge {
        let lane = self.lanes.entry(receiver.to_owned()).or_insert_with(Lane::new);
        lane.back.retain(|it| it != place);
        lane.closed_until = None;
        &mut lane.gauge
    }

    /// Puts back everything that waits.
    pub(crate) fn clear(&mut self) -> Vec<Happened> {
        self.put_back(Duration::ZERO)
    }

    /// Puts back what has waited for longer.
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

    /// Asks for places for what waits, at most `room` of them.
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
            // What is in force decides; a receiver that is there no more is told by what the work was begun with.
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
            // Somewhat more than the call: a place that comes back early would be one too many.
            let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(500);
            let back = self.lanes.get_mut(id).map(|lane| std::mem::take(&mut lane.back)).unwrap_or_default();
            asked.push(Wanted { receiver, count: *count, longest_ms, back });
            longest_calls.push(longest);
        }
        let limits = rules.routes.breaker;
        let admitted = receivers::admit(&config.redis, holder, &limits, &asked, now).await?;
        for ((Wanted { receiver, .. }, longest), admitted) in asked.into_iter().zip(longest_calls).zip(admitted) {
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
    /// Lets work wait: the critical first, and of those that are alike one of each sender in turn, so that the many of one
    /// sender are not all before the one of another.
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

    /// In how long half of what waits will have been called, by the pace so far.
    fn put_back_for(&self) -> Duration {
        let (least, most) = PUT_BACK;
        // Before calls have had time to end there is no pace.
        let most = if self.since.elapsed() < PACE_KNOWN_AFTER { PACE_KNOWN_AFTER } else { most };
        let half = u32::try_from(LONGEST_LANE / 2).unwrap_or(u32::MAX);
        (self.since.elapsed() / self.ended.saturating_add(1)).saturating_mul(half).clamp(least, most)
    }

    /// What becomes of those that got no place.
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
                // A call that tries decides for those behind it; critical ones go to the next receiver meanwhile.
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
