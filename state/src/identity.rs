//! Subjects' identities and their protection: pseudonyms, sealed identities, ids and hashes.
//!
//! Guarantee: a pseudonym and a submission's id are stable. Without the key nobody can compute them or link them to a
//! patient. A pseudonym belongs to one site of one study, and so do the decisions for its subject.
//!
//! `seal` has sealing and the key of identities, `subject_keys` the keys of each subject.

use domain::Timestamp;
use domain::ids::{AlertId, Pseudonym, SiteId, StudyId, SubmissionId};
use std::borrow::Cow;

use hmac::{Hmac, KeyInit as _, Mac};
use platform::digest::hex;
use sha2::Sha256;
use uuid::Uuid;

mod seal;
mod subject_keys;

pub use seal::{IdentityKey, Subject};
pub use subject_keys::{KeyRing, Random, Resealed, SubjectKeys, WrappedKeys};

/// HMAC-SHA-256 over labelled parts. The work that depends only on the key is done in advance.
struct Keyed(Option<Hmac<Sha256>>);

impl Keyed {
    fn new(key: &[u8]) -> Self {
        // HMAC takes keys of any length, so this cannot fail.
        Keyed(Hmac::new_from_slice(key).ok())
    }

    fn hash(&self, label: &str, parts: &[&str]) -> [u8; 32] {
        let Some(mut mac) = self.0.clone() else { return [0; 32] };
        message(label, parts, |bytes| mac.update(bytes));
        mac.finalize().into_bytes().into()
    }
}

/// Keyed BLAKE3 over labelled parts, for values that only Vigil uses and that each report needs several times. In
/// WebAssembly it takes a quarter of the time of HMAC-SHA-256.
struct Marked([u8; 32]);

impl Marked {
    fn new(key: &[u8]) -> Self {
        Marked(blake3::derive_key("vigil 2026-11-21 ids, contents and nonces", key))
    }

    fn hash<P: AsRef<[u8]>>(&self, label: &str, parts: &[P]) -> [u8; 32] {
        // Hashes the whole message at once: an incremental hasher takes 2 KB.
        let mut whole =
            Vec::with_capacity(label.len() + parts.iter().map(|part| 8 + part.as_ref().len()).sum::<usize>());
        message(label, parts, |bytes| whole.extend_from_slice(bytes));
        blake3::keyed_hash(&self.0, &whole).into()
    }
}

/// The message contains the lengths, so that different lists of parts give different messages.
fn message<P: AsRef<[u8]>>(label: &str, parts: &[P], mut add: impl FnMut(&[u8])) {
    add(label.as_bytes());
    for part in parts.iter().map(AsRef::as_ref) {
        add(&(part.len() as u64).to_be_bytes());
        add(part);
    }
}

fn uuid(bytes: [u8; 32]) -> String {
    let mut first = [0; 16];
    first.copy_from_slice(bytes.first_chunk::<16>().unwrap_or(&[0; 16]));
    hyphenated(uuid::Builder::from_custom_bytes(first).into_uuid())
}

/// The same text as `to_string`, but several times faster, because it avoids the general formatting.
fn hyphenated(id: Uuid) -> String {
    id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// A patient, as known to a site of a study.
#[derive(Clone, Copy)]
pub struct Patient<'a> {
    /// The study.
    pub study: &'a StudyId,
    /// The site.
    pub site: &'a SiteId,
    /// The system that the id belongs to; none for the site's own ids.
    pub system: Option<&'a str>,
    /// The patient's id.
    pub id: &'a str,
}

/// Separates the system from the id in a sealed text. Neither contains control characters.
const WITHIN: char = '\0';

impl<'a> Patient<'a> {
    fn parts(&self) -> [&'a str; 4] {
        [self.study.as_str(), self.site.as_str(), self.system.unwrap_or_default(), self.id]
    }

    /// The id with its system as one text for sealing.
    pub fn name(&self) -> Cow<'a, str> {
        match self.system {
            None => self.id.into(),
            Some(system) => format!("{system}{WITHIN}{}", self.id).into(),
        }
    }
}

/// Splits a text of [`Patient::name`] into the system, if there is one, and the id.
pub fn system_and_id(name: &str) -> (Option<&str>, &str) {
    name.split_once(WITHIN).map_or((None, name), |(system, id)| (Some(system), id))
}

