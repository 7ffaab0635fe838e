//! The names in spin.toml and in `state::names` are the same.

use std::collections::{BTreeMap, BTreeSet};

use state::names::{CLOCK_CHANNEL, COMPONENTS, Queue, check_channel};

/// Channel and address of every Redis trigger, with its component.
fn triggers() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let triggers = manifest["trigger"]["redis"].as_array().unwrap();
    let field = |trigger: &toml::Value, name: &str| trigger[name].as_str().unwrap().to_owned();
    triggers.iter().map(|it| (field(it, "component"), field(it, "channel"), field(it, "address"))).collect()
}

fn is_check(channel: &str) -> bool {
    channel.starts_with("vigil.check.")
}

#[test]
fn every_worker_has_its_channel_and_an_address_of_its_own() {
    let (checks, workers): (Vec<_>, Vec<_>) = triggers().into_iter().partition(|(_, channel, _)| is_check(channel));
    let channels: BTreeMap<String, String> =
        workers.iter().map(|(component, channel, _)| (component.clone(), channel.clone())).collect();
    let expected = BTreeMap::from([
        ("score".to_owned(), Queue::Score.channel().to_owned()),
        ("dispatch".to_owned(), Queue::Dispatch.channel().to_owned()),
        ("imaging".to_owned(), Queue::Imaging.channel().to_owned()),
        ("clock".to_owned(), CLOCK_CHANNEL.to_owned()),
    ]);
    assert_eq!(channels, expected);
    let addresses: BTreeSet<String> = workers.iter().map(|(_, _, address)| address.clone()).collect();
    assert_eq!(addresses.len(), workers.len(), "one loop each: {addresses:?}");
    let shared: BTreeSet<String> = checks.into_iter().map(|(_, _, address)| address).collect();
    assert!(shared.len() == 1 && shared.is_disjoint(&addresses), "a question waits for no drain: {shared:?}");
}

#[test]
fn every_component_that_reads_variables_can_be_asked_for_them() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let reads = manifest["component"].as_table().unwrap().iter().filter(|(_, it)| it.get("variables").is_some());
    let components: Vec<&String> = reads.map(|(component, _)| component).collect();
    assert_eq!(components, COMPONENTS);
    let asked: BTreeSet<(String, String)> = triggers()
        .into_iter()
        .filter(|(_, channel, _)| is_check(channel))
        .map(|(component, channel, _)| (component, channel))
        .collect();
    let expected = COMPONENTS.map(|component| (component.to_owned(), check_channel("{{ replica }}", component)));
    assert_eq!(asked, BTreeSet::from(expected));
}
