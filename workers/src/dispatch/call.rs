//! One attempt: builds the message, signs it, and calls the receiver.

use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::alert::link::Grant;
use domain::alert::message::{Item, Notice, compose, condition};
use domain::alert::retry::Outcome;
use domain::alert::routes::{Channel, Receiver};
use domain::alert::state::Delivery;
use platform::clock;
use platform::deadline::Deadline;
use platform::http::{self, CallError, Url};
use state::alerts::{acknowledgement_link, webhook};
use state::alerts::{facts_of, plan_of};
use state::wire::entry::{Alert, Attempt};

use crate::dispatch::config::Config;
use crate::dispatch::job::{Happened, Job, Task, What};
use crate::dispatch::lanes::Placed;

/// The most bytes that are read of a receiver's answer: enough for a short reason.
const LONGEST_ANSWER: usize = 1024;

/// A request that is ready to be sent.
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A signed message to a receiver.
    pub(crate) fn signed(
        receiver: &Receiver,
        id: &str,
        at: Timestamp,
        (content_type, body): (&str, String),
        trace: &str,
    ) -> Self {
        let mut headers = webhook::headers(&receiver.secrets, id, at, (content_type, &body), trace);
        if let Some(authorization) = &receiver.authorization {
            headers.push(("authorization", authorization.as_str().to_owned()));
        }
        Request { url: receiver.url.url().clone(), headers, body: body.into_bytes() }
    }
}

/// Calls the receiver once.
pub(crate) async fn attempt(config: Rc<Config>, placed: Placed) -> Happened {
    let Placed { mut task, place, longest } = placed;
    let at = clock::now();
    let request = match &mut task {
        Task::Alert(job) => message(&config, job, at),
        Task::Notification(job) => job.request(&config, at),
    };
    let (outcome, mut attempt) = made(request, at, longest).await;
    if let Task::Notification(_) = task {
        // Whoever may name a URL must not read what is there.
        attempt.answer.clear();
    }
    Happened { task, what: What::Called { outcome, attempt, place } }
}

/// Makes a call that began at this time and takes no longer than this.
pub(crate) async fn made(request: Result<Request, Outcome>, at: Timestamp, longest: Duration) -> (Outcome, Attempt) {
    let began = Instant::now();
    let (outcome, word, answer) = match request {
        Ok(Request { url, headers, body }) => {
            outcome(http::tell(&url, &headers, body, LONGEST_ANSWER, Deadline::after(longest)).await)
        }
        Err(outcome) => (outcome, "refused", String::new()),
    };
    let status = match outcome {
        Outcome::Answered { status, .. } => Some(status),
        _ => None,
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let attempt = Attempt {
        at: at.rfc3339(),
        took_ms,
        outcome: word.to_owned(),
        reason: outcome.reason().map(str::to_owned),
        status,
        answer,
        next_at: None,
    };
    (outcome, attempt)
}

fn outcome(answer: Result<http::Answer, CallError>) -> (Outcome, &'static str, String) {
    let (outcome, word, _) = webhook::outcome(&answer);
    let body = answer.map(|answer| answer.body).unwrap_or_default();
    let beginning = body.get(..LONGEST_ANSWER).unwrap_or(&body);
    (outcome, word, String::from_utf8_lossy(beginning).into_owned())
}

/// The message of an alert; the outcome if there can be none. The body is the same at every attempt.
fn message(config: &Config, job: &Job, at: Timestamp) -> Result<Request, Outcome> {
    let routes = &job.rules.routes;
    let (Some(receiver), Some(delivery)) = (job.route(), job.delivery()) else {
        return Err(Outcome::NotConfigured);
    };
    let alert = &job.case.alert;
    let id = delivery.message_id(&alert.alert_id);
    let others: Vec<Item<'_>> = job.members.iter().map(item).collect();
    let link = link(config, job, receiver, &delivery).unwrap_or_default();
    let notice = Notice { first: item(alert), others: &others, kind: delivery.kind(), link: &link };
    let body = compose(routes, receiver, plan_of(routes, alert).language, &notice);
    let mut request = Request::signed(receiver, &id, at, (body.content_type, body.text), &alert.trace);
    match receiver.channel {
        Channel::Webhook => {}
        Channel::Sms | Channel::Email => request.headers.push(("idempotency-key", id)),
        Channel::FhirCommunication => {
            let condition = condition(receiver.resource, alert.alert_id.as_str(), delivery.telling);
            request.headers.extend(condition.map(|condition| ("if-none-exist", condition)));
        }
    }
    Ok(request)
}

/// The acknowledgement link for the message; none if the configuration has no address or no key.
fn link(config: &Config, job: &Job, receiver: &Receiver, delivery: &Delivery) -> Option<String> {
    let base = job.rules.routes.link_base.as_ref()?;
    let grant = Grant {
        alert: job.case.alert.alert_id.clone(),
        opening: job.case.found.borrow().state.opening(),
        receiver: receiver.id.clone(),
        expires: delivery.since.plus_ms(job.rules.routes.link_valid_ms),
    };
    Some(format!("{base}{}", acknowledgement_link::path(&config.link_key.as_ref()?.sign(&grant)?)))
}

fn item(alert: &Alert) -> Item<'_> {
    Item {
        id: alert.alert_id.as_str(),
        submission: alert.submission_id.as_str(),
        study: alert.study_id.as_str(),
        site: alert.site_id.as_str(),
        subject: alert.subject.as_str(),
        severity: facts_of(alert).severity,
        instrument: &alert.instrument,
        rule: &alert.rule,
        text_key: &alert.text_key,
        reason: &alert.reason,
        received_at: Timestamp::parse(&alert.received_at).unwrap_or(Timestamp::from_millis(0)),
    }
}
