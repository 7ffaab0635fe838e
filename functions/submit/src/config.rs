//! The configuration of the door, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;

use platform::redis::Redis;
use platform::variables::{Faults, Reader, once};
use state::edge::auth::Keys;
use state::health::same_key;
use state::identity::{KeyRing, PseudonymKey};
use state::queue::Door;
use state::queue::rate_limit::Limits;
use state::variables;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) pseudonyms: PseudonymKey,
    /// The keys of identities and of subjects' keys.
    pub(crate) ring: Rc<KeyRing>,
    pub(crate) door: Door,
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

/// The configuration of this instance.
pub(crate) async fn get() -> Result<Rc<Config>, Faults> {
    once(&CONFIG, read).await
}

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let redis = Redis::new(&variables::redis_url(reader).await);
    Config {
        pseudonyms: PseudonymKey::new(same_key::pseudonym_key(reader, &redis).await),
        redis,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        door: Door::new(
            reader.read(&variables::QUEUE_CAPACITY).await,
            reader.read(&variables::QUEUE_CAPACITY_PER_KEY).await,
            &Limits {
                per_key: reader.read(&variables::RATE_PER_KEY).await,
                per_site: reader.read(&variables::RATE_PER_SITE).await,
            },
            reader.read(&variables::UNKNOWN_STUDIES).await,
        ),
    }
}
