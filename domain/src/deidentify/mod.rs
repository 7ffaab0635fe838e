//! De-identification of a report's data before it leaves the door.
//!
//! Guarantee: every text of the data is kept, scrubbed, dropped, pseudonymised, generalised or shifted. The table of
//! the report's kind decides, and the study may ask for more. A member that no table names is scrubbed. The patient's
//! details in the report itself (name, record number, telephone) are searched for in all its other texts.
//!
//! In a study that shifts dates, a text that is only a date is shifted wherever it stands, also in member names.
//!
//! Not for: dates in the middle of a sentence, or numbers that mean a time. A study should drop such members.

mod dates;
mod names;
mod policy;
mod table;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::canonical;
use crate::ids::{PatientId, plain};
use crate::intake::ReportKind;
use crate::scrub::{Class, Own, Removed, scrub};
use crate::time::Timestamp;
pub use dates::Shift;
pub use policy::{Policy, Study};
use table::Pointer;
use table::Treatment::{
    self, BirthYear, Date, Drop, DropName, Fixed, Keep, Omit, PostcodeArea, Pseudonymise, Scrub, Shift as Shifted, Year,
};

/// The subject of a report, and the values that de-identification needs.
pub struct Subject<'a> {
    /// The patient's id at the site.
    pub patient_id: &'a PatientId,
    /// The time when the report was written. Ages are computed at this time, not at the time of receipt, so that a
    /// resend gives the same result.
    pub written_at: Timestamp,
    /// The keyed function that gives the pseudonym of a value.
    pub pseudonym: &'a dyn Fn(&str) -> String,
}

/// De-identifies a report's data by the rules that apply to every study.
pub fn report(kind: ReportKind, data: Map<String, Value>, subject: &Subject<'_>) -> (Map<String, Value>, Removed) {
    cleaned(kind, data, subject, None, None)
}

impl Study {
    /// De-identifies a report's data and removes everything else that the study does not keep. `shift` is the subject's
    /// own shift in a study that shifts dates. Without a shift, dates that should be shifted are left out.
    pub fn report(
        &self,
        kind: ReportKind,
        data: Map<String, Value>,
        subject: &Subject<'_>,
        shift: Option<Shift>,
    ) -> (Map<String, Value>, Removed) {
        cleaned(kind, data, subject, Some(self), shift)
    }
}

fn cleaned(
    kind: ReportKind,
    mut data: Map<String, Value>,
    subject: &Subject<'_>,
    study: Option<&Study>,
    shift: Option<Shift>,
) -> (Map<String, Value>, Removed) {
    let rules = Rules { kind, study };
    let mut own = Own::new();
    own.add(subject.patient_id.as_str(), Class::PatientId);
    // The number of searched texts is limited. Identifiers that every study removes come before those that one study
    // adds.
    for rules in [Some(Rules { kind, study: None }), study.map(|_| rules)].into_iter().flatten() {
        for (name, value) in &data {
            rules.collect(Pointer { within: None, name }, value, &mut own);
        }
    }
    let mut work = Walk { rules, own, subject, shift, removed: Removed::default() };
    work.members(None, &mut data);
    (data, work.removed)
}

#[derive(Clone, Copy)]
struct Rules<'a> {
    kind: ReportKind,
    study: Option<&'a Study>,
}

