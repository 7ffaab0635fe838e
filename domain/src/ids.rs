//! Identifiers: their kinds, and the forms they may have.
//!
//! Guarantee: what comes from outside becomes an identifier only here: by `parse` of its type, [`is_name`],
//! [`is_submission_id`] and [`identifier`]. Two of them that look alike are the same one, as far as signs that nobody
//! sees, blanks, hyphens, full width and composed letters go.
//!
//! Mechanism: each kind is a type of its own, so that a subject cannot be passed for a site. Names are ASCII. An
//! identifier that a site gives is in NFC, and has no character for which another one stands, or none: see [`RULE`].
//!
//! Not for: letters of two scripts that look alike, such as a Cyrillic `а` and a Latin one. Values of these types that
//! come from Vigil's own records are not checked again. The reader of the variable `api_keys` checks the ids of keys.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::nfc;

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
        pub struct $id(String);

        impl $id {
            /// As a text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it is absent.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The text itself.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl From<String> for $id {
            fn from(text: String) -> Self {
                $id(text)
            }
        }

        impl From<&str> for $id {
            fn from(text: &str) -> Self {
                $id(text.to_owned())
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $id {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $id {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

ids! {
    /// A study.
    StudyId
    /// A site of a study.
    SiteId
    /// An instrument: the name of its definition, in all its versions.
    InstrumentId
    /// A receiver of alerts or of notifications.
    ReceiverId
    /// An API key: the id that logs and records show, not the key itself.
    KeyId
    /// A submission: a UUID, as Vigil gave it.
    SubmissionId
    /// An analysis of an image: a UUID, as Vigil gave it.
    AnalysisId
    /// A subject's pseudonym: 32 hex digits.
    Pseudonym
    /// An alert.
    AlertId
    /// A subscription to events.
    SubscriptionId
}

macro_rules! names {
    ($($id:ident)*) => { $(
        impl $id {
            /// Reads a text from outside; none if it breaks the [rule for names](NAME_RULE).
            pub fn parse(text: &str) -> Option<Self> {
                is_name(text).then(|| text.into())
            }
        }
    )* };
}

names! { StudyId SiteId InstrumentId ReceiverId SubscriptionId }

impl AnalysisId {
    /// Reads a text from outside; none if it has another form than the ids that Vigil gives.
    pub fn parse(text: &str) -> Option<Self> {
        is_submission_id(text).then(|| text.into())
    }

    /// The analysis as its alerts and its erasure name it, which know one kind of id: that of submissions.
    pub fn into_submission(self) -> SubmissionId {
        SubmissionId(self.0)
    }
}

/// A patient's id at the site, as its client gave it, in NFC. It leaves the door only sealed: it has no form for logs,
/// messages and records, and `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct PatientId(pub(crate) String);

impl PatientId {
    /// Reads a text from outside; none if it breaks the [`RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        identifier(text).map(|id| PatientId(id.into_owned()))
    }

    /// As a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId")
    }
}

/// Longest identifier of a study, a site or an instrument, in characters.
const LONGEST_NAME: usize = 64;
/// Longest identifier of a patient or a document, in characters.
const LONGEST_ID: usize = 128;

/// The rule for names.
pub const NAME_RULE: &str = "must be 1 to 64 letters, digits, '.', '_' or '-'";
/// The rule for identifiers.
pub const RULE: &str = "must be 1 to 128 characters that can be seen and told apart: no space at either end, no control or \
     format characters, no other blanks and hyphens than ' ' and '-', nothing in full or half width";

/// The rule for languages.
pub const LANGUAGE_RULE: &str = "must be a language, such as en or zh-Hant";

/// Whether a text is a language (BCP 47): of two or three small letters, and up to three parts that say more of it.
pub fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let small = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.next().is_some_and(|first| (2..=3).contains(&first.len()) && small(first))
        && parts.clone().count() <= 3
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a text can be the identifier of a study, a site or an instrument.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The identifier of a patient or of a client's document, in NFC; none if the text breaks the [`RULE`].
pub fn identifier(text: &str) -> Option<Cow<'_, str>> {
    // Nearly all identifiers: ASCII that can be seen.
    if (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text.into());
    }
    let id = nfc(text);
    let is_bare = !id.is_empty() && id.trim().len() == id.len();
    (is_bare && id.chars().count() <= LONGEST_ID && !id.chars().any(is_deceptive)).then_some(id)
}

/// A text that names somebody within a content, such as a record number: in NFC, without the characters that nobody sees,
/// so that its pseudonym is the same however it is written.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let text = nfc(text.trim());
    if text.chars().any(is_hidden) { text.chars().filter(|c| !is_hidden(*c)).collect::<String>().into() } else { text }
}

/// Whether nobody sees a character: controls, format characters (general category Cf), what is ignorable by default, and
/// what has no meaning of its own (private use, noncharacters).
fn is_hidden(c: char) -> bool {
    match c as u32 {
        0..=0x1f | 0x7f..=0x9f | 0xad | 0x34f => true,
        0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 => true,
        0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f => true,
        0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 => true,
        0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb => true,
        0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a => true,
        // Tags and variation selectors; private use.
        0xe0000..=0xe0fff | 0xf_0000.. => true,
        code => code & 0xfffe == 0xfffe,
    }
}

