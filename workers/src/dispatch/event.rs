//! The message that tells a subscriber of an event.
//!
//! Guarantee: it has the type and the time of the event, and as much of its content as the subscription asks for, as the
//! store has it when the message is sent. What was erased meanwhile is not told. A message with a person's data is sent once
//! the look at them is recorded.

use domain::Timestamp;
use domain::access::Role;
use domain::alert::retry::Outcome;
use domain::alert::routes::Receiver;
use domain::ids::{KeyId, Pseudonym, ReceiverId, SiteId, StudyId, SubmissionId};
use domain::subscriptions::Detail;
use platform::Error;
use platform::kv::{self, Store};
use serde::Serialize;
use state::alerts;
use state::edge::keys::KeyRecord;
use state::edge::looks::{Look, Whose};
use state::journal::{Kind, Position};
use state::names;
use state::wire::entry::Alert;
use state::wire::queued::{Notification, QueuedEvent};
use state::wire::row::{Include, ListState, Row, superseded};
use state::wire::sealed::Opener;

use crate::dispatch::call::Request;
use crate::dispatch::config::{Config, Rules};
use crate::dispatch::lanes::LaneId;

const DAY_MS: i64 = 86_400_000;

/// The lane of its receiver; the outcome if it has none.
pub(crate) fn lane(rules: &Rules, event: &QueuedEvent) -> Result<LaneId, Outcome> {
    let receiver = receiver_of(rules, event).ok_or(Outcome::NotConfigured)?;
    if rules.reach_events(receiver) { Ok(LaneId::Events(receiver.id.clone())) } else { Err(Outcome::Refused) }
}

fn receiver_of<'a>(rules: &'a Rules, event: &QueuedEvent) -> Option<&'a Receiver> {
    let subscription = rules.subscriptions.subscription(&event.subscription)?;
    rules.subscriptions.receiver(&subscription.receiver)
}

/// The id of its receiver; the default one if nobody subscribes any more.
pub(crate) fn receiver(rules: &Rules, event: &QueuedEvent) -> ReceiverId {
    receiver_of(rules, event).map(|receiver| receiver.id.clone()).unwrap_or_default()
}

/// A submission by its ids.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    submission_id: &'a SubmissionId,
    site_id: &'a SiteId,
    /// The instrument or the kind of report.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    cursor: &'a str,
}

/// An alert on which somebody acted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertActedOn<'a> {
    alert_id: &'a str,
    submission_id: &'a SubmissionId,
    site_id: &'a SiteId,
    cursor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Pseudonym>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Who did it: the id of a key, or `link:` and the receiver whose link it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// A key that ends soon.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyEnding<'a> {
    key_id: &'a KeyId,
    label: &'a str,
    /// The person or team that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    role: Role,
    site_id: &'a SiteId,
    expires_at: String,
    /// The days that were left at the time of the event, begun ones as well.
    days_left: i64,
    cursor: &'a str,
}

