//! The entries of the queues. Each names its kind: `{"submission":...}`, `{"due":...}`.
//!
//! The kind is the only member of an object, so that serde reads the rest without a copy of it. An entry of an unknown
//! kind cannot be read and becomes a dead letter.

use domain::alert::routes::receiver_id;
use domain::ids::{AlertId, AnalysisId, KeyId, Pseudonym, ReceiverId, SiteId, StudyId, SubmissionId, SubscriptionId};
use platform::{Error, kv};
use serde::{Deserialize, Serialize};

use crate::names;
use crate::wire::analysis::QueuedAnalysis;
use crate::wire::entry::{Alert, DeadAlert, Due, Entry, Submission};

/// An entry of the queue of submissions. To write one without a copy, its parts may be references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreEntry<E = Box<Entry>, S = Supersede, C = Check> {
    /// A submission to score. [`crate::wire::encoder`] writes the same form in less time.
    Submission(E),
    /// An amended submission that was not stored yet.
    Supersede(S),
    /// The check for an overdue submission.
    Check(C),
}

impl ScoreEntry<&Entry, &Supersede, &Check> {
    /// One line of JSON.
    ///
    /// # Errors
    /// [`Kind::Refused`](platform::Kind::Refused) when it cannot be written as JSON.
    pub fn line(&self) -> Result<String, Error> {
        kv::json(self)
    }
}

/// An entry of the dispatch queue, or a dead letter of it. To write one without a copy, its parts may be references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DispatchEntry<A = Alert, D = Due, N = Notification, G = DeadAlert> {
    /// An alert, for the first time.
    Alert(A),
    /// Work on an alert that was raised.
    Due(D),
    /// A message for a system.
    Notification(N),
    /// An alert that was given up: only as a dead letter. The alert's state does the replay.
    GivenUp(G),
}

impl DispatchEntry<&Alert, &Due, &Notification, &DeadAlert> {
    /// One line of JSON.
    ///
    /// # Errors
    /// [`Kind::Refused`](platform::Kind::Refused) when it cannot be written as JSON.
    pub fn line(&self) -> Result<String, Error> {
        kv::json(self)
    }
}

/// An entry of the queues of analyses. To write one without a copy, its part may be a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImagingEntry<A = QueuedAnalysis> {
    /// An analysis to run.
    Analysis(A),
}

impl ImagingEntry<&QueuedAnalysis> {
    /// One line of JSON.
    ///
    /// # Errors
    /// [`Kind::Refused`](platform::Kind::Refused) when it cannot be written as JSON.
    pub fn line(&self) -> Result<String, Error> {
        kv::json(self)
    }
}

/// A message for a system: that an analysis ended which it requested, or an event to which it subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// What it is about.
    pub about: About,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// W3C trace context; empty for an event.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// The number of attempts since it was put onto the queue or replayed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub made: u32,
    /// The end of the first of these, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// The failure of the last of these, and how many failed so in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<(String, u32)>,
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// An analysis.
    Analysis(QueuedEnd),
    /// An event.
    Event(QueuedEvent),
}

/// The end of an analysis, of which its requester is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedEnd {
    /// The analysis. The store has its record, which is the content of the message.
    pub analysis_id: AnalysisId,
    /// The URL to call. It may contain a secret.
    pub webhook: String,
    /// The id of the key that requested the analysis.
    pub key: KeyId,
}

/// An event of which a subscriber is told. The store has what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedEvent {
    /// The id of the message.
    pub id: String,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The kind of the journal's entry.
    pub kind: String,
    /// Its position.
    pub at: String,
    /// The submission, or the one that raised the alert; empty for a key.
    pub submission: SubmissionId,
    /// The alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
    /// The instrument or the kind of report; the id of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

impl Notification {
    /// Its flow on the queue.
    pub fn flow(&self) -> String {
        let sender = match &self.about {
            About::Analysis(end) => end.key.as_str(),
            About::Event(event) => event.subscription.as_str(),
        };
        names::flow_of_notifications(sender, &self.study_id, &self.site_id)
    }
}

impl QueuedEnd {
    /// The id that replaces the URL where the notification is shown.
    pub fn receiver(&self) -> ReceiverId {
        receiver_id(&self.webhook)
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The mark that an amendment sets at the submission that it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Supersede {
    /// The amended submission.
    pub superseded: SubmissionId,
    /// The amendment.
    pub by: SubmissionId,
    /// The time of arrival, RFC 3339 in UTC.
    pub at: String,
    /// The id of the API key that sent it.
    pub key: KeyId,
    /// The reason of the amendment, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The study.
    pub study: StudyId,
    /// The site of the amendment.
    pub site: SiteId,
    /// The number of searches for the amended submission.
    pub looks: u32,
}

/// The check whether an expected submission is overdue. It has the same bytes for the same subject and expected
/// submission, so at most one check is due for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The study.
    pub study: StudyId,
    /// The site.
    pub site: SiteId,
    /// The subject's pseudonym.
    pub subject: Pseudonym,
    /// The instrument, or [`DIARY`](domain::overdue::DIARY).
    pub expected: String,
}

impl Check {
    /// The check after a submission.
    pub fn after<C>(submission: &Submission<C>, expected: &str) -> Self {
        let Submission { study_id, site_id, subject, .. } = submission;
        let (study, site, subject) = (study_id.clone(), site_id.clone(), subject.clone());
        Check { study, site, subject, expected: expected.to_owned() }
    }

    /// The key of the set of received submissions.
    pub fn received(&self) -> String {
        names::received(&self.subject, &self.expected)
    }

    /// The flow of the check. It belongs to no API key, so there is one check for all senders.
    pub fn flow(&self) -> String {
        names::flow(&KeyId::default(), &self.study, &self.site)
    }
}
