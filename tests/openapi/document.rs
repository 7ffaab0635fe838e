//! Puts the document together: of each route an operation, of each type a schema.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use state::edge::auth::{Action, Role};
use state::edge::describe::{
    Answer, Body, Description, Header, Operation, OperationOutcome, Parameter, Refusal, SIGNATURE_MEANING, Shape, Tag,
    Timeout, of, path_parameter,
};
use state::edge::problem::ProblemShape;
use state::edge::serve::Described;

use crate::refusals;

/// The rules of the whole API.
const ABOUT: &str = "Patient-reported outcomes: taken in, scored as published, alerted in time. What is answered with 202 is on \
    disk and will be scored. Every error is a problem document (RFC 9457), below `/fhir/` an OperationOutcome, that lists all \
    findings, up to 1,000, and repeats no value. A member that is there more than once is a finding (`conflict`) at every path, \
    however its name is spelled. So is a document that is nested too deep or holds too many values (`range`): a report, a \
    response or a row of a batch may have 32 levels and 8,000 values, a FHIR QuestionnaireResponse 80 and 8,000, a configuration \
    document 32 and 20,000, an instrument's definition with its examples or a FHIR Questionnaire 80 and 100,000, the input of \
    `/v1/ai/analyze` 64 and 50,000, any other request 16 and 1,000. A path answers 405 with `Allow` to methods that it does not \
    take, and an unknown path 404.";

/// The data that the parts of the document share.
struct Shared {
    /// Makes the schemas of requests.
    requests: SchemaGenerator,
    /// Makes the schemas of answers.
    answers: SchemaGenerator,
    /// The parameters that operations refer to, by their names in the document.
    parameters: BTreeMap<&'static str, Value>,
    /// The refusals that operations refer to.
    refusals: BTreeSet<Refusal>,
    fhir: BTreeSet<&'static str>,
}

/// The description of an API.
pub(crate) fn document(components: Vec<Description>) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.transforms.push(Box::new(RecursiveTransform(plain)));
        settings.transforms.push(Box::new(RecursiveTransform(never_null)));
    });
    let answers = settings.clone().for_serialize();
    let mut shared = Shared {
        requests: settings.into_generator(),
        answers: answers.with(|it| it.transforms.push(Box::new(RecursiveTransform(no_default)))).into_generator(),
        parameters: BTreeMap::new(),
        refusals: BTreeSet::new(),
        fhir: BTreeSet::new(),
    };
    let mut paths: Map<String, Value> = Map::new();
    for component in components {
        let mut examples: Map<String, Value> = serde_json::from_str(component.examples).unwrap();
        let mut routes = component.routes;
        for operation in component.operations {
            let at = routes.iter().position(|it| it.method == operation.method && it.path == operation.path);
            let route = routes.remove(at.unwrap_or_else(|| panic!("{} is not in the table of routes", operation.id)));
            let examples = examples.remove(operation.id).unwrap_or(json!({}));
            let item = paths.entry(operation.path).or_insert(json!({}));
            if let Some(probe) = operation.probe {
                item["head"] = shared.probe(&route, &operation, probe);
            }
            item[route.method.to_lowercase()] = shared.operation(&route, operation, examples);
        }
        assert!(routes.is_empty(), "not described: {routes:?}");
        assert!(examples.is_empty(), "examples of no operation: {:?}", examples.keys());
    }
    let problem = shared.answered(of::<ProblemShape>);
    let outcome = shared.answered(of::<OperationOutcome>);
    let mut responses: Map<String, Value> =
        shared.refusals.iter().map(|refusal| (refusal.name(), refusals::problem(*refusal, &problem))).collect();
    for (name, response) in refusals::fhir(&outcome) {
        if shared.fhir.contains(name) {
            responses.insert(name.to_owned(), response);
        }
    }
    let roles = Role::ALL.map(Role::as_str).join(", ");
    let key = format!(
        "A key of the variable api_keys, or one that was created. It has a role ({roles}) and sees only its study and site."
    );
    let tags = Tag::ALL.map(|(_, name, about)| json!({"name": name, "description": about}));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vigil",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": ABOUT,
        },
        "tags": tags,
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": key}},
            "parameters": shared.parameters,
            "responses": responses,
        },
    });
    let mut schemas = shared.requests.take_definitions(true);
    for (name, schema) in shared.answers.take_definitions(true) {
        let other = schemas.insert(name.clone(), schema.clone());
        assert!(other.is_none_or(|other| other == schema), "a request and an answer name different things {name}");
    }
    assert!(!schemas.keys().any(|name| name.ends_with(|c: char| c.is_ascii_digit())), "two types have one name");
    document["components"]["schemas"] = schemas.into();
    document
}

