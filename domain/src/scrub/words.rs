//! Finds identities by their signs and words: e-mail addresses, URLs, and numbers that are called by name, such as
//! medical record numbers, telephones and passports.

use alloc::vec::Vec;

use super::Class::{self, NationalId, Phone, RecordNumber};
use super::{Span, is_cjk};

/// Words between an announcement and its number.
const JOINTS: &[&str] = &["number", "no", "nr", "num", "is", "号码", "证号", "卡号", "号", "是", "为", "：", "："];
/// The ends of addresses in Chinese, Japanese or Korean. A sentence may follow without a space.
const DOMAINS: &[&str] = &[
    "中国",
    "中國",
    "公司",
    "网络",
    "網絡",
    "香港",
    "台湾",
    "台灣",
    "新加坡",
    "澳门",
    "澳門",
    "中文网",
    "在线",
    "网址",
    "网站",
    "网店",
    "商城",
    "商店",
    "集团",
    "机构",
    "政务",
    "公益",
    "移动",
    "信息",
    "健康",
    "慈善",
    "大学",
    "测试",
    "測試",
    "世界",
    "みんな",
    "コム",
];
/// The most bytes between the announcement and the number.
const MOST_BETWEEN: usize = 16;
/// The longest record number, in characters.
const LONGEST_NUMBER: usize = 40;
/// The longest part of an address that is examined, in characters.
const LONGEST: usize = 254;

/// Finds the identities in a folded text. `has_numbers`: it has a digit, as everything has that is announced.
pub(super) fn find(text: &str, has_numbers: bool, spans: &mut Vec<Span>) {
    // The end of the last URL, so that no URL is examined twice.
    let mut done = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let begins = !in_word;
        in_word = c.is_ascii_alphanumeric();
        match c {
            '@' => spans.extend(email(text, at)),
            ':' if at >= done && starts_with(text, at, "://") => done = url(text, at, 3, spans),
            'w' | 'W' if at >= done && starts_with(text, at, "www.") && begins_word(text, at) => {
                done = url(text, at, 4, spans);
            }
            _ if has_numbers && (begins || !c.is_ascii()) => spans.extend(announced(text, at, c)),
            _ => {}
        }
    }
}

/// The words that announce a number and begin with a character in lower case. A longer word comes before the word that it
/// begins with.
fn announcements(first: char) -> &'static [(&'static str, Class)] {
    match first {
        'a' => &[("aadhaar", NationalId)],
        'c' => &[
            ("chart number", RecordNumber),
            ("cellphone", Phone),
            ("chart no", RecordNumber),
            ("cell", Phone),
            ("cpf", NationalId),
        ],
        'f' => &[("fax", Phone)],
        'h' => &[("hospital number", RecordNumber), ("hospital no", RecordNumber)],
        'i' => &[
            ("identity number", NationalId),
            ("identity card", NationalId),
            ("id number", NationalId),
            ("id card", NationalId),
        ],
        'm' => &[
            ("medical record number", RecordNumber),
            ("medical record no", RecordNumber),
            ("medical record", RecordNumber),
            ("mobile", Phone),
            ("mrn", RecordNumber),
        ],
        'n' => &[
            ("national insurance number", NationalId),
            ("national insurance no", NationalId),
            ("national id", NationalId),
            ("nhs number", NationalId),
            ("nhs no", NationalId),
            ("nhs", NationalId),
            ("nino", NationalId),
        ],
        'p' => &[
            ("patient number", RecordNumber),
            ("patient no", RecordNumber),
            ("patient id", RecordNumber),
            ("passport number", NationalId),
            ("passport no", NationalId),
            ("passport", NationalId),
            ("passeport", NationalId),
            ("phone", Phone),
        ],
        'q' => &[("qq", Phone)],
        'r' => &[("record number", RecordNumber), ("record no", RecordNumber), ("reisepass", NationalId)],
        's' => &[
            ("social security number", NationalId),
            ("social security no", NationalId),
            ("social security", NationalId),
            ("ssn", NationalId),
        ],
        't' => &[("telephone", Phone), ("tel", Phone)],
        'w' => &[("whatsapp", Phone), ("wechat", Phone), ("weixin", Phone)],
        '传' => &[("传真", Phone)],
        '住' => &[("住院号", RecordNumber)],
        '医' => &[("医保卡号", RecordNumber), ("医保号", RecordNumber)],
        '就' => &[("就诊卡号", RecordNumber), ("就诊号", RecordNumber)],
        '座' => &[("座机", Phone)],
        '微' => &[("微信", Phone)],
        '患' => &[("患者编号", RecordNumber)],
        '手' => &[("手机", Phone)],
        '护' => &[("护照", NationalId)],
        '电' => &[("电话", Phone)],
        '病' => {
            &[("病历编号", RecordNumber), ("病历号", RecordNumber), ("病案号", RecordNumber), ("病人号", RecordNumber)]
        }
        '社' => &[("社会保障", NationalId), ("社保", NationalId)],
        '联' => &[("联系方式", Phone)],
        '致' => &[("致电", Phone)],
        '身' => &[("身份证", NationalId), ("身份号", NationalId)],
        '通' => &[("通行证", NationalId)],
        '门' => &[("门诊号", RecordNumber)],
        _ => &[],
    }
}

