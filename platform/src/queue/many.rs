//! Many submissions in one step.

use spin_sdk::redis::RedisResult;

use super::{BELL, CLOCK, Enqueued, Submission, announcement, enqueued, millis, nonsense};
use crate::error::Error;
use crate::names::{self, Queue};
use crate::redis::{Redis, number, text};

/// Takes submissions in, each as [`super::enqueue`] does, all in one step. Gives what became of each, in their order.
///
/// # Errors
/// [`crate::error::Kind::Away`]: nothing is known to have been written; sending them again is safe.
pub async fn enqueue_many(
    redis: &Redis,
    submissions: Vec<Submission<'_>>,
    capacity: u64,
    days: u32,
) -> Result<Vec<Enqueued>, Error> {
    if submissions.is_empty() {
        return Ok(Vec::new());
    }
    let (queue, count) = (Queue::Score, submissions.len());
    let marks: Vec<String> = submissions.iter().map(|submission| names::once(submission.id)).collect();
    let fixed = [queue.stream(), queue.bell(), names::CLOCK, names::STATS];
    let keys: Vec<&str> = fixed.into_iter().chain(marks.iter().map(String::as_str)).collect();
    let mut arguments = Vec::with_capacity(7 + 4 * count);
    arguments.extend([
        number(days.into()),
        text(capacity.to_string()),
        text(queue.channel()),
        millis(BELL),
        text(names::CLOCK_CHANNEL),
        millis(CLOCK),
        announcement(),
    ]);
    for submission in submissions {
        arguments.extend([
            text(submission.hash),
            text(submission.facts),
            text(format!("|{}|{}", submission.scope, submission.kind)),
            text(submission.payload),
        ]);
    }
    let reply = redis.eval(include_str!("enqueue_many.lua"), &keys, arguments).await?;
    all_enqueued(&reply, count).ok_or_else(|| nonsense("enqueue_many"))
}

/// The reply is an outcome and its facts for each submission.
fn all_enqueued(reply: &[RedisResult], count: usize) -> Option<Vec<Enqueued>> {
    let outcomes: Vec<Enqueued> = reply.chunks_exact(2).map(enqueued).collect::<Option<_>>()?;
    (outcomes.len() == count && reply.len() == 2 * count).then_some(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_submission_has_its_outcome() {
        let binary = |text: &str| RedisResult::Binary(text.into());
        let reply = [binary("queued"), binary(""), binary("conflict"), binary("A 1 then"), binary("full"), binary("")];
        let expected = [Enqueued::Queued, Enqueued::Conflict("A 1 then".into()), Enqueued::Full];
        assert_eq!(all_enqueued(&reply, 3), Some(expected.into()));
        assert_eq!(all_enqueued(&reply, 2), None);
        assert_eq!(all_enqueued(&reply[..5], 3), None);
        assert_eq!(all_enqueued(&[], 1), None);
    }
}
