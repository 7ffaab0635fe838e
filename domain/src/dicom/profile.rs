//! The action for each attribute: the Basic Application Level Confidentiality Profile, with the stricter choice in
//! doubt.
//!
//! Guarantee: no private attribute, no name of a person and no attribute unknown to the dictionary is shown. The
//! attributes in DICOM PS3.15, Table E.1-1 are removed, emptied or replaced, in nested items too.
//!
//! Not for: values that somebody wrote in the wrong attribute. A patient's name in a protocol name is not recognised.

use alloc::string::{String, ToString};

use super::attributes::{DUMMIES, EMPTIED, REMAPPED, REMOVED};
use super::vr::Vr;

/// The action for an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Keep,
    Remove,
    Empty,
    Dummy,
    Remap,
}

/// Decides the action for an attribute; `known` says whether the dictionary has it.
pub(super) fn action(tag: u32, vr: Vr, known: bool) -> Action {
    let (group, element) = (tag >> 16, tag & 0xffff);
    let has = |list: &[u32]| list.binary_search(&tag).is_ok();
    let repeated = group & 0xff01 == 0x5000 || (group & 0xff01 == 0x6000 && matches!(element, 0x3000 | 0x4000));
    if group % 2 == 1 || element == 0 || repeated || !known || has(&REMOVED) {
        Action::Remove
    } else if has(&EMPTIED) {
        Action::Empty
    } else if has(&DUMMIES) {
        Action::Dummy
    } else if has(&REMAPPED) {
        Action::Remap
    } else if vr == Vr::PN {
        Action::Remove
    } else {
        Action::Keep
    }
}

/// A dummy value as JSON; none if a sequence or bytes would be needed.
pub(super) fn dummy(vr: Vr, remap: &dyn Fn(&str) -> String) -> Option<String> {
    use Vr::*;
    Some(match vr {
        PN => r#"{"Alphabetic":"ANONYMIZED"}"#.to_string(),
        AS => r#""000Y""#.to_string(),
        DA => r#""19000101""#.to_string(),
        DT => r#""19000101000000""#.to_string(),
        TM => r#""000000""#.to_string(),
        AT => r#""00000000""#.to_string(),
        UI => ["\"", &remap(""), "\""].concat(),
        AE | CS | LO | LT | SH | ST | UC | UR | UT => r#""ANONYMIZED""#.to_string(),
        DS | FD | FL | IS | SL | SS | SV | UL | US | UV => "0".to_string(),
        OB | OD | OF | OL | OV | OW | SQ | UN => return None,
    })
}
