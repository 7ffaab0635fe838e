//! Finds identities made of letters and digits: bank accounts (IBAN) and identity numbers.
//!
//! A code begins where a word begins, and may have single separators between its parts. The first characters decide
//! whether it is examined, and it is never longer than an IBAN.

use alloc::vec::Vec;

use super::{Class, Span, is_cjk};

/// The lengths of IBANs by country (ISO 13616, registry of SWIFT).
const LENGTHS: &[u8] = b"ad24ae23al28at20az28ba20be16bg22bh22bi27br29by28ch21cr22cy28cz24de22dj27dk18do28ee20eg29es24\
    fi18fk18fo18fr27gb22ge22gi23gl18gr27gt28hn28hr21hu28ie22il23iq23is26it27jo30kw30kz20lb28lc32li21lt20lu20lv21ly25\
    mc27md24me22mk19mn20mr27mt31mu30ni28nl18no15om23pk24pl28ps29pt25qa29ro24rs22ru33sa24sc31sd18se24si19sk24sm27\
    so23st25sv28tl23tn24tr26ua29va22vg24xk20ye30";
/// The fewest digits of a code.
pub(super) const FEWEST_DIGITS: usize = 6;
/// The longest code, characters.
const MOST: usize = 34;

/// Whether the characters of a code without separators, in lower case, have a form.
type Form = fn(&[u8]) -> bool;

/// The characters of a code without separators, in lower case, and where each ends in the text.
struct Code {
    chars: [u8; MOST],
    ends: [usize; MOST],
    len: usize,
    /// The number of characters before the first separator.
    unbroken: usize,
    /// The first separator.
    separator: char,
}

impl Code {
    /// Reads the code that begins at a place.
    fn read(text: &str, start: usize) -> Self {
        let mut code = Code { chars: [0; MOST], ends: [0; MOST], len: 0, unbroken: 0, separator: '-' };
        let mut separated = false;
        for (at, c) in text.get(start..).unwrap_or_default().char_indices() {
            match c {
                _ if c.is_ascii_alphanumeric() => {
                    let (Some(place), Some(end)) = (code.chars.get_mut(code.len), code.ends.get_mut(code.len)) else {
                        break;
                    };
                    (*place, *end) = (c.to_ascii_lowercase() as u8, start + at + 1);
                    code.len += 1;
                    separated = false;
                }
                // A line end may have two characters.
                '\n' if text.get(..start + at).is_some_and(|before| before.ends_with('\r')) => {}
                ' ' | '-' | '.' | '_' | ',' | '/' | '\n' | '\r' | '\t' | '·' | '(' if !separated => {
                    if code.unbroken == 0 {
                        (code.unbroken, code.separator) = (code.len, c);
                    }
                    separated = true;
                }
                _ => break,
            }
        }
        if code.unbroken == 0 {
            code.unbroken = code.len;
        }
        code
    }

    fn first(&self, length: usize) -> Option<&[u8]> {
        self.chars.get(..self.len)?.get(..length)
    }

    /// The end of the first characters, if no letter or digit follows them.
    fn end(&self, text: &str, length: usize) -> Option<usize> {
        let end = *self.ends.get(..self.len)?.get(length.checked_sub(1)?)?;
        let next = text.get(end..)?.chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() || is_cjk(c)).then_some(end)
    }
}

/// Finds the codes in a folded text.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut done = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let last = core::mem::replace(&mut before, c);
        if at < done || !c.is_ascii_alphanumeric() || last.is_ascii_alphanumeric() || !may_begin(text.as_bytes(), at) {
            continue;
        }
        if last.is_alphanumeric() && !is_cjk(last) {
            continue;
        }
        if let Some(span) = examine(text, at) {
            done = span.end;
            spans.push(span);
        }
    }
}

/// Whether the first characters can begin a code: most words have no digit after the first two letters.
fn may_begin(text: &[u8], at: usize) -> bool {
    let digit = |offset: usize| text.get(at + offset).is_some_and(u8::is_ascii_digit);
    let letter = |offset: usize| text.get(at + offset).is_some_and(u8::is_ascii_alphabetic);
    let separated = !letter(2) && digit(3);
    if letter(0) {
        digit(1) || letter(1) && (digit(2) || separated || letter(5) && digit(6))
    } else {
        // A row of eight digits and a letter.
        digit(7) && (letter(8) || letter(9))
    }
}

fn examine(text: &str, start: usize) -> Option<Span> {
    let code = Code::read(text, start);
    let span = |length: usize, class| Some(Span { start, end: code.end(text, length)?, class });
    if let Some(length) = iban(&code)
        && let Some(span) = span(length, Class::Account)
    {
        return Some(span);
    }
    // The length, the least number of characters before the first separator, and the form.
    let kinds: [(usize, usize, Form); 9] = [
        (16, 16, is_codice_fiscale),
        (11, 11, is_permit),
        (10, 10, is_taiwanese),
        (9, 2, is_british),
        (9, 8, is_dni),
        (9, 9, is_singaporean),
        (9, 9, is_passport),
        (8, 7, is_hong_kong),
        (9, 8, is_hong_kong),
    ];
    kinds.into_iter().find_map(|(length, unbroken, is)| {
        // A word may follow a space, so a check letter or digit does only if the groups are short.
        let written = code.unbroken >= length || code.unbroken >= unbroken && (unbroken == 2 || code.separator != ' ');
        let fits = written && code.first(length).is_some_and(is);
        fits.then(|| span(length, Class::NationalId)).flatten()
    })
}

