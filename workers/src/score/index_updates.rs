//! Index updates of a scored submission: its subject's timeline, and the counters of its month.
//!
//! Guarantee: nothing is listed that is not stored, and nothing is counted twice, because the script that ends the
//! entry writes them all.
//!
//! The door could count in its own script. But it would also count submissions that never become records, on the path
//! that must be fast. Here the worker's script adds the counts up, with one write for each counter of a batch.

use state::figures::monthly;
use state::names;
use state::queue::FollowUps;
use state::subjects::timeline::Listed;
use state::wire::entry::Submission;

/// The follow-ups of a submission that was scored and raised alerts of these severities.
pub(crate) fn follow_ups<'a, C>(
    submission: &Submission<C>,
    severities: impl Iterator<Item = &'a str>,
    follow_ups: &mut FollowUps,
) {
    if let Some(filed) = Listed::of(submission) {
        follow_ups.index(&names::filed(&submission.subject), filed.at_ms, &filed.member());
    }
    if let Some((month, field)) = monthly::submission(&submission.received_at, &submission.site_id) {
        let key = names::month(&submission.study_id, month);
        severities.for_each(|severity| follow_ups.count(&key, &monthly::alert(severity)));
        follow_ups.count(&key, &field);
    }
}
