//! Checks the files that an operator copies: deploy/, and the commands of README and docs/.

#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test, and its helpers fail it")]

use std::collections::BTreeMap;
use std::path::Path;

use host::manifest::Manifest;
use yaml_rust2::{Yaml, YamlLoader};

/// The memory that Spin was seen to use, MiB.
const SEEN: i64 = 440;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn manifest() -> Manifest {
    Manifest::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("spin.toml")).unwrap()
}

fn yaml(file: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(file)).unwrap()
}

fn mebibytes(quantity: &Yaml) -> i64 {
    let quantity = quantity.as_str().unwrap();
    match quantity.split_at(quantity.len() - 2) {
        (number, "Mi") => number.parse().unwrap(),
        (number, "Gi") => number.parse::<i64>().unwrap() * 1024,
        _ => panic!("{quantity}"),
    }
}

/// A probe with default times ends a container that is only slow: one second is short for a busy node.
fn has_its_own_times(probe: &Yaml) {
    let number = |name: &str| probe[name].as_i64().unwrap_or_else(|| panic!("{name} of {probe:?}"));
    assert!(
        number("periodSeconds") > 0 && number("timeoutSeconds") >= 2 && number("failureThreshold") >= 3,
        "{probe:?}"
    );
}

fn asks_for_enough_memory(resources: &Yaml) {
    assert!(mebibytes(&resources["requests"]["memory"]) >= SEEN, "{resources:?}");
    assert!(mebibytes(&resources["limits"]["memory"]) >= 2 * SEEN, "{resources:?}");
}

#[test]
fn the_deployment_asks_for_what_spin_takes_and_waits_as_long_as_it_needs() {
    let documents = yaml("deploy/deployment.yaml");
    let pod = &documents[0]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        has_its_own_times(&container[probe]);
        assert_eq!(container[probe]["httpGet"]["path"].as_str(), Some(path));
    }
    asks_for_enough_memory(&container["resources"]);
    // The files in the image's command are those of the mounted secret.
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let image = read("deploy/Dockerfile");
    for file in ["variables.json", "runtime-config.toml"] {
        assert!(image.contains(&format!("{mounted}/{file}")), "{file}");
        assert!(read("deploy/deployment.yaml").contains(&format!("--from-file={file}")), "{file}");
    }
    let (selector, labels) = (&documents[0]["spec"]["selector"]["matchLabels"], &documents[1]["spec"]["selector"]);
    assert_eq!(selector, labels);
}

#[test]
fn the_spin_app_does_the_same_and_its_variables_exist() {
    let app = &yaml("deploy/spinapp.yaml")[0]["spec"];
    for (check, path) in [("liveness", "/healthz"), ("readiness", "/readyz")] {
        has_its_own_times(&app["checks"][check]);
        assert_eq!(app["checks"][check]["httpGet"]["path"].as_str(), Some(path));
    }
    asks_for_enough_memory(&app["resources"]);
    let known = manifest().variables;
    for variable in app["variables"].as_vec().unwrap() {
        let declared = &known[variable["name"].as_str().unwrap()];
        assert!(!declared.secret || variable["value"].is_badvalue(), "{variable:?}");
    }
    assert_eq!(app["runtimeConfig"]["keyValueStores"][0]["type"].as_str(), Some("redis"));
}

#[test]
fn the_runtime_configuration_takes_its_address_from_the_operator() {
    let template = read("deploy/runtime-config.toml");
    let url = |text: &str| {
        let config: toml::Table = text.parse().unwrap();
        let store = &config["key_value_store"]["default"];
        assert_eq!(store["type"].as_str(), Some("redis"));
        store["url"].as_str().unwrap().to_owned()
    };
    assert!(url::Url::parse(&url(&template)).is_err(), "an address that nobody filled in must not be one");
    assert_eq!(url(&template.replace("${KEY_VALUE_URL}", "redis://r:6379/1")), "redis://r:6379/1");
    // A name may lead anywhere; at least not to the metadata of the machine.
    let config: toml::Table = template.parse().unwrap();
    let blocked = config["outbound_networking"]["block_networks"].as_array().unwrap();
    for network in ["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "127.0.0.0/8"] {
        assert!(blocked.iter().any(|it| it.as_str() == Some(network)), "{network}");
    }
}

#[test]
fn the_file_of_variables_names_what_the_application_asks_for_and_holds_no_secret() {
    let given: BTreeMap<String, String> = serde_json::from_str(&read("deploy/variables.json")).unwrap();
    let known = manifest().variables;
    for (name, value) in &given {
        assert!(!known[name].secret || value.contains("REPLACE"), "{name}");
    }
    assert!(known.iter().all(|(name, variable)| variable.default.is_some() || given.contains_key(name)));
}

#[test]
fn no_command_of_the_documents_has_a_secret_in_it() {
    let secret: Vec<String> =
        manifest().variables.into_iter().filter(|(_, it)| it.secret).map(|(name, _)| name).collect();
    for file in [
        "README.md",
        "docs/operations.md",
        "docs/variables.md",
        "deploy/deployment.yaml",
        "deploy/spinapp.yaml",
        "deploy/runtime-config.toml",
    ] {
        let text = read(file);
        for name in &secret {
            // Everybody on the machine can see the arguments of a process.
            for argument in [format!("--variable {name}="), format!("--from-literal={}=", name.replace('_', "-"))] {
                assert!(!text.contains(&argument), "{file}: {argument}");
            }
        }
    }
}

#[test]
fn every_place_that_names_a_host_names_the_least_spin() {
    for file in [
        "README.md",
        "docs/operations.md",
        "spin.toml",
        "deploy/deployment.yaml",
        "deploy/spinapp.yaml",
        "deploy/Dockerfile",
    ] {
        assert!(read(file).contains("4.1"), "{file}");
    }
}
