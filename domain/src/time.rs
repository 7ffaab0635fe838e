//! Points in time as milliseconds since 1970-01-01T00:00:00Z, and days, read from and written as RFC 3339.

use alloc::string::String;
use core::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in milliseconds since the Unix epoch, between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first and the last millisecond that RFC 3339 can write.
    const RANGE: core::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

    /// The first of all.
    pub const EARLIEST: Timestamp = Timestamp(*Self::RANGE.start());
    /// The last of all.
    pub const LATEST: Timestamp = Timestamp(*Self::RANGE.end());

    /// A point in time from milliseconds since the epoch. The result is limited to the range of RFC 3339.
    pub fn from_millis(millis: i64) -> Self {
        Timestamp(millis.clamp(*Self::RANGE.start(), *Self::RANGE.end()))
    }

    /// Parses RFC 3339 with an offset, such as `2026-03-01T08:00:00+08:00`. Fractions of a millisecond are cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = at.unix_timestamp() * 1000 + i64::from(at.millisecond());
        Self::RANGE.contains(&millis).then_some(Timestamp(millis))
    }

    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment this many milliseconds later, limited to the range of RFC 3339.
    pub fn plus_ms(self, ms: u64) -> Self {
        Timestamp::from_millis(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this; 0 if `earlier` is not before this.
    pub fn ms_since(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Formats by hand: every report needs two of these texts, and general formatting takes five times as long.
    fn digits(self) -> [u8; 24] {
        let at = OffsetDateTime::from_unix_timestamp(self.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = at.time().as_hms();
        let millis = u16::try_from(self.0.rem_euclid(1000)).unwrap_or(0);
        let year = u16::try_from(at.year()).unwrap_or(0);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |place: core::ops::Range<usize>, mut number: u16| {
            for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0..4, year);
        put(5..7, u8::from(at.month()).into());
        put(8..10, at.day().into());
        put(11..13, hour.into());
        put(14..16, minute.into());
        put(17..19, second.into());
        put(20..23, millis);
        text
    }

    /// RFC 3339 in UTC with milliseconds: `2026-03-01T00:00:00.000Z`. Always 24 bytes, so the order of texts is the
    /// order of times.
    pub fn rfc3339(self) -> String {
        // All bytes are ASCII.
        str::from_utf8(&self.digits()).unwrap_or_default().into()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A day of the calendar, in no time zone: days since 1970-01-01, between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Parses a day such as `2026-03-01`.
    pub fn parse(text: &str) -> Option<Self> {
        let start = (text.len() == 10).then(|| Timestamp::parse(&[text, "T00:00:00Z"].concat()))??;
        Some(Day(start.millis().div_euclid(DAY_MS)))
    }

    /// Its midnight on a clock that shows UTC, milliseconds.
    pub(crate) fn millis(self) -> i64 {
        self.0 * DAY_MS
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Timestamp::from_millis(self.millis()).rfc3339().get(..10).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn an_offset_is_turned_into_utc() {
        let at = Timestamp::parse("2026-03-01T08:00:00.1239+08:00").unwrap();
        assert_eq!(at.rfc3339(), "2026-03-01T00:00:00.123Z");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, -1, 1, 1_772_323_200_123, -62_167_219_200_000, 253_402_300_799_999] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::parse(&at.rfc3339()), Some(at), "{millis}");
        }
    }

    #[test]
    fn a_time_without_offset_or_a_day_that_is_not_is_refused() {
        for text in ["2026-03-01T08:00:00", "2026-02-30T08:00:00Z", "2026-03-01", "", "tomorrow"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_read_strictly_and_written_back() {
        for day in ["0000-01-01", "1969-12-31", "1970-01-01", "2028-02-29", "9999-12-31"] {
            assert_eq!(Day::parse(day).map(|day| day.to_string()).as_deref(), Some(day));
        }
        for text in ["", "2026-02-29", "2026-2-01", "2026-02-01T", "26-02-01", "2026/02/01", " 2026-02-1", "2026-02-é"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
