//! The file meta information: it states the transfer syntax of the data set behind it (DICOM PS3.10, section 7.1).
//!
//! Its first element should state its length. Many files lack this element. Then the file meta information ends before
//! the first element of another group.

use alloc::string::String;

use super::vr::Vr;

/// Its start: after the preamble and `DICM`.
pub(super) const BEGIN: usize = 128 + 4;
/// The maximum length, bytes.
const LONGEST: usize = 64 * 1024;
/// The maximum number of elements. The standard has 18.
const MOST: usize = 64;

/// The result of reading the beginning of a file.
pub(super) enum Meta {
    /// At least this many bytes of the file are needed.
    More(usize),
    /// It ends after this many bytes of the file, and has this transfer syntax.
    Whole(usize, String),
}

/// Reads it from the beginning of a file; none if it is invalid or has no transfer syntax.
pub(super) fn read(head: &[u8]) -> Option<Meta> {
    let (mut at, mut stated_end, mut syntax) = (BEGIN, None, None);
    for _ in 0..MOST {
        if stated_end == Some(at) {
            return Some(Meta::Whole(at, syntax?));
        }
        let Some(header) = head.get(at..).and_then(<[u8]>::first_chunk::<8>) else {
            return Some(Meta::More(at + 8));
        };
        let [low, high, element_low, element_high, one, two, short_low, short_high] = *header;
        if [low, high] != [2, 0] {
            return if stated_end.is_none() { Some(Meta::Whole(at, syntax?)) } else { None };
        }
        let vr = Vr::parse(core::str::from_utf8(&[one, two]).ok()?)?;
        let (length, begin) = if vr.is_long() {
            let Some(length) = head.get(at + 8..).and_then(<[u8]>::first_chunk::<4>) else {
                return Some(Meta::More(at + 12));
            };
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, at + 12)
        } else {
            (usize::from(u16::from_le_bytes([short_low, short_high])), at + 8)
        };
        let end = begin.checked_add(length)?;
        if end > stated_end.unwrap_or(BEGIN + LONGEST) {
            return None;
        }
        let Some(value) = head.get(begin..end) else { return Some(Meta::More(end)) };
        match u16::from_le_bytes([element_low, element_high]) {
            0 if at == BEGIN => {
                let length = u32::from_le_bytes(*value.first_chunk()?);
                let stated = end.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= BEGIN + LONGEST)?;
                if head.len() < stated {
                    return Some(Meta::More(stated));
                }
                stated_end = Some(stated);
            }
            0x0010 => syntax = Some(core::str::from_utf8(value).ok()?.trim_end_matches(['\0', ' ']).into()),
            _ => {}
        }
        at = end;
    }
    None
}
