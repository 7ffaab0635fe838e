//! Sealing, and the key that seals identities.
//!
//! Guarantee: a sealed text opens only with its key, and only in the place for which it was sealed.
//!
//! Mechanism: sealing is deterministic. The nonce is a keyed hash of the sealed text, so the same text gives the same bytes
//! and a rewritten record does not change. XChaCha20-Poly1305 takes nonces of 24 bytes, long enough for a hash. Two
//! sealings of one patient look alike, but that reveals no more than the pseudonym beside them.

use core::cell::OnceCell;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use domain::ids::{Pseudonym, SiteId, StudyId};
use platform::variables;
use serde::{Deserialize, Serialize};

use super::{Keyed, Marked};

/// First byte of a text that a key of the installation sealed.
const BY_INSTALLATION: u8 = 1;
/// First byte of a text that a key of its subject sealed. The mark of the key follows, because keys of subjects are made
/// anew.
const BY_SUBJECT: u8 = 2;
const MARK: usize = 4;
const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;
/// The bytes of a key of a subject: its mark, and what seals.
pub(super) const SUBJECT_KEY: usize = MARK + KEY;

/// A key that seals and opens texts.
pub(super) struct Sealer {
    key: Vec<u8>,
    /// What a text begins with that it sealed.
    head: Vec<u8>,
    /// Only sealing needs it.
    nonces: OnceCell<Marked>,
    cipher: Option<XChaCha20Poly1305>,
}

impl Sealer {
    /// A key of the installation, from exactly 32 secret bytes; of another length it seals and opens nothing.
    pub(super) fn of_installation(key: Vec<u8>) -> Self {
        Sealer::new(vec![BY_INSTALLATION], key)
    }

    /// A key of a subject.
    pub(super) fn of_subject(random: &[u8; SUBJECT_KEY]) -> Self {
        let (mark, key) = random.split_at(MARK);
        Sealer::new([&[BY_SUBJECT], mark].concat(), key.to_vec())
    }

    fn new(head: Vec<u8>, key: Vec<u8>) -> Self {
        let cipher = Key::try_from(key.as_slice()).ok().map(|key| XChaCha20Poly1305::new(&key));
        Sealer { key, head, nonces: OnceCell::new(), cipher }
    }

    /// Whether a text begins as those do that this key sealed.
    pub(super) fn marked(&self, sealed: &str) -> bool {
        // The first characters are enough: four of them are three bytes.
        let begin = sealed.get(..8).and_then(|begin| URL_SAFE_NO_PAD.decode(begin).ok());
        begin.is_some_and(|begin| begin.starts_with(&self.head))
    }

    /// The associated data, which binds a sealed text to its place.
    fn associated(place: &[&str]) -> String {
        place.join("\0")
    }

    /// Seals a text for its place.
    pub(super) fn seal(&self, place: &[&str], text: &[u8]) -> Option<String> {
        let cipher = self.cipher.as_ref()?;
        let nonces = self.nonces.get_or_init(|| Marked::new(&self.key));
        let mut parts: Vec<&[u8]> = place.iter().map(|part| part.as_bytes()).collect();
        parts.push(text);
        let nonce = nonces.hash("vigil seal", &parts);
        let nonce = nonce.first_chunk::<NONCE>()?;
        let begin = self.head.len() + NONCE;
        let mut sealed = Vec::with_capacity(begin + text.len() + TAG);
        sealed.extend_from_slice(&self.head);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(text);
        let text = sealed.get_mut(begin..)?;
        let associated = Self::associated(place);
        let tag = cipher.encrypt_inout_detached(&XNonce::from(*nonce), associated.as_bytes(), text.into()).ok()?;
        sealed.extend_from_slice(&tag);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens a sealed text. None if this key did not seal it for this place.
    pub(super) fn open(&self, place: &[&str], sealed: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = sealed.strip_prefix(self.head.as_slice())?.split_first_chunk::<NONCE>()?;
        let (text, tag) = rest.split_last_chunk::<TAG>()?;
        let mut text = text.to_vec();
        let associated = Self::associated(place);
        let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
        self.cipher
            .as_ref()?
            .decrypt_inout_detached(&nonce, associated.as_bytes(), text.as_mut_slice().into(), &tag)
            .ok()?;
        Some(text)
    }
}

/// Whether a key of the subject sealed a text: the texts of versions before do not begin so.
pub(super) fn is_by_subject(sealed: &str) -> bool {
    let begin = sealed.get(..4).and_then(|begin| URL_SAFE_NO_PAD.decode(begin).ok());
    begin.is_some_and(|begin| begin.first() == Some(&BY_SUBJECT))
}

/// A subject's sealed identity, at `subject/<pseudonym>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The pseudonym.
    pub subject: Pseudonym,
    /// The study.
    pub study_id: StudyId,
    /// The site that knows the subject.
    pub site_id: SiteId,
    /// The identity, sealed with the identity key and then with the subject's own key; empty once it is erased.
    pub sealed: String,
}

