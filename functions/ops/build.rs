//! Compresses the API description: uncompressed it would be a tenth of the component, and it is seldom read.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// Slow compression, small result: it runs once per build.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    const SOURCE: &str = "src/openapi.json";
    println!("cargo::rerun-if-changed={SOURCE}");
    let packed = miniz_oxide::deflate::compress_to_vec(&fs::read(SOURCE)?, LEVEL);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("openapi.z"), packed)?;
    Ok(())
}
