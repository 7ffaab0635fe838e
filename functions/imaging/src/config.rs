//! What imaging needs to know: read once per instance that answers HTTP, and once per bell.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use domain::alert::retry::Schedule;
use platform::auth::Keys;
use platform::config::{Faults, Reader, once};
use platform::http::Url;
use platform::identity::{IdentityKey, PseudonymKey};
use platform::redis::{PATIENCE, Redis};
use platform::webhook::Secret;
use serde::Deserialize;

use crate::services::{self, Services};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) identities: IdentityKey,
    pub(crate) services: Services,
    pub(crate) capacity: u64,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) schedule: Schedule,
    sources: Vec<String>,
    webhooks: Vec<(String, Secret)>,
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

/// The configuration of this instance.
pub(crate) async fn get() -> Result<Rc<Config>, Faults> {
    once(&CONFIG, read).await
}

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let config = Config {
        redis: Redis::patient(&reader.text("redis_url").await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        pseudonyms: PseudonymKey::new(reader.key("pseudonym_key", 32..=usize::MAX).await),
        identities: IdentityKey::new(reader.key("identity_key", 32..=32).await),
        services: reader.parsed("ai_services", services::read).await,
        capacity: reader.number("imaging_capacity", 1..=1_000_000).await,
        concurrency: reader.number("imaging_concurrency", 2..=256).await,
        lease: reader.seconds("lease_seconds", 1..=86_400).await,
        max_attempts: reader.number("max_attempts", 1..=1000).await,
        schedule: Schedule::of(reader.parsed("imaging_retry_schedule", delays).await),
        sources: reader.parsed("image_sources", sources).await,
        webhooks: reader.parsed("imaging_webhooks", webhooks).await,
    };
    // A lease that ends before a call does would let two workers call at the same time.
    let longest = config.services.values().map(|service| service.deadline).max().unwrap_or_default();
    let kept = config.lease > longest + config.patience();
    let rule = "must be longer than the longest deadlineMs of ai_services, and a quarter more";
    reader.beside("lease_seconds", "ai_services", kept, rule);
    config
}

impl Config {
    /// How long a worker waits for a place at a service.
    pub(crate) fn patience(&self) -> Duration {
        self.lease / 5
    }

    /// Whether images may be fetched from here.
    pub(crate) fn is_source(&self, url: &str) -> bool {
        self.sources.iter().any(|prefix| is_below(url, prefix))
    }

    /// Where a requester is told, and the secret that signs it; none where nobody may be told.
    pub(crate) fn webhook(&self, url: &str) -> Option<(Url, &Secret)> {
        let (_, secret) = self.webhooks.iter().find(|(prefix, _)| is_below(url, prefix))?;
        Some((Url::parse(url)?, secret))
    }
}

/// Whether a URL is below an address, without a way out of it.
fn is_below(url: &str, prefix: &str) -> bool {
    let plain = url.len() <= 2048 && Url::parse(url).is_some();
    let leaves = url.contains("/..") || url.contains('\\') || url.to_ascii_lowercase().contains("%2e");
    plain && !leaves && url.starts_with(prefix)
}

/// An address below which others are allowed ends in a slash: `https://h` would also begin `https://h.example`.
fn is_address(url: &str) -> bool {
    url.ends_with('/') && Url::parse(url).is_some()
}

fn sources(text: &str) -> Result<Vec<String>, Vec<String>> {
    let rule = || vec!["must be a JSON array of http or https addresses that end in a slash".to_owned()];
    let sources: Vec<String> = serde_json::from_str(text).map_err(|_| rule())?;
    if sources.iter().all(|url| is_address(url)) { Ok(sources) } else { Err(rule()) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: String,
    secret: String,
}

fn webhooks(text: &str) -> Result<Vec<(String, Secret)>, Vec<String>> {
    let rule = || {
        let rule = r#"must be a JSON array of {"url","secret"}: an address that ends in a slash, whsec_ and at least 24 bytes as base64"#;
        vec![rule.to_owned()]
    };
    let targets: Vec<Target> = serde_json::from_str(text).map_err(|_| rule())?;
    let read = |target: Target| {
        let secret = Secret::parse(&target.secret)?;
        is_address(&target.url).then_some((target.url, secret))
    };
    targets.into_iter().map(read).collect::<Option<_>>().ok_or_else(rule)
}

fn delays(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let rule = || vec!["must be a JSON array of at most 100 delays, in seconds from 0 to 604800".to_owned()];
    let seconds: Vec<f64> = serde_json::from_str(text).map_err(|_| rule())?;
    if seconds.len() > 100 || seconds.iter().any(|delay| !(0.0..=604_800.0).contains(delay)) {
        return Err(rule());
    }
    Ok(seconds.into_iter().map(|delay| (delay * 1000.0) as u64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_allowed_only_below_an_address_of_the_list() {
        let prefix = "https://pacs.example/images/";
        assert!(is_below("https://pacs.example/images/1?frame=2", prefix));
        for url in [
            "https://pacs.example/images",
            "https://pacs.example/images/../secret",
            "https://pacs.example/images/%2E%2e/secret",
            "https://pacs.example.evil/images/",
            "http://pacs.example/images/1",
            "https://u:p@pacs.example/images/1",
            "https://pacs.example/images/ 1",
        ] {
            assert!(!is_below(url, prefix), "{url}");
        }
        assert!(sources(r#"["https://pacs.example"]"#).is_err() && sources(r#"["https://pacs.example/"]"#).is_ok());
    }
}
