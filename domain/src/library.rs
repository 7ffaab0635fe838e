//! The built-in instruments: the definitions in `domain/instruments/`. Each is a file named by its id.
//!
//! Guarantee: every definition here is valid. Its scores agree with the published scores in `tests/vectors/`, except
//! for `esas-r`, `gad-2` and `pain-nrs`, which have no published scores.

use alloc::{boxed::Box, vec, vec::Vec};

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
};

use crate::{Finding, Instrument};

/// A packed definition.
struct Definition {
    id: &'static str,
    /// The length of the file in bytes.
    length: usize,
    /// The hash of the file.
    sha256: [u8; 32],
    packed: &'static [u8],
}

/// All definitions, in the order of their ids.
const DEFINITIONS: &[Definition] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The ids of all instruments.
pub fn ids() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.iter().map(|definition| definition.id)
}

/// The definition of an instrument, in JSON: the bytes of its file.
pub fn definition(id: &str) -> Option<Vec<u8>> {
    find(id)?.unpack()
}

/// An instrument, as [`Instrument::from_json`] reads its definition.
///
/// # Errors
/// The faults of the definition. The tests prove that there are none.
pub fn instrument(id: &str) -> Option<Result<Instrument, Vec<Finding>>> {
    let definition = find(id)?;
    Some(Instrument::from_hashed(&definition.unpack()?, definition.sha256))
}

fn find(id: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|known| known.id == id)
}

impl Definition {
    fn unpack(&self) -> Option<Vec<u8>> {
        let mut json = vec![0; self.length];
        let mut state = Box::<DecompressorOxide>::default();
        let (status, ..) = decompress(&mut state, self.packed, &mut json, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        // The build script packed this data, so it unpacks.
        (status == TINFLStatus::Done).then_some(json)
    }
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

    #[test]
    fn an_instrument_is_read_as_its_file_is() {
        for id in ids() {
            assert_eq!(instrument(id), definition(id).map(|json| Instrument::from_json(&json)), "{id}");
        }
        assert_eq!(instrument("fact-g"), None);
    }
}
