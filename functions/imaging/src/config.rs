//! The configuration of imaging: read once per instance that answers HTTP, and once per bell.

use std::rc::Rc;

use domain::alert::retry::Schedule;
use platform::http::Url;
use platform::redis::Redis;
use platform::variables::{Reader, json};
use state::edge::auth::Keys;
use state::health::same_key;
use state::identity::{KeyRing, PseudonymKey};
use state::imaging::webhooks::Webhooks;
use state::queue::Studies;
use state::variables;

use crate::ROUTES;
use crate::services::{self, Services};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    pub(crate) pseudonyms: PseudonymKey,
    /// The keys of identities and of subjects' keys.
    pub(crate) ring: Rc<KeyRing>,
    /// Whether studies take analyses in.
    pub(crate) studies: Studies,
    pub(crate) services: Services,
    pub(crate) capacity: u64,
    pub(crate) concurrency: usize,
    pub(crate) max_attempts: u32,
    pub(crate) schedule: Schedule,
    /// The addresses that requesters may name.
    pub(crate) webhooks: Webhooks,
    sources: Vec<Url>,
}

state::component!(Config, ROUTES, read, ENDS = false, LOOKS = true; signed signature_seconds);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let redis = variables::redis(reader).await;
    Config {
        pseudonyms: PseudonymKey::new(same_key::pseudonym_key(reader, &redis).await),
        redis,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        signature_seconds: reader.read(&variables::SIGNATURE_SECONDS).await,
        ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        studies: Studies::new(reader.read(&variables::UNKNOWN_STUDIES).await),
        services: reader.parsed(&variables::AI_SERVICES, services::read).await,
        capacity: reader.read(&variables::IMAGING_CAPACITY).await,
        concurrency: reader.read(&variables::IMAGING_CONCURRENCY).await,
        max_attempts: reader.read(&variables::MAX_ATTEMPTS).await,
        schedule: Schedule::of(reader.read(&variables::IMAGING_RETRY_SCHEDULE).await),
        webhooks: reader.parsed(&variables::IMAGING_WEBHOOKS, Webhooks::read).await,
        sources: reader.parsed(&variables::IMAGE_SOURCES, sources).await,
    }
}

impl Config {
    /// Whether images may be fetched from this URL.
    pub(crate) fn is_source(&self, url: &Url) -> bool {
        self.sources.iter().any(|prefix| url.is_below(prefix))
    }
}

fn sources(text: &str) -> Result<Vec<Url>, Vec<String>> {
    let rule = "must be a JSON array of http or https addresses that end in a slash";
    let declared: Vec<String> = json(text, rule)?;
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    for (index, text) in declared.iter().enumerate() {
        match Url::parse_prefix(text) {
            Ok(prefix) => sources.push(prefix),
            Err(rule) => faults.push(format!("at \"/{index}\": must be {rule}")),
        }
    }
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_allows_others_ends_in_a_slash() {
        assert!(sources(r#"["https://pacs.example/"]"#).is_ok());
        let faults =
            sources(r#"["https://pacs.example", "https://pacs..example/", "https://pacs.example/?a=/"]"#).unwrap_err();
        assert!(faults.len() == 3 && (0..3).all(|at| faults[at].contains(&format!("/{at}"))), "{faults:?}");
    }
}
