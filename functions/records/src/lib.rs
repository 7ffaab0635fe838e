//! Reads: the state of a submission, a subject's identity, submissions and everything else of it, the data that other services hold on a
//! patient, scores and instruments as FHIR; the figures of the last hour.
//!
//! Guarantee: a key sees only what its study, site and role cover; everything else looks as if it did not exist.

mod config;
#[cfg(feature = "schema")]
mod describe;
mod erase;
mod erase_subject;
mod export;
mod fhir;
mod gather;
mod hour;
mod identity;
mod list;
mod observations;
mod page;
mod patient;
mod report;
mod spark;
mod subject;
mod submission;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::problem::Problem;
use state::edge::serve::{Call, Described, Route, answer, described, refused, within};
use state::edge::signature::Signing;

use config::Config;

platform::serve!(handle);
state::asked!("records", config::read);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("GET", "/v1/stats/hour", Action::Measure, |c| {
        Box::pin(async move { within(c.deadline, &c.config.redis, hour::show(&c)).await })
    }),
    Route::key("GET", "/v1/patients/{patientId}/record", Action::Treat, |c| Box::pin(patient::show(c))),
    Route::key("GET", "/v1/studies/{study}/submissions", Action::Read, |c| Box::pin(list::show(c))),
    Route::key("GET", "/v1/studies/{study}/report", Action::Read, |c| Box::pin(report::show(c))),
    Route::key("GET", "/v1/subjects/{pseudonym}/submissions", Action::Read, |c| Box::pin(subject::submissions(c))),
    Route::key("GET", "/v1/subjects/{pseudonym}/scores", Action::Read, |c| Box::pin(subject::series(c))),
    Route::key("GET", "/v1/subjects/{pseudonym}/identity", Action::Identify, |c| {
        Box::pin(async move {
            let shown = identity::show(&c.config, &c.principal, &c.incoming, c.segment(0));
            within(c.deadline, &c.config.redis, shown).await
        })
    }),
    Route::key("GET", "/v1/subjects/{pseudonym}/export", Action::Export, |c| Box::pin(export::show(c))),
    Route::key("DELETE", "/v1/subjects/{pseudonym}", Action::Erase, |c| Box::pin(erase_subject::erase(c)))
        .signed(Signing::Always),
    Route::key("GET", "/v1/submissions/{id}", Action::Follow, |c| {
        Box::pin(async move {
            let shown = submission::show(&c.config, &c.principal, c.segment(0));
            within(c.deadline, &c.config.redis, shown).await
        })
    }),
    Route::key("DELETE", "/v1/submissions/{id}", Action::Erase, |c| Box::pin(erased(c))).signed(Signing::Always),
    Route::open("GET", "/fhir/metadata", |_, _| Box::pin(async { Ok(fhir::metadata()) })),
    Route::key("GET", "/fhir/QuestionnaireResponse/{id}", Action::Read, |c| Box::pin(fhir::response_of(c))),
    Route::key("GET", "/fhir/Questionnaire/{instrument}", Action::Follow, |c| Box::pin(fhir::questionnaire_of(c))),
    Route::key("GET", "/fhir/Observation", Action::Read, |c| Box::pin(observations::search(c))),
];

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    let path = incoming.path.clone();
    match answer::<Config>(incoming).await {
        Ok(reply) => reply,
        Err(problem) if path.starts_with("/fhir/") => fhir::refused(&path, problem),
        Err(problem) => refused::<Config>(problem).await.into(),
    }
}

async fn erased(call: Call<Config>) -> Result<Reply, Problem> {
    let id = call.segment(0).to_owned();
    let erase = erase::erase(&call.config, &call.principal, &id, call.incoming);
    within(call.deadline, &call.config.redis, erase).await
}
