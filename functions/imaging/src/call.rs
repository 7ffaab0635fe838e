//! One attempt at a service, and its consequences.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::alert::retry::{self, Verdict};
use domain::reading::{Json, Limits};
use futures::channel::oneshot;
use futures::future::{Either, select};
use platform::http::{self, Answer, CallError};
use platform::kv::{Batch, Store};
use platform::trace::Trace;
use platform::{Error, clock, log};
use serde_json::{Value, json};
use state::alerts::webhook;
use state::identity::alert_id;
use state::imaging::jobs::{self, Next};
use state::imaging::{semaphore, webhooks};
use state::queue::FollowUps;
use state::queue::holder::Holder;
use state::queue::subject_keys::HeldKeys;
use state::wire::analysis::{Analysis, AnalysisState, Image, Job, QueuedAnalysis};
use state::wire::entry::{Alert, Attempt, Subject, failing};
use state::wire::queued::{DispatchEntry, ImagingEntry};
use state::{audit, names};
use std::pin::pin;
use std::rc::Rc;

use crate::ai::LONGEST_ANSWER;
use crate::analyses::audited;
use crate::config::Config;
use crate::services::Service;
use crate::worker::End;

/// The time that a worker waits for a slot at a service.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest result. Results are stored, and several are in memory at the same time.
const RESULT: Limits = Limits { levels: 32, values: 10_000 };

/// Calls the service for an analysis, unless the analysis is cancelled before or during the call.
pub(crate) async fn analyse(
    config: &Config,
    holder: &Holder,
    mut work: QueuedAnalysis,
    handed_out: u32,
    cancelled: oneshot::Receiver<()>,
) -> Result<End, Error> {
    let job = &work.job;
    // A failed analysis returns when an operator replays it.
    let record = Store::open().await?.get::<Analysis>(&names::analysis(&job.analysis_id)).await?;
    if let Some(record) = record.filter(|record| record.state != AnalysisState::Failed) {
        return again(job, &record).await;
    }
    let Some(service) = config.services.get(&job.service) else {
        return failed(config, &work, "service-not-configured").await;
    };
    if handed_out > config.max_attempts {
        return failed(config, &work, "attempts-exhausted").await;
    }
    let Some(place) = semaphore::take(&config.redis, holder, service.places(), PATIENCE).await? else {
        return Ok(End::Released);
    };
    let began = (Instant::now(), clock::now());
    let answer = match jobs::go_on(&config.redis, job, Next::Running, work.attempts.len() + 1, None).await {
        Ok(true) => match request(job).await {
            Ok(Some(body)) => match select(pin!(call(service, job, body)), cancelled).await {
                Either::Left((answer, _)) => Ok(Some(answer)),
                // Dropping the call closes its connection: the service sees that nobody waits.
                Either::Right((Ok(()), _)) => Ok(None),
                // Nobody can cancel any more: the call runs to its end.
                Either::Right((Err(_), call)) => Ok(Some(call.await)),
            },
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        },
        Ok(false) => Ok(None),
        Err(error) => Err(Some(error)),
    };
    if let Err(error) = place.free().await {
        log::warn("place-not-freed").cause(&error).write();
    }
    let answer = match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => return Ok(dropped(job)),
        Err(None) => return failed(config, &work, "image-gone").await,
        Err(Some(error)) => return Err(error),
    };

    let (outcome, word, status) = webhook::outcome(&answer);
    let word = if word == "delivered" { "answered" } else { word };
    let failing = failing(&work.attempts);
    let took = began.0.elapsed();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    work.attempts.push(Attempt {
        at: began.1.rfc3339(),
        took_ms,
        outcome: word.to_owned(),
        reason: outcome.reason().map(str::to_owned),
        status,
        answer: String::new(),
        next_at: None,
    });
    let number = u32::try_from(work.attempts.len()).unwrap_or(u32::MAX);
    let elapsed_ms = u64::try_from(clock::now().millis() - began.1.millis()).unwrap_or(0);
    match config.schedule.decide(outcome, retry::Attempt { number, elapsed_ms, failing }, clock::chance()) {
        Verdict::Delivered => {
            let found = answer.ok().and_then(|answer| Json::sound(&answer.body, RESULT).ok());
            let Some(found) = found else { return failed(config, &work, "unreadable-result").await };
            if !jobs::go_on(&config.redis, &work.job, Next::Ending, work.attempts.len(), Some(took)).await? {
                return Ok(dropped(&work.job));
            }
            done((config, holder), service, &work, found).await
        }
        Verdict::Retry { after_ms, .. } => {
            let at = clock::now().millis().saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
            if !jobs::go_on(&config.redis, &work.job, Next::Again(at), work.attempts.len(), None).await? {
                return Ok(dropped(&work.job));
            }
            log::warn("analysis-retried").submission(&work.job.analysis_id).attempt(number).write();
            let mut follow_ups = FollowUps::default();
            follow_ups.delay(at, &work.job.flow(), &ImagingEntry::Analysis(&work).line()?);
            Ok(End::Finished(Batch::default(), follow_ups, Vec::new()))
        }
        Verdict::GiveUp(reason) => failed(config, &work, reason.as_str()).await,
    }
}

/// The request to the service; `None` if the image no longer exists.
async fn request(job: &Job) -> Result<Option<Vec<u8>>, Error> {
    let image = match &job.image {
        Image::Url(url) => json!({"url": url}),
        Image::Stored { key, media_type } => {
            let Some(bytes) = Store::open().await?.bytes(key).await? else { return Ok(None) };
            json!({"data": STANDARD.encode(bytes), "mediaType": media_type})
        }
    };
    Ok(Some(json!({"analysisId": job.analysis_id, "image": image}).to_string().into_bytes()))
}

