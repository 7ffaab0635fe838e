//! `GET /v1/subjects/{pseudonym}/analyses`: lists the analysed images of a subject and of the subjects that it is
//! linked to, so that they can be viewed, or erased one by one.

use domain::ids::{AnalysisId, Pseudonym};
#[cfg(feature = "schema")]
use domain::schema::Time;
use futures::StreamExt as _;
use futures::stream;
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::Serialize;
use serde::de::IgnoredAny;
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use state::identity::is_pseudonym;
use state::imaging::jobs;
use state::names;
use state::subjects::links;
use state::wire::analysis::{Analysis, AnalysisState};

use crate::config::Config;

/// The most analyses in a list; the latest are kept.
const MOST: u32 = 1000;
/// The number that is read at the same time: each may be as long as the longest answer of a service.
const LOOKS: usize = 4;

/// The analyses of a subject.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Analyses<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Pseudonym"))]
    subject: &'a Pseudonym,
    analyses: Vec<ListedAnalysis>,
}

/// An analysis of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ListedAnalysis {
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    analysis_id: AnalysisId,
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("enum" = ["queued", "running", "done", "failed", "cancelled", "erased"]))
    )]
    state: AnalysisState,
    study_id: String,
    site_id: String,
    service: String,
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["stat", "routine"])))]
    priority: String,
    /// The time of the request, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    requested_at: String,
}

/// Lists the analyses that the key covers. For an unknown subject the list is empty.
pub(crate) async fn list(config: &Config, principal: &Principal, pseudonym: &str) -> Result<Reply, Problem> {
    if !is_pseudonym(pseudonym) {
        return Err(Problem::not_found());
    }
    principal.saw(Whose::default().subject(pseudonym));
    let pseudonym = &Pseudonym::from(pseudonym);
    let read = async {
        let person = links::person(&config.redis, pseudonym).await?;
        let others = person.iter().map(|member| &member.subject).filter(|other| *other != pseudonym);
        let mut ids = Vec::new();
        for subject in std::iter::once(pseudonym).chain(others) {
            ids.extend(jobs::of_subject(&config.redis, subject, MOST).await?);
        }
        let store = Store::open().await?;
        let looks = stream::iter(ids.iter().map(|id| look(config, principal, &store, id))).buffered(LOOKS);
        let found: Vec<Result<Option<ListedAnalysis>, Error>> = looks.collect().await;
        found.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    };
    let analyses = read.await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &Analyses { subject: pseudonym, analyses }))
}

/// The progress of an analysis, if the key covers it.
async fn look(
    config: &Config,
    principal: &Principal,
    store: &Store,
    id: &AnalysisId,
) -> Result<Option<ListedAnalysis>, Error> {
    match store.get::<Analysis<IgnoredAny>>(&names::analysis(id)).await? {
        Some(record) => Ok(shown(principal, record)),
        None => Ok(jobs::look(&config.redis, id)
            .await?
            .and_then(|progress| shown(principal, Analysis::of(id.clone(), progress.state, progress.facts)))),
    }
}

/// An analysis without its result, if the key covers it.
fn shown<R>(principal: &Principal, it: Analysis<R>) -> Option<ListedAnalysis> {
    principal.covers(&it.study_id, &it.site_id).then_some(ListedAnalysis {
        analysis_id: it.analysis_id,
        state: it.state,
        study_id: it.study_id.into_string(),
        site_id: it.site_id.into_string(),
        service: it.service,
        priority: it.priority,
        requested_at: it.requested_at,
    })
}
