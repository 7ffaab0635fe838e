//! `GET /v1/studies`: the studies that have a document, by their ids.

use domain::ids::StudyId;
use platform::http::Reply;
use serde::Serialize;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::Call;
use state::settings::studies::{self, Line};

use crate::config::Config;

/// A page of studies.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StudyList {
    studies: Vec<Line>,
    /// Where the next page begins; null at the end.
    cursor: Option<StudyId>,
    more: bool,
}

/// Lists the studies that the key covers.
pub(crate) async fn show(call: &Call<Config>) -> Result<Reply, Problem> {
    let mut query = Query::read(&call.incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let after = query.cursor(StudyId::parse);
    query.finish()?;
    let after = after.as_ref().map_or("", StudyId::as_str);
    let shown = |study: &StudyId| call.principal.study().is_none_or(|own| own == study);
    let found = studies::list(&call.config.redis, after, limit, shown).await;
    let (studies, more) = found.map_err(|error| unavailable(&error))?;
    let cursor = studies.last().filter(|_| more).map(|last| last.study_id.clone());
    Ok(Reply::json(200, &StudyList { studies, cursor, more }))
}
