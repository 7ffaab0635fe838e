//! The sections of a study's document that decide for the study what configuration documents decide for all.
//!
//! A section has the form that a study has in the document of the same name, so the same reader reads both: a section is put
//! into a document of one study, and the findings are put back to where the section is.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::deidentify::Policy;
use crate::patient_systems::PatientSystems;
use crate::reading::{At, Faults, pointer};
use crate::{Code, Finding, study_rules};

/// The name that stands for the study while a section is checked.
const STUDY: &str = "study";

/// All sections.
pub(super) const NAMES: [&str; 7] =
    ["schedule", "alertRules", "alertRoutes", "deidentification", "patientSystems", "people", "retention"];

/// The sections that are in force in place of the installation's documents.
pub const OWN: [&str; 3] = ["alertRules", "deidentification", "patientSystems"];

/// The sections, and members of instruments, that a study's document may not have yet: nothing would come of them.
pub const AWAITED: [&str; 3] = ["alertRoutes", "people", "retention"];

/// A section as the configuration document of the same name, with this one study.
pub fn as_document(study: &str, section: &Value) -> Value {
    let mut studies = Map::new();
    studies.insert(study.into(), section.clone());
    json!({"studies": studies})
}

/// Puts the findings of a part to its place.
pub(super) fn placed(found: Vec<Finding>, at: &str, faults: &mut Faults) {
    faults.extend(found.into_iter().map(|fault| Finding { pointer: [at, &fault.pointer].concat(), ..fault }));
}

/// Checks all sections.
pub(super) fn check(root: &At<'_, '_>, faults: &mut Faults) {
    type Check = fn(&Value) -> Vec<Finding>;
    let readers: [(&str, Check); 3] = [
        ("alertRules", |it| study_rules::read(it).err().unwrap_or_default()),
        ("deidentification", |it| Policy::read(it).err().unwrap_or_default()),
        ("patientSystems", |it| PatientSystems::read(it).err().unwrap_or_default()),
    ];
    for (name, check) in readers {
        if let Some(at) = root.get(name) {
            let prefix = format!("/studies/{STUDY}");
            let found = check(&as_document(STUDY, at.value)).into_iter();
            let found = found.map(|fault| Finding { pointer: without(&fault.pointer, &prefix), ..fault });
            placed(found.collect(), &at.pointer(), faults);
        }
    }
    if let Some(at) = root.get("people") {
        people(&at, faults);
    }
    if let Some(at) = root.get("schedule") {
        schedule(&at, faults);
    }
    for name in AWAITED {
        if let Some(at) = root.get(name) {
            at.fault(faults, Code::Forbidden, "is not supported yet: leave it out");
        }
    }
    for one in root.get("instruments").iter().filter_map(|at| at.value.as_array()).flatten().enumerate() {
        for name in ["version", "parameters"].into_iter().filter(|name| one.1.get(name).is_some()) {
            let place = format!("/instruments/{}{}", one.0, pointer(name));
            faults.push(Finding::new(place, Code::Forbidden, "is not supported yet: leave it out"));
        }
    }
}

fn without(place: &str, prefix: &str) -> String {
    place.strip_prefix(prefix).unwrap_or(place).into()
}

/// The grants of persons in this study: as in the document `access`, without the study.
fn people(at: &At<'_, '_>, faults: &mut Faults) {
    let Some(list) = at.value.as_array() else {
        at.fault(faults, Code::Type, "must be a JSON array");
        return;
    };
    let mut grants = Vec::with_capacity(list.len());
    for (index, grant) in list.iter().enumerate() {
        let mut grant = grant.clone();
        if let Some(members) = grant.as_object_mut()
            && members.insert("study".into(), STUDY.into()).is_some()
        {
            let place = format!("{}/{index}/study", at.pointer());
            faults.push(Finding::new(place, Code::Unknown, "is this study"));
        }
        grants.push(grant);
    }
    let found = Access::read(&json!({"grants": grants})).err().unwrap_or_default().into_iter();
    let found = found.map(|fault| Finding { pointer: without(&fault.pointer, "/grants"), ..fault });
    placed(found.collect(), &at.pointer(), faults);
}

/// The schedule. It is kept as it is, and nothing is due by it yet.
fn schedule(at: &At<'_, '_>, faults: &mut Faults) {
    at.map(faults);
}
