//! The keys of each subject: one for the contents of its submissions, one for its identity.
//!
//! Guarantee: the keys are random and rest in a record of their own, apart from what they seal, so that removing this
//! record makes everything unreadable that they sealed, wherever a copy of it may be. The record itself opens only with a
//! key of the installation.
//!
//! Mechanism: a key that is derived from the identity key wraps them. After the identity key was changed, only the small
//! records of keys are wrapped again.
//!
//! Not for: who makes the keys of a subject first. `queue::subject_keys` decides that.

use domain::ids::{Pseudonym, StudyId, SubmissionId};
use platform::variables::{Base64, Reader, Text, Variable};
use platform::{Error, Kind, kv};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::seal::{IdentityKey, SUBJECT_KEY, Sealer, Subject, is_by_subject};

/// The keys of a subject as they rest, at `subject-keys/<pseudonym>`, each wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKeys {
    /// The key of contents.
    pub content: String,
    /// The key of the identity.
    pub identity: String,
}

/// The random bytes of a subject's keys.
pub type Random = [[u8; SUBJECT_KEY]; 2];

/// The keys of a subject.
pub struct SubjectKeys {
    content: Sealer,
    identity: Sealer,
}

impl SubjectKeys {
    fn of([content, identity]: &Random) -> Self {
        SubjectKeys { content: Sealer::of_subject(content), identity: Sealer::of_subject(identity) }
    }

    /// Seals the content of a submission.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be written as JSON.
    pub fn seal_content(&self, id: &SubmissionId, content: &Map<String, Value>) -> Result<String, Error> {
        let sealed = self.content.seal(&[id.as_str()], kv::json(content)?.as_bytes());
        sealed.ok_or_else(|| Error::new("seal", Kind::Refused, "a content cannot be sealed"))
    }

    /// Whether these keys sealed a content; not if they were made after those that sealed it were destroyed.
    pub fn sealed(&self, content: &str) -> bool {
        self.content.marked(content)
    }

    /// Opens the content of a submission. None if these keys did not seal it for this submission.
    pub fn open_content(&self, id: &SubmissionId, sealed: &str) -> Option<Map<String, Value>> {
        platform::json::read(&self.content.open(&[id.as_str()], sealed)?).ok()
    }

    /// Seals a sealed identity once more.
    ///
    /// # Errors
    /// [`Kind::Refused`]: the key is no key.
    pub fn seal_identity(&self, subject: &Pseudonym, sealed: &str) -> Result<String, Error> {
        let sealed = self.identity.seal(&[subject.as_str()], sealed.as_bytes());
        sealed.ok_or_else(|| Error::new("seal", Kind::Refused, "an identity cannot be sealed"))
    }
}

/// The identity of a subject as the identity key sealed it: without the seal of the subject's own key, which versions before
/// did not set. None if that key is missing or is another.
fn sealed_by_installation(subject: &Subject, keys: Option<&SubjectKeys>) -> Option<String> {
    if !is_by_subject(&subject.sealed) {
        return Some(subject.sealed.clone());
    }
    let opened = keys?.identity.open(&[subject.subject.as_str()], &subject.sealed)?;
    String::from_utf8(opened).ok()
}

/// Every key of the installation: the present one first.
#[derive(Default)]
pub struct KeyRing(Vec<IdentityKey>);

/// The names that bind a wrapped key to its use.
const CONTENT: &str = "content";
const IDENTITY: &str = "identity";

impl KeyRing {
    /// The present key, and the older ones.
    pub fn new(present: IdentityKey, older: Vec<IdentityKey>) -> Self {
        KeyRing(std::iter::once(present).chain(older).collect())
    }

    /// Reads the keys from their variables.
    pub async fn read(reader: &mut Reader, present: &Variable<Base64>, older: &Variable<Text>) -> Self {
        let present = IdentityKey::new(reader.read(present).await);
        KeyRing::new(present, reader.parsed(older, IdentityKey::read_list).await)
    }

    /// Seals a patient's identity with the present key, for its study and pseudonym. None if there is no such key.
    pub fn seal(&self, study: &StudyId, pseudonym: &Pseudonym, patient: &str) -> Option<String> {
        self.0.first()?.seal(study, pseudonym, patient)
    }

    /// The keys of a subject that are made of random bytes, and their record. None if there is no present key.
    pub fn make(&self, subject: &Pseudonym, random: &Random) -> Option<(WrappedKeys, SubjectKeys)> {
        Some((wrapped(self.0.first()?, subject, random)?, SubjectKeys::of(random)))
    }

    /// Opens the keys of a subject. None if no key of the installation opens them.
    pub fn unwrap(&self, subject: &Pseudonym, wrapped: &WrappedKeys) -> Option<SubjectKeys> {
        self.0.iter().find_map(|key| unwrapped(key, subject, wrapped)).map(|random| SubjectKeys::of(&random))
    }

