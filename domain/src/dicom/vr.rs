//! Value representations: the meaning of an element's bytes (DICOM PS3.5, section 6.2).

/// A value representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are DICOM's own two-letter codes")]
pub enum Vr {
    AE,
    AS,
    AT,
    CS,
    DA,
    DS,
    DT,
    FD,
    FL,
    IS,
    LO,
    LT,
    OB,
    OD,
    OF,
    OL,
    OV,
    OW,
    PN,
    SH,
    SL,
    SQ,
    SS,
    ST,
    SV,
    TM,
    UC,
    UI,
    UL,
    UN,
    UR,
    US,
    UT,
    UV,
}

/// Every representation and its code.
#[rustfmt::skip]
const CODES: [(Vr, &str); 34] = [
    (Vr::AE, "AE"), (Vr::AS, "AS"), (Vr::AT, "AT"), (Vr::CS, "CS"), (Vr::DA, "DA"), (Vr::DS, "DS"), (Vr::DT, "DT"),
    (Vr::FD, "FD"), (Vr::FL, "FL"), (Vr::IS, "IS"), (Vr::LO, "LO"), (Vr::LT, "LT"), (Vr::OB, "OB"), (Vr::OD, "OD"),
    (Vr::OF, "OF"), (Vr::OL, "OL"), (Vr::OV, "OV"), (Vr::OW, "OW"), (Vr::PN, "PN"), (Vr::SH, "SH"), (Vr::SL, "SL"),
    (Vr::SQ, "SQ"), (Vr::SS, "SS"), (Vr::ST, "ST"), (Vr::SV, "SV"), (Vr::TM, "TM"), (Vr::UC, "UC"), (Vr::UI, "UI"),
    (Vr::UL, "UL"), (Vr::UN, "UN"), (Vr::UR, "UR"), (Vr::US, "US"), (Vr::UT, "UT"), (Vr::UV, "UV"),
];

impl Vr {
    /// The representation of a two-letter code.
    pub fn parse(code: &str) -> Option<Self> {
        CODES.iter().find(|(_, known)| *known == code).map(|(vr, _)| *vr)
    }

    /// Its two letters.
    pub fn as_str(self) -> &'static str {
        CODES.iter().find(|(vr, _)| *vr == self).map_or("UN", |(_, code)| code)
    }

    /// Whether its length field has four bytes after two reserved ones (PS3.5, table 7.1-1).
    pub(super) fn is_long(self) -> bool {
        use Vr::*;
        matches!(self, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
    }

    /// Whether its values are bytes without a general meaning. Such values are not shown.
    pub(super) fn is_bulk(self) -> bool {
        use Vr::*;
        matches!(self, OB | OD | OF | OL | OV | OW | UN)
    }

    /// Whether its values may be any text.
    pub(super) fn is_text(self) -> bool {
        use Vr::*;
        matches!(self, AE | AS | CS | DA | DT | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT)
    }
}
