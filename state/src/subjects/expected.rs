//! What is awaited of a subject, as it travels: a look at what did not come.

use domain::Timestamp;
use domain::overdue::{DIARY, OverdueRule, judge};
use serde::{Deserialize, Serialize};

use crate::names::{self, Queue};
use crate::subjects::pages;
use crate::wire::entry::Submission;
use platform::redis::{Redis, number, text};
use platform::{Error, kv};

/// A look at what did not come. Its bytes are the same for a subject and what is awaited of it, so that of all that waits
/// for its time there is one at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The study.
    pub study: String,
    /// The site.
    pub site: String,
    /// The subject's pseudonym.
    pub subject: String,
    /// The instrument, or [`DIARY`].
    pub awaited: String,
}

/// What was awaited when a submission came in; none if it is nothing of the kind.
pub fn what(submission: &Submission) -> Option<&str> {
    match (&submission.amends, &submission.instrument, submission.kind.as_str()) {
        // A correction is no sign of life.
        (Some(_), _, _) => None,
        (None, Some(instrument), _) => Some(instrument),
        (None, None, "diary") => Some(DIARY),
        (None, None, _) => None,
    }
}

/// The look that is due after a submission, by the rules on what is awaited then, with when the submission came in and when
/// to look; none where nothing is awaited.
pub fn after<'a>(
    submission: &Submission,
    rules: impl FnOnce(&str) -> &'a [OverdueRule],
) -> Option<(Look, Timestamp, Timestamp)> {
    let what = what(submission)?;
    let look_after_ms = judge(rules(what), what, 0).look_after_ms?;
    let received = Timestamp::parse(&submission.received_at)?;
    Some((Look::after(submission, what), received, received.plus_ms(look_after_ms)))
}

/// Remembers that a submission came in and when to look, where Redis has lost it. A look that is due later stays. Gives
/// whether the submission was not known.
///
/// # Errors
/// [`Kind::Away`](platform::Kind::Away); doing it again is safe.
pub async fn put_back(
    redis: &Redis,
    submission_id: &str,
    look: &Look,
    received: Timestamp,
    at: Timestamp,
) -> Result<bool, Error> {
    let new = pages::add(redis, &look.received(), received.millis(), submission_id).await?;
    let member = names::due(Queue::Score, &look.flow(), &look.payload()?);
    redis.command("ZADD", vec![text(names::DUE), text("GT"), number(at.millis()), text(member)]).await?;
    Ok(new)
}

impl Look {
    /// The look at what may follow a submission.
    pub fn after(submission: &Submission, awaited: &str) -> Self {
        let Submission { study_id, site_id, subject, .. } = submission;
        let (study, site, subject) = (study_id.clone(), site_id.clone(), subject.clone());
        Look { study, site, subject, awaited: awaited.to_owned() }
    }

    /// Where it is known what came in.
    pub fn received(&self) -> String {
        names::received(&self.subject, &self.awaited)
    }

    /// Whose turn it takes there: nobody's who sends, so that there is one look whoever sent.
    pub fn flow(&self) -> String {
        names::flow("", &self.study, &self.site)
    }

    /// As an entry of the queue of submissions.
    ///
    /// # Errors
    /// [`Kind::Refused`](platform::Kind::Refused) when it cannot be written as JSON.
    pub fn payload(&self) -> Result<String, Error> {
        kv::json(self)
    }
}
