//! What becomes of each member of a report before it leaves the door.
//!
//! Guarantee: every text of a report's data is kept, scrubbed, dropped, pseudonymised or made coarser, by the table of
//! its kind; what no table names is scrubbed. What the report itself says about the patient (name, record number,
//! telephone) is looked for in all its other texts.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::intake::ReportKind;
use crate::scrub::{Class, Own, Removed, scrub};
use crate::time::Timestamp;

/// What is done to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// It stays as it is: a word of a list or a time, as the rules of its kind made sure.
    Keep,
    /// What identifies somebody is taken out of its text.
    Scrub,
    /// It is left out.
    Drop,
    /// The patient's name: left out, and looked for elsewhere by its parts.
    DropName,
    /// A pseudonym stands in for it, the same for the same value.
    Pseudonymise,
    /// Of a day of birth the year stays, of those of ninety and more only that.
    BirthYear,
    /// Of a postcode the first two characters stay.
    PostcodeArea,
}

use Treatment::{BirthYear, Drop, DropName, Keep, PostcodeArea, Pseudonymise, Scrub};

/// Members by their path; `*` is any entry of a list.
type Table = &'static [(&'static [&'static str], Treatment)];

const PATIENT: Table = &[
    (&["patient", "name"], DropName),
    (&["patient", "birthDate"], BirthYear),
    (&["patient", "sex"], Keep),
    (&["patient", "postcode"], PostcodeArea),
    (&["patient", "address"], Drop),
    (&["patient", "phone"], Drop),
    (&["patient", "email"], Drop),
    (&["patient", "mrn"], Pseudonymise),
];
const DIARY: Table = &[(&["medication", "*", "takenAt"], Keep), (&["symptoms", "*", "since"], Keep)];
const ADVERSE_EVENT: Table = &[
    (&["onset"], Keep),
    (&["end"], Keep),
    (&["seriousnessCriteria", "*"], Keep),
    (&["relatedness"], Keep),
    (&["outcome"], Keep),
    (&["actionTaken"], Keep),
];
const LAB: Table = &[
    (&["results", "*", "collectedAt"], Keep),
    (&["results", "*", "comparator"], Keep),
    (&["specimenId"], Pseudonymise),
];

/// Members of a generic report by their names, at any depth, in lower case without `_`, `-` and spaces.
const NAMED: &[(Treatment, &[&str])] = &[
    (
        DropName,
        &["fullname", "firstname", "lastname", "givenname", "familyname", "surname", "patientname", "姓名", "患者姓名"],
    ),
    (
        Drop,
        &[
            "phone",
            "phones",
            "phonenumber",
            "homephone",
            "workphone",
            "mobile",
            "mobilephone",
            "telephone",
            "tel",
            "fax",
            "email",
            "emails",
            "emailaddress",
            "address",
            "addresses",
            "streetaddress",
            "homeaddress",
            "street",
            "ssn",
            "nationalid",
            "idcard",
            "idnumber",
            "passport",
            "passportnumber",
            "wechat",
            "weixin",
            "ip",
            "ipaddress",
            "电话",
            "手机",
            "手机号",
            "地址",
            "住址",
            "身份证",
            "身份证号",
            "邮箱",
            "微信",
            "微信号",
        ],
    ),
    (
        Pseudonymise,
        &[
            "mrn",
            "medicalrecordnumber",
            "recordnumber",
            "patientid",
            "patientnumber",
            "subjectid",
            "hospitalnumber",
            "specimenid",
            "accessionnumber",
            "病历号",
            "病案号",
            "住院号",
            "门诊号",
        ],
    ),
    (BirthYear, &["birthdate", "dateofbirth", "birthday", "dob", "出生日期", "生日"]),
    (PostcodeArea, &["postcode", "postalcode", "zip", "zipcode", "邮编", "邮政编码"]),
];
/// A `name` within one of these is a person's.
const PERSONS: &[&str] = &["patient", "subject", "person", "contact", "患者"];

fn treatment(kind: ReportKind, path: &[&str]) -> Treatment {
    let table = match kind {
        ReportKind::Diary => DIARY,
        ReportKind::AdverseEvent => ADVERSE_EVENT,
        ReportKind::Lab => LAB,
        ReportKind::Generic => return by_name(path),
    };
    let found = table.iter().chain(PATIENT).find(|(known, _)| *known == path);
    found.map_or(Scrub, |(_, treatment)| *treatment)
}

fn by_name(path: &[&str]) -> Treatment {
    let fold = |name: &&str| -> String {
        name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
    };
    let mut members = path.iter().rev().filter(|member| **member != "*");
    let name = members.next().map(fold).unwrap_or_default();
    if name == "name" && members.next().map(fold).is_some_and(|parent| PERSONS.contains(&parent.as_str())) {
        return DropName;
    }
    NAMED.iter().find(|(_, names)| names.contains(&name.as_str())).map_or(Scrub, |(treatment, _)| *treatment)
}

/// Takes the patient's identity out of a report's data. `pseudonym` is the keyed function that stands one value in for
/// another.
pub fn report(
    kind: ReportKind,
    data: Map<String, Value>,
    patient_id: &str,
    received_at: Timestamp,
    pseudonym: &dyn Fn(&str) -> String,
) -> (Map<String, Value>, Removed) {
    let mut own = Own::new();
    own.add(patient_id, Class::PatientId);
    for (name, value) in &data {
        collect(kind, &mut Vec::from([name.as_str()]), value, &mut own);
    }
    let mut work = Work { kind, own, received_at, pseudonym, removed: Removed::default() };
    let clean = work.members(&mut Vec::new(), data);
    (clean, work.removed)
}

/// What the report says about the patient, to be looked for in the rest of it.
fn collect<'a>(kind: ReportKind, path: &mut Vec<&'a str>, value: &'a Value, own: &mut Own) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push(name);
                collect(kind, path, value, own);
                path.pop();
            }
        }
        Value::Array(items) => {
            path.push("*");
            items.iter().for_each(|value| collect(kind, path, value, own));
            path.pop();
        }
        Value::String(text) => match treatment(kind, path) {
            DropName => own.add(text, Class::PatientName),
            Drop | Pseudonymise => own.add(text, Class::PatientId),
            Keep | Scrub | BirthYear | PostcodeArea => {}
        },
        Value::Number(number) => {
            if matches!(treatment(kind, path), Drop | Pseudonymise) {
                own.add(&number.to_string(), Class::PatientId);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

struct Work<'a> {
    kind: ReportKind,
    own: Own,
    received_at: Timestamp,
    pseudonym: &'a dyn Fn(&str) -> String,
    removed: Removed,
}

impl Work<'_> {
    fn members(&mut self, path: &mut Vec<String>, members: Map<String, Value>) -> Map<String, Value> {
        let mut clean = Map::new();
        for (name, value) in members {
            path.push(name);
            let value = self.value(path, value);
            let Some(name) = path.pop() else { continue };
            let Some(value) = value else { continue };
            // The names in a generic report are the sender's own.
            let name = self.scrubbed(name);
            let mut unique = name.clone();
            let mut number = 2;
            while clean.contains_key(&unique) {
                unique = format!("{name} {number}");
                number += 1;
            }
            clean.insert(unique, value);
        }
        clean
    }

    /// What is left of a value, none if it is left out.
    fn value(&mut self, path: &mut Vec<String>, value: Value) -> Option<Value> {
        let at: Vec<&str> = path.iter().map(String::as_str).collect();
        let treatment = treatment(self.kind, &at);
        let text = match (&value, treatment) {
            (Value::Null | Value::Bool(_), _) | (_, Keep) => return Some(value),
            (_, Scrub) => return Some(self.scrub(path, value)),
            (Value::String(text), _) => text.to_owned(),
            (Value::Number(number), _) => number.to_string(),
            // A list or an object where one value belongs: nothing is known about its parts.
            (Value::Array(_) | Value::Object(_), _) => String::new(),
        };
        let (class, left) = match treatment {
            _ if text.is_empty() => (Class::Dropped, None),
            Pseudonymise => (Class::Pseudonymised, Some((self.pseudonym)(&text))),
            BirthYear => (Class::Generalised, birth_year(&text, self.received_at)),
            PostcodeArea => (Class::Generalised, Some(text.trim().chars().take(2).collect())),
            Drop | DropName | Keep | Scrub => (Class::Dropped, None),
        };
        self.removed.add(if left.is_some() { class } else { Class::Dropped });
        left.map(Value::from)
    }

    fn scrub(&mut self, path: &mut Vec<String>, value: Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.scrubbed(text)),
            // A telephone number needs no quotes.
            Value::Number(number) if self.kind == ReportKind::Generic => {
                match scrub(&number.to_string(), &self.own, &mut self.removed) {
                    Some(clean) => Value::from(clean),
                    None => Value::Number(number),
                }
            }
            Value::Array(items) => {
                path.push("*".to_owned());
                let items = items.into_iter().filter_map(|item| self.value(path, item)).collect();
                path.pop();
                Value::Array(items)
            }
            Value::Object(members) => Value::Object(self.members(path, members)),
            value => value,
        }
    }

    fn scrubbed(&mut self, text: String) -> String {
        scrub(&text, &self.own, &mut self.removed).unwrap_or(text)
    }
}

/// The year of a day of birth, `90+` for those who are ninety this year or older; none if no year can be made out.
fn birth_year(text: &str, now: Timestamp) -> Option<String> {
    let this_year: u32 = now.rfc3339().get(..4)?.parse().ok()?;
    let year = |group: &str| group.parse::<u32>().ok().filter(|year| (1850..=this_year).contains(year));
    let mut groups = text.split(|c: char| !c.is_ascii_digit()).filter_map(|group| match group.len() {
        4 => year(group),
        8 => group.get(..4).and_then(year),
        _ => None,
    });
    let year = groups.next()?;
    Some(if this_year - year >= 90 { "90+".to_owned() } else { year.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: ReportKind, data: Value, expected: Value, removed: &[(&str, u32)]) {
        let Value::Object(data) = data else { panic!("no object") };
        let now = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let (clean, counts) = report(kind, data, "张伟-0042", now, &|value| format!("<{}>", value.len()));
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
}
