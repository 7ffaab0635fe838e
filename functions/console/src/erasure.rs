//! `GET /v1/studies/{study}/erasure`: how far the erasure of a study is, or its certificate.

use domain::ids::{StudyId, is_name};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::sessions::Names;
use state::erasure::study::{self, State, StudyErasure};
use state::settings;

use crate::config::Config;

/// The erasure of a study.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StudyErasureShown {
    #[serde(flatten)]
    erasure: StudyErasure,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    began_by_name: Option<String>,
    /// Whether it rests, because the study is under a legal hold.
    held: bool,
}

/// Shows the erasure of a study that the key covers as a whole: the one under way, or the last one.
pub(crate) async fn show(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    study: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let study = StudyId::from(study);
    if !is_name(study.as_str()) || !principal.covers(&study, &"*".into()) {
        return Err(Problem::not_found());
    }
    let found = async {
        let store = Store::open().await?;
        let Some(erasure) = study::last(&config.redis, &store, &study).await? else { return Ok(None) };
        let began_by_name = Names::new(&store).of(erasure.began_by.as_str()).await?;
        let held = erasure.state == State::Erasing && settings::is_held(&config.redis, &study).await?;
        Ok(Some(StudyErasureShown { erasure, began_by_name, held }))
    };
    let found = found.await.map_err(|error| unavailable(&error))?.ok_or_else(Problem::not_found)?;
    Ok(Reply::json(200, &found).header("cache-control", "no-store"))
}
