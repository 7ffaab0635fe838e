//! A receiver's address, the secrets that sign its messages, and the header that it asks for.
//!
//! Guarantee: every address can be called and is `https`; `http` is allowed only for this same machine. Every secret
//! can sign, and every header can be sent. `Debug` shows neither a path nor a secret.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::url::Url;

/// The URL of a receiver. Its path and query may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text)?;
        if !url.is_https() && !url.is_loopback() {
            return Err("https, unless the host is this machine (localhost, 127.0.0.0/8 or [::1])");
        }
        Ok(Endpoint(url))
    }

    /// The address to call.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(...)")
    }
}

/// A signing secret: `whsec_` and base64 of at least 24 bytes, as Standard Webhooks writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// The longest secret, characters.
const LONGEST_SECRET: usize = 1024;

impl Secret {
    /// Reads a secret.
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix("whsec_").filter(|encoded| encoded.len() <= LONGEST_SECRET)?;
        STANDARD.decode(encoded).ok().filter(|key| key.len() >= 24).map(Secret)
    }

    /// The key that signs.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// The value of the header `authorization`, for a gateway that asks for one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Reads a header's value: printable ASCII and spaces, at most 4096.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=4096).contains(&text.len()) && text.bytes().all(|it| it == b' ' || it.is_ascii_graphic());
        (sound && text.trim() == text).then(|| Credential(text.into()))
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn only_an_address_that_nobody_can_listen_to_is_taken() {
        for url in
            ["https://alerts.example.org:8443/a?c=d", "https://10.0.0.1/x", "http://localhost:9/x", "http://[::1]/"]
        {
            assert!(Endpoint::parse(url).is_ok_and(|it| it.as_str() == url), "{url}");
        }
        for url in [
            "http://alerts.example.org",
            "http://10.0.0.1/x",
            "http://localhost.example.org/",
            "http://127.0.0.1.example.org/",
            "http://127.0.0.1@example.org/",
            "http://127.0.0.1\\@example.org/",
            "https://alerts..example.org",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_secret_has_24_bytes_or_more() {
        let secret = |text: &str| Secret::parse(text).is_some();
        assert!(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        assert!(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA=="));
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            // Invalid base64: leftover bits in the last character, padding that is not needed, and missing padding.
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB==",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw====",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
        ] {
            assert!(!secret(text), "{text}");
        }
        assert!(!secret("whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaS="));
    }

    #[test]
    fn debug_shows_no_secret() {
        let url = Endpoint::parse("https://example.org/token").unwrap();
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let credential = Credential::parse("Bearer token").unwrap();
        assert_eq!(format!("{url:?} {secret:?} {credential:?}"), "Endpoint(...) Secret(...) Credential(...)");
        assert_eq!([" x", "", "a\nb", "é"].map(Credential::parse), [None, None, None, None]);
    }
}
