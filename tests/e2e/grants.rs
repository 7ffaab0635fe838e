//! The table of roles for persons: by a grant of a group, of the person, of a site, and by one of several.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use state::edge::auth::Role;

use crate::app::{ADMIN, App, phq9, until};
use crate::client::Answer;
use crate::issuer::Issuer;
use crate::roles::{only_by_role, response, unseen_elsewhere};

/// The places that grants cover: everything, another study, another site.
const PLACES: [(&str, &str); 3] = [("*", "*"), ("B", "*"), ("A", "2")];

/// The name of the group, or of the person, that has one role at one place.
fn name(role: Role, study: &str, site: &str) -> String {
    format!("{}-{study}-{site}", role.as_str())
}

/// An application in which a group, and a person without one, has each role at each place.
async fn with(issuer: &Issuer) -> App {
    let app = App::builder().variable("oidc", issuer.variable()).variable("signature_seconds", "900").start().await;
    let one = |whom: &str, role: Role, (study, site): (&str, &str)| {
        let mut grant = json!({"issuer": issuer.url(), "role": role.as_str(), "study": study, "site": site});
        grant[whom] = json!(name(role, study, site));
        grant
    };
    let of =
        |role: Role| PLACES.into_iter().flat_map(move |place| ["group", "subject"].map(|whom| (whom, role, place)));
    let grants: Vec<Value> =
        Role::ALL.into_iter().flat_map(of).map(|(whom, role, place)| one(whom, role, place)).collect();
    let stored = app.send("PUT", "/v1/config/access", &json!({"grants": grants})).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    app
}

