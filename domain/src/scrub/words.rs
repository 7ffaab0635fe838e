//! Finds identities by the words before them: numbers that are called by name, such as medical record numbers, telephones
//! and passports. And asks `addresses` at each of their signs.

use alloc::vec::Vec;

use super::addresses::{email, nickname, page, url};
use super::announcements::{Announced, JOINTS, NAMED, announcements};
use super::{Class, Span, is_cjk, is_unspaced};

/// The most bytes between the announcement and the number.
const MOST_BETWEEN: usize = 24;
/// The longest record number, in characters.
const LONGEST_NUMBER: usize = 40;
/// The most groups of a record number after its first.
const MOST_PARTS: usize = 4;
/// The most separators between two groups of a number.
const MOST_APART: usize = 3;
/// The longest name in a messenger.
const LONGEST_HANDLE: usize = 32;
/// The longest ending of a word, in letters.
const LONGEST_ENDING: usize = 6;
/// The longest date.
const LONGEST_DATE: usize = 12;
/// Finds the identities in a folded text. `has_numbers`: it has a digit, as everything has that is announced but a name.
pub(super) fn find(text: &str, has_numbers: bool, spans: &mut Vec<Span>) {
    if !has_numbers && !has_marks(text) {
        return;
    }
    // The end of the last URL, so that no URL is examined twice.
    let mut done = 0;
    let mut in_word = false;
    let is_named = has_numbers || text.bytes().any(|b| matches!(b, b'_' | b'@'));
    for (at, c) in text.char_indices() {
        let begins = !in_word;
        in_word = c.is_ascii_alphanumeric();
        match c {
            '@' => spans.extend(email(text, at, at + 1).or_else(|| nickname(text, at))),
            '/' if at >= done => {
                if let Some(span) = page(text, at) {
                    done = span.end;
                    spans.push(span);
                }
            }
            ':' if at >= done && starts_with(text, at, "://") => done = url(text, at, 3, spans),
            'w' | 'W' if at >= done && starts_with(text, at, "www.") && begins_word(text, at) => {
                done = url(text, at, 4, spans);
            }
            _ if is_named && (begins || !c.is_ascii()) || c == '微' => spans.extend(announced(text, at, c)),
            _ => {}
        }
    }
}

/// Whether a text has a sign of an address, or a character beyond ASCII. Most sentences have none.
fn has_marks(text: &str) -> bool {
    // Counting all of them takes less time than stopping at the first.
    let signs = text.bytes().filter(|b| matches!(b, b'@' | b':' | b'/' | b'_') || !b.is_ascii()).count();
    let is_w = |b: u8| b | 0x20 == b'w';
    signs > 0 || text.bytes().zip(text.bytes().skip(1)).filter(|(a, b)| is_w(*a) && is_w(*b)).count() > 0
}

/// Whether a place is the start of a word: no letter or digit stands before it but Chinese, Japanese or Korean.
pub(super) fn begins_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() && !is_cjk(c))
}

/// Whether the text continues with `expected`, which is in lower case, at a place, in any case of ASCII letters.
pub(super) fn starts_with(text: &str, at: usize, expected: &str) -> bool {
    let bytes = text.as_bytes();
    // Most differ in the first byte.
    bytes.get(at).map(u8::to_ascii_lowercase) == expected.as_bytes().first().copied()
        && bytes.get(at..at + expected.len()).is_some_and(|found| found.eq_ignore_ascii_case(expected.as_bytes()))
}

/// The end of the accepted characters that start at a place.
pub(super) fn end_of(text: &str, at: usize, accept: impl Fn(char) -> bool, longest: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.chars().take(longest).take_while(|c| accept(*c)).map(char::len_utf8).sum::<usize>()
}

/// The identity that a word at this place announces.
fn announced(text: &str, at: usize, c: char) -> Option<Span> {
    let mut words = announcements(c.to_ascii_lowercase()).iter();
    let (word, kind) = words.find(|(word, _)| starts_with(text, at, word))?;
    let end = after_word(text, at, word)?;
    match kind {
        Announced::Record => record_number(text, end),
        Announced::Number(class) => number(text, end, *class, 7),
        Announced::Handle => handle(text, end).or_else(|| number(text, end, Class::Phone, 5)),
    }
}

