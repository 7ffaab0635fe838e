//! The instruments that come with Vigil: the definitions in `domain/instruments/`, each in a file named by its id.
//!
//! Guarantee: every definition here is valid, and its scores agree with the published ones in `tests/vectors/`, where
//! there are any: `esas-r`, `gad-2` and `pain-nrs` have none.

use alloc::vec::Vec;

/// Id and packed definition, in the order of the ids.
const DEFINITIONS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The ids of all instruments.
pub fn ids() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.iter().map(|(id, _)| *id)
}

/// The definition of an instrument, in JSON: the bytes of its file.
pub fn definition(id: &str) -> Option<Vec<u8>> {
    let (_, packed) = DEFINITIONS.iter().find(|(known, _)| *known == id)?;
    // What was packed when this was built unpacks.
    miniz_oxide::inflate::decompress_to_vec(packed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_unpacked_as_it_is() {
        let files = [
            ("phq-9", &include_bytes!("../instruments/phq-9.json")[..]),
            ("who-5", include_bytes!("../instruments/who-5.json")),
        ];
        for (id, file) in files {
            assert_eq!(definition(id).as_deref(), Some(file));
        }
        assert!(ids().all(|id| definition(id).is_some()) && ids().is_sorted());
    }
}
