//! The kinds of report: their required members, and the contradictions that are not allowed.
//!
//! Guarantee: [`check`] reports every fault of a report's data at once, with pointers from the root of the data, and
//! repeats no value. A report without findings has only members of its kind. The present time is an argument. A late
//! report is never a fault; a time more than five minutes ahead of the clock is one.
//!
//! Every kind except `generic` may have a `patient` object, as laboratory and site systems send it.
//! [`crate::deidentify`] decides what happens to it.

mod adverse_event;
mod diary;
pub(crate) mod figure;
mod lab;
pub(crate) mod loinc;

pub(crate) mod units;

use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::finding::{Code, Finding};
use crate::intake::ReportKind;
use crate::reading::{Object, Path, SKEW_MS};
use crate::time::Timestamp;
pub(crate) use adverse_event::{CRITERIA, OUTCOMES};

/// The largest data of a generic report, bytes of JSON.
const LARGEST_GENERIC: usize = 32 * 1024;
/// The most entries of a list.
const MOST_ENTRIES: usize = 500;
/// A report is late if it arrives later than this after it was written: it then no longer describes the present day.
const LATE_MS: i64 = DAY_MS;
/// A clock is wrong if it says that a report was written longer ago than this: ten years, as a phone does that lost its
/// time and begins at 1970 or at the year of its make.
const LONG_AGO_MS: i64 = 3653 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The faults of a report's data at the time `now`.
pub fn check(kind: ReportKind, data: &Map<alloc::string::String, Value>, now: Timestamp) -> Vec<Finding> {
    let mut faults = Vec::new();
    let object = Object::new(data, Path::Root);
    match kind {
        ReportKind::Diary => diary::check(object, now, &mut faults),
        ReportKind::AdverseEvent => adverse_event::check(object, now, &mut faults),
        ReportKind::Lab => lab::check(object, now, &mut faults),
        ReportKind::Generic => {
            // Serialized again, so that the limit does not depend on the sender's white space.
            if serde_json::to_vec(data).is_ok_and(|bytes| bytes.len() > LARGEST_GENERIC) {
                faults.push(Finding::new("", Code::Range, "must be at most 32 KiB of JSON"));
            }
        }
    }
    faults
}

/// A flag about the times of a submission. The submission is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeliness {
    /// It arrived more than a day after it was written.
    Late,
    /// Its time cannot be right: it is in the future by more than the allowed clock skew, or ten years ago.
    Skewed,
}

impl Timeliness {
    /// The flag's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Timeliness::Late => "late",
            Timeliness::Skewed => "clock-skewed",
        }
    }

    /// The flags of a submission with these times.
    pub fn of(authored_at: Timestamp, received_at: Timestamp) -> &'static [Self] {
        let delay = received_at.millis().saturating_sub(authored_at.millis());
        if delay < -SKEW_MS {
            &[Timeliness::Skewed]
        } else if delay <= LATE_MS {
            &[]
        } else if delay <= LONG_AGO_MS {
            &[Timeliness::Late]
        } else {
            &[Timeliness::Late, Timeliness::Skewed]
        }
    }
}

/// The patient as a site's or laboratory's system describes them.
fn patient(report: &mut Object<'_>, faults: &mut Vec<Finding>) {
    let Some(mut patient) = report.object(faults, "patient") else { return };
    patient.text(faults, "name", 200);
    patient.text(faults, "birthDate", 40);
    patient.choice(faults, "sex", &["female", "male", "other", "unknown"]);
    patient.text(faults, "postcode", 20);
    patient.text(faults, "address", 500);
    patient.text(faults, "phone", 40);
    patient.text(faults, "email", 254);
    patient.text(faults, "mrn", 64);
    patient.finish(faults);
}

#[cfg(test)]
mod tests;
