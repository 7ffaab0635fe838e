//! Heads: signed documents that say how far each journal goes, and what all its lines are.
//!
//! Guarantee: a head names a position in a journal, the number of lines up to there, and a hash over all of them in their
//! order. Whoever has a head that was kept elsewhere sees if a line before its positions was changed, added or removed
//! later. A head has the hash of the head before it, so one head stands for all earlier ones.
//!
//! Mechanism: the hash runs: each line is hashed with the hash before it, so what is new is all that is read. A document
//! lists the journals that went on since the head before, and has the hash of the list of all. Its signature is Ed25519
//! over `vigil head 1`, a line feed, and the document without its last member, which is the signature.

use platform::digest::{Hasher, digest, hex};
use platform::{Error, kv};
use serde::{Deserialize, Serialize};

use super::Position;
#[cfg(feature = "schema")]
use domain::schema::{Sha256, Time};

/// Stands before the document in what is signed.
const CONTEXT: &str = "vigil head 1\n";
/// The beginning of the last member.
const SIGNATURE: &str = ",\"signature\":\"";

/// The part of a journal that a head covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "JournalMark"))]
pub struct Mark {
    /// The journal: a study, or a name that begins with `*`.
    pub name: String,
    /// The position of the last line.
    pub position: String,
    /// The number of lines.
    pub count: u64,
    /// The running hash of all lines, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    pub hash: String,
    /// The number of times that the hash was begun again because lines that an earlier head covers were gone.
    #[serde(default, skip_serializing_if = "is_none")]
    pub restarts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(restarts: &u32) -> bool {
    *restarts == 0
}

/// A hash that runs over the lines of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The position of the last line.
    pub position: Position,
    /// The number of lines.
    pub count: u64,
    hash: [u8; 32],
}

impl Running {
    /// Goes on after a mark; none if it cannot be read.
    pub fn after(mark: &Mark) -> Option<Self> {
        let mut hash = [0; 32];
        let pairs = mark.hash.as_bytes().as_chunks::<2>().0;
        if mark.hash.len() != 2 * hash.len() || pairs.len() != hash.len() {
            return None;
        }
        for (byte, digits) in hash.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Running { position: Position::parse(&mark.position)?, count: mark.count, hash })
    }

    /// Adds the next line.
    pub fn add(&mut self, position: Position, line: &str) {
        let place = position.to_string();
        let length = u64::try_from(place.len() + 1 + line.len()).unwrap_or(u64::MAX);
        let mut hasher = Hasher::default();
        hasher.update(&self.hash);
        hasher.update(&length.to_be_bytes());
        hasher.update(place.as_bytes());
        hasher.update(b" ");
        hasher.update(line.as_bytes());
        *self = Running { position, count: self.count.saturating_add(1), hash: hasher.finish() };
    }

    /// The mark of a journal up to here.
    pub fn mark(&self, name: &str, restarts: u32) -> Mark {
        let (name, position) = (name.to_owned(), self.position.to_string());
        Mark { name, position, count: self.count, hash: hex(&self.hash), restarts }
    }
}

/// A head, as it is stored at `head/<n>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "JournalHead"))]
pub struct Head {
    /// Its number; the first is 1.
    pub n: u64,
    /// When it was signed, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: String,
    /// The public key, base64.
    pub key: String,
    /// SHA-256 of the head before, as it is stored, hex; empty for the first.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^([0-9a-f]{64})?$")))]
    pub previous: String,
    /// The journals that went on since the head before.
    pub journals: Vec<Mark>,
    /// SHA-256 of the list of all journals as JSON, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    pub all: String,
    /// The signature, base64; empty before it is signed.
    pub signature: String,
}

impl Head {
    /// The document of a head, with the signature that `sign` makes of the message.
    ///
    /// # Errors
    /// [`platform::Kind::Refused`] when it cannot be written as JSON.
    pub fn document(&self, sign: impl FnOnce(&str) -> String) -> Result<String, Error> {
        let unsigned = kv::json(&Head { signature: String::new(), ..self.clone() })?;
        let (message, _) = message(&unsigned).ok_or_else(|| super::broken("a head cannot be written"))?;
        let body = unsigned.strip_suffix("\"}").unwrap_or_default();
        Ok([body, &sign(&message), "\"}"].concat())
    }
}

/// The signed part of a document, and its signature.
pub fn message(document: &str) -> Option<(String, &str)> {
    let (body, rest) = document.rsplit_once(SIGNATURE)?;
    Some(([CONTEXT, body, "}"].concat(), rest.strip_suffix("\"}")?))
}

/// The last head, with the list of all journals: what the next one is made from. At `head` in the store and in Redis, as
/// the document and the list, each in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The last head.
    pub head: Head,
    /// The last head, as it is stored.
    pub document: String,
    /// All journals, by their names.
    pub all: Vec<Mark>,
}

impl Known {
    /// Reads both; none if they do not belong together.
    pub fn read(text: &str) -> Option<Self> {
        let (document, all) = text.split_once('\n')?;
        let head: Head = platform::json::read(document.as_bytes()).ok()?;
        let is_own = hex(&digest(all.as_bytes())) == head.all;
        let all = platform::json::read(all.as_bytes()).ok().filter(|_| is_own)?;
        Some(Known { head, document: document.to_owned(), all })
    }

    /// The part of a journal that is covered.
    pub fn mark(&self, name: &str) -> Option<&Mark> {
        self.all.iter().find(|mark| mark.name == name)
    }
}

/// Whether the document of a head has a signature by the key that it names.
#[cfg(not(target_family = "wasm"))]
pub fn is_signed(document: &str, key: &str) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ed25519_dalek::{Signature, VerifyingKey};

    let Some((message, signature)) = message(document) else { return false };
    let key = STANDARD.decode(key).ok().and_then(|key| VerifyingKey::from_bytes(&key.try_into().ok()?).ok());
    let signature = STANDARD.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    key.verify_strict(message.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_hash_goes_on_after_its_mark_and_knows_order_and_places() {
        let at = |number| Position { milliseconds: 7, number };
        let over = |lines: &[(u64, &str)]| {
            let mut running = Running::default();
            lines.iter().for_each(|(number, line)| running.add(at(*number), line));
            running
        };
        let two = over(&[(1, "a"), (2, "b")]);
        let mut again = Running::after(&over(&[(1, "a")]).mark("A", 0)).unwrap();
        again.add(at(2), "b");
        assert_eq!((again, two.count), (two.clone(), 2));
        for other in [over(&[(1, "b"), (2, "a")]), over(&[(1, "a"), (3, "b")]), over(&[(2, "b")])] {
            assert_ne!(other.mark("A", 0).hash, two.mark("A", 0).hash);
        }
        assert_eq!(Running::after(&Mark { hash: "00".to_owned(), ..two.mark("A", 0) }), None);
    }
}
