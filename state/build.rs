//! Prepares the Lua scripts: removes the comments, and counts the hashes by which a server knows the scripts.
//!
//! Only readers of the source need the comments; else every component would contain them, and every server would receive
//! them. A hash that is counted here is counted by no instance.

#[allow(dead_code, unreachable_pub, reason = "it is a module of the crate, and scripts need some of the names")]
#[path = "src/names/queues.rs"]
mod names;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use names::Queue;
use sha1::{Digest as _, Sha1};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let common = ["src/queue/flows.lua", "src/queue/count.lua"].map(|path| stripped(Path::new(path)));
    let [flows, count] = common;
    let before = [names_before_flows(), flows?, count?].concat();
    fs::write(out.join("before.lua"), &before)?;
    prepare(Path::new("src"), out, &before)
}

/// Writes the scripts below `from` to the same places below `to`, and beside each its hash alone and its hash after
/// `before`.
fn prepare(from: &Path, to: &Path, before: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            prepare(&path, &place, before)?;
        } else if path.extension().is_some_and(|it| it == "lua") {
            let text = stripped(&path)?;
            fs::write(place.with_extension("lua.sha1"), sha1(&text))?;
            fs::write(place.with_extension("lua.after-flows.sha1"), sha1(&[before, &text].concat()))?;
            fs::write(place, text)?;
        }
    }
    Ok(())
}

/// A script without its comments.
fn stripped(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

fn sha1(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of keys that `flows.lua` uses.
fn names_before_flows() -> String {
    let queues: Vec<String> = Queue::ALL.iter().map(|queue| format!("'{}'", queue.name())).collect();
    format!(
        "local STREAM, MORE, FLOW, RING, HELD, LOST = '{}', '{}', '{}', '{}', '{}', '{}'\n\
         local LOAD, HOLDERS, RETURNED, RESERVED, DUE = '{}', '{}', '{}', '{}', '{}'\n\
         local JOURNAL, JOURNALS, EVENTS_NEW = '{}', '{}', '{}'\n\
         local QUEUES = {{{}}}\n",
        names::STREAM,
        names::MORE,
        names::FLOW,
        names::RING,
        names::HELD,
        names::LOST,
        names::LOAD,
        names::HOLDERS,
        names::RETURNED,
        names::RESERVED,
        names::DUE,
        names::JOURNAL,
        names::JOURNALS,
        names::EVENTS_NEW,
        queues.join(", "),
    )
}