impl Rules<'_> {
    fn treatment(self, place: Pointer<'_>) -> Treatment {
        match self.study {
            Some(study) => study.treatment(self.kind, place),
            None => table::treatment(self.kind, place),
        }
    }

    /// Collects the patient's details in the report, to search for them in the rest of it.
    fn collect(self, place: Pointer<'_>, value: &Value, own: &mut Own) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.collect(Pointer { within: Some(&place), name }, value, own);
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|value| self.collect(Pointer::entry(&place), value, own));
            }
            Value::String(text) => match self.treatment(place) {
                DropName => own.add(text, Class::PatientName),
                Drop | Pseudonymise => own.add(text, Class::PatientId),
                Fixed | Keep | Date | Shifted | Year | Scrub | Omit | BirthYear | PostcodeArea => {}
            },
            Value::Number(number) => {
                if matches!(self.treatment(place), Drop | Pseudonymise) {
                    own.add(&canonical::number(number), Class::PatientId);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

struct Walk<'a> {
    rules: Rules<'a>,
    own: Own,
    subject: &'a Subject<'a>,
    shift: Option<Shift>,
    removed: Removed,
}

impl Walk<'_> {
    fn members(&mut self, within: Option<&Pointer<'_>>, members: &mut Map<String, Value>) {
        // The original and the scrubbed name, in the order of the members.
        let mut renamed = Vec::new();
        members.retain(|name, value| {
            let stays = self.value(Pointer { within, name }, value);
            // The sender chooses the names in a generic report, so they are scrubbed too.
            if stays && let Some(clean) = self.scrubbed(name) {
                renamed.push((name.clone(), clean));
            }
            stays
        });
        if !renamed.is_empty() {
            rename(members, renamed);
        }
    }

    /// De-identifies a value in place; false if it is left out.
    fn value(&mut self, place: Pointer<'_>, value: &mut Value) -> bool {
        let treatment = self.rules.treatment(place);
        let text = match (&*value, treatment) {
            // Its name may say something.
            (Value::Null, Omit) => return false,
            (Value::Null, _) | (_, Fixed | Keep | Date) => return true,
            (Value::Bool(_), Omit | Shifted | Year) => Cow::default(),
            (Value::Bool(_), _) => return true,
            (_, Scrub) => {
                self.scrub(place, value);
                return true;
            }
            (Value::String(text), _) => Cow::from(text),
            (Value::Number(number), _) => Cow::from(canonical::number(number)),
            // A list or an object in place of a single value: nothing is known about its parts.
            (Value::Array(_) | Value::Object(_), _) => Cow::default(),
        };
        let (class, left) = match treatment {
            _ if text.is_empty() => (Class::Dropped, None),
            Pseudonymise => (Class::Pseudonymised, Some((self.subject.pseudonym)(&plain(&text)))),
            BirthYear => (Class::Generalised, dates::birth_year(&text, self.subject.written_at)),
            Year => (Class::Generalised, dates::year(&text)),
            Shifted => (Class::Shifted, self.shift.and_then(|shift| shift.text(&text))),
            PostcodeArea => (Class::Generalised, Some(text.trim().chars().take(2).collect())),
            Drop | DropName | Omit | Fixed | Keep | Date | Scrub => (Class::Dropped, None),
        };
        self.removed.add(if left.is_some() { class } else { Class::Dropped });
        let stays = left.is_some();
        *value = Value::from(left);
        stays
    }

    fn scrub(&mut self, place: Pointer<'_>, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.scrubbed(text) {
                    *text = clean;
                }
            }
            // A telephone number may come as a JSON number. Numbers of fewer than four digits are never searched for.
            Value::Number(number)
                if self.rules.kind == ReportKind::Generic && number.as_u64().is_none_or(|number| number > 999) =>
            {
                if let Some(clean) = scrub(&canonical::number(number), &self.own, &mut self.removed) {
                    *value = Value::from(clean);
                }
            }
            Value::Array(items) => items.retain_mut(|item| self.value(Pointer::entry(&place), item)),
            Value::Object(members) => self.members(Some(&place), members),
            Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    /// The scrubbed text; none if nothing was removed.
    fn scrubbed(&mut self, text: &str) -> Option<String> {
        if let Some(moved) = self.shift.and_then(|shift| shift.text(text)) {
            self.removed.add(Class::Shifted);
            return Some(moved);
        }
        scrub(text, &self.own, &mut self.removed)
    }
}

