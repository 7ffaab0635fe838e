//! `GET /v1/config`, `GET` and `PUT /v1/config/{document}`: configuration documents.
//!
//! Secrets of receivers are stored and never shown: see [`hidden`]. A subscription is told of events from when it was first
//! stored, unless it says since when.

use std::collections::BTreeSet;

use domain::access::Access;
use domain::alert::silence::without_identities;
use domain::ids::KeyId;
use domain::reading::{Json, Limits, pointer};
#[cfg(feature = "schema")]
use domain::schema::{Nullable, Sha256, Time};
use domain::settings::Document;
use domain::url::Url;
use domain::url::networks::Networks;
use domain::{Code, Finding};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{Error, clock};
use serde::Serialize;
use serde_json::Value;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, header, made, reason, replaces, tag, unavailable};
use state::edge::sessions::{self, Names};
use state::events;
use state::names;
use state::settings::{self, Settings, Version};
use state::variables;

use crate::config::Config;
use crate::hidden;

/// The longest document, bytes.
const LARGEST: usize = 256 * 1024;

/// All documents.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Documents {
    documents: Vec<DocumentVersion>,
}

/// The version of a document.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct DocumentVersion {
    document: &'static str,
    /// Its number; null if the document was never stored. A dry run has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Nullable<VersionNumber>"))]
    version: Option<Option<u64>>,
    /// SHA-256 of its content.
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
    /// The person's name.
    #[serde(rename = "byName", skip_serializing_if = "Option::is_none")]
    by_name: Option<String>,
    /// Of a dry run: whether it could be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// Of a dry run: whether it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
}

impl DocumentVersion {
    fn of(document: Document) -> Self {
        let document = document.as_str();
        DocumentVersion {
            document,
            version: None,
            sha256: None,
            at: None,
            by: None,
            by_name: None,
            valid: None,
            stored: None,
        }
    }
}

/// The number of a version.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(inline, transparent)]
struct VersionNumber(
    #[schemars(range(min = 1))]
    #[allow(dead_code, reason = "it only describes a number")]
    u64,
);

/// Lists all documents, with the version of each that is in force.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    principal.must_cover_all()?;
    Query::none(&incoming.query)?;
    let settings = in_force(config).await?;
    let all = async {
        let (store, mut documents) = (Store::open().await?, Vec::new());
        let mut names = Names::new(&store);
        for document in Document::ALL {
            let Some(version) = settings.index().documents.get(document.as_str()) else {
                documents.push(DocumentVersion { version: Some(None), ..DocumentVersion::of(document) });
                continue;
            };
            let by_name = names.of(version.by.as_str()).await?;
            documents.push(DocumentVersion { by_name, ..shown(document, version) });
        }
        Ok::<_, Error>(documents)
    };
    let documents = all.await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &Documents { documents }))
}

fn shown(document: Document, version: &Version) -> DocumentVersion {
    let Version { version, sha256, at, by } = version.clone();
    let version = Some(Some(version));
    DocumentVersion { version, sha256: Some(sha256), at: Some(at), by: Some(by), ..DocumentVersion::of(document) }
}

/// Finds a document by its name.
fn named(principal: &Principal, name: &str) -> Result<Document, Problem> {
    let document = Document::parse(name).ok_or_else(Problem::not_found)?;
    principal.must_cover_all()?;
    Ok(document)
}

/// Shows a document: the version in force, or an earlier one.
pub(crate) async fn show(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    name: &str,
) -> Result<Reply, Problem> {
    let document = named(principal, name)?;
    let mut query = Query::read(&incoming.query, &["version"]);
    let version = query.take("version", "a version", |text| Some(text.to_owned()));
    query.finish()?;
    let settings = in_force(config).await?;
    let current = settings.index().documents.get(document.as_str()).ok_or_else(Problem::not_found)?;
    let asked = match &version {
        Some(version) => version.parse().map_err(|_| Problem::not_found())?,
        None => current.version,
    };
    let found = settings::bytes(&config.redis, &names::config(document.as_str(), asked)).await;
    let mut content = found.map_err(|error| unavailable(&error))?.ok_or_else(Problem::not_found)?;
    if has_receivers(document) {
        let unreadable = |_| Problem::new(ProblemType::Unavailable, "the document cannot be read");
        let mut shown: Value = platform::json::read(&content).map_err(unreadable)?;
        hidden::hide(&mut shown);
        content = shown.to_string().into_bytes();
    }
    Ok(Reply::new(200, "application/json", content).header("etag", tag(asked)))
}

/// Whether a document has receivers, whose secrets are never shown.
fn has_receivers(document: Document) -> bool {
    matches!(document, Document::AlertRoutes | Document::Subscriptions)
}

