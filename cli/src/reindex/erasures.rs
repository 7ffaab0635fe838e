//! Rebuilds what erasures need to find: the analyses of subjects, the subjects of studies, and the erasures of studies that
//! are under way.

use anyhow::Result;
use domain::Timestamp;
use domain::ids::{Pseudonym, StudyId};
use platform::kv;
use platform::redis::Redis;
use state::erasure::study::{self, State, StudyErasure};
use state::names;
use state::subjects::pages;
use state::wire::analysis::Analysis;
use state::wire::entry::{self, Submission};

use super::Counts;
use crate::PAGE;

/// Puts into Redis what it lost of them. The erasures come first, so that the doors are closed.
pub(super) async fn put_back(redis: &Redis, counts: &mut Counts) -> Result<()> {
    let mut listing = kv::list("study/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (_, value) in page.iter().filter(|(key, _)| key.ends_with("/erasure")) {
            match serde_json::from_slice::<StudyErasure>(value) {
                Ok(job) if job.state == State::Erasing => study::begin(redis, &job.study, &job.begun()).await?,
                Ok(_) => {}
                Err(_) => counts.unreadable += 1,
            }
        }
    }
    let mut listing = kv::list("analysis/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        // Below an analysis lie its image and the outcome of its notification.
        for (_, value) in page.iter().filter(|(key, _)| key.matches('/').count() == 1) {
            match serde_json::from_slice::<Analysis>(value) {
                Ok(analysis) => analysed(redis, &analysis).await?,
                Err(_) => counts.unreadable += 1,
            }
        }
    }
}

async fn analysed(redis: &Redis, analysis: &Analysis) -> Result<()> {
    let Some(at) = Timestamp::parse(&analysis.requested_at).filter(|_| !analysis.subject.is_empty()) else {
        return Ok(());
    };
    let list = names::analyses_of(&analysis.subject);
    pages::add(redis, &list, at.millis(), analysis.analysis_id.as_str()).await?;
    came(redis, &analysis.study_id, &analysis.subject, at).await
}

/// Notes a stored submission, which was scored or not.
pub(super) async fn submitted(redis: &Redis, submission: &Submission, state: entry::State) -> Result<()> {
    let Some(at) = Timestamp::parse(&submission.received_at) else { return Ok(()) };
    if state == entry::State::Failed {
        let list = names::failed(&submission.subject);
        pages::add(redis, &list, at.millis(), submission.submission_id.as_str()).await?;
    }
    came(redis, &submission.study_id, &submission.subject, at).await
}

async fn came(redis: &Redis, study: &StudyId, subject: &Pseudonym, at: Timestamp) -> Result<()> {
    Ok(study::came(redis, study, subject, at.millis()).await?)
}
