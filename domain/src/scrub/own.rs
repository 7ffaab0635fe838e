//! Finds the patient's own identifiers and names as they were given, in any case, width and normal form.
//!
//! A text of usual length is looked for as a *phrase*, between whose parts people write a blank, a mark or nothing:
//! `P-0042`, `P 0042`, `P.00.42`; `O'Brien`, `OBRIEN`; `Jean-Luc`, `Jean Luc`. The parts of a name may also stand in
//! another order, and alone. A longer text is looked for as it is.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use super::fold::{Folded, folded};
use super::phrase::{Joints, Phrase, stands_alone};
use super::{Class, Span, alike, is_cjk};

/// The maximum number of search texts. A document that names more does not describe one patient.
const MOST: usize = 32;
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
    needles: OnceCell<Box<Needles>>,
    /// The same in the spelling of a second look.
    respelt: OnceCell<Box<Needles>>,
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
        self.respelt.take();
    }

    /// Whether a text has other letters than its own ones that look alike, or is looked for by such letters: none of them
    /// is found as it is.
    pub(super) fn looks_alike(&self, text: &str) -> bool {
        let named = |is: fn(char) -> bool| self.given.iter().any(|(given, _)| given.chars().any(is));
        let has = |text: &str, native: bool| {
            !text.is_ascii() && text.to_lowercase().chars().any(|c| is_cjk(c) == native && alike::one(c) != c)
        };
        let other = |native: bool| has(text, native) || self.given.iter().any(|(given, _)| has(given, native));
        // Most patients are known by an identifier of ASCII, and most texts have letters of one script.
        named(char::is_alphabetic) && other(false) || named(is_cjk) && other(true)
    }

    /// Whether only a text with a digit can contain one of them. Every spelling of an identifier has its digits; the parts
    /// of a name need not.
    pub(super) fn needs_digits(&self) -> bool {
        self.given.iter().all(|(given, class)| *class != Class::PatientName && has_digit(given))
    }

    /// Finds them in a text. `respelt`: in the spelling of a second look.
    pub(super) fn find(&self, text: &Folded<'_>, respelt: bool, spans: &mut Vec<Span>) {
        if self.needs_digits() && !has_digit(text.text()) {
            return;
        }
        let needles = if respelt {
            let drawn = |given: &String| given.chars().map(alike::drawn).collect::<String>();
            let respell = |given: &String| drawn(given).to_lowercase().chars().map(alike::one).collect();
            let given = || self.given.iter().map(|(given, class)| (respell(given), *class)).collect::<Vec<_>>();
            self.respelt.get_or_init(|| Needles::of(&given()).into())
        } else {
            self.needles.get_or_init(|| Needles::of(&self.given).into())
        };
        needles.find(text, spans);
    }
}

/// The search texts, in all their spellings.
#[derive(Default)]
struct Needles {
    needles: Vec<Needle>,
    /// Identifiers, and single parts of names.
    phrases: Vec<Phrase>,
    /// Names of several parts: as they were given, and in another order.
    names: Vec<Phrase>,
    turned: Vec<Phrase>,
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
        // The words and parts of a name are also searched for on their own, because they stand alone in sentences.
        for word in given.split(|c: char| c.is_whitespace() || c == ',').filter(|word| *word != given) {
            if word.trim_matches(divides).contains(divides) {
                self.add_one(word, class);
            }
        }
        for part in given.split(divides).filter(|part| *part != given) {
            self.add_one(part, class);
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
        if length < shortest || text.len() > LONGEST || self.given >= MOST || self.is_known(&text) {
            return;
        }
        self.given += 1;
        if !self.add_phrases(given, &text, class, shortest) {
            self.needles.push(Needle { text, borders: OnceCell::new(), class });
        }
    }

    fn is_known(&self, text: &str) -> bool {
        let phrases = || self.phrases.iter().chain(&self.names).any(|phrase| phrase.is(text));
        self.needles.iter().any(|needle| needle.text == text) || phrases()
    }

