//! Finds identities made of digits: telephone numbers, identity numbers, bank cards.
//!
//! A *group* is an unbroken row of digits; groups with at most three separators between them make a *run*. A number is
//! a window of a few groups in a run, so each group is visited a fixed number of times.

use alloc::vec::Vec;

use super::{Class, Span};
use crate::report::luhn;

/// The fewest digits of a number.
const FEWEST_DIGITS: usize = 8;
/// The most digits of a number.
const MOST_DIGITS: usize = 19;
/// The most groups of a number.
const MOST_GROUPS: usize = 8;
/// The most separators between two groups.
const MOST_SEPARATORS: usize = 3;

#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    digits: [u8; MOST_DIGITS],
    len: usize,
    /// A plus sign stands before it.
    plus: bool,
    /// The end of the check letter X after it, if there is one.
    check: Option<usize>,
    /// The separators between the group before and this one are more than space.
    marked: bool,
}

impl Group {
    fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

fn digit(c: char) -> Option<u8> {
    let full_width = c as u32 ^ 0xff10;
    match c {
        '0'..='9' => Some(c as u8),
        '０'..='９' => u8::try_from(full_width).ok().map(|value| b'0' + value),
        _ => None,
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{3000}')
        || matches!(c, '－' | '（' | '）' | '．' | '·' | '\t')
}

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    // Most texts have too few digits. Every full-width digit contains the byte 0xbc; few other characters do.
    if text.bytes().filter(|b| b.is_ascii_digit() || *b == 0xbc).count() < FEWEST_DIGITS {
        return;
    }
    let mut run: Vec<Group> = Vec::new();
    // The number of separators since the last group, whether they are more than space, and whether the last one is a
    // plus.
    let (mut separators, mut marked, mut plus) = (0, false, false);
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let Some(first) = digit(c) else {
            plus = matches!(c, '+' | '＋');
            if run.is_empty() {
                continue;
            }
            if is_separator(c) && separators < MOST_SEPARATORS {
                separators += 1;
                marked |= !c.is_whitespace();
            } else {
                examine(&mut run, spans);
            }
            continue;
        };
        let mut group =
            Group { start, end: start + c.len_utf8(), digits: [0; MOST_DIGITS], len: 0, plus, check: None, marked };
        let mut next = Some(first);
        while let Some(value) = next {
            if let Some(place) = group.digits.get_mut(group.len) {
                *place = value;
            }
            group.len += 1;
            next = chars.peek().and_then(|(_, c)| digit(*c));
            if next.is_some()
                && let Some((at, c)) = chars.next()
            {
                group.end = at + c.len_utf8();
            }
        }
        if let Some((at, c)) = chars.peek()
            && matches!(c, 'x' | 'X' | 'Ｘ' | 'ｘ')
        {
            group.check = Some(at + c.len_utf8());
        }
        (separators, marked, plus) = (0, false, false);
        if group.len > MOST_DIGITS {
            examine(&mut run, spans);
        } else {
            run.push(group);
        }
    }
    examine(&mut run, spans);
}

/// Examines a run and clears it.
fn examine(run: &mut Vec<Group>, spans: &mut Vec<Span>) {
    let mut rest = run.as_slice();
    while let Some(first) = rest.first() {
        let (mut digits, mut len) = ([0; MOST_DIGITS], 0);
        let mut best = None;
        for (index, group) in rest.iter().take(MOST_GROUPS).enumerate() {
            let Some(place) = digits.get_mut(len..len + group.len) else { break };
            place.copy_from_slice(group.digits());
            len += group.len;
            let (Some(groups), Some(digits)) = (rest.get(..=index), digits.get(..len)) else { break };
            if let Some((class, end)) = classify(groups, digits) {
                best = Some((index + 1, Span { start: first.start, end, class }));
            }
        }
        let taken = match best {
            Some((taken, span)) => {
                spans.push(span);
                taken
            }
            None => 1,
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    run.clear();
}

/// The class of these groups and the end of the number, if they are a number that identifies somebody.
fn classify(groups: &[Group], digits: &[u8]) -> Option<(Class, usize)> {
    let (first, last) = (groups.first()?, groups.last()?);
    if is_resident(digits, None) {
        return Some((Class::NationalId, last.end));
    }
    if let Some(end) = last.check
        && is_resident(digits, Some(10))
    {
        return Some((Class::NationalId, end));
    }
    let later_at_least = |length: usize| groups.iter().skip(1).all(|group| group.len >= length);
    let marked = groups.iter().skip(1).any(|group| group.marked);
    let lengths = |expected: &[usize]| groups.iter().map(|group| group.len).eq(expected.iter().copied());
    let mobile = |digits: &[u8]| matches!(digits, [b'1', b'3'..=b'9', ..] if digits.len() == 11);
    // An area code may have one digit: +33 1 23 45 67 89, +44 (0)20 7946 0958.
    let international = || groups.iter().skip(2).all(|group| group.len >= 2);
    let phone = match digits {
        _ if mobile(digits) => groups.len() <= 4 && later_at_least(3),
        [b'8', b'6', rest @ ..] if mobile(rest) => groups.len() <= 5 && later_at_least(3),
        [b'0', b'0', b'1'..=b'9', ..] => (10..=17).contains(&digits.len()) && international(),
        [b'0', b'1'..=b'9', ..] => {
            marked && matches!(first.len, 3 | 4) && matches!(digits.len() - first.len, 7 | 8) && later_at_least(3)
        }
        [b'1'..=b'9', ..] if first.plus => (8..=15).contains(&digits.len()) && international(),
        [b'2'..=b'9', ..] | [b'1', b'2'..=b'9', ..] => marked && (lengths(&[3, 3, 4]) || lengths(&[1, 3, 3, 4])),
        _ => false,
    };
    if phone {
        return Some((Class::Phone, last.end));
    }
    let written_as_card = groups.len() == 1
        || groups.iter().rev().skip(1).all(|group| group.len == 4)
        || lengths(&[4, 6, 5])
        || lengths(&[6, 13]);
    let card = matches!(digits, [b'2'..=b'6', ..]) && digits.len() >= 13 && written_as_card;
    (card && luhn(digits.iter().copied())).then_some((Class::Card, last.end))
}

/// Whether these are the digits of a resident identity number (GB 11643-1999): a region, a date of birth, a sequence,
/// and a check digit. The check digit ten is written as an X after the digits.
fn is_resident(digits: &[u8], check: Option<u32>) -> bool {
    const WEIGHTS: [u32; 18] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1];
    let value = |digit: &u8| u32::from(digit.wrapping_sub(b'0'));
    if digits.len() + usize::from(check.is_some()) != WEIGHTS.len() || !matches!(digits, [b'1'..=b'9', ..]) {
        return false;
    }
    let two = |at: usize| digits.get(at..at + 2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + value(digit)));
    let year = two(6).is_some_and(|century| matches!(century, 18..=20));
    let born = year
        && two(10).is_some_and(|month| (1..=12).contains(&month))
        && two(12).is_some_and(|day| (1..=31).contains(&day));
    let sum: u32 = digits.iter().map(value).chain(check).zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    born && sum % 11 == 1
}