/// Whether a place is the start of a word: no letter or digit stands before it.
fn begins_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(char::is_alphanumeric)
}

/// Whether the text continues with `expected`, which is in lower case, at a place, in any case of ASCII letters.
fn starts_with(text: &str, at: usize, expected: &str) -> bool {
    let bytes = text.as_bytes();
    // Most differ in the first byte.
    bytes.get(at).map(u8::to_ascii_lowercase) == expected.as_bytes().first().copied()
        && bytes.get(at..at + expected.len()).is_some_and(|found| found.eq_ignore_ascii_case(expected.as_bytes()))
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
fn email(text: &str, at: usize) -> Option<Span> {
    let is_local = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
    let mut start = start_of(text, at, is_local);
    if start == at {
        start = start_of(text, at, char::is_alphanumeric);
    }
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '。');
    let end = end_of(text, at + 1, is_host, LONGEST);
    let mut host = without_sentence(text.get(at + 1..end)?);
    // The next sentence may begin without a space after the address. So the address ends with the last valid domain
    // label.
    loop {
        host = host.trim_end_matches(|c| !char::is_alphanumeric(c));
        let name = host.split(['.', '。']).next_back()?;
        let shorter = host.strip_suffix(name).filter(|shorter| !shorter.is_empty())?;
        if name.chars().count() >= 2 && name.chars().any(char::is_alphabetic) {
            break;
        }
        host = shorter;
    }
    (start < at).then_some(Span { start, end: at + 1 + host.len(), class: Class::Email })
}

/// A host without the Chinese sentence that follows it. A label after the first begins in Chinese only if it is a
/// known end of an address, or short; a label that begins in another script ends where Chinese begins.
fn without_sentence(host: &str) -> &str {
    /// The longest label that is an end of an address although nobody knows it.
    const SHORT: usize = 4;
    let mut begin = 0;
    let mut before = '@';
    loop {
        let label = host.get(begin..).unwrap_or_default();
        let end = label.find(['.', '。']).map_or(host.len(), |length| begin + length);
        let label = host.get(begin..end).unwrap_or_default();
        // Folded, a syllable of Korean has two letters or three.
        let is_later_letter = |c: &char| ('\u{1161}'..='\u{11ff}').contains(c);
        let native = label.chars().take_while(|c| is_cjk(*c)).filter(|c| !is_later_letter(c)).count();
        let is_last = end == host.len();
        let cut = match label.char_indices().find(|(_, c)| is_cjk(*c)) {
            None => None,
            // In the first label Chinese is part of the name.
            Some(_) if begin == 0 && !is_last => None,
            Some((at, _)) if native == 0 => Some(at),
            Some(_) => match DOMAINS.iter().find(|domain| label.starts_with(**domain)) {
                Some(domain) => Some(domain.len()),
                None if before == '。' || native > SHORT => Some(0),
                None => None,
            },
        };
        if let Some(cut) = cut {
            return host.get(..begin + cut).unwrap_or(host);
        }
        if is_last {
            return host;
        }
        before = host.get(end..).and_then(|rest| rest.chars().next()).unwrap_or('.');
        begin = end + before.len_utf8();
    }
}