    /// Adds the spellings of a text; false if the text as it is is not among them.
    fn add_phrases(&mut self, given: &str, text: &str, class: Class, shortest: usize) -> bool {
        if class != Class::PatientName {
            let phrase = Phrase::identifier(text, class, shortest);
            let covers = phrase.as_ref().is_some_and(|phrase| phrase.is(text));
            self.phrases.extend(phrase);
            return covers;
        }
        let mut covers = false;
        for spelling in [given.to_owned()].into_iter().chain(umlauts(given)) {
            let is_native = spelling.chars().all(|c| is_cjk(c) || divides(c));
            let joints = if is_native { Joints::Native } else { Joints::Name };
            let mut parts: Vec<String> = spelling.split(divides).filter(|part| !part.is_empty()).map(folded).collect();
            let phrase = Phrase::name(&parts, joints, class, shortest);
            covers |= phrase.as_ref().is_some_and(|phrase| phrase.is(text));
            if parts.len() < 2 {
                self.phrases.extend(phrase);
                continue;
            }
            self.names.extend(phrase);
            // The last part first, and the first part last.
            parts.rotate_right(1);
            self.turned.extend(Phrase::name(&parts, joints, class, shortest));
            if parts.len() > 2 {
                parts.rotate_left(2);
                self.turned.extend(Phrase::name(&parts, joints, class, shortest));
            }
        }
        covers
    }

    fn find(&self, text: &Folded<'_>, spans: &mut Vec<Span>) {
        self.phrases.iter().for_each(|phrase| phrase.find(text, spans));
        self.needles.iter().for_each(|needle| needle.find(text, spans));
        let (mut names, mut turned) = (Vec::new(), Vec::new());
        self.names.iter().for_each(|phrase| phrase.find(text, &mut names));
        self.turned.iter().for_each(|phrase| phrase.find(text, &mut turned));
        // Of a name that is there twice, the end and the next beginning are no name in another order.
        names.sort_unstable_by_key(|span| span.start);
        turned.retain(|span| {
            let next = names.partition_point(|name| name.end <= span.start);
            names.get(next).is_none_or(|name| name.start >= span.end)
        });
        spans.extend(names.into_iter().chain(turned));
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// Whether a character divides the parts of a name.
fn divides(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || matches!(
            c,
            '·' | '・' | '･' | '∙' | '⋅' | '●' | '´' | 'ʻ' | 'ʼ' | '，' | '、' | '。' | '；' | '\u{2010}'..='\u{2027}'
        )
}

/// The other spellings of a name with umlauts: `Müller` is also Mueller, and `Mueller` also Muller, as Müller is when
/// it is folded. A spelling of three letters would be a word too often.
fn umlauts(given: &str) -> Vec<String> {
    const PAIRS: [(&str, &str, &str); 5] =
        [("ä", "ae", "a"), ("ö", "oe", "o"), ("ü", "ue", "u"), ("ø", "oe", "o"), ("å", "aa", "a")];
    // Most names have none, and no Chinese one has.
    let is_vowel = |b: u8| matches!(b | 0x20, b'a' | b'o' | b'u');
    let is_long = |pair: &[u8]| matches!(pair, [vowel, b'e' | b'E' | b'a' | b'A'] if is_vowel(*vowel));
    if !given.as_bytes().windows(2).any(is_long) && given.chars().all(|c| c.is_ascii() || is_cjk(c)) {
        return Vec::new();
    }
    let lower = given.to_lowercase().replace("a\u{308}", "ä").replace("o\u{308}", "ö").replace("u\u{308}", "ü");
    let long = PAIRS.iter().fold(lower.clone(), |text, (short, long, _)| text.replace(short, long));
    let plain = PAIRS.iter().take(3).fold(lower.clone(), |text, (_, long, plain)| text.replace(long, plain));
    let is_new = |text: &String| *text != lower && text.chars().count() > 3;
    [long, plain].into_iter().filter(is_new).collect()
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
    /// Finds the text.
    fn find(&self, folded: &Folded<'_>, spans: &mut Vec<Span>) {
        let (needle, text) = (self.text.as_bytes(), folded.text());
        // A search text has at least two bytes. The comparison ignores the case of letters, and a few other bytes also
        // match. Counting takes less time than stopping at the first match.
        let [first, second, ..] = needle else { return };
        let begins = |(a, b): &(u8, u8)| a | 0x20 == first | 0x20 && b | 0x20 == second | 0x20;
        if text.len() < needle.len() || text.bytes().zip(text.bytes().skip(1)).filter(begins).count() == 0 {
            return;
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
    }
}
