//! The configuration of this component, read once per instance.

use std::time::Duration;

use platform::config::Reader;
use platform::redis::{PATIENCE, Redis};
use state::edge::auth::Keys;
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
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        ready_max_age: reader.seconds("ready_max_age_seconds", 1..=86_400).await,
        self_check: reader.seconds("self_check_seconds", 0..=86_400).await,
        replica: reader.parsed("replica", replica).await,
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
    let redis = Redis::patient(&reader.redis().await, PATIENCE);
    (redis, reader.parsed("replica", replica).await)
}

fn replica(text: &str) -> Result<Option<String>, Vec<String>> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if text.len() > 253 || !plain {
        return Err(vec!["must be at most 253 letters, digits, hyphens and dots".to_owned()]);
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}