/// Stores a new version of a document, or only checks it.
pub(crate) async fn replace(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    name: &str,
) -> Result<Reply, Problem> {
    let document = named(principal, name)?;
    let mut query = Query::read(&incoming.query, &["dry-run"]);
    let dry_run = query.flag("dry-run");
    query.finish()?;
    let (reason, expected) = (reason(&incoming)?, header(&incoming, "if-match")?.map(str::to_owned));
    let unseen = header(&incoming, "if-none-match")?.is_some_and(|tag| tag.trim() == "*");
    let body = body(incoming, LARGEST).await?;
    let mut before = None;
    let mut others = Vec::new();
    if has_receivers(document) {
        before = Some(stored(config, document).await?);
        for other in Document::ALL.into_iter().filter(|other| *other != document && has_receivers(*other)) {
            others.extend(stored(config, other).await?.1);
        }
    }
    let (content, kept_from) = checked(config, document, &body, before, &others)?;
    drop(body);
    if dry_run {
        let tried = DocumentVersion { valid: Some(true), stored: Some(false), ..DocumentVersion::of(document) };
        return Ok(Reply::json(200, &tried));
    }
    let access = if document == Document::Access { access_of(&content) } else { None };
    let plan = |index: &mut settings::Index, at: &str| {
        let current = index.documents.get(document.as_str());
        replaces(current, expected.as_deref(), unseen)?;
        if kept_from.is_some_and(|version| version != current.map_or(0, |current| current.version)) {
            let detail = "the secrets that are to be kept were changed meanwhile, read the document first";
            return Err(Problem::new(ProblemType::PreconditionFailed, detail));
        }
        if let Some(access) = &access {
            index.unrecorded.clone_from(&access.unrecorded);
        }
        Ok(index.replace(document, &content, at, &principal.actor))
    };
    let why = (reason.as_deref(), principal.meaning.as_deref());
    let changed = settings::change(&config.redis, &principal.actor, why, plan).await;
    let made = made(changed.map_err(|error| unavailable(&error))?)?;
    if let Some(access) = &access {
        still_granted(config, access).await.map_err(|error| unavailable(&error))?;
    }
    if document == Document::Subscriptions {
        events::look(&config.redis).await.map_err(|error| unavailable(&error))?;
    }
    let status = if made.version == 1 { 201 } else { 200 };
    Ok(Reply::json(status, &shown(document, &made)).header("etag", tag(made.version)))
}

/// The document `access` as it is read.
fn access_of(content: &str) -> Option<Access> {
    serde_json::from_str(content).ok().and_then(|content| Access::read(&content).ok())
}

/// Ends the sessions whose grants a document takes away.
async fn still_granted(config: &Config, access: &Access) -> Result<(), Error> {
    sessions::keep_granted(&config.redis, &Store::open().await?, access).await.map(drop)
}

/// The text of a document without faults, and the stored version from which it keeps secrets.
fn checked(
    config: &Config,
    document: Document,
    body: &[u8],
    stored: Option<(u64, Option<Value>)>,
    others: &[Value],
) -> Result<(String, Option<u64>), Problem> {
    let Json { value: mut content, mut faults, .. } = Problem::json(body, Limits::SETTINGS)?;
    let mut kept_from = None;
    let stored = stored.unwrap_or_default();
    if has_receivers(document) {
        let (version, stored) = &stored;
        let (any, unknown) = hidden::keep(&mut content, stored.as_ref());
        kept_from = any.then_some(*version);
        faults.extend(unknown);
    }
    // A mark without a stored secret is reported once, and not also as a malformed secret.
    let told: BTreeSet<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
    faults.extend(document.check(&content).into_iter().filter(|fault| !told.contains(&fault.pointer)));
    if has_receivers(document) {
        faults.extend(out_of_reach(config, &content));
        faults.extend(twice(&content, others));
    }
    if document == Document::Subscriptions {
        begun(&mut content, stored.1.as_ref(), &clock::now().rfc3339());
    }
    if document == Document::Silences {
        without_identities(&mut content);
    }
    if faults.is_empty() { Ok((content.to_string(), kept_from)) } else { Err(Problem::invalid(faults)) }
}

/// The receivers whose addresses are numbers of networks that nobody named.
fn out_of_reach(config: &Config, routes: &Value) -> Vec<Finding> {
    let receivers = routes.get("receivers").and_then(Value::as_object).into_iter().flatten();
    let beyond = receivers.filter(|(_, receiver)| {
        let url = receiver.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        url.is_some_and(|url| !config.networks.reach(&url))
    });
    let rule = Networks::rule(variables::RECEIVER_NETWORKS.name);
    let place = |id: &str| format!("/receivers{}/url", pointer(id));
    beyond.map(|(id, _)| Finding::new(place(id), Code::Forbidden, rule.as_str())).collect()
}

/// The receivers that another document has by the same id: a receiver is known by its id alone where it is listed, called
/// and enabled.
fn twice(document: &Value, others: &[Value]) -> Vec<Finding> {
    let receivers = document.get("receivers").and_then(Value::as_object).into_iter().flatten();
    let known = |id: &str| others.iter().any(|other| other.get("receivers").is_some_and(|all| all.get(id).is_some()));
    let rule = "another document has a receiver with this id";
    let twice = receivers.filter(|(id, _)| known(id));
    twice.map(|(id, _)| Finding::new(format!("/receivers{}", pointer(id)), Code::Conflict, rule)).collect()
}

/// Sets from when subscriptions are told of events: what the document says, what it said before, or now.
fn begun(document: &mut Value, stored: Option<&Value>, now: &str) {
    let list = |document: &Value| document.get("subscriptions").and_then(Value::as_array).cloned().unwrap_or_default();
    let before = stored.map(list).unwrap_or_default();
    let subscriptions = document.get_mut("subscriptions").and_then(Value::as_array_mut).into_iter().flatten();
    for subscription in subscriptions.filter_map(Value::as_object_mut) {
        let known = before.iter().find(|it| it.get("id") == subscription.get("id")).and_then(|it| it.get("since"));
        let since = known.cloned().unwrap_or_else(|| now.into());
        subscription.entry("since").or_insert(since);
    }
}

/// The content and version of a document that is in force; version 0 if there is none.
async fn stored(config: &Config, document: Document) -> Result<(u64, Option<Value>), Problem> {
    let settings = in_force(config).await?;
    let Some(current) = settings.index().documents.get(document.as_str()) else { return Ok((0, None)) };
    let bytes = settings::bytes(&config.redis, &names::config(document.as_str(), current.version)).await;
    let content = bytes.map_err(|error| unavailable(&error))?.and_then(|bytes| platform::json::read(&bytes).ok());
    Ok((current.version, content))
}

async fn in_force(config: &Config) -> Result<Settings, Problem> {
    Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))
}
