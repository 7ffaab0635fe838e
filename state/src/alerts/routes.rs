//! The routes of alerts: those of the stored document, or else those of the variables.

use std::rc::Rc;
use std::time::Duration;

use domain::Severity;
use domain::alert::routes::Routes;
use platform::Error;
use platform::redis::Redis;
use platform::variables::{Reader, json};
use serde_json::Value;

use crate::settings::Settings;
use crate::variables;

/// The routes of the variables, which apply if no document is stored.
pub struct DefaultRoutes {
    /// The receivers of each alert, and the times of repetition.
    pub routes: Rc<Routes>,
    /// The deadline of a call to a receiver that no document names.
    pub deadline: Duration,
}

impl DefaultRoutes {
    /// Reads the variables.
    pub async fn read(reader: &mut Reader) -> Self {
        let deadline_ms = reader.read(&variables::DELIVERY_DEADLINE_MS).await;
        let delays = reader.read(&variables::RETRY_SCHEDULE).await;
        let routes = reader.parsed(&variables::ALERT_ROUTES, parse).await;
        let routes = Rc::new(routes.unwrap_or_default().paced(deadline_ms, delays));
        DefaultRoutes { routes, deadline: Duration::from_millis(deadline_ms) }
    }

    /// The routes in force, for components that do not deliver.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub async fn in_force(&self, redis: &Redis) -> Result<Rc<Routes>, Error> {
        let stored = Settings::in_force(redis).await?.document::<Routes>(redis).await?;
        Ok(stored.unwrap_or_else(|| Rc::clone(&self.routes)))
    }
}

fn parse(text: &str) -> Result<Option<Routes>, Vec<String>> {
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