async fn call(service: &Service, job: &Job, body: Vec<u8>) -> Result<Answer, CallError> {
    let trace = Trace::accept(Some(&job.trace), clock::random_bits());
    let headers = [("traceparent", trace.as_str().to_owned())];
    http::post(&service.url, &headers, (http::JSON, body), LONGEST_ANSWER, service.call()).await
}

/// The image of an analysis that ended.
fn image_key(job: &Job) -> Vec<String> {
    match &job.image {
        Image::Url(_) => Vec::new(),
        Image::Stored { key, .. } => vec![key.clone()],
    }
}

/// A cancelled analysis: the one who cancelled it has already stored that.
fn dropped(job: &Job) -> End {
    End::Finished(Batch::default(), FollowUps::default(), image_key(job))
}

async fn failed(config: &Config, work: &QueuedAnalysis, reason: &'static str) -> Result<End, Error> {
    let job = &work.job;
    if !jobs::go_on(&config.redis, job, Next::Ending, work.attempts.len(), None).await? {
        return Ok(dropped(job));
    }
    log::error("analysis-failed").submission(&job.analysis_id).outcome(reason).write();
    let mut record = Analysis::ended(job, AnalysisState::Failed, clock::now().rfc3339(), work.attempts.clone());
    record.reason = Some(reason.to_owned());
    let mut follow_ups = FollowUps::default();
    follow_ups.dead(reason, ImagingEntry::Analysis(work).line()?.as_bytes());
    notify(job, &mut follow_ups)?;
    ended(config, job, &record, Batch::default(), follow_ups).await
}

async fn done(
    (config, holder): (&Config, &Holder),
    service: &Service,
    work: &QueuedAnalysis,
    found: Value,
) -> Result<End, Error> {
    let job = &work.job;
    // Its alerts name the analysis as the submission that raised them.
    let submission_id = job.analysis_id.clone().into_submission();
    let (mut batch, mut follow_ups) = (Batch::default(), FollowUps::default());
    let mut record = Analysis::ended(job, AnalysisState::Done, clock::now().rfc3339(), work.attempts.clone());
    for rule in &service.rules {
        let Some(number) = found.pointer(&rule.finding).and_then(Value::as_f64) else { continue };
        if number < rule.at_least {
            continue;
        }
        let alert = Alert {
            alert_id: alert_id(&submission_id, &rule.id),
            submission_id: submission_id.clone(),
            study_id: job.study_id.clone(),
            site_id: job.site_id.clone(),
            subject: job.subject.clone(),
            instrument: format!("imaging:{}", service.name),
            rule: rule.id.clone(),
            severity: rule.severity.as_str().to_owned(),
            text_key: format!("imaging.{}", rule.id),
            reason: format!("{} is {number}, at least {}", rule.finding, rule.at_least),
            received_at: job.requested_at.clone(),
            key: job.key.clone(),
            trace: job.trace.clone(),
        };
        log::info("alert-raised").alert(&alert.alert_id).submission(&job.analysis_id).write();
        batch.put(names::alert(&alert.alert_id), &alert)?;
        record.alerts.push(alert.alert_id.clone());
        follow_ups.push(&DispatchEntry::Alert(&alert).line()?);
    }
    // The site's clinicians need it to look up the patient of an alert.
    let mut held = HeldKeys::new(Rc::clone(&config.ring));
    held.load(&config.redis, holder, [&job.subject].into()).await?;
    if !held.unopened().is_empty() {
        log::error("subject-keys-unopened").submission(&job.analysis_id).write();
        return Ok(End::Released);
    }
    let keys = held.put(&job.subject, &mut batch, &mut follow_ups)?;
    let subject = Subject {
        subject: job.subject.clone(),
        study_id: job.study_id.clone(),
        site_id: job.site_id.clone(),
        sealed: keys.seal_identity(&job.subject, &job.sealed)?,
    };
    batch.put(names::subject(&job.subject), &subject)?;
    log::info("analysis-done").submission(&job.analysis_id).write();
    record.result = Some(found);
    notify(job, &mut follow_ups)?;
    let end = ended(config, job, &record, batch, follow_ups).await?;
    Ok(end.sealed(held.since(), &job.subject))
}

async fn ended(
    config: &Config,
    job: &Job,
    record: &Analysis,
    mut batch: Batch,
    follow_ups: FollowUps,
) -> Result<End, Error> {
    audited(config, &mut batch, record, audit::Action::Analysed, &job.key).await?;
    Ok(End::Finished(batch, follow_ups, image_key(job)))
}

/// The consequences of a record that exists already: another worker stored it but did not finish the entry. The first
/// stored record stands.
async fn again(job: &Job, record: &Analysis) -> Result<End, Error> {
    let mut follow_ups = FollowUps::default();
    if record.state == AnalysisState::Done {
        let store = Store::open().await?;
        for id in &record.alerts {
            if let Some(alert) = store.get::<Alert>(&names::alert(id)).await? {
                follow_ups.push(&DispatchEntry::Alert(&alert).line()?);
            }
        }
        notify(job, &mut follow_ups)?;
    }
    Ok(End::Finished(Batch::default(), follow_ups, image_key(job)))
}

/// Hands the notification of the requester over to `dispatch`, if there is a requester to notify.
fn notify(job: &Job, follow_ups: &mut FollowUps) -> Result<(), Error> {
    if let Some(notification) = webhooks::notification(job) {
        follow_ups.push_in(&notification.flow(), &DispatchEntry::Notification(&notification).line()?);
    }
    Ok(())
}