/// Leaves out what a client has no use for: the widths of Rust's numbers, line breaks of comments.
fn plain(schema: &mut Schema) {
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && (format.starts_with("uint") || format.starts_with("int") || matches!(format, "double" | "float"))
    {
        // A width's own bounds are those of the implementation, too.
        for (width, most) in [("uint8", u64::from(u8::MAX)), ("uint16", u64::from(u16::MAX))] {
            if format == width && schema.get("maximum").and_then(Value::as_u64) == Some(most) {
                schema.remove("maximum");
                break;
            }
        }
        schema.remove("format");
    }
    if let Some(about) = schema.get("description").and_then(Value::as_str) {
        let about = about.replace('\n', " ").replace("[`", "`").replace("`]", "`");
        schema.insert("description".to_owned(), about.into());
    }
}

/// The generators transform named schemas only.
fn transformed(mut schema: Schema) -> Value {
    RecursiveTransform(plain).transform(&mut schema);
    RecursiveTransform(never_null).transform(&mut schema);
    schema.to_value()
}

/// A member that need not be there is not null where it is, unless its form is `Nullable`.
fn never_null(schema: &mut Schema) {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, member) in members.iter_mut().filter(|(name, _)| !required.contains(&Value::from(name.as_str()))) {
        if let Some(members) = member.as_object_mut() {
            not_null(members);
        }
    }
}

/// The default of a member is for those who send it.
fn no_default(schema: &mut Schema) {
    schema.remove("default");
}

/// Takes null out of the types and choices of a schema.
fn not_null(members: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = members.get_mut("enum") {
        choices.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(mut choices)) = members.remove("anyOf") {
        choices.retain(|it| *it != json!({"type": "null"}));
        match choices.as_slice() {
            [Value::Object(only)] => {
                // The words of the member have precedence over those of its type.
                for (name, value) in only {
                    members.entry(name).or_insert(value.clone());
                }
            }
            _ => drop(members.insert("anyOf".to_owned(), choices.into())),
        }
    }
}

/// The statuses of an operation, each with its refusal.
fn refused(route: &Described, operation: &Operation) -> BTreeMap<u16, Refusal> {
    let mut all = operation.refusals.clone();
    if let Some(action) = route.action {
        all.extend([Refusal::Unauthenticated, Refusal::TooManyRequests, Refusal::Unavailable]);
        if action.roles().len() < Role::ALL.len() {
            all.push(Refusal::Forbidden);
        }
    }
    // After `Forbidden`, in place of which it stands.
    all.extend(operation.refusals.iter().filter(|refusal| **refusal == Refusal::NotTaken));
    if route.signed {
        // After `Forbidden`, in place of which it stands.
        all.extend([Refusal::Unsigned, Refusal::Invalid]);
    }
    if route.path.contains('{') {
        all.push(Refusal::NotFound);
    }
    if let Some(body) = &operation.body {
        all.extend([Refusal::Malformed, Refusal::TooLarge, Refusal::UnsupportedMediaType]);
        // Of rows, each has its own findings.
        if !body.content.iter().any(|(media, _)| *media == "application/x-ndjson") {
            all.push(Refusal::Invalid);
        }
    }
    if operation.timeout == Some(Timeout::Read) {
        all.extend([Refusal::Unavailable, Refusal::DeadlinePassed]);
    }
    all.into_iter().map(|refusal| (refusal.status(), refusal)).collect()
}

/// The sentence about what a person signs.
const SIGNED: &str =
    "A person signs it: they have authenticated a short while ago, and say in the header what they declare.";

/// The roles that may call it, in a sentence.
fn roles(action: Option<Action>, scope: &str) -> Option<String> {
    let roles: Vec<&str> = action?.roles().iter().map(|role| role.as_str()).collect();
    if roles.len() == Role::ALL.len() {
        return Some(format!("Any key may ask{scope}."));
    }
    let (last, first) = roles.split_last()?;
    let roles = if first.is_empty() { (*last).to_owned() } else { format!("{} or {last}", first.join(", ")) };
    Some(format!("Needs the role {roles}{scope}."))
}

impl Shared {
    /// The schema of what is sent.
    fn asked(&mut self, shape: Shape) -> Value {
        transformed(shape(&mut self.requests))
    }

    /// The schema of what is answered.
    fn answered(&mut self, shape: Shape) -> Value {
        let mut schema = transformed(shape(&mut self.answers));
        if let Ok(schema) = <&mut Schema>::try_from(&mut schema) {
            RecursiveTransform(no_default).transform(schema);
        }
        schema
    }

