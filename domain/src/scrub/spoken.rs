//! Finds numbers and addresses in words: `five five five one two ...`, `anna at example dot com`.
//!
//! Guarantee: each word is read once, and a few words around the word for an at sign.
//!
//! Mechanism: a number is a row of words for single digits, with figures among them or not. A row counts if it is as long
//! as a telephone number, and neither counts up nor down, nor has only the small digits of answers.
//!
//! Not for: numbers in pairs, as French says them (`zéro six douze`), and digits of languages that are not in the table.
//! Chinese numerals are digits after folding.

use alloc::string::String;
use alloc::vec::Vec;

use super::addresses::start_of;
use super::numbers::is_resident;
use super::words::{end_of, is_date, starts_with};
use super::{Class, Span, is_cjk, is_unspaced};

/// The fewest digits of a number in words, and the most.
const DIGITS: core::ops::RangeInclusive<usize> = 7..=19;
/// The fewest words for digits that follow each other in a number.
const FEWEST_WORDS: usize = 3;
/// The fewest words of a number with figures.
const FEWEST_MIXED: usize = 4;
/// The fewest digits of a number that stands as a list stands, or has small digits only.
const FEWEST_LISTED: usize = 10;
/// The most separators between two words.
const MOST_APART: usize = 3;
/// The most digits of a figure in a number.
const LONGEST_FIGURE: usize = 4;

/// A word of a number.
#[derive(Clone, Copy)]
enum Word {
    Digit(u8),
    /// The next digit, this many times.
    Times(u8),
}

use Word::{Digit, Times};

