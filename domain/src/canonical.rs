//! The canonical form of a content: one text for all its spellings. It tells a resend from other content.
//!
//! Guarantee: the order of members, the spelling of numbers (`1`, `1.0`, `10e-1`), of moments (`Z`, `+00:00`,
//! `08:00+08:00`, `.50`) and of letters (NFC, NFD) makes no difference, and a member that is null is no member. Contents
//! that differ in anything else have different texts.
//!
//! Mechanism: RFC 8785 (JCS), with NFC for texts and UTC for texts that are a moment (RFC 3339). It differs from JCS in one
//! point: a whole number of 64 bits is written exactly, where JCS makes a double of it, so that two ids beyond 2^53 stay
//! two. Plain ASCII, which is nearly everything, is copied and never allocated.
//!
//! Not for: what is stored. A content is stored as it was sent.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use serde_json::{Map, Number, Value};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::time::Timestamp;

/// Adds the canonical form of an object. Null members of it and within it are left out.
pub fn members(members: &Map<String, Value>, into: &mut String) {
    object(members, Nulls::Absent, into);
}

/// Adds the canonical form of a value in which null says something, such as a definition.
pub fn exact(content: &Value, into: &mut String) {
    value(content, Nulls::Kept, into);
}

/// A text in normalization form C (Unicode TR 15).
pub fn nfc(text: &str) -> Cow<'_, str> {
    // No character of these is, or joins with, another form: Latin without marks of its own, most of Chinese.
    let is_stable = |c: char| c < '\u{300}' || ('\u{4e00}'..='\u{9fff}').contains(&c);
    if text.is_ascii() || text.chars().all(is_stable) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text.into();
    }
    text.nfc().collect::<String>().into()
}

/// A number as ECMAScript writes it (RFC 8785, section 3.2.2.3), but every whole number of 64 bits with all its digits.
pub fn number(number: &Number) -> String {
    let mut text = String::new();
    push_number(number, &mut text);
    text
}

/// The meaning of a member that is null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// The same as no member.
    Absent,
    /// Something of its own.
    Kept,
}

fn value(content: &Value, nulls: Nulls, into: &mut String) {
    match content {
        Value::Null => into.push_str("null"),
        Value::Bool(true) => into.push_str("true"),
        Value::Bool(false) => into.push_str("false"),
        Value::Number(number) => push_number(number, into),
        Value::String(string) => text(string, into),
        Value::Array(list) => {
            into.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    into.push(',');
                }
                value(item, nulls, into);
            }
            into.push(']');
        }
        Value::Object(members) => object(members, nulls, into),
    }
}

fn object(members: &Map<String, Value>, nulls: Nulls, into: &mut String) {
    let start = into.len();
    into.push('{');
    for (name, content) in members {
        if !is_plain(name) {
            // Its canonical form may stand elsewhere.
            into.truncate(start);
            return sorted(members, nulls, into);
        }
        if nulls == Nulls::Kept || !content.is_null() {
            member(name, content, nulls, start, into);
        }
    }
    into.push('}');
}

/// An object whose members are not in their canonical order yet.
#[cold]
fn sorted(members: &Map<String, Value>, nulls: Nulls, into: &mut String) {
    let kept = members.iter().filter(|(_, content)| nulls == Nulls::Kept || !content.is_null());
    let mut named: Vec<(Cow<'_, str>, &Value)> = kept.map(|(name, content)| (canonical(name), content)).collect();
    // By UTF-16 code units. Names that became equal stay in the order in which they were sorted as sent.
    named.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    let start = into.len();
    into.push('{');
    for (name, content) in named {
        member(&name, content, nulls, start, into);
    }
    into.push('}');
}

fn member(name: &str, content: &Value, nulls: Nulls, start: usize, into: &mut String) {
    if into.len() > start + 1 {
        into.push(',');
    }
    quoted(name, into);
    into.push(':');
    value(content, nulls, into);
}

fn text(text: &str, into: &mut String) {
    if is_plain(text) { quoted(text, into) } else { quoted(&canonical(text), into) }
}

/// Whether a text is its own canonical form for certain.
fn is_plain(text: &str) -> bool {
    text.is_ascii() && !may_be_moment(text)
}

fn canonical(text: &str) -> Cow<'_, str> {
    match moment(text) {
        Some(moment) => moment.into(),
        None => nfc(text),
    }
}

fn quoted(text: &str, into: &mut String) {
    let is_quiet = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    // Looking at all of them takes less time than stopping at the first.
    if text.bytes().fold(true, |quiet, byte| quiet & is_quiet(byte)) {
        into.push('"');
        into.push_str(text);
        into.push('"');
    } else {
        // serde_json escapes what JCS escapes, in the same way. It can write any text.
        into.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// The length of a moment to the second, `2026-03-01T08:00:00`.
const TO_THE_SECOND: usize = 19;

fn may_be_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > TO_THE_SECOND && bytes.get(4) == Some(&b'-') && bytes.get(13) == Some(&b':')
}

/// A moment of RFC 3339 in UTC, with as much of its fraction as counts. The seconds stay as they are: offsets have none,
/// and a leap second is not another second.
fn moment(text: &str) -> Option<String> {
    if !may_be_moment(text) {
        return None;
    }
    let (minute, rest) = (text.get(..16)?, text.get(16..)?);
    let (second, rest) = (rest.strip_prefix(':')?.get(..2)?, rest.get(3..)?);
    if !second.bytes().all(|byte| byte.is_ascii_digit()) || second > "60" {
        return None;
    }
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
    };
    if rest.starts_with('.') && fraction.is_empty() {
        return None;
    }
    let at = Timestamp::parse(&[minute, ":00", offset].concat())?.rfc3339();
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some([at.get(..16)?, ":", second, point, fraction, "Z"].concat())
}

fn push_number(number: &Number, into: &mut String) {
    // Writing to a string does not fail.
    match (number.as_u64(), number.as_i64()) {
        (Some(digit @ 0..=9), _) => into.push(char::from(b'0' + digit as u8)),
        (Some(whole), _) => drop(write!(into, "{whole}")),
        (None, Some(whole)) => drop(write!(into, "{whole}")),
        (None, None) => into.push_str(ryu_js::Buffer::new().format(number.as_f64().unwrap_or(0.0))),
    }
}
