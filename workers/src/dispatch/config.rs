//! The configuration of dispatch: variables, read once per bell, and the settings in force.

use std::rc::Rc;
use std::time::Duration;

use domain::Severity;
use domain::alert::routes::{Receiver, Routes};
use domain::alert::silence::Silence;
use domain::url::networks::Networks;
use platform::Error;
use platform::redis::Redis;
use platform::variables::{Reader, json};
use serde_json::Value;
use state::alerts::acknowledgement_link::LinkKey;
use state::imaging::webhooks::Webhooks;
use state::settings::Settings;
use state::variables;

/// The longest that work waits in a worker for its receiver's slot.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(15);

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) max_attempts: u32,
    pub(crate) concurrency: usize,
    pub(crate) link_key: Option<LinkKey>,
    /// The addresses that requesters of analyses may name.
    pub(crate) webhooks: Webhooks,
    /// The deadline of a notification.
    pub(crate) deadline: Duration,
    /// The networks in which receivers of a document may be.
    networks: Rc<Networks>,
    /// The routes that apply if no document is stored.
    routes: Rc<Routes>,
}

/// The routes of the variables, which apply if no document is stored.
pub struct Defaults {
    /// The receivers of each alert, and the times of repetition.
    pub routes: Rc<Routes>,
    /// The deadline of a call to whom no document names, milliseconds.
    deadline_ms: u64,
}

impl Defaults {
    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        let deadline_ms = reader.read(&variables::DELIVERY_DEADLINE_MS).await;
        let delays = reader.read(&variables::RETRY_SCHEDULE).await;
        let routes = reader.parsed(&variables::ALERT_ROUTES, routes).await;
        let routes = Rc::new(routes.unwrap_or_default().paced(deadline_ms, delays));
        Defaults { routes, deadline_ms }
    }
}

impl Config {
    /// Reads the variables.
    pub(crate) async fn read(reader: &mut Reader) -> Self {
        let defaults = Defaults::read(reader).await;
        Config {
            redis: variables::redis(reader).await,
            max_attempts: reader.read(&variables::MAX_ATTEMPTS).await,
            concurrency: reader.read(&variables::DELIVERY_CONCURRENCY).await,
            link_key: reader.read(&variables::LINK_KEY).await.map(LinkKey::new),
            webhooks: reader.parsed(&variables::IMAGING_WEBHOOKS, Webhooks::read).await,
            deadline: Duration::from_millis(defaults.deadline_ms),
            networks: Rc::new(reader.parsed(&variables::RECEIVER_NETWORKS, Networks::read).await),
            routes: defaults.routes,
        }
    }
}

/// One state of the settings: the routes and the silences.
pub(crate) struct Rules {
    pub(crate) routes: Rc<Routes>,
    pub(crate) silences: Rc<Vec<Silence>>,
    /// The networks in which receivers may be; none if a variable names the receivers, which its operator did.
    networks: Option<Rc<Networks>>,
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
        Ok(Rc::new(Rules {
            networks: routes.is_some().then(|| Rc::clone(&config.networks)),
            routes: routes.unwrap_or_else(|| Rc::clone(&config.routes)),
            silences: silences.unwrap_or_default(),
            revision: settings.revision().to_owned(),
        }))
    }
}

impl Rules {
    /// Whether a receiver may be called where it is.
    pub(crate) fn reach(&self, receiver: &Receiver) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.reach(receiver.url.url()))
    }
}

/// Returns the routes in force, for components that do not deliver; `otherwise` if no document is stored.
///
/// # Errors
/// When Redis or the store is unavailable.
pub async fn routes_in_force(redis: &Redis, otherwise: &Rc<Routes>) -> Result<Rc<Routes>, Error> {
    let settings = Settings::in_force(redis).await?;
    let routes = settings.document::<Routes>(redis).await?;
    Ok(routes.unwrap_or_else(|| Rc::clone(otherwise)))
}

fn routes(text: &str) -> Result<Option<Routes>, Vec<String>> {
    let document: Value = json(text, "must be JSON")?;
    let faults = |faults: Vec<domain::Finding>| {
        faults.into_iter().map(|fault| format!("at {:?}: {}", plain(&fault.pointer), fault.detail)).collect()
    };
    Routes::read_variable(&document).map(Some).map_err(faults)
}

/// Removes from a pointer all names that the variable does not know: an operator may have put a URL there by mistake.
fn plain(pointer: &str) -> String {
    let known = |step: &str| {
        step.bytes().all(|byte| byte.is_ascii_digit())
            || ["url", "secret"].contains(&step)
            || Severity::ALL.iter().any(|severity| severity.as_str() == step)
    };
    let steps: Vec<&str> = pointer.split('/').map(|step| if known(step) { step } else { "(unknown)" }).collect();
    steps.join("/")
}
