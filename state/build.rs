//! Removes the comments from the Lua scripts. Only readers of the source need them; else every component would contain
//! them, every new instance would hash them, and every server would receive them.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    strip(Path::new("src"), Path::new(&env::var("OUT_DIR")?))
}

/// Writes the scripts below `from` to the same places below `to`.
fn strip(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            strip(&path, &place)?;
        } else if path.extension().is_some_and(|it| it == "lua") {
            let text = fs::read_to_string(&path)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("--"));
            fs::write(place, lines.map(|line| format!("{line}\n")).collect::<String>())?;
        }
    }
    Ok(())
}
