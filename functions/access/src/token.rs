//! The check of a token: a JWT (RFC 7519) that an identity provider has signed.
//!
//! Guarantee: a token counts only if it is signed by a key that its provider publishes, by an algorithm that the variable
//! `oidc` allows, for this audience, and if its time has come and not passed. `alg: none` and algorithms with a shared secret
//! are unknown here. A key decides the family of algorithms that it may check, so none can be taken for another.

use domain::access::Person;
use domain::{Code, Finding};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use platform::clock;
use platform::deadline::Deadline;
use platform::redis::Redis;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use state::edge::problem::{Problem, ProblemType};

use crate::providers::Provider;
use crate::published;

/// The most that the clocks of two machines are expected to differ, seconds.
pub(crate) const APART: u64 = 60;
/// The longest name of a person, characters.
const LONGEST_NAME: usize = 100;
/// The most groups of a person, and the longest of them, bytes.
const MOST_GROUPS: usize = 1000;
const LONGEST_GROUP: usize = 255;

/// The claims of a provider about a person.
pub(crate) struct Vouched {
    pub(crate) person: Person,
    pub(crate) groups: Vec<String>,
    /// When the token was issued, seconds since the epoch.
    pub(crate) issued: i64,
    /// When the person authenticated, seconds since the epoch; none if the token does not say.
    pub(crate) authenticated: Option<i64>,
}

/// A problem of a token.
pub(crate) fn refused(rule: &str) -> Problem {
    Problem::new(ProblemType::Unauthenticated, ["the token is refused: ", rule].concat())
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: f64,
    #[serde(default)]
    auth_time: Option<f64>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Checks a token. `nonce` is the one that the sign-in began with, if it did.
///
/// # Errors
/// 401 with the rule that it breaks, 503 when the provider's keys are not known and it does not answer.
pub(crate) async fn check(
    redis: &Redis,
    provider: &Provider,
    token: &str,
    nonce: Option<&str>,
    deadline: Deadline,
) -> Result<Vouched, Problem> {
    let header = decode_header(token).map_err(|_| refused("it is no signed token of a known algorithm"))?;
    if !provider.allows(header.alg) {
        return Err(refused("its algorithm is not allowed"));
    }
    // RFC 9068, section 2.1, and RFC 8725, section 3.11: what is meant for something else is no proof of a sign-in.
    let kinds = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];
    let is_of_sign_in = header.typ.as_deref().is_none_or(|typ| kinds.iter().any(|it| it.eq_ignore_ascii_case(typ)));
    if !is_of_sign_in || header.crit.is_some() {
        return Err(refused("it is of another type"));
    }
    let key = published::key(redis, provider, header.kid.as_deref(), deadline).await?;
    vouched(provider, signed(token, header.alg, key, &provider.issuer, provider.audience())?, nonce)
}

/// The claims of a token that this key has signed by this algorithm, for this audience, and whose time has come.
///
/// # Errors
/// 401 with the rule that it breaks.
pub(crate) fn signed<T: DeserializeOwned>(
    token: &str,
    algorithm: Algorithm,
    key: Option<Jwk>,
    issuer: &str,
    audience: &str,
) -> Result<T, Problem> {
    let key = key.ok_or_else(|| refused("its key is not known"))?;
    let fits = key.common.key_algorithm.is_none_or(|own| own.to_string() == format!("{algorithm:?}"));
    let key = DecodingKey::from_jwk(&key).ok().filter(|_| fits).ok_or_else(|| refused("its key does not fit"))?;
    let mut validation = Validation::new(algorithm);
    validation.leeway = APART;
    validation.validate_nbf = true;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    Ok(decode::<T>(token, &key, &validation).map_err(|error| refused(rule(error.kind())))?.claims)
}

fn rule(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "its time has not come",
        ErrorKind::InvalidIssuer => "its issuer is another one",
        ErrorKind::InvalidAudience => "its audience is another one",
        ErrorKind::InvalidAlgorithm => "its algorithm does not fit its key",
        ErrorKind::MissingRequiredClaim(_) => "it must have iss, sub, aud and exp",
        _ => "it cannot be read, or lacks a claim that it must have",
    }
}

fn vouched(provider: &Provider, claims: Claims, nonce: Option<&str>) -> Result<Vouched, Problem> {
    let issued = claims.iat as i64;
    if issued > clock::now().millis() / 1000 + APART as i64 {
        return Err(refused("its time has not come"));
    }
    // OpenID Connect Core 1.0, section 3.1.3.7: who asked for it, where it says so.
    if claims.azp.is_some_and(|azp| azp != provider.client_id && azp != provider.audience()) {
        return Err(refused("it was issued to another client"));
    }
    if nonce.is_some_and(|nonce| claims.nonce.as_deref() != Some(nonce)) {
        return Err(refused("it belongs to another sign-in"));
    }
    let sound = |text: &str| !text.is_empty() && text.len() <= LONGEST_GROUP && !text.chars().any(char::is_control);
    if !sound(&claims.sub) {
        return Err(refused("its subject must be 1 to 255 bytes on one line"));
    }
    let named = ["name", "preferred_username"].iter().find_map(|claim| claims.rest.get(*claim)?.as_str());
    let name: String = named.unwrap_or(&claims.sub).chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let groups = match claims.rest.get(&provider.groups_claim) {
        Some(Value::String(group)) => vec![group.clone()],
        Some(Value::Array(groups)) => groups.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let groups = groups.into_iter().filter(|group| sound(group)).take(MOST_GROUPS).collect();
    // Nobody authenticates after their token was issued: a later time would be fresh for longer.
    let authenticated = claims.auth_time.map(|at| (at as i64).min(issued));
    let person = Person { issuer: provider.issuer.clone(), subject: claims.sub, name };
    Ok(Vouched { person, groups, issued, authenticated })
}

/// The issuer that a token names, before anything of it is believed; `name` is that of the field that it came in.
///
/// # Errors
/// 422 when it names none.
pub(crate) fn issuer(token: &str, name: &str) -> Result<String, Problem> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    jsonwebtoken::dangerous::insecure_decode::<Named>(token).map(|token| token.claims.iss).map_err(|_| {
        let rule = "must be a signed token that names its issuer";
        Problem::invalid(vec![Finding::new(["/", name].concat(), Code::Format, rule)])
    })
}
