//! Every route, for every role: who may call it, and which data a key of another study or site sees.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use state::edge::auth::{Action, Role};
use state::edge::serve::Described;

use crate::app::{App, Builder, phq9};
use crate::client::Answer;

/// The routes of all components, each with the name of its component.
pub(crate) fn all() -> Vec<(&'static str, Described)> {
    let tables = [
        ("access", access::routes()),
        ("alerts", alerts::routes()),
        ("console", console::routes()),
        ("imaging", imaging::routes()),
        ("ops", ops::routes()),
        ("records", records::routes()),
        ("studies", studies::routes()),
        ("submit", submit::routes()),
        ("web", web::routes()),
    ];
    tables.into_iter().flat_map(|(component, routes)| routes.into_iter().map(move |route| (component, route))).collect()
}

fn key(role: Role, study: &str, site: &str) -> String {
    format!("key-of-{}-for-{study}-{site}", role.as_str())
}

/// The scopes of the keys: everything, and places without data.
const PLACES: [(&str, &str); 3] = [("*", "*"), ("B", "*"), ("A", "2")];

/// A key of each role for each scope.
fn keys() -> String {
    let entry = |role: Role, (study, site): (&str, &str)| {
        let sha256: String = Sha256::digest(key(role, study, site)).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"id": format!("{}-{study}-{site}", role.as_str()), "role": role.as_str(), "study": study, "site": site,
               "sha256": sha256})
    };
    let entries = Role::ALL.into_iter().flat_map(|role| PLACES.map(|place| entry(role, place)));
    Value::from_iter(entries).to_string()
}

fn builder() -> Builder {
    App::builder().variable("api_keys", keys())
}

/// The path of a route with these values, or else with ids that do not exist.
pub(crate) fn filled(route: &Described, names: &BTreeMap<&str, String>) -> String {
    let part = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some("pseudonym" | "to") if !names.contains_key("pseudonym") => "0".repeat(32),
        Some(name) => names.get(name).cloned().unwrap_or_else(|| "00000000-0000-0000-0000-000000000000".to_owned()),
        None => segment.to_owned(),
    };
    route.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Asks with a key or a session. What persons must say, keys may say as well.
async fn call(app: &App, key: Option<&str>, method: &str, path: &str) -> Answer {
    let authorization = format!("Bearer {}", key.unwrap_or_default());
    let mut headers = vec![
        ("content-type", "application/json"),
        ("x-look-reason", "the matrix looks"),
        ("x-signature-meaning", "the matrix acts"),
    ];
    headers.extend(key.map(|_| ("authorization", authorization.as_str())));
    let body = if method == "GET" { "" } else { "{}" };
    app.client().await.send(method, path, &headers, body).await.unwrap()
}

#[test]
fn every_path_goes_to_the_component_that_has_it() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let mut triggers: Vec<(host::routes::Pattern, &str)> = manifest["trigger"]["http"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let pattern = host::routes::Pattern::parse(it["route"].as_str().unwrap()).unwrap();
            (pattern, it["component"].as_str().unwrap())
        })
        .collect();
    triggers.sort_by(|(one, _), (other, _)| one.compare(other));
    for (component, route) in all() {
        let path = filled(&route, &BTreeMap::new());
        let first = triggers.iter().find(|(pattern, _)| pattern.matches(&path).is_some());
        assert_eq!(first.map(|(_, component)| *component), Some(component), "{} {path}", route.method);
    }
    // The screens have what the API does not; every path below the API's own roots answers with a problem.
    for (path, component) in
        [("/", "web"), ("/inbox", "web"), ("/alerts/a", "web"), ("/v1/inbox", "records"), ("/fhir/inbox", "records")]
    {
        let first = triggers.iter().find(|(pattern, _)| pattern.matches(path).is_some());
        assert_eq!(first.map(|(_, component)| *component), Some(component), "{path}");
    }
}

