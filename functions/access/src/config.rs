//! The configuration of this component, read once per instance.

use platform::redis::Redis;
use platform::variables::Reader;
use state::edge::auth::Keys;
use state::variables;

use crate::ROUTES;
use crate::providers::{self, Provider};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) providers: Vec<Provider>,
    /// The duration of a session.
    pub(crate) session_seconds: u32,
}

state::component!(Config, ROUTES, read);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: variables::redis(reader).await,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        providers: reader.parsed(&variables::OIDC, providers::read).await,
        session_seconds: reader.read(&variables::SESSION_SECONDS).await,
    }
}
