//! Descriptions of a component's routes, for the API description. Compiled with the feature `schema` alone, which no
//! component has: `cargo test --test openapi` puts the descriptions of all components together.
//!
//! Guarantee: what the table of routes says is not said again. Roles, path parameters and the common refusals come from
//! it; an [`Operation`] says the rest, with the types of request and answers.

mod parameters;
mod refusals;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::edge::serve::Described;

pub use domain::schema::*;
pub use parameters::{
    CHANGE_REASON, FhirPage, IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, LOOK_REASON, PREFER, Page, Parameter,
    SIGNATURE_MEANING, TRACEPARENT, Timeout, path_parameter,
};
pub use refusals::Refusal;

/// Everything about a component's API.
pub struct Description {
    /// Its table of routes.
    pub routes: Vec<Described>,
    /// The facts that the table does not have, one for each route.
    pub operations: Vec<Operation>,
    /// A JSON file with examples: by operation, `request` (by its media type and name) or a status.
    pub examples: &'static str,
}

/// The schema of a type.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The schema of `T`, by its name if it has one.
pub fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The group of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Documents of patients, sites and EDC systems.
    Intake,
    /// Scores, alerts and histories.
    Results,
    /// Files and analyses of images.
    Imaging,
    /// Figures, health, rounds.
    Operations,
    /// Keys and persons.
    Access,
}

impl Tag {
    /// All groups, with a sentence each.
    pub const ALL: [(Tag, &'static str, &'static str); 5] = [
        (Tag::Intake, "intake", "What patients, sites and EDC systems send."),
        (Tag::Results, "results", "What became of it."),
        (Tag::Imaging, "imaging", "Files and analyses of images."),
        (Tag::Operations, "operations", "Figures, health, rounds."),
        (Tag::Access, "access", "Keys and persons, and who they are."),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Tag::ALL.into_iter().find(|(tag, ..)| *tag == self).map_or("", |(_, name, _)| name)
    }
}

/// A header of an answer.
#[derive(Clone, Copy)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// Its description.
    pub about: &'static str,
    /// Whether every answer of this status has it.
    pub required: bool,
    /// Its form.
    pub shape: Shape,
}

impl Header {
    /// A header that every answer of its status has.
    pub const fn always(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Header { name, about, required: true, shape }
    }

    /// A header that some answers of its status have.
    pub const fn sometimes(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Header { name, about, required: false, shape }
    }

    /// The path of a resource that was created, or that a request is followed by.
    pub const fn location(about: &'static str, shape: Shape) -> Self {
        Header::always("Location", about, shape)
    }
}

/// The header of an answer that no cache may keep.
pub const NO_STORE: Header =
    Header::always("Cache-Control", "It is not to be kept.", |_| json_schema!({"const": "no-store"}));

/// The header that names the version of an answer.
pub const ETAG: Header = Header::sometimes("ETag", "The version, for `If-Match`.", |_| matching("^\"[0-9a-f]+\"$"));

/// The schema of a text with this pattern.
pub fn matching(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": pattern})
}

/// An answer that is not a refusal.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The case in which it is given.
    pub about: &'static str,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its media types and forms.
    pub content: Vec<(&'static str, Shape)>,
}