/// Asks on every route with what `bearer` gives for each role, for all studies: who is refused is who the table refuses.
pub(crate) async fn only_by_role(app: &App, bearer: impl Fn(Role) -> String) {
    for (_, route) in all() {
        let path = filled(&route, &BTreeMap::new());
        let Some(action) = route.action else { continue };
        for role in Role::ALL {
            let answer = call(app, Some(&bearer(role)), route.method, &path).await;
            let refused = matches!(answer.status, 401 | 403);
            assert_eq!(refused, !action.is_of(role), "{role:?} {route:?}: {answer:?}");
            assert!(answer.status < 500 || answer.status == 503, "{role:?} {route:?}: {answer:?}");
        }
    }
}

/// A scored response of site 1 of study A, by the names that paths have for its ids.
pub(crate) async fn response(app: &App, key: &str) -> BTreeMap<&'static str, String> {
    let location = call_with(app, key, &phq9("r", [3; 9])).await;
    let shown = crate::app::until("it is scored", async || {
        let shown = app.send_as(key, "GET", &location, &Value::Null).await.json();
        (shown["state"] == "scored").then_some(shown)
    })
    .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    BTreeMap::from([
        ("id", text(&shown["submissionId"])),
        ("pseudonym", text(&shown["subject"])),
        ("alert", text(&shown["alerts"][0]["alertId"])),
        ("kind", "submission".to_owned()),
    ])
}

/// Asks on every route about a response of site 1 of study A, with what `bearer` gives for each role of each other place: it
/// looks as if it were not there.
pub(crate) async fn unseen_elsewhere(
    app: &App,
    names: &BTreeMap<&'static str, String>,
    bearer: impl Fn(Role, &str, &str) -> String,
) {
    let mut asked = 0;
    for (component, route) in all() {
        let (Some(action), true) =
            (route.action, ["{id}", "{pseudonym}", "{alert}"].iter().any(|it| route.path.contains(it)))
        else {
            continue;
        };
        if component == "imaging" && route.path.contains("{id}") {
            continue;
        }
        let path = filled(&route, names);
        let path = if route.path.ends_with("/scores") { format!("{path}?score=phq-9.total") } else { path };
        for role in Role::ALL.into_iter().filter(|role| action.is_of(*role)) {
            for (study, site) in [("B", "*"), ("A", "2")] {
                let answer = call(app, Some(&bearer(role, study, site)), route.method, &path).await;
                let told = String::from_utf8_lossy(&answer.body);
                // The content of a request is checked first, and the list of an unknown subject is empty.
                let unseen = matches!(answer.status, 404 | 422) || answer.status == 200 && action == Action::Read;
                assert!(
                    unseen && !told.contains(&names["id"]) && !told.contains(&names["alert"]),
                    "{role:?} {study} {route:?}: {answer:?}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_call_what_the_table_says_and_nothing_else() {
    let app = builder().start().await;
    for (_, route) in all().into_iter().filter(|(_, route)| route.action.is_some()) {
        let path = filled(&route, &BTreeMap::new());
        assert_eq!(call(&app, None, route.method, &path).await.status, 401, "{route:?}");
    }
    only_by_role(&app, |role| key(role, "*", "*")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_does_not_cover_looks_as_if_it_were_not_there() {
    let app = builder().start().await;
    let names = response(&app, &key(Role::Admin, "*", "*")).await;
    unseen_elsewhere(&app, &names, key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_learns_its_role_and_scope() {
    let app = builder().start().await;
    for role in Role::ALL {
        for (study, site) in PLACES {
            let answer = call(&app, Some(&key(role, study, site)), "GET", "/v1/whoami").await;
            let id = format!("{}-{study}-{site}", role.as_str());
            let holder = json!({"keyId": id, "role": role.as_str(), "study": study, "site": site});
            assert_eq!((answer.status, answer.json()), (200, holder), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    let asked = call(&app, Some(&key(Role::Read, "A", "2")), "GET", "/v1/whoami?key=other").await;
    assert_eq!(asked.status, 422, "{asked:?}");
    assert_eq!(call(&app, Some("of-nobody"), "GET", "/v1/whoami").await.status, 401);
}

async fn call_with(app: &App, key: &str, response: &Value) -> String {
    let answer = app.send_as(key, "POST", crate::app::PHQ9, response).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}
