//! The queries and bodies that this component takes. `domain::reading` and the handlers read them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use state::edge::describe::*;

/// The query of what has versions.
#[derive(JsonSchema)]
pub(super) struct VersionQuery {
    /// A version other than the one in force.
    #[schemars(with = "Option<Name>")]
    version: Option<String>,
}

/// The query of a head.
#[derive(JsonSchema)]
pub(super) struct HeadQuery {
    /// The number of an earlier head.
    #[schemars(range(min = 1))]
    n: Option<u64>,
}

/// The query of a codebook.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodebookQuery {
    /// A version other than the one in force.
    #[schemars(with = "Option<Name>")]
    version: Option<String>,
    /// Overrides the header `Accept`.
    #[schemars(extend("enum" = ["json", "csv"]))]
    format: Option<String>,
}

/// The query of a change.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ChangeQuery {
    /// Whether it is only tried, and nothing stored.
    dry_run: Option<bool>,
}

/// The responses to score again, page by page.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RescoreRequest {
    #[schemars(with = "Name")]
    study_id: String,
    #[schemars(with = "Name")]
    version: String,
    /// Whether it is only tried, and nothing stored.
    #[serde(default = "yes")]
    dry_run: bool,
    /// The most responses of a page.
    #[serde(default = "most")]
    #[schemars(range(min = 1, max = 500))]
    limit: u16,
    /// The cursor of the page before.
    #[schemars(with = "Nullable<String>")]
    cursor: Option<String>,
}

fn yes() -> bool {
    true
}

fn most() -> u16 {
    500
}

/// The dead letters to replay: those of these ids, since a time, or all.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Replay {
    #[schemars(length(min = 1, max = 200), inner(regex(pattern = "^[0-9]+-[0-9]+$")))]
    ids: Option<Vec<String>>,
    #[schemars(with = "Option<Time>")]
    since: Option<String>,
    all: Option<bool>,
    /// Whether they are only counted.
    dry_run: Option<bool>,
    /// The cursor of the page before.
    #[schemars(with = "Nullable<String>")]
    cursor: Option<String>,
}

/// A link to another subject.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// Another subject of the study, not linked yet, not by way of others either.
    to: String,
    /// One line; it is kept in the audit chain.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// A definition of an instrument.
#[derive(JsonSchema, Serialize)]
pub(super) struct Definition {
    #[schemars(with = "Name")]
    id: String,
    #[schemars(length(min = 1))]
    version: String,
    #[schemars(length(min = 1))]
    title: String,
    #[schemars(length(min = 1))]
    licence: String,
    #[schemars(length(min = 1))]
    languages: Vec<String>,
    #[schemars(length(min = 1))]
    sources: Vec<String>,
    #[schemars(length(min = 1), with = "Vec<Object>")]
    items: Vec<()>,
    #[schemars(length(min = 1), with = "Vec<Object>")]
    scores: Vec<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Object>>")]
    alerts: Option<Vec<()>>,
}

/// A definition, with examples that it must score as they say.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinitionWithExamples {
    definition: Definition,
    #[schemars(length(max = 1000))]
    examples: Option<Vec<Example>>,
}

/// Answers, and the scores that they must give.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Example {
    #[schemars(with = "Object")]
    answers: (),
    parameters: Option<BTreeMap<String, String>>,
    /// Values by score. A score that is not named here is not compared; null means not scored.
    #[schemars(with = "Option<BTreeMap<String, ScoreForm>>")]
    scores: Option<()>,
}

/// A definition, alone or with examples.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum NewInstrument {
    Alone(Definition),
    WithExamples(DefinitionWithExamples),
}
