//! Study policy: de-identifies a document further if its study asks for more than the default.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::deidentify::{Policy, Subject};
use domain::intake::Envelope;
use domain::scrub::{Class, Removed};
use serde_json::{Map, Value};
use state::identity::Patient;

use crate::config::Config;

/// A document after its study's policy.
pub(crate) struct Deidentified {
    pub(crate) content: Map<String, Value>,
    pub(crate) authored_at: Timestamp,
    pub(crate) ordered_at: Option<Timestamp>,
    pub(crate) removed: BTreeMap<String, u32>,
}

/// Applies the policy of the document's study; `None` if the study has none. `subject` is the default treatment. The
/// answers of a response are numbers and codes: only its time is shifted, and its place `ordered_at` if it has one.
pub(crate) fn by_study(
    config: &Config,
    policy: Option<&Policy>,
    envelope: &Envelope,
    patient: &Patient<'_>,
    subject: &Subject<'_>,
    ordered_at: Option<Timestamp>,
) -> Option<Deidentified> {
    let study = policy?.study(envelope.study_id.as_str())?;
    let shift = study.shift(|| config.pseudonyms.date_shift(patient));
    let content = envelope.content.clone();
    let (content, mut removed) = match envelope.kind {
        Some(kind) => study.report(kind, content, subject, shift),
        None => (content, Removed::default()),
    };
    let authored_at = shift.map_or(envelope.authored_at, |shift| {
        removed.add(Class::Shifted);
        shift.timestamp(envelope.authored_at)
    });
    let ordered_at = ordered_at.map(|at| shift.map_or(at, |shift| shift.timestamp(at)));
    Some(Deidentified { content, authored_at, ordered_at, removed: named(&removed) })
}

/// The counts by the names of their classes.
pub(crate) fn named(removed: &Removed) -> BTreeMap<String, u32> {
    removed.iter().map(|(class, count)| (class.as_str().to_owned(), count)).collect()
}
