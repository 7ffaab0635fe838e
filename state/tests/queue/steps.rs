//! The replies of each script of the protocol.

use std::time::Duration;

use domain::Timestamp;
use domain::ids::SubmissionId;
use platform::clock;
use platform::redis::Redis;
use state::erasure::{self, Erasure};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Amends, Claim, Enqueued, Finished, FollowUps};
use state::wire::idempotency::{self, Content, IdempotencyRecord, Remembered, Topic};

use crate::redis::{command, door, end_lease, erased, id, remembered, snapshot, submission, with_redis};

/// The time for which what is given back rests.
const REST: Duration = Duration::from_secs(60);

/// Enqueues submissions with these ids, flows and costs, each alone.
async fn enqueue(redis: &Redis, all: &[(&str, &str, usize)]) {
    let (door, record) = (door(1000, 1000), remembered("h", 5));
    for (id, flow, cost) in all {
        let outcome =
            door.enqueue(redis, &"k".into(), "", &[submission(&(*id).into(), &record, flow, *cost)]).await.unwrap();
        assert_eq!(outcome, [Enqueued::Queued], "{id}");
    }
}

/// Claims `count`. Returns payloads with their attempts, and the entries' ids.
async fn claim(redis: &Redis, holder: &Holder, count: usize) -> (Vec<(String, u32)>, Vec<String>) {
    let how = Claim { count, holder, leave: true };
    let (_, claimed) = queue::claim(redis, Queue::Score, how).await.unwrap();
    let payload = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    claimed.into_iter().map(|one| ((payload(&one.payload), one.attempt), one.id)).unzip()
}

async fn claimed(redis: &Redis, holder: &Holder, count: usize) -> Vec<String> {
    claim(redis, holder, count).await.0.into_iter().map(|(payload, _)| payload).collect()
}

async fn finish(redis: &Redis, holder: &Holder, ids: &[String]) -> usize {
    let one = |id: &String| Finished { id: id.clone(), submission: None, follow_ups: FollowUps::default() };
    let all: Vec<Finished> = ids.iter().map(one).collect();
    queue::finish(redis, Queue::Score, holder, &all).await.unwrap().count
}

/// The door's memory of a submission.
async fn known(redis: &Redis, id: &SubmissionId) -> Option<Remembered> {
    idempotency::read(redis, id).await.unwrap()
}

#[test]
fn a_record_is_read_as_the_door_wrote_it() {
    with_redis(async |redis| {
        const AT: i64 = 1_772_352_000_123;
        let of = |topic: Topic<&'static str>| {
            let content = Some(Content { hash: "00ff", subject: "who", topic });
            IdempotencyRecord { study: "A-1", site: "S/2", received_at: Timestamp::from_millis(AT), content }
        };
        for (name, record) in [("a", of(Topic::Instrument("phq-9"))), ("b", of(Topic::Kind("lab")))] {
            let (own, bytes) = (id(name, AT), record.bytes());
            door(9, 9).enqueue(redis, &"k".into(), "", &[submission(&own, &bytes, "k|A-1|S/2", 20)]).await.unwrap();
            let received_at = Timestamp::from_millis(AT);
            let expected = Remembered { study: "A-1".into(), site: "S/2".into(), received_at, erased: false };
            assert_eq!(known(redis, &own).await, Some(expected));
            assert_eq!(known(redis, &id(name, AT + 1)).await, None, "nobody has this id");
        }
        erasure::erase(redis, &id("c", 5), &erased(), &erasure()).await.unwrap();
        let received_at = Timestamp::from_millis(5);
        let expected = Remembered { study: "A".into(), site: "1".into(), received_at, erased: true };
        assert_eq!((known(redis, &id("c", 5)).await, known(redis, &id("d", 5)).await), (Some(expected), None));
        assert_eq!(command(redis, &["ZCARD", names::SCOPES]).await, ["3"]);

        // Records that Redis lost come back from the store, and nothing else changes.
        command(redis, &["FLUSHALL"]).await;
        let content =
            Some(Content { hash: "h".to_owned(), subject: "who".to_owned(), topic: Topic::Kind("lab".to_owned()) });
        let (study, site, received_at) = ("A".to_owned(), "1".to_owned(), Timestamp::from_millis(5));
        let record = IdempotencyRecord { study, site, received_at, content };
        let all = [(id("a", 5), record.clone()), (id("b", 5), record.clone())];
        assert_eq!(idempotency::put_back(redis, &all).await.unwrap(), 2);
        assert_eq!(idempotency::put_back(redis, &all).await.unwrap(), 0);
        let bytes = IdempotencyRecord { received_at: Timestamp::from_millis(9), ..record }.bytes();
        let again =
            door(9, 9).enqueue(redis, &"k".into(), "", &[submission(&id("a", 9), &bytes, "k|A|1", 20)]).await.unwrap();
        assert_eq!(again, [Enqueued::Duplicate(received_at)]);
    });
}

