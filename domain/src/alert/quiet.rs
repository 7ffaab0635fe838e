//! Quiet hours: the hours in which a receiver gets only critical alerts.

use alloc::format;
use alloc::string::String;

use crate::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60;

/// The quiet hours of every day for a receiver, by a clock of a fixed offset to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// The minute of the day at which quiet begins, 0 to 1439.
    pub from: u16,
    /// The minute of the day at which quiet ends. If it is before `from`, it is on the next day.
    pub to: u16,
    /// The offset of this clock to UTC.
    pub offset: Offset,
}

/// The offset of a clock to UTC, in whole minutes. Positive is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offset(i16);

impl Offset {
    /// Reads `+08:00` or `-03:30`, up to 14 hours.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let minutes = i16::try_from(minute_of_day(rest)?).ok()?;
        (minutes <= 14 * 60).then_some(Offset(sign * minutes))
    }

    /// A time for people: `2026-03-01 08:00 UTC+08:00`.
    pub fn show(self, at: Timestamp) -> String {
        let local = Timestamp::from_millis(at.millis().saturating_add(i64::from(self.0) * MINUTE)).rfc3339();
        let (day, clock) = (local.get(..10).unwrap_or_default(), local.get(11..16).unwrap_or_default());
        let (sign, minutes) = (if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs());
        format!("{day} {clock} UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
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
        let local = at.millis().saturating_add(i64::from(self.offset.0) * MINUTE);
        let minute = local.div_euclid(MINUTE).rem_euclid(DAY);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        // Minutes since quiet began, and the length of quiet in minutes.
        let (since, length) = ((minute - from).rem_euclid(DAY), (to - from).rem_euclid(DAY));
        if since >= length {
            return at;
        }
        let begun = local.div_euclid(MINUTE) * MINUTE - i64::from(self.offset.0) * MINUTE;
        Timestamp::from_millis(begun.saturating_add((length - since) * MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn check(from: &str, to: &str, asked: &str, allowed: &str) {
        let minute = |text| minute_of_day(text).unwrap();
        let quiet = Quiet { from: minute(from), to: minute(to), offset: Offset::parse("+08:00").unwrap() };
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
    fn offsets_and_clocks_are_read_strictly() {
        for text in ["", "08:00", "+8:00", "+15:00", "+08:60", "+0800", "Z", "é8:00"] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
        for text in ["24:00", "7:00", "07:60", "07", "-1:00", "+1:00"] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_shown_with_its_offset() {
        let noon = at("2026-03-01T12:00:00Z");
        assert_eq!(Offset::parse("-03:30").unwrap().show(noon), "2026-03-01 08:30 UTC-03:30");
        assert_eq!(Offset::default().show(noon), "2026-03-01 12:00 UTC+00:00");
    }
}
