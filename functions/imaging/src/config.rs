//! The configuration of imaging: read once per instance that answers HTTP, and once per bell.

use domain::alert::endpoint::Secret;
use domain::alert::retry::Schedule;
use platform::http::Url;
use platform::redis::Redis;
use platform::variables::{Reader, json};
use serde::Deserialize;
use state::edge::auth::Keys;
use state::identity::{IdentityKey, PseudonymKey};
use state::variables;

use crate::ROUTES;
use crate::services::{self, Services};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) identities: IdentityKey,
    pub(crate) services: Services,
    pub(crate) capacity: u64,
    pub(crate) concurrency: usize,
    pub(crate) max_attempts: u32,
    pub(crate) schedule: Schedule,
    sources: Vec<Url>,
    webhooks: Vec<(Url, Secret)>,
}

state::component!(Config, ROUTES, read, ENDS = false);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: variables::redis(reader).await,
        keys: reader.parsed(&variables::API_KEYS, Keys::read).await,
        pseudonyms: PseudonymKey::new(reader.read(&variables::PSEUDONYM_KEY).await),
        identities: IdentityKey::new(reader.read(&variables::IDENTITY_KEY).await),
        services: reader.parsed(&variables::AI_SERVICES, services::read).await,
        capacity: reader.read(&variables::IMAGING_CAPACITY).await,
        concurrency: reader.read(&variables::IMAGING_CONCURRENCY).await,
        max_attempts: reader.read(&variables::MAX_ATTEMPTS).await,
        schedule: Schedule::of(reader.read(&variables::IMAGING_RETRY_SCHEDULE).await),
        sources: reader.parsed(&variables::IMAGE_SOURCES, sources).await,
        webhooks: reader.parsed(&variables::IMAGING_WEBHOOKS, webhooks).await,
    }
}

impl Config {
    /// Whether images may be fetched from this URL.
    pub(crate) fn is_source(&self, url: &Url) -> bool {
        self.sources.iter().any(|prefix| url.is_below(prefix))
    }

    /// The secret that signs notifications to this URL; `None` if nobody may be notified there.
    pub(crate) fn webhook(&self, url: &Url) -> Option<&Secret> {
        self.webhooks.iter().find(|(prefix, _)| url.is_below(prefix)).map(|(_, secret)| secret)
    }
}

/// Reads an address that allows everything below it. It must end in a slash: `https://h` would also be a prefix of
/// `https://h.example`.
fn address(pointer: &str, text: &str, faults: &mut Vec<String>) -> Option<Url> {
    let ends = |url: &Url| url.as_str().ends_with('/') && !url.path().contains('?');
    let rule = match Url::parse(text) {
        Ok(url) if ends(&url) => return Some(url),
        Ok(_) => "an address that ends in a slash, without a query",
        Err(rule) => rule,
    };
    faults.push(format!("at {pointer:?}: must be {rule}"));
    None
}

fn sources(text: &str) -> Result<Vec<Url>, Vec<String>> {
    let rule = "must be a JSON array of http or https addresses that end in a slash";
    let declared: Vec<String> = json(text, rule)?;
    let mut faults = Vec::new();
    let read = declared.iter().enumerate().filter_map(|(index, url)| address(&format!("/{index}"), url, &mut faults));
    let sources = read.collect();
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: String,
    secret: String,
}

fn webhooks(text: &str) -> Result<Vec<(Url, Secret)>, Vec<String>> {
    let rule = r#"must be a JSON array of {"url","secret"}"#;
    let targets: Vec<Target> = json(text, rule)?;
    let (mut webhooks, mut faults) = (Vec::new(), Vec::new());
    for (index, target) in targets.iter().enumerate() {
        let url = address(&format!("/{index}/url"), &target.url, &mut faults);
        let secret = Secret::parse(&target.secret);
        if secret.is_none() {
            faults.push(format!("at \"/{index}/secret\": must be whsec_ and at least 24 bytes as base64"));
        }
        webhooks.extend(url.zip(secret));
    }
    if faults.is_empty() { Ok(webhooks) } else { Err(faults) }
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
        let bad = r#"[{"url": "https://h.example/^/", "secret": "whsec_c2hvcnQ="}]"#;
        assert_eq!(webhooks(bad).err().map(|faults| faults.len()), Some(2));
    }
}
