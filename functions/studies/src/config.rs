//! The configuration of this component, read once per instance.

use platform::redis::Redis;
use platform::variables::Reader;
use state::edge::auth::Keys;
use state::edge::services::{Placeholder, Service};
use state::variables;

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    /// The service that describes studies, at most one.
    pub(crate) study_service: Vec<Service>,
}

/// The placeholders in its URL.
const STUDY: &[Placeholder] = &[("{studyId}", 64)];

state::component!(Config, ROUTES, read, ENDS = false, LOOKS = true; signed signature_seconds);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: variables::redis(reader).await,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        signature_seconds: reader.read(&variables::SIGNATURE_SECONDS).await,
        study_service: reader.parsed(&variables::STUDY_SERVICE, |text| Service::read_list(text, STUDY)).await,
    }
}
