//! Sample data. All persons in it are invented.

use serde_json::{Value, json};

/// The data of a service on an id. No service knows the id `nobody`.
pub(crate) fn of(service: &str, id: &str, query: &str) -> Option<Value> {
    if id == "nobody" {
        return None;
    }
    let month = query.split('&').find_map(|part| part.strip_prefix("month=")).unwrap_or("2026-03");
    Some(match service {
        "profile" => json!({
            "patientId": id, "name": "陈静", "birthYear": 1968, "sex": "female", "language": "zh",
            "conditions": [{"code": "C34.1", "text": "肺上叶恶性肿瘤", "since": "2025-08-14"}],
            "consent": {"version": "3.1", "signedOn": "2025-11-02"},
        }),
        "orders" => json!({"orders": [
            {"orderId": "O-1041", "what": "osimertinib 80 mg", "dose": "once daily", "status": "active", "since": "2025-11-10"},
            {"orderId": "O-1077", "what": "CT thorax with contrast", "status": "scheduled", "on": "2026-03-18"},
        ]}),
        "laboratory" => json!({"reports": [{"reportId": "L-88", "collectedAt": "2026-03-02T07:40:00Z", "results": [
            {"code": "718-7", "text": "Hemoglobin", "value": 11.2, "unit": "g/dL", "low": 12.0, "high": 15.5},
            {"code": "777-3", "text": "Platelets", "value": 182, "unit": "10*9/L", "low": 150, "high": 400},
            {"code": "1742-6", "text": "ALT", "value": 61, "unit": "U/L", "low": 7, "high": 35},
        ]}]}),
        "imaging" => json!({"reports": [{
            "reportId": "I-12", "modality": "CT", "takenAt": "2026-02-14T09:12:00Z", "region": "thorax",
            "impression": "Target lesion 18 mm, 24 mm before; no new lesion.", "response": "PR",
        }]}),
        "studies" => json!({
            "studyId": id, "title": "Patient-reported symptoms under targeted therapy", "phase": "III",
            "sponsor": "Example Oncology", "principalInvestigator": "Dr. 王伟", "status": "recruiting",
            "sites": [{"siteId": "1", "name": "Shanghai", "country": "CN"}, {"siteId": "2", "name": "Leipzig", "country": "DE"}],
        }),
        "users" => json!({"month": month, "enrolled": 42, "active": 39, "withdrawn": 3,
            "bySite": [{"siteId": "1", "active": 24}, {"siteId": "2", "active": 15}]}),
        "data" => json!({"month": month, "queries": {"open": 7, "closed": 31},
            "sites": [{"siteId": "1", "expected": 40}, {"siteId": "2", "expected": 20}]}),
        "ai" => json!({"model": "sample-1", "findings": [{"label": "nodule", "score": 0.87, "sizeMm": 9.4},
            {"label": "effusion", "score": 0.04}]}),
        "hooks" => json!({"heard": true}),
        _ => return None,
    })
}
