//! The configuration of imaging: read once per instance that answers HTTP, and once per bell.

use domain::alert::endpoint::Secret;
use domain::alert::retry::Schedule;
use platform::config::{Reader, json};
use platform::http::Url;
use platform::redis::{PATIENCE, Redis};
use serde::Deserialize;
use state::edge::auth::Keys;
use state::identity::{IdentityKey, PseudonymKey};

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
    sources: Vec<String>,
    webhooks: Vec<(String, Secret)>,
}

state::component!(Config, ROUTES, read, ENDS = false);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    Config {
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        pseudonyms: PseudonymKey::new(reader.key("pseudonym_key", 32..=usize::MAX).await),
        identities: IdentityKey::new(reader.key("identity_key", 32..=32).await),
        services: reader.parsed("ai_services", services::read).await,
        capacity: reader.number("imaging_capacity", 1..=1_000_000).await,
        concurrency: reader.number("imaging_concurrency", 2..=256).await,
        max_attempts: reader.number("max_attempts", 1..=1000).await,
        schedule: Schedule::of(reader.parsed("imaging_retry_schedule", delays).await),
        sources: reader.parsed("image_sources", sources).await,
        webhooks: reader.parsed("imaging_webhooks", webhooks).await,
    }
}

impl Config {
    /// Whether images may be fetched from this URL.
    pub(crate) fn is_source(&self, url: &Url) -> bool {
        self.sources.iter().any(|prefix| is_below(url, prefix))
    }

    /// The secret that signs notifications to this URL; `None` if nobody may be notified there.
    pub(crate) fn webhook(&self, url: &Url) -> Option<&Secret> {
        self.webhooks.iter().find(|(prefix, _)| is_below(url, prefix)).map(|(_, secret)| secret)
    }
}

/// Whether a URL is below an address and cannot leave it.
fn is_below(url: &Url, prefix: &str) -> bool {
    let leaves = url.as_str().contains("/..") || url.as_str().to_ascii_lowercase().contains("%2e");
    !leaves && url.as_str().starts_with(prefix)
}

/// Reads an address that allows everything below it. It must end in a slash: `https://h` would also be a prefix of
/// `https://h.example`.
fn address(pointer: &str, text: &str, faults: &mut Vec<String>) -> Option<String> {
    let ends = |url: &Url| url.as_str().ends_with('/') && !url.path().contains('?');
    let rule = match Url::parse(text) {
        Ok(url) if ends(&url) => return Some(text.to_owned()),
        Ok(_) => "an address that ends in a slash, without a query",
        Err(rule) => rule,
    };
    faults.push(format!("at {pointer:?}: must be {rule}"));
    None
}

fn sources(text: &str) -> Result<Vec<String>, Vec<String>> {
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

fn webhooks(text: &str) -> Result<Vec<(String, Secret)>, Vec<String>> {
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

fn delays(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let rule = "must be a JSON array of at most 100 delays, in seconds from 0 to 604800";
    let seconds: Vec<f64> = json(text, rule)?;
    if seconds.len() > 100 || seconds.iter().any(|delay| !(0.0..=604_800.0).contains(delay)) {
        return Err(vec![rule.to_owned()]);
    }
    Ok(seconds.into_iter().map(|delay| (delay * 1000.0) as u64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_allowed_only_below_an_address_of_the_list() {
        let prefix = "https://pacs.example/images/";
        let is_below = |url: &str| Url::parse(url).is_ok_and(|url| super::is_below(&url, prefix));
        assert!(is_below("https://pacs.example/images/1?frame=2"));
        for url in [
            "https://pacs.example/images",
            "https://pacs.example/images/../secret",
            "https://pacs.example/images/%2E%2e/secret",
            "https://pacs.example.evil/images/",
            "http://pacs.example/images/1",
            "https://u:p@pacs.example/images/1",
            "https://pacs.example/images/ 1",
        ] {
            assert!(!is_below(url), "{url}");
        }
        assert!(sources(r#"["https://pacs.example/"]"#).is_ok());
        let faults =
            sources(r#"["https://pacs.example", "https://pacs..example/", "https://pacs.example/?a=/"]"#).unwrap_err();
        assert!(faults.len() == 3 && (0..3).all(|at| faults[at].contains(&format!("/{at}"))), "{faults:?}");
        let bad = r#"[{"url": "https://h.example/^/", "secret": "whsec_c2hvcnQ="}]"#;
        assert_eq!(webhooks(bad).err().map(|faults| faults.len()), Some(2));
    }
}
