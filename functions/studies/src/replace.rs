//! `PUT /v1/studies/{study}`: stores a new version of a study's document, or only tells what it would change.
//!
//! Guarantee: a document with a fault changes nothing, and all faults are told at once. A dry run tells the faults and the
//! differences to what is in force together.

use domain::ids::{KeyId, StudyId};
use domain::reading::{Json, Limits};
#[cfg(feature = "schema")]
use domain::schema::{Any, Name, Sha256, Time};
use domain::study::{Difference, Study, differences};
use domain::{Code, Finding};
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde_json::Value;
use state::edge::problem::{Findings, Problem};
use state::edge::query::Query;
use state::edge::request::{body, header, made, reason, replaces, tag, unavailable};
use state::edge::serve::Call;
use state::settings::studies::{self, Draft};
use state::settings::{Settings, Version};

use crate::config::Config;
use crate::whole_study_of;

/// The longest document, bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A version that was stored, or only tried.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StudyChange<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    /// Whether it could be stored.
    valid: bool,
    /// False for a dry run.
    stored: bool,
    /// Its number; of a dry run that of the version in force, null if there is none.
    version: Option<u64>,
    /// SHA-256 of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Sha256>"))]
    sha256: Option<String>,
    /// In force since, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    at: Option<String>,
    /// The key or the person that stored it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<KeyId>,
    /// The faults of a dry run.
    errors: Findings,
    /// What differs from the version in force before; the first 500.
    differences: Vec<DifferenceShape>,
    /// How many differences are left out.
    more_differences: usize,
}

/// A difference to the version in force.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Difference"))]
struct DifferenceShape {
    /// JSON pointer into the new version; of what is gone, into the old one.
    pointer: String,
    /// What was there; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Any>"))]
    old: Option<Value>,
    /// What is there; absent if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Any>"))]
    new: Option<Value>,
    /// What it will do.
    effect: String,
}

impl From<Difference> for DifferenceShape {
    fn from(difference: Difference) -> Self {
        let Difference { pointer, old, new, effect } = difference;
        DifferenceShape { pointer, old, new, effect }
    }
}

/// Stores a version, or tells what it would change.
pub(crate) async fn replace(call: Call<Config>) -> Result<Reply, Problem> {
    let id = whole_study_of(&call.principal, call.segment(0))?;
    let Call { config, principal, incoming, .. } = call;
    let mut query = Query::read(&incoming.query, &["dry-run"]);
    let dry_run = query.flag("dry-run");
    query.finish()?;
    let (reason, expected) = (reason(&incoming)?, header(&incoming, "if-match")?.map(str::to_owned));
    let unseen = header(&incoming, "if-none-match")?.is_some_and(|tag| tag.trim() == "*");
    let body = body(incoming, LARGEST).await?;
    let settings = Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))?;
    let before = in_force(&config, &id).await.map_err(|error| unavailable(&error))?;
    let Json { value: document, mut faults, .. } = Problem::json(&body, Limits::DEFINITION)?;
    drop(body);
    let study = match Study::read(&document) {
        Ok(study) => {
            faults.extend(unknown(&config, &settings, &study).await.map_err(|error| unavailable(&error))?);
            Some(study)
        }
        Err(found) => {
            faults.extend(found);
            None
        }
    };
    let (version, old) = before.unzip();
    let (found, count) = differences(old.as_ref(), &document);
    let mut shown = StudyChange {
        study_id: &id,
        valid: faults.is_empty(),
        stored: false,
        version,
        sha256: None,
        at: None,
        by: None,
        errors: Findings(Vec::new()),
        more_differences: count.saturating_sub(found.len()),
        differences: found.into_iter().map(DifferenceShape::from).collect(),
    };
    if dry_run {
        shown.errors = Findings(faults);
        return Ok(Reply::json(200, &shown));
    }
    let Some(study) = study.filter(|_| faults.is_empty()) else { return Err(Problem::invalid(faults)) };
    let content = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    let draft = Draft { id: &id, study: &study, document: &document, content };
    let why = (reason.as_deref(), principal.meaning.as_deref());
    let check = |current: Option<&Version>| replaces(current, expected.as_deref(), unseen);
    let changed = studies::change(&config.redis, &principal.actor, why, draft, check).await;
    let Version { version, sha256, at, by } = made(changed.map_err(|error| unavailable(&error))?)?;
    (shown.stored, shown.version) = (true, Some(version));
    (shown.sha256, shown.at, shown.by) = (Some(sha256), Some(at), Some(by));
    Ok(Reply::json(if version == 1 { 201 } else { 200 }, &shown).header("etag", tag(version)))
}

/// The number and the document of the version in force.
async fn in_force(config: &Config, study: &StudyId) -> Result<Option<(u64, Value)>, Error> {
    let store = Store::open().await?;
    let Some(index) = studies::in_force(&config.redis, &store, study).await? else { return Ok(None) };
    let Some(current) = index.current() else { return Ok(None) };
    let text = studies::version(&store, study, current.version).await?;
    let document = text.map(|text| platform::kv::read(&text)).transpose()?;
    Ok(document.map(|document| (current.version, document)))
}

/// The instruments of a study that do not exist.
async fn unknown(config: &Config, settings: &Settings, study: &Study) -> Result<Vec<Finding>, Error> {
    let mut faults = Vec::new();
    for (index, chosen) in study.instruments.iter().enumerate() {
        if settings.instrument(&config.redis, chosen.id.as_str(), None).await?.is_none() {
            let rule = "must be the id of an instrument";
            faults.push(Finding::new(format!("/instruments/{index}/id"), Code::Choice, rule));
        }
    }
    Ok(faults)
}
