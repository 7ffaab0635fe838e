//! `OperationOutcome`: the errors of a request, one issue for each finding.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::{Code, Finding};

/// Extension of an `OperationOutcome`: the trace of the request in the form of W3C's `traceparent`, a `valueString`.
pub const TRACEPARENT: &str = "urn:vigil:traceparent";

/// The FHIR issue code for the code of a finding.
pub fn issue_code(code: Code) -> &'static str {
    match code {
        Code::Required => "required",
        Code::Unknown | Code::Type => "structure",
        Code::Range | Code::Format => "value",
        Code::Choice => "code-invalid",
        Code::Conflict | Code::Forbidden => "business-rule",
    }
}

/// An `OperationOutcome` with an issue for each finding. A refusal without findings gets one issue of `code` with
/// `detail`. The trace is an extension, because FHIR has no member for it.
pub fn operation_outcome(
    resource: &str,
    code: &str,
    detail: &str,
    findings: &[Finding],
    traceparent: Option<&str>,
) -> Value {
    let mut issues: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "severity": "error",
                "code": issue_code(finding.code),
                "diagnostics": finding.detail,
                "expression": [expression(resource, &finding.pointer)],
            })
        })
        .collect();
    if issues.is_empty() {
        issues.push(json!({"severity": "error", "code": code, "diagnostics": detail}));
    }
    let mut outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    if let (Some(trace), Value::Object(members)) = (traceparent, &mut outcome) {
        members.insert("extension".into(), json!([{"url": TRACEPARENT, "valueString": trace}]));
    }
    outcome
}

/// A JSON pointer as a FHIRPath: `/item/0/answer/0/valueCoding` is `QuestionnaireResponse.item[0].answer[0].value`.
pub fn expression(resource: &str, pointer: &str) -> String {
    let mut path = String::from(resource);
    for token in pointer.split('/').skip(1) {
        if !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit()) {
            path.push('[');
            path.push_str(token);
            path.push(']');
            continue;
        }
        path.push('.');
        // In FHIRPath the element of a choice of types has one name. A primitive and its extensions have one name too.
        let name = token.strip_prefix('_').unwrap_or(token);
        let typed = name.strip_prefix("value").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        path.push_str(if typed { "value" } else { name });
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_becomes_a_path() {
        for (pointer, path) in [
            ("", "R"),
            ("/item/0/answer/12/valueCoding/code", "R.item[0].answer[12].value.code"),
            ("/_authored", "R.authored"),
            ("/extension/0/valueString", "R.extension[0].value"),
            ("/identifier/value", "R.identifier.value"),
        ] {
            assert_eq!(expression("R", pointer), path);
        }
    }
}
