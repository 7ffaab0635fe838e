//! Cells of a table that a spreadsheet may open.
//!
//! Guarantee: no cell is read as a formula. A number stays a number.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A cell's text with an apostrophe before it, if a spreadsheet would read it as a formula: if it begins with `=`, `+`,
/// `-` or `@`, in full width too, also after characters that show nothing, or with a tab or a line end.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let shown = text.trim_start_matches(shows_nothing);
    let formula = shown.starts_with(begins) || text.starts_with(['\t', '\r', '\n']);
    if formula && !is_number(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A cell of CSV (RFC 4180): guarded, and in quotes where it needs them.
fn cell(text: &str) -> Cow<'_, str> {
    let guarded = guarded(text);
    if guarded.contains([',', '"', '\r', '\n']) {
        return Cow::Owned(format!("\"{}\"", guarded.replace('"', "\"\"")));
    }
    guarded
}

/// A line of CSV with these cells.
pub fn line<const N: usize>(cells: [&str; N]) -> String {
    line_of(&cells)
}

/// A line of CSV with as many cells.
pub fn line_of<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<Cow<'_, str>> = cells.iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

/// White space, control characters, and marks without a width.
fn shows_nothing(c: char) -> bool {
    let mark = matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || mark
}

/// Whether a text is a decimal number and nothing else. A sign before it is no formula.
fn is_number(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_guarded_however_it_begins() {
        for text in [
            "=1+1",
            "+1+1",
            "-1+1",
            "@SUM(A1)",
            "\t1",
            "\r1",
            "\n1",
            " =1",
            "  \t=1",
            "\u{a0}=1",
            "\u{3000}=1",
            "\u{feff}=1",
            "\u{200b}=1",
            "＝1",
            "＋1",
            "－1",
            "＠1",
            " ＝1",
            "-",
            "+",
            "-inf",
            "-nan",
            "+A",
            "-5A",
            "-1 ",
            "--1",
            "-1-1",
            "- 1",
            "+1 800",
            "=\"x\"",
            "-e1",
            "\0=1",
            "\u{85}=1",
        ] {
            assert_eq!(guarded(text), format!("'{text}"), "{text:?}");
        }
    }

    #[test]
    fn numbers_and_other_texts_stay() {
        for text in
            ["", "1", "-1", "-0.5", "+3", "-1e-7", "-.5", "a=1", "1-1", "'=1", "é", " a", "q-1", "\"=1\"", "−1", "."]
        {
            assert_eq!(guarded(text), text, "{text:?}");
        }
    }
}
