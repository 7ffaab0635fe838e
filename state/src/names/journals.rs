//! The names of journals and of their heads, in Redis and in the store.

use domain::ids::StudyId;

use super::JOURNAL;

/// The end of a study's journal: a stream.
pub fn journal(study: &StudyId) -> String {
    [JOURNAL, study.as_str()].concat()
}

/// The beginning of the names of journals that are of no study, in the place of a study's name, which never begins so.
pub const ASIDE: &str = "*";
/// The journal of looks at persons' data.
pub const LOOKS: &str = "*looks";
/// The journal of the records of all audit chains.
pub const AUDITED: &str = "*audit";

/// The last signed head of the journals, and all that it covers.
pub const HEAD: &str = "{vigil}:head";
/// Exists while no further head is to be signed.
pub const HEAD_WAIT: &str = "{vigil}:head:wait";

/// Held by the caller that seals journals.
pub const JOURNAL_LOCK: &str = "{vigil}:journals:lock";

/// The segments of a study's journal. Written by the clock.
pub fn journal_index(study: &StudyId) -> String {
    ["journal/", study.as_str()].concat()
}

/// A segment of a study's journal. Written by the clock.
pub fn journal_segment(study: &StudyId, number: u64) -> String {
    format!("journal/{study}/{number}")
}

/// The last signed head of the journals, as [`HEAD`] has it. Written by the clock.
pub const HEAD_STATE: &str = "head";

/// A signed head of the journals. Written by the clock.
pub fn head(number: u64) -> String {
    format!("head/{number}")
}
