//! Acknowledgement links in messages: `domain::alert::link` with a signature.
//!
//! Guarantee: without the key nobody can make a token that [`LinkKey::open`] accepts.
//!
//! Not for: whether a token may still be used; [`Grant::check`] decides that.

use domain::alert::link::Grant;
use hmac::{Hmac, KeyInit, Mac};
use platform::digest::hex;
use sha2::Sha256;

/// The key that signs links.
pub struct LinkKey(Vec<u8>);

impl LinkKey {
    /// From secret bytes.
    pub fn new(key: Vec<u8>) -> Self {
        LinkKey(key)
    }

    fn mac(&self, grant: &Grant) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length, so this cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(grant.signed().as_bytes());
        Some(mac)
    }

    /// The token of a grant.
    pub fn sign(&self, grant: &Grant) -> Option<String> {
        Some(grant.token(&hex(&self.mac(grant)?.finalize().into_bytes())))
    }

    /// The grant in a token, if it was signed with this key.
    pub fn open(&self, token: &str) -> Option<Grant> {
        let (grant, signature) = Grant::parse(token)?;
        let bytes: Option<Vec<u8>> = signature
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        // A signature has one spelling only, and is compared in constant time.
        let bytes = bytes.filter(|bytes| hex(bytes) == signature)?;
        self.mac(&grant)?.verify_slice(&bytes).ok().map(|()| grant)
    }
}

/// The path of a token's link, below the configured address.
pub fn path(token: &str) -> String {
    format!("/v1/acknowledge/{token}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn a_token_opens_with_its_key_alone_and_as_it_was_signed() {
        let key = |byte: &str| LinkKey::new(byte.repeat(33).into());
        let grant = Grant {
            alert: "a-1".into(),
            opening: 0,
            receiver: "on-call".into(),
            expires: Timestamp::from_millis(1_772_323_200_000),
        };
        let token = key("A").sign(&grant).unwrap();
        assert_eq!(key("A").open(&token), Some(grant));
        assert_eq!(key("B").open(&token), None);
        assert_eq!(key("A").open(&token.replace("a-1", "a-2")), None);
        assert_eq!(key("A").open(&token.to_uppercase()), None);
    }
}
