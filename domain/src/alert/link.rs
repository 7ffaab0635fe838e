//! The link by which a message is acknowledged: what its token says, and whether it still may.
//!
//! Guarantee: a token is for one alert, one opening of it, one receiver, until a stated moment, once. Two grants never
//! have the same canonical text, so a signature over it is a signature over exactly this.
//!
//! A token is `<canonical>~<signature>`. Making and comparing the signature (HMAC-SHA-256, in constant time) is for the
//! caller, over the bytes of [`Grant::signed`]; so is remembering which grants were used, by [`Grant::use_key`].

use alloc::format;
use alloc::string::String;

use crate::Timestamp;

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The alert.
    pub alert: String,
    /// Which opening of it; an old link does not acknowledge what was reopened since.
    pub opening: u32,
    /// The receiver whose message it was in: who acknowledges, as far as anybody can tell.
    pub receiver: String,
    /// The first moment at which it is no longer good.
    pub expires: Timestamp,
}

/// Why a token does not acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its time is over.
    Expired,
    /// It was used. Who used it is in the alert's history.
    Used,
    /// The alert was reopened since.
    Superseded,
}

impl Refusal {
    /// The refusal as problems name it.
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
    /// The grant as the first part of a token: version, alert, opening, receiver, milliseconds, parted by `~`, of which
    /// ids have none.
    pub fn canonical(&self) -> String {
        format!("1~{}~{}~{}~{}", self.alert, self.opening, self.receiver, self.expires.millis())
    }

    /// What is signed. The words before it keep a signature from being one of anything else.
    pub fn signed(&self) -> String {
        format!("vigil acknowledge {}", self.canonical())
    }

    /// The whole token. `signature` is text without `~`, such as hex.
    pub fn token(&self, signature: &str) -> String {
        format!("{}~{signature}", self.canonical())
    }

    /// Takes a token apart: what it says it grants, and the signature it says it has. None if it is no token, or is
    /// written in another way than [`Grant::token`] writes.
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

    /// Names the one use: whoever first writes this key (until `expires`, and only if it is not there) used it.
    pub fn use_key(&self) -> String {
        format!("{}~{}~{}", self.alert, self.opening, self.receiver)
    }

    /// Whether it may acknowledge now an alert that is in this `opening`; `used` as the key says.
    ///
    /// # Errors
    /// Why not.
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
