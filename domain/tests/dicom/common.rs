//! Reads files, and makes them.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "tests, of which each uses some")]

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use domain::dicom::{Fault, Guide, Problem, Reader, Report, Vr};

pub fn vr_of(tag: u32) -> Option<Vr> {
    let tag = dicom_core::Tag((tag >> 16) as u16, tag as u16);
    Vr::parse(dicom_dictionary_std::StandardDataDictionary.by_tag(tag)?.vr().relaxed().to_string())
}

pub fn read(bytes: &[u8], piece: usize) -> Result<Report, Fault> {
    let remap = |uid: &str| format!("2.25.{}", uid.len());
    let mut reader = Reader::new(Guide { vr_of, remap: &remap });
    for piece in bytes.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}

pub fn problem(bytes: &[u8]) -> Problem {
    read(bytes, 4096).unwrap_err().problem
}

/// A file with this transfer syntax and these bytes.
pub fn made(syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let mut meta = b"\x02\0\x10\0UI".to_vec();
    meta.extend((uid.len() as u16).to_le_bytes());
    meta.extend(uid);
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\0\0\0UL\x04\0");
    file.extend((meta.len() as u32).to_le_bytes());
    file.extend(meta);
    file.extend(data);
    file
}

pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
