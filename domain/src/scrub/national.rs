//! Numbers of persons that other states than China give out, by their grouping, their date of birth and their check
//! digits. What a number of another kind often satisfies too is found only where it is called by its name.

use super::numbers::{Gap, Window, is_day, two, value};
use crate::number::luhn;

/// Whether the digits of a window are such a number.
pub(super) fn is_national(window: &Window<'_>) -> bool {
    match window.digits.len() {
        9 => is_social_security(window),
        11 => is_cpf(window),
        15 => is_nir(window),
        10 | 12 | 13 => is_dated(window),
        _ => false,
    }
}

/// A social security number of the United States: 123-45-6789.
fn is_social_security(window: &Window<'_>) -> bool {
    // Not a slash, which divides the figures of a blood pressure and the parts of a date.
    let written = matches!(window.separator(), Some('-' | '.' | '_' | ',' | '\n'));
    let [a, b, c, d, e, serial @ ..] = window.digits else { return false };
    let area = [*a, *b, *c];
    written
        && window.lengths(&[3, 2, 4])
        && !matches!(&area, b"000" | b"666")
        && [*d, *e] != *b"00"
        && serial != b"0000"
}

/// A CPF of Brazil, with two check digits: 123.456.789-09.
fn is_cpf(window: &Window<'_>) -> bool {
    if !window.lengths(&[3, 3, 3, 2]) || window.gap() == Gap::Space {
        return false;
    }
    let check = |length: u32| {
        let weights = (2..=length + 1).rev();
        let sum: u32 = window.digits.iter().map(value).zip(weights).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10
    };
    window.digits.iter().skip(9).map(value).eq([check(9), check(10)])
}

/// A number of the French register (NIR): sex, year and month of birth, place, order, and a key by 97.
fn is_nir(window: &Window<'_>) -> bool {
    let written = window.lengths(&[15]) || window.lengths(&[13, 2]) || window.lengths(&[1, 2, 2, 2, 3, 3, 2]);
    let month = two(window.digits, 3).is_some_and(|month| matches!(month, 1..=12 | 20..=42 | 50..=99));
    if !written || !month || !matches!(window.digits, [b'1' | b'2', ..]) {
        return false;
    }
    let number = |digits: &[u8]| digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(value(digit)));
    let (body, key) = window.digits.split_at(13);
    97 - number(body) % 97 == number(key)
}

/// A date of birth and a number behind a hyphen: Korea (900101-1234567), and Sweden with a check digit (811228-9874).
fn is_dated(window: &Window<'_>) -> bool {
    let digits = window.digits;
    let swedish = |at: usize| is_day(digits, at) && luhn(digits.iter().skip(at - 2).copied());
    let dated = match digits.len() {
        13 => window.lengths(&[6, 7]) && is_day(digits, 2) && matches!(digits.get(6), Some(b'0'..=b'8')),
        10 => window.lengths(&[6, 4]) && swedish(2),
        12 => window.lengths(&[8, 4]) && matches!(two(digits, 0), Some(18..=20)) && swedish(4),
        _ => false,
    };
    dated && window.separator() == Some('-')
}
