//! Queue entries and stored records, as JSON.
//!
//! These are the wire types; the rules in `domain` use none of them. A member that is added later has a default, so
//! that entries of the version before it can still be read.
//!
//! Types that are written far more often than they are read have their texts as `T`, so that writing can use
//! references.

use core::convert::Infallible;
use std::collections::BTreeMap;

use domain::alert::state;
use domain::ids::{AlertId, InstrumentId, KeyId, Pseudonym, ReceiverId, SiteId, StudyId, SubmissionId};
use domain::{Reason, ScoreValue, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::identity::Subject;
use crate::names;
pub use crate::wire::delivery::{Attempt, Attempts, Delivery, DeliveryState, Happened, failing};
use crate::wire::evaluation::Evaluation;
#[cfg(feature = "schema")]
use domain::schema::{ScoreForm, Time};

/// A submission on its way from the door to the scorer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The submission.
    pub submission: Submission,
    /// The subject's identity, sealed.
    pub sealed: String,
    /// W3C trace context.
    pub trace: String,
}

/// A submission, without anybody's identity. See [`crate::wire::sealed`] for its reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Submission<C = Map<String, Value>> {
    /// Its id.
    pub submission_id: SubmissionId,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The subject's pseudonym.
    pub subject: Pseudonym,
    /// `response`, or the kind of report.
    pub kind: String,
    /// The instrument of a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<InstrumentId>,
    /// The version of the instrument that its answers were checked by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument_version: Option<String>,
    /// The instrument's parameters that came with it, in canonical form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The time of writing, RFC 3339 in UTC; shifted, with the subject's other dates, where its study asks for that.
    pub authored_at: String,
    /// The time of arrival, RFC 3339 in UTC, not shifted.
    pub received_at: String,
    /// The id of the API key that sent it.
    pub key: KeyId,
    /// Keyed hash of the content that its sender sent.
    pub hash: String,
    /// The earlier submission that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<SubmissionId>,
    /// The reason of the amendment, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends_reason: Option<String>,
    /// Remarks on its times: `late`, `clock-skewed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The number of removals from its content, by class of identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub removed: BTreeMap<String, u32>,
    /// The answers of a response, the data of a report.
    pub content: C,
    /// Its place among its subject's submissions where `authored_at` cannot be right: when it came in, RFC 3339 in UTC;
    /// shifted as its other dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<String>,
}

impl<C> Submission<C> {
    /// The instrument, or the kind of report.
    pub fn topic(&self) -> &str {
        self.instrument.as_ref().map_or(self.kind.as_str(), InstrumentId::as_str)
    }

    /// Its place among its subject's submissions; none if it has no time.
    pub fn placed_at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.ordered_at.as_ref().unwrap_or(&self.authored_at))
    }

    /// The same submission with another form of its content.
    pub fn map<D>(self, content: impl FnOnce(C) -> D) -> Submission<D> {
        let Ok(mapped) = self.try_map(|own| Ok::<_, Infallible>(content(own)));
        mapped
    }

    /// The same submission with another form of its content, if it has that form.
    ///
    /// # Errors
    /// What `content` says.
    pub fn try_map<D, E>(self, content: impl FnOnce(C) -> Result<D, E>) -> Result<Submission<D>, E> {
        Ok(Submission {
            submission_id: self.submission_id,
            study_id: self.study_id,
            site_id: self.site_id,
            subject: self.subject,
            kind: self.kind,
            instrument: self.instrument,
            instrument_version: self.instrument_version,
            parameters: self.parameters,
            authored_at: self.authored_at,
            received_at: self.received_at,
            key: self.key,
            hash: self.hash,
            amends: self.amends,
            amends_reason: self.amends_reason,
            flags: self.flags,
            removed: self.removed,
            content: content(self.content)?,
            ordered_at: self.ordered_at,
        })
    }

    /// Whether its clock was wrong. It is compared with those before it, and none is compared with it.
    pub fn is_skewed(&self) -> bool {
        self.ordered_at.is_some()
    }
}

/// The state of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits.
    Queued,
    /// It is scored and stored, and its alerts are handed over.
    Scored,
    /// It cannot be scored; see `reason`.
    Failed,
    /// Its content was removed.
    Erased,
}

/// The submission that replaced a submission, at `submission/<id>/superseded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Superseded {
    /// The later submission.
    pub by: SubmissionId,
    /// The time of arrival, RFC 3339 in UTC.
    pub at: String,
}