/// The body, and the look that it is if it shows a person's data; none if there is nothing to tell any more.
pub(crate) async fn body(
    config: &Config,
    store: &Store,
    rules: &Rules,
    notification: &Notification,
    event: &QueuedEvent,
) -> Result<Option<(String, Option<Look>)>, Error> {
    let subscription = rules.subscriptions.subscription(&event.subscription);
    let (Some(subscription), Some(kind)) = (subscription, Kind::parse(&event.kind)) else { return Ok(None) };
    let (detail, site_id, cursor) = (subscription.detail, &notification.site_id, event.at.as_str());
    let body = Body { kind, event, study: &notification.study_id };
    if let Some(id) = &event.alert {
        let Some(alert) = store.get::<Alert>(&names::alert(id)).await? else { return Ok(None) };
        let is_told = detail != Detail::Reference;
        let message = body.of(&AlertActedOn {
            alert_id: id.as_str(),
            submission_id: &event.submission,
            site_id,
            cursor,
            severity: is_told.then_some(&alert.severity),
            rule: is_told.then_some(&alert.rule),
            instrument: is_told.then_some(&alert.instrument),
            subject: is_told.then_some(&alert.subject),
            reason: is_told.then_some(&alert.reason),
            by: if is_told { by(config, store, &alert, kind).await? } else { None },
        })?;
        let whose = Whose::at(&notification.study_id, site_id).subject(alert.subject.as_str()).id(id.as_str());
        return Ok(body.look(message, is_told, whose));
    }
    if kind == Kind::KeyExpiring {
        let id = KeyId::from(event.topic.as_deref().unwrap_or_default());
        // One that was withdrawn meanwhile needs no warning.
        let key = store.get::<KeyRecord>(&names::key(&id)).await?.filter(|key| key.withdrawn_at.is_none());
        let Some(key) = key else { return Ok(None) };
        let Some(ends) = key.expires_ms else { return Ok(None) };
        let at = Position::parse(cursor).unwrap_or_default().milliseconds();
        let left = ends.saturating_sub(i64::try_from(at).unwrap_or_default()).max(0);
        let message = body.of(&KeyEnding {
            key_id: &key.key_id,
            label: &key.label,
            owner: key.owner.as_deref(),
            role: key.role,
            site_id,
            expires_at: Timestamp::from_millis(ends).rfc3339(),
            days_left: (left + DAY_MS - 1) / DAY_MS,
            cursor,
        })?;
        return Ok(body.look(message, false, Whose::default()));
    }
    let include = match detail {
        Detail::Reference => Include::default(),
        Detail::Scores => Include { content: false, ..Include::ALL },
        Detail::Full => Include::ALL,
    };
    let by = superseded(&config.redis, &[&event.submission]).await?.into_iter().next().flatten();
    let entry = (&event.submission, kind == Kind::Failed);
    let Some(row) = Row::load((store, &Opener::new(&config.ring)), include, entry, by, event.at.clone()).await? else {
        return Ok(None);
    };
    // That it was erased is an event of its own.
    if row.state == ListState::Erased && kind != Kind::Erased {
        return Ok(None);
    }
    let whose = Whose::at(&notification.study_id, site_id).id(event.submission.as_str());
    if detail == Detail::Reference {
        let topic = event.topic.as_deref();
        let message = body.of(&Reference { submission_id: &event.submission, site_id, topic, cursor })?;
        return Ok(body.look(message, false, whose));
    }
    let whose = whose.subject(row.subject.as_ref().map_or("", Pseudonym::as_str));
    Ok(body.look(body.of(&row)?, row.state != ListState::Erased, whose))
}

/// Who acted last in this way.
async fn by(config: &Config, store: &Store, alert: &Alert, kind: Kind) -> Result<Option<String>, Error> {
    let Some(found) = alerts::load(&config.redis, store, &alert.alert_id).await? else { return Ok(None) };
    let history = alerts::history(store, &found).await?;
    Ok(history.into_iter().rev().find(|entry| entry.what == kind.as_str()).and_then(|entry| entry.by))
}

/// The parts that are the same for all events.
struct Body<'a> {
    kind: Kind,
    event: &'a QueuedEvent,
    study: &'a StudyId,
}

impl Body<'_> {
    /// The message with this content, an object.
    fn of(&self, content: &impl Serialize) -> Result<Option<String>, Error> {
        let content = kv::json(content)?;
        let content = content.strip_prefix('{').unwrap_or_default();
        let (subscription, study) = (self.event.subscription.as_str(), self.study.as_str());
        let at = Position::parse(&self.event.at).unwrap_or_default().milliseconds();
        let at = Timestamp::from_millis(i64::try_from(at).unwrap_or_default()).rfc3339();
        let Some(event) = self.kind.event_type() else { return Ok(None) };
        let event = event.as_str();
        // Names have no character that JSON writes otherwise.
        let data = format!(r#"{{"subscription":"{subscription}","studyId":"{study}",{content}"#);
        Ok(Some(format!(r#"{{"data":{data},"timestamp":"{at}","type":"{event}"}}"#)))
    }

    /// The message with the look that it is, if it shows somebody's data.
    fn look(&self, message: Option<String>, shows: bool, whose: Whose<'_>) -> Option<(String, Option<Look>)> {
        let event = self.kind.event_type().filter(|_| shows);
        let look = event.map(|it| Look::of_subscription(self.event.subscription.as_str(), it.as_str(), whose));
        message.map(|message| (message, look))
    }
}

/// The request; the outcome if there can be none.
pub(crate) fn request(rules: &Rules, event: &QueuedEvent, at: Timestamp, body: String) -> Result<Request, Outcome> {
    let receiver = receiver_of(rules, event).ok_or(Outcome::NotConfigured)?;
    Ok(Request::signed(receiver, &event.id, at, ("application/json", body), ""))
}
