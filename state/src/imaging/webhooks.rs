//! The addresses at which requesters of analyses may be notified: the variable `imaging_webhooks`.
//!
//! The script that ends the entry of an analysis also puts the notification onto the dispatch queue
//! ([`Notification`]); `dispatch` calls the requester.

use domain::alert::endpoint::Secret;
use domain::alert::routes::receiver_id;
use domain::ids::ReceiverId;
use domain::url::Url;
use platform::variables::json;
use serde::Deserialize;

use crate::names;
use crate::wire::analysis::Job;
use crate::wire::queued::{About, Notification, QueuedEnd};

/// The addresses that requesters may name: the variable `imaging_webhooks`.
#[derive(Debug, Clone, Default)]
pub struct Webhooks(Vec<Webhook>);

/// A configured address, below which requesters may be notified. Its calls share one lane, one breaker and its slots.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The id under which it is a receiver, which may be shown: the address may contain a secret.
    pub id: ReceiverId,
    /// The secret that signs messages.
    pub secret: Secret,
    address: Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    url: String,
    secret: String,
}

impl Webhooks {
    /// Reads the variable.
    ///
    /// # Errors
    /// Every fault.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let declared: Vec<Declared> = json(text, r#"must be a JSON array of {"url","secret"}"#)?;
        let (mut webhooks, mut faults) = (Vec::new(), Vec::new());
        for (index, Declared { url, secret }) in declared.iter().enumerate() {
            let address =
                Url::parse_prefix(url).map_err(|rule| faults.push(format!("at \"/{index}/url\": must be {rule}")));
            let secret = Secret::parse(secret);
            if secret.is_none() {
                faults.push(format!("at \"/{index}/secret\": must be whsec_ and at least 24 bytes as base64"));
            }
            if let (Ok(address), Some(secret)) = (address, secret) {
                webhooks.push(Webhook { id: names::receiver_of_analyses(&receiver_id(url)), secret, address });
            }
        }
        if faults.is_empty() { Ok(Webhooks(webhooks)) } else { Err(faults) }
    }

    /// The configured address that allows a URL; `None` if nobody may be notified there.
    pub fn find(&self, url: &Url) -> Option<&Webhook> {
        self.0.iter().find(|webhook| url.is_below(&webhook.address))
    }

    /// Whether a configured address has this id.
    pub fn has(&self, id: &ReceiverId) -> bool {
        self.0.iter().any(|webhook| webhook.id == *id)
    }
}

/// The notification of the requester of this analysis, if there is one to notify.
pub fn notification(job: &Job) -> Option<Notification> {
    Some(Notification {
        about: About::Analysis(QueuedEnd {
            analysis_id: job.analysis_id.clone(),
            webhook: job.webhook.clone()?,
            key: job.key.clone(),
        }),
        study_id: job.study_id.clone(),
        site_id: job.site_id.clone(),
        trace: job.trace.clone(),
        made: 0,
        since: None,
        failing: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_addresses_are_told_together_and_without_values() {
        let wrong = r#"[{"url": "https://h.example/^/", "secret": "whsec_c2hvcnQ="}]"#;
        let faults = Webhooks::read(wrong).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(!faults.join(" ").contains("h.example"), "{faults:?}");
    }

    #[test]
    fn the_first_address_that_allows_a_url_signs_for_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let text = serde_json::json!([
            {"url": "https://h.example/a/", "secret": secret}, {"url": "https://h.example/", "secret": secret},
        ]);
        let webhooks = Webhooks::read(&text.to_string()).unwrap();
        let find = |url: &str| webhooks.find(&Url::parse(url).unwrap()).map(|webhook| webhook.address.as_str());
        assert_eq!(find("https://h.example/a/1"), Some("https://h.example/a/"));
        assert_eq!(find("https://h.example/b"), Some("https://h.example/"));
        assert_eq!(find("https://other.example/b"), None);
        let id = &webhooks.0[0].id;
        assert!(webhooks.has(id) && id.as_str().starts_with("analyses:") && !webhooks.has(&"x".into()));
    }
}
