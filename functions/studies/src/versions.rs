//! `GET /v1/studies/{study}/versions` and `GET /v1/studies/{study}/versions/{version}`: the versions of a study's document,
//! and one of them as a file.
//!
//! Guarantee: a version is shown byte for byte as it was stored, with its members in one order and a line for each, so that
//! two versions in a repository differ only in what was changed. `PUT` takes it as it is.

use domain::ids::{KeyId, StudyId};
#[cfg(feature = "schema")]
use domain::schema::{Name, Sha256, Time};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::{tag, unavailable};
use state::edge::serve::Call;
use state::edge::sessions::Names;
use state::settings::Version;
use state::settings::studies::{self, Index};

use crate::config::Config;
use crate::whole_study_of;

/// The word for the version in force.
const CURRENT: &str = "current";

/// A page of versions, the latest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StudyVersions<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    versions: Vec<StudyVersion>,
    /// Where the next page begins; null at the end.
    cursor: Option<u64>,
    more: bool,
}

/// A version of a study's document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct StudyVersion {
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

/// Lists the versions of a study's document.
pub(crate) async fn list(call: &Call<Config>) -> Result<Reply, Problem> {
    let study = whole_study_of(&call.principal, call.segment(0))?;
    let mut query = Query::read(&call.incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let before = query.cursor(|text| text.parse::<u64>().ok()).unwrap_or(u64::MAX);
    query.finish()?;
    let page = page(&study, before, limit).await.map_err(|error| unavailable(&error))?;
    let (versions, more) = page.ok_or_else(Problem::not_found)?;
    let cursor = versions.last().filter(|_| more).map(|last| last.version);
    Ok(Reply::json(200, &StudyVersions { study_id: &study, versions, cursor, more }))
}

/// The latest versions before this one, and whether there are more.
async fn page(study: &StudyId, before: u64, limit: usize) -> Result<Option<(Vec<StudyVersion>, bool)>, Error> {
    let store = Store::open().await?;
    let Some(index) = Index::stored(&store, study).await? else { return Ok(None) };
    let (mut names, mut shown) = (Names::new(&store), Vec::new());
    let mut rest = index.versions.into_iter().rev().filter(|version| version.version < before);
    for Version { version, sha256, at, by } in rest.by_ref().take(limit) {
        let by_name = names.of(by.as_str()).await?;
        shown.push(StudyVersion { version, sha256, at, by, by_name });
    }
    Ok(Some((shown, rest.next().is_some())))
}

/// Shows a version as it was stored.
pub(crate) async fn show(call: &Call<Config>) -> Result<Reply, Problem> {
    let study = whole_study_of(&call.principal, call.segment(0))?;
    Query::none(&call.incoming.query)?;
    let asked = call.segment(1);
    let number = asked.parse::<u64>().ok().filter(|number| asked == number.to_string());
    if number.is_none() && asked != CURRENT {
        return Err(Problem::not_found());
    }
    let (number, text) =
        text(&study, number).await.map_err(|error| unavailable(&error))?.ok_or_else(Problem::not_found)?;
    Ok(Reply::new(200, "application/json", text).header("etag", tag(number)))
}

/// The text of a version, or of the one in force, with its number.
async fn text(study: &StudyId, number: Option<u64>) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let store = Store::open().await?;
    let number = match number {
        Some(number) => Some(number),
        None => Index::stored(&store, study).await?.and_then(|index| index.current().map(|current| current.version)),
    };
    let Some(number) = number else { return Ok(None) };
    Ok(studies::version(&store, study, number).await?.map(|text| (number, text)))
}