/// The words that begin with a folded character: those of Chinese in Latin letters, Dutch, English, French, German, Italian,
/// Korean, Polish, Portuguese, Russian, Spanish and Turkish. A longer word comes before the word that it begins with.
fn words(first: char) -> &'static [(&'static str, Word)] {
    match first {
        'a' => &[("acht", Digit(8))],
        'b' => &[("bir", Digit(1)), ("bes", Digit(5)), ("ba", Digit(8))],
        'c' => &[
            ("cuatro", Digit(4)),
            ("cztery", Digit(4)),
            ("cinque", Digit(5)),
            ("cinco", Digit(5)),
            ("cinq", Digit(5)),
            ("cero", Digit(0)),
        ],
        'd' => &[
            ("dziewiec", Digit(9)),
            ("double", Times(2)),
            ("doppel", Times(2)),
            ("dokuz", Digit(9)),
            ("deux", Digit(2)),
            ("dois", Digit(2)),
            ("dort", Digit(4)),
            ("drei", Digit(3)),
            ("drie", Digit(3)),
            ("dos", Digit(2)),
            ("due", Digit(2)),
            ("dwa", Digit(2)),
        ],
        'e' => &[("eight", Digit(8)), ("eins", Digit(1)), ("een", Digit(1)), ("ein", Digit(1)), ("er", Digit(2))],
        'f' => &[("fuenf", Digit(5)), ("funf", Digit(5)), ("five", Digit(5)), ("four", Digit(4))],
        'h' => &[("huit", Digit(8))],
        'i' => &[("iki", Digit(2))],
        'j' => &[("jeden", Digit(1)), ("jiu", Digit(9))],
        'l' => &[("ling", Digit(0)), ("liu", Digit(6))],
        'n' => &[
            ("naught", Digit(0)),
            ("nought", Digit(0)),
            ("negen", Digit(9)),
            ("nueve", Digit(9)),
            ("neuf", Digit(9)),
            ("neun", Digit(9)),
            ("nine", Digit(9)),
            ("nove", Digit(9)),
            ("null", Digit(0)),
            ("nul", Digit(0)),
        ],
        'o' => &[
            ("osiem", Digit(8)),
            ("ocho", Digit(8)),
            ("oito", Digit(8)),
            ("otto", Digit(8)),
            ("one", Digit(1)),
            ("oh", Digit(0)),
            ("o", Digit(0)),
        ],
        'p' => &[("piec", Digit(5))],
        'q' => &[("quattro", Digit(4)), ("quatre", Digit(4)), ("quatro", Digit(4)), ("qi", Digit(7))],
        's' => &[
            ("sieben", Digit(7)),
            ("siedem", Digit(7)),
            ("sechs", Digit(6)),
            ("sekiz", Digit(8)),
            ("szesc", Digit(6)),
            ("sette", Digit(7)),
            ("seven", Digit(7)),
            ("siete", Digit(7)),
            ("sifir", Digit(0)),
            ("seis", Digit(6)),
            ("sept", Digit(7)),
            ("sete", Digit(7)),
            ("san", Digit(3)),
            ("sei", Digit(6)),
            ("six", Digit(6)),
            ("si", Digit(4)),
        ],
        't' => &[
            ("triple", Times(3)),
            ("treble", Times(3)),
            ("three", Digit(3)),
            ("trois", Digit(3)),
            ("tres", Digit(3)),
            ("trzy", Digit(3)),
            ("twee", Digit(2)),
            ("tre", Digit(3)),
            ("two", Digit(2)),
        ],
        'u' => &[("une", Digit(1)), ("uno", Digit(1)), ("uc", Digit(3)), ("um", Digit(1)), ("un", Digit(1))],
        'v' => &[("vier", Digit(4)), ("vijf", Digit(5))],
        'w' => &[("wu", Digit(5))],
        'y' => &[("yedi", Digit(7)), ("yao", Digit(1)), ("yi", Digit(1))],
        'z' => &[("zeven", Digit(7)), ("zero", Digit(0)), ("zwei", Digit(2)), ("zes", Digit(6)), ("zwo", Digit(2))],
        'в' => &[("восемь", Digit(8))],
        'д' => &[("девять", Digit(9)), ("два", Digit(2))],
        'н' => &[("ноль", Digit(0)), ("нуль", Digit(0))],
        'о' => &[("один", Digit(1))],
        'п' => &[("пять", Digit(5))],
        'с' => &[("семь", Digit(7))],
        'т' => &[("три", Digit(3))],
        'ч' => &[("четыре", Digit(4))],
        'ш' => &[("шесть", Digit(6))],
        // The digits of a number in Korean, one syllable each, in letters.
        '\u{1100}' => &[("\u{1100}\u{1169}\u{11bc}", Digit(0)), ("\u{1100}\u{116e}", Digit(9))],
        '\u{1109}' => &[("\u{1109}\u{1161}\u{11b7}", Digit(3)), ("\u{1109}\u{1161}", Digit(4))],
        '\u{110b}' => &[
            ("\u{110b}\u{1167}\u{11bc}", Digit(0)),
            ("\u{110b}\u{1175}\u{11af}", Digit(1)),
            ("\u{110b}\u{1172}\u{11a8}", Digit(6)),
            ("\u{110b}\u{1175}", Digit(2)),
            ("\u{110b}\u{1169}", Digit(5)),
        ],
        '\u{110e}' => &[("\u{110e}\u{1175}\u{11af}", Digit(7))],
        '\u{1111}' => &[("\u{1111}\u{1161}\u{11af}", Digit(8))],
        _ => &[],
    }
}

/// The words for an at sign.
const AT: &[&str] = &["at", "arobase", "arroba", "chiocciola", "klammeraffe", "собака", "艾特", "圈a"];
/// The words for a dot. Decimals in English have the last one.
const DOT: &[&str] = &["dot", "punkt", "punto", "ponto", "точка", "点", "點", "point"];
/// The hosts where people have their e-mail.
const HOSTS: &[&str] = &[
    "126",
    "139",
    "163",
    "aol",
    "foxmail",
    "gmail",
    "gmx",
    "googlemail",
    "hotmail",
    "icloud",
    "live",
    "mail",
    "msn",
    "naver",
    "outlook",
    "proton",
    "protonmail",
    "qq",
    "sina",
    "web",
    "yahoo",
    "yandex",
    "yeah",
];

