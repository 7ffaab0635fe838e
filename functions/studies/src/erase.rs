//! `DELETE /v1/studies/{study}`: begins to erase everything of a study, for good.
//!
//! Guarantee: when the answer is 202, the doors take nothing in for the study, and the clock erases it: see
//! `workers::erase::study`. `GET /v1/studies/{study}/erasure`, of `console`, shows how far it is. A repeated request changes
//! nothing; when nothing is left, it is answered with the certificate.

use domain::ids::{StudyId, is_name};
use platform::http::Reply;
use platform::kv::Store;
use platform::{Error, clock, log};
use state::edge::problem::Problem;
use state::edge::request::{body, not_held, unavailable};
use state::edge::serve::{Call, within};
use state::erasure;
use state::erasure::study::{self, State, StudyErasure};
use state::erasure::subject::Begun;
use state::names::Queue;
use state::queue;

use crate::config::Config;

/// The longest body, bytes.
const LONGEST_BODY: usize = 4096;

/// Begins the erasure of a study that the key covers as a whole.
pub(crate) async fn begin(call: Call<Config>) -> Result<Reply, Problem> {
    let study = StudyId::from(call.segment(0));
    let Call { config, principal, incoming, deadline, .. } = call;
    let answer = async {
        let reason = erasure::reason(&body(incoming, LONGEST_BODY).await?)?;
        if !is_name(study.as_str()) || !principal.covers(&study, &"*".into()) {
            return Err(Problem::not_found());
        }
        not_held(&config.redis, &study).await?;
        let (at, by, meaning) = (clock::now().rfc3339(), principal.actor.clone(), principal.meaning.clone());
        let begun = Begun { at, by, reason, meaning };
        let job = carry_out(&config, &study, &begun).await.map_err(|error| unavailable(&error))?;
        let job = job.ok_or_else(Problem::not_found)?;
        if job.state == State::Erased {
            return Ok(Reply::json(200, &job));
        }
        log::info("study-erasing").key(&principal.id).write();
        Ok(Reply::json(202, &job).header("location", format!("/v1/studies/{study}/erasure")))
    };
    within(deadline, &config.redis, answer).await
}

/// Begins the job, unless it has begun. Returns the job, or the certificate of a study of which nothing has come since; none
/// if there never was anything of the study.
async fn carry_out(config: &Config, study: &StudyId, begun: &Begun) -> Result<Option<StudyErasure>, Error> {
    let redis = &config.redis;
    if !study::is_known(redis, study).await? {
        return Ok(None);
    }
    let last = study::last(redis, &Store::open().await?, study).await?;
    if let Some(last) = last.filter(|last| last.state == State::Erased)
        && study::left(redis, study).await? == 0
        && !study::waits(redis, study, &Queue::ALL).await?
    {
        return Ok(Some(last));
    }
    study::begin(redis, study, begun).await?;
    queue::start_clock(redis).await?;
    study::under_way(redis, study).await
}