/// Finds the URL around its mark and adds it if it has more than a host. Returns its end.
fn url(text: &str, at: usize, mark: usize, spans: &mut Vec<Span>) -> usize {
    let start = start_of(text, at, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_part = |c: char| !c.is_whitespace() && !"<>\"'“”‘’，。；、！？（）《》【】".contains(c);
    let end = end_of(text, at + mark, is_part, usize::MAX);
    let rest = text.get(at + mark..end).unwrap_or_default();
    let kept = rest.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
    let host_only = !kept.contains(['@', '?', '#', '%']) && kept.trim_end_matches('/').find('/').is_none();
    if !kept.is_empty() && !host_only {
        spans.push(Span { start, end: at + mark + kept.len(), class: Class::Url });
    }
    end
}

/// The number that a word at this place announces.
fn announced(text: &str, at: usize, c: char) -> Option<Span> {
    let mut words = announcements(c.to_ascii_lowercase()).iter();
    let (word, class) = words.find(|(word, _)| starts_with(text, at, word))?;
    let end = at + word.len();
    // Accepts "MRN", but not a longer word that begins with it. Chinese has no space between words.
    if word.is_ascii() && (!begins_word(text, at) || text.get(end..)?.starts_with(|c: char| c.is_ascii_alphabetic())) {
        return None;
    }
    match class {
        Class::RecordNumber => record_number(text, end),
        _ => number(text, end, *class),
    }
}

/// The record number after the word that announces it.
fn record_number(text: &str, announced: usize) -> Option<Span> {
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
        } else if c.is_whitespace() && c != '\n' || is_cjk(c) || ":#=-.".contains(c) {
            start += c.len_utf8();
        } else {
            return None;
        }
    }
    None
}

/// The number of a telephone or of a state after the word that announces it.
fn number(text: &str, mut start: usize, class: Class) -> Option<Span> {
    let most = start + MOST_BETWEEN;
    loop {
        let rest = text.get(start..)?;
        let c = rest.chars().next()?;
        if c.is_whitespace() || ":#=-.(+,".contains(c) {
            start += c.len_utf8();
        } else if let Some(joint) = JOINTS.iter().find(|joint| starts_with(text, start, joint)) {
            start += joint.len();
        } else {
            break;
        }
        if start > most {
            return None;
        }
    }
    let (end, chars, digits) = groups(text, start);
    let found = text.get(start..end)?;
    let (fewest, most) = if class == Class::Phone { (7, 15) } else { (5, 18) };
    let fits = (fewest..=most).contains(&digits) && chars >= 6 && !is_date(found);
    fits.then_some(Span { start, end, class })
}

/// The end of the groups of letters and digits that begin at a place, each with a digit and with one separator before
/// it; the number of letters and digits, and of digits.
fn groups(text: &str, start: usize) -> (usize, usize, usize) {
    let (mut end, mut chars, mut digits) = (start, 0, 0);
    let mut next = start;
    while chars < LONGEST_NUMBER {
        let after = end_of(text, next, |c| c.is_ascii_alphanumeric(), LONGEST_NUMBER);
        let group = text.get(next..after).unwrap_or_default();
        let count = group.bytes().filter(u8::is_ascii_digit).count();
        if count == 0 || group.len() > count + 3 {
            break;
        }
        (end, chars, digits) = (after, chars + group.len(), digits + count);
        match text.get(after..).and_then(|rest| rest.chars().next()) {
            Some(c) if " -._/,()\n".contains(c) => next = after + 1,
            _ => break,
        }
    }
    (end, chars, digits)
}

/// Whether a text begins with a date, such as 2026-03-01, 20260301 or 1.3.2026.
fn is_date(text: &str) -> bool {
    let mut figures = text.split(|c: char| !c.is_ascii_digit());
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
        || is_year(first) && within(second, 12) && within(third, 31)
        || within(first, 31) && within(second, 31) && is_year(third)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn every_announcement_is_heard() {
        let mut heard = 0;
        for c in '\0'..='\u{ffff}' {
            for (word, class) in announcements(c) {
                assert!(word.starts_with(c), "{word}");
                for word in [word.to_ascii_lowercase(), word.to_ascii_uppercase()] {
                    let mut spans = Vec::new();
                    find(&format!("{word}: A1234567"), true, &mut spans);
                    let expected = (*class, word.len() + 10);
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
