//! Finds identities made of digits: telephone numbers, identity numbers, bank cards.
//!
//! A *group* is an unbroken row of digits; groups with at most three separators between them make a *run*. A number is
//! a window of a few groups in a run, so each group is visited a fixed number of times.
//!
//! Separators are of three strengths. Space and marks stand inside numbers. Commas and line ends stand between the
//! figures of a list as well, so only numbers with a checksum or the usual grouping are found across them.

use alloc::vec::Vec;

use super::national::is_national;
use super::{Class, Span};
use crate::number::luhn;

/// The fewest digits of a number.
pub(super) const FEWEST_DIGITS: usize = 8;
/// The most digits of a number.
const MOST_DIGITS: usize = 19;
/// The most groups of a number, unless each has one digit: a longer row of those is a row of answers.
const MOST_GROUPS: usize = 8;
/// The most separators between two groups.
const MOST_SEPARATORS: usize = 3;

/// The separators between two groups.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Space only, or nothing before the first group.
    Space,
    /// At least one mark.
    Mark,
    /// At least one comma or line end.
    List,
}

#[derive(Clone, Copy)]
pub(super) struct Group {
    start: usize,
    end: usize,
    digits: [u8; MOST_DIGITS],
    pub(super) len: usize,
    /// The character before it.
    before: char,
    /// The end of the check letter X after it, if there is one.
    check: Option<usize>,
    /// The separators between the group before and this one.
    gap: Gap,
    /// The separator, if it is a single one.
    single: Option<char>,
}

impl Group {
    fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// A few groups of a run that may be a number.
pub(super) struct Window<'a> {
    groups: &'a [Group],
    pub(super) digits: &'a [u8],
}

impl Window<'_> {
    /// Whether the groups have these lengths.
    pub(super) fn lengths(&self, expected: &[usize]) -> bool {
        self.groups.iter().map(|group| group.len).eq(expected.iter().copied())
    }

    /// Whether every group but the first has at least this many digits.
    fn later_at_least(&self, length: usize) -> bool {
        self.groups.iter().skip(1).all(|group| group.len >= length)
    }

    /// The strongest separators.
    pub(super) fn gap(&self) -> Gap {
        self.groups.iter().skip(1).map(|group| group.gap).max().unwrap_or(Gap::Space)
    }

    /// The separator, if the same single one stands between all groups.
    pub(super) fn separator(&self) -> Option<char> {
        let first = self.groups.get(1)?.single;
        first.filter(|_| self.groups.iter().skip(1).all(|group| group.single == first))
    }

    /// Whether there is one group, or digits stand one by one with the same mark or space between.
    fn is_even(&self) -> bool {
        let singles = self.groups.iter().all(|group| group.len == 1);
        self.groups.len() == 1 || singles && self.gap() < Gap::List && self.separator().is_some()
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The strength of a separator. Folding has turned wide characters and dashes into ASCII.
fn gap(c: char) -> Option<Gap> {
    match c {
        ' ' | '\t' => Some(Gap::Space),
        '-' | '.' | '(' | ')' | '/' | '_' | '（' | '）' | '·' | '・' => Some(Gap::Mark),
        ',' | '，' | '、' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(Gap::List),
        _ => None,
    }
}

/// Finds the numbers in a folded text. A text with fewer digits than [`FEWEST_DIGITS`] has none.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut run: Vec<Group> = Vec::new();
    // The separators since the last group: their number, their strength and the last of them; the last character.
    let (mut separators, mut strength, mut last, mut before) = (0, Gap::Space, None, ' ');
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if !is_digit(c) {
            let line_end = c == '\n' && before == '\r';
            before = c;
            // A line end may have two characters.
            if run.is_empty() || line_end {
                continue;
            }
            match gap(c).filter(|_| separators < MOST_SEPARATORS) {
                Some(gap) => {
                    (separators, strength, last) = (separators + 1, strength.max(gap), Some(c));
                }
                None => examine(&mut run, spans),
            }
            continue;
        }
        let (gap, single) = (strength, last.filter(|_| separators == 1));
        let mut group =
            Group { start, end: start + 1, digits: [0; MOST_DIGITS], len: 0, before, check: None, gap, single };
        let mut next = Some(c);
        while let Some(c) = next {
            if let Some(place) = group.digits.get_mut(group.len) {
                *place = c as u8;
            }
            group.len += 1;
            next = chars.next_if(|(_, c)| is_digit(*c)).map(|(at, c)| {
                group.end = at + 1;
                c
            });
        }
        group.check = check_letter(text, group.end);
        (separators, strength, last, before) = (0, Gap::Space, None, ' ');
        if group.len > MOST_DIGITS {
            examine(&mut run, spans);
        } else {
            run.push(group);
        }
    }
    examine(&mut run, spans);
}

