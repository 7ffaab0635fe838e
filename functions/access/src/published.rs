//! The published configuration and signing keys of identity providers, and the keys of clients.
//!
//! Guarantee: of all instances of all hosts one asks a provider at a time, under a deadline. While a provider is away, what
//! it published last is believed for a day. A key that is not known makes Vigil ask again, at most once a minute.
//!
//! Mechanism: the cache of services' replies. Keys are kept once under the provider's name, and once for each minute in
//! which somebody came with an unknown key.

use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use platform::deadline::Deadline;
use platform::http::{self, CallError};
use platform::redis::Redis;
use platform::{Error, Kind, clock, log};
use serde::{Deserialize, Serialize};
use state::cache::{self, Response, Terms};
use state::edge::problem::{Problem, ProblemType};

use crate::providers::{Provider, address};

/// For how long what was published is believed.
const TERMS: Terms =
    Terms { fresh: Duration::from_secs(600), stale: Duration::from_secs(86_400), negative: Duration::from_secs(2) };
/// The same for the keys that were asked for because of an unknown one.
const TERMS_OF_A_MINUTE: Terms =
    Terms { fresh: Duration::from_secs(120), stale: Duration::from_secs(120), negative: Duration::from_secs(60) };
/// The longest call of a provider. The lock of the cache lasts as long.
const CALL: Duration = Duration::from_secs(4);
/// The most bytes of an answer.
const LONGEST: usize = 256 * 1024;

/// The configuration of a provider, as it publishes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Configuration {
    issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    jwks_uri: String,
}

/// The problem of a provider that does not answer.
pub(crate) fn away() -> Problem {
    Problem::new(ProblemType::Unavailable, "the identity provider does not answer")
}

/// A provider's configuration.
///
/// # Errors
/// 503 when it does not answer, or says what it may not.
pub(crate) async fn configuration(
    redis: &Redis,
    provider: &Provider,
    deadline: Deadline,
) -> Result<Configuration, Problem> {
    let (url, issuer) = (provider.configuration(), provider.issuer.clone());
    let ask = || async move {
        let body = match fetched(&url).await {
            Ok(body) => body,
            Err(word) => return Response::Failed(word),
        };
        // OpenID Connect Discovery 1.0, section 4.3: the issuer must be the one that was asked.
        let found: Option<Configuration> = platform::json::read(&body).ok();
        let sound = found.filter(|found| {
            let addresses = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
            found.issuer == issuer && addresses.into_iter().all(|text| address(text).is_some())
        });
        kept(sound.as_ref())
    };
    let name = ["oidc:", &provider.issuer].concat();
    let text = read(redis, &name, TERMS, deadline, ask).await?;
    serde_json::from_str(&text).map_err(|_| away())
}

/// The key by which a provider signed: the one of this id, or its only one where a token names none.
///
/// # Errors
/// 503 when it does not answer.
pub(crate) async fn key(
    redis: &Redis,
    provider: &Provider,
    id: Option<&str>,
    deadline: Deadline,
) -> Result<Option<Jwk>, Problem> {
    let place = configuration(redis, provider, deadline).await?.jwks_uri;
    key_at(redis, &["oidc-keys:", &provider.issuer].concat(), place, id, deadline).await
}

/// The key of this id that is published at an address, or the only one; `name` is that of the kept answer.
///
/// # Errors
/// 503 when nobody answers there.
pub(crate) async fn key_at(
    redis: &Redis,
    name: &str,
    place: String,
    id: Option<&str>,
    deadline: Deadline,
) -> Result<Option<Jwk>, Problem> {
    let found = chosen(&read(redis, name, TERMS, deadline, || keys(place.clone())).await?, id);
    if found.is_some() {
        return Ok(found);
    }
    // There may be a new key.
    let name = format!("{name}:{}", clock::now().millis() / 60_000);
    let again = read(redis, &name, TERMS_OF_A_MINUTE, deadline, || keys(place)).await;
    Ok(again.ok().and_then(|text| chosen(&text, id)))
}

/// The key of this id in a JSON Web Key Set, or its only one where none is named.
pub(crate) fn chosen(text: &str, id: Option<&str>) -> Option<Jwk> {
    let JwkSet { keys } = serde_json::from_str(text).ok()?;
    let mut signing = keys.into_iter().filter(|key| {
        let encrypts = matches!(key.common.public_key_use, Some(jsonwebtoken::jwk::PublicKeyUse::Encryption));
        !encrypts && id.is_none_or(|id| key.common.key_id.as_deref() == Some(id))
    });
    let first = signing.next()?;
    if signing.next().is_none() { Some(first) } else { None }
}

async fn keys(url: String) -> Response {
    match fetched(&url).await {
        // A key of a kind that is not known here does no harm to the others.
        Ok(body) => kept(platform::json::read::<JwkSet>(&body).ok().as_ref()),
        Err(word) => Response::Failed(word),
    }
}

fn kept(document: Option<&impl Serialize>) -> Response {
    let text = document.and_then(|document| serde_json::to_string(document).ok());
    text.map_or_else(|| Response::Failed("unreadable".to_owned()), Response::Found)
}

async fn fetched(url: &str) -> Result<Vec<u8>, String> {
    let Some(url) = address(url) else { return Err("refused".to_owned()) };
    let headers = [("accept", "application/json".to_owned())];
    match http::get(&url, &headers, LONGEST, Deadline::after(CALL)).await {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) => Err(answer.status.to_string()),
        Err(CallError::TimedOut) => Err("timed-out".to_owned()),
        Err(CallError::Refused) => Err("refused".to_owned()),
        Err(CallError::Unreachable | CallError::UnknownHost | CallError::NotTrusted) => Err("unreachable".to_owned()),
    }
}

async fn read<F>(
    redis: &Redis,
    name: &str,
    terms: Terms,
    deadline: Deadline,
    ask: impl FnOnce() -> F,
) -> Result<String, Problem>
where
    F: Future<Output = Response> + 'static,
{
    let cached = cache::read(redis, name, terms, deadline, ask).await;
    match cached.map(|cached| cached.said) {
        Ok(Response::Found(text)) => Ok(text),
        Ok(Response::Absent) => Err(away()),
        Ok(Response::Failed(word)) => {
            log::warn("identity-provider").cause(&Error::new("oidc", Kind::Unavailable, word)).write();
            Err(away())
        }
        Err(error) => Err(state::edge::request::unavailable(&error)),
    }
}
