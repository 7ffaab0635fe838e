//! `POST`, `GET` and `DELETE /v1/sessions`: a person signs in by an identity provider, or a client by its signature, and is
//! signed out.
//!
//! Guarantee: a session has one of the grants that the document `access` gives to the person, and lasts for the time of the
//! variable `session_seconds` at most. A person who is signed out is refused everywhere within a second. Whoever brings many
//! proofs that are refused is refused before another is looked at.

use domain::access::{Access, Grant, Person};
use domain::ids::{KeyId, is_name};
use domain::reading::{Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::Time;
use domain::{Code, Finding, Timestamp, scrub};
use platform::deadline::{Deadline, HEADER};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::redis::Redis;
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::auth::{Action, Principal, Role};
use state::edge::keys;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::refusal_log;
use state::edge::request::{LONGEST_REASON, body, misconfigured, reason, unavailable};
use state::edge::serve::{Component as _, within};
use state::edge::sessions::{self, Begun, SessionRecord};
use state::edge::wrong_keys::Kind;
use state::settings::Settings;

use crate::changes;
use crate::client;
use crate::config::Config;
use crate::exchange::{self, ISSUED_TYPE};
use crate::published;

/// The longest sign-in: it may need three calls of the provider.
const SIGN_IN: std::time::Duration = std::time::Duration::from_secs(10);
/// The longest request to sign a person out, bytes.
const LARGEST: usize = 4096;
/// The longest issuer or subject, bytes.
const LONGEST: usize = 255;

/// A session, without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Session"))]
pub(crate) struct SessionShown {
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    session_id: KeyId,
    #[serde(flatten)]
    person: Person,
    #[serde(flatten)]
    grant: Grant,
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    began_at: String,
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    expires_at: String,
}

impl SessionShown {
    fn of(record: SessionRecord) -> Self {
        let SessionRecord { session_id, person, grant, began_at, expires_ms, .. } = record;
        let expires_at = Timestamp::from_millis(expires_ms).rfc3339();
        SessionShown { session_id, person, grant, began_at, expires_at }
    }
}

/// A new session, with its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct NewSession {
    /// It is shown here alone: send it as `Authorization: Bearer <secret>`.
    secret: String,
    #[serde(flatten)]
    session: SessionShown,
    /// The number of its grant among `grants`, from 0.
    grant: usize,
    /// All that the person may be here.
    grants: Vec<Grant>,
    /// The provider's, for the next session.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// The answer to a form: RFC 6749, section 5.1, and RFC 8693, section 2.2.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct IssuedToken {
    access_token: String,
    /// Of a token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    /// Of client credentials: the client's role. A client cannot ask for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Role>,
}

/// The sessions in force.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SessionPage {
    sessions: Vec<SessionShown>,
    /// The position where the list continues; null at its end.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    cursor: Option<KeyId>,
    more: bool,
}

/// A session that was ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SessionEnded {
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    session_id: KeyId,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "ended")))]
    state: &'static str,
}

/// A person who was signed out.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SignedOut {
    issuer: String,
    subject: String,
    /// The number of their sessions that ended.
    ended: usize,
}

/// An identity provider.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(crate) struct ProviderShown {
    issuer: String,
    label: String,
    client_id: String,
    scope: String,
    /// Whether it answers.
    available: bool,
    /// The address to sign in at; absent while the provider does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<String>,
}

/// The identity providers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Providers {
    providers: Vec<ProviderShown>,
}

/// Lists the identity providers.
pub(crate) async fn providers(incoming: Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let config = Config::config().await.map_err(|faults| misconfigured(&faults))?;
    let deadline = Deadline::after_or_sooner(SIGN_IN, incoming.header(HEADER));
    let one = async |provider: &crate::providers::Provider| {
        let found = published::configuration(&config.redis, provider, deadline).await.ok();
        ProviderShown {
            issuer: provider.issuer.clone(),
            label: provider.label.clone(),
            client_id: provider.client_id.clone(),
            scope: provider.scope.clone(),
            available: found.is_some(),
            authorization_endpoint: found.map(|found| found.authorization_endpoint),
        }
    };
    let providers = futures::future::join_all(config.providers.iter().map(one)).await;
    Ok(Reply::json(200, &Providers { providers }).header("cache-control", "no-store"))
}

