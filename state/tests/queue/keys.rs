//! Workers that meet agree on the keys of a subject, and learn when those are destroyed.

use std::rc::Rc;

use domain::ids::Pseudonym;
use platform::kv::{Batch, Location, Store, open_at, put_all};
use platform::redis::Redis;
use serde_json::{Map, Value};
use state::erasure::subject::{self, Begun};
use state::identity::IdentityKey;
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::subject_keys::{Destructions, HeldKeys, destroyed, drop_destroyed};
use state::queue::{self, Claim, Finished, FollowUps};
use state::wire::entry::Subject;
use state::wire::sealed::{KeyRing, Opener};

use crate::redis::{command, door, id, remembered, runtime, submission};

fn ring(key: u8) -> Rc<KeyRing> {
    Rc::new(KeyRing::new(IdentityKey::new(vec![key; 32]), Vec::new()))
}

fn content() -> Map<String, Value> {
    Map::from_iter([("q1".to_owned(), 3.into())])
}

/// A worker.
struct Worker {
    holder: Holder,
    keys: HeldKeys,
}

impl Worker {
    /// One that Redis knows, as after a claim.
    async fn new(redis: &Redis) -> Self {
        let holder = Holder::new();
        holder.renew(redis).await.unwrap();
        Worker { holder, keys: HeldKeys::new(ring(1)) }
    }

    async fn load(&mut self, redis: &Redis, subject: &Pseudonym) -> Vec<Pseudonym> {
        let destroyed = self.keys.load(redis, &self.holder, [subject].into()).await.unwrap();
        destroyed.into_iter().collect()
    }

    fn sealed(&self, subject: &Pseudonym) -> String {
        self.keys.get(subject).unwrap().seal_content(&"s".into(), &content()).unwrap()
    }

    fn store(&mut self, subject: &Pseudonym) -> FollowUps {
        let (mut batch, mut follow_ups) = (Batch::default(), FollowUps::default());
        self.keys.put(subject, &mut batch, &mut follow_ups).unwrap();
        put_all(&mut batch).unwrap();
        follow_ups
    }
}

async fn destroy(redis: &Redis, store: &Store, who: &Pseudonym) -> i64 {
    let (at, reason) = ("2026-03-02T00:00:00.000Z".to_owned(), "asked".to_owned());
    let begun = Begun { at, by: "admin".into(), reason, meaning: None };
    let mut progress = subject::begin(redis, who, &begun).await.unwrap();
    subject::destroy_keys(redis, store, who, &mut progress).await.unwrap();
    assert!(progress.keys_destroyed && !subject::has_keys(store, who).await.unwrap());
    let again = subject::begin(redis, who, &begun).await.unwrap();
    assert_eq!(again, progress);
    progress.began_ms
}

#[test]
fn workers_that_meet_seal_with_the_same_keys_until_they_are_destroyed() {
    let server = test_redis::Server::start();
    let redis = Redis::new(&server.url());
    open_at(&Location::Redis(server.database(1))).unwrap();
    runtime().block_on(async {
        let (store, who): (Store, Pseudonym) = (Store::open().await.unwrap(), format!("{:032x}", 7).as_str().into());
        let mut one = Worker::new(&redis).await;
        let (mut other, mut late) = (Worker::new(&redis).await, Worker::new(&redis).await);
        assert!(one.load(&redis, &who).await.is_empty());
        other.load(&redis, &who).await;
        assert_eq!(one.sealed(&who), other.sealed(&who), "the second has what the first pinned");
        // The first one stores, and its pin is deleted; a third one, which had read the store before, finds it there.
        assert_ne!(one.store(&who), FollowUps::default());
        assert_eq!(one.store(&who), FollowUps::default(), "keys are stored once");
        command(&redis, &["DEL", &names::pinned(who.as_str())]).await;
        late.load(&redis, &who).await;
        assert_eq!((late.sealed(&who), late.store(&who)), (one.sealed(&who), FollowUps::default()));
        let opened = Opener::new(&ring(1)).keys(&store, &who).await.unwrap().unwrap();
        assert_eq!(opened.open_content(&"s".into(), &one.sealed(&who)), Some(content()));
        assert!(Opener::new(&ring(2)).keys(&store, &who).await.is_err(), "another key of the installation is an error");
        // They are destroyed.
        let (before, since) = (one.sealed(&who), one.keys.since());
        let waited_for = destroy(&redis, &store, &who).await;
        assert!(Opener::new(&ring(1)).keys(&store, &who).await.unwrap().is_none());
        assert_eq!(destroyed(&redis, since).await.unwrap().1, [who.clone()].into());
        assert_eq!(one.load(&redis, &who).await, std::slice::from_ref(&who));
        assert_ne!(one.sealed(&who), before);
        assert!(one.load(&redis, &who).await.is_empty());
        // A document that came meanwhile has new keys; the erasure destroys these as well, and waits for what came till then.
        one.store(&who);
        assert!(destroy(&redis, &store, &who).await >= waited_for);
        // A worker without the right key of the installation seals nothing of this subject, and makes no other keys.
        one.load(&redis, &who).await;
        one.store(&who);
        let mut foreign = Worker { keys: HeldKeys::new(ring(2)), ..Worker::new(&redis).await };
        foreign.load(&redis, &who).await;
        assert!(foreign.keys.unopened().contains(&who) && foreign.keys.get(&who).is_none());
        let another = Pseudonym::from(format!("{:032x}", 8).as_str());
        foreign.load(&redis, &another).await;
        assert!(foreign.keys.unopened().is_empty() && foreign.keys.get(&another).is_some());
        // A worker that was declared dead makes none.
        command(&redis, &["ZREM", "{vigil}:holders", late.holder.name()]).await;
        let third = Pseudonym::from(format!("{:032x}", 9).as_str());
        assert!(late.keys.load(&redis, &late.holder, [&third].into()).await.is_err());
    });
}

