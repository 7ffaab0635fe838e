//! Finds the patient's own identifiers and names as they were given, in any case, width and normal form.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::OnceCell;

use super::fold::{Folded, folded};
use super::{Class, Span, is_cjk, is_unspaced};

/// The maximum number of search texts. A document that names more does not describe one patient.
const MOST: usize = 32;
/// The number of search texts that are also searched for in other spellings. One patient has few identifiers.
const MOST_SPELT: usize = 8;
/// The longest search text, bytes.
const LONGEST: usize = 1024;

/// A search text, folded (algorithm of Knuth, Morris and Pratt: linear even for repetitive texts).
struct Needle {
    text: String,
    /// The border table: for each length of a matched prefix, the next shorter prefix that is also its suffix. It is
    /// built only for a text that contains the first two bytes; most texts do not.
    borders: OnceCell<Vec<usize>>,
    class: Class,
}

/// The patient's own identifiers and names. `Debug` is missing on purpose.
#[derive(Default)]
pub struct Own {
    given: Vec<(String, Class)>,
    /// Built for the first text that may contain one. Most notes of a patient with an identifier of digits have no digit.
    needles: OnceCell<Needles>,
}

impl Own {
    /// An empty collection.
    pub fn new() -> Self {
        Own::default()
    }

    /// Adds a search text. A text that is too short to be told from other words and figures is ignored: fewer than four
    /// digits, three letters or two Chinese characters.
    pub fn add(&mut self, given: &str, class: Class) {
        self.given.push((given.trim().to_owned(), class));
        self.needles.take();
    }

    /// Whether only a text with a digit can contain one of them. Every spelling of an identifier has its digits; the parts
    /// of a name need not.
    pub(super) fn needs_digits(&self) -> bool {
        self.given.iter().all(|(given, class)| *class != Class::PatientName && has_digit(given))
    }

    pub(super) fn find(&self, text: &Folded<'_>, spans: &mut Vec<Span>) {
        if self.needs_digits() && !has_digit(text.text()) {
            return;
        }
        self.needles.get_or_init(|| Needles::of(&self.given)).find(text, spans);
    }
}

/// The search texts, in all their spellings.
#[derive(Default)]
struct Needles {
    needles: Vec<Needle>,
    /// The number of given texts; each may have several spellings.
    given: usize,
}

impl Needles {
    fn of(given: &[(String, Class)]) -> Self {
        let mut needles = Needles::default();
        given.iter().for_each(|(given, class)| needles.add(given, *class));
        needles
    }

    fn add(&mut self, given: &str, class: Class) {
        self.add_one(given, class);
        if class != Class::PatientName {
            return;
        }
        // The parts of a name are also searched for on their own, because they stand alone in sentences.
        for part in given.split(divides).filter(|part| *part != given) {
            self.add_one(part, class);
        }
        // A Chinese name is written with spaces or without.
        if given.chars().all(|c| is_cjk(c) || divides(c)) {
            let parts: Vec<String> = given.chars().filter(|c| !divides(*c)).map(String::from).collect();
            self.add_spelling(&parts.concat(), class);
            self.add_spelling(&parts.join(" "), class);
            if let [family, name @ ..] = parts.as_slice() {
                self.add_spelling(&format!("{family} {}", name.concat()), class);
            }
        }
    }

    fn add_one(&mut self, given: &str, class: Class) {
        let text = folded(given);
        let shortest = if given.chars().any(is_cjk) {
            2
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            4
        } else {
            3
        };
        // Folded, a syllable of Korean has two letters or more.
        let length = text.chars().count().min(given.chars().count());
        if length < shortest || text.len() > LONGEST || self.is_known(&text) || self.given >= MOST {
            return;
        }
        self.given += 1;
        self.push(text, class);
        if class == Class::PatientName {
            umlauts(given).into_iter().for_each(|spelling| self.add_spelling(&spelling, class));
        } else {
            spacings(&folded(given)).into_iter().for_each(|spelling| self.add_spelling(&spelling, class));
        }
    }

    fn add_spelling(&mut self, spelling: &str, class: Class) {
        let text = folded(spelling);
        if text.chars().count() > 1 && text.len() <= LONGEST && !self.is_known(&text) && self.given <= MOST_SPELT {
            self.push(text, class);
        }
    }

    fn is_known(&self, text: &str) -> bool {
        self.needles.iter().any(|needle| needle.text == text)
    }

    fn push(&mut self, text: String, class: Class) {
        self.needles.push(Needle { text, borders: OnceCell::new(), class });
    }

