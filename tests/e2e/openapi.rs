//! `GET /openapi.json` describes the code: its paths and methods, its statuses and types, its examples.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::ReceiverId;
use platform::variables::Form as _;
use serde_json::{Value, json};
use state::alerts::acknowledgement_link::LinkKey;

use crate::app::{ADMIN, App, Builder, CLINICIAN_A1, READ_A1, SECRET, SUBMIT_A, on_spin, phq9, until};
use crate::client::Answer;
use crate::issuer::{EC, EC_384, Issuer};
use crate::receiver::Receiver;
use crate::scarce::Scarce;

/// In this order: a test must put a document before it can read it.
const METHODS: [&str; 8] = ["put", "get", "head", "post", "delete", "options", "trace", "patch"];

/// Two services that analyse images: `chest` answers; an analysis by `ct` runs long enough to be cancelled.
pub(crate) async fn with_services(builder: Builder) -> Builder {
    let (quick, slow) =
        (Scarce::start(std::time::Duration::ZERO).await, Scarce::start(std::time::Duration::from_secs(600)).await);
    let services = json!({"chest": {"url": quick.url(), "limit": 10}, "ct": {"url": slow.url(), "limit": 100}});
    builder
        .variable("ai_services", services.to_string())
        .variable("image_sources", r#"["https://pacs.example/images/"]"#)
}

/// Puts a running provider and a token, and the keys and an assertion of a program, in place of those of the examples.
fn real_provider(body: String, issuer: &Issuer) -> String {
    issuer.publish(&[EC, EC_384]);
    let body = body.replace("https://login.example", &issuer.url());
    let body = body.replace("https://ehr.example/jwks", &format!("{}/keys", issuer.url()));
    let body = body.replace(
        "eyJhbGciOiJFUzM4NCJ9.eyJpc3MiOiJlaHIiLCJzdWIiOiJlaHIifQ.c2lnbmF0dXJl",
        &EC_384.sign(&crate::clients::claims("ehr")),
    );
    body.replace("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJuLTEifQ.c2lnbmF0dXJl", &issuer.token("n-1", &[]))
}

/// The API description, as it is served, without a key.
pub(crate) async fn description(app: &App) -> Value {
    let answer = app.client().await.send("GET", "/openapi.json", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    answer.json()
}

/// The value itself, or the value that it refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            document.pointer(pointer).unwrap_or_else(|| panic!("nothing at {reference}"))
        }
        None => value,
    }
}

/// Path, method and operation of everything that is documented. What erases the subject and the study of all the others is
/// last, and then what shows that.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                all.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    let last = [
        ("DELETE", "/v1/subjects/{pseudonym}"),
        ("DELETE", "/v1/studies/{study}"),
        ("GET", "/v1/studies/{study}/erasure"),
    ];
    all.sort_by_key(|(path, method, _)| {
        last.iter().position(|one| *one == (&**method, &**path)).map_or(0, |at| at + 1)
    });
    all
}

/// A type of request body, its schema, and its examples by name.
pub(crate) type Request<'a> = (&'a str, &'a Value, Vec<(&'a str, &'a Value)>);

/// Every type of body that an operation accepts; each must have examples.
pub(crate) fn requests<'a>(operation: &'a Value) -> Vec<Request<'a>> {
    let contents = operation.pointer("/requestBody/content").and_then(Value::as_object);
    let examples = |content: &'a Value| {
        let examples = content["examples"].as_object().unwrap();
        examples.iter().map(|(name, example)| (name.as_str(), &example["value"])).collect()
    };
    let contents = contents.into_iter().flatten();
    contents.map(|(media, content)| (media.as_str(), &content["schema"], examples(content))).collect()
}

/// An example as it is sent: a text unchanged, everything else as JSON.
pub(crate) fn sent(example: &Value) -> String {
    example.as_str().map_or_else(|| example.to_string(), str::to_owned)
}

