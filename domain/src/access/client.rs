//! Programs that prove who they are by a signature: the clients of the document `access`.
//!
//! ```json
//! {"audience": "https://vigil.example/v1/sessions",
//!  "clients": [{"clientId": "ehr", "jwksUri": "https://ehr.example/jwks", "role": "read", "study": "S-1", "site": "7"}]}
//! ```
//!
//! Guarantee: a client has one grant, and public keys alone: a document with a private or a shared key is refused.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::Value;

use super::{Grant, LONGEST, line, scoped};
use crate::finding::Code;
use crate::ids::{NAME_RULE, is_name};
use crate::reading::{At, Faults};
use crate::url;

/// The most clients, and the most keys of one.
pub(super) const MOST: usize = 200;
const MOST_KEYS: usize = 20;
/// The members of a JSON Web Key that nobody else may have (RFC 7518, section 6): those of private and of shared keys.
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Where a client's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKeys {
    /// In the document: a JSON Web Key Set.
    Listed(String),
    /// At this address.
    At(String),
}

/// A program that may begin sessions by a signed assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// The name that people see.
    pub label: Option<String>,
    /// Its public keys.
    pub keys: ClientKeys,
    /// Its role and scope.
    pub grant: Grant,
}

/// Reads a client.
pub(super) fn read(at: &At<'_, '_>, faults: &mut Faults) -> Option<Client> {
    let before = faults.len();
    at.object(faults, &["clientId", "label", "jwks", "jwksUri", "role", "study", "site"]);
    let grant = scoped(at, faults);
    if at.get("clientId").is_none() {
        at.fault(faults, Code::Required, "clientId is missing");
    }
    let id = line(at, faults, "clientId", NAME_RULE, &is_name);
    let is_label = |text: &str| (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    let label = line(at, faults, "label", &format!("must be one line of 1 to {LONGEST} bytes"), &is_label);
    let is_address = |text: &str| url::Url::parse(text).is_ok_and(|url| url.is_https() || url.is_loopback());
    let place = line(at, faults, "jwksUri", "must be an address that begins with https://", &is_address);
    let listed = at.get("jwks").and_then(|keys| listed(&keys, faults));
    if at.get("jwks").is_some() == at.get("jwksUri").is_some() {
        at.fault(faults, Code::Required, "must have either jwks or jwksUri");
    }
    if faults.len() > before {
        return None;
    }
    let keys = listed.map(ClientKeys::Listed).or_else(|| place.map(|place| ClientKeys::At(place.to_owned())))?;
    Some(Client { id: id?.to_owned(), label: label.map(str::to_owned), keys, grant: grant? })
}

/// A JSON Web Key Set (RFC 7517), as text.
fn listed(at: &At<'_, '_>, faults: &mut Faults) -> Option<String> {
    let before = faults.len();
    at.object(faults, &["keys"]);
    let Some(keys) = at.get("keys") else {
        at.fault(faults, Code::Required, "keys is missing");
        return None;
    };
    let list = keys.list(faults);
    if !(1..=MOST_KEYS).contains(&list.len()) {
        keys.fault(faults, Code::Range, format!("must be 1 to {MOST_KEYS} keys"));
    }
    let mut ids = Vec::new();
    for key in list {
        let Value::Object(members) = key.value else {
            key.fault(faults, Code::Type, "must be an object");
            continue;
        };
        if SECRETS.iter().any(|secret| members.contains_key(*secret)) {
            key.fault(faults, Code::Format, "must be a public key: this one has secret parts, so make another");
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let needed: &[&str] = match text("kty") {
            "RSA" => &["n", "e"],
            "EC" => &["crv", "x", "y"],
            "OKP" => &["crv", "x"],
            _ => {
                key.fault(faults, Code::Choice, "must have kty: one of RSA, EC, OKP");
                &[]
            }
        };
        for name in needed.iter().chain(&["kid"]).filter(|name| text(name).is_empty()) {
            key.fault(faults, Code::Required, format!("must have {name}"));
        }
        if ids.contains(&text("kid")) {
            key.fault(faults, Code::Conflict, "has the kid of another one");
        }
        ids.push(text("kid"));
    }
    (faults.len() == before).then(|| at.value.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;
    use crate::access::{Person, Role};
    use alloc::string::ToString;
    use serde_json::json;

    fn keys() -> Value {
        json!({"keys": [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "1", "alg": "ES384"}]})
    }

    fn faults(document: &Value) -> Vec<String> {
        let mut found: Vec<String> =
            Access::read(document).err().unwrap_or_default().into_iter().map(|it| it.pointer).collect();
        found.sort();
        found.dedup();
        found
    }

    fn with(member: &str, value: Value) -> Value {
        let mut client = json!({"clientId": "ehr", "jwks": keys(), "role": "read", "study": "S", "site": "1"});
        client[member] = value;
        json!({"grants": [], "audience": "https://a.example/v1/sessions", "clients": [client]})
    }

    #[test]
    fn a_client_has_its_own_grant_and_nobody_elses() {
        let access = Access::read(&with("label", json!("The EHR"))).unwrap();
        let client = access.client("ehr").unwrap();
        assert_eq!(
            (client.label.as_deref(), access.audience()),
            (Some("The EHR"), Some("https://a.example/v1/sessions"))
        );
        let Person { issuer, subject, name } = Person::of_client(client);
        assert_eq!(name, "The EHR");
        let grant = Grant { role: Role::Read, study: "S".into(), site: "1".into() };
        assert_eq!(access.grants(&issuer, &subject, &[]), [grant]);
        assert_eq!(access.grants("https://a.example", "ehr", &["ehr".to_string()]), []);
        assert!(access.client("other").is_none());
    }

    #[test]
    fn every_fault_of_a_client_is_told_and_no_secret_key_is_taken() {
        assert_eq!(faults(&with("label", json!("EHR"))), [""; 0]);
        assert_eq!(faults(&json!({"grants": [], "clients": []})), [""; 0]);
        let of = |member: &str, value: Value| {
            let place = faults(&with(member, value));
            place.iter().map(|it| it.trim_start_matches("/clients/0").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of("clientId", json!("a b")), ["/clientId"]);
        assert_eq!(of("role", json!("king")), ["/role"]);
        assert_eq!(of("jwksUri", json!("https://a.example/jwks")), [""]);
        assert_eq!(of("x", json!(1)), ["/x"]);
        assert_eq!(of("jwks", json!({"keys": []})), ["/jwks/keys"]);
        assert_eq!(of("jwks", json!({})), ["/jwks"]);
        for secret in ["d", "k"] {
            let mut keys = keys();
            keys["keys"][0][secret] = json!("AA");
            assert_eq!(of("jwks", keys), ["/jwks/keys/0"], "{secret}");
        }
        assert_eq!(of("jwks", json!({"keys": [{"kty": "oct"}, 1]})), ["/jwks/keys/0", "/jwks/keys/1"]);
        let twice = json!({"keys": [keys()["keys"][0], keys()["keys"][0]]});
        assert_eq!(of("jwks", twice), ["/jwks/keys/1"]);
        let mut document = with("label", json!("EHR"));
        document["audience"] = json!("nowhere");
        assert_eq!(faults(&document), ["/audience"]);
        document.as_object_mut().unwrap().remove("audience");
        assert_eq!(faults(&document), [""]);
        let one = document["clients"][0].clone();
        document["clients"] = json!([one, one]);
        assert_eq!(faults(&document), ["", "/clients/1"]);
    }
}
