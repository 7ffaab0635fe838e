//! A stored submission as FHIR resources: the response, and its scores.

use domain::Instrument;
use domain::fhir::answered::{Answered, questionnaire_response};
use domain::fhir::observation::{self, Scored, observation};
use domain::ids::SubmissionId;
use serde_json::Value;

use crate::wire::entry::{Record, Submission};

/// A response, as a `QuestionnaireResponse`. `instrument` is the version that the answers were checked by.
pub fn response(submission: &Submission, instrument: &Instrument) -> Value {
    let answered = Answered {
        submission_id: submission.submission_id.as_str(),
        study_id: submission.study_id.as_str(),
        site_id: submission.site_id.as_str(),
        subject: submission.subject.as_str(),
        authored_at: &submission.authored_at,
        received_at: &submission.received_at,
        amends: submission.amends.as_ref().map(SubmissionId::as_str),
        amends_reason: submission.amends_reason.as_deref(),
        answers: &submission.content,
    };
    questionnaire_response(&answered, instrument)
}

/// The scores of a record, as `Observation`s, in the instrument's order. `definition` gives their titles.
pub fn observations<C>(record: &Record<String, Submission<C>>, definition: Option<&Instrument>) -> Vec<Value> {
    let submission = &record.submission;
    let Some(instrument) = &submission.instrument else { return Vec::new() };
    let scored = Scored {
        submission_id: submission.submission_id.as_str(),
        subject: submission.subject.as_str(),
        authored_at: &submission.authored_at,
        instrument: instrument.as_str(),
    };
    let scores = record.scores.iter().enumerate().map(|(position, score)| {
        let score = observation::Score {
            id: &score.id,
            value: score.value.as_ref(),
            band: score.band.as_deref(),
            status: &score.status,
            reason: score.reason.as_deref(),
        };
        observation(&scored, position, &score, definition)
    });
    scores.collect()
}
