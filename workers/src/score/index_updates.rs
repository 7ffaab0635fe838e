//! What follows for those who look: the list of a subject's submissions, that of a study's responses, and the counters of
//! its month.
//!
//! All are written by the script that ends the entry, so that nothing is listed that is not stored and nothing counted
//! twice. The door could count in its own script; but it would count what never became a record, on the path that must
//! be fast, where this adds up in the worker's script, one write for each counter of a batch.

use domain::Timestamp;
use state::figures::monthly;
use state::names;
use state::queue::FollowUps;
use state::subjects::timeline::Filed;
use state::wire::entry::Submission;

/// What follows from a submission that was scored and raised alerts of these severities.
pub(crate) fn follow_ups<'a>(
    submission: &Submission,
    severities: impl Iterator<Item = &'a str>,
    follow_ups: &mut FollowUps,
) {
    if let Some(filed) = Filed::of(submission) {
        follow_ups.index(&names::filed(&submission.subject), filed.at_ms, &filed.member());
    }
    if let (Some(received), Some(instrument)) = (Timestamp::parse(&submission.received_at), &submission.instrument) {
        let key = names::responses(&submission.study_id, instrument);
        follow_ups.index(&key, received.millis(), &submission.submission_id);
    }
    if let Some((month, field)) = monthly::submission(&submission.received_at, &submission.site_id) {
        let key = names::month(&submission.study_id, month);
        severities.for_each(|severity| follow_ups.count(&key, &monthly::alert(severity)));
        follow_ups.count(&key, &field);
    }
}
