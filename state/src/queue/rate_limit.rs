//! Rate limits of API keys and sites.
//!
//! Guarantee: in any period, all instances together let through at most the burst plus the rate times the period,
//! because the script that takes the submission in checks the bucket. A refused submission takes no token. In a batch,
//! a row that is there already takes no token either, so a batch that was cut short gets further each time it is sent.
//!
//! Not for: total load. The capacity of the queue bounds that.

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
    /// Reads `0` as no limit, else a rate per second and, after a comma, a burst. Without a burst, it is the tokens of
    /// a second.
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

    /// Microseconds per token, and microseconds per burst.
    fn microseconds(self) -> (f64, f64) {
        let token = 1_000_000.0 / self.per_second;
        (token, token * self.burst)
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
    fn a_script_knows_what_is_limited() {
        assert!(Limits::default().is_off());
        let limits = Limits { per_key: None, per_site: Rate::read("2,3").unwrap() };
        let expected = "local KEY_TOKEN, KEY_BURST, SITE_TOKEN, SITE_BURST = 0.000, 0.000, 500000.000, 1500000.000\n-";
        assert_eq!(limits.script("-"), expected);
    }
}
