//! What operators' paths need to know, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use platform::Error;
use platform::auth::Keys;
use platform::config::{Reader, once};
use platform::link::LinkKey;
use platform::redis::{PATIENCE, Redis};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) link_key: Option<LinkKey>,
    /// Between two self-checks; zero for none.
    pub(crate) self_check: Duration,
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
    let config = Config {
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        link_key: reader.parsed("link_key", LinkKey::read).await,
        self_check: reader.seconds("self_check_seconds", 0..=86_400).await,
    };
    reader.finish(config)
}