    fn find(&self, text: &Folded<'_>, spans: &mut Vec<Span>) {
        // The first two bytes of the last search text that cannot be in the text. Spellings of one begin alike.
        let mut missing = None;
        for needle in &self.needles {
            let begins = needle.text.as_bytes().get(..2);
            if missing.is_none() || missing != begins {
                missing = if needle.find(text, spans) { None } else { begins };
            }
        }
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// Whether a character divides the parts of a name.
fn divides(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || matches!(c, '·' | '・' | '，' | '、' | '。' | '；' | '\u{2010}'..='\u{2027}')
}

/// The other spellings of a name with umlauts: `Müller` is also Mueller, and `Mueller` also Muller, as Müller is when
/// it is folded. A spelling of three letters would be a word too often.
fn umlauts(given: &str) -> Vec<String> {
    const PAIRS: [(&str, &str, &str); 5] =
        [("ä", "ae", "a"), ("ö", "oe", "o"), ("ü", "ue", "u"), ("ø", "oe", "o"), ("å", "aa", "a")];
    let lower = given.to_lowercase().replace("a\u{308}", "ä").replace("o\u{308}", "ö").replace("u\u{308}", "ü");
    let long = PAIRS.iter().fold(lower.clone(), |text, (short, long, _)| text.replace(short, long));
    let plain = PAIRS.iter().take(3).fold(lower.clone(), |text, (_, long, plain)| text.replace(long, plain));
    let is_new = |text: &String| *text != lower && text.chars().count() > 3;
    [long, plain].into_iter().filter(is_new).collect()
}

/// The other spellings of an identifier of letters and digits, in which people write a space, a mark or nothing between
/// its parts: `P-0042`, `P 0042`, `P_0042`, `P0042`. A number alone has no other spelling: it might be a date.
fn spacings(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in text.chars() {
        match (parts.last_mut(), c.is_alphanumeric()) {
            (Some(part), true) if last.is_alphanumeric() && last.is_numeric() == c.is_numeric() => part.push(c),
            (_, true) => parts.push(c.to_string()),
            (_, false) if is_joint(c) => {}
            (_, false) => return Vec::new(),
        }
        last = c;
    }
    let has = |is: fn(char) -> bool| text.chars().any(is);
    if !has(char::is_alphabetic) || !has(char::is_numeric) || !(2..=6).contains(&parts.len()) {
        return Vec::new();
    }
    ["", " ", "-", "_", ".", "/", "#", ":", "\t", "\n", "\r\n", " - "].map(|joint| parts.join(joint)).into()
}

fn is_joint(c: char) -> bool {
    matches!(c, ' ' | '-' | '_' | '.' | '/' | '#')
}

fn borders(text: &[u8]) -> Vec<usize> {
    let mut borders = Vec::with_capacity(text.len());
    let mut length = 0;
    for (at, b) in text.iter().enumerate() {
        if at > 0 {
            length = extend(text, &borders, length, *b);
        }
        borders.push(length);
    }
    borders
}

/// The length of the matched prefix after one more byte.
fn extend(text: &[u8], borders: &[usize], mut length: usize, b: u8) -> usize {
    while length > 0 && text.get(length) != Some(&b) {
        length = borders.get(length - 1).copied().unwrap_or_default();
    }
    if text.get(length) == Some(&b) { length + 1 } else { length }
}

impl Needle {
    /// Finds the text; false if not even its first two bytes are there.
    fn find(&self, folded: &Folded<'_>, spans: &mut Vec<Span>) -> bool {
        let (needle, text) = (self.text.as_bytes(), folded.text());
        if text.len() < needle.len() {
            return true;
        }
        // A search text has at least two bytes. The comparison ignores the case of letters, and a few other bytes also
        // match. Counting takes less time than stopping at the first match.
        let [first, second, ..] = needle else { return true };
        let begins = |(a, b): &(u8, u8)| a | 0x20 == first | 0x20 && b | 0x20 == second | 0x20;
        if text.bytes().zip(text.bytes().skip(1)).filter(begins).count() == 0 {
            return false;
        }
        let borders = self.borders.get_or_init(|| borders(needle));
        let mut length = 0;
        for (at, b) in text.bytes().enumerate() {
            length = extend(needle, borders, length, b.to_ascii_lowercase());
            if length == needle.len() {
                let (start, end) = (at + 1 - length, at + 1);
                length = borders.last().copied().unwrap_or_default();
                if stands_alone(text, start, end) && folded.is_boundary(start) && folded.is_boundary(end) {
                    spans.push(Span { start, end, class: self.class });
                }
            }
        }
        true
    }
}

/// Whether the match is not part of a longer word or figure.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let joined = |left: Option<char>, right: Option<char>| match (left, right) {
        (Some(left), Some(right)) => {
            let letter = |c: char| c.is_alphabetic() && !is_unspaced(c);
            (letter(left) && letter(right)) || (left.is_numeric() && right.is_numeric())
        }
        _ => false,
    };
    let (Some(before), Some(found), Some(after)) = (text.get(..start), text.get(start..end), text.get(end..)) else {
        return false;
    };
    !joined(before.chars().next_back(), found.chars().next())
        && !joined(found.chars().next_back(), after.chars().next())
}