/// The end of a word that announces something; none if it is a part of a longer one. It may have an ending, or a word
/// for a number joined to it: `паспорта`, `Passnummer`. Chinese has no space between words.
fn after_word(text: &str, at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    if word.chars().next().is_some_and(is_unspaced) {
        return Some(end);
    }
    if !begins_word(text, at) {
        return None;
    }
    let next = |at: usize| text.get(at..).and_then(|rest| rest.chars().next());
    let is_end = |at: usize| !next(at).is_some_and(|c| c.is_alphabetic() && !is_unspaced(c));
    if is_end(end) {
        return Some(end);
    }
    if word.is_ascii() {
        let joint = ["nummer", "number", "no", "nr", "id"].into_iter().find(|joint| starts_with(text, end, joint))?;
        return Some(end + joint.len()).filter(|end| is_end(*end));
    }
    let ending = end_of(text, end, char::is_alphabetic, LONGEST_ENDING);
    (word.chars().count() >= 5 && is_end(ending)).then_some(ending)
}

/// The record number after the word that announces it.
fn record_number(text: &str, announced: usize) -> Option<Span> {
    let is_part = |c: char| c.is_alphanumeric() && !is_cjk(c) || matches!(c, '-' | '/' | '_');
    let mut start = announced;
    while start <= announced + MOST_BETWEEN {
        let c = text.get(start..)?.chars().next()?;
        if is_part(c) && c.is_alphanumeric() {
            let number = text.get(start..end_of(text, start, is_part, LONGEST_NUMBER))?;
            let number = number.trim_end_matches(|c: char| !c.is_alphanumeric());
            let end = parts(text, start + number.len(), number);
            if text.get(start..end)?.chars().filter(|c| c.is_numeric()).count() >= 3 {
                return Some(Span { start, end, class: Class::RecordNumber });
            }
            // A word in between, such as "is" or "no".
            start += number.len();
        } else if c.is_whitespace() && c != '\n' || is_cjk(c) || ":#=-.".contains(c) {
            start += c.len_utf8();
        } else {
            return None;
        }
    }
    None
}

/// The end of a number that goes on after a blank in groups of the same length, or after a dot: 123 456 789.
fn parts(text: &str, mut end: usize, first: &str) -> usize {
    if first.len() < 2 || !first.bytes().all(|b| b.is_ascii_digit()) {
        return end;
    }
    for _ in 0..MOST_PARTS {
        let Some(rest) = text.get(end..) else { break };
        let (dotted, Some(rest)) = (rest.starts_with('.'), rest.strip_prefix([' ', '.'])) else { break };
        let next = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let after = rest.get(next.len()..).and_then(|rest| rest.chars().next());
        let goes_on = if dotted { next.len() > 1 } else { next.len() == first.len() };
        if !goes_on || after.is_some_and(|c| c.is_alphanumeric() && !is_cjk(c) || c == '/') {
            break;
        }
        end += 1 + next.len();
    }
    end
}

/// The place after the blanks, marks and joints that follow an announcement, and whether a joint after which a name
/// follows was among them.
fn joined(text: &str, mut start: usize) -> Option<(usize, bool)> {
    let most = start + MOST_BETWEEN;
    let mut named = false;
    loop {
        let c = text.get(start..)?.chars().next()?;
        if c.is_whitespace() || ":#=-.(+,".contains(c) {
            start += c.len_utf8();
        } else if let Some(joint) = JOINTS.iter().chain(NAMED).find(|joint| starts_with(text, start, joint)) {
            named |= NAMED.contains(joint);
            start += joint.len();
        } else {
            return Some((start, named));
        }
        if start > most {
            return None;
        }
    }
}

