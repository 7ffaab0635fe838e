//! Removes identities from free text.
//!
//! Guarantee: every identity that is found is replaced by the name of its class in brackets, and counted. The original
//! text is not kept anywhere. Time is linear in the length of any text: every scanner passes over it once and looks a
//! fixed distance around.
//!
//! Mechanism: the text is folded first, so that case, width, accents, format characters and the script of digits make no
//! difference. Then the scanners search for telephone numbers (international, with an area code, and Chinese mobile
//! numbers with or without a country code), identity numbers by their form and checksum, e-mail addresses, URLs with more
//! than a host, numbers that are called by name in many languages (medical records, telephones, messengers, documents),
//! bank cards (Luhn) and accounts (IBAN), and the patient's own identifiers and names, however they are parted. In doubt
//! they remove: a dose can be written again, but a telephone number cannot be forgotten.
//!
//! Numbers and addresses in words are found as well. A text with markup, or with letters that look like others, is looked at
//! a second time in its other spelling.
//!
//! Not for: names that nobody gave. A rule cannot tell an unknown name from a word. Nor for numbers in pairs of words
//! (`thirty-eight hundred`), and for rare characters of Chinese names in their other form.

mod addresses;
mod alike;
mod announcements;
mod codes;
mod fold;
mod national;
mod numbers;
mod own;
mod phones;
mod phrase;
mod respell;
mod spoken;
mod words;

use alloc::string::String;
use alloc::vec::Vec;

use fold::Folded;
pub(crate) use fold::{fold, folded};
pub use own::Own;

/// The class of an identity, or of the treatment of a member with an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A telephone number.
    Phone,
    /// A number of a person that a state gives out: identity card, passport, social security.
    NationalId,
    /// An e-mail address.
    Email,
    /// A URL with more than a host.
    Url,
    /// A number of a medical record.
    RecordNumber,
    /// A bank card.
    Card,
    /// A bank account.
    Account,
    /// The patient's own identifier.
    PatientId,
    /// The patient's own name.
    PatientName,
    /// A member that was left out.
    Dropped,
    /// A member whose value became a pseudonym.
    Pseudonymised,
    /// A member whose value was generalised.
    Generalised,
    /// A date that was shifted by the subject's own number of days.
    Shifted,
    /// A character that was cut in half, and is U+FFFD now.
    BrokenCharacter,
}

impl Class {
    /// All classes, in the order in which they are reported.
    pub const ALL: [Class; 14] = [
        Class::Phone,
        Class::NationalId,
        Class::Email,
        Class::Url,
        Class::RecordNumber,
        Class::Card,
        Class::Account,
        Class::PatientId,
        Class::PatientName,
        Class::Dropped,
        Class::Pseudonymised,
        Class::Generalised,
        Class::Shifted,
        Class::BrokenCharacter,
    ];

    /// The class's name in responses and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Phone => "phone",
            Class::NationalId => "national-id",
            Class::Email => "email",
            Class::Url => "url",
            Class::RecordNumber => "record-number",
            Class::Card => "card",
            Class::Account => "account",
            Class::PatientId => "patient-id",
            Class::PatientName => "patient-name",
            Class::Dropped => "dropped",
            Class::Pseudonymised => "pseudonymised",
            Class::Generalised => "generalised",
            Class::Shifted => "shifted",
            Class::BrokenCharacter => "broken-character",
        }
    }
}

/// The number of finds of each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed([u32; Class::ALL.len()]);

impl Removed {
    /// Adds one.
    pub fn add(&mut self, class: Class) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// The classes that were found, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Class, u32)> {
        Class::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// A part of a text that is removed, from one byte up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    class: Class,
}

/// Removes and counts the identities in a text; none if there were none.
pub fn scrub(text: &str, own: &Own, removed: &mut Removed) -> Option<String> {
    // Most texts are plain words, in which only a name can be found.
    if own.needs_digits() && is_wordy(text) && !spoken::has_any(text) {
        return None;
    }
    search(text, own, removed)
}

/// The most looks at a text from which something was removed.
const MOST_LOOKS: usize = 3;

