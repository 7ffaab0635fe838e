//! `DELETE /v1/submissions/{id}`: removes what a submission said, everywhere, for good.
//!
//! Guarantee: when 200 is said, neither record nor alerts nor anything that waits holds the content, the door answers
//! 410 to a resend, and the erasure is in the audit chain with its reason. Until then asking again goes on where it
//! stopped. What is on its way to a worker is dropped there; see `platform::erasure`.
//!
//! What stays: that there was a submission, in which study and site, since when, and its audit chain, which holds
//! hashes. The subject's sealed identity stays too, since it belongs to all of the subject's submissions.

use platform::auth::Principal;
use platform::entry::{Record, State};
use platform::erasure::{self, Erasure};
use platform::filed::{self, Filed};
use platform::http::{Incoming, Reply};
use platform::identity::is_id;
use platform::kv::{self, Batch, Store};
use platform::problem::{Problem, ProblemType};
use platform::{Error, clock, log, names};
use serde_json::json;

use crate::away;
use crate::config::Config;
use crate::submission;

/// The longest body, bytes.
const LONGEST_BODY: usize = 4096;

/// Erases a submission that the key covers.
pub(crate) async fn erase(
    config: &Config,
    principal: &Principal,
    id: &str,
    incoming: Incoming,
) -> Result<Reply, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let body = incoming.body(LONGEST_BODY).await.map_err(|error| Problem::unread(error, LONGEST_BODY))?;
    let reason = erasure::reason(&body)?;
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let store = Store::open().await.map_err(|error| away(&error))?;
    let record: Option<Record> = store.get(&names::submission(id)).await.map_err(|error| away(&error))?;
    let filed = record.as_ref().map(|it| &it.submission);
    let filed = filed.and_then(|it| Some((it.subject.clone(), Filed::of(it)?.member())));
    let place = match record {
        Some(Record { submission, .. }) => Some((submission.study_id, submission.site_id, submission.received_at)),
        None => submission::marked(config, id).await?.map(|mark| (mark.study, mark.site, mark.received_at)),
    };
    let place = place.filter(|(study, site, _)| principal.covers(study, site));
    let Some((study, site, received_at)) = place else { return Err(Problem::not_found()) };

    let wanted = Erasure {
        at: clock::now().rfc3339(),
        actor: principal.id.clone(),
        reason,
        tombstone: erasure::tombstone(id, &study, &site, &received_at).map_err(|error| away(&error))?,
    };
    let facts = format!("{study} {site} {received_at}");
    let erased = carry_out(config, &store, id, &facts, &wanted).await.map_err(|error| away(&error))?;
    if let Some((subject, member)) = filed {
        filed::remove(&config.redis, &subject, member).await.map_err(|error| away(&error))?;
    }
    log::info("submission-erased").submission(id).key(&principal.id).write();
    let document = json!({
        "submissionId": id,
        "state": State::Erased,
        "studyId": study,
        "siteId": site,
        "receivedAt": received_at,
        "erasedAt": erased.at,
    });
    Ok(Reply::json(200, &document))
}

async fn carry_out(config: &Config, store: &Store, id: &str, facts: &str, wanted: &Erasure) -> Result<Erasure, Error> {
    let redis = &config.redis;
    let erasure = erasure::erase(redis, id, facts, wanted).await?;
    let entity = names::submission(id);
    erasure::remove_alerts(redis, store, erasure::alerts_of(store, id).await?).await?;
    kv::remove_all(&erasure::beside(id))?;
    let mut batch = Batch::default();
    erasure::bury(redis, store, &mut batch, &entity, &erasure).await?;
    kv::put_all(&mut batch)?;
    erasure::sweep(redis, "submissionId", id).await?;
    Ok(erasure)
}
