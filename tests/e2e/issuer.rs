//! An identity provider that signs what a test wants: its configuration, its keys, its token endpoint. The browser tests
//! have a certified one; this one also tells lies.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A private key of the tests, with the id under which it is published.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str, pub(crate) Algorithm, &'static [u8]);

pub(crate) const RSA: Key = Key("rsa", Algorithm::RS256, include_bytes!("issuer/rsa.der"));
pub(crate) const PSS: Key = Key("rsa", Algorithm::PS256, include_bytes!("issuer/rsa.der"));
pub(crate) const EC: Key = Key("ec", Algorithm::ES256, include_bytes!("issuer/ec.der"));
pub(crate) const EC_OTHER: Key = Key("ec-2", Algorithm::ES256, include_bytes!("issuer/ec-other.der"));
pub(crate) const RSA_384: Key = Key("rsa-384", Algorithm::RS384, include_bytes!("issuer/rsa.der"));
pub(crate) const EC_384: Key = Key("ec-384", Algorithm::ES384, include_bytes!("issuer/ec-384.der"));
pub(crate) const ED: Key = Key("ed", Algorithm::EdDSA, include_bytes!("issuer/ed.der"));

impl Key {
    fn private(self) -> EncodingKey {
        match self.1 {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_der(self.2),
            Algorithm::EdDSA => EncodingKey::from_ed_der(self.2),
            _ => EncodingKey::from_rsa_der(self.2),
        }
    }

    /// The public key as a JSON Web Key.
    pub(crate) fn published(self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private(), self.1).unwrap()).unwrap();
        jwk["kid"] = json!(self.0);
        jwk["use"] = json!("sig");
        if self.0 == RSA.0 {
            // For both of its algorithms.
            jwk.as_object_mut().unwrap().remove("alg");
        }
        jwk
    }

    /// The key under another id.
    pub(crate) fn named(self, id: &'static str) -> Self {
        Key(id, self.1, self.2)
    }

    /// A token with these claims.
    pub(crate) fn sign(self, claims: &Value) -> String {
        let header = Header { kid: Some(self.0.to_owned()), ..Header::new(self.1) };
        self.sign_with(header, claims)
    }

    pub(crate) fn sign_with(self, header: Header, claims: &Value) -> String {
        encode(&header, claims, &self.private()).unwrap()
    }
}

/// Its keys, answers and counts.
struct State {
    keys: Vec<Key>,
    is_away: bool,
    /// The number of requests by path.
    asked: BTreeMap<String, usize>,
    /// The answers of the token endpoint by code or refresh token.
    tokens: BTreeMap<String, Value>,
    /// The forms that came to the token endpoint.
    forms: Vec<String>,
}

/// A running provider.
pub(crate) struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            keys: vec![RSA, EC, ED],
            is_away: false,
            asked: BTreeMap::new(),
            tokens: BTreeMap::new(),
            forms: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service =
                        hyper::service::service_fn(move |request| answer(Arc::clone(&state), address, request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Issuer { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variable `oidc` with this provider.
    pub(crate) fn variable(&self) -> String {
        json!([{
            "issuer": self.url(),
            "label": "Hospital",
            "clientId": "vigil",
            "algorithms": ["RS256", "PS256", "ES256", "EdDSA"],
        }])
        .to_string()
    }

    /// The keys that it publishes from now on.
    pub(crate) fn publish(&self, keys: &[Key]) {
        self.state.lock().unwrap().keys = keys.to_vec();
    }

    /// Answers nothing but 503 from now on, or answers again.
    pub(crate) fn away(&self, is_away: bool) {
        self.state.lock().unwrap().is_away = is_away;
    }

    /// The number of requests for a path.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.get(path).copied().unwrap_or_default()
    }

    /// Answers a code or a refresh token with this.
    pub(crate) fn gives(&self, proof: &str, answer: Value) {
        self.state.lock().unwrap().tokens.insert(proof.to_owned(), answer);
    }

    /// The last form that came to the token endpoint.
    pub(crate) fn form(&self) -> String {
        self.state.lock().unwrap().forms.last().cloned().unwrap_or_default()
    }

    /// Sound claims about a person of these groups, for an hour.
    pub(crate) fn claims(&self, subject: &str, groups: &[&str]) -> Value {
        let now = now();
        json!({
            "iss": self.url(), "aud": "vigil", "sub": subject, "name": format!("Name of {subject}"), "groups": groups,
            "iat": now, "exp": now + 3600, "auth_time": now,
        })
    }

    /// A sound token.
    pub(crate) fn token(&self, subject: &str, groups: &[&str]) -> String {
        EC.sign(&self.claims(subject, groups))
    }
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

async fn answer(
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let form = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let form = String::from_utf8_lossy(&form).into_owned();
    let mut state = state.lock().unwrap();
    *state.asked.entry(path.clone()).or_default() += 1;
    let url = format!("http://{address}");
    let (status, body) = match path.as_str() {
        _ if state.is_away => (503, json!({})),
        "/.well-known/openid-configuration" => (
            200,
            json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
                   "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys")}),
        ),
        "/keys" => {
            let keys: Vec<Value> = state.keys.iter().map(|key| key.published()).collect();
            (200, json!({"keys": keys}))
        }
        "/token" => {
            let value = |name: &str| {
                let fields = form.split('&').filter_map(|field| field.split_once('='));
                fields.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).next()
            };
            let proof = value("code").or_else(|| value("refresh_token")).unwrap_or_default();
            state.forms.push(form.clone());
            // A code is good once.
            let found = state.tokens.remove(&proof);
            found.map_or((400, json!({"error": "invalid_grant"})), |answer| (200, answer))
        }
        _ => (404, json!({})),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::from(body.to_string())).unwrap())
}