/// The key of the installation. It seals identities; a key that is derived from it wraps the keys of subjects.
pub struct IdentityKey {
    sealer: Sealer,
    pub(super) wrapping: Sealer,
}

impl IdentityKey {
    /// From exactly 32 secret bytes.
    pub fn new(key: Vec<u8>) -> Self {
        let wrapping = Keyed::new(&key).hash("vigil keys of subjects", &[]);
        IdentityKey { sealer: Sealer::of_installation(key), wrapping: Sealer::of_installation(wrapping.to_vec()) }
    }

    /// Reads a JSON array of keys, each 32 bytes as base64.
    ///
    /// # Errors
    /// Every rule that the text breaks, without its value.
    pub fn read_list(text: &str) -> Result<Vec<Self>, Vec<String>> {
        let keys: Vec<String> = variables::json(text, "must be a JSON array of keys")?;
        let (mut read, mut faults) = (Vec::with_capacity(keys.len()), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            match IdentityKey::read(key) {
                Ok(key) => read.push(key),
                Err(rule) => faults.push(format!("entry {index}: {rule}")),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    /// Reads a key of 32 bytes as base64.
    ///
    /// # Errors
    /// The rule that it breaks, without the value.
    pub fn read(text: &str) -> Result<Self, String> {
        let key = STANDARD.decode(text.trim()).ok().filter(|key| key.len() == 32);
        key.map(IdentityKey::new).ok_or_else(|| "must be 32 bytes as base64".to_owned())
    }

    /// Seals a patient's identity for its study and pseudonym. None if the key is not 32 bytes, which the configuration
    /// has already ruled out.
    pub fn seal(&self, study: &StudyId, pseudonym: &Pseudonym, patient: &str) -> Option<String> {
        self.sealer.seal(&[study.as_str(), pseudonym.as_str()], patient.as_bytes())
    }

    /// Opens a sealed identity. None if it was not sealed with this key for this study and pseudonym.
    pub fn open(&self, study: &StudyId, pseudonym: &Pseudonym, sealed: &str) -> Option<String> {
        let text = self.sealer.open(&[study.as_str(), pseudonym.as_str()], sealed)?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_identity_opens_only_in_its_place() {
        let key = IdentityKey::new(vec![9; 32]);
        let sealed = key.seal(&"A".into(), &"p".into(), "张伟 0042").unwrap();
        assert_eq!(sealed, key.seal(&"A".into(), &"p".into(), "张伟 0042").unwrap());
        assert_eq!(key.open(&"A".into(), &"p".into(), &sealed).as_deref(), Some("张伟 0042"));
        assert_eq!(key.open(&"B".into(), &"p".into(), &sealed), None);
        assert_eq!(key.open(&"A".into(), &"q".into(), &sealed), None);
        assert_eq!(IdentityKey::new(vec![8; 32]).open(&"A".into(), &"p".into(), &sealed), None);
        for broken in ["", "AA", &sealed[1..], &format!("{sealed}AAAA")] {
            assert_eq!(key.open(&"A".into(), &"p".into(), broken), None, "{broken}");
        }
    }

    #[test]
    fn a_list_of_keys_is_read_whole_or_not_at_all() {
        let (one, two) = (STANDARD.encode([1; 32]), STANDARD.encode([2; 32]));
        let keys = IdentityKey::read_list(&format!(r#"["{one}","{two}"]"#)).unwrap();
        let sealed = IdentityKey::new(vec![2; 32]).seal(&"A".into(), &"p".into(), "x").unwrap();
        let opened: Vec<bool> = keys.iter().map(|key| key.open(&"A".into(), &"p".into(), &sealed).is_some()).collect();
        assert_eq!(opened, [false, true]);
        assert!(IdentityKey::read_list("[]").unwrap().is_empty());
        let faults = IdentityKey::read_list(r#"["c2hvcnQ=","no base64!"]"#).err().unwrap();
        assert_eq!(faults.len(), 2);
        assert!(!faults.join(" ").contains("base64!") && IdentityKey::read_list("{}").is_err());
    }
}