/// Signs a person in.
pub(crate) async fn begin(incoming: Incoming) -> Result<Reply, Problem> {
    let config = Config::config().await.map_err(|faults| misconfigured(&faults))?;
    let deadline = Deadline::after_or_sooner(SIGN_IN, incoming.header(HEADER));
    let begun = within(deadline, &config.redis, signed_in(&config, incoming, deadline)).await;
    begun.inspect_err(|problem| refusal_log::write(&config.redis, "sign-in-refused", None, problem.kind().as_str()))
}

async fn signed_in(config: &Config, incoming: Incoming, deadline: Deadline) -> Result<Reply, Problem> {
    let (wrong, sender) = (&config.keys.wrong, config.keys.wrong.sender(&incoming));
    wrong.check(&config.redis, Kind::SignIn, "", || sender).await?;
    let brought = exchange::read(incoming, &config.providers).await?;
    let (number, is_form, secret) = (brought.grant, brought.is_form, brought.secret().to_owned());
    let (vouched, refresh_token) = match exchange::vouched(config, brought, deadline).await {
        Err(problem) if problem.kind() == ProblemType::Unauthenticated => {
            wrong.count(&config.redis, Kind::SignIn, &secret, sender).await?;
            return Err(problem);
        }
        vouched => vouched?,
    };
    let grants = grants(&config.redis, &vouched.person, &vouched.groups).await.map_err(|error| unavailable(&error))?;
    if grants.is_empty() {
        let detail = "nobody has given this person a role here: an administrator does so in the document access";
        return Err(Problem::new(ProblemType::Forbidden, detail));
    }
    let Some(grant) = grants.get(number).cloned() else {
        let rule = format!("must be a number below {}", grants.len());
        return Err(Problem::invalid(vec![Finding::new("/grant", Code::Range, rule)]));
    };
    let is_client = vouched.person.is_client();
    let lasts = if is_client { config.session_seconds.min(client::LONGEST) } else { config.session_seconds };
    let (now, secret) = (clock::now(), sessions::secret());
    let record = SessionRecord {
        session_id: sessions::id(),
        person: vouched.person,
        grant,
        groups: vouched.groups,
        began_at: now.rfc3339(),
        authenticated: vouched.authenticated,
        expires_ms: now.millis().saturating_add(i64::from(lasts) * 1000),
    };
    let begun = async {
        let store = Store::open().await?;
        sessions::begin(&config.redis, &store, &record, &keys::hash(&secret), vouched.issued).await
    };
    match begun.await.map_err(|error| unavailable(&error))? {
        Begun::Yes => {}
        Begun::SignedOut => {
            let detail = "who signs in here was signed out after the token was issued: sign in again";
            return Err(Problem::new(ProblemType::Unauthenticated, detail));
        }
        Begun::Full => return Err(Problem::new(ProblemType::Busy, "there are too many sessions")),
    }
    if !keeps(&config.redis, &record, &keys::hash(&secret)).await.map_err(|error| unavailable(&error))? {
        return Err(Problem::new(ProblemType::Forbidden, "the role was taken away at this moment"));
    }
    log::info("session-began").key(&record.session_id).write();
    if is_form {
        let token = IssuedToken {
            access_token: secret,
            issued_token_type: (!is_client).then_some(ISSUED_TYPE),
            token_type: "Bearer",
            expires_in: lasts,
            scope: is_client.then_some(record.grant.role),
        };
        return Ok(Reply::json(200, &token).header("cache-control", "no-store"));
    }
    let location = format!("/v1/sessions/{}", record.session_id);
    let session = SessionShown::of(record);
    let new = NewSession { secret, session, grant: number, grants, refresh_token };
    Ok(Reply::json(201, &new).header("location", location).header("cache-control", "no-store"))
}

