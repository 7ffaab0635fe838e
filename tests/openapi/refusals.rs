//! The refusals as the document shows them.

use serde_json::{Value, json};
use state::edge::describe::Refusal;

/// A refusal, with `schema` as the form of a problem.
pub(crate) fn problem(refusal: Refusal, schema: &Value) -> Value {
    let (kind, detail) = refusal.example();
    let mut example = json!({"type": kind.uri(), "title": kind.title(), "status": kind.status(), "detail": detail});
    if refusal == Refusal::Invalid {
        example["errors"] = json!([{"pointer": "/answers/q1", "code": "range", "detail": "must be from 0 to 3"}]);
    }
    if refusal == Refusal::BadGateway {
        let parts = json!({"orders": {"status": "refused", "httpStatus": 500}, "profile": {"status": "cancelled"}});
        example["parts"] = parts;
    }
    let content = json!({"application/problem+json": {"schema": schema, "example": example}});
    with_headers(kind.status(), json!({"description": refusal.about(), "content": content}))
}

/// The refusals below `/fhir/` by their names, with `schema` as the form of an `OperationOutcome`.
pub(crate) fn fhir(schema: &Value) -> [(&'static str, Value); 3] {
    let content = json!({"application/fhir+json": {"schema": schema}});
    let mut refused = json!({"description": "It is refused, and why.", "content": content});
    refused["content"]["application/fhir+json"]["example"] = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error",
            "code": "required",
            "diagnostics": "is required",
            "expression": ["QuestionnaireResponse.authored"],
        }],
    });
    let unauthenticated = json!({"description": "No key, or an unknown one.", "content": content});
    let about = "Sent too fast, the queue is full, or a service is unavailable; nothing was promised.";
    let later = json!({"description": about, "content": content});
    [
        ("FhirRefused", refused),
        ("FhirUnauthenticated", with_headers(401, unauthenticated)),
        ("FhirLater", with_headers(503, later)),
    ]
}

/// Adds the header that goes with a status.
fn with_headers(status: u16, mut response: Value) -> Value {
    if status == 401 {
        let header = json!({"description": "The scheme.", "required": true, "schema": {"const": "Bearer"}});
        response["headers"] = json!({"WWW-Authenticate": header});
    }
    if matches!(status, 429 | 503) {
        let about = "Seconds after which to send it again.";
        let header = json!({"description": about, "required": true, "schema": {"type": "integer", "minimum": 1}});
        response["headers"] = json!({"Retry-After": header});
    }
    response
}