async fn begin(app: &App, issuer: &Issuer, subject: &str, groups: &[&str], grant: usize) -> Value {
    let body = json!({"issuer": issuer.url(), "token": issuer.token(subject, groups), "grant": grant}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = app.client().await.send("POST", "/v1/sessions", &headers, body).await.unwrap();
    assert_eq!(answer.status, 201, "{subject} {groups:?}: {answer:?}");
    answer.json()
}

fn secret(session: &Value) -> String {
    session["secret"].as_str().unwrap().to_owned()
}

/// A session for each role at each place, by its name: of a person of the group, or of the person.
async fn sessions(app: &App, issuer: &Issuer, by_group: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for role in Role::ALL {
        for (study, site) in PLACES {
            let name = name(role, study, site);
            let session = match by_group {
                true => begin(app, issuer, &format!("of-{name}"), &[&name, "cooks"], 0).await,
                false => begin(app, issuer, &name, &[], 0).await,
            };
            found.insert(name, secret(&session));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_call_what_the_table_says_by_a_grant_of_a_group_or_of_their_own() {
    let issuer = Issuer::start().await;
    let app = with(&issuer).await;
    for by_group in [true, false] {
        let sessions = sessions(&app, &issuer, by_group).await;
        only_by_role(&app, |role| sessions[&name(role, "*", "*")].clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_grant_does_not_cover_looks_to_a_person_as_if_it_were_not_there() {
    let issuer = Issuer::start().await;
    let app = with(&issuer).await;
    let names = response(&app, ADMIN).await;
    for by_group in [true, false] {
        let sessions = sessions(&app, &issuer, by_group).await;
        unseen_elsewhere(&app, &names, |role, study, site| sessions[&name(role, study, site)].clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_grants_the_one_that_is_used_decides_alone() {
    let issuer = Issuer::start().await;
    let app = with(&issuer).await;
    let names = response(&app, ADMIN).await;
    let path = format!("/v1/submissions/{}", names["id"]);
    // Of the own grant of the person and of two groups, in the order of the document.
    let person = name(Role::Clinician, "A", "2");
    let groups = [name(Role::Auditor, "*", "*"), name(Role::Read, "*", "*")];
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let grants = begin(&app, &issuer, &person, &groups, 0).await["grants"].clone();
    let expected = [("read", "*", "*"), ("clinician", "A", "2"), ("auditor", "*", "*")];
    let expected: Vec<Value> =
        expected.iter().map(|(role, study, site)| json!({"role": role, "study": study, "site": site})).collect();
    assert_eq!(grants, json!(expected));
    for (number, grant) in expected.iter().enumerate() {
        let session = begin(&app, &issuer, &person, &groups, number).await;
        let key = secret(&session);
        let own = app.send_as(&key, "GET", "/v1/whoami", &Value::Null).await.json();
        let kept = json!({"role": own["role"], "study": own["study"], "site": own["site"]});
        assert_eq!((&kept, &own["grant"]), (grant, &json!(number)), "{own}");
        let statuses = [path.as_str(), "/v1/access", "/v1/silences"];
        let mut found = Vec::new();
        for path in statuses {
            found.push(app.send_as(&key, "GET", path, &Value::Null).await.status);
        }
        // The reader of everything sees the submission; the clinician of site 2 does not; the auditor reads no content.
        assert_eq!(found, [[200, 403, 403], [404, 403, 200], [200, 200, 403]][number], "{grant}");
    }
}

/// The lists of the API that have something of every study.
const LISTS: [&str; 5] = ["/v1/alerts", "/v1/access", "/v1/sessions", "/v1/keys", "/v1/silences"];

#[tokio::test(flavor = "multi_thread")]
async fn an_organisations_people_see_their_own_studies_only() {
    let issuer = Issuer::start().await;
    let app = with(&issuer).await;
    let mut foreign: Vec<String> = Vec::new();
    let mut own: Vec<String> = Vec::new();
    for (study, ids) in [("A", &mut foreign), ("B", &mut own)] {
        let mut document = phq9(&format!("r {study}"), [3; 9]);
        document["studyId"] = json!(study);
        let location = app.submit(&document).await;
        let shown = app.scored(&location).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        ids.extend([text(&shown["submissionId"]), text(&shown["subject"]), text(&shown["alerts"][0]["alertId"])]);
        let key =
            app.send("POST", "/v1/keys", &json!({"label": "EDC", "role": "read", "study": study, "site": "*"})).await;
        ids.push(text(&key.json()["keyId"]));
        let silence = json!({"matchers": {"study": [study]}, "minutes": 5, "comment": "night"});
        let silence = app.send("POST", "/v1/silences", &silence).await;
        assert_eq!(silence.status, 201, "{silence:?}");
        ids.push(text(&silence.json()["id"]));
        // A look, and a session, at each.
        assert_eq!(app.send("GET", &location, &Value::Null).await.status, 200);
    }
    let stranger = begin(&app, &issuer, &name(Role::Read, "A", "2"), &[], 0).await;
    foreign.push(stranger["sessionId"].as_str().unwrap().to_owned());
    let holds = |answer: &Answer, id: &String| String::from_utf8_lossy(&answer.body).contains(id.as_str());
    for role in Role::ALL {
        // The person belongs to an organisation with study B, and to groups without any grant.
        let session = begin(&app, &issuer, "of-the-sponsor", &[&name(role, "B", "*"), "sponsor"], 0).await;
        let key = secret(&session);
        let mut seen = 0;
        for path in LISTS.into_iter().chain(["/v1/studies/A/submissions", "/v1/studies/B/submissions"]) {
            let answer = app.send_as(&key, "GET", path, &Value::Null).await;
            assert!(matches!(answer.status, 200 | 403 | 404), "{role:?} {path}: {answer:?}");
            assert!(!foreign.iter().any(|id| holds(&answer, id)), "{role:?} {path}: {answer:?}");
            seen += usize::from(own.iter().any(|id| holds(&answer, id)));
        }
        let least = match role {
            Role::Admin => 5,
            Role::Clinician | Role::Read => 2,
            Role::Auditor => 1,
            Role::Submit | Role::Coordinator | Role::Operator => 0,
        };
        assert!(seen >= least, "{role:?} sees {seen} of the own lists");
    }
    until("nothing waits", async || (app.work_left().await == 0).then_some(())).await;
}
