//! Index updates of a submission: its subject's timeline, the subjects of its study, and the counters of its month. One
//! that cannot be scored is in no timeline; an erasure finds it in a list of its own.
//!
//! Guarantee: nothing is listed that is not stored, and nothing is counted twice, because the script that ends the
//! entry writes them all.
//!
//! The door could count in its own script. But it would also count submissions that never become records, on the path
//! that must be fast. Here the worker's script adds the counts up, with one write for each counter of a batch.

use domain::Timestamp;
use state::figures::monthly;
use state::names;
use state::queue::FollowUps;
use state::subjects::timeline::Listed;
use state::wire::entry::Submission;

/// The follow-ups of every submission that is stored.
pub(crate) fn came<C>(submission: &Submission<C>, is_scored: bool, follow_ups: &mut FollowUps) {
    let Some(at) = Timestamp::parse(&submission.received_at).map(Timestamp::millis) else { return };
    follow_ups.latest(&names::subjects_of(&submission.study_id), at, submission.subject.as_str());
    if !is_scored {
        follow_ups.index(&names::failed(&submission.subject), at, submission.submission_id.as_str());
    }
}

/// The follow-ups of a submission that was scored and raised alerts of these severities.
pub(crate) fn follow_ups<'a, C>(
    submission: &Submission<C>,
    severities: impl Iterator<Item = &'a str>,
    follow_ups: &mut FollowUps,
) {
    came(submission, true, follow_ups);
    if let Some(filed) = Listed::of(submission) {
        follow_ups.index(&names::filed(&submission.subject), filed.at_ms, &filed.member());
    }
    if let Some((month, field)) = monthly::submission(&submission.received_at, &submission.site_id) {
        let key = names::month(&submission.study_id, month);
        severities.for_each(|severity| follow_ups.count(&key, &monthly::alert(severity)));
        follow_ups.count(&key, &field);
    }
}
