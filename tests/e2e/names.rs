//! What is spelled in spin.toml and in `platform::names` is spelled alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use platform::names::{CLOCK_CHANNEL, Queue};

#[test]
fn every_redis_trigger_has_its_channel_and_an_address_of_its_own() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let triggers = manifest["trigger"]["redis"].as_array().unwrap();
    let field = |trigger: &toml::Value, name: &str| trigger[name].as_str().unwrap().to_owned();
    let channels: BTreeMap<String, String> =
        triggers.iter().map(|trigger| (field(trigger, "component"), field(trigger, "channel"))).collect();
    let expected = BTreeMap::from([
        ("score".to_owned(), Queue::Score.channel().to_owned()),
        ("dispatch".to_owned(), Queue::Dispatch.channel().to_owned()),
        ("imaging".to_owned(), Queue::Imaging.channel().to_owned()),
        ("clock".to_owned(), CLOCK_CHANNEL.to_owned()),
    ]);
    assert_eq!(channels, expected);
    let addresses: BTreeSet<String> = triggers.iter().map(|trigger| field(trigger, "address")).collect();
    assert_eq!(addresses.len(), triggers.len(), "one loop each: {addresses:?}");
}

#[test]
fn every_component_is_granted_what_it_reads_and_no_more() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let manifest: toml::Table = std::fs::read_to_string(format!("{root}spin.toml")).unwrap().parse().unwrap();
    for (id, component) in manifest["component"].as_table().unwrap() {
        let granted: BTreeSet<String> = component["variables"].as_table().unwrap().keys().cloned().collect();
        // `drain` also runs the workers' own code, which reads what the workers read.
        // `console` asks for the routes in force as `dispatch` does.
        let mut places = vec![format!("functions/{id}/src")];
        places.extend(match id.as_str() {
            "drain" => vec!["workers/src".to_owned()],
            "console" => vec!["workers/src/dispatch".to_owned()],
            "clock" => vec!["workers/src/clock.rs".to_owned()],
            "score" | "dispatch" => vec![format!("workers/src/{id}")],
            _ => Vec::new(),
        });
        let mut read = BTreeSet::new();
        let sources: String = places.iter().map(|place| sources(&Path::new(root).join(place))).collect();
        for call in ["reader.text(\"", "reader.number(\"", "reader.seconds(\"", "reader.key(\"", "reader.parsed(\""] {
            let names = sources.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            read.extend(names.map(str::to_owned));
        }
        assert_eq!(granted, read, "component {id}");
    }
}

/// The text of a file, or of all files below a folder.
fn sources(place: &Path) -> String {
    if place.is_file() {
        return std::fs::read_to_string(place).unwrap();
    }
    std::fs::read_dir(place).unwrap().map(|entry| sources(&entry.unwrap().path())).collect()
}
