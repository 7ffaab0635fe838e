//! The formats of stored records and queue entries, as they are written today. A change here changes the data of
//! existing installations: it needs a line in CHANGELOG.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helper fails it")]

use domain::ids::Pseudonym;
use serde::Serialize;
use serde::de::DeserializeOwned;
use state::erasure::subject::{Begun, Certificate};
use state::identity::IdentityKey;
use state::wire::analysis::{Analysis, Notified};
use state::wire::entry::{Alert, Attempts, Overdue, Record, Rescored, Subject, Superseded};
use state::wire::evaluation::Evaluation;
use state::wire::queued::{DispatchEntry, ImagingEntry, ScoreEntry};
use state::wire::sealed::{KeyRing, StoredRecord, WrappedKeys};

/// Reads a text and checks that writing it gives the same text.
fn golden<T: Serialize + DeserializeOwned>(text: &str) {
    let read: T = serde_json::from_str(text).unwrap();
    assert_eq!(platform::kv::json(&read).unwrap(), text);
}

const SUBMISSION: &str = r#"{"submissionId":"s","studyId":"A","siteId":"1","subject":"p","kind":"response","instrument":"phq-9","instrumentVersion":"1.0.0","parameters":{"a":"b"},"authoredAt":"2026-03-01T00:00:00.000Z","receivedAt":"2026-03-01T00:00:01.000Z","key":"k","hash":"h","amends":"e","amendsReason":"patient-correction","flags":["late"],"removed":{"phone":1},"content":{"q1":3,"q2":null}}"#;
const ALERT: &str = r#"{"alertId":"a","submissionId":"s","studyId":"A","siteId":"1","subject":"p","instrument":"phq-9","rule":"item-9","severity":"critical","textKey":"t","reason":"item q9 is 1","receivedAt":"2026-03-01T00:00:01.000Z","key":"k","trace":"00-0-0-01"}"#;
const SCORES: &str = r#"[{"id":"total","value":20.0,"band":"severe","status":"scored","answered":9,"missing":0},{"id":"other","value":null,"status":"not-scored","reason":"too-few-items","answered":1,"missing":8}]"#;
const ROWS: &str = r#"[["total",20.0,"severe",9,0],["other",null,null,1,8,"not-scored","too-few-items"]]"#;
const ATTEMPT: &str = r#"{"at":"2026-03-01T00:00:02.000Z","tookMs":7,"outcome":"answered","reason":"server-error","status":503,"answer":"busy","nextAt":"2026-03-01T00:00:03.000Z"}"#;

