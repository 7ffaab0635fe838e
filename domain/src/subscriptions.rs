//! The document `subscriptions`: which systems are told of which events, and how much of their content.
//!
//! ```json
//! {"receivers": {"edc": {"channel": "webhook", "url": "https://edc.example/hook", "secrets": ["whsec_..."]}},
//!  "subscriptions": [{"id": "scores-to-edc", "studies": ["S-1"], "events": ["submission.scored"], "receiver": "edc",
//!                     "content": "scores"}]}
//! ```
//!
//! Guarantee: a subscription names a receiver of the same document, which is a signed webhook, and events that exist.
//! Without `studies` it is about all studies. It begins at `since`; the console sets that to the time when the
//! subscription is first stored.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde_json::Value;

use crate::alert::routes::{Channel, Receiver};
use crate::ids::{ReceiverId, StudyId, SubscriptionId};
use crate::reading::{At, Faults};
use crate::{Code, Finding, Timestamp};

/// The most subscriptions, and the most receivers.
const MOST: usize = 50;
/// The most studies that a subscription names.
const MOST_STUDIES: usize = 200;

/// Something that a system may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// A submission was scored and stored.
    SubmissionScored,
    /// A submission was stored that cannot be scored.
    SubmissionFailed,
    /// A later submission took a submission's place.
    SubmissionAmended,
    /// The content of a submission was removed.
    SubmissionErased,
    /// Somebody acknowledged an alert.
    AlertAcknowledged,
    /// Somebody resolved an alert.
    AlertResolved,
    /// Somebody opened an alert again.
    AlertReopened,
    /// A key ends soon.
    KeyExpiring,
}

impl EventType {
    /// All events.
    pub const ALL: [EventType; 8] = [
        EventType::SubmissionScored,
        EventType::SubmissionFailed,
        EventType::SubmissionAmended,
        EventType::SubmissionErased,
        EventType::AlertAcknowledged,
        EventType::AlertResolved,
        EventType::AlertReopened,
        EventType::KeyExpiring,
    ];

    /// The event's name in the document and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::SubmissionScored => "submission.scored",
            EventType::SubmissionFailed => "submission.failed",
            EventType::SubmissionAmended => "submission.amended",
            EventType::SubmissionErased => "submission.erased",
            EventType::AlertAcknowledged => "alert.acknowledged",
            EventType::AlertResolved => "alert.resolved",
            EventType::AlertReopened => "alert.reopened",
            EventType::KeyExpiring => "key.expiring",
        }
    }
}

/// The content of an event's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The ids alone: the receiver reads the rest with a key of its own.
    #[default]
    Reference,
    /// The scores and alerts of a submission; severity, rule and reason of an alert.
    Scores,
    /// As `Scores`, and the answers or data of a submission.
    Full,
}

impl Detail {
    /// All of them.
    pub const ALL: [Detail; 3] = [Detail::Reference, Detail::Scores, Detail::Full];

    /// The name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Detail::Reference => "reference",
            Detail::Scores => "scores",
            Detail::Full => "full",
        }
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The studies; none for all.
    pub studies: Option<Vec<StudyId>>,
    /// The events.
    pub events: Vec<EventType>,
    /// The receiver, which the document defines.
    pub receiver: ReceiverId,
    /// The content of its messages.
    pub detail: Detail,
    /// The time of its first event; none while the document is not stored.
    pub since: Option<Timestamp>,
}

impl Subscription {
    /// Whether it is about a study.
    pub fn covers(&self, study: &StudyId) -> bool {
        self.studies.as_ref().is_none_or(|studies| studies.contains(study))
    }

    /// The time of its first event, milliseconds since the epoch.
    pub fn since_ms(&self) -> i64 {
        self.since.map_or(0, |since| since.millis().max(0))
    }
}

/// The document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subscriptions {
    receivers: BTreeMap<ReceiverId, Receiver>,
    subscriptions: Vec<Subscription>,
}

impl Subscriptions {
    /// Reads the document.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read(document: &Value) -> Result<Self, Vec<Finding>> {
        let (at, mut faults) = (At::root(document), Faults::new());
        at.object(&mut faults, &["receivers", "subscriptions", "note"]);
        let mut known: BTreeMap<ReceiverId, Option<Receiver>> = BTreeMap::new();
        let receivers = at.get("receivers");
        let members = receivers.as_ref().map(|at| at.members(&mut faults)).unwrap_or_default();
        if members.len() > MOST {
            at.fault(&mut faults, Code::Range, "has at most 50 receivers");
        }
        for (id, at) in members {
            let before = faults.len();
            let read = receiver(id, at, &mut faults);
            known.insert(id.into(), read.filter(|_| faults.len() == before));
        }
        let mut subscriptions: Vec<Subscription> = Vec::new();
        let list = at.get("subscriptions");
        for at in list.as_ref().map(|at| at.list_within(MOST, &mut faults)).unwrap_or_default() {
            let Some(read) = subscription(at, &known, &mut faults) else { continue };
            if subscriptions.iter().any(|other| other.id == read.id) {
                at.fault(&mut faults, Code::Conflict, "an id is there once");
            }
            subscriptions.push(read);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let receivers = known.into_iter().filter_map(|(id, receiver)| Some((id, receiver?))).collect();
        Ok(Subscriptions { receivers, subscriptions })
    }

    /// The subscriptions, in the document's order.
    pub fn all(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// The subscription with this id.
    pub fn subscription(&self, id: &SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.iter().find(|it| it.id == *id)
    }

    /// The receiver with this id.
    pub fn receiver(&self, id: &ReceiverId) -> Option<&Receiver> {
        self.receivers.get(id)
    }

    /// All receivers, by id.
    pub fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.values()
    }
}

