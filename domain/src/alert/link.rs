//! The acknowledgement link of a message: its token, and the check whether the token is still valid.
//!
//! Guarantee: a token is valid for one alert, one opening of this alert and one receiver, until a stated moment, and
//! only once. Two grants never have the same canonical text, so a signature over the text is a signature over exactly
//! this grant.
//!
//! A token is `<canonical>~<signature>`. The caller makes and compares the signature over the bytes of
//! [`Grant::signed`] (HMAC-SHA-256, in constant time). The caller also remembers which grants were used, by
//! [`Grant::use_key`].

use crate::ids::{AlertId, ReceiverId};
use alloc::format;
use alloc::string::String;

use crate::Timestamp;

/// The permission that a token gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The alert.
    pub alert: AlertId,
    /// The opening of the alert. An old link does not acknowledge an alert that was reopened after the message.
    pub opening: u32,
    /// The receiver of the message. The acknowledgement is attributed to it, because nobody can tell more exactly who
    /// clicked.
    pub receiver: ReceiverId,
    /// The first moment at which the token is no longer valid.
    pub expires: Timestamp,
}

/// The reason why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token has expired.
    Expired,
    /// The token was used. The alert's history says who used it.
    Used,
    /// The alert was reopened after the message.
    Superseded,
}

impl Refusal {
    /// The refusal, as problem documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Expired => "link-expired",
            Refusal::Used => "link-used",
            Refusal::Superseded => "link-superseded",
        }
    }
}

/// The longest token, bytes.
const LONGEST: usize = 512;

impl Grant {
    /// The grant as the first part of a token: version, alert, opening, receiver and milliseconds, separated by `~`.
    /// Ids never contain `~`.
    pub fn canonical(&self) -> String {
        format!("1~{}~{}~{}~{}", self.alert, self.opening, self.receiver, self.expires.millis())
    }

    /// The text that is signed. The prefix keeps the signature from being valid for anything else.
    pub fn signed(&self) -> String {
        format!("vigil acknowledge {}", self.canonical())
    }

    /// The whole token. `signature` is text without `~`, such as hex.
    pub fn token(&self, signature: &str) -> String {
        format!("{}~{signature}", self.canonical())
    }

    /// Splits a token into the grant it claims and its signature, both not yet verified. None if it is not a token, or
    /// is not written exactly as [`Grant::token`] writes it.
    pub fn parse(token: &str) -> Option<(Grant, &str)> {
        if token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut parts = token.split('~');
        let ("1", alert, opening, receiver) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else {
            return None;
        };
        let (expires, signature, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
        let grant = Grant {
            alert: alert.into(),
            opening: opening.parse().ok()?,
            receiver: receiver.into(),
            expires: Timestamp::from_millis(expires.parse().ok()?),
        };
        let same = token.strip_prefix(&grant.canonical())?.strip_prefix('~')? == signature;
        (same && !alert.is_empty() && !receiver.is_empty() && !signature.is_empty()).then_some((grant, signature))
    }

    /// The key of the one use. The first writer of this key (until `expires`, and only if the key does not exist) has
    /// used the token.
    pub fn use_key(&self) -> String {
        format!("{}~{}~{}", self.alert, self.opening, self.receiver)
    }

    /// Checks whether the token may acknowledge now an alert that is in this `opening`. `used` is the state of the use
    /// key.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn check(&self, opening: u32, used: bool, now: Timestamp) -> Result<(), Refusal> {
        match () {
            () if now >= self.expires => Err(Refusal::Expired),
            () if self.opening != opening => Err(Refusal::Superseded),
            () if used => Err(Refusal::Used),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grant() -> Grant {
        Grant {
            alert: "7b0c".into(),
            opening: 2,
            receiver: "on-call".into(),
            expires: Timestamp::from_millis(1_772_323_200_000),
        }
    }

    #[test]
    fn a_token_is_read_back() {
        let token = grant().token("00ff");
        assert_eq!(token, "1~7b0c~2~on-call~1772323200000~00ff");
        assert_eq!(Grant::parse(&token), Some((grant(), "00ff")));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in [
            "",
            "~~~~~",
            "1~7b0c~2~on-call~1772323200000",
            "1~7b0c~2~on-call~1772323200000~",
            "1~7b0c~2~on-call~1772323200000~00~ff",
            "2~7b0c~2~on-call~1772323200000~00ff",
            "1~7b0c~+2~on-call~1772323200000~00ff",
            "1~7b0c~02~on-call~1772323200000~00ff",
            "1~7b0c~2~on-call~01772323200000~00ff",
            "1~~2~on-call~1772323200000~00ff",
            "1~7b0c~2~~1772323200000~00ff",
            "1~7b0c~2~on call~1772323200000~00ff",
        ] {
            assert_eq!(Grant::parse(token), None, "{token}");
        }
        assert_eq!(Grant::parse(&grant().token(&"0".repeat(LONGEST))), None);
    }

    #[test]
    fn it_is_good_once_until_its_time_for_its_opening() {
        let ms = |ms: i64| Timestamp::from_millis(1_772_323_200_000 + ms);
        assert_eq!(grant().check(2, false, ms(-1)), Ok(()));
        assert_eq!(grant().check(2, false, ms(0)), Err(Refusal::Expired));
        assert_eq!(grant().check(2, true, ms(-1)), Err(Refusal::Used));
        assert_eq!(grant().check(3, true, ms(-1)), Err(Refusal::Superseded));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_written_alike(token in "[0-9a-z~+ -]{0,60}") {
            if let Some((grant, signature)) = Grant::parse(&token) {
                prop_assert_eq!(grant.token(signature), token);
            }
        }
    }
}