/// A score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Score"))]
pub struct Score<T = String> {
    /// The id of the score in the instrument.
    pub id: T,
    /// A number, a text or a flag; none when not scored.
    #[cfg_attr(feature = "schema", schemars(with = "ScoreForm"))]
    pub value: Option<Value>,
    /// The band the value falls into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<T>,
    /// Whether it is scored; `prorated` with answers missing.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["scored", "prorated", "not-scored"])))]
    pub status: T,
    /// Why it is not scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<T>,
    /// Items answered.
    pub answered: u16,
    /// Items missing.
    pub missing: u16,
}

impl<'a> Score<&'a str> {
    /// Converts a score of the rules.
    pub fn of(score: &domain::Score<'a>) -> Self {
        let value = score.value.as_ref().map(|value| match value {
            ScoreValue::Number(number) => Value::from(*number),
            ScoreValue::Text(text) => Value::from(text.to_string()),
            ScoreValue::Flag(flag) => Value::from(*flag),
        });
        Score {
            id: score.id,
            value,
            band: score.band,
            status: score.status.as_str(),
            reason: score.status.reason().map(Reason::as_str),
            answered: score.answered,
            missing: score.missing,
        }
    }

    /// An owned copy, which outlives the instrument.
    pub fn owned(self) -> Score {
        let Score { id, value, band, status, reason, answered, missing } = self;
        let own = str::to_owned;
        Score {
            id: own(id),
            value,
            band: band.map(own),
            status: own(status),
            reason: reason.map(own),
            answered,
            missing,
        }
    }
}

/// Scores as the record of a submission has them, `[id, value, band, answered, missing]`; if the status is not `scored`, the
/// status and the reason follow. The names of members would be a third of a record.
mod rows {
    use core::marker::PhantomData;
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Score;

    const SCORED: &str = "scored";

    pub(super) fn serialize<T: AsRef<str>, S: Serializer>(scores: &[Score<T>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(scores.iter().map(Row))
    }

    struct Row<S>(S);

    impl<T: AsRef<str>> Serialize for Row<&Score<T>> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let Score { id, value, band, status, reason, answered, missing } = self.0;
            let (id, band, status) = (id.as_ref(), band.as_ref().map(AsRef::as_ref), status.as_ref());
            match reason.as_ref().map(AsRef::as_ref) {
                None if status == SCORED => (id, value, band, answered, missing).serialize(to),
                reason => (id, value, band, answered, missing, status, reason).serialize(to),
            }
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de> + From<&'static str>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Score<T>>, D::Error> {
        let rows: Vec<Row<Score<T>>> = Vec::deserialize(from)?;
        Ok(rows.into_iter().map(|Row(score)| score).collect())
    }

    impl<'de, T: Deserialize<'de> + From<&'static str>> Deserialize<'de> for Row<Score<T>> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_seq(RowVisitor(PhantomData))
        }
    }

    struct RowVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + From<&'static str>> Visitor<'de> for RowVisitor<T> {
        type Value = Row<Score<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a score")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
            fn next<'de, V: Deserialize<'de>, A: SeqAccess<'de>>(row: &mut A, place: usize) -> Result<V, A::Error> {
                row.next_element()?.ok_or_else(|| Error::invalid_length(place, &"a score"))
            }
            let (id, value, band) = (next(&mut row, 0)?, next(&mut row, 1)?, next(&mut row, 2)?);
            let (answered, missing) = (next(&mut row, 3)?, next(&mut row, 4)?);
            let (status, reason) = match row.next_element()? {
                None => (SCORED.into(), None),
                Some(status) => (status, next(&mut row, 6)?),
            };
            Ok(Row(Score { id, value, band, status, reason, answered, missing }))
        }
    }
}

/// The instrument and parameters that scored a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct ScoredWith<T = String> {
    /// The instrument.
    pub id: T,
    /// Its version.
    pub version: T,
    /// Hash of its definition.
    pub hash: T,
    /// The parameters in force, defaults included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