fn erasure() -> Erasure {
    let [at, reason, tombstone] = [""; 3].map(str::to_owned);
    Erasure { at, actor: "".into(), reason, meaning: None, tombstone }
}

#[test]
fn a_record_is_forgotten_when_it_is_old_and_nothing_older_waits() {
    with_redis(async |redis| {
        const DAY: i64 = 86_400_000;
        let now = clock::now().millis();
        for (number, age) in [(1, 3), (2, 1), (3, 3)] {
            let id = swept(number);
            let record = remembered("h", now - age * DAY);
            door(9, 9).enqueue(redis, &"k".into(), "", &[submission(&id, &record, "k|A|1", 20)]).await.unwrap();
        }
        erasure::erase(redis, &swept(3), &erased(), &erasure()).await.unwrap();
        let sweep = async |days: i64| {
            let mut forgotten = 0;
            for _ in 0..256 {
                forgotten +=
                    idempotency::sweep(redis, now + days * DAY, 2 * Duration::from_secs(86_400)).await.unwrap();
            }
            forgotten
        };
        let left = async || command(redis, &["EVAL", LEFT, "0"]).await.join(" ");
        // The waiting ones came in just now, so only one that was old then is forgotten, however late it is.
        assert_eq!((sweep(100).await, left().await), (1, "002 003".to_owned()));
        let holder = Holder::new();
        let (_, ids) = claim(redis, &holder, 9).await;
        assert_eq!(finish(redis, &holder, &ids).await, 3);
        assert_eq!((sweep(100).await, left().await), (1, "003".to_owned()), "an erasure is not forgotten");
        assert_eq!(sweep(100).await, 0);
    });
}

/// An id whose record lies in the hash of these digits.
fn swept(digits: u16) -> SubmissionId {
    format!("00000000-0000-7{digits:03x}-8000-000000000000").into()
}

