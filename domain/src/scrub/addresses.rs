//! Finds addresses by their signs: e-mail, URLs, pages of somebody on a host, and names behind an at sign.

use alloc::vec::Vec;

use unicode_normalization::char::is_combining_mark;

use super::words::{begins_word, end_of};
use super::{Class, Span, is_cjk};

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
    "ミンナ",
    "コム",
];
/// The longest part of an address that is examined, in characters.
const LONGEST: usize = 254;

/// The ends of hosts before whose paths people leave out the scheme: `t.me/somebody`.
const ENDS: &[&str] = &[
    "app", "at", "ch", "cn", "co", "com", "de", "edu", "es", "eu", "fr", "gov", "hk", "info", "io", "it", "jp", "kr",
    "link", "ly", "me", "net", "nl", "org", "page", "pl", "ru", "site", "tw", "uk", "us", "xyz",
];
/// Words of the ward behind an at sign, or what they begin with: times, places and causes.
const OCCASIONS: &[&str] = &[
    "admission",
    "afternoon",
    "approx",
    "around",
    "baseline",
    "bedtime",
    "bedside",
    "breakfast",
    "clinic",
    "cycle",
    "dinner",
    "discharge",
    "during",
    "emergency",
    "evening",
    "exertion",
    "follow",
    "hospital",
    "injection",
    "insertion",
    "maximum",
    "midday",
    "midnight",
    "minimum",
    "month",
    "morning",
    "moment",
    "nighttime",
    "office",
    "outpatient",
    "patient",
    "pharmacy",
    "physio",
    "present",
    "school",
    "screening",
    "session",
    "supper",
    "surgery",
    "therapy",
    "training",
    "treatment",
    "visit",
    "weekend",
    "wound",
];
/// The longest name behind an at sign, in characters.
const LONGEST_NICKNAME: usize = 40;
/// The fewest letters of a name behind an at sign that has neither digits nor marks.
const FEWEST_LETTERS: usize = 6;

/// The e-mail address around an at sign, which ends at another place.
pub(super) fn email(text: &str, at: usize, after: usize) -> Option<Span> {
    let is_blank = |c: char| matches!(c, ' ' | '\t');
    let is_letter = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    let is_local =
        |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c) || !is_cjk(c) && is_letter(c);
    // A blank may stand before the sign and after it.
    let local = start_of(text, at, is_blank).max(at.saturating_sub(1));
    let begin = end_of(text, after, is_blank, 1);
    let mut start = start_of(text, local, is_local);
    if start == local {
        start = start_of(text, local, |c| is_letter(c) || matches!(c, '.' | '_' | '-'));
    }
    let is_host = |c: char| is_letter(c) || matches!(c, '.' | '-' | '。' | '·' | '・');
    let end = end_of(text, begin, is_host, LONGEST);
    let mut host = without_sentence(text.get(begin..end)?);
    // The next sentence may begin without a space after the address. So the address ends with the last valid domain
    // label.
    loop {
        host = host.trim_end_matches(|c: char| !is_letter(c));
        let name = host.split(['.', '。']).next_back()?;
        let shorter = host.strip_suffix(name).filter(|shorter| !shorter.is_empty())?;
        if name.chars().count() >= 2 && name.chars().any(char::is_alphabetic) {
            break;
        }
        host = shorter;
    }
    // Apart from the sign, only what looks like a name: a dose or a score has no letter.
    let apart = local < at || begin > after;
    let ends = host.split(['.', '。']).next_back().is_some_and(|label| !label.contains(|c: char| c.is_ascii_digit()));
    let name = text.get(start..local)?;
    let named = !apart || ends && !name.ends_with('.') && name.chars().any(char::is_alphabetic);
    (start < local && named).then_some(Span { start, end: begin + host.len(), class: Class::Email })
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
pub(super) fn url(text: &str, at: usize, mark: usize, spans: &mut Vec<Span>) -> usize {
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

/// The page of somebody on a host without a scheme, by the slash after the host: `t.me/somebody`.
pub(super) fn page(text: &str, at: usize) -> Option<Span> {
    let start = start_of(text, at, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let (name, end) = text.get(start..at)?.rsplit_once('.')?;
    let is_known = ENDS.iter().any(|known| known.eq_ignore_ascii_case(end));
    let begins = begins_word(text, start) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let end = end_of(text, at + 1, |c| c.is_ascii_alphanumeric() || "-._~%@+/?=&#".contains(c), LONGEST);
    let path = text.get(at + 1..end)?.trim_end_matches(['.', '/', '?', '-']);
    (is_known && begins && !path.is_empty()).then_some(Span { start, end: at + 1 + path.len(), class: Class::Url })
}

/// A name behind an at sign, as social media write it: `@anna_m`. A word of letters only may be an occasion.
pub(super) fn nickname(text: &str, at: usize) -> Option<Span> {
    let before = text.get(..at)?.chars().next_back();
    if before.is_some_and(|c| matches!(c, '@' | '/' | ']') || c.is_alphanumeric() && !is_cjk(c)) {
        return None;
    }
    let end = end_of(text, at + 1, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'), LONGEST_NICKNAME);
    let name = text.get(at + 1..end)?.trim_end_matches(['.', '-', '_']);
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let letters = name.chars().filter(|c| is_letter(*c)).count();
    let begins = |word: &&str| name.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    let is_occasion = OCCASIONS.iter().any(begins);
    let has_mark = name.contains('_') || name.split('.').all(|part| part.starts_with(is_letter)) && name.contains('.');
    let is_name = has_mark || letters >= FEWEST_LETTERS && !is_occasion && !name.contains(['.', '-']);
    let fits = name.starts_with(is_letter) && letters > 2 && is_name;
    fits.then_some(Span { start: at, end: at + 1 + name.len(), class: Class::Phone })
}

/// The start of the accepted characters that end at a place.
pub(super) fn start_of(text: &str, at: usize, accept: impl Fn(char) -> bool) -> usize {
    let rest = text.get(..at).unwrap_or_default();
    at - rest.chars().rev().take(LONGEST).take_while(|c| accept(*c)).map(char::len_utf8).sum::<usize>()
}