#[test]
fn a_submission_on_its_way_and_as_it_rests() {
    golden::<ScoreEntry>(&format!(
        r#"{{"submission":{{"submission":{SUBMISSION},"sealed":"x","trace":"00-0-0-01"}}}}"#
    ));
    golden::<Record>(&format!(
        r#"{{"state":"scored","submission":{SUBMISSION},"scoredWith":{{"id":"phq-9","version":"1.0.0","hash":"d","parameters":{{"a":"b"}}}},"scores":{ROWS},"alerts":["a"],"evaluation":{{"alertRules":{{"version":2}},"history":{{"status":"available","previous":"e","baseline":"e"}},"risk":{{"status":"ok","answer":{{"risk":0.25}}}}}}}}"#
    ));
    golden::<Record>(&format!(
        r#"{{"state":"failed","reason":"attempts-exhausted","submission":{SUBMISSION},"scores":[],"alerts":[]}}"#
    ));
    // As it rests: the content is sealed. Versions before stored it open.
    let sealed = SUBMISSION.replace(r#"{"q1":3,"q2":null}"#, r#""Agsealed""#);
    for submission in [&sealed, SUBMISSION] {
        golden::<StoredRecord>(&format!(
            r#"{{"state":"scored","submission":{submission},"scores":{ROWS},"alerts":[]}}"#
        ));
    }
    golden::<Evaluation>(
        r#"{"grades":[{"result":0,"code":"6298-4","analyte":"2823-3","status":"graded","grade":3,"orMore":true,"term":"Hyperkalemia","reason":"above 6.0"}]}"#,
    );
}

#[test]
fn what_else_waits_on_the_queue_of_submissions() {
    golden::<ScoreEntry>(
        r#"{"supersede":{"superseded":"e","by":"s","at":"2026-03-01T00:00:01.000Z","key":"k","reason":"patient-correction","study":"A","site":"1","looks":1}}"#,
    );
    golden::<ScoreEntry>(r#"{"check":{"study":"A","site":"1","subject":"p","expected":"phq-9"}}"#);
}

#[test]
fn what_rests_beside_a_submission() {
    golden::<Subject>(r#"{"subject":"p","studyId":"A","siteId":"1","sealed":"x"}"#);
    golden::<Subject>(r#"{"subject":"p","studyId":"A","siteId":"1","sealed":""}"#);
    golden::<Certificate>(
        r#"{"pseudonym":"p","study":"A","site":"1","state":"erased","erasedAt":"2026-03-02T00:00:00.000Z","erasedBy":"k","submissions":7,"analyses":1,"identity":true,"reason":"r","disk":"pending"}"#,
    );
    golden::<Certificate>(
        r#"{"pseudonym":"p","study":"A","site":"1","state":"erased","erasedAt":"2026-03-02T00:00:00.000Z","erasedBy":"k","submissions":7,"analyses":1,"identity":true,"reason":"r","disk":"cleared","clearedAt":"2026-03-03T00:00:00.000Z"}"#,
    );
    golden::<WrappedKeys>(r#"{"content":"AQ1","identity":"AQ2"}"#);
    golden::<Begun>(r#"{"at":"2026-03-02T00:00:00.000Z","by":"k","reason":"r"}"#);
    golden::<Superseded>(r#"{"by":"s2","at":"2026-03-01T00:00:01.000Z"}"#);
    golden::<Overdue>(r#"{"alerts":["a"]}"#);
    golden::<Rescored>(&format!(
        r#"{{"submissionId":"s","studyId":"A","siteId":"1","rescored":[{{"scoredWith":{{"id":"phq-9","version":"2.0.0","hash":"d"}},"scores":{SCORES},"at":"2026-03-01T00:00:01.000Z","by":"k"}}]}}"#
    ));
}

#[test]
fn an_alert_its_way_and_what_became_of_it() {
    golden::<Alert>(ALERT);
    golden::<DispatchEntry>(&format!(r#"{{"alert":{ALERT}}}"#));
    for work in [
        r#"{"do":"deliver","receiver":"r","series":0,"attempt":1}"#,
        r#"{"do":"escalate","opening":0,"round":1,"rung":2}"#,
        r#"{"do":"carry"}"#,
        r#"{"do":"look"}"#,
    ] {
        golden::<DispatchEntry>(&format!(r#"{{"due":{{"alertId":"a","submissionId":"s","work":{work}}}}}"#));
    }
    golden::<DispatchEntry>(r#"{"given-up":{"alertId":"a","submissionId":"s","receiver":"r"}}"#);
    golden::<Attempts>(&format!(r#"{{"earlier":1,"attempts":[{ATTEMPT}]}}"#));
}

#[test]
fn an_analysis() {
    golden::<Analysis>(&format!(
        r#"{{"state":"done","analysisId":"n","studyId":"A","siteId":"1","subject":"p","service":"chest","priority":"stat","requestedAt":"2026-03-01T00:00:00.000Z","endedAt":"2026-03-01T00:00:01.000Z","result":{{"x":0.9}},"alerts":["a"],"attempts":[{ATTEMPT}]}}"#
    ));
    golden::<ImagingEntry>(&format!(
        r#"{{"analysis":{{"job":{{"analysisId":"n","studyId":"A","siteId":"1","subject":"p","sealed":"x","service":"chest","stat":true,"image":{{"stored":{{"key":"i","mediaType":"image/png"}}}},"webhook":"https://h.example/1","requestedAt":"2026-03-01T00:00:00.000Z","key":"k","trace":"00-0-0-01"}},"attempts":[{ATTEMPT}]}}}}"#
    ));
}

#[test]
fn a_notification_and_its_outcome() {
    let notification = r#""about":{"analysis":{"analysisId":"n","webhook":"https://h.example/1","key":"k"}},"studyId":"A","siteId":"1","trace":"00-0-0-01""#;
    golden::<DispatchEntry>(&format!(r#"{{"notification":{{{notification}}}}}"#));
    golden::<DispatchEntry>(&format!(
        r#"{{"notification":{{{notification},"made":2,"since":1772352000000,"failing":["server-error",2]}}}}"#
    ));
    let event = r#""id":"m","subscription":"edc","kind":"scored","at":"1772352000000-0","submission":"s""#;
    golden::<DispatchEntry>(&format!(
        r#"{{"notification":{{"about":{{"event":{{{event},"topic":"phq-9"}}}},"studyId":"A","siteId":"1"}}}}"#
    ));
    golden::<DispatchEntry>(&format!(
        r#"{{"notification":{{"about":{{"event":{{{event},"alert":"a"}}}},"studyId":"A","siteId":"1"}}}}"#
    ));
    golden::<Notified>(&format!(r#"{{"receiver":"x","state":"delivered","attempts":[{ATTEMPT}]}}"#));
    golden::<Notified>(&format!(
        r#"{{"receiver":"x","state":"pending","reason":"breaker-open","nextAt":"2026-03-01T00:00:03.000Z","earlier":1,"attempts":[{ATTEMPT}]}}"#
    ));
}

#[test]
fn what_was_sealed_stays_readable() {
    let ring = KeyRing::new(IdentityKey::new(vec![1; 32]), Vec::new());
    let subject = Pseudonym::from("0123456789abcdef0123456789abcdef");
    let (made, keys) = ring.make(&subject, &[[2; 36], [3; 36]]).unwrap();
    let content = serde_json::from_str(r#"{"q1":3}"#).unwrap();
    // Sealing gives the same bytes for ever: otherwise work that is repeated would store others.
    let (sealed, identity) = (keys.seal_content(&"s".into(), &content), keys.seal_identity(&subject, "AQidentity"));
    let all = [platform::kv::json(&made).unwrap(), sealed.unwrap(), identity.unwrap()];
    let expected = [
        r#"{"content":"AT23kI70dgkW0iaAXj2oNgddJ14381yyFKV4D1JkqmMpxGJxrs8ipPRNu1279NgSDIzjHKmixeWo93RK_Eb6o_RAmn1pR90iRCmgFfU","identity":"Ae4sK50fLb1mofw6vZRHrgDqPQcD3_AL4DpxZPjxT6qC16wkwq1luPxLe8ddAxvZwErVTeToycz_Xd1Z1HIXMgpgn4jUqqO-SgIvthc"}"#,
        "AgICAgIpoWNshJ4Zm9P3KqDaM6MqKgxzDSCbxnSVoF51hA6LtTHDag1IxyouyWKFc1EIAtU",
        "AgMDAwNd9L3obnVVyg2os4Z_5CZL7rc1RdL2dCb2vqmloFaMGeMm80evcLuuHooQpGLuuipa_w",
    ];
    assert_eq!(all, expected);
}
