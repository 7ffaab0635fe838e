//! Values as the DICOM JSON model writes them (DICOM PS3.18, annex F).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Number, Value};

use super::text::Charset;
use super::vr::Vr;

/// The values of an element, without the brackets around them; none if there is no value.
pub(super) fn values(vr: Vr, bytes: &[u8], charset: Charset) -> Option<String> {
    use Vr::*;
    let values: Vec<String> = match vr {
        US => numbers(bytes, |b: [u8; 2]| u16::from_le_bytes(b).to_string()),
        SS => numbers(bytes, |b: [u8; 2]| i16::from_le_bytes(b).to_string()),
        UL => numbers(bytes, |b: [u8; 4]| u32::from_le_bytes(b).to_string()),
        SL => numbers(bytes, |b: [u8; 4]| i32::from_le_bytes(b).to_string()),
        UV => numbers(bytes, |b: [u8; 8]| u64::from_le_bytes(b).to_string()),
        SV => numbers(bytes, |b: [u8; 8]| i64::from_le_bytes(b).to_string()),
        FL => numbers(bytes, |b: [u8; 4]| float(f32::from_le_bytes(b).into())),
        FD => numbers(bytes, |b: [u8; 8]| float(f64::from_le_bytes(b))),
        AT => numbers(bytes, |b: [u8; 4]| {
            let [a, b, c, d] = b;
            alloc::format!(r#""{:04X}{:04X}""#, u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        }),
        LT | ST | UT => Vec::from_iter(text(vr, bytes, charset).map(|text| quoted(text.trim_end()))),
        UR => Vec::from_iter(ascii(bytes).map(|text| quoted(text.trim()))),
        LO | SH | UC | PN => parts(&text(vr, bytes, charset)?, |part| quoted(part.trim())),
        // A text that is no number is not shown.
        DS => parts(&ascii(bytes)?, |part| {
            part.trim().parse().ok().and_then(Number::from_f64).map_or_else(|| quoted(""), |number| number.to_string())
        }),
        IS => parts(&ascii(bytes)?, |part| integer(part).map_or_else(|| quoted(""), |number| number.to_string())),
        AE | AS | CS | DA | DT | TM | UI => parts(&ascii(bytes)?, |part| quoted(part.trim_matches([' ', '\0']))),
        OB | OD | OF | OL | OV | OW | SQ | UN => Vec::new(),
    };
    (!values.is_empty()).then(|| values.join(","))
}

/// The text, without padding; none if nothing is left.
fn text(vr: Vr, bytes: &[u8], charset: Charset) -> Option<String> {
    // Padding is ASCII in every character set. The second byte of a character is never a space or a zero.
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    let text = charset.decode(vr, bytes.get(..end)?);
    (!text.is_empty()).then_some(text)
}

/// The text of a representation that has no other character set than ASCII.
pub(super) fn ascii(bytes: &[u8]) -> Option<String> {
    text(Vr::CS, bytes, Charset::default())
}

/// A whole number. Devices also write decimals with nothing after the point.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0')).map_or(text, |(it, _)| it);
    whole.parse().ok()
}

/// A text as JSON, an empty one as null.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() { Value::Null.to_string() } else { Value::from(text).to_string() }
}

fn parts(text: &str, write: impl Fn(&str) -> String) -> Vec<String> {
    text.split('\\').map(write).collect()
}

fn numbers<const N: usize>(bytes: &[u8], write: impl Fn([u8; N]) -> String) -> Vec<String> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| write(*chunk)).collect()
}

fn float(number: f64) -> String {
    Value::from(number).to_string()
}

/// The first whole number of an element's value.
pub(super) fn whole(vr: Vr, bytes: &[u8]) -> Option<i64> {
    match vr {
        Vr::US => Some(u16::from_le_bytes(*bytes.first_chunk()?).into()),
        Vr::UL => Some(u32::from_le_bytes(*bytes.first_chunk()?).into()),
        Vr::IS => integer(ascii(bytes)?.split('\\').next()?),
        _ => None,
    }
}

/// The first decimal number of an element's value.
pub(super) fn decimal(vr: Vr, bytes: &[u8]) -> Option<f64> {
    match vr {
        Vr::DS => ascii(bytes)?.split('\\').next()?.trim().parse().ok(),
        Vr::FD => Some(f64::from_le_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}
