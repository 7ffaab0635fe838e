//! Packs the definitions of `instruments/` for `library.rs`. Every component that scores carries them, and packed they
//! take a fifth of the space. The hash of each definition is computed here once, not in every instance that reads it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// The slowest level with the smallest result: it runs once per build.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=instruments");
    let out = env::var("OUT_DIR")?;
    let mut files: Vec<_> =
        fs::read_dir("instruments")?.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    files.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    let mut table = String::from("&[\n");
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "json")) {
        let id = file.file_stem().and_then(|it| it.to_str()).ok_or("an instrument's file has its id as its name")?;
        let packed = Path::new(&out).join(format!("{id}.z"));
        let json = fs::read(file)?;
        fs::write(&packed, miniz_oxide::deflate::compress_to_vec(&json, LEVEL))?;
        let (length, sha256) = (json.len(), <[u8; 32]>::from(Sha256::digest(&json)));
        writeln!(
            table,
            "Definition {{ id: {id:?}, length: {length}, sha256: {sha256:?}, packed: include_bytes!({packed:?}) }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&out).join("library.rs"), table)?;
    Ok(())
}
