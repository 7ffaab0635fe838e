//! The configuration of this component, read once per instance.

use std::time::Duration;

use platform::redis::Redis;
use platform::variables::Reader;
use state::edge::auth::Keys;
use state::variables;
use workers::{clock, dispatch, score};

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    keys: Keys,
    pub(crate) ready_max_age: Duration,
    /// The time between two self-checks; zero turns them off.
    pub(crate) self_check: Duration,
    /// The replica whose components are asked about their variables; `None` if nobody listens for the question.
    pub(crate) replica: Option<String>,
}

// The workers have a time budget of their own: a deadline here must not drop them in the middle of their work.
state::component!(Config, ROUTES, read, ENDS = false);

/// Reads the variables.
async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: variables::redis(reader).await,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        ready_max_age: reader.read(&variables::READY_MAX_AGE_SECONDS).await,
        self_check: reader.read(&variables::SELF_CHECK_SECONDS).await,
        replica: reader.read(&variables::REPLICA).await,
    }
}

/// Reads the variables, those of the workers among them.
pub(crate) async fn check(reader: &mut Reader) {
    read(reader).await;
    clock::Clock::read(reader).await;
    score::read(reader).await;
    dispatch::read(reader).await;
}

/// Reads only the variables that are needed to ask the other components.
pub(crate) async fn asking() -> (Redis, Option<String>) {
    let mut reader = Reader::default();
    let redis = variables::redis(&mut reader).await;
    (redis, reader.read(&variables::REPLICA).await)
}
