//! The scores of a submission as FHIR `Observation`s.

use alloc::format;
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::{LOINC, codes};
use crate::Instrument;
use crate::instrument::range::figure;

/// The submission that the observations belong to. It contains nothing that identifies the patient.
pub struct Scored<'a> {
    /// The submission's id, which also identifies the response.
    pub submission_id: &'a str,
    /// The subject's pseudonym.
    pub subject: &'a str,
    /// The time when the answers were given, RFC 3339.
    pub authored_at: &'a str,
    /// The id of the instrument.
    pub instrument: &'a str,
}

/// One score, as it is stored.
pub struct Score<'a> {
    /// The id of the score in the instrument.
    pub id: &'a str,
    /// A number, a text or a flag; none if not scored.
    pub value: Option<&'a Value>,
    /// The band the value falls into.
    pub band: Option<&'a str>,
    /// `scored`, `prorated` or `not-scored`.
    pub status: &'a str,
    /// The reason why it is not scored.
    pub reason: Option<&'a str>,
}

/// The observation of the score at `position` in the submission; `definition` gives its title.
pub fn observation(scored: &Scored<'_>, position: usize, score: &Score<'_>, definition: Option<&Instrument>) -> Value {
    let title = definition.and_then(|instrument| instrument.score_title(score.id)).unwrap_or(score.id);
    let mut codings = Vec::new();
    if let Some(code) = codes::score(scored.instrument, score.id) {
        codings.push(json!({"system": LOINC, "code": code}));
    }
    codings.push(json!({"system": format!("urn:vigil:scores:{}", scored.instrument), "code": score.id}));
    let mut resource = json!({
        "resourceType": "Observation",
        // The order of an instrument's scores does not change, so the id is the same on every request.
        "id": format!("{}.{}", scored.submission_id, position + 1),
        "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "survey",
        }]}],
        "code": {"coding": codings, "text": title},
        "subject": {"type": "Patient", "identifier": {"system": "urn:vigil:subject", "value": scored.subject}},
        "effectiveDateTime": scored.authored_at,
        "derivedFrom": [{"reference": format!("QuestionnaireResponse/{}", scored.submission_id)}],
        "extension": [{"url": "urn:vigil:score-status", "valueCode": score.status}],
    });
    let Some(members) = resource.as_object_mut() else { return resource };
    let (name, value) = match score.value {
        Some(Value::Bool(flag)) => ("valueBoolean", Value::Bool(*flag)),
        Some(Value::String(text)) => ("valueString", text.as_str().into()),
        Some(Value::Number(number)) => {
            let value = number.as_f64().map_or_else(|| number.clone().into(), figure);
            let unit = json!({
                "value": value, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}",
            });
            ("valueQuantity", unit)
        }
        _ => {
            let coding = json!({
                "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown",
            });
            ("dataAbsentReason", json!({"coding": [coding], "text": score.reason.unwrap_or(score.status)}))
        }
    };
    members.insert(name.into(), value);
    if let Some(band) = score.band {
        let system = format!("urn:vigil:bands:{}", scored.instrument);
        members.insert("interpretation".into(), json!([{"coding": [{"system": system, "code": band}]}]));
    }
    resource
}
