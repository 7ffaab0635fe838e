//! Studies: each is one document, with its versions, and what the project service says of it.
//!
//! Guarantee: a document is checked as a whole before it is stored, has its record in an audit chain, and is in force for
//! everything that arrives after the answer. A version never changes. A key sees the studies that it covers.

mod config;
#[cfg(feature = "schema")]
mod describe;
mod erase;
mod list;
mod project;
mod replace;
mod show;
mod versions;

#[cfg(feature = "schema")]
pub use describe::describe;
use std::rc::Rc;
use std::time::Duration;

use domain::ids::{SiteId, StudyId};
use platform::http::{Incoming, Reply};
use state::edge::auth::{Action, Principal};
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::serve::{Call, Component as _, Described, Route, described, serve, within};
use state::edge::signature::Signing;

use config::Config;

platform::serve!(handle);
state::asked!("studies", config::read);

/// The time limit of a whole request.
const TOTAL: Duration = Config::TOTAL;

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("GET", "/v1/studies", Action::Read, |c| {
        Box::pin(async move { within(c.deadline, &c.config.redis, list::show(&c)).await })
    }),
    Route::key("GET", "/v1/studies/{study}", Action::Read, |c| Box::pin(show::show(c))),
    Route::key("PUT", "/v1/studies/{study}", Action::Configure, |c| Box::pin(replaced(c)))
        .signed(Signing::When(stores)),
    Route::key("DELETE", "/v1/studies/{study}", Action::Erase, |c| Box::pin(erase::begin(c))).signed(Signing::Always),
    Route::key("GET", "/v1/studies/{study}/versions", Action::Configure, |c| {
        Box::pin(async move { within(c.deadline, &c.config.redis, versions::list(&c)).await })
    }),
    Route::key("GET", "/v1/studies/{study}/versions/{version}", Action::Configure, |c| {
        Box::pin(async move { within(c.deadline, &c.config.redis, versions::show(&c)).await })
    }),
];

/// Whether a request stores what it sends: a dry run does not.
fn stores(incoming: &Incoming) -> bool {
    !Query::read(&incoming.query, &["dry-run"]).flag("dry-run")
}

/// The study of a path, if the key covers some of it. Whoever asks for another learns nothing.
fn study_of(principal: &Principal, segment: &str) -> Result<StudyId, Problem> {
    // A path segment of dots is not a study.
    let study = StudyId::parse(segment).filter(|study| study.as_str().bytes().any(|byte| byte != b'.'));
    let study = study.ok_or_else(Problem::not_found)?;
    principal.asks(Whose::default().study(study.as_str()));
    if principal.study().is_some_and(|own| *own != study) {
        return Err(Problem::not_found());
    }
    Ok(study)
}

/// The study of a path, if the key covers all of it.
fn whole_study_of(principal: &Principal, segment: &str) -> Result<StudyId, Problem> {
    let study = study_of(principal, segment)?;
    if principal.covers(&study, &SiteId::from("*")) { Ok(study) } else { Err(Problem::not_found()) }
}

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn replaced(call: Call<Config>) -> Result<Reply, Problem> {
    let (deadline, config) = (call.deadline, Rc::clone(&call.config));
    within(deadline, &config.redis, replace::replace(call)).await
}

async fn handle(incoming: Incoming) -> Reply {
    serve::<Config>(incoming).await
}
