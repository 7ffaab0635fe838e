//! The configuration of the door, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;

use platform::config::{Faults, Reader, once};
use platform::redis::Redis;
use state::edge::auth::Keys;
use state::identity::{IdentityKey, PseudonymKey};
use state::queue::Door;
use state::queue::rate_limit::{Limits, Rate};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) identities: IdentityKey,
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
    Config {
        redis: Redis::new(&reader.redis().await),
        keys: reader.parsed("api_keys", Keys::read).await,
        pseudonyms: PseudonymKey::new(reader.key("pseudonym_key", 32..=1024).await),
        identities: IdentityKey::new(reader.key("identity_key", 32..=32).await),
        door: Door::new(
            reader.number("queue_capacity", 1..=1_000_000_000).await,
            reader.number("queue_capacity_per_key", 1..=1_000_000_000).await,
            &Limits {
                per_key: reader.parsed("rate_per_key", Rate::read).await,
                per_site: reader.parsed("rate_per_site", Rate::read).await,
            },
        ),
    }
}
