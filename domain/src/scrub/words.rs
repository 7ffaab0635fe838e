//! Finds identities by their signs and words: e-mail addresses, URLs, and numbers that are called medical record
//! numbers.

use alloc::vec::Vec;

use super::{Class, Span, is_cjk};

/// Words that announce a record number, in lower case.
const RECORD_WORDS: &[&str] = &[
    "mrn",
    "medical record number",
    "medical record no",
    "medical record",
    "record number",
    "record no",
    "hospital number",
    "hospital no",
    "patient number",
    "patient no",
    "patient id",
    "chart number",
    "chart no",
    "病历号",
    "病案号",
    "住院号",
    "门诊号",
    "就诊号",
    "就诊卡号",
    "病历编号",
    "病人号",
    "患者编号",
    "医保号",
    "医保卡号",
    "护照号",
];
/// The most bytes between the announcement and the number.
const MOST_BETWEEN: usize = 16;
/// The longest record number, in characters.
const LONGEST_NUMBER: usize = 40;
/// The longest part of an address that is examined, in characters.
const LONGEST: usize = 254;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    // The end of the last URL, so that no URL is examined twice.
    let mut done = 0;
    for (at, c) in text.char_indices() {
        match c {
            '@' | '＠' => spans.extend(email(text, at, c.len_utf8())),
            ':' if at >= done && starts_with(text, at, "://") => done = url(text, at, 3, spans),
            'w' | 'W' if at >= done && starts_with(text, at, "www.") && begins_word(text, at) => {
                done = url(text, at, 4, spans);
            }
            _ if may_announce(c) => spans.extend(record_number(text, at)),
            _ => {}
        }
    }
}

/// Whether one of the words begins with this character.
fn may_announce(c: char) -> bool {
    matches!(c, 'c' | 'h' | 'm' | 'p' | 'r' | 'C' | 'H' | 'M' | 'P' | 'R')
        || matches!(c, '住' | '医' | '就' | '患' | '护' | '病' | '门')
}

/// Whether a place is the start of a word: no letter or digit stands before it.
fn begins_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(char::is_alphanumeric)
}

/// Whether the text continues with `expected` at a place, in any case of ASCII letters.
fn starts_with(text: &str, at: usize, expected: &str) -> bool {
    let found = text.as_bytes().get(at..at + expected.len());
    found.is_some_and(|found| found.eq_ignore_ascii_case(expected.as_bytes()))
}

/// The end of the accepted characters that start at a place.
fn end_of(text: &str, at: usize, accept: impl Fn(char) -> bool, longest: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.chars().take(longest).take_while(|c| accept(*c)).map(char::len_utf8).sum::<usize>()
}

/// The start of the accepted characters that end at a place.
fn start_of(text: &str, at: usize, accept: impl Fn(char) -> bool) -> usize {
    let rest = text.get(..at).unwrap_or_default();
    at - rest.chars().rev().take(LONGEST).take_while(|c| accept(*c)).map(char::len_utf8).sum::<usize>()
}

/// The e-mail address around an at sign.
fn email(text: &str, at: usize, width: usize) -> Option<Span> {
    let is_local = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
    let mut start = start_of(text, at, is_local);
    if start == at {
        start = start_of(text, at, char::is_alphanumeric);
    }
    let is_host = |c: char| c.is_alphanumeric() && !is_cjk(c) || matches!(c, '.' | '-' | '．' | '。');
    let end = end_of(text, at + width, is_host, LONGEST);
    let mut host = text.get(at + width..end)?;
    // The next sentence may begin without a space after the address. So the address ends with the last valid domain
    // label.
    loop {
        host = host.trim_end_matches(|c| !char::is_alphanumeric(c));
        let name = host.split(['.', '．', '。']).next_back()?;
        let shorter = host.strip_suffix(name).filter(|shorter| !shorter.is_empty())?;
        if name.chars().count() >= 2 && name.chars().any(char::is_alphabetic) {
            break;
        }
        host = shorter;
    }
    (start < at).then_some(Span { start, end: at + width + host.len(), class: Class::Email })
}

/// Finds the URL around its mark and adds it if it has more than a host. Returns its end.
fn url(text: &str, at: usize, mark: usize, spans: &mut Vec<Span>) -> usize {
    let start = start_of(text, at, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_part = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"'“”‘’，。；、！？（）《》【】".contains(c);
    let end = end_of(text, at + mark, is_part, usize::MAX);
    let rest = text.get(at + mark..end).unwrap_or_default();
    let kept = rest.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
    let host_only = !kept.contains(['@', '?', '#', '%']) && kept.trim_end_matches('/').find('/').is_none();
    if !kept.is_empty() && !host_only {
        spans.push(Span { start, end: at + mark + kept.len(), class: Class::Url });
    }
    end
}

/// The number that follows an announcing word.
fn record_number(text: &str, at: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    // Not in the middle of a word. Chinese has no space between words.
    if bytes.get(at)?.is_ascii() && before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let word = RECORD_WORDS.iter().find(|word| starts_with(text, at, word))?;
    let announced = at + word.len();
    let rest = text.get(announced..)?;
    // Accepts "MRN", but not a longer word that begins with it.
    if word.is_ascii() && rest.chars().next().is_some_and(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let is_part = |c: char| c.is_alphanumeric() && !is_cjk(c) || matches!(c, '-' | '/' | '_');
    let mut start = announced;
    while start <= announced + MOST_BETWEEN {
        let c = text.get(start..)?.chars().next()?;
        if is_part(c) && c.is_alphanumeric() {
            let number = text.get(start..end_of(text, start, is_part, LONGEST_NUMBER))?;
            if number.chars().filter(|c| c.is_numeric()).count() >= 3 {
                let number = number.trim_end_matches(|c: char| !c.is_alphanumeric());
                return Some(Span { start, end: start + number.len(), class: Class::RecordNumber });
            }
            // A word in between, such as "is" or "no".
            start += number.len();
        } else if c.is_whitespace() && c != '\n' || is_cjk(c) || ":#：＃=-.".contains(c) {
            start += c.len_utf8();
        } else {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn every_announcement_is_heard() {
        for word in RECORD_WORDS {
            for word in [word.to_ascii_lowercase(), word.to_ascii_uppercase()] {
                let mut spans = Vec::new();
                find(&format!("{word}: A-123"), &mut spans);
                let (start, end) = (word.len() + 2, word.len() + 7);
                assert_eq!(spans.first(), Some(&Span { start, end, class: Class::RecordNumber }), "{word}");
            }
        }
    }
}
