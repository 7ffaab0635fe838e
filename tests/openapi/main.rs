//! The API description, put together of the components' tables of routes, their descriptions and their types.
//!
//! Guarantee: `functions/web/openapi.json`, which `web` serves, is what the code says. `cargo test --test openapi`
//! fails otherwise, and `WRITE=1 cargo test --test openapi` writes it. What the description says is compared with
//! running components in `tests/e2e/openapi.rs`.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test, and its helpers fail it"
)]

mod document;
mod refusals;
mod writer;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The components, each with its folder and its description.
fn components() -> Vec<state::edge::describe::Description> {
    vec![
        access::describe(),
        submit::describe(),
        records::describe(),
        studies::describe(),
        alerts::describe(),
        console::describe(),
        imaging::describe(),
        ops::describe(),
        web::describe(),
    ]
}

#[test]
fn the_served_description_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/web/openapi.json");
    let document = writer::write(&document::document(components()));
    if env::var_os("WRITE").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let served = fs::read_to_string(&path).unwrap();
    let line = served.lines().zip(document.lines()).position(|(one, other)| one != other);
    assert!(
        served == document,
        "{} is not what the code says, from line {} on; `WRITE=1 cargo test --test openapi` writes it",
        path.display(),
        line.map_or(served.lines().count(), |line| line) + 1,
    );
}

/// The crate that makes schemas is for this test alone.
#[test]
fn no_component_has_what_makes_schemas() {
    let tree = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "tree",
            "--locked",
            "--offline",
            "--target",
            "wasm32-wasip2",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ]);
        let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has = |tree: &str, name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("spin.toml")).unwrap();
    let commands = manifest.lines().filter(|line| line.starts_with("command = "));
    let packages: Vec<&str> = commands.filter_map(|line| line.split_once(" -p ")?.1.split([' ', '"']).next()).collect();
    let named: Vec<&str> = packages.iter().flat_map(|name| ["-p", name]).collect();
    let all = tree(&named);
    assert!(packages.len() == 12 && packages.iter().all(|name| has(&all, name)) && has(&all, "serde_json"), "{all}");
    assert!(!has(&all, "schemars"), "{all}");
    assert!(has(&tree(&["-p", "ops", "--features", "ops/schema"]), "schemars"));
}
