//! Texts: no planted identity survives.

use domain::scrub::{Class, Own, Removed, scrub};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use crate::choices::{Choices, bytes};
use crate::config;

/// Separators between two pieces of a text.
const BETWEEN: [&str; 16] = [
    ", ",
    "; ",
    "。",
    "，",
    " and ",
    "\n",
    ": ",
    " (",
    ") ",
    " slept well ",
    " 睡得好 ",
    "\t\"",
    "' ",
    " | ",
    " ",
    " - ",
];
/// Pieces of patients' texts.
const WORDS: [&str; 16] = [
    "38.5 degrees",
    "120/80",
    "took 500 mg at 08:00",
    "slept well",
    "睡得好",
    "pain 7",
    "on 2026-03-01",
    "12 times",
    "",
    "a@b",
    "718-7",
    "x",
    "https://example.org/",
    "病历号没有",
    "room 4",
    "the 3rd",
];

/// The check digit by Luhn's rule (ISO/IEC 7812-1, annex B).
fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    (10 - sum % 10) % 10
}

/// The check character of GB 11643.
fn resident(digits: &str) -> char {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    char::from(b"10X98765432"[(sum % 11) as usize])
}

fn grouped(digits: &str, sizes: &[usize], separator: &str) -> String {
    let mut rest = digits;
    let mut groups = Vec::new();
    for size in sizes {
        let (group, later) = rest.split_at(*size);
        groups.push(group);
        rest = later;
    }
    groups.push(rest);
    groups.retain(|group| !group.is_empty());
    groups.join(separator)
}

/// An identity as a person may write it: the part that must not survive, and the whole text with its announcement.
pub(crate) fn identity(choices: &mut Choices<'_>) -> (String, String) {
    let plain = |text: String| (text.clone(), text);
    match choices.below(10) {
        0 => {
            let mobile = format!("1{}{}", choices.one_of(&["3", "5", "7", "8", "9"]), choices.digits(9));
            let sizes = choices.one_of(&[&[3, 4][..], &[3, 3], &[5, 3], &[5], &[3]]);
            let separator = ["", " ", "-", ",", "/", "_", ".", "\n", "\u{3000}", "，", "、", " - ", "；", "ー", "\r\n"];
            let separator = match choices.one_of(&separator) {
                kept @ ("" | "-") => kept,
                // The last eight digits may be a date.
                _ if sizes == [3] => "-",
                // Figures of a list may have these lengths.
                "," | "，" | "、" | "\n" | "\r\n" | "；" if sizes != [3, 4] => "/",
                separator => separator,
            };
            let written = grouped(&mobile, sizes, separator);
            let prefix = choices.one_of(&["", "+86 ", "0086-", "86"]);
            (written.clone(), format!("{prefix}{written}"))
        }
        1 => {
            let country = choices.one_of(&["+44 20 ", "+1 (415) ", "+49 30 ", "+81-3-"]);
            let number = format!("{}{} {}", 1 + choices.below(9), choices.digits(3), choices.digits(4));
            (number.clone(), format!("{country}{number}"))
        }
        2 => {
            let area = choices.one_of(&["110105", "440524", "330106"]);
            let born = format!("19{}{}", 50 + choices.below(50), choices.one_of(&["0101", "1231", "0229"]));
            let born = if born.ends_with("0229") { "19960229".to_owned() } else { born };
            let digits = format!("{area}{born}{}", choices.digits(3));
            plain(format!("{digits}{}", resident(&digits)))
        }
        3 => {
            let digits = format!("{}{}", choices.one_of(&["4", "51", "62"]), choices.digits(14));
            let digits = &digits[..15];
            let card = format!("{digits}{}", luhn(digits));
            plain(grouped(&card, &[4, 4, 4], choices.one_of(&["", " ", "-"])))
        }
        4 => plain(format!(
            "{}@{}.{}",
            choices.word(1, 8),
            choices.word(2, 8),
            choices.one_of(&["com", "cn", "example.org"])
        )),
        5 => {
            let path = choices.word(1, 8);
            plain(format!("{}{}.com/{path}", choices.one_of(&["https://", "http://", "www."]), choices.word(2, 6)))
        }
        6 => {
            let number = format!("{}{}", choices.one_of(&["", "A-", "H"]), choices.digits(6));
            let announced =
                choices.one_of(&["MRN: ", "mrn ", "medical record number is ", "病历号：", "住院号是", "Patient ID "]);
            (number.clone(), format!("{announced}{number}"))
        }
        7 => plain(
            choices
                .one_of(&["Zhang-330106", "ZHANG-330106", "zhang 330106", "ZHANG.33.01.06", "20240017", "2024-0017"])
                .to_owned(),
        ),
        8 => plain(
            choices
                .one_of(&[
                    "110105491231002",
                    "123-45-6789",
                    "E12345678",
                    "AB123456C",
                    "255081416802538",
                    "DE89 3704 0044 0532 0130 00",
                    "GB29NWBK60161331926819",
                    "138_0013_8000",
                    "138,0013,8000",
                    "zhang@例子.中国",
                ])
                .to_owned(),
        ),
        _ => plain(
            choices.one_of(&["王小明", "王 小明", "Zhang Wei", "zhang", "WEI", "WeiZhang", "wei, zhang"]).to_owned(),
        ),
    }
}

