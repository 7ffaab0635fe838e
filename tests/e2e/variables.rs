//! A wrong variable is found before the first document is sent: the component that reads it finds it, `/readyz` names
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use state::health::check::Answer;
use state::names::{COMPONENTS, answers, check_channel};

use crate::app::{App, on_spin, until};

/// No variable accepts this value; no answer may show it.
const WRONG: &str = "?? a secret of ours ??";

/// The variables that spin.toml grants, by component.
fn granted() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let components = manifest["component"].as_table().unwrap().iter();
    let names = |it: &toml::Value| Some(it.get("variables")?.as_table()?.keys().cloned().collect());
    components.filter_map(|(id, component)| Some((id.clone(), names(component)?))).collect()
}

/// The faults that readiness names: component and variable; no variable for a component that does not answer.
pub(crate) fn named(ready: &Value) -> BTreeSet<(String, String)> {
    let checks = ready["checks"].as_array().unwrap().iter();
    let faults = checks.flat_map(|check| check["faults"].as_array().cloned().unwrap_or_default());
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    faults.map(|fault| (text(&fault, "component"), text(&fault, "variable"))).collect()
}

/// Whether all components have answered.
fn all_answered(ready: &Value) -> bool {
    named(ready).iter().all(|(_, variable)| !variable.is_empty())
}

