//! Alerts as FHIR R4 resources, posted to a server.
//!
//! Guarantee: a resource carries the ids of its alerts as identifiers. The server is asked to create the resource only
//! if it has none with these identifiers ([`condition`]), so a repeated request creates no duplicate. The patient is
//! the pseudonym.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::{Item, Notice};
use crate::Severity;
use crate::alert::routes::Resource;

/// The system of an alert's id as an identifier.
const ALERT: &str = "urn:vigil:alert";

/// The search condition for a conditional create (`If-None-Exist`). `telling` counts how often the receiver was
/// notified of the alert before. None means that the server creates the resource in any case. Each reminder is a new
/// communication. A flag is created once: it stands until somebody removes it.
pub fn condition(resource: Resource, alert: &str, telling: u32) -> Option<String> {
    let once = telling == 0 || resource == Resource::Flag;
    once.then(|| format!("identifier={ALERT}|{alert}"))
}

pub(super) fn resource(resource: Resource, notice: &Notice<'_>, title: &str, text: &str) -> Value {
    match resource {
        Resource::Communication => communication(notice, text),
        Resource::Flag => flag(notice, title, text),
    }
}

fn identifiers(notice: &Notice<'_>) -> Vec<Value> {
    notice.items().map(|item: &Item<'_>| json!({"system": ALERT, "value": item.id})).collect()
}

fn subject(notice: &Notice<'_>) -> Value {
    json!({"type": "Patient", "identifier": {"system": "urn:vigil:subject", "value": notice.first.subject}})
}

/// Codes: `communication-category`, `request-priority` (`stat` is "immediately").
/// <https://hl7.org/fhir/R4/communication.html>
fn communication(notice: &Notice<'_>, text: &str) -> Value {
    let priority = match notice.severity() {
        Severity::Critical => "stat",
        Severity::High => "urgent",
        Severity::Moderate | Severity::Info => "routine",
    };
    let about = |item: &Item<'_>| json!({"identifier": {"system": "urn:vigil:submission", "value": item.submission}});
    let about: Vec<Value> = notice.items().map(about).collect();
    json!({
        "resourceType": "Communication",
        "identifier": identifiers(notice),
        "status": "in-progress",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
            "code": "alert",
        }]}],
        "priority": priority,
        "subject": subject(notice),
        "about": about,
        "payload": [{"contentString": text}],
    })
}

/// Codes: `flag-category`; the extension `flag-priority` with its codes. The code is the rule that was met. The
/// narrative holds the text to read, because it has room for lines and a link. <https://hl7.org/fhir/R4/flag.html>
fn flag(notice: &Notice<'_>, title: &str, text: &str) -> Value {
    let (code, display) = match notice.severity() {
        Severity::Critical | Severity::High => ("PH", "High priority"),
        Severity::Moderate => ("PM", "Medium priority"),
        Severity::Info => ("PL", "Low priority"),
    };
    let Item { instrument, rule, received_at, .. } = &notice.first;
    json!({
        "resourceType": "Flag",
        "text": {"status": "generated", "div": narrative(text)},
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/flag-priority",
            "valueCodeableConcept": {"coding": [{
                "system": "http://hl7.org/fhir/flag-priority-code", "code": code, "display": display,
            }]},
        }],
        "identifier": identifiers(notice),
        "status": "active",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/flag-category",
            "code": "clinical",
            "display": "Clinical",
        }]}],
        "code": {
            "coding": [{"system": "urn:vigil:rule", "code": format!("{instrument}/{rule}")}],
            "text": title,
        },
        "subject": subject(notice),
        "period": {"start": received_at.rfc3339()},
    })
}

/// A text as the XHTML of a narrative. FHIR does not allow an empty narrative.
fn narrative(text: &str) -> String {
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>");
    for character in if text.trim().is_empty() { "-" } else { text }.chars() {
        match character {
            '&' => div.push_str("&amp;"),
            '<' => div.push_str("&lt;"),
            '>' => div.push_str("&gt;"),
            '\n' => div.push_str("<br/>"),
            // XML cannot represent other control characters.
            other if other.is_control() => div.push(' '),
            other => div.push(other),
        }
    }
    div.push_str("</p></div>");
    div
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_is_text_and_nothing_else() {
        for (text, expected) in
            [("a\nb", "a<br/>b"), ("<script>&\"'", "&lt;script&gt;&amp;\"'"), ("a\u{1}b\u{85}", "a b "), (" \n", "-")]
        {
            let expected = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{expected}</p></div>");
            assert_eq!(narrative(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_flag_goes_up_once_and_a_reminder_is_a_communication_of_its_own() {
        let asked = "identifier=urn:vigil:alert|a-1";
        for (resource, telling, expected) in [
            (Resource::Communication, 0, Some(asked)),
            (Resource::Communication, 1, None),
            (Resource::Flag, 0, Some(asked)),
            (Resource::Flag, 2, Some(asked)),
        ] {
            assert_eq!(condition(resource, "a-1", telling).as_deref(), expected, "{resource:?} {telling}");
        }
    }
}
