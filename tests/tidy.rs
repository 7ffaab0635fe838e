//! The rules of this repository that a machine can check: what CONTRIBUTING asks of every change.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helpers fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, lines.
const LONGEST: usize = 500;
/// The most arrows between the modules of `platform` and `state`.
const MOST_ARROWS: usize = 66;

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
                // The packages of the browser tests are not ours.
                open.extend(Some(path).filter(|path| !path.ends_with("node_modules")));
            } else if name.ends_with(end) {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const CODE: [&str; 10] =
    ["domain", "platform", "state", "workers", "functions", "host", "cli", "src", "benches", "tests"];

fn rust() -> Vec<(String, String)> {
    let all = files(&CODE, ".rs");
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
        let may = name == "state/src/names.rs" || name.starts_with("state/src/names/") || is_test;
        assert!(!spelled || may, "{name} spells a key of Redis, which belongs to state/src/names.rs");
    }
}

/// A file's code without its comments and its tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names that the root of a crate gives to its modules' types and functions, with their modules.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let statements = code(lib);
    let statements = statements.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let mut exports = BTreeMap::new();
    for (module, names) in statements.filter_map(|statement| statement.split_once("::")) {
        for name in names.trim_matches(['{', '}']).split(',') {
            let name = name.rsplit([' ', ':']).next().unwrap();
            exports.insert(name.to_owned(), module.to_owned());
        }
    }
    exports
}

/// The first names of the paths after a `crate::`: of one path, or of a list of paths in braces.
fn first_names(paths: &str) -> Vec<String> {
    let name = |path: &str| path.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let Some(list) = paths.strip_prefix('{') else { return vec![name(paths)] };
    let (mut depth, mut names) = (0, vec![String::new()]);
    for c in list.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match (depth, c) {
            (..0, _) => break,
            (0, ',') => names.push(String::new()),
            _ => names.last_mut().unwrap().push(c),
        }
    }
    names.iter().map(|path| name(path)).collect()
}

/// The modules of a crate, and the modules that each uses, without its tests.
fn arrows(krate: &str) -> BTreeMap<String, BTreeSet<String>> {
    let below = format!("{krate}/src/");
    let mut all = files(&[&below], ".rs");
    let module = |name: &str| {
        let name = name.strip_prefix(&below).unwrap();
        name.split_once(['/', '.']).unwrap().0.to_owned()
    };
    let lib = all.iter().position(|(name, _)| *name == format!("{below}lib.rs")).unwrap();
    let exports = exports(&all.remove(lib).1);
    let modules: BTreeSet<String> = all.iter().map(|(name, _)| module(name)).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in all.iter().filter(|(name, _)| !name.ends_with("/tests.rs")) {
        for used in code(text).split("crate::").skip(1).flat_map(first_names) {
            let used = exports.get(&used).cloned().unwrap_or(used);
            if modules.contains(&used) && used != module(name) {
                arrows.entry(module(name)).or_default().insert(used);
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
    let domain = arrows("domain");
    assert_eq!(circle(&domain), None, "domain: {domain:?}");
    assert!(domain.len() > 10, "{domain:?}");
    assert!((20..=MOST_ARROWS).contains(&count), "{count} arrows between modules of platform and state");
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for krate in ["domain", "platform", "state", "workers"] {
        for entry in fs::read_dir(root().join(krate).join("src")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let module = name.strip_suffix(".rs").unwrap_or(&name);
            if module == "lib" || module.ends_with(".lua") {
                continue;
            }
            assert!(map.contains(&format!("`{module}")), "ARCHITECTURE.md does not name {krate}/src/{name}");
        }
    }
}

#[test]
fn a_document_names_only_files_that_exist() {
    let code: Vec<String> = [".rs", ".lua"].iter().flat_map(|end| files(&CODE, end)).map(|(name, _)| name).collect();
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.is_file());
    let mut named = 0;
    for document in documents.into_iter().chain(pages) {
        for word in fs::read_to_string(&document).unwrap().split('`').skip(1).step_by(2) {
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
            if plain && (word.ends_with(".rs") || word.ends_with(".lua")) {
                let exists = code.iter().any(|file| file == word || file.ends_with(&format!("/{word}")));
                assert!(exists, "{} names {word}, which does not exist", document.display());
                named += 1;
            }
        }
    }
    assert!(named > 50, "{named}");
}