/// The length of the IBAN at the beginning, if there is one: the check by 97 of ISO 13616.
fn iban(code: &Code) -> Option<usize> {
    let country = code.first(2)?;
    let length = LENGTHS.chunks_exact(4).find(|entry| entry.starts_with(country))?;
    let length = length.iter().skip(2).fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    let (head, body) = code.first(length)?.split_at_checked(4)?;
    let rest = body.iter().chain(head).try_fold(0u32, |rest, c| match c {
        b'0'..=b'9' => Some((rest * 10 + u32::from(c - b'0')) % 97),
        b'a'..=b'z' => Some((rest * 100 + u32::from(c - b'a') + 10) % 97),
        _ => None,
    });
    (code.unbroken >= 4 && rest == Some(1)).then_some(length)
}

fn digits(code: &[u8]) -> impl Iterator<Item = u32> {
    code.iter().filter(|c| c.is_ascii_digit()).map(|c| u32::from(c - b'0'))
}

fn are_digits(code: &[u8]) -> bool {
    code.iter().all(u8::is_ascii_digit)
}

/// A tax code of Italy: letters of the names, the year, month and day of birth, the place, a check letter.
fn is_codice_fiscale(code: &[u8]) -> bool {
    let shape = b"aaaaaa00a00a000a";
    code.iter().zip(shape).all(|(c, shape)| c.is_ascii_digit() == (*shape == b'0'))
}

/// An identity number of Taiwan: a letter of the place, the sex, a check digit.
fn is_taiwanese(code: &[u8]) -> bool {
    const PLACES: &[u8] = b"abcdefghjklmnpqrstuvxywzio";
    let [place, number @ ..] = code else { return false };
    let Some(index) = PLACES.iter().position(|letter| letter == place) else { return false };
    let index = u32::try_from(index).unwrap_or_default() + 10;
    let weights = [8, 7, 6, 5, 4, 3, 2, 1, 1];
    let sum: u32 =
        index / 10 + index % 10 * 9 + digits(number).zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>();
    are_digits(number) && matches!(number, [b'1' | b'2' | b'8' | b'9', ..]) && sum.is_multiple_of(10)
}

/// A DNI or NIE of Spain: eight digits, or X, Y or Z and seven, and a check letter.
fn is_dni(code: &[u8]) -> bool {
    let [first, number @ .., check] = code else { return false };
    let first = match first {
        b'0'..=b'9' => u32::from(first - b'0'),
        b'x'..=b'z' => u32::from(first - b'x'),
        _ => return false,
    };
    let value = digits(number).fold(first, |sum, digit| sum * 10 + digit);
    are_digits(number) && b"trwagmyfpdxbnjzsqvhlcke".get((value % 23) as usize) == Some(check)
}

/// A national insurance number of the United Kingdom.
fn is_british(code: &[u8]) -> bool {
    let [one, two, number @ .., suffix] = code else { return false };
    let pair = [*one, *two];
    !b"dfiquv".contains(one)
        && !b"dfioquv".contains(two)
        && pair.iter().all(u8::is_ascii_alphabetic)
        && ![b"bg", b"gb", b"kn", b"nk", b"nt", b"tn", b"zz"].contains(&&pair)
        && are_digits(number)
        && (b'a'..=b'd').contains(suffix)
}

/// An identity number of Singapore.
fn is_singaporean(code: &[u8]) -> bool {
    let [kind, number @ .., check] = code else { return false };
    let weights = [2, 7, 6, 5, 4, 3, 2];
    let sum: u32 = digits(number).zip(weights).map(|(digit, weight)| digit * weight).sum();
    let (added, letters) = match kind {
        b's' => (0, b"jzihgfedcba"),
        b't' => (4, b"jzihgfedcba"),
        b'f' => (0, b"xwutrqpnmlk"),
        b'g' => (4, b"xwutrqpnmlk"),
        _ => return false,
    };
    are_digits(number) && letters.get(((sum + added) % 11) as usize) == Some(check)
}

/// An identity number of Hong Kong: one letter or two, six digits, a check digit, often in brackets.
fn is_hong_kong(code: &[u8]) -> bool {
    let letters = code.iter().take_while(|c| c.is_ascii_alphabetic()).count();
    let (letters, [number @ .., check]) = code.split_at(letters) else { return false };
    let value = |c: &u8| if c.is_ascii_digit() { u32::from(c - b'0') } else { u32::from(c - b'a') + 10 };
    // One letter counts as if a space, which is 36, stood before it.
    let before = if letters.len() == 1 { 36 * 9 } else { 0 };
    let weights = (2..=if letters.len() == 1 { 8 } else { 9 }).rev();
    let sum: u32 = letters.iter().chain(number).map(value).zip(weights).map(|(value, weight)| value * weight).sum();
    let check = value(check);
    let series = matches!(letters, [_] | [b'e' | b'w' | b'x', _]);
    series && number.len() == 6 && are_digits(number) && (before + sum + check).is_multiple_of(11)
}

/// A passport of China: E, G, D, P or S and eight digits, or E, a letter and seven digits.
fn is_passport(code: &[u8]) -> bool {
    match code {
        [b'e' | b'g' | b'd' | b'p' | b's', number @ ..] if are_digits(number) => true,
        [b'e', letter, number @ ..] => letter.is_ascii_alphabetic() && are_digits(number),
        _ => false,
    }
}

/// A travel permit of Hong Kong or Macau: H or M and ten digits.
fn is_permit(code: &[u8]) -> bool {
    matches!(code, [b'h' | b'm', number @ ..] if are_digits(number))
}
