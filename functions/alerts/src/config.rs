//! The configuration of this component, read once per instance.

use std::rc::Rc;

use domain::alert::routes::Routes;
use domain::subscriptions::Subscriptions;
use platform::Error;
use platform::redis::Redis;
use platform::variables::Reader;
use state::alerts::acknowledgement_link::LinkKey;
use state::alerts::routes::DefaultRoutes;
use state::edge::auth::Keys;
use state::settings::Settings;
use state::variables;
use state::wire::sealed::KeyRing;

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    pub(crate) link_key: Option<LinkKey>,
    /// The keys that open the keys of subjects.
    pub(crate) ring: Rc<KeyRing>,
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
        link_key: reader.read(&variables::LINK_KEY).await.map(LinkKey::new),
        ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        routes: DefaultRoutes::read(reader).await,
    }
}

impl Config {
    /// The routes in force.
    pub(crate) async fn routes(&self) -> Result<Rc<Routes>, Error> {
        self.routes.in_force(&self.redis).await
    }

    /// The subscriptions in force, and the revision of the settings that have them.
    pub(crate) async fn subscriptions(&self) -> Result<(Rc<Subscriptions>, String), Error> {
        let settings = Settings::in_force(&self.redis).await?;
        let subscriptions = settings.document::<Subscriptions>(&self.redis).await?;
        Ok((subscriptions.unwrap_or_default(), settings.revision().to_owned()))
    }
}
