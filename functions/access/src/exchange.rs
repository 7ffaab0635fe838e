//! The body of `POST /v1/sessions`: reads the proof in it, and exchanges it for a person for whom an identity provider
//! vouches, or for a client.
//!
//! Guarantee: a code and a refresh token are sent to the provider that the request names, and nowhere else; a secret of
//! Vigil's goes along only there. All faults of a request are told at once.

use domain::reading::{Json, Limits, Object};
use domain::{Code, Finding};
use platform::deadline::Deadline;
use platform::http::{self, FORM, Incoming};
use platform::percent::encode;
use serde::Deserialize;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::bytes;

use crate::client::{self, Assertion};
use crate::config::Config;
use crate::providers::{Provider, address};
use crate::published::{away, configuration};
use crate::token::{self, Vouched, refused};

/// The longest request, and the longest answer of a provider, bytes.
const LARGEST: usize = 32 * 1024;
const LONGEST_ANSWER: usize = 64 * 1024;
/// The type of a request after RFC 8693, section 2.1, and of the tokens that it may bring.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPES: [&str; 3] = [
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:token-type:jwt",
];

/// The rule that another provider breaks.
const UNKNOWN: &str = "must name an identity provider that this installation knows";

/// A request to sign in.
pub(crate) struct Brought<'a> {
    by: By<'a>,
    /// Which of the person's grants is meant.
    pub(crate) grant: usize,
    /// Whether it came as a form, and is answered as RFC 6749 says.
    pub(crate) is_form: bool,
}

/// Who proves it.
enum By<'a> {
    /// A person, by a proof of this provider, and the nonce with which the sign-in began.
    Person(&'a Provider, Proof, Option<String>),
    /// A client.
    Client(Assertion),
}

enum Proof {
    Token(String),
    Code { code: String, verifier: String, redirect: String },
    Refresh(String),
}

impl Brought<'_> {
    /// Its secret part.
    pub(crate) fn secret(&self) -> &str {
        match &self.by {
            By::Client(assertion) => &assertion.text,
            By::Person(_, Proof::Token(secret) | Proof::Code { code: secret, .. } | Proof::Refresh(secret), _) => {
                secret
            }
        }
    }
}

/// Reads a request.
///
/// # Errors
/// 415, 413, 400, 422 with every fault.
pub(crate) async fn read(incoming: Incoming, providers: &[Provider]) -> Result<Brought<'_>, Problem> {
    Query::none(&incoming.query)?;
    if incoming.is_type(FORM) {
        return form(&bytes(incoming, LARGEST).await?, providers);
    }
    if !incoming.is_json() {
        let detail = "send application/json, or application/x-www-form-urlencoded";
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    }
    let Json { value, mut faults, .. } = Problem::json(&bytes(incoming, LARGEST).await?, Limits::REQUEST)?;
    let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
    members.require(&mut faults, "issuer");
    let names = ["issuer", "token", "code", "codeVerifier", "redirectUri", "refreshToken", "nonce"];
    let rule = "must be a text without blanks and line breaks";
    let plain = |text: &str| {
        let fits = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        fits.then(|| text.to_owned())
    };
    let [issuer, token, code, verifier, redirect, refresh, nonce] =
        names.map(|name| members.form(&mut faults, name, rule, plain));
    let whole = |value: &serde_json::Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let grant = members.read(&mut faults, "grant", (Code::Type, "must be the number of a grant, from 0"), whole);
    members.finish(&mut faults);
    let provider = issuer.as_ref().and_then(|issuer| named(providers, issuer));
    if issuer.is_some() && provider.is_none() {
        faults.push(Finding::new("/issuer", Code::Choice, UNKNOWN));
    }
    let proof = match (token, code, verifier, redirect, refresh) {
        (Some(token), None, None, None, None) => Some(Proof::Token(token)),
        (None, Some(code), Some(verifier), Some(redirect), None) => Some(Proof::Code { code, verifier, redirect }),
        (None, None, None, None, Some(token)) => Some(Proof::Refresh(token)),
        _ => None,
    };
    if proof.is_none() && faults.is_empty() {
        let rule = "must have a token, or a code with codeVerifier and redirectUri, or a refreshToken";
        faults.push(Finding::new("", Code::Required, rule));
    }
    match (provider, proof) {
        (Some(provider), Some(proof)) if faults.is_empty() => {
            let by = By::Person(provider, proof, nonce);
            Ok(Brought { by, grant: grant.unwrap_or_default(), is_form: false })
        }
        _ => Err(Problem::invalid(faults)),
    }
}

fn named<'a>(providers: &'a [Provider], issuer: &str) -> Option<&'a Provider> {
    providers.iter().find(|provider| provider.issuer == issuer)
}

