//! Limits on how fast a key and a site may send.
//!
//! Guarantee: over any stretch of time no more gets through than the burst and what the rate gives for that stretch,
//! over all instances together, because the bucket is looked at in the very script that takes the submission in. What
//! is refused takes no token.
//!
//! Not for: load as a whole. A full queue is what says that.

use crate::names;
use crate::redis::text;
use spin_sdk::redis::RedisParameter;

/// A token bucket: so many a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

/// The bounds of `per_second` and `burst`.
const SLOWEST: f64 = 0.001;
const MOST: f64 = 1_000_000.0;

impl Rate {
    /// Reads `0` as no limit, else a rate a second and, after a comma, a burst; without it, what a second gives.
    ///
    /// # Errors
    /// The rule, if the text breaks it.
    pub fn read(value: &str) -> Result<Option<Self>, Vec<String>> {
        let rule =
            || vec!["must be 0, or a number a second from 0.001 to 1000000, or that, a comma and a burst".into()];
        let mut parts = value.split(',').map(|part| part.trim().parse::<f64>());
        let (Some(Ok(per_second)), burst, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(rule());
        };
        let burst = match burst {
            None => per_second.ceil(),
            Some(burst) => burst.map_err(|_| rule())?,
        };
        if per_second == 0.0 {
            return Ok(None);
        }
        let sound = (SLOWEST..=MOST).contains(&per_second) && (1.0..=MOST).contains(&burst);
        if sound { Ok(Some(Rate { per_second, burst })) } else { Err(rule()) }
    }

    /// Microseconds to earn one token, and microseconds to earn a burst.
    pub(crate) fn arguments(self) -> [RedisParameter; 2] {
        let token = 1_000_000.0 / self.per_second;
        [text(format!("{token:.3}")), text(format!("{:.3}", token * self.burst))]
    }
}

/// The limits in force.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of each API key.
    pub per_key: Option<Rate>,
    /// Of each site of a study, whoever sends.
    pub per_site: Option<Rate>,
}

impl Limits {
    /// Whether there are none.
    pub fn is_off(&self) -> bool {
        self.per_key.is_none() && self.per_site.is_none()
    }

    /// The buckets that a submission takes from. `scope` is `study|site`.
    pub(crate) fn buckets(&self, key: &str, scope: &str) -> Vec<(String, Rate)> {
        let per_key = self.per_key.map(|rate| (names::rate_of_key(key), rate));
        let per_site = self.per_site.map(|rate| (names::rate_of_site(scope), rate));
        per_key.into_iter().chain(per_site).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read() {
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        for (text, expected) in [
            ("0", None),
            ("0,5", None),
            ("50", rate(50.0, 50.0)),
            (" 2.5 , 10", rate(2.5, 10.0)),
            ("0.1", rate(0.1, 1.0)),
        ] {
            assert_eq!(Rate::read(text), Ok(expected), "{text}");
        }
        for text in ["", "fast", "-1", "5,", "5,0", "5,0.5", "5,6,7", "NaN", "inf", "1e9", "0,x", "0.0001"] {
            assert!(Rate::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_limited_has_a_bucket() {
        assert!(Limits::default().is_off());
        let limits = Limits { per_key: None, per_site: Rate::read("1").unwrap() };
        let names: Vec<String> = limits.buckets("k", "A|1").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["{vigil}:rate:site:A|1"]);
    }
}