impl<'a> ScoredWith<&'a str> {
    /// Records an instrument with the parameters in force.
    pub fn of(instrument: &'a domain::Instrument, parameters: &domain::Parameters) -> Self {
        ScoredWith {
            id: instrument.id().as_str(),
            version: instrument.version(),
            hash: instrument.hash(),
            parameters: parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// An owned copy, which outlives the instrument.
    pub fn owned(self) -> ScoredWith {
        let ScoredWith { id, version, hash, parameters } = self;
        let [id, version, hash] = [id, version, hash].map(str::to_owned);
        ScoredWith { id, version, hash, parameters }
    }
}

/// A submission as it is stored, at `submission/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[serde(bound(
    serialize = "T: Serialize + AsRef<str>, S: Serialize",
    deserialize = "T: Deserialize<'de> + From<&'static str>, S: Deserialize<'de>"
))]
pub struct Record<T = String, S = Submission> {
    /// Its state.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The submission as it came in.
    pub submission: S,
    /// The instrument it was scored with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored_with: Option<ScoredWith<T>>,
    /// The scores, in the instrument's order.
    #[serde(with = "rows")]
    pub scores: Vec<Score<T>>,
    /// The ids of its alerts.
    pub alerts: Vec<AlertId>,
    /// The evaluation beside the scores.
    #[serde(default, skip_serializing_if = "Evaluation::is_nothing")]
    pub evaluation: Evaluation,
}

/// A stored submission without its content, which the reader drops: it may be large, and lists have many.
pub type Outline = Record<String, Submission<IgnoredAny>>;

/// The alerts raised by the silence after a submission, at `submission/<id>/overdue`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overdue {
    /// Their ids, in the order in which they were raised.
    pub alerts: Vec<AlertId>,
}

/// The scores of a submission by other versions of its instrument, at `rescored/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rescored {
    /// The submission.
    pub submission_id: SubmissionId,
    /// Its study.
    pub study_id: StudyId,
    /// Its site.
    pub site_id: SiteId,
    /// The scores, in the order in which they were made; one for each definition.
    pub rescored: Vec<Rescore>,
}

/// The scores of a submission by another version of its instrument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Rescore {
    /// The version.
    pub scored_with: ScoredWith,
    /// The scores, in the version's order.
    pub scores: Vec<Score>,
    /// The time when they were made, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: String,
    /// The id of the key by which they were made.
    pub by: KeyId,
}

/// An alert: the decision and its reason. Stored at `alert/<id>`, and handed to `dispatch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its id, the `webhook-id` of every message about it.
    pub alert_id: AlertId,
    /// The submission that raised it.
    pub submission_id: SubmissionId,
    /// The study.
    pub study_id: StudyId,
    /// The site.
    pub site_id: SiteId,
    /// The subject's pseudonym.
    pub subject: Pseudonym,
    /// The instrument, or the kind of report.
    pub instrument: String,
    /// The rule.
    pub rule: String,
    /// `critical`, `high`, `moderate` or `info`.
    pub severity: String,
    /// Names the text that a message shows.
    pub text_key: String,
    /// The reason in words.
    pub reason: String,
    /// The time when the submission arrived, RFC 3339 in UTC.
    pub received_at: String,
    /// The id of the API key that sent the submission; empty if no submission raised it.
    #[serde(default, skip_serializing_if = "KeyId::is_empty")]
    pub key: KeyId,
    /// W3C trace context.
    pub trace: String,
}

impl Alert {
    /// Its flow on the queue.
    pub fn flow(&self) -> String {
        names::flow(&self.key, &self.study_id, &self.site_id)
    }
}

/// Work on an alert that was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// The alert.
    pub alert_id: AlertId,
    /// The submission that raised it; empty if it is not known.
    #[serde(default)]
    pub submission_id: SubmissionId,
    /// The work.
    pub work: Work,
}

/// The kinds of work on an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Work {
    /// Call a receiver.
    Deliver {
        /// The receiver.
        receiver: ReceiverId,
        /// The number of the run of attempts.
        series: u32,
        /// The number of the attempt in it.
        attempt: u32,
    },
    /// Take the next step of the chain.
    Escalate {
        /// The number of the opening.
        opening: u32,
        /// The number of the round.
        round: u32,
        /// The number of the step in it.
        rung: u32,
    },
    /// Give the alerts grouped with its message the outcome.
    Carry,
    /// Check for due work: the alert did not move.
    Look,
}

impl From<state::Work> for Work {
    fn from(work: state::Work) -> Self {
        match work {
            state::Work::Deliver { receiver, series, attempt } => Work::Deliver { receiver, series, attempt },
            state::Work::Escalate { opening, round, rung } => Work::Escalate { opening, round, rung },
        }
    }
}

/// The content of an alert's dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadAlert {
    /// The alert.
    pub alert_id: AlertId,
    /// The submission that raised it.
    pub submission_id: SubmissionId,
    /// The receiver that was given up; none if the alert has no receiver at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<ReceiverId>,
}
