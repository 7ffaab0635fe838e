//! Hides the secrets of receivers, which are stored and never shown.
//!
//! Guarantee: an answer with `alert-routes` holds no signing secret and no credential; a mark stands in place of each.
//! A client that sends the mark back keeps the secret, so that a document can be read, edited and stored again. It keeps
//! it only where the receiver's address stays: nobody who cannot read a secret can have it sent elsewhere.
//!
//! The mark of a signing secret has a number, so that a new secret can be placed before those that are kept.

use domain::{Code, Finding};
use serde_json::{Map, Value};

/// The mark of a credential; the mark of a signing secret adds a number from 1.
const MARK: &str = "(kept)";

/// The members that decide to whom a message goes.
const ADDRESS: [&str; 3] = ["url", "channel", "to"];

/// The receivers of a document, by their ids.
fn receivers(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.get_mut("receivers")?.as_object_mut()
}

/// Puts marks in place of all secrets.
pub(crate) fn hide(document: &mut Value) {
    for receiver in receivers(document).into_iter().flat_map(|all| all.values_mut()) {
        if let Some(secrets) = receiver.get_mut("secrets").and_then(Value::as_array_mut) {
            for (secret, number) in secrets.iter_mut().zip(1..) {
                *secret = format!("{MARK} {number}").into();
            }
        }
        if let Some(authorization) = receiver.get_mut("authorization") {
            *authorization = MARK.into();
        }
    }
}

/// Puts the secrets of `stored` in place of marks. Returns whether there were marks, and a finding for each mark
/// without a secret.
pub(crate) fn keep(document: &mut Value, stored: Option<&Value>) -> (bool, Vec<Finding>) {
    let (mut any, mut faults) = (false, Vec::new());
    for (id, receiver) in receivers(document).into_iter().flatten() {
        let before = stored.and_then(|stored| stored.get("receivers")?.get(id));
        let moved =
            before.is_some_and(|before| ADDRESS.iter().any(|member| before.get(member) != receiver.get(member)));
        let mut put = |value: &mut Value, known: Option<&Value>, pointer: String| {
            any = true;
            let (code, rule) = match known {
                Some(_) if moved => (
                    Code::Conflict,
                    "the secret itself, because the receiver's url, channel or to is another than before",
                ),
                Some(known) => return *value = known.clone(),
                None => (Code::Choice, "stands for a secret that is not stored"),
            };
            faults.push(Finding::new(pointer, code, rule));
        };
        let escaped = id.replace('~', "~0").replace('/', "~1");
        if let Some(secrets) = receiver.get_mut("secrets").and_then(Value::as_array_mut) {
            for (place, secret) in secrets.iter_mut().enumerate() {
                let Some(number) = secret.as_str().and_then(|text| text.strip_prefix(MARK)) else { continue };
                let number: Option<usize> = number.trim().parse().ok();
                let known = before.and_then(|it| it.get("secrets")?.get(number?.checked_sub(1)?));
                put(secret, known, format!("/receivers/{escaped}/secrets/{place}"));
            }
        }
        if let Some(authorization) = receiver.get_mut("authorization").filter(|it| it.as_str() == Some(MARK)) {
            let known = before.and_then(|it| it.get("authorization"));
            put(authorization, known, format!("/receivers/{escaped}/authorization"));
        }
    }
    (any, faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_hidden_is_kept_and_nothing_else() {
        let stored = json!({"receivers": {"a": {"secrets": ["s1", "s2"], "authorization": "Bearer x"}, "b": {}}});
        let mut shown = stored.clone();
        hide(&mut shown);
        let text = shown.to_string();
        assert!(!["s1", "s2", "Bearer"].iter().any(|secret| text.contains(secret)), "{text}");
        let mut back = shown.clone();
        assert_eq!((keep(&mut back, Some(&stored)), &back), ((true, vec![]), &stored));
        // A receiver that has another address than before keeps no secret.
        for (member, value) in [("url", json!("https://other.example/")), ("channel", json!("sms")), ("to", json!("1"))]
        {
            let mut moved = back.clone();
            hide(&mut moved);
            moved["receivers"]["a"][member] = value;
            let (_, faults) = keep(&mut moved, Some(&stored));
            assert!(faults.len() == 3 && faults.iter().all(|fault| fault.code == Code::Conflict), "{faults:?}");
            assert!(!moved.to_string().contains("Bearer") && !moved.to_string().contains("s1"), "{moved}");
        }
        // A new secret before an old one; a mark whose secret is gone; a mark of another receiver.
        shown["receivers"]["a"]["secrets"] = json!(["new", "(kept) 2", "(kept) 3"]);
        shown["receivers"]["c"] = json!({"secrets": ["(kept) 1"], "authorization": "(kept)"});
        let (_, faults) = keep(&mut shown, Some(&stored));
        assert_eq!(shown["receivers"]["a"]["secrets"], json!(["new", "s2", "(kept) 3"]));
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/receivers/a/secrets/2", "/receivers/c/secrets/0", "/receivers/c/authorization"]);
        assert_eq!(keep(&mut json!([1]), None), (false, vec![]));
        assert_eq!(keep(&mut json!({"receivers": {"a": {"secrets": ["s"]}}}), None), (false, vec![]));
    }
}
