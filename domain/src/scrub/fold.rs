//! Folds a text for a search: one spelling for all forms of a letter or digit.
//!
//! Guarantee: every place in the folded text has its place in the original, so that exactly the characters that were
//! found are removed. A text of plain ASCII is not copied: the scanners ignore the case of ASCII letters.
//!
//! Mechanism: each character is decomposed (NFKD, Unicode TR 15) and folded by case on its own. Accents and format
//! characters are left aside: zero width characters, soft hyphens, signs of direction, variation selectors, controls.
//! Decimal digits of every script, circled digits and Chinese numerals become ASCII digits; dashes become hyphens;
//! Hiragana becomes Katakana.
//!
//! Not for: letters that merely look alike, such as a Cyrillic `а` in a Latin name, and markup: `respell` has those.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use unicode_normalization::char::decompose_compatible;

use super::Span;

/// A folded text.
pub(super) struct Folded<'a> {
    text: Cow<'a, str>,
    /// For each byte of the folded text and for its end: the start of its character in the original. Empty if both
    /// texts are the same.
    origins: Vec<u32>,
}

impl<'a> Folded<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // Counting all of them takes less time than stopping at the first.
        if text.bytes().filter(|b| is_plain(*b)).count() == text.len() {
            return Folded { text: Cow::Borrowed(text), origins: Vec::new() };
        }
        let mut folding = Folding::new(text);
        text.char_indices().for_each(|(at, c)| folding.fold(at, c, |c| c));
        folding.end(text)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a character of the original begins at this byte of the folded text, or the text ends.
    pub(super) fn is_boundary(&self, at: usize) -> bool {
        at == 0 || self.origins.is_empty() || self.origins.get(at) != self.origins.get(at - 1)
    }

    /// The span in the original. It covers whole characters, and the accents and format characters that follow each.
    pub(super) fn original(&self, span: Span) -> Span {
        if self.origins.is_empty() {
            return span;
        }
        let place = |at: usize| self.origins.get(at).map_or(0, |at| *at as usize);
        let start = place(span.start);
        let last = place(span.end.saturating_sub(1));
        let later = self.origins.iter().skip(span.end).map(|at| *at as usize);
        let end = later.take(LONGEST_FOLDED).find(|at| *at > last).unwrap_or(last);
        Span { start, end, ..span }
    }
}

/// A folded text that grows.
pub(super) struct Folding {
    text: String,
    origins: Vec<u32>,
}

impl Folding {
    /// Begins to fold a text.
    pub(super) fn new(text: &str) -> Self {
        Folding { text: String::with_capacity(text.len()), origins: Vec::with_capacity(text.len() + 1) }
    }

    /// Adds a character that stands at a place of the original, folded, each part as `spell` writes it.
    pub(super) fn fold(&mut self, at: usize, c: char, spell: impl Fn(char) -> char) {
        fold(c, |part| self.text.push(spell(part)));
        self.origins.resize(self.text.len(), origin(at));
    }

    /// The whole of the original is folded.
    pub(super) fn end<'a>(mut self, original: &str) -> Folded<'a> {
        self.origins.push(origin(original.len()));
        Folded { text: Cow::Owned(self.text), origins: self.origins }
    }
}

