//! Measures the parts of a worker's batch inside WebAssembly: it reads, scores, builds and stores 256 PHQ-9 responses
//! with the calls that the scorer makes. Answers with the microseconds of each part.
//!
//! The scorer itself has no clock in this work, and needs none.

use std::time::Instant;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use domain::{Instrument, library};
use platform::clock;
use platform::kv::{self, Batch};
use serde_json::{Value, json};
use spin_sdk::http::{FullBody, Request, Response};
use spin_sdk::http_service;
use state::names;
use state::wire::entry::{Entry, Record, Score, ScoredWith, State, Subject};
use state::wire::evaluation::Evaluation;

const BATCH: usize = 256;

#[http_service]
async fn handle(_request: Request) -> Result<Response<FullBody<Bytes>>> {
    let instrument = library::definition("phq-9").map(|definition| Instrument::from_json(&definition));
    let instrument = instrument.and_then(Result::ok).ok_or_else(|| anyhow!("no PHQ-9"))?;
    let run = clock::random_bits();
    let payloads: Vec<String> = (0..BATCH).map(|number| payload(run, number)).collect();
    let mut took: [u128; 4] = [0; 4];
    let mut since = Instant::now();
    let mut lap = |part: usize| {
        let now = Instant::now();
        if let Some(took) = took.get_mut(part) {
            *took += now.duration_since(since).as_micros();
        }
        since = now;
    };

    let entries: Vec<Entry> = payloads.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
    lap(0);
    let mut scored = Vec::with_capacity(BATCH);
    for entry in &entries {
        let submission = &entry.submission;
        let answers = instrument.read(&submission.content).map_err(|_| anyhow!("answers"))?;
        let parameters = instrument.parameters(&submission.parameters).map_err(|_| anyhow!("parameters"))?;
        let scores = instrument.score(&answers, &parameters);
        let alerts = instrument.alerts(&answers, &scores, None).len();
        scored.push((ScoredWith::of(&instrument, &parameters), scores.iter().map(Score::of).collect(), alerts));
    }
    lap(1);
    let mut batch = Batch::default();
    for (entry, (with, scores, _)) in entries.into_iter().zip(scored) {
        let Entry { submission, sealed, .. } = entry;
        let subject = Subject {
            subject: submission.subject.clone(),
            study_id: submission.study_id.clone(),
            site_id: submission.site_id.clone(),
            sealed,
        };
        batch.put(names::subject(&subject.subject), &subject)?;
        let record = Record {
            state: State::Scored,
            reason: None,
            submission,
            scored_with: Some(with),
            scores,
            evaluation: Evaluation::default(),
            alerts: Vec::new(),
        };
        batch.put_hashed(names::submission(&record.submission.submission_id), &record)?;
    }
    lap(2);
    kv::put_all(&mut batch)?;
    lap(3);
    let [read, score, together, store] = took.map(|micros| u64::try_from(micros).unwrap_or(u64::MAX));
    let document = json!({"read": read, "score": score, "putTogether": together, "store": store}).to_string();
    let response = Response::builder().status(200).header("content-length", document.len());
    Ok(response.body(FullBody::new(Bytes::from(document)))?)
}

/// An entry as the door queues it. Every eighth raises an alert.
fn payload(run: u128, number: usize) -> String {
    let mut answers: serde_json::Map<String, Value> =
        (1..=9).map(|item| (format!("q{item}"), Value::from((number + item) % 4))).collect();
    answers.insert("q9".into(), Value::from(u8::from(number.is_multiple_of(8))));
    let id = format!("{run:032x}-{number}");
    let at = "2026-03-01T00:00:00.000Z";
    let submission = json!([
        id,
        "TRIAL-7",
        "S-01",
        id,
        "response",
        "phq-9",
        "1.0.0",
        {},
        at,
        at,
        "device",
        "0".repeat(32),
        null,
        null,
        [],
        {},
        answers
    ]);
    json!([submission, "x".repeat(80), "0".repeat(55)]).to_string()
}