/// The faults of an instance by a schema of the document.
fn faults(document: &Value, schema: &Value, instance: &Value) -> Vec<String> {
    let mut root = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
    root["components"] = document["components"].clone();
    root["allOf"] = json!([schema]);
    let validator = jsonschema::validator_for(&root).unwrap();
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A path with real values, and a query of all parameters that are required or have an example.
pub(crate) fn filled(document: &Value, path: &str, submission: &str, subject: &str) -> String {
    let mut filled = path.replace("{id}", submission).replace("{pseudonym}", subject);
    let operations = METHODS.iter().filter_map(|method| document["paths"][path].get(method));
    for parameter in operations.flat_map(|operation| operation["parameters"].as_array()).flatten() {
        let parameter = resolved(document, parameter);
        if let ("path", Some(example)) = (parameter["in"].as_str().unwrap(), parameter["example"].as_str()) {
            filled = filled.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), example);
        }
        if parameter["in"] == "query" && (parameter["required"] == true || parameter["example"].is_string()) {
            let example = |name: &str| document["components"]["parameters"][name]["example"].as_str().unwrap();
            let value = parameter["example"].as_str().unwrap();
            let value = value.replace(example("SubmissionId"), submission).replace(example("Pseudonym"), subject);
            let mark = if filled.contains('?') { '&' } else { '?' };
            filled = format!("{filled}{mark}{}={value}", parameter["name"].as_str().unwrap());
        }
    }
    for (_, parameter) in document["components"]["parameters"].as_object().unwrap() {
        if let (Some(name), Some(example)) = (parameter["name"].as_str(), parameter["example"].as_str()) {
            filled = filled.replace(&format!("{{{name}}}"), example);
        }
    }
    assert!(!filled.contains('{'), "{filled}");
    filled
}

