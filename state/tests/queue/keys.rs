//! Workers that meet agree on the keys of a subject, and learn when those are destroyed.

use std::rc::Rc;

use domain::ids::Pseudonym;
use platform::kv::{Batch, Location, Store, open_at, put_all};
use platform::redis::Redis;
use serde_json::{Map, Value};
use state::erasure::subject::{self, Begun};
use state::identity::IdentityKey;
use state::names;
use state::queue::FollowUps;
use state::queue::holder::Holder;
use state::queue::subject_keys::{HeldKeys, destroyed};
use state::wire::sealed::{KeyRing, Opener};

use crate::redis::{command, runtime};

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
