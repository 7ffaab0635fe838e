//! The replies of each script of the protocol.

use std::time::Duration;

use domain::ids::SubmissionId;
use platform::clock;
use platform::redis::{Redis, string, text};
use state::erasure::{self, Erasure};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Amends, Claim, Enqueued, Finished, FollowUps};
use state::wire::idempotency::{Content, IdempotencyRecord, Topic};

use crate::redis::{ERASED, command, door, end_lease, remembered, snapshot, submission, with_redis};

const KEPT: Duration = Duration::from_secs(60);

/// Enqueues submissions with these ids, flows and costs, each alone.
async fn enqueue(redis: &Redis, all: &[(&str, &str, usize)]) {
    let door = door(1000, 1000);
    for (id, flow, cost) in all {
        let outcome = door.enqueue(redis, "k", "", &[submission(&(*id).into(), "h facts", flow, *cost)]).await.unwrap();
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
    queue::finish(redis, Queue::Score, holder, &all, KEPT).await.unwrap().count
}

#[test]
fn the_script_and_the_components_read_the_same_words_in_an_idempotency_record() {
    const READ: &str = concat!(include_str!("../../src/wire/idempotency.lua"), "return {idempotency(ARGV[1])}");
    with_redis(async |redis| {
        let report = remembered("00ff", "2026-03-01T08:00:00.000Z").replace("what", "/lab");
        for line in [remembered("00ff", "then"), report, ERASED.line()] {
            let reply = redis.command("EVAL", vec![text(READ), text("0"), text(&line)]).await.unwrap();
            let words: Vec<String> = reply.iter().filter_map(string).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let [hash, study, site, received_at, subject, topic] = *words.as_slice() else { panic!("{words:?}") };
            let topic = topic.strip_prefix('/').map_or(Topic::Instrument(topic), Topic::Kind);
            let content = (hash != "erased").then_some(Content { hash, subject, topic });
            assert_eq!(IdempotencyRecord::read(&line), Some(IdempotencyRecord { study, site, received_at, content }));
        }
    });
}

#[test]
fn the_door_says_what_became_of_each() {
    with_redis(async |redis| {
        let outcome = async |id: &str, hash: &str, flow: &str, revision: &str, amends: Option<&str>| {
            let record = remembered(hash, "then");
            let (id, amends) = (SubmissionId::from(id), amends.map(SubmissionId::from));
            let mut one = submission(&id, &record, flow, 20);
            one.amends = amends.as_ref().map(|id| Amends { id, subjects: "who" });
            let key = flow.split('|').next().unwrap();
            let mut outcomes = door(5, 3).enqueue(redis, key, revision, &[one]).await.unwrap();
            outcomes.pop().unwrap()
        };
        assert_eq!(outcome("a", "h1", "k|A|1", "", None).await, Enqueued::Queued);
        assert_eq!(outcome("a", "h1", "k|A|1", "", None).await, Enqueued::Duplicate);
        assert_eq!(outcome("a", "h2", "k|A|1", "", None).await, Enqueued::Conflict("then".to_owned()));
        assert_eq!(outcome("b", "h1", "k|A|1", "old", None).await, Enqueued::Stale);
        assert_eq!(outcome("b", "h1", "k|A|1", "", Some("x")).await, Enqueued::AmendsUnknown);
        assert_eq!(outcome("b", "h1", "k|A|1", "", Some("a")).await, Enqueued::Queued);
        assert_eq!(outcome("c", "h1", "k|A|1", "", Some("a")).await, Enqueued::NotCurrent);
        let [at, actor, reason, tombstone] = [""; 4].map(str::to_owned);
        let erasure = Erasure { at, actor, reason, tombstone };
        erasure::erase(redis, &"e".into(), &ERASED, &erasure).await.unwrap();
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
        let finish =
            async |holder: &Holder| queue::finish(redis, Queue::Score, holder, &all, KEPT).await.unwrap().count;
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
        let remembered: u64 = command(redis, &["TTL", &names::once(&"a".into())]).await[0].parse().unwrap();
        assert!((1..=KEPT.as_secs()).contains(&remembered));
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
            queue::release(redis, Queue::Score, &holder, [id.clone()], KEPT).await.unwrap();
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
