//! A diary entry: medication, symptoms and notes.

use alloc::vec::Vec;

use super::{MOST_ENTRIES, patient};
use crate::finding::Finding;
use crate::reading::Object;
use crate::time::Timestamp;

pub(super) fn check(mut diary: Object<'_>, now: Timestamp, faults: &mut Vec<Finding>) {
    diary.objects(faults, "medication", MOST_ENTRIES, |mut medication, faults| {
        medication.require(faults, "name");
        medication.text(faults, "name", 200);
        medication.text(faults, "dose", 100);
        medication.flag(faults, "taken");
        medication.moment(faults, "takenAt", now);
        medication.finish(faults);
    });
    diary.objects(faults, "symptoms", MOST_ENTRIES, |mut symptom, faults| {
        symptom.require(faults, "name");
        symptom.text(faults, "name", 200);
        symptom.require(faults, "severity");
        symptom.whole(faults, "severity", 0, 10);
        symptom.moment(faults, "since", now);
        symptom.finish(faults);
    });
    diary.text(faults, "note", 20_000);
    patient(&mut diary, faults);
    diary.finish(faults);
}
