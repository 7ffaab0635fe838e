//! A receiver's address and the secrets its messages are signed with.
//!
//! Guarantee: an address is `https`, or `http` on this very machine; it has no credentials and no fragment. `Debug`
//! shows neither a path nor a secret.

use alloc::string::String;
use core::fmt;

/// The URL of a receiver. Its path and query may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// The rule that it breaks, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("an absolute URL, https or, on this machine, http"),
        };
        let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
        if text.len() > 2048 || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\']) {
            return Err("at most 2048 printable ASCII characters, without fragment");
        }
        if authority.contains('@') {
            return Err("a URL without credentials");
        }
        let Some(host) = host(authority) else { return Err("a URL with a host and, if any, a port from 1 to 65535") };
        if !https && !is_loopback(host) {
            return Err("https, unless the host is this machine (localhost, 127.0.0.0/8 or [::1])");
        }
        Ok(Endpoint(text.into()))
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The host of `host[:port]`, if both are sound.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            let (inner, after) = (rest.get(..end)?, rest.get(end + 1..)?);
            inner.parse::<core::net::Ipv6Addr>().ok()?;
            (authority.get(..end + 2)?, after.strip_prefix(':').or(after.is_empty().then_some("80"))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let sound = !host.is_empty() && host.bytes().all(allowed) && digits && port.parse::<u16>().is_ok_and(|it| it > 0);
    sound.then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<core::net::Ipv4Addr>().is_ok_and(|it| it.is_loopback())
        || host == "[::1]"
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(...)")
    }
}

/// A signing secret: `whsec_` and base64 of at least 24 bytes, as Standard Webhooks writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads a secret.
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix("whsec_")?;
        let digits = encoded.trim_end_matches('=');
        let padding = encoded.len() - digits.len();
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        let whole = encoded.len().is_multiple_of(4) && padding <= 2 && encoded.len() <= 1024;
        let sound = whole && digits.bytes().all(alphabet) && digits.len() * 6 / 8 >= 24;
        sound.then(|| Secret(text.into()))
    }

    /// The secret as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// What a gateway wants to see in the header `authorization`.
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
        for url in [
            "https://alerts.example.org",
            "https://alerts.example.org:8443/a/b?c=d",
            "https://10.0.0.1/x",
            "https://[2001:db8::1]:443/x",
            "http://localhost:9000/hook",
            "http://127.0.0.1:9000",
            "http://127.8.8.8/",
            "http://[::1]:80/x",
        ] {
            assert!(Endpoint::parse(url).is_ok_and(|it| it.as_str() == url), "{url}");
        }
        for url in [
            "",
            "alerts.example.org",
            "ftp://alerts.example.org",
            "HTTPS://alerts.example.org",
            "http://alerts.example.org",
            "http://10.0.0.1/x",
            "http://localhost.example.org/",
            "http://127.0.0.1.example.org/",
            "http://127.0.0.1@example.org/",
            "https://user:pass@example.org/",
            "https://user@example.org/",
            "https:///x",
            "https://example.org:0/",
            "https://example.org:99999/",
            "https://example.org:+1/",
            "https://example.org:/",
            "https://exa mple.org/",
            "https://example.org/\u{e9}",
            "https://example.org/#x",
            "http://127.0.0.1\\@example.org/",
            "https://[::1/",
            "https://[nonsense]/",
            "https://[::1]x/",
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
