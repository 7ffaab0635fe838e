//! Simulates random histories of the queue of submissions.
//!
//! Workers claim, finish, release, stop, go on and finish late. Senders send new submissions and resend old ones.
//! Submissions are erased; leases end; the clock ticks. After each step everything in Redis is compared with a model.
//!
//! Invariants:
//!
//! 1. A queued submission is in the stream exactly once until it is finished.
//! 2. Each entry of the stream waits in one flow or is held by one worker, and nobody gets an entry of a live worker.
//! 3. Nothing is finished twice, and every follow-up happens once.
//! 4. A worker that was declared dead finishes nothing that it held.
//! 5. An erased submission is not ended by a worker that names its id, and is not let in again.
//! 6. Attempts are counted by the workers that died. Workers that went on do not count, and neither does a release.
//! 7. Of any two waiting keys, neither is served more than the other by more than a turn of each.
//! 8. The counters of the door agree with the stream, and the door lets in as much as they allow.
//! 9. The submissions of one sender for one site wait in order of arrival, and the arrival of each site's oldest
//!    unfinished submission is known.
//! 10. When everything is finished, the protocol leaves only the keys that are meant to stay.
//!
//! A lease ends here when a step says so, not by the clock.

use domain::Timestamp;
use domain::ids::SubmissionId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use platform::clock;
use platform::redis::Redis;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use state::erasure::{self, Erasure};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Claim, Claimed, Door, Enqueued, Finished, FollowUps};

use crate::model::{Location, Model, Queued};
use crate::redis::{command, door, end_lease, erased, remembered, snapshot, submission};

const CAPACITY: usize = 40;
const QUOTA: usize = 14;
const SITES: [&str; 3] = ["A|1", "A|2", "B|1"];
const WORKERS: usize = 3;
/// The number of histories, unless PROPTEST_CASES is set. They take some seconds.
const CASES: u32 = 100;
const HOUR: Duration = Duration::from_hours(1);

/// The time of arrival that stands for a submission: its number, milliseconds.
fn number(id: &str) -> i64 {
    id.trim_start_matches('s').parse().unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// A key sends `count` submissions of this cost for this site; if `mixed`, every second one is for the next site.
    Enqueue {
        key: u8,
        site: usize,
        count: usize,
        cost: usize,
        mixed: bool,
    },
    /// A queued submission is sent again, with other content if `other`.
    Resend {
        which: prop::sample::Index,
        other: bool,
    },
    Claim {
        worker: usize,
        count: usize,
        leave: bool,
    },
    /// A worker finishes the entries that it believes it holds, or every second of them.
    Finish {
        worker: usize,
        half: bool,
    },
    Release {
        worker: usize,
        half: bool,
    },
    /// A worker gives no sign of life for a lease.
    Stop {
        worker: usize,
    },
    /// A worker leaves, and another one starts.
    Replace {
        worker: usize,
    },
    Renew {
        worker: usize,
    },
    /// Entries that were released together have rested long enough.
    RestEnds {
        which: prop::sample::Index,
    },
    Erase {
        which: prop::sample::Index,
    },
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = || 0..WORKERS;
    let which = any::<prop::sample::Index>;
    let enqueue =
        (0u8..2, 0..SITES.len(), 1usize..6, prop::sample::select(vec![20, 3_000, 40_000, 90_000]), any::<bool>());
    let step = prop_oneof![
        5 => enqueue.prop_map(|(key, site, count, cost, mixed)| Step::Enqueue { key, site, count, cost, mixed }),
        1 => (which(), any::<bool>()).prop_map(|(which, other)| Step::Resend { which, other }),
        6 => (worker(), 1usize..9, any::<bool>()).prop_map(|(worker, count, leave)| Step::Claim { worker, count, leave }),
        4 => (worker(), any::<bool>()).prop_map(|(worker, half)| Step::Finish { worker, half }),
        3 => (worker(), any::<bool>()).prop_map(|(worker, half)| Step::Release { worker, half }),
        3 => worker().prop_map(|worker| Step::Stop { worker }),
        1 => worker().prop_map(|worker| Step::Replace { worker }),
        1 => worker().prop_map(|worker| Step::Renew { worker }),
        3 => which().prop_map(|which| Step::RestEnds { which }),
        1 => which().prop_map(|which| Step::Erase { which }),
        3 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 1..80)
}