/// Reads a form: client credentials, or the token exchange of RFC 8693.
fn form<'a>(body: &[u8], providers: &'a [Provider]) -> Result<Brought<'a>, Problem> {
    let text = String::from_utf8_lossy(body).replace('+', "%20");
    if text.split('&').any(|field| field.strip_prefix("grant_type=") == Some(client::CREDENTIALS)) {
        return Ok(Brought { by: By::Client(client::read(&text)?), grant: 0, is_form: true });
    }
    let known = &[
        "grant_type",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
        "audience",
        "resource",
        "scope",
        "client_id",
    ];
    let mut form = Query::read(&text, known);
    for name in ["grant_type", "subject_token", "subject_token_type"] {
        if !form.has(name) {
            form.fault(name, Code::Required, "is missing");
        }
    }
    let words: [(&str, &[&str]); 3] = [
        ("grant_type", &[EXCHANGE, client::CREDENTIALS]),
        ("subject_token_type", &TOKEN_TYPES),
        ("requested_token_type", &[ISSUED_TYPE]),
    ];
    for (name, words) in words {
        form.take(name, &words.join(" or "), |text| words.contains(&text).then_some(()));
    }
    let token = form.text("subject_token").unwrap_or_default();
    form.finish()?;
    let unknown = || Problem::invalid(vec![Finding::new("/subject_token", Code::Choice, UNKNOWN)]);
    let provider = named(providers, &token::issuer(&token, "subject_token")?).ok_or_else(unknown)?;
    Ok(Brought { by: By::Person(provider, Proof::Token(token), None), grant: 0, is_form: true })
}

/// The type of token that answers a form.
pub(crate) const ISSUED_TYPE: &str = TOKEN_TYPES[1];

/// Asks the provider where it must, and checks its token. Also gives the refresh token that it sent along.
///
/// # Errors
/// 401 for a refused token or code, 503 when the provider is away.
pub(crate) async fn vouched(
    config: &Config,
    brought: Brought<'_>,
    deadline: Deadline,
) -> Result<(Vouched, Option<String>), Problem> {
    let (provider, proof, nonce) = match brought.by {
        By::Person(provider, proof, nonce) => (provider, proof, nonce),
        By::Client(assertion) => return Ok((client::check(&config.redis, &assertion, deadline).await?, None)),
    };
    let (token, refresh) = match proof {
        Proof::Token(token) => (token, None),
        Proof::Code { code, verifier, redirect } => {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("code_verifier", &verifier),
                ("redirect_uri", &redirect),
            ];
            let given = asked(config, provider, &fields, deadline).await?;
            (given.id_token.ok_or_else(|| refused("the provider gave none"))?, given.refresh_token)
        }
        Proof::Refresh(token) => {
            let given =
                asked(config, provider, &[("grant_type", "refresh_token"), ("refresh_token", &token)], deadline)
                    .await?;
            // OpenID Connect Core 1.0, section 12.2: a provider need not give an ID token again.
            let fresh = given.id_token.or(given.access_token).ok_or_else(|| refused("the provider gave none"))?;
            // RFC 6749, section 6: without a new refresh token the old one goes on.
            (fresh, given.refresh_token.or(Some(token)))
        }
    };
    let vouched = token::check(&config.redis, provider, &token, nonce.as_deref(), deadline).await?;
    Ok((vouched, refresh))
}

/// The answer of a provider to a code or a refresh token.
#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
}

async fn asked(
    config: &Config,
    provider: &Provider,
    fields: &[(&str, &str)],
    deadline: Deadline,
) -> Result<Given, Problem> {
    let place = configuration(&config.redis, provider, deadline).await?.token_endpoint;
    let url = address(&place).ok_or_else(away)?;
    let own = [("client_id", Some(&*provider.client_id)), ("client_secret", provider.client_secret.as_deref())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let fields: Vec<String> =
        fields.iter().copied().chain(own).map(|(name, value)| [name, "=", &encode(value)].concat()).collect();
    let headers = [("accept", "application/json".to_owned())];
    let answer = http::post(&url, &headers, (FORM, fields.join("&").into_bytes()), LONGEST_ANSWER, deadline).await;
    match answer {
        Ok(answer) if answer.status == 200 => platform::json::read(&answer.body).map_err(|_| away()),
        // RFC 6749, section 5.2.
        Ok(answer) if matches!(answer.status, 400 | 401 | 403) => {
            let detail = "the identity provider refused it: sign in again";
            Err(Problem::new(ProblemType::Unauthenticated, detail))
        }
        _ => Err(away()),
    }
}
