//! `POST`, `GET /v1/keys` and `DELETE /v1/keys/{id}`: keys that are created and withdrawn while Vigil runs.
//!
//! Guarantee: a key covers no study and site that its creator's does not. Its secret is in the answer that creates it, and
//! nowhere else.

use domain::ids::{KeyId, NAME_RULE, SiteId, StudyId, is_name};
use domain::reading::{Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::{NameOrAll, Time};
use domain::{Code, Finding, Timestamp, scrub};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{Error, clock};
use serde::Serialize;
use state::edge::auth::{Principal, Role};
use state::edge::keys::{self, InForce, KeyRecord};
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, reason, unavailable};
use state::events;

use crate::changes;
use crate::config::Config;

/// The longest request, bytes.
const LARGEST: usize = 4096;
/// The longest label or owner, characters.
const LONGEST: usize = 100;

/// A key, without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Key"))]
pub(crate) struct KeyShown {
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    key_id: KeyId,
    /// Its purpose.
    label: String,
    role: Role,
    #[cfg_attr(feature = "schema", schemars(with = "NameOrAll"))]
    study: StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "NameOrAll"))]
    site: SiteId,
    /// The person or team that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// The first characters of its secret.
    prefix: String,
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    created_at: String,
    /// The id of the key that created it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    created_by: KeyId,
    /// Absent where it never ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    expires_at: Option<String>,
    expired: bool,
    /// The minute of its last use; absent where it was not used yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    last_used_at: Option<String>,
}

/// The keys in force, and those whose time has passed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct KeyPage {
    keys: Vec<KeyShown>,
    /// The position where the list continues; null at its end.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    cursor: Option<KeyId>,
    more: bool,
}

/// A new key, with its secret.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct NewKey {
    /// It is shown here alone: send it as `Authorization: Bearer <secret>`.
    secret: String,
    #[serde(flatten)]
    key: KeyShown,
}

/// A key that was withdrawn.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct KeyWithdrawn<'a> {
    key_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "withdrawn")))]
    state: &'static str,
}

impl KeyShown {
    fn of(key: KeyRecord, used: Option<i64>) -> Self {
        let at = |ms| Timestamp::from_millis(ms).rfc3339();
        let expired = key.expires_ms.is_some_and(|at| at <= clock::now().millis());
        let KeyRecord { key_id, label, role, study, site, owner, created_at, created_by, expires_ms, prefix, .. } = key;
        let (expires_at, last_used_at) = (expires_ms.map(at), used.map(at));
        KeyShown {
            key_id,
            label,
            role,
            study,
            site,
            owner,
            prefix,
            created_at,
            created_by,
            expires_at,
            expired,
            last_used_at,
        }
    }
}

/// Lists the keys that the own key covers.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let after = query.cursor(|text| is_name(text).then(|| KeyId::from(text)));
    query.finish()?;
    let all = keys::all(&config.redis).await.map_err(|error| unavailable(&error))?;
    let covered = all.into_values().filter(|(key, _)| principal.covers(&key.grant.study, &key.grant.site));
    let mut rest = covered.filter(|(key, _)| after.as_ref().is_none_or(|after| key.key_id > *after));
    let page: Vec<(InForce, Option<i64>)> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let shown = async {
        let (store, mut keys) = (Store::open().await?, Vec::with_capacity(page.len()));
        for (key, used) in page {
            keys.push(KeyShown::of(keys::load(&store, &key.key_id).await?, used));
        }
        Ok::<_, Error>(keys)
    };
    let keys = shown.await.map_err(|error| unavailable(&error))?;
    let cursor = keys.last().filter(|_| more).map(|last| last.key_id.clone());
    Ok(Reply::json(200, &KeyPage { keys, cursor, more }).header("cache-control", "no-store"))
}

/// A request for a key.
struct Asked {
    label: String,
    role: Role,
    study: StudyId,
    site: SiteId,
    owner: Option<String>,
    expires_at: Option<Timestamp>,
}