pub(crate) fn pairs(named: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    named.iter().map(|(component, variable)| ((*component).to_owned(), (*variable).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_variable_of_any_component_is_named_without_its_value_before_anything_is_sent() {
    let all = granted();
    let variables: BTreeSet<&String> = all.values().flatten().filter(|name| !asks(name)).collect();
    let builder = variables.iter().fold(App::builder(), |builder, name| builder.variable(name, WRONG));
    let mut app = builder.start_unready().await;
    let began = Instant::now();
    let (status, ready) = app.readiness(|_, ready| all_answered(ready)).await;
    assert_eq!((status, &ready["ready"]), (503, &Value::from(false)));
    let expected: BTreeSet<(String, String)> = all
        .iter()
        .flat_map(|(component, names)| names.iter().map(|name| (component.clone(), name.clone())))
        .filter(|(_, name)| !asks(name))
        .collect();
    assert_eq!(named(&ready), expected, "each component names each variable that it is granted");
    assert!(!ready.to_string().contains("of ours"), "{ready}");
    let detail = ready["checks"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("dispatch: alert_routes must be JSON"), "{detail}");
    assert!(on_spin() || began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    // Corrected, on the same Redis: the earlier answers hold nobody up.
    app.stop().await;
    app = put_right(app, &variables).await;
    let began = Instant::now();
    app.readiness(|status, _| status == 200).await;
    assert!(on_spin() || began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // Wrong again, on the same Redis: the earlier good answers do not count.
    app.stop().await;
    app.set("risk_url", WRONG);
    app.start_unready().await;
    let (status, ready) = app.readiness(|status, ready| status == 503 && all_answered(ready)).await;
    assert_eq!((status, named(&ready)), (503, pairs(&[("ops", "risk_url"), ("score", "risk_url")])), "{ready}");
}

/// Whether the check itself needs this variable: with a wrong one, no component could be asked.
fn asks(name: &str) -> bool {
    ["redis_url", "replica"].contains(&name)
}

async fn put_right(mut app: App, wrong: &BTreeSet<&String>) -> App {
    let right = App::builder();
    for name in wrong {
        app.unset(name, &right);
    }
    app.start_unready().await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_look_right_are_named_too() {
    let routes = r#"{"critical": [{"url": "https://hook.example/a"}], "https://hook.example/s3cret-path": []}"#;
    let app = App::builder()
        .variable("alert_routes", routes)
        .variable("link_key", "c2hvcnQ=")
        .variable("retry_schedule", "[1, -1]")
        .variable("rate_per_key", "5,0")
        .variable("imaging_webhooks", r#"[{"url":"https://host","secret":"x"}]"#)
        .start_unready()
        .await;
    let (_, ready) = app.readiness(|_, ready| all_answered(ready)).await;
    let expected = pairs(&[
        ("alerts", "alert_routes"),
        ("alerts", "link_key"),
        ("alerts", "retry_schedule"),
        ("console", "alert_routes"),
        ("console", "retry_schedule"),
        ("dispatch", "alert_routes"),
        ("dispatch", "imaging_webhooks"),
        ("dispatch", "link_key"),
        ("dispatch", "retry_schedule"),
        ("ops", "alert_routes"),
        ("ops", "imaging_webhooks"),
        ("ops", "link_key"),
        ("ops", "retry_schedule"),
        ("imaging", "imaging_webhooks"),
        ("submit", "rate_per_key"),
    ]);
    assert_eq!(named(&ready), expected, "{ready}");
    let text = ready.to_string();
    assert!(text.contains("/critical/0") && !text.contains("hook.example") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_do_not_run_owe_no_answer() {
    let app = App::builder().variable("ai_services", WRONG).only(&["submit", "records", "ops"]).start().await;
    assert_eq!(app.readiness(|_, _| true).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_of_two_that_is_wrong_is_seen_and_forgotten_when_it_is_gone() {
    let first = App::start().await;
    let mut second = App::builder().variable("alert_routes", "[]").start_unready_beside(&first).await;
    let expected = pairs(&["alerts", "console", "dispatch", "ops"].map(|component| (component, "alert_routes")));
    for host in [&second, &first] {
        let (status, _) = host.readiness(|_, ready| named(ready) == expected).await;
        assert_eq!(status, 503);
    }
    second.stop().await;
    first.readiness(|status, _| status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_name_of_its_own_is_not_held_up_by_another() {
    let first = App::builder().variable("replica", "pod-1").start().await;
    let second = App::builder().variable("replica", "pod-2").variable("rate_per_site", "fast");
    let second = second.start_unready_beside(&first).await;
    let expected = pairs(&[("submit", "rate_per_site")]);
    assert_eq!(second.readiness(|_, ready| named(ready) == expected).await.0, 503);
    for _ in 0..3 {
        let answer = first.client().await.send("GET", "/readyz", &[], "").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_answer_is_named() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    // Somebody hears the question to `dispatch`, and does not answer.
    let client = redis::Client::open(app.redis_url()).unwrap();
    let mut deaf = client.get_async_pubsub().await.unwrap();
    deaf.subscribe(check_channel("shared", "dispatch")).await.unwrap();
    let (_, ready) = app.readiness(|status, _| status == 503).await;
    assert!(ready.to_string().contains("dispatch has not reported"), "{ready}");
    drop(deaf);
    app.readiness(|status, _| status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_component_is_granted_what_it_reads_and_no_more() {
    let app = App::start().await;
    let id = "0123456789abcdef0123456789abcdef";
    for component in COMPONENTS {
        let heard: usize = app.redis(&["PUBLISH", &check_channel("shared", component), &format!("check {id}")]).await;
        assert_eq!(heard, 1, "{component}");
    }
    let read = until("all have answered", async || {
        let all: Vec<String> = app.redis(&["LRANGE", &answers(id), "0", "-1"]).await;
        (all.len() == COMPONENTS.len()).then_some(all)
    })
    .await;
    let read = read.iter().map(|answer| serde_json::from_str::<Answer>(answer).unwrap());
    let read: BTreeMap<_, _> = read.map(|answer| (answer.component, answer.variables)).collect();
    assert_eq!(read, granted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_what_is_wrong_and_stops() {
    if on_spin() {
        return;
    }
    let app = App::builder().own_process().variable("alert_routes", "{").variable("queue_capacity", "many");
    let mut app = app.start_unready().await;
    let (status, said) = app.ended().await;
    assert_eq!(status, Some(1), "{said}");
    for line in [
        "  dispatch: alert_routes must be JSON\n",
        "  ops: alert_routes must be JSON\n",
        "  submit: queue_capacity must be a number from 1 to 1000000000\n",
        "  clock: queue_capacity must be a number from 1 to 1000000000\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_refuses_a_variable_that_the_application_does_not_have() {
    if on_spin() {
        return;
    }
    let app = App::builder().own_process().variable("alert_route", "{}");
    let mut app = app.start_unready().await;
    let (status, said) = app.ended().await;
    assert_eq!((status, said.contains("alert_route")), (Some(1), true), "{said}");
}
