//! `DELETE /v1/imaging/analyses/{id}` with a reason: removes what an analysis found, everywhere, for good.
//!
//! Guarantee: when 200 is said, neither record nor image nor alerts nor anything that waits holds what was found, the door
//! answers 410 to a resend, a call under way is dropped, and the erasure is in the audit chain with its reason. Until then
//! asking again goes on where it stopped. A worker that stores the result meanwhile asks afterwards, and cleans up.
//!
//! What stays: that there was an analysis, by which service, in which study and site, and its audit chain. An analysis
//! belongs to a subject and follows from no submission: erasing a submission leaves it. What the service and the requester
//! were told is beyond reach.

use platform::auth::Principal;
use platform::deadline::Deadline;
use platform::erasure::{self, Erasure};
use platform::http::{Incoming, Reply};
use platform::identity::is_id;
use platform::jobs::{self, Analysis};
use platform::kv::{self, Batch, Store};
use platform::problem::{Problem, ProblemType};
use platform::{Error, clock, log, names};
use serde_json::json;

use crate::ai;
use crate::analyses::{away, record};
use crate::config::Config;

/// The longest body, bytes.
const LONGEST_BODY: usize = 4096;

/// The reason that a request gives; none when it has no body and only cancels.
pub(crate) async fn reason(incoming: Incoming, deadline: Deadline) -> Result<Option<String>, Problem> {
    let json = incoming.is_json();
    let body = ai::body(incoming, LONGEST_BODY, deadline).await?;
    match (body.is_empty(), json) {
        (true, _) => Ok(None),
        (false, false) => Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json")),
        (false, true) => erasure::reason(&body).map(Some),
    }
}

/// Erases an analysis that the key covers, however far it is.
pub(crate) async fn erase(config: &Config, principal: &Principal, id: &str, reason: &str) -> Result<Reply, Problem> {
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let mut tombstone = match record(principal, id).await? {
        Some(record) => record,
        None => {
            let progress = jobs::look(&config.redis, id).await.map_err(|error| away(&error))?;
            let facts = progress.map(|progress| progress.facts);
            let facts = facts.filter(|facts| principal.covers(&facts.study, &facts.site));
            Analysis::of(id, facts.ok_or_else(Problem::not_found)?)
        }
    };
    tombstone.bury(clock::now().rfc3339());
    let erased = carry_out(config, principal, &tombstone, reason).await.map_err(|error| away(&error))?;
    log::info("analysis-erased").submission(id).key(&principal.id).write();
    let document = json!({
        "analysisId": id,
        "state": "erased",
        "studyId": tombstone.study_id,
        "siteId": tombstone.site_id,
        "erasedAt": erased.at,
    });
    Ok(Reply::json(200, &document))
}

async fn carry_out(config: &Config, principal: &Principal, to: &Analysis, reason: &str) -> Result<Erasure, Error> {
    let (redis, id) = (&config.redis, &to.analysis_id);
    let wanted = Erasure {
        at: to.ended_at.clone(),
        actor: principal.id.clone(),
        reason: reason.to_owned(),
        tombstone: kv::json(to)?,
    };
    let (erasure, hash) = jobs::erase(redis, id, &wanted).await?;
    let store = Store::open().await?;
    // Read again: until the erasure was known, a worker may have stored it.
    let found: Option<Analysis> = store.get(&names::analysis(id)).await?;
    bury(config, &store, id, &erasure, found.map(|found| found.alerts).unwrap_or_default()).await?;
    if let Some(hash) = hash {
        kv::remove_all(&[names::analysis_image(id, hash)])?;
    }
    for member in ["analysisId", "submissionId"] {
        erasure::sweep(redis, member, id).await?;
    }
    Ok(erasure)
}

/// Puts the tombstone in place of what was found, and takes away what was raised and told.
async fn bury(config: &Config, store: &Store, id: &str, erasure: &Erasure, alerts: Vec<String>) -> Result<(), Error> {
    erasure::remove_alerts(&config.redis, store, alerts).await?;
    kv::remove_all(&[names::analysis_webhook(id)])?;
    let mut batch = Batch::default();
    erasure::bury(&config.redis, store, &mut batch, &names::analysis(id), erasure).await?;
    kv::put_all(&mut batch)
}

/// For a worker that has stored this: whether the analysis was erased meanwhile. Then nothing of it is left, and nothing
/// follows.
pub(crate) async fn after(config: &Config, id: &str, stored: &Batch) -> Result<bool, Error> {
    let Some(erasure) = erasure::find(&config.redis, &[id]).await?.remove(id) else { return Ok(false) };
    let alerts = stored.get::<Analysis>(&names::analysis(id)).and_then(Result::ok).map(|record| record.alerts);
    bury(config, &Store::open().await?, id, &erasure, alerts.unwrap_or_default()).await?;
    log::info("analysis-dropped").submission(id).outcome("erased").write();
    Ok(true)
}