/// The ends of addresses that stand in sentences with the word `at` and no other sign.
const ENDS: &[&str] = &["cn", "com", "de", "edu", "fr", "net", "org", "ru", "uk"];
/// The most dots in a name or a host.
const MOST_LABELS: usize = 4;
/// The longest label of a host, and the longest of its ends.
const LONGEST_LABEL: usize = 63;
const LONGEST_END: usize = 12;

/// Finds the numbers and addresses in a text, folded or of ASCII.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let (mut at, mut before) = (0, b' ');
    while let Some(b) = bytes.get(at).copied() {
        let begins = match b {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => !before.is_ascii_alphanumeric(),
            // The first byte of Cyrillic, Korean and Chinese.
            0xd0..=0xe9 => !before.is_ascii_alphanumeric() || b > 0xe3,
            _ => false,
        };
        before = b;
        if b == b'@' || b == b'#' {
            spans.extend(address(text, at, at + 1));
        } else if begins && b.is_ascii_digit() && !before_word(bytes, at) {
            // Most figures stand among other words and figures.
        } else if begins && (b.is_ascii() || is_known(text, at, b)) {
            let run = Run::read(text, at);
            if run.next > at {
                spans.extend(run.span(at));
                (at, before) = (run.next, bytes.get(run.next - 1).copied().unwrap_or(b' '));
                continue;
            }
            if matches!(b | 0x20, b'a' | b'c' | b'k') || b > 0x7f {
                let word = AT.iter().find(|word| starts_with(text, at, word));
                spans.extend(word.and_then(|word| address(text, at, at + word.len())));
            }
        }
        at += 1;
    }
}

/// Whether some word begins with the letter at a place, and with this byte.
fn is_known(text: &str, at: usize, b: u8) -> bool {
    let first = text.get(at..).and_then(|rest| rest.chars().next());
    let is_at = |c: char| AT.iter().any(|word| word.as_bytes().first() == Some(&b) && word.starts_with(c));
    first.is_some_and(|c| !words(c).is_empty() || is_at(c))
}

/// Whether a text has a number or an address in words.
pub(super) fn has_any(text: &str) -> bool {
    let mut spans = Vec::new();
    find(text, &mut spans);
    !spans.is_empty()
}

/// Whether a word follows the short figure at a place.
fn before_word(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let after = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let next = rest.iter().skip(after).take(MOST_APART + 1).find(|b| b.is_ascii_alphanumeric() || !b.is_ascii());
    after <= LONGEST_FIGURE && next.is_some_and(|b| !b.is_ascii_digit())
}

/// Whether a letter stands at a place that belongs to the word before it.
fn goes_on(text: &str, at: usize) -> bool {
    text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_alphabetic() && !is_unspaced(c))
}

/// A row of words and figures.
#[derive(Clone, Copy)]
struct Run {
    /// The digits as characters.
    digits: [u8; 20],
    len: usize,
    /// The number of words, and of those that follow each other last and at most.
    words: usize,
    row: usize,
    longest: usize,
    /// Whether there is a figure; whether a comma or a line end stands between any two.
    mixed: bool,
    listed: bool,
    /// Whether one stands after the last.
    ends_item: bool,
    end: usize,
    /// Where the next word stands, which is none of the row.
    next: usize,
}

