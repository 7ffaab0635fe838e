//! The text of a document before it is read: its encoding, its byte order mark, and characters that were cut in half.
//!
//! A program that cuts a text after so many UTF-16 code units may leave half of a character, which JSON writes as an escape
//! such as `\ud83d`. The rest of the text is as good as before, so U+FFFD takes the place of the half, as in every program
//! that shows such a text.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The byte order mark, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// The text without its byte order mark.
pub(super) fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Whether this is the beginning of a text in UTF-16 or UTF-32: it has their mark, or a zero, which no JSON in UTF-8 has.
pub fn is_foreign(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") || text.iter().take(2).any(|byte| *byte == 0)
}

/// A document as it is kept where its bytes count: without a byte order mark and halves of characters.
pub fn repaired(text: &[u8]) -> Cow<'_, [u8]> {
    let text = unmarked(text);
    match str::from_utf8(text).ok().and_then(halves) {
        Some((text, _)) => text.into_bytes().into(),
        None => text.into(),
    }
}

/// The text with `\ufffd` for the escape of each half of a character, and how many there were; none if there were none.
/// All other bytes stay where they are.
pub(super) fn halves(text: &str) -> Option<(String, u32)> {
    let mut repaired: Option<Vec<u8>> = None;
    let (mut at, mut count) = (0, 0u32);
    let rest = |at: usize| text.as_bytes().get(at..).unwrap_or_default();
    while let Some(next) = rest(at).iter().position(|byte| *byte == b'\\') {
        at += next;
        at += match (unit(rest(at)), unit(rest(at + ESCAPE))) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                let repaired = repaired.get_or_insert_with(|| text.as_bytes().to_vec());
                if let Some(digits) = repaired.get_mut(at + 2..at + ESCAPE) {
                    digits.copy_from_slice(b"fffd");
                }
                count = count.saturating_add(1);
                ESCAPE
            }
            // The character behind a backslash begins no escape of its own.
            _ => 2,
        };
    }
    Some((String::from_utf8(repaired?).ok()?, count))
}

/// The UTF-16 code unit of an escape at the beginning of a text.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..ESCAPE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_characters_are_replaced_and_counted() {
        for (text, expected, count) in [
            (r#""\ud83d""#, r#""\ufffd""#, 1),
            (r#""a\uDE00b""#, r#""a\ufffdb""#, 1),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#, 2),
            (r#""\ud83d\ud83d\ude00\ude00""#, r#""\ufffd\ud83d\ude00\ufffd""#, 2),
            (r#""\ud83dA""#, r#""\ufffdA""#, 1),
            (r#""\\\ud83d\n""#, r#""\\\ufffd\n""#, 1),
            (r#"{"\ud83d":"陈\udbff\"","#, r#"{"\ufffd":"陈\ufffd\"","#, 2),
        ] {
            assert_eq!(halves(text), Some((expected.into(), count)), "{text}");
            assert_eq!(&*repaired(text.as_bytes()), expected.as_bytes());
        }
        for text in ["", "\\", "\\u", "\\ud83", r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\ud7ff\ue000""#, r#""\u+83d""#]
        {
            assert_eq!(halves(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_is_no_part_of_a_text_and_other_encodings_are_known() {
        assert_eq!(unmarked(b"\xef\xbb\xbf{}"), b"{}");
        assert_eq!(&*repaired("\u{feff}\u{feff}".as_bytes()), "\u{feff}".as_bytes());
        for text in
            [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}", b"{\0}\0", b"\0{\0}", b"\0\0\xfe\xff\0\0\0{", b"\xff\xfe\0\0"]
        {
            assert!(is_foreign(text), "{text:?}");
        }
        for text in [&b""[..], b"{", b"{}", b"\xef\xbb\xbf{}", "陈".as_bytes(), b"\xff\xff"] {
            assert!(!is_foreign(text), "{text:?}");
        }
    }
}
