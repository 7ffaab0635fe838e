//! The figures of the last hour: samples at chosen times, and what they say of each minute.

use domain::ids::StudyId;
use platform::redis::Redis;
use state::figures::hour::{self, Minute};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Claim, Finished, FollowUps};

use crate::redis::{command, door, remembered, submission, with_redis};

/// The start of a minute, milliseconds.
const START: i64 = 29_000_000 * 60_000;

fn at(minute: i64, second: i64) -> i64 {
    START + minute * 60_000 + second * 1000
}

/// Accepts a submission for each of these names.
async fn accept(redis: &Redis, names: &[&str]) {
    let record = remembered("h", 5);
    for name in names {
        let id = (*name).into();
        door(1000, 1000).enqueue(redis, &"k".into(), "", &[submission(&id, &record, "k|A|1", 20)]).await.unwrap();
    }
}

/// Ends everything that waits: all of it scored, but for the names in `failed`.
async fn score(redis: &Redis, failed: &[&str]) {
    let holder = Holder::new();
    let how = Claim { count: 100, holder: &holder, leave: true };
    let (_, claimed) = queue::claim(redis, Queue::Score, how).await.unwrap();
    let one = |claimed: queue::Claimed| {
        let mut follow_ups = FollowUps::default();
        let name = String::from_utf8(claimed.payload.to_vec()).unwrap();
        let kind = if failed.contains(&name.as_str()) { "failed" } else { "scored" };
        follow_ups.journal(&StudyId::from("A"), &format!("{kind} 1 phq-9 {name} 00"));
        Finished { id: claimed.id, submission: None, follow_ups }
    };
    let all: Vec<Finished> = claimed.into_iter().map(one).collect();
    assert_eq!(queue::finish(redis, Queue::Score, &holder, &all).await.unwrap().count, all.len());
    // A second time it ends nothing, and counts nothing.
    assert_eq!(queue::finish(redis, Queue::Score, &holder, &all).await.unwrap().count, 0);
}

async fn sample(redis: &Redis, (minute, second): (i64, i64), rests: bool) {
    hour::sample(redis, at(minute, second), rests).await.unwrap();
}

/// The minutes as they are shown at this minute: number, accepted, scored, delivered, waiting submissions.
async fn minutes(redis: &Redis, now: i64) -> Vec<(i64, u64, u64, u64, u64)> {
    let shown = |one: Minute| {
        let number = (one.at.millis() - START) / 60_000;
        (number, one.accepted, one.scored, one.delivered, one.waiting[0])
    };
    hour::read(redis, at(now, 30)).await.unwrap().into_iter().map(shown).collect()
}

#[test]
fn while_the_clock_ticks_each_minute_has_what_happened_in_it() {
    with_redis(async |redis| {
        assert_eq!(minutes(redis, 0).await, []);
        sample(redis, (0, 0), false).await;
        accept(redis, &["a", "b", "c"]).await;
        // Other ticks of the minute take no sample.
        sample(redis, (0, 30), false).await;
        assert_eq!(minutes(redis, 0).await, [(0, 0, 0, 0, 0)]);
        sample(redis, (1, 0), false).await;
        assert_eq!(minutes(redis, 1).await, [(0, 3, 0, 0, 3)]);
        score(redis, &["b"]).await;
        accept(redis, &["d"]).await;
        command(redis, &["HINCRBY", names::ATTEMPTS, "webhook|delivered", "2"]).await;
        command(redis, &["HINCRBY", names::ATTEMPTS, "webhook|status-500", "7"]).await;
        sample(redis, (2, 0), false).await;
        sample(redis, (3, 1), false).await;
        assert_eq!(minutes(redis, 3).await, [(0, 3, 0, 0, 3), (1, 1, 2, 2, 1), (2, 0, 0, 0, 1)]);
        // Counters that were lost are no negative figures.
        command(redis, &["DEL", names::STATS, names::ATTEMPTS]).await;
        accept(redis, &["e"]).await;
        sample(redis, (4, 0), false).await;
        assert_eq!(minutes(redis, 4).await[3], (3, 0, 0, 0, 2));
    });
}

#[test]
fn what_wakes_the_clock_counts_in_its_own_minute() {
    with_redis(async |redis| {
        sample(redis, (0, 0), true).await;
        accept(redis, &["a", "b"]).await;
        sample(redis, (10, 20), false).await;
        assert_eq!(minutes(redis, 10).await, [(0, 0, 0, 0, 0), (10, 2, 0, 0, 2)]);
        score(redis, &[]).await;
        sample(redis, (10, 22), true).await;
        // The same sample, sent again, and rounds of a clock that has nothing to do.
        sample(redis, (10, 22), true).await;
        sample(redis, (10, 24), true).await;
        assert_eq!(minutes(redis, 10).await, [(0, 0, 0, 0, 0), (10, 2, 2, 0, 0)]);
        // It goes on over the end of the minute.
        accept(redis, &["c"]).await;
        sample(redis, (10, 59), false).await;
        score(redis, &[]).await;
        sample(redis, (11, 0), true).await;
        assert_eq!(minutes(redis, 11).await[1..], [(10, 3, 3, 0, 0)]);
    });
}

#[test]
fn an_hour_is_kept_and_no_more() {
    with_redis(async |redis| {
        for minute in 0..100 {
            sample(redis, (minute, 0), false).await;
        }
        let kept = minutes(redis, 99).await;
        assert_eq!((kept.first().unwrap().0, kept.last().unwrap().0, kept.len()), (40, 98, 59));
        let fields: usize = command(redis, &["HLEN", names::MINUTES]).await[0].parse().unwrap();
        assert!(fields <= 61, "{fields}");
        // A clock that stands still removes nothing, but what is old is not shown.
        assert_eq!(minutes(redis, 157).await.len(), 1);
        // A clock that was set back removes what is to come.
        sample(redis, (90, 5), false).await;
        assert_eq!(minutes(redis, 90).await.last().unwrap().0, 90);
    });
}
