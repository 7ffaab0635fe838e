//! The instruments that come with Vigil: definitions from `domain/instruments/`, embedded as they are.
//!
//! Guarantee: every definition here is valid, and its scores agree with the published ones in `tests/vectors/`.

/// Id and definition, in the order of the ids.
const DEFINITIONS: &[(&str, &[u8])] =
    &[("gad-7", include_bytes!("../instruments/gad-7.json")), ("phq-9", include_bytes!("../instruments/phq-9.json"))];

/// The ids of all instruments.
pub fn ids() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.iter().map(|(id, _)| *id)
}

/// The definition of an instrument, in JSON.
pub fn definition(id: &str) -> Option<&'static [u8]> {
    DEFINITIONS.iter().find(|(known, _)| *known == id).map(|(_, definition)| *definition)
}
