//! The configuration of dispatch: variables, read once per bell, and the settings in force.

use std::rc::Rc;
use std::time::Duration;

use domain::alert::routes::{Receiver, Routes};
use domain::alert::silence::Silence;
use domain::subscriptions::Subscriptions;
use domain::url::networks::Networks;
use platform::Error;
use platform::redis::Redis;
use platform::variables::Reader;
use state::alerts::acknowledgement_link::LinkKey;
use state::alerts::routes::DefaultRoutes;
use state::imaging::webhooks::Webhooks;
use state::settings::Settings;
use state::variables;
use state::wire::sealed::KeyRing;

/// The longest that work waits in a worker for its receiver's slot.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(15);

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) max_attempts: u32,
    pub(crate) concurrency: usize,
    pub(crate) link_key: Option<LinkKey>,
    /// The keys that open the keys of subjects.
    pub(crate) ring: Rc<KeyRing>,
    /// The addresses that requesters of analyses may name.
    pub(crate) webhooks: Webhooks,
    /// The networks in which receivers of a document may be.
    networks: Rc<Networks>,
    /// The routes that apply if no document is stored, and the deadline of a notification.
    pub(crate) routes: DefaultRoutes,
}

impl Config {
    /// Reads the variables.
    pub(crate) async fn read(reader: &mut Reader) -> Self {
        Config {
            redis: variables::redis(reader).await,
            max_attempts: reader.read(&variables::MAX_ATTEMPTS).await,
            concurrency: reader.read(&variables::DELIVERY_CONCURRENCY).await,
            ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
            link_key: reader.read(&variables::LINK_KEY).await.map(LinkKey::new),
            webhooks: reader.parsed(&variables::IMAGING_WEBHOOKS, Webhooks::read).await,
            networks: Rc::new(reader.parsed(&variables::RECEIVER_NETWORKS, Networks::read).await),
            routes: DefaultRoutes::read(reader).await,
        }
    }
}

/// One state of the settings: the routes, the silences, and the subscriptions.
pub(crate) struct Rules {
    pub(crate) routes: Rc<Routes>,
    pub(crate) silences: Rc<Vec<Silence>>,
    pub(crate) subscriptions: Rc<Subscriptions>,
    /// The networks in which receivers of a document may be.
    networks: Rc<Networks>,
    /// Whether a variable names the receivers of alerts: its operator did, so they may be anywhere.
    by_variable: bool,
    revision: String,
}

impl Rules {
    /// Returns the rules of the revision that a script gave: the known ones, or the ones in force now.
    pub(crate) async fn at(config: &Config, revision: &str, known: Option<&Rc<Rules>>) -> Result<Rc<Rules>, Error> {
        if let Some(known) = known.filter(|known| known.revision == revision) {
            return Ok(Rc::clone(known));
        }
        let settings = Settings::at(&config.redis, revision).await?;
        let routes = settings.document::<Routes>(&config.redis).await?;
        let silences = settings.document::<Vec<Silence>>(&config.redis).await?;
        let subscriptions = settings.document::<Subscriptions>(&config.redis).await?;
        Ok(Rc::new(Rules {
            networks: Rc::clone(&config.networks),
            by_variable: routes.is_none(),
            routes: routes.unwrap_or_else(|| Rc::clone(&config.routes.routes)),
            silences: silences.unwrap_or_default(),
            subscriptions: subscriptions.unwrap_or_default(),
            revision: settings.revision().to_owned(),
        }))
    }

    /// The revision of these settings.
    pub(crate) fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether a receiver of alerts may be called where it is.
    pub(crate) fn reach(&self, receiver: &Receiver) -> bool {
        self.by_variable || self.reach_events(receiver)
    }

    /// Whether a receiver of events may be called where it is.
    pub(crate) fn reach_events(&self, receiver: &Receiver) -> bool {
        self.networks.reach(receiver.url.url())
    }
}