impl Run {
    /// Reads the row that begins at a place.
    fn read(text: &str, start: usize) -> Self {
        let empty = Run {
            digits: [0; 20],
            len: 0,
            words: 0,
            row: 0,
            longest: 0,
            mixed: false,
            listed: true,
            ends_item: true,
            end: start,
            next: start,
        };
        let (mut run, mut times) = (empty, 1);
        loop {
            let Some(c) = text.get(run.next..).and_then(|rest| rest.chars().next()) else { return run };
            let mut longer = run;
            longer.listed &= run.ends_item;
            if c.is_ascii_digit() {
                let after = end_of(text, run.next, |c| c.is_ascii_digit(), LONGEST_FIGURE + 1);
                let figure = text.get(run.next..after).unwrap_or_default();
                if figure.len() > LONGEST_FIGURE {
                    return run;
                }
                figure.bytes().for_each(|digit| longer.push(digit));
                (longer.mixed, longer.row, longer.next, longer.end) = (true, 0, after, after);
            } else {
                let known = words(c.to_ascii_lowercase());
                let Some((word, kind)) = known.iter().find(|(word, _)| starts_with(text, run.next, word)) else {
                    return run;
                };
                longer.next += word.len();
                match kind {
                    Times(more) => times = *more,
                    Digit(digit) => {
                        (0..core::mem::replace(&mut times, 1)).for_each(|_| longer.push(b'0' + digit));
                        (longer.words, longer.row) = (longer.words + 1, longer.row + 1);
                        (longer.longest, longer.end) = (longer.longest.max(longer.row), longer.next);
                    }
                }
            }
            let after = longer.next;
            longer.next = end_of(text, after, |c| !c.is_alphanumeric() && c != '@', MOST_APART);
            // Words may stand together, but the last one is whole.
            if longer.next == after && goes_on(text, after) {
                let whole = Run::is_word(text, after);
                if !whole {
                    return run;
                }
            }
            let between = text.get(after..longer.next).unwrap_or_default();
            longer.ends_item = between.contains([',', ';', '\n', '，', '、']);
            run = longer;
        }
    }

    fn is_word(text: &str, at: usize) -> bool {
        let first = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
        words(first.to_ascii_lowercase()).iter().any(|(word, _)| starts_with(text, at, word))
    }

    fn push(&mut self, digit: u8) {
        if let Some(place) = self.digits.get_mut(self.len) {
            *place = digit;
            self.len += 1;
        }
    }

    /// The row from its start, if it is a number of somebody.
    fn span(&self, start: usize) -> Option<Span> {
        let fewest = if self.mixed { FEWEST_MIXED } else { FEWEST_WORDS };
        if self.longest < FEWEST_WORDS || self.words < fewest || !DIGITS.contains(&self.len) {
            return None;
        }
        let digits = self.digits.get(..self.len)?;
        let step = |step: u8| digits.iter().zip(digits.iter().skip(1)).all(|(a, b)| a.wrapping_add(step) == *b);
        let counts = step(0) || step(1) || step(u8::MAX);
        let is_small = self.listed || digits.iter().all(|digit| *digit < b'5');
        let text: String = digits.iter().copied().map(char::from).collect();
        if counts || is_small && self.len < FEWEST_LISTED || is_date(&text, 0) {
            return None;
        }
        let class = if is_resident(digits, None) { Class::NationalId } else { Class::Phone };
        Some(Span { start, end: self.end, class })
    }
}

