//! `GET /v1/studies/{study}`: a study's document that is in force, and what the project service says of it.
//!
//! A study that has a document is shown without the service, too. A study that only the service knows is shown as it says.

use domain::ids::{KeyId, StudyId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Object, Sha256, Time};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde_json::Value;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{tag, unavailable};
use state::edge::serve::{Call, within};
use state::edge::sessions::Names;
use state::settings::Version;
use state::settings::studies;

use crate::config::Config;
use crate::{project, study_of};

/// A study.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Study<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a str,
    /// Its document, and which version it is. Absent where it has none.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    document: Option<Document>,
    /// The answer of the project service, any JSON. Absent where the service does not know the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Value>,
    /// When the service gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    fetched_at: Option<String>,
    /// Why the service gave no answer, where the study has a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_failed: Option<&'static str>,
}

/// A version of a document, with its content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Document {
    #[cfg_attr(feature = "schema", schemars(with = "Object"))]
    document: Value,
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    version: u64,
    /// SHA-256 of its text.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    sha256: String,
    /// In force since, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    at: String,
    /// The key or the person that stored it.
    by: KeyId,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_name: Option<String>,
}

/// Shows a study.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let study = study_of(&call.principal, call.segment(0))?;
    Query::none(&call.incoming.query)?;
    let found = async { document(&call.config, &study).await.map_err(|error| unavailable(&error)) };
    let document = within(call.deadline, &call.config.redis, found).await?;
    let (project, project_failed) = match (project::of(&call, &study).await, &document) {
        (Ok(project), _) => (project, None),
        (Err(problem), None) => return Err(problem),
        (Err(problem), Some(_)) => (None, Some(problem.kind().as_str())),
    };
    if document.is_none() && project.is_none() {
        return Err(Problem::not_found());
    }
    let etag = document.as_ref().map(|document| tag(document.version));
    let age = project.as_ref().map(|project| project.age.to_string());
    let (project, fetched_at) = project.map(|it| (it.data, it.fetched_at)).unzip();
    let shown = Study { study_id: study.as_str(), document, project, fetched_at, project_failed };
    let mut reply = Reply::json(200, &shown);
    if let Some(etag) = etag {
        reply = reply.header("etag", etag);
    }
    Ok(if let Some(age) = age { reply.header("age", age) } else { reply })
}

/// The document in force.
async fn document(config: &Config, study: &StudyId) -> Result<Option<Document>, Error> {
    let store = Store::open().await?;
    let Some(index) = studies::in_force(&config.redis, &store, study).await? else { return Ok(None) };
    let Some(Version { version, sha256, at, by }) = index.current().cloned() else { return Ok(None) };
    let text = studies::version(&store, study, version).await?;
    let Some(document) = text.map(|text| platform::kv::read(&text)).transpose()? else { return Ok(None) };
    let by_name = Names::new(&store).of(by.as_str()).await?;
    Ok(Some(Document { document, version, sha256, at, by, by_name }))
}