/// Whether a character is hidden, or looks like a blank, a hyphen, a letter or a digit that it is not.
pub(crate) fn is_deceptive(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    match c as u32 {
        // Blanks (general category Zs, and the blank of Braille).
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x2800 | 0x3000 => true,
        // Hyphens and dashes (Pd), and what is written for them.
        0x58a | 0x5be | 0x1400 | 0x1806 | 0x2010..=0x2015 | 0x2043 | 0x207b | 0x208b | 0x2212 => true,
        0x2e17 | 0x2e1a | 0x2e3a..=0x2e3b | 0x2e40 | 0x2e5d | 0x301c | 0x3030 | 0x30a0 => true,
        0xfe31..=0xfe32 | 0x10d6e | 0x10ead => true,
        // Other forms of ASCII and of Japanese and Korean letters: small, full width, half width, mathematical. The sign for
        // a character that was lost.
        0xfe50..=0xfe6b | 0xff01..=0xffee | 0x1d400..=0x1d7ff | 0xfffc..=0xfffd => true,
        _ => is_hidden(c),
    }
}

/// Whether a text has the form of a submission's id: a UUID in lower case.
pub fn is_submission_id(text: &str) -> bool {
    let hyphen = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match byte {
            b'-' => hyphen(index),
            b'0'..=b'9' | b'a'..=b'f' => !hyphen(index),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use unicode_general_category::{GeneralCategory, get_general_category};

    #[test]
    fn an_identifier_is_in_one_spelling() {
        for (text, expected) in [
            ("P-001", "P-001"),
            ("陈 1", "陈 1"),
            ("Mu\u{308}ller", "Müller"),
            ("Müller", "Müller"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("\u{212b}1", "Å1"),
            ("Nº 12/a.b|c~\"", "Nº 12/a.b|c~\""),
            ("*", "*"),
        ] {
            assert_eq!(identifier(text).as_deref(), Some(expected), "{text:?}");
        }
        let long = "é".repeat(LONGEST_ID);
        assert_eq!(identifier(&long.replace('é', "e\u{301}")).as_deref(), Some(long.as_str()));
        for text in ["", " ", " P", "P ", &"x".repeat(LONGEST_ID + 1), &"陈".repeat(LONGEST_ID + 1)] {
            assert_eq!(identifier(text), None, "{text:?}");
        }
        for sign in [
            '\0',
            '\t',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{2007}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2010}',
            '\u{2011}',
            '\u{2013}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{202f}',
            '\u{2060}',
            '\u{2066}',
            '\u{2212}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ff0d}',
            'Ｐ',
            '１',
            '\u{ffa0}',
            '\u{fffd}',
            '\u{ffff}',
            '𝐏',
            '\u{e0001}',
            '\u{e0100}',
            '\u{10fffd}',
        ] {
            for text in [format!("P{sign}1"), format!("{sign}P1"), format!("P1{sign}")] {
                assert_eq!(identifier(&text), None, "{text:?}");
            }
        }
    }

    #[test]
    fn every_character_of_a_category_that_nobody_sees_is_refused_and_every_letter_is_taken() {
        use GeneralCategory as G;
        for c in '\0'..=char::MAX {
            let id = format!("P{c}1");
            match get_general_category(c) {
                G::Control | G::Format | G::LineSeparator | G::ParagraphSeparator | G::PrivateUse => {
                    assert_eq!(identifier(&id), None, "{c:?}");
                    assert_eq!(plain(&id), "P1", "{c:?}");
                }
                G::SpaceSeparator | G::DashPunctuation => {
                    assert_eq!(identifier(&id).is_some(), matches!(c, ' ' | '-'), "{c:?}");
                }
                G::UppercaseLetter | G::LowercaseLetter | G::OtherLetter | G::DecimalNumber => {
                    let filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}');
                    let form = matches!(c, '\u{ff01}'..='\u{ffee}' | '\u{1d400}'..='\u{1d7ff}');
                    assert_eq!(identifier(&id).is_some(), !filler && !form, "{c:?} {:x}", c as u32);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_name_is_plain_ascii() {
        assert_eq!(StudyId::parse("S-1.a_b").as_ref().map(StudyId::as_str), Some("S-1.a_b"));
        for text in ["", "S1 resolved", "S1\n", "S\u{200b}", "Ｓ", "é", "*", "a/b", "a|b"] {
            assert!(StudyId::parse(text).is_none() && SiteId::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_language_is_one_of_bcp_47() {
        for (text, is) in [
            ("en", true),
            ("zh-Hant", true),
            ("zh-hant-tw", true),
            ("de-1996", true),
            ("yue", true),
            ("", false),
            ("EN", false),
            ("e", false),
            ("english", false),
            ("en_GB", false),
            ("en-", false),
            ("en-x", false),
            ("zh-Hant-TW-a1-b2", false),
            ("en-abcdefghi", false),
            ("dé", false),
        ] {
            assert_eq!(is_language(text), is, "{text}");
        }
    }

    #[test]
    fn a_patients_id_is_in_one_spelling_and_not_printed() {
        let id = PatientId::parse("Mu\u{308}ller").unwrap();
        assert_eq!((id.as_str(), format!("{id:?}").as_str()), ("Müller", "PatientId"));
        assert_eq!(PatientId::parse(" P"), None);
    }

    #[test]
    fn a_number_of_a_record_is_the_same_in_every_spelling() {
        for text in ["A-77é", " A-77é", "A-77e\u{301}", "A\u{200b}-7\u{ad}7é\u{feff}"] {
            assert_eq!(plain(text), "A-77é", "{text:?}");
        }
    }
}
