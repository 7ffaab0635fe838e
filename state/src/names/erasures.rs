//! The names of what an erasure needs to find, and of its progress, in Redis and in the store.

use domain::ids::{Pseudonym, StudyId};

/// Erasures: a hash, submission to its erasure.
pub const ERASED: &str = "{vigil}:erased";

/// The erasure of a subject that has begun and not ended: a hash of `begun`, `ms`, `submissions`,
/// `analyses` and `keys`.
pub fn erasing(subject: &Pseudonym) -> String {
    ["{vigil}:erasing:", subject.as_str()].concat()
}

/// The studies whose erasure has begun and not ended: a set. The doors take nothing in for them.
pub const STUDIES_ERASING: &str = "{vigil}:studies:erasing";

/// The erasure of a study that has begun and not ended: a hash of `begun`, `ms`, `subjects`, `submissions` and `analyses`.
pub fn erasing_study(study: &StudyId) -> String {
    ["{vigil}:erasing-study:", study.as_str()].concat()
}

/// Held by the caller that erases what the clock is to erase.
pub const ERASURE_LOCK: &str = "{vigil}:erasure:lock";
/// Exists while nobody needs to look for subjects whose retention is over.
pub const RETENTION_LOOKED: &str = "{vigil}:retention:looked";

/// The subjects of a study by when their last document came in, milliseconds: a sorted set. Derived from the records.
pub fn subjects_of(study: &StudyId) -> String {
    ["{vigil}:subjects:", study.as_str()].concat()
}

/// The submissions of a subject that were stored and cannot be scored, by when they came in, milliseconds: a sorted set.
pub fn failed(subject: &Pseudonym) -> String {
    ["{vigil}:failed:", subject.as_str()].concat()
}

/// The certificate of a subject's last erasure. Written by `records` and the clock.
pub fn subject_erased(pseudonym: &Pseudonym) -> String {
    ["subject/", pseudonym.as_str(), "/erased"].concat()
}

/// The last erasure of a study, and its certificate once it has ended. Written by `records` and the clock.
pub fn study_erasure(study: &StudyId) -> String {
    ["study/", study.as_str(), "/erasure"].concat()
}

/// The audit chain of a study.
pub fn study_entity(study: &StudyId) -> String {
    ["study/", study.as_str()].concat()
}