/// Removes and counts the identities in a text that may have some. Apart, so that plain words do not pay for its stack.
///
/// What an identity touched may be one itself, which shows only when the other is gone: `13800138000Zhang`.
#[inline(never)]
fn search(text: &str, own: &Own, removed: &mut Removed) -> Option<String> {
    let (mut clean, mut touched) = remove(text, own, removed)?;
    for _ in 1..MOST_LOOKS {
        let more = if touched { remove(&clean, own, removed) } else { None };
        let Some(more) = more else { break };
        (clean, touched) = more;
    }
    Some(clean)
}

/// Removes and counts the identities that are found at once; none if there are none. Tells whether one of them touched a
/// letter or a digit.
fn remove(text: &str, own: &Own, removed: &mut Removed) -> Option<(String, bool)> {
    let mut spans = Vec::new();
    look(&Folded::of(text), own, false, &mut spans);
    if respell::is_needed(text) || own.looks_alike(text) {
        look(&respell::respelt(text), own, true, &mut spans);
    }
    if spans.is_empty() {
        return None;
    }
    // If several begin at one place, the longest comes first.
    spans.sort_unstable_by_key(|span| (span.start, core::cmp::Reverse(span.end)));
    let (mut clean, mut done, mut touched) = (String::with_capacity(text.len()), 0, false);
    for span in spans {
        if span.end <= done {
            continue;
        }
        if span.start >= done {
            let between = text.get(done..span.start).unwrap_or_default();
            touched |=
                between.ends_with(char::is_alphanumeric) || done > 0 && between.starts_with(char::is_alphanumeric);
            clean.push_str(between);
            clean.push('[');
            clean.push_str(span.class.as_str());
            clean.push(']');
            removed.add(span.class);
        }
        // A span that overlaps the end of another is removed together with it.
        done = span.end;
    }
    let rest = text.get(done..).unwrap_or_default();
    clean.push_str(rest);
    Some((clean, touched || rest.starts_with(char::is_alphanumeric)))
}

/// Adds the identities in a folded text, as they stand in the original. `respelt`: this is the second look.
fn look(folded: &Folded<'_>, own: &Own, respelt: bool, spans: &mut Vec<Span>) {
    let (text, first) = (folded.text(), spans.len());
    // Most texts are plain words, or have few digits.
    if has_signs(text) {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits >= numbers::FEWEST_DIGITS {
            numbers::find(text, spans);
        }
        if digits >= codes::FEWEST_DIGITS {
            codes::find(text, spans);
        }
        words::find(text, digits > 0, spans);
    }
    spoken::find(text, spans);
    own.find(folded, respelt, spans);
    spans.iter_mut().skip(first).for_each(|span| *span = folded.original(*span));
}

/// The free text of a reason, a comment or a note, without the identities that are found in it. Nobody said whose they
/// may be, so the patient's own name stays.
pub fn free_text(text: String) -> String {
    scrub(&text, &Own::new(), &mut Removed::default()).unwrap_or(text)
}

/// Whether a text has a character that every number, address or announced number needs: a digit, `@`, `:`, `.`, `/`,
/// `_` or a character beyond ASCII. Many texts are plain words.
fn has_signs(text: &str) -> bool {
    let signs = text.bytes().filter(|b| matches!(b, b'0'..=b'9' | b'@' | b':' | b'.' | b'/' | b'_') || !b.is_ascii());
    // Counting all of them takes less time than stopping at the first.
    signs.count() > 0
}

/// Whether a text is words of ASCII and nothing that an identity without a name needs.
fn is_wordy(text: &str) -> bool {
    let wordy = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b' ' | b',' | b';' | b'-' | b'\'' | b'!' | b'?');
    // Counting all of them takes less time than stopping at the first.
    text.bytes().filter(wordy).count() == text.len()
}

/// Whether a character belongs to Chinese, Japanese or Korean, which write no spaces around a name.
pub(crate) fn is_cjk(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a character belongs to a script without spaces between words: the former, and Thai, Lao, Tibetan, Burmese
/// and Khmer.
fn is_unspaced(c: char) -> bool {
    is_cjk(c) || matches!(c, '\u{e00}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

#[cfg(test)]
mod tests;