/// The end of the check letter X after a group: at once, or alone after one separator.
fn check_letter(text: &str, end: usize) -> Option<usize> {
    let mut rest = text.get(end..)?.char_indices();
    match (rest.next()?, rest.next(), rest.next()) {
        ((_, 'x' | 'X'), ..) => Some(end + 1),
        ((_, c), Some((at, 'x' | 'X')), next) if gap(c).is_some() => {
            next.is_none_or(|(_, c)| !c.is_ascii_alphanumeric()).then_some(end + at + 1)
        }
        _ => None,
    }
}

/// Examines a run and clears it.
fn examine(run: &mut Vec<Group>, spans: &mut Vec<Span>) {
    if (MOST_GROUPS + 1..=MOST_DIGITS).contains(&run.len()) && run.iter().all(|group| group.len == 1) {
        // Digits one by one: a number as a whole, or none.
        let digits: Vec<u8> = run.iter().flat_map(|group| group.digits().iter().copied()).collect();
        let found = classify(&Window { groups: run, digits: &digits });
        spans.extend(run.first().zip(found).map(|(first, (class, end))| Span { start: first.start, end, class }));
    } else {
        search(run, spans);
    }
    run.clear();
}

/// Searches the windows of a run.
fn search(run: &[Group], spans: &mut Vec<Span>) {
    let mut rest = run;
    // The number of groups ahead that belong to the number before. A number that begins there counts if it goes on after
    // it and is no telephone number but a mobile one in the usual grouping: an international number has no certain end.
    let mut covered = 0;
    while let Some(first) = rest.first() {
        let (mut digits, mut len) = ([0; MOST_DIGITS], 0);
        let mut best = None;
        for (index, group) in rest.iter().take(MOST_GROUPS).enumerate() {
            let Some(place) = digits.get_mut(len..len + group.len) else { break };
            place.copy_from_slice(group.digits());
            len += group.len;
            let (Some(groups), Some(digits)) = (rest.get(..=index), digits.get(..len)) else { break };
            if len < FEWEST_DIGITS || covered > index {
                continue;
            }
            let window = Window { groups, digits };
            if let Some((class, end)) = classify(&window)
                && (covered == 0 || class != Class::Phone || window.lengths(&[3, 4, 4]))
            {
                best = Some((index + 1, Span { start: first.start, end, class }));
            }
        }
        if let Some((taken, span)) = best {
            spans.push(span);
            covered = taken;
        }
        covered = covered.saturating_sub(1);
        rest = rest.get(1..).unwrap_or_default();
    }
}

/// The class of these groups and the end of the number, if they are a number that identifies somebody.
fn classify(window: &Window<'_>) -> Option<(Class, usize)> {
    let last = window.groups.last()?;
    if is_resident(window.digits, None) || is_first_resident(window) || is_national(window) {
        return Some((Class::NationalId, last.end));
    }
    if let Some(end) = last.check
        && is_resident(window.digits, Some(10))
    {
        return Some((Class::NationalId, end));
    }
    let class = if is_phone(window) {
        Class::Phone
    } else if is_card(window) {
        Class::Card
    } else {
        return None;
    };
    Some((class, last.end))
}