/// Real values in a test, for the examples of these parameters.
pub(crate) type Real<'a> = &'a [(&'a str, String)];

/// A path with real values in place of the examples.
pub(crate) fn real(document: &Value, mut path: String, real: Real<'_>) -> String {
    for (parameter, value) in real {
        let example = document["components"]["parameters"][parameter]["example"].as_str().unwrap();
        path = path.replace(&format!("/{example}"), &format!("/{value}"));
    }
    path
}

/// The key of acknowledgement links.
pub(crate) const LINK_KEY: &str = "a2V5IG9mIGxpbmtzIGZvciB0ZXN0cyBvbmx5ISEhISE=";

/// The key in such a text, as components read it.
pub(crate) fn link_key(text: &str) -> LinkKey {
    LinkKey::new(state::variables::LINK_KEY.form.read(text).unwrap().unwrap())
}

/// The example of a body, with the real subject in it.
fn real_body(example: &Value, there: Real<'_>) -> String {
    let linked = there.iter().find(|(parameter, _)| *parameter == "LinkedSubject");
    sent(example).replace("fedcba9876543210fedcba9876543210", linked.map_or("", |(_, subject)| subject))
}

/// A delivered alert of a submission, a link to it, a silence, another subject and a key, for the parameters that name them.
pub(crate) async fn things(app: &App, location: &str, receiver: &ReceiverId) -> Vec<(&'static str, String)> {
    let delivered = |shown: &Value| {
        let alerts = shown["alerts"].as_array().map_or(&[][..], Vec::as_slice);
        !alerts.is_empty() && alerts.iter().all(|alert| alert["state"] == "delivered")
    };
    let shown = app.shown(location, delivered).await;
    let alert = shown["alerts"][0]["alertId"].as_str().unwrap().to_owned();
    let expires = domain::Timestamp::parse("2100-01-01T00:00:00Z").unwrap();
    let grant =
        domain::alert::link::Grant { alert: alert.as_str().into(), opening: 0, receiver: "desk".into(), expires };
    let token = link_key(LINK_KEY).sign(&grant).unwrap();
    let silence = json!({"matchers": {"site": ["none"]}, "minutes": 60, "comment": "example"});
    let silence = app.send("POST", "/v1/silences", &silence).await.json()["id"].as_str().unwrap().to_owned();
    let other = app.scored(&app.submit(&phq9("linked", [0; 9])).await).await["subject"].as_str().unwrap().to_owned();
    let key = json!({"label": "example", "role": "read", "study": "none", "site": "*"});
    let key = app.send("POST", "/v1/keys", &key).await.json()["keyId"].as_str().unwrap().to_owned();
    let receiver = receiver.to_string();
    vec![
        ("AlertId", alert),
        ("LinkToken", token),
        ("SilenceId", silence),
        ("ReceiverId", receiver),
        ("LinkedSubject", other),
        ("Key", key),
    ]
}

/// Stores a subscription by the id that the examples have, which tells a receiver of nothing that happens here.
pub(crate) async fn subscribe(app: &App, receiver: &Receiver) {
    let document = json!({
        "receivers": {"edc": {"channel": "webhook", "url": receiver.url(), "secrets": [SECRET]}},
        "subscriptions": [
            {"id": "scores-to-edc", "studies": ["none"], "events": ["submission.scored"], "receiver": "edc"},
        ],
    });
    let answer = app.send("PUT", "/v1/config/subscriptions", &document).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Checks that the operation documents the answer: status, type, headers, body.
fn check(document: &Value, operation: &Value, answer: &Answer) {
    let what = format!("{} {answer:?}", operation["operationId"]);
    let response = operation["responses"].get(answer.status.to_string());
    let response = resolved(document, response.unwrap_or_else(|| panic!("undocumented status: {what}")));
    for (name, header) in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let header = resolved(document, header);
        let required = header["required"] == true;
        assert!(!required || answer.header(name).is_some(), "no {name}: {what}");
        if let Some(value) = answer.header(name) {
            let whole = header["schema"]["type"] == "integer";
            let value = if whole { json!(value.parse::<i64>().unwrap()) } else { json!(value) };
            assert_eq!(faults(document, &header["schema"], &value), [""; 0], "{name}: {what}");
        }
    }
    if answer.body.is_empty() {
        return;
    }
    let content_type = answer.header("content-type").unwrap();
    let content = &response["content"][content_type];
    assert!(content.is_object(), "undocumented type: {what}");
    let body = if content_type.ends_with("json") {
        answer.json()
    } else {
        json!(String::from_utf8(answer.body.to_vec()).unwrap())
    };
    assert_eq!(faults(document, &content["schema"], &body), [""; 0], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_and_method_of_the_code_is_documented() {
    let app = App::builder()
        .only(&["submit", "records", "studies", "console", "ops", "imaging", "alerts", "access", "web"])
        .start()
        .await;
    let document = description(&app).await;
    let documented: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();

    let known: BTreeSet<&str> = crate::roles::all().into_iter().map(|(_, route)| route.path).collect();
    assert_eq!(documented, known, "documented, and known to the code");

    // The methods that a path allows are the documented ones.
    for path in documented {
        let answer = app.send("PATCH", &filled(&document, path, &"0".repeat(36), &"0".repeat(32)), &Value::Null).await;
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        let allowed: BTreeSet<String> =
            answer.header("allow").unwrap().split(',').map(|method| method.trim().to_lowercase()).collect();
        let documented: BTreeSet<&str> =
            METHODS.into_iter().filter(|method| document["paths"][path].get(*method).is_some()).collect();
        // HEAD is allowed wherever GET is documented; not every path documents HEAD.
        let expected = documented.iter().copied().chain(documented.contains("get").then_some("head"));
        assert_eq!(allowed, expected.map(str::to_owned).collect(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_as_get_without_a_body() {
    let app = App::builder()
        .only(&["submit", "records", "studies", "console", "ops", "imaging", "alerts", "access", "web"])
        .start()
        .await;
    let document = description(&app).await;
    let authorization = format!("Bearer {ADMIN}");
    let mut asked = 0;
    for (path, _, _) in operations(&document).into_iter().filter(|(_, method, _)| method == "GET") {
        let path = filled(&document, &path, &"0".repeat(36), &"0".repeat(32));
        let ask = async |method: &str| {
            app.client().await.send(method, &path, &[("authorization", &authorization)], "").await.unwrap()
        };
        let (get, head) = (ask("GET").await, ask("HEAD").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}: {head:?}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.header("content-length").is_some_and(|length| length != "0"), "{path}: {head:?}");
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid_and_every_example_request_is_accepted() {
    let receiver = crate::receiver::Receiver::start().await;
    let issuer = Issuer::start().await;
    let builder = App::builder().routes(&[&receiver.url()]).variable("link_key", LINK_KEY);
    let app = with_services(builder).await.variable("oidc", issuer.variable()).start().await;
    let document = description(&app).await;
    let location = app.submit(&phq9("r", [3; 9])).await;
    let id = location.rsplit('/').next().unwrap();
    let there = things(&app, &location, &domain::alert::routes::receiver_id(&receiver.url())).await;
    let subject = app.scored(&location).await["subject"].as_str().unwrap().to_owned();
    let mut accepted = 0;
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = resolved(&document, response).get("content").and_then(Value::as_object);
            for (media, content) in content.into_iter().flatten() {
                if let Some(example) = content.get("example") {
                    let found = faults(&document, &content["schema"], example);
                    assert_eq!(found, [""; 0], "example of {method} {path} {status} {media}");
                }
            }
        }
        for (media, schema, examples) in requests(&operation) {
            for (name, example) in examples {
                let what = format!("example {name} of {method} {path}");
                assert_eq!(faults(&document, schema, example), [""; 0], "{what}");
                let authorization = format!("Bearer {ADMIN}");
                let headers = [("authorization", authorization.as_str()), ("content-type", media)];
                // An example of a configuration document has its name.
                let path = path.replace("{document}", name);
                let path = real(&document, filled(&document, &path, id, &subject), &there);
                let body = real_provider(real_body(example, &there), &issuer);
                let answer = until("it is done", async || {
                    let answer = app.client().await.send(&method, &path, &headers, body.clone()).await.unwrap();
                    // The erasure of a subject or a study may take a while.
                    (method != "DELETE" || answer.status != 202).then_some(answer)
                })
                .await;
                let expected = match method.as_str() {
                    "PUT" => 201,
                    _ if path == "/v1/sessions" && media.ends_with("urlencoded") => 200,
                    "POST"
                        if ["/v1/silences", "/v1/keys", "/v1/sessions"].contains(&&*path)
                            || path.ends_with("/links") =>
                    {
                        201
                    }
                    _ if ["/v1/a", "/v1/dead-letters", "/v1/subscriptions"].iter().any(|it| path.starts_with(it)) => {
                        200
                    }
                    "DELETE" => 200,
                    _ if path == "/v1/validate" || path.ends_with("/rescore") || path.ends_with("/analyze") => 200,
                    _ => 202,
                };
                assert_eq!(answer.status, expected, "{what}: {answer:?}");
                check(&document, &operation, &answer);
                accepted += 1;
                // A batch and a validation report on every row.
                if path == "/v1/validate" {
                    assert_eq!(answer.json()["valid"], true, "{what}: {answer:?}");
                }
                if path == "/v1/reports/batch" {
                    assert_eq!(answer.json()["rejected"], 0, "{what}: {answer:?}");
                }
                if let Some(location) = answer.header("location").filter(|at| at.starts_with("/v1/submissions/")) {
                    let shown = app.scored(location).await;
                    let schema = json!({"$ref": "#/components/schemas/Submission"});
                    assert_eq!(faults(&document, &schema, &shown), [""; 0], "{shown}");
                }
            }
        }
    }
    assert!(accepted >= 9, "{accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_documented() {
    let receiver = crate::receiver::Receiver::start().await;
    let upstreams = crate::upstreams::Upstreams::start();
    let issuer = Issuer::start().await;
    let builder = upstreams
        .behind(App::builder())
        .routes(&[&receiver.url()])
        .variable("rate_per_site", "1000")
        .variable("oidc", issuer.variable())
        .variable("log_key", LINK_KEY)
        .variable("link_key", LINK_KEY);
    let app = with_services(builder).await.start().await;
    let document = description(&app).await;
    // A response with alerts, so that a shown submission has all its parts, of the patient whose record is requested.
    let mut response = phq9("r", [3; 9]);
    response["patientId"] = json!("P-001");
    let location = app.submit(&response).await;
    let shown = |shown: &Value| {
        let alerts = shown["alerts"].as_array().map_or(&[][..], Vec::as_slice);
        !alerts.is_empty() && alerts.iter().all(|alert| alert["state"] == "delivered")
    };
    let submission = app.shown(&location, shown).await;
    let subject = submission["subject"].as_str().unwrap();
    let id = location.rsplit('/').next().unwrap();

    subscribe(&app, &receiver).await;
    crate::sessions::grant(&app, &issuer).await;
    let session = crate::sessions::signed_in(&app, &issuer, "n-1", &[]).await;
    let mut there = things(&app, &location, &domain::alert::routes::receiver_id(&receiver.url())).await;
    there.push(("SessionId", session["sessionId"].as_str().unwrap().to_owned()));
    until("there is a signed head", async || {
        (app.send("GET", "/v1/audit/head", &Value::Null).await.status == 200).then_some(())
    })
    .await;
    let mut statuses: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for (path, method, operation) in operations(&document) {
        let path = real(&document, filled(&document, &path, id, subject), &there);
        let open = operation.get("security").is_some_and(|security| *security == json!([]));
        let mut seen = BTreeSet::new();
        let bearers: Vec<Option<String>> =
            [None, Some("nobody"), Some(ADMIN), Some(READ_A1), Some(SUBMIT_A), Some(CLINICIAN_A1)]
                .map(|key| key.map(|k| format!("Bearer {k}")))
                .into();
        for authorization in &bearers {
            let mut headers: Vec<(&str, &str)> = Vec::new();
            headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
            let mut bodies = vec![("application/json", String::new())];
            for (media, _, examples) in requests(&operation) {
                // Of configuration documents, the example that the path names.
                let valid = examples.iter().find(|(name, _)| path.ends_with(name)).unwrap_or(&examples[0]).1;
                let valid = real_provider(real_body(valid, &there), &issuer);
                bodies.push((media, valid.clone()));
                let valid = serde_json::from_str(&valid).unwrap_or(Value::String(valid));
                for (member, value) in [("authoredAt", "2026-03-02T08:00:00Z"), ("studyId", "B")] {
                    let mut other = valid.clone();
                    match &mut other {
                        Value::Array(rows) => rows[0][member] = json!(value),
                        Value::Object(members) => drop(members.insert(member.into(), json!(value))),
                        _ => continue,
                    }
                    bodies.push((media, other.to_string()));
                }
                for body in [json!([]), json!({"a": 1})] {
                    bodies.push((media, body.to_string()));
                }
                bodies.push(("text/plain", "x".into()));
                bodies.push((media, "x".into()));
                bodies.push((media, " ".repeat(300 * 1024)));
            }
            for (content_type, body) in bodies {
                for prefer in ["return=minimal", "return=representation"] {
                    let headers: Vec<_> =
                        headers.iter().copied().chain([("content-type", content_type), ("prefer", prefer)]).collect();
                    let answer = app.client().await.send(&method, &path, &headers, body.clone()).await.unwrap();
                    check(&document, &operation, &answer);
                    seen.insert(answer.status);
                }
            }
        }
        // What needs no key may refuse another proof, such as an assertion that counted already.
        assert!(open || seen.contains(&401), "{method} {path}: {seen:?}");
        assert!(seen.iter().any(|status| (200..300).contains(status)), "{method} {path}: {seen:?}");
        statuses.insert(format!("{method} {path}"), seen);
    }
    let reports = statuses["POST /v1/reports"].iter().copied().collect::<Vec<_>>();
    assert_eq!(reports, [202, 400, 401, 403, 409, 413, 415, 422]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_under_load_and_without_redis_are_documented() {
    let mut app = App::builder().variable("rate_per_key", "0.001,1").outliving_redis().start().await;
    let document = description(&app).await;
    let operation = &document["paths"]["/v1/surveys/{instrument}/responses"]["post"];
    for (id, status) in [("r1", 202), ("r2", 429)] {
        let answer = app.send("POST", crate::app::PHQ9, &phq9(id, [0; 9])).await;
        assert_eq!(answer.status, status);
        check(&document, operation, &answer);
    }
    app.redis.as_mut().unwrap().kill().unwrap();
    for (path, method, operation) in operations(&document) {
        let imaging = ["/v1/ai/", "/v1/dicom/", "/v1/imaging/"].iter().any(|own| path.starts_with(own));
        if path == "/v1/reports" || method == "HEAD" || imaging && on_spin() {
            continue;
        }
        let answer =
            app.send(&method, &filled(&document, &path, &"0".repeat(36), &"0".repeat(32)), &phq9("r3", [0; 9])).await;
        check(&document, &operation, &answer);
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_refers_to_what_is_not_there_and_nothing_is_there_for_nobody() {
    let app = App::builder().only(&["records", "ops", "web"]).start().await;
    let document = description(&app).await;
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let mut there = BTreeSet::new();
    for (section, members) in document["components"].as_object().unwrap() {
        if section != "securitySchemes" {
            there.extend(members.as_object().unwrap().keys().map(|name| format!("#/components/{section}/{name}")));
        }
    }
    assert_eq!(used, there);
    let ids: Vec<Value> =
        operations(&document).into_iter().map(|(.., operation)| operation["operationId"].clone()).collect();
    let different: BTreeSet<String> = ids.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), ids.len(), "every operation has an id of its own");
}
