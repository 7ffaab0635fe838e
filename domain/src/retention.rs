//! How long studies keep what they have: the configuration document `retention`.
//!
//! ```json
//! {"studies": {"S-1": {"days": 3650, "hold": true, "reason": "inspection announced"}}, "default": {"days": null}}
//! ```
//!
//! Guarantee: a study that the document does not name has its `default`, and without that nothing is ever erased because
//! of its age. A hold forbids every erasure, whoever asks for it.
//!
//! Days count from when the last document of a subject came in. What it wrote about itself, and the clocks of devices, must
//! not decide when data are erased; and a subject is kept or erased as a whole.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::Finding;
use crate::finding::Code;
use crate::ids::{self, StudyId, is_name};
use crate::reading::{At, Faults};

/// The most days: a century.
const MOST_DAYS: u16 = 36_525;
/// The longest reason, characters.
const LONGEST_REASON: usize = 500;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What one study keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// The days after its last document after which a subject is erased; none: never.
    pub days: Option<u16>,
    /// Whether nothing of the study may be erased (a legal hold).
    pub hold: bool,
    /// Why.
    pub reason: Option<String>,
}

impl Retention {
    /// Reads the retention of one study: `{"days", "hold", "reason"}`. A hold has a reason.
    ///
    /// # Errors
    /// All faults, with pointers from the value.
    pub fn read(retention: &Value) -> Result<Self, Vec<Finding>> {
        let mut faults = Faults::new();
        let read = Retention::read_at(&At::root(retention), &mut faults);
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    /// As [`Retention::read`], as a part of a document.
    pub(crate) fn read_at(at: &At<'_, '_>, faults: &mut Faults) -> Self {
        at.object(faults, &["days", "hold", "reason"]);
        let days = at.get("days").filter(|at| !at.value.is_null());
        let days = days.and_then(|at| at.whole(1, MOST_DAYS, faults));
        let hold = at.get("hold").and_then(|at| at.flag(faults)).unwrap_or_default();
        let reason = if hold { at.need("reason", faults) } else { at.get("reason") };
        let reason = reason.and_then(|at| at.text_within(LONGEST_REASON, faults)).map(str::to_owned);
        Retention { days, hold, reason }
    }

    /// The time at or before which the last document of a subject came in that is to be erased at `now`, milliseconds; none
    /// while the study keeps everything.
    pub fn until_ms(&self, now_ms: i64) -> Option<i64> {
        let days = self.days.filter(|_| !self.hold)?;
        Some(now_ms.saturating_sub(i64::from(days) * DAY_MS))
    }
}

/// The retention of all studies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retentions {
    studies: BTreeMap<String, Retention>,
    default: Retention,
}

impl Retentions {
    /// Parses the document.
    ///
    /// # Errors
    /// All its faults, with pointers from its root.
    pub fn read(document: &Value) -> Result<Self, Vec<Finding>> {
        let (mut all, mut faults) = (Retentions::default(), Faults::new());
        let root = At::root(document);
        root.object(&mut faults, &["studies", "default"]);
        if let Some(studies) = root.get("studies") {
            for (study, at) in studies.members(&mut faults) {
                if !is_name(study) {
                    at.fault(&mut faults, Code::Format, ids::NAME_RULE);
                }
                all.studies.insert(study.to_owned(), Retention::read_at(&at, &mut faults));
            }
        }
        if let Some(at) = root.get("default") {
            all.default = Retention::read_at(&at, &mut faults);
        }
        if faults.is_empty() { Ok(all) } else { Err(faults) }
    }

    /// What a study keeps.
    pub fn of(&self, study: &StudyId) -> &Retention {
        self.studies.get(study.as_str()).unwrap_or(&self.default)
    }

    /// Whether any study keeps something for a number of days only.
    pub fn ends(&self) -> bool {
        self.studies.values().chain([&self.default]).any(|one| one.until_ms(0).is_some())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_study_has_its_own_retention_or_the_default() {
        let document = json!({
            "studies": {"S-1": {"days": 10, "hold": true, "reason": "inspection"}, "S-2": {}, "S-3": {"days": 1}},
            "default": {"days": 2, "hold": false},
        });
        let all = Retentions::read(&document).unwrap();
        let until = |study: &str| all.of(&study.into()).until_ms(10 * DAY_MS);
        assert_eq!((until("S-1"), until("S-2")), (None, None), "a hold, and a study that keeps everything");
        assert_eq!((until("S-3"), until("other")), (Some(9 * DAY_MS), Some(8 * DAY_MS)));
        assert!(all.of(&"S-1".into()).hold && !all.of(&"other".into()).hold);
        assert!(all.ends());
    }

    #[test]
    fn without_a_document_everything_is_kept() {
        for document in [json!({}), json!({"default": {"days": null}}), json!({"studies": {}})] {
            let all = Retentions::read(&document).unwrap();
            assert_eq!(all.of(&"A".into()), &Retention::default(), "{document}");
            assert!(!all.ends());
        }
    }

    #[test]
    fn every_fault_is_told_at_its_place() {
        let document = json!({
            "studies": {
                "S 1": {"days": 0},
                "S2": {"days": 40_000, "hold": "yes"},
                "S3": {"hold": true},
                "S4": {"hold": true, "reason": " "},
                "S5": [],
                "S6": {"days": 1.5, "years": 1},
            },
            "default": {"days": "10"},
            "other": 1,
        });
        let faults = Retentions::read(&document).unwrap_err();
        let mut places: Vec<String> = faults.iter().map(|fault| fault.pointer.to_string()).collect();
        places.sort();
        let expected = [
            "/default/days",
            "/other",
            "/studies/S 1",
            "/studies/S 1/days",
            "/studies/S2/days",
            "/studies/S2/hold",
            "/studies/S3",
            "/studies/S4/reason",
            "/studies/S5",
            "/studies/S6/days",
            "/studies/S6/years",
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn the_retention_of_one_study_is_read_alone() {
        let read = Retention::read(&json!({"days": 30, "reason": "the protocol says so"})).unwrap();
        assert_eq!((read.days, read.hold), (Some(30), false));
        let faults = Retention::read(&json!({"hold": true, "days": -1})).unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(places, ["/days", ""]);
    }
}