fn asked(document: Json) -> Result<Asked, Problem> {
    let Json { value, mut faults, .. } = document;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    for name in ["label", "role", "study", "site"] {
        members.require(&mut faults, name);
    }
    let line = |text: &str| {
        let text = text.trim();
        let fits = (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then(|| scrub::free_text(text.to_owned()))
    };
    let rule = format!("must be one line of 1 to {LONGEST} characters");
    let label = members.form(&mut faults, "label", &rule, line);
    let owner = members.form(&mut faults, "owner", &rule, line);
    let roles = Role::ALL.map(Role::as_str).join(", ");
    let role = members.form(&mut faults, "role", &format!("must be one of {roles}"), Role::parse);
    let rule = format!("must be * for all, or a name: {NAME_RULE}");
    let scope = |text: &str| (text == "*" || is_name(text)).then(|| text.to_owned());
    let study = members.form(&mut faults, "study", &rule, scope);
    let site = members.form(&mut faults, "site", &rule, scope);
    let rule = "must be a time as RFC 3339 with an offset";
    let expires_at = members.form(&mut faults, "expiresAt", rule, Timestamp::parse);
    if expires_at.is_some_and(|at| at <= clock::now()) {
        faults.push(Finding::new("/expiresAt", Code::Range, "must be in the future"));
    }
    members.finish(&mut faults);
    match (label, role, study, site) {
        (Some(label), Some(role), Some(study), Some(site)) if faults.is_empty() => {
            Ok(Asked { label, role, study: study.into(), site: site.into(), owner, expires_at })
        }
        _ => Err(Problem::invalid(faults)),
    }
}

/// Creates a key within the scope of the own one.
pub(crate) async fn create(config: &Config, principal: &Principal, incoming: Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(&incoming)?;
    let asked = asked(Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?)?;
    let Asked { label, role, study, site, owner, expires_at } = asked;
    if !principal.covers(&study, &site) {
        let detail = "the new key would cover more than the own one: name a study and a site that it covers";
        return Err(Problem::new(ProblemType::Forbidden, detail));
    }
    let secret = keys::secret();
    let key = KeyRecord {
        key_id: format!("k-{:016x}", (clock::random_bits() >> 64) as u64).into(),
        label,
        role,
        study,
        site,
        owner,
        created_at: clock::now().rfc3339(),
        created_by: principal.actor.clone(),
        expires_ms: expires_at.map(Timestamp::millis),
        prefix: keys::prefix(&secret),
        sha256: keys::hash(&secret),
        withdrawn_at: None,
    };
    let created = changes::create(&config.redis, &key, reason.as_deref()).await;
    if !created.map_err(|error| unavailable(&error))? {
        let detail = format!("there are {} keys already: withdraw some", keys::MOST);
        return Err(Problem::new(ProblemType::Conflict, detail));
    }
    if key.expires_ms.is_some() {
        // If that fails, the clock looks within an hour.
        events::look_for_ending_keys(&config.redis).await.ok();
    }
    let location = format!("/v1/keys/{}", key.key_id);
    let new = NewKey { secret, key: KeyShown::of(key, None) };
    Ok(Reply::json(201, &new).header("location", location).header("cache-control", "no-store"))
}

/// Withdraws a key.
pub(crate) async fn withdraw(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(incoming)?;
    let all = keys::all(&config.redis).await.map_err(|error| unavailable(&error))?;
    let found = all.get(&KeyId::from(id)).filter(|(key, _)| principal.covers(&key.grant.study, &key.grant.site));
    let (key, _) = found.ok_or_else(Problem::not_found)?;
    let withdrawn = changes::withdraw(&config.redis, &key.key_id, &principal.actor, reason.as_deref()).await;
    withdrawn.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &KeyWithdrawn { key_id: id, state: "withdrawn" }))
}
