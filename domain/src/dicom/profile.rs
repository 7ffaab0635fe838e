//! The action for each attribute: the Basic Application Level Confidentiality Profile as an allow list.
//!
//! Guarantee: only attributes on a list of [`super::attributes`] are shown, in nested items too. Private attributes,
//! attributes unknown to the dictionary and names of persons are on none. An attribute whose representation is not
//! the standard's shows no text. A unique identifier is shown as it is only if DICOM itself defines it.
//!
//! Not for: values that somebody wrote in the wrong attribute. A patient's name in a filter type is not recognised.

use alloc::string::{String, ToString};

use super::attributes::{DUMMIES, EMPTIED, KEPT, REMAPPED};
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

/// Decides the action for an attribute with the representation `vr`. `standard` is the representation that the
/// dictionary gives it; none if the dictionary does not have it.
pub(super) fn action(tag: u32, vr: Vr, standard: Option<Vr>) -> Action {
    let has = |list: &[u32], tag: u32| list.binary_search(&tag).is_ok();
    // The groups 6000 to 60FE repeat the same overlay attributes.
    let listed = if tag >> 24 == 0x60 && tag & 0x0001_0000 == 0 { tag & 0xff00_ffff } else { tag };
    let Some(standard) = standard else { return Action::Remove };
    if has(&KEPT, listed) {
        if vr == standard || !vr.is_text() { Action::Keep } else { Action::Remove }
    } else if has(&EMPTIED, tag) {
        Action::Empty
    } else if has(&DUMMIES, tag) {
        Action::Dummy
    } else if has(&REMAPPED, tag) {
        Action::Remap
    } else {
        Action::Remove
    }
}

/// Whether DICOM itself defines this identifier: classes of objects, transfer syntaxes, tables of codes.
pub(super) fn is_of_the_standard(uid: &str) -> bool {
    uid.strip_prefix("1.2.840.10008.").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
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