/// Characters that nobody sees.
const UNSEEN: [char; 8] = ['\u{200b}', '\u{ad}', '\u{feff}', '\u{200d}', '\u{202e}', '\u{2060}', '\u{fe0f}', '\u{0}'];
/// The zeros of digits in other scripts: full width, Arabic, Persian, Devanagari, Thai, mathematical.
const ZEROS: [u32; 6] = [0xff10, 0x660, 0x6f0, 0x966, 0xe50, 0x1d7ce];

/// The same text in another case, width, script of digits and normal form, with characters in between that nobody sees.
fn disguised(choices: &mut Choices<'_>, text: &str) -> String {
    let mut other = String::new();
    for c in text.chars() {
        if !other.is_empty() && choices.once_in(6) {
            other.push(choices.one_of(&UNSEEN));
        }
        let code = match (c, choices.below(4)) {
            ('0'..='9', 1 | 2) => choices.one_of(&ZEROS) + (c as u32 - '0' as u32),
            ('0'..='9', 3) => "〇一二三四五六七八九".chars().nth((c as u8 - b'0').into()).unwrap() as u32,
            ('!'..='~', 1) if c != ',' => c as u32 + 0xfee0,
            (_, 2) => c.to_uppercase().next().unwrap() as u32,
            (_, 3) => c.to_lowercase().next().unwrap() as u32,
            _ => c as u32,
        };
        other.push(char::from_u32(code).unwrap());
    }
    match choices.below(3) {
        0 => other.nfd().collect(),
        1 => other.nfc().collect(),
        _ => other,
    }
}

fn own() -> Own {
    let mut own = Own::new();
    own.add("Zhang-330106", Class::PatientId);
    own.add("20240017", Class::PatientId);
    own.add("Zhang Wei", Class::PatientName);
    own.add("王小明", Class::PatientName);
    own
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_planted_identity_is_left(seed in bytes(100)) {
        let mut choices = Choices::of(&seed);
        let (mut text, mut planted) = (String::new(), Vec::new());
        for _ in 0..=choices.below(5) {
            text += choices.one_of(&WORDS);
            text += choices.one_of(&BETWEEN);
            if choices.once_in(2) {
                let (identity, told) = identity(&mut choices);
                text += &told;
                planted.push(identity);
                text += choices.one_of(&BETWEEN);
            }
        }
        let mut removed = Removed::default();
        let clean = scrub(&text, &own(), &mut removed).unwrap_or_else(|| text.clone());
        for identity in &planted {
            // A short name may be part of a word that belongs to nobody.
            prop_assert!(!clean.contains(identity.as_str()) , "{:?} is left of {:?} in {:?}", identity, text, clean);
        }
        prop_assert!(planted.is_empty() || removed.iter().next().is_some());
        if removed.iter().next().is_none() {
            prop_assert_eq!(clean, text);
        }
    }

    #[test]
    fn an_identity_is_removed_in_every_form(seed in bytes(160)) {
        let mut choices = Choices::of(&seed);
        let (mut plain, mut other) = (String::new(), String::new());
        for _ in 0..=choices.below(4) {
            let around = format!("{}{}", choices.one_of(&WORDS), choices.one_of(&BETWEEN));
            let (planted, told) = identity(&mut choices);
            plain += &format!("{around}{told}");
            other += &format!("{around}{}", told.replace(&planted, &disguised(&mut choices, &planted)));
            let after = choices.one_of(&BETWEEN);
            plain += after;
            other += after;
        }
        let clean = |text: &str| {
            let mut removed = Removed::default();
            let clean = scrub(text, &own(), &mut removed).unwrap_or_else(|| text.to_owned());
            // A character that nobody sees may stay beside what was removed.
            (clean.replace(UNSEEN, ""), removed)
        };
        prop_assert_eq!(clean(&plain), clean(&other), "{:?} {:?}", plain, other);
    }

    #[test]
    fn what_is_no_identity_stays_in_every_form(seed in bytes(80)) {
        let mut choices = Choices::of(&seed);
        let mut text = String::new();
        // The digits of more words in a row may be those of an identity number.
        for _ in 0..=choices.below(2) {
            // The word for a record's number announces whatever follows it.
            let word = Some(choices.one_of(&WORDS)).filter(|word| !word.contains("病历号")).unwrap_or("12.5 mg");
            text += &disguised(&mut choices, word);
            text += choices.one_of(&[", ", "\n", " and ", "，", "; "]);
        }
        prop_assert_eq!(scrub(&text, &own(), &mut Removed::default()), None, "{:?}", text);
    }

    #[test]
    fn no_text_brings_it_down_and_twice_is_once(seed in bytes(80), raw in ".{0,24}") {
        let mut choices = Choices::of(&seed);
        let mut text = raw;
        for _ in 0..choices.below(6) {
            let mut at = choices.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let piece = if choices.once_in(2) { identity(&mut choices).1 } else { choices.one_of(&WORDS).to_owned() };
            text.insert_str(at, &piece);
        }
        let own = own();
        let once = scrub(&text, &own, &mut Removed::default()).unwrap_or_else(|| text.clone());
        let twice = scrub(&once, &own, &mut Removed::default()).unwrap_or_else(|| once.clone());
        let thrice = scrub(&twice, &own, &mut Removed::default()).unwrap_or_else(|| twice.clone());
        // A removal may join two numbers into a new one, which a second pass removes. A third pass must find nothing.
        prop_assert_eq!(&twice, &thrice, "{:?}", text);
    }
}
