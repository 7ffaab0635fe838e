//! Local time: by a fixed offset to UTC, or by a time zone of the IANA database with its summer time.
//!
//! Guarantee: every reading of a clock has a moment. A reading that is skipped when clocks go forward stands for the
//! moment of the change; one that comes twice when they go back has an earliest and a latest moment.
//!
//! Mechanism: `build.rs` cuts the database to the changes of twenty years from 2026 on. Later the last offset stands.
//!
//! Not for: moments before 2026.

use alloc::format;
use alloc::string::String;

use super::quiet::minute_of_day;
use crate::Timestamp;

include!(concat!(env!("OUT_DIR"), "/zones.rs"));

const MINUTE: i64 = 60_000;
const QUARTER: i64 = 15 * MINUTE;

/// A clock on a wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The same offset to UTC all year, in minutes. Positive is ahead of UTC.
    Fixed(i16),
    /// The clock of a time zone.
    Zone(Zone),
}

/// A time zone: its offsets in the order of time, as `build.rs` packs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(&'static [u32]);

impl Default for Clock {
    fn default() -> Self {
        Clock::Fixed(0)
    }
}

/// A time in which an offset holds, milliseconds.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    offset: i64,
}

impl Clock {
    /// Reads an offset such as `+08:00` or `-03:30`, up to 14 hours.
    pub fn offset(text: &str) -> Option<Self> {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let minutes = i16::try_from(minute_of_day(rest)?).ok()?;
        (minutes <= 14 * 60).then_some(Clock::Fixed(sign * minutes))
    }

    /// The clock of a time zone by its name in the IANA database, such as `Europe/Berlin`.
    pub fn zone(name: &str) -> Option<Self> {
        let found = NAMES.lines().position(|known| known == name)?;
        let clock = CLOCKS.get(usize::from(*PLACES.get(found)?))?;
        Some(Clock::Zone(Zone(clock)))
    }

