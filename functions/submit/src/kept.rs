//! What a study keeps of a document, where its de-identification asks for more than every study's.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::deidentify::{Policy, Subject};
use domain::intake::Envelope;
use domain::scrub::{Class, Removed};
use platform::identity::Patient;
use serde_json::{Map, Value};

use crate::config::Config;

/// A document as its study keeps it.
pub(crate) struct Kept {
    pub(crate) content: Map<String, Value>,
    pub(crate) authored_at: Timestamp,
    pub(crate) removed: BTreeMap<String, u32>,
}

/// What is kept of a document of a patient whose study asks for something; none of another. `subject` is how every study
/// has it done. The answers of a response are figures and codes: only its time is shifted.
pub(crate) fn by_study(
    config: &Config,
    policy: Option<&Policy>,
    envelope: &Envelope,
    patient: &Patient<'_>,
    subject: &Subject<'_>,
) -> Option<Kept> {
    let study = policy?.study(&envelope.study_id)?;
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
    Some(Kept { content, authored_at, removed: named(&removed) })
}

/// Counts by the names of their classes.
pub(crate) fn named(removed: &Removed) -> BTreeMap<String, u32> {
    removed.iter().map(|(class, count)| (class.as_str().to_owned(), count)).collect()
}
