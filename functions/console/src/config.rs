//! The configuration of this component, read once per instance.

use std::rc::Rc;
use std::time::Duration;

use domain::alert::routes::Routes;
use domain::url::networks::Networks;
use platform::Error;
use platform::redis::Redis;
use platform::variables::Reader;
use state::alerts::routes::DefaultRoutes;
use state::edge::auth::Keys;
use state::variables;
use state::wire::sealed::KeyRing;

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    /// The time between two self-checks; zero turns them off.
    pub(crate) self_check: Duration,
    /// The keys that open the keys of subjects.
    pub(crate) ring: Rc<KeyRing>,
    /// The networks in which receivers of a document may be.
    pub(crate) networks: Networks,
    /// The alert routes to use when no document is stored.
    routes: DefaultRoutes,
}

state::component!(Config, ROUTES, read, LOOKS = true; signed signature_seconds);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: variables::redis(reader).await,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        signature_seconds: reader.read(&variables::SIGNATURE_SECONDS).await,
        self_check: reader.read(&variables::SELF_CHECK_SECONDS).await,
        ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        networks: reader.parsed(&variables::RECEIVER_NETWORKS, Networks::read).await,
        routes: DefaultRoutes::read(reader).await,
    }
}

impl Config {
    /// The routes in force.
    pub(crate) async fn routes(&self) -> Result<Rc<Routes>, Error> {
        self.routes.in_force(&self.redis).await
    }
}
