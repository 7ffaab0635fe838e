//! A search text whose parts are parted in any way.
//!
//! A phrase is compared at every place where its first character begins a word. It is short, so that each comparison
//! looks a fixed distance ahead; in a text that repeats its beginning over and over, only the unbroken phrase is found
//! after a while.

use alloc::string::String;
use alloc::vec::Vec;

use super::fold::Folded;
use super::numbers::{self, Gap};
use super::words::is_date;
use super::{Class, Span, is_unspaced};

/// The longest phrase, in characters.
const LONGEST: usize = 32;
/// The longest phrase of a script without spaces, where every place begins a word.
const LONGEST_NATIVE: usize = 16;
/// The most separators between two parts.
const MOST_SEPARATORS: usize = 3;
/// The most steps for each byte of a text. Nearly all texts need less than one.
const MOST_STEPS: usize = 4;
/// The fewest letters of a name whose parts may stand together: fewer make another word too often.
const FEWEST_TOGETHER: usize = 5;
/// The fewest characters of an identifier whose parts may stand further apart than one separator.
const FEWEST_APART: usize = 5;
/// The fewest digits of a number that may be parted as every number is. A shorter one is too often a figure.
const FEWEST_PARTED: usize = 6;

/// The separators that may stand between two parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Joints {
    /// Of an identifier with letters: any sign.
    Any,
    /// Of a number: those of a telephone number.
    Number,
    /// Of a short number: marks that no figure has.
    Marks,
    /// Of a name: blanks and marks.
    Name,
    /// Of a name in Chinese, Japanese or Korean: no sign between two sentences.
    Native,
}

impl Joints {
    fn has(self, c: char) -> bool {
        match self {
            Joints::Any => !c.is_alphanumeric(),
            Joints::Number => numbers::gap(c).is_some_and(|gap| gap < Gap::Odd),
            Joints::Marks => matches!(c, '-' | '_' | '#' | '·'),
            Joints::Name => c.is_whitespace() || matches!(c, ',' | '\'' | '’' | '‘' | '`' | 'ʼ' | 'ʻ') || is_mark(c),
            Joints::Native => matches!(c, ' ' | '\t') || is_mark(c),
        }
    }
}

/// Whether a mark stands between the parts of a name in any script.
fn is_mark(c: char) -> bool {
    matches!(c, '-' | '.' | '_' | '(' | ')' | '·' | '・' | '•' | '∙' | '⋅' | '‧' | '●')
}

/// A search text, folded. `Debug` is missing on purpose.
pub(super) struct Phrase {
    /// Its characters without separators, and whether separators may stand before each.
    chars: Vec<(char, bool)>,
    /// Its first bytes: one, if a separator may follow it.
    lead: (u8, Option<u8>),
    joints: Joints,
    /// The most separators between two parts.
    most: usize,
    /// Whether its parts may stand together.
    together: bool,
    class: Class,
}

impl Phrase {
    /// An identifier: digits may stand apart from each other and from letters. None if it has no digit, or is too long.
    pub(super) fn identifier(text: &str, class: Class, shortest: usize) -> Option<Self> {
        let mut chars: Vec<(char, bool)> = Vec::new();
        let mut before = ' ';
        for c in text.chars() {
            let parted = !before.is_alphanumeric() || is_parted(before, c);
            if c.is_alphanumeric() {
                chars.push((c, parted));
            }
            before = c;
        }
        let digits = chars.iter().filter(|(c, _)| c.is_ascii_digit()).count();
        let joints = match digits {
            0 => return None,
            _ if digits < chars.len() => Joints::Any,
            FEWEST_PARTED.. => Joints::Number,
            _ => Joints::Marks,
        };
        // Four digits with a mark are often a day of a month.
        if joints == Joints::Marks && digits < FEWEST_APART && !text.starts_with('0') {
            chars.iter_mut().for_each(|(_, parted)| *parted = false);
        }
        let most = if chars.len() < FEWEST_APART { 1 } else { MOST_SEPARATORS };
        Phrase::of(chars, joints, most, true, class, shortest)
    }

