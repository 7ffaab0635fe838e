//! Spells a text anew for a second look: without markup, and with one character for those that look alike.
//!
//! Guarantee: the second look only adds to the first. So a name within a tag, or a word in another script, is found as if
//! there were no second one. Texts of plain words and figures are not looked at twice.
//!
//! Mechanism: tags of HTML become line ends, or nothing within a line. Entities of HTML, escapes of URLs and of JSON become
//! their characters. In a figure, letters that look like a zero or a one are digits. `alike` has the other letters.

use super::alike;
use super::fold::{Folded, Folding};

/// The longest tag of HTML, in bytes.
const LONGEST_TAG: usize = 256;
/// Tags that part no words. `<wbr>` says where a word may be broken.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];
/// Tags that part lines or cells.
const BLOCK: &[&str] = &[
    "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "table", "tbody", "td",
    "th", "tr", "ul",
];
/// Entities of HTML that stand for one character.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("apos", '\''),
    ("colon", ':'),
    ("commat", '@'),
    ("dash", '-'),
    ("emsp", ' '),
    ("ensp", ' '),
    ("gt", '>'),
    ("hyphen", '-'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lt", '<'),
    ("mdash", '-'),
    ("middot", '·'),
    ("minus", '-'),
    ("nbsp", ' '),
    ("ndash", '-'),
    ("numsp", ' '),
    ("period", '.'),
    ("plus", '+'),
    ("quot", '"'),
    ("rpar", ')'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
    ("szlig", 'ß'),
    ("thinsp", ' '),
    ("zwj", '\u{ad}'),
    ("zwnj", '\u{ad}'),
];
/// The ends of the names of letters with an accent, which folding leaves aside: `&uuml;`, `&Eacute;`.
const ACCENTS: &[&str] = &["acute", "grave", "circ", "uml", "tilde", "cedil", "ring", "slash", "caron"];

/// What stands at a place: its length in bytes, and its character if it has one.
type Piece = (usize, Option<char>);

/// Whether a text may be spelt in another way, apart from letters that look alike.
pub(super) fn is_needed(text: &str) -> bool {
    // Counting all of them takes less time than stopping at the first.
    if text.bytes().filter(|b| matches!(b, b'<' | b'&' | b'%' | b'\\')).count() > 0 {
        return true;
    }
    let is_figure = |(a, b): (u8, u8)| a.is_ascii_digit() && is_like_digit(b) || is_like_digit(a) && b.is_ascii_digit();
    text.bytes().zip(text.bytes().skip(1)).filter(|pair| is_figure(*pair)).count() > 0
}

/// The text, folded, in its other spelling.
pub(super) fn respelt(text: &str) -> Folded<'static> {
    let mut folding = Folding::new(text);
    // The end of a figure, in which letters may be digits; whether a letter or digit stands before.
    let (mut at, mut figure, mut in_word) = (0, 0, false);
    while let Some(rest) = text.get(at..)
        && let Some(c) = rest.chars().next()
    {
        if c.is_ascii_alphanumeric() && !in_word {
            let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            figure = if is_figure(rest.get(..length).unwrap_or_default()) { at + length } else { 0 };
        }
        in_word = c.is_ascii_alphanumeric();
        let (length, piece) = piece(rest, c).unwrap_or((c.len_utf8(), Some(c)));
        match piece {
            Some('o' | 'O') if at < figure => folding.fold(at, '0', |c| c),
            Some('l' | 'I' | 'i') if at < figure => folding.fold(at, '1', |c| c),
            Some(c) => folding.fold(at, alike::drawn(c), alike::one),
            None => {}
        }
        at += length;
    }
    folding.end(text)
}

fn is_like_digit(b: u8) -> bool {
    matches!(b, b'o' | b'O' | b'l' | b'I' | b'i')
}

/// Whether a word is a figure with letters for digits: `l38OO`.
fn is_figure(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    digits > 1 && word.len() > 2 && word.bytes().all(|b| b.is_ascii_digit() || is_like_digit(b))
}

fn piece(rest: &str, c: char) -> Option<Piece> {
    match c {
        '<' => tag(rest, "<", ">"),
        '&' => tag(rest, "&lt;", "&gt;").or_else(|| entity(rest)),
        '%' => percent(rest),
        '\\' => escape(rest),
        _ => None,
    }
}

/// A tag or a comment of HTML.
fn tag(rest: &str, open: &str, close: &str) -> Option<Piece> {
    let inner = rest.strip_prefix(open)?;
    // A tag that is never closed is looked at up to the next.
    let is_at =
        |at: usize, sign: &str| inner.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(sign.as_bytes()));
    let length = (0..inner.len().min(LONGEST_TAG)).find(|at| is_at(*at, open) || is_at(*at, close))?;
    if !is_at(length, close) {
        return None;
    }
    let (inner, end) = (inner.get(..length)?, open.len() + length + close.len());
    if inner.starts_with("!--") {
        return Some((end, None));
    }
    let name = inner.strip_prefix('/').unwrap_or(inner);
    let name = name.split(|c: char| c.is_ascii_whitespace() || c == '/').next()?;
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is(INLINE) { Some((end, None)) } else { is(BLOCK).then_some((end, Some('\n'))) }
}

/// An entity of HTML, perhaps escaped once more: `&amp;nbsp;`.
fn entity(rest: &str) -> Option<Piece> {
    const LONGEST: usize = 12;
    let name = rest.strip_prefix('&')?;
    let name = name.strip_prefix("amp;").unwrap_or(name);
    let before = rest.len() - name.len();
    let length = name.bytes().take(LONGEST).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    let is_closed = name.as_bytes().get(length) == Some(&b';');
    let end = before + length + usize::from(is_closed);
    let word = name.get(..length)?;
    if let Some(number) = word.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return Some((end, Some(char::from_u32(code)?)));
    }
    if is_closed && let Some((_, c)) = ENTITIES.iter().find(|(entity, _)| *entity == word) {
        return Some((end, Some(*c)));
    }
    // Browsers take this one without its end, and a figure often follows.
    if name.starts_with("nbsp") {
        return Some((before + 4, Some(' ')));
    }
    let letter = word.chars().next().filter(char::is_ascii_alphabetic)?;
    (is_closed && ACCENTS.contains(&word.get(1..)?)).then_some((end, Some(letter)))
}

/// A sign that a URL escapes. A blank becomes a sign that ends no URL.
fn percent(rest: &str) -> Option<Piece> {
    let c = match rest.get(1..3)? {
        "20" => '_',
        "2B" | "2b" => '+',
        "2D" | "2d" => '-',
        "2E" | "2e" => '.',
        "40" => '@',
        _ => return None,
    };
    Some((3, Some(c)))
}

/// A character that JSON escapes, in a text that was escaped twice.
fn escape(rest: &str) -> Option<Piece> {
    match rest.as_bytes().get(1)? {
        b'n' | b'r' | b't' => Some((2, Some('\n'))),
        b'u' => {
            let code = rest.get(2..6).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            Some((6, Some(char::from_u32(u32::from_str_radix(code, 16).ok()?)?)))
        }
        _ => None,
    }
}
