//! Stored submissions whose content is sealed, and their opening.
//!
//! Guarantee: every reader opens what a worker sealed, and what a version before stored unsealed. A submission whose keys are
//! gone reads as erased: its subject is being erased. Keys of the installation that open nothing are an error, never an
//! erasure, and so is a content that was changed.
//!
//! Mechanism: an [`Opener`] remembers the keys of the subjects that it has met. It lives as long as one request or one
//! message, so that no instance keeps the keys of a subject that is erased.
//!
//! All submissions are read as they rest, and get the form that their reader wants afterwards: a derived reader for each
//! form would be a good part of a component.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use domain::ids::{Pseudonym, SubmissionId};
use platform::kv::Store;
use platform::{Error, Kind};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub use crate::identity::{KeyRing, Random, SubjectKeys, WrappedKeys};
use crate::names;
use crate::wire::entry::{Record, State, Subject, Submission};

/// The content of a submission as it rests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum Content {
    /// Sealed with the key of its subject.
    Sealed(String),
    /// As versions before stored it, and that of a tombstone.
    Open(Map<String, Value>),
}

impl TryFrom<Value> for Content {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::String(sealed) => Ok(Content::Sealed(sealed)),
            Value::Object(content) => Ok(Content::Open(content)),
            _ => Err("expected a content"),
        }
    }
}

impl TryFrom<Content> for Map<String, Value> {
    type Error = ();

    fn try_from(content: Content) -> Result<Self, ()> {
        match content {
            Content::Open(content) => Ok(content),
            Content::Sealed(_) => Err(()),
        }
    }
}

impl From<Content> for IgnoredAny {
    fn from(_: Content) -> Self {
        IgnoredAny
    }
}

impl<C: Serialize> Serialize for Submission<C> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Submission::serialize(self, to)
    }
}

impl<T: Serialize + AsRef<str>, S: Serialize> Serialize for Record<T, S> {
    fn serialize<W: Serializer>(&self, to: W) -> Result<W::Ok, W::Error> {
        Record::serialize(self, to)
    }
}

/// A submission in the form that its reader wants.
fn formed<C: TryFrom<Content>, E: serde::de::Error>(read: StoredSubmission) -> Result<Submission<C>, E> {
    read.try_map(C::try_from).map_err(|_| E::custom("expected a content of another form"))
}

impl<'de, C: TryFrom<Content>> Deserialize<'de> for Submission<C> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        formed(StoredSubmission::deserialize(from)?)
    }
}

impl<'de, C: TryFrom<Content>> Deserialize<'de> for Record<String, Submission<C>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = StoredRecord::deserialize(from)?;
        let Record { state, reason, submission, scored_with, scores, alerts, evaluation } = read;
        Ok(Record { state, reason, submission: formed(submission)?, scored_with, scores, alerts, evaluation })
    }
}

/// A submission as it is stored.
pub type StoredSubmission = Submission<Content>;

/// The record of a submission as it is stored.
pub type StoredRecord = Record<String, StoredSubmission>;

/// A record for a reader that does not need the content.
pub fn without_content(record: StoredRecord) -> Record {
    let Record { state, reason, submission, scored_with, scores, alerts, evaluation } = record;
    let submission = submission.map(|_| Map::new());
    Record { state, reason, submission, scored_with, scores, alerts, evaluation }
}

/// The most subjects whose keys are remembered.
const MOST_SUBJECTS: usize = 4096;

/// Opens what rests sealed.
pub struct Opener {
    ring: Rc<KeyRing>,
    known: RefCell<BTreeMap<Pseudonym, Option<Rc<SubjectKeys>>>>,
}

fn unopened(what: &str) -> Error {
    Error::new("seal", Kind::Unavailable, what)
}

/// Opens the keys of a subject.
///
/// # Errors
/// [`Kind::Unavailable`] when no key of the installation opens them.
pub fn unwrap(ring: &KeyRing, subject: &Pseudonym, wrapped: &WrappedKeys) -> Result<SubjectKeys, Error> {
    let keys = ring.unwrap(subject, wrapped);
    keys.ok_or_else(|| unopened("neither identity_key nor one of identity_keys_old opens the keys of a subject"))
}

impl Opener {
    /// Knows no subject yet.
    pub fn new(ring: &Rc<KeyRing>) -> Self {
        Opener { ring: Rc::clone(ring), known: RefCell::default() }
    }

    /// The keys of a subject; none if it has none (any more).
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or no key of the installation opens them.
    pub async fn keys(&self, store: &Store, subject: &Pseudonym) -> Result<Option<Rc<SubjectKeys>>, Error> {
        if let Some(known) = self.known.borrow().get(subject) {
            return Ok(known.clone());
        }
        let wrapped: Option<WrappedKeys> = store.get(&names::subject_keys(subject)).await?;
        let keys = wrapped.map(|wrapped| unwrap(&self.ring, subject, &wrapped)).transpose()?.map(Rc::new);
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_SUBJECTS {
            known.clear();
        }
        known.insert(subject.clone(), keys.clone());
        Ok(keys)
    }

    /// A stored submission, opened.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or what it has cannot be opened.
    pub async fn submission(&self, store: &Store, id: &SubmissionId) -> Result<Option<Record>, Error> {
        let Some(record) = store.get::<StoredRecord>(&names::submission(id)).await? else { return Ok(None) };
        self.open(store, record).await.map(Some)
    }

    /// Opens a record. Without the keys of its subject it has the state of an erased one, and no content.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or what it has cannot be opened.
    pub async fn open(&self, store: &Store, record: StoredRecord) -> Result<Record, Error> {
        let Record { state, reason, submission, scored_with, scores, alerts, evaluation } = record;
        let content = self.content(store, &submission).await?;
        let state = if content.is_some() { state } else { State::Erased };
        let submission = submission.map(|_| content.unwrap_or_default());
        Ok(Record { state, reason, submission, scored_with, scores, alerts, evaluation })
    }

    /// The content of a submission; none without the keys that sealed it: its subject is being erased then.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or what it has cannot be opened.
    pub async fn content(
        &self,
        store: &Store,
        submission: &StoredSubmission,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let sealed = match &submission.content {
            Content::Open(content) => return Ok(Some(content.clone())),
            Content::Sealed(sealed) => sealed,
        };
        let keys = self.keys(store, &submission.subject).await?;
        let Some(keys) = keys.filter(|keys| keys.sealed(sealed)) else { return Ok(None) };
        let content = keys.open_content(&submission.submission_id, sealed);
        content.map(Some).ok_or_else(|| unopened("the keys of its subject do not open a submission"))
    }

    /// The identity of a subject; none if no key opens it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the store does not answer, or no key of the installation opens the subject's keys.
    pub async fn identity(&self, store: &Store, subject: &Subject) -> Result<Option<String>, Error> {
        let keys = self.keys(store, &subject.subject).await?;
        Ok(self.ring.identity(subject, keys.as_deref()))
    }
}