/// Gives members their new names. Names that became equal get a number.
fn rename(members: &mut Map<String, Value>, renamed: Vec<(String, String)>) {
    let mut renamed = renamed.into_iter().peekable();
    let mut clean = Map::new();
    // The next number for each name that became equal to another.
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for (name, value) in core::mem::take(members) {
        let name = renamed.next_if(|(sent, _)| *sent == name).map_or(name, |(_, clean)| clean);
        let mut unique = name.clone();
        if clean.contains_key(&unique) {
            let number = numbers.entry(name.clone()).or_insert(1);
            while clean.contains_key(&unique) {
                *number += 1;
                unique = format!("{name} {number}");
            }
        }
        clean.insert(unique, value);
    }
    *members = clean;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: ReportKind, data: Value, expected: Value, removed: &[(&str, u32)]) {
        check_in(None, kind, data, expected, removed);
    }

    /// The random number 0 gives the largest shift back.
    fn check_in(study: Option<Value>, kind: ReportKind, data: Value, expected: Value, removed: &[(&str, u32)]) {
        let policy = study.map(|study| Policy::read(&json!({"studies": {"S": study}})).unwrap());
        let study = policy.as_ref().and_then(|policy| policy.study("S"));
        let Value::Object(data) = data else { panic!("no object") };
        let now = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let subject = Subject {
            patient_id: &PatientId::parse("张伟-0042").unwrap(),
            written_at: now,
            pseudonym: &|value| format!("<{}>", value.len()),
        };
        let (clean, counts) = match study {
            None => report(kind, data, &subject),
            Some(study) => study.report(kind, data, &subject, study.shift(|| 0)),
        };
        assert_eq!(Value::Object(clean), expected);
        let counts: Vec<(&str, u32)> = counts.iter().map(|(class, count)| (class.as_str(), count)).collect();
        assert_eq!(counts, removed);
    }

    #[test]
    fn a_patient_object_is_treated_member_by_member_and_looked_for_elsewhere() {
        check(
            ReportKind::Diary,
            json!({"patient": {"name": "Zhang Wei", "birthDate": "1961-05-02", "sex": "male", "postcode": "310000",
                               "address": "West Lake 1", "phone": "12345", "email": "z@example.com", "mrn": "A-77"},
                   "note": "mr zhang called 12345 about a-77, 张伟-0042; West Lake 1 is wet",
                   "symptoms": [{"name": "pain", "severity": 3, "since": "2026-02-28T08:00:00+08:00"}]}),
            json!({"patient": {"birthDate": "1961", "sex": "male", "postcode": "31", "mrn": "<4>"},
                   "note": "mr [patient-name] called [patient-id] about [patient-id], [patient-id]; [patient-id] is wet",
                   "symptoms": [{"name": "pain", "severity": 3, "since": "2026-02-28T08:00:00+08:00"}]}),
            &[("patient-id", 4), ("patient-name", 1), ("dropped", 4), ("pseudonymised", 1), ("generalised", 2)],
        );
    }

    #[test]
    fn a_generic_report_is_treated_by_the_names_of_its_members() {
        check(
            ReportKind::Generic,
            json!({"Date_of_Birth": "19310502", "drug": {"name": "aspirin"}, "contact": [{"name": "Li Na"}],
                   "list": [{"home-address": {"street": 1}}, 13800138000i64, 42], "13800138000": 1, "MRN": 12345,
                   "zip": "90210", "said": "Li Na, 12345", "dob": "unknown", "done": true, "phone": null}),
            json!({"Date_of_Birth": "90+", "drug": {"name": "aspirin"}, "contact": [{}],
                   "list": [{}, "[phone]", 42], "[phone]": 1, "MRN": "<5>",
                   "zip": "90", "said": "[patient-name], [patient-id]", "done": true, "phone": null}),
            &[
                ("phone", 2),
                ("patient-id", 1),
                ("patient-name", 1),
                ("dropped", 3),
                ("pseudonymised", 1),
                ("generalised", 2),
            ],
        );
    }

    #[test]
    fn names_that_become_alike_stay_apart() {
        check(
            ReportKind::Generic,
            json!({"13800138000": 1, "13800138001": 2}),
            json!({"[phone]": 1, "[phone] 2": 2}),
            &[("phone", 2)],
        );
    }

    #[test]
    fn laboratory_codes_units_and_times_stay() {
        let results = json!({"results": [{"code": "718-7", "value": 13.2, "unit": "g/dL", "comparator": "<",
                             "collectedAt": "2026-02-28T08:00:00+08:00"}]});
        check(ReportKind::Lab, results.clone(), results, &[]);
    }

    #[test]
    fn a_study_decides_on_the_members_of_a_kind() {
        check_in(
            Some(json!({"diary": {"note": "drop", "symptoms/*/since": "generalise", "patient/mrn": "drop",
                                  "patient/sex": "drop", "medication/*/name": "pseudonymise"}})),
            ReportKind::Diary,
            json!({"note": "pain", "patient": {"mrn": "A-77", "sex": "male", "name": "Li Na"},
                   "medication": [{"name": "aspirin", "dose": "one aspirin, A-77", "taken": true,
                                   "takenAt": "2026-02-28T08:00:00Z"}],
                   "symptoms": [{"name": "pain", "severity": 3, "since": "2026-02-28T08:00:00Z"}]}),
            json!({"patient": {},
                   "medication": [{"name": "<7>", "dose": "one [patient-id], [patient-id]", "taken": true,
                                   "takenAt": "2026-02-28T08:00:00Z"}],
                   "symptoms": [{"name": "pain", "severity": 3, "since": "2026"}]}),
            &[("patient-id", 2), ("dropped", 4), ("pseudonymised", 1), ("generalised", 1)],
        );
    }

    #[test]
    fn a_study_that_shifts_shifts_all_dates_alike() {
        let study =
            || Some(json!({"shiftDays": 20, "generic": {"visit": "shift", "booked": "generalise", "smoker": "drop"}}));
        check_in(
            study(),
            ReportKind::AdverseEvent,
            json!({"term": "Headache", "onset": "2026-02-21", "end": "2026-02-22T10:00:00+08:00", "grade": 2,
                   "serious": false, "relatedness": "possible", "outcome": "recovered", "actionTaken": "none",
                   "note": "2026/02/25", "patient": {"birthDate": "1961-05-02"}}),
            json!({"term": "Headache", "onset": "2026-02-01", "end": "2026-02-02T10:00:00+08:00", "grade": 2,
                   "serious": false, "relatedness": "possible", "outcome": "recovered", "actionTaken": "none",
                   "note": "2026/02/05", "patient": {"birthDate": "1961"}}),
            &[("generalised", 1), ("shifted", 3)],
        );
        check_in(
            study(),
            ReportKind::Generic,
            json!({"Visit": ["2026-02-21"], "days": {"2026-02-22": "2026-02-23 08:00", "x": [true, "on 2026-02-23"]},
                   "booked": "2025-12-31", "smoker": true, "visit": "next week", "dob": "1931-05-02"}),
            json!({"days": {"2026-02-02": "2026-02-03 08:00", "x": [true, "on 2026-02-23"]}, "booked": "2025", "dob": "90+"}),
            &[("dropped", 3), ("generalised", 2), ("shifted", 2)],
        );
    }

    #[test]
    fn what_a_study_adds_leaves_room_for_the_patient() {
        let medication: Vec<Value> = (0..40).map(|number| json!({"name": format!("drug {number}")})).collect();
        let clean: Vec<Value> = medication
            .iter()
            .map(|one| json!({"name": format!("<{}>", one["name"].as_str().unwrap().len())}))
            .collect();
        check_in(
            Some(json!({"diary": {"medication/*/name": "pseudonymise"}})),
            ReportKind::Diary,
            json!({"medication": medication, "patient": {"phone": "12345"}, "note": "rang 12345"}),
            json!({"medication": clean, "patient": {}, "note": "rang [patient-id]"}),
            &[("patient-id", 1), ("dropped", 1), ("pseudonymised", 40)],
        );
    }

    #[test]
    fn of_a_generic_report_only_what_an_allow_list_names_stays() {
        check_in(
            Some(json!({"genericOnly": ["visit", "pain_score", "drugs", "name", "phone"],
                        "generic": {"seenOn": "generalise", "nurse": "drop"}})),
            ReportKind::Generic,
            json!({"Visit": {"painScore": 3, "mood": "low", "noted": null, "name": "first"}, "extra": true, "x": null,
                   "drugs": [{"name": "aspirin", "dose": "500 mg"}, "ibuprofen", ["iron"]], "seen on": "2026-02-01",
                   "nurse": "Ann", "phone": "12345", "contactName": "Li Na", "list": [1], "Pain Score": "told Li Na 12345"}),
            json!({"Visit": {"painScore": 3, "name": "first"},
                   "drugs": [{"name": "aspirin"}, "ibuprofen", ["iron"]], "seen on": "2026",
                   "Pain Score": "told [patient-name] [patient-id]"}),
            &[("patient-id", 1), ("patient-name", 1), ("dropped", 7), ("generalised", 1)],
        );
    }

    #[test]
    fn a_study_cannot_bring_back_what_identifies_somebody() {
        // `name` alone belongs to nobody in particular, so a study may keep it; within a person it stays the patient's
        // name.
        check_in(
            Some(json!({"generic": {"name": "keep"}})),
            ReportKind::Generic,
            json!({"drug": {"name": "aspirin"}, "patient": {"name": "Li Na"}}),
            json!({"drug": {"name": "aspirin"}, "patient": {}}),
            &[("dropped", 1)],
        );
    }
}
