//! Dates: generalised or shifted.

use alloc::format;
use alloc::string::{String, ToString};

use crate::time::Timestamp;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The number of whole days by which the dates of one subject are shifted in a study. All dates shift by the same
/// number, so intervals, order and time of day stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shift(i64);

impl Shift {
    /// A shift of 1 to `most` days, forward or back, chosen by `random`. It is never zero. `random` must come from a
    /// keyed function of study and subject.
    pub fn of(random: u64, most: u16) -> Self {
        let most = u64::from(most.max(1));
        let pick = i64::try_from(random % (2 * most)).unwrap_or_default();
        let most = i64::try_from(most).unwrap_or_default();
        // -most ..= -1 and 1 ..= most: 0 would leave a date unchanged.
        Shift(if pick < most { pick - most } else { pick - most + 1 })
    }

    /// Shifts a point in time. The result stays within the range of RFC 3339.
    pub fn timestamp(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_add(self.0 * DAY_MS))
    }

    /// Shifts a text that is a date and nothing else. Time of day, zone and notation stay. None if the text is not such
    /// a date, or the result would leave the calendar.
    pub(super) fn text(self, text: &str) -> Option<String> {
        let (day, separator) = day_of(text)?;
        let moved = day.millis() + self.0 * DAY_MS;
        let at = Timestamp::from_millis(moved);
        if at.millis() != moved {
            return None;
        }
        let day = at.rfc3339().get(..10)?.replace('-', separator);
        Some(day + text.get(10..)?)
    }
}

/// The year of a date.
pub(super) fn year(text: &str) -> Option<String> {
    day_of(text).and_then(|_| text.get(..4)).map(ToString::to_string)
}

/// The day of a text that is a date or a time and nothing else, and its separator between year, month and day.
/// Examples: `2026-03-01`, `2026/03/01`, `2026.03.01`, each alone or before a time such as `T08:00`,
/// ` 08:00:30.5+08:00`.
fn day_of(text: &str) -> Option<(Timestamp, &str)> {
    let (day, rest) = text.split_at_checked(10)?;
    let separator = day.get(4..5).filter(|it| matches!(*it, "-" | "/" | ".") && day.get(7..8) == Some(it))?;
    let day = if separator == "-" { day.to_string() } else { day.replace(separator, "-") };
    let midnight = Timestamp::parse(&format!("{day}T00:00:00Z"))?;
    let is_time =
        |time: &str| ["", "Z", ":00Z"].into_iter().any(|end| Timestamp::parse(&format!("{day}T{time}{end}")).is_some());
    let is_date = match rest.split_at_checked(1) {
        None => true,
        Some(("T" | "t" | " ", time)) => is_time(time),
        // Every text that the report rules accept as a time is accepted here too.
        Some(_) => Timestamp::parse(text).is_some(),
    };
    is_date.then_some((midnight, separator))
}

/// The year of a date of birth, or `90+` for a person who turns ninety this year or is older. None if no year can be
/// found.
pub(super) fn birth_year(text: &str, now: Timestamp) -> Option<String> {
    let this_year: u32 = now.rfc3339().get(..4)?.parse().ok()?;
    let year = |group: &str| group.parse::<u32>().ok().filter(|year| (1850..=this_year).contains(year));
    let mut groups = text.split(|c: char| !c.is_ascii_digit()).filter_map(|group| match group.len() {
        4 => year(group),
        8 => group.get(..4).and_then(year),
        _ => None,
    });
    let year = groups.next()?;
    Some(if this_year - year >= 90 { "90+".to_string() } else { year.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_date_keeps_its_form_its_time_and_its_zone() {
        for (text, expected) in [
            ("2026-02-27", Some("2026-03-02")),
            ("2026/02/27", Some("2026/03/02")),
            ("2026.12.30", Some("2027.01.02")),
            ("2026-02-27T23:59:59.5+08:00", Some("2026-03-02T23:59:59.5+08:00")),
            ("2026-02-27 08:15", Some("2026-03-02 08:15")),
            ("2024-02-26T00:00", Some("2024-02-29T00:00")),
            ("2026-02-30", None),
            ("2026-02/27", None),
            ("2026-02-27 13800138000", None),
            ("2026-02-27 25:00", None),
            ("2026-02-27, at home", None),
            ("27.02.2026", None),
            ("9999-12-30", None),
            ("2026-02-2é", None),
            ("", None),
        ] {
            assert_eq!(Shift(3).text(text).as_deref(), expected, "{text}");
        }
        assert_eq!(Shift(-3).text("0000-01-02"), None);
        assert_eq!(Shift(3).timestamp(Timestamp::from_millis(i64::MAX)), Timestamp::from_millis(i64::MAX));
        assert_eq!((year("2026-02-27T08:00:00Z").as_deref(), year("2026")), (Some("2026"), None));
    }

    #[test]
    fn every_shift_within_the_bounds_comes_up_and_none_is_zero() {
        for most in [1, 2, 365] {
            let mut seen: alloc::vec::Vec<i64> =
                (0..2 * u64::from(most)).map(|random| Shift::of(random, most).0).collect();
            seen.sort_unstable();
            let most = i64::from(most);
            assert!(seen.into_iter().eq((-most..=most).filter(|days| *days != 0)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn intervals_stay_and_a_shift_back_undoes_a_shift(random: u64, most in 1u16..=365, one in 0i64..4_000_000_000_000, other in 0i64..4_000_000_000_000) {
            let shift = Shift::of(random, most);
            let (one, other) = (Timestamp::from_millis(one), Timestamp::from_millis(other));
            let between = |a: Timestamp, b: Timestamp| b.millis() - a.millis();
            prop_assert_eq!(between(one, other), between(shift.timestamp(one), shift.timestamp(other)));
            let text = shift.text(&one.rfc3339()).unwrap();
            prop_assert_eq!(&text, &shift.timestamp(one).rfc3339());
            prop_assert_ne!(&text, &one.rfc3339());
            prop_assert_eq!(Shift(-shift.0).text(&text), Some(one.rfc3339()));
        }
    }
}