    /// A name of these parts, folded. None if it is too long.
    pub(super) fn name(parts: &[String], joints: Joints, class: Class, shortest: usize) -> Option<Self> {
        let mut chars = Vec::new();
        for part in parts {
            chars.extend(part.chars().enumerate().map(|(at, c)| (c, at == 0 || joints == Joints::Native)));
        }
        let together = joints == Joints::Native || parts.len() < 2 || chars.len() >= FEWEST_TOGETHER;
        Phrase::of(chars, joints, MOST_SEPARATORS, together, class, shortest)
    }

    fn of(
        chars: Vec<(char, bool)>,
        joints: Joints,
        most: usize,
        together: bool,
        class: Class,
        shortest: usize,
    ) -> Option<Self> {
        let longest = if chars.iter().any(|(c, _)| is_unspaced(*c)) { LONGEST_NATIVE } else { LONGEST };
        let (first, _) = chars.first().filter(|_| (shortest..=longest).contains(&chars.len()))?;
        let second = chars.get(1).filter(|(_, parted)| !parted).map(|(c, _)| *c);
        let begins: String = [*first].into_iter().chain(second).collect();
        let lead = (*begins.as_bytes().first()?, begins.as_bytes().get(1).copied());
        Some(Phrase { chars, lead, joints, most, together, class })
    }

    /// Whether this text is one of its spellings.
    pub(super) fn is(&self, text: &str) -> bool {
        self.end(text, 0, self.most, &mut 0) == Some(text.len())
    }

    /// Finds the phrase in a text.
    pub(super) fn find(&self, folded: &Folded<'_>, spans: &mut Vec<Span>) {
        let text = folded.text();
        // Counting takes less time than stopping at the first match. A few other bytes also match.
        let is = |b: u8, expected: u8| b | 0x20 == expected | 0x20;
        let (lead, next) = self.lead;
        let found = match next {
            Some(next) => text.bytes().zip(text.bytes().skip(1)).filter(|(a, b)| is(*a, lead) && is(*b, next)).count(),
            None => text.bytes().filter(|b| is(*b, lead)).count(),
        };
        if found == 0 || text.len() < self.chars.len() {
            return;
        }
        let (mut done, mut steps) = (0, 0);
        for (start, _) in text.bytes().enumerate().filter(|(_, b)| is(*b, lead)) {
            if start < done {
                continue;
            }
            let most = if steps > MOST_STEPS * text.len() { 0 } else { self.most };
            if let Some(end) = self.end(text, start, most, &mut steps)
                && stands_alone(text, start, end)
                && folded.is_boundary(start)
                && folded.is_boundary(end)
            {
                spans.push(Span { start, end, class: self.class });
                done = end;
            }
        }
    }

    /// The end of the phrase that begins at a place. `steps` counts the compared characters.
    fn end(&self, text: &str, start: usize, most: usize, steps: &mut usize) -> Option<usize> {
        let mut rest = text.get(start..)?.char_indices();
        let (mut end, mut parted, mut before) = (0, false, ' ');
        for (index, (expected, may_part)) in self.chars.iter().enumerate() {
            let mut separators = 0;
            loop {
                *steps += 1;
                let (at, c) = rest.next()?;
                if c.to_ascii_lowercase() == *expected {
                    end = start + at + c.len_utf8();
                    before = c;
                    break;
                }
                // A line end may have two characters.
                separators += usize::from(c != '\n' || before != '\r');
                if index == 0 || !may_part || separators > most || !self.joints.has(c) {
                    return None;
                }
                (parted, before) = (true, c);
            }
        }
        let is_other = parted && self.joints == Joints::Number && is_date(text, start);
        (!is_other && (parted || self.together)).then_some(end)
    }
}

/// Whether people write a separator between two characters of an identifier that stand together.
fn is_parted(before: char, c: char) -> bool {
    let is_alone = |c: char| c.is_numeric() || is_unspaced(c);
    is_alone(before) || is_alone(c)
}

/// Whether a match is not part of a longer word or figure.
pub(super) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
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