struct Worker {
    holder: Holder,
    /// Whether Redis knows the worker's name.
    told: bool,
    /// The entries that it believes it holds, each with its submissions.
    knows: BTreeMap<String, Vec<String>>,
}

impl Worker {
    fn new() -> Self {
        Worker { holder: Holder::new(), told: false, knows: BTreeMap::new() }
    }

    /// Takes some of the entries that it believes it holds; it forgets them.
    fn take(&mut self, half: bool) -> BTreeMap<String, Vec<String>> {
        let all = std::mem::take(&mut self.knows).into_iter().enumerate();
        let (taken, kept): (Vec<_>, Vec<_>) = all.partition(|(n, _)| !half || n % 2 == 0);
        self.knows = kept.into_iter().map(|(_, entry)| entry).collect();
        taken.into_iter().map(|(_, entry)| entry).collect()
    }
}

struct World<'a> {
    redis: &'a Redis,
    door: Door,
    model: Model,
    workers: Vec<Worker>,
    /// Names in Redis whose lease lasts, and names whose lease has ended without any script noticing.
    alive: BTreeSet<String>,
    ended: BTreeSet<String>,
    sent: usize,
}

impl<'a> World<'a> {
    async fn new(redis: &'a Redis) -> Self {
        command(redis, &["FLUSHDB"]).await;
        let door = door(CAPACITY as u64, QUOTA as u64);
        let (workers, model) = ((0..WORKERS).map(|_| Worker::new()).collect(), Model::default());
        World { redis, door, model, workers, alive: BTreeSet::new(), ended: BTreeSet::new(), sent: 0 }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Enqueue { key, site, count, cost, mixed } => self.enqueue(*key, *site, *count, *cost, *mixed).await,
            Step::Resend { which, other } => self.resend(which, *other).await,
            Step::Claim { worker, count, leave } => drop(self.claim(*worker, *count, *leave).await),
            Step::Finish { worker, half } => self.finish(*worker, *half).await,
            Step::Release { worker, half } => self.release(*worker, *half).await,
            Step::Stop { worker } => self.stop(*worker).await,
            Step::Replace { worker } => {
                if self.workers[*worker].told {
                    self.workers[*worker].holder.leave(self.redis).await.unwrap();
                    self.end(*worker);
                }
                self.workers[*worker] = Worker::new();
            }
            Step::Renew { worker } => {
                let lives = self.alive.contains(self.name(*worker)) || self.ended.contains(self.name(*worker));
                let expected = lives || !self.workers[*worker].told;
                assert_eq!(self.workers[*worker].holder.renew(self.redis).await.unwrap(), expected);
                self.heard(*worker).await;
            }
            Step::RestEnds { which } => {
                let rests: Vec<String> = self.alive.iter().filter(|name| name.starts_with('~')).cloned().collect();
                if !rests.is_empty() {
                    let rest = which.get(&rests);
                    self.rest_ends(rest).await;
                }
            }
            Step::Erase { which } => self.erase(which).await,
            Step::Tick => {
                queue::tick(self.redis, clock::now().millis(), false, None).await.unwrap();
                self.bury();
            }
        }
        self.check().await;
    }

    fn name(&self, worker: usize) -> &str {
        self.workers[worker].holder.name()
    }

    /// A script noted that a worker is alive. Its lease lasts from now until a step ends it.
    async fn heard(&mut self, worker: usize) {
        let name = self.name(worker).to_owned();
        let known = self.ended.remove(&name) || self.alive.contains(&name);
        if std::mem::replace(&mut self.workers[worker].told, true) && !known {
            self.model.returned.insert(name.clone());
        }
        command(self.redis, &["ZADD", "{vigil}:holders", "XX", "9000000000000000", &name]).await;
        self.alive.insert(name);
    }

    async fn stop(&mut self, worker: usize) {
        end_lease(self.redis, self.name(worker)).await;
        if self.alive.contains(self.name(worker)) {
            self.end(worker);
        }
    }

    async fn rest_ends(&mut self, rest: &str) {
        end_lease(self.redis, rest).await;
        self.alive.remove(rest);
        self.ended.insert(rest.to_owned());
    }

    fn end(&mut self, worker: usize) {
        let name = self.name(worker).to_owned();
        self.alive.remove(&name);
        self.ended.insert(name);
    }

    fn bury(&mut self) {
        for name in std::mem::take(&mut self.ended) {
            self.model.bury(&name);
        }
    }

    async fn enqueue(&mut self, key: u8, site: usize, count: usize, cost: usize, mixed: bool) {
        let key = format!("k{key}");
        let scopes = (0..count).map(|n| SITES[(site + n * usize::from(mixed)) % SITES.len()]);
        let new: Vec<(String, String)> = scopes.map(|scope| (scope.to_owned(), format!("{key}|{scope}"))).collect();
        let new: Vec<(String, String, String)> = new
            .into_iter()
            .map(|(scope, flow)| {
                self.sent += 1;
                (format!("s{:04}", self.sent), scope, flow)
            })
            .collect();
        let records: Vec<Vec<u8>> = new.iter().map(|(id, ..)| remembered(&format!("h{id}"), number(id))).collect();
        let ids: Vec<SubmissionId> = new.iter().map(|(id, ..)| id.as_str().into()).collect();
        let together: Vec<_> = new
            .iter()
            .zip(&ids)
            .zip(&records)
            .map(|(((.., flow), id), record)| submission(id, record, flow, cost))
            .collect();
        let outcomes = self.door.enqueue(self.redis, &key.as_str().into(), "", &together).await.unwrap();
        let room = CAPACITY - self.model.unfinished().count();
        for ((n, (id, scope, _)), outcome) in new.into_iter().enumerate().zip(outcomes) {
            let expected = match () {
                () if n >= room && self.model.unfinished().count() >= CAPACITY => Enqueued::Full,
                () if self.model.load(&key) >= QUOTA => Enqueued::Quota,
                () => Enqueued::Queued,
            };
            assert_eq!(outcome, expected, "{id}");
            if outcome == Enqueued::Queued {
                let (place, lost, entry, key) = (Location::Waits, Vec::new(), String::new(), key.clone());
                let queued = Queued { entry, key, scope, cost, came: 0, place, lost, erased: false };
                self.model.queued.insert(id, queued);
            }
        }
    }

    fn pick(&self, which: &prop::sample::Index) -> Option<(String, Queued)> {
        let all: Vec<_> = self.model.queued.iter().collect();
        (!all.is_empty()).then(|| which.get(&all)).map(|(id, one)| ((*id).clone(), (*one).clone()))
    }

    async fn resend(&mut self, which: &prop::sample::Index, other: bool) {
        let Some((id, one)) = self.pick(which) else { return };
        let hash = if other { "another".to_owned() } else { format!("h{id}") };
        let (record, flow) = (remembered(&hash, 0), format!("k|{}", one.scope));
        let outcome = self
            .door
            .enqueue(self.redis, &"k".into(), "", &[submission(&id.as_str().into(), &record, &flow, 20)])
            .await
            .unwrap();
        let expected = match (one.erased, other) {
            (true, _) => Enqueued::Gone,
            (false, true) => Enqueued::Conflict(Timestamp::from_millis(number(&id))),
            (false, false) => Enqueued::Duplicate(Timestamp::from_millis(number(&id))),
        };
        assert_eq!(outcome, [expected], "{id}");
    }

    async fn claim(&mut self, worker: usize, count: usize, leave: bool) -> usize {
        let how = Claim { count, holder: &self.workers[worker].holder, leave };
        let (_, claimed) = queue::claim(self.redis, Queue::Score, how).await.unwrap();
        self.heard(worker).await;
        self.bury();
        assert_eq!(claimed.is_empty(), !self.model.waits(), "something is handed out if anything waits");
        // A worker gets all submissions of an entry together.
        let mut entries: Vec<(String, u32, Vec<String>)> = Vec::new();
        for Claimed { id, attempt, payload } in claimed {
            let payload = String::from_utf8(payload.to_vec()).unwrap();
            match entries.last_mut().filter(|(entry, ..)| *entry == id) {
                Some((_, _, all)) => all.push(payload),
                None => entries.push((id, attempt, vec![payload])),
            }
        }
        let name = self.name(worker).to_owned();
        let suspects = entries.iter().filter(|(.., all)| self.model.queued[&all[0]].key == "!!").count();
        assert!(suspects == 0 || entries.len() == 1, "what may bring workers down is handed out alone");
        for (entry, attempt, all) in &entries {
            for id in all {
                let one = &self.model.queued[id];
                assert_eq!(one.place, Location::Waits, "nobody gets what somebody has: {id}");
                assert_eq!(*attempt, self.model.attempt(one), "{id}");
            }
            let key = self.model.queued[&all[0]].key.clone();
            self.model.serve(&key, all, &name);
            self.workers[worker].knows.insert(entry.clone(), all.clone());
        }
        entries.len()
    }

    async fn finish(&mut self, worker: usize, half: bool) {
        if !self.workers[worker].told {
            return;
        }
        let entries = self.workers[worker].take(half);
        let held = Location::Held(self.name(worker).to_owned());
        let (mut finished, mut ends, mut erased) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, all) in &entries {
            let gone: Vec<&String> = all.iter().filter(|id| self.model.queued[*id].erased).collect();
            let kept = !gone.is_empty();
            erased.extend(gone.into_iter().cloned());
            for id in all {
                let one = &self.model.queued[id];
                if one.place == held && one.entry == *entry && !kept {
                    ends.push(id.clone());
                }
                let mut follow_ups = FollowUps::default();
                follow_ups.push(&format!("after {id}"));
                finished.push(Finished { id: entry.clone(), submission: Some(id.clone().into()), follow_ups });
            }
        }
        if finished.is_empty() {
            return;
        }
        let holder = &self.workers[worker].holder;
        let ended = queue::finish(self.redis, Queue::Score, holder, &finished).await.unwrap();
        assert_eq!((ended.count, ended.erased), (ends.len(), erased.iter().map(|id| id.as_str().into()).collect()));
        self.heard(worker).await;
        for id in ends {
            self.model.pushed.push(format!("after {id}"));
            self.model.queued.get_mut(&id).unwrap().place = Location::Finished;
        }
        // The rest of an entry with an erased submission is ended without that one, and here without follow-ups.
        let rest = entries.into_iter().filter(|(_, all)| all.iter().any(|id| erased.contains(id)));
        let (mut finished, mut ends) = (Vec::new(), Vec::new());
        for (entry, all) in rest {
            for id in all {
                let one = &self.model.queued[&id];
                if one.place == held && one.entry == entry {
                    ends.push(id);
                }
                finished.push(Finished { id: entry.clone(), submission: None, follow_ups: FollowUps::default() });
            }
        }
        let holder = &self.workers[worker].holder;
        let ended = queue::finish(self.redis, Queue::Score, holder, &finished).await.unwrap();
        assert_eq!((ended.count, ended.erased.len()), (ends.len(), 0));
        self.heard(worker).await;
        for id in ends {
            self.model.queued.get_mut(&id).unwrap().place = Location::Finished;
        }
    }

    async fn release(&mut self, worker: usize, half: bool) {
        let entries = self.workers[worker].take(half);
        let (name, holder) = (self.name(worker).to_owned(), &self.workers[worker].holder);
        queue::release(self.redis, Queue::Score, holder, entries.keys().cloned(), HOUR).await.unwrap();
        let held: BTreeMap<String, String> = snapshot(self.redis).await.held.into_iter().collect();
        for (entry, all) in entries {
            for id in all {
                let one = self.model.queued.get_mut(&id).unwrap();
                if one.place == Location::Held(name.clone()) && one.entry == entry {
                    let rest = held[&entry].split([' ', '.']).next().unwrap().to_owned();
                    assert!(rest.starts_with('~'), "{rest}");
                    one.place = Location::Held(rest.clone());
                    self.alive.insert(rest);
                }
            }
        }
    }

    async fn erase(&mut self, which: &prop::sample::Index) {
        let Some((id, _)) = self.pick(which) else { return };
        let [at, reason, tombstone] = [""; 3].map(str::to_owned);
        let erasure = Erasure { at, actor: "".into(), reason, meaning: None, tombstone };
        erasure::erase(self.redis, &id.as_str().into(), &erased(), &erasure).await.unwrap();
        self.model.queued.get_mut(&id).unwrap().erased = true;
    }

    async fn check(&mut self) {
        let now = snapshot(self.redis).await;
        self.model.check(&now);
        let sites: Vec<String> = SITES.iter().map(|site| (*site).to_owned()).collect();
        let oldest = queue::oldest_of(self.redis, Queue::Score, &[], &sites).await.unwrap();
        for (site, oldest) in sites.iter().zip(oldest) {
            let expected = self.model.unfinished().filter(|(_, one)| one.scope == *site).map(|(_, one)| one.came).min();
            assert_eq!(oldest, expected, "when the oldest of {site} came in");
        }
    }

    /// All workers are gone; a last one finishes the rest.
    async fn end_all(mut self) {
        for worker in 0..WORKERS {
            self.stop(worker).await;
        }
        for rest in self.alive.clone().into_iter().filter(|name| name.starts_with('~')) {
            self.rest_ends(&rest).await;
        }
        self.step(&Step::Tick).await;
        self.workers = vec![Worker::new()];
        while self.claim(0, 5, true).await > 0 {
            self.finish(0, false).await;
            self.check().await;
        }
        assert_eq!(self.model.unfinished().count(), 0);
        assert!(command(self.redis, &["GET", Queue::Score.bell()]).await.is_empty(), "the next one rings");
        self.workers[0].holder.leave(self.redis).await.unwrap();
        queue::tick(self.redis, clock::now().millis(), false, None).await.unwrap();
        for key in command(self.redis, &["KEYS", "*"]).await {
            let own = key.strip_prefix("{vigil}:").unwrap();
            // These stay: idempotency records with their scopes, erasures, counters, returned workers, the empty stream,
            // and the keys of dispatch.
            let stays = ["once:", "scopes", "erased", "stats", "holders:returned", "q:score", "clock"];
            let stays = stays.iter().any(|it| own.starts_with(it)) || own.contains("dispatch");
            assert!(stays && own != "holders", "{key} is left");
        }
        let more = command(self.redis, &["GET", names::MORE]).await;
        assert!(more.is_empty() || more == ["0"], "{more:?}");
    }
}

#[test]
fn whatever_happens_nothing_is_lost_or_done_twice() {
    let server = test_redis::Server::start();
    let runtime = crate::redis::runtime();
    let redis = Redis::new(&server.url());
    let kept = FileFailurePersistence::Direct("tests/queue/regressions.txt");
    let mut config = Config { max_shrink_iters: 4000, failure_persistence: Some(Box::new(kept)), ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let ran = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let mut world = World::new(&redis).await;
            for step in &steps {
                world.step(step).await;
            }
            world.end_all().await;
        });
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}
