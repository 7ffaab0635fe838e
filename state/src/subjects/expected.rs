//! Expected submissions, and when to check for a missing one.

use domain::Timestamp;
use domain::ids::SubmissionId;
use domain::overdue::{DIARY, OverdueRule, judge};
use platform::Error;
use platform::redis::{Redis, number, text};

use crate::names::{self, Queue};
use crate::subjects::pages;
use crate::wire::entry::Submission;
use crate::wire::queued::{Check, ScoreEntry};

/// The expected instrument or diary that a submission counts for; none if it counts for none.
pub fn what<C>(submission: &Submission<C>) -> Option<&str> {
    match (&submission.amends, &submission.instrument, submission.kind.as_str()) {
        // A correction shows nothing about when the next submission comes.
        (Some(_), _, _) => None,
        (None, Some(instrument), _) => Some(instrument.as_str()),
        (None, None, "diary") => Some(DIARY),
        (None, None, _) => None,
    }
}

/// The look that is due after a submission, by the rules of its study, with the time of receipt and the time of the
/// look; none if no submission is expected.
pub fn after<'a, C>(
    submission: &Submission<C>,
    rules: impl FnOnce(&str) -> &'a [OverdueRule],
) -> Option<(Check, Timestamp, Timestamp)> {
    let what = what(submission)?;
    let look_after_ms = judge(rules(what), what, 0).look_after_ms?;
    let received = Timestamp::parse(&submission.received_at)?;
    Some((Check::after(submission, what), received, received.plus_ms(look_after_ms)))
}

/// Forgets that a submission came in, which is erased: the next one is expected after the one before it.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn remove<C>(redis: &Redis, submission: &Submission<C>) -> Result<(), Error> {
    let Some(what) = what(submission) else { return Ok(()) };
    let key = names::received(&submission.subject, what);
    redis.command("ZREM", vec![text(key), text(submission.submission_id.as_str())]).await.map(|_| ())
}

/// If Redis has lost them, puts back the record that a submission came in and the look that is due. A look that is due
/// later stays. Returns whether the submission was missing.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn put_back(
    redis: &Redis,
    submission_id: &SubmissionId,
    look: &Check,
    received: Timestamp,
    at: Timestamp,
) -> Result<bool, Error> {
    let new = pages::add(redis, &look.received(), received.millis(), submission_id.as_str()).await?;
    let member = names::due(Queue::Score, &look.flow(), &ScoreEntry::Check(look).line()?);
    redis.command("ZADD", vec![text(names::DUE), text("GT"), number(at.millis()), text(member)]).await?;
    Ok(new)
}