    /// A time for people: `2026-03-01 08:00 UTC+08:00`.
    pub fn show(self, at: Timestamp) -> String {
        let offset = self.local(at.millis()).saturating_sub(at.millis()) / MINUTE;
        let local = Timestamp::from_millis(self.local(at.millis())).rfc3339();
        let (day, clock) = (local.get(..10).unwrap_or_default(), local.get(11..16).unwrap_or_default());
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        format!("{day} {clock} UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// The local time at a moment, both in milliseconds.
    pub(crate) fn local(self, at: i64) -> i64 {
        let holds = self.spans().find(|span| at < span.end);
        at.saturating_add(holds.map_or(0, |span| span.offset))
    }

    /// The earliest and the latest moment at which the clock shows this.
    pub(crate) fn moments(self, local: i64) -> (i64, i64) {
        let (mut found, mut skipped) = (None, None);
        for span in self.spans() {
            let at = local.saturating_sub(span.offset);
            if (span.start..span.end).contains(&at) {
                found = Some((found.map_or(at, |(earliest, _)| earliest), at));
            } else if at < span.start {
                // The span before ended before the clock showed this.
                skipped = skipped.or(Some(span.start));
            }
        }
        found.or(skipped.map(|at| (at, at))).unwrap_or((local, local))
    }

    fn spans(self) -> impl Iterator<Item = Span> {
        let (fixed, zone): (_, &[u32]) = match self {
            Clock::Fixed(minutes) => (Some(i64::from(minutes) * MINUTE), &[]),
            Clock::Zone(Zone(packed)) => (None, packed),
        };
        let moment = |entry: u32| FROM * 1000 + i64::from(entry >> 8) * QUARTER;
        let zone = zone.iter().enumerate().map(move |(index, entry)| Span {
            start: if index == 0 { i64::MIN } else { moment(*entry) },
            end: zone.get(index + 1).map_or(i64::MAX, |next| moment(*next)),
            offset: (i64::from(entry & 0xff) - 64) * QUARTER,
        });
        fixed.map(|offset| Span { start: i64::MIN, end: i64::MAX, offset }).into_iter().chain(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn offsets_are_read_strictly_and_zones_by_their_names() {
        for text in ["", "08:00", "+8:00", "+15:00", "+08:60", "+0800", "Z", "é8:00"] {
            assert_eq!(Clock::offset(text), None, "{text}");
        }
        for name in
            ["", "Europe", "europe/berlin", "Europe/Berlin\n", "Europe/Berlin\nEurope/Brussels", "Mars/Base", "+08:00"]
        {
            assert_eq!(Clock::zone(name), None, "{name}");
        }
        assert!(NAMES.lines().count() == PLACES.len() && NAMES.lines().all(|name| Clock::zone(name).is_some()));
        assert!(
            ["UTC", "Etc/GMT+12", "Pacific/Kiritimati", "Asia/Kathmandu"].map(Clock::zone).iter().all(Option::is_some)
        );
    }

    #[test]
    fn a_time_is_shown_as_the_clock_shows_it() {
        let noon = at("2026-03-01T12:00:00Z");
        assert_eq!(Clock::offset("-03:30").unwrap().show(noon), "2026-03-01 08:30 UTC-03:30");
        assert_eq!(Clock::default().show(noon), "2026-03-01 12:00 UTC+00:00");
        for (zone, moment, shown) in [
            ("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29 01:59 UTC+01:00"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00 UTC+02:00"),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25 02:30 UTC+02:00"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25 02:30 UTC+01:00"),
            ("America/New_York", "2026-03-08T06:59:00Z", "2026-03-08 01:59 UTC-05:00"),
            ("America/New_York", "2026-03-08T07:00:00Z", "2026-03-08 03:00 UTC-04:00"),
            ("America/New_York", "2040-11-04T06:00:00Z", "2040-11-04 01:00 UTC-05:00"),
            ("Asia/Shanghai", "2026-07-01T16:00:00Z", "2026-07-02 00:00 UTC+08:00"),
            ("Australia/Lord_Howe", "2026-04-04T14:59:00Z", "2026-04-05 01:59 UTC+11:00"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05 01:30 UTC+10:30"),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-04 02:30 UTC+11:00"),
            ("Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01 05:45 UTC+05:45"),
            ("Africa/Casablanca", "2026-03-01T00:00:00Z", "2026-03-01 00:00 UTC+00:00"),
            ("Africa/Casablanca", "2026-06-01T00:00:00Z", "2026-06-01 01:00 UTC+01:00"),
        ] {
            assert_eq!(Clock::zone(zone).unwrap().show(at(moment)), shown, "{zone} {moment}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_a_clock_shows_has_its_moment(
            name in prop::sample::select(NAMES.lines().collect::<alloc::vec::Vec<_>>()),
            at in 1_767_225_600_000_i64..2_550_000_000_000,
        ) {
            let clock = Clock::zone(name).unwrap();
            let (earliest, latest) = clock.moments(clock.local(at));
            prop_assert!(at == earliest || at == latest, "{} {} {}", at, earliest, latest);
            prop_assert!(latest - earliest <= 3 * 60 * MINUTE);
        }

        #[test]
        fn every_reading_has_a_moment_and_order_stays(
            name in prop::sample::select(NAMES.lines().collect::<alloc::vec::Vec<_>>()),
            local in 1_767_300_000_000_i64..2_550_000_000_000,
            later in 0_i64..100_000_000,
        ) {
            let clock = Clock::zone(name).unwrap();
            let ((earliest, latest), (next_earliest, next_latest)) = (clock.moments(local), clock.moments(local + later));
            prop_assert!(earliest <= latest && earliest <= next_earliest && latest <= next_latest);
            // Not shown if it is skipped; then the clock shows more from this moment on.
            prop_assert!(clock.local(earliest) >= local && clock.local(earliest - 1) < local.max(clock.local(earliest)));
        }
    }
}
