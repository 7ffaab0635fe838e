//! Parses figures as laboratories write them, with an optional comparator.
//!
//! Guarantee: a text is read as a figure only if it has no other meaning. A figure is a JSON number, with or without a
//! comparator before it. Not accepted: a comma ("7,2"), groups of thousands ("1.200"), a sign "+", a unit, a word,
//! digits of another script.

use serde_json::Number;

/// The comparator before a figure that was not measured exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Below,
    AtMost,
    AtLeast,
    Above,
}

/// The spellings in a report's `comparator`, the longer ones first.
const WRITTEN: [(&str, Comparator); 6] = [
    ("<=", Comparator::AtMost),
    (">=", Comparator::AtLeast),
    ("\u{2264}", Comparator::AtMost),
    ("\u{2265}", Comparator::AtLeast),
    ("<", Comparator::Below),
    (">", Comparator::Above),
];

impl Comparator {
    /// The comparator with this spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        WRITTEN.iter().find(|(written, _)| *written == text).map(|(_, comparator)| *comparator)
    }
}

/// A figure in a text, with the comparator before it; none if the text is anything else.
pub(crate) fn read(text: &str) -> Option<(Option<Comparator>, f64)> {
    let text = text.trim();
    let found = WRITTEN.iter().find_map(|(written, comparator)| Some((text.strip_prefix(written)?, *comparator)));
    let (comparator, digits) = found.map_or((None, text), |(rest, comparator)| (Some(comparator), rest.trim_start()));
    // In half of Europe "1.200" means 1200.
    let grouped = digits.split_once('.').is_some_and(|(whole, rest)| {
        let digits = rest.len() == 3 && rest.bytes().all(|b| b.is_ascii_digit());
        digits && (1..=3).contains(&whole.len()) && !whole.starts_with(['0', '-'])
    });
    // The format is JSON's. Rust's own parser accepts more formats, and is exact.
    let _: Number = serde_json::from_str(digits).ok()?;
    let figure: f64 = digits.parse().ok()?;
    (!grouped && figure.is_finite()).then_some((comparator, figure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_unambiguously_a_figure_is_read_with_its_comparator() {
        use Comparator::*;
        for (text, comparator, figure) in [
            ("7.2", None, 7.2),
            (" 7.2 ", None, 7.2),
            ("7", None, 7.0),
            ("0.012", None, 0.012),
            ("1.2e3", None, 1200.0),
            ("-1", None, -1.0),
            ("7.25", None, 7.25),
            (">7.0", Some(Above), 7.0),
            ("> 7.0", Some(Above), 7.0),
            ("<0.5", Some(Below), 0.5),
            (">=7", Some(AtLeast), 7.0),
            ("<= 7", Some(AtMost), 7.0),
            ("\u{2265}7.0", Some(AtLeast), 7.0),
            ("\u{2264} 7.0", Some(AtMost), 7.0),
        ] {
            assert_eq!(read(text), Some((comparator, figure)), "{text}");
        }
    }

    #[test]
    fn what_may_mean_something_else_is_no_figure() {
        for text in [
            "",
            " ",
            "7,2",
            "1.200",
            "150.000",
            "+7.2",
            "7.2 mmol/L",
            "7.2mmol/L",
            "positive",
            "\u{ff17}.\u{ff12}",
            "7.",
            ".5",
            "07.2",
            "0x7",
            "NaN",
            "inf",
            "Infinity",
            "1e999",
            "> > 7",
            "><7",
            "=7",
            "~7",
            "7-8",
            "7..2",
            "7.2.1",
            "7 2",
            ">",
            "<<7",
            "7.2*",
            "1'200",
            "--7",
            "7.2H",
            "\u{a0}\u{2212}7",
            "null",
            "true",
            "[7]",
            "\"7\"",
            "7\u{0}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_as_it_was_written(figure in -1e6..1e6_f64, text in ".{0,20}") {
            let written = alloc::format!("{figure}");
            let grouped = written.split('.').nth(1).is_some_and(|rest| rest.len() == 3);
            prop_assert!(grouped || read(&written) == Some((None, figure)));
            let _ = read(&text);
        }
    }
}
