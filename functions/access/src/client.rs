//! Client credentials: a program proves by an assertion that it has signed who it is (RFC 7523; SMART App Launch 2.2, backend
//! services).
//!
//! Guarantee: an assertion counts once, and only if it is signed by a key of the client that the document `access` names, by
//! an algorithm for public keys, for the audience that this document names, and for five minutes at most.

use domain::access::{Access, ClientKeys, Person};
use domain::{Code, Finding};
use jsonwebtoken::{Algorithm, decode_header};
use platform::clock;
use platform::deadline::Deadline;
use platform::redis::Redis;
use serde::Deserialize;
use state::edge::keys;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::sessions;
use state::settings::Settings;

use crate::published::{chosen, key_at};
use crate::token::{self, APART, Vouched, refused};

/// The type of a request after RFC 6749, section 4.4, and of the assertion in it.
pub(crate) const CREDENTIALS: &str = "client_credentials";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The algorithms by which a client may sign. SMART demands RS384 and ES384.
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS384, Algorithm::ES384, Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
/// The longest time for which an assertion may be good, and the longest session of a client, seconds.
pub(crate) const LONGEST: u32 = 300;
/// The longest `jti`, bytes.
const LONGEST_ID: usize = 255;

/// A client's assertion.
pub(crate) struct Assertion {
    pub(crate) text: String,
    client_id: Option<String>,
}

/// Reads a form of RFC 7523, section 2.2.
///
/// # Errors
/// 422 with every fault.
pub(crate) fn read(text: &str) -> Result<Assertion, Problem> {
    let known = &["grant_type", "client_assertion_type", "client_assertion", "client_id", "scope"];
    let mut form = Query::read(text, known);
    for name in ["client_assertion_type", "client_assertion"] {
        if !form.has(name) {
            form.fault(name, Code::Required, "is missing");
        }
    }
    form.take("client_assertion_type", ASSERTION, |text| (text == ASSERTION).then_some(()));
    let (text, client_id) = (form.text("client_assertion").unwrap_or_default(), form.text("client_id"));
    form.finish()?;
    Ok(Assertion { text, client_id })
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    jti: String,
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
}

/// Checks an assertion.
///
/// # Errors
/// 401 with the rule that it breaks, 422 when it is none, 503 when the client's keys are not known and nobody answers.
pub(crate) async fn check(redis: &Redis, assertion: &Assertion, deadline: Deadline) -> Result<Vouched, Problem> {
    let Assertion { text, client_id } = assertion;
    let id = token::issuer(text, "client_assertion")?;
    if client_id.as_ref().is_some_and(|named| *named != id) {
        let finding = Finding::new("/client_id", Code::Conflict, "must be the client of the assertion");
        return Err(Problem::invalid(vec![finding]));
    }
    let header = decode_header(text).map_err(|_| refused("it is no signed token of a known algorithm"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is not allowed"));
    }
    let is_assertion = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    if !is_assertion || header.crit.is_some() {
        return Err(refused("it is of another type"));
    }
    let access = async { Settings::in_force(redis).await?.document::<Access>(redis).await };
    let access = access.await.map_err(|error| unavailable(&error))?.unwrap_or_default();
    let (Some(client), Some(audience)) = (access.client(&id), access.audience()) else {
        return Err(refused("its client is not known"));
    };
    let named = header.kid.as_deref();
    let key = match &client.keys {
        ClientKeys::Listed(keys) => chosen(keys, named),
        ClientKeys::At(place) => {
            key_at(redis, &["client-keys:", place].concat(), place.clone(), named, deadline).await?
        }
    };
    let claims: Claims = token::signed(text, header.alg, key, &id, audience)?;
    if claims.sub != id {
        return Err(refused("its subject must be its issuer"));
    }
    let (now, apart) = (clock::now().millis() / 1000, i64::from(LONGEST) + APART as i64);
    let (ends, issued) = (claims.exp as i64, claims.iat.unwrap_or(claims.exp - f64::from(LONGEST)) as i64);
    if ends > now + apart {
        return Err(refused("it must be good for five minutes at most"));
    }
    if issued > now + APART as i64 {
        return Err(refused("its time has not come"));
    }
    if !(1..=LONGEST_ID).contains(&claims.jti.len()) {
        return Err(refused("its jti must be 1 to 255 bytes"));
    }
    // No id of a client has a blank, so no two ids of assertions have one hash.
    let used = keys::hash(&[&*id, " ", &claims.jti].concat());
    let is_first = sessions::use_once(redis, &used, ends - now + APART as i64 + 1).await;
    if !is_first.map_err(|error| unavailable(&error))? {
        return Err(refused("it was used before"));
    }
    Ok(Vouched { person: Person::of_client(client), groups: Vec::new(), issued, authenticated: None })
}