fn receiver(id: &str, at: At<'_, '_>, faults: &mut Faults) -> Option<Receiver> {
    let read = Receiver::read(id, at, faults);
    if read.as_ref().is_some_and(|it| it.channel != Channel::Webhook)
        && let Some(channel) = at.get("channel")
    {
        channel.fault(faults, Code::Choice, "must be webhook: events are for systems");
    }
    if let Some(quiet) = at.get("quietHours") {
        quiet.fault(faults, Code::Forbidden, "is for receivers of alerts");
    }
    read
}

fn subscription(
    at: At<'_, '_>,
    known: &BTreeMap<ReceiverId, Option<Receiver>>,
    faults: &mut Faults,
) -> Option<Subscription> {
    if !at.object(faults, &["id", "studies", "events", "receiver", "content", "since"]) {
        return None;
    }
    let id = at.need("id", faults).and_then(|at| at.name(faults));
    let studies = at.get("studies").map(|at| {
        if at.value.as_array().is_some_and(Vec::is_empty) {
            at.fault(faults, Code::Range, "must have at least one entry; leave it out for all studies");
        }
        let names = at.list_within(MOST_STUDIES, faults);
        names.iter().filter_map(|at| at.name(faults).map(StudyId::from)).collect()
    });
    let events = at.need("events", faults).map(|at| events(at, faults)).unwrap_or_default();
    let receiver = at.need("receiver", faults).and_then(|at| {
        let id = at.text(faults)?;
        if !known.contains_key(id) {
            at.fault(faults, Code::Choice, "must be the id of a receiver that this document defines");
        }
        Some(ReceiverId::from(id))
    });
    let detail = at.get("content").and_then(|at| Detail::ALL.get(at.choice(&Detail::ALL.map(Detail::as_str), faults)?));
    let since =
        at.get("since").and_then(|at| at.form("must be a time as RFC 3339 with an offset", faults, Timestamp::parse));
    let (id, receiver) = (id?.into(), receiver?);
    Some(Subscription { id, studies, events, receiver, detail: detail.copied().unwrap_or_default(), since })
}

fn events(at: At<'_, '_>, faults: &mut Faults) -> Vec<EventType> {
    let mut events = Vec::new();
    for element in at.filled_list(faults) {
        let place = element.choice(&EventType::ALL.map(EventType::as_str), faults);
        let Some(event) = place.and_then(|place| EventType::ALL.get(place).copied()) else { continue };
        if events.contains(&event) {
            element.fault(faults, Code::Conflict, "an event is named once");
            continue;
        }
        events.push(event);
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use serde_json::json;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn pointers(document: &Value) -> Vec<alloc::string::String> {
        let faults = Subscriptions::read(document).unwrap_err();
        faults.iter().map(|fault| fault.pointer.to_string()).collect()
    }

    #[test]
    fn a_document_is_read_with_its_defaults() {
        let read = Subscriptions::read(&json!({
            "receivers": {"edc": {"channel": "webhook", "url": "https://edc.example/hook", "secrets": [SECRET]}},
            "subscriptions": [
                {"id": "a", "events": ["submission.scored", "alert.resolved"], "receiver": "edc"},
                {"id": "b", "studies": ["S-1"], "events": ["submission.erased"], "receiver": "edc", "content": "full",
                 "since": "2026-11-27T08:00:00+08:00"},
            ],
        }))
        .unwrap();
        let [a, b] = read.all() else { panic!("{read:?}") };
        assert_eq!((a.detail, a.since_ms(), a.covers(&"any".into())), (Detail::Reference, 0, true));
        assert_eq!(a.events, [EventType::SubmissionScored, EventType::AlertResolved]);
        assert_eq!((b.detail, b.covers(&"S-1".into()), b.covers(&"S-2".into())), (Detail::Full, true, false));
        assert_eq!(b.since_ms(), Timestamp::parse("2026-11-27T00:00:00Z").unwrap().millis());
        assert!(read.receiver(&b.receiver).is_some() && read.subscription(&"c".into()).is_none());
        assert_eq!(Subscriptions::read(&json!({})).unwrap(), Subscriptions::default());
    }

    #[test]
    fn every_fault_is_found_at_its_place() {
        let document = json!({
            "receivers": {
                "sms": {"channel": "sms", "url": "https://gateway.example/", "to": "1"},
                "open": {"channel": "webhook", "url": "https://edc.example/hook"},
                "night": {"channel": "webhook", "url": "https://edc.example/hook", "secrets": [SECRET],
                          "timeZone": "Europe/Berlin", "quietHours": {"from": "22:00", "to": "06:00"}},
                "no name!": {"channel": "webhook", "url": "https://edc.example/hook", "secrets": [SECRET]},
            },
            "subscriptions": [
                {"id": "a", "studies": [], "events": [], "receiver": "other"},
                {"id": "a", "studies": ["no name!"], "events": ["submission.scored", "submission.scored", "x"],
                 "receiver": "open", "content": "all", "since": "yesterday"},
                {"more": 1},
                7,
            ],
            "more": 1,
        });
        let mut found = pointers(&document);
        found.sort();
        let mut expected = [
            "/more",
            "/receivers/night/quietHours",
            "/receivers/no name!",
            "/receivers/open",
            "/receivers/sms/channel",
            "/subscriptions/0/events",
            "/subscriptions/0/receiver",
            "/subscriptions/0/studies",
            "/subscriptions/1",
            "/subscriptions/1/content",
            "/subscriptions/1/events/1",
            "/subscriptions/1/events/2",
            "/subscriptions/1/since",
            "/subscriptions/1/studies/0",
            "/subscriptions/2",
            "/subscriptions/2",
            "/subscriptions/2",
            "/subscriptions/2/more",
            "/subscriptions/3",
        ];
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}
