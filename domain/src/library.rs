//! The instruments that come with Vigil: definitions from `domain/instruments/`, embedded as they are.
//!
//! Guarantee: every definition here is valid, and its scores agree with the published ones in `tests/vectors/`, where
//! there are any: `esas-r`, `gad-2` and `pain-nrs` have none.

/// Id and definition, in the order of the ids.
const DEFINITIONS: &[(&str, &[u8])] = &[
    ("audit", include_bytes!("../instruments/audit.json")),
    ("audit-c", include_bytes!("../instruments/audit-c.json")),
    ("cat", include_bytes!("../instruments/cat.json")),
    ("eortc-qlq-c30", include_bytes!("../instruments/eortc-qlq-c30.json")),
    ("eq-5d-3l", include_bytes!("../instruments/eq-5d-3l.json")),
    ("eq-5d-5l", include_bytes!("../instruments/eq-5d-5l.json")),
    (
        "eq-5d-5l-crosswalk-to-3l-van-hout-2012",
        include_bytes!("../instruments/eq-5d-5l-crosswalk-to-3l-van-hout-2012.json"),
    ),
    ("eq-5d-5l-nice-dsu-map-to-3l-uk", include_bytes!("../instruments/eq-5d-5l-nice-dsu-map-to-3l-uk.json")),
    ("esas-r", include_bytes!("../instruments/esas-r.json")),
    ("gad-2", include_bytes!("../instruments/gad-2.json")),
    ("gad-7", include_bytes!("../instruments/gad-7.json")),
    ("gcs", include_bytes!("../instruments/gcs.json")),
    ("hads", include_bytes!("../instruments/hads.json")),
    ("hoos", include_bytes!("../instruments/hoos.json")),
    ("ipss", include_bytes!("../instruments/ipss.json")),
    ("isi", include_bytes!("../instruments/isi.json")),
    ("k10", include_bytes!("../instruments/k10.json")),
    ("koos", include_bytes!("../instruments/koos.json")),
    ("oxford-knee-score", include_bytes!("../instruments/oxford-knee-score.json")),
    ("pain-nrs", include_bytes!("../instruments/pain-nrs.json")),
    ("phq-2", include_bytes!("../instruments/phq-2.json")),
    ("phq-4", include_bytes!("../instruments/phq-4.json")),
    ("phq-8", include_bytes!("../instruments/phq-8.json")),
    ("phq-9", include_bytes!("../instruments/phq-9.json")),
    ("pro-ctcae-composite", include_bytes!("../instruments/pro-ctcae-composite.json")),
    ("promis-global-10", include_bytes!("../instruments/promis-global-10.json")),
    ("promis-global-10-raw-to-t", include_bytes!("../instruments/promis-global-10-raw-to-t.json")),
    ("rand-36", include_bytes!("../instruments/rand-36.json")),
    ("who-5", include_bytes!("../instruments/who-5.json")),
    ("womac", include_bytes!("../instruments/womac.json")),
];

/// The ids of all instruments.
pub fn ids() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.iter().map(|(id, _)| *id)
}

/// The definition of an instrument, in JSON.
pub fn definition(id: &str) -> Option<&'static [u8]> {
    DEFINITIONS.iter().find(|(known, _)| *known == id).map(|(_, definition)| *definition)
}
