//! The table of variables, `state/src/variables.rs`, is what `spin.toml` declares and grants, and what the page says.
//!
//! After a change of the table, `WRITE=1 cargo test --test variables` writes the page again.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helpers fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use state::names::COMPONENTS;
use state::variables::{Declared, declared};

/// The table stands between these lines of the page.
const BEGIN: &str = "<!-- Written from state/src/variables.rs by: WRITE=1 cargo test --test variables -->\n";
const END: &str = "<!-- The end of the written part. -->\n";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn manifest() -> toml::Table {
    std::fs::read_to_string(file("spin.toml")).unwrap().parse().unwrap()
}

#[test]
fn every_variable_is_declared_soundly() {
    for variable in declared() {
        let Declared { name, sentence, bounds, .. } = &variable;
        assert_eq!(*name, variable.constant.to_lowercase());
        assert!(variable.is_sound, "{name}: the default breaks the rule");
        assert!(!bounds.is_empty() || !sentence.contains("{bounds}"), "{name} has no bounds");
        let told = bounds.is_empty() || sentence.contains("{bounds}") || sentence.starts_with(" The same");
        assert!(told, "{name}: the sentence does not say the bounds");
        assert!(variable.components.iter().all(|it| COMPONENTS.contains(it)), "{name}: {:?}", variable.components);
    }
}

#[test]
fn spin_toml_declares_each_variable_as_the_table_does() {
    let as_declared = |variable: Declared| {
        let required = variable.default.is_none();
        (variable.name.to_owned(), (variable.default.map(str::to_owned), required, variable.secret))
    };
    let flag = |it: &toml::Value, name: &str| it.get(name).is_some_and(|it| it.as_bool().unwrap());
    let as_written = |(name, it): (&String, &toml::Value)| {
        let default = it.get("default").map(|it| it.as_str().unwrap().to_owned());
        (name.clone(), (default, flag(it, "required"), flag(it, "secret")))
    };
    let declared: BTreeMap<_, _> = declared().into_iter().map(as_declared).collect();
    let written: BTreeMap<_, _> = manifest()["variables"].as_table().unwrap().iter().map(as_written).collect();
    assert_eq!(written, declared);
}

/// The variables of a component with their values, and the variables in its list of hosts.
type Granted = (BTreeSet<(String, String)>, BTreeSet<String>);

#[test]
fn spin_toml_grants_each_component_the_variables_of_the_table_and_no_others() {
    let named = |name: &str| format!("{{{{ {name} }}}}");
    let mut expected: BTreeMap<String, Granted> = BTreeMap::new();
    for variable in declared() {
        for component in variable.components {
            let (read, grants) = expected.entry((*component).to_owned()).or_default();
            match variable.is_grant {
                true => grants.insert(named(variable.name)),
                false => read.insert((variable.name.to_owned(), named(variable.name))),
            };
        }
    }
    let manifest = manifest();
    let granted = manifest["component"].as_table().unwrap().iter().filter_map(|(component, it)| {
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let read = it.get("variables").and_then(toml::Value::as_table).into_iter().flatten();
        let read: BTreeSet<_> = read.map(|(name, value)| (name.clone(), text(value))).collect();
        let hosts = it["allowed_outbound_hosts"].as_array().unwrap().iter().map(text);
        let hosts: BTreeSet<_> = hosts.filter(|host| host.contains("{{")).collect();
        (!read.is_empty() || !hosts.is_empty()).then(|| (component.clone(), (read, hosts)))
    });
    assert_eq!(granted.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn the_page_of_variables_is_written_from_the_table() {
    let path = file("docs/variables.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = [before, BEGIN, &tables(), "\n", END, after].concat();
    if std::env::var_os("WRITE").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(page == expected, "docs/variables.md is out of date: WRITE=1 cargo test --test variables");
    }
}

/// A table for each section.
fn tables() -> String {
    let (mut text, mut section) = (String::new(), "");
    for variable in declared() {
        if section != variable.section {
            section = variable.section;
            write!(text, "\n## {section}\n\n| name | default | secret | meaning | components |\n").unwrap();
            text.push_str("|---|---|---|---|---|\n");
        }
        text.push_str(&row(&variable));
    }
    text
}

fn row(variable: &Declared) -> String {
    let default = match variable.default {
        None => "**required**".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    };
    let secret = if variable.secret { "yes" } else { "no" };
    let meaning = variable.sentence.trim().replace("{bounds}", &variable.bounds).replace('|', "\\|");
    let names: Vec<String> = variable.components.iter().map(|name| format!("`{name}`")).collect();
    let components = if variable.components == COMPONENTS { "all".to_owned() } else { names.join(", ") };
    let components = if variable.is_grant { format!("grant of {components}") } else { components };
    format!("| `{}` | {default} | {secret} | {meaning} | {components} |\n", variable.name)
}
