//! Rate limits of API keys and sites.
//!
//! Guarantee: in any period, all instances together let through at most the burst plus the rate times the period,
//! because the script that takes the submission in checks the bucket. A refused submission takes no token. In a batch,
//! a row that is there already takes no token either, so a batch that was cut short gets further each time it is sent.
//!
//! Not for: total load. The capacity of the queue bounds that.

use platform::variables::Form;

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
    /// Microseconds per token, and microseconds per burst.
    fn microseconds(self) -> (f64, f64) {
        let token = 1_000_000.0 / self.per_second;
        (token, token * self.burst)
    }
}

/// The form of a rate in a variable: `0` for no limit, else a rate per second and, after a comma, a burst. Without a
/// burst, it is the tokens of a second.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit;

impl Form for RateLimit {
    type Value = Option<Rate>;

    fn read(&self, text: &str) -> Option<Option<Rate>> {
        let mut parts = text.split(',').map(|part| part.trim().parse::<f64>());
        let (Some(Ok(per_second)), burst, None) = (parts.next(), parts.next(), parts.next()) else { return None };
        let burst = match burst {
            None => per_second.ceil(),
            Some(burst) => burst.ok()?,
        };
        if per_second == 0.0 {
            return Some(None);
        }
        let sound = (SLOWEST..=MOST).contains(&per_second) && (1.0..=MOST).contains(&burst);
        sound.then_some(Some(Rate { per_second, burst }))
    }

    fn rule(&self) -> String {
        format!("0, or a number a second from {}, or that, a comma and a burst", self.bounds())
    }

    fn bounds(&self) -> String {
        format!("{SLOWEST} to {MOST}")
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
    /// Whether there are no limits.
    pub fn is_off(&self) -> bool {
        self.per_key.is_none() && self.per_site.is_none()
    }

    /// The script that checks the buckets, preceded by these limits.
    pub(crate) fn script(&self, script: &str) -> String {
        let rate = |rate: Option<Rate>| rate.map_or((0.0, 0.0), Rate::microseconds);
        let ((key, keys), (site, sites)) = (rate(self.per_key), rate(self.per_site));
        format!(
            "local KEY_TOKEN, KEY_BURST, SITE_TOKEN, SITE_BURST = {key:.3}, {keys:.3}, {site:.3}, {sites:.3}\n{script}"
        )
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
            ("2.5 , 10", rate(2.5, 10.0)),
            ("0.1", rate(0.1, 1.0)),
        ] {
            assert_eq!(RateLimit.read(text), Some(expected), "{text}");
        }
        for text in ["", "fast", "-1", "5,", "5,0", "5,0.5", "5,6,7", "NaN", "inf", "1e9", "0,x", "0.0001"] {
            assert_eq!(RateLimit.read(text), None, "{text}");
        }
    }

    #[test]
    fn a_script_knows_what_is_limited() {
        assert!(Limits::default().is_off());
        let limits = Limits { per_key: None, per_site: RateLimit.read("2,3").unwrap() };
        let expected = "local KEY_TOKEN, KEY_BURST, SITE_TOKEN, SITE_BURST = 0.000, 0.000, 500000.000, 1500000.000\n-";
        assert_eq!(limits.script("-"), expected);
    }
}
