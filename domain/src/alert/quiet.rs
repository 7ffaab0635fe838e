//! Quiet hours: the hours in which a receiver gets only critical alerts.
//!
//! Guarantee: a night is quiet for its real length. It begins when the receiver's clock first shows its beginning, and
//! ends when the clock last shows its end, so that the night in which clocks change is an hour shorter or longer.

use core::ops::Range;

use super::zone::Clock;
use crate::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The quiet hours of every day for a receiver, by its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// The minute of the day at which quiet begins, 0 to 1439.
    pub from: u16,
    /// The minute of the day at which quiet ends. If it is before `from`, it is on the next day.
    pub to: u16,
    /// The clock.
    pub clock: Clock,
}

/// Reads `22:00` as minutes since midnight.
pub(crate) fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(60 * hours + minutes)
}

impl Quiet {
    /// The first moment outside the quiet hours, not before `at`.
    pub fn next_allowed(&self, at: Timestamp) -> Timestamp {
        let mut now = at.millis();
        // Where clocks go back, a night may end after the next has begun.
        for _ in 0..3 {
            match self.night(now) {
                Some(night) => now = night.end,
                None => break,
            }
        }
        Timestamp::from_millis(now)
    }

    /// The last minute before the quiet hours in which a moment lies; outside of them the moment itself.
    pub(crate) fn last_allowed(&self, at: Timestamp) -> Timestamp {
        let mut now = at.millis();
        for _ in 0..3 {
            match self.night(now) {
                Some(night) => now = night.start.saturating_sub(MINUTE),
                None => break,
            }
        }
        Timestamp::from_millis(now)
    }

