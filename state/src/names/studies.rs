//! The names of studies' documents, in Redis and in the store.

use domain::ids::StudyId;

/// The documents of studies: a hash, study to its line for lists.
pub const STUDIES: &str = "{vigil}:studies";
/// The revisions of the settings that studies have of their own: a hash of study to revision, without those that have none.
pub const STUDIES_OWN: &str = "{vigil}:studies:own";
/// Held by the caller that changes the document of a study.
pub const STUDIES_LOCK: &str = "{vigil}:studies:lock";
/// Prefix, before the id of a study: what is in force of its document, a hash of `revision`, `state`, `closed` (when, in
/// milliseconds), `own` (the revision of its own settings), `settings`, and `site:<site>` for each site (`-`, or when it was
/// closed).
pub const STUDY: &str = "{vigil}:study:";

/// What is in force of a study's document.
pub fn study(study: &StudyId) -> String {
    [STUDY, study.as_str()].concat()
}

/// The studies that have a document, a list of ids. Written by `studies`.
pub const STUDIES_INDEX: &str = "studies";

/// The versions of a study's document, and what Redis is given of the one in force. Its entity in audit chains, too. Written
/// by `studies`.
pub fn study_index(study: &StudyId) -> String {
    ["study/", study.as_str()].concat()
}

/// A version of a study's document. Written by `studies`.
pub fn study_version(study: &StudyId, version: u64) -> String {
    format!("study/{study}/{version}")
}
