//! The rules of this repository that a machine can check: what CONTRIBUTING asks of every change.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helpers fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, lines.
const LONGEST: usize = 500;
/// The most arrows between the modules of `platform` and `state`.
const MOST_ARROWS: usize = 60;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below folders whose names end so, by their paths from the root.
fn files(folders: &[&str], end: &str) -> Vec<(String, String)> {
    let (mut found, mut open): (Vec<(String, String)>, Vec<PathBuf>) =
        (Vec::new(), folders.iter().map(|folder| root().join(folder)).collect());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(end) {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const CODE: [&str; 9] = ["domain", "platform", "state", "workers", "functions", "host", "cli", "src", "benches"];

fn rust() -> Vec<(String, String)> {
    let all = files(&[CODE.as_slice(), &["tests"]].concat(), ".rs");
    assert!(all.len() > 200, "{}", all.len());
    all
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_enough_to_be_read() {
    for (name, text) in rust() {
        assert!(text.lines().count() <= LONGEST, "{name} has more than {LONGEST} lines");
        // A module declared inside another file may have its header there, as for `tests`.
        let told = text.starts_with("//!") || name.ends_with("tests.rs") || name.contains("/tests/");
        assert!(told, "{name} does not begin with a sentence about what it is for");
    }
    for (name, text) in files(&CODE, ".lua") {
        assert!(text.lines().count() <= LONGEST, "{name} has more than {LONGEST} lines");
        assert!(text.starts_with("--"), "{name} does not begin with a sentence about what it is for");
    }
}

#[test]
fn no_test_is_switched_off() {
    let switched_off = ["#[", "ignore"].concat();
    for (name, text) in rust() {
        assert!(!text.contains(&switched_off), "{name}");
    }
}

#[test]
fn a_name_that_two_parts_share_is_spelled_in_one_place() {
    for (name, text) in rust() {
        let spelled = text.contains("\"{vigil}:") || text.contains("\"{{vigil}}:");
        let is_test = name.contains("tests/") || name.ends_with("/tests.rs") || text.contains("mod tests");
        let may = name == "state/src/names.rs" || is_test;
        assert!(!spelled || may, "{name} spells a key of Redis, which belongs to state/src/names.rs");
    }
}

/// The modules of a crate, and the modules that each uses, without its tests.
fn arrows(krate: &str) -> BTreeMap<String, BTreeSet<String>> {
    let below = format!("{krate}/src/");
    let all = files(&[&below], ".rs");
    let module = |name: &str| {
        let name = name.strip_prefix(&below).unwrap();
        name.split_once(['/', '.']).unwrap().0.to_owned()
    };
    let modules: BTreeSet<String> = all.iter().map(|(name, _)| module(name)).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in &all {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for used in code.split("crate::").skip(1) {
            let named = used.strip_prefix('{').map_or(used, |list| list.split('}').next().unwrap());
            let words: Vec<&str> = if used.starts_with('{') { named.split(',').collect() } else { vec![named] };
            for word in words {
                let end = word.trim_start().find(|c: char| !c.is_ascii_lowercase() && c != '_' && !c.is_ascii_digit());
                let word = &word.trim_start()[..end.unwrap_or(word.trim_start().len())];
                if modules.contains(word) && word != module(name) && module(name) != "lib" {
                    arrows.entry(module(name)).or_default().insert(word.to_owned());
                }
            }
        }
    }
    arrows
}

/// A module that depends on itself through others, if there is one.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<&String> {
    arrows.keys().find(|start| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
        while let Some(module) = open.pop() {
            for next in arrows.get(module).into_iter().flatten() {
                if next == *start {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    })
}

#[test]
fn modules_use_few_others_and_none_itself_by_way_of_others() {
    let mut count = 0;
    for krate in ["platform", "state"] {
        let arrows = arrows(krate);
        assert_eq!(circle(&arrows), None, "{krate}: {arrows:?}");
        count += arrows.values().map(BTreeSet::len).sum::<usize>();
    }
    assert!((20..=MOST_ARROWS).contains(&count), "{count} arrows between modules of platform and state");
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for krate in ["platform", "state", "workers"] {
        for entry in fs::read_dir(root().join(krate).join("src")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "lib") else { continue };
            assert!(map.contains(&format!("`{module}")), "ARCHITECTURE.md does not name {krate}/src/{name}");
        }
    }
}
