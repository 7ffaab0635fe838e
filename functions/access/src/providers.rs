//! The identity providers of the variable `oidc`.
//!
//! Guarantee: a provider is used only if its whole description is sound, and only with the algorithms that it names here.

use std::collections::BTreeSet;

use domain::url::Url;
use jsonwebtoken::Algorithm;
use platform::variables;
use serde::Deserialize;

/// The algorithms that may sign tokens: with a public key alone, so that nobody but the provider can sign.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];
/// The most providers.
const MOST: usize = 20;

/// An identity provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Provider {
    /// Its address, as its tokens name it.
    pub(crate) issuer: String,
    /// The name that people see.
    pub(crate) label: String,
    /// Vigil's id there.
    pub(crate) client_id: String,
    /// Vigil's secret there, where the provider gave one.
    #[serde(default)]
    pub(crate) client_secret: Option<String>,
    /// The audience that tokens must name; Vigil's id where it is left out.
    #[serde(default)]
    audience: Option<String>,
    #[serde(default = "usual")]
    algorithms: Vec<String>,
    /// The claim that has a person's groups.
    #[serde(default = "groups")]
    pub(crate) groups_claim: String,
    /// The scope to ask the provider for.
    #[serde(default = "scope")]
    pub(crate) scope: String,
}

fn usual() -> Vec<String> {
    vec!["RS256".to_owned(), "ES256".to_owned()]
}

fn groups() -> String {
    "groups".to_owned()
}

fn scope() -> String {
    "openid profile".to_owned()
}

impl Provider {
    /// The audience that its tokens must name.
    pub(crate) fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(&self.client_id)
    }

    /// Whether it may sign by this algorithm.
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        ALGORITHMS.iter().any(|(name, own)| *own == algorithm && self.algorithms.iter().any(|allowed| allowed == name))
    }

    /// The address of its configuration: OpenID Connect Discovery 1.0, section 4.
    pub(crate) fn configuration(&self) -> String {
        [self.issuer.trim_end_matches('/'), "/.well-known/openid-configuration"].concat()
    }
}

/// An address that is called: by https, or on this very machine.
pub(crate) fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.is_https() || url.is_loopback())
}

/// Reads the variable `oidc`.
///
/// # Errors
/// Every rule that it breaks, without a value.
pub(crate) fn read(text: &str) -> Result<Vec<Provider>, Vec<String>> {
    let rule = r#"must be a JSON array of {"issuer","label","clientId","clientSecret"?,"audience"?,"algorithms"?,"groupsClaim"?,"scope"?}"#;
    let providers: Vec<Provider> = variables::json(text, rule)?;
    let (mut faults, mut issuers) = (Vec::new(), BTreeSet::new());
    if providers.len() > MOST {
        faults.push(format!("must have at most {MOST} providers"));
    }
    for (index, provider) in providers.iter().enumerate() {
        let mut fault = |member: &str, rule: &str| faults.push(format!("at \"/{index}/{member}\": {rule}"));
        let is_address = address(&provider.issuer).is_some() && !provider.issuer.contains(['?', '#']);
        if !is_address {
            fault("issuer", "must be an address that begins with https://, or is of this machine");
        }
        if !issuers.insert(&provider.issuer) {
            fault("issuer", "is there twice");
        }
        let is_line = |text: &str| !text.trim().is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        let optional = |text: &Option<String>| text.as_deref().is_none_or(is_line);
        let lines = [
            ("label", is_line(&provider.label)),
            ("clientId", is_line(&provider.client_id)),
            ("clientSecret", optional(&provider.client_secret)),
            ("audience", optional(&provider.audience)),
            ("groupsClaim", is_line(&provider.groups_claim)),
        ];
        for (member, _) in lines.into_iter().filter(|(_, sound)| !sound) {
            fault(member, "must be one line of at most 255 bytes");
        }
        if !provider.scope.split(' ').any(|word| word == "openid") || !is_line(&provider.scope) {
            fault("scope", "must have the word openid");
        }
        let known = |name: &String| ALGORITHMS.iter().any(|(known, _)| known == name);
        if provider.algorithms.is_empty() || !provider.algorithms.iter().all(known) {
            fault("algorithms", "must be some of RS256, PS256, ES256, EdDSA");
        }
    }
    if faults.is_empty() { Ok(providers) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_read_with_its_usual_words_and_every_fault_is_told() {
        assert!(read("[]").unwrap().is_empty());
        let all = read(r#"[{"issuer":"https://a.example/","label":"A","clientId":"vigil"}]"#).unwrap();
        let one = all.first().unwrap();
        assert_eq!(one.audience(), "vigil");
        assert_eq!(one.configuration(), "https://a.example/.well-known/openid-configuration");
        assert!(one.allows(Algorithm::RS256) && one.allows(Algorithm::ES256));
        assert!(!one.allows(Algorithm::EdDSA) && !one.allows(Algorithm::HS256));
        let broken =
            r#"[{"issuer":"http://a.example","label":"","clientId":" ","algorithms":["HS256"],"scope":"email"}]"#;
        assert_eq!(read(broken).unwrap_err().len(), 5);
        assert_eq!(read(r#"[{"issuer":"https://a.example"}]"#).unwrap_err().len(), 1);
        assert!(read(r#"[{"issuer":"http://127.0.0.1:4000","label":"A","clientId":"vigil"}]"#).is_ok());
    }
}