    /// Opens the identity of a subject. None if no key opens it.
    pub fn identity(&self, subject: &Subject, keys: Option<&SubjectKeys>) -> Option<String> {
        let sealed = sealed_by_installation(subject, keys)?;
        self.0.iter().find_map(|key| key.open(&subject.study_id, &subject.subject, &sealed))
    }
}

fn wrapped(by: &IdentityKey, subject: &Pseudonym, [content, identity]: &Random) -> Option<WrappedKeys> {
    let wrap = |name, key: &[u8]| by.wrapping.seal(&[name, subject.as_str()], key);
    Some(WrappedKeys { content: wrap(CONTENT, content)?, identity: wrap(IDENTITY, identity)? })
}

fn unwrapped(by: &IdentityKey, subject: &Pseudonym, wrapped: &WrappedKeys) -> Option<Random> {
    let unwrap = |name, key: &str| by.wrapping.open(&[name, subject.as_str()], key)?.try_into().ok();
    Some([unwrap(CONTENT, &wrapped.content)?, unwrap(IDENTITY, &wrapped.identity)?])
}

/// The result of resealing a record after a change of the identity key.
pub enum Resealed {
    /// Sealed with the present key already, or erased.
    Current,
    /// It was sealed with an older key. This is the record sealed with the present key, byte for byte as it would be stored
    /// now.
    Now(String),
    /// None of the keys opens it, or it is not such a record.
    Unreadable,
}

impl Resealed {
    fn of(record: Option<impl Serialize>) -> Self {
        record.and_then(|record| kv::json(&record).ok()).map_or(Resealed::Unreadable, Resealed::Now)
    }
}

impl KeyRing {
    /// Wraps the stored keys of a subject with the present key, if one of the older keys opens them.
    pub fn rewrap(&self, subject: &Pseudonym, record: &[u8]) -> Resealed {
        let read = platform::json::read::<WrappedKeys>(record).ok().zip(self.0.split_first());
        let Some((keys, (present, older))) = read else { return Resealed::Unreadable };
        if unwrapped(present, subject, &keys).is_some() {
            return Resealed::Current;
        }
        let found = older.iter().find_map(|key| unwrapped(key, subject, &keys));
        Resealed::of(found.and_then(|keys| wrapped(present, subject, &keys)))
    }

