//! Numbers: rounding, defined in one place and applied once; nearness; a figure in words.

use alloc::string::{String, ToString as _};

use serde_json::Value;

/// Two figures closer than this are equal: a cut-off at 15 also holds for a mean that misses 15 only by a rounding
/// error.
pub(crate) const NEAR: f64 = 1e-9;

/// The rule for a figure halfway between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 2.5 becomes 3, -2.5 becomes -3.
    HalfAwayFromZero,
    /// 2.5 becomes 2, 3.5 becomes 4.
    HalfEven,
    /// 2.9 becomes 2.
    Down,
    /// 2.1 becomes 3.
    Up,
}

/// The rounding of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rounding {
    pub(crate) digits: u16,
    pub(crate) mode: Mode,
}

/// The whole number that a JSON number is, however it is written: `3`, `3.0`, `30e-1`.
pub fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Beyond 2^53 a double is not the number that was written.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        (number.abs() <= 9_007_199_254_740_992.0 && floor(number) == number).then_some(number as i64)
    })
}

/// The largest whole number that is not above `x`.
pub(crate) fn floor(x: f64) -> f64 {
    // Above 2^52 a double has no fraction. `as` saturates, so every figure has a defined result.
    if x.abs() >= 4_503_599_627_370_496.0 {
        return x;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within 2^52")]
    let whole = x as i64 as f64;
    if whole > x { whole - 1.0 } else { whole }
}

impl Rounding {
    /// Rounds `x`. A figure that misses halfway only by a floating-point error counts as halfway.
    pub(crate) fn apply(self, x: f64) -> f64 {
        let scale = (0..self.digits).fold(1.0, |scale, _| scale * 10.0);
        let scaled = x * scale;
        let below = floor(scaled);
        let part = scaled - below;
        let up = match self.mode {
            Mode::Down => part > 1.0 - NEAR,
            Mode::Up => part > NEAR,
            Mode::HalfAwayFromZero if (part - 0.5).abs() <= 1e-7 => scaled > 0.0,
            Mode::HalfEven if (part - 0.5).abs() <= 1e-7 => floor(below / 2.0) * 2.0 != below,
            Mode::HalfAwayFromZero | Mode::HalfEven => part > 0.5,
        };
        let rounded = (if up { below + 1.0 } else { below }) / scale;
        // Never returns "-0".
        if rounded == 0.0 { 0.0 } else { rounded }
    }
}

/// A figure with at most three digits after the point.
pub(crate) fn figure(x: f64) -> String {
    Rounding { digits: 3, mode: Mode::HalfAwayFromZero }.apply(x).to_string()
}

/// Whether the last digit is the check digit of the others (Luhn, ISO/IEC 7812-1, annex B), as in LOINC codes and bank
/// cards.
pub(crate) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            let weighed = if place % 2 == 1 { digit * 2 } else { digit };
            if weighed > 9 { weighed - 9 } else { weighed }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(x: f64, digits: u16, mode: Mode, expected: f64) {
        assert_eq!(Rounding { digits, mode }.apply(x), expected, "{x} to {digits} digits, {mode:?}");
    }

    #[test]
    fn a_whole_number_is_whole_in_every_spelling() {
        for (text, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("30e-1", Some(3)),
            ("-0", Some(0)),
            ("-3.0", Some(-3)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9007199254740992.0", Some(1 << 53)),
            ("9007199254740994.0", None),
            ("9223372036854775808", None),
            ("3.5", None),
            ("1e300", None),
            ("\"3\"", None),
            ("true", None),
        ] {
            assert_eq!(whole(&serde_json::from_str(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn halves_go_where_the_mode_says() {
        check(2.5, 0, Mode::HalfAwayFromZero, 3.0);
        check(-2.5, 0, Mode::HalfAwayFromZero, -3.0);
        check(2.5, 0, Mode::HalfEven, 2.0);
        check(3.5, 0, Mode::HalfEven, 4.0);
        check(-2.5, 0, Mode::HalfEven, -2.0);
        check(2.9, 0, Mode::Down, 2.0);
        check(2.1, 0, Mode::Up, 3.0);
        check(-0.0004, 3, Mode::HalfAwayFromZero, 0.0);
    }

    #[test]
    fn a_half_that_binary_cannot_hold_is_still_a_half() {
        check(1.005, 2, Mode::HalfAwayFromZero, 1.01);
        check(1.0 - 0.0376805 - 0.031544398, 3, Mode::HalfEven, 0.931);
        check(0.0005, 3, Mode::HalfAwayFromZero, 0.001);
    }

    #[test]
    fn floor_holds_on_both_sides_of_zero() {
        assert_eq!(floor(-0.5), -1.0);
        assert_eq!(floor(0.5), 0.0);
        assert_eq!(floor(-3.0), -3.0);
        assert_eq!(floor(1e300), 1e300);
    }
}
