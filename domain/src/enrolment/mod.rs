//! The enrolment of a patient: one row of `PUT /v1/studies/{study}/subjects`, as JSON or as a line of CSV.
//!
//! ```json
//! {"patientId": "P-001", "siteId": "7", "language": "de", "zone": "Europe/Berlin",
//!  "contact": {"sms": "+4915112345678"}, "anchors": {"enrolled": "2026-11-26"}}
//! ```
//!
//! ```csv
//! patientId,siteId,language,zone,sms,email,other,anchor:enrolled
//! P-001,7,de,Europe/Berlin,+4915112345678,,,2026-11-26
//! ```
//!
//! Guarantee: a row is read whole, or every fault of it is told with its pointer and without its value. The same patient as
//! CSV and as JSON is the same enrolment, and has the same faults at the same pointers. `Debug` prints neither patient nor
//! contact.
//!
//! Mechanism: a line of CSV becomes the row in JSON, which one reader reads. [`crate::rows`] cuts the lines, so no cell has a
//! line break.
//!
//! Not for: whether the site is one of the study's, and whether a key covers it.

mod csv;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value;

use crate::alert::zone::Clock;
use crate::ids::{self, PatientId, SiteId, is_deceptive, is_language};
use crate::reading::{At, Faults};
use crate::schedule::ANCHOR_RULE;
use crate::{Code, Day, Finding};

pub use csv::Columns;

/// The longest address of a channel of the gateway's own, characters.
const LONGEST_OTHER: usize = 200;

/// A patient who takes part.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The patient's id at the site.
    pub patient_id: PatientId,
    /// The site.
    pub site: SiteId,
    /// The language in which messages and forms are.
    pub language: String,
    /// The time zone by its name, if it is another than the site's.
    pub zone: Option<String>,
    /// Where messages go.
    pub contact: Contact,
    /// The days from which the schedule counts.
    pub anchors: BTreeMap<String, Day>,
}

/// Where a patient's messages go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// A telephone number (E.164).
    pub sms: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// The address of a channel that the gateway knows.
    pub other: Option<String>,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment")
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact")
    }
}

impl Enrolment {
    /// Reads a row. `anchors` are those of the study's schedule, `languages` those of the study.
    ///
    /// # Errors
    /// A finding for each fault, with pointers from the root of the row.
    pub fn read(row: &Value, anchors: &[String], languages: &[String]) -> Result<Self, Vec<Finding>> {
        let (root, mut faults) = (At::root(row), Faults::new());
        if !root.object(&mut faults, &["patientId", "siteId", "language", "zone", "contact", "anchors"]) {
            return Err(faults);
        }
        let patient = root.need("patientId", &mut faults);
        let patient = patient.and_then(|at| at.form(ids::RULE, &mut faults, PatientId::parse));
        let site = root.need("siteId", &mut faults);
        let site = site.and_then(|at| at.form(ids::NAME_RULE, &mut faults, SiteId::parse));
        let language = root.need("language", &mut faults).and_then(|at| language(&at, languages, &mut faults));
        let zone = root.get("zone").and_then(|at| {
            let rule = "must be a time zone of the IANA database, such as Europe/Berlin";
            at.form(rule, &mut faults, |text| Clock::zone(text).map(|_| text.to_owned()))
        });
        let contact = root.get("contact").map(|at| contact(&at, &mut faults)).unwrap_or_default();
        let mut days = BTreeMap::new();
        if let Some(at) = root.need("anchors", &mut faults) {
            for (name, at) in at.members(&mut faults) {
                if !anchors.iter().any(|anchor| anchor == name) {
                    at.fault(&mut faults, Code::Unknown, ANCHOR_RULE);
                }
                if let Some(day) = at.form("must be a day such as 2026-03-01", &mut faults, Day::parse) {
                    days.insert(name.to_owned(), day);
                }
            }
        }
        match (patient, site, language) {
            (Some(patient_id), Some(site), Some(language)) if faults.is_empty() => {
                Ok(Enrolment { patient_id, site, language, zone, contact, anchors: days })
            }
            _ => Err(faults),
        }
    }
}

/// A language of the study, as the study writes it.
fn language(at: &At<'_, '_>, languages: &[String], faults: &mut Faults) -> Option<String> {
    let tag = at.form(ids::LANGUAGE_RULE, faults, |text| is_language(text).then_some(text))?;
    let found = languages.iter().find(|known| known.eq_ignore_ascii_case(tag)).cloned();
    if found.is_none() {
        at.fault(faults, Code::Choice, "must be one of the study's languages");
    }
    found
}

fn contact(at: &At<'_, '_>, faults: &mut Faults) -> Contact {
    let mut found = Contact::default();
    if !at.object(faults, &["sms", "email", "other"]) {
        return found;
    }
    let kept = |text: &str, fits: bool| fits.then(|| text.to_owned());
    let sms = "must be a telephone number such as +4915112345678: a plus and 7 to 15 digits, nothing else";
    found.sms = at.get("sms").and_then(|at| at.form(sms, faults, |text| kept(text, is_telephone(text))));
    let email = "must be an e-mail address such as name@example.org";
    found.email = at.get("email").and_then(|at| at.form(email, faults, |text| kept(text, is_email(text))));
    let other = "must be 1 to 200 characters that can be seen, without a space at either end";
    found.other = at.get("other").and_then(|at| at.form(other, faults, |text| kept(text, is_address(text))));
    found
}

/// Whether a text is a number in the form of E.164.
fn is_telephone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// Whether a text can be one e-mail address. It lets nothing through that would be several, or a line of a header.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    let sign = |c: char| c.is_whitespace() || is_deceptive(c) || "@<>()[],;:\\\"".contains(c);
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 254
        && (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !text.replacen('@', "", 1).contains(sign)
        && host.contains('.')
        && host.split('.').all(label)
}

/// Whether a text can be the address of another channel.
fn is_address(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST_OTHER).contains(&length) && text.trim() == text && !text.chars().any(is_deceptive)
}
