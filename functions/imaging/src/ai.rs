//! Calls a scarce service while the caller waits.
//!
//! Guarantee: over all instances and hosts, no more calls run at the same time than the service has slots. If no slot
//! is free, a caller waits for its turn for at most half a second.

use std::borrow::Cow;
use std::time::Duration;

use domain::reading::{Json, Limits, Object, repaired};
use domain::{Code, Finding};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{self, Answer, CallError, Incoming, Reply};
use platform::{clock, log};
use serde_json::Value;
use state::edge::problem::{Problem, ProblemType};
use state::imaging::semaphore;
use state::queue::holder::Holder;

use crate::config::Config;
use crate::services::Service;

/// The time that a caller waits for a slot.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time that a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// The longest body, bytes.
const LONGEST_BODY: usize = 1024 * 1024;
/// The longest answer of a service, bytes.
pub(crate) const LONGEST_ANSWER: usize = 1024 * 1024;

pub(crate) async fn analyze(config: &Config, incoming: Incoming) -> Result<Reply, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let asked = incoming.header(HEADER).map(str::to_owned);
    let trace = incoming.trace.clone();
    let body = body(incoming, LONGEST_BODY, Deadline::after_or_sooner(ARRIVAL, asked.as_deref())).await?;
    let (service, input) = read(config, &body)?;
    drop(body);

    let deadline = Deadline::after_or_sooner(PATIENCE + service.deadline, asked.as_deref());
    let holder = Holder::new();
    let place = semaphore::take(&config.redis, &holder, service.places(), PATIENCE.min(deadline.left())).await;
    let place = place.map_err(|error| {
        log::error("place-not-taken").cause(&error).write();
        Problem::new(ProblemType::Unavailable, "a service that this needs is unavailable")
    })?;
    let Some(place) = place else {
        return Err(Problem::new(ProblemType::Busy, "every place at the service is taken"));
    };
    let headers = [("traceparent", trace.child(clock::random_bits()).as_str().to_owned())];
    let call = deadline.cap(service.deadline);
    let answer = http::post(&service.url, &headers, (http::JSON, input.into_bytes()), LONGEST_ANSWER, call);
    let answer = holder.keep(&config.redis, answer).await;
    if let Err(error) = place.free().await {
        log::warn("place-not-freed").cause(&error).write();
    }
    let result = result(answer)?;
    // A service's name contains nothing that JSON would escape.
    let body = ["{\"result\":", &result, ",\"service\":\"", &service.name, "\"}"].concat();
    Ok(Reply::new(200, "application/json", body))
}

/// Reads a body.
pub(crate) async fn body(incoming: Incoming, limit: usize, deadline: Deadline) -> Result<Vec<u8>, Problem> {
    match deadline.run(incoming.body(limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(Problem::unread(error, limit)),
        Err(TimedOut) => Err(Problem::new(ProblemType::RequestTimedOut, "the body did not arrive in time")),
    }
}

/// The requested service, and its input.
fn read<'a>(config: &'a Config, body: &[u8]) -> Result<(&'a Service, String), Problem> {
    let Json { value, faults: mut findings, .. } = Problem::json(body, Limits::EXCHANGE)?;
    let Ok(mut members) = Object::root(&value) else {
        return Err(Problem::new(ProblemType::Malformed, "send a JSON object"));
    };
    let service = service(config, members.get("service"), &mut findings);
    let input = members.read(&mut findings, "input", (Code::Required, ""), Some);
    if input.is_none() {
        findings.push(Finding::new("/input", Code::Required, "is what the service is given"));
    }
    members.finish(&mut findings);
    match (service, input) {
        (Some(service), Some(input)) if findings.is_empty() => Ok((service, input.to_string())),
        _ => Err(Problem::invalid(findings)),
    }
}

/// The service of this name.
pub(crate) fn service<'a>(
    config: &'a Config,
    name: Option<&Value>,
    findings: &mut Vec<Finding>,
) -> Option<&'a Service> {
    let found = name.and_then(Value::as_str).and_then(|name| config.services.get(name));
    if name.is_none() {
        findings.push(Finding::new("/service", Code::Required, "names the service"));
    } else if found.is_none() {
        findings.push(Finding::new("/service", Code::Choice, "must name a service of the configuration"));
    }
    found
}

/// The result of a service, in the bytes that it sent, as far as they are a text.
fn result(answer: Result<Answer, CallError>) -> Result<String, Problem> {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => {
            let sound = Json::sound(&answer.body, Limits::EXCHANGE).is_ok();
            let repaired =
                Some(repaired(&answer.body)).filter(|repaired| **repaired != answer.body).map(Cow::into_owned);
            let body = repaired.unwrap_or(answer.body);
            String::from_utf8(body).ok().filter(|_| sound).ok_or_else(|| {
                let rule = "the service did not answer in JSON of up to 1 MiB and 50000 values, each member once";
                Problem::new(ProblemType::BadGateway, rule)
            })
        }
        Ok(answer) => Err(Problem::new(ProblemType::BadGateway, format!("the service answered {}", answer.status))),
        Err(CallError::TimedOut) => {
            Err(Problem::new(ProblemType::DeadlinePassed, "the service did not answer in time"))
        }
        Err(CallError::Unreachable | CallError::UnknownHost | CallError::NotTrusted) => {
            Err(Problem::new(ProblemType::BadGateway, "the service cannot be reached"))
        }
        Err(CallError::Refused) => Err(Problem::new(ProblemType::BadGateway, "the service may not be called")),
    }
}
