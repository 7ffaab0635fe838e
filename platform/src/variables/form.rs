//! The forms of variables: how a text is read, and the bounds that it must keep.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The form of a variable's text.
pub trait Form {
    /// The value of a text.
    type Value: Default;

    /// Reads a text without blanks around it; none if it breaks the rule.
    fn read(&self, text: &str) -> Option<Self::Value>;

    /// The rule, as it follows "must be".
    fn rule(&self) -> String;

    /// The bounds, for a description; empty if there are none.
    fn bounds(&self) -> String;
}

/// Any text. Its component reads it.
#[derive(Debug, Clone, Copy)]
pub struct Text;

impl Form for Text {
    type Value = String;

    fn read(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn rule(&self) -> String {
        "text".to_owned()
    }

    fn bounds(&self) -> String {
        String::new()
    }
}

/// A whole number: the least and the most.
#[derive(Debug, Clone, Copy)]
pub struct Number<T>(pub T, pub T);

impl<T: FromStr + PartialOrd + Display + Default> Form for Number<T> {
    type Value = T;

    fn read(&self, text: &str) -> Option<T> {
        text.parse().ok().filter(|number| (&self.0..=&self.1).contains(&number))
    }

    fn rule(&self) -> String {
        format!("a number from {}", self.bounds())
    }

    fn bounds(&self) -> String {
        format!("{} to {}", self.0, self.1)
    }
}

/// A duration, given as a whole number of its unit.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    count: Number<u64>,
    /// Milliseconds.
    unit: u64,
}

impl Span {
    /// Milliseconds: the least and the most.
    pub const fn millis(least: u64, most: u64) -> Self {
        Span { count: Number(least, most), unit: 1 }
    }

    /// Seconds: the least and the most.
    pub const fn seconds(least: u64, most: u64) -> Self {
        Span { count: Number(least, most), unit: 1000 }
    }

    /// Days: the least and the most.
    pub const fn days(least: u64, most: u64) -> Self {
        Span { count: Number(least, most), unit: 86_400_000 }
    }
}

impl Form for Span {
    type Value = Duration;

    fn read(&self, text: &str) -> Option<Duration> {
        self.count.read(text).map(|count| Duration::from_millis(count.saturating_mul(self.unit)))
    }

    fn rule(&self) -> String {
        self.count.rule()
    }

    fn bounds(&self) -> String {
        self.count.bounds()
    }
}

/// A secret key as base64: the least and the most bytes.
#[derive(Debug, Clone, Copy)]
pub struct Base64(pub usize, pub usize);

impl Form for Base64 {
    type Value = Vec<u8>;

    fn read(&self, text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok().filter(|key| (self.0..=self.1).contains(&key.len()))
    }

    fn rule(&self) -> String {
        format!("{} as base64", self.bounds())
    }

    fn bounds(&self) -> String {
        match *self {
            Base64(least, usize::MAX) => format!("at least {least} bytes"),
            Base64(least, most) if least == most => format!("exactly {least} bytes"),
            Base64(least, most) => format!("at least {least} and at most {most} bytes"),
        }
    }
}

/// Another form, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Optional<F>(pub F);

impl<F: Form> Form for Optional<F> {
    type Value = Option<F::Value>;

    fn read(&self, text: &str) -> Option<Option<F::Value>> {
        if text.is_empty() { Some(None) } else { self.0.read(text).map(Some) }
    }

    fn rule(&self) -> String {
        format!("empty, or {}", self.0.rule())
    }

    fn bounds(&self) -> String {
        self.0.bounds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_within_its_bounds() {
        let number = Number(1_u32, 10);
        assert_eq!(
            ["1", "10", "0", "11", "-1", "1.0", ""].map(|text| number.read(text)),
            [Some(1), Some(10), None, None, None, None, None]
        );
        assert_eq!(number.rule(), "a number from 1 to 10");
        assert_eq!(Span::days(1, 2).read("2"), Some(Duration::from_hours(48)));
        assert_eq!(Span::seconds(1, 2).read("3"), None);
        let key = Base64(3, 4);
        assert_eq!(
            ["YWJj", "YWI=", "YWJjZGU=", "?"].map(|text| key.read(text)),
            [Some(b"abc".to_vec()), None, None, None]
        );
        assert_eq!(
            [Base64(3, 3), Base64(3, usize::MAX), key].map(|key| key.rule()),
            ["exactly 3 bytes as base64", "at least 3 bytes as base64", "at least 3 and at most 4 bytes as base64"]
        );
        let optional = Optional(key);
        assert_eq!((optional.read(""), optional.read("?")), (Some(None), None));
        assert_eq!(Optional(number).rule(), "empty, or a number from 1 to 10");
    }
}