/// The body of a request.
pub struct Body {
    /// Its limit, and more.
    pub about: &'static str,
    /// Whether there must be one.
    pub required: bool,
    /// Its media types and forms.
    pub content: Vec<(&'static str, Shape)>,
}

/// The facts about a route that the table does not have.
pub struct Operation {
    /// The method of the route.
    pub method: &'static str,
    /// The path of the route.
    pub path: &'static str,
    /// A name for generated clients.
    pub id: &'static str,
    /// The group.
    pub tag: Tag,
    /// A few words.
    pub summary: &'static str,
    /// Sentences. The sentence about the roles follows them.
    pub about: &'static str,
    /// The end of the sentence about the roles.
    pub scope: &'static str,
    /// The path parameter that is meant, where the name in the path means several.
    pub path_parameter: Option<&'static str>,
    /// The header with which the sender limits the time, if it is observed.
    pub timeout: Option<Timeout>,
    /// Other headers of the request.
    pub headers: Vec<&'static Parameter>,
    /// The query, an object.
    pub query: Option<Shape>,
    /// The body.
    pub body: Option<Body>,
    /// The answers.
    pub answers: Vec<Answer>,
    /// Refusals beside those that follow from the table and the body.
    pub refusals: Vec<Refusal>,
    /// The name of the operation `HEAD`, if it is described too.
    pub probe: Option<&'static str>,
}

impl Operation {
    /// An operation that observes the deadline of reads.
    pub fn new(method: &'static str, path: &'static str, id: &'static str, tag: Tag, summary: &'static str) -> Self {
        Operation {
            method,
            path,
            id,
            tag,
            summary,
            about: "",
            scope: "",
            path_parameter: None,
            timeout: Some(Timeout::Read),
            headers: Vec::new(),
            query: None,
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            probe: None,
        }
    }

    /// Says more about it.
    #[must_use]
    pub fn about(self, about: &'static str) -> Self {
        Operation { about, ..self }
    }

    /// Ends the sentence about the roles.
    #[must_use]
    pub fn scope(self, scope: &'static str) -> Self {
        Operation { scope, ..self }
    }

    /// Chooses the path parameter.
    #[must_use]
    pub fn path_parameter(self, name: &'static str) -> Self {
        Operation { path_parameter: Some(name), ..self }
    }

    /// Says which time limit it observes.
    #[must_use]
    pub fn timeout(self, timeout: Option<Timeout>) -> Self {
        Operation { timeout, ..self }
    }

    /// Reads a header.
    #[must_use]
    pub fn header(mut self, header: &'static Parameter) -> Self {
        self.headers.push(header);
        self
    }

    /// Reads a query, the members of `T`.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| T::json_schema(generator));
        self.refuses(&[Refusal::Invalid])
    }

    /// Takes a body of JSON that it needs.
    #[must_use]
    pub fn takes<T: JsonSchema>(self, about: &'static str) -> Self {
        self.takes_media(about, &[("application/json", of::<T>)])
    }

    /// Takes a body of JSON, or none.
    #[must_use]
    pub fn may_take<T: JsonSchema>(mut self, about: &'static str) -> Self {
        self.body = Some(Body { about, required: false, content: vec![("application/json", of::<T>)] });
        self
    }

    /// Takes a body of these types.
    #[must_use]
    pub fn takes_media(mut self, about: &'static str, content: &[(&'static str, Shape)]) -> Self {
        self.body = Some(Body { about, required: true, content: content.to_vec() });
        self
    }

    /// Answers with JSON.
    #[must_use]
    pub fn gives<T: JsonSchema>(self, status: u16, about: &'static str) -> Self {
        self.gives_media(status, about, &[("application/json", of::<T>)])
    }

    /// Answers with these types.
    #[must_use]
    pub fn gives_media(mut self, status: u16, about: &'static str, content: &[(&'static str, Shape)]) -> Self {
        self.answers.push(Answer { status, about, headers: Vec::new(), content: content.to_vec() });
        self
    }

    /// The answer described last has another form, too.
    #[must_use]
    pub fn or<T: JsonSchema>(mut self, media: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.content.push((media, of::<T>));
        }
        self
    }

    /// The answer described last has a header.
    #[must_use]
    pub fn with(mut self, header: Header) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push(header);
        }
        self
    }

    /// Refuses for other reasons, too.
    #[must_use]
    pub fn refuses(mut self, refusals: &[Refusal]) -> Self {
        self.refusals.extend(refusals);
        self
    }

    /// Describes `HEAD`.
    #[must_use]
    pub fn probe(self, id: &'static str) -> Self {
        Operation { probe: Some(id), ..self }
    }
}