/// Runs a test with an empty Redis and an empty store.
fn with_store(work: impl AsyncFnOnce(&Redis, &Store)) {
    let server = test_redis::Server::start();
    let redis = Redis::new(&server.url());
    open_at(&Location::Redis(server.database(1))).unwrap();
    runtime().block_on(async { work(&redis, &Store::open().await.unwrap()).await });
}

fn subject_of(who: &Pseudonym) -> Subject {
    Subject { subject: who.clone(), study_id: "A".into(), site_id: "1".into(), sealed: String::new() }
}

/// The subjects of whose destroyed keys a worker learns that knew these.
async fn told(redis: &Redis, since: Destructions) -> Vec<Pseudonym> {
    destroyed(redis, since).await.unwrap().1.into_iter().collect()
}

#[test]
fn keys_are_kept_while_something_may_be_sealed_with_them() {
    with_store(async |redis, store| {
        let who = Pseudonym::from(format!("{:032x}", 7).as_str());
        let (subject, mut worker) = (subject_of(&who), Worker::new(redis).await);
        worker.load(redis, &who).await;
        worker.store(&who);
        let since = worker.keys.since();
        let destroys = async || subject::destroy_unused_keys(redis, store, &subject).await.unwrap();
        for list in [names::filed(&who), names::failed(&who), names::analyses_of(&who)] {
            command(redis, &["ZADD", &list, "1", "something"]).await;
            assert!(!destroys().await, "{list}");
            command(redis, &["DEL", &list]).await;
        }
        // A document of the site waits, then a worker has it, then it rests.
        let (record, one) = (remembered("h", 5), id("a", 5));
        let sent = [submission(&one, &record, "k|A|1", 20)];
        door(1000, 1000).enqueue(redis, &"k".into(), "", &sent).await.unwrap();
        assert!(!destroys().await, "it waits");
        let how = Claim { count: 9, holder: &worker.holder, leave: true };
        let (_, claimed) = queue::claim(redis, Queue::Score, how).await.unwrap();
        assert!(!destroys().await, "a worker holds it");
        assert!(subject::has_keys(store, &who).await.unwrap() && told(redis, since).await.is_empty());
        let finished = Finished { id: claimed[0].id.clone(), submission: None, follow_ups: FollowUps::default() };
        queue::finish(redis, Queue::Score, &worker.holder, &[finished]).await.unwrap();
        // What waits of another site does not count.
        let (record, other) = (remembered("h", 6), id("b", 6));
        let sent = [submission(&other, &record, "k|A|2", 20), submission(&other, &record, "k|AB|1", 20)];
        door(1000, 1000).enqueue(redis, &"k".into(), "", &sent).await.unwrap();
        assert!(destroys().await);
        assert!(!subject::has_keys(store, &who).await.unwrap());
        assert_eq!(told(redis, since).await, std::slice::from_ref(&who));
        assert_eq!(command(redis, &["EXISTS", &names::erasing(&who)]).await, ["0"], "no erasure begins by that");
    });
}