    /// Reseals a stored record of a subject with the present key, if one of the older keys opens it. `keys` are those of
    /// the subject.
    pub fn reseal(&self, record: &[u8], keys: Option<&SubjectKeys>) -> Resealed {
        let read = platform::json::read::<Subject>(record).ok().zip(self.0.split_first());
        let Some((subject, (present, older))) = read else { return Resealed::Unreadable };
        // One that was erased has nothing to seal.
        if subject.sealed.is_empty() {
            return Resealed::Current;
        }
        let Some(sealed) = sealed_by_installation(&subject, keys) else { return Resealed::Unreadable };
        let opened = |key: &IdentityKey| key.open(&subject.study_id, &subject.subject, &sealed);
        if opened(present).is_some() {
            return Resealed::Current;
        }
        let patient = older.iter().find_map(opened);
        let resealed = patient.and_then(|patient| present.seal(&subject.study_id, &subject.subject, &patient));
        // As it was found: a version before sealed it without the subject's key.
        let keys = keys.filter(|_| is_by_subject(&subject.sealed));
        let resealed = resealed.and_then(|sealed| match keys {
            Some(keys) => keys.seal_identity(&subject.subject, &sealed).ok(),
            None => Some(sealed),
        });
        Resealed::of(resealed.map(|sealed| Subject { sealed, ..subject.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        KeyRing(keys.iter().map(|byte| IdentityKey::new(vec![*byte; 32])).collect())
    }

    fn made(by: &KeyRing, subject: &Pseudonym, byte: u8) -> WrappedKeys {
        by.make(subject, &[[byte; SUBJECT_KEY], [byte + 1; SUBJECT_KEY]]).unwrap().0
    }

    fn content() -> Map<String, Value> {
        serde_json::from_str(r#"{"q1":3,"note":"胸痛"}"#).unwrap()
    }

    #[test]
    fn a_content_opens_with_the_keys_of_its_subject_and_in_its_place_only() {
        let (ring, subject, id) = (ring(&[1]), "p".into(), "s".into());
        let keys = ring.unwrap(&subject, &made(&ring, &subject, 0)).unwrap();
        let other = ring.unwrap(&subject, &made(&ring, &subject, 9)).unwrap();
        let sealed = keys.seal_content(&id, &content()).unwrap();
        assert_eq!(sealed, keys.seal_content(&id, &content()).unwrap());
        assert_eq!(keys.open_content(&id, &sealed), Some(content()));
        assert_eq!(keys.open_content(&"t".into(), &sealed), None);
        assert_eq!(other.open_content(&id, &sealed), None);
        assert_ne!(sealed, other.seal_content(&id, &content()).unwrap());
        assert!(!sealed.contains("note") && keys.open_content(&id, "").is_none());
        assert!(keys.sealed(&sealed) && !other.sealed(&sealed) && !keys.sealed(""));
    }

    #[test]
    fn keys_open_for_their_subject_with_a_key_of_the_installation() {
        let (subject, other): (Pseudonym, Pseudonym) = ("p".into(), "q".into());
        let wrapped = made(&ring(&[1]), &subject, 0);
        assert!(ring(&[2, 1]).unwrap(&subject, &wrapped).is_some());
        assert!(ring(&[2]).unwrap(&subject, &wrapped).is_none() && ring(&[1]).unwrap(&other, &wrapped).is_none());
        let swapped = WrappedKeys { content: wrapped.identity.clone(), identity: wrapped.content.clone() };
        assert!(ring(&[1]).unwrap(&subject, &swapped).is_none());
        let record = kv::json(&wrapped).unwrap();
        let Resealed::Now(now) = ring(&[2, 1]).rewrap(&subject, record.as_bytes()) else { panic!("not wrapped") };
        let id = "s".into();
        let sealed = ring(&[1]).unwrap(&subject, &wrapped).unwrap().seal_content(&id, &content()).unwrap();
        let read = serde_json::from_str(&now).unwrap();
        let keys = ring(&[2]).unwrap(&subject, &read).unwrap();
        assert_eq!(keys.open_content(&id, &sealed), Some(content()), "contents stay as they are");
        assert!(matches!(ring(&[2]).rewrap(&subject, now.as_bytes()), Resealed::Current));
        assert!(matches!(ring(&[2, 1]).rewrap(&other, record.as_bytes()), Resealed::Unreadable));
    }

    #[test]
    fn an_identity_needs_both_keys_and_one_of_a_version_before_its_own_only() {
        let (ring, subject): (KeyRing, Pseudonym) = (ring(&[1]), "p".into());
        let keys = ring.unwrap(&subject, &made(&ring, &subject, 0)).unwrap();
        let sealed = ring.0[0].seal(&"A".into(), &subject, "7").unwrap();
        let record = |sealed| Subject { subject: "p".into(), study_id: "A".into(), site_id: "1".into(), sealed };
        let twice = record(keys.seal_identity(&subject, &sealed).unwrap());
        assert_eq!(ring.identity(&twice, Some(&keys)).as_deref(), Some("7"));
        assert_eq!(ring.identity(&twice, None), None);
        assert_eq!(ring.identity(&record(sealed.clone()), None).as_deref(), Some("7"));
        assert_eq!(ring.identity(&record(sealed), Some(&keys)).as_deref(), Some("7"));
        let (present, both) = (IdentityKey::new(vec![2; 32]), self::ring(&[2, 1]));
        let bytes = kv::json(&twice).unwrap();
        let Resealed::Now(now) = both.reseal(bytes.as_bytes(), Some(&keys)) else { panic!("not resealed") };
        let again = keys.seal_identity(&subject, &present.seal(&"A".into(), &subject, "7").unwrap()).unwrap();
        assert_eq!(now, kv::json(&record(again)).unwrap(), "as it would be stored now");
        assert!(matches!(both.reseal(bytes.as_bytes(), None), Resealed::Unreadable));
    }

    #[test]
    fn a_record_is_resealed_once_as_it_would_be_stored_now() {
        let record = |key: u8| {
            let sealed = ring(&[key]).seal(&"A".into(), &"p".into(), "x").unwrap();
            kv::json(&Subject { subject: "p".into(), study_id: "A".into(), site_id: "1".into(), sealed }).unwrap()
        };
        let Resealed::Now(now) = ring(&[2, 1]).reseal(record(1).as_bytes(), None) else { panic!("not resealed") };
        assert_eq!(now, record(2));
        assert!(matches!(ring(&[2]).reseal(now.as_bytes(), None), Resealed::Current));
        let erased = r#"{"subject":"p","studyId":"A","siteId":"1","sealed":""}"#;
        assert!(matches!(ring(&[2, 1]).reseal(erased.as_bytes(), None), Resealed::Current));
        for record in [record(1), record(1).replace("\"A\"", "\"B\""), "{}".into(), String::new()] {
            assert!(matches!(ring(&[2, 3]).reseal(record.as_bytes(), None), Resealed::Unreadable));
        }
    }
}