/// The digits of the ids that are remembered.
const LEFT: &str = "local out = {}
for n = 0, 9 do
  local digits = string.format('%03x', n)
  if redis.call('EXISTS', '{vigil}:once:' .. digits) == 1 then out[#out + 1] = digits end
end
return out";

#[test]
fn submissions_of_which_one_is_known_leave_no_trace_together() {
    with_redis(async |redis| {
        let record = remembered("h", 5);
        let ids = ["a", "b", "c"].map(|name| id(name, 5));
        let duplicate = Enqueued::Duplicate(Timestamp::from_millis(5));
        let send = async |ids: &[SubmissionId], capacity| {
            let all: Vec<_> = ids.iter().map(|id| submission(id, &record, "k|A|1", 20)).collect();
            door(capacity, 9).enqueue(redis, &"k".into(), "", &all).await.unwrap()
        };
        assert_eq!(send(&ids[2..], 9).await, [Enqueued::Queued]);
        assert_eq!(send(&ids, 1).await, [Enqueued::Full, Enqueued::Full, duplicate.clone()]);
        assert_eq!((known(redis, &ids[0]).await, known(redis, &ids[1]).await), (None, None));
        assert_eq!(send(&ids, 9).await, [Enqueued::Queued, Enqueued::Queued, duplicate]);
    });
}

#[test]
fn the_door_says_what_became_of_each() {
    with_redis(async |redis| {
        let who = idempotency::subject_bytes("who");
        let outcome = async |name: &str, hash: &str, flow: &str, revision: &str, amends: Option<&str>| {
            let record = remembered(hash, 5);
            let (own, amends) = (id(name, 5), amends.map(|name| id(name, 5)));
            let mut one = submission(&own, &record, flow, 20);
            one.amends = amends.as_ref().map(|id| Amends { id, subjects: &who });
            let key = flow.split('|').next().unwrap();
            let mut outcomes = door(5, 3).enqueue(redis, &key.into(), revision, &[one]).await.unwrap();
            outcomes.pop().unwrap()
        };
        assert_eq!(outcome("a", "h1", "k|A|1", "", None).await, Enqueued::Queued);
        let first = Timestamp::from_millis(5);
        assert_eq!(outcome("a", "h1", "k|A|1", "", None).await, Enqueued::Duplicate(first));
        assert_eq!(outcome("a", "h2", "k|A|1", "", None).await, Enqueued::Conflict(first));
        assert_eq!(outcome("b", "h1", "k|A|1", "old", None).await, Enqueued::Stale);
        assert_eq!(outcome("b", "h1", "k|A|1", "", Some("x")).await, Enqueued::AmendsUnknown);
        assert_eq!(outcome("b", "h1", "k|A|1", "", Some("a")).await, Enqueued::Queued);
        assert_eq!(outcome("c", "h1", "k|A|1", "", Some("a")).await, Enqueued::NotCurrent);
        erasure::erase(redis, &id("e", 5), &erased(), &erasure()).await.unwrap();
        assert_eq!(outcome("e", "h1", "k|A|1", "", None).await, Enqueued::Gone);
        assert_eq!(outcome("c", "h1", "k|A|1", "", Some("e")).await, Enqueued::AmendsGone);
        assert_eq!(outcome("c", "h1", "k|A|1", "", None).await, Enqueued::Queued);
        assert_eq!(outcome("d", "h1", "k|A|1", "", None).await, Enqueued::Quota, "of this key");
        for id in ["d", "f"] {
            assert_eq!(outcome(id, "h1", "other|A|1", "", None).await, Enqueued::Queued);
        }
        assert_eq!(outcome("g", "h1", "third|A|1", "", None).await, Enqueued::Full);
    });
}

#[test]
fn keys_studies_and_sites_take_turns() {
    // Two of these make a turn.
    let cost = 30 << 10;
    for (sent, expected) in [
        // A single key has no turns.
        ("k|A|1 k|A|1 k|A|1 k|A|1", "0 1 2 3"),
        // A newcomer waits one turn, even if the other key has many waiting.
        ("k|A|1 k|A|1 k|A|1 k|A|1 l|A|1", "0 1 4 2 3"),
        ("k|A|1 k|A|1 k|A|1 k|A|1 k|A|1 l|A|1 l|A|1 l|A|1 m|A|1", "0 1 5 6 8 2 3 7 4"),
        // The same holds between the studies of a key and the sites of a study.
        ("k|A|1 k|A|1 k|A|1 k|B|1", "0 1 3 2"),
        ("k|A|1 k|A|1 k|A|1 k|A|2", "0 1 3 2"),
        // A study with many sites gets no more than a study with one site.
        ("k|A|1 k|A|2 k|A|1 k|A|2 k|B|1 k|B|1", "0 2 4 5 1 3"),
    ] {
        with_redis(async |redis| {
            let ids: Vec<String> = (0..9).map(|n| n.to_string()).collect();
            let all: Vec<_> = sent.split(' ').zip(&ids).map(|(flow, id)| (id.as_str(), flow, cost)).collect();
            enqueue(redis, &all).await;
            assert_eq!(claimed(redis, &Holder::new(), 100).await.join(" "), expected, "{sent}");
        });
    }
}

#[test]
fn one_claim_takes_so_many_and_so_much() {
    with_redis(async |redis| {
        let all: Vec<String> = (0..5).map(|n| n.to_string()).collect();
        let all: Vec<_> = all.iter().map(|id| (id.as_str(), "k|A|1", 3 << 20)).collect();
        enqueue(redis, &all).await;
        enqueue(redis, &[("large", "l|A|1", 40 << 20)]).await;
        let holder = Holder::new();
        assert_eq!(claimed(redis, &holder, 100).await, ["0"], "two would cost more than four million");
        assert_eq!(claimed(redis, &holder, 100).await, ["large"], "what costs more than there is room for goes alone");
        assert_eq!(claimed(redis, &holder, 1).await, ["1"]);
    });
}

#[test]
fn what_follows_follows_once_and_only_for_who_holds_it() {
    with_redis(async |redis| {
        enqueue(redis, &[("a", "k|A|1", 20)]).await;
        let (first, second) = (Holder::new(), Holder::new());
        let (_, ids) = claim(redis, &first, 1).await;
        queue::pin(redis, &first, &[("a".to_owned(), "so".to_owned())]).await.unwrap();
        let mut follow_ups = FollowUps::default();
        follow_ups.push("pushed");
        follow_ups.delay(5, "k|A|1", "later");
        follow_ups.dead("unreadable-entry", &[0, 255]);
        follow_ups.index("{vigil}:index", 7, "member");
        follow_ups.count("{vigil}:count", "field");
        follow_ups.unpin("a");
        let all = [Finished { id: ids[0].clone(), submission: Some("a".into()), follow_ups }];
        let finish = async |holder: &Holder| queue::finish(redis, Queue::Score, holder, &all).await.unwrap().count;
        assert_eq!(finish(&second).await, 0, "another holds it");
        assert_eq!(finish(&first).await, 1);
        assert_eq!(finish(&first).await, 0, "it is finished");
        let now = snapshot(redis).await;
        assert_eq!(now.dispatched.iter().map(|(_, payload)| payload.as_str()).collect::<Vec<_>>(), ["pushed"]);
        assert_eq!(command(redis, &["ZRANGE", names::DUE, "0", "-1"]).await, ["score k|A|1 later"]);
        assert_eq!(command(redis, &["XLEN", names::DEAD]).await, ["1"]);
        assert_eq!(command(redis, &["ZSCORE", "{vigil}:index", "member"]).await, ["7"]);
        assert_eq!(command(redis, &["HGET", "{vigil}:count", "field"]).await, ["1"]);
        assert!(command(redis, &["GET", &names::pinned("a")]).await.is_empty());
    });
}

#[test]
fn what_a_dead_worker_held_comes_back_and_it_finishes_nothing() {
    with_redis(async |redis| {
        enqueue(redis, &[("a", "k|A|1", 20), ("b", "k|A|1", 20)]).await;
        let holders: Vec<Holder> = (0..4).map(|_| Holder::new()).collect();
        let (_, late) = claim(redis, &holders[0], 1).await;
        end_lease(redis, holders[0].name()).await;
        let (again, ids) = claim(redis, &holders[1], 9).await;
        assert_eq!(again, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!(finish(redis, &holders[0], &late).await, 0, "it is another's now");
        end_lease(redis, holders[1].name()).await;
        // The first worker went on, so it did no harm: each entry was lost once.
        let (again, _) = claim(redis, &holders[2], 9).await;
        assert_eq!(again, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
        end_lease(redis, holders[2].name()).await;
        for expected in ["a", "b"] {
            let (again, _) = claim(redis, &holders[3], 9).await;
            assert_eq!(again, [(expected.to_owned(), 3)], "what was lost twice comes alone");
        }
        assert_eq!(finish(redis, &holders[1], &ids).await, 0);
    });
}

#[test]
fn what_is_given_back_rests_and_is_no_attempt() {
    with_redis(async |redis| {
        enqueue(redis, &[("a", "k|A|1", 20), ("b", "k|A|1", 20), ("c", "k|A|1", 20)]).await;
        let holder = Holder::new();
        let (_, ids) = claim(redis, &holder, 2).await;
        for id in &ids {
            queue::release(redis, Queue::Score, &holder, [id.clone()], REST).await.unwrap();
        }
        assert_eq!(finish(redis, &holder, &ids).await, 0, "it is nobody's");
        assert_eq!(claimed(redis, &holder, 1).await, ["c"]);
        assert_eq!(claimed(redis, &holder, 1).await, [""; 0]);
        // The rests end one after the other, the first one first. The entry that came in first is first again.
        let rest = |now: &crate::redis::Snapshot, id: &String| {
            let (_, held) = now.held.iter().find(|(held, _)| held == id).unwrap();
            held.split(' ').next().unwrap().to_owned()
        };
        let now = snapshot(redis).await;
        for id in &ids {
            end_lease(redis, &rest(&now, id)).await;
            queue::tick(redis, clock::now().millis(), false, None).await.unwrap();
        }
        assert_eq!(claim(redis, &holder, 9).await.0, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    });
}

#[test]
fn one_tick_at_a_time_holds_the_clock() {
    with_redis(async |redis| {
        let lease = async |message: &str| queue::lease_clock(redis, message.as_bytes()).await.unwrap();
        let first = lease("next 1").await.unwrap();
        assert!(lease("next 1").await.is_none(), "the message comes again");
        assert!(lease("next 2").await.is_none(), "another one, while the tick runs");
        let tick = async |lease| queue::tick(redis, 10, false, Some(lease)).await.unwrap();
        assert!(!tick(&first).await.watching, "there is nothing to watch");
        assert!(command(redis, &["GET", names::CLOCK]).await.is_empty());
        let second = lease("next 3").await.unwrap();
        command(redis, &["ZADD", names::DUE, "10", "score k|A|1 due", "11", "score k|A|1 later", "9", "unknown"]).await;
        let ticked = tick(&second).await;
        assert_eq!((ticked.moved, ticked.watching), (2, true));
        assert_eq!(snapshot(redis).await.stream.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), ["due"]);
        assert_eq!(command(redis, &["XLEN", names::DEAD]).await, ["1"], "nobody here can do it");
        assert_eq!(tick(&second).await.moved, 0, "somebody else goes on");
        let announced = command(redis, &["GET", names::CLOCK]).await.remove(0);
        assert!(lease(&announced).await.is_some());
    });
}

#[test]
fn what_a_worker_reserved_is_due_when_it_dies_and_it_decides_nothing_then() {
    with_redis(async |redis| {
        let (dead, other) = (Holder::new(), Holder::new());
        let decision = |text: &str| [("s".to_owned(), text.to_owned())];
        assert!(dead.renew(redis).await.unwrap());
        command(redis, &["SADD", &format!("{{vigil}}:holder:{}", dead.name()), "score k|A|1 reserved"]).await;
        end_lease(redis, dead.name()).await;
        let ticked = queue::tick(redis, clock::now().millis(), false, None).await.unwrap();
        assert_eq!((ticked.moved, ticked.watching), (1, true));
        assert!(queue::pin(redis, &dead, &decision("late")).await.is_err());
        assert_eq!(claimed(redis, &other, 9).await, ["reserved"]);
        assert_eq!(queue::pin(redis, &other, &decision("first")).await.unwrap(), [None]);
        assert_eq!(queue::pin(redis, &dead, &decision("second")).await.unwrap(), [Some("first".to_owned())]);
    });
}