    /// The night in which a moment lies; of two that overlap, from the beginning of the first to the end of the second.
    fn night(&self, at: i64) -> Option<Range<i64>> {
        let today = self.clock.local(at).div_euclid(DAY) * DAY;
        let (from, to) = (i64::from(self.from) * MINUTE, i64::from(self.to) * MINUTE);
        let length = (to - from).rem_euclid(DAY);
        // Where clocks go back over midnight, the night of tomorrow may have begun.
        let nights = [today - DAY, today, today + DAY].map(|day| {
            let (start, _) = self.clock.moments(day + from);
            let (_, end) = self.clock.moments(day + from + length);
            start..end
        });
        let nights = nights.into_iter().filter(|night| night.contains(&at));
        nights.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn quiet(from: &str, to: &str, clock: &str) -> Quiet {
        let minute = |text| minute_of_day(text).unwrap();
        let clock = Clock::offset(clock).or_else(|| Clock::zone(clock)).unwrap();
        Quiet { from: minute(from), to: minute(to), clock }
    }

    fn check(from: &str, to: &str, asked: &str, allowed: &str) {
        let quiet = quiet(from, to, "+08:00");
        assert_eq!(quiet.next_allowed(at(asked)), at(allowed), "{from} to {to}, asked at {asked}");
    }

    #[test]
    fn what_comes_in_quiet_hours_waits_for_their_end() {
        check("22:00", "07:00", "2026-03-01T21:59:59.999+08:00", "2026-03-01T21:59:59.999+08:00");
        check("22:00", "07:00", "2026-03-01T22:00:00+08:00", "2026-03-02T07:00:00+08:00");
        check("22:00", "07:00", "2026-03-01T23:59:59+08:00", "2026-03-02T07:00:00+08:00");
        check("22:00", "07:00", "2026-03-02T00:00:01+08:00", "2026-03-02T07:00:00+08:00");
        check("22:00", "07:00", "2026-03-02T06:59:59.999+08:00", "2026-03-02T07:00:00+08:00");
        check("22:00", "07:00", "2026-03-02T07:00:00+08:00", "2026-03-02T07:00:00+08:00");
        check("12:30", "13:15", "2026-03-01T05:00:00Z", "2026-03-01T13:15:00+08:00");
        check("12:30", "13:15", "2026-03-01T03:00:00Z", "2026-03-01T03:00:00Z");
    }

    #[test]
    fn a_night_in_which_clocks_change_is_quiet_for_its_real_length() {
        // Zone, from, to; the first quiet moment and the first that is not.
        for (zone, from, to, first, end) in [
            // An ordinary night of 9 hours, in winter and in summer.
            ("Europe/Berlin", "22:00", "07:00", "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
            ("Europe/Berlin", "22:00", "07:00", "2026-07-10T20:00:00Z", "2026-07-11T05:00:00Z"),
            // 8 and 10 hours.
            ("Europe/Berlin", "22:00", "07:00", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"),
            ("Europe/Berlin", "22:00", "07:00", "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"),
            ("America/New_York", "22:00", "07:00", "2026-03-08T03:00:00Z", "2026-03-08T11:00:00Z"),
            ("America/New_York", "22:00", "07:00", "2026-11-01T02:00:00Z", "2026-11-01T12:00:00Z"),
            // Half an hour.
            ("Australia/Lord_Howe", "22:00", "07:00", "2026-10-03T11:30:00Z", "2026-10-03T20:00:00Z"),
            ("Australia/Lord_Howe", "22:00", "07:00", "2026-04-04T11:00:00Z", "2026-04-04T20:30:00Z"),
            // Never.
            ("Asia/Shanghai", "22:00", "07:00", "2026-03-28T14:00:00Z", "2026-03-28T23:00:00Z"),
            ("Asia/Shanghai", "22:00", "07:00", "2026-10-24T14:00:00Z", "2026-10-24T23:00:00Z"),
            // The beginning or the end is skipped: the change stands for it.
            ("Europe/Berlin", "22:00", "02:30", "2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "02:30", "07:00", "2026-03-29T01:00:00Z", "2026-03-29T05:00:00Z"),
            // The beginning or the end comes twice: the night is one.
            ("Europe/Berlin", "22:00", "02:30", "2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z"),
            ("Europe/Berlin", "02:30", "07:00", "2026-10-25T00:30:00Z", "2026-10-25T06:00:00Z"),
            ("Australia/Lord_Howe", "01:45", "01:50", "2026-04-04T14:45:00Z", "2026-04-04T15:20:00Z"),
        ] {
            let quiet = quiet(from, to, zone);
            let (first, end) = (at(first), at(end));
            let before = |moment: Timestamp| Timestamp::from_millis(moment.millis() - 1);
            let place = format!("{zone} {from} to {to} on {end}");
            assert_eq!(quiet.next_allowed(before(first)), before(first), "{place}");
            for moment in [first, Timestamp::from_millis((first.millis() + end.millis()) / 2), before(end)] {
                assert_eq!(quiet.next_allowed(moment), end, "{place}");
            }
            assert_eq!(quiet.next_allowed(end), end, "{place}");
        }
        // Both are skipped: there is no such night.
        let skipped = quiet("02:10", "02:50", "Europe/Berlin");
        for moment in ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"] {
            assert_eq!(skipped.next_allowed(at(moment)), at(moment), "{moment}");
        }
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        for text in ["24:00", "7:00", "07:60", "07", "-1:00", "+1:00"] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_let_through_is_outside_and_what_waits_does_not_wait_long(
            zone in prop::sample::select(alloc::vec![
                "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana",
            ]),
            from in 0_u16..1440, length in 1_u16..1380, moment in 1_770_000_000_000_i64..2_300_000_000_000,
        ) {
            let to = (from + length) % 1440;
            let quiet = Quiet { from, to, clock: Clock::zone(zone).unwrap() };
            let now = Timestamp::from_millis(moment);
            let allowed = quiet.next_allowed(now);
            prop_assert!(allowed >= now && allowed.ms_since(now) <= (u64::from(length) + 120) * 60_000);
            prop_assert_eq!(quiet.next_allowed(allowed), allowed);
            let before = quiet.last_allowed(now);
            prop_assert!(before <= now && now.ms_since(before) <= (u64::from(length) + 121) * 60_000);
            prop_assert_eq!((before == now, quiet.next_allowed(before)), (allowed == now, before));
            // The local time is then outside.
            let shown = quiet.clock.local(allowed.millis()).rem_euclid(DAY) / MINUTE;
            prop_assert!((shown - i64::from(from)).rem_euclid(1440) >= i64::from(length));
            // Only a moment in quiet hours, or in an hour that comes twice, is put off.
            let shown = quiet.clock.local(moment).rem_euclid(DAY) / MINUTE;
            if allowed > now {
                prop_assert!((shown - i64::from(from) + 120).rem_euclid(1440) <= i64::from(length) + 120);
            }
        }
    }
}