/// Whether a text has the form of a pseudonym.
pub fn is_pseudonym(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The key of the pseudonyms.
pub struct PseudonymKey {
    pseudonyms: Keyed,
    marks: Marked,
}

impl PseudonymKey {
    /// From at least 32 secret bytes.
    pub fn new(key: Vec<u8>) -> Self {
        PseudonymKey { pseudonyms: Keyed::new(&key), marks: Marked::new(&key) }
    }

    /// The pseudonym of a patient: 32 hex digits, different at every site of every study.
    pub fn pseudonym(&self, patient: &Patient<'_>) -> Pseudonym {
        let bytes = self.pseudonyms.hash("vigil pseudonym", &patient.parts());
        hex(bytes.first_chunk::<16>().unwrap_or(&[0; 16])).into()
    }

    /// Replaces a DICOM unique identifier in a study; there the same one always gives the same replacement, and in
    /// other studies others: `2.25.` and a UUID as a decimal number (DICOM PS3.5, annex B.2).
    pub fn uid(&self, study: &str, uid: &str) -> String {
        let bytes = self.pseudonyms.hash("vigil uid", &[study, uid]);
        let mut first = [0; 16];
        first.copy_from_slice(bytes.first_chunk::<16>().unwrap_or(&[0; 16]));
        format!("2.25.{}", uuid::Builder::from_custom_bytes(first).into_uuid().as_u128())
    }

    /// A number that decides by how much a patient's dates are shifted in a study, if the study shifts them.
    pub fn date_shift(&self, patient: &Patient<'_>) -> u64 {
        let bytes = self.pseudonyms.hash("vigil date shift", &patient.parts());
        u64::from_be_bytes(*bytes.first_chunk().unwrap_or(&[0; 8]))
    }

    /// The hash of a content, 32 hex digits. Without the key nobody can test a guess of the content.
    pub fn content_hash(&self, said: &str) -> String {
        let bytes = self.marks.hash("vigil content", &[said]);
        hex(bytes.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// The id of a submission that came in at this time under its site's `client_id`. `namespace` keeps reports and
    /// responses apart. At another time it has another id, which differs in the time only: see [`received_at`]. The first
    /// digits after the time and the version are those of the site: the idempotency records of a site lie together.
    pub fn submission_id(
        &self,
        received_at: Timestamp,
        study: &StudyId,
        site: &SiteId,
        namespace: &str,
        client_id: &str,
    ) -> SubmissionId {
        let mut bytes = self.named("vigil submission", study, site, namespace, client_id);
        [bytes[0], bytes[1], ..] = self.marks.hash("vigil site", &[study.as_str(), site.as_str()]);
        time_ordered(received_at, &bytes)
    }

    /// The id of an analysis under its site's `client_id`.
    pub fn analysis_id(&self, study: &StudyId, site: &SiteId, client_id: &str) -> SubmissionId {
        uuid(self.named("vigil submission", study, site, "analysis", client_id)).into()
    }

    fn named(&self, label: &str, study: &StudyId, site: &SiteId, namespace: &str, client_id: &str) -> [u8; 32] {
        self.marks.hash(label, &[study.as_str(), site.as_str(), namespace, client_id])
    }
}

/// An id of 48 bits of time and 74 other bits: a UUID of version 7 (RFC 9562). A store that keeps its keys in order has
/// those of one time beside each other, so writing many touches few of its pages.
fn time_ordered(at: Timestamp, bytes: &[u8]) -> SubmissionId {
    let milliseconds = u64::try_from(at.millis()).unwrap_or_default();
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    hyphenated(uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()).into()
}

/// The id of a submission without a client's id, which came in at this time.
pub fn random_submission_id(received_at: Timestamp, random: u128) -> SubmissionId {
    time_ordered(received_at, &random.to_be_bytes())
}

/// The id of an analysis without a client's id.
pub fn random_analysis_id(random: u128) -> SubmissionId {
    hyphenated(uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid()).into()
}

/// The id that the submission of this id would have if it had come in at this time: a resend has the id of what was sent
/// first.
pub fn received_at(id: &SubmissionId, at: Timestamp) -> SubmissionId {
    let Ok(own) = Uuid::try_parse(id.as_str()) else { return id.clone() };
    let [_, _, _, _, _, _, rest @ ..] = own.into_bytes();
    time_ordered(at, &rest)
}

/// The id of the alert that a rule raises on a submission. Scoring again gives the same id.
pub fn alert_id(submission: &SubmissionId, rule: &str) -> AlertId {
    uuid(Keyed::new(b"").hash("vigil alert", &[submission.as_str(), rule])).into()
}

/// The id of the message that tells a subscription of an event. The same event has the same id.
pub fn message_id(parts: &[&str]) -> String {
    uuid(Keyed::new(b"").hash("vigil event", parts))
}

/// Whether a text has the form of an id that Vigil gives.
pub fn is_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms() -> PseudonymKey {
        PseudonymKey::new(vec![7; 32])
    }

    /// Study, site, system and id of a patient.
    type Named = (&'static str, &'static str, Option<&'static str>, &'static str);

    const HERE: Named = ("A", "1", None, "7");
    /// Other patients than the one here. Each differs in one respect, or in the way in which the parts are joined.
    const OTHERS: [Named; 8] = [
        ("B", "1", None, "7"),
        ("A", "2", None, "7"),
        ("A", "1", None, "8"),
        ("A", "1", Some("urn:oid:1"), "7"),
        ("A", "1", Some("urn:oid:2"), "7"),
        ("A1", "", None, "7"),
        ("A", "17", None, ""),
        ("A", "1", Some("7"), ""),
    ];

    fn of<T>((study, site, system, id): Named, read: impl FnOnce(&Patient<'_>) -> T) -> T {
        read(&Patient { study: &study.into(), site: &site.into(), system, id })
    }

    #[test]
    fn a_pseudonym_is_stable_and_differs_between_studies_sites_systems_patients_and_keys() {
        let key = pseudonyms();
        let pseudonym = |named| of(named, |patient| key.pseudonym(patient));
        let here = pseudonym(HERE);
        assert_eq!(here, pseudonym(HERE));
        // Stored pseudonyms must be reproducible for as long as the key lives.
        assert_eq!(here, "d93a72750d917d7da4e44a1f279d74d5");
        assert!(
            is_pseudonym(here.as_str())
                && !is_pseudonym(&here.as_str().to_uppercase())
                && !is_pseudonym(&here.as_str()[1..])
        );
        let all: std::collections::BTreeSet<Pseudonym> = OTHERS.into_iter().map(pseudonym).collect();
        assert!(all.len() == OTHERS.len() && !all.contains(&here));
        assert_ne!(here, of(HERE, |patient| PseudonymKey::new(vec![8; 32]).pseudonym(patient)));
    }

    #[test]
    fn a_name_that_is_sealed_tells_its_system() {
        for system in [None, Some("urn:oid:1")] {
            let name = of((HERE.0, HERE.1, system, HERE.3), |patient| patient.name().into_owned());
            assert_eq!(system_and_id(&name), (system, "7"));
        }
    }

    #[test]
    fn a_date_shift_is_the_subjects_own_and_a_hash_needs_the_key() {
        let (key, other) = (pseudonyms(), PseudonymKey::new(vec![8; 32]));
        let shift = |key: &PseudonymKey, named| of(named, |patient| key.date_shift(patient));
        let here = shift(&key, HERE);
        assert_eq!(here, shift(&key, HERE));
        assert!(OTHERS.iter().all(|other| shift(&key, *other) != here) && shift(&other, HERE) != here);
        assert_eq!((key.content_hash("x").len(), key.content_hash("x")), (32, pseudonyms().content_hash("x")));
        assert!(key.content_hash("x") != key.content_hash("y") && key.content_hash("x") != other.content_hash("x"));
    }

    #[test]
    fn ids_have_the_form_of_ids() {
        let key = pseudonyms();
        let at = Timestamp::from_millis;
        let submission = key.submission_id(at(7), &"A".into(), &"1".into(), "response", "r");
        assert_eq!(
            received_at(&submission, at(8)),
            key.submission_id(at(8), &"A".into(), &"1".into(), "response", "r")
        );
        assert!(submission < random_submission_id(at(8), 0), "ids are in the order of their times");
        let alert = alert_id(&submission, "r");
        for id in [
            submission.as_str(),
            random_submission_id(at(7), 42).as_str(),
            random_analysis_id(42).as_str(),
            alert.as_str(),
        ] {
            assert!(is_id(id), "{id}");
        }
        for text in ["", "r-1", "../etc", "0000000000000000000000000000000000000"] {
            assert!(!is_id(text), "{text}");
        }
        let uid = key.uid("A", "1.2.840.1");
        assert!(uid.len() <= 64 && uid == key.uid("A", "1.2.840.1"), "{uid}");
        for (study, other) in [("A", "1.2.840.2"), ("B", "1.2.840.1"), ("A1", ".2.840.1"), ("", "A1.2.840.1")] {
            assert_ne!(uid, key.uid(study, other));
        }
        assert!(uid.strip_prefix("2.25.").unwrap().parse::<u128>().is_ok());
        assert_ne!(
            key.submission_id(at(7), &"A".into(), &"1".into(), "response", "r"),
            key.submission_id(at(7), &"A".into(), &"1".into(), "report", "r")
        );
    }
}