#[test]
fn while_unused_keys_are_being_destroyed_nothing_ends_that_they_seal() {
    with_store(async |redis, store| {
        let who = Pseudonym::from(format!("{:032x}", 7).as_str());
        let mut worker = Worker::new(redis).await;
        worker.load(redis, &who).await;
        worker.store(&who);
        // The destruction broke off after its first script.
        command(redis, &["ZADD", names::KEYS_DESTROYED, "+inf", who.as_str()]).await;
        worker.load(redis, &who).await;
        let since = worker.keys.since();
        assert_eq!(told(redis, since).await, std::slice::from_ref(&who), "what a worker read since does not end");
        assert_eq!(told(redis, since).await, std::slice::from_ref(&who), "nor later");
        assert_eq!(subject::broken_off(redis).await.unwrap(), std::slice::from_ref(&who));
        // Others have numbers meanwhile.
        let other = Pseudonym::from(format!("{:032x}", 8).as_str());
        destroy(redis, store, &other).await;
        assert_eq!(told(redis, since).await, [who.clone(), other]);
        subject::complete(redis).await.unwrap();
        assert!(subject::broken_off(redis).await.unwrap().is_empty());
        assert!(!subject::has_keys(store, &who).await.unwrap());
        assert!(told(redis, since).await.contains(&who), "what was sealed before does not end");
        let old = worker.sealed(&who);
        worker.load(redis, &who).await;
        assert_ne!(worker.sealed(&who), old);
        assert!(told(redis, worker.keys.since()).await.is_empty());
    });
}

#[test]
fn an_erased_subject_that_has_keys_again_is_erased_again() {
    with_store(async |redis, store| {
        let who = Pseudonym::from(format!("{:032x}", 7).as_str());
        let (subject, mut worker) = (subject_of(&who), Worker::new(redis).await);
        let (at, reason) = ("2026-03-02T00:00:00.000Z".to_owned(), "asked".to_owned());
        let begun = Begun { at, by: "admin".into(), reason, meaning: None };
        let certificate = subject::end(redis, store, &subject, &begun).await.unwrap();
        assert_eq!(subject::standing(redis, store, &subject).await.unwrap(), Some(certificate.clone()));
        worker.load(redis, &who).await;
        worker.store(&who);
        assert_eq!(subject::standing(redis, store, &subject).await.unwrap(), None);
        // The worker that stored them with something erased removes them.
        subject::again(redis, store, &who).await.unwrap();
        assert_eq!(subject::standing(redis, store, &subject).await.unwrap(), Some(certificate));
        assert_eq!(command(redis, &["EXISTS", names::ERASURE_LOCK]).await, ["0"]);
    });
}

#[test]
fn new_keys_that_were_destroyed_are_not_stored_over_newer_ones() {
    with_store(async |redis, store| {
        let (who, other) = (format!("{:032x}", 7), format!("{:032x}", 8));
        let (who, other) = (Pseudonym::from(who.as_str()), Pseudonym::from(other.as_str()));
        let (mut slow, mut quick) = (Worker::new(redis).await, Worker::new(redis).await);
        slow.keys.load(redis, &slow.holder, [&who, &other].into()).await.unwrap();
        let (since, mut batch, mut follow_ups) = (slow.keys.since(), Batch::default(), FollowUps::default());
        for subject in [&who, &other] {
            slow.keys.put(subject, &mut batch, &mut follow_ups).unwrap();
            batch.put(names::subject(subject), &subject_of(subject)).unwrap();
        }
        let new = slow.keys.take_new();
        assert_eq!(new, [who.clone(), other.clone()].into());
        assert!(slow.keys.take_new().is_empty());
        assert!(!drop_destroyed(redis, since, &new, &mut batch).await.unwrap());
        destroy(redis, store, &who).await;
        quick.load(redis, &who).await;
        quick.store(&who);
        assert!(drop_destroyed(redis, since, &new, &mut batch).await.unwrap());
        let kept = [names::subject_keys, names::subject].map(|name| [&who, &other].map(|it| batch.holds(&name(it))));
        assert_eq!(kept, [[false, true]; 2]);
        put_all(&mut batch).unwrap();
        let opened = Opener::new(&ring(1)).keys(store, &who).await.unwrap().unwrap();
        assert_eq!(opened.open_content(&"s".into(), &quick.sealed(&who)), Some(content()));
        // The next batch has the newer ones.
        slow.load(redis, &who).await;
        assert_eq!((slow.sealed(&who), slow.store(&who)), (quick.sealed(&who), FollowUps::default()));
    });
}

#[test]
fn destructions_beyond_one_reply_are_not_missed() {
    with_store(async |redis, _| {
        let who = Pseudonym::from(format!("{:032x}", 7).as_str());
        let mut worker = Worker::new(redis).await;
        worker.load(redis, &who).await;
        let since = worker.keys.since();
        let all: Vec<(String, String)> = (1..=7000).map(|n| (n.to_string(), format!("{n:032x}"))).collect();
        for some in all.chunks(1000) {
            let mut words = vec!["ZADD", names::KEYS_DESTROYED];
            words.extend(some.iter().flat_map(|(number, subject)| [number.as_str(), subject.as_str()]));
            command(redis, &words).await;
        }
        let (last, told) = destroyed(redis, since).await.unwrap();
        assert_eq!(told.len(), 7000);
        assert_eq!(destroyed(redis, last).await.unwrap(), (last, [].into()));
    });
}