/// Whether a session that has begun still has its grant; else it is ended. Whoever stores the document `access` ends the
/// sessions that it takes away: one that began behind that look was granted by the document before.
async fn keeps(redis: &Redis, session: &SessionRecord, sha256: &str) -> Result<bool, Error> {
    let is_granted = grants(redis, &session.person, &session.groups).await?.contains(&session.grant);
    if !is_granted {
        sessions::end(redis, sha256).await?;
    }
    Ok(is_granted)
}

/// The grants of a person by the document in force.
pub(crate) async fn grants(redis: &Redis, person: &Person, groups: &[String]) -> Result<Vec<Grant>, Error> {
    let access = Settings::in_force(redis).await?.document::<Access>(redis).await?;
    Ok(access.map(|access| access.grants(&person.issuer, &person.subject, groups)).unwrap_or_default())
}

/// Lists the sessions that the own grant covers.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let after = query.cursor(|text| is_name(text).then(|| KeyId::from(text)));
    query.finish()?;
    let shown = async {
        let all = sessions::all(&config.redis).await?;
        let covered =
            all.into_iter().filter(|(_, session)| principal.covers(&session.grant.study, &session.grant.site));
        let mut ids: Vec<KeyId> = covered.map(|(_, session)| session.key_id).collect();
        ids.sort();
        ids.retain(|id| after.as_ref().is_none_or(|after| id > after));
        let more = ids.len() > limit;
        ids.truncate(limit);
        let (store, mut sessions) = (Store::open().await?, Vec::with_capacity(ids.len()));
        for id in &ids {
            sessions.extend(sessions::load(&store, id).await?.map(SessionShown::of));
        }
        Ok::<_, Error>(SessionPage { sessions, cursor: ids.pop().filter(|_| more), more })
    };
    let page = shown.await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &page).header("cache-control", "no-store"))
}

/// The own session's word in paths.
const CURRENT: &str = "current";

/// Ends a session: the own one, whatever its role, or one that the own grant covers.
pub(crate) async fn end(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(incoming)?;
    let is_own = id == CURRENT;
    let id = if is_own { principal.id.clone() } else { KeyId::from(id) };
    let all = sessions::all(&config.redis).await.map_err(|error| unavailable(&error))?;
    let found = all.into_iter().find(|(_, session)| session.key_id == id);
    let found = found.filter(|(_, session)| {
        let covers = principal.covers(&session.grant.study, &session.grant.site);
        is_own || principal.may(Action::Grant) && covers
    });
    let (hash, _) = found.ok_or_else(Problem::not_found)?;
    let ended = changes::end(&config.redis, &id, &hash, &principal.actor, reason.as_deref()).await;
    ended.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &SessionEnded { session_id: id, state: "ended" }))
}

/// Signs a person out everywhere.
pub(crate) async fn sign_out(config: &Config, principal: &Principal, incoming: Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    principal.must_cover_all()?;
    let Json { value, mut faults, .. } = Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    let line = |text: &str, length: usize, most: usize| {
        let fits = (1..=most).contains(&length) && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    };
    for name in ["issuer", "subject"] {
        members.require(&mut faults, name);
    }
    let [issuer, subject] = ["issuer", "subject"].map(|name| {
        let form = |text: &str| line(text, text.len(), LONGEST);
        members.form(&mut faults, name, "must be one line of 1 to 255 bytes", form).unwrap_or_default()
    });
    let form = |text: &str| line(text.trim(), text.trim().chars().count(), LONGEST_REASON);
    let reason = members.form(&mut faults, "reason", "must be 1 to 500 characters on one line", form);
    let reason = reason.map(scrub::free_text);
    members.finish(&mut faults);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let person = Person { issuer, subject, name: String::new() };
    let ended = changes::sign_out(&config.redis, &person, &principal.actor, reason.as_deref()).await;
    let ended = ended.map_err(|error| unavailable(&error))?;
    let Person { issuer, subject, .. } = person;
    Ok(Reply::json(200, &SignedOut { issuer, subject, ended }))
}
