//! The self-check: Vigil sends a submission to itself, and its alert must return through the whole path.
//!
//! Guarantee: no client can use the study of the self-check, and only its study marks a self-check. The next one is
//! sent when the last one has returned and an interval is over, or when the last one is given up. So self-checks do not
//! pile up if nobody processes them.
//!
//! Not for: the receivers. Their attempts and breakers show whether they respond.

use alloc::string::String;

use serde_json::{Map, Value};

use crate::Timestamp;

/// Its study; also its id and subject. A document cannot use this name ([`crate::ids::is_name`]).
pub const STUDY: &str = "~self-check";
/// The instrument that it answers.
pub const INSTRUMENT: &str = "phq-9";
/// The built-in version of the instrument. Other versions that operators put in force do not affect the self-check.
pub const VERSION: &str = "1.0.0";
/// The number of intervals that may pass without a returned self-check.
pub const PATIENCE: u64 = 3;

/// Its answers: they raise one alert, a critical one, by item 9.
pub fn answers() -> Map<String, Value> {
    (1..=9).map(|item| (alloc::format!("q{item}"), u8::from(item == 9).into())).collect()
}

/// The known times of the self-check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// The start of waiting: the start of Vigil, or the end of a standstill.
    pub since: Option<Timestamp>,
    /// The time when the last one was sent.
    pub sent: Option<Timestamp>,
    /// The last one that returned.
    pub back: Option<Back>,
}

/// A self-check that returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// The time when it was sent.
    pub sent: Timestamp,
    /// The time when its alert arrived.
    pub at: Timestamp,
}

impl Seen {
    /// Whether another one must be sent.
    pub fn is_due(&self, interval_ms: u64, now: Timestamp) -> bool {
        let Some(sent) = self.sent else { return true };
        let is_back = self.back.is_some_and(|back| back.sent >= sent);
        apart(sent, now) >= if is_back { interval_ms } else { interval_ms.saturating_mul(PATIENCE) }
    }

    /// The time since the last return, milliseconds; none if nothing is expected.
    pub fn age_ms(&self, now: Timestamp) -> Option<u64> {
        self.back.map(|back| back.at).or(self.since).map(|last| apart(last, now))
    }

    /// Whether the last return is too long ago, not counting the time in which Vigil stood still.
    pub fn is_late(&self, interval_ms: u64, now: Timestamp) -> bool {
        let waited = self.since.map(|since| apart(since, now));
        let age = self.age_ms(now);
        age.min(waited.or(age)).is_some_and(|ms| ms > interval_ms.saturating_mul(PATIENCE))
    }

    /// The travel time of the last one, milliseconds.
    pub fn took_ms(&self) -> Option<u64> {
        self.back.map(|back| back.at.ms_since(back.sent))
    }
}

/// If a clock was set back, an old moment must not look recent. So the distance counts in both directions.
fn apart(one: Timestamp, other: Timestamp) -> u64 {
    one.millis().abs_diff(other.millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instrument, Severity, ids, library};

    const INTERVAL: u64 = 60_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_772_323_200_000 + seconds * 1000)
    }

    fn seen(since: i64, sent: Option<i64>, back: Option<(i64, i64)>) -> Seen {
        let back = back.map(|(sent, arrived)| Back { sent: at(sent), at: at(arrived) });
        Seen { since: Some(at(since)), sent: sent.map(at), back }
    }

    #[test]
    fn it_raises_one_critical_alert_by_the_definition_that_comes_with_vigil() {
        let instrument = Instrument::from_json(&library::definition(INSTRUMENT).unwrap()).unwrap();
        assert_eq!(instrument.version(), VERSION);
        let answers = instrument.read(&answers()).unwrap();
        let scores = instrument.score(&answers, &instrument.parameters(&Default::default()).unwrap());
        let alerts = instrument.alerts_by(instrument.rules(), &answers, &scores, None);
        assert_eq!((alerts.len(), alerts[0].severity), (1, Severity::Critical));
    }

    #[test]
    fn no_document_can_name_its_study() {
        assert!(!ids::is_name(STUDY));
    }

    #[test]
    fn the_next_goes_out_an_interval_after_the_one_before_or_when_that_is_given_up() {
        for (seen, seconds, due) in [
            (Seen::default(), 0, true),
            (seen(0, Some(0), Some((0, 1))), 59, false),
            (seen(0, Some(0), Some((0, 1))), 60, true),
            // It is on its way.
            (seen(0, Some(60), Some((0, 1))), 239, false),
            (seen(0, Some(60), Some((0, 1))), 240, true),
            (seen(0, Some(0), None), 179, false),
            // The clock of the receiving host is behind.
            (seen(0, Some(0), Some((0, -5))), 60, true),
            // The clock was set back by an hour.
            (seen(0, Some(3600), Some((3600, 3601))), 0, true),
        ] {
            assert_eq!(seen.is_due(INTERVAL, at(seconds)), due, "{seen:?} after {seconds} s");
        }
    }

    #[test]
    fn it_is_late_when_none_came_back_for_three_intervals_of_those_that_vigil_ran() {
        for (seen, seconds, late) in [
            (Seen::default(), 0, false),
            (seen(0, None, None), 180, false),
            (seen(0, None, None), 181, true),
            (seen(0, Some(60), Some((0, 1))), 181, false),
            (seen(0, Some(60), Some((0, 1))), 182, true),
            // Vigil was down for an hour and has just started.
            (seen(3600, Some(0), Some((0, 1))), 3601, false),
            (seen(3600, Some(0), Some((0, 1))), 3781, true),
            (seen(0, Some(3600), Some((3600, 3601))), 3400, true),
        ] {
            assert_eq!(seen.is_late(INTERVAL, at(seconds)), late, "{seen:?} after {seconds} s");
        }
        let back = seen(3600, Some(0), Some((0, 2)));
        assert_eq!((back.age_ms(at(3601)), back.took_ms()), (Some(3_599_000), Some(2000)), "the true age");
    }
}
