//! What operators' paths need to know, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use domain::alert::routes::Routes;
use platform::Error;
use platform::auth::Keys;
use platform::config::{Faults, Reader, once};
use platform::link::LinkKey;
use platform::redis::{PATIENCE, Redis};
use workers::dispatch::{Defaults, routes_in_force};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) link_key: Option<LinkKey>,
    /// Between two self-checks; zero for none.
    pub(crate) self_check: Duration,
    /// The alert routes where there is no document.
    routes: Rc<Routes>,
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
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        link_key: reader.parsed("link_key", LinkKey::read).await,
        self_check: reader.seconds("self_check_seconds", 0..=86_400).await,
        routes: Defaults::read(reader).await.routes,
    }
}

impl Config {
    /// The routes in force.
    pub(crate) async fn routes(&self) -> Result<Rc<Routes>, Error> {
        routes_in_force(&self.redis, &self.routes).await
    }
}
