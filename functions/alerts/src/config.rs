//! The configuration of this component, read once per instance.

use std::rc::Rc;

use domain::alert::routes::Routes;
use platform::Error;
use platform::config::Reader;
use platform::redis::{PATIENCE, Redis};
use state::alerts::acknowledgement_link::LinkKey;
use state::edge::auth::Keys;
use workers::dispatch::{Defaults, routes_in_force};

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) link_key: Option<LinkKey>,
    /// The alert routes to use when no document is stored.
    routes: Rc<Routes>,
}

state::component!(Config, ROUTES, read);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        link_key: reader.parsed("link_key", LinkKey::read).await,
        routes: Defaults::read(reader).await.routes,
    }
}

impl Config {
    /// The routes in force.
    pub(crate) async fn routes(&self) -> Result<Rc<Routes>, Error> {
        routes_in_force(&self.redis, &self.routes).await
    }
}