fn is_phone(window: &Window<'_>) -> bool {
    let (groups, digits, gap) = (window.groups.len(), window.digits, window.gap());
    let Some(first) = window.groups.first() else { return false };
    let mobile = |digits: &[u8]| matches!(digits, [b'1', b'3'..=b'9', ..] if digits.len() == 11);
    // The figures of a list rarely have these lengths, and no figure in groups of three has others.
    let usual = |lengths: &[&[usize]]| lengths.iter().any(|expected| window.lengths(expected));
    // An area code may have one digit: +33 1 23 45 67 89, +44 (0)20 7946 0958.
    let international = |most: usize| {
        (FEWEST_DIGITS..=most).contains(&digits.len())
            && window.groups.iter().skip(2).all(|group| group.len >= 2)
            && (gap < Gap::List || window.separator().is_some())
    };
    let american = || match digits {
        [b'1', rest @ ..] if rest.len() == 10 => window.lengths(&[1, 3, 3, 4]) && is_american(rest, gap),
        _ => window.lengths(&[3, 3, 4]) && is_american(digits, gap),
    };
    let (marked, list) = (gap == Gap::Mark, gap == Gap::List);
    let single_comma = window.separator() == Some(',');
    match digits {
        _ if mobile(digits) && list => usual(&[&[3, 4, 4]]),
        _ if mobile(digits) => groups <= 4 && window.later_at_least(3) || window.is_even(),
        [b'8', b'6', rest @ ..] if mobile(rest) && list => usual(&[&[2, 3, 4, 4], &[2, 11], &[5, 4, 4]]),
        [b'8', b'6', rest @ ..] if mobile(rest) => groups <= 5 && window.later_at_least(3) || window.is_even(),
        // The end of a time before a day.
        [b'0', b'0', ..] if first.len == 2 && first.before == ':' => false,
        [b'0', b'0', b'1'..=b'9', ..] if list => first.len > 2 && international(17),
        [b'0', b'0', b'1'..=b'9', ..] => digits.len() >= 10 && international(17),
        [b'0', b'1'..=b'9', ..] if list => {
            window.separator().is_some() && usual(&[&[3, 8], &[4, 8], &[4, 7], &[3, 4, 4], &[4, 4, 4], &[4, 3, 4]])
        }
        [b'0', b'1'..=b'9', ..] => {
            marked
                && matches!(first.len, 3 | 4)
                && matches!(digits.len() - first.len, 7 | 8)
                && window.later_at_least(3)
        }
        [b'1'..=b'9', ..] if first.before == '+' && international(15) => true,
        [b'2'..=b'9', ..] | [b'1', b'2'..=b'9', ..] => (marked || single_comma) && american(),
        _ => false,
    }
}

/// Whether these are the ten digits of a number of North America. In a list the area and the office must exist.
fn is_american(digits: &[u8], gap: Gap) -> bool {
    let [area, .., _, _, _, _, _, _] = digits else { return false };
    let exists = matches!(digits, [b'2'..=b'9', b'0'..=b'8', _, b'2'..=b'9', ..]);
    (b'2'..=b'9').contains(area) && (gap == Gap::Mark || exists)
}

fn is_card(window: &Window<'_>) -> bool {
    let digits = window.digits;
    if digits.len() < 13 || !matches!(digits, [b'2'..=b'6', ..]) {
        return false;
    }
    let written_as_card = window.is_even()
        || window.groups.iter().rev().skip(1).all(|group| group.len == 4)
        || window.lengths(&[4, 6, 5])
        || window.lengths(&[6, 13]);
    let no_list = window.gap() < Gap::List || window.separator().is_some();
    written_as_card && no_list && luhn(digits.iter().copied())
}

/// Whether these are the digits of a resident identity number (GB 11643-1999): a region, a date of birth, a sequence,
/// and a check digit. The check digit ten is written as an X after the digits.
fn is_resident(digits: &[u8], check: Option<u32>) -> bool {
    const WEIGHTS: [u32; 18] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1];
    if digits.len() + usize::from(check.is_some()) != WEIGHTS.len() || !matches!(digits, [b'1'..=b'9', ..]) {
        return false;
    }
    let born = two(digits, 6).is_some_and(|century| matches!(century, 18..=20)) && is_day(digits, 10);
    let sum: u32 = digits.iter().map(value).chain(check).zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    born && sum % 11 == 1
}

/// Whether these are the fifteen digits of a resident identity number of the first generation (GB 11643-1989): a
/// region, a date of birth without its century, a sequence. It has no check digit.
fn is_first_resident(window: &Window<'_>) -> bool {
    if window.digits.len() != 15 {
        return false;
    }
    let province = two(window.digits, 0).is_some_and(
        |province| matches!(province, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83),
    );
    let written = window.is_even() || window.lengths(&[6, 6, 3]) || window.lengths(&[6, 2, 2, 2, 3]);
    province && is_day(window.digits, 8) && written
}

/// The value of a digit.
pub(super) fn value(digit: &u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

/// The number that two digits make.
pub(super) fn two(digits: &[u8], at: usize) -> Option<u32> {
    digits.get(at..at + 2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + value(digit)))
}

/// Whether four digits are a month and a day.
pub(super) fn is_day(digits: &[u8], at: usize) -> bool {
    two(digits, at).is_some_and(|month| (1..=12).contains(&month))
        && two(digits, at + 2).is_some_and(|day| (1..=31).contains(&day))
}