    fn operation(&mut self, route: &Described, operation: Operation, mut examples: Value) -> Value {
        let refused = refused(route, &operation);
        let signed = route.signed.then(|| SIGNED.to_owned());
        let about = [Some(operation.about.to_owned()), roles(route.action, operation.scope), signed];
        let about: Vec<String> = about.into_iter().flatten().filter(|it| !it.is_empty()).collect();
        let mut shown = json!({
            "operationId": operation.id,
            "tags": [operation.tag.as_str()],
            "summary": operation.summary,
        });
        if !about.is_empty() {
            shown["description"] = about.join(" ").into();
        }
        if route.action.is_none() {
            shown["security"] = json!([]);
        }
        let parameters = self.parameters(&operation, route.signed);
        if !parameters.is_empty() {
            shown["parameters"] = parameters.into();
        }
        if let Some(body) = operation.body {
            shown["requestBody"] = self.body(body, &mut examples["request"]);
        }
        let mut responses = Map::new();
        for answer in operation.answers {
            let example = examples[answer.status.to_string()].take();
            responses.insert(answer.status.to_string(), self.answer(answer, example));
        }
        for (status, refusal) in refused {
            if responses.contains_key(&status.to_string()) {
                continue;
            }
            let name = if operation.path.starts_with("/fhir/") {
                self.fhir.insert(refusal.fhir());
                refusal.fhir().to_owned()
            } else {
                self.refusals.insert(refusal);
                refusal.name()
            };
            responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
        shown["responses"] = responses.into();
        shown
    }

    fn probe(&mut self, route: &Described, operation: &Operation, id: &str) -> Value {
        assert!(route.action.is_none() && route.method == "GET", "HEAD of {}", route.path);
        let about = json!({"description": "As with GET, without its body."});
        let answers = operation.answers.iter().map(|answer| (answer.status.to_string(), about.clone()));
        json!({
            "operationId": id,
            "tags": [operation.tag.as_str()],
            "summary": operation.summary,
            "security": [],
            "responses": answers.collect::<Map<_, _>>(),
        })
    }

    fn parameters(&mut self, operation: &Operation, signed: bool) -> Vec<Value> {
        let mut parameters = Vec::new();
        let names = operation.path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
        for name in names {
            let parameter = path_parameter(name, operation.path_parameter);
            parameters.push(self.parameter(parameter.unwrap_or_else(|| panic!("no parameter {name}")), "path"));
        }
        if let Some(query) = operation.query {
            parameters.extend(self.query(query));
        }
        let signature = signed.then_some(&SIGNATURE_MEANING);
        let headers = operation.headers.iter().copied().chain(signature);
        let headers = headers.chain(operation.timeout.map(Timeout::header));
        parameters.extend(headers.map(|header| self.parameter(header, "header")).collect::<Vec<_>>());
        parameters
    }

    /// A parameter that several operations have.
    fn parameter(&mut self, parameter: &Parameter, place: &str) -> Value {
        let mut shown = json!({
            "name": parameter.name,
            "in": place,
            "description": parameter.about,
            "schema": self.asked(parameter.shape),
        });
        if let Some(example) = parameter.example {
            shown["required"] = true.into();
            shown["example"] = example.into();
        }
        self.parameters.insert(parameter.id, shown);
        json!({"$ref": format!("#/components/parameters/{}", parameter.id)})
    }

    /// The members of a query as parameters.
    fn query(&mut self, query: Shape) -> Vec<Value> {
        let mut schema = self.asked(query);
        let required = schema["required"].take();
        let properties = schema["properties"].as_object_mut().map(std::mem::take).unwrap();
        let parameter = |(name, mut schema): (String, Value)| {
            let mut shown = json!({"name": name, "in": "query"});
            let members = schema.as_object_mut().unwrap();
            shown["description"] = members.remove("description").unwrap_or_else(|| panic!("{name} says nothing"));
            if required.as_array().is_some_and(|all| all.iter().any(|it| *it == *name)) {
                shown["required"] = true.into();
            }
            if let Some(examples) = members.remove("examples") {
                shown["example"] = examples[0].clone();
            }
            // A query's member is there or not; it is never null.
            not_null(members);
            shown["schema"] = schema;
            shown
        };
        properties.into_iter().map(parameter).collect()
    }

    fn body(&mut self, body: Body, examples: &mut Value) -> Value {
        let mut content = Map::new();
        for (media, shape) in body.content {
            let examples = examples[media].take();
            assert!(examples.is_object(), "a body of {media} has no example");
            content.insert(media.to_owned(), json!({"schema": self.asked(shape), "examples": examples}));
        }
        json!({"required": body.required, "description": body.about, "content": content})
    }

    fn answer(&mut self, answer: Answer, example: Value) -> Value {
        let mut shown = json!({"description": answer.about});
        if !answer.headers.is_empty() {
            let headers = answer.headers.iter().map(|header| (header.name.to_owned(), self.header(header)));
            shown["headers"] = headers.collect::<Map<_, _>>().into();
        }
        for (number, (media, shape)) in answer.content.into_iter().enumerate() {
            shown["content"][media] = json!({"schema": self.answered(shape)});
            if number == 0 && !example.is_null() {
                shown["content"][media]["example"] = example.clone();
            }
        }
        shown
    }

    fn header(&mut self, header: &Header) -> Value {
        let mut shown = json!({"description": header.about, "schema": self.answered(header.shape)});
        if header.required {
            shown["required"] = true.into();
        }
        shown
    }
}