/// The e-mail address around a word or a sign that stands for an at sign.
fn address(text: &str, start: usize, end: usize) -> Option<Span> {
    let sign = text.get(start..end)?;
    // Nearly every address with a sign has one for its dots.
    if sign == "@" && text.get(end..)?.bytes().take(LONGEST_LABEL).find(|b| !b.is_ascii_alphanumeric()) == Some(b'.') {
        return None;
    }
    let (before, after) = (around(text, start, true), around(text, end, false));
    let is_marked = |part: &str| part.contains(|c: char| !c.is_whitespace());
    let marked = is_marked(text.get(before..start)?) && is_marked(text.get(end..after)?);
    let is_word = sign.len() > 1;
    // A word of a sentence has blanks around it.
    if is_word && (before == start || after == end) && sign.is_ascii() {
        return None;
    }
    // The host: labels with dots between, in signs or words.
    let is_label = |c: char| c.is_alphanumeric() && !is_cjk(c) || c == '-';
    let label_end = |at: usize| {
        let end = end_of(text, at, is_label, LONGEST_LABEL);
        at + text.get(at..end).and_then(|label| label.find("-dot-")).unwrap_or(end - at)
    };
    let mut stop = label_end(after);
    let host = text.get(after..stop)?;
    let (mut last, mut said) = ("", false);
    for _ in 0..MOST_LABELS {
        let Some((begin, is_said)) = dot(text, stop, sign) else { break };
        let label = text.get(begin..label_end(begin))?.trim_end_matches('-');
        if label.is_empty() {
            break;
        }
        (last, stop, said) = (label, begin + label.len(), said || is_said);
    }
    let is_host = HOSTS.iter().any(|known| known.eq_ignore_ascii_case(host));
    let is_end = (2..=LONGEST_END).contains(&last.len()) && last.chars().all(char::is_alphabetic);
    let may_fit = match sign {
        // Both stand in addresses that `email` finds, and in notes.
        "@" => said,
        "#" => is_host && !last.is_empty(),
        _ => said || marked || is_host || ENDS.contains(&last),
    };
    let is_number = said && Run::is_word(text, stop - last.len());
    if !may_fit || !is_end || is_number {
        return None;
    }
    // The name before it, perhaps with dots in words.
    let is_local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let mut first = start_of(text, before, is_local);
    let name = text.get(first..before)?.trim_start_matches(['.', '-', '_']);
    for _ in 0..MOST_LABELS {
        first = dotted(text, first).unwrap_or(first);
    }
    let is_mixed =
        name.contains(['.', '_']) || name.contains(|c: char| c.is_ascii_digit()) && name.parse::<u64>().is_err();
    let fits = said || marked || is_host || is_mixed;
    (fits && !name.is_empty()).then_some(Span { start: first, end: stop, class: Class::Email })
}

/// The place before or after the blanks and brackets around a sign: ` (at) `, `_at_`.
fn around(text: &str, at: usize, backwards: bool) -> usize {
    let is_around = |c: &char| matches!(c, ' ' | '\t' | '_' | '-' | '*' | '|') || is_bracket(*c);
    let length = |chars: &mut dyn Iterator<Item = char>| -> usize {
        chars.take(MOST_APART).take_while(is_around).map(char::len_utf8).sum()
    };
    match text.split_at_checked(at) {
        Some((before, _)) if backwards => at - length(&mut before.chars().rev()),
        Some((_, after)) => at + length(&mut after.chars()),
        None => at,
    }
}

fn is_apart(c: char) -> bool {
    matches!(c, ' ' | '-' | '_') || is_bracket(c)
}

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '（' | '）' | '【' | '】')
}

/// The place after a dot, in a sign or in a word, and whether it was a word.
fn dot(text: &str, at: usize, sign: &str) -> Option<(usize, bool)> {
    if text.get(at..)?.starts_with('.') {
        return Some((at + 1, false));
    }
    let begin = end_of(text, at, is_apart, MOST_APART);
    let word = DOT.iter().find(|word| starts_with(text, begin, word))?;
    let end = begin + word.len();
    let after = end_of(text, end, is_apart, MOST_APART);
    let alone = !word.is_ascii() || begin > at && after > end;
    // Decimals have a point: `at one point five`.
    (alone && (*word != "point" || !sign.eq_ignore_ascii_case("at"))).then_some((after, true))
}

/// The start of a name that stands before a dot in a word: `anna dot m`.
fn dotted(text: &str, at: usize) -> Option<usize> {
    let blank = start_of(text, at, |c| c == ' ').max(at.saturating_sub(1));
    let before = text.get(..blank)?;
    let word = DOT
        .iter()
        .find(|word| before.len().checked_sub(word.len()).is_some_and(|begin| starts_with(text, begin, word)))?;
    let end = before.len() - word.len();
    let name = end - text.get(..end)?.chars().rev().take_while(|c| *c == ' ').take(1).count();
    let start = start_of(text, name, |c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (start < name && name < end && blank < at).then_some(start)
}
