//! What reads and operations need to know, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use platform::Error;
use platform::auth::Keys;
use platform::config::{Reader, once};
use platform::identity::IdentityKey;
use platform::redis::{PATIENCE, Redis};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    /// The key that seals identities, then those that did before.
    pub(crate) identities: Vec<IdentityKey>,
    pub(crate) identity_looks_per_minute: u32,
    pub(crate) lease: Duration,
    pub(crate) ready_max_age: Duration,
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

/// The configuration of this instance.
pub(crate) async fn get() -> Result<Rc<Config>, Error> {
    once(&CONFIG, read).await
}

async fn read() -> Result<Config, Error> {
    let mut reader = Reader::new();
    let identity_key = IdentityKey::new(reader.key("identity_key", 32..=32).await);
    let older = reader.parsed("identity_keys_old", IdentityKey::read_list).await;
    let config = Config {
        redis: Redis::patient(&reader.text("redis_url").await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        identities: std::iter::once(identity_key).chain(older).collect(),
        identity_looks_per_minute: reader.number("identity_looks_per_minute", 1..=10_000).await,
        lease: reader.seconds("lease_seconds", 1..=86_400).await,
        ready_max_age: reader.seconds("ready_max_age_seconds", 1..=86_400).await,
    };
    reader.finish(config)
}
