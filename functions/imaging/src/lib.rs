//! Images: reads DICOM files as they stream in, and runs analyses at scarce services.
//!
//! Guarantee: an image file is never in memory as a whole; nothing that is shown of it identifies anybody.

mod ai;
mod analyses;
mod asked;
mod call;
mod config;
#[cfg(feature = "schema")]
mod describe;
mod dicom;
mod erase;
mod services;
mod subject;
mod worker;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::serve::{Described, Route, described, serve};
use state::edge::signature::Signing;

use config::Config;

platform::serve!(handle);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("POST", "/v1/dicom/analyze", Action::Submit, |c| {
        Box::pin(async move { dicom::analyze(&c.config, &c.principal, c.incoming).await })
    }),
    Route::key("POST", "/v1/ai/analyze", Action::Submit, |c| {
        Box::pin(async move { ai::analyze(&c.config, c.incoming).await })
    }),
    Route::key("POST", "/v1/imaging/analyses", Action::Submit, |c| Box::pin(analyses::begin(c))),
    Route::key("GET", "/v1/imaging/analyses/{analysis}", Action::Follow, |c| Box::pin(analyses::look(c))),
    Route::key("DELETE", "/v1/imaging/analyses/{analysis}", Action::Submit, |c| Box::pin(analyses::end(c)))
        .signed(Signing::When(Incoming::is_json)),
    Route::key("GET", "/v1/subjects/{pseudonym}/analyses", Action::Read, |c| Box::pin(analyses::of_subject(c))),
];

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    serve::<Config>(incoming).await
}
