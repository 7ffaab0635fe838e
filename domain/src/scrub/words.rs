//! Finds identities by their signs and words: e-mail addresses, URLs, and numbers that are called by name, such as
//! medical record numbers, telephones and passports.

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
];
/// Words that announce a number which a state gave, in lower case. A longer word comes before the word it begins with.
const NATIONAL_WORDS: &[&str] = &[
    "social security number",
    "social security no",
    "social security",
    "national insurance number",
    "national insurance no",
    "national id",
    "identity number",
    "identity card",
    "id card",
    "id number",
    "passport",
    "ssn",
    "nino",
    "cpf",
    "nhs number",
    "nhs no",
    "aadhaar",
    "reisepass",
    "护照",
    "身份证",
    "身份号",
    "社保",
    "社会保障",
    "通行证",
];
/// Words that announce a telephone number or an account of a messenger, in lower case.
const PHONE_WORDS: &[&str] = &[
    "telephone",
    "tel",
    "phone",
    "mobile",
    "cellphone",
    "cell",
    "fax",
    "whatsapp",
    "wechat",
    "weixin",
    "qq",
    "电话",
    "手机",
    "座机",
    "传真",
    "微信",
    "致电",
    "联系方式",
];
/// Words between an announcement and its number.
const JOINTS: &[&str] = &["number", "no", "nr", "num", "is", "号码", "证号", "卡号", "号", "是", "为", "：", "："];
/// How an address in Chinese, Japanese or Korean ends. A sentence may follow without a space.
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

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    // The end of the last URL, so that no URL is examined twice.
    let mut done = 0;
    for (at, c) in text.char_indices() {
        match c {
            '@' => spans.extend(email(text, at)),
            ':' if at >= done && starts_with(text, at, "://") => done = url(text, at, 3, spans),
            'w' | 'W' if at >= done && starts_with(text, at, "www.") && begins_word(text, at) => {
                done = url(text, at, 4, spans);
            }
            _ if may_announce(c) => spans.extend(record_number(text, at).or_else(|| announced(text, at))),
            _ => {}
        }
    }
}

/// Whether one of the words begins with this character.
fn may_announce(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'a' | 'c' | 'f' | 'h' | 'i' | 'm' | 'n' | 'p' | 'q' | 'r' | 's' | 't' | 'w')
        || matches!(
            c,
            '住' | '医' | '就' | '患' | '护' | '病' | '门' | '身' | '社' | '通' | '电' | '手' | '座' | '传' | '微'
        )
        || matches!(c, '致' | '联')
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
        let native = label.chars().take_while(|c| is_cjk(*c)).count();
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
        } else if c.is_whitespace() && c != '\n' || is_cjk(c) || ":#=-.".contains(c) {
            start += c.len_utf8();
        } else {
            return None;
        }
    }
    None
}

/// The number that follows a word for a telephone, a passport or a number of social security.
fn announced(text: &str, at: usize) -> Option<Span> {
    if text.as_bytes().get(at)?.is_ascii() && !begins_word(text, at) {
        return None;
    }
    let word = |words: &[&'static str]| words.iter().copied().find(|word| starts_with(text, at, word));
    let (word, class) = word(NATIONAL_WORDS)
        .map(|word| (word, Class::NationalId))
        .or_else(|| word(PHONE_WORDS).map(|word| (word, Class::Phone)))?;
    let mut start = at + word.len();
    let most = start + MOST_BETWEEN;
    // Not a longer word that begins with it.
    if word.is_ascii() && text.get(start..)?.chars().next()?.is_ascii_alphabetic() {
        return None;
    }
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