/// The number of a telephone, a document or an account after the word that announces it.
fn number(text: &str, announced: usize, class: Class, shortest: usize) -> Option<Span> {
    let (start, _) = joined(text, announced)?;
    let (fewest, most) = match class {
        Class::Phone => (shortest, 15),
        Class::Account => (5, 19),
        _ => (5, 18),
    };
    let fewest_chars = fewest.min(6).max(shortest.min(6));
    let (mut next, mut chars, mut digits, mut figures, mut end) = (start, 0, 0, None, None);
    while chars < LONGEST_NUMBER {
        let after = end_of(text, next, |c| c.is_ascii_alphanumeric(), LONGEST_NUMBER);
        let group = text.get(next..after)?;
        let count = group.bytes().filter(u8::is_ascii_digit).count();
        // Letters of a series may stand among the first digits of a document.
        let is_series = class == Class::NationalId && digits < fewest && (1..=3).contains(&group.len());
        let is_long = class == Class::NationalId && count >= 5;
        let is_part = count > 0 && (group.len() <= count + 3 || is_long) || count == 0 && is_series;
        // A date of birth is part of many numbers, but of none of a telephone.
        let is_over = class == Class::Phone && figures.is_some() && is_date(text, next);
        if !is_part || is_over || digits + count > most {
            break;
        }
        if count > 0 {
            figures = figures.or(Some(next));
        }
        (chars, digits) = (chars + group.len(), digits + count);
        if digits >= fewest && chars >= fewest_chars {
            end = Some(after);
        }
        next = end_of(text, after, |c| " -._/()\r\n".contains(c), MOST_APART);
        if next == after {
            next = end_of(text, after, |c| c == ',', 1);
        }
        if next == after {
            break;
        }
    }
    let end = end?;
    (!is_date(text, figures?)).then_some(Span { start, end, class })
}

/// The name of somebody in a messenger after the word for it: it has a digit, or it is called a name.
fn handle(text: &str, announced: usize) -> Option<Span> {
    let (start, named) = joined(text, announced)?;
    let end = end_of(text, start, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'), LONGEST_HANDLE);
    let name = text.get(start..end)?.trim_end_matches(['-', '.']);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let told = named || text.get(announced..start)?.contains([':', '=', '是']);
    let shortest = if text.get(..start)?.ends_with('@') { 3 } else { 6 };
    let fits = name.len() >= shortest && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let unlike = name.contains('_') || digits > 2 || told && digits > 0 || named;
    (fits && unlike).then_some(Span { start, end: start + name.len(), class: Class::Phone })
}

/// Whether a date begins at a place, such as 2026-03-01, 20260301 or 1.3.2026, or years from one to another.
pub(super) fn is_date(text: &str, at: usize) -> bool {
    let end = end_of(text, at, |c| c.is_ascii_digit() || " -./_,".contains(c), LONGEST_DATE);
    let mut figures = text.get(at..end).unwrap_or_default().split(|c: char| !c.is_ascii_digit());
    let (first, second, third) = (figures.next(), figures.next(), figures.next());
    let within = |figure: Option<&str>, most: u16| {
        figure.is_some_and(|figure| {
            figure.len() <= 2 && figure.parse().is_ok_and(|value: u16| (1..=most).contains(&value))
        })
    };
    let is_year =
        |figure: Option<&str>| figure.is_some_and(|it| it.len() == 4 && (it.starts_with("19") || it.starts_with("20")));
    let unbroken = first
        .filter(|figure| figure.len() == 8)
        .is_some_and(|figure| is_year(figure.get(..4)) && within(figure.get(4..6), 12) && within(figure.get(6..), 31));
    unbroken
        || is_year(first) && is_year(second)
        || is_year(first) && within(second, 12) && within(third, 31)
        || within(first, 31) && within(second, 31) && is_year(third)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::fold;
    use alloc::format;

    #[test]
    fn every_announcement_is_heard() {
        let mut heard = 0;
        for c in '\0'..='\u{ffff}' {
            for (word, kind) in announcements(c) {
                assert!(word.starts_with(c) && fold::folded(word) == *word, "{word}");
                let class = match kind {
                    Announced::Record => Class::RecordNumber,
                    Announced::Number(class) => *class,
                    Announced::Handle => Class::Phone,
                };
                for word in [word.to_ascii_lowercase(), word.to_ascii_uppercase()] {
                    let mut spans = Vec::new();
                    find(&format!("{word}: A1234567"), true, &mut spans);
                    let expected = (class, word.len() + 10);
                    // "medical record number" ends as "record number" does.
                    let all = spans.iter().map(|span| (span.class, span.end)).collect::<Vec<_>>();
                    assert!(!all.is_empty() && all.iter().all(|found| *found == expected), "{word}");
                    heard += 1;
                }
            }
        }
        assert!(heard > 100);
    }
}
