//! Finds the patient's own identifiers and names as they were given.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use super::{Class, Span, is_cjk};

/// The maximum number of search texts. A document that names more does not describe one patient.
const MOST: usize = 32;
/// The longest search text, bytes.
const LONGEST: usize = 1024;

/// A search text (algorithm of Knuth, Morris and Pratt: linear even for repetitive texts).
struct Needle {
    text: String,
    /// The border table: for each length of a matched prefix, the next shorter prefix that is also its suffix. It is
    /// built only for a text that contains the first two bytes; most texts do not.
    borders: OnceCell<Vec<usize>>,
    class: Class,
}

/// The patient's own identifiers and names. `Debug` is missing on purpose.
#[derive(Default)]
pub struct Own(Vec<Needle>);

impl Own {
    /// An empty collection.
    pub fn new() -> Self {
        Own::default()
    }

    /// Adds a search text. A text that is too short to be told from other words and figures is ignored: fewer than four
    /// digits, three letters or two Chinese characters.
    pub fn add(&mut self, given: &str, class: Class) {
        let given = given.trim();
        self.add_one(given, class);
        if class == Class::PatientName {
            // The parts of a name are also searched for on their own, because they stand alone in sentences.
            for part in given.split(|c: char| !c.is_alphanumeric()).filter(|part| *part != given) {
                self.add_one(part, class);
            }
        }
    }

    fn add_one(&mut self, given: &str, class: Class) {
        let shortest = if given.chars().any(is_cjk) {
            2
        } else if given.bytes().all(|b| b.is_ascii_digit()) {
            4
        } else {
            3
        };
        let text = given.to_ascii_lowercase();
        let known = self.0.iter().any(|needle| needle.text == text);
        if text.chars().count() < shortest || text.len() > LONGEST || known || self.0.len() >= MOST {
            return;
        }
        self.0.push(Needle { text, borders: OnceCell::new(), class });
    }

    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        self.0.iter().for_each(|needle| needle.find(text, spans));
    }
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
    fn find(&self, text: &str, spans: &mut Vec<Span>) {
        let needle = self.text.as_bytes();
        if text.len() < needle.len() {
            return;
        }
        // A search text has at least two bytes. The comparison ignores the case of letters, and a few other bytes also
        // match. Counting takes less time than stopping at the first match.
        let [first, second, ..] = needle else { return };
        let begins = |(a, b): &(u8, u8)| a | 0x20 == first | 0x20 && b | 0x20 == second | 0x20;
        if text.bytes().zip(text.bytes().skip(1)).filter(begins).count() == 0 {
            return;
        }
        let borders = self.borders.get_or_init(|| borders(needle));
        let mut length = 0;
        for (at, b) in text.bytes().enumerate() {
            length = extend(needle, borders, length, b.to_ascii_lowercase());
            if length == needle.len() {
                let (start, end) = (at + 1 - length, at + 1);
                length = borders.last().copied().unwrap_or_default();
                if stands_alone(text, start, end) {
                    spans.push(Span { start, end, class: self.class });
                }
            }
        }
    }
}

/// Whether the match is not part of a longer word or figure.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let joined = |left: Option<char>, right: Option<char>| match (left, right) {
        (Some(left), Some(right)) => {
            let letter = |c: char| c.is_alphabetic() && !is_cjk(c);
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
