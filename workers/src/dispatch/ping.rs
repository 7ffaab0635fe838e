//! A test message to a receiver, at once and without the queue: an operator waits for what comes back.
//!
//! Guarantee: nobody takes it for an alert, and it writes nothing into a patient's record: of a FHIR server it asks only
//! whether the resource would be valid. It counts neither for the breaker nor for the limits of the receiver.

use std::time::Duration;

use domain::alert::message::{Item, Kind, Notice, compose};
use domain::alert::retry::Outcome;
use domain::alert::routes::{Channel, Facts, Receiver};
use domain::ids::ReceiverId;
use domain::{Severity, Timestamp};
use platform::http::Url;
use platform::variables::load;
use platform::{Error, clock};
use serde_json::json;
use state::identity;
use state::wire::entry::Attempt;

use crate::dispatch::call::{self, Request};
use crate::dispatch::config::{Config, Rules};

/// Sends a test message. Returns the attempt; none if no document names the receiver.
///
/// # Errors
/// When a variable is not sound, or the settings cannot be read.
pub async fn ping(id: &ReceiverId) -> Result<Option<Attempt>, Error> {
    let config = load(Config::read).await?;
    let rules = Rules::at(&config, "", None).await?;
    let (receiver, reaches) = match (rules.routes.receiver(id), rules.subscriptions.receiver(id)) {
        (Some(receiver), _) => (receiver, rules.reach(receiver)),
        (None, Some(receiver)) => (receiver, rules.reach_events(receiver)),
        (None, None) => return Ok(None),
    };
    let at = clock::now();
    let request = if reaches { request(&rules, receiver, at) } else { Err(Outcome::Refused) };
    let (_, attempt) = call::made(request, at, Duration::from_millis(receiver.deadline_ms)).await;
    Ok(Some(attempt))
}

fn request(rules: &Rules, receiver: &Receiver, at: Timestamp) -> Result<Request, Outcome> {
    let id = identity::message_id(&["ping", receiver.id.as_str(), &format!("{:x}", clock::random_bits())]);
    if receiver.channel == Channel::Webhook {
        let data = json!({"receiver": receiver.id.as_str()});
        let body = json!({"type": "ping", "timestamp": at.rfc3339(), "data": data}).to_string();
        return Ok(Request::signed(receiver, &id, at, ("application/json", body), ""));
    }
    let test = "test";
    let facts =
        Facts { study: test, site: test, subject: test, instrument: test, rule: test, severity: Severity::Info };
    let item = Item {
        id: &id,
        submission: &id,
        study: test,
        site: test,
        subject: test,
        severity: Severity::Info,
        instrument: test,
        rule: test,
        text_key: test,
        reason: test,
        received_at: at,
    };
    let notice = Notice { first: item, others: &[], kind: Kind::Test, link: "" };
    let body = compose(&rules.routes, receiver, rules.routes.plan(&facts).language, &notice);
    let mut request = Request::signed(receiver, &id, at, (body.content_type, body.text), "");
    if receiver.channel == Channel::FhirCommunication {
        let url = format!("{}/$validate", receiver.url.as_str());
        request.url = Url::parse(&url).map_err(|_| Outcome::Refused)?;
    }
    Ok(request)
}
