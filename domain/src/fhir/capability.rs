//! Tells FHIR clients what this server can do.

use serde_json::{Value, json};

/// The day on which the list below last changed.
const CHANGED: &str = "2026-11-27";

/// The `CapabilityStatement` of the server, which runs this version of the software.
pub fn capability_statement(version: &str) -> Value {
    let can = |code: &str| json!({"code": code});
    let by = |name: &str, kind: &str| json!({"name": name, "type": kind});
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED,
        "kind": "instance",
        "software": {"name": "Vigil", "version": version},
        "implementation": {"description": "Patient-reported outcomes: responses in, scores out"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": {"description": "A key in the header Authorization: Bearer ..."},
            "resource": [
                {"type": "Questionnaire", "interaction": [can("read")]},
                {
                    "type": "QuestionnaireResponse",
                    "interaction": [can("create"), can("read"), can("search-type")],
                    "searchParam": [
                        by("subject", "reference"), by("questionnaire", "reference"), by("authored", "date"),
                        by("_lastUpdated", "date"),
                    ],
                },
                {
                    "type": "Observation",
                    "interaction": [can("search-type")],
                    "searchParam": [
                        by("derived-from", "reference"), by("subject", "reference"), by("code", "token"),
                        by("date", "date"),
                    ],
                },
            ],
        }],
    })
}