fn origin(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// More bytes than any character has when it is folded: the longest decomposition has 18 characters.
const LONGEST_FOLDED: usize = 128;

/// Whether a byte needs no folding: printable ASCII, a tab or a line end.
fn is_plain(b: u8) -> bool {
    matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// The folded text of a search text.
pub(crate) fn folded(text: &str) -> String {
    if text.bytes().all(is_plain) {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|c| fold(c, |c| folded.push(c)));
    folded
}

/// Folds one character: emits none, one or several.
pub(crate) fn fold(c: char, mut emit: impl FnMut(char)) {
    match c {
        '\t' | '\n' | '\r' => emit(c),
        _ if c.is_ascii_control() => {}
        _ if c.is_ascii() => emit(c.to_ascii_lowercase()),
        // Marks of Chinese sentences stay: a URL or a number ends before them.
        '，' | '；' | '！' | '？' | '（' | '）' => emit(c),
        // Most of Chinese: no decomposition, no case.
        '〇' | '\u{4e00}'..='\u{9fff}' => emit(chinese(c).unwrap_or(c)),
        _ => decompose_compatible(c, |part| match part {
            // Letters of Korean, Chinese and Japanese have no case.
            '\u{1100}'..='\u{115e}' | '\u{1161}'..='\u{11ff}' => emit(part),
            '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309e}' => {
                emit(char::from_u32(part as u32 + 0x60).unwrap_or(part));
            }
            _ if is_aside(part) => {}
            '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' => emit('-'),
            _ => match digit(part).or_else(|| chinese(part)).or_else(|| sign(part)) {
                Some(value) => emit(value),
                None => part.to_lowercase().for_each(|lower| match lower {
                    // Full case folding; the other letters of which it makes two are decomposed already.
                    'ß' => "ss".chars().for_each(&mut emit),
                    'ı' => emit('i'),
                    'ς' => emit('σ'),
                    // Letters with a stroke and ligatures, as passports and keyboards write them.
                    'ł' => emit('l'),
                    'đ' | 'ð' => emit('d'),
                    'ø' => emit('o'),
                    'ħ' => emit('h'),
                    'ŧ' => emit('t'),
                    'æ' => "ae".chars().for_each(&mut emit),
                    'œ' => "oe".chars().for_each(&mut emit),
                    'þ' => "th".chars().for_each(&mut emit),
                    _ => emit(lower),
                }),
            },
        }),
    }
}

/// The ASCII digit of a Chinese numeral.
fn chinese(c: char) -> Option<char> {
    Some(match c {
        '〇' | '零' => '0',
        '一' | '壹' | '幺' => '1',
        '二' | '贰' | '貳' => '2',
        '三' | '叁' | '參' => '3',
        '四' | '肆' => '4',
        '五' | '伍' => '5',
        '六' | '陆' | '陸' => '6',
        '七' | '柒' => '7',
        '八' | '捌' => '8',
        '九' | '玖' => '9',
        _ => return None,
    })
}

/// The ASCII digit of a circled digit without a decomposition, of a numeral of Suzhou, or of a circle that is written
/// for a zero.
fn sign(c: char) -> Option<char> {
    match c {
        '\0'..'\u{24eb}' => None,
        '○' | '◯' | '⓿' | '🄋' | '🄌' => Some('0'),
        _ => {
            let ones = [0x2776, 0x2780, 0x278a, 0x24f5, 0x3021];
            let value = ones.iter().map(|one| (c as u32).wrapping_sub(*one)).find(|value| *value < 9)?;
            char::from_digit(value + 1, 10)
        }
    }
}

/// The zeros of the decimal digits beyond ASCII (general category Nd); the nine digits after each follow in order.
/// Digits that decompose to ASCII, such as full width ones, are missing.
const ZEROS: [u32; 69] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
    0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136,
    0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0,
    0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1ccf0,
];

/// The ASCII digit of a decimal digit of another script.
fn digit(c: char) -> Option<char> {
    let code = c as u32;
    // Letters of most scripts have no need of the table.
    if code < 0x660 || !c.is_numeric() {
        return None;
    }
    let value = ZEROS.iter().map(|zero| code.wrapping_sub(*zero)).find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

/// Whether a character is left aside: an accent, a point of Arabic or Hebrew, or a format character or control (those
/// that Unicode calls default ignorable, and a few more).
fn is_aside(c: char) -> bool {
    match c as u32 {
        // Controls, the soft hyphen.
        0x7f..=0x9f | 0xad => c != '\u{85}',
        // Accents.
        0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f => true,
        // Points of Hebrew and Arabic, the stretched line of Arabic, Arabic number signs.
        0x591..=0x5bd | 0x5bf | 0x5c1..=0x5c2 | 0x5c4..=0x5c5 | 0x5c7 => true,
        0x600..=0x605 | 0x610..=0x61c | 0x640 | 0x64b..=0x65f | 0x670 | 0x6d6..=0x6dd | 0x70f => true,
        // Fillers, invisible signs, separators of Mongolian, zero width, direction, variation selectors.
        0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e => true,
        0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb => true,
        0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Class;

    #[test]
    fn all_forms_of_a_text_are_one() {
        for (forms, expected) in [
            (&["MÜLLER", "Müller", "mu\u{308}ller", "Ｍüller", "M\u{200b}ü\u{ad}l\u{feff}ler", "𝐌𝐮𝐥𝐥𝐞𝐫"][..], "muller"),
            (&["ИВАНОВ", "Иванов"], "иванов"),
            (&["ΠΑΠΠΑΣ", "παππάς", "Παππας"], "παππασ"),
            (&["STRASSE", "Straße", "STRAẞE"], "strasse"),
            (&["İLKAY", "ılkay", "ilkay"], "ilkay"),
            (
                &["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙"],
                "0123456789",
            ),
            (&["〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡", "⓪①②③④⑤⑥⑦⑧⑨", "𑁦𑁧𑁨𑁩𑁪𑁫𑁬𑁭𑁮𑁯"], "0123456789"),
            (&["محمد", "مُحَمَّد", "محـمد"], "محمد"),
            (&["김\u{200d}민준", "김민준"], "김민준"),
        ] {
            for form in forms {
                assert_eq!(folded(form), folded(expected), "{form}");
                assert_eq!(Folded::of(form).text().to_lowercase(), folded(expected), "{form}");
            }
        }
    }

    #[test]
    fn every_set_of_digits_is_in_order_and_no_other_character_is_one() {
        for zero in ZEROS {
            let digits = (zero..zero + 10).filter_map(char::from_u32);
            assert!(digits.clone().all(char::is_numeric), "{zero:x}");
            assert!(digits.filter_map(digit).eq('0'..='9'), "{zero:x}");
            assert!(char::from_u32(zero - 1).is_none_or(|before| digit(before).is_none_or(|it| it == '9')), "{zero:x}");
        }
    }

    #[test]
    fn a_span_covers_whole_characters_of_the_original() {
        let text = "a\u{200b}ｂe\u{301}㈠ﬁ!";
        let folded = Folded::of(text);
        assert_eq!(folded.text(), "abe(1)fi!");
        let original = |start, end| {
            let span = folded.original(Span { start, end, class: Class::Phone });
            text.get(span.start..span.end).unwrap()
        };
        assert_eq!((original(0, 1), original(1, 2), original(2, 3)), ("a\u{200b}", "ｂ", "e\u{301}"));
        assert_eq!((original(3, 4), original(4, 5), original(5, 7)), ("㈠", "㈠", "㈠ﬁ"));
        assert_eq!((original(8, 9), original(0, 9)), ("!", text));
        assert!(folded.is_boundary(3) && !folded.is_boundary(4) && folded.is_boundary(9));
    }
}
