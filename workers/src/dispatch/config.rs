//! The configuration of dispatch: variables, read once per bell, and the settings in force.

use std::rc::Rc;
use std::time::Duration;

use domain::Severity;
use domain::alert::routes::Routes;
use domain::alert::silence::Silence;
use platform::Error;
use platform::config::{Reader, json};
use platform::redis::{PATIENCE, Redis};
use serde_json::Value;
use state::alerts::acknowledgement_link::LinkKey;
use state::settings::Settings;

/// The longest that work waits in a worker for its receiver's slot.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(15);

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) max_attempts: u32,
    pub(crate) concurrency: usize,
    pub(crate) link_key: Option<LinkKey>,
    /// The routes that apply if no document is stored.
    routes: Rc<Routes>,
}

/// The routes of the variables, which apply if no document is stored.
pub struct Defaults {
    /// The receivers of each alert, and the times of repetition.
    pub routes: Rc<Routes>,
}

impl Defaults {
    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        let deadline_ms: u64 = reader.number("delivery_deadline_ms", 10..=60_000).await;
        let delays = reader.parsed("retry_schedule", delays).await;
        let routes = reader.parsed("alert_routes", routes).await;
        let routes = Rc::new(routes.unwrap_or_default().paced(deadline_ms, delays));
        Defaults { routes }
    }
}

impl Config {
    /// Reads the variables.
    pub(crate) async fn read(reader: &mut Reader) -> Self {
        let defaults = Defaults::read(reader).await;
        Config {
            redis: Redis::patient(&reader.redis().await, PATIENCE),
            max_attempts: reader.number("max_attempts", 1..=1000).await,
            concurrency: reader.number("delivery_concurrency", 1..=1024).await,
            link_key: reader.parsed("link_key", LinkKey::read).await,
            routes: defaults.routes,
        }
    }
}

/// One state of the settings: the routes and the silences.
pub(crate) struct Rules {
    pub(crate) routes: Rc<Routes>,
    pub(crate) silences: Rc<Vec<Silence>>,
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
            routes: routes.unwrap_or_else(|| Rc::clone(&config.routes)),
            silences: silences.unwrap_or_default(),
            revision: settings.revision().to_owned(),
        }))
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

/// None if the schedules by urgency apply.
fn delays(text: &str) -> Result<Option<Vec<u64>>, Vec<String>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let rule = "must be empty, or a JSON array of at most 100 delays, in seconds from 0 to 604800";
    let seconds: Vec<f64> = json(text, rule)?;
    if seconds.len() > 100 || seconds.iter().any(|delay| !(0.0..=604_800.0).contains(delay)) {
        return Err(vec![rule.to_owned()]);
    }
    Ok(Some(seconds.into_iter().map(|delay| (delay * 1000.0) as u64).collect()))
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
